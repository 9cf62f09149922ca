//! What lines and headers of mails say of their structure.

use mail_parser::{Message, MimeHeaders};

/// The name of the header that a line is (RFC 5322, section 2.2).
pub(super) fn name_of_header(line: &[u8]) -> Option<&[u8]> {
    let name = line.split(|byte| *byte == b':').next().filter(|name| name.len() < line.len())?;
    let name = name.trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

/// Whether a header is one that says something of a mail or of a part, so that no text begins like it.
pub(super) fn is_of_mails(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    ["content-", "mime-", "x-", "dkim-", "arc-", "list-"]
        .iter()
        .any(|start| name.starts_with(start.as_bytes()))
        || [
            "from",
            "to",
            "cc",
            "subject",
            "date",
            "message-id",
            "received",
            "return-path",
            "reply-to",
            "references",
        ]
        .iter()
        .any(|known| name == known.as_bytes())
}

/// The boundary of the parts that headers declare.
pub(super) fn boundary(headers: &Message<'_>) -> Option<String> {
    let kind = headers.content_type().filter(|kind| kind.ctype().eq_ignore_ascii_case("multipart"))?;
    let boundary = kind.attribute("boundary")?.trim_end();
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

/// Whether headers say that what follows is a mail, if they say what it is.
pub(super) fn is_mail(headers: &Message<'_>) -> Option<bool> {
    let kind = headers.content_type()?;
    let subtype = kind.subtype().unwrap_or_default();
    let mails = ["rfc822", "global"];
    let named = mails.iter().any(|mail| subtype.eq_ignore_ascii_case(mail));
    Some(named && kind.ctype().eq_ignore_ascii_case("message"))
}

/// Whether a line is the delimiter of a boundary, and then whether the last one.
pub(super) fn delimits(boundary: &str, line: &[u8]) -> Option<bool> {
    match line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())? {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}

/// How much of a body is base64 as its headers say, where headers of mails or a delimiter follow it: those of a part
/// whose own delimiter is missing. Lines of base64 are of one length, but for a last one that is shorter (RFC 2045,
/// section 6.8); a word that stands alone is not. What is broken in another way is left as it is.
pub(super) fn unpackable(part: &Message<'_>, body: &[u8]) -> usize {
    let broken = part.parts.first().is_some_and(|part| part.is_encoding_problem);
    let packing = part.content_transfer_encoding().unwrap_or_default();
    if !broken || !packing.trim().eq_ignore_ascii_case("base64") {
        return body.len();
    }
    let (mut packed, mut width, mut ended) = (0, 0, false);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        if text.starts_with(b"--") || name_of_header(text).is_some_and(is_of_mails) {
            return packed;
        }
        if text.is_empty() {
            ended = width > 0;
            packed += line.len();
            continue;
        }
        let other = |letter: &u8| !letter.is_ascii_alphanumeric() && !b"+/=".contains(letter);
        let whole = text.len().is_multiple_of(4) && !text.iter().any(other);
        if !whole || ended || width > 0 && text.len() > width {
            break;
        }
        ended = text.len() < width;
        width = width.max(text.len());
        packed += line.len();
    }
    body.len()
}
