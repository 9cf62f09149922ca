//! Reading order of a page's pieces of words: lines, then columns ([`crate::layout`]), then text.

use super::pdf_lines::{Line, block_text, lines};
use super::pdf_text::{Direction, Piece};
use crate::document::{PageText, Word};
use crate::layout::{Row, Span, blocks, join_hyphenated};
use std::collections::BTreeMap;

/// The text of a page of that size from the pieces of words on it.
pub(super) fn compose(pieces: Vec<Piece>, width: f32, height: f32) -> PageText {
    let mut groups: BTreeMap<Direction, Vec<Piece>> = BTreeMap::new();
    for piece in pieces {
        groups.entry(piece.direction).or_default().push(piece);
    }
    let mut groups: Vec<Vec<Piece>> = groups.into_values().collect();
    // What most of the page reads like comes first; stamps at its margin after it.
    groups
        .sort_by_key(|pieces| std::cmp::Reverse(pieces.iter().map(|piece| piece.text.len()).sum::<usize>()));
    let blocks: Vec<Vec<Line>> = groups.into_iter().flat_map(|pieces| blocks(lines(pieces))).collect();
    let text = blocks.iter().fold(String::new(), |text, block| append(text, &block_text(block)));
    let words = blocks.iter().flatten().flat_map(|line| &line.words);
    let words = words.map(|word| placed(word, width, height)).collect();
    PageText { text, words, ..PageText::default() }
}

/// Adds the text of a block. A sentence may run on from the foot of one column to the head of the
/// next.
fn append(mut text: String, block: &str) -> String {
    let open = text.ends_with(|c: char| c.is_lowercase() || c == ',');
    if text.is_empty() || join_hyphenated(&mut text, block) {
    } else if open && block.starts_with(char::is_lowercase) {
        text.push('\n');
    } else {
        text.push_str("\n\n");
    }
    text + block
}

/// A word with its box as fractions of the page. Type reaches about 0.8 of its size above the
/// baseline and 0.2 below.
fn placed(word: &Piece, width: f32, height: f32) -> Word {
    let top = word.baseline - 0.8 * word.size;
    let bottom = word.baseline + 0.2 * word.size;
    let (x0, y0) = word.direction.turn_back(word.start, top);
    let (x1, y1) = word.direction.turn_back(word.end, bottom);
    let fraction = |value: f32, side: f32| (value / side.max(1.0)).clamp(0.0, 1.0);
    let bounds = [
        fraction(x0.min(x1), width),
        fraction(y0.min(y1), height),
        fraction(x0.max(x1), width),
        fraction(y0.max(y1), height),
    ];
    Word { text: word.text.clone(), bounds, confidence: 1.0 }
}

impl Row for Line {
    fn spans(&self) -> impl Iterator<Item = Span> {
        let span =
            |word: &Piece| Span { start: word.start, end: word.end, characters: word.text.chars().count() };
        self.words.iter().map(span)
    }

    fn size(&self) -> f32 {
        self.size
    }

    fn cut(self, at: f32) -> (Option<Self>, Option<Self>) {
        let (before, behind): (Vec<Piece>, Vec<Piece>) =
            self.words.into_iter().partition(|word| f32::midpoint(word.start, word.end) < at);
        (Line::of_words(before), Line::of_words(behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, x: f32, y: f32) -> Vec<Piece> {
        let mut at = x;
        let words = text.split(' ').map(|word| {
            let start = at;
            let end = start + 5.0 * word.len() as f32;
            at = end + 3.0;
            let (direction, baseline, size) = (Direction::Right, y, 10.0);
            Piece { text: word.into(), direction, start, end, baseline, size, spaced: true }
        });
        words.collect()
    }

    fn text_of(rows: &[(&str, f32, f32)]) -> String {
        let pieces = rows.iter().flat_map(|(text, x, y)| words(text, *x, *y)).collect();
        compose(pieces, 600.0, 800.0).text
    }

    #[test]
    fn columns_of_prose_are_read_one_after_the_other() {
        let text = text_of(&[
            ("A title that spans the whole of both the columns below it and more", 50.0, 20.0),
            ("The left column begins here and", 50.0, 60.0),
            ("The right column begins here to", 320.0, 60.0),
            ("goes on for a while with infor-", 50.0, 72.0),
            ("be read only when the left one", 320.0, 72.0),
            ("mation that is worth a read, an", 50.0, 84.0),
            ("has been read from its top right", 320.0, 84.0),
            ("end.", 50.0, 96.0),
            ("to the bottom.", 320.0, 96.0),
        ]);
        let expected = "more\n\nThe left column begins here and\ngoes on for a while with information that";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("end.\n\nThe right column begins"), "{text}");
    }

    #[test]
    fn tables_are_read_row_by_row() {
        let rows: Vec<(&str, f32, f32)> = (0..6)
            .flat_map(|row| {
                let y = 60.0 + 12.0 * row as f32;
                [("Oak panel, planed", 50.0, y), ("14", 300.0, y), ("22.40", 400.0, y)]
            })
            .collect();
        assert!(text_of(&rows).starts_with("Oak panel, planed 14 22.40\nOak panel"));
    }

    #[test]
    fn wide_leading_separates_paragraphs() {
        let text = text_of(&[("one", 50.0, 20.0), ("two", 50.0, 32.0), ("three", 50.0, 60.0)]);
        assert_eq!(text, "one\ntwo\n\nthree");
    }

    #[test]
    fn boxes_are_fractions_of_the_page() {
        let page = compose(words("word", 60.0, 80.0), 600.0, 800.0);
        let [left, top, right, bottom] = page.words[0].bounds;
        assert_eq!(left, 0.1);
        assert!(top < 0.1 && 0.1 < bottom && left < right);
    }
}
