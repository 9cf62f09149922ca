//! What runs by the clock: seen, started now, cancelled.

use super::params::Params;
use super::problem::{CONFLICT, NOT_FOUND, Problem};
use super::{Api, Shared};
use crate::tend::schedule::{Schedule, Standing};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

type Answer<T> = Result<(StatusCode, Json<T>), Problem>;

/// What runs by the clock.
#[derive(Serialize, JsonSchema)]
pub struct Tasks {
    tasks: Vec<Standing>,
}

/// A task that was started.
#[derive(Serialize, JsonSchema)]
pub struct StartedTask {
    task: String,
    /// Of the run, counted from 1 for each task.
    number: u64,
}

/// A task that was asked to end.
#[derive(Serialize, JsonSchema)]
pub struct CancelledTask {
    task: String,
    cancelled: bool,
}

fn schedule(api: &Api) -> Result<&Arc<Schedule>, Problem> {
    api.tasks.as_ref().ok_or_else(|| Problem::new(&NOT_FOUND, "no tasks are kept here"))
}

/// `GET /v1/tasks`
pub async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Tasks> {
    Params::none(&uri)?;
    let look = |api: &Api| {
        let schedule = schedule(api)?;
        // What other workers do now; while the store is away, what is known of them.
        let _ = schedule.remember();
        Ok(schedule.standing())
    };
    let tasks = shared.blocking(look).await?;
    Ok((StatusCode::OK, Json(Tasks { tasks })))
}

/// `POST /v1/tasks/{name}`
pub async fn start(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Path(name): Path<String>,
) -> Answer<StartedTask> {
    Params::none(&uri)?;
    let start = move |api: &Api| {
        let schedule = schedule(api)?;
        known(schedule, &name)?;
        let number = schedule.start(&name, "api").map_err(|error| conflict(&error))?;
        Ok((StatusCode::ACCEPTED, Json(StartedTask { task: name, number })))
    };
    shared.blocking(start).await
}

/// `DELETE /v1/tasks/{name}`
pub async fn cancel(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Path(name): Path<String>,
) -> Answer<CancelledTask> {
    Params::none(&uri)?;
    let cancel = move |api: &Api| {
        let schedule = schedule(api)?;
        known(schedule, &name)?;
        schedule.cancel(&name).map_err(|error| conflict(&error))?;
        Ok((StatusCode::ACCEPTED, Json(CancelledTask { task: name, cancelled: true })))
    };
    shared.blocking(cancel).await
}

fn conflict(error: &anyhow::Error) -> Problem {
    Problem::new(&CONFLICT, format!("{error:#}"))
}

fn known(schedule: &Schedule, name: &str) -> Result<(), Problem> {
    let all = schedule.standing();
    if all.iter().any(|task| task.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = all.iter().map(|task| task.name).collect();
    Err(Problem::new(&NOT_FOUND, format!("there is no task `{name}`"))
        .with_remedy(format!("there are: {}", names.join(", "))))
}
