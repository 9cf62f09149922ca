//! The structure of a mail: its parts (RFC 2046), and which of them are its text and which are attached (RFC 8621,
//! section 4.1.4). A delimiter ends whatever part it is met in (RFC 2046, section 5.1.1): one whose headers have no
//! end, and one whose own parts have none. A mail within a mail is one part; what is in it is asked of it alone.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use std::borrow::Cow;
use std::ops::Range;

/// Parts within parts that are looked into; one deeper is a mail of its own, for whose depth there is a limit.
const DEEPEST: usize = 256;

/// What a mail consists of: its parts, and which of them are what, by their places.
#[derive(Default)]
pub(super) struct Parts<'m> {
    pub all: Vec<Part<'m>>,
    /// Its text, without markup where there is a choice.
    pub text: Vec<usize>,
    /// Its text, with markup where there is a choice.
    pub html: Vec<usize>,
    /// Documents of their own.
    pub attached: Vec<usize>,
}

pub(super) struct Part<'m> {
    /// Its headers, and its content unless that is a mail.
    pub message: Message<'m>,
    /// The mail that it is.
    pub mail: Option<Cow<'m, [u8]>>,
}

/// The parts of a mail.
pub(super) fn parts_of(mail: &[u8]) -> Parts<'_> {
    let mut reader = Reader { mail, open: Vec::new(), parts: Parts::default() };
    let mut next = Some(0);
    while let Some(start) = next {
        next = reader.part(start);
    }
    reader.close(0, mail.len());
    reader.parts
}

struct Reader<'m> {
    mail: &'m [u8],
    /// Multiparts that have not ended, the innermost last.
    open: Vec<Multipart>,
    parts: Parts<'m>,
}

struct Multipart {
    boundary: String,
    around: Around,
    /// Where its headers end.
    head_end: usize,
    /// How many parts of it have begun.
    begun: usize,
    /// How many parts were text before it.
    texts: usize,
    htmls: usize,
}

/// What parts are in.
#[derive(Clone, Copy)]
struct Around {
    kind: Kind,
    /// They are one of several choices.
    choice: bool,
    /// They may be the text, without and with markup.
    text: bool,
    html: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Alternative,
    Digest,
    Related,
    Other,
}

/// A line that ends a part.
struct Delimiter {
    line: Range<usize>,
    /// Of which open multipart.
    of: usize,
    /// No part of it follows.
    last: bool,
}

impl<'m> Reader<'m> {
    /// Reads the part that begins at a place, and what ends with it; where the next one begins.
    fn part(&mut self, start: usize) -> Option<usize> {
        if let Some(around) = self.open.last_mut() {
            around.begun += 1;
        }
        let (mut head_end, mut body) = self.head(start);
        if let Some(cut) = self.cut(start..head_end) {
            (head_end, body) = (cut, cut);
        }
        let headers = MessageParser::default().parse_headers(self.slice(start..head_end));
        let declared = headers.as_ref().and_then(|headers| Some((headers, boundary(headers)?)));
        let mut delimiter = match declared {
            Some((headers, boundary)) if self.open.len() < DEEPEST => {
                self.open(headers, boundary, head_end);
                self.delimiter(body)
            }
            declared => {
                let too_deep = declared.is_some();
                let next = self.delimiter(body);
                let end = next.as_ref().map_or(self.mail.len(), |next| self.before(next.line.start));
                let body = if too_deep { start } else { body };
                self.leaf(headers, start..end.max(start), body.min(end), too_deep);
                next
            }
        };
        loop {
            let Delimiter { line, of, last } = delimiter?;
            self.close(if last { of } else { of + 1 }, self.before(line.start));
            if !last {
                return Some(line.end);
            }
            delimiter = self.delimiter(line.end);
        }
    }

    fn slice(&self, range: Range<usize>) -> &'m [u8] {
        self.mail.get(range).unwrap_or_default()
    }

    /// The lines from a place on: where each is, and what it says.
    fn lines(&self, from: usize) -> impl Iterator<Item = (Range<usize>, &'m [u8])> + use<'m> {
        let mut at = from;
        self.slice(from..self.mail.len()).split_inclusive(|byte| *byte == b'\n').map(move |line| {
            let start = at;
            at += line.len();
            (start..at, line.trim_ascii_end())
        })
    }

    /// Where the headers that begin at a place end, and where what they are the headers of begins.
    fn head(&self, start: usize) -> (usize, usize) {
        let ends = |(line, text): (Range<usize>, &[u8])| match text.is_empty() {
            true => Some((line.start, line.end)),
            false => self.delimits(text).map(|_| (line.start, line.start)),
        };
        self.lines(start).find_map(ends).unwrap_or((self.mail.len(), self.mail.len()))
    }

    /// Where headers are cut off by a delimiter that they declare themselves.
    fn cut(&self, head: Range<usize>) -> Option<usize> {
        let mut lines = self.lines(head.start).take_while(|(line, _)| line.start < head.end);
        let mut dashes = lines.by_ref().filter(|(_, text)| text.starts_with(b"--"));
        let (first, text) = dashes.next()?;
        let before = MessageParser::default().parse_headers(self.slice(head.start..first.start))?;
        let boundary = boundary(&before)?;
        let mut dashes = std::iter::once((first, text)).chain(dashes);
        dashes.find_map(|(line, text)| delimits(&boundary, text).map(|_| line.start))
    }

    /// The next line that ends a part.
    fn delimiter(&self, from: usize) -> Option<Delimiter> {
        if self.open.is_empty() {
            return None;
        }
        self.lines(from).find_map(|(line, text)| {
            let (of, last) = self.delimits(text)?;
            Some(Delimiter { line, of, last })
        })
    }

    /// Of which open multipart a line is a delimiter, and whether the last one.
    fn delimits(&self, line: &[u8]) -> Option<(usize, bool)> {
        if !line.starts_with(b"--") {
            return None;
        }
        let mut inner_first = self.open.iter().enumerate().rev();
        inner_first.find_map(|(index, open)| Some((index, delimits(&open.boundary, line)?)))
    }

    /// Where what stands before a delimiter ends: the line break before one belongs to it.
    fn before(&self, delimiter: usize) -> usize {
        let before = self.slice(0..delimiter);
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        before.strip_suffix(b"\r").unwrap_or(before).len()
    }

    /// What the next part is in.
    fn around(&self) -> Around {
        let whole = Around { kind: Kind::Other, choice: false, text: true, html: true };
        self.open.last().map_or(whole, |open| open.around)
    }

    fn open(&mut self, headers: &Message<'_>, boundary: String, head_end: usize) {
        let kind = match headers.content_type().and_then(|kind| kind.subtype()) {
            Some(kind) if kind.eq_ignore_ascii_case("alternative") => Kind::Alternative,
            Some(kind) if kind.eq_ignore_ascii_case("digest") => Kind::Digest,
            Some(kind) if kind.eq_ignore_ascii_case("related") => Kind::Related,
            _ => Kind::Other,
        };
        let around = self.around();
        let around = Around { kind, choice: around.choice || kind == Kind::Alternative, ..around };
        let (texts, htmls) = (self.parts.text.len(), self.parts.html.len());
        self.open.push(Multipart { boundary, around, head_end, begun: 0, texts, htmls });
    }

    /// Ends the multiparts from the one of an index on.
    fn close(&mut self, index: usize, end: usize) {
        while self.open.len() > index
            && let Some(closed) = self.open.pop()
        {
            if closed.begun == 0 {
                // It has no parts, so what it says is its text.
                self.add_text(closed.head_end..end);
            }
            let Parts { text, html, .. } = &mut self.parts;
            if closed.around.kind == Kind::Alternative && closed.around.text && closed.around.html {
                // There was no choice.
                let (texts, htmls) = (text.len(), html.len());
                if texts == closed.texts {
                    text.extend(html.iter().skip(closed.htmls));
                }
                if htmls == closed.htmls {
                    html.extend(text.iter().take(texts).skip(closed.texts));
                }
            }
        }
    }

    /// Adds what has no headers, from the empty line on that they would stand before.
    fn add_text(&mut self, range: Range<usize>) {
        if let Some(message) = MessageParser::default().parse(self.slice(range)) {
            self.parts.text.push(self.parts.all.len());
            self.parts.html.push(self.parts.all.len());
            self.parts.all.push(Part { message, mail: None });
        }
    }

    /// Adds a part that has no parts.
    fn leaf(&mut self, headers: Option<Message<'m>>, range: Range<usize>, body: usize, too_deep: bool) {
        let around = self.around();
        let kind = headers.as_ref().and_then(|headers| headers.content_type());
        let is_mail = too_deep
            || kind.map_or(around.kind == Kind::Digest, |kind| {
                let subtype = kind.subtype().unwrap_or_default();
                kind.ctype().eq_ignore_ascii_case("message")
                    && ["rfc822", "global"].iter().any(|mail| subtype.eq_ignore_ascii_case(mail))
            });
        if is_mail {
            let content = self.slice(body..range.end);
            let packing =
                headers.as_ref().and_then(|headers| headers.parts.first()?.content_transfer_encoding());
            let unpacked = match packing.unwrap_or_default().to_ascii_lowercase().as_str() {
                "base64" if !too_deep => base64_decode(content),
                "quoted-printable" if !too_deep => quoted_printable_decode(content),
                _ => None,
            };
            let mail = unpacked.map_or(Cow::Borrowed(content), Cow::Owned);
            self.parts.attached.push(self.parts.all.len());
            self.parts.all.push(Part { message: headers.unwrap_or_default(), mail: Some(mail) });
            return;
        }
        match MessageParser::default().parse(self.slice(range.clone())) {
            Some(message) if message.parts.len() == 1 => self.sort(message),
            // Headers that this reads otherwise than the parser: as they stand.
            Some(_) => self.add_text(range),
            None => {}
        }
    }

    /// Adds a part that is no mail, as what it is.
    fn sort(&mut self, message: Message<'m>) {
        let around = self.around();
        let Some(part) = message.parts.first() else { return };
        let first = self.open.last().is_none_or(|open| open.begun == 1);
        let kind = part.content_type();
        let is = |name: &str| kind.is_some_and(|kind| kind.ctype().eq_ignore_ascii_case(name));
        let sub = |name: &str| {
            kind.and_then(|kind| kind.subtype()).is_some_and(|sub| sub.eq_ignore_ascii_case(name))
        };
        let html = matches!(part.body, PartType::Html(_));
        let plain = matches!(part.body, PartType::Text(_)) && (kind.is_none() || is("text") && sub("plain"));
        let media = ["image", "audio", "video"].into_iter().any(is);
        let attached = part.content_disposition().is_some_and(|how| how.is_attachment());
        let named = kind.is_some_and(|kind| kind.has_attribute("name"));
        // What cannot be unpacked is the text only where there is nothing else.
        let whole = !part.is_encoding_problem || self.open.is_empty() && plain;
        let inline = whole
            && !attached
            && (plain || html || media)
            && (first || around.kind != Kind::Related && (media || !named));
        let (mut as_text, mut as_html) = (false, false);
        if around.kind == Kind::Alternative {
            (as_text, as_html) = (plain, html);
        } else if inline {
            if let Some(open) = self.open.last_mut().filter(|open| open.around.choice) {
                open.around.text &= !html;
                open.around.html &= !plain;
            }
            let around = self.around();
            (as_text, as_html) = (around.text, around.html);
        }
        let place = self.parts.all.len();
        let text = matches!(part.body, PartType::Text(_) | PartType::Html(_));
        if !text || !(if html { as_html } else { as_text }) {
            self.parts.attached.push(place);
        }
        if as_text {
            self.parts.text.push(place);
        }
        if as_html {
            self.parts.html.push(place);
        }
        self.parts.all.push(Part { message, mail: None });
    }
}

/// The boundary of the parts that headers declare.
fn boundary(headers: &Message<'_>) -> Option<String> {
    let kind = headers.content_type().filter(|kind| kind.ctype().eq_ignore_ascii_case("multipart"))?;
    let boundary = kind.attribute("boundary")?.trim_end();
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

/// Whether a line is the delimiter of a boundary, and then whether the last one.
fn delimits(boundary: &str, line: &[u8]) -> Option<bool> {
    match line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())? {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
#[path = "eml_parts_tests.rs"]
mod tests;
