//! PP-OCR (PaddleOCR): a network finds lines of text, another reads each of them.

mod boxes;
mod crop;
mod order;
mod text;

use super::reading::{Reading, better};
use super::{Networks, Recognizer, cleanup};
use crate::error::Result;
use crate::tensor::Tensor;
use boxes::Rect;
use crop::WIDEST;
use image::{GrayImage, imageops};
use std::ops::RangeInclusive;
use text::Line;

/// The detector's picture: sides in multiples of this.
const STEP: u32 = 32;
/// Its shorter side has at least so many pixels, as the makers advise.
const SHORTEST: u32 = 736;
/// And its longer side at most so many.
const LONGEST: u32 = 1600;
/// What the recognizer gets at once: pictures of so many pixels high, together at most so many across (7 MiB), which
/// is about half a page.
pub const LINES: (usize, usize) = (crop::HEIGHT, 4 * WIDEST);
/// How many pixels across each of them has.
pub const LINE_WIDTHS: RangeInclusive<usize> = crop::NARROWEST..=WIDEST;
/// Lines of a page; more is no page of text.
const MOST_LINES: usize = 3000;
/// The share of a page that counts as not read where lines were left out, at least: a person is to look at it.
const LEFT_OUT: f32 = 0.5;
/// Lines read with less than this are pictures and stains.
const LEAST_CONFIDENCE: f32 = 0.5;
/// Pages read with less than this are tried upside down.
const UPRIGHT_CONFIDENCE: f32 = 0.8;

/// The two networks.
pub struct PpOcr {
    networks: Networks,
    characters: Vec<char>,
}

impl PpOcr {
    /// With its networks.
    pub fn new(networks: Networks) -> Self {
        let characters = networks.characters.lines().filter_map(|line| line.chars().next()).collect();
        Self { networks, characters }
    }

    /// The lines of a page, and whether most of them are higher than wide.
    fn lines(&mut self, image: &GrayImage, rects: Vec<Rect>) -> Result<(Vec<Line>, bool)> {
        let tall = rects.iter().filter(|rect| rect.is_tall()).count() * 2 > rects.len();
        let turned = rects.into_iter().map(|rect| if rect.is_tall() { rect.turned() } else { rect });
        let rects: Vec<Rect> = turned.collect();
        let mut lines = Vec::with_capacity(rects.len());
        let mut rest = rects.as_slice();
        while let Some((group, after)) = rest.split_at_checked(together(rest)).filter(|_| !rest.is_empty()) {
            let pictures: Vec<Tensor> = group.iter().map(|rect| crop::line(image, rect)).collect();
            let steps = self.networks.recognizer.run_all(&pictures)?;
            let read = group
                .iter()
                .zip(&steps)
                .filter_map(|(rect, steps)| text::decode(steps, &self.characters, *rect));
            lines.extend(read.filter(|line| line.confidence() >= LEAST_CONFIDENCE));
            rest = after;
        }
        Ok((lines, tall))
    }

    /// Rectangles around lines, in pixels of the image.
    fn detect(&mut self, image: &GrayImage) -> Result<Vec<Rect>> {
        let (width, height) = image.dimensions();
        let (small_width, small_height) = detector_size(width, height);
        let small = imageops::resize(image, small_width, small_height, imageops::FilterType::Triangle);
        let map = self.networks.detector.run(&pixels(&small))?;
        let scale = (width as f32 / small_width as f32, height as f32 / small_height as f32);
        Ok(boxes::rects(&map, scale))
    }

    fn reading(&mut self, image: &GrayImage) -> Result<(Reading, bool)> {
        let mut rects = self.detect(image)?;
        let missed = left_out(rects.len());
        rects.truncate(MOST_LINES);
        let (lines, tall) = self.lines(image, rects)?;
        let mut reading = order::reading(lines, image.width(), image.height());
        reading.has_missed(missed);
        Ok((reading, tall))
    }

    fn turned(&mut self, image: &GrayImage, rotation: u16) -> Result<Reading> {
        let (mut reading, _) = self.reading(&cleanup::turn_upright(image, rotation))?;
        reading.turn_back(rotation);
        Ok(reading)
    }
}

impl Recognizer for PpOcr {
    fn read(&mut self, image: &GrayImage, _dpi: u32) -> Result<Reading> {
        if image.width() == 0 || image.height() == 0 {
            return Ok(Reading::default());
        }
        let (first, tall) = self.reading(image)?;
        if tall {
            let (right, left) = (self.turned(image, 90)?, self.turned(image, 270)?);
            return Ok(better(first, better(right, left)));
        }
        if !first.is_empty() && first.confidence() < UPRIGHT_CONFIDENCE {
            return Ok(better(first, self.turned(image, 180)?));
        }
        Ok(first)
    }
}

/// How many lines are given to the recognizer at once: their pictures exist together.
fn together(rects: &[Rect]) -> usize {
    let ends = rects.iter().scan(0, |columns, rect| {
        *columns += crop::widths(rect).0;
        Some(*columns)
    });
    ends.take_while(|columns| *columns <= LINES.1).count().max(1)
}

/// The share of a page that was not read, of one on which so many lines were found.
fn left_out(lines: usize) -> f32 {
    let more = lines.saturating_sub(MOST_LINES);
    if more == 0 { 0.0 } else { (more as f32 / lines as f32).max(LEFT_OUT) }
}

/// Width and height at which text is looked for.
fn detector_size(width: u32, height: u32) -> (u32, u32) {
    let (width, height) = (width.max(1) as f32, height.max(1) as f32);
    let scale = (SHORTEST as f32 / width.min(height)).max(1.0).min(LONGEST as f32 / width.max(height));
    let side = |length: f32| ((length * scale / STEP as f32).round() as u32).max(1) * STEP;
    (side(width), side(height))
}

/// Grey values 0 to 255 as −1 to 1, the same in three channels.
fn pixels(image: &GrayImage) -> Tensor {
    let values = image.as_raw().iter().flat_map(|value| [f32::from(*value) / 127.5 - 1.0; 3]).collect();
    Tensor { height: image.height() as usize, width: image.width() as usize, channels: 3, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_too_many_lines_is_doubted() {
        assert_eq!([0, MOST_LINES, MOST_LINES + 1].map(left_out), [0.0, 0.0, LEFT_OUT]);
        assert!(left_out(10 * MOST_LINES) > 0.89);
    }

    #[test]
    fn lines_are_read_in_groups_that_hold_each_of_them() {
        let rect = |length: f32| Rect { centre: (0.0, 0.0), half: (length, 24.0), along: (1.0, 0.0) };
        assert_eq!(together(&[rect(1e9), rect(1e9), rect(1e9), rect(1e9), rect(1e9)]), 4);
        assert_eq!(together(&vec![rect(50.0); 1000]), LINES.1 / 100);
        assert_eq!((together(&[rect(1.0)]), together(&[])), (1, 1));
    }
}
