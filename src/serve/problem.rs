//! Every error as RFC 9457 `application/problem+json`, and the headers of every answer.

use crate::error::Error;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A kind of problem: what is the same each time it occurs.
#[derive(Debug)]
pub struct Kind {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
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
pub static NOT_READY: Kind = kind(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready yet");

/// One occurrence.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    remedy: Option<String>,
}

impl Problem {
    /// A problem of `kind`, as `detail` says.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), remedy: None }
    }

    /// The sender's mistake.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(&BAD_REQUEST, detail)
    }

    /// What a person can do about it.
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
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
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// No such path.
pub async fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "no such path").with_remedy("GET / lists the paths")
}

/// No such method on this path.
pub async fn method_not_allowed() -> Problem {
    Problem::new(&METHOD, "this method is not allowed here; the header `allow` lists those that are")
}

/// The outermost layer: writes problems, turns errors of the framework into problems too, and sets
/// the headers that every answer has.
pub async fn finish(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let status = response.status();
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
    // The page brings its own policy.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    if path != "/metrics" {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
