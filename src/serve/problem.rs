//! Every error as RFC 9457 `application/problem+json`, and the headers of every answer.

use super::Shared;
use crate::error::Error;
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// A kind of problem: what is the same each time it occurs.
#[derive(Debug)]
pub struct Kind {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
}

impl Kind {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Its name and title, for the description of the API.
    pub fn text(&self) -> String {
        format!("{}: {}", self.slug, self.title)
    }
}

/// What every path under `/v1` can answer with.
pub static ALWAYS: [&Kind; 8] =
    [&BAD_REQUEST, &UNAUTHORIZED, &FORBIDDEN, &ROLE, &RATE, &SLOW, &INTERNAL, &BUSY];

/// The JSON schema of a problem.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": { "type": "string", "description": "urn:quire:problem: and the name of the kind, or about:blank" },
            "title": { "type": "string", "description": "the same for each problem of a kind" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "what was found" },
            "instance": { "type": "string", "description": "the path that was asked for" },
            "remedy": { "type": "string", "description": "what to do about it" },
        },
    })
}

const fn kind(status: StatusCode, slug: &'static str, title: &'static str) -> Kind {
    Kind { status, slug, title }
}

pub static BAD_REQUEST: Kind = kind(StatusCode::BAD_REQUEST, "bad-request", "The request is not right");
pub static UNAUTHORIZED: Kind = kind(StatusCode::UNAUTHORIZED, "unauthorized", "An API key is needed");
pub static FORBIDDEN: Kind = kind(StatusCode::FORBIDDEN, "forbidden", "Not from there");
pub static NOT_FOUND: Kind = kind(StatusCode::NOT_FOUND, "not-found", "There is nothing of that name");
pub static METHOD: Kind =
    kind(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This path does not do that");
pub static SLOW: Kind = kind(StatusCode::REQUEST_TIMEOUT, "timeout", "The request did not arrive in time");
pub static IN_FLIGHT: Kind = kind(StatusCode::CONFLICT, "in-flight", "The document is being processed");
pub static HELD: Kind = kind(StatusCode::CONFLICT, "held", "A legal hold keeps the document");
pub static STALE: Kind = kind(StatusCode::CONFLICT, "stale", "Somebody changed it meanwhile");
pub static CONFLICT: Kind = kind(StatusCode::CONFLICT, "conflict", "That is not possible now");
pub static OBJECTIONS: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "checks-fail", "Checks fail with these corrections");
pub static NO_PICTURE: Kind = kind(StatusCode::NOT_FOUND, "no-picture", "This page cannot be shown");
pub static ROLE: Kind = kind(StatusCode::FORBIDDEN, "role", "This API key may not do that");
pub static TOO_LARGE: Kind = kind(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large");
pub static INTERNAL: Kind =
    kind(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The request could not be answered");
pub static BUSY: Kind = kind(StatusCode::SERVICE_UNAVAILABLE, "busy", "Not now; try again");
pub static NOT_FETCHED: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "not-fetched", "The document behind the URI was not fetched");
pub static NO_DIRECTION: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "no-direction", "These examples leave nothing to search for");
pub static RATE: Kind = kind(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Not so fast");
pub static REUSED: Kind = kind(
    StatusCode::UNPROCESSABLE_ENTITY,
    "key-reused",
    "This idempotency key came with another request before",
);
pub static MEDIA: Kind = kind(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "media-type",
    "The body is of another type than this path takes",
);
pub static NOT_READY: Kind = kind(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready yet");

/// One occurrence.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    remedy: Option<String>,
    /// Seconds after which to try again.
    wait: Option<u64>,
}

impl Problem {
    /// A problem of `kind`, as `detail` says.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), remedy: None, wait: None }
    }

    /// The sender's mistake.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(&BAD_REQUEST, detail)
    }

    /// A body that is no upload has a bound of its own.
    pub fn long_json() -> Self {
        Self::new(&TOO_LARGE, format!("a JSON body has at most {} MiB", super::JSON_LIMIT >> 20))
            .with_remedy("correct fewer pages at once")
    }

    /// It may be tried again after so many seconds.
    pub fn after(mut self, seconds: u64) -> Self {
        self.wait = Some(seconds);
        self
    }

    /// What a person can do about it.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl From<JsonRejection> for Problem {
    /// What is wrong with a JSON body, or with what came in its place.
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(&MEDIA, "the body is not said to be JSON")
                .with_remedy("send JSON, with `Content-Type: application/json`"),
            StatusCode::PAYLOAD_TOO_LARGE => Self::long_json(),
            _ => Self::bad(rejection.body_text()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Retry(_) => &BUSY,
            Error::Reject(_) => &BAD_REQUEST,
            Error::Fatal(_) => &INTERNAL,
        };
        tracing::warn!(%error, "a request failed");
        let failure = error.failure();
        Self::new(kind, failure.reason.clone()).with_remedy(failure.remedy.clone())
    }
}

impl IntoResponse for Problem {
    /// Status and headers; [`finish`] writes the body, because it knows the path.
    fn into_response(self) -> Response {
        let mut response = self.kind.status.into_response();
        let headers = response.headers_mut();
        match self.kind.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"quire\""));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(self.wait.unwrap_or(1)));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// No such path.
pub async fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "no such path").with_remedy("GET /v1/openapi.json describes every path")
}

/// No such method on this path.
pub async fn method_not_allowed() -> Problem {
    Problem::new(&METHOD, "this method is not allowed here; the header `allow` lists those that are")
}

/// The outermost layer: writes problems, turns errors of the framework into problems too, sets the headers that
/// every answer has, and counts it.
pub async fn finish(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let status = response.status();
    shared.api.metrics.answered(method.as_str(), status.as_u16());
    if status.is_client_error() || status.is_server_error() {
        let body = match response.extensions_mut().remove::<Problem>() {
            Some(problem) => {
                let mut body = json!({
                    "type": format!("urn:quire:problem:{}", problem.kind.slug),
                    "title": problem.kind.title,
                    "status": status.as_u16(),
                    "detail": problem.detail,
                    "instance": path,
                });
                if let (Some(remedy), Some(fields)) = (problem.remedy, body.as_object_mut()) {
                    fields.insert("remedy".to_owned(), remedy.into());
                }
                body
            }
            // RFC 9457, 4.2.1: no more to say than the status itself.
            None => json!({
                "type": "about:blank",
                "title": status.canonical_reason().unwrap_or("Error"),
                "status": status.as_u16(),
                "detail": "the request was refused",
                "instance": path,
            }),
        };
        *response.body_mut() = Body::from(body.to_string());
        response.headers_mut().remove(header::CONTENT_LENGTH);
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers
        .insert("permissions-policy", HeaderValue::from_static("camera=(), geolocation=(), microphone=()"));
    // The page brings its own policy.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    if path != "/metrics" {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
