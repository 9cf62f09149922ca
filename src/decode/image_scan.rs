//! What can be learnt from the bytes of an image without decoding it: whether its end is there,
//! and its resolution. Decoders fill what is missing with grey; a scan that stops half-way down
//! must not pass for a page.

use super::reject;
use crate::document::MediaType;
use crate::error::{Class, Error, Result};

/// Width of an A4 page in inches.
const A4_WIDTH: f64 = 8.27;

/// Refuses an image whose end is missing.
pub(super) fn check_end(bytes: &[u8], media_type: MediaType) -> Result<()> {
    match media_type {
        MediaType::Png => check_png(bytes),
        MediaType::Jpeg => check_jpeg(bytes),
        MediaType::Webp | MediaType::Bmp => {
            let (at, extra) = if media_type == MediaType::Webp { (4, 8) } else { (2, 0) };
            let claimed = u32_le(bytes, at).map_or(0, |size| u64::from(size) + extra);
            // Some writers leave the size of a BMP at zero; its decoder notices missing rows.
            if claimed > bytes.len() as u64 {
                return Err(truncated(format!("{} of {claimed} bytes are there", bytes.len())));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn truncated(reason: String) -> Error {
    reject(Class::Truncated, format!("the image stops before its end: {reason}"))
}

/// A PNG is a chain of chunks from IHDR to IEND.
fn check_png(bytes: &[u8]) -> Result<()> {
    let mut at = 8usize;
    loop {
        let Some(length) = u32_be(bytes, at) else { return Err(truncated("no IEND chunk".into())) };
        let kind = bytes.get(at + 4..at + 8).unwrap_or_default();
        if at == 8 && kind != b"IHDR" {
            return Err(reject(Class::Corrupt, "the PNG does not begin with an IHDR chunk"));
        }
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return Err(reject(Class::Corrupt, format!("no PNG chunk at byte {at}")));
        }
        if kind == b"IEND" {
            return Ok(());
        }
        at = at.saturating_add(length as usize).saturating_add(12);
    }
}

/// A JPEG's last marker is EOI. Thumbnails in its header have one of their own, so it is looked for
/// behind the first scan.
fn check_jpeg(bytes: &[u8]) -> Result<()> {
    let scan = jpeg_segments(bytes).find(|(marker, ..)| *marker == 0xda);
    let Some((_, start, _)) = scan else { return Err(truncated("no image data".into())) };
    let data = bytes.get(start..).unwrap_or_default();
    match data.windows(2).any(|pair| pair == b"\xff\xd9") {
        true => Ok(()),
        false => Err(truncated("no end marker".into())),
    }
}

/// Marker, start and content of each segment up to the first scan.
fn jpeg_segments(bytes: &[u8]) -> impl Iterator<Item = (u8, usize, &[u8])> {
    let mut at = 2usize;
    let mut done = false;
    std::iter::from_fn(move || {
        while !done {
            let (&mark, &marker) = (bytes.get(at)?, bytes.get(at + 1)?);
            if mark != 0xff {
                return None;
            }
            if marker == 0xff {
                at += 1;
                continue;
            }
            let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
            let content = bytes.get(at + 4..at + 2 + length)?;
            done = marker == 0xda;
            at += 2 + length;
            return Some((marker, at, content));
        }
        None
    })
}

/// The resolution that the file states, in pixels per inch.
pub(super) fn stated_dpi(bytes: &[u8], media_type: MediaType) -> Option<f64> {
    match media_type {
        MediaType::Png => png_dpi(bytes),
        MediaType::Jpeg => jpeg_segments(bytes).find_map(|(marker, _, content)| {
            let jfif = marker == 0xe0 && content.starts_with(b"JFIF\0");
            let unit = content.get(7).filter(|_| jfif)?;
            let density = f64::from(u16::from_be_bytes([*content.get(8)?, *content.get(9)?]));
            match unit {
                1 => Some(density),
                2 => Some(density * 2.54),
                _ => None,
            }
        }),
        MediaType::Bmp => u32_le(bytes, 38).map(|per_metre| f64::from(per_metre) * 0.0254),
        _ => None,
    }
}

fn png_dpi(bytes: &[u8]) -> Option<f64> {
    let mut at = 8usize;
    loop {
        let length = u32_be(bytes, at)? as usize;
        match bytes.get(at + 4..at + 8)? {
            b"pHYs" if bytes.get(at + 16) == Some(&1) => {
                return u32_be(bytes, at + 8).map(|per_metre| f64::from(per_metre) * 0.0254);
            }
            b"IDAT" => return None,
            _ => at = at.checked_add(length)?.checked_add(12)?,
        }
    }
}

/// The stated resolution if a page of that size is plausible (programs write 72 when they do not
/// know), else the one at which the shorter side is as wide as A4.
pub(super) fn plausible_dpi(stated: Option<f64>, width: u32, height: u32) -> u32 {
    let short = f64::from(width.min(height));
    let plausible = |dpi: &f64| (50.0..=2400.0).contains(dpi) && (1.5..=17.0).contains(&(short / dpi));
    let dpi = stated.filter(plausible).unwrap_or(short / A4_WIDTH);
    dpi.round().clamp(30.0, 2400.0) as u32
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implausible_resolutions_are_replaced() {
        assert_eq!(plausible_dpi(Some(300.0), 2480, 3508), 300);
        assert_eq!(plausible_dpi(Some(72.0), 2480, 3508), 300);
        assert_eq!(plausible_dpi(None, 3508, 2480), 300);
        assert_eq!(plausible_dpi(Some(f64::NAN), 1654, 2339), 200);
    }
}
