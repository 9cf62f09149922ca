//! Ranking: the nearest passages and the best keyword matches, merged.

use super::filter::{self, Rowset};
use super::keywords::{self, Found};
use super::rows::Near;
use super::vectors::{self, DOCUMENT_VECTOR, PASSAGE_VECTOR};
use super::{LocalStore, read};
use crate::document::DocumentId;
use crate::error::Result;
use crate::publish::{DocumentRow, Filter, Hit, Query};
use rusqlite::Connection;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// The constant of reciprocal rank fusion: a document scores 1 / (60 + rank) in each half.
/// G. V. Cormack, C. L. A. Clarke, S. Büttcher: "Reciprocal Rank Fusion outperforms Condorcet and
/// individual Rank Learning Methods", SIGIR 2009.
const FUSION: f64 = 60.0;

/// Documents that each half contributes: this many times the limit, for what is second-rate in both
/// halves may be best in the sum.
const DEPTH: usize = 4;

/// At least so many documents a half, and so many candidates of a scan.
const MIN_DEPTH: usize = 50;

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
        let depth = query.limit.saturating_mul(DEPTH).max(MIN_DEPTH);
        let near = nearest(store, &snapshot, query.vector, allowed.as_ref(), depth)?;
        let found = keywords::matches(&snapshot, query.text, allowed.as_ref(), depth)?;
        let mut merged = Merged::new(&snapshot, near, found)?;
        merged.0.truncate(query.limit);
        merged.into_hits(&snapshot)
    })
}

/// See [`Store::similar`](crate::publish::Store::similar).
pub(super) fn similar(
    store: &LocalStore,
    id: &DocumentId,
    filter: &Filter,
    limit: usize,
) -> Result<Option<Vec<Hit>>> {
    store.readers.with(|reader| {
        let snapshot = reader.transaction()?;
        let Some(row) = read::row_of(&snapshot, id)? else { return Ok(None) };
        let vector = vectors::of_document(&snapshot, row)?;
        let allowed = filter::passing(&snapshot, filter)?;
        // One more, for the document finds itself.
        let candidates = limit.saturating_add(1).saturating_mul(CANDIDATES).max(MIN_DEPTH);
        let rough = vectors::read(store.vectors()?).documents.nearest(&vector, candidates, allowed.as_ref());
        let mut hits = Vec::new();
        for near in vectors::rescore(&snapshot, DOCUMENT_VECTOR, &vector, rough)? {
            if near.owner != row
                && let Some(document) = read::document(&snapshot, near.owner)?
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
        Ok(Some(hits))
    })
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

/// A document with its ranks in both halves.
struct Candidate {
    document: DocumentRow,
    near: Option<Near>,
    keyword: Option<Found>,
    keyword_rank: Option<u32>,
    score: f64,
}

impl Candidate {
    fn new(document: DocumentRow) -> Self {
        Self { document, near: None, keyword: None, keyword_rank: None, score: 0.0 }
    }
}

/// Candidates, best first.
struct Merged(Vec<Candidate>);

impl Merged {
    fn new(snapshot: &Connection, near: Vec<Near>, found: Vec<Found>) -> Result<Self> {
        let mut by_row = HashMap::new();
        for near in near {
            if let Some(candidate) = candidate(snapshot, &mut by_row, near.owner)? {
                candidate.near = Some(near);
            }
        }
        for found in found {
            if let Some(candidate) = candidate(snapshot, &mut by_row, found.document)? {
                candidate.keyword = Some(found);
            }
        }
        let mut merged = Self(by_row.into_values().collect());
        merged.add_ranks(
            |a, b| match (&a.near, &b.near) {
                (Some(a), Some(b)) => b.score.total_cmp(&a.score),
                (a, b) => b.is_some().cmp(&a.is_some()),
            },
            |candidate, rank| {
                if candidate.near.is_some() {
                    candidate.score += 1.0 / (FUSION + f64::from(rank));
                }
            },
        );
        merged.add_ranks(
            |a, b| match (&a.keyword, &b.keyword) {
                (Some(a), Some(b)) => a.rank.total_cmp(&b.rank),
                (a, b) => b.is_some().cmp(&a.is_some()),
            },
            |candidate, rank| {
                if candidate.keyword.is_some() {
                    candidate.keyword_rank = Some(rank);
                    candidate.score += 1.0 / (FUSION + f64::from(rank));
                }
            },
        );
        merged.sort(|a, b| b.score.total_cmp(&a.score));
        Ok(merged)
    }

    /// Sorts by `order`; the id decides between equals, so that an answer never depends on the
    /// order in which documents came in.
    fn sort(&mut self, order: impl Fn(&Candidate, &Candidate) -> Ordering) {
        self.0.sort_by(|a, b| order(a, b).then_with(|| a.document.id.cmp(&b.document.id)));
    }

    fn add_ranks(
        &mut self,
        order: impl Fn(&Candidate, &Candidate) -> Ordering,
        add: impl Fn(&mut Candidate, u32),
    ) {
        self.sort(order);
        for (candidate, rank) in self.0.iter_mut().zip(1..) {
            add(candidate, rank);
        }
    }

    /// Looks up the passages of those that are left.
    fn into_hits(self, snapshot: &Connection) -> Result<Vec<Hit>> {
        let hit = |candidate: Candidate| {
            let near = candidate.near.map(|near| near.key);
            let best = near.or(candidate.keyword.map(|found| found.passage));
            let passage = best.map(|row| read::passage(snapshot, row)).transpose()?.flatten();
            Ok(Hit {
                score: candidate.score as f32,
                similarity: candidate.near.map(|near| near.score.clamp(-1.0, 1.0)),
                keyword_rank: candidate.keyword_rank,
                document: candidate.document,
                passage,
            })
        };
        self.0.into_iter().map(hit).collect()
    }
}

/// The candidate of that rowid, made if it is new; `None` if the document is gone.
fn candidate<'m>(
    snapshot: &Connection,
    by_row: &'m mut HashMap<i64, Candidate>,
    row: i64,
) -> Result<Option<&'m mut Candidate>> {
    if !by_row.contains_key(&row)
        && let Some(document) = read::document(snapshot, row)?
    {
        by_row.insert(row, Candidate::new(document));
    }
    Ok(by_row.get_mut(&row))
}
