//! Text → token windows → batches. Plain functions, and one queue around the pure batcher.

mod batcher;
mod language;
mod queue;
mod sentences;
mod tokenizer;
mod windows;

pub use batcher::{Batcher, Limits};
pub use queue::BatchQueue;
pub use tokenizer::Tokenizer;

use crate::config::FeedConfig;
use crate::document::TextDocument;
use crate::error::Result;
use crate::window::{FedDocument, Window};

/// Cuts a document into windows.
///
/// Errors: `Reject` where the tokenizer refuses the text.
pub fn feed(mut document: TextDocument, tokenizer: &Tokenizer, config: &FeedConfig) -> Result<FedDocument> {
    for page in &mut document.pages {
        // A page of blanks holds nothing that a passage could hold.
        if page.text.chars().all(char::is_whitespace) {
            page.text.clear();
        }
    }
    let language = language::detect(&document.pages, document.head.language.as_deref());
    let mut windows = Vec::new();
    for (page, text) in document.pages.iter().enumerate() {
        windows.extend(page_windows(page, &text.text, tokenizer, config)?);
    }
    Ok(FedDocument { document, language, windows })
}

/// The windows of a text that is no document: a search.
pub fn text_windows(text: &str, tokenizer: &Tokenizer, config: &FeedConfig) -> Result<Vec<Window>> {
    page_windows(0, text, tokenizer, config)
}

fn page_windows(page: usize, text: &str, tokenizer: &Tokenizer, config: &FeedConfig) -> Result<Vec<Window>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let tokens = tokenizer.encode(text)?;
    let sentences = sentences::split(text);
    Ok(windows::cut(page, text.len(), &tokens, &sentences, config.window_tokens, config.overlap_tokens))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
