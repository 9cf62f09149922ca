//! HEIF (ISO/IEC 23008-12) with HEVC in it, as telephones store photographs: HEIC. A page is a picture that is meant to be
//! shown; thumbnails, depth maps and the tiles of a grid are none.

use super::image_scan::plausible_dpi;
use super::images::on_white;
use super::{Limits, PageImage, check_pages, check_pixels, reject};
use crate::document::Page;
use crate::error::{Class, Error, Result};
use heifer::Options;
use heifer::heifer_hevc_dec::Error as HevcError;
use heifer::heifer_isobmff::boxes::Property;
use heifer::heifer_isobmff::writer::ALPHA_URN;
use heifer::heifer_isobmff::{BoxIter, Error as BoxError, HeifFile, ItemId, RawBox};
use image::{DynamicImage, RgbaImage};

/// A directory of a file is some kilobytes; going through one takes time by the square of its size.
const MOST_DIRECTORY: usize = 1 << 20;
/// Parts that a picture is put together of: the largest photographs have a thousand.
const MOST_PARTS: usize = 10_000;
/// Levels of pictures that are put together of others, as the decoder takes them.
const MOST_LEVELS: usize = 5;
/// Pixels of all parts of a picture and itself, as times what one may have.
const MOST_PIXELS: u64 = 4;
/// A tile is at least so wide and high (ISO/IEC 23000-22 says 64).
const LEAST_TILE: u32 = 16;

/// The pages of a HEIC, if each is of a kind that is read and has its data within the file.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<Page>> {
    let bytes = boxes(bytes);
    let file = parse(bytes)?;
    let shown = shown(&file);
    check_pages(shown.len(), limits)?;
    for &id in &shown {
        Parts { file: &file, limits, left: MOST_PARTS }.check(id, 0)?;
    }
    Ok(shown.iter().map(|_| Page::Image).collect())
}

/// A picture, turned as the file says.
pub(super) fn page_image(bytes: &[u8], page: u32, limits: &Limits) -> Result<PageImage> {
    let bytes = boxes(bytes);
    let file = parse(bytes)?;
    let at = page.checked_sub(1).and_then(|at| usize::try_from(at).ok());
    let id = at.and_then(|at| shown(&file).get(at).copied());
    let id = id.ok_or_else(|| reject(Class::Corrupt, format!("the HEIC has no page {page}")))?;
    Parts { file: &file, limits, left: MOST_PARTS }.check(id, 0)?;
    // A child has one thread, and may begin no other.
    let options = Options { max_threads: 1, max_pixels: limits.max_pixels };
    let picture = if id == file.primary_id {
        heifer::decode_rgba8(bytes, &options)
    } else {
        heifer::decode_rgba8(&with_primary(bytes, id)?, &options)
    };
    let picture = picture.map_err(|error| failure(&error))?;
    let picture = RgbaImage::from_raw(picture.width, picture.height, picture.data);
    let picture =
        picture.ok_or_else(|| reject(Class::Corrupt, "the HEIC holds fewer pixels than it says"))?;
    let (width, height) = picture.dimensions();
    check_pixels(width, height, limits)?;
    let dpi = plausible_dpi(None, width, height);
    Ok(PageImage { pixels: on_white(DynamicImage::ImageRgba8(picture)), dpi, form: Vec::new() })
}

fn parse(bytes: &[u8]) -> Result<HeifFile<'_>> {
    let directory = directory(bytes).map_or(0, |(_, content)| content.len());
    if directory > MOST_DIRECTORY {
        let reason = format!("the directory of the HEIC has {directory} bytes; {MOST_DIRECTORY} are read");
        return Err(reject(Class::TooLarge, reason));
    }
    HeifFile::parse(bytes).map_err(|error| broken(&error))
}

/// A file without what some programs write behind its last box. All of it where its directory is not whole, for the
/// error that this makes.
fn boxes(bytes: &[u8]) -> &[u8] {
    let whole = BoxIter::new(bytes).map_while(std::result::Result::ok).last();
    let end = whole.and_then(|last| begin(&last).checked_add(last.content.len()));
    let whole = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    if directory(whole).is_some() { whole } else { bytes }
}

/// The pictures that are meant to be shown.
fn shown(file: &HeifFile<'_>) -> Vec<ItemId> {
    let mut seen = std::collections::HashSet::new();
    file.top_level_image_ids().into_iter().filter(|id| seen.insert(*id)).collect()
}

/// Where the content of a box begins, in what it is a box of.
fn begin(one: &RawBox<'_>) -> usize {
    one.offset.saturating_add(one.header.header_size as usize)
}

/// The last of the boxes of this kind, as far as there are whole ones, with the place where its content begins.
fn last_box<'b>(bytes: &'b [u8], kind: &[u8; 4]) -> Option<(usize, &'b [u8])> {
    let boxes = BoxIter::new(bytes).map_while(std::result::Result::ok);
    boxes.filter(|one| one.header.box_type.0 == *kind).last().map(|one| (begin(&one), one.content))
}

/// The box of a file that says what is in it, as it is read.
fn directory(bytes: &[u8]) -> Option<(usize, &[u8])> {
    last_box(bytes, b"meta")
}

/// The same file, to be shown with another picture of it: the decoder reads the one that it begins with.
fn with_primary(bytes: &[u8], id: ItemId) -> Result<Vec<u8>> {
    // Behind versions and flags, of four bytes each.
    let place = || {
        let (directory, content) = directory(bytes)?;
        let (primary, content) = last_box(content.get(4..)?, b"pitm")?;
        let number = match content.first()? {
            0 => u16::try_from(id).ok()?.to_be_bytes().to_vec(),
            _ => id.to_be_bytes().to_vec(),
        };
        Some((directory.checked_add(4)?.checked_add(primary)?.checked_add(4)?, number))
    };
    let mut changed = bytes.to_vec();
    let written = place().and_then(|(at, number)| {
        changed.get_mut(at..at.checked_add(number.len())?)?.copy_from_slice(&number);
        Some(())
    });
    match written {
        Some(()) => Ok(changed),
        None => Err(reject(Class::Corrupt, "the HEIC does not say which of its pictures comes first")),
    }
}

/// Looks at a picture and at what it is put together of before anything of it is decoded.
struct Parts<'f, 'b> {
    file: &'f HeifFile<'b>,
    limits: &'f Limits,
    /// Parts that may still be looked at.
    left: usize,
}

impl Parts<'_, '_> {
    /// The pixels of a picture and all its parts; an error where they are too many, of a kind that is not read, or
    /// not within the file.
    fn check(&mut self, id: ItemId, level: usize) -> Result<u64> {
        if self.left == 0 || level >= MOST_LEVELS {
            let reason = format!(
                "a picture of more than {MOST_PARTS} parts, or of parts of parts beyond {MOST_LEVELS} levels"
            );
            return Err(reject(Class::TooLarge, reason));
        }
        self.left -= 1;
        let file = self.file;
        let kind = file.item(id).map_err(|error| broken(&error))?.item_type;
        let size = file.image_size(id).map_err(|error| broken(&error))?;
        let (mut width, mut height) =
            size.ok_or_else(|| reject(Class::Corrupt, "the HEIC does not say how large its picture is"))?;
        match &kind.0 {
            b"grid" => {
                let grid = file.grid(id).map_err(|error| broken(&error))?;
                (width, height) = (width.max(grid.output_width), height.max(grid.output_height));
                self.check_tiles(id, (width, height), (grid.columns.into(), grid.rows.into()))?;
            }
            b"hvc1" => drop(file.item_data(id).map_err(|error| broken(&error))?),
            b"iovl" | b"iden" => {}
            other => return Err(unread(other)),
        }
        check_pixels(width, height, self.limits)?;
        let mut pixels = u64::from(width) * u64::from(height);
        let alpha = file.referencing_items(id, b"auxl").into_iter().filter(|&aux| is_alpha(file, aux));
        for part in file.referenced_items(id, b"dimg").iter().copied().chain(alpha) {
            pixels = pixels.saturating_add(self.check(part, level + 1)?);
            if pixels > self.limits.max_pixels.saturating_mul(MOST_PIXELS) {
                let limit = self.limits.max_pixels / 1_000_000;
                let reason =
                    format!("a picture put together of too many pixels; digitize.max_megapixels is {limit}");
                return Err(reject(Class::TooLarge, reason));
            }
        }
        Ok(pixels)
    }

    /// Tiles must cover the grid: the decoder keeps a list of rows for each.
    fn check_tiles(
        &self,
        id: ItemId,
        (width, height): (u32, u32),
        (columns, rows): (u32, u32),
    ) -> Result<()> {
        let first = self.file.referenced_items(id, b"dimg").first();
        let size = first.and_then(|&tile| self.file.image_size(tile).ok().flatten());
        let covers = |tile: u32, tiles: u32, whole: u32| {
            tile.checked_mul(tiles).is_some_and(|all| all >= whole) && (tiles == 1 || tile >= LEAST_TILE)
        };
        match size {
            Some((wide, high)) if covers(wide, columns, width) && covers(high, rows, height) => Ok(()),
            _ => Err(reject(Class::Corrupt, "the tiles of the HEIC do not make its picture")),
        }
    }
}

/// Whether an auxiliary picture says what is transparent: of these alone the decoder makes use.
fn is_alpha(file: &HeifFile<'_>, id: ItemId) -> bool {
    let says = |property: &Property| {
        matches!(property, Property::AuxiliaryType(kind)
            if kind == ALPHA_URN || kind == "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
    };
    file.item_properties(id).is_ok_and(|mut properties| properties.any(says))
}

fn unread(kind: &[u8; 4]) -> Error {
    let what = match kind {
        b"av01" => "AV1 (AVIF)".to_owned(),
        b"jpeg" => "JPEG".to_owned(),
        b"avc1" => "H.264".to_owned(),
        other => format!("parts of kind {}", other.escape_ascii()),
    };
    reject(Class::Unsupported, format!("a HEIF picture with {what} in it is not read"))
}

fn broken(error: &BoxError) -> Error {
    match error {
        BoxError::UnexpectedEof => reject(Class::Truncated, "the HEIC stops before its end"),
        // It is what says which still pictures there are.
        BoxError::MissingBox(what) if what.0 == *b"meta" => {
            reject(Class::Unsupported, "a HEIF sequence without a still picture is not read")
        }
        BoxError::Unimplemented(_) => reject(Class::Unsupported, format!("the HEIC is not read: {error}")),
        _ => reject(Class::Corrupt, format!("the HEIC cannot be read: {error}")),
    }
}

fn failure(error: &heifer::Error) -> Error {
    match error {
        heifer::Error::Container(error) => broken(error),
        heifer::Error::Unsupported(_) | heifer::Error::Hevc(HevcError::Unimplemented(_)) => {
            reject(Class::Unsupported, format!("the HEIC is not read: {error}"))
        }
        heifer::Error::Hevc(HevcError::UnexpectedEof) => {
            reject(Class::Truncated, "a picture of the HEIC stops before its end")
        }
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
        let bytes = photograph(60, 40);
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

    /// A photograph of tiles, with a change.
    fn tiled(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = photograph(700, 600);
        change(&mut bytes);
        bytes
    }

    /// Writes a number behind the first of these bytes.
    fn put(bytes: &mut [u8], behind: &[u8], number: u32) {
        let at = media_type::find(bytes, behind).unwrap() + behind.len();
        bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }

    #[test]
    fn photographs_of_tiles_are_read_and_their_lies_refused() {
        let bytes = tiled(|_| ());
        let pixels = page_image(&bytes, MediaType::Heic, 1, &limits()).unwrap().pixels;
        assert_eq!(pixels.dimensions(), (700, 600));
        // A trailer that is no box is none of the picture's.
        let trailer = tiled(|bytes| bytes.extend(b"xyz"));
        assert_eq!(page_image(&trailer, MediaType::Heic, 1, &limits()).unwrap().pixels, pixels);
        assert_eq!(class(&bytes[..bytes.len() - 9], "a"), Class::Truncated);
        assert_eq!(class(&bytes[..200], "a"), Class::Truncated);
        // Tiles that do not make the picture, and such that are too large.
        assert_eq!(class(&tiled(|bytes| put(bytes, b"ispe\0\0\0\0", 1)), "a"), Class::Corrupt);
        assert_eq!(class(&tiled(|bytes| put(bytes, b"ispe\0\0\0\0", 1 << 20)), "a"), Class::TooLarge);
        // A directory without end, and a sequence without a still picture.
        let long = tiled(|bytes| {
            let at = media_type::find(bytes, b"meta").unwrap() - 4;
            let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) + (2 << 20);
            bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
            bytes.resize(bytes.len() + (3 << 20), 0);
        });
        assert_eq!(class(&long, "a"), Class::TooLarge);
        assert_eq!(class(b"\0\0\0\x10ftypmsf1\0\0\0\0", "a"), Class::Unsupported);
    }
}
