//! Plain text in whatever encoding: to UTF-8 with plain line ends; form feeds break pages.

use super::seven_bit;
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

/// Bytes as text: by byte order mark, else by switches within seven bits, else UTF-8 if it is valid, else by the
/// encoding that the document names, else by what its bytes look like. Never fails: what is invalid becomes U+FFFD.
pub(super) fn decode(bytes: &[u8], named: Option<&'static Encoding>) -> String {
    if let Some(text) = seven_bit::decode(bytes) {
        return normalise(&text);
    }
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| (guess(bytes, named), 0));
    let (text, _) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
    normalise(&text)
}

/// The encoding that a document says it is in, where it says so in ASCII: whoever could read `utf-16` there does
/// not read UTF-16, and encodings of seven bits are told by their switches.
pub(super) fn labelled(label: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label(label).filter(|encoding| encoding.is_ascii_compatible())
}

fn guess(bytes: &[u8], named: Option<&'static Encoding>) -> &'static Encoding {
    if let Some(encoding) = utf16(bytes) {
        return encoding;
    }
    if is_utf8(bytes) {
        return UTF_8;
    }
    named.unwrap_or_else(|| {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
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

/// Bytes that are looked at for UTF-16.
const WIDE_SAMPLE: usize = 4096;
/// Of its characters, one in so many may be neither a letter, a digit, punctuation nor white space.
const WIDE_ODD: usize = 20;

/// UTF-16 by its mark, or without one by what its bytes must be.
pub(super) fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    if bytes.starts_with(b"\xff\xfe") {
        return Some(UTF_16LE);
    }
    if bytes.starts_with(b"\xfe\xff") {
        return Some(UTF_16BE);
    }
    let sample = bytes.get(..WIDE_SAMPLE).unwrap_or(bytes);
    let mut zeros = [0usize; 2];
    for pair in sample.chunks_exact(2) {
        for (side, byte) in zeros.iter_mut().zip(pair) {
            *side += usize::from(*byte == 0);
        }
    }
    let [even, odd] = zeros;
    // No other text has zeros; even one without spaces has line ends.
    if sample.len() < 8 || even + odd == 0 {
        return None;
    }
    if even.min(odd) * 20 < sample.len() / 2 && even.max(odd) * 5 > sample.len() {
        return Some(if even > odd { UTF_16BE } else { UTF_16LE });
    }
    // Pairs of ASCII letters are Chinese characters, too: a stray zero makes no such text of an English one.
    let ascii = sample.iter().filter(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    if ascii * WIDE_ODD >= (sample.len() - even - odd) * (WIDE_ODD - 1) {
        return None;
    }
    let candidates =
        [UTF_16LE, UTF_16BE].into_iter().filter_map(|encoding| Some((gaps(sample, encoding)?, encoding)));
    candidates.max_by_key(|(gaps, _)| *gaps).filter(|(gaps, _)| *gaps > 0).map(|(_, encoding)| encoding)
}

/// How many characters are white space, ASCII or East Asian punctuation, if all of it is text in this encoding.
fn gaps(sample: &[u8], encoding: &'static Encoding) -> Option<usize> {
    // A character may be cut by the end of the sample.
    let whole = sample.len() / 2 * 2;
    let (text, _) = encoding.decode_without_bom_handling(sample.get(..whole)?);
    let text = text.strip_suffix('\u{fffd}').unwrap_or(&text);
    let (mut all, mut gaps, mut odd) = (0, 0, 0);
    for c in text.chars() {
        all += 1;
        match c {
            '\t' | '\n' | '\r' | '\u{c}' | ' '..='~' | '\u{3000}'..='\u{301f}' | '\u{ff01}'..='\u{ff20}' => {
                gaps += 1
            }
            '\u{fffd}' | '\u{e000}'..='\u{f8ff}' => return None,
            c if c.is_control() => return None,
            c => odd += usize::from(!c.is_alphanumeric() && !('\u{2000}'..='\u{206f}').contains(&c)),
        }
    }
    (odd * WIDE_ODD <= all).then_some(gaps)
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
    fn wide_text_of_any_script_needs_no_mark() {
        for text in [
            "Собрание садоводов во вторник.\r\nПросим принести семена яблонь.\r\n",
            "Η συνάντηση των κηπουρών θα γίνει την Τρίτη.",
            "園芸会の集まりは火曜日、学校で開かれます。\n一つずつ、どうぞ。\n",
            "정원 모임은 화요일 저녁에 학교에서 열립니다.",
        ] {
            let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
            let expected = text.replace("\r\n", "\n");
            assert_eq!(decode(&wide(u16::to_le_bytes), None), expected);
            assert_eq!(decode(&wide(u16::to_be_bytes), None), expected);
        }
        assert_eq!(utf16(b"plain text, no zeros"), None);
        assert_eq!(utf16(b"a zero \0 by mistake in plain text"), None);
        assert_eq!(utf16(&[0; 64]), None);
    }

    #[test]
    fn what_a_document_says_of_itself_must_be_possible() {
        assert_eq!(labelled(b"koi8-r"), Some(encoding_rs::KOI8_R));
        for label in ["utf-16", "iso-2022-kr", "hz-gb-2312", "iso-2022-jp", "nonsense"] {
            assert_eq!(labelled(label.as_bytes()), None, "{label}");
        }
    }

    #[test]
    fn line_ends_are_plain_and_form_feeds_break_pages() {
        assert_eq!(pages(b"one\r\ntwo\rthree\0\x0cfour\n\x0c"), ["one\ntwo\nthree", "four"]);
        assert_eq!(pages(b"x"), ["x"]);
    }
}
