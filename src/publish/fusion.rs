//! Reciprocal rank fusion of the two halves of a search: the same for every store.

use super::highlights::Marker;
use super::{DocumentRow, Hit, PassageRow};
use crate::error::Result;
use std::cmp::Ordering;

/// The constant of reciprocal rank fusion: a document scores 1 / (60 + rank) in each half.
/// G. V. Cormack, C. L. A. Clarke, S. Büttcher: "Reciprocal Rank Fusion outperforms Condorcet and
/// individual Rank Learning Methods", SIGIR 2009.
const FUSION: f64 = 60.0;

/// Documents that each half contributes: this many times the limit, for what is second-rate in both
/// halves may be best in the sum.
const DEPTH: usize = 4;

/// At least so many documents a half.
pub(super) const MIN_DEPTH: usize = 50;

/// Documents or passages that each half contributes to the best `limit`.
pub(super) fn depth(limit: usize) -> usize {
    limit.saturating_mul(DEPTH).max(MIN_DEPTH)
}

/// A document's best passage in one half. What a passage is, the store knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match<P> {
    /// The higher, the better.
    pub score: f64,
    /// The passage.
    pub passage: P,
}

/// A document, or a passage with its document, with what was found of it in both halves.
#[derive(Debug)]
pub(super) struct Candidate<P, D = DocumentRow> {
    document: D,
    /// The id of the document, and which passage of it; the same number for all where documents are
    /// ranked.
    key: (String, i64),
    /// By its vectors; the score is the cosine.
    pub near: Option<Match<P>>,
    /// By its words.
    pub keyword: Option<Match<P>>,
    keyword_rank: Option<u32>,
    score: f64,
}

impl<P, D> Candidate<P, D> {
    pub(super) fn new(document: D, key: (String, i64)) -> Self {
        Self { document, key, near: None, keyword: None, keyword_rank: None, score: 0.0 }
    }

    /// The same with what `look` finds about its document; `None` where it finds none.
    pub(super) fn known<E>(
        self,
        look: impl FnOnce(D) -> Result<Option<E>>,
    ) -> Result<Option<Candidate<P, E>>> {
        let Self { document, key, near, keyword, keyword_rank, score } = self;
        Ok(look(document)?.map(|document| Candidate { document, key, near, keyword, keyword_rank, score }))
    }
}

impl<P, D> Candidate<P, D> {
    /// The document, and its passage that shows best why it was found.
    pub(super) fn shown(&self) -> Option<(&D, &P)> {
        let best = self.near.as_ref().or(self.keyword.as_ref());
        best.map(|found| (&self.document, &found.passage))
    }
}

impl<P> Candidate<P> {
    /// As a hit, with the passage that shows best why; `describe` looks it up, `marker` finds the words.
    pub(super) fn into_hit(
        self,
        describe: impl FnOnce(P) -> Result<Option<PassageRow>>,
        marker: &Marker,
    ) -> Result<Hit> {
        let similarity = self.near.as_ref().map(|near| near.score.clamp(-1.0, 1.0) as f32);
        let best = self.near.or(self.keyword);
        let passage = best.map(|found| describe(found.passage)).transpose()?.flatten();
        Ok(Hit {
            score: self.score as f32,
            similarity,
            keyword_rank: self.keyword_rank,
            document: self.document,
            highlights: passage.as_ref().map_or_else(Vec::new, |passage| marker.find(&passage.text)),
            passage,
            pairs: Vec::new(),
        })
    }
}

/// The best `limit` of the candidates, best first.
pub(super) fn fuse<P, D>(mut candidates: Vec<Candidate<P, D>>, limit: usize) -> Vec<Candidate<P, D>> {
    rank(&mut candidates, |c| c.near.as_ref().map(|near| near.score), |_, _| {});
    rank(&mut candidates, |c| c.keyword.as_ref().map(|k| k.score), |c, rank| c.keyword_rank = Some(rank));
    sort(&mut candidates, |a, b| b.score.total_cmp(&a.score));
    candidates.truncate(limit);
    candidates
}

/// Adds to the score of those that have one in this half.
fn rank<P, D>(
    candidates: &mut [Candidate<P, D>],
    score: impl Fn(&Candidate<P, D>) -> Option<f64>,
    note: impl Fn(&mut Candidate<P, D>, u32),
) {
    sort(candidates, |a, b| match (score(a), score(b)) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    for (candidate, rank) in candidates.iter_mut().zip(1..) {
        if score(candidate).is_some() {
            candidate.score += 1.0 / (FUSION + f64::from(rank));
            note(candidate, rank);
        }
    }
}

/// Sorts by `order`; the key decides between equals, so that an answer never depends on the order in
/// which documents came in.
fn sort<P, D>(
    candidates: &mut [Candidate<P, D>],
    order: impl Fn(&Candidate<P, D>, &Candidate<P, D>) -> Ordering,
) {
    candidates.sort_by(|a, b| order(a, b).then_with(|| a.key.cmp(&b.key)));
}
