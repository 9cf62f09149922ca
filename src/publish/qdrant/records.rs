//! Records as points beside those of documents; and what changes of a document whose text
//! stays.
//!
//! Qdrant has no transactions, but an update that it makes only where a filter lets the present
//! point pass: the version before. Whether it was made shows what is there afterwards.

use super::points::{
    self, RECORD_BODY, RECORD_CHANGE, RECORD_DOCUMENT, RECORD_GROUP, RECORD_RANK, RECORD_STATE, SHA256,
    VERSION,
};
use super::read::{self, Ordered};
use super::{QdrantStore, filter, write};
use crate::document::Document;
use crate::error::Result;
use crate::publish::{Record, Selection, Shelf};
use ::qdrant_client::Payload;
use ::qdrant_client::qdrant::points_update_operation::{Operation, PointStructList, SetPayload};
use ::qdrant_client::qdrant::{
    Condition, Direction, Filter as Conditions, PointId, PointsSelector, PointsUpdateOperation, Range,
    RetrievedPoint, ScrollPointsBuilder, UpdateBatchPointsBuilder, points_selector,
};
use uuid::Uuid;

/// Records that are read at a time where all are gone through.
const PAGE: u32 = 500;

const KEYS: [&str; 6] = ["id", VERSION, RECORD_STATE, RECORD_GROUP, RECORD_RANK, RECORD_BODY];

/// See [`Records::record`](crate::publish::Records::record).
pub(super) async fn record(store: &QdrantStore, shelf: Shelf, key: &str) -> Result<Option<Record>> {
    let found = read::point(store, points::record_id(shelf, key), &KEYS).await?;
    found.map(|point| parse(shelf, point)).transpose()
}

fn parse(shelf: Shelf, point: RetrievedPoint) -> Result<Record> {
    #[derive(serde::Deserialize)]
    struct Stored {
        id: String,
        version: u64,
        record_state: String,
        record_group: String,
        record_rank: i64,
        record: serde_json::Value,
    }
    let stored: Stored = points::parse(point.payload)?;
    Ok(Record {
        shelf,
        key: stored.id,
        version: stored.version,
        state: stored.record_state,
        group: stored.record_group,
        rank: stored.record_rank,
        body: stored.record,
    })
}

/// See [`Records::put_record`](crate::publish::Records::put_record).
pub(super) async fn put(store: &QdrantStore, record: &Record) -> Result<bool> {
    let id = points::record_id(record.shelf, &record.key);
    let before = record.version.saturating_sub(1);
    // A point that is not there is written whatever the filter says.
    if before > 0 && read::point(store, id.clone(), &["id"]).await?.is_none() {
        return Ok(false);
    }
    let change = Uuid::new_v4().simple().to_string();
    let version = Range { gte: Some(before as f64), lte: Some(before as f64), ..Range::default() };
    let upsert = Operation::Upsert(PointStructList {
        points: vec![points::record(record, &change)],
        update_filter: Some(Conditions::must([Condition::range(VERSION, version)])),
        ..PointStructList::default()
    });
    write::change(store, vec![upsert]).await?;
    let now = read::point(store, id, &[RECORD_CHANGE]).await?;
    let whose: Option<String> = now.map(|point| points::field(point.payload, RECORD_CHANGE)).transpose()?;
    Ok(whose.as_deref() == Some(&change))
}

impl QdrantStore {
    /// Writes records as they are, in the place of any version.
    pub(super) fn copy_records(&self, records: Vec<Record>) -> Result<()> {
        let change = Uuid::new_v4().simple().to_string();
        for chunk in records.chunks(self.chunk_points) {
            let points = chunk.iter().map(|record| points::record(record, &change)).collect();
            let upsert = Operation::Upsert(PointStructList { points, ..PointStructList::default() });
            self.change(write::change(self, vec![upsert]))?;
        }
        Ok(())
    }
}

/// See [`Records::remove_record`](crate::publish::Records::remove_record).
pub(super) async fn remove(store: &QdrantStore, shelf: Shelf, key: &str) -> Result<bool> {
    let id = points::record_id(shelf, key);
    if read::point(store, id.clone(), &["id"]).await?.is_none() {
        return Ok(false);
    }
    write::change(store, vec![write::delete_points(vec![id])]).await?;
    Ok(true)
}

/// See [`Records::records`](crate::publish::Records::records).
pub(super) async fn list(
    store: &QdrantStore,
    shelf: Shelf,
    selection: &Selection,
    limit: usize,
    offset: usize,
) -> Result<Vec<Record>> {
    let filter = selected(shelf, selection);
    let order = Ordered { key: RECORD_RANK, keys: &KEYS, filter, direction: Direction::Desc };
    order.take(store, limit, offset, |point| parse(shelf, point), |record: &Record| record.key.as_str()).await
}

/// Records in the order of their points, from one on, and where the next ones are.
pub(super) async fn page(
    store: &QdrantStore,
    shelf: Shelf,
    selection: &Selection,
    from: Option<PointId>,
) -> Result<(Vec<Record>, Option<PointId>)> {
    let mut request = ScrollPointsBuilder::new(&store.target.documents)
        .filter(selected(shelf, selection))
        .limit(PAGE)
        .with_payload(points::include(&KEYS))
        .with_vectors(false);
    if let Some(from) = from {
        request = request.offset(from);
    }
    let answer = store
        .connection
        .call(request.build(), |client, request| async move { client.scroll(request).await })
        .await?;
    let records = answer.result.into_iter().map(|point| parse(shelf, point)).collect::<Result<_>>()?;
    Ok((records, answer.next_page_offset))
}

/// See [`Records::count_records`](crate::publish::Records::count_records).
pub(super) async fn count(store: &QdrantStore, shelf: Shelf, selection: &Selection) -> Result<usize> {
    read::count(store, &store.target.documents, selected(shelf, selection)).await
}

fn selected(shelf: Shelf, selection: &Selection) -> Conditions {
    let mut filter = filter::state(shelf.as_str());
    let lists = [
        (RECORD_STATE, &selection.state),
        (RECORD_GROUP, &selection.group),
        (RECORD_DOCUMENT, &selection.document),
    ];
    for (key, list) in lists {
        if !list.is_empty() {
            filter.must.push(Condition::matches(key, list.clone()));
        }
    }
    filter
}

/// See [`Store::amend`](crate::publish::Store::amend).
pub(super) async fn amend(store: &QdrantStore, document: &Document) -> Result<bool> {
    let Some(head) = read::head(store, &document.id).await? else { return Ok(false) };
    if head.sha256 != document.sha256 {
        return Ok(false);
    }
    // Whatever comes between is other content, which the filter leaves alone.
    let own = Conditions::must([
        Condition::has_id([store.document_id(&document.id)]),
        Condition::matches(SHA256, document.sha256.clone()),
    ]);
    write::change(store, vec![set(points::payload(document)?, own)]).await?;
    let passages = filter::of_generation(&document.id, &head.generation);
    let operation = PointsUpdateOperation { operation: Some(set(points::shared(document), passages)) };
    let request = UpdateBatchPointsBuilder::new(&store.target.passages, vec![operation]).wait(true).build();
    store
        .connection
        .call(request, |client, request| async move { client.update_points_batch(request).await })
        .await?;
    Ok(true)
}

fn set(payload: serde_json::Map<String, serde_json::Value>, which: Conditions) -> Operation {
    let selector = points_selector::PointsSelectorOneOf::Filter(which);
    Operation::SetPayload(SetPayload {
        payload: Payload::from(payload).into(),
        points_selector: Some(PointsSelector { points_selector_one_of: Some(selector) }),
        ..SetPayload::default()
    })
}
