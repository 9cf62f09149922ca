//! A walk over XML that hands out elements and text; entities beyond the five of XML itself are
//! not expanded, so there is nothing to blow up.

use super::reject;
use crate::error::{Class, Result};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// What a walk meets. Names come without their prefix.
pub(super) trait Visit {
    /// An element begins.
    fn start(&mut self, name: &str, element: &BytesStart<'_>);
    /// An element ends.
    fn end(&mut self, name: &str);
    /// Text within an element.
    fn text(&mut self, text: &str);
}

/// Walks over `xml`; `part` names it in errors.
pub(super) fn walk(xml: &str, part: &str, visitor: &mut impl Visit) -> Result<()> {
    let corrupt = |reason: String| reject(Class::Corrupt, format!("{part}: {reason}"));
    let mut reader = Reader::from_str(xml);
    let mut depth = 0usize;
    loop {
        match reader.read_event().map_err(|error| corrupt(error.to_string()))? {
            Event::Start(element) => {
                depth += 1;
                visitor.start(element.local_name().as_ref(), &element);
            }
            Event::Empty(element) => {
                visitor.start(element.local_name().as_ref(), &element);
                visitor.end(element.local_name().as_ref());
            }
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                visitor.end(element.local_name().as_ref());
            }
            Event::Text(text) => visitor.text(&text.xml10_content()),
            Event::CData(text) => visitor.text(&text.xml10_content()),
            Event::GeneralRef(entity) => visitor.text(&resolve(&entity)),
            Event::Eof if depth > 0 => return Err(corrupt(format!("{depth} elements are not closed"))),
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn resolve(entity: &BytesRef<'_>) -> String {
    if let Ok(Some(c)) = entity.resolve_char_ref() {
        return c.to_string();
    }
    match entity.xml10_content().as_ref() {
        "amp" => "&".into(),
        "lt" => "<".into(),
        "gt" => ">".into(),
        "quot" => "\"".into(),
        "apos" => "'".into(),
        _ => String::new(),
    }
}

/// The value of an attribute, by its name with prefix.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok().flatten()?;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.into_owned())
}

/// Three attributes of every element of one name, in order.
pub(super) fn attributes(xml: &str, part: &str, name: &str, keys: [&str; 3]) -> Result<Vec<[String; 3]>> {
    struct Attributes<'a> {
        name: &'a str,
        keys: [&'a str; 3],
        found: Vec<[String; 3]>,
    }
    impl Visit for Attributes<'_> {
        fn start(&mut self, name: &str, element: &BytesStart<'_>) {
            if name == self.name {
                self.found.push(self.keys.map(|key| attribute(element, key).unwrap_or_default()));
            }
        }
        fn end(&mut self, _: &str) {}
        fn text(&mut self, _: &str) {}
    }
    let mut attributes = Attributes { name, keys, found: Vec::new() };
    walk(xml, part, &mut attributes)?;
    Ok(attributes.found)
}
