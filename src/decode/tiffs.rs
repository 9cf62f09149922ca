//! TIFF: scanners' own format. One or more pages; bilevel, grey or colour; fax, LZW, deflate,
//! PackBits or JPEG inside.

use super::image_scan::plausible_dpi;
use super::images::on_white;
use super::tiff_palette::Palette;
use super::{Limits, PageImage, check_pages, check_pixels, reject, tiff_fax};
use crate::document::Page;
use crate::error::{Class, Error, Result};
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage};
use std::io::{Cursor, ErrorKind};
use tiff::decoder::{Decoder, DecodingResult, Limits as TiffLimits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

pub(super) type Tiff<'a> = Decoder<Cursor<&'a [u8]>>;

/// Pixels twice as high as wide are a fax's; what is beyond that is a mistake in the file.
const MOST_STRETCH: f64 = 4.0;
/// Less is not worth resampling.
const LEAST_STRETCH: f64 = 0.1;

/// The pages of a TIFF, if each has its data within the file.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<Page>> {
    let mut tiff = open(bytes, limits)?;
    let mut pages = Vec::new();
    let mut more = !is_thumbnail(&mut tiff) || next_page(&mut tiff)?;
    while more {
        let (width, height) = tiff.dimensions().map_err(|error| failure(&error))?;
        check_pixels(width, height, limits)?;
        check_data(&mut tiff, bytes.len())?;
        pages.push(Page::Image);
        check_pages(pages.len(), limits)?;
        more = next_page(&mut tiff)?;
    }
    if pages.is_empty() {
        return Err(reject(Class::Corrupt, "the TIFF holds thumbnails only"));
    }
    Ok(pages)
}

/// One page, turned as its orientation says.
pub(super) fn page_image(bytes: &[u8], page: u32, limits: &Limits) -> Result<PageImage> {
    let mut tiff = at_page(bytes, page, limits)?;
    let Some(palette) = Palette::of(&mut tiff, bytes) else { return paint(&mut tiff, bytes, limits) };
    let mut image = paint(&mut at_page(&palette.grey, page, limits)?, &palette.grey, limits)?;
    palette.apply(&mut image.pixels);
    Ok(image)
}

fn at_page<'a>(bytes: &'a [u8], page: u32, limits: &Limits) -> Result<Tiff<'a>> {
    let mut tiff = open(bytes, limits)?;
    let mut more = !is_thumbnail(&mut tiff) || next_page(&mut tiff)?;
    for _ in 1..page.min(limits.max_pages) {
        more = more && next_page(&mut tiff)?;
    }
    if !more || page == 0 || page > limits.max_pages {
        return Err(reject(Class::Corrupt, format!("the TIFF has no page {page}")));
    }
    Ok(tiff)
}

fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Tiff<'a>> {
    let mut bounds = TiffLimits::default();
    // Up to four samples of two bytes per pixel.
    let size = usize::try_from(limits.max_pixels.saturating_mul(8)).unwrap_or(usize::MAX);
    bounds.decoding_buffer_size = size;
    bounds.intermediate_buffer_size = size;
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(|error| failure(&error))?;
    Ok(decoder.with_limits(bounds))
}

/// Goes to the next page; false if this was the last. Thumbnails are passed over, be they
/// readable or not: some programs store them in ways that nobody else reads.
fn next_page(tiff: &mut Tiff<'_>) -> Result<bool> {
    while tiff.more_images() {
        let before = tiff.ifd_pointer();
        let read = tiff.next_image();
        // A directory that cannot be read leaves the one before in place.
        let stuck = read.is_err() && tiff.ifd_pointer() == before;
        if stuck || !is_thumbnail(tiff) {
            return read.map(|()| true).map_err(|error| failure(&error));
        }
    }
    Ok(false)
}

/// Smaller copies of other pages are marked as such.
fn is_thumbnail(tiff: &mut Tiff<'_>) -> bool {
    let directory = tiff.ifd_pointer().and_then(|at| tiff.read_directory(at).ok());
    let kind = directory.and_then(|directory| {
        tiff.read_directory_tags(&directory).find_tag_unsigned::<u32>(Tag::NewSubfileType).ok()?
    });
    kind.is_some_and(|kind| kind & 1 == 1)
}

pub(super) fn number(tiff: &mut Tiff<'_>, tag: Tag) -> Option<u32> {
    tiff.find_tag_unsigned(tag).ok().flatten()
}

/// Refuses a page whose strips or tiles lie beyond the end of the file.
fn check_data(tiff: &mut Tiff<'_>, length: usize) -> Result<()> {
    for (offsets, sizes) in
        [(Tag::StripOffsets, Tag::StripByteCounts), (Tag::TileOffsets, Tag::TileByteCounts)]
    {
        let offsets: Vec<u64> = tiff.find_tag_unsigned_vec(offsets).ok().flatten().unwrap_or_default();
        let sizes: Vec<u64> = tiff.find_tag_unsigned_vec(sizes).ok().flatten().unwrap_or_default();
        for (offset, size) in offsets.iter().zip(&sizes) {
            if offset.saturating_add(*size) > length as u64 {
                let reason = format!("the TIFF stops at byte {length}, before the data at byte {offset}");
                return Err(reject(Class::Truncated, reason));
            }
        }
    }
    Ok(())
}

fn paint(tiff: &mut Tiff<'_>, bytes: &[u8], limits: &Limits) -> Result<PageImage> {
    let (width, height) = tiff.dimensions().map_err(|error| failure(&error))?;
    check_pixels(width, height, limits)?;
    let (across, down) = (per_inch(tiff, Tag::XResolution), per_inch(tiff, Tag::YResolution));
    let dpi = plausible_dpi(across, width, height);
    let orientation = number(tiff, Tag::Orientation).and_then(|value| u8::try_from(value).ok());
    let grey = match tiff_fax::page(tiff, bytes, limits)? {
        Some(grey) => square(grey, across, down, limits)?,
        None => grey(tiff, width, height)?,
    };
    let mut picture = DynamicImage::ImageLuma8(grey);
    picture
        .apply_orientation(orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms));
    Ok(PageImage { pixels: picture.into_luma8(), dpi, form: Vec::new() })
}

fn grey(tiff: &mut Tiff<'_>, width: u32, height: u32) -> Result<GrayImage> {
    let colour = tiff.colortype().map_err(|error| failure(&error))?;
    let unread = || reject(Class::Unsupported, format!("a TIFF of {colour:?}"));
    let samples = match tiff.read_image().map_err(|error| failure(&error))? {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) => samples.into_iter().map(|sample| (sample >> 8) as u8).collect(),
        _ => return Err(unread()),
    };
    to_grey(samples, colour, width, height).ok_or_else(unread)
}

/// Faxes have 204 pixels an inch across and 98, 196 or 391 down; words are read where both are the same.
fn square(page: GrayImage, across: Option<f64>, down: Option<f64>, limits: &Limits) -> Result<GrayImage> {
    let (Some(across), Some(down)) = (across, down) else { return Ok(page) };
    let stretch = across / down;
    if !(1.0 / MOST_STRETCH..=MOST_STRETCH).contains(&stretch) || (stretch - 1.0).abs() < LEAST_STRETCH {
        return Ok(page);
    }
    let (width, height) = page.dimensions();
    let height = (f64::from(height) * stretch).round().max(1.0) as u32;
    check_pixels(width, height, limits)?;
    Ok(image::imageops::resize(&page, width, height, FilterType::Triangle))
}

/// Samples as they come from the decoder, which has already made black of zero.
fn to_grey(samples: Vec<u8>, colour: ColorType, width: u32, height: u32) -> Option<GrayImage> {
    let each = |size: usize, luma: fn(&[u8]) -> u8| {
        GrayImage::from_raw(width, height, samples.chunks_exact(size).map(luma).collect())
    };
    match colour {
        ColorType::Gray(bits @ (1 | 2 | 4)) => unpack(&samples, bits, width, height),
        ColorType::Gray(8 | 16) => GrayImage::from_raw(width, height, samples),
        ColorType::GrayA(8 | 16) | ColorType::Multiband { bit_depth: 8 | 16, num_samples: 2 } => {
            let picture = image::GrayAlphaImage::from_raw(width, height, samples)?;
            Some(on_white(DynamicImage::ImageLumaA8(picture)))
        }
        ColorType::RGB(8 | 16) => {
            Some(on_white(DynamicImage::ImageRgb8(image::RgbImage::from_raw(width, height, samples)?)))
        }
        ColorType::RGBA(8 | 16) => {
            Some(on_white(DynamicImage::ImageRgba8(image::RgbaImage::from_raw(width, height, samples)?)))
        }
        ColorType::YCbCr(8) => each(3, |pixel| pixel.first().copied().unwrap_or(255)),
        ColorType::CMYK(8 | 16) => each(4, ink),
        _ => None,
    }
}

/// Luma of cyan, magenta, yellow and black ink.
fn ink(pixel: &[u8]) -> u8 {
    let [cyan, magenta, yellow, black] = *pixel else { return 255 };
    let light = |ink: u8| (255 - u32::from(ink)) * (255 - u32::from(black)) / 255;
    ((299 * light(cyan) + 587 * light(magenta) + 114 * light(yellow)) / 1000) as u8
}

/// Rows of 1, 2 or 4 bits per pixel begin at full bytes.
fn unpack(samples: &[u8], bits: u8, width: u32, height: u32) -> Option<GrayImage> {
    let per_byte = 8 / usize::from(bits);
    let top = (1u16 << bits) - 1;
    let width_px = width as usize;
    let mut grey = Vec::with_capacity(width_px.checked_mul(height as usize)?);
    for row in samples.chunks_exact(width_px.div_ceil(per_byte)).take(height as usize) {
        let pixels = row.iter().flat_map(|byte| {
            (0..per_byte).map(move |at| {
                let shift = 8 - bits as usize * (at + 1);
                let value = u16::from(byte >> shift) & top;
                (value * 255 / top) as u8
            })
        });
        grey.extend(pixels.take(width_px));
    }
    GrayImage::from_raw(width, height, grey)
}

fn per_inch(tiff: &mut Tiff<'_>, tag: Tag) -> Option<f64> {
    let unit = number(tiff, Tag::ResolutionUnit).unwrap_or(2);
    let per_unit = match tiff.find_tag(tag).ok()?? {
        tiff::decoder::ifd::Value::Rational(above, below) => f64::from(above) / f64::from(below),
        _ => return None,
    };
    match unit {
        2 => Some(per_unit),
        3 => Some(per_unit * 2.54),
        _ => None,
    }
}

pub(super) fn failure(error: &TiffError) -> Error {
    let class = match error {
        TiffError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => Class::Truncated,
        TiffError::UnsupportedError(_) => Class::Unsupported,
        TiffError::LimitsExceeded | TiffError::IntSizeError => Class::TooLarge,
        _ => Class::Corrupt,
    };
    reject(class, format!("the TIFF cannot be read: {error}"))
}
