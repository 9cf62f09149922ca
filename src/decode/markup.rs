//! XML of any kind as text. Elements that hold only a value are lines, `name: value`; elements with
//! text between others are paragraphs; elements around those are gaps. Attributes are lines too.

use super::writer::Writer;
use super::xml::{self, Visit};
use super::{Limits, text};
use crate::error::Result;
use quick_xml::events::BytesStart;

/// Elements within elements beyond this are read as the text of the one around them.
const MAX_DEPTH: usize = 200;

/// The page of an XML document.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<String>> {
    let source = text::decode(bytes, named(bytes));
    let mut body = Body { writer: Writer::new(limits), open: Vec::new(), deeper: 0 };
    xml::walk(&source, "the XML document", &mut body)?;
    body.writer.finish(limits)
}

/// The encoding that the first line names.
fn named(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let head = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).into_owned();
    let (_, after) = head.strip_prefix("<?xml")?.split_once("encoding=")?;
    let label = after.get(1..)?.split(['"', '\'']).next()?;
    text::labelled(label.as_bytes())
}

/// An element that is open.
struct Open {
    name: String,
    /// Text that is not written yet.
    text: String,
    has_children: bool,
    /// It has text between its elements.
    mixed: bool,
}

struct Body {
    writer: Writer,
    open: Vec<Open>,
    /// Elements beyond the deepest that is told apart.
    deeper: usize,
}

impl Body {
    fn line(&mut self, name: &str, value: &str) {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        if !value.is_empty() {
            self.writer.text(name);
            self.writer.text(": ");
            self.writer.text(&value);
            self.writer.end_line();
        }
    }
}

impl Visit for Body {
    fn start(&mut self, name: &str, element: &BytesStart<'_>) {
        if self.open.len() >= MAX_DEPTH {
            self.deeper += 1;
            return;
        }
        let mut inline = false;
        if let Some(around) = self.open.last_mut() {
            around.has_children = true;
            around.mixed |= !around.text.trim().is_empty();
            inline = around.mixed;
        }
        if inline {
            // What is within a sentence belongs to it.
            let text = self.open.last_mut().map(|around| std::mem::take(&mut around.text));
            self.writer.words(&text.unwrap_or_default());
        }
        let attributes: Vec<(String, String)> = element
            .attributes()
            .flatten()
            .filter_map(|attribute| {
                let key = attribute.key.as_ref().to_owned();
                let plain = !key.starts_with("xmlns") && !key.starts_with("xsi:");
                let key = key.rsplit(':').next().unwrap_or(&key).to_owned();
                plain.then(|| {
                    (key.clone(), xml::attribute(element, attribute.key.as_ref()).unwrap_or_default())
                })
            })
            .collect();
        if !inline {
            for (key, value) in attributes {
                self.line(&format!("{name}.{key}"), &value);
            }
        }
        self.open.push(Open {
            name: name.to_owned(),
            text: String::new(),
            has_children: false,
            mixed: inline,
        });
    }

    fn end(&mut self, _: &str) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        let Some(Open { name, text, has_children, mixed }) = self.open.pop() else { return };
        let within = self.open.last().is_some_and(|around| around.mixed);
        match (mixed, has_children) {
            (true, _) => {
                self.writer.words(&text);
                if !within {
                    self.writer.end_paragraph();
                }
            }
            (false, false) => self.line(&name, &text),
            (false, true) => {
                // Text behind the last element is the tail of a paragraph.
                self.writer.words(&text);
                self.writer.end_paragraph();
            }
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(open) = self.open.last_mut() {
            open.text.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::limits;

    #[test]
    fn values_are_lines_and_sentences_are_paragraphs() {
        let xml = "<?xml version='1.0'?><!DOCTYPE o [<!ENTITY x 'boom'>]><order id='7' xmlns:a='u'>\
            <to><name>Ada &amp; Co</name><a:city>Wien</a:city></to><to><name>Bob</name></to>\
            <note>See <b>the <i>plan</i></b>, soon &x;.</note><empty/></order>";
        let expected = "order.id: 7\nname: Ada & Co\ncity: Wien\n\nname: Bob\n\nSee the plan, soon .";
        assert_eq!(pages(xml.as_bytes(), &limits()).unwrap(), [expected]);
    }

    #[test]
    fn the_named_encoding_is_used_and_depth_is_flat() {
        let latin = b"<?xml version=\"1.0\" encoding=\"iso-8859-2\"?><t>\xb3\xf3d\xbc</t>";
        assert_eq!(pages(latin, &limits()).unwrap(), ["t: łódź"]);
        let deep = format!("{}core{}", "<a>".repeat(50_000), "</a>".repeat(50_000));
        assert!(pages(deep.as_bytes(), &limits()).unwrap()[0].contains("core"));
    }
}
