//! For operators: the settings, dead letters, pausing.

use super::documents::unknown;
use super::params::{Params, path_id};
use super::problem::Problem;
use super::{Api, Shared};
use crate::document::DeadLetter;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;

type Id = Result<Path<String>, PathRejection>;
type Answer<T> = Result<Json<T>, Problem>;

/// Documents that were given up.
#[derive(Serialize, JsonSchema)]
pub struct DeadLetters {
    /// The latest first.
    dead_letters: Vec<DeadLetter>,
    limit: usize,
}

/// Whether documents are taken.
#[derive(Serialize, JsonSchema)]
pub struct Flow {
    /// No more are taken from the source; what is in flight goes on.
    paused: bool,
}

/// `GET /v1/dead-letters`
pub async fn dead(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<DeadLetters> {
    let limit = Params::parse(&uri, &[&["limit"]])?.limit()?;
    let dead_letters = shared.blocking(move |api| Ok(api.store.dead_letters(limit)?)).await?;
    Ok(Json(DeadLetters { dead_letters, limit }))
}

/// `POST /v1/dead-letters/{id}/replay`
pub async fn replay(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Result<StatusCode, Problem> {
    Params::none(&uri)?;
    let id = path_id(id)?;
    let replay = move |api: &Api| if (api.revive)(&id)? { Ok(()) } else { Err(unknown(&id)) };
    shared.blocking(replay).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `GET /v1/admin/config`
pub async fn config(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Value> {
    Params::none(&uri)?;
    Ok(Json(shared.api.settings.clone()))
}

/// `POST /v1/admin/pause`
pub async fn pause(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Flow> {
    set(&shared, &uri, true)
}

/// `POST /v1/admin/resume`
pub async fn resume(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Flow> {
    set(&shared, &uri, false)
}

fn set(shared: &Shared, uri: &Uri, paused: bool) -> Answer<Flow> {
    Params::none(uri)?;
    if shared.api.paused.swap(paused, Ordering::AcqRel) != paused {
        tracing::warn!(paused, "an operator asked for it");
    }
    Ok(Json(Flow { paused }))
}
