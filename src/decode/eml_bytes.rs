//! Mails whose bytes are not what they say, or say nothing: headers of eight bits or of switched character sets,
//! bodies without a charset, with a wrong one, or with one that the mail parser does not know.

use super::media_type::find;
use super::text;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding as Transfer, Message, MessagePart, MimeHeaders};
use std::borrow::Cow;

/// How much of a mail is looked at for the charset that it names.
const SAMPLE: usize = 64 * 1024;

/// The mail with its headers in UTF-8. Headers have no charset of their own where they are not encoded as the
/// standard wants; it is that of the body, if it names one, or what they look like.
pub(super) fn with_plain_headers(mail: &[u8]) -> Cow<'_, [u8]> {
    // A delimiter ends them as well, where the line before it is missing.
    let blank = [&b"\n\r\n"[..], b"\n\n", b"\n--"].into_iter().filter_map(|blank| find(mail, blank)).min();
    let end = blank.unwrap_or(mail.len());
    let Some((head, rest)) = mail.split_at_checked(end) else { return Cow::Borrowed(mail) };
    if std::str::from_utf8(head).is_ok() && !head.contains(&0x1b) {
        return Cow::Borrowed(mail);
    }
    Cow::Owned([text::decode(head, named(mail)).as_bytes(), rest].concat())
}

/// The first charset in the mail that says more than that it is a mail of the West.
fn named(mail: &[u8]) -> Option<&'static Encoding> {
    let sample = String::from_utf8_lossy(mail.get(..SAMPLE).unwrap_or(mail)).to_ascii_lowercase();
    sample.split("charset=").skip(1).find_map(|after| {
        let label = after.trim_start_matches('"').split(['"', ';', '\r', '\n', ' ']).next()?;
        text::labelled(label.as_bytes()).filter(|encoding| ![UTF_8, WINDOWS_1252].contains(encoding))
    })
}

/// The text of a part, read again from its bytes where the parser made little of them.
pub(super) fn text_of<'t>(message: &Message<'_>, part: &MessagePart<'_>, parsed: &'t str) -> Cow<'t, str> {
    let label = part.content_type().and_then(|kind| kind.attribute("charset")).unwrap_or_default();
    let encoding = text::labelled(label.as_bytes());
    // Programs say `us-ascii` or `iso-8859-1` for whatever they send.
    let vague = encoding == Some(WINDOWS_1252) && !parsed.is_ascii();
    if !vague && !parsed.contains('\u{fffd}') {
        return Cow::Borrowed(parsed);
    }
    let Some(bytes) = unpacked(message, part) else { return Cow::Borrowed(parsed) };
    let named =
        encoding.filter(|encoding| *encoding != UTF_8 && !label.to_ascii_lowercase().contains("ascii"));
    let again = text::decode(&bytes, named);
    let wrong = |text: &str| text.matches('\u{fffd}').count();
    if wrong(&again) <= wrong(parsed) { Cow::Owned(again) } else { Cow::Borrowed(parsed) }
}

/// The bytes of a part as they were before they were packed for transfer.
fn unpacked(message: &Message<'_>, part: &MessagePart<'_>) -> Option<Vec<u8>> {
    let packed = message.raw_message.get(part.offset_body as usize..part.offset_end as usize)?;
    match part.encoding {
        Transfer::None => Some(packed.to_vec()),
        Transfer::QuotedPrintable => quoted_printable_decode(packed),
        Transfer::Base64 => base64_decode(packed),
    }
}
