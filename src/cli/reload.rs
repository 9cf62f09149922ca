//! SIGHUP: other settings and other weights without losing a document, in the same process.
//!
//! What can fail is tried first: the configuration is read and checked, the models are loaded, the address
//! is taken. Then no more documents are begun, those in flight end, and the pipeline is started anew. The
//! socket of the API stays open all the while: who connects meanwhile is answered after it. What does not
//! work leaves everything as it was. For the moment of the change the weights of both are in memory.

use super::App;
use super::running::{Running, serving};
use crate::config::{self, Config};
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::pipeline;
use crate::receipt::lock;
use crate::serve;
use crate::shutdown::Signals;
use crate::telemetry;
use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long what is stopped may take to let go of the store.
const LET_GO: Duration = Duration::from_secs(15);

/// What stays through a reload.
pub struct Ground {
    /// The signals of the process.
    pub signals: Signals,
    /// The socket of the API, with the setting that it was made for.
    socket: Mutex<Option<(String, TcpListener)>>,
}

impl Ground {
    /// Listens for signals.
    pub fn new() -> Result<Self> {
        let signals = Signals::listen().context("cannot listen for signals")?;
        Ok(Self { signals, socket: Mutex::default() })
    }

    /// The socket of `serve.listen`: the one that is open where the setting is the same.
    pub fn take_address(&self, config: &Config) -> Result<TcpListener> {
        let serving = serving(config);
        let mut socket = lock(&self.socket);
        if let Some((_, open)) = socket.as_ref().filter(|(listen, _)| *listen == serving.listen) {
            serve::check_exposure(&serving, open.local_addr()?)?;
            return Ok(open.try_clone()?);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let open = runtime.block_on(serve::bind(&serving))?.into_std()?;
        let clone = open.try_clone()?;
        *socket = Some((serving.listen, open));
        Ok(clone)
    }
}

/// What a pipeline is started with.
pub struct Start {
    /// The settings.
    pub config: Config,
    /// Loaded already; `None` once they were used.
    models: Option<Models>,
    /// Whether an operator wants no documents to be taken.
    paused: bool,
}

impl Start {
    /// With the settings that the program was started with.
    pub fn first(app: &App, ground: &Ground) -> Result<Self> {
        // First what fails fast: the address, then the models.
        ground.take_address(&app.config)?;
        let models = Models::load(&app.config.infer, &models_dir(&app.config))?;
        Ok(Self { config: app.config.clone(), models: Some(models), paused: false })
    }

    /// Starts the pipeline.
    pub fn begin(&mut self, app: &App, ground: &Ground) -> Result<Running> {
        let models = match self.models.take() {
            Some(models) => models,
            None => Models::load(&self.config.infer, &models_dir(&self.config))?,
        };
        let running = Running::on(ground, &self.config, models, &app.metrics, &app.variables)?;
        running.pipeline.paused().store(self.paused, Ordering::Release);
        Ok(running)
    }
}

/// Reads the settings once more and lets the documents in flight end. The pipeline begins none after it.
///
/// Errors: whatever keeps the new settings from being used; then the pipeline goes on.
pub fn prepare(app: &App, ground: &Ground, now: &Config, running: &Running) -> Result<Start> {
    tracing::info!("reloading");
    let loaded = config::load(&app.sources)?;
    if loaded.config.data.dir != now.data.dir {
        bail!("the setting data.dir takes effect at the next start only; set it back, or restart");
    }
    app.log.learn(loaded.secrets.iter().map(String::as_str));
    telemetry::check(&loaded.config.telemetry).map_err(anyhow::Error::msg)?;
    pipeline::check(&loaded.config)?;
    ground.take_address(&loaded.config)?;
    let models = Models::load(&loaded.config.infer, &models_dir(&loaded.config))?;
    let paused = running.pipeline.paused();
    let was_paused = paused.swap(true, Ordering::AcqRel);
    let patience = Duration::from_secs(now.shutdown.drain_s);
    if !running.pipeline.wait_idle(patience, || running.shutdown.is_asked()) {
        paused.store(was_paused, Ordering::Release);
        bail!(
            "documents are still in flight after {patience:?} (the setting shutdown.drain_s); reload once more"
        );
    }
    Ok(Start { config: loaded.config, models: Some(models), paused: was_paused })
}

/// Puts `next` in the place of what is running; what it was `before` where that cannot be started.
///
/// Errors: neither can be started.
pub fn replace(
    app: &App,
    ground: &Ground,
    running: Running,
    mut before: Start,
    mut next: Start,
) -> Result<(Running, Start)> {
    let store = Arc::downgrade(&running.store);
    let left = running.stop(Duration::from_secs(before.config.shutdown.drain_s));
    if left > 0 {
        bail!("{left} documents did not end while reloading; start the program again, it takes them up");
    }
    // One process has the store, held to that by its lock.
    let deadline = Instant::now() + LET_GO;
    while store.strong_count() > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    match next.begin(app, ground) {
        Ok(running) => {
            app.log.change(&next.config.telemetry);
            tracing::info!("reloaded");
            return Ok((running, next));
        }
        Err(error) => tracing::error!("not reloaded, going back to what was before: {error:#}"),
    }
    let deadline = Instant::now() + LET_GO;
    before.paused = next.paused;
    loop {
        match before.begin(app, ground) {
            Ok(running) => return Ok((running, before)),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(250)),
        }
    }
}
