//! Everything that is looked up rather than ranked.

use super::points::{
    self, DENSE, FAILED_US, GENERATION, INGESTED_AT, INGESTED_US, LETTER, MODELS, RELATED, RELATIONS, RESULT,
    ROW, SHA256, STATE_DEAD, STATE_UNDERSTOOD, VERSION,
};
use super::{QdrantStore, filter};
use crate::document::{DeadLetter, Document, DocumentId, Relation};
use crate::error::Result;
use crate::publish::{Counts, DocumentRow, Filter, Link, Place, Related};
use ::qdrant_client::qdrant::{
    Condition, CountPointsBuilder, Direction, Filter as Conditions, GetPointsBuilder, OrderBy, PointId,
    RetrievedPoint, ScrollPointsBuilder, StartFrom, VectorsOutput, start_from, vector_output,
};
use std::collections::{BTreeMap, HashMap};

/// Points that one call of a list returns at most: their rows are small.
const PAGE: u32 = 1000;

/// Points that one call returns with their vectors: some kilobytes each.
const VECTORS: usize = 100;

/// What decides how a stored document stands to another.
#[derive(Debug, Clone, serde::Deserialize)]
pub(super) struct Head {
    pub sha256: String,
    pub version: i64,
    pub models: BTreeMap<String, String>,
    pub generation: String,
}

/// A stored document, as a search needs it.
#[derive(Debug, Clone, serde::Deserialize)]
pub(super) struct Listed {
    pub generation: String,
    #[serde(flatten)]
    pub row: DocumentRow,
}

/// What a stored document was found to be much like.
#[derive(serde::Deserialize)]
struct Stored {
    #[serde(flatten)]
    place: Place,
    related: Vec<Link>,
}

/// The points of these ids that there are, with some fields of their payloads.
async fn points(store: &QdrantStore, ids: Vec<PointId>, keys: &[&str]) -> Result<Vec<RetrievedPoint>> {
    let request =
        GetPointsBuilder::new(&store.target.documents, ids).with_payload(points::include(keys)).build();
    Ok(store
        .connection
        .call(request, |client, request| async move { client.get_points(request).await })
        .await?
        .result)
}

pub(super) async fn point(store: &QdrantStore, id: PointId, keys: &[&str]) -> Result<Option<RetrievedPoint>> {
    Ok(points(store, vec![id], keys).await?.pop())
}

/// See [`Store::get`](crate::publish::Store::get).
pub(super) async fn get(store: &QdrantStore, id: &DocumentId) -> Result<Option<Document>> {
    let found = point(store, store.document_id(id), &[RESULT]).await?;
    found.map(|point| points::field(point.payload, RESULT)).transpose()
}

/// How the stored document of that id stands, if there is one.
pub(super) async fn head(store: &QdrantStore, id: &DocumentId) -> Result<Option<Head>> {
    let found = point(store, store.document_id(id), &[SHA256, VERSION, MODELS, GENERATION]).await?;
    found.map(|point| points::parse(point.payload)).transpose()
}

/// Lines about these documents, where they are stored, in chunks.
pub(super) async fn listed(
    store: &QdrantStore,
    ids: impl IntoIterator<Item = &DocumentId>,
) -> Result<HashMap<DocumentId, Listed>> {
    let ids: Vec<PointId> = ids.into_iter().map(|id| store.document_id(id)).collect();
    let keys: Vec<&str> = ROW.iter().copied().chain([GENERATION]).collect();
    let mut all = HashMap::new();
    for chunk in ids.chunks(PAGE as usize) {
        for point in points(store, chunk.to_vec(), &keys).await? {
            let listed: Listed = points::parse(point.payload)?;
            all.insert(listed.row.id.clone(), listed);
        }
    }
    Ok(all)
}

/// See [`Store::rows_of`](crate::publish::Store::rows_of).
pub(super) async fn rows_of(store: &QdrantStore, ids: &[DocumentId]) -> Result<Vec<Option<DocumentRow>>> {
    let found = listed(store, ids).await?;
    Ok(ids.iter().map(|id| found.get(id).map(|listed| listed.row.clone())).collect())
}

/// See [`Store::vectors_of`](crate::publish::Store::vectors_of).
pub(super) async fn vectors_of(store: &QdrantStore, ids: &[DocumentId]) -> Result<Vec<Option<Vec<f32>>>> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(VECTORS) {
        let points: Vec<PointId> = chunk.iter().map(|id| store.document_id(id)).collect();
        let request = GetPointsBuilder::new(&store.target.documents, points)
            .with_payload(points::include(&["id"]))
            .with_vectors(true)
            .build();
        let answer = store
            .connection
            .call(request, |client, request| async move { client.get_points(request).await })
            .await?;
        for mut point in answer.result {
            let id: DocumentId = points::field(std::mem::take(&mut point.payload), "id")?;
            found.insert(id, point.vectors.and_then(vector_of).unwrap_or_default());
        }
    }
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

/// The dense vector of a point, if it has one.
pub(super) fn vector_of(vectors: VectorsOutput) -> Option<Vec<f32>> {
    match vectors.get_vector_by_name(DENSE)? {
        vector_output::Vector::Dense(dense) => Some(dense.data),
        _ => None,
    }
}

/// See [`Store::dead`](crate::publish::Store::dead).
pub(super) async fn dead(store: &QdrantStore, id: &DocumentId) -> Result<Option<DeadLetter>> {
    let found = point(store, points::dead_id(id), &[LETTER]).await?;
    found.map(|point| points::field(point.payload, LETTER)).transpose()
}

/// See [`Store::dead_letters`](crate::publish::Store::dead_letters).
pub(super) async fn dead_letters(store: &QdrantStore, limit: usize) -> Result<Vec<DeadLetter>> {
    let newest = Ordered {
        key: FAILED_US,
        keys: &[LETTER, FAILED_US],
        filter: filter::state(STATE_DEAD),
        direction: Direction::Desc,
    };
    let read = |point: RetrievedPoint| points::field::<DeadLetter>(point.payload, LETTER);
    newest.take(store, limit, 0, read, |letter| letter.id.as_str()).await
}

/// See [`Store::list`](crate::publish::Store::list).
pub(super) async fn list(
    store: &QdrantStore,
    filter: &Filter,
    limit: usize,
    offset: usize,
) -> Result<Vec<DocumentRow>> {
    let keys: Vec<&str> = ROW.iter().copied().chain([INGESTED_US]).collect();
    let filter = filter::documents(filter);
    let newest = Ordered { key: INGESTED_US, keys: &keys, filter, direction: Direction::Desc };
    newest
        .take(store, limit, offset, |point| points::parse(point.payload), |row: &DocumentRow| row.id.as_str())
        .await
}

/// See [`Store::walk`](crate::publish::Store::walk).
pub(super) async fn walk(
    store: &QdrantStore,
    filter: &Filter,
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<DocumentRow>> {
    let keys: Vec<&str> = ROW.iter().copied().chain([INGESTED_US]).collect();
    let filter = filter::documents(&from(filter, after));
    let read = |point: RetrievedPoint| points::parse(point.payload);
    oldest(store, filter, &keys, (after, limit), read, |row: &DocumentRow| &row.id).await
}

/// See [`Store::related`](crate::publish::Store::related).
pub(super) async fn related(
    store: &QdrantStore,
    filter: &Filter,
    relations: &[Relation],
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<Related>> {
    let mut filter = filter::documents(&from(filter, after));
    let names: Vec<String> = relations.iter().map(Relation::to_string).collect();
    filter.must.push(Condition::matches(RELATIONS, names));
    let read = |point: RetrievedPoint| {
        let Stored { place, related: mut links } = points::parse(point.payload)?;
        links.retain(|link| relations.contains(&link.relation));
        Ok(Related { place, links })
    };
    let keys = ["id", INGESTED_AT, INGESTED_US, RELATED];
    oldest(store, filter, &keys, (after, limit), read, |related: &Related| &related.place.id).await
}

/// A filter that lets pass only what may come after a place of a walk.
fn from(filter: &Filter, after: Option<&Place>) -> Filter {
    let since = filter.since.max(after.map(|place| place.ingested_at));
    Filter { since, ..filter.clone() }
}

/// The first items after a place of a walk.
async fn oldest<T>(
    store: &QdrantStore,
    filter: Conditions,
    keys: &[&str],
    (after, limit): (Option<&Place>, usize),
    read: impl Fn(RetrievedPoint) -> Result<T>,
    id: impl Fn(&T) -> &DocumentId,
) -> Result<Vec<T>> {
    let oldest = Ordered { key: INGESTED_US, keys, filter, direction: Direction::Asc };
    // Those of the same moment that were given already come again; there are few.
    let mut wanted = limit.saturating_add(1);
    loop {
        let mut items = oldest.first(store, wanted, &read).await?;
        let complete = items.len() < wanted;
        items.retain(|(micros, item)| after.is_none_or(|place| place.is_before(*micros, id(item))));
        if complete || items.len() >= limit {
            items.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| id(&b.1).cmp(id(&a.1))));
            return Ok(items.into_iter().take(limit).map(|(_, item)| item).collect());
        }
        wanted = wanted.saturating_mul(2);
    }
}

/// See [`Store::counts`](crate::publish::Store::counts).
pub(super) async fn counts(store: &QdrantStore) -> Result<Counts> {
    let target = &store.target;
    let (documents, passages, dead) = tokio::try_join!(
        count(store, &target.documents, filter::state(STATE_UNDERSTOOD)),
        count(store, &target.passages, Conditions::default()),
        count(store, &target.documents, filter::state(STATE_DEAD)),
    )?;
    Ok(Counts { documents, passages, dead })
}

/// How many points pass, exactly.
pub(super) async fn count(store: &QdrantStore, collection: &str, filter: Conditions) -> Result<usize> {
    let request = CountPointsBuilder::new(collection).filter(filter).exact(true).build();
    let answer =
        store.connection.call(request, |client, request| async move { client.count(request).await }).await?;
    Ok(answer.result.map_or(0, |result| usize::try_from(result.count).unwrap_or(usize::MAX)))
}

/// Points in the order of a number in their payload.
pub(super) struct Ordered<'q> {
    pub key: &'q str,
    pub keys: &'q [&'q str],
    pub filter: Conditions,
    pub direction: Direction,
}

impl Ordered<'_> {
    /// Items `offset..offset + limit` of the falling order, those with equal numbers by document id.
    pub(super) async fn take<T>(
        &self,
        store: &QdrantStore,
        limit: usize,
        offset: usize,
        read: impl Fn(RetrievedPoint) -> Result<T>,
        id: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut items = self.first(store, limit.saturating_add(offset), read).await?;
        items.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| id(&a.1).cmp(id(&b.1))));
        Ok(items.into_iter().skip(offset).take(limit).map(|(_, item)| item).collect())
    }

    /// The first `wanted` items of that order with all that are equal to the last of them, each with
    /// its number.
    ///
    /// The server orders by the number alone and knows no offsets there. So pages are read from the
    /// top, each from where the last one ended, until the last item wanted and all its equals are in.
    async fn first<T>(
        &self,
        store: &QdrantStore,
        wanted: usize,
        read: impl Fn(RetrievedPoint) -> Result<T>,
    ) -> Result<Vec<(i64, T)>> {
        let mut items: Vec<(i64, T)> = Vec::new();
        // The points with the last number: the next page begins with that number too.
        let mut last: Option<(i64, Vec<PointId>)> = None;
        loop {
            let size = u32::try_from(wanted.saturating_add(1)).unwrap_or(PAGE).clamp(64, PAGE);
            let page = self.page(store, last.as_ref(), size).await?;
            let complete = page.len() < size as usize;
            for point in page {
                let number = point.payload.get(self.key).and_then(|value| value.as_integer()).unwrap_or(0);
                let equals = last.get_or_insert((number, Vec::new()));
                if equals.0 != number {
                    *equals = (number, Vec::new());
                }
                equals.1.extend(point.id.clone());
                items.push((number, read(point)?));
            }
            let boundary = wanted.checked_sub(1).and_then(|at| items.get(at)).map(|item| item.0);
            let beyond = items.last().map(|item| item.0) != boundary;
            if complete || (boundary.is_some() && beyond) {
                break;
            }
        }
        Ok(items)
    }

    async fn page(
        &self,
        store: &QdrantStore,
        from: Option<&(i64, Vec<PointId>)>,
        size: u32,
    ) -> Result<Vec<RetrievedPoint>> {
        let mut filter = self.filter.clone();
        let mut order = OrderBy { key: self.key.to_owned(), ..OrderBy::default() };
        order.set_direction(self.direction);
        if let Some((number, seen)) = from {
            filter.must_not.push(Condition::has_id(seen.iter().cloned()));
            order.start_from = Some(StartFrom { value: Some(start_from::Value::Integer(*number)) });
        }
        let request = ScrollPointsBuilder::new(&store.target.documents)
            .filter(filter)
            .order_by(order)
            .limit(size)
            .with_payload(points::include(self.keys))
            .with_vectors(false)
            .build();
        Ok(store
            .connection
            .call(request, |client, request| async move { client.scroll(request).await })
            .await?
            .result)
    }
}
