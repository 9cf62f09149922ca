//! Leave for pages of other origins to ask the API and read its answers (the Fetch standard's CORS protocol):
//! none has it, unless the settings name it.

use super::upload::SAID;
use axum::http::{HeaderName, HeaderValue, Method, header};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember the leave: as long as any lets it.
const REMEMBERED: Duration = Duration::from_secs(2 * 3600);

/// Leave for these origins. They send their key in a header, never by a cookie.
pub fn leave(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let said = SAID.map(|(_, header)| HeaderName::from_static(header));
    let others = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("traceparent"),
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(others.into_iter().chain(said).collect::<Vec<_>>())
        .expose_headers([header::RETRY_AFTER, header::LOCATION])
        .max_age(REMEMBERED)
}
