//! What is kept beside a document and tells of it: messages that wait or were given up, and answers that
//! are kept for requests that come again. It goes when the document goes.

use super::{Record, Selection, Shelf, Store};
use crate::document::DocumentId;
use crate::error::Result;

/// The group of answers that are about several documents; that of others is their document.
pub const SEVERAL: &str = "several documents";

/// Removes every message and every kept answer that tells of a document; how many those were. Messages are
/// looked up by the document; of answers all are read that are about several.
pub fn forget(store: &dyn Store, id: &DocumentId) -> Result<usize> {
    let told = Selection { document: vec![id.to_string()], ..Selection::default() };
    let answered = Selection { group: vec![id.to_string(), SEVERAL.to_owned()], ..Selection::default() };
    // An id has no quotes, and nothing in it is escaped.
    let quoted = format!("\"{id}\"");
    let concerns = |record: &Record| {
        let body = record.body.pointer("/answer/body").and_then(|body| body.as_str());
        record.group == id.as_str() || body.is_some_and(|body| body.contains(&quoted))
    };
    Ok(remove(store, Shelf::Delivery, &told, |_| true)? + remove(store, Shelf::Request, &answered, concerns)?)
}

fn remove(
    store: &dyn Store,
    shelf: Shelf,
    among: &Selection,
    concerns: impl Fn(&Record) -> bool,
) -> Result<usize> {
    let mut removed = 0;
    store.each_record(shelf, among, &mut |record| {
        if concerns(&record) {
            removed += usize::from(store.remove_record(shelf, &record.key)?);
        }
        Ok(())
    })?;
    Ok(removed)
}
