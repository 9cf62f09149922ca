//! Sentence bounds (Unicode Standard Annex 29), made to work on wrapped lines.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// Sentences as byte ranges that together cover the whole text, each with the space that follows.
///
/// Annex 29 ends a sentence at every line feed, but scans and PDFs wrap lines within sentences.
/// A single line feed after a long line that does not end a sentence is taken as a blank.
pub fn split(text: &str) -> Vec<Range<usize>> {
    let unwrapped = unwrap_lines(text);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (start, sentence) in unwrapped.split_sentence_bound_indices() {
        let range = start..start + sentence.len();
        match ranges.last_mut() {
            // Blank sentences belong to the one before.
            Some(last) if sentence.trim().is_empty() => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    ranges
}

/// The same text, byte for byte, with soft line feeds as blanks.
fn unwrap_lines(text: &str) -> String {
    let longest = text.lines().map(str::len).max().unwrap_or(0);
    // A line much shorter than the column ended because its author ended it.
    let soft_from = longest * 6 / 10;
    let mut out = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let body = line.trim_end();
        let next = lines.peek().map(|l| l.trim_start()).unwrap_or_default();
        let ends_sentence = body.ends_with(['.', '!', '?', ':', ';', '|']);
        let starts_item = next.starts_with(['-', '*', '•', '–', '#', '|']) || next.is_empty();
        let soft = line.len() >= soft_from && !ends_sentence && !starts_item && line.ends_with('\n');
        match line.strip_suffix('\n') {
            Some(kept) if soft => {
                out.push_str(kept);
                out.push(' ');
            }
            _ => out.push_str(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|r| text[r].trim()).collect()
    }

    #[test]
    fn wrapped_lines_are_one_sentence_and_headings_stand_alone() {
        let text = "Terms\n\nThe supplier delivers the goods within thirty days of the\norder date at its own risk. Payment is due\nafter that.\n- first item\n- second item\n";
        assert_eq!(
            texts(text),
            [
                "Terms",
                "The supplier delivers the goods within thirty days of the\norder date at its own risk.",
                "Payment is due\nafter that.",
                "- first item",
                "- second item"
            ]
        );
    }

    proptest! {
        #[test]
        fn every_byte_belongs_to_one_sentence(text in "(\\PC|[\n\r\t .!?]){0,200}") {
            let ranges = split(&text);
            let mut end = 0;
            for range in &ranges {
                prop_assert_eq!(range.start, end);
                prop_assert!(text.is_char_boundary(range.end));
                end = range.end;
            }
            prop_assert_eq!(end, text.len());
        }
    }
}
