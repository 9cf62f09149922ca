//! Byte offsets within pages → character offsets within the document.

use std::ops::Range;

/// The document's text with an index from bytes to characters.
pub struct Characters {
    /// The pages' texts, joined by form feeds.
    pub text: String,
    /// Where each page starts in `text`, in bytes.
    starts: Vec<usize>,
    /// Characters before every `STEP`-th byte.
    marks: Vec<usize>,
}

const STEP: usize = 256;

impl Characters {
    /// Joins pages.
    pub fn join<'p>(pages: impl Iterator<Item = &'p str>) -> Self {
        let (mut text, mut starts) = (String::new(), Vec::new());
        for page in pages {
            if !starts.is_empty() {
                text.push('\u{c}');
            }
            starts.push(text.len());
            text.push_str(page);
        }
        let mut marks = Vec::with_capacity(text.len() / STEP + 1);
        let mut characters = 0;
        for block in text.as_bytes().chunks(STEP) {
            marks.push(characters);
            characters += block.iter().filter(|b| starts_character(**b)).count();
        }
        Self { text, starts, marks }
    }

    /// The characters of a byte range of a page.
    pub fn range(&self, page: usize, bytes: &Range<usize>) -> Range<usize> {
        let base = self.starts.get(page).copied().unwrap_or(0);
        self.before(base + bytes.start)..self.before(base + bytes.end)
    }

    /// Characters before a byte.
    fn before(&self, byte: usize) -> usize {
        let byte = byte.min(self.text.len());
        let mark = (byte / STEP).min(self.marks.len().saturating_sub(1));
        let rest = self.text.as_bytes().get(mark * STEP..byte).unwrap_or_default();
        self.marks.get(mark).copied().unwrap_or(0) + rest.iter().filter(|b| starts_character(**b)).count()
    }
}

/// Whether a byte of UTF-8 is no continuation.
fn starts_character(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn offsets_match_counting(pages in proptest::collection::vec("\\PC{0,400}", 1..4), at in 0usize..400) {
            let text = Characters::join(pages.iter().map(String::as_str));
            for (index, page) in pages.iter().enumerate() {
                let end = (0..=at.min(page.len())).rev().find(|i| page.is_char_boundary(*i)).unwrap();
                let range = text.range(index, &(0..end));
                let found: String = text.text.chars().skip(range.start).take(range.len()).collect();
                prop_assert_eq!(&found, &page[..end]);
            }
        }
    }
}
