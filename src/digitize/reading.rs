//! What an engine has read from a page: words, each in its line.

use crate::document::{PageText, Word};
use crate::layout::join_hyphenated;

/// One reading of a page.
#[derive(Debug, Default)]
pub struct Reading {
    words: Vec<(LineKey, Word)>,
    /// Clockwise rotation of the image that `turn_back` has undone in the boxes.
    turned: u16,
    /// Share of the page's letters that no word covers ([`super::missed`]).
    missed: f32,
}

/// The line that a word stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineKey {
    /// Of the page.
    pub block: u32,
    /// Of the block.
    pub paragraph: u32,
    /// Of the paragraph.
    pub line: u32,
}

impl Reading {
    /// Of words in reading order, boxes as shares of the page.
    pub fn new(words: Vec<(LineKey, Word)>) -> Self {
        Self { words, turned: 0, missed: 0.0 }
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Boxes of the words as shares of the page, each with how many characters it holds.
    pub fn boxes(&self) -> Vec<([f32; 4], usize)> {
        self.words.iter().map(|(_, word)| (word.bounds, word.text.chars().count())).collect()
    }

    /// Takes note of the share of the page's letters that were not read.
    pub fn has_missed(&mut self, share: f32) {
        self.missed = share;
    }

    /// The share of the page's letters that were not read.
    pub fn missed(&self) -> f32 {
        self.missed
    }

    /// Mean confidence over characters, 0 to 1, where those that were not read count 0; 1 for an empty page, which
    /// there is nothing to doubt in.
    pub fn confidence(&self) -> f32 {
        let characters: f32 = self.words.iter().map(|(_, w)| w.text.chars().count() as f32).sum();
        if characters == 0.0 { 1.0 } else { self.weighted(1) / characters * (1.0 - self.missed) }
    }

    /// Characters weighted by the square of their confidence: what makes one reading better than
    /// another. The square keeps many doubtful characters from beating fewer certain ones.
    pub fn weight(&self) -> f32 {
        self.weighted(2)
    }

    fn weighted(&self, power: i32) -> f32 {
        self.words.iter().map(|(_, w)| w.text.chars().count() as f32 * w.confidence.powi(power)).sum()
    }

    /// Clockwise degrees by which the page is turned: the direction in which words of a line follow
    /// one another. Left to right is upright.
    pub fn rotation(&self) -> u16 {
        let (mut dx, mut dy) = (0.0f32, 0.0f32);
        for pair in self.words.windows(2) {
            let [(line_a, a), (line_b, b)] = pair else { continue };
            if line_a == line_b {
                let centre =
                    |w: &Word| ((w.bounds[0] + w.bounds[2]) / 2.0, (w.bounds[1] + w.bounds[3]) / 2.0);
                let ((ax, ay), (bx, by)) = (centre(a), centre(b));
                dx += bx - ax;
                dy += by - ay;
            }
        }
        match (dx, dy) {
            (0.0, 0.0) => self.turned,
            (x, y) if x.abs() >= y.abs() => {
                if x >= 0.0 {
                    0
                } else {
                    180
                }
            }
            (_, y) => {
                if y > 0.0 {
                    90
                } else {
                    270
                }
            }
        }
    }

    /// Maps the boxes of an image that was turned upright back to the page as it was given, where
    /// text ran `rotation` degrees clockwise.
    pub fn turn_back(&mut self, rotation: u16) {
        for (_, word) in &mut self.words {
            let [l, t, r, b] = word.bounds;
            word.bounds = match rotation {
                90 => [1.0 - b, l, 1.0 - t, r],
                180 => [1.0 - r, 1.0 - b, 1.0 - l, 1.0 - t],
                270 => [t, 1.0 - r, b, 1.0 - l],
                _ => word.bounds,
            };
        }
        self.turned = rotation;
    }

    /// The page: lines end in a newline, paragraphs and blocks in a blank line; a word that is hyphenated
    /// at a line's end is whole in the text, and its parts are the words that they were read as.
    pub fn into_page(self) -> PageText {
        let confidence = self.confidence();
        let rotation = self.rotation();
        let mut text = String::new();
        let mut last: Option<LineKey> = None;
        for (key, word) in &self.words {
            match last {
                None => {}
                Some(l) if l == *key => text.push(' '),
                Some(_) if join_hyphenated(&mut text, &word.text) => {}
                Some(l) if (l.block, l.paragraph) == (key.block, key.paragraph) => text.push('\n'),
                Some(_) => text.push_str("\n\n"),
            }
            text.push_str(&word.text);
            last = Some(*key);
        }
        let words = self.words.into_iter().map(|(_, word)| word).collect();
        PageText { text, words, ocr_confidence: Some(confidence), rotation, ..PageText::default() }
    }
}

/// The one with the most confident characters.
pub fn better(a: Reading, b: Reading) -> Reading {
    if b.weight() > a.weight() { b } else { a }
}
