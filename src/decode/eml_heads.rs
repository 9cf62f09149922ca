//! Mails with parts whose headers never end: the next delimiter stands where they should have. The mail parser takes
//! it for one more line of headers, and all parts up to the next empty line with it. RFC 2046, section 5.1.1: a
//! delimiter ends whatever part it is met in.

use std::borrow::Cow;

/// Delimiters declared in a mail that are looked for; a mail of a hundred levels is refused elsewhere.
const MOST: usize = 256;

/// Lines of headers that are looked at; no program writes as many.
const LINES: usize = 10_000;

/// The mail with an empty line before each delimiter that cuts headers off.
pub(super) fn with_whole_heads(mail: &[u8]) -> Cow<'_, [u8]> {
    let (mut whole, mut copied, mut at) = (Vec::new(), 0, 0);
    let mut reader = Reader { boundaries: Vec::new(), head: Some(Vec::new()) };
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if reader.cuts(line) {
            whole.extend_from_slice(mail.get(copied..at).unwrap_or_default());
            whole.extend_from_slice(if line.ends_with(b"\r\n") { b"\r\n" } else { b"\n" });
            copied = at;
        }
        at += line.len();
    }
    if copied == 0 {
        return Cow::Borrowed(mail);
    }
    whole.extend_from_slice(mail.get(copied..).unwrap_or_default());
    Cow::Owned(whole)
}

/// What the lines so far have said.
struct Reader<'m> {
    boundaries: Vec<Vec<u8>>,
    /// The lines of headers so far, while these go on.
    head: Option<Vec<&'m [u8]>>,
}

impl<'m> Reader<'m> {
    /// Takes the next line; whether it is a delimiter within headers.
    fn cuts(&mut self, line: &'m [u8]) -> bool {
        let text = line.trim_ascii_end();
        match (self.delimits(text), self.head.take()) {
            (Some(last), head) => {
                self.head = (!last).then(Vec::new);
                // Right behind another delimiter there is nothing to end.
                head.is_some_and(|lines| !lines.is_empty())
            }
            (None, Some(lines)) if text.is_empty() => {
                self.end_head(&lines);
                false
            }
            (None, Some(mut lines)) => {
                if lines.len() < LINES {
                    lines.push(text);
                }
                self.head = Some(lines);
                false
            }
            (None, None) => false,
        }
    }

    /// Whether a line is one of the delimiters, and then whether it is the last of its kind.
    fn delimits(&self, line: &[u8]) -> Option<bool> {
        let rest = line.strip_prefix(b"--")?;
        self.boundaries.iter().find_map(|boundary| match rest.strip_prefix(boundary.as_slice())? {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        })
    }

    /// Headers end: they may declare a delimiter, or those of a mail within follow.
    fn end_head(&mut self, lines: &[&[u8]]) {
        let header = |name: &str| {
            let starts = |line: &&[u8]| {
                line.get(..name.len()).is_some_and(|s| s.eq_ignore_ascii_case(name.as_bytes()))
            };
            let first = lines.iter().position(starts)?;
            let more = lines
                .iter()
                .skip(first + 1)
                .take_while(|line| line.starts_with(b" ") || line.starts_with(b"\t"));
            let all: Vec<&[u8]> = lines.get(first).into_iter().chain(more).copied().collect();
            Some(all.concat())
        };
        let kind = header("content-type:").unwrap_or_default();
        if let Some(boundary) = boundary(&kind)
            && self.boundaries.len() < MOST
            && !self.boundaries.contains(&boundary)
        {
            self.boundaries.push(boundary);
        }
        let lower = kind.to_ascii_lowercase();
        let within = [&b"message/rfc822"[..], b"message/global"].iter().any(|name| contains(&lower, name));
        let packed = header("content-transfer-encoding:").unwrap_or_default().to_ascii_lowercase();
        let plain = !contains(&packed, b"base64") && !contains(&packed, b"quoted-printable");
        self.head = (within && plain).then(Vec::new);
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    super::media_type::find(text, what).is_some()
}

/// The parameter `boundary` of a media type.
fn boundary(kind: &[u8]) -> Option<Vec<u8>> {
    let start = super::media_type::find(&kind.to_ascii_lowercase(), b"boundary=")? + b"boundary=".len();
    let value = kind.get(start..)?;
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next(),
        None => value.split(|byte| *byte == b';' || byte.is_ascii_whitespace()).next(),
    };
    value.filter(|boundary| !boundary.is_empty()).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: ada@example.org\nContent-Type: multipart/mixed;\n boundary=\"=b\"\n\n--=b\n\
        Content-Type: text/plain\n\nFirst --=b\n--=bx\n\n--=b\nContent-Type: message/rfc822\n\nSubject: cut\nX-Cut\n\
        --=b\nContent-Type: text/plain\n\nLast.\n--=b--\n";

    #[test]
    fn a_delimiter_ends_headers() {
        let whole = MAIL.replace("X-Cut\n", "X-Cut\n\n");
        assert_eq!(with_whole_heads(MAIL.as_bytes()), Cow::<[u8]>::Owned(whole.clone().into_bytes()));
        assert!(matches!(with_whole_heads(whole.as_bytes()), Cow::Borrowed(_)), "it is whole now");
        let other = MAIL.replace('\n', "\r\n");
        assert_eq!(&*with_whole_heads(other.as_bytes()), whole.replace('\n', "\r\n").as_bytes());
        // A line of a part's text is none of headers; nor what was not declared.
        for plain in
            ["Subject: x\n\n--=b\n", "--=b\n--=b\n", "", "\n", "Content-Type: a/b; boundary=\n\n--\n"]
        {
            assert!(matches!(with_whole_heads(plain.as_bytes()), Cow::Borrowed(_)), "{plain}");
        }
    }
}
