//! TIFFs whose samples are numbers of colours. The TIFF crate refuses them, so it is given the same file with the page
//! said to be grey, and its numbers are looked up here.

use super::tiffs::{Tiff, number};
use image::GrayImage;
use tiff::tags::{ByteOrder, Tag};

const PALETTE: u32 = 3;
const GREY: u16 = 1;
const PHOTOMETRIC: u64 = 262;

/// A page of numbered colours: how light each is, and the file in which they are grey.
pub(super) struct Palette {
    /// By number, 0 to 255.
    lightness: Vec<u8>,
    /// The file.
    pub(super) grey: Vec<u8>,
}

impl Palette {
    /// Of the current page; none where its colours have no numbers, or no table.
    pub(super) fn of(tiff: &mut Tiff<'_>, bytes: &[u8]) -> Option<Self> {
        if number(tiff, Tag::PhotometricInterpretation) != Some(PALETTE) {
            return None;
        }
        let table: Vec<u64> = tiff.find_tag_unsigned_vec(Tag::ColorMap).ok()??;
        let grey = said_to_be_grey(tiff, bytes)?;
        // Some programs write eight bits where sixteen are wanted.
        let shift = if table.iter().any(|level| *level > 255) { 8 } else { 0 };
        let colours = table.len() / 3;
        let level = |plane: usize, colour: usize| {
            table.get(plane * colours + colour).map_or(0, |level| level >> shift)
        };
        let luma = |colour| (299 * level(0, colour) + 587 * level(1, colour) + 114 * level(2, colour)) / 1000;
        let lightness = (0..colours).map(|colour| luma(colour).min(255) as u8).collect();
        Some(Self { lightness, grey })
    }

    /// Grey levels that stand for numbers, made lightness. Numbers were spread over the levels from 0 to 255.
    pub(super) fn apply(&self, page: &mut GrayImage) {
        let last = self.lightness.len().saturating_sub(1).min(255);
        for level in page.iter_mut() {
            let colour = (usize::from(*level) * last + 127) / 255;
            *level = self.lightness.get(colour).copied().unwrap_or(255);
        }
    }
}

/// The file with one value of the current page's directory changed.
fn said_to_be_grey(tiff: &mut Tiff<'_>, bytes: &[u8]) -> Option<Vec<u8>> {
    let at = usize::try_from(tiff.ifd_pointer()?.0).ok()?;
    let little = matches!(tiff.byte_order(), ByteOrder::LittleEndian);
    let uint = |at: usize, size: usize| {
        let field = bytes.get(at..at.checked_add(size)?)?;
        let big: Vec<u8> = if little { field.iter().rev().copied().collect() } else { field.to_vec() };
        Some(big.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    // Classic files count in four bytes, big ones in eight.
    let (head, entry, value) = if uint(2, 2)? == 43 { (8, 20, 12) } else { (2, 12, 8) };
    let count = usize::try_from(uint(at, head)?).ok()?.min(usize::from(u16::MAX));
    let place =
        (0..count).map(|number| at + head + number * entry).find(|at| uint(*at, 2) == Some(PHOTOMETRIC))?
            + value;
    let mut grey = bytes.to_vec();
    let said = if little { GREY.to_le_bytes() } else { GREY.to_be_bytes() };
    grey.get_mut(place..place.checked_add(2)?)?.copy_from_slice(&said);
    Some(grey)
}
