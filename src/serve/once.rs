//! `Idempotency-Key`: a request that is sent again, because its answer was lost, is answered as the
//! first time and done once.
//!
//! The key is reserved in the store before the request is done, and the answer kept with it after.
//! Only what succeeded is kept: what was refused changed nothing, and may be tried anew.

use super::admit::Caller;
use super::problem::{CONFLICT, Problem, REUSED};
use super::upload::{FORM, SAID, is};
use super::{Api, Shared, body};
use crate::document::sha256_hex;
use crate::publish::{Record, SEVERAL, Selection, Shelf};
use aho_corasick::AhoCorasick;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long a request may take before one that comes again takes its place: its program was killed.
const TAKES: SignedDuration = SignedDuration::from_mins(10);
/// Answers that are kept; the oldest go first.
const MOST: usize = 10_000;
/// The longest answer whose body is kept, in bytes: those to uploads and decisions are far shorter.
const LONGEST: usize = 1 << 20;
/// What stands for a body that is longer.
const OMITTED: &str =
    r#"{"omitted":"this was done before; its answer was longer than 1 MiB and is not kept"}"#;
/// The header.
const KEY: &str = "idempotency-key";

/// How requests are told apart: before the digest that is kept, and another one with every change of
/// [`said`]. What another version of the program kept cannot be compared.
const SCHEME: &str = "2:";

/// A request, and what was answered, as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// [`SCHEME`], and SHA-256 of method, path, what was said in headers, and body.
    request: String,
    at: Timestamp,
    answer: Option<Answer>,
}

#[derive(Serialize, Deserialize, Clone)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// None where it was too long.
    body: Option<String>,
}

impl Answer {
    /// Of which document it tells, so that it goes with it.
    fn about(&self) -> String {
        let body: Value =
            self.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        let named = |value: &Value| value.get("id").and_then(Value::as_str).map(str::to_owned);
        let placed = || {
            let (_, place) = self.headers.iter().find(|(name, _)| name == header::LOCATION.as_str())?;
            place.rsplit('/').next().map(str::to_owned)
        };
        match body.get("documents") {
            Some(_) => SEVERAL.to_owned(),
            None => named(&body).or_else(placed).unwrap_or_default(),
        }
    }
}

/// Passes a request on, unless it was answered before.
pub async fn once(
    shared: &Arc<Shared>,
    caller: &Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = match (request.method(), request.headers().get(KEY)) {
        (&Method::POST, Some(given)) => key(given)?,
        _ => return Ok(next.run(request).await),
    };
    let (parts, body) = request.into_parts();
    let (bytes, held) = body::read(shared, &parts.headers, body).await?;
    let said = said(&parts.headers, &bytes);
    let request = sha256_hex(format!("{} {} {said}", parts.method, parts.uri).as_bytes());
    let request = format!("{SCHEME}{request}");
    let id = sha256_hex(format!("{}\n{given}", caller.name).as_bytes());
    let (wanted, place) = (request.clone(), id.clone());
    let reserved = shared.blocking(move |api| reserve(api, &place, &wanted)).await?;
    let version = match reserved {
        Ok(version) => version,
        Err(answer) => return Ok(replayed(answer)),
    };
    // The handler counts them again as its own.
    drop(held);
    let mut forwarded = Request::from_parts(parts, Body::from(bytes));
    forwarded.headers_mut().remove(header::CONTENT_LENGTH);
    let response = next.run(forwarded).await;
    if !response.status().is_success() {
        shared.blocking(move |api| Ok(api.store.remove_record(Shelf::Request, &id)?)).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    // Answers to POST are whole in memory already.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: [header::CONTENT_TYPE, header::LOCATION]
            .into_iter()
            .filter_map(|name| Some((name.to_string(), parts.headers.get(&name)?.to_str().ok()?.to_owned())))
            .collect(),
        body: (bytes.len() <= LONGEST).then(|| String::from_utf8_lossy(&bytes).into_owned()),
    };
    let keep = move |api: &Api| {
        let remembered = Remembered { request, at: Timestamp::now(), answer: Some(answer) };
        Ok(api.store.put_record(&record(&id, version + 1, &remembered)?)?)
    };
    // It is done: that its answer cannot be kept is no reason to say that it failed.
    if let Err(problem) = shared.blocking(keep).await {
        tracing::warn!(?problem, "an answer could not be kept for when its request comes again");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// What headers and body say that changes what is done, as digests. The boundary of a form is no part
/// of it: clients make up another one each time.
fn said(headers: &HeaderMap, body: &[u8]) -> String {
    let value = |name: &str| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    let values = SAID.iter().map(|(_, header)| value(header));
    let kind = value("content-type");
    let mut digests: Vec<String> = values.map(sha256_hex).collect();
    digests.extend(match boundary(headers) {
        Some(boundary) => [sha256_hex(FORM.as_bytes()), between(body, &boundary)],
        None => [sha256_hex(kind), sha256_hex(body)],
    });
    digests.join(",")
}

/// What separates the parts of a form.
fn boundary(headers: &HeaderMap) -> Option<Vec<u8>> {
    if !is(headers, FORM) {
        return None;
    }
    let parameters = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').skip(1);
    let named = |text: &str| {
        let (name, value) = text.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    };
    parameters
        .filter_map(named)
        .find(|value| !value.is_empty())
        .map(|value| format!("--{value}").into_bytes())
}

/// A digest of what is between boundaries, in order. No part holds the boundary itself (RFC 2046, 5.1.1).
fn between(body: &[u8], boundary: &[u8]) -> String {
    let Ok(finder) = AhoCorasick::new([boundary]) else { return sha256_hex(body) };
    let (mut digest, mut at) = (String::new(), 0);
    let ends = finder.find_iter(body).map(|found| (found.start(), found.end()));
    for (end, next) in ends.chain([(body.len(), body.len())]) {
        let part = body.get(at..end).unwrap_or_default();
        digest = sha256_hex(format!("{digest},{}", sha256_hex(part)).as_bytes());
        at = next;
    }
    digest
}

fn key(given: &HeaderValue) -> Result<String, Problem> {
    let text = given.to_str().unwrap_or_default().trim();
    let fine = (1..=255).contains(&text.len());
    fine.then(|| text.to_owned())
        .ok_or_else(|| Problem::bad("`Idempotency-Key` has 1 to 255 visible ASCII characters"))
}

/// Takes the place of this key: the version it has, or what was answered before.
fn reserve(api: &Api, id: &str, request: &str) -> Result<Result<u64, Answer>, Problem> {
    let now = Timestamp::now();
    let before = api.store.record(Shelf::Request, id)?;
    let mut version = 0;
    if let Some(record) = before {
        version = record.version;
        let remembered: Remembered = record.read()?;
        // A time that is still to come was written before the clock was set back.
        let age = now.duration_since(remembered.at).abs();
        match remembered.answer {
            Some(_) if age > KEPT => {}
            None if age > TAKES => {}
            // The key itself says that it is the same where nothing else can.
            _ if remembered.request.starts_with(SCHEME) && remembered.request != request => {
                return Err(Problem::new(&REUSED, "its method, path, headers or body were others")
                    .with_remedy("use a new key for each new request"));
            }
            Some(answer) => return Ok(Err(answer)),
            None => return Err(busy()),
        }
    }
    let remembered = Remembered { request: request.to_owned(), at: now, answer: None };
    let record = record(id, version + 1, &remembered)?;
    if !api.store.put_record(&record)? {
        return Err(busy());
    }
    // Looking for the oldest costs, so not each time.
    if id.starts_with("00") {
        for old in api.store.records(Shelf::Request, &Selection::default(), 1_000, MOST)? {
            api.store.remove_record(Shelf::Request, &old.key)?;
        }
    }
    Ok(Ok(version + 1))
}

fn busy() -> Problem {
    Problem::new(&CONFLICT, "the first request with this idempotency key is still being answered")
        .with_remedy("send it again in a moment")
}

fn record(id: &str, version: u64, remembered: &Remembered) -> crate::error::Result<Record> {
    Ok(Record {
        shelf: Shelf::Request,
        key: id.to_owned(),
        version,
        state: if remembered.answer.is_some() { "answered" } else { "open" }.to_owned(),
        group: remembered.answer.as_ref().map(Answer::about).unwrap_or_default(),
        rank: remembered.at.as_microsecond(),
        body: Record::body(remembered)?,
    })
}

fn replayed(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body.unwrap_or_else(|| OMITTED.to_owned())).into_response();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}
