//! What a correction makes necessary, with the models that run anyway.

use super::again::{Again, pages};
use crate::document::Document;
use crate::error::Result;
use crate::interpret::Interpreter;
use crate::review::Rerun;
use std::sync::Arc;

/// Does things again.
pub struct Corrected {
    /// From the text on.
    pub again: Again,
    /// From what the models said on.
    pub interpreter: Arc<Interpreter>,
}

impl Rerun for Corrected {
    fn fields(&self, document: &mut Document) {
        self.interpreter.fields_again(document, &pages(document));
    }

    fn checks(&self, document: &mut Document) {
        self.interpreter.checks_again(document);
    }

    fn text(&self, document: &Document) -> Result<Document> {
        self.again.understand(document)
    }
}
