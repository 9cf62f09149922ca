//! Token windows on sentence bounds, with overlap, that leave out nothing.

use super::tokenizer::Tokens;
use crate::window::Window;
use std::ops::Range;

/// A sentence, or a part of one that is longer than a window.
#[derive(Debug, Clone)]
struct Unit {
    tokens: Range<usize>,
    bytes: Range<usize>,
}

/// Cuts a page into windows of at most `most` tokens (marks not counted). Whole sentences of up to
/// `overlap` tokens are repeated at the start of the next window.
///
/// Invariants: the windows' byte ranges cover `0..length` without a gap; each sentence is new in
/// exactly one window.
pub fn cut(
    page: usize,
    length: usize,
    tokens: &Tokens,
    sentences: &[Range<usize>],
    most: usize,
    overlap: usize,
) -> Vec<Window> {
    let units = units(length, tokens, sentences, most);
    let size = |unit: &Unit| unit.tokens.len();
    let mut windows = Vec::new();
    let mut next = 0; // the first unit that no window holds
    while next < units.len() {
        // Units from the window before, as far as they fit into the overlap and leave room.
        let mut first = next;
        let mut repeated = 0;
        let room = most.saturating_sub(units.get(next).map_or(0, size)).min(overlap);
        while let Some(unit) = first.checked_sub(1).and_then(|i| units.get(i)) {
            if repeated + size(unit) > room {
                break;
            }
            repeated += size(unit);
            first -= 1;
        }
        let mut total = repeated;
        let mut end = next;
        while let Some(unit) = units.get(end).filter(|unit| total + size(unit) <= most) {
            total += size(unit);
            end += 1;
        }
        // A unit is never larger than a window, so at least one was taken.
        let end = end.max(next + 1);
        let (held, new) = (units.get(first..end).unwrap_or_default(), next - first);
        windows.push(window(page, tokens, held, new));
        next = end;
    }
    windows
}

fn window(page: usize, tokens: &Tokens, units: &[Unit], new_from: usize) -> Window {
    let span = |get: fn(&Unit) -> &Range<usize>| {
        let start = units.first().map_or(0, |u| get(u).start);
        start..units.last().map_or(start, |u| get(u).end)
    };
    let rows = span(|u| &u.tokens);
    let (start, end) = (&tokens.marks.start, &tokens.marks.end);
    let before = start.len();
    let mut ids = Vec::with_capacity(before + rows.len() + end.len());
    ids.extend_from_slice(start);
    ids.extend_from_slice(tokens.ids.get(rows.clone()).unwrap_or_default());
    ids.extend_from_slice(end);
    let sentences =
        units.iter().skip(new_from).filter(|u| !u.tokens.is_empty()).map(|u| {
            (u.tokens.start - rows.start + before..u.tokens.end - rows.start + before, u.bytes.clone())
        });
    Window {
        page,
        bytes: span(|u| &u.bytes),
        tokens: ids,
        before,
        pieces: tokens.pieces.get(rows.clone()).unwrap_or_default().to_vec(),
        sentences: sentences.collect(),
    }
}

/// Sentences as units of at most `most` tokens. Token ranges are contiguous, byte ranges too.
fn units(length: usize, tokens: &Tokens, sentences: &[Range<usize>], most: usize) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut token = 0;
    for sentence in sentences {
        let start = token;
        while tokens.pieces.get(token).is_some_and(|piece| piece.bytes.start < sentence.end) {
            token += 1;
        }
        split_long(start..token, sentence.clone(), tokens, most, &mut units);
    }
    if let Some(last) = units.last_mut() {
        // Tokens past the last sentence cannot be, but if a tokenizer makes some, they are kept.
        last.tokens.end = last.tokens.end.max(tokens.ids.len().min(last.tokens.start + most));
        last.bytes.end = length;
    }
    units
}

fn split_long(rows: Range<usize>, bytes: Range<usize>, tokens: &Tokens, most: usize, units: &mut Vec<Unit>) {
    let mut start = rows.start;
    let mut from = bytes.start;
    while rows.end - start > most {
        let cut = start + most;
        // Offsets can run backwards in odd normalisations; ranges here never do.
        let to = tokens.pieces.get(cut).map_or(bytes.end, |p| p.bytes.start).clamp(from, bytes.end);
        units.push(Unit { tokens: start..cut, bytes: from..to });
        (start, from) = (cut, to);
    }
    units.push(Unit { tokens: start..rows.end, bytes: from..bytes.end });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::tokenizer::Marks;
    use crate::window::Piece;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// One token per blank-separated word.
    fn words(text: &str) -> Tokens {
        let mut pieces = Vec::new();
        let mut start = None;
        for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
            match (c == ' ', start) {
                (true, Some(s)) => {
                    pieces.push(Piece { bytes: s..i, starts_word: true, shape: 1 });
                    start = None;
                }
                (false, None) => start = Some(i),
                _ => {}
            }
        }
        let marks = Arc::new(Marks { start: vec![101], end: vec![102] });
        Tokens { ids: (0..pieces.len() as u32).collect(), pieces, marks }
    }

    proptest! {
        #[test]
        fn nothing_is_left_out(
            text in "([a-z]{1,6}[ .]{0,3}){0,60}",
            most in 1usize..20,
            overlap in 0usize..12,
        ) {
            let tokens = words(&text);
            let sentences = super::super::sentences::split(&text);
            let windows = cut(0, text.len(), &tokens, &sentences, most, overlap);
            let mut covered = 0;
            let mut new_tokens = 0;
            for window in &windows {
                prop_assert!(window.bytes.start <= covered, "a gap before {:?}", window.bytes);
                covered = covered.max(window.bytes.end);
                prop_assert!(window.tokens.len() <= most + 2);
                prop_assert_eq!(window.pieces.len() + 2, window.tokens.len());
                for (rows, bytes) in &window.sentences {
                    new_tokens += rows.len();
                    prop_assert!(rows.start >= 1 && rows.end < window.tokens.len());
                    prop_assert!(window.bytes.start <= bytes.start && bytes.end <= window.bytes.end);
                }
            }
            prop_assert_eq!(covered, text.len());
            prop_assert_eq!(new_tokens, tokens.ids.len(), "each token is new once");
        }
    }

    #[test]
    fn sentences_repeat_within_the_overlap() {
        let text = "A b c. D e. F g h. I j. K l. M n o. P q r s t u v.";
        let windows = cut(0, text.len(), &words(text), &super::super::sentences::split(text), 7, 3);
        let texts: Vec<&str> = windows.iter().map(|w| text[w.bytes.clone()].trim()).collect();
        assert_eq!(texts, ["A b c. D e.", "D e. F g h. I j.", "I j. K l. M n o.", "P q r s t u v."]);
    }
}
