//! Pieces of words → lines of whole words, and lines → text with paragraphs.

use super::pdf_text::{Piece, WORD_GAP};
use crate::layout::{join_hyphenated, median};

/// Words on one baseline, in reading order.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) words: Vec<Piece>,
    pub(super) baseline: f32,
    /// Size of its largest type.
    pub(super) size: f32,
}

impl Line {
    fn of(word: Piece) -> Self {
        Self { baseline: word.baseline, size: word.size, words: vec![word] }
    }

    /// A line of some of another one's words.
    pub(super) fn of_words(words: Vec<Piece>) -> Option<Self> {
        let largest = words.iter().max_by(|a, b| a.size.total_cmp(&b.size))?;
        let (baseline, size) = (largest.baseline, largest.size);
        Some(Self { words, baseline, size })
    }

    /// Small type above or below the baseline of large type belongs to its line.
    fn takes(&self, word: &Piece) -> bool {
        let (small, large) = (self.size.min(word.size), self.size.max(word.size));
        (self.baseline - word.baseline).abs() <= 0.45 * large.min(1.5 * small)
    }

    fn add(&mut self, word: Piece) {
        if word.size > self.size {
            (self.size, self.baseline) = (word.size, word.baseline);
        }
        self.words.push(word);
    }

    fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Sorts pieces of one direction into lines from top to bottom and joins them to words.
pub(super) fn lines(mut pieces: Vec<Piece>) -> Vec<Line> {
    pieces.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    let mut lines: Vec<Line> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if line.takes(&piece) => line.add(piece),
            _ => lines.push(Line::of(piece)),
        }
    }
    for line in &mut lines {
        let mut pieces = std::mem::take(&mut line.words);
        pieces.sort_by(|a, b| a.start.total_cmp(&b.start));
        line.words = join_pieces(pieces);
    }
    lines
}

/// Joins pieces that touch: a word may be drawn in parts, and in any order.
fn join_pieces(pieces: Vec<Piece>) -> Vec<Piece> {
    let spacing = letter_spacing(&pieces);
    let mut words: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if let Some(last) = words.last_mut()
            && !last.spaced
            && (-0.3 * piece.size..spacing.max(WORD_GAP * piece.size)).contains(&(piece.start - last.end))
            && (0.75..1.34).contains(&(piece.size / last.size))
        {
            last.text.push_str(&piece.text);
            last.end = last.end.max(piece.end);
            last.spaced = piece.spaced;
        } else {
            words.push(piece);
        }
    }
    words.retain(|word| !word.text.trim().is_empty());
    shorten_leaders(words)
}

/// Dots that lead across a table of contents say no more than three of them.
fn shorten_leaders(words: Vec<Piece>) -> Vec<Piece> {
    let is_dots = |word: &Piece| word.text.chars().all(|c| matches!(c, '.' | '…' | '·'));
    let mut kept: Vec<Piece> = Vec::with_capacity(words.len());
    for mut word in words {
        if is_dots(&word) {
            if let Some(last) = kept.last_mut().filter(|last| is_dots(last)) {
                last.end = last.end.max(word.end);
                last.text = "...".to_owned();
                continue;
            }
            if word.text.len() > 3 {
                word.text = "...".to_owned();
            }
        }
        kept.push(word);
    }
    kept
}

/// The gap up to which letters of a line that is set s p a c e d belong together; 0 for others.
fn letter_spacing(pieces: &[Piece]) -> f32 {
    let is_letter = |piece: &&Piece| {
        let mut chars = piece.text.chars();
        chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
    };
    // The dots that lead to a page number are single characters, too, but no letters.
    let letters = pieces.iter().filter(is_letter).count();
    if pieces.len() < 6 || letters * 10 < pieces.len() * 8 || pieces.iter().any(|piece| piece.spaced) {
        return 0.0;
    }
    let gap = |pair: &[Piece]| match pair {
        [left, right] => right.start - left.end,
        _ => 0.0,
    };
    let mut gaps: Vec<f32> = pieces.windows(2).map(gap).collect();
    median(&mut gaps) * 1.5
}

/// Lines of one block as text: a blank line where the leading or the type size says that another
/// paragraph begins; words hyphenated at a line's end are made whole.
pub(super) fn block_text(lines: &[Line]) -> String {
    let mut leadings: Vec<f32> = lines
        .windows(2)
        .filter_map(|pair| match pair {
            [above, below] => Some(below.baseline - above.baseline),
            _ => None,
        })
        .collect();
    let usual = if leadings.len() < 3 { 0.0 } else { median(&mut leadings) };
    let mut text = String::new();
    let mut above: Option<&Line> = None;
    for line in lines {
        let words = line.text();
        if let Some(above) = above {
            let size = above.size.min(line.size);
            let limit = 1.25 * usual.min(2.0 * size).max(1.2 * size);
            let resized = !(0.8..1.25).contains(&(line.size / above.size));
            if line.baseline - above.baseline > limit || resized {
                text.push_str("\n\n");
            } else if !join_hyphenated(&mut text, &words) {
                text.push('\n');
            }
        }
        text.push_str(&words);
        above = Some(line);
    }
    text
}
