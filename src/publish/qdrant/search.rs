//! Ranking: the nearest passages and the best keyword matches of each document, merged.
//!
//! Passages of a generation that does not count (see `write`) may be among what the server finds.
//! They are told by their document's point, and replaced by the best passage that counts.

use super::points::{DENSE, DOCUMENT, GENERATION, PASSAGE_ROW, ROW, SPARSE, StoredPassage};
use super::read::{self, Listed};
use super::sparse::{self, Sparse};
use super::{QdrantStore, filter, points, write};
use crate::document::DocumentId;
use crate::error::Result;
use crate::publish::fusion::{self, Candidate, Match};
use crate::publish::{DocumentRow, Filter, Hit, PassageRow, Query};
use ::qdrant_client::qdrant::{
    Condition, DenseVector, Filter as Conditions, Query as Ask, QueryPointGroupsBuilder, QueryPointsBuilder,
    SparseVector, VectorInput, query, vector_input,
};
use std::collections::HashMap;

/// Documents that a half yields at most: the server makes room for all of them before it looks.
const MAX_DEPTH: usize = 10_000;

/// Documents that are asked for beyond the limit, so that the id can decide between equals there too.
const EQUALS: usize = 32;

/// How often what changed during a search is asked for again.
const ROUNDS: usize = 3;

/// One half of a search.
enum Half<'q> {
    Near(&'q [f32]),
    Words(Sparse),
}

/// A document's best passage in one half.
struct Found {
    score: f64,
    passage: StoredPassage,
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
    let passing = filter::passages(query.filter);
    let (near_found, words_found) =
        tokio::try_join!(near.ask(store, passing.clone(), depth), words.ask(store, passing, depth))?;
    let ids = near_found.iter().chain(&words_found).map(|found| &found.passage.document);
    let mut documents = read::listed(store, ids).await?;
    let near_found = near.current(store, near_found, &mut documents).await?;
    let words_found = words.current(store, words_found, &mut documents).await?;
    let best = fusion::fuse(merged(near_found, words_found, documents), query.limit);
    best.into_iter().map(|found| found.into_hit(|passage| Ok(Some(passage)))).collect()
}

/// Both halves as one list. A document that changed between the two counts as it is now.
fn merged(
    near: Vec<Found>,
    words: Vec<Found>,
    documents: HashMap<DocumentId, Listed>,
) -> Vec<Candidate<PassageRow>> {
    let counts = |found: &Found| {
        let listed = documents.get(&found.passage.document);
        listed.is_some_and(|listed| listed.generation == found.passage.generation)
    };
    let (mut near, mut words) = (near, words);
    near.retain(counts);
    words.retain(counts);
    let mut candidates: HashMap<DocumentId, Candidate<PassageRow>> =
        documents.into_iter().map(|(id, listed)| (id, Candidate::new(listed.row))).collect();
    for found in near {
        if let Some(candidate) = candidates.get_mut(&found.passage.document) {
            candidate.near = Some(Match { score: found.score, passage: found.passage.row });
        }
    }
    for found in words {
        if let Some(candidate) = candidates.get_mut(&found.passage.document) {
            candidate.keyword = Some(Match { score: found.score, passage: found.passage.row });
        }
    }
    candidates.into_values().filter(|c| c.near.is_some() || c.keyword.is_some()).collect()
}

impl Half<'_> {
    /// The best passage of each of the best `count` documents.
    async fn ask(&self, store: &QdrantStore, passing: Conditions, count: usize) -> Result<Vec<Found>> {
        let (input, using) = match self {
            Self::Near([]) => return Ok(Vec::new()),
            Self::Words(words) if words.is_empty() => return Ok(Vec::new()),
            Self::Near(vector) => (dense(vector.to_vec()), DENSE),
            Self::Words(words) => {
                let (values, indices) = (words.values.clone(), words.indices.clone());
                (vector_input::Variant::Sparse(SparseVector { values, indices }), SPARSE)
            }
        };
        let request = QueryPointGroupsBuilder::new(&store.target.passages, DOCUMENT)
            .query(nearest(input))
            .using(using)
            .filter(passing)
            .limit(count as u64)
            .group_size(1_u64)
            .with_payload(points::include(PASSAGE_ROW.iter().chain(&[DOCUMENT, GENERATION])))
            .build();
        let answer = store
            .connection
            .call(request, |client, request| async move { client.query_groups(request).await })
            .await?;
        let hits = answer.result.into_iter().flat_map(|result| result.groups).filter_map(|g| {
            // The best of the group comes first.
            g.hits.into_iter().next()
        });
        hits.map(|hit| Ok(Found { score: f64::from(hit.score), passage: points::parse(hit.payload)? }))
            .collect()
    }

    /// Puts passages that count in the place of those that do not; drops those of documents that
    /// are gone.
    async fn current(
        &self,
        store: &QdrantStore,
        found: Vec<Found>,
        documents: &mut HashMap<DocumentId, Listed>,
    ) -> Result<Vec<Found>> {
        let mut fresh = Vec::with_capacity(found.len());
        let mut rest = found;
        for _ in 0..ROUNDS {
            let mut stale: HashMap<DocumentId, String> = HashMap::new();
            for found in rest {
                match documents.get(&found.passage.document).map(|listed| &listed.generation) {
                    Some(generation) if *generation == found.passage.generation => fresh.push(found),
                    Some(generation) => {
                        stale.insert(found.passage.document, generation.clone());
                    }
                    None => {}
                }
            }
            if stale.is_empty() {
                break;
            }
            let conditions =
                stale.iter().map(|(id, generation)| filter::of_generation(id, generation).into());
            rest = self.ask(store, Conditions::should(conditions), stale.len()).await?;
            // What is not found any more has changed once again in between.
            for found in &rest {
                stale.remove(&found.passage.document);
            }
            if !stale.is_empty() {
                let changed = read::listed(store, stale.keys()).await?;
                let conditions =
                    changed.values().map(|now| filter::of_generation(&now.row.id, &now.generation).into());
                if !changed.is_empty() {
                    rest.extend(self.ask(store, Conditions::should(conditions), changed.len()).await?);
                }
                documents.extend(changed);
            }
        }
        Ok(fresh)
    }
}

fn dense(data: Vec<f32>) -> vector_input::Variant {
    vector_input::Variant::Dense(DenseVector { data })
}

fn nearest(input: vector_input::Variant) -> Ask {
    Ask { variant: Some(query::Variant::Nearest(VectorInput { variant: Some(input) })) }
}

/// See [`Store::passages_near`](crate::publish::Store::passages_near).
pub(super) async fn passages_near(
    store: &QdrantStore,
    vector: &[f32],
    ids: &[DocumentId],
) -> Result<Vec<Option<PassageRow>>> {
    if vector.is_empty() || ids.is_empty() {
        return Ok(vec![None; ids.len()]);
    }
    let near = Half::Near(vector);
    let mut documents = read::listed(store, ids).await?;
    let wanted: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let passing = Conditions::must([Condition::matches(DOCUMENT, wanted)]);
    let found = near.ask(store, passing, ids.len()).await?;
    let found = near.current(store, found, &mut documents).await?;
    let mut best: HashMap<DocumentId, PassageRow> =
        found.into_iter().map(|found| (found.passage.document, found.passage.row)).collect();
    Ok(ids.iter().map(|id| best.remove(id)).collect())
}

/// See [`Store::nearest`](crate::publish::Store::nearest).
pub(super) async fn near(
    store: &QdrantStore,
    vector: &[f32],
    except: &[DocumentId],
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Hit>> {
    if vector.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    write::check_one(vector, store.target.dimension)?;
    let mut passing = filter::documents(filter);
    if !except.is_empty() {
        passing.must_not.push(Condition::has_id(except.iter().map(|id| store.document_id(id))));
    }
    let request = QueryPointsBuilder::new(&store.target.documents)
        .query(nearest(dense(vector.to_vec())))
        .using(DENSE)
        .filter(passing)
        .limit(limit.min(MAX_DEPTH).saturating_add(EQUALS) as u64)
        .with_payload(points::include(&ROW))
        .build();
    let answer =
        store.connection.call(request, |client, request| async move { client.query(request).await }).await?;
    let hit = |point: ::qdrant_client::qdrant::ScoredPoint| {
        let score = point.score.clamp(-1.0, 1.0);
        let document: DocumentRow = points::parse(point.payload)?;
        Ok(Hit { score, similarity: Some(score), keyword_rank: None, document, passage: None })
    };
    let mut hits = answer.result.into_iter().map(hit).collect::<Result<Vec<Hit>>>()?;
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.document.id.cmp(&b.document.id)));
    hits.truncate(limit);
    Ok(hits)
}
