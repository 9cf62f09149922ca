//! Reading order: columns of prose are read one after the other, tables row by row.
//!
//! A gutter is an upright stripe that no word of several successive lines enters. It separates
//! columns if the text beside it flows on its own (its baselines do not match) or is prose on
//! both sides; otherwise the lines are rows of a table and are read across.

use super::pdf_lines::{Line, block_text, join_hyphenated, lines, median};
use super::pdf_text::{Direction, Piece};
use crate::document::{PageText, Word};
use std::collections::BTreeMap;

/// Lines beside a gutter, at least.
const MIN_LINES: usize = 3;
/// Lines that one gutter is followed through, at most: no page has more.
const MAX_RUN: usize = 300;
/// Characters in the usual line of a column of prose, at least.
const PROSE_CHARS: f32 = 24.0;
/// Columns within columns.
const MAX_DEPTH: usize = 6;

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
    let mut blocks = Vec::new();
    for pieces in groups {
        split(lines(pieces), 0, &mut blocks);
    }
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

/// Splits lines at gutters into blocks, in reading order.
fn split(mut lines: Vec<Line>, depth: usize, blocks: &mut Vec<Vec<Line>>) {
    while depth < MAX_DEPTH
        && let Some(run) = find_columns(&lines)
    {
        let below = lines.split_off(run.end);
        let beside = lines.split_off(run.start);
        push(lines, blocks);
        let (left, right) = part(beside, run.gutter);
        split(left, depth + 1, blocks);
        split(right, depth + 1, blocks);
        lines = below;
    }
    push(lines, blocks);
}

fn push(lines: Vec<Line>, blocks: &mut Vec<Vec<Line>>) {
    if !lines.is_empty() {
        blocks.push(lines);
    }
}

/// Successive lines that a gutter divides.
struct Run {
    start: usize,
    end: usize,
    gutter: Stripe,
}

type Stripe = (f32, f32);

/// Cuts each line at the gutter.
fn part(lines: Vec<Line>, gutter: Stripe) -> (Vec<Line>, Vec<Line>) {
    let middle = f32::midpoint(gutter.0, gutter.1);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for line in lines {
        let (before, behind): (Vec<Piece>, Vec<Piece>) =
            line.words.into_iter().partition(|word| f32::midpoint(word.start, word.end) < middle);
        left.extend(Line::of_words(before));
        right.extend(Line::of_words(behind));
    }
    (left, right)
}

/// The first run of lines that are columns.
fn find_columns(lines: &[Line]) -> Option<Run> {
    let mut sizes: Vec<f32> = lines.iter().map(|line| line.size).collect();
    let narrowest = median(&mut sizes).max(1.0);
    let free: Vec<Vec<Stripe>> = lines.iter().map(|line| free_stripes(line, narrowest)).collect();
    (0..lines.len()).find_map(|start| columns_from(lines, &free, start, narrowest))
}

/// The longest run of columns that begins with this line.
fn columns_from(lines: &[Line], free: &[Vec<Stripe>], start: usize, narrowest: f32) -> Option<Run> {
    let mut open = vec![free.get(start)?.clone()];
    for stripes in free.get(start + 1..)?.iter().take(MAX_RUN) {
        let common = intersect(open.last()?, stripes, narrowest);
        if common.is_empty() {
            break;
        }
        open.push(common);
    }
    // From the longest run down, each stripe where it ends: what it becomes further down was tried.
    let mut after: &[Stripe] = &[];
    for (length, stripes) in open.iter().enumerate().rev() {
        let end = start + length + 1;
        for stripe in stripes {
            let goes_on = after.iter().any(|next| next.0 < stripe.1 && stripe.0 < next.1);
            if !goes_on && length + 1 >= MIN_LINES && are_columns(lines.get(start..end)?, *stripe) {
                return Some(Run { start, end, gutter: *stripe });
            }
        }
        after = stripes;
    }
    None
}

/// Stripes without words on a line, the margins among them.
fn free_stripes(line: &Line, narrowest: f32) -> Vec<Stripe> {
    let mut stripes = Vec::new();
    let mut from = f32::NEG_INFINITY;
    for word in &line.words {
        if word.start - from >= narrowest {
            stripes.push((from, word.start));
        }
        from = from.max(word.end);
    }
    stripes.push((from, f32::INFINITY));
    stripes
}

fn intersect(some: &[Stripe], others: &[Stripe], narrowest: f32) -> Vec<Stripe> {
    let mut common = Vec::new();
    for one in some {
        for other in others {
            let stripe = (one.0.max(other.0), one.1.min(other.1));
            if stripe.1 - stripe.0 >= narrowest {
                common.push(stripe);
            }
        }
    }
    common
}

/// Whether the text on both sides of a stripe is to be read one side after the other.
fn are_columns(lines: &[Line], gutter: Stripe) -> bool {
    if !gutter.0.is_finite() || !gutter.1.is_finite() {
        return false;
    }
    let (mut left, mut right, mut both) = (Vec::new(), Vec::new(), 0usize);
    for line in lines {
        let width_of = |before: bool| {
            let side = line.words.iter().filter(|word| (word.start < gutter.1) == before);
            side.map(|word| word.text.chars().count() + 1).sum::<usize>() as f32
        };
        let (before, behind) = (width_of(true), width_of(false));
        both += usize::from(before > 0.0 && behind > 0.0);
        left.extend((before > 0.0).then_some(before));
        right.extend((behind > 0.0).then_some(behind));
    }
    let fewer = left.len().min(right.len());
    let prose = |side: &mut Vec<f32>| median(side) >= PROSE_CHARS;
    fewer >= MIN_LINES && (both * 2 < fewer || prose(&mut left) && prose(&mut right))
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
