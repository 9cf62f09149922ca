//! `quire run`: the pipeline with its ends, and the API beside it.

use super::once::Once;
use super::outside::{Outside, sweep};
use super::reached::until_reached;
use super::reload::{self, Socket, Start};
use super::{App, doctor, store, tend};
use crate::config::{Config, OcrEngine, ServeConfig};
use crate::consume::fetch::Fetcher;
use crate::consume::folder::FolderSource;
use crate::consume::kafka::intake::Intake;
use crate::consume::kafka::originals::Originals;
use crate::consume::kafka::{self, KafkaSource};
use crate::consume::{Count, Door, Graveyard, Inbox, Source, Watcher};
use crate::failpoint::Failpoints;
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::metrics::Metrics;
use crate::notify;
use crate::pipeline::Pipeline;
use crate::publish::Store;
use crate::receipt::lock;
use crate::sandbox::networks;
use crate::serve;
use crate::shutdown::{Shutdown, Signals};
use crate::tend::restore;
use crate::tend::schedule::Schedule;
use crate::trace;
use anyhow::{Context, Result};
use clap::Args;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How often the disk is looked at.
const DISK: Duration = Duration::from_secs(15);
/// How long the API may take to end: it cuts off what is open after some seconds itself.
const ANSWERED: Duration = Duration::from_secs(7);
/// How long requests that change something may take to end after that, though their senders hung up.
const ENDED: Duration = Duration::from_secs(10);

/// Arguments of `quire run`.
#[derive(Args)]
pub struct RunArgs {
    /// Stop when the inbox is empty, or no topic gave anything for three seconds, and everything in
    /// flight is done
    #[arg(long)]
    once: bool,
}

/// Everything that runs.
pub struct Running {
    /// The stages.
    pub pipeline: Pipeline,
    /// Where documents are kept.
    pub store: Arc<dyn Store>,
    /// The folders.
    pub inbox: Inbox,
    /// `name@revision` by task.
    pub revisions: std::collections::BTreeMap<String, String>,
    /// Where the API is.
    pub address: std::net::SocketAddr,
    /// Whether to stop.
    pub shutdown: Shutdown,
    /// What runs by the clock.
    pub tasks: Arc<Schedule>,
    keys: Arc<serve::Keys>,
    serving: JoinHandle<()>,
    changes: serve::Changes,
    /// Heard as long as this runs, where it is started once only.
    _signals: Option<Signals>,
    live: Arc<AtomicBool>,
    traces: trace::Exporter,
    runtime: Runtime,
}

impl Running {
    /// Starts pipeline and API, once.
    pub fn start(
        config: &Config,
        metrics: &Arc<Metrics>,
        variables: &HashMap<String, String>,
    ) -> Result<Self> {
        let signals = Signals::listen(false).context("cannot listen for signals")?;
        // First what fails fast: the address, then the models.
        let socket = Socket::open(config)?;
        let models = Models::load(&config.infer, &models_dir(config))?;
        let running = Self::on(&signals, &socket, config, models, metrics, variables)?;
        Ok(Self { _signals: Some(signals), ..running })
    }

    /// Starts pipeline and API with these signals and this socket.
    pub fn on(
        signals: &Signals,
        socket: &Socket,
        config: &Config,
        models: Models,
        metrics: &Arc<Metrics>,
        variables: &HashMap<String, String>,
    ) -> Result<Self> {
        restore::check_whole(&config.data.dir)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let shutdown = signals.shutdown();
        let serving = serving(config);
        let listener = {
            let _inside = runtime.enter();
            socket.listener()?
        };
        let keys = Arc::new(serve::Keys::open(&serving).map_err(anyhow::Error::msg)?);
        let address = listener.local_addr()?;
        crate::durable::make_private(&config.data.dir)
            .with_context(|| format!("cannot make {} (the setting data.dir)", config.data.dir.display()))?;
        let root = config.data.dir.clone();
        let fetcher = Arc::new(Fetcher::new(&config.consume, variables.clone()));
        let door = match config.kafka.brokers.is_empty() {
            true => Door::Folder(
                Inbox::open(&root)
                    .with_context(|| format!("cannot use {} (the setting data.dir)", root.display()))?,
            ),
            false => {
                let intake = until_reached(&shutdown, || Intake::open(&config.kafka))?;
                let originals = Originals::new(&config.kafka, Arc::clone(&fetcher));
                Door::Kafka(Arc::new(intake.with_originals(originals)))
            }
        };
        let failpoints = Arc::new(Failpoints::parse(&config.testing.failpoints).map_err(anyhow::Error::msg)?);
        // A server may come back; a disk that is full is for a person to see at once.
        let open = || {
            let store = store::open(config, &models, &failpoints)?;
            let counts = store.counts()?;
            Ok((store, counts))
        };
        let (store, counts) =
            if config.qdrant.url.is_empty() { open()? } else { until_reached(&shutdown, open)? };
        metrics.stored(counts.documents);
        let device = &models.device;
        metrics.device(&device.watches, device.reason == "infer.device = cpu");
        tracing::info!(device = device.name, reason = device.reason, tokens = device.tokens, "device");
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let (tracer, traces) =
            trace::Exporter::start(&config.telemetry, metrics).map_err(anyhow::Error::msg)?;
        // Without Kafka every process may start tasks; the claims in the store let one do each.
        let leads = Arc::new(AtomicBool::new(config.kafka.brokers.is_empty()));
        let parts = kafka::Parts {
            config: config.clone(),
            metrics: Arc::clone(metrics),
            whence: whence(&store),
            variables: variables.clone(),
            failpoints: Arc::clone(&failpoints),
            leads: Arc::clone(&leads),
            tracer,
        };
        let pipeline =
            Pipeline::start(config, metrics, Arc::clone(&store), &models, &program, failpoints, |watcher| {
                source(&shutdown, &parts, &door, &watcher)
            })?;
        let inbox = Inbox::open(&root)?;
        let live = Arc::new(AtomicBool::new(true));
        let (embedder, ready, away) = (pipeline.embedder(), Arc::clone(&live), pipeline.store_away());
        let leader = Arc::clone(&leads);
        let leader: Arc<dyn Fn() -> bool + Send + Sync> = Arc::new(move || leader.load(Ordering::Acquire));
        let (notifier, stopping) = (pipeline.notifier(), shutdown.clone());
        notify::start(&notifier, &leader, move || stopping.is_asked())?;
        let tasks = Arc::new(tend::tasks::schedule(config, &store, metrics, leader)?);
        keep(&tasks, &shutdown, metrics, &door, root.clone())?;
        let desk = pipeline.desk();
        desk.open(Arc::new(Outside(door.clone(), Arc::clone(&notifier), Arc::clone(&store))));
        let changes = serve::Changes::default();
        let api = serve::Api {
            changes: changes.clone(),
            tasks: Some(Arc::clone(&tasks)),
            desk: Arc::clone(&desk),
            notifier,
            viewer: Arc::new(pipeline.viewer(&program)),
            models: models.revisions.clone(),
            choices: choices(config, &pipeline),
            store: Arc::clone(&store),
            progress: pipeline.progress(),
            metrics: Arc::clone(metrics),
            door,
            embed: Arc::new(move |text: &str| embedder.embed(text)),
            keys: Arc::clone(&keys),
            fetch: Arc::new(move |uri: &str| fetcher.fetch(uri)),
            revive: revive(config),
            guard: tend::erase::guard(config, &store),
            settings: crate::config::shown(config),
            paused: pipeline.paused(),
            config: serving,
            ready: Arc::new(move || match (ready.load(Ordering::Acquire), away()) {
                (true, false) => Ok(()),
                (true, true) => Err("the store does not answer; documents wait for it".to_owned()),
                (false, _) => Err("the pipeline is stopping".to_owned()),
            }),
        };
        sweep(desk, Arc::clone(metrics), shutdown.clone());
        let stopped = shutdown.clone().asked();
        let serving = runtime.spawn(serve::serve(listener, serve::router(api), stopped));
        tracing::info!(api = %format!("http://{address}"), data = %root.display(), stored = counts.documents, "ready");
        let revisions = models.revisions;
        Ok(Self {
            pipeline,
            store,
            inbox,
            revisions,
            address,
            shutdown,
            tasks,
            keys,
            serving,
            changes,
            _signals: None,
            live,
            traces,
            runtime,
        })
    }

    /// Whether a key is asked for, or was since the start.
    pub fn keys_asked(&self) -> bool {
        self.keys.are_asked_for()
    }

    /// Stops in order; how many documents were left to the next start.
    pub fn stop(self, drain: Duration) -> usize {
        self.live.store(false, Ordering::Release);
        let fatal = self.pipeline.fatal().is_some();
        let left = self.pipeline.stop(drain);
        // What a fault ended is suspected; what an operator stopped is not.
        if !fatal && let Err(e) = self.inbox.mark_stop() {
            tracing::warn!("cannot note the orderly stop: {e}");
        }
        self.traces.stop();
        self.shutdown.ask();
        // Requests that are being answered come to their end.
        let _ = self.runtime.block_on(async { tokio::time::timeout(ANSWERED, self.serving).await });
        // So do those whose senders hung up: their answers are kept for when they come again.
        let ended = async { tokio::time::timeout(ENDED, self.changes.ended()).await };
        if self.runtime.block_on(ended).is_err() {
            tracing::warn!("requests that change something did not end in {ENDED:?} and were cut off");
        }
        self.runtime.shutdown_timeout(Duration::from_secs(2));
        left
    }
}

/// Starts what is due by the clock, and looks after the disk, until a stop is asked for.
fn keep(
    tasks: &Arc<Schedule>,
    shutdown: &Shutdown,
    metrics: &Arc<Metrics>,
    door: &Door,
    data: PathBuf,
) -> std::io::Result<()> {
    let (tasks, shutdown, metrics) = (Arc::clone(tasks), shutdown.clone(), Arc::clone(metrics));
    let looked = Mutex::new(None::<Instant>);
    // Topics count for themselves.
    let inbox = if let Door::Folder(inbox) = door { Some(inbox.clone()) } else { None };
    let count = Mutex::new(Count::default());
    let stop = move || {
        // What cannot be read is said where documents are looked for.
        if let Some(Ok(Some(lanes))) = inbox.as_ref().map(|inbox| lock(&count).due(inbox)) {
            metrics.lags(&lanes);
        }
        let mut looked = lock(&looked);
        if looked.is_none_or(|at| at.elapsed() > DISK) {
            *looked = Some(Instant::now());
            if let Some((free, size)) = doctor::disk(&data) {
                metrics.disk(free, size);
            }
        }
        shutdown.is_asked()
    };
    std::thread::Builder::new().name("tend".to_owned()).spawn(move || tasks.keep(stop)).map(drop)
}

/// The settings of the API, with the key file where it is.
pub fn serving(config: &Config) -> ServeConfig {
    let keys_file = config.data.dir.join(&config.serve.keys_file);
    ServeConfig { keys_file, ..config.serve.clone() }
}

/// What can be chosen here.
fn choices(config: &Config, pipeline: &Pipeline) -> serve::Choices {
    let mut engines = vec![OcrEngine::Tesseract];
    if networks::are_in(&models_dir(config).join(networks::MANIFEST)) {
        engines.extend([OcrEngine::Ppocr, OcrEngine::Auto]);
    }
    let languages = doctor::installed_languages();
    let languages = languages.into_iter().filter(|name| name != "osd" && name != "equ").collect();
    serve::Choices { kinds: pipeline.known(), languages, engines }
}

/// Sends dead letters once more.
fn revive(config: &Config) -> serve::Revive {
    let config = config.clone();
    Arc::new(move |id| {
        let graveyard = Graveyard::open(&config)?;
        let mut found = false;
        for grave in graveyard.list()?.iter().filter(|grave| grave.letter().id == *id) {
            graveyard.replay(grave)?;
            found = true;
        }
        Ok(found)
    })
}

/// Documents come from Kafka where brokers are named, else from the inbox.
fn source(
    shutdown: &Shutdown,
    parts: &kafka::Parts,
    door: &Door,
    watcher: &Arc<dyn Watcher>,
) -> crate::error::Result<Box<dyn Source>> {
    let config = &parts.config;
    if let Door::Folder(inbox) = door {
        let source = FolderSource::on(inbox.clone(), config.consume.clone(), Arc::clone(watcher))?;
        return Ok(Box::new(source.traced(parts.tracer.clone())));
    }
    let open = || KafkaSource::open(parts.clone(), Arc::clone(watcher));
    Ok(Box::new(until_reached(shutdown, open)?))
}

/// Where the stored version of a document came from.
fn whence(store: &Arc<dyn Store>) -> kafka::Whence {
    let store = Arc::clone(store);
    Arc::new(move |id| Ok(store.get(id)?.and_then(|document| document.origin)))
}

/// Runs until stopped; starts anew with other settings where a reload asks for it.
pub fn run(app: &App, args: &RunArgs) -> Result<ExitCode> {
    let signals = Signals::listen(true).context("cannot listen for signals")?;
    let mut start = Start::first(app)?;
    let mut running = start.begin(app, &signals)?;
    let mut once = args.once.then(Once::start);
    while let Some(next) = watch(app, &mut once, &signals, &start, &running) {
        (running, start) = reload::replace(app, &signals, running, start, next)?;
    }
    if let Some(once) = once.filter(|_| running.pipeline.fatal().is_none()) {
        once.end(app)?;
    }
    end(running, &start.config)
}

/// Waits until this run is to end; `once`: where nothing is left to do, too. Some: it is to be replaced by that one.
fn watch(
    app: &App,
    once: &mut Option<Once>,
    signals: &Signals,
    now: &Start,
    running: &Running,
) -> Option<Start> {
    while !running.shutdown.is_asked() && running.pipeline.fatal().is_none() {
        if let Some(once) = once {
            if running.pipeline.is_drained() {
                return None;
            }
            once.look(app, running);
        }
        if signals.take_reload() {
            match reload::prepare(app, now, running) {
                Ok(next) => return Some(next),
                Err(error) => tracing::error!("not reloaded, everything goes on as before: {error:#}"),
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

fn end(running: Running, config: &Config) -> Result<ExitCode> {
    let fatal = running.pipeline.fatal();
    tracing::info!(drain_s = config.shutdown.drain_s, "stopping");
    let left = running.stop(Duration::from_secs(config.shutdown.drain_s));
    if left > 0 {
        tracing::warn!(documents = left, "left in working/ for the next start");
    }
    match fatal {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}
