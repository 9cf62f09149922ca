//! The review queue over HTTP: who works on what, and decisions.

use super::Shared;
use super::admit::Caller;
use super::params::{Params, path_id};
use super::problem::{CONFLICT, NOT_FOUND, OBJECTIONS, Problem, STALE};
use crate::document::{Action, Corrections, Options, Priority};
use crate::publish::Filter;
use crate::review::{Refused, Request, Review, Skills, State as ReviewState, Stats, Wanted};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What decisions are counted by.
pub const COUNTED: [&str; 3] = ["since", "until", "kind"];

type Id = Result<Path<String>, PathRejection>;
type Given<T> = Result<Json<T>, JsonRejection>;
type Answer<T> = Result<Json<T>, Problem>;

/// Reviews of a list.
#[derive(Serialize, JsonSchema)]
pub struct Queue {
    /// The most urgent and longest waiting first.
    reviews: Vec<Review>,
    limit: usize,
    offset: usize,
}

/// What is asked for with a review, beside its id.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    /// The version that was seen; where it is named and another is there, nothing is done.
    version: Option<u64>,
    /// Who asks; the name of the API key where there are keys.
    by: Option<String>,
    /// To whom it is handed over.
    to: Option<String>,
    /// How urgent it becomes.
    priority: Option<Priority>,
    /// What to say.
    text: Option<String>,
}

/// A decision.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// What to do.
    action: Action,
    /// The version of the review that was seen.
    version: u64,
    /// Who decides; the name of the API key where there are keys.
    #[serde(default)]
    by: Option<String>,
    /// What to change, with `correct`.
    #[serde(default)]
    corrections: Corrections,
    /// How to read and understand it anew, with `reprocess`.
    #[serde(default)]
    options: Options,
    /// Why.
    #[serde(default)]
    comment: Option<String>,
    /// Correct it though checks fail.
    #[serde(default)]
    sure: bool,
}

/// `GET /v1/reviews`
pub async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Queue> {
    let params = Params::parse(&uri, &[&["state", "kind", "held_by", "limit", "offset"]])?;
    let (limit, offset) = (params.limit()?, params.offset()?);
    let mut state: Vec<ReviewState> = params
        .listed("state")
        .map(|text| text.parse().map_err(|e| Problem::bad(format!("query parameter `state`: {e}"))))
        .collect::<Result<_, _>>()?;
    if state.is_empty() {
        state.push(ReviewState::Open);
    }
    let kind = params.listed("kind").map(str::to_owned).collect();
    let held_by = params.one("held_by")?.map(str::to_owned);
    let wanted = Wanted { state, kind, held_by };
    let reviews = shared.blocking(move |api| Ok(api.desk.list(&wanted, limit, offset)?)).await?;
    Ok(Json(Queue { reviews, limit, offset }))
}

/// `GET /v1/reviews/{id}`
pub async fn one(State(shared): State<Arc<Shared>>, uri: Uri, id: Id) -> Answer<Review> {
    Params::none(&uri)?;
    let id = path_id(id)?;
    shared.blocking(move |api| Ok(api.desk.show(&id)?)).await.map(Json)
}

/// What the next review is to be like.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Next {
    /// Who asks; the name of the API key where there are keys.
    by: Option<String>,
    /// Of any of these kinds; all where it is empty, those of the key where it is left out.
    kinds: Option<Vec<String>>,
    /// In any of these languages, ISO 639-1; likewise.
    languages: Option<Vec<String>>,
}

/// `POST /v1/reviews/next`
pub async fn next(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    body: Result<Option<Json<Next>>, JsonRejection>,
) -> Answer<Review> {
    Params::none(&uri)?;
    let next = body?.map(|Json(next)| next).unwrap_or_default();
    let by = caller.name(next.by.as_deref())?;
    let own = caller.skills;
    let skills =
        Skills { kinds: next.kinds.unwrap_or(own.kinds), languages: next.languages.unwrap_or(own.languages) };
    let found = move |api: &super::Api| api.desk.next(&by, &skills)?.ok_or_else(|| none_fits(&skills));
    shared.blocking(found).await.map(Json)
}

/// `GET /v1/reviews/next`: the review of a document with that id.
pub async fn of_next(state: State<Arc<Shared>>, uri: Uri) -> Answer<Review> {
    one(state, uri, Ok(Path("next".to_owned()))).await
}

fn none_fits(skills: &Skills) -> Problem {
    let any = |names: &[String]| if names.is_empty() { "any".to_owned() } else { names.join(", ") };
    let (kinds, languages) = (any(&skills.kinds), any(&skills.languages));
    Problem::new(&NOT_FOUND, "no review waits that fits and that nobody works on").with_remedy(format!(
        "asked for were the kinds {kinds} and the languages {languages}: ask for others, or later"
    ))
}

/// `POST /v1/reviews/{id}/claim`, `release`, `hand-over`, `priority`, `comment`, `reopen`
pub async fn change(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Result<Option<Json<Change>>, JsonRejection>,
) -> Answer<Review> {
    Params::none(&uri)?;
    let Path((id, what)) = path.map_err(|e| Problem::bad(e.body_text()))?;
    let id = super::params::document_id(&id)?;
    let change = body?.map(|Json(change)| change).unwrap_or_default();
    let by = caller.name(change.by.as_deref())?;
    let missing = |name: &str| Problem::bad(format!("`{name}` is missing in the body"));
    let act = move |api: &super::Api| -> Result<Review, Problem> {
        let desk = &api.desk;
        Ok(match what.as_str() {
            "claim" => desk.claim(&id, &by, change.version)?,
            "release" => desk.release(&id, &by, change.version)?,
            "reopen" => desk.reopen(&id, &by, change.version)?,
            "hand-over" => {
                let to = super::admit::name(&change.to.ok_or_else(|| missing("to"))?)?;
                desk.hand_over(&id, &by, &to, change.version)?
            }
            "priority" => {
                let to = change.priority.ok_or_else(|| missing("priority"))?;
                desk.prioritize(&id, &by, to, change.version)?
            }
            "comment" => {
                let text = change.text.ok_or_else(|| missing("text"))?;
                desk.comment(&id, &by, &text, change.version)?
            }
            _ => return Err(Problem::new(&NOT_FOUND, format!("there is nothing called `{what}` to do"))),
        })
    };
    shared.blocking(act).await.map(Json)
}

/// `POST /v1/reviews/{id}/decision`
pub async fn decide(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    id: Id,
    body: Given<Decide>,
) -> Answer<Review> {
    Params::none(&uri)?;
    let id = path_id(id)?;
    let Json(decide) = body?;
    shared.api.choices.allow(&decide.options)?;
    let request = Request {
        action: decide.action,
        by: caller.name(decide.by.as_deref())?,
        version: decide.version,
        corrections: decide.corrections,
        options: decide.options,
        comment: decide.comment,
        sure: decide.sure,
    };
    let decide = move |api: &super::Api| -> Result<Review, Problem> {
        let review = api.desk.decide(&id, &request)?;
        api.metrics.decided(request.action, review.sampled);
        Ok(review)
    };
    shared.blocking(decide).await.map(Json)
}

/// `GET /v1/reports/reviews`
pub async fn stats(State(shared): State<Arc<Shared>>, uri: Uri) -> Answer<Stats> {
    let params = Params::parse(&uri, &[&COUNTED])?;
    let Filter { kind, since, until, .. } = params.filter()?;
    let span = since.unwrap_or(Timestamp::MIN)..until.unwrap_or(Timestamp::MAX);
    shared.blocking(move |api| Ok(api.desk.stats(&span, &kind)?)).await.map(Json)
}

/// `GET /v1/reports/corrections`: JSON lines.
pub async fn lessons(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let write = |api: &super::Api| {
        let mut lines = Vec::new();
        api.desk.lessons(|lesson| {
            if serde_json::to_writer(&mut lines, &lesson).is_ok() {
                lines.push(b'\n');
            }
            Ok(())
        })?;
        Ok(lines)
    };
    let lines = shared.blocking(write).await?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from(lines)).into_response())
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => Self::new(&NOT_FOUND, "there is no document of that id"),
            Refused::Stale(version) => Self::new(&STALE, format!("the review has version {version} by now"))
                .with_remedy("look at it again, then decide about what is there"),
            Refused::Held(by) => Self::new(&CONFLICT, format!("{by} works on it"))
                .with_remedy("ask for it to be handed over, or wait until the claim ends"),
            Refused::Wrong(what) => Self::new(&CONFLICT, what),
            Refused::Bad(what) => Self::bad(what),
            Refused::Objections(list) => Self::new(&OBJECTIONS, list.join("; "))
                .with_remedy("correct what the checks name, or send `sure: true`"),
            Refused::Failed(error) => error.into(),
        }
    }
}
