//! Who may ask: API keys, pages of other sites, and how many at once.

use super::Shared;
use super::problem::{BUSY, FORBIDDEN, Problem, ROLE, UNAUTHORIZED};
use crate::document::sha256_hex;
use crate::error::named;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

named! {
    /// What an API key may do.
    Role {
        /// Look and search.
        Reader = "reader",
        /// That, and send, delete and reprocess documents.
        Writer = "writer",
        /// Look, search and decide.
        Reviewer = "reviewer",
        /// Everything.
        Admin = "admin",
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its name, as the audit trail shows it.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl Caller {
    /// The name to act under: the key's where there are keys, else the one that is given.
    pub fn name(&self, given: Option<&str>) -> Result<String, Problem> {
        match given {
            Some(text) if self.name == LOCAL => name(text),
            Some(text) if text != self.name => {
                Err(Problem::new(&ROLE, format!("the key is of {}, not of {text}", self.name)))
            }
            _ => Ok(self.name.clone()),
        }
    }
}

/// Whoever is on this machine, where no keys are set.
const LOCAL: &str = "local";

/// A name of a person from outside.
pub fn name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let fine = (1..=80).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fine.then(|| text.to_owned()).ok_or_else(|| Problem::bad("a name has 1 to 80 characters"))
}

/// One entry of `serve.api_keys`: `KEY`, which may do everything, or `ROLE:sha256:HEX` with the
/// digest of a key, or `ROLE:sha256:HEX:NAME`.
struct Entry {
    digest: String,
    caller: Caller,
}

impl Entry {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(4, ':');
        let (role, scheme, hex) = (parts.next(), parts.next(), parts.next());
        if scheme != Some("sha256") {
            let digest = sha256_hex(text.as_bytes());
            let name = format!("key-{}", digest.get(..8).unwrap_or_default());
            return Ok(Self { digest, caller: Caller { name, role: Role::Admin } });
        }
        let known = || Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
        let role = role.unwrap_or_default();
        let role = role.parse().map_err(|_| format!("`{role}` is none of the roles {}", known()))?;
        let digest = hex.unwrap_or_default().to_ascii_lowercase();
        if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err("after `sha256:` come 64 hex digits".to_owned());
        }
        let short = format!("key-{}", digest.get(..8).unwrap_or_default());
        let name = parts.next().map_or(short, str::to_owned);
        Ok(Self { digest, caller: Caller { name, role } })
    }
}

/// Says what is wrong with an entry of `serve.api_keys`, if something is.
pub fn check_key(text: &str) -> Result<(), String> {
    Entry::parse(text).map(drop)
}

/// The role that a request needs; paths are those below `/v1`.
fn needed(method: &Method, path: &str) -> Role {
    match *method {
        Method::GET | Method::HEAD => Role::Reader,
        _ if path.starts_with("/reviews") || path.starts_with("/v1/reviews") => Role::Reviewer,
        _ => Role::Writer,
    }
}

fn may(role: Role, needed: Role) -> bool {
    role == Role::Admin || role == needed || needed == Role::Reader
}

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
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let keys = &shared.api.config.api_keys;
    let caller = if keys.is_empty() {
        from_here(request.headers())?;
        Caller { name: LOCAL.to_owned(), role: Role::Admin }
    } else {
        keyed(request.headers(), keys.iter().map(|key| key.expose())).ok_or_else(|| {
            Problem::new(&UNAUTHORIZED, "no API key that is known came with the request")
                .with_remedy("send `Authorization: Bearer KEY` with one of serve.api_keys")
        })?
    };
    let needed = needed(request.method(), request.uri().path());
    if !may(caller.role, needed) {
        return Err(Problem::new(&ROLE, format!("the key is of a {}; this needs a {needed}", caller.role))
            .with_remedy("use a key with that role"));
    }
    request.extensions_mut().insert(caller);
    let mut held = Held::of(&shared.requests, REQUESTS);
    if !held.grow(1) {
        return Err(Problem::new(&BUSY, format!("{REQUESTS} requests are being answered already")));
    }
    Ok(next.run(request).await)
}

/// Whether the request bears one of the keys. Digests are compared, all of them and to the end, so
/// that the time tells nothing about a key.
fn keyed<'k>(headers: &HeaderMap, keys: impl Iterator<Item = &'k str>) -> Option<Caller> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())?;
    let (scheme, given) = given.split_once(' ')?;
    let given = sha256_hex(given.trim().as_bytes());
    let mut found = None;
    for entry in keys.filter(|key| !key.is_empty()).filter_map(|key| Entry::parse(key).ok()) {
        let differs = given.bytes().zip(entry.digest.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        if std::hint::black_box(differs) == 0 {
            found = Some(entry.caller);
        }
    }
    found.filter(|_| scheme.eq_ignore_ascii_case("bearer"))
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
    fn keys_have_roles_and_names() {
        let digest = sha256_hex(b"secret");
        let keys = ["plain".to_owned(), format!("reviewer:sha256:{digest}:ada")];
        let ask = |given: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, format!("Bearer {given}").parse().unwrap());
            keyed(&headers, keys.iter().map(String::as_str)).map(|caller| (caller.name, caller.role))
        };
        assert_eq!(ask("secret"), Some(("ada".to_owned(), Role::Reviewer)));
        assert_eq!(ask("plain").map(|caller| caller.1), Some(Role::Admin));
        assert_eq!(ask(&digest), None, "the digest is no key");
        assert!(may(Role::Reviewer, needed(&Method::POST, "/reviews/a/claim")));
        assert!(may(Role::Reviewer, needed(&Method::GET, "/documents")));
        assert!(!may(Role::Reviewer, needed(&Method::DELETE, "/documents/a")));
        assert!(!may(Role::Writer, needed(&Method::POST, "/reviews/a/claim")));
        assert!(!may(Role::Reader, needed(&Method::POST, "/documents")));
        for wrong in ["boss:sha256:00", "reader:sha256:12"] {
            assert!(check_key(wrong).is_err(), "{wrong}");
        }
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
