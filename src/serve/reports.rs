//! What all documents together are like.

use super::Shared;
use super::params::{FILTER, Params};
use super::problem::Problem;
use crate::publish::Facets;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /v1/reports/documents`
pub async fn documents(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Facets>, Problem> {
    let filter = Params::parse(&uri, &[&FILTER])?.filter()?;
    shared.blocking(move |api| Ok(api.store.facets(&filter)?)).await.map(Json)
}

/// `GET /v1/models`
pub async fn models(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Value>, Problem> {
    Params::none(&uri)?;
    Ok(Json(json!({ "models": shared.api.models })))
}

/// `GET /v1/me`
pub async fn me(
    State(shared): State<Arc<Shared>>,
    axum::extract::Extension(caller): axum::extract::Extension<super::admit::Caller>,
) -> Json<Value> {
    let keys = !shared.api.config.api_keys.is_empty();
    Json(json!({ "name": caller.name, "role": caller.role, "keys": keys }))
}
