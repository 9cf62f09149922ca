//! What travels from `feed` to `interpret`: a document cut into token windows, and what the models
//! said of each.
//!
//! Offsets in here are bytes of the page's text; `interpret` turns them into characters.

use crate::batch::WindowOutput;
use crate::document::{Scored, TextDocument};
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
}

/// A document cut into windows.
pub struct FedDocument {
    /// The document.
    pub document: TextDocument,
    /// Its main language.
    pub language: Scored,
    /// Its windows, in order.
    pub windows: Vec<Window>,
}

/// A document of which every window went through the models.
pub struct InferredDocument {
    /// The document with its windows.
    pub fed: FedDocument,
    /// One output per window.
    pub outputs: Vec<WindowOutput>,
}
