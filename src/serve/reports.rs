//! What all documents together are like.

use super::Shared;
use super::admit::Role;
use super::params::{FILTER, Params};
use super::problem::Problem;
use crate::document::Relation;
use crate::publish::Facets;
use crate::publish::groups::{self, Groups, Wanted};
use crate::publish::series::{self, Dimension, Series, Step};
use crate::receipt::lock;
use crate::review::Skills;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `GET /v1/reports/documents`
pub async fn documents(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Facets>, Problem> {
    let filter = Params::parse(&uri, &[&FILTER])?.filter()?;
    shared.blocking(move |api| Ok(api.store.facets(&filter)?)).await.map(Json)
}

/// `GET /v1/reports/series`
pub async fn over_time(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Series>, Problem> {
    let params = Params::parse(&uri, &[&FILTER, &["by", "step", "limit"]])?;
    let (filter, most) = (params.filter()?, params.limit()?);
    let by = params.choice("by")?.ok_or_else(|| {
        let known: Vec<&str> = Dimension::ALL.iter().map(|by| by.as_str()).collect();
        Problem::bad("query parameter `by` is missing").with_remedy(format!("one of {}", known.join(", ")))
    })?;
    let step = params.choice("step")?.unwrap_or(Step::Day);
    shared.blocking(move |api| Ok(series::find(api.store.as_ref(), &filter, by, step, most)?)).await.map(Json)
}

/// `GET /v1/reports/duplicates`
pub async fn duplicates(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Groups>, Problem> {
    let params = Params::parse(&uri, &[&FILTER, &["relation", "limit", "offset"]])?;
    let mut relations: Vec<Relation> = Vec::new();
    for text in params.listed("relation") {
        let wrong = |e| Problem::bad(format!("query parameter `relation`: {e}"));
        relations.push(text.to_lowercase().parse().map_err(wrong)?);
    }
    if relations.is_empty() {
        relations = Relation::ALL.to_vec();
    }
    let (filter, limit, offset) = (params.filter()?, params.limit()?, params.offset()?);
    let wanted = Wanted { filter, relations, limit, offset };
    let one = Arc::clone(&shared);
    let find = move |api: &super::Api| {
        let _turn = lock(&one.grouping);
        Ok(groups::find(api.store.as_ref(), &wanted)?)
    };
    shared.blocking(find).await.map(Json)
}

/// The models.
#[derive(Serialize, JsonSchema)]
pub struct Models {
    /// The model behind each task, as `name@revision`.
    models: BTreeMap<String, String>,
}

/// `GET /v1/models`
pub async fn models(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<Models>, Problem> {
    Params::none(&uri)?;
    Ok(Json(Models { models: shared.api.models.clone() }))
}

/// Who asks.
#[derive(Serialize, JsonSchema)]
pub struct Me {
    /// Its name.
    name: String,
    /// What it may do.
    role: Role,
    /// Whether keys are asked for.
    keys: bool,
    /// What reviews it gets if it asks for the next one; nothing named: all.
    #[serde(flatten)]
    skills: Skills,
}

/// `GET /v1/me`
pub async fn me(
    State(shared): State<Arc<Shared>>,
    axum::extract::Extension(caller): axum::extract::Extension<super::admit::Caller>,
    uri: Uri,
) -> Result<Json<Me>, Problem> {
    Params::none(&uri)?;
    let keys = shared.api.keys.are_asked_for();
    Ok(Json(Me { name: caller.name, role: caller.role, keys, skills: caller.skills }))
}
