//! Who hears of what, and what is still to be told.

use super::Shared;
use super::params::Params;
use super::problem::{CONFLICT, NOT_FOUND, Problem, STALE};
use crate::notify::{Delivery, Draft, Listing, Refused, Subscription, WithSecret};
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

type Id = Result<Path<String>, PathRejection>;
type Given = Result<Json<Draft>, JsonRejection>;
type Answer<T> = Result<Json<T>, Problem>;

/// Subscriptions of a list.
#[derive(Serialize, JsonSchema)]
pub struct Subscribed {
    /// The oldest first.
    subscriptions: Vec<Subscription>,
}

/// Deliveries of a list.
#[derive(Serialize, JsonSchema)]
pub struct Deliveries {
    /// Those that wait, the soonest first; the dead, the latest first.
    deliveries: Vec<Delivery>,
    limit: usize,
    offset: usize,
}

/// How many are sent once more.
#[derive(Serialize, JsonSchema)]
pub struct Replayed {
    replayed: usize,
}

/// `GET /v1/subscriptions`
pub async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Subscribed> {
    Params::none(&uri)?;
    let subscriptions = shared.blocking(|api| Ok(api.notifier.list()?)).await?;
    Ok(Json(Subscribed { subscriptions }))
}

/// `POST /v1/subscriptions`
pub async fn create(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    body: Given,
) -> Result<(StatusCode, Json<WithSecret>), Problem> {
    Params::none(&uri)?;
    let draft = read(body)?;
    let made = shared.blocking(move |api| Ok(api.notifier.subscribe(draft)?)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `GET /v1/subscriptions/{id}`
pub async fn one(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Answer<Subscription> {
    Params::none(&uri)?;
    let id = key(id)?;
    shared.blocking(move |api| Ok(api.notifier.subscription(&id)?)).await.map(Json)
}

/// `PUT /v1/subscriptions/{id}`
pub async fn change(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    id: Id,
    body: Given,
) -> Answer<Subscription> {
    Params::none(&uri)?;
    let (id, draft) = (key(id)?, read(body)?);
    shared.blocking(move |api| Ok(api.notifier.change(&id, draft)?)).await.map(Json)
}

/// `DELETE /v1/subscriptions/{id}`
pub async fn delete(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Result<StatusCode, Problem> {
    Params::none(&uri)?;
    let id = key(id)?;
    shared.blocking(move |api| Ok(api.notifier.unsubscribe(&id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/subscriptions/{id}/secret`
pub async fn renew(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Answer<WithSecret> {
    Params::none(&uri)?;
    let id = key(id)?;
    shared.blocking(move |api| Ok(api.notifier.renew(&id)?)).await.map(Json)
}

/// `POST /v1/subscriptions/{id}/test`
pub async fn test(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    id: Id,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    Params::none(&uri)?;
    let id = key(id)?;
    let delivery = shared.blocking(move |api| Ok(api.notifier.test(&id)?)).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}

/// `POST /v1/subscriptions/{id}/replay`
pub async fn replay_all(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    id: Id,
) -> Result<(StatusCode, Json<Replayed>), Problem> {
    Params::none(&uri)?;
    let id = key(id)?;
    let replayed = shared.blocking(move |api| Ok(api.notifier.replay_all(&id)?)).await?;
    Ok((StatusCode::ACCEPTED, Json(Replayed { replayed })))
}

/// `GET /v1/deliveries`
pub async fn deliveries(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Deliveries> {
    let params = Params::parse(&uri, &[&["state", "subscription", "limit", "offset"]])?;
    let (limit, offset) = (params.limit()?, params.offset()?);
    let state = params
        .listed("state")
        .map(|text| text.parse().map_err(|e| Problem::bad(format!("query parameter `state`: {e}"))))
        .collect::<Result<_, _>>()?;
    let wanted = Listing { state, subscription: params.listed("subscription").map(str::to_owned).collect() };
    let find = move |api: &super::Api| Ok(api.notifier.deliveries(&wanted, limit, offset)?);
    let deliveries = shared.blocking(find).await?;
    Ok(Json(Deliveries { deliveries, limit, offset }))
}

/// `DELETE /v1/deliveries/{id}`
pub async fn discard(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Result<StatusCode, Problem> {
    Params::none(&uri)?;
    let id = key(id)?;
    shared.blocking(move |api| Ok(api.notifier.discard(&id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/deliveries/{id}/replay`
pub async fn replay(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    id: Id,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    Params::none(&uri)?;
    let id = key(id)?;
    let delivery = shared.blocking(move |api| Ok(api.notifier.replay(&id)?)).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}

fn read(body: Given) -> Result<Draft, Problem> {
    Ok(body.map(|Json(draft)| draft)?)
}

/// A key of a record: what else is in the path names nothing that there is.
fn key(id: Id) -> Result<String, Problem> {
    let Path(id) = id.map_err(|e| Problem::bad(e.body_text()))?;
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ok = (1..=100).contains(&id.len()) && id.chars().all(fine);
    ok.then_some(id).ok_or_else(|| Problem::bad("the id in the path has 1 to 100 letters, digits and _"))
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => Self::new(&NOT_FOUND, "there is nothing of that id")
                .with_remedy("GET /v1/subscriptions and GET /v1/deliveries list what there is"),
            Refused::Stale(version) => Self::new(&STALE, format!("its version is {version} by now"))
                .with_remedy("look at it again, then change what is there"),
            Refused::Wrong(what) => Self::bad(what),
            Refused::Full(what) => Self::new(&CONFLICT, what),
            Refused::Failed(error) => error.into(),
        }
    }
}
