//! States and results, lists: what the store and the progress board know.

use super::Shared;
use super::admit::Caller;
use super::params::{FILTER, Params, path_id};
use super::problem::{HELD, IN_FLIGHT, INTERNAL, NOT_FOUND, Problem};
use crate::consume::Door;
use crate::document::{DeadLetter, Document, DocumentId};
use crate::progress::Position;
use crate::publish::{Counts, DocumentRow, forget};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where a document is.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
#[schemars(rename = "StateOfDocument")]
pub enum DocumentState {
    /// Understood.
    Done {
        /// The result.
        document: Box<Document>,
        /// Why a later version of it was given up, if so; the result is of the earlier one.
        #[serde(skip_serializing_if = "Option::is_none")]
        dead: Option<Box<DeadLetter>>,
    },
    /// In flight.
    Processing(Position),
    /// Given up.
    Dead(Box<DeadLetter>),
    /// Sent, and not begun, or waiting for another try.
    Waiting {
        /// Its key.
        id: DocumentId,
    },
}

type Id = Result<Path<String>, PathRejection>;
type Answer<T> = Result<Json<T>, Problem>;

/// `GET /v1/documents/{id}`
pub async fn one(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Answer<DocumentState> {
    Params::none(&uri)?;
    let id = path_id(id)?;
    if let Some(state) = state(&shared, &id).await? {
        return Ok(Json(state));
    }
    if waits(&shared, &id).await? {
        return Ok(Json(DocumentState::Waiting { id }));
    }
    // It was begun between the two looks, or nobody knows it.
    state(&shared, &id).await?.map(Json).ok_or_else(|| unknown(&id))
}

/// Where a document is that was begun.
async fn state(shared: &Arc<Shared>, id: &DocumentId) -> Result<Option<DocumentState>, Problem> {
    // Progress first: it ends only after the store knows, so that nothing falls between; and who
    // sent a new version does not hear of the old one.
    if let Some(position) = shared.api.progress.of(id) {
        return Ok(Some(DocumentState::Processing(position)));
    }
    let id = id.clone();
    let find = move |api: &super::Api| {
        let dead = api.store.dead(&id)?.map(Box::new);
        Ok(match (api.store.get(&id)?.map(Box::new), dead) {
            (Some(document), dead) => Some(DocumentState::Done { document, dead }),
            (None, Some(dead)) => Some(DocumentState::Dead(dead)),
            (None, None) => None,
        })
    };
    shared.blocking(find).await
}

/// Whether a document was sent and is not begun.
pub async fn waits(shared: &Arc<Shared>, id: &DocumentId) -> Result<bool, Problem> {
    let id = id.clone();
    shared.blocking(move |api| Ok(api.door.waits(&id)?)).await
}

/// `DELETE /v1/documents/{id}`
pub async fn delete(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    id: Id,
) -> Result<StatusCode, Problem> {
    Params::none(&uri)?;
    let id = path_id(id)?;
    let waits = matches!(shared.api.door, Door::Folder(_));
    if waits && shared.api.progress.of(&id).is_some() {
        // It would be stored right after.
        return Err(Problem::new(&IN_FLIGHT, format!("document `{id}` is being processed"))
            .with_remedy("delete it once it is done"));
    }
    let (one, who) = (id.clone(), format!("asked for over HTTP by {}", caller.name));
    let by = who.clone();
    let allowed = shared.blocking(move |api| Ok((api.guard)(&one, &by, None))).await?;
    match allowed {
        Ok(None) => {}
        Ok(Some(reason)) => {
            return Err(Problem::new(&HELD, format!("document `{id}` is held: {reason}"))
                .with_remedy("it can be deleted once the file of tend.retain_rules holds it no more"));
        }
        Err(error) => {
            return Err(Problem::new(&INTERNAL, format!("nothing is deleted: {error:#}")).with_remedy(
                "mend the file of tend.retain_rules, or what keeps the audit log from being written",
            ));
        }
    }
    let remove = move |api: &super::Api| -> Result<StatusCode, Problem> {
        let removed = removed(api, &id).inspect_err(|error| {
            if let Err(unsaid) = (api.guard)(&id, &who, Some(error)) {
                tracing::warn!(document = %id, "that a deletion failed is not in the audit log: {unsaid:#}");
            }
        })?;
        removed.ok_or_else(|| unknown(&id))
    };
    shared.blocking(remove).await
}

/// Deletes a document, or has it deleted in its turn; `None` if there is none.
fn removed(api: &super::Api, id: &DocumentId) -> crate::error::Result<Option<StatusCode>> {
    if let Door::Kafka(intake) = &api.door {
        // In the order of the topic: what was sent before is deleted, what comes after is not.
        intake.delete(id)?;
        return Ok(Some(StatusCode::ACCEPTED));
    }
    // The result file first: after a crash in between, the store still names what to delete.
    let file = api.door.delete_result(id)?;
    forget(api.store.as_ref(), id)?;
    Ok((api.store.delete(id)? || file).then_some(StatusCode::NO_CONTENT))
}

/// Rows of a list.
#[derive(Serialize, JsonSchema)]
pub struct Listed {
    documents: Vec<DocumentRow>,
    limit: usize,
    offset: usize,
}

/// `GET /v1/documents`
pub async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Listed> {
    let params = Params::parse(&uri, &[&FILTER, &["limit", "offset"]])?;
    let (filter, limit) = (params.filter()?, params.limit()?);
    let offset = params.number("offset", 0, 0..=i64::MAX as usize)?;
    let documents = shared.blocking(move |api| Ok(api.store.list(&filter, limit, offset)?)).await?;
    Ok(Json(Listed { documents, limit, offset }))
}

/// How much there is, and what is in flight.
#[derive(Serialize, JsonSchema)]
pub struct Status {
    /// Of the program.
    version: &'static str,
    counts: Counts,
    in_flight: Vec<Position>,
    /// An operator wants no more documents to be taken.
    paused: bool,
}

/// `GET /v1/status`
pub async fn status(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Status> {
    Params::none(&uri)?;
    let counts = shared.blocking(|api| Ok(api.store.counts()?)).await?;
    let paused = shared.api.paused.load(Ordering::Acquire);
    let in_flight = shared.api.progress.all();
    Ok(Json(Status { version: env!("CARGO_PKG_VERSION"), counts, in_flight, paused }))
}

pub fn unknown(id: &DocumentId) -> Problem {
    Problem::new(&NOT_FOUND, format!("document `{id}` is not known"))
        .with_remedy("send it, or look for its id in the list of documents; a file that was dropped into the inbox is known once it is begun")
}
