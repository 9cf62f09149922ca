//! Text that an engine did not see: marks of the size of letters that no word's box covers.
//!
//! Confidences speak of what was read. Tesseract leaves whole columns of a photographed receipt out and is sure of
//! the rest; the ink that is left says so.

use super::cleanup;
use super::reading::Reading;
use image::{GrayImage, imageops};

/// The height of words, in pixels, at which letters are still told from specks.
const HEIGHT: f32 = 8.0;
/// Darker than this is ink, where the paper is 225 ([`cleanup::flatten`]).
const INK: u8 = 162;
/// Fewer letters tell nothing: stains, a signature's dots.
const FEWEST: usize = 4;

/// The share of the page's letters that no word covers, 0 to 1; 0 for a page without words.
pub fn share(image: &GrayImage, reading: &Reading) -> f32 {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let boxes = reading.boxes();
    let pixels = |[l, t, r, b]: [f32; 4]| [l * width, t * height, r * width, b * height];
    // The smaller side is the height, which way the text may run; short words are none.
    let side = |[l, t, r, b]: [f32; 4]| (r - l).min(b - t);
    let mut sides: Vec<f32> =
        boxes.iter().filter(|(_, length)| *length >= 3).map(|(bounds, _)| side(pixels(*bounds))).collect();
    sides.sort_by(f32::total_cmp);
    let Some(median) = sides.get(sides.len() / 2).copied().filter(|side| *side >= 1.0) else { return 0.0 };

    let scale = (median / HEIGHT).floor().max(1.0);
    let small = imageops::thumbnail(image, (width / scale) as u32, (height / scale) as u32);
    let letter = median / scale;
    let page = cleanup::flatten(&small, (3.0 * letter) as u32);
    let mut covered = Mask::of(&page);
    for (bounds, _) in &boxes {
        covered.cover(pixels(*bounds).map(|v| v / scale), 0.3 * letter);
    }
    let letters = marks(&page).into_iter().filter(|mark| mark.is_letter(letter));
    let (mut all, mut missed) = (0usize, 0usize);
    for mark in letters {
        all += 1;
        missed += usize::from(!covered.has(mark.middle()));
    }
    if missed < FEWEST { 0.0 } else { missed as f32 / all as f32 }
}

/// Pixels of a page, each true or false.
struct Mask {
    width: usize,
    pixels: Vec<bool>,
}

impl Mask {
    fn of(image: &GrayImage) -> Self {
        Self { width: image.width() as usize, pixels: vec![false; image.as_raw().len()] }
    }

    fn cover(&mut self, [left, top, right, bottom]: [f32; 4], margin: f32) {
        // Casts saturate at 0.
        let (left, right) = ((left - margin) as usize, (right + margin) as usize + 1);
        for y in (top - margin) as usize..=(bottom + margin) as usize {
            let row = (y * self.width + left.min(self.width))..(y * self.width + right.min(self.width));
            if let Some(row) = self.pixels.get_mut(row) {
                row.fill(true);
            }
        }
    }

    fn has(&self, (x, y): (usize, usize)) -> bool {
        self.pixels.get(y * self.width + x).copied().unwrap_or(false)
    }
}

/// Ink that hangs together: its first and last column and row, and whether it touches the page's edge.
struct Mark {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
    at_edge: bool,
}

impl Mark {
    fn middle(&self) -> (usize, usize) {
        (usize::midpoint(self.left, self.right), usize::midpoint(self.top, self.bottom))
    }

    /// Whether it is as large as a letter, or some that touch, of text that is `height` high: no speck, rule or picture.
    fn is_letter(&self, height: f32) -> bool {
        let (width, tall) = ((self.right - self.left + 1) as f32, (self.bottom - self.top + 1) as f32);
        let (small, large) = (width.min(tall), width.max(tall));
        !self.at_edge
            && (0.4 * height..=8.0 * height).contains(&large)
            && (0.08 * height..=2.0 * height).contains(&small)
            && large <= 12.0 * small
    }
}

fn marks(page: &GrayImage) -> Vec<Mark> {
    let (width, height) = (page.width() as usize, page.height() as usize);
    let mut ink: Vec<bool> = page.as_raw().iter().map(|value| *value < INK).collect();
    let (mut found, mut waiting) = (Vec::new(), Vec::new());
    for start in 0..ink.len() {
        if !ink.get(start).copied().unwrap_or(false) {
            continue;
        }
        let (x, y) = (start % width, start / width);
        let mut mark = Mark { left: x, right: x, top: y, bottom: y, at_edge: false };
        waiting.push(start);
        while let Some(pixel) = waiting.pop() {
            // Taken out, so that it is seen once.
            match ink.get_mut(pixel) {
                Some(ink) if *ink => *ink = false,
                _ => continue,
            }
            let (x, y) = (pixel % width, pixel / width);
            mark.left = mark.left.min(x);
            mark.right = mark.right.max(x);
            mark.top = mark.top.min(y);
            mark.bottom = mark.bottom.max(y);
            mark.at_edge |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
            for y in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                waiting.extend((x.saturating_sub(1)..=(x + 1).min(width - 1)).map(|x| y * width + x));
            }
        }
        found.push(mark);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digitize::reading::LineKey;
    use crate::document::Word;
    use image::Luma;

    /// Rows of letters, as bars of 4 × 12 pixels, in two columns: from 40 and from 240.
    fn page() -> GrayImage {
        GrayImage::from_fn(400, 300, |x, y| {
            let in_column = (40..120).contains(&x) || (240..320).contains(&x);
            let ink = in_column && x % 8 < 4 && (40..260).contains(&y) && y % 30 < 12;
            // Light falls off to the right, as on photographs; a dark edge is no text.
            let paper = 240 - x / 4;
            Luma([u8::try_from(if ink || x < 6 { paper / 4 } else { paper }).unwrap()])
        })
    }

    fn reading(columns: &[u32]) -> Reading {
        let key = LineKey { block: 1, paragraph: 0, line: 0 };
        let word = |(x, y): (u32, u32)| {
            let (x, y) = (x as f32 / 400.0, y as f32 / 300.0);
            let bounds = [x, y, x + 80.0 / 400.0, y + 12.0 / 300.0];
            (key, Word { text: "letters".to_owned(), bounds, confidence: 0.95 })
        };
        let rows = (60..260).step_by(30);
        Reading::new(columns.iter().flat_map(|x| rows.clone().map(|y| (*x, y))).map(word).collect())
    }

    #[test]
    fn a_column_that_was_left_out_is_half_of_the_page() {
        let share = |columns: &[u32]| share(&page(), &reading(columns));
        assert!((share(&[40]) - 0.5).abs() < 0.05, "{}", share(&[40]));
        assert_eq!(share(&[40, 240]), 0.0);
    }

    #[test]
    fn specks_rules_pictures_and_empty_pages_are_no_text() {
        let mut image = page();
        for (x, y) in [(150, 50), (160, 90), (170, 130), (180, 170), (190, 210)] {
            image.put_pixel(x, y, Luma([20]));
        }
        for x in 130..230 {
            image.put_pixel(x, 20, Luma([20]));
        }
        for (x, y) in (340..390).flat_map(|x| (100..200).map(move |y| (x, y))) {
            image.put_pixel(x, y, Luma([20]));
        }
        assert_eq!(share(&image, &reading(&[40, 240])), 0.0);
        assert_eq!(share(&image, &Reading::default()), 0.0);
        assert_eq!(share(&GrayImage::new(0, 0), &reading(&[40])), 0.0);
        assert_eq!(share(&GrayImage::new(3, 1), &reading(&[40])), 0.0);
    }
}
