//! HTTP beside the flow: uploads into the inbox, states and results out of the store, search,
//! metrics and health. Nothing here touches the pipeline; a slow client never slows a document.

mod admin;
mod admit;
mod body;
mod choices;
mod cors;
mod describe;
mod documents;
mod follow;
mod keys;
mod listen;
mod once;
mod pace;
mod page;
mod pages;
mod params;
mod problem;
mod reports;
mod reviews;
mod routes;
mod search;
mod subscriptions;
mod tasks;
mod upload;

#[cfg(test)]
mod follow_tests;
#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod memory;
#[cfg(test)]
pub(crate) mod office;
#[cfg(test)]
mod once_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod review_tests;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
pub(crate) mod support;
#[cfg(test)]
mod tests;

use crate::config::ServeConfig;
use crate::consume::Door;
use crate::document::{Document, DocumentId, PageText};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::progress::Progress;
use crate::publish::Store;
use crate::review::Desk;
use crate::tend::schedule::Schedule;
pub use admit::{Changes, Role};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
pub use choices::Choices;
pub use keys::{Entry, Keys, check_name, check_skills, is_key, read as read_keys, write as write_keys};
pub use listen::{bind, check_exposure, serve};
use pace::Pace;
use problem::Problem;
pub use search::Mode;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

/// The longest JSON body, in bytes: a decision may hold the corrected text of some hundred pages.
const JSON_LIMIT: usize = 4 << 20;

/// Gives the L2-normalised embedding of a query. Blocks.
pub type Embed = Arc<dyn Fn(&str) -> Result<Vec<f32>> + Send + Sync>;

/// Shows pages. Blocks.
pub trait Look: Send + Sync {
    /// A page as JPEG.
    fn picture(&self, document: &Document, bytes: Original<'_>, page: u32) -> Result<Arc<Vec<u8>>>;
    /// The words of a page with their boxes.
    fn words(&self, document: &Document, bytes: Original<'_>, page: u32) -> Result<Arc<PageText>>;
}

/// Gives the bytes of the document that is looked at; asked only where they are needed. Blocks.
pub type Original<'a> = &'a dyn Fn() -> Result<Arc<Vec<u8>>>;

/// What shows pages.
pub type View = Arc<dyn Look>;

/// Says whether documents can be taken; an error says why not. Blocks.
pub type Ready = Arc<dyn Fn() -> std::result::Result<(), String> + Send + Sync>;

/// Gives the bytes behind a URI. Blocks.
pub type Fetch = Arc<dyn Fn(&str) -> Result<Vec<u8>> + Send + Sync>;

/// Sends a document that was given up once more; false if there is none of that id. Blocks.
pub type Revive = Arc<dyn Fn(&DocumentId) -> Result<bool> + Send + Sync>;

/// Asked before a document is deleted, with who wants that: why it must stay, if it must; else the deletion is
/// in the audit log when this returns. With an error: the deletion failed by it, which is noted, too. Blocks.
pub type Guard =
    Arc<dyn Fn(&DocumentId, &str, Option<&Error>) -> anyhow::Result<Option<String>> + Send + Sync>;

/// What the routes work with.
pub struct Api {
    /// Where documents are found.
    pub store: Arc<dyn Store>,
    /// Where documents in flight are.
    pub progress: Arc<Progress>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Where uploads go.
    pub door: Door,
    /// For the vector half of a search.
    pub embed: Embed,
    /// Where people decide.
    pub desk: Arc<Desk>,
    /// Who hears of what.
    pub notifier: Arc<Notifier>,
    /// Pages to look at.
    pub viewer: View,
    /// The model behind each task, as `name@revision`.
    pub models: BTreeMap<String, String>,
    /// Kinds, languages and engines.
    pub choices: Choices,
    /// Limits.
    pub config: ServeConfig,
    /// Who may ask.
    pub keys: Arc<Keys>,
    /// Documents by their URIs.
    pub fetch: Fetch,
    /// Dead letters once more.
    pub revive: Revive,
    /// What may be deleted.
    pub guard: Guard,
    /// Every setting, without secrets.
    pub settings: Value,
    /// While it is true no documents are taken from the source.
    pub paused: Arc<AtomicBool>,
    /// What `/health/ready` asks.
    pub ready: Ready,
    /// What is to be waited for before the runtime ends.
    pub changes: Changes,
    /// What runs by the clock, where anything does.
    pub tasks: Option<Arc<Schedule>>,
}

/// The parts, with what is in use at the moment.
struct Shared {
    api: Api,
    /// The largest body, in bytes.
    body_limit: usize,
    /// Requests under `/v1` that are being answered.
    requests: AtomicUsize,
    /// Documents that are followed by their events.
    streams: AtomicUsize,
    /// Documents that are being fetched by their URIs, or were and are not durable yet.
    fetching: AtomicUsize,
    viewing: AtomicUsize,
    /// How fast who may ask.
    pace: Pace,
    /// The description of the API.
    openapi: String,
    /// Bytes of uploads that are in memory.
    buffered: AtomicUsize,
    /// Held while near-duplicates are grouped: one report at a time has its pairs in memory.
    grouping: Mutex<()>,
}

impl Shared {
    /// Runs what blocks (store, inbox, model) on a thread that may block.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Api) -> std::result::Result<T, Problem> + Send + 'static,
    ) -> std::result::Result<T, Problem> {
        let shared = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&shared.api)).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "a request could not be answered");
                Err(Problem::new(&problem::INTERNAL, "answering this request failed unexpectedly"))
            }
        }
    }
}

/// Every route, with its guards. It can be served as it is.
pub fn router(api: Api) -> Router {
    guarded(share(api))
}

fn share(api: Api) -> Arc<Shared> {
    Arc::new(Shared {
        body_limit: api.config.max_body_mb.saturating_mul(1 << 20),
        requests: AtomicUsize::new(0),
        streams: AtomicUsize::new(0),
        fetching: AtomicUsize::new(0),
        viewing: AtomicUsize::new(0),
        pace: Pace::new(api.config.requests_per_s, f64::from(api.config.burst)),
        openapi: description().to_string(),
        buffered: AtomicUsize::new(0),
        grouping: Mutex::default(),
        api,
    })
}

fn guarded(shared: Arc<Shared>) -> Router {
    let (v1, open) = (routes::v1(), routes::open());
    // The guard is a layer of the nested router, not of its routes: a path under /v1 that does not
    // exist asks for a key as well.
    let guarded = v1
        .router()
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(JSON_LIMIT))
        .layer(from_fn_with_state(Arc::clone(&shared), admit::admit));
    let router = open
        .router()
        .route("/", get(page::index))
        .route("/page/{file}", get(page::file))
        .nest("/v1", guarded)
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed);
    let origins = &shared.api.config.cors_origins;
    // Around what asks for a key: a browser asks for leave without one.
    let router = if origins.is_empty() { router } else { router.layer(cors::leave(origins)) };
    router.layer(from_fn_with_state(Arc::clone(&shared), problem::finish)).with_state(shared)
}

/// The OpenAPI document of the API.
pub fn description() -> Value {
    routes::v1().document(routes::open())
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media_type)], shared.api.metrics.encode()).into_response()
}

async fn openapi(State(shared): State<Arc<Shared>>, uri: Uri) -> std::result::Result<Response, Problem> {
    params::Params::none(&uri)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], shared.openapi.clone()).into_response())
}

async fn live() -> &'static str {
    "live\n"
}

async fn ready(State(shared): State<Arc<Shared>>) -> std::result::Result<&'static str, Problem> {
    let not_yet = |reason| Problem::new(&problem::NOT_READY, reason);
    shared.blocking(move |api| (api.ready)().map_err(not_yet)).await?;
    Ok("ready\n")
}
