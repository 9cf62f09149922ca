//! Who may ask: API keys, pages of other sites, and how many at once.

use super::Shared;
use super::once::once;
use super::problem::{BUSY, FORBIDDEN, INTERNAL, Problem, RATE, ROLE, UNAUTHORIZED};
use crate::error::named;
use crate::review::Skills;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::watch;

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
    /// What reviews it gets if it asks for the next one.
    pub skills: Skills,
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
pub const LOCAL: &str = "local";

/// A name of a person from outside.
pub fn name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let fine = (1..=80).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fine.then(|| text.to_owned()).ok_or_else(|| Problem::bad("a name has 1 to 80 characters"))
}

/// The role that a request needs; paths are those below `/v1`.
fn needed(method: &Method, path: &str) -> Role {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    // Whoever subscribes sends what is in documents elsewhere.
    if ["/subscriptions", "/deliveries", "/admin"].iter().any(|start| path.starts_with(start)) {
        return Role::Admin;
    }
    match *method {
        Method::GET | Method::HEAD => Role::Reader,
        _ if path.starts_with("/reviews") => Role::Reviewer,
        // Rules of retention delete for everybody, a backup takes the place of an older one.
        _ if path.starts_with("/tasks") => Role::Admin,
        _ => Role::Writer,
    }
}

/// Whether a body may be a document, which is read with bounds of its own; a path below `/v1`.
fn is_upload(path: &str) -> bool {
    path.strip_prefix("/v1").unwrap_or(path).trim_end_matches('/') == "/documents"
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
    let keys = &shared.api.keys;
    let asked = keys.are_asked_for();
    if !asked {
        from_here(request.headers())?;
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = peer.map_or_else(String::new, |peer| peer.0.ip().to_string());
    let Some(caller) = keys.bearer(request.headers()) else {
        // Whoever guesses keys is slowed down like everybody.
        slowly(&shared, &format!("address {address}"))?;
        return Err(Problem::new(&UNAUTHORIZED, "no API key that is known came with the request")
            .with_remedy("send `Authorization: Bearer KEY` with a key of `quire keys` or serve.api_keys"));
    };
    slowly(&shared, &if asked { format!("key {}", caller.name) } else { format!("address {address}") })?;
    let needed = needed(request.method(), request.uri().path());
    if !may(caller.role, needed) {
        return Err(Problem::new(&ROLE, format!("the key is of a {}; this needs a {needed}", caller.role))
            .with_remedy("use a key with that role"));
    }
    request.extensions_mut().insert(caller.clone());
    let changes = !request.method().is_safe();
    let begun = shared.api.changes.clone();
    let answer = async move {
        let mut share = None;
        if changes && !is_upload(request.uri().path()) {
            let (whole, held) = super::body::whole(&shared, request).await?;
            (request, share) = (whole, Some(held));
        }
        let _share = share;
        let mut held = Held::of(&shared.requests, REQUESTS);
        if !held.grow(1) {
            return Err(Problem::new(&BUSY, format!("{REQUESTS} requests are being answered already")));
        }
        once(&shared, &caller, request, next).await
    };
    if changes { to_the_end(&begun, answer).await } else { answer.await }
}

/// Requests that change something and did not end yet, whether or not their senders wait.
#[derive(Clone, Default)]
pub struct Changes(Arc<watch::Sender<usize>>);

/// One of them.
struct Begun(Changes);

impl Changes {
    fn begin(&self) -> Begun {
        self.0.send_modify(|begun| *begun += 1);
        Begun(self.clone())
    }

    /// Ends when all have.
    pub async fn ended(&self) {
        // Its sender is here: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|begun| *begun == 0).await;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.0.send_modify(|begun| *begun -= 1);
    }
}

/// Answers in a task of its own. The server drops the future of a request whose sender hangs up; one
/// that changes something would then be done by half, and its idempotency key stay reserved.
async fn to_the_end(
    changes: &Changes,
    answer: impl Future<Output = Result<Response, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    let begun = changes.begin();
    let whole = async move {
        let answered = answer.await;
        drop(begun);
        answered
    };
    tokio::spawn(whole).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request could not be answered");
        Err(Problem::new(&INTERNAL, "answering this request failed unexpectedly"))
    })
}

/// Lets a request of this caller pass, if it does not ask too fast.
fn slowly(shared: &Shared, who: &str) -> Result<(), Problem> {
    shared.pace.pass(who, Instant::now()).map_err(|wait| {
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        let rate = shared.api.config.requests_per_s;
        Problem::new(&RATE, format!("{who} asks more than serve.requests_per_s = {rate} times a second"))
            .with_remedy(format!("wait {seconds} s, ask less often, or raise serve.requests_per_s"))
            .after(seconds as u64)
    })
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
    use axum::response::IntoResponse;

    #[tokio::test]
    async fn a_request_that_panics_is_a_problem() {
        let changes = Changes::default();
        let answer = to_the_end(&changes, async { panic!("a handler that fails") }).await;
        assert_eq!(answer.unwrap_err().into_response().status(), 500);
        changes.ended().await;
    }

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
    fn roles_bound_what_is_done() {
        assert!(may(Role::Reviewer, needed(&Method::POST, "/reviews/a/claim")));
        assert!(may(Role::Reviewer, needed(&Method::GET, "/documents")));
        assert!(!may(Role::Reviewer, needed(&Method::DELETE, "/documents/a")));
        assert!(!may(Role::Writer, needed(&Method::POST, "/reviews/a/claim")));
        assert!(!may(Role::Reader, needed(&Method::POST, "/documents")));
        assert!(!may(Role::Writer, needed(&Method::GET, "/v1/subscriptions")));
        assert!(may(Role::Writer, needed(&Method::POST, "/dead-letters/a/replay")));
        for (method, path) in [(Method::POST, "/v1/tasks/retain"), (Method::DELETE, "/tasks/backup")] {
            assert!(!may(Role::Writer, needed(&method, path)) && may(Role::Admin, needed(&method, path)));
        }
        assert!(may(Role::Reader, needed(&Method::GET, "/v1/tasks")));
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
