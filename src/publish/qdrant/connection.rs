//! Calls to Qdrant from plain threads: a runtime of its own, deadlines, and patience.

use super::failure::{self, Fault, Pause};
use crate::config::QdrantConfig;
use crate::error::{Class, Error, Result, Stage};
use ::qdrant_client::qdrant::alias_operations::Action;
use ::qdrant_client::qdrant::collections_client::CollectionsClient;
use ::qdrant_client::qdrant::{AliasOperations, ChangeAliases, CreateAlias, DeleteAlias};
use ::qdrant_client::{Qdrant, QdrantError};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::Status;
use tonic::transport::{ClientTlsConfig, Endpoint};

/// The first wait before a call is made again; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How long a call is usually made again and again. Short: what lasts longer is an outage, and the pipeline
/// has its own way of waiting for those.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a rate limit is obeyed before it counts as an outage: limits count minutes.
const LIMIT_PATIENCE: Duration = Duration::from_secs(90);

/// Connecting takes no longer on any network that is worth using.
const CONNECT: Duration = Duration::from_secs(5);

/// A client with a runtime.
pub(super) struct Connection {
    client: Qdrant,
    handle: Handle,
    /// Only `None` while it is dropped.
    runtime: Option<Runtime>,
    /// For messages.
    pub url: String,
    timeout: Duration,
    /// How long a call is made again and again.
    pub patience: Duration,
}

impl Connection {
    /// Connects with the first call, not before.
    pub(super) fn new(config: &QdrantConfig) -> Result<Self> {
        let url = config.url.clone();
        check_url("qdrant.url", &url)?;
        let key = config.api_key.expose();
        // The client would print a key that is no header value.
        if !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(failure::misconfigured(
                "qdrant.api_key holds a character that no key has (a space, a line break?)",
                "set qdrant.api_key to the key alone",
            ));
        }
        let timeout = Duration::from_secs(config.timeout_s.max(1));
        let mut builder = Qdrant::from_url(&url)
            .skip_compatibility_check()
            .connect_timeout(timeout.min(CONNECT))
            // The client asks once more at once when its own timeout passes, so ours comes first.
            .timeout(timeout.saturating_mul(2));
        builder.set_pool_size(config.parallel.max(1));
        if !key.is_empty() {
            builder.set_api_key(key);
        }
        let client = builder.build().map_err(|error| Fault::new(&error, &url).error)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("qdrant")
            .enable_all()
            .build()
            .map_err(|e| Error::fatal(Stage::Publish, Class::Internal, e))?;
        Ok(Self {
            client,
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            url,
            timeout,
            patience: PATIENCE,
        })
    }

    /// Runs to the end on this thread, which must not be one of an async runtime.
    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.handle.block_on(work)
    }

    /// Makes a call, again where that may help.
    pub(super) async fn call<R, T, F, Fut>(&self, request: R, call: F) -> Result<T>
    where
        R: Clone,
        F: Fn(Qdrant, R) -> Fut,
        Fut: Future<Output = Result<T, QdrantError>>,
    {
        self.attempt(request, call).await.map_err(|fault| fault.error)
    }

    /// The same, for a caller who has to know the code.
    pub(super) async fn attempt<R, T, F, Fut>(&self, request: R, call: F) -> Result<T, Box<Fault>>
    where
        R: Clone,
        F: Fn(Qdrant, R) -> Fut,
        Fut: Future<Output = Result<T, QdrantError>>,
    {
        let begun = Instant::now();
        let mut wait = FIRST_WAIT;
        loop {
            let fault =
                match tokio::time::timeout(self.timeout, call(self.client.clone(), request.clone())).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(error)) => Fault::new(&error, &self.url),
                    Err(_) => Fault::slow(&self.url, self.timeout),
                };
            let (pause, patience) = match fault.pause {
                Pause::Never => return Err(Box::new(fault)),
                Pause::Short => (wait.mul_f64(jitter()), self.patience),
                Pause::Told(pause) => (pause.max(FIRST_WAIT), LIMIT_PATIENCE),
            };
            if begun.elapsed() + pause > patience {
                return Err(Box::new(fault));
            }
            tracing::debug!(pause_ms = pause.as_millis() as u64, "{}", fault.error.failure().reason);
            tokio::time::sleep(pause).await;
            wait = wait.saturating_mul(2);
        }
    }

    /// Lets each alias name its collection from now on, all in the same moment. The client library
    /// changes one alias a call only, so this speaks to the server beside it.
    pub(super) async fn point_aliases(&self, pairs: &[(&String, &String)]) -> Result<()> {
        let mut actions = Vec::new();
        for (alias_name, collection_name) in pairs {
            let (alias_name, collection_name) = ((*alias_name).clone(), (*collection_name).clone());
            let alias = alias_name.clone();
            actions.push(Action::DeleteAlias(DeleteAlias { alias_name: alias }));
            actions.push(Action::CreateAlias(CreateAlias { alias_name, collection_name }));
        }
        let actions = actions.into_iter().map(|action| AliasOperations { action: Some(action) }).collect();
        let request = ChangeAliases { actions, timeout: None };
        let result = self.call(request, |client, change| async move {
            let mut endpoint = Endpoint::from_shared(client.config.uri.clone())
                .map_err(|e| Status::invalid_argument(e.to_string()))?
                .timeout(client.config.timeout)
                .connect_timeout(client.config.connect_timeout);
            if client.config.uri.starts_with("https") {
                let tls = ClientTlsConfig::new().with_native_roots();
                endpoint = endpoint.tls_config(tls).map_err(|e| Status::internal(e.to_string()))?;
            }
            let channel = endpoint.connect().await.map_err(|e| Status::unavailable(e.to_string()))?;
            let mut request = tonic::Request::new(change);
            if let Some(key) = &client.config.api_key {
                let key = key.parse().map_err(|_| Status::unauthenticated("the key is none"))?;
                request.metadata_mut().insert("api-key", key);
            }
            Ok(CollectionsClient::new(channel).update_aliases(request).await?)
        });
        result.await.map(|_| ())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Dropping a runtime waits, which panics on a thread of another runtime: and the API, which
        // shares the store, may be the last to let it go.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Half to all of a wait, so that workers do not come back all at once.
fn jitter() -> f64 {
    let random = RandomState::new().hash_one(0_u8);
    0.5 + (random >> 11) as f64 / (1_u64 << 53) as f64 / 2.0
}

/// Errors: `Fatal` where the value of a setting is no address that can be asked, or holds what is secret.
pub(super) fn check_url(setting: &str, url: &str) -> Result<()> {
    let parsed = url::Url::parse(url).map_err(|e| failure::bad_url(setting, url, e))?;
    match (parsed.scheme(), parsed.host_str()) {
        ("http" | "https", Some(_)) if parsed.username().is_empty() && parsed.password().is_none() => Ok(()),
        ("http" | "https", Some(_)) => Err(failure::misconfigured(
            format_args!("{setting} holds a user or password"),
            "use qdrant.api_key instead",
        )),
        _ => Err(failure::bad_url(setting, url, "it begins with neither http:// nor https://")),
    }
}
