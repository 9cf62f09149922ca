//! One document's way, told as it goes; and what can be asked for it on the way.

use super::choices::Choices;
use super::documents::{unknown, waits};
use super::params::{Params, path_id};
use super::problem::{BUSY, CONFLICT, NOT_FOUND, Problem};
use super::{Api, Shared};
use crate::consume::{Door, Heeded};
use crate::document::{Command, DeadLetter, DocumentId, Options};
use crate::error::{Class, Error, Stage};
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::ErrorKind;
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
/// How often a store may fail to answer until a stream ends.
const FAILURES: u32 = 40;
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
        let (mut last, mut waiting, mut failed) = (None, None, 0);
        loop {
            let (name, body) = &now;
            if last.as_ref() != Some(&now) {
                let event = Event::default().event(*name).data(body.to_string());
                if tell.send(event).await.is_err() {
                    return;
                }
            }
            // It may come back to wait after long work.
            waiting = (*name == "waiting").then(|| waiting.unwrap_or_else(tokio::time::Instant::now));
            let tired = waiting.is_some_and(|since| since.elapsed() >= WAIT);
            if tired || matches!(*name, "done" | "dead") {
                return;
            }
            tokio::select! {
                () = tell.closed() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let next = match look(shared, &id).await {
                Ok(Some(next)) => next,
                Ok(None) => return,
                // A store that does not answer now may answer soon.
                Err(_) if failed < FAILURES => {
                    failed += 1;
                    now.clone()
                }
                Err(_) => return,
            };
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

/// `POST /v1/documents/{id}/cancel`, `reprocess`, `priority`
pub async fn ask(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Result<Option<Json<Options>>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    Params::none(&uri)?;
    let Path((id, what)) = path.map_err(|e| Problem::bad(e.body_text()))?;
    let id = super::params::document_id(&id)?;
    let options = body?.map(|Json(options)| options).unwrap_or_default();
    let command = command(&what, options, &shared.api.choices)?;
    let give = move |api: &Api| match (&api.door, &command) {
        (Door::Kafka(intake), _) => Ok(intake.command(&id, &command)?),
        (Door::Folder(_), Command::Reprocess(options)) => {
            let document = api.store.get(&id)?.ok_or_else(|| Problem::new(&NOT_FOUND, "it is not stored"))?;
            Ok(api.door.again(&document, options)?)
        }
        (Door::Folder(inbox), Command::Cancel {}) => heeded(api, &id, inbox.cancel(&id)),
        (Door::Folder(inbox), Command::Priority { priority }) => {
            heeded(api, &id, inbox.prioritise(&id, *priority))
        }
    };
    shared.blocking(give).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The answer to a wish for a document of the inbox.
fn heeded(api: &Api, id: &DocumentId, heeded: std::io::Result<Heeded>) -> Result<(), Problem> {
    match heeded {
        Ok(Heeded::Yes) => Ok(()),
        Ok(Heeded::UnderWay) => Err(Problem::new(&CONFLICT, "it is being worked on already")
            .with_remedy("wait for it, or cancel it and send it again")),
        Ok(Heeded::Unknown) if api.store.get(id)?.is_some() => {
            Err(Problem::new(&CONFLICT, "it is understood; nothing of it waits or is on its way"))
        }
        Ok(Heeded::Unknown) => Err(Problem::new(&NOT_FOUND, "it neither waits nor is it on its way")),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Problem::new(&CONFLICT, e.to_string())),
        Err(e) => {
            Err(Error::retry(Stage::Consume, Class::Storage, format!("cannot use the inbox: {e}")).into())
        }
    }
}

/// What is asked for, in words of the pipeline.
fn command(what: &str, options: Options, choices: &Choices) -> Result<Command, Problem> {
    let bare = Options { priority: options.priority, ..Options::default() } == options;
    match (what, options.priority) {
        ("reprocess", _) => choices.allow(&options).map(|()| Command::Reprocess(options)),
        ("cancel" | "priority", _) if !bare => Err(Problem::bad(format!(
            "`languages`, `engine`, `dpi` and `kind` go with `reprocess`, not `{what}`"
        ))),
        ("cancel", _) => Ok(Command::Cancel {}),
        ("priority", Some(priority)) => Ok(Command::Priority { priority }),
        ("priority", None) => Err(Problem::bad("`priority` is missing in the body")),
        _ => Err(Problem::new(&NOT_FOUND, format!("there is nothing called `{what}` to do"))),
    }
}
