//! What the recogniser says, step by step, as the words of a line (connectionist temporal
//! classification, Graves et al. 2006: repeated classes are one, class 0 is none).

use super::boxes::Rect;
use super::crop;
use crate::document::Word;
use crate::tensor::Tensor;

/// A character, its confidence, and its middle as a share of the line.
pub type Character = (char, f32, f32);

/// A line that was read.
#[derive(Debug)]
pub struct Line {
    /// Where it stands, in pixels.
    pub rect: Rect,
    /// What it says.
    pub characters: Vec<Character>,
}

impl Line {
    /// The mean of its characters' confidences.
    pub fn confidence(&self) -> f32 {
        let sum: f32 = self.characters.iter().map(|(_, confidence, _)| confidence).sum();
        sum / self.characters.len().max(1) as f32
    }

    /// Its words: boxes in pixels, and from and to which share of the line they reach.
    pub fn words(&self) -> Vec<(Word, [f32; 2])> {
        let is_space = |c: &Character| c.0.is_whitespace();
        // A character reaches half-way to its neighbours.
        let spread = 0.5 / (self.characters.len() as f32 + 1.0);
        let mut words = Vec::new();
        for part in self.characters.split(is_space) {
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let reach = match part.len() {
                1 => spread,
                n => (last.2 - first.2) / (n - 1) as f32 / 2.0,
            };
            let (start, end) = ((first.2 - reach).max(0.0), (last.2 + reach).min(1.0));
            let confidence =
                part.iter().map(|(_, confidence, _)| confidence).sum::<f32>() / part.len() as f32;
            let text = part.iter().map(|(character, ..)| *character).collect();
            words.push((Word { text, bounds: self.bounds(start, end), confidence }, [start, end]));
        }
        words
    }

    /// The upright box around a part of the line, from and to these shares of it.
    fn bounds(&self, start: f32, end: f32) -> [f32; 4] {
        let (start, end) = (start * 2.0 - 1.0, end * 2.0 - 1.0);
        // The rectangle is wider than the letters by what the detector's was widened by.
        let corners = [(start, -0.8), (end, -0.8), (start, 0.8), (end, 0.8)].map(|(u, v)| self.rect.at(u, v));
        corners.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |[l, t, r, b], (x, y)| {
            [l.min(*x), t.min(*y), r.max(*x), b.max(*y)]
        })
    }
}

/// The characters of one line; `None` where it says nothing. `steps: [1, width, 2]` are classes and
/// their probabilities.
pub fn decode(steps: &Tensor, known: &[char], rect: Rect) -> Option<Line> {
    let (width, shown) = crop::widths(&rect);
    let count = steps.values.len() / 2;
    let mut characters: Vec<Character> = Vec::new();
    let mut before = 0;
    for (step, pair) in steps.values.as_chunks::<2>().0.iter().enumerate() {
        let [class, confidence] = *pair;
        let class = class as usize;
        if class != 0 && class != before {
            let character = match class - 1 {
                index if index == known.len() => Some(' '),
                index => known.get(index).copied(),
            };
            let middle = (step as f32 + 0.5) / count as f32 * width as f32 / shown as f32;
            characters.extend(character.map(|c| (c, confidence.clamp(0.0, 1.0), middle.min(1.0))));
        }
        before = class;
    }
    characters.iter().any(|(c, ..)| !c.is_whitespace()).then_some(Line { rect, characters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_and_blanks_are_dropped_and_spaces_split() {
        let classes = [1.0, 1.0, 0.0, 1.0, 3.0, 3.0, 2.0, 0.0, 9.0];
        let values = classes.iter().flat_map(|class| [*class, 0.8]).collect();
        let steps = Tensor { height: 1, width: classes.len(), channels: 2, values };
        let rect = Rect { centre: (72.0, 24.0), half: (72.0, 24.0), along: (1.0, 0.0) };
        let line = decode(&steps, &['a', 'b'], rect).unwrap();
        let words: Vec<Word> = line.words().into_iter().map(|(word, _)| word).collect();
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["aa", "b"]);
        assert!((line.confidence() - 0.8).abs() < 1e-6);
        assert!(words[0].bounds[2] <= words[1].bounds[0], "{words:?}");
        assert!(words[0].bounds[0] < 20.0 && words[1].bounds[2] < 144.0);
    }

    #[test]
    fn nothing_read_is_no_line() {
        let rect = Rect { centre: (0.0, 0.0), half: (1.0, 1.0), along: (1.0, 0.0) };
        for classes in [&[][..], &[0.0, 0.5], &[1.0, 0.9]] {
            let steps = Tensor { height: 1, width: classes.len() / 2, channels: 2, values: classes.to_vec() };
            assert!(decode(&steps, &[], rect).is_none(), "{classes:?}");
        }
    }
}
