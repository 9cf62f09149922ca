//! What is like a vector: documents, passages, and passages of documents that are named.

use super::points::{self, DENSE, DOCUMENT, ROW};
use super::search::{Found, Half, MAX_DEPTH, Wanted, dense, nearest};
use super::{QdrantStore, filter, read, write};
use crate::document::DocumentId;
use crate::error::Result;
use crate::publish::{By, Filter, Hit, Vectored};
use ::qdrant_client::qdrant::{Condition, Filter as Conditions, GetPointsBuilder, QueryPointsBuilder};
use std::collections::HashMap;

/// What is asked for beyond the limit, so that the id can decide between equals there too.
const EQUALS: usize = 32;

/// See [`Store::nearest`](crate::publish::Store::nearest).
pub(super) async fn near(
    store: &QdrantStore,
    vector: &[f32],
    except: &[DocumentId],
    filter: &Filter,
    (by, limit): (By, usize),
) -> Result<Vec<Hit>> {
    if vector.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    write::check_one(vector, store.target.dimension)?;
    let asked = limit.min(MAX_DEPTH).saturating_add(EQUALS);
    let hits = match by {
        By::Document => documents(store, vector, except, filter, asked).await?,
        By::Passage => passages(store, vector, except, filter, asked).await?,
    };
    Ok(Hit::best(hits, limit))
}

async fn documents(
    store: &QdrantStore,
    vector: &[f32],
    except: &[DocumentId],
    filter: &Filter,
    count: usize,
) -> Result<Vec<Hit>> {
    let mut passing = filter::documents(filter);
    if !except.is_empty() {
        passing.must_not.push(Condition::has_id(except.iter().map(|id| store.document_id(id))));
    }
    let request = QueryPointsBuilder::new(&store.target.documents)
        .query(nearest(dense(vector.to_vec())))
        .using(DENSE)
        .filter(passing)
        .limit(count as u64)
        .with_payload(points::include(&ROW))
        .build();
    let answer =
        store.connection.call(request, |client, request| async move { client.query(request).await }).await?;
    answer.result.into_iter().map(|point| Ok(Hit::near(points::parse(point.payload)?, point.score))).collect()
}

async fn passages(
    store: &QdrantStore,
    vector: &[f32],
    except: &[DocumentId],
    filter: &Filter,
    count: usize,
) -> Result<Vec<Hit>> {
    let (near, wanted) = (Half::Near(vector), Wanted::Passages(count));
    let mut passing = filter::passages(filter);
    if !except.is_empty() {
        let ids: Vec<String> = except.iter().map(ToString::to_string).collect();
        passing.must_not.push(Condition::matches(DOCUMENT, ids));
    }
    let found = near.ask(store, passing, wanted).await?;
    let mut documents = read::listed(store, found.iter().map(|found| &found.passage.document)).await?;
    let found = near.current(store, found, wanted, &mut documents).await?;
    let hit = |Found { score, passage, .. }: Found| {
        let document = documents.get(&passage.document)?.row.clone();
        Some(Hit { passage: Some(passage.row), ..Hit::near(document, score as f32) })
    };
    Ok(found.into_iter().filter_map(hit).collect())
}

/// See [`Store::passage_vector`](crate::publish::Store::passage_vector).
pub(super) async fn passage_vector(
    store: &QdrantStore,
    id: &DocumentId,
    number: u32,
) -> Result<Option<Vec<f32>>> {
    let Some(head) = read::head(store, id).await? else { return Ok(None) };
    let point = points::passage_id(id, number, &store.target.revision, &head.generation);
    let request = GetPointsBuilder::new(&store.target.passages, vec![point])
        .with_payload(false)
        .with_vectors(true)
        .build();
    let answer = store
        .connection
        .call(request, |client, request| async move { client.get_points(request).await })
        .await?;
    let vector = |point: ::qdrant_client::qdrant::RetrievedPoint| {
        point.vectors.and_then(read::vector_of).unwrap_or_default()
    };
    Ok(answer.result.into_iter().next().map(vector))
}

/// See [`Store::passages_near`](crate::publish::Store::passages_near).
pub(super) async fn passages_near(
    store: &QdrantStore,
    vector: &[f32],
    ids: &[DocumentId],
    most: usize,
) -> Result<Vec<Vec<Vectored>>> {
    if vector.is_empty() || ids.is_empty() || most == 0 {
        return Ok(vec![Vec::new(); ids.len()]);
    }
    let (near, wanted) = (Half::Near(vector), Wanted::Several(ids.len(), most));
    let mut documents = read::listed(store, ids).await?;
    let of: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let passing = Conditions::must([Condition::matches(DOCUMENT, of)]);
    let found = near.ask(store, passing, wanted).await?;
    let found = near.current(store, found, wanted, &mut documents).await?;
    let mut by_document: HashMap<DocumentId, Vec<Found>> = HashMap::new();
    for found in found {
        by_document.entry(found.passage.document.clone()).or_default().push(found);
    }
    let best = |id: &DocumentId| {
        let mut found = by_document.remove(id).unwrap_or_default();
        let number = |found: &Found| found.passage.row.number;
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| number(a).cmp(&number(b))));
        found.truncate(most);
        found.into_iter().map(|found| Vectored { row: found.passage.row, vector: found.vector }).collect()
    };
    Ok(ids.iter().map(best).collect())
}
