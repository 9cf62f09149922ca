//! Ranking: the nearest passages and the best keyword matches of each document, merged.
//!
//! Passages of a generation that does not count (see `write`) may be among what the server finds.
//! They are told by their document's point, and replaced by the best passage that counts.

use super::points::{self, DENSE, DOCUMENT, GENERATION, PASSAGE_ROW, SPARSE, StoredPassage};
use super::read::{self, Listed};
use super::sparse::{self, Sparse};
use super::{QdrantStore, filter, write};
use crate::document::DocumentId;
use crate::error::Result;
use crate::publish::fusion::{self, Candidate, Match};
use crate::publish::highlights::Marker;
use crate::publish::{By, Hit, PassageRow, Query};
use ::qdrant_client::qdrant::with_vectors_selector::SelectorOptions;
use ::qdrant_client::qdrant::{
    DenseVector, Filter as Conditions, Query as Ask, QueryPointGroupsBuilder, QueryPointsBuilder,
    ScoredPoint, SparseVector, VectorInput, VectorsSelector, query, vector_input,
};
use std::collections::{HashMap, HashSet};

/// Documents that a half yields at most: the server makes room for all of them before it looks.
pub(super) const MAX_DEPTH: usize = 10_000;

/// How often what changed during a search is asked for again.
const ROUNDS: usize = 3;

/// One half of a search.
pub(super) enum Half<'q> {
    Near(&'q [f32]),
    Words(Sparse),
}

/// How much is asked for.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    /// Of so many documents their best passage.
    Documents(usize),
    /// Of so many documents so many passages, with their vectors.
    Several(usize, usize),
    /// So many passages.
    Passages(usize),
}

/// A passage that one half found.
pub(super) struct Found {
    pub score: f64,
    pub passage: StoredPassage,
    /// Its vector, where that was asked for.
    pub vector: Vec<f32>,
}

/// See [`Store::search`](crate::publish::Store::search).
pub(super) async fn search(store: &QdrantStore, query: &Query<'_>) -> Result<Vec<Hit>> {
    if query.limit == 0 {
        return Ok(Vec::new());
    }
    if !query.vector.is_empty() {
        write::check_one(query.vector, store.target.dimension)?;
    }
    let (near, words) = (Half::Near(query.vector), Half::Words(sparse::query(query.text)));
    let depth = fusion::depth(query.limit).min(MAX_DEPTH);
    let wanted = match query.by {
        By::Document => Wanted::Documents(depth),
        By::Passage => Wanted::Passages(depth),
    };
    let passing = filter::passages(query.filter);
    let (near_found, words_found) =
        tokio::try_join!(near.ask(store, passing.clone(), wanted), words.ask(store, passing, wanted))?;
    let ids = near_found.iter().chain(&words_found).map(|found| &found.passage.document);
    let mut documents = read::listed(store, ids).await?;
    let near_found = near.current(store, near_found, wanted, &mut documents).await?;
    let words_found = words.current(store, words_found, wanted, &mut documents).await?;
    let best = fusion::fuse(merged(near_found, words_found, &documents, query.by), query.limit);
    let marker = Marker::new(query.text, sparse::between);
    best.into_iter().map(|found| found.into_hit(|passage| Ok(Some(passage)), &marker)).collect()
}

/// Both halves as one list. A document that changed between the two counts as it is now.
fn merged(
    near: Vec<Found>,
    words: Vec<Found>,
    documents: &HashMap<DocumentId, Listed>,
    by: By,
) -> Vec<Candidate<PassageRow>> {
    let mut all: HashMap<(String, i64), Candidate<PassageRow>> = HashMap::new();
    let near = near.into_iter().map(|found| (true, found));
    for (is_near, found) in near.chain(words.into_iter().map(|found| (false, found))) {
        let Some(listed) = documents.get(&found.passage.document) else { continue };
        if listed.generation != found.passage.generation {
            continue;
        }
        let number = if by == By::Passage { i64::from(found.passage.row.number) } else { 0 };
        let key = (found.passage.document.to_string(), number);
        let candidate = all.entry(key.clone()).or_insert_with(|| Candidate::new(listed.row.clone(), key));
        let half = if is_near { &mut candidate.near } else { &mut candidate.keyword };
        *half = Some(Match { score: found.score, passage: found.passage.row });
    }
    all.into_values().collect()
}

impl Half<'_> {
    /// The best passages, best first within their document.
    pub(super) async fn ask(
        &self,
        store: &QdrantStore,
        passing: Conditions,
        wanted: Wanted,
    ) -> Result<Vec<Found>> {
        let (input, using) = match self {
            Self::Near([]) => return Ok(Vec::new()),
            Self::Words(words) if words.is_empty() => return Ok(Vec::new()),
            Self::Near(vector) => (dense(vector.to_vec()), DENSE),
            Self::Words(words) => {
                let (values, indices) = (words.values.clone(), words.indices.clone());
                (vector_input::Variant::Sparse(SparseVector { values, indices }), SPARSE)
            }
        };
        let payload = points::include(PASSAGE_ROW.iter().chain(&[DOCUMENT, GENERATION]));
        let (documents, each, vectors) = match wanted {
            Wanted::Documents(count) => (count, 1, Vec::new()),
            Wanted::Several(count, each) => (count, each, vec![DENSE.to_owned()]),
            Wanted::Passages(count) => {
                let request = QueryPointsBuilder::new(&store.target.passages)
                    .query(nearest(input))
                    .using(using)
                    .filter(passing)
                    .limit(count as u64)
                    .with_payload(payload)
                    .build();
                let answer = store
                    .connection
                    .call(request, |client, request| async move { client.query(request).await })
                    .await?;
                return answer.result.into_iter().map(found).collect();
            }
        };
        let request = QueryPointGroupsBuilder::new(&store.target.passages, DOCUMENT)
            .query(nearest(input))
            .using(using)
            .filter(passing)
            .limit(documents as u64)
            .group_size(each as u64)
            .with_payload(payload)
            .with_vectors(SelectorOptions::Include(VectorsSelector { names: vectors }))
            .build();
        let answer = store
            .connection
            .call(request, |client, request| async move { client.query_groups(request).await })
            .await?;
        // The best of a group comes first.
        let groups = answer.result.into_iter().flat_map(|result| result.groups);
        groups.flat_map(|group| group.hits).map(found).collect()
    }

    /// Puts passages that count in the place of those that do not; drops those of documents that
    /// are gone.
    pub(super) async fn current(
        &self,
        store: &QdrantStore,
        found: Vec<Found>,
        wanted: Wanted,
        documents: &mut HashMap<DocumentId, Listed>,
    ) -> Result<Vec<Found>> {
        let mut fresh = Vec::with_capacity(found.len());
        // What counts is found once more where passages of both generations were.
        let mut seen: HashSet<(DocumentId, u32)> = HashSet::new();
        let mut rest = found;
        for _ in 0..ROUNDS {
            let mut stale: HashMap<DocumentId, String> = HashMap::new();
            for found in rest {
                let Some(Listed { generation, .. }) = documents.get(&found.passage.document) else {
                    continue;
                };
                if *generation != found.passage.generation {
                    stale.insert(found.passage.document, generation.clone());
                } else if seen.insert((found.passage.document.clone(), found.passage.row.number)) {
                    fresh.push(found);
                }
            }
            if stale.is_empty() {
                break;
            }
            let conditions =
                stale.iter().map(|(id, generation)| filter::of_generation(id, generation).into());
            rest = self.ask(store, Conditions::should(conditions), wanted).await?;
            // What is not found any more has changed once again in between.
            for found in &rest {
                stale.remove(&found.passage.document);
            }
            if !stale.is_empty() {
                let changed = read::listed(store, stale.keys()).await?;
                let conditions =
                    changed.values().map(|now| filter::of_generation(&now.row.id, &now.generation).into());
                if !changed.is_empty() {
                    rest.extend(self.ask(store, Conditions::should(conditions), wanted).await?);
                }
                documents.extend(changed);
            }
        }
        Ok(fresh)
    }
}

fn found(point: ScoredPoint) -> Result<Found> {
    let vector = point.vectors.and_then(read::vector_of).unwrap_or_default();
    Ok(Found { score: f64::from(point.score), passage: points::parse(point.payload)?, vector })
}

/// A vector as the server takes it.
pub(super) fn dense(data: Vec<f32>) -> vector_input::Variant {
    vector_input::Variant::Dense(DenseVector { data })
}

/// Asks for what is nearest.
pub(super) fn nearest(input: vector_input::Variant) -> Ask {
    Ask { variant: Some(query::Variant::Nearest(VectorInput { variant: Some(input) })) }
}
