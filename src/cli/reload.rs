//! SIGHUP: other settings and other weights without losing a document, in the same process.
//!
//! What can fail is tried first: the configuration is read and checked, the models are loaded, the address
//! is taken, Kafka and Qdrant are asked. Then no more documents are begun, those in flight end, and the
//! pipeline is started anew. The socket of the API stays open all the while: who connects meanwhile is
//! answered after it. What does not work leaves everything as it was. For the moment of the change the
//! weights of both are in memory.

use super::running::{Running, serving};
use super::{App, store};
use crate::config::{self, Config};
use crate::consume::kafka::intake::Intake;
use crate::failpoint::Failpoints;
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::pipeline;
use crate::publish::local::LocalStore;
use crate::serve::{self, Keys};
use crate::shutdown::Signals;
use crate::telemetry;
use anyhow::{Result, bail};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often it is said what a reload waits for.
const SAID: Duration = Duration::from_secs(15);
/// How long whoever had the store last may take to close it.
const CLOSING: Duration = Duration::from_secs(5);

/// The socket of the API, with the setting that it was made for.
pub struct Socket {
    listen: String,
    open: TcpListener,
}

impl Socket {
    /// Takes the address of `serve.listen`.
    pub fn open(config: &Config) -> Result<Self> {
        let serving = serving(config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let open = runtime.block_on(serve::bind(&serving))?.into_std()?;
        Ok(Self { listen: serving.listen, open })
    }

    /// That of other settings: this one where the address is the same.
    fn of(&self, config: &Config) -> Result<Self> {
        let serving = serving(config);
        if serving.listen != self.listen {
            return Self::open(config);
        }
        serve::check_exposure(&serving, self.open.local_addr()?)?;
        Ok(Self { listen: serving.listen, open: self.open.try_clone()? })
    }

    /// For a server on the current runtime.
    pub fn listener(&self) -> Result<tokio::net::TcpListener> {
        Ok(tokio::net::TcpListener::from_std(self.open.try_clone()?)?)
    }
}

/// What a pipeline is started with.
pub struct Start {
    /// The settings.
    pub config: Config,
    socket: Socket,
    /// Loaded already; `None` once they were used.
    models: Option<Models>,
    /// Whether an operator wants no documents to be taken.
    paused: bool,
}

impl Start {
    /// With the settings that the program was started with. Says once if others may look into the data folder.
    pub fn first(app: &App) -> Result<Self> {
        if let Some((found, remedy)) = crate::durable::open_to_others(&app.config.data.dir) {
            tracing::warn!("{found}; {remedy}");
        }
        // First what fails fast: the address, then the models.
        let socket = Socket::open(&app.config)?;
        let models = Models::load(&app.config.infer, &models_dir(&app.config))?;
        Ok(Self { config: app.config.clone(), socket, models: Some(models), paused: false })
    }

    /// Starts the pipeline.
    pub fn begin(&mut self, app: &App, signals: &Signals) -> Result<Running> {
        let models = match self.models.take() {
            Some(models) => models,
            None => Models::load(&self.config.infer, &models_dir(&self.config))?,
        };
        let running = Running::on(signals, &self.socket, &self.config, models, &app.metrics, &app.variables)?;
        running.pipeline.paused().store(self.paused, Ordering::Release);
        Ok(running)
    }
}

/// Reads the settings once more and lets the documents in flight end. The pipeline begins none after it.
///
/// Errors: whatever keeps the new settings from being used; then the pipeline goes on.
pub fn prepare(app: &App, now: &Start, running: &Running) -> Result<Start> {
    tracing::info!("reloading");
    let loaded = config::load(&app.sources)?;
    app.log.learn(loaded.secrets.iter().map(String::as_str));
    let config = loaded.config;
    if config.data.dir != now.config.data.dir {
        bail!("the setting data.dir takes effect at the next start only; set it back, or restart");
    }
    if let Some(task) =
        running.tasks.standing().iter().find(|task| task.running.as_ref().is_some_and(|run| run.here))
    {
        bail!("the task `{}` is running; reload when it is done, or cancel it", task.name);
    }
    telemetry::check(&config.telemetry).map_err(anyhow::Error::msg)?;
    pipeline::check(&config)?;
    let asked = |config: &Config| {
        Keys::open(&serving(config)).map(|keys| keys.are_asked_for()).map_err(anyhow::Error::msg)
    };
    if running.keys_asked() && !asked(&config)? {
        bail!("API keys are asked for, and the new settings have none; restart to serve without keys");
    }
    let socket = now.socket.of(&config)?;
    let models = Models::load(&config.infer, &models_dir(&config))?;
    reach(&config, &models)?;
    running.pipeline.hold(true);
    let patience = Duration::from_secs(now.config.shutdown.drain_s);
    let ends = || running.shutdown.is_asked() || running.pipeline.fatal().is_some();
    if !running.pipeline.wait_idle(patience, ends) {
        running.pipeline.hold(false);
        if ends() {
            bail!("the program is stopping");
        }
        bail!(
            "documents are still in flight after {patience:?} (the setting shutdown.drain_s); reload once more"
        );
    }
    Ok(Start { config, socket, models: Some(models), paused: false })
}

/// Asks Kafka and Qdrant with the new settings: a start would wait for them, however wrong these are.
fn reach(config: &Config, models: &Models) -> Result<()> {
    if !config.kafka.brokers.is_empty() {
        Intake::open(&config.kafka)?;
    }
    if !config.qdrant.url.is_empty() {
        store::open(config, models, &Arc::new(Failpoints::default()))?.counts()?;
    }
    Ok(())
}

/// Puts `next` in the place of what is running; what it was `before` where that cannot be started.
///
/// Errors: neither can be started, or a stop was asked for before the store was free.
pub fn replace(
    app: &App,
    signals: &Signals,
    running: Running,
    mut before: Start,
    mut next: Start,
) -> Result<(Running, Start)> {
    let (store, paused) = (Arc::downgrade(&running.store), running.pipeline.paused());
    let left = running.stop(Duration::from_secs(before.config.shutdown.drain_s));
    next.paused = paused.load(Ordering::Acquire);
    before.paused = next.paused;
    if left > 0 {
        bail!("{left} documents did not end while reloading; start the program again, it takes them up");
    }
    // One process has the store, held to that by its lock: whatever still reads from it comes to its end.
    let mut said = Instant::now();
    while store.strong_count() > 0 {
        if signals.is_stop_asked() {
            bail!("stopped while reloading");
        }
        if said.elapsed() > SAID {
            said = Instant::now();
            tracing::warn!("reloading waits for a request or a message that still uses the store");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // Nobody has it, and whoever had it last may still be closing its files.
    let closing = Instant::now();
    while LocalStore::is_held(&before.config.data.dir) && closing.elapsed() < CLOSING {
        std::thread::sleep(Duration::from_millis(20));
    }
    match next.begin(app, signals) {
        Ok(running) => {
            app.log.change(&next.config.telemetry);
            tracing::info!("reloaded");
            Ok((running, next))
        }
        Err(error) => {
            tracing::error!("not reloaded, going back to what was before: {error:#}");
            let running = before.begin(app, signals)?;
            Ok((running, before))
        }
    }
}
