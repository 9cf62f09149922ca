//! What the stages share: settings, metrics, progress, the store, and what becomes of documents.

use crate::config::Config;
use crate::consume::Watcher;
use crate::decode::Limits;
use crate::document::{DeadLetter, DocumentId, Head};
use crate::error::{Error, Stage};
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::publish::Store;
use crate::receipt::{Budget, Receipt, lock};
use crate::sandbox::{self, Setup, Worker};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the stages share.
pub struct Shared {
    pub config: Config,
    pub metrics: Arc<Metrics>,
    pub progress: Arc<Progress>,
    pub store: Arc<dyn Store>,
    pub budget: Budget,
    pub stopping: AtomicBool,
    pub drained: AtomicBool,
    pub fatal: Mutex<Option<Error>>,
    pub started: Mutex<HashMap<DocumentId, Instant>>,
}

impl Shared {
    /// A document failed: counted, and told to its source.
    pub fn fail(&self, head: &Head, receipt: Receipt, error: Error) {
        let failure = error.failure();
        self.metrics.failed(failure.stage, failure.class);
        self.progress.end(&head.id);
        receipt.resolve(Err(error));
    }

    /// A document settled.
    pub fn settled(&self, id: &DocumentId, outcome: &'static str) {
        self.progress.end(id);
        let started = lock(&self.started).remove(id);
        self.metrics.settled(outcome, started.map_or(Duration::ZERO, |at| at.elapsed()));
    }

    /// A slot for a child process of a stage.
    pub fn sandbox(&self, stage: Stage, program: &Path) -> Worker {
        let (decode, digitize) = (&self.config.decode, &self.config.digitize);
        let settings = match stage {
            Stage::Digitize => sandbox::Settings {
                stage,
                program: program.to_owned(),
                setup: Setup::Digitize {
                    languages: digitize.languages.clone(),
                    retry_below: digitize.retry_below,
                },
                deadline: Duration::from_secs(digitize.deadline_s),
                memory_mb: digitize.memory_mb,
                recycle_after: digitize.recycle_after,
            },
            _ => sandbox::Settings {
                stage,
                program: program.to_owned(),
                setup: Setup::Decode,
                deadline: Duration::from_secs(decode.deadline_s),
                memory_mb: decode.memory_mb,
                recycle_after: decode.recycle_after,
            },
        };
        Worker::new(settings, Arc::clone(&self.metrics))
    }

    /// Limits before work.
    pub fn limits(&self) -> Limits {
        Limits {
            max_pages: self.config.decode.max_pages,
            max_expanded_bytes: self.config.decode.max_expanded_mb << 20,
            max_pixels: u64::from(self.config.digitize.max_megapixels) * 1_000_000,
            min_layer_chars: self.config.decode.min_layer_chars,
            dpi: self.config.digitize.dpi,
        }
    }
}

impl Watcher for Shared {
    fn retry(&self, id: &DocumentId, error: &Error, wait: Duration) {
        tracing::warn!(%id, wait = wait.as_secs_f64(), "{error}");
        self.settled(id, "retried");
    }

    fn dead(&self, letter: &DeadLetter) {
        tracing::warn!(id = %letter.id, name = letter.name, "{}", letter.failure);
        if let Err(error) = self.store.put_dead(letter) {
            tracing::error!(id = %letter.id, "cannot note a dead letter in the store: {error}");
        }
        self.settled(&letter.id, "dead");
    }

    fn fatal(&self, error: &Error) {
        tracing::error!("{error}");
        lock(&self.fatal).get_or_insert_with(|| error.clone());
        self.stopping.store(true, Ordering::Release);
    }
}
