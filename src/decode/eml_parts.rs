//! The structure of a mail: its parts (RFC 2046), and which of them are its text and which are attached (RFC 8621,
//! section 4.1.4). A delimiter ends whatever part it is met in (RFC 2046, section 5.1.1): one whose headers have no
//! end, and one whose own parts have none. A mail within a mail is one part; what is in it is asked of it alone.

use super::eml_lines::{boundary, delimits, is_mail, is_of_mails, name_of_header, unpackable};
use super::reject;
use crate::error::{Class, Result};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use std::borrow::Cow;
use std::ops::Range;

/// Parts within parts that are looked into; one deeper is a mail of its own, for whose depth there is a limit.
const DEEPEST: usize = 64;

/// Parts of one mail.
const MOST: usize = 10_000;

/// Letters of a boundary that a line may end with instead of being it.
const TELLING: usize = 8;

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
///
/// Errors: `Reject` for one of more than 10,000.
pub(super) fn parts_of(mail: &[u8]) -> Result<Parts<'_>> {
    let mut reader = Reader { mail, open: Vec::new(), parts: Parts::default() };
    let mut next = Some(0);
    while let Some(start) = next {
        next = reader.part(start);
        if reader.parts.all.len() > MOST {
            return Err(reject(Class::TooLarge, format!("the mail has more than {MOST} parts")));
        }
    }
    reader.close(0, mail.len());
    Ok(reader.parts)
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
    /// Where what it holds begins.
    body: usize,
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
                self.open(headers, boundary, body);
                self.delimiter(body)
            }
            declared => {
                let too_deep = declared.is_some();
                let next = self.delimiter(body);
                let end = next.as_ref().map_or(self.mail.len(), |next| self.before(next.line.start));
                // The empty line behind headers is not the one before a delimiter.
                let end = end.max(body);
                match too_deep {
                    true => self.mail(None, start..end),
                    false => self.leaf(headers, start..head_end, body..end),
                }
                next
            }
        };
        loop {
            let Delimiter { line, of, last } = delimiter?;
            self.close(of + 1, self.before(line.start));
            // Parts behind the last delimiter are read all the same.
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

    /// Where the headers that begin at a place end, and where what they are the headers of begins: behind an empty
    /// line, at a delimiter, or with the first line that is no header, unless more of them follow it.
    fn head(&self, start: usize) -> (usize, usize) {
        let mut text = None;
        for (line, said) in self.lines(start) {
            // A line of blanks goes on with a header (RFC 5322, section 4.2).
            let ends = said.is_empty()
                && (line.start == start || matches!(self.slice(line.clone()), b"\n" | b"\r\n"));
            if ends || self.delimits(said).is_some() {
                let end = if ends { line.end } else { line.start };
                return text.map_or((line.start, end), |text| (text, text));
            }
            let folded = matches!(self.slice(line.clone()), [b' ' | b'\t', ..]);
            match (text, name_of_header(said)) {
                (None, None) if line.start == start || !folded && !said.starts_with(b"--") => {
                    text = Some(line.start)
                }
                (Some(_), Some(name)) if is_of_mails(name) => text = None,
                _ => {}
            }
        }
        text.map_or((self.mail.len(), self.mail.len()), |text| (text, text))
    }

    /// Where headers are cut off by a delimiter that they declare themselves.
    fn cut(&self, head: Range<usize>) -> Option<usize> {
        let lines = self.lines(head.start).take_while(|(line, _)| line.start < head.end);
        let mut dashes = lines.filter(|(_, text)| text.starts_with(b"--"));
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
        self.lines(from).find_map(|(line, text)| match self.delimits(text) {
            Some((of, last)) => Some(Delimiter { line, of, last }),
            None => self.ends_with(line, text),
        })
    }

    /// A delimiter of the innermost multipart that some program wrote without the line break before it.
    fn ends_with(&self, line: Range<usize>, text: &[u8]) -> Option<Delimiter> {
        let of = self.open.len().checked_sub(1)?;
        let boundary =
            self.open.last().map(|open| open.boundary.as_bytes()).filter(|it| it.len() >= TELLING)?;
        let (open, last) = text.strip_suffix(b"--").map_or((text, false), |open| (open, true));
        let before = match open.strip_suffix(boundary) {
            Some(before) => before,
            // The boundary itself may end so.
            None => text.strip_suffix(boundary)?,
        };
        let start = line.start + before.strip_suffix(b"--")?.len();
        Some(Delimiter { line: start..line.end, of, last: last && open.ends_with(boundary) })
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

    fn open(&mut self, headers: &Message<'_>, boundary: String, body: usize) {
        let kind = match headers.content_type().and_then(|kind| kind.subtype()) {
            Some(kind) if kind.eq_ignore_ascii_case("alternative") => Kind::Alternative,
            Some(kind) if kind.eq_ignore_ascii_case("digest") => Kind::Digest,
            Some(kind) if kind.eq_ignore_ascii_case("related") => Kind::Related,
            _ => Kind::Other,
        };
        let around = self.around();
        let around = Around { kind, choice: around.choice || kind == Kind::Alternative, ..around };
        let (texts, htmls) = (self.parts.text.len(), self.parts.html.len());
        self.open.push(Multipart { boundary, around, body, begun: 0, texts, htmls });
    }

    /// Ends the multiparts from the one of an index on.
    fn close(&mut self, index: usize, end: usize) {
        while self.open.len() > index
            && let Some(closed) = self.open.pop()
        {
            if closed.begun == 0 {
                // It has no parts, so what it says is its text.
                self.add_text(closed.body..end.max(closed.body));
            }
            if closed.around.kind == Kind::Alternative && closed.around.text && closed.around.html {
                self.without_choice(&closed);
            }
        }
    }

    /// What has no text without markup, or none with it, is there for both.
    fn without_choice(&mut self, closed: &Multipart) {
        let Parts { all, text, html, .. } = &mut self.parts;
        let says = |place: &usize| {
            let body = all.get(*place).and_then(|part| Some(&part.message.parts.first()?.body));
            matches!(body, Some(PartType::Text(text)) if !text.trim().is_empty())
        };
        let texts = text.len();
        // Some programs leave the text without markup empty.
        if !text.iter().skip(closed.texts).any(says) {
            text.extend(html.iter().skip(closed.htmls));
        }
        if html.len() == closed.htmls {
            html.extend(text.iter().take(texts).skip(closed.texts));
        }
    }

    /// Adds what has no headers.
    fn add_text(&mut self, range: Range<usize>) {
        if let Some(message) = self.parsed(range.start..range.start, range) {
            self.parts.text.push(self.parts.all.len());
            self.parts.html.push(self.parts.all.len());
            self.parts.all.push(Part { message, mail: None });
        }
    }

    /// A part of headers and of what has no empty line before it.
    fn parsed(&self, head: Range<usize>, body: Range<usize>) -> Option<Message<'m>> {
        let bytes = [self.slice(head), b"\n", self.slice(body)].concat();
        MessageParser::default().parse(&bytes).map(Message::into_owned)
    }

    /// Adds a part that has no parts.
    fn leaf(&mut self, headers: Option<Message<'m>>, head: Range<usize>, body: Range<usize>) {
        let message = match headers.as_ref().and_then(is_mail) {
            Some(true) => return self.mail(headers, body),
            // Its own headers may stand where those of the part should.
            None if self.around().kind == Kind::Digest && !head.is_empty() => {
                return self.mail(None, head.start..body.end);
            }
            None if self.around().kind == Kind::Digest => return self.mail(None, body),
            _ if head.is_empty() && body.is_empty() => None,
            _ if head.end == body.start => self.parsed(head.clone(), body.clone()),
            _ => MessageParser::default().parse(self.slice(head.start..body.end)),
        };
        match message {
            Some(message) if message.parts.len() == 1 => {
                let packed = body.start + unpackable(&message, self.slice(body.clone()));
                if packed == body.start || packed == body.end {
                    return self.sort(message);
                }
                self.leaf(headers, head, body.start..packed);
                self.add_text(packed..body.end);
            }
            // Headers that this reads otherwise than the parser: as they stand.
            Some(_) => self.add_text(body),
            None => {}
        }
    }

    /// Adds a mail, unpacked as its headers as a part say.
    fn mail(&mut self, headers: Option<Message<'m>>, range: Range<usize>) {
        let content = self.slice(range);
        let packing = headers.as_ref().and_then(|headers| headers.parts.first()?.content_transfer_encoding());
        let unpacked = match packing.unwrap_or_default().to_ascii_lowercase().as_str() {
            "base64" => base64_decode(content),
            "quoted-printable" => quoted_printable_decode(content),
            _ => None,
        };
        let mail = Some(unpacked.map_or(Cow::Borrowed(content), Cow::Owned));
        self.parts.attached.push(self.parts.all.len());
        self.parts.all.push(Part { message: headers.unwrap_or_default(), mail });
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
        let whole = !part.is_encoding_problem || part.body.len() == 0 || self.open.is_empty() && plain;
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
        // An empty part is a document only where somebody attached it.
        let something = part.body.len() > 0 || attached || part.attachment_name().is_some();
        if something && (!text || !(if html { as_html } else { as_text })) {
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

#[cfg(test)]
#[path = "eml_parts_tests.rs"]
mod tests;
