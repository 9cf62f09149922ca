//! Fax in TIFFs: CCITT group 3 in one and two dimensions, group 3 without line ends ("modified Huffman"), and group 4.
//! hayro-ccitt reads them, which reads them in PDFs, too; the TIFF crate knows group 4 only.

use super::tiffs::{Tiff, failure, number};
use super::{Limits, check_pixels, reject};
use crate::error::{Class, Result};
use hayro_ccitt::{DecodeError, DecodeSettings, Decoder as Sink, DecoderContext, EncodingMode, decode};
use image::GrayImage;
use std::borrow::Cow;
use tiff::tags::Tag;

const T4_OPTIONS: Tag = Tag::Unknown(292);
/// In them: lines refer to the one before; line ends are at the ends of bytes.
const TWO_DIMENSIONS: u32 = 1;
const ALIGNED: u32 = 4;

/// The page, if it is a fax; white paper below what was sent.
pub(super) fn page(tiff: &mut Tiff<'_>, bytes: &[u8], limits: &Limits) -> Result<Option<GrayImage>> {
    let compression = number(tiff, Tag::Compression).unwrap_or(1);
    let options = number(tiff, T4_OPTIONS).unwrap_or(0);
    let (encoding, aligned) = match compression {
        2 => (EncodingMode::Group3_1D, true),
        3 if options & TWO_DIMENSIONS != 0 => (EncodingMode::Group3_2D, options & ALIGNED != 0),
        3 => (EncodingMode::Group3_1D, options & ALIGNED != 0),
        4 => (EncodingMode::Group4, false),
        _ => return Ok(None),
    };
    let (width, height) = tiff.dimensions().map_err(|error| failure(&error))?;
    check_pixels(width, height, limits)?;
    let bits = number(tiff, Tag::BitsPerSample).unwrap_or(1);
    if bits != 1 || number(tiff, Tag::SamplesPerPixel).unwrap_or(1) != 1 {
        return Err(reject(Class::Unsupported, "a fax of more than one bit a pixel"));
    }
    let offsets: Vec<u64> = tiff.find_tag_unsigned_vec(Tag::StripOffsets).ok().flatten().unwrap_or_default();
    let sizes: Vec<u64> = tiff.find_tag_unsigned_vec(Tag::StripByteCounts).ok().flatten().unwrap_or_default();
    if offsets.is_empty() {
        return Err(reject(Class::Unsupported, "a fax in tiles"));
    }
    let each = number(tiff, Tag::RowsPerStrip).unwrap_or(height).clamp(1, height);
    let reversed = number(tiff, Tag::FillOrder) == Some(2);
    // Zero is white for a fax machine; files may say that it is black.
    let (paper, ink) =
        if number(tiff, Tag::PhotometricInterpretation) == Some(1) { (0, 255) } else { (255, 0) };
    let mut rows = Rows { pixels: Vec::new(), width: width as usize, most: 0, paper, ink };
    let mut first = 0;
    for (offset, size) in offsets.into_iter().zip(sizes) {
        let count = each.min(height - first);
        if count == 0 {
            break;
        }
        let settings = DecodeSettings {
            columns: width,
            rows: count,
            end_of_block: compression != 2,
            end_of_line: false,
            rows_are_byte_aligned: aligned,
            encoding,
            strict: false,
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)).min(bytes.len());
        let data = bytes.get(start..end).unwrap_or_default();
        let data = match reversed {
            true => Cow::Owned(data.iter().map(|byte| byte.reverse_bits()).collect()),
            false => Cow::Borrowed(data),
        };
        let whole = (first + count) as usize * rows.width;
        rows.most = whole;
        let read = decode(&data, &mut rows, &mut DecoderContext::new(settings));
        if let Err(error) = read
            && rows.pixels.len() < whole
        {
            let at = rows.pixels.len() / rows.width;
            let class = if error == DecodeError::UnexpectedEof { Class::Truncated } else { Class::Corrupt };
            return Err(reject(class, format!("line {at} of {height} of the fax cannot be read: {error}")));
        }
        // Where the sender ended early, the rest is blank.
        rows.pixels.resize(whole, paper);
        first += count;
    }
    rows.pixels.resize(width as usize * height as usize, paper);
    Ok(GrayImage::from_raw(width, height, rows.pixels))
}

/// Lines as they come, in grey.
struct Rows {
    pixels: Vec<u8>,
    width: usize,
    /// Pixels that there may be.
    most: usize,
    paper: u8,
    ink: u8,
}

impl Sink for Rows {
    fn push_row(&mut self, changes: &[u32]) {
        let start = self.pixels.len();
        if start + self.width > self.most {
            return;
        }
        self.pixels.resize(start + self.width, self.paper);
        for run in changes.chunks(2) {
            let end = run.get(1).map_or(self.width, |end| *end as usize);
            let from = run.first().map_or(self.width, |from| *from as usize);
            if let Some(pixels) = self.pixels.get_mut(start + from..start + end) {
                pixels.fill(self.ink);
            }
        }
    }
}
