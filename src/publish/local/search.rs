//! Ranking: the nearest passages and the best keyword matches, merged.

use super::filter::Rowset;
use super::keywords::{self, Found};
use super::rows::{Near, promising};
use super::vectors::{self, DOCUMENT_VECTORS, PASSAGE_VECTORS};
use super::{LocalStore, read};
use crate::document::DocumentId;
use crate::error::Result;
use crate::publish::fusion::{self, Candidate, MIN_DEPTH, Match, Named};
use crate::publish::{Filter, Hit, PassageRow, Query};
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
        let moment = store.filters.moment();
        let snapshot = reader.transaction()?;
        let allowed = store.filters.passing(&snapshot, moment, query.filter)?;
        let depth = fusion::depth(query.limit);
        let near = nearest(store, &snapshot, query.vector, allowed.as_deref(), depth)?;
        let found = keywords::matches(&snapshot, query.text, allowed.as_deref(), depth)?;
        let mut hits = Vec::new();
        for found in fusion::fuse(merged(&snapshot, near, found)?, query.limit) {
            if let Some(found) = found.known(|Ranked(row, _)| read::document(&snapshot, row))? {
                hits.push(found.into_hit(|row| read::passage(&snapshot, row))?);
            }
        }
        Ok(hits)
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
        let moment = store.filters.moment();
        let snapshot = reader.transaction()?;
        let mut own = HashSet::new();
        for id in except {
            own.extend(read::row_of(&snapshot, id)?);
        }
        let allowed = store.filters.passing(&snapshot, moment, filter)?;
        near(store, &snapshot, (vector, &own), allowed.as_deref(), limit)
    })
}

/// See [`Store::passages_near`](crate::publish::Store::passages_near).
pub(super) fn passages_near(
    reader: &mut Connection,
    vector: &[f32],
    ids: &[DocumentId],
) -> Result<Vec<Option<PassageRow>>> {
    // One snapshot: a row may be another passage's after a write.
    let snapshot = reader.transaction()?;
    let best = |id: &DocumentId| {
        let Some(row) = read::row_of(&snapshot, id)? else { return Ok(None) };
        let Some(best) = vectors::best_passage(&snapshot, row, vector)? else { return Ok(None) };
        read::passage(&snapshot, best)
    };
    ids.iter().map(best).collect()
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
    let wanted = limit.saturating_add(own.len());
    let candidates = wanted.saturating_mul(CANDIDATES).max(MIN_DEPTH);
    let rough = vectors::read(store.vectors()?).documents.nearest(vector, candidates, allowed);
    let mut hits: Vec<Hit> = Vec::new();
    for near in vectors::rescore(snapshot, DOCUMENT_VECTORS, vector, promising(rough, wanted))? {
        // Of those as good as the last one wanted, ids decide: they are all looked at.
        if hits.len() >= limit && hits.last().is_some_and(|last| near.score.clamp(-1.0, 1.0) < last.score) {
            break;
        }
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
        let mut near = vectors::rescore(snapshot, PASSAGE_VECTORS, vector, promising(rough, count))?;
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

/// A document that is ranked: its rowid and its key.
struct Ranked(i64, String);

impl Named for Ranked {
    fn id(&self) -> &str {
        &self.1
    }
}

/// What both halves found, as one list of documents; those that are gone meanwhile are left out.
fn merged(snapshot: &Connection, near: Vec<Near>, found: Vec<Found>) -> Result<Vec<Candidate<i64, Ranked>>> {
    let rows: HashSet<i64> =
        near.iter().map(|near| near.owner).chain(found.iter().map(|found| found.document)).collect();
    let mut by_row: HashMap<i64, Candidate<i64, Ranked>> = read::ids(snapshot, &rows)?
        .into_iter()
        .map(|(row, id)| (row, Candidate::new(Ranked(row, id))))
        .collect();
    for near in near {
        if let Some(candidate) = by_row.get_mut(&near.owner) {
            candidate.near = Some(Match { score: f64::from(near.score), passage: near.key });
        }
    }
    for found in found {
        if let Some(candidate) = by_row.get_mut(&found.document) {
            // SQLite's BM25 is the lower, the better.
            candidate.keyword = Some(Match { score: -found.rank, passage: found.passage });
        }
    }
    Ok(by_row.into_values().collect())
}
