//! Every vector of the store, rounded, in memory; the full ones stay on disk.
//!
//! A scan over the rounded vectors finds candidates, which the full vectors then rank. Keeping the
//! full ones in memory too would take five times as much of it to save a millisecond a search.
//! Why a scan and no graph or extension: benches/compare/vectors.

use super::failure;
use super::rows::{Near, Table};
use super::scan::{self, Quantised};
use crate::document::Document;
use crate::error::Result;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The index in memory. It changes only after the change is on disk.
#[derive(Default)]
pub(super) struct Vectors {
    /// One row a passage.
    pub passages: Table,
    /// One row a document.
    pub documents: Table,
}

/// What a document adds to the index; rounded before the index is locked.
pub(super) struct Added {
    /// The document's rowid.
    pub document: i64,
    /// Its own vector, unless it has none.
    pub vector: Option<Rounded>,
    /// Its passages' rowids and vectors.
    pub passages: Vec<(i64, Rounded)>,
}

/// A rounded vector with the dimensions it had before padding.
pub(super) struct Rounded(usize, Quantised);

impl Rounded {
    /// `None` for an empty vector, as of a text that has no words.
    pub(super) fn new(vector: &[f32]) -> Option<Self> {
        (!vector.is_empty()).then(|| Self(vector.len(), Quantised::new(vector)))
    }
}

impl Vectors {
    /// Rounds every vector on disk.
    pub(super) fn load(reader: &Connection) -> Result<Self> {
        let mut vectors = Self::default();
        let passages = "SELECT row, document, vector FROM passages WHERE vector IS NOT NULL";
        let documents = "SELECT document, document, vector FROM bodies WHERE vector IS NOT NULL";
        for (sql, into_passages) in [(passages, true), (documents, false)] {
            let mut statement = reader.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let vector = from_blob(row.get_ref(2)?.as_blob().map_err(failure::broken)?);
                let Some(rounded) = Rounded::new(&vector) else { continue };
                if vectors.dimension().is_some_and(|dimension| dimension != rounded.0) {
                    return Err(failure::broken("its vectors differ in dimension"));
                }
                let table = if into_passages { &mut vectors.passages } else { &mut vectors.documents };
                table.insert(row.get(0)?, row.get(1)?, rounded.0, &rounded.1);
            }
        }
        Ok(vectors)
    }

    /// Dimensions of every vector; `None` while there are none.
    pub(super) fn dimension(&self) -> Option<usize> {
        self.passages.dimension().or(self.documents.dimension())
    }

    /// Takes a document's rows out and puts `added` in.
    pub(super) fn replace(&mut self, added: &Added) {
        self.remove(added.document);
        for (passage, Rounded(dimension, rounded)) in &added.passages {
            self.passages.insert(*passage, added.document, *dimension, rounded);
        }
        if let Some(Rounded(dimension, rounded)) = &added.vector {
            self.documents.insert(added.document, added.document, *dimension, rounded);
        }
    }

    /// Takes a document's rows out.
    pub(super) fn remove(&mut self, document: i64) {
        self.passages.remove(document);
        self.documents.remove(document);
    }
}

/// The index, for a search.
pub(super) fn read(vectors: &RwLock<Vectors>) -> RwLockReadGuard<'_, Vectors> {
    vectors.read().unwrap_or_else(PoisonError::into_inner)
}

/// The index, for a change.
pub(super) fn write(vectors: &RwLock<Vectors>) -> RwLockWriteGuard<'_, Vectors> {
    vectors.write().unwrap_or_else(PoisonError::into_inner)
}

/// The dimensions of a document's vectors, `None` if it has none; an error where two differ, or
/// differ from those in the store, or hold a value that is not finite.
pub(super) fn check(document: &Document, stored: Option<usize>) -> Result<Option<usize>> {
    let all = document.passages.iter().map(|passage| &passage.vector).chain([&document.vector]);
    all.filter(|vector| !vector.is_empty()).try_fold(stored, |dimension, vector| {
        check_one(vector, dimension)?;
        Ok(Some(vector.len()))
    })
}

/// An error where `vector` does not fit vectors of `dimension`.
pub(super) fn check_one(vector: &[f32], dimension: Option<usize>) -> Result<()> {
    match dimension {
        Some(dimension) if dimension != vector.len() => Err(failure::dimension(vector.len(), dimension)),
        _ if !vector.iter().all(|x| x.is_finite()) => Err(failure::not_finite()),
        _ => Ok(()),
    }
}

/// A vector as it is stored; `None` for an empty one.
pub(super) fn to_blob(vector: &[f32]) -> Option<Vec<u8>> {
    (!vector.is_empty()).then(|| vector.iter().flat_map(|x| x.to_le_bytes()).collect())
}

/// A vector as it was stored.
pub(super) fn from_blob(blob: &[u8]) -> Vec<f32> {
    let (numbers, _) = blob.as_chunks::<4>();
    numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// The vector of a document; empty if it has none.
pub(super) fn of_document(reader: &Connection, row: i64) -> Result<Vec<f32>> {
    let mut statement = reader.prepare_cached(DOCUMENT_VECTOR)?;
    let vector = |row: &Row<'_>| Ok(from_blob(row.get_ref(1)?.as_blob_or_null()?.unwrap_or_default()));
    Ok(statement.query_row([row], vector).optional()?.unwrap_or_default())
}

const DOCUMENT_VECTOR: &str = "SELECT document, vector FROM bodies WHERE document = ?";

/// The `most` passages of a document that are nearest to `query`, best first, the first of equals
/// before: their rowids and vectors.
pub(super) fn best_passages(
    reader: &Connection,
    document: i64,
    query: &[f32],
    most: usize,
) -> Result<Vec<(i64, Vec<f32>)>> {
    let mut statement = reader.prepare_cached(
        "SELECT row, vector FROM passages WHERE document = ? AND vector IS NOT NULL ORDER BY number",
    )?;
    let mut rows = statement.query([document])?;
    let mut best: Vec<(f32, i64, Vec<f32>)> = Vec::new();
    while let Some(row) = rows.next()? {
        let vector = from_blob(row.get_ref(1)?.as_blob().map_err(failure::broken)?);
        if vector.len() == query.len() {
            let score = scan::exact(query, &vector);
            let at = best.partition_point(|(other, ..)| *other >= score);
            if at < most {
                best.insert(at, (score, row.get(0)?, vector));
                best.truncate(most);
            }
        }
    }
    Ok(best.into_iter().map(|(_, row, vector)| (row, vector)).collect())
}

/// Which full vectors a rescoring reads, by a JSON array of keys. Both yield key, owner and vector.
pub(super) const PASSAGE_VECTORS: &str =
    "SELECT row, document, vector FROM passages WHERE row IN (SELECT value FROM json_each(?))";
/// See [`PASSAGE_VECTORS`].
pub(super) const DOCUMENT_VECTORS: &str =
    "SELECT document, document, vector FROM bodies WHERE document IN (SELECT value FROM json_each(?))";

/// Scores candidates with their full vectors, best first. One that was replaced since the index
/// was read is left out: its row is gone or belongs to another document.
pub(super) fn rescore(reader: &Connection, sql: &str, query: &[f32], rough: Vec<Near>) -> Result<Vec<Near>> {
    let by_key: HashMap<i64, Near> = rough.into_iter().map(|near| (near.key, near)).collect();
    let keys = serde_json::json!(by_key.keys().collect::<Vec<_>>()).to_string();
    let mut statement = reader.prepare_cached(sql)?;
    let mut rows = statement.query([keys])?;
    let mut exact = Vec::with_capacity(by_key.len());
    while let Some(row) = rows.next()? {
        let (key, owner): (i64, i64) = (row.get(0)?, row.get(1)?);
        let vector =
            from_blob(row.get_ref(2)?.as_blob_or_null().map_err(failure::broken)?.unwrap_or_default());
        if let Some(near) = by_key.get(&key)
            && owner == near.owner
            && vector.len() == query.len()
        {
            exact.push(Near { score: scan::exact(query, &vector), error: 0.0, ..*near });
        }
    }
    exact.sort_unstable_by(|a, b| b.cmp(a));
    Ok(exact)
}
