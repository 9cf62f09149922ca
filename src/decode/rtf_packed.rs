//! The packed RTF in Outlook mails (MS-OXRTFCP).

use super::children::Children;
use super::{Limits, reject};
use crate::error::{Class, Result};

/// What every packed RTF body may refer back to.
const PRESET: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\
\\b\\i\\u\\tab\\tx";

/// The RTF body of an Outlook mail, unpacked.
pub(super) fn unpacked(packed: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let bad = || reject(Class::Corrupt, "the packed body of the mail");
    let kind = packed.get(8..12).ok_or_else(bad)?;
    let data = packed.get(16..).ok_or_else(bad)?;
    if kind == b"MELA" {
        return Ok(data.to_vec());
    }
    let mut ring = vec![0u8; 4096];
    ring.iter_mut().zip(PRESET).for_each(|(to, from)| *to = *from);
    let mut at = PRESET.len();
    let mut children = Children::new(packed.len(), limits);
    let (most, error) = children.allowed();
    let mut out: Vec<u8> = Vec::new();
    let mut put = |byte: u8, at: &mut usize, ring: &mut Vec<u8>| {
        out.push(byte);
        ring.get_mut(*at).into_iter().for_each(|place| *place = byte);
        *at = (*at + 1) % 4096;
        out.len() as u64 <= most
    };
    let mut rest = data.iter().copied();
    'all: while let Some(control) = rest.next() {
        for bit in 0..8 {
            if control >> bit & 1 == 0 {
                let Some(byte) = rest.next() else { break 'all };
                if !put(byte, &mut at, &mut ring) {
                    return Err(error);
                }
                continue;
            }
            let (Some(high), Some(low)) = (rest.next(), rest.next()) else { break 'all };
            let reference = usize::from(high) << 8 | usize::from(low);
            let (mut from, length) = (reference >> 4, (reference & 15) + 2);
            if from == at {
                break 'all;
            }
            for _ in 0..length {
                let byte = ring.get(from).copied().unwrap_or_default();
                from = (from + 1) % 4096;
                if !put(byte, &mut at, &mut ring) {
                    return Err(error);
                }
            }
        }
    }
    children.passed_over(out.len() as u64)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::rtf;
    use crate::decode::samples::limits;

    #[test]
    fn packed_bodies_of_outlook_are_unpacked() {
        // The example of MS-OXRTFCP 3.1.1.
        let packed = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 hel\
            \x09\0\x20bw\x05\xb0ld}\x0a\x80\x0f\xa0";
        let rtf = unpacked(packed, &limits()).unwrap();
        assert_eq!(rtf, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(rtf::pages(&rtf, &limits()).unwrap()[0].text, "hello world");
    }
}
