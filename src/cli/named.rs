//! A document as a person names it: by its id, or by a file with its content.

use crate::document::{DocumentId, sha256_hex};
use crate::publish::Store;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// The document that `text` names. A document that the store knows by that id goes before a file of that name; of a
/// file counts what is in it, so it may have been moved since it was sent.
pub fn document(store: &dyn Store, text: &str) -> Result<DocumentId> {
    let path = Path::new(text);
    let id = DocumentId::parse(text);
    if !path.is_file() {
        return id.with_context(|| format!("`{text}` is no document id, and there is no such file"));
    }
    if let Some(id) = id
        && known(store, &id)?
    {
        return Ok(id);
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {text}"))?;
    let id = DocumentId::of_content(&sha256_hex(&bytes));
    if !known(store, &id)? {
        bail!(
            "what is in {text} is not understood yet; if it was not sent, `quire send` does, and what was sent under an id of its own is found by that"
        );
    }
    Ok(id)
}

fn known(store: &dyn Store, id: &DocumentId) -> Result<bool> {
    Ok(store.get(id)?.is_some() || store.dead(id)?.is_some())
}
