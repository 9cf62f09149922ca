//! What is kept beside a document and tells of it: messages that wait or were given up, and answers that
//! are kept for requests that come again. It goes when the document goes.

use super::{Record, Selection, Shelf, Store};
use crate::document::DocumentId;
use crate::error::Result;
use std::collections::BTreeSet;

/// Records that are read at a time.
const PAGE: usize = 500;

/// What is sent meanwhile leaves the front of the list, and moves the rest up: so pages overlap.
const OVERLAP: usize = 100;

/// The group of answers that are about several documents; that of others is their document.
pub const SEVERAL: &str = "several documents";

/// Removes every message and every kept answer that tells of a document; how many those were.
pub fn forget(store: &dyn Store, id: &DocumentId) -> Result<usize> {
    let of = Selection { group: vec![id.to_string(), SEVERAL.to_owned()], ..Selection::default() };
    let told = |record: &Record| record.body.get("document").is_some_and(|of| *of == id.as_str());
    // An id has no quotes, and nothing in it is escaped.
    let quoted = format!("\"{id}\"");
    let answered = |record: &Record| {
        let body = record.body.pointer("/answer/body").and_then(|body| body.as_str());
        record.group == id.as_str() || body.is_some_and(|body| body.contains(&quoted))
    };
    Ok(remove(store, Shelf::Delivery, &Selection::default(), told)?
        + remove(store, Shelf::Request, &of, answered)?)
}

fn remove(
    store: &dyn Store,
    shelf: Shelf,
    among: &Selection,
    concerns: impl Fn(&Record) -> bool,
) -> Result<usize> {
    let mut keys = BTreeSet::new();
    for page in 0.. {
        let records = store.records(shelf, among, PAGE, page * (PAGE - OVERLAP))?;
        let last = records.len() < PAGE;
        keys.extend(records.into_iter().filter(&concerns).map(|record| record.key));
        if last {
            break;
        }
    }
    for key in &keys {
        store.remove_record(shelf, key)?;
    }
    Ok(keys.len())
}
