//! What runs by the clock: seen, started now, cancelled.

use super::Shared;
use super::params::Params;
use super::problem::{CONFLICT, NOT_FOUND, Problem};
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

fn schedule(shared: &Shared) -> Result<&Arc<Schedule>, Problem> {
    shared.api.tasks.as_ref().ok_or_else(|| Problem::new(&NOT_FOUND, "no tasks are kept here"))
}

/// `GET /v1/tasks`
pub async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Tasks> {
    Params::none(&uri)?;
    Ok((StatusCode::OK, Json(Tasks { tasks: schedule(&shared)?.standing() })))
}

/// `POST /v1/tasks/{name}`
pub async fn start(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Path(name): Path<String>,
) -> Answer<StartedTask> {
    Params::none(&uri)?;
    let schedule = schedule(&shared)?;
    known(schedule, &name)?;
    match schedule.start(&name, "api") {
        Ok(number) => Ok((StatusCode::ACCEPTED, Json(StartedTask { task: name, number }))),
        Err(error) => Err(Problem::new(&CONFLICT, error.to_string())),
    }
}

/// `DELETE /v1/tasks/{name}`
pub async fn cancel(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Path(name): Path<String>,
) -> Answer<CancelledTask> {
    Params::none(&uri)?;
    let schedule = schedule(&shared)?;
    known(schedule, &name)?;
    match schedule.cancel(&name) {
        Ok(()) => Ok((StatusCode::ACCEPTED, Json(CancelledTask { task: name, cancelled: true }))),
        Err(error) => Err(Problem::new(&CONFLICT, error.to_string())),
    }
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
