//! What `decode` and `digitize` both know of lines on a page: columns of prose are read one after the
//! other, tables row by row, and a word hyphenated at a line's end is one word. Pure.
//!
//! A gutter is an upright stripe that no word of several successive lines enters. It separates
//! columns if the text beside it flows on its own (its baselines do not match) or is prose on
//! both sides; otherwise the lines are rows of a table and are read across.

use std::ops::Range;

/// Lines beside a gutter, at least.
const MIN_LINES: usize = 3;
/// Lines that one gutter is followed through, at most: no page has more.
const MAX_RUN: usize = 300;
/// Characters in the usual line of a column of prose, at least.
const PROSE_CHARS: f32 = 24.0;
/// Columns within columns.
const MAX_DEPTH: usize = 6;

/// A word of a line: where it begins and ends along the line, and its characters.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Where it begins.
    pub start: f32,
    /// Where it ends.
    pub end: f32,
    /// How many characters it has.
    pub characters: usize,
}

/// What stands side by side on a page: a line of a decoder or of an engine that reads pictures.
pub trait Row: Sized {
    /// Its words, from left to right.
    fn spans(&self) -> impl Iterator<Item = Span>;

    /// The size of its type, in the unit of the spans; no gutter is narrower.
    fn size(&self) -> f32;

    /// Its words whose middles lie before `at`, and the others.
    fn cut(self, at: f32) -> (Option<Self>, Option<Self>);
}

/// Rows from top to bottom as blocks in reading order.
pub fn blocks<R: Row>(rows: Vec<R>) -> Vec<Vec<R>> {
    let mut blocks = Vec::new();
    split(rows, 0, &mut blocks);
    blocks
}

/// Splits rows at gutters into blocks, in reading order.
fn split<R: Row>(mut rows: Vec<R>, depth: usize, blocks: &mut Vec<Vec<R>>) {
    while depth < MAX_DEPTH
        && let Some(run) = find_columns(&rows)
    {
        let below = rows.split_off(run.end);
        let beside = rows.split_off(run.start);
        push(rows, blocks);
        let middle = f32::midpoint(run.gutter.0, run.gutter.1);
        let (left, right): (Vec<_>, Vec<_>) = beside.into_iter().map(|row| row.cut(middle)).unzip();
        split(left.into_iter().flatten().collect(), depth + 1, blocks);
        split(right.into_iter().flatten().collect(), depth + 1, blocks);
        rows = below;
    }
    push(rows, blocks);
}

fn push<R>(rows: Vec<R>, blocks: &mut Vec<Vec<R>>) {
    if !rows.is_empty() {
        blocks.push(rows);
    }
}

/// Successive rows that a gutter divides.
struct Run {
    start: usize,
    end: usize,
    gutter: Stripe,
}

type Stripe = (f32, f32);

/// The first run of rows that are columns.
fn find_columns<R: Row>(rows: &[R]) -> Option<Run> {
    let mut sizes: Vec<f32> = rows.iter().map(Row::size).collect();
    let narrowest = median(&mut sizes).max(1.0);
    let free: Vec<Vec<Stripe>> = rows.iter().map(|row| free_stripes(row, narrowest)).collect();
    (0..rows.len()).find_map(|start| columns_from(rows, &free, start, narrowest))
}

/// The longest run of columns that begins with this row.
fn columns_from<R: Row>(rows: &[R], free: &[Vec<Stripe>], start: usize, narrowest: f32) -> Option<Run> {
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
            if !goes_on && length + 1 >= MIN_LINES && are_columns(rows.get(start..end)?, *stripe) {
                return Some(Run { start, end, gutter: *stripe });
            }
        }
        after = stripes;
    }
    None
}

/// Stripes without words on a row, the margins among them.
fn free_stripes<R: Row>(row: &R, narrowest: f32) -> Vec<Stripe> {
    let mut stripes = Vec::new();
    let mut from = f32::NEG_INFINITY;
    for word in row.spans() {
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
fn are_columns<R: Row>(rows: &[R], gutter: Stripe) -> bool {
    if !gutter.0.is_finite() || !gutter.1.is_finite() {
        return false;
    }
    let (mut left, mut right, mut both) = (Vec::new(), Vec::new(), 0usize);
    for row in rows {
        let width_of = |before: bool| {
            let side = row.spans().filter(|word| (word.start < gutter.1) == before);
            side.map(|word| word.characters + 1).sum::<usize>() as f32
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

/// The middle value; 0 of none.
pub fn median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Takes the hyphen off the text if `next` goes on with the rest of the word.
pub fn join_hyphenated(text: &mut String, next: &str) -> bool {
    let mut ahead = next.chars();
    let (first, second) = (ahead.next(), ahead.next());
    let mut back = text.chars().rev();
    let hyphen = matches!(back.next(), Some('-' | '\u{ad}' | '\u{2010}'));
    let last = back.next();
    let all = |class: fn(char) -> bool| last.is_some_and(class) && first.is_some_and(class);
    let capitals = all(char::is_uppercase) && second.is_some_and(char::is_uppercase);
    if !hyphen || !(all(char::is_lowercase) || capitals) {
        return false;
    }
    text.pop();
    true
}

/// How far ahead a word is looked for, in characters: one that was changed must not pull the others along.
const NEAR: usize = 400;

/// Where a page's text says the next of its words, in bytes, from the end of the one before. Of a word that was
/// hyphenated at a line's end and joined with its rest, its first part without the hyphen.
pub fn place(text: &str, from: usize, word: &str) -> Option<Range<usize>> {
    let ahead = text.get(from..).filter(|_| !word.is_empty())?;
    let near = ahead.char_indices().nth(NEAR).map_or(ahead.len(), |(at, _)| at);
    let window = ahead.get(..near)?;
    if let Some(at) = window.find(word) {
        return Some(from + at..from + at + word.len());
    }
    let stem = word.strip_suffix(['-', '\u{ad}', '\u{2010}']).filter(|stem| !stem.is_empty())?;
    let goes_on = |at: usize| {
        let (before, behind) = (ahead.get(..at), ahead.get(at + stem.len()..));
        let apart = before.is_none_or(|before| !before.ends_with(char::is_alphanumeric));
        apart && behind.is_some_and(|behind| behind.starts_with(char::is_alphabetic))
    };
    let at = window.match_indices(stem).map(|(at, _)| at).find(|at| goes_on(*at))?;
    Some(from + at..from + at + stem.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_order_and_joined_ones_by_their_parts() {
        let text = "more information in an inn";
        let mut from = 0;
        let found: Vec<&str> = ["more", "infor-", "mation", "gone", "in", "an", "inn"]
            .iter()
            .filter_map(|word| {
                let place = place(text, from, word)?;
                from = place.end;
                text.get(place)
            })
            .collect();
        assert_eq!(found, ["more", "infor", "mation", "in", "an", "inn"]);
        assert_eq!(place(text, 0, "-"), None);
        assert_eq!(place(text, 0, ""), None);
        assert_eq!(place(text, 99, "inn"), None);
    }

    #[test]
    fn only_words_are_joined() {
        for (text, next, joined) in [
            ("infor-", "mation", Some("infor")),
            ("INFOR-", "MATION", Some("INFOR")),
            ("Baden-", "Baden", None),
            ("2026-", "07", None),
            ("a -", "b", None),
        ] {
            let mut text = text.to_owned();
            assert_eq!(join_hyphenated(&mut text, next).then_some(text.as_str()), joined);
        }
    }
}
