//! Batches of token windows, packed without padding.
//!
//! Hidden states are `[total_tokens, hidden]`, row-major; `starts` holds the cumulative lengths
//! (`cu_seqlens` elsewhere): window `i` owns rows `starts[i] .. starts[i + 1]`.

use crate::error::Result;
use std::ops::Range;

/// How many shapes of words there are (`feed/shape.rs`): rows of a branch's table.
pub const SHAPES: usize = 11;

/// Windows packed one after another.
#[derive(Debug, Clone, Default)]
pub struct PackedBatch {
    /// Token ids of all windows.
    pub tokens: Vec<u32>,
    /// How each token's word is written, below [`SHAPES`]; what branches with a table of shapes read.
    pub shapes: Vec<u8>,
    /// Where each window starts, and the total at the end; always one longer than windows.
    pub starts: Vec<usize>,
    /// Spans to pool besides the whole windows: rows of `tokens`, in order of their windows.
    pub spans: Vec<Range<usize>>,
    /// How many spans belong to each window.
    pub spans_per_window: Vec<usize>,
    /// Nobody asks what the heads say, as of searches; an engine may leave them out.
    pub vectors_only: bool,
}

impl PackedBatch {
    /// No windows yet.
    pub fn new() -> Self {
        Self { starts: vec![0], ..Self::default() }
    }

    /// Appends a window of tokens without shapes (all 0), with its spans (token ranges within the
    /// window).
    pub fn push(&mut self, tokens: &[u32], spans: &[Range<usize>]) {
        self.push_shaped(tokens, &[], spans);
    }

    /// The same with the tokens' shapes; those that are missing are 0.
    pub fn push_shaped(&mut self, tokens: &[u32], shapes: &[u8], spans: &[Range<usize>]) {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(tokens);
        self.shapes.extend(shapes.iter().copied().chain(std::iter::repeat(0)).take(tokens.len()));
        self.starts.push(self.tokens.len());
        self.spans.extend(spans.iter().map(|span| span.start + start..span.end + start));
        self.spans_per_window.push(spans.len());
    }

    /// Windows in the batch.
    pub fn windows(&self) -> usize {
        self.spans_per_window.len()
    }

    /// The same windows in batches of at most `tokens` tokens each, where a window is not longer.
    pub fn split(&self, tokens: usize) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        let mut spans = self.spans.iter();
        for (range, count) in self.ranges().zip(&self.spans_per_window) {
            let used = parts.last().map_or(usize::MAX, |part| part.tokens.len());
            if used.saturating_add(range.len()) > tokens {
                parts.push(Self { vectors_only: self.vectors_only, ..Self::new() });
            }
            let own = spans.by_ref().take(*count);
            let own: Vec<_> = own.map(|span| span.start - range.start..span.end - range.start).collect();
            if let Some(part) = parts.last_mut() {
                let tokens = self.tokens.get(range.clone()).unwrap_or_default();
                part.push_shaped(tokens, self.shapes.get(range).unwrap_or_default(), &own);
            }
        }
        parts
    }

    /// Row ranges of the windows.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.starts.windows(2).filter_map(|pair| match pair {
            [start, end] => Some(*start..*end),
            _ => None,
        })
    }
}

/// One window on its way through a model, and who waits for it.
pub struct Job {
    /// Which of the loaded models.
    pub model: usize,
    /// Token ids.
    pub tokens: Vec<u32>,
    /// How each token's word is written; may be shorter, then the rest is 0.
    pub shapes: Vec<u8>,
    /// Token ranges to pool besides the whole.
    pub spans: Vec<Range<usize>>,
    /// Only the vectors are wanted.
    pub vectors_only: bool,
    /// Called once with the outcome.
    pub reply: Box<dyn FnOnce(Result<WindowOutput>) + Send>,
}

/// What one window gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WindowOutput {
    /// Mean of the token states, L2-normalised: `[hidden]`.
    pub embedding: Vec<f32>,
    /// The same for each span: `[spans][hidden]`.
    pub spans: Vec<Vec<f32>>,
    /// What each task's head gave, in the order of the tasks: `[tokens × labels]` of one that labels
    /// tokens, `[labels]` of one that labels windows. Probabilities, or numbers of a regression.
    pub heads: Vec<Vec<f32>>,
    /// What a model that writes wrote.
    pub written: Option<Written>,
    /// Its share, by tokens, of the time that its batch took.
    pub seconds: f64,
}

/// Generated text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// Token ids, without marks.
    pub tokens: Vec<u32>,
    /// Geometric mean of the tokens' probabilities, from 0 to 1.
    pub confidence: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_keep_their_rows_and_spans() {
        let mut batch = PackedBatch::new();
        batch.push(&[1, 2, 3], &[0..2, 1..3]);
        batch.push(&[4], &[]);
        batch.push(&[5, 6], &[0..1, 0..2]);
        assert_eq!(batch.ranges().collect::<Vec<_>>(), [0..3, 3..4, 4..6]);
        assert_eq!(batch.spans, [0..2, 1..3, 4..5, 4..6]);
        assert_eq!(batch.windows(), 3);
    }

    #[test]
    fn parts_hold_the_same_windows_with_their_spans() {
        let mut batch = PackedBatch::new();
        batch.push_shaped(&[1, 2, 3], &[0, 2, 0], &[0..2, 1..3]);
        batch.push(&[4], &[]);
        batch.push_shaped(&[5, 6, 7, 8, 9], &[0, 7], &[0..1, 2..5]);
        batch.push(&[], &[]);
        let parts = batch.split(4);
        let tokens: Vec<&[u32]> = parts.iter().map(|part| part.tokens.as_slice()).collect();
        assert_eq!(tokens, [&[1, 2, 3, 4][..], &[5, 6, 7, 8, 9], &[]]);
        assert_eq!(parts[1].spans, [0..1, 2..5]);
        assert_eq!([&parts[0].shapes[..], &parts[1].shapes], [&[0, 2, 0, 0][..], &[0, 7, 0, 0, 0]]);
        assert_eq!(parts.iter().map(PackedBatch::windows).sum::<usize>(), batch.windows());
        assert!(PackedBatch::new().split(4).is_empty());
    }
}
