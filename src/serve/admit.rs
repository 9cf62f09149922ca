//! Who may ask: API keys, pages of other sites, and how many at once.

use super::Shared;
use super::problem::{BUSY, FORBIDDEN, Problem, UNAUTHORIZED};
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests under `/v1` at once. Each may hold a thread that blocks, of which tokio has 512; a
/// request beyond is told to come back rather than queued without bound.
const REQUESTS: usize = 256;

/// A share of something bounded, given back when dropped.
pub struct Held<'a> {
    used: &'a AtomicUsize,
    held: usize,
    bound: usize,
}

impl<'a> Held<'a> {
    /// Nothing yet, of at most `bound` in all.
    pub fn of(used: &'a AtomicUsize, bound: usize) -> Self {
        Self { used, held: 0, bound }
    }

    /// Takes `more`; false, and nothing taken, where that is over the bound.
    pub fn grow(&mut self, more: usize) -> bool {
        let within = |used: usize| used.checked_add(more).filter(|sum| *sum <= self.bound);
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, within).is_ok();
        if taken {
            self.held += more;
        }
        taken
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.used.fetch_sub(self.held, Ordering::AcqRel);
    }
}

/// The layer over `/v1`.
pub async fn admit(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let keys = &shared.api.config.api_keys;
    if keys.is_empty() {
        from_here(request.headers())?;
    } else if !keyed(request.headers(), keys.iter().map(|key| key.expose())) {
        return Err(Problem::new(&UNAUTHORIZED, "no API key that is known came with the request")
            .with_remedy("send `Authorization: Bearer KEY` with one of serve.api_keys"));
    }
    let mut held = Held::of(&shared.requests, REQUESTS);
    if !held.grow(1) {
        return Err(Problem::new(&BUSY, format!("{REQUESTS} requests are being answered already")));
    }
    Ok(next.run(request).await)
}

/// Whether the request bears one of the keys. Digests are compared, all of them and to the end, so
/// that the time tells nothing about a key.
fn keyed<'k>(headers: &HeaderMap, keys: impl Iterator<Item = &'k str>) -> bool {
    let Some(given) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let Some((scheme, given)) = given.split_once(' ') else { return false };
    let given = Sha256::digest(given.trim());
    let mut found = 0;
    for key in keys.filter(|key| !key.is_empty()) {
        let known = Sha256::digest(key);
        let differs = given.iter().zip(known.iter()).fold(0, |all, (a, b)| all | (a ^ b));
        found |= u8::from(std::hint::black_box(differs) == 0);
    }
    scheme.eq_ignore_ascii_case("bearer") && found == 1
}

/// Without keys only this machine is answered, but a browser on it runs other sites' pages. Those
/// could post to loopback (their `Origin` gives them away), or have a name of theirs resolve to
/// loopback and then read everything (DNS rebinding: `Host` is then that name).
fn from_here(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |what: String| {
        Err(Problem::new(&FORBIDDEN, what)
            .with_remedy("use 127.0.0.1 or localhost; set serve.api_keys to serve under another name"))
    };
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(host) = text(header::HOST) else { return Ok(()) };
    if !local(host) {
        return refuse(format!("without serve.api_keys, requests to `{host}` are not answered"));
    }
    match text(header::ORIGIN) {
        Some(origin) if !origin.eq_ignore_ascii_case(&format!("http://{host}")) => {
            refuse(format!("without serve.api_keys, requests from pages of `{origin}` are not answered"))
        }
        _ => Ok(()),
    }
}

/// Whether a `Host` cannot be a name that someone else resolves.
fn local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_bounded_and_given_back() {
        let used = AtomicUsize::new(0);
        let mut first = Held::of(&used, 10);
        assert!(first.grow(6) && first.grow(4) && !first.grow(1));
        assert!(!Held::of(&used, 10).grow(usize::MAX));
        drop(first);
        assert_eq!(used.load(Ordering::Acquire), 0);
    }

    #[test]
    fn hosts_of_this_machine() {
        for host in ["localhost", "LOCALHOST:8737", "127.0.0.1:80", "[::1]:8737", "a.localhost"] {
            assert!(local(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "a b"] {
            assert!(!local(host), "{host}");
        }
    }
}
