//! The calls about points.

use super::state::{State, key, wrong};
use super::{Shared, ranking};
use ::qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use ::qdrant_client::qdrant::points_server::Points;
use ::qdrant_client::qdrant::points_update_operation::Operation;
use ::qdrant_client::qdrant::value::Kind;
use ::qdrant_client::qdrant::*;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// How long the server takes over a change that nobody waits for.
const UNAWAITED: Duration = Duration::from_millis(300);

type Answer<T> = Result<Response<T>, Status>;

macro_rules! refused {
    ($($method:ident: $request:ty => $answer:ty;)*) => {
        $(
            fn $method<'life0, 'async_trait>(
                &'life0 self,
                _: Request<$request>,
            ) -> std::pin::Pin<Box<dyn Future<Output = Answer<$answer>> + Send + 'async_trait>>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async { Err(Status::unimplemented(stringify!($method))) })
            }
        )*
    };
}

fn select(
    state: &mut State,
    collection: &str,
    selector: Option<PointsSelector>,
) -> Result<Vec<String>, Status> {
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(list)) => list.ids.iter().map(key).collect(),
        Some(PointsSelectorOneOf::Filter(filter)) => {
            state.collection(collection)?.passing(Some(&filter))?.iter().map(|point| key(&point.id)).collect()
        }
        None => Err(Status::invalid_argument("PointsSelector is missing")),
    }
}

fn remove(state: &mut State, collection: &str, selector: Option<PointsSelector>) -> Result<(), Status> {
    let keys = select(state, collection, selector)?;
    let collection = state.collection_mut(collection)?;
    for key in keys {
        collection.points.remove(&key);
    }
    Ok(())
}

fn apply(state: &mut State, collection: &str, operation: PointsUpdateOperation) -> Result<(), Status> {
    match operation.operation {
        Some(Operation::Upsert(list)) => {
            let filter = list.update_filter.as_ref();
            state.collection_mut(collection)?.upsert(list.points, filter, list.update_mode)
        }
        Some(Operation::DeletePoints(delete)) => remove(state, collection, delete.points),
        Some(Operation::SetPayload(set)) => {
            let keys = select(state, collection, set.points_selector)?;
            let collection = state.collection_mut(collection)?;
            for key in keys {
                if let Some(point) = collection.points.get_mut(&key) {
                    point.payload.extend(set.payload.clone());
                }
            }
            Ok(())
        }
        _ => Err(Status::unimplemented("this operation")),
    }
}

impl Shared {
    /// Makes a change: at once if somebody waits for it, else a little later.
    async fn change<Q: Send + 'static>(
        self: &Arc<Self>,
        method: &str,
        request: Request<Q>,
        wait: bool,
        work: impl FnOnce(&mut State, Q) -> Result<(), Status> + Send + 'static,
    ) -> Result<UpdateResult, Status> {
        let shared = Arc::clone(self);
        self.answer(method, request, move |state, request| {
            state.operations += 1;
            let operation_id = Some(state.operations);
            if wait {
                work(state, request)?;
                return Ok(UpdateResult { operation_id, status: UpdateStatus::Completed.into() });
            }
            tokio::spawn(async move {
                tokio::time::sleep(UNAWAITED).await;
                let _ = work(&mut shared.state(), request);
            });
            Ok(UpdateResult { operation_id, status: UpdateStatus::Acknowledged.into() })
        })
        .await
        .map(Response::into_inner)
    }
}

fn changed(result: UpdateResult) -> Response<PointsOperationResponse> {
    Response::new(PointsOperationResponse { result: Some(result), ..PointsOperationResponse::default() })
}

fn at_least_one(limit: u64) -> Result<usize, Status> {
    match limit {
        0 => Err(Status::invalid_argument(
            "Validation error in body: [limit: value 0 invalid, must be 1 or larger]",
        )),
        limit => Ok(usize::try_from(limit).unwrap()),
    }
}

#[tonic::async_trait]
impl Points for Served {
    async fn upsert(&self, request: Request<UpsertPoints>) -> Answer<PointsOperationResponse> {
        let wait = request.get_ref().wait.unwrap_or(false);
        let work = |state: &mut State, call: UpsertPoints| {
            let collection = state.collection_mut(&call.collection_name)?;
            collection.upsert(call.points, call.update_filter.as_ref(), call.update_mode)
        };
        self.0.change("Upsert", request, wait, work).await.map(changed)
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Answer<PointsOperationResponse> {
        let wait = request.get_ref().wait.unwrap_or(false);
        let work = |state: &mut State, call: DeletePoints| remove(state, &call.collection_name, call.points);
        self.0.change("Delete", request, wait, work).await.map(changed)
    }

    async fn update_batch(&self, request: Request<UpdateBatchPoints>) -> Answer<UpdateBatchResponse> {
        let wait = request.get_ref().wait.unwrap_or(false);
        let count = request.get_ref().operations.len();
        let work = |state: &mut State, call: UpdateBatchPoints| {
            let name = call.collection_name;
            call.operations.into_iter().try_for_each(|operation| apply(state, &name, operation))
        };
        let result = self.0.change("UpdateBatch", request, wait, work).await?;
        Ok(Response::new(UpdateBatchResponse {
            result: vec![result; count],
            ..UpdateBatchResponse::default()
        }))
    }

    async fn get(&self, request: Request<GetPoints>) -> Answer<GetResponse> {
        self.0
            .answer("Get", request, |state, call| {
                let collection = state.collection(&call.collection_name)?;
                let keys: Vec<String> = call.ids.iter().map(key).collect::<Result<_, _>>()?;
                let found = keys.iter().filter_map(|key| collection.points.get(key));
                let result = found.map(|point| {
                    let payload = point.payload(call.with_payload.as_ref(), true)?;
                    let vectors = point.vectors(call.with_vectors.as_ref());
                    Ok(RetrievedPoint {
                        id: Some(point.id.clone()),
                        payload,
                        vectors,
                        ..RetrievedPoint::default()
                    })
                });
                Ok(GetResponse { result: result.collect::<Result<_, Status>>()?, ..GetResponse::default() })
            })
            .await
    }

    async fn scroll(&self, request: Request<ScrollPoints>) -> Answer<ScrollResponse> {
        self.0.answer("Scroll", request, |state, call| scroll(state, &call)).await
    }

    async fn count(&self, request: Request<CountPoints>) -> Answer<CountResponse> {
        self.0
            .answer("Count", request, |state, call| {
                let count = state.collection(&call.collection_name)?.passing(call.filter.as_ref())?.len();
                // An estimate is allowed to be wrong, and here it is.
                let count = if call.exact.unwrap_or(true) { count } else { count * 2 + 1 };
                Ok(CountResponse {
                    result: Some(CountResult { count: count as u64 }),
                    ..CountResponse::default()
                })
            })
            .await
    }

    async fn query(&self, request: Request<QueryPoints>) -> Answer<QueryResponse> {
        self.0
            .answer("Query", request, |state, call| {
                let collection = state.collection(&call.collection_name)?;
                let limit = at_least_one(call.limit.unwrap_or(10))?;
                if !call.prefetch.is_empty() || call.offset.is_some() || call.score_threshold.is_some() {
                    return Err(Status::unimplemented("prefetch, offset and threshold"));
                }
                let found = ranking::nearest(collection, call.query, call.using, call.filter.as_ref())?;
                let result = found.into_iter().take(limit).map(|(score, point)| {
                    let payload = point.payload(call.with_payload.as_ref(), false)?;
                    let id = Some(point.id.clone());
                    Ok(ScoredPoint { id, payload, score, ..ScoredPoint::default() })
                });
                Ok(QueryResponse {
                    result: result.collect::<Result<_, Status>>()?,
                    ..QueryResponse::default()
                })
            })
            .await
    }

    async fn query_groups(&self, request: Request<QueryPointGroups>) -> Answer<QueryGroupsResponse> {
        self.0.answer("QueryGroups", request, query_groups).await
    }

    async fn create_field_index(
        &self,
        request: Request<CreateFieldIndexCollection>,
    ) -> Answer<PointsOperationResponse> {
        let wait = request.get_ref().wait.unwrap_or(false);
        let work = |state: &mut State, call: CreateFieldIndexCollection| {
            let Some(kind) = call.field_type else {
                return Err(Status::invalid_argument("field type is missing"));
            };
            state.collection_mut(&call.collection_name)?.indexes.insert(call.field_name, kind);
            Ok(())
        };
        self.0.change("CreateFieldIndex", request, wait, work).await.map(changed)
    }

    async fn facet(&self, request: Request<FacetCounts>) -> Answer<FacetResponse> {
        self.0.answer("Facet", request, |state, call| facet(state, &call)).await
    }

    refused! {
        update_vectors: UpdatePointVectors => PointsOperationResponse;
        delete_vectors: DeletePointVectors => PointsOperationResponse;
        set_payload: SetPayloadPoints => PointsOperationResponse;
        overwrite_payload: SetPayloadPoints => PointsOperationResponse;
        delete_payload: DeletePayloadPoints => PointsOperationResponse;
        clear_payload: ClearPayloadPoints => PointsOperationResponse;
        delete_field_index: DeleteFieldIndexCollection => PointsOperationResponse;
        create_vector_name: CreateVectorNameRequest => PointsOperationResponse;
        delete_vector_name: DeleteVectorNameRequest => PointsOperationResponse;
        search: SearchPoints => SearchResponse;
        search_batch: SearchBatchPoints => SearchBatchResponse;
        search_groups: SearchPointGroups => SearchGroupsResponse;
        recommend: RecommendPoints => RecommendResponse;
        recommend_batch: RecommendBatchPoints => RecommendBatchResponse;
        recommend_groups: RecommendPointGroups => RecommendGroupsResponse;
        discover: DiscoverPoints => DiscoverResponse;
        discover_batch: DiscoverBatchPoints => DiscoverBatchResponse;
        query_batch: QueryBatchPoints => QueryBatchResponse;
        search_matrix_pairs: SearchMatrixPoints => SearchMatrixPairsResponse;
        search_matrix_offsets: SearchMatrixPoints => SearchMatrixOffsetsResponse;
    }
}

/// Counts values of a key with an index for keywords, as the server demands.
fn facet(state: &State, call: &FacetCounts) -> Result<FacetResponse, Status> {
    let collection = state.collection(&call.collection_name)?;
    if collection.indexes.get(&call.key) != Some(&FieldType::Keyword.into()) {
        return Err(Status::invalid_argument(format!("Index required but not found for {}", call.key)));
    }
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    for point in collection.passing(call.filter.as_ref())? {
        for value in super::conditions::values(&point.payload, &call.key) {
            if let Some(text) = value.as_str() {
                *counts.entry(text.to_string()).or_default() += 1;
            }
        }
    }
    let mut hits: Vec<(String, u64)> = counts.into_iter().collect();
    hits.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    hits.truncate(at_least_one(call.limit.unwrap_or(10))?);
    let hit = |(text, count)| FacetHit {
        value: Some(FacetValue { variant: Some(facet_value::Variant::StringValue(text)) }),
        count,
    };
    Ok(FacetResponse { hits: hits.into_iter().map(hit).collect(), ..FacetResponse::default() })
}

fn scroll(state: &State, call: &ScrollPoints) -> Result<ScrollResponse, Status> {
    let collection = state.collection(&call.collection_name)?;
    let limit = at_least_one(u64::from(call.limit.unwrap_or(10)))?;
    let mut points = collection.passing(call.filter.as_ref())?;
    if let Some(order) = &call.order_by {
        if call.offset.is_some() {
            return Err(wrong(
                "Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from`",
            ));
        }
        points = ranking::ordered(collection, order, points)?;
    } else if let Some(offset) = &call.offset {
        let from = key(offset)?;
        points.retain(|point| key(&point.id).is_ok_and(|key| key >= from));
    }
    let next = points.get(limit).filter(|_| call.order_by.is_none()).map(|point| point.id.clone());
    let result = points.into_iter().take(limit).map(|point| {
        let payload = point.payload(call.with_payload.as_ref(), true)?;
        let vectors = point.vectors(call.with_vectors.as_ref());
        Ok(RetrievedPoint { id: Some(point.id.clone()), payload, vectors, ..RetrievedPoint::default() })
    });
    let result = result.collect::<Result<_, Status>>()?;
    Ok(ScrollResponse { next_page_offset: next, result, ..ScrollResponse::default() })
}

fn query_groups(state: &mut State, call: QueryPointGroups) -> Result<QueryGroupsResponse, Status> {
    let collection = state.collection(&call.collection_name)?;
    let limit = at_least_one(call.limit.unwrap_or(3))?;
    let size = at_least_one(call.group_size.unwrap_or(3))?;
    if !call.prefetch.is_empty() || call.with_lookup.is_some() || call.score_threshold.is_some() {
        return Err(Status::unimplemented("prefetch, lookup and threshold"));
    }
    let mut groups: Vec<PointGroup> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (score, point) in ranking::nearest(collection, call.query, call.using, call.filter.as_ref())? {
        let kind = match point.payload.get(&call.group_by).and_then(|value| value.kind.as_ref()) {
            Some(Kind::StringValue(text)) => group_id::Kind::StringValue(text.clone()),
            Some(Kind::IntegerValue(number)) => group_id::Kind::IntegerValue(*number),
            _ => continue,
        };
        let place = *places.entry(format!("{kind:?}")).or_insert_with(|| {
            groups.push(PointGroup { id: Some(GroupId { kind: Some(kind) }), ..PointGroup::default() });
            groups.len() - 1
        });
        if place < limit && groups[place].hits.len() < size {
            let payload = point.payload(call.with_payload.as_ref(), false)?;
            let (id, vectors) = (Some(point.id.clone()), point.vectors(call.with_vectors.as_ref()));
            groups[place].hits.push(ScoredPoint { id, payload, score, vectors, ..ScoredPoint::default() });
        }
    }
    groups.truncate(limit);
    Ok(QueryGroupsResponse { result: Some(GroupsResult { groups }), ..QueryGroupsResponse::default() })
}

/// What the traits of the server are made for: a change may outlive its call.
pub struct Served(pub Arc<Shared>);
