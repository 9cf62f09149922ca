//! The numbers by which Windows names encodings.

use encoding_rs::Encoding;

/// The encoding of a code page.
pub(super) fn code_page(number: i32) -> Option<&'static Encoding> {
    match number {
        65001 => Some(encoding_rs::UTF_8),
        1200 => Some(encoding_rs::UTF_16LE),
        1201 => Some(encoding_rs::UTF_16BE),
        866 => Some(encoding_rs::IBM866),
        10000 => Some(encoding_rs::MACINTOSH),
        932 => Some(encoding_rs::SHIFT_JIS),
        936 => Some(encoding_rs::GBK),
        949 => Some(encoding_rs::EUC_KR),
        950 => Some(encoding_rs::BIG5),
        20866 => Some(encoding_rs::KOI8_R),
        21866 => Some(encoding_rs::KOI8_U),
        20932 | 51932 => Some(encoding_rs::EUC_JP),
        50220..=50222 => Some(encoding_rs::ISO_2022_JP),
        51949 => Some(encoding_rs::EUC_KR),
        54936 => Some(encoding_rs::GB18030),
        28591..=28605 => Encoding::for_label(format!("iso-8859-{}", number - 28590).as_bytes()),
        number => Encoding::for_label(format!("windows-{number}").as_bytes()),
    }
}

/// The encoding of a font's character set.
pub(super) fn character_set(number: i32) -> Option<&'static Encoding> {
    let page = match number {
        0 => 1252,
        77 => 10000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    };
    code_page(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_outlook_writes_is_known() {
        for (number, name) in [
            (65001, "UTF-8"),
            (1251, "windows-1251"),
            (874, "windows-874"),
            (20866, "KOI8-R"),
            (28592, "ISO-8859-2"),
            (50220, "ISO-2022-JP"),
            (51949, "EUC-KR"),
            (54936, "gb18030"),
        ] {
            assert_eq!(code_page(number).map(Encoding::name), Some(name), "{number}");
        }
        assert_eq!(code_page(7), None);
    }
}
