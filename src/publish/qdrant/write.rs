//! Every change to the store.
//!
//! A document is several points in two collections, and Qdrant has no transactions. What holds is:
//! *the document's point says which generation of passages counts*, and readers go by it.
//!
//! 1. The passages of the new generation are written. Their ids are their own, so that those of the
//!    present generation stay as they are; nothing points at the new ones yet.
//! 2. The document's point is written: at this moment, and at once, the new generation counts. The
//!    server does so only if what is there is earlier or the same content, so that of two workers
//!    that have the same document the later version wins, whoever comes last.
//! 3. Passages that do not count any more are deleted, those of later versions excepted: another
//!    worker may be between 1 and 2 with them.
//!
//! A crash between 1 and 2 leaves passages that nothing points at; between 2 and 3, ones that
//! nothing points at any more. Doing it again writes the same ids and deletes the rest. What need not
//! be done again, since it or a later version is stored, is cleared of such passages as well. Deletion
//! goes the other way round: the document's point first, then its passages.

use super::points;
use super::{QdrantStore, failure, filter, read};
use crate::document::{Document, DocumentId};
use crate::error::{Class, Error, Result, Stage};
use crate::publish::characters::Characters;
use crate::publish::{DeadLetter, Shelf, Standing};
use ::qdrant_client::qdrant::points_update_operation::{DeletePoints, Operation, PointStructList};
use ::qdrant_client::qdrant::{
    DeletePointsBuilder, Filter as Conditions, GetPointsBuilder, PointId, PointStruct, PointsIdsList,
    PointsSelector, PointsUpdateOperation, UpdateBatchPointsBuilder, UpsertPointsBuilder, points_selector,
};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

/// See [`Store::standing`](crate::publish::Store::standing).
///
/// Whoever asks and is told that nothing is to be done settles the record: passages that a worker left
/// which died over it would never be looked at again. So they are deleted here.
pub(super) async fn standing(
    store: &QdrantStore,
    id: &DocumentId,
    sha256: &str,
    version: i64,
    models: &BTreeMap<String, String>,
) -> Result<Standing> {
    let Some(head) = read::head(store, id).await? else { return Ok(Standing::Outdated) };
    let standing = Standing::of((&head.sha256, head.version, &head.models), (sha256, version, models));
    if standing != Standing::Outdated && store.writable {
        clear(store, id, &head).await?;
    }
    Ok(standing)
}

/// Deletes passages that do not count beside what is stored; those of later versions may yet.
async fn clear(store: &QdrantStore, id: &DocumentId, head: &read::Head) -> Result<()> {
    delete_passages(store, filter::stale(id, head.version, &head.generation, usize::MAX)).await
}

/// See [`Store::put`](crate::publish::Store::put).
pub(super) async fn put(store: &QdrantStore, document: &Document) -> Result<()> {
    check(document, store.target.dimension)?;
    let before = read::head(store, &document.id).await?;
    if let Some(head) = &before
        && head.sha256 != document.sha256
        && head.version > document.version
    {
        return clear(store, &document.id, head).await;
    }
    let generation = points::generation(document);
    put_passages(store, document, &generation).await?;
    store.pass("put-passages");
    // The same content may be stored with a later version: its passages are ours to replace.
    let version = before.map_or(document.version, |head| head.version.max(document.version));
    commit(store, document, &generation, version).await
}

/// Lets the new generation count, and clears away those up to `version` that do not any more.
pub(super) async fn commit(
    store: &QdrantStore,
    document: &Document,
    generation: &str,
    version: i64,
) -> Result<()> {
    put_document(store, document, generation).await?;
    store.pass("put-document");
    let now = read::head(store, &document.id).await?;
    let unwanted = match now {
        Some(now) if now.generation == generation => {
            filter::stale(&document.id, version, generation, document.passages.len())
        }
        // A later version, or a deletion, came between.
        _ => filter::of_generation(&document.id, generation),
    };
    delete_passages(store, unwanted).await
}

/// Writes the passages, several chunks at the same time.
pub(super) async fn put_passages(store: &QdrantStore, document: &Document, generation: &str) -> Result<()> {
    let characters = Characters::new(&document.text);
    let mut running = JoinSet::new();
    for chunk in document.passages.chunks(store.chunk_points) {
        if running.len() >= store.parallel
            && let Some(done) = running.join_next().await
        {
            finished(done)?;
        }
        let revision = &store.target.revision;
        let point = |passage: &crate::document::Passage| {
            let text = characters.slice(passage.start, passage.end);
            points::passage(document, passage, text, revision, generation)
        };
        let points: Vec<PointStruct> = chunk.iter().map(point).collect();
        let request = UpsertPointsBuilder::new(&store.target.passages, points).wait(true).build();
        let connection = store.connection.clone();
        running.spawn(async move {
            connection
                .call(request, |client, request| async move { client.upsert_points(request).await })
                .await
                .map(|_| ())
        });
    }
    while let Some(done) = running.join_next().await {
        finished(done)?;
    }
    Ok(())
}

fn finished(done: Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    done.map_err(|error| Error::retry(Stage::Publish, Class::Internal, error))?
}

/// Writes the document's point, unless other content of a later version is there, and clears its
/// dead letter.
async fn put_document(store: &QdrantStore, document: &Document, generation: &str) -> Result<()> {
    let upsert = Operation::Upsert(PointStructList {
        points: vec![points::document(document, &store.target.revision, generation)?],
        update_filter: Some(filter::replaceable(document.version, &document.sha256)),
        ..PointStructList::default()
    });
    change(store, vec![upsert, delete_points(vec![points::dead_id(&document.id)])]).await
}

/// See [`Store::delete`](crate::publish::Store::delete).
pub(super) async fn delete(store: &QdrantStore, id: &DocumentId) -> Result<bool> {
    let review = points::record_id(Shelf::Review, id.as_str());
    let ids = vec![store.document_id(id), points::dead_id(id), review];
    let request = GetPointsBuilder::new(&store.target.documents, ids.clone()).with_payload(false).build();
    let found = store
        .connection
        .call(request, |client, request| async move { client.get_points(request).await })
        .await?;
    let passages = read::count(store, &store.target.passages, filter::of_document(id)).await?;
    if found.result.is_empty() && passages == 0 {
        return Ok(false);
    }
    change(store, vec![delete_points(ids)]).await?;
    delete_passages(store, filter::of_document(id)).await?;
    Ok(true)
}

/// See [`Store::put_dead`](crate::publish::Store::put_dead).
pub(super) async fn put_dead(store: &QdrantStore, letter: &DeadLetter) -> Result<()> {
    let points = vec![points::dead(letter)?];
    change(store, vec![Operation::Upsert(PointStructList { points, ..PointStructList::default() })]).await
}

pub(super) fn delete_points(ids: Vec<PointId>) -> Operation {
    let selector = points_selector::PointsSelectorOneOf::Points(PointsIdsList { ids });
    let points = Some(PointsSelector { points_selector_one_of: Some(selector) });
    Operation::DeletePoints(DeletePoints { points, ..DeletePoints::default() })
}

/// Changes the collection of documents, in this order; all of it is applied when this returns.
pub(super) async fn change(store: &QdrantStore, operations: Vec<Operation>) -> Result<()> {
    let operations: Vec<PointsUpdateOperation> =
        operations.into_iter().map(|o| PointsUpdateOperation { operation: Some(o) }).collect();
    let request = UpdateBatchPointsBuilder::new(&store.target.documents, operations).wait(true).build();
    store
        .connection
        .call(request, |client, request| async move { client.update_points_batch(request).await })
        .await?;
    Ok(())
}

async fn delete_passages(store: &QdrantStore, filter: Conditions) -> Result<()> {
    let request = DeletePointsBuilder::new(&store.target.passages).points(filter).wait(true).build();
    store
        .connection
        .call(request, |client, request| async move { client.delete_points(request).await })
        .await?;
    Ok(())
}

/// Whether its vectors can be stored.
fn check(document: &Document, dimension: usize) -> Result<()> {
    let vectors = document.passages.iter().map(|passage| &passage.vector).chain([&document.vector]);
    for vector in vectors.filter(|vector| !vector.is_empty()) {
        check_one(vector, dimension)?;
    }
    Ok(())
}

/// Whether a vector fits. A number that is none is not fatal: it is one document's misfortune.
pub(super) fn check_one(vector: &[f32], dimension: usize) -> Result<()> {
    if vector.len() != dimension {
        return Err(failure::misconfigured(
            format_args!("vectors of {} dimensions do not fit a store with {dimension}", vector.len()),
            "configure the embedding model that the store was filled with, or run `quire reindex`",
        ));
    }
    if vector.iter().any(|x| !x.is_finite()) {
        let reason = "a vector holds a value that is not finite";
        return Err(Error::retry(Stage::Publish, Class::Internal, reason));
    }
    Ok(())
}
