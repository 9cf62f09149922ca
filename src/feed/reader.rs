//! How a model reads: its tokenizer, and how much it takes at once.

use super::tokenizer::Tokenizer;
use super::{sentences, windows};
use crate::document::PageText;
use crate::error::Result;
use crate::window::Window;
use std::sync::Arc;

/// How one of the loaded models reads.
#[derive(Clone)]
pub struct Reader {
    /// Its tokenizer; models with the same one share it.
    pub tokenizer: Arc<Tokenizer>,
    /// Tokens of a window at most, marks not counted.
    pub window_tokens: usize,
    /// Whole sentences of up to so many tokens are repeated in the next window.
    pub overlap_tokens: usize,
}

impl Reader {
    /// The windows of a text that stands alone.
    ///
    /// Errors: `Reject` where the tokenizer refuses it.
    pub fn windows(&self, text: &str) -> Result<Vec<Window>> {
        self.page(0, text)
    }

    /// The windows of each page of a document; each is read once.
    pub fn pages(&self, pages: &[PageText]) -> Result<Vec<Window>> {
        let mut windows = Vec::new();
        for (number, page) in pages.iter().enumerate() {
            windows.extend(self.page(number, &page.text)?);
        }
        Ok(windows)
    }

    /// Whether another model reads exactly as this one does.
    pub fn reads_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tokenizer, &other.tokenizer)
            && (self.window_tokens, self.overlap_tokens) == (other.window_tokens, other.overlap_tokens)
    }

    fn page(&self, number: usize, text: &str) -> Result<Vec<Window>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let tokens = self.tokenizer.encode(text)?;
        let sentences = sentences::split(text);
        Ok(windows::cut(number, text.len(), &tokens, &sentences, self.window_tokens, self.overlap_tokens))
    }
}
