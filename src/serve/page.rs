//! `GET /`: what is served here, for a person.

use super::Shared;
use super::problem::Problem;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use uuid::Uuid;

const PAGE: &str = include_str!("page.html");

/// The page. It asks for no key, so where keys are asked for it shows no counts either.
pub async fn index(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let counts = if shared.api.config.api_keys.is_empty() {
        let counts = shared.blocking(|api| Ok(api.store.counts()?)).await?;
        let flight = shared.api.progress.all().len();
        let cell = |name, number| format!("<div><dt>{name}</dt><dd>{number}</dd></div>");
        [
            cell("documents", counts.documents),
            cell("passages", counts.passages),
            cell("in flight", flight),
            cell("dead letters", counts.dead),
        ]
        .concat()
    } else {
        "<div><dt>counts</dt><dd>GET /v1/status, with a key</dd></div>".to_owned()
    };
    // A nonce, so that nothing but this page's own style is ever applied.
    let nonce = Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let page = PAGE
        .replace("{nonce}", &nonce)
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{counts}", &counts);
    let media_type = "text/html; charset=utf-8".to_owned();
    Ok(([(header::CONTENT_TYPE, media_type), (header::CONTENT_SECURITY_POLICY, policy)], page)
        .into_response())
}
