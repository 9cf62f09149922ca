//! The pipeline: every stage, wired once, in the order of the data. No other file knows it.
//!
//! `consume → decode → digitize → feed → infer → interpret → publish`, each with a bounded queue
//! before it. What bounds memory is the [`Budget`](crate::receipt::Budget) of documents and bytes in flight; the queues
//! only pass backpressure on.

mod again;
mod ask;
mod embed;
mod examples;
#[cfg(test)]
mod gpu_tests;
mod join;
mod kinds;
pub mod limits;
mod link;
mod pages;
mod read;
mod readers;
mod rerun;
mod shared;
mod understand;
mod view;

pub use again::Again;
pub use embed::Embedder;
pub use examples::{Examples, Read};
pub use view::Viewer;

use crate::config::Config;
use crate::consume::{Source, Watcher};
use crate::error::{Error, Result, Stage};
use crate::failpoint::Failpoints;
use crate::infer::models::Models;
use crate::interpret::{Interpreter, Known};
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::progress::Progress;
use crate::publish::{Publisher, Store};
use crate::receipt::lock;
use crate::review::{self, Desk};
use ask::Asker;
use link::{Threads, link};
use pages::PageBoard;
use shared::Shared;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The running pipeline.
pub struct Pipeline {
    shared: Arc<Shared>,
    board: Arc<PageBoard>,
    consume: Threads,
    decode: Threads,
    digitize: Threads,
    feed: Threads,
    rest: Threads,
    engines: Threads,
    embedder: Embedder,
    desk: Arc<Desk>,
    known: Known,
}

/// What of the settings the stages refuse to start with, without starting them.
pub fn check(config: &Config) -> Result<()> {
    understand::spec(config).map(drop)
}

impl Pipeline {
    /// Starts every stage. `source` makes the source once its watcher is known.
    ///
    /// Errors: what keeps a stage from starting: weights, languages, folders.
    pub fn start(
        config: &Config,
        metrics: &Arc<Metrics>,
        store: Arc<dyn Store>,
        models: &Models,
        program: &Path,
        failpoints: Arc<Failpoints>,
        source: impl FnOnce(Arc<dyn Watcher>) -> Result<Box<dyn Source>>,
    ) -> Result<Self> {
        let lines = limits::lines(config, models, metrics)?;
        let shared = Arc::new(Shared::new(config, metrics, store, lines, failpoints));
        let threads = models.threads(config.infer.threads);
        let wait = Duration::from_millis(config.feed.batch_wait_ms);
        let (embedder, engines) = Embedder::start(models, config, metrics, threads, wait)?;
        let spec = understand::spec(config)?;
        let interpreter = Arc::new(Interpreter {
            config: config.interpret.clone(),
            kinds: kinds::kinds(models, config, &spec, &embedder)?,
            spec,
            tasks: models.tasks.clone(),
            models: models.revisions.clone(),
        });
        let known = interpreter.known();
        let asker = Asker { embedder: embedder.clone(), writer: models.tasks.summary };
        let publisher = Arc::new(Publisher::new(config, Arc::clone(&shared.store))?);
        let desk = Arc::new(Desk::new(review::Parts {
            store: Arc::clone(&shared.store),
            publisher: Arc::clone(&publisher),
            config: config.review.clone(),
            rerun: Box::new(rerun::Corrected {
                again: Again::beside(asker.clone(), Arc::clone(&interpreter), config),
                interpreter: Arc::clone(&interpreter),
            }),
        }));

        let bound = config.consume.in_flight_documents;
        let (to_decode, from_decode) = link(Stage::Decode, bound, metrics);
        let (to_feed, from_feed) = link(Stage::Feed, bound, metrics);
        let (to_interpret, from_interpret) = link(Stage::Interpret, bound, metrics);
        let (to_publish, from_publish) = link(Stage::Publish, bound, metrics);
        let board = Arc::new(PageBoard::new(Arc::clone(metrics)));
        metrics.queue_bound(Stage::Digitize, bound.saturating_mul(config.decode.max_pages as usize));

        let rest = [
            understand::start_publish(&shared, &publisher, &desk, &from_publish)?,
            understand::start_interpret(&shared, &interpreter, &from_interpret, &to_publish)?,
        ];
        let feed = understand::start_feed(&shared, &asker, &from_feed, &to_interpret)?;
        let digitize = read::start_digitize(&shared, program, &board, &to_feed)?;
        let decode = read::start_decode(&shared, program, &from_decode, &board, &to_feed)?;
        let watcher: Arc<dyn Watcher> = Arc::<Shared>::clone(&shared);
        let consume = read::start_consume(&shared, source(watcher)?, to_decode, models.revisions.clone())?;
        let rest = rest.into_iter().flatten().collect();
        Ok(Self { shared, board, consume, decode, digitize, feed, rest, engines, embedder, desk, known })
    }

    /// Where each document in flight is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.shared.progress)
    }

    /// Pages for people to look at.
    pub fn viewer(&self, program: &Path) -> Viewer {
        Viewer::new(&self.shared, program)
    }

    /// Where people decide about doubtful documents.
    pub fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// The kinds of documents and their fields.
    pub fn known(&self) -> Known {
        self.known.clone()
    }

    /// What tells subscriptions of documents.
    pub fn notifier(&self) -> Arc<Notifier> {
        Arc::clone(&self.shared.notifier)
    }

    /// Embeds searches through the same batches as documents.
    pub fn embedder(&self) -> Embedder {
        self.embedder.clone()
    }

    /// No more documents are taken from the source while it is held, whatever [`Self::paused`] says.
    pub fn hold(&self, held: bool) {
        self.shared.held.store(held, Ordering::Release);
    }

    /// Once it is held: waits until no document is in flight; false where `patience` ran out or `stop` said so first.
    pub fn wait_idle(&self, patience: Duration, stop: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + patience;
        // One may be on its way in before the thread that takes documents has seen the pause.
        while !self.shared.resting.load(Ordering::Acquire) {
            if stop() || Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        while !self.shared.budget.wait_idle(Duration::from_millis(200)) {
            if stop() || Instant::now() >= deadline {
                return false;
            }
        }
        true
    }

    /// While it is true no more documents are taken from the source; what is in flight goes on.
    pub fn paused(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.paused)
    }

    /// Tells whether the store does not answer, so that documents wait.
    pub fn store_away(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.away.load(Ordering::Acquire)
    }

    /// The fault that stopped the pipeline, if one did.
    pub fn fatal(&self) -> Option<Error> {
        lock(&self.shared.fatal).clone()
    }

    /// Whether the source was empty and nothing in flight when last looked at.
    pub fn is_drained(&self) -> bool {
        self.shared.drained.load(Ordering::Acquire)
    }

    /// Stops in three steps: stop reading, drain until `patience` runs out, report what is left.
    /// What is left stays with the source and is taken up at the next start.
    pub fn stop(self, patience: Duration) -> usize {
        self.shared.stopping.store(true, Ordering::Release);
        let fatal = self.fatal().is_some();
        let idle = self.shared.budget.wait_idle(if fatal { Duration::ZERO } else { patience });
        let left = self.shared.budget.used().documents;
        let join = |threads: Threads| threads.into_iter().for_each(|t| drop(t.join()));
        // What did settle is made durable by the source, whatever else is left.
        self.shared.closing.store(true, Ordering::Release);
        join(self.consume);
        if !idle {
            // The threads end with the process; joining them would wait for what was given up.
            return left;
        }
        join(self.decode);
        self.board.close();
        join(self.digitize);
        join(self.feed);
        self.embedder.queue.close();
        join(self.engines);
        join(self.rest);
        left
    }
}
