//! Mails with parts that end before they should: their headers have no end, or parts within them have none. A
//! delimiter ends whatever part it is met in (RFC 2046, section 5.1.1); the mail parser takes it for one more line of
//! headers, or looks for the innermost delimiter alone, and what comes behind is lost with it.

use super::media_type::find;
use std::borrow::Cow;

/// Parts within parts that are looked into; deeper ones are refused elsewhere.
const DEEPEST: usize = 256;

/// Bytes of one header that are looked at.
const LONGEST: usize = 64 << 10;

/// The mail with all parts ended where a delimiter ends them: by an empty line behind headers, by the last delimiter
/// of parts within. A mail that is whole stays as it is.
pub(super) fn with_whole_parts(mail: &[u8]) -> Cow<'_, [u8]> {
    let (mut whole, mut copied, mut at) = (Vec::new(), 0, 0);
    let mut reader = Reader { open: Vec::new(), head: Some(Head::new(false)) };
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        let missing = reader.take(line);
        if !missing.is_empty() {
            whole.extend_from_slice(mail.get(copied..at).unwrap_or_default());
            whole.extend_from_slice(&missing);
            copied = at;
        }
        at += line.len();
    }
    if whole.is_empty() {
        return Cow::Borrowed(mail);
    }
    whole.extend_from_slice(mail.get(copied..).unwrap_or_default());
    Cow::Owned(whole)
}

/// What the lines so far have said.
struct Reader {
    /// Multiparts that have not ended, the innermost last.
    open: Vec<Multipart>,
    /// Headers, while these go on.
    head: Option<Head>,
}

struct Head {
    kind: Header,
    packed: Header,
    /// What they declare, as soon as they have said it.
    own: Option<Multipart>,
    /// Those of a part, else of a mail.
    of_part: bool,
}

/// What the first header of a name says, unfolded.
struct Header {
    name: &'static [u8],
    value: Option<Vec<u8>>,
    /// The next line may go on with it.
    open: bool,
}

struct Multipart {
    boundary: Vec<u8>,
    /// Its parts are mails unless they say otherwise (section 5.1.5).
    digest: bool,
}

impl Reader {
    /// Takes the next line; what is missing before it.
    fn take(&mut self, line: &[u8]) -> Vec<u8> {
        let text = line.trim_ascii_end();
        let mut missing = Vec::new();
        let end: &[u8] = if line.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        if let Some(head) = self.head.as_mut().filter(|_| !text.is_empty()) {
            head.take(text);
        }
        // These headers may be the ones that declare the delimiter that cuts them off.
        let own = self.head.as_ref().and_then(|head| head.own.as_ref());
        if self.delimits(text).is_none() && own.and_then(|own| own.delimits(text)).is_some() {
            missing.extend_from_slice(end);
            self.end_head();
        }
        if let Some((index, last)) = self.delimits(text) {
            if self.head.is_some() {
                missing.extend_from_slice(end);
            }
            for inner in self.open.drain(index + 1..).rev() {
                missing.extend_from_slice(&[b"--", inner.boundary.as_slice(), b"--", end].concat());
            }
            self.open.truncate(if last { index } else { index + 1 });
            self.head = (!last).then(|| Head::new(true));
        } else if text.is_empty() {
            self.end_head();
        }
        missing
    }

    /// Of which open multipart a line is a delimiter, and whether the last one.
    fn delimits(&self, line: &[u8]) -> Option<(usize, bool)> {
        if !line.starts_with(b"--") {
            return None;
        }
        let mut inner_first = self.open.iter().enumerate().rev();
        inner_first.find_map(|(index, open)| Some((index, open.delimits(line)?)))
    }

    /// Headers end: parts may follow, or the headers of a mail within.
    fn end_head(&mut self) {
        let Some(Head { kind, packed, of_part, .. }) = self.head.take() else { return };
        let kind = kind.value.unwrap_or_default();
        if let Some(open) = multipart(&kind).filter(|_| self.open.len() < DEEPEST) {
            self.open.push(open);
            return;
        }
        let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let mail = match essence {
            b"" => of_part && self.open.last().is_some_and(|open| open.digest),
            named => [&b"message/rfc822"[..], b"message/global"]
                .iter()
                .any(|mail| named.eq_ignore_ascii_case(mail)),
        };
        let packed = packed.value.unwrap_or_default().to_ascii_lowercase();
        let plain = find(&packed, b"base64").is_none() && find(&packed, b"quoted-printable").is_none();
        self.head = (mail && plain).then(|| Head::new(false));
    }
}

impl Head {
    fn new(of_part: bool) -> Head {
        let header = |name: &'static str| Header { name: name.as_bytes(), value: None, open: false };
        let (kind, packed) = (header("content-type:"), header("content-transfer-encoding:"));
        Head { kind, packed, own: None, of_part }
    }

    /// Takes a line of headers.
    fn take(&mut self, line: &[u8]) {
        let went_on = self.kind.open;
        self.kind.take(line);
        self.packed.take(line);
        if went_on && !self.kind.open {
            self.own = self.kind.value.as_deref().and_then(multipart);
        }
    }
}

impl Header {
    fn take(&mut self, line: &[u8]) {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        match &mut self.value {
            Some(value) if self.open && folded => {
                value.extend(line.iter().take(LONGEST.saturating_sub(value.len())));
            }
            Some(_) => self.open = false,
            None => {
                let Some((start, rest)) = line.split_at_checked(self.name.len()) else { return };
                if start.eq_ignore_ascii_case(self.name) {
                    (self.value, self.open) = (Some(rest.get(..LONGEST).unwrap_or(rest).to_vec()), true);
                }
            }
        }
    }
}

impl Multipart {
    /// Whether a line is its delimiter, and then whether the last one.
    fn delimits(&self, line: &[u8]) -> Option<bool> {
        match line.strip_prefix(b"--")?.strip_prefix(self.boundary.as_slice())? {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        }
    }
}

/// The multipart that a media type declares, if it is one and says its boundary.
fn multipart(kind: &[u8]) -> Option<Multipart> {
    let mut quoted = false;
    let mut parameters = kind.split(|byte| {
        quoted ^= *byte == b'"';
        *byte == b';' && !quoted
    });
    let essence = parameters.next()?.trim_ascii().to_ascii_lowercase();
    let subtype = essence.strip_prefix(b"multipart/")?;
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at(parameter.iter().position(|byte| *byte == b'=')?);
        name.trim_ascii().eq_ignore_ascii_case(b"boundary").then(|| value.trim_ascii_start())
    })?;
    let value = value.strip_prefix(b"=")?.trim_ascii_start();
    let boundary = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next()?,
        None => value.split(u8::is_ascii_whitespace).next()?,
    };
    let boundary = boundary.trim_ascii_end().to_vec();
    (!boundary.is_empty()).then(|| Multipart { boundary, digest: subtype == b"digest" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what becomes of a mail whose missing lines are written as `+` and the line; with both ends of lines.
    fn check(mail: &str) {
        let given = mail.lines().filter(|line| !line.starts_with('+')).collect::<Vec<_>>().join("\n") + "\n";
        let wanted =
            mail.lines().map(|line| line.strip_prefix('+').unwrap_or(line)).collect::<Vec<_>>().join("\n")
                + "\n";
        for end in ["\n", "\r\n"] {
            let (given, wanted) = (given.replace('\n', end), wanted.replace('\n', end));
            let whole = with_whole_parts(given.as_bytes());
            assert_eq!(String::from_utf8_lossy(&whole), wanted);
            assert_eq!(matches!(whole, Cow::Borrowed(_)), given == wanted, "{mail}");
            assert!(matches!(with_whole_parts(&whole), Cow::Borrowed(_)), "twice: {mail}");
        }
    }

    const OUTER: &str = "From: a@b.c\nContent-Type: multipart/mixed;\n boundary=\"o\"\n\n";

    #[test]
    fn a_delimiter_ends_headers() {
        let parts = [
            "--o\nContent-Type: message/rfc822\n\nSubject: cut\nX-Cut\n+\n--o\nContent-Type: text/plain\n\nLast.\n--o--",
            "--o\nContent-Type: text/plain\n+\n--o--",
            // A mail without any, and parts without any.
            "--o\nContent-Type: message/rfc822\n\n+\n--o\n\nLast\n--o--",
            "--o\n+\n--o\n+\n--o--",
            // The headers that declare it.
            "--o\nContent-Type: multipart/mixed; boundary=i\n+\n--i\n\nx\n--i--\n--o--",
        ];
        parts.iter().for_each(|parts| check(&format!("{OUTER}{parts}")));
        check("Content-Type: multipart/mixed; boundary=b\n+\n--b\nContent-Type: text/plain\n\nHi\n--b--");
        let digest = OUTER.replace("mixed", "digest");
        check(&format!("{digest}--o\n\nSubject: cut\nX-\n+\n--o\n\nSubject: two\n\nbody\n--o--"));
    }

    #[test]
    fn an_outer_delimiter_ends_what_is_within() {
        let inner = "--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\nHi\n";
        check(&format!("{OUTER}{inner}+--i--\n--o\n\nLast\n--o--"));
        check(&format!("{OUTER}{inner}--i\nContent-Type: text/ht\n+\n+--i--\n--o\n\nLast\n--o--"));
        let deep = "--i\nContent-Type: multipart/related; boundary=j\n\n--j\n\nx\n";
        check(&format!("{OUTER}{inner}{deep}+--j--\n+--i--\n--o--"));
    }

    #[test]
    fn what_is_whole_stays_as_it_is() {
        let parts = [
            // Text that looks like a delimiter of nothing that is open.
            "--o\n\n--i\n--ox\n--o --\nx\n--o--\nbehind\n--o",
            "--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--i--\n--o\nContent-Type: text/plain; name=a.log\n\n--i\nlast\n--o--",
            // Headers as a part, and a mail in a parameter's name only.
            "--o\nContent-Type: message/global-headers\n\nFrom: a@b.c\nSubject: x\n--o--",
            "--o\nContent-Type: text/plain; name=\"message/rfc822\"\n\nx\n--o--",
            "--o\nContent-Type: text/plain; boundary=x\n\n--x\n--o--",
            "--o\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVj\n--o--",
            "--o\nContent-Type: multipart/mixed; xboundary=a; name=\"; boundary=c\"; boundary=\"i\"\n\n--i\n\n--a\n--c\n--i--\n--o--",
        ];
        parts.iter().for_each(|parts| check(&format!("{OUTER}{parts}")));
        let none = "Content-Type: multipart/mixed; boundary=\n\n--\n--";
        ["Subject: x\n\n--o\n--o", "--b\n--b", "", none].iter().for_each(|mail| check(mail));
    }
}
