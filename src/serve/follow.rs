//! One document's way, told as it goes; and what can be asked for it on the way.

use super::choices::Choices;
use super::params::{Params, path_id};
use super::problem::{CONFLICT, NOT_FOUND, Problem};
use super::{Api, Shared};
use crate::consume::{Door, Heeded};
use crate::document::{Command, DocumentId, Options};
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
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

type Id = Result<Path<String>, PathRejection>;

/// How often a document is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a document that nobody knows is waited for: it may still be in the inbox.
const WAIT: Duration = Duration::from_secs(600);

/// Events of one document, until it is settled.
struct Told(mpsc::Receiver<Event>);

impl futures_core::Stream for Told {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

/// `GET /v1/documents/{id}/events`: server-sent events `waiting`, `processing`, `done` or `dead`;
/// the last of them ends the stream.
pub async fn events(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let id = path_id(id)?;
    // Who reads slowly holds up nobody: the next look waits until the last one was sent.
    let (tell, told) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut last = String::new();
        let started = tokio::time::Instant::now();
        while started.elapsed() < WAIT || !last.starts_with("waiting") {
            let Ok((name, body)) = look(&shared, &id).await else { return };
            let now = format!("{name} {body}");
            if now != last {
                last = now;
                if tell.send(Event::default().event(name).data(body.to_string())).await.is_err() {
                    return;
                }
            }
            if matches!(name, "done" | "dead") || tell.is_closed() {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    Ok(Sse::new(Told(told)).keep_alive(KeepAlive::default()).into_response())
}

/// Where it is: the name of the event, and a few words about it.
async fn look(shared: &Arc<Shared>, id: &DocumentId) -> Result<(&'static str, Value), Problem> {
    if let Some(position) = shared.api.progress.of(id) {
        return Ok(("processing", json!(position)));
    }
    let id = id.clone();
    let find = move |api: &Api| {
        if let Some(document) = api.store.get(&id)? {
            let verdict = document.verdict.decision;
            let kind = document.kind.label;
            return Ok(("done", json!({ "id": id, "kind": kind, "verdict": verdict })));
        }
        Ok(match api.store.dead(&id)? {
            Some(letter) => ("dead", json!({ "id": id, "failure": letter.failure })),
            None => ("waiting", json!({ "id": id })),
        })
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
