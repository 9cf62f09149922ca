//! Plain text in whatever encoding: to UTF-8 with plain line ends; form feeds break pages.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// The pages of a text file.
pub(super) fn pages(bytes: &[u8]) -> Vec<String> {
    split_pages(&decode(bytes, None))
}

/// Cuts a text at its form feeds. A last one ends a page and begins none.
pub(super) fn split_pages(text: &str) -> Vec<String> {
    let text = text.strip_suffix('\x0c').unwrap_or(text);
    text.split('\x0c').map(|page| page.trim_matches('\n').to_owned()).collect()
}

/// Bytes as text: by byte order mark, else UTF-8 if it is valid, else by the encoding that the
/// document names, else by what its bytes look like. Never fails: what is invalid becomes U+FFFD.
pub(super) fn decode(bytes: &[u8], named: Option<&'static Encoding>) -> String {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| (guess(bytes, named), 0));
    let (text, _) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
    normalise(&text)
}

fn guess(bytes: &[u8], named: Option<&'static Encoding>) -> &'static Encoding {
    if has_utf16_shape(bytes) {
        let zeros_first = bytes.iter().step_by(2).take(64).filter(|byte| **byte == 0).count();
        let zeros_second = bytes.iter().skip(1).step_by(2).take(64).filter(|byte| **byte == 0).count();
        return if zeros_first > zeros_second { UTF_16BE } else { UTF_16LE };
    }
    if is_utf8(bytes) {
        return UTF_8;
    }
    named.unwrap_or_else(|| {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
        detector.feed(bytes, true);
        detector.guess(None, Utf8Detection::Deny)
    })
}

/// A character cut off at the very end, as in a sample, is no sign of another encoding.
fn is_utf8(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// A UTF-16 mark, or so many zeros on only one side of the byte pairs that it must be UTF-16 text
/// of a script whose code points are small.
pub(super) fn has_utf16_shape(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return true;
    }
    let sample = bytes.get(..4096).unwrap_or(bytes);
    let mut zeros = [0usize; 2];
    for pair in sample.chunks_exact(2) {
        for (side, byte) in zeros.iter_mut().zip(pair) {
            *side += usize::from(*byte == 0);
        }
    }
    let [even, odd] = zeros;
    sample.len() >= 8 && even.min(odd) * 20 < sample.len() / 2 && even.max(odd) * 5 > sample.len()
}

/// Plain line ends, no control characters but tab, line feed and form feed.
fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\u{b}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\t' | '\n' | '\u{c}' => out.push(c),
            '\u{feff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "Grüße aus dem Gasthaus, schönes Wetter und süße Knödel – für 4 €";
        let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let with = |mark: &[u8], bytes: Vec<u8>| [mark.to_vec(), bytes].concat();
        let (windows, _, _) = encoding_rs::WINDOWS_1252.encode(text);
        for bytes in [
            text.as_bytes().to_vec(),
            with(b"\xef\xbb\xbf", text.as_bytes().to_vec()),
            with(b"\xff\xfe", wide(u16::to_le_bytes)),
            with(b"\xfe\xff", wide(u16::to_be_bytes)),
            wide(u16::to_le_bytes),
            wide(u16::to_be_bytes),
            windows.into_owned(),
        ] {
            assert_eq!(decode(&bytes, None), text);
        }
    }

    #[test]
    fn line_ends_are_plain_and_form_feeds_break_pages() {
        assert_eq!(pages(b"one\r\ntwo\rthree\0\x0cfour\n\x0c"), ["one\ntwo\nthree", "four"]);
        assert_eq!(pages(b"x"), ["x"]);
    }
}
