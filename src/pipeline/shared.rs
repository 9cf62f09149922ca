//! What the stages share: settings, metrics, progress, the store, and what becomes of documents.

use super::limits;
use crate::config::Config;
use crate::consume::Watcher;
use crate::decode::Limits;
use crate::document::{DeadLetter, Document, DocumentId, Head, Lineage, Notification, Room};
use crate::error::{Class, Error, Result, Stage};
use crate::failpoint::Failpoints;
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::progress::{Position, Progress};
use crate::publish::Store;
use crate::receipt::{Budget, Receipt, lock};
use crate::sandbox::{Settings, Worker};
use crate::tensor::SharedNetwork;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the stages share.
pub struct Shared {
    pub config: Config,
    pub metrics: Arc<Metrics>,
    pub progress: Arc<Progress>,
    pub store: Arc<dyn Store>,
    pub notifier: Arc<Notifier>,
    pub budget: Budget,
    pub stopping: AtomicBool,
    /// Nothing settles any more.
    pub closing: AtomicBool,
    pub drained: AtomicBool,
    /// Whether an operator wants no more documents to be taken.
    pub paused: Arc<AtomicBool>,
    /// Whether no more documents are to be taken for another reason: a reload.
    pub held: AtomicBool,
    /// Whether either is heard: none is taken any more.
    pub resting: AtomicBool,
    /// Whether the store does not answer.
    pub away: AtomicBool,
    /// When the stages were started.
    pub since: Instant,
    /// When stored documents are counted next, in milliseconds since then.
    pub counted: AtomicU64,
    /// Whether something was stored since they were counted.
    pub uncounted: AtomicBool,
    pub fatal: Mutex<Option<Error>>,
    /// What reads lines of text, where a GPU does.
    pub lines: Option<Arc<dyn SharedNetwork>>,
    /// Faults made on purpose.
    pub failpoints: Arc<Failpoints>,
    pub started: Mutex<HashMap<DocumentId, Instant>>,
}

impl Shared {
    /// Nothing is in flight yet.
    pub fn new(
        config: &Config,
        metrics: &Arc<Metrics>,
        store: Arc<dyn Store>,
        lines: Option<Arc<dyn SharedNetwork>>,
        failpoints: Arc<Failpoints>,
    ) -> Self {
        let notifier = Notifier::new(&config.notify, Arc::clone(&store), Arc::clone(metrics));
        Self {
            config: config.clone(),
            metrics: Arc::clone(metrics),
            notifier: Arc::new(notifier),
            progress: Arc::default(),
            store,
            budget: Budget::new(config.consume.in_flight_documents, config.consume.in_flight_mb << 20),
            stopping: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            drained: AtomicBool::new(false),
            paused: Arc::default(),
            held: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            away: AtomicBool::new(false),
            since: Instant::now(),
            counted: AtomicU64::new(0),
            uncounted: AtomicBool::new(false),
            fatal: Mutex::new(None),
            lines,
            failpoints,
            started: Mutex::default(),
        }
    }

    /// A document failed: counted, and told to its source.
    pub fn fail(&self, head: &Head, receipt: Receipt, error: Error) {
        let failure = error.failure();
        head.trace.fail(failure);
        if !matches!(failure.class, Class::Cancelled | Class::Revoked | Class::Postponed) {
            self.metrics.failed(failure.stage, failure.class);
        }
        self.progress.end(&head.id);
        receipt.resolve(Err(error));
    }

    /// A document settled.
    pub fn settled(&self, id: &DocumentId, outcome: &'static str) {
        self.progress.end(id);
        let started = lock(&self.started).remove(id);
        self.metrics.settled(outcome, started.map_or(Duration::ZERO, |at| at.elapsed()));
    }

    /// Does something with the store, for as long as it takes: what it is away for cannot be
    /// published, and the queues that fill meanwhile make the source pause.
    ///
    /// Errors: what is no outage; and whatever the source says when it takes the document back.
    pub fn insist<T>(&self, receipt: &Receipt, act: impl Fn() -> Result<T>) -> Result<T> {
        let mut wait = Duration::from_millis(100);
        let mut away = false;
        loop {
            match act() {
                Err(Error::Retry(failure)) if failure.is_outage() => {
                    self.metrics.failed(failure.stage, failure.class);
                    if !away {
                        tracing::warn!("nothing can be stored; waiting: {failure}");
                        self.outage(true);
                    }
                    away = true;
                    if self.stopping.load(Ordering::Acquire) {
                        return Err(Error::Retry(failure));
                    }
                }
                result => {
                    if away {
                        self.outage(false);
                    }
                    return result;
                }
            }
            let until = Instant::now() + wait;
            while Instant::now() < until {
                receipt.check()?;
                std::thread::sleep(Duration::from_millis(50));
            }
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    fn outage(&self, away: bool) {
        self.away.store(away, Ordering::Release);
        self.metrics.store_away(away);
        if !away {
            tracing::info!("the store is back");
        }
    }

    /// Keeps the gauge of stored documents near the truth; counting is not free, so once a second.
    pub fn count_stored(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.counted.load(Ordering::Acquire);
        let mine = now >= due
            && self.uncounted.load(Ordering::Acquire)
            && self.counted.compare_exchange(due, now + 1_000, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !mine {
            return;
        }
        self.uncounted.store(false, Ordering::Release);
        if let Ok(counts) = self.store.counts() {
            self.metrics.stored(counts.documents);
        }
    }

    /// A slot for a child process of a stage.
    pub fn sandbox(&self, stage: Stage, program: &Path) -> Worker {
        self.worker(limits::sandbox(&self.config, stage, program))
    }

    /// The same with other settings.
    pub fn worker(&self, settings: Settings) -> Worker {
        Worker::new(settings, Arc::clone(&self.metrics)).with_lines(self.lines.clone())
    }

    /// What may come out of a document that stands there.
    pub fn room(&self, lineage: Option<&Lineage>) -> Room {
        limits::room(&self.config, lineage)
    }

    /// Limits before work, for a document that stands there.
    pub fn limits(&self, lineage: Option<&Lineage>) -> Limits {
        limits::limits(&self.config, lineage)
    }
}

impl Watcher for Shared {
    fn retry(&self, id: &DocumentId, error: &Error, wait: Duration) {
        tracing::warn!(document = %id, wait = wait.as_secs_f64(), "{error}");
        self.settled(id, "retried");
    }

    fn understood(&self, lane: &'static str, document: &Document, unchanged: bool) {
        self.metrics.cost(lane, document, unchanged);
    }

    fn left(&self, id: &DocumentId, outcome: &'static str) {
        self.settled(id, outcome);
    }

    fn positions(&self) -> Vec<Position> {
        self.progress.all()
    }

    fn dead(&self, letter: &DeadLetter, occasion: &str) {
        tracing::warn!(document = %letter.id, name = letter.name, "{}", letter.failure);
        if let Err(error) = self.store.put_dead(letter) {
            tracing::error!(document = %letter.id, "cannot note a dead letter in the store: {error}");
        }
        let occasion = format!("{}:{occasion}", letter.sha256);
        if let Err(error) = self.notifier.tell(&Notification::failed(letter), &occasion) {
            tracing::error!(document = %letter.id, "subscriptions are not told of a dead letter: {error}");
            self.metrics.webhook("lost");
        }
        self.settled(&letter.id, "dead");
    }

    fn fatal(&self, error: &Error) {
        tracing::error!("{error}");
        lock(&self.fatal).get_or_insert_with(|| error.clone());
        self.stopping.store(true, Ordering::Release);
    }
}
