//! The REST port, as far as snapshots go. A snapshot's bytes name what the server held then; only what a
//! server of this process gave is taken back, whole.

use super::Shared;
use super::state::Collection;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// What was made, by its bytes.
static MADE: Mutex<BTreeMap<Vec<u8>, Collection>> = Mutex::new(BTreeMap::new());

/// Snapshots that lie on a server, by collection and name.
type Kept = BTreeMap<(String, String), Vec<u8>>;

#[derive(Clone)]
struct Rest {
    shared: Arc<Shared>,
    kept: Arc<Mutex<Kept>>,
}

pub fn router(shared: Arc<Shared>) -> Router {
    let rest = Rest { shared, kept: Arc::default() };
    Router::new()
        .route("/cluster", get(|| async { Json(json!({"result": {"status": "disabled"}})) }))
        .route("/collections", get(list))
        .route("/collections/{name}", delete(drop_collection))
        .route("/collections/{name}/snapshots", post(make).get(list_snapshots))
        .route("/collections/{name}/snapshots/upload", post(upload))
        .route("/collections/{name}/snapshots/{snapshot}", get(download))
        .route("/collections/{name}/snapshots/{snapshot}", delete(remove))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(rest.clone(), key))
        .with_state(rest)
}

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"status": {"error": error}}))).into_response()
}

fn fine(result: Value) -> Response {
    Json(json!({"result": result, "status": "ok", "time": 0.1})).into_response()
}

async fn key(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    let given = request.headers().get("api-key").and_then(|key| key.to_str().ok());
    if rest.shared.api_key.is_some() && rest.shared.api_key.as_deref() != given {
        return refused(StatusCode::UNAUTHORIZED, "Must provide an API key or an Authorization bearer token");
    }
    if rest.shared.faults().of_rest(request.method().as_str()) {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "made to fail");
    }
    next.run(request).await
}

async fn drop_collection(State(rest): State<Rest>, Path(name): Path<String>) -> Response {
    let mut state = rest.shared.state();
    state.aliases.retain(|_, behind| *behind != name);
    fine(json!(state.collections.remove(&name).is_some()))
}

async fn list_snapshots(State(rest): State<Rest>, Path(name): Path<String>) -> Response {
    let kept = rest.kept.lock().unwrap();
    let names: Vec<Value> =
        kept.keys().filter(|(of, _)| *of == name).map(|(_, snapshot)| json!({"name": snapshot})).collect();
    fine(json!(names))
}

async fn list(State(rest): State<Rest>) -> Response {
    let names: Vec<Value> =
        rest.shared.state().collections.keys().map(|name| json!({"name": name})).collect();
    fine(json!({ "collections": names }))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn make(State(rest): State<Rest>, Path(name): Path<String>) -> Response {
    let state = rest.shared.state();
    let Some(collection) = state.collections.get(&name) else {
        return refused(StatusCode::NOT_FOUND, &format!("Not found: Collection `{name}` doesn't exist!"));
    };
    let unique = uuid::Uuid::new_v4();
    // Binary, longer than one block, and with a line that looks like a form's.
    let mut bytes = format!("snapshot {name} {unique}\r\n--boundary\r\n").into_bytes();
    bytes.extend((0..600_000u32).map(|n| (n % 251) as u8));
    MADE.lock().unwrap().insert(bytes.clone(), collection.clone());
    let snapshot = format!("{name}-{unique}.snapshot");
    let (size, checksum) = (bytes.len(), hex(&bytes));
    rest.kept.lock().unwrap().insert((name, snapshot.clone()), bytes);
    fine(json!({"name": snapshot, "size": size, "checksum": checksum}))
}

async fn download(State(rest): State<Rest>, Path(names): Path<(String, String)>) -> Response {
    let breaks = rest.shared.faults().breaks_download();
    match rest.kept.lock().unwrap().get(&names) {
        // Half of it is what arrives.
        Some(bytes) if breaks => bytes[..bytes.len() / 2].to_vec().into_response(),
        Some(bytes) => bytes.clone().into_response(),
        None => refused(StatusCode::NOT_FOUND, "no such snapshot"),
    }
}

async fn remove(State(rest): State<Rest>, Path(names): Path<(String, String)>) -> Response {
    match rest.kept.lock().unwrap().remove(&names) {
        Some(_) => fine(json!(true)),
        None => refused(StatusCode::NOT_FOUND, "no such snapshot"),
    }
}

async fn upload(
    State(rest): State<Rest>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    mut form: axum::extract::Multipart,
) -> Response {
    let mut bytes = Bytes::new();
    while let Some(part) = form.next_field().await.unwrap() {
        assert_eq!(part.name(), Some("snapshot"));
        bytes = part.bytes().await.unwrap();
    }
    if query.get("checksum").is_some_and(|expected| *expected != hex(&bytes)) {
        return refused(StatusCode::BAD_REQUEST, "Snapshot checksum mismatch");
    }
    let Some(collection) = MADE.lock().unwrap().get(&bytes[..]).cloned() else {
        return refused(StatusCode::BAD_REQUEST, "Invalid snapshot");
    };
    rest.shared.state().collections.insert(name, collection);
    fine(json!(true))
}
