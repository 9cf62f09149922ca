//! HEIF (ISO/IEC 23008-12) with HEVC in it, as telephones store photographs: HEIC. A page is a picture that is meant to be
//! shown; thumbnails, depth maps and the tiles of a grid are none.

use super::image_scan::plausible_dpi;
use super::images::on_white;
use super::{Limits, PageImage, check_pages, check_pixels, reject};
use crate::document::Page;
use crate::error::{Class, Error, Result};
use heifer::Options;
use heifer::heifer_isobmff::{Error as BoxError, HeifFile, ItemId};
use image::{DynamicImage, RgbaImage};

/// Kinds of pictures that are read: HEVC, and what is put together of others.
const READ: [&[u8; 4]; 4] = [b"hvc1", b"grid", b"iovl", b"iden"];

/// The pages of a HEIC, if each is of a kind that is read and has its data within the file.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<Page>> {
    let file = HeifFile::parse(bytes).map_err(|error| broken(&error))?;
    let shown = file.top_level_image_ids();
    check_pages(shown.len(), limits)?;
    let mut pixels = 0u64;
    for &id in &shown {
        let (width, height) = check(&file, id)?;
        check_pixels(width, height, limits)?;
        pixels = pixels.saturating_add(u64::from(width) * u64::from(height));
    }
    // Where there are several, all of them are decoded for any.
    if pixels > limits.max_pixels {
        let limit = limits.max_pixels / 1_000_000;
        let reason =
            format!("{} pictures of {pixels} pixels; digitize.max_megapixels is {limit}", shown.len());
        return Err(reject(Class::TooLarge, reason));
    }
    for item in &file.items {
        if item.location.is_some() {
            file.item_data(item.id).map_err(|error| broken(&error))?;
        }
    }
    Ok(shown.iter().map(|_| Page::Image).collect())
}

/// The size of a picture of a kind that is read, before it is turned.
fn check(file: &HeifFile<'_>, id: ItemId) -> Result<(u32, u32)> {
    let kind = file.item(id).map_err(|error| broken(&error))?.item_type;
    if !READ.contains(&&kind.0) {
        let what = match &kind.0 {
            b"av01" => "AV1 (AVIF)",
            b"jpeg" => "JPEG",
            b"avc1" => "H.264",
            _ => {
                return Err(reject(Class::Unsupported, format!("a HEIF picture of kind {kind} is not read")));
            }
        };
        return Err(reject(Class::Unsupported, format!("a HEIF picture with {what} in it is not read")));
    }
    let size = file.image_size(id).map_err(|error| broken(&error))?;
    size.ok_or_else(|| reject(Class::Corrupt, "the HEIC does not say how large its picture is"))
}

/// A picture, turned as the file says.
pub(super) fn page_image(bytes: &[u8], page: u32, limits: &Limits) -> Result<PageImage> {
    let file = HeifFile::parse(bytes).map_err(|error| broken(&error))?;
    let shown = file.top_level_image_ids();
    let missing = || reject(Class::Corrupt, format!("the HEIC has no page {page}"));
    let at = page.checked_sub(1).and_then(|at| usize::try_from(at).ok()).ok_or_else(missing)?;
    if at >= shown.len() {
        return Err(missing());
    }
    // A child has one thread, and may begin no other.
    let options = Options { max_threads: 1, max_pixels: limits.max_pixels };
    let picture = if shown == [file.primary_id] {
        let picture = heifer::decode_rgba8(bytes, &options).map_err(|error| failure(&error))?;
        RgbaImage::from_raw(picture.width, picture.height, picture.data)
    } else {
        let all = heifer::decode_all_with_options(bytes, &options).map_err(|error| failure(&error))?;
        let picture = all.get(at).ok_or_else(missing)?;
        RgbaImage::from_raw(picture.width, picture.height, picture.to_rgba8())
    };
    let picture =
        picture.ok_or_else(|| reject(Class::Corrupt, "the HEIC holds fewer pixels than it says"))?;
    let (width, height) = picture.dimensions();
    check_pixels(width, height, limits)?;
    let dpi = plausible_dpi(None, width, height);
    Ok(PageImage { pixels: on_white(DynamicImage::ImageRgba8(picture)), dpi, form: Vec::new() })
}

fn broken(error: &BoxError) -> Error {
    let class = match error {
        BoxError::UnexpectedEof => Class::Truncated,
        BoxError::Unimplemented(_) => Class::Unsupported,
        _ => Class::Corrupt,
    };
    reject(class, format!("the HEIC cannot be read: {error}"))
}

fn failure(error: &heifer::Error) -> Error {
    match error {
        heifer::Error::Container(error) => broken(error),
        heifer::Error::Unsupported(_) => reject(Class::Unsupported, format!("the HEIC is not read: {error}")),
        _ => reject(Class::Corrupt, format!("the HEIC cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{limits, photograph};
    use super::super::{decode, media_type, page_image};
    use super::*;
    use crate::document::MediaType;

    fn class(bytes: &[u8], name: &str) -> Class {
        decode(bytes, name, None, &limits()).unwrap_err().failure().class
    }

    #[test]
    fn photographs_of_telephones_are_read() {
        let bytes = photograph();
        let decoded = decode(&bytes, "a.jpg", None, &limits()).unwrap();
        assert_eq!(decoded.media_type, MediaType::Heic);
        assert!(matches!(decoded.pages[..], [Page::Image]));
        let pixels = page_image(&bytes, MediaType::Heic, 1, &limits()).unwrap().pixels;
        let at = |x, y| pixels.get_pixel(x, y).0[0];
        assert!(pixels.dimensions() == (60, 40) && at(8, 8) < 20 && at(50, 8) > 235 && at(8, 30) > 235);
        assert!(page_image(&bytes, MediaType::Heic, 2, &limits()).is_err());
        assert_eq!(class(&bytes[..bytes.len() - 20], "a.heic"), Class::Truncated);
        let tiny = Limits { max_pixels: 2399, ..limits() };
        assert_eq!(decode(&bytes, "a", None, &tiny).unwrap_err().failure().class, Class::TooLarge);
        // The same bytes, said to be of other codecs.
        let kind = |of: &[u8; 4]| {
            let at = media_type::find(&bytes, b"hvc1").unwrap();
            [&bytes[..at], of, &bytes[at + 4..]].concat()
        };
        let error = decode(&kind(b"av01"), "a", None, &limits()).unwrap_err();
        assert!(error.failure().class == Class::Unsupported && error.to_string().contains("AVIF"), "{error}");
        assert_eq!(class(&kind(b"mime"), "a"), Class::Unsupported);
    }
}
