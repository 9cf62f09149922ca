//! What the recogniser says, step by step, as words in lines (connectionist temporal
//! classification, Graves et al. 2006: repeated classes are one, class 0 is none).

use super::boxes::Rect;
use super::crop;
use crate::digitize::reading::{LineKey, Reading};
use crate::document::Word;
use crate::tensor::Tensor;

/// A character, its confidence, and its middle as a share of the line.
type Character = (char, f32, f32);

/// A line that was read.
#[derive(Debug)]
pub struct Line {
    rect: Rect,
    characters: Vec<Character>,
}

impl Line {
    /// The mean of its characters' confidences.
    pub fn confidence(&self) -> f32 {
        let sum: f32 = self.characters.iter().map(|(_, confidence, _)| confidence).sum();
        sum / self.characters.len().max(1) as f32
    }

    /// Its words with boxes in pixels.
    fn words(&self) -> Vec<Word> {
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
            words.push(Word { text, bounds: self.bounds(start, end), confidence });
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

/// Lines in reading order: what stands side by side is one line, also on a slanting page.
pub fn reading(lines: Vec<Line>, width: u32, height: u32) -> Reading {
    let (cos, sin) = slant(&lines);
    let level = |line: &Line| line.rect.centre.1 * cos - line.rect.centre.0 * sin;
    let along = |line: &Line| line.rect.centre.0 * cos + line.rect.centre.1 * sin;
    let mut lines = lines;
    lines.sort_by(|a, b| level(a).total_cmp(&level(b)));
    let mut rows: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        let near = rows.last().and_then(|row| row.last()).is_some_and(|last| {
            let half = last.rect.half.1.min(line.rect.half.1);
            level(&line) - level(last) < 0.7 * half
        });
        match rows.last_mut().filter(|_| near) {
            Some(row) => row.push(line),
            None => rows.push(vec![line]),
        }
    }
    let mut words = Vec::new();
    let (mut paragraph, mut bottom) = (0, f32::MAX);
    let (width, height) = (width.max(1) as f32, height.max(1) as f32);
    for (number, mut row) in (0..).zip(rows) {
        row.sort_by(|a, b| along(a).total_cmp(&along(b)));
        let half = row.iter().map(|line| line.rect.half.1).fold(0.0, f32::max);
        let middle = row.iter().map(level).sum::<f32>() / row.len().max(1) as f32;
        // Rectangles of neighbouring lines all but touch.
        if middle - half - bottom > half {
            paragraph += 1;
        }
        bottom = middle + half;
        let key = LineKey { block: 1, paragraph, line: number };
        words.extend(row.iter().flat_map(Line::words).map(|mut word| {
            let [l, t, r, b] = word.bounds;
            word.bounds = [l / width, t / height, r / width, b / height].map(|v| v.clamp(0.0, 1.0));
            (key, word)
        }));
    }
    Reading::new(words)
}

/// The direction of the page's lines, as cosine and sine: that of the middle one, by length.
fn slant(lines: &[Line]) -> (f32, f32) {
    let mut angles: Vec<(f32, f32)> =
        lines.iter().map(|line| (line.rect.along.1.atan2(line.rect.along.0), line.rect.half.0)).collect();
    // Text that runs up or down says nothing of the page.
    angles.retain(|(angle, length)| angle.abs() < 0.5 && length.is_finite());
    angles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = angles.iter().map(|(_, length)| length).sum::<f32>() / 2.0;
    let mut sum = 0.0;
    let middle = angles.iter().find(|(_, length)| {
        sum += length;
        sum >= half
    });
    let angle = middle.map_or(0.0, |(angle, _)| *angle);
    (angle.cos(), angle.sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(x: f32, y: f32, text: &str) -> Line {
        let rect = Rect { centre: (x, y), half: (40.0, 10.0), along: (1.0, 0.0) };
        let count = text.chars().count() as f32;
        let characters = text.chars().enumerate().map(|(i, c)| (c, 0.9, (i as f32 + 0.5) / count)).collect();
        Line { rect, characters }
    }

    #[test]
    fn repeats_and_blanks_are_dropped_and_spaces_split() {
        let classes = [1.0, 1.0, 0.0, 1.0, 3.0, 3.0, 2.0, 0.0, 9.0];
        let values = classes.iter().flat_map(|class| [*class, 0.8]).collect();
        let steps = Tensor { height: 1, width: classes.len(), channels: 2, values };
        let rect = Rect { centre: (72.0, 24.0), half: (72.0, 24.0), along: (1.0, 0.0) };
        let line = decode(&steps, &['a', 'b'], rect).unwrap();
        let words = line.words();
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

    #[test]
    fn what_stands_side_by_side_is_one_line() {
        let lines = vec![line(300.0, 46.0, "9.00"), line(100.0, 20.0, "Shop"), line(60.0, 44.0, "Total due")];
        let page = reading(lines, 400, 200).into_page();
        assert_eq!(page.text, "Shop\nTotal due 9.00");
        let far = vec![line(60.0, 150.0, "Thanks"), line(60.0, 20.0, "Shop")];
        assert_eq!(reading(far, 400, 200).into_page().text, "Shop\n\nThanks");
        assert_eq!(reading(Vec::new(), 0, 0).into_page().text, "");
    }
}
