//! Text → token windows → batches. Plain functions, and one queue around the pure batcher.

mod batcher;
mod language;
mod queue;
mod reader;
mod sentences;
mod shape;
mod tokenizer;
mod windows;

pub use batcher::{Batcher, Limits};
pub use language::detect as language;
pub use queue::BatchQueue;
pub use reader::Reader;
pub use tokenizer::Tokenizer;

use crate::document::TextDocument;
use crate::error::Result;
use crate::window::{FedDocument, Window};

/// Cuts a document into windows, for each model its own.
///
/// Errors: `Reject` where a tokenizer refuses the text.
pub fn feed(mut document: TextDocument, readers: &[Reader]) -> Result<FedDocument> {
    for page in &mut document.pages {
        // A page of blanks holds nothing that a passage could hold.
        if page.text.chars().all(char::is_whitespace) {
            page.text.clear();
        }
    }
    let language = language::detect(&document.pages, document.head.language.as_deref());
    let mut windows: Vec<Vec<Window>> = Vec::with_capacity(readers.len());
    for (index, reader) in readers.iter().enumerate() {
        let alike = readers.iter().take(index).position(|earlier| earlier.reads_like(reader));
        let own = match alike.and_then(|earlier| windows.get(earlier)) {
            Some(windows) => windows.clone(),
            None => reader.pages(&document.pages)?,
        };
        windows.push(own);
    }
    Ok(FedDocument { document, language, windows })
}
