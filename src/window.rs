//! What travels from `feed` to `interpret`: a document cut into token windows, and what the models
//! said of each.
//!
//! Offsets in here are bytes of the page's text; `interpret` turns them into characters.

use crate::batch::WindowOutput;
use crate::document::{Scored, TextDocument, WrittenSummary};
use std::ops::Range;

/// A passage-sized piece of a page, as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Index of its page, from 0.
    pub page: usize,
    /// Its bytes in the page's text.
    pub bytes: Range<usize>,
    /// Token ids, with the model's marks at both ends.
    pub tokens: Vec<u32>,
    /// How many marks are before the text's tokens.
    pub before: usize,
    /// For each token between the marks, what it stands for.
    pub pieces: Vec<Piece>,
    /// Sentences that no earlier window holds, as (token range in `tokens`, bytes in the page).
    pub sentences: Vec<(Range<usize>, Range<usize>)>,
}

/// What a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes in the page's text.
    pub bytes: Range<usize>,
    /// Whether a word starts with it.
    pub starts_word: bool,
    /// How its word is written (`feed/shape.rs`), below [`crate::batch::SHAPES`].
    pub shape: u8,
}

impl Window {
    /// The shape of each token; 0 for marks.
    pub fn shapes(&self) -> Vec<u8> {
        let mut shapes = vec![0; self.tokens.len()];
        let own = shapes.iter_mut().skip(self.before);
        own.zip(&self.pieces).for_each(|(shape, piece)| *shape = piece.shape);
        shapes
    }
}

/// A document cut into windows, for each of the loaded models its own: models differ in their
/// tokens and in how many of them they take.
pub struct FedDocument {
    /// The document.
    pub document: TextDocument,
    /// Its main language.
    pub language: Scored,
    /// Its windows by model, in order; the first model embeds, so its windows are the passages.
    pub windows: Vec<Vec<Window>>,
}

/// A document of which every window went through its model.
pub struct InferredDocument {
    /// The document with its windows.
    pub fed: FedDocument,
    /// One output per window, by model.
    pub outputs: Vec<Vec<WindowOutput>>,
    /// What a model wrote of the whole, where one does.
    pub written: Option<WrittenSummary>,
}

impl InferredDocument {
    /// The windows of a model with what it said of each, in order.
    pub fn of(&self, model: usize) -> impl Iterator<Item = (&Window, &WindowOutput)> {
        let windows = self.fed.windows.get(model).map(Vec::as_slice).unwrap_or_default();
        windows.iter().zip(self.outputs.get(model).map(Vec::as_slice).unwrap_or_default())
    }
}
