//! Ranking: the nearest passages and the best keyword matches, merged.

use super::filter::Rowset;
use super::keywords::{self, Found};
use super::postings;
use super::rows::{Near, promising};
use super::vectors::{self, DOCUMENT_VECTORS, PASSAGE_VECTORS};
use super::{LocalStore, read};
use crate::document::DocumentId;
use crate::error::Result;
use crate::publish::fusion::{self, Candidate, MIN_DEPTH, Match};
use crate::publish::highlights::Marker;
use crate::publish::{By, Filter, Hit, Query, Vectored};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};

/// Rows that a scan over rounded vectors yields for each one wanted: many more than rounding can
/// have misplaced, which the recall test checks.
const CANDIDATES: usize = 4;

/// What the words found in a snapshot of a moment, before the search itself.
pub(super) struct Ahead {
    moment: u64,
    found: Vec<Found>,
}

/// See [`Store::search_by`](crate::publish::Store::search_by). The words are looked up while the model works
/// and the vectors are gone through, in a snapshot of their own: none is held for as long as the model's queue is.
pub(super) fn search_by(
    store: &LocalStore,
    query: &Query<'_>,
    embed: &dyn Fn() -> Result<Vec<f32>>,
) -> Result<Vec<Hit>> {
    std::thread::scope(|scope| {
        let words = std::thread::Builder::new().name("words".to_owned());
        let words = words.spawn_scoped(scope, || ahead(store, query)).ok();
        let vector = embed();
        // Whatever went wrong with them is found again, or not, in the search.
        let ahead = || words.and_then(|words| words.join().ok()?.ok()?);
        match vector {
            Ok(vector) => search(store, &Query { vector: &vector, ..*query }, ahead),
            Err(error) => {
                ahead();
                Err(error)
            }
        }
    })
}

/// `None` where it is not known of which moment they are: another process writes, or this one just does.
fn ahead(store: &LocalStore, query: &Query<'_>) -> Result<Option<Ahead>> {
    store.readers.with(|reader| {
        postings::prepare(reader)?;
        let moment = store.filters.moment();
        let snapshot = reader.transaction()?;
        if query.limit == 0 || !store.filters.is_settled(&snapshot, moment)? {
            return Ok(None);
        }
        let allowed = store.filters.passing(&snapshot, moment, query.filter)?;
        let found = matching(store, &snapshot, query, allowed.as_deref())?;
        Ok(Some(Ahead { moment, found }))
    })
}

/// What the words of `query` find.
fn matching(
    store: &LocalStore,
    snapshot: &Connection,
    query: &Query<'_>,
    allowed: Option<&Rowset>,
) -> Result<Vec<Found>> {
    keywords::matches(snapshot, &store.lengths, query.text, allowed, query.by, fusion::depth(query.limit))
}

/// See [`Store::search`](crate::publish::Store::search).
/// `ahead` is asked for what the words found, once that is needed.
pub(super) fn search(
    store: &LocalStore,
    query: &Query<'_>,
    ahead: impl FnOnce() -> Option<Ahead>,
) -> Result<Vec<Hit>> {
    if query.limit == 0 {
        return Ok(Vec::new());
    }
    store.readers.with(|reader| {
        postings::prepare(reader)?;
        // One snapshot for all statements, so that a write meanwhile cannot tear the answer.
        let moment = store.filters.moment();
        let snapshot = reader.transaction()?;
        let allowed = store.filters.passing(&snapshot, moment, query.filter)?;
        let (allowed, depth) = (allowed.as_deref(), fusion::depth(query.limit));
        let rows = match query.by {
            By::Document => Rows::BestPassages,
            By::Passage => Rows::Passages,
        };
        let wanted = Wanted { rows, allowed, except: &HashSet::new(), count: depth };
        let mut near = wanted.nearest(store, &snapshot, query.vector)?;
        near.truncate(depth);
        let found = match ahead() {
            Some(ahead) if ahead.moment == moment && store.filters.is_settled(&snapshot, moment)? => {
                ahead.found
            }
            _ => matching(store, &snapshot, query, allowed)?,
        };
        let marker = Marker::new(query.text, keywords::between);
        let ids = read::ids(&snapshot, &deciding(&near, &found, query.limit))?.into_iter().collect();
        let best = fusion::fuse(merged(&ids, near, found, query.by), query.limit);
        let shown =
            best.iter().filter_map(|found| found.shown().map(|(document, passage)| (*document, *passage)));
        let mut passages = read::described(&snapshot, shown)?;
        let mut hits = Vec::new();
        for found in best {
            if let Some(found) = found.known(|row| read::document(&snapshot, row))? {
                hits.push(found.into_hit(|row| Ok(passages.remove(&row)), &marker)?);
            }
        }
        Ok(hits)
    })
}

/// See [`Store::nearest`](crate::publish::Store::nearest).
pub(super) fn nearest(
    store: &LocalStore,
    vector: &[f32],
    except: &[DocumentId],
    filter: &Filter,
    by: By,
    limit: usize,
) -> Result<Vec<Hit>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    store.readers.with(|reader| {
        let moment = store.filters.moment();
        let snapshot = reader.transaction()?;
        let mut own = HashSet::new();
        for id in except {
            own.extend(read::row_of(&snapshot, id)?);
        }
        let allowed = store.filters.passing(&snapshot, moment, filter)?;
        let rows = match by {
            By::Document => Rows::Documents,
            By::Passage => Rows::Passages,
        };
        let wanted = Wanted { rows, allowed: allowed.as_deref(), except: &own, count: limit };
        let (mut hits, mut places): (Vec<Hit>, Vec<(i64, i64)>) = Default::default();
        for near in wanted.nearest(store, &snapshot, vector)? {
            // Of those as good as the last one wanted, ids decide: they are all looked at.
            if hits.len() >= limit && hits.last().is_some_and(|last| near.score.clamp(-1.0, 1.0) < last.score)
            {
                break;
            }
            let Some(document) = read::document(&snapshot, near.owner)? else { continue };
            hits.push(Hit::near(document, near.score));
            places.push((near.owner, near.key));
        }
        if by == By::Passage {
            let mut passages = read::described(&snapshot, places.iter().copied())?;
            for (hit, (_, passage)) in hits.iter_mut().zip(&places) {
                hit.passage = passages.remove(passage);
            }
        }
        Ok(Hit::best(hits, limit))
    })
}

/// See [`Store::passages_near`](crate::publish::Store::passages_near).
pub(super) fn passages_near(
    reader: &mut Connection,
    vector: &[f32],
    ids: &[DocumentId],
    most: usize,
) -> Result<Vec<Vec<Vectored>>> {
    // One snapshot: a row may be another passage's after a write.
    let snapshot = reader.transaction()?;
    let best = |id: &DocumentId| {
        let Some(document) = read::row_of(&snapshot, id)? else { return Ok(Vec::new()) };
        let (rows, vectors): (Vec<i64>, Vec<_>) =
            vectors::best_passages(&snapshot, document, vector, most)?.into_iter().unzip();
        let passages = read::passages(&snapshot, document, &rows)?.into_iter().zip(vectors);
        Ok(passages.map(|((_, row), vector)| Vectored { row, vector }).collect())
    };
    ids.iter().map(best).collect()
}

/// Of which rows the nearest are wanted.
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    /// Of documents.
    Documents,
    /// Of passages, the best of each document.
    BestPassages,
    /// Of passages.
    Passages,
}

/// Which rows are wanted.
struct Wanted<'w> {
    rows: Rows,
    /// Of these documents; of all where there are none.
    allowed: Option<&'w Rowset>,
    /// But not of those.
    except: &'w HashSet<i64>,
    /// As many; those that are as good as the last one may come too.
    count: usize,
}

impl Wanted<'_> {
    /// Those nearest to a vector, best first.
    fn nearest(&self, store: &LocalStore, snapshot: &Connection, vector: &[f32]) -> Result<Vec<Near>> {
        if vector.is_empty() {
            return Ok(Vec::new());
        }
        let index = store.vectors()?;
        vectors::check_one(vector, vectors::read(index).dimension())?;
        let (full, each) = match self.rows {
            Rows::Documents => (DOCUMENT_VECTORS, (|near| near.owner) as fn(&Near) -> i64),
            Rows::BestPassages => (PASSAGE_VECTORS, (|near| near.owner) as fn(&Near) -> i64),
            Rows::Passages => (PASSAGE_VECTORS, (|near| near.key) as fn(&Near) -> i64),
        };
        let mut candidates = self.count.saturating_mul(CANDIDATES).max(MIN_DEPTH);
        loop {
            let mut rough = {
                let index = vectors::read(index);
                let table = if self.rows == Rows::Documents { &index.documents } else { &index.passages };
                table.nearest(vector, candidates, self.allowed)
            };
            let exhausted = rough.len() < candidates;
            rough.retain(|near| !self.except.contains(&near.owner));
            let mut near = vectors::rescore(snapshot, full, vector, promising(rough, self.count, each))?;
            let mut seen = HashSet::new();
            near.retain(|near| seen.insert(each(near)));
            if near.len() >= self.count || exhausted {
                return Ok(near);
            }
            // A few long documents fill the front, or what is left out does: look further down.
            candidates = candidates.saturating_mul(4);
        }
    }
}

/// The documents whose ids may decide which candidates are the best `limit`, and in which order, for ids decide
/// between equals: the first ones of each half, all that are as good there as their neighbours, and those of both. The
/// others are behind `limit` better ones, and have nothing else.
fn deciding(near: &[Near], found: &[Found], limit: usize) -> HashSet<i64> {
    let near: Vec<(i64, f64)> = near.iter().map(|near| (near.owner, f64::from(near.score))).collect();
    let found: Vec<(i64, f64)> = found.iter().map(|found| (found.document, found.score)).collect();
    let by_words: HashSet<i64> = found.iter().map(|(document, _)| *document).collect();
    let mut rows: HashSet<i64> = near.iter().map(|(document, _)| *document).collect();
    rows.retain(|document| by_words.contains(document));
    for half in [near, found] {
        let ties = half.windows(2).filter(|two| two.first().map(|one| one.1) == two.last().map(|one| one.1));
        rows.extend(half.iter().take(limit).chain(ties.flatten()).map(|(document, _)| *document));
    }
    rows
}

/// What both halves found as one list of documents or passages, with those ids that are known.
fn merged(
    ids: &HashMap<i64, String>,
    near: Vec<Near>,
    found: Vec<Found>,
    by: By,
) -> Vec<Candidate<i64, i64>> {
    let mut all: HashMap<(i64, i64), Candidate<i64, i64>> = HashMap::new();
    let near = near.into_iter().map(|near| (near.owner, near.key, Some(near.score), None));
    let found = found.into_iter().map(|found| (found.document, found.passage, None, Some(found.score)));
    for (document, passage, cosine, keyword) in near.chain(found) {
        // Rowids of a document's passages are in their order.
        let key = if by == By::Passage { passage } else { 0 };
        let candidate = all.entry((document, key)).or_insert_with(|| {
            Candidate::new(document, (ids.get(&document).cloned().unwrap_or_default(), key))
        });
        if let Some(cosine) = cosine {
            candidate.near = Some(Match { score: f64::from(cosine), passage });
        }
        if let Some(score) = keyword {
            candidate.keyword = Some(Match { score, passage });
        }
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Passages with their scores, best first, of documents or several of one.
    type Half = Vec<(i64, i64)>;

    fn halves() -> impl Strategy<Value = Half> {
        prop::collection::btree_map(0..100_i64, 0..40_i64, 0..50).prop_map(|half: BTreeMap<i64, i64>| {
            let mut half: Half = half.into_iter().collect();
            half.sort_by_key(|(_, score)| -score);
            half
        })
    }

    /// Whose a passage is.
    fn owner(passage: i64, by: By) -> i64 {
        if by == By::Passage { passage / 3 } else { passage }
    }

    /// The best of both halves, where only the ids of `rows` are known; they are not in the order of rowids.
    fn best(near: &[Near], found: &[(i64, i64)], by: By, limit: usize, rows: &HashSet<i64>) -> Vec<String> {
        let ids = rows.iter().map(|row| (*row, format!("{:03}", row * 37 % 101))).collect();
        let best = fusion::fuse(merged(&ids, near.to_vec(), as_found(found, by), by), limit);
        let shown =
            best.iter().map(|found| format!("{:?} {:?} {:?}", found.shown(), found.near, found.keyword));
        shown.collect()
    }

    fn as_found(half: &[(i64, i64)], by: By) -> Vec<Found> {
        let one = |&(passage, score): &(i64, i64)| Found {
            document: owner(passage, by),
            passage,
            score: score as f64,
        };
        half.iter().map(one).collect()
    }

    proptest! {
        #[test]
        fn ids_that_are_not_looked_up_decide_nothing(
            near in halves(),
            found in halves(),
            by in prop_oneof![Just(By::Document), Just(By::Passage)],
            limit in 1..12_usize,
        ) {
            let as_near =
                |&(key, score): &(i64, i64)| Near { key, owner: owner(key, by), score: score as f32, error: 0.0 };
            let near: Vec<Near> = near.iter().map(as_near).collect();
            let few = deciding(&near, &as_found(&found, by), limit);
            let every = (0..100).collect();
            prop_assert_eq!(best(&near, &found, by, limit, &few), best(&near, &found, by, limit, &every));
        }
    }
}
