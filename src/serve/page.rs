//! `GET /`: the page for people, three files that are in the binary. It holds no data: it asks the
//! API, with a key where keys are set.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Only the page's own files, and pictures that it fetched itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /`
pub async fn index() -> Response {
    let media_type = (header::CONTENT_TYPE, "text/html; charset=utf-8");
    ([media_type, (header::CONTENT_SECURITY_POLICY, POLICY)], include_str!("page/page.html")).into_response()
}

/// `GET /page.css`
pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page/page.css")).into_response()
}

/// `GET /page.js`
pub async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("page/page.js")).into_response()
}
