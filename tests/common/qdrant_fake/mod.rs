//! A Qdrant in memory for tests: it speaks gRPC on a free port, is as strict as the real server in
//! what quire asks of it, and makes faults when told to.
//!
//! It is built from the server stubs in qdrant-client. What it does not know, it refuses.

#![allow(dead_code, missing_docs)] // each test uses a part of it
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test may fail loudly

mod collections;
mod conditions;
mod faults;
mod points;
mod ranking;
mod rest;
mod state;

use ::qdrant_client::qdrant::collections_server::CollectionsServer;
use ::qdrant_client::qdrant::points_server::PointsServer;
use ::qdrant_client::qdrant::qdrant_server::{Qdrant, QdrantServer};
use ::qdrant_client::qdrant::{HealthCheckReply, HealthCheckRequest};
use faults::Faults;
use state::State;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

/// A point, for tests that look at what is stored.
#[derive(Debug, Clone)]
pub struct FakePoint {
    pub id: String,
    pub payload: serde_json::Value,
    /// Names of its vectors, sorted.
    pub vectors: Vec<String>,
}

/// The handle of a server. It stops when dropped.
pub struct QdrantFake {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Mutex<Option<Runtime>>,
    rest: OnceLock<(Runtime, SocketAddr)>,
}

/// What outlives a stop.
pub struct Shared {
    state: Mutex<State>,
    faults: Mutex<Faults>,
    api_key: Option<String>,
}

impl QdrantFake {
    /// Starts on a free port.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts on a free port; calls need this key.
    pub fn start_with(api_key: Option<&str>) -> Self {
        let shared =
            Shared { state: Mutex::default(), faults: Mutex::default(), api_key: api_key.map(str::to_owned) };
        let (runtime, address) = serve(SocketAddr::from(([127, 0, 0, 1], 0)), &Arc::new(shared));
        let (runtime, shared) = runtime;
        Self { address, shared, runtime: Mutex::new(Some(runtime)), rest: OnceLock::new() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of its REST port, which is open from now on.
    pub fn rest_url(&self) -> String {
        let (_, address) = self.rest.get_or_init(|| {
            let runtime = Runtime::new().unwrap();
            let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = listener.local_addr().unwrap();
            let router = rest::router(Arc::clone(&self.shared));
            runtime.spawn(async move { axum::serve(listener, router).await });
            (runtime, address)
        });
        format!("http://{address}")
    }

    /// Closes the port and every connection; what is stored stays.
    pub fn stop(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }

    /// Opens the same port again.
    pub fn start_again(&self) {
        let mut runtime = self.runtime.lock().unwrap();
        if runtime.is_none() {
            let ((new, _), _) = serve(self.address, &self.shared);
            *runtime = Some(new);
        }
    }

    /// The next `count` calls fail like this, and change nothing.
    pub fn fail_next(&self, count: usize, code: Code) {
        self.fail_on("", 0, count, code);
    }

    /// After `skip` calls of this method (as `Upsert`; `""` is any), `count` of them fail.
    pub fn fail_on(&self, method: &str, skip: usize, count: usize, code: Code) {
        self.faults().add(method, skip, count, Status::new(code, "made to fail"), false);
    }

    /// After `skip` calls of this method, `count` of them do their work, but the answer is an error.
    pub fn lose_answer(&self, method: &str, skip: usize, count: usize) {
        self.faults().add(method, skip, count, Status::unavailable("the answer is lost"), true);
    }

    /// The next `count` calls are too many: come back in some seconds.
    pub fn rate_limit_next(&self, count: usize, seconds: u64) {
        let mut metadata = MetadataMap::new();
        metadata.insert("retry-after", seconds.to_string().parse().unwrap());
        let status = Status::with_metadata(Code::ResourceExhausted, "Rate limiting exceeded", metadata);
        self.faults().add("", 0, count, status, false);
    }

    /// The next `count` requests of the REST port with this method are refused.
    pub fn refuse_rest(&self, method: &str, count: usize) {
        self.faults().rest.push((method.to_owned(), count));
    }

    /// The next `count` downloads end before their end.
    pub fn break_downloads(&self, count: usize) {
        self.faults().broken = count;
    }

    /// Every call takes this much longer from now on.
    pub fn delay(&self, delay: Duration) {
        self.faults().delay = delay;
    }

    /// Takes back all faults that are left.
    pub fn heal(&self) {
        *self.faults() = Faults::default();
    }

    /// The methods that were called since the last time this was asked.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.faults().calls)
    }

    /// All points of a collection or alias, by id; empty if there is no such.
    pub fn points(&self, collection: &str) -> Vec<FakePoint> {
        self.shared.state().report(collection)
    }

    /// Names of all collections.
    pub fn collections(&self) -> Vec<String> {
        self.shared.state().collections.keys().cloned().collect()
    }

    /// The collection behind an alias.
    pub fn alias(&self, alias: &str) -> Option<String> {
        self.shared.state().aliases.get(alias).cloned()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared.faults()
    }
}

impl Drop for QdrantFake {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Address and API key of a real server, for tests that want one.
pub fn real_server() -> Option<(String, String)> {
    let url = std::env::var("QDRANT_URL").ok().filter(|url| !url.is_empty())?;
    Some((url, std::env::var("QDRANT_API_KEY").unwrap_or_default()))
}

/// Serves on a runtime of its own.
fn serve(address: SocketAddr, shared: &Arc<Shared>) -> ((Runtime, Arc<Shared>), SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let begun = Instant::now();
    // The port may be in use for a moment, as the near end of somebody's connection.
    let listener = loop {
        match runtime.block_on(tokio::net::TcpListener::bind(address)) {
            Ok(listener) => break listener,
            Err(e) => assert!(begun.elapsed() < Duration::from_secs(60), "{address}: {e}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let address = listener.local_addr().unwrap();
    // As the real server: no limit to what it takes.
    let points = PointsServer::new(points::Served(Arc::clone(shared))).max_decoding_message_size(usize::MAX);
    let collections = CollectionsServer::from_arc(Arc::clone(shared));
    let health = QdrantServer::from_arc(Arc::clone(shared));
    let server = Server::builder().add_service(points).add_service(collections).add_service(health);
    runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    ((runtime, Arc::clone(shared)), address)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a call: the key, the faults, then the work.
    async fn answer<Q, A>(
        &self,
        method: &str,
        request: Request<Q>,
        work: impl FnOnce(&mut State, Q) -> Result<A, Status>,
    ) -> Result<Response<A>, Status> {
        let given = request.metadata().get("api-key").and_then(|key| key.to_str().ok());
        match (&self.api_key, given) {
            (Some(_), None) => {
                return Err(Status::unauthenticated(
                    "Must provide an API key or an Authorization bearer token",
                ));
            }
            (Some(key), Some(given)) if key != given => {
                return Err(Status::unauthenticated("Invalid API key or JWT"));
            }
            _ => {}
        }
        let (delay, fault) = self.faults().of_call(method);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match fault {
            Some((status, false)) => Err(status),
            Some((status, true)) => work(&mut self.state(), request.into_inner()).and(Err(status)),
            None => work(&mut self.state(), request.into_inner()).map(Response::new),
        }
    }
}

#[tonic::async_trait]
impl Qdrant for Shared {
    async fn health_check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckReply>, Status> {
        // As the real one: no key is needed to ask for health.
        let (delay, fault) = self.faults().of_call("HealthCheck");
        tokio::time::sleep(delay).await;
        match fault {
            Some((status, _)) => Err(status),
            None => Ok(Response::new(HealthCheckReply {
                title: "qdrant - a fake for tests".to_owned(),
                version: "1.20.0".to_owned(),
                commit: None,
            })),
        }
    }
}
