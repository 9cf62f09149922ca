//! One document's way, told as it goes; and what can be asked for it on the way.

use super::documents::{unknown, waits};
use super::params::{Params, path_id};
use super::problem::{BUSY, CONFLICT, NOT_FOUND, Problem};
use super::{Api, Shared};
use crate::consume::Door;
use crate::document::{Command, DeadLetter, DocumentId, Priority};
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

type Id = Result<Path<String>, PathRejection>;

/// How often a document is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a document that only waits is followed.
const WAIT: Duration = Duration::from_secs(600);
/// Streams at once. Each asks the store four times a second while its document waits, so that these are
/// what a store answers beside searches; a browser opens six at most.
const STREAMS: usize = 64;

/// Events of one document, until it is settled.
struct Told(mpsc::Receiver<Event>);

impl futures_core::Stream for Told {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

/// A place among the streams, given back when dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Result<Self, Problem> {
        let one_more = |open: usize| (open < STREAMS).then_some(open + 1);
        match shared.streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(_) => Ok(Self(Arc::clone(shared))),
            Err(_) => Err(Problem::new(&BUSY, format!("{STREAMS} documents are followed already"))
                .with_remedy("ask for the state of the document now and then instead")
                .after(5)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

/// `GET /v1/documents/{id}/events`: server-sent events `waiting`, `processing`, `done` or `dead`;
/// one of the last two ends the stream. It ends without where the document only waits for long, or is
/// not known any more.
pub async fn events(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let id = path_id(id)?;
    let place = Place::take(&shared)?;
    let mut now = look(&shared, &id).await?.ok_or_else(|| unknown(&id))?;
    // Who reads slowly holds up nobody: the next look waits until the last one was sent.
    let (tell, told) = mpsc::channel(1);
    tokio::spawn(async move {
        let Place(shared) = &place;
        let (mut last, started) = (None, tokio::time::Instant::now());
        loop {
            let (name, body) = &now;
            if last.as_ref() != Some(&now) {
                let event = Event::default().event(*name).data(body.to_string());
                if tell.send(event).await.is_err() {
                    return;
                }
            }
            let tired = *name == "waiting" && started.elapsed() >= WAIT;
            if tired || matches!(*name, "done" | "dead") {
                return;
            }
            tokio::select! {
                () = tell.closed() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let Ok(Some(next)) = look(shared, &id).await else { return };
            last = Some(std::mem::replace(&mut now, next));
        }
    });
    Ok(Sse::new(Told(told)).keep_alive(KeepAlive::default()).into_response())
}

type Seen = (&'static str, Value);

/// Where it is: the name of the event, and a few words about it.
async fn look(shared: &Arc<Shared>, id: &DocumentId) -> Result<Option<Seen>, Problem> {
    if let Some(begun) = begun(shared, id).await? {
        return Ok(Some(begun));
    }
    if waits(shared, id).await? {
        return Ok(Some(("waiting", json!({ "id": id }))));
    }
    // It may have been begun between the two looks.
    begun(shared, id).await
}

/// The same of a document that does not wait.
async fn begun(shared: &Arc<Shared>, id: &DocumentId) -> Result<Option<Seen>, Problem> {
    if let Some(position) = shared.api.progress.of(id) {
        return Ok(Some(("processing", json!(position))));
    }
    let id = id.clone();
    let find = move |api: &Api| {
        if let Some(row) = api.store.rows_of(std::slice::from_ref(&id))?.pop().flatten() {
            return Ok(Some(("done", json!({ "id": id, "kind": row.kind, "verdict": row.verdict }))));
        }
        let dead = |letter: DeadLetter| ("dead", json!({ "id": id, "failure": letter.failure }));
        Ok(api.store.dead(&id)?.map(dead))
    };
    shared.blocking(find).await
}

/// What is asked for.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// How urgent it becomes, with `priority`.
    priority: Option<Priority>,
}

/// `POST /v1/documents/{id}/cancel`, `reprocess`, `priority`
pub async fn ask(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Result<Option<Json<Ask>>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    Params::none(&uri)?;
    let Path((id, what)) = path.map_err(|e| Problem::bad(e.body_text()))?;
    let id = super::params::document_id(&id)?;
    let ask = body?.map(|Json(ask)| ask).unwrap_or_default();
    let command = match (what.as_str(), ask.priority) {
        ("cancel", _) => Command::Cancel {},
        ("reprocess", _) => Command::Reprocess {},
        ("priority", Some(priority)) => Command::Priority { priority },
        ("priority", None) => return Err(Problem::bad("`priority` is missing in the body")),
        _ => return Err(Problem::new(&NOT_FOUND, format!("there is nothing called `{what}` to do"))),
    };
    let give = move |api: &Api| match (&api.door, &command) {
        (Door::Kafka(intake), _) => Ok(intake.command(&id, &command)?),
        (Door::Folder(_), Command::Reprocess {}) => {
            let document = api.store.get(&id)?.ok_or_else(|| Problem::new(&NOT_FOUND, "it is not stored"))?;
            Ok(api.door.again(&document)?)
        }
        (Door::Folder(_), _) => Err(Problem::new(&CONFLICT, format!("`{what}` needs Kafka"))
            .with_remedy("move or remove the file in the inbox; its folder is its priority")),
    };
    shared.blocking(give).await?;
    Ok(StatusCode::ACCEPTED)
}
