//! Images of one page: PNG, JPEG, WebP, BMP and the first frame of a GIF.

use super::image_scan::{check_end, plausible_dpi, stated_dpi};
use super::{Limits, PageImage, check_pixels, reject};
use crate::document::{MediaType, Page};
use crate::error::{Class, Error, Result};
use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader};
use std::io::{Cursor, ErrorKind};

/// Four samples of two bytes.
const BYTES_A_PIXEL: u64 = 8;
/// For profiles, palettes and tables of small pictures.
const SPARE: u64 = 16 << 20;

/// The one page of an image, if its header can be read and its end is there.
pub(super) fn pages(bytes: &[u8], media_type: MediaType, limits: &Limits) -> Result<Vec<Page>> {
    check_end(bytes, media_type)?;
    let decoder = open(bytes, media_type, limits)?.into_decoder().map_err(|error| failure(&error))?;
    let (width, height) = decoder.dimensions();
    check_pixels(width, height, limits)?;
    Ok(vec![Page::Image])
}

/// The page, turned as its EXIF data says.
pub(super) fn page_image(
    bytes: &[u8],
    media_type: MediaType,
    page: u32,
    limits: &Limits,
) -> Result<PageImage> {
    if page != 1 {
        return Err(reject(Class::Corrupt, format!("an image of {media_type} has no page {page}")));
    }
    check_end(bytes, media_type)?;
    let mut decoder = open(bytes, media_type, limits)?.into_decoder().map_err(|error| failure(&error))?;
    let (width, height) = decoder.dimensions();
    check_pixels(width, height, limits)?;
    let orientation = decoder.orientation().map_err(|error| failure(&error))?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| failure(&error))?;
    picture.apply_orientation(orientation);
    let dpi = plausible_dpi(stated_dpi(bytes, media_type), width, height);
    Ok(PageImage { pixels: on_white(picture), dpi, form: Vec::new() })
}

fn open<'a>(
    bytes: &'a [u8],
    media_type: MediaType,
    limits: &Limits,
) -> Result<ImageReader<Cursor<&'a [u8]>>> {
    let format = ImageFormat::from_mime_type(media_type.as_str());
    let format = format.ok_or_else(|| reject(Class::Unsupported, format!("{media_type} as an image")))?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Pixels are checked against the limit proper. This one is of bytes, for all that a picture carries besides: a
    // colour profile may be a bomb, too.
    let mut most = image::Limits::no_limits();
    most.max_alloc = Some(limits.max_pixels.saturating_mul(BYTES_A_PIXEL).saturating_add(SPARE));
    reader.limits(most);
    Ok(reader)
}

/// Grey, with what is transparent shown as white paper.
pub(super) fn on_white(picture: DynamicImage) -> GrayImage {
    if !picture.color().has_alpha() {
        return picture.into_luma8();
    }
    let blended = picture.into_luma_alpha8();
    let (width, height) = blended.dimensions();
    let mut grey = GrayImage::new(width, height);
    for (to, from) in grey.pixels_mut().zip(blended.pixels()) {
        let [luma, alpha] = from.0.map(u32::from);
        to.0 = [((luma * alpha + 255 * (255 - alpha) + 127) / 255) as u8];
    }
    grey
}

fn failure(error: &ImageError) -> Error {
    let class = match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => Class::Truncated,
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory => Class::TooLarge,
            _ => Class::Corrupt,
        },
        ImageError::Unsupported(_) => Class::Unsupported,
        _ => Class::Corrupt,
    };
    reject(class, format!("the image cannot be read: {error}"))
}
