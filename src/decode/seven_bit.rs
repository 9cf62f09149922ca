//! Encodings that switch between character sets within seven bits: ISO-2022-JP, ISO-2022-KR, the GB 2312 part of
//! ISO-2022-CN (RFC 1468, 1557, 1922), and HZ (RFC 1843). To every test for ASCII or UTF-8 they are valid, so
//! they are told by their switches, before anything else is tried.

use encoding_rs::{EUC_KR, Encoding, GBK, ISO_2022_JP};

/// What calls for another character set, after an escape character.
const JAPANESE: [&[u8]; 4] = [b"$B", b"$@", b"(I", b"$(D"];
const KOREAN: &[u8] = b"$)C";
const CHINESE: &[u8] = b"$)A";
const ESCAPE: u8 = 0x1b;
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;
/// One wrong character in so many is damage; more, and it is another encoding.
const DAMAGE: usize = 20;

/// The text, if it is in one of these encodings.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    if !bytes.is_ascii() {
        return None;
    }
    let calls = |set: &[u8]| has(bytes, ESCAPE, set);
    // Terminals are told `ESC ( B` and `ESC [`, so what only leads back to ASCII is no sign.
    if JAPANESE.into_iter().any(calls) {
        let (text, _) = ISO_2022_JP.decode_without_bom_handling(bytes);
        return plausible(text.into_owned());
    }
    match (calls(KOREAN), calls(CHINESE)) {
        (true, false) => plausible(shifted(bytes, KOREAN, EUC_KR)),
        (false, true) => plausible(shifted(bytes, CHINESE, GBK)),
        _ => hz(bytes),
    }
}

/// Whether control characters stand in it that such an encoding uses and other text does not.
pub(super) fn is_shifted(bytes: &[u8]) -> bool {
    bytes.is_ascii() && (has(bytes, ESCAPE, KOREAN) || has(bytes, ESCAPE, CHINESE))
}

fn has(bytes: &[u8], first: u8, rest: &[u8]) -> bool {
    bytes.iter().enumerate().any(|(at, byte)| {
        *byte == first && bytes.get(at + 1..at + 1 + rest.len()).is_some_and(|found| found == rest)
    })
}

fn plausible(text: String) -> Option<String> {
    let wrong = text.matches('\u{fffd}').count();
    (wrong * DAMAGE <= text.chars().count()).then_some(text)
}

/// Between shifts, bytes are those of `encoding` without their highest bit.
fn shifted(bytes: &[u8], designation: &[u8], encoding: &'static Encoding) -> String {
    let mut wide = Vec::with_capacity(bytes.len());
    let mut out = false;
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            ESCAPE if after.starts_with(designation) => {
                rest = after.get(designation.len()..).unwrap_or_default()
            }
            SHIFT_OUT => out = true,
            SHIFT_IN => out = false,
            b'\n' => {
                // A line begins in ASCII.
                out = false;
                wide.push(byte);
            }
            b'!'..=b'~' if out => wide.push(byte | 0x80),
            byte => wide.push(byte),
        }
    }
    encoding.decode_without_bom_handling(&wide).0.into_owned()
}

/// HZ, only if every `~{` has its `~}` in the same line and nothing but characters of GB 2312 between: other text
/// has tildes and braces, too.
fn hz(bytes: &[u8]) -> Option<String> {
    if !has(bytes, b'~', b"{") {
        return None;
    }
    let mut wide = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (b'~', Some(b'{')) => {
                let length = after.windows(2).position(|pair| pair == b"~}")?;
                let inside = after.get(1..length)?;
                let pairs = inside.chunks(2);
                let known = |pair: &[u8]| matches!(pair, [b'!'..=b'w', b'!'..=b'~']);
                if inside.is_empty() || !pairs.clone().all(known) {
                    return None;
                }
                wide.extend(inside.iter().map(|byte| byte | 0x80));
                rest = after.get(length + 2..).unwrap_or_default();
            }
            (b'~', Some(b'~')) => {
                wide.push(b'~');
                rest = after.get(1..).unwrap_or_default();
            }
            // A line that goes on in the next one.
            (b'~', Some(b'\n')) => rest = after.get(1..).unwrap_or_default(),
            _ => wide.push(byte),
        }
    }
    let (text, wrong) = GBK.decode_without_bom_handling(&wide);
    (!wrong).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_by_its_switches() {
        let japanese = "園芸会の集まりは火曜日です。Tea ｱﾘﾏｽ.";
        let (bytes, ..) = ISO_2022_JP.encode("園芸会の集まりは火曜日です。Tea ");
        let kana = [&bytes[..], b"\x1b(I1XO=\x1b(B."].concat();
        assert_eq!(decode(&bytes).unwrap(), "園芸会の集まりは火曜日です。Tea ");
        assert_eq!(decode(&kana).unwrap(), japanese);
        let seven = |text: &str, encoding: &'static Encoding| {
            encoding.encode(text).0.iter().map(|byte| byte & 0x7f).collect::<Vec<u8>>()
        };
        let (garden, tea) = (seven("정원", EUC_KR), seven("차", EUC_KR));
        let korean = [&b"\x1b$)C\nTea \x0e"[..], &garden, b"\x0f ok\n\x0e", &tea, b"\x0f"].concat();
        assert_eq!(decode(&korean).unwrap(), "\nTea 정원 ok\n차");
        let chinese = [&b"\x1b$)A\x0e"[..], &seven("园艺", GBK), b"\x0f."].concat();
        assert_eq!(decode(&chinese).unwrap(), "园艺.");
        let hz = [&b"~~ ~{"[..], &seven("园艺会", GBK), b"~}~\n end"].concat();
        assert_eq!(decode(&hz).unwrap(), "~ 园艺会 end");
    }

    #[test]
    fn other_text_stays_what_it_is() {
        for text in [
            "plain",
            "colours: \x1b[1m\x1b(Bbold",
            "(format nil \"~{~a~^, ~}\" list)",
            "~{open",
            "~{abc~} odd",
            "cost: $B 3, $) C",
            "\x1b$B in the middle of English: ####\x1b#### not Japanese at all",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(decode("日本".as_bytes()), None);
    }
}
