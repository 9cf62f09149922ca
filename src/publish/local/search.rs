//! Ranking: the nearest passages and the best keyword matches, merged.

use super::filter::{self, Rowset};
use super::keywords::{self, Found};
use super::rows::Near;
use super::vectors::{self, DOCUMENT_VECTOR, PASSAGE_VECTOR};
use super::{LocalStore, read};
use crate::document::DocumentId;
use crate::error::Result;
use crate::publish::fusion::{self, Candidate, MIN_DEPTH, Match};
use crate::publish::{Filter, Hit, Query};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};

/// Rows that a scan over rounded vectors yields for each one wanted: many more than rounding can
/// have misplaced, which the recall test checks.
const CANDIDATES: usize = 4;

/// See [`Store::search`](crate::publish::Store::search).
pub(super) fn search(store: &LocalStore, query: &Query<'_>) -> Result<Vec<Hit>> {
    if query.limit == 0 {
        return Ok(Vec::new());
    }
    store.readers.with(|reader| {
        // One snapshot for all statements, so that a write meanwhile cannot tear the answer.
        let snapshot = reader.transaction()?;
        let allowed = filter::passing(&snapshot, query.filter)?;
        let depth = fusion::depth(query.limit);
        let near = nearest(store, &snapshot, query.vector, allowed.as_ref(), depth)?;
        let found = keywords::matches(&snapshot, query.text, allowed.as_ref(), depth)?;
        let best = fusion::fuse(merged(&snapshot, near, found)?, query.limit);
        best.into_iter().map(|found| found.into_hit(|row| read::passage(&snapshot, row))).collect()
    })
}

/// See [`Store::nearest`](crate::publish::Store::nearest).
pub(super) fn nearest_documents(
    store: &LocalStore,
    vector: &[f32],
    except: &[DocumentId],
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Hit>> {
    if vector.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    vectors::check_one(vector, vectors::read(store.vectors()?).dimension())?;
    store.readers.with(|reader| {
        let snapshot = reader.transaction()?;
        let mut own = HashSet::new();
        for id in except {
            own.extend(read::row_of(&snapshot, id)?);
        }
        let allowed = filter::passing(&snapshot, filter)?;
        near(store, &snapshot, (vector, &own), allowed.as_ref(), limit)
    })
}

/// Documents nearest to a vector, those of these rows left out.
fn near(
    store: &LocalStore,
    snapshot: &Connection,
    (vector, own): (&[f32], &HashSet<i64>),
    allowed: Option<&Rowset>,
    limit: usize,
) -> Result<Vec<Hit>> {
    // As many more as are left out, for they are the nearest.
    let candidates = limit.saturating_add(own.len()).saturating_mul(CANDIDATES).max(MIN_DEPTH);
    let rough = vectors::read(store.vectors()?).documents.nearest(vector, candidates, allowed);
    let mut hits = Vec::new();
    for near in vectors::rescore(snapshot, DOCUMENT_VECTOR, vector, rough)? {
        if !own.contains(&near.owner)
            && let Some(document) = read::document(snapshot, near.owner)?
        {
            let similarity = Some(near.score.clamp(-1.0, 1.0));
            hits.push(Hit {
                score: near.score.clamp(-1.0, 1.0),
                similarity,
                keyword_rank: None,
                document,
                passage: None,
            });
        }
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.document.id.cmp(&b.document.id)));
    hits.truncate(limit);
    Ok(hits)
}

/// The `count` documents whose best passage is nearest to `vector`, each with that passage.
fn nearest(
    store: &LocalStore,
    snapshot: &Connection,
    vector: &[f32],
    allowed: Option<&Rowset>,
    count: usize,
) -> Result<Vec<Near>> {
    if vector.is_empty() {
        return Ok(Vec::new());
    }
    let index = store.vectors()?;
    vectors::check_one(vector, vectors::read(index).dimension())?;
    let mut candidates = count.saturating_mul(CANDIDATES);
    loop {
        let rough = vectors::read(index).passages.nearest(vector, candidates, allowed);
        let exhausted = rough.len() < candidates;
        let mut near = vectors::rescore(snapshot, PASSAGE_VECTOR, vector, rough)?;
        let mut seen = HashSet::new();
        near.retain(|near| seen.insert(near.owner));
        if near.len() >= count || exhausted {
            near.truncate(count);
            return Ok(near);
        }
        // A few long documents fill the front: look further down.
        candidates = candidates.saturating_mul(4);
    }
}

/// What both halves found, as one list of documents; those that are gone meanwhile are left out.
fn merged(snapshot: &Connection, near: Vec<Near>, found: Vec<Found>) -> Result<Vec<Candidate<i64>>> {
    let mut by_row = HashMap::new();
    for near in near {
        if let Some(candidate) = candidate(snapshot, &mut by_row, near.owner)? {
            candidate.near = Some(Match { score: f64::from(near.score), passage: near.key });
        }
    }
    for found in found {
        if let Some(candidate) = candidate(snapshot, &mut by_row, found.document)? {
            // SQLite's BM25 is the lower, the better.
            candidate.keyword = Some(Match { score: -found.rank, passage: found.passage });
        }
    }
    Ok(by_row.into_values().collect())
}

/// The candidate of that rowid, made if it is new; `None` if the document is gone.
fn candidate<'m>(
    snapshot: &Connection,
    by_row: &'m mut HashMap<i64, Candidate<i64>>,
    row: i64,
) -> Result<Option<&'m mut Candidate<i64>>> {
    if !by_row.contains_key(&row)
        && let Some(document) = read::document(snapshot, row)?
    {
        by_row.insert(row, Candidate::new(document));
    }
    Ok(by_row.get_mut(&row))
}
