//! A bounded queue before a stage, with its gauge; and the threads that work it off.

use crate::document::{Head, RawDocument, TextDocument};
use crate::error::Stage;
use crate::metrics::Metrics;
use crate::window::InferredDocument;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// The sending end of the queue before a stage.
pub struct To<T> {
    sender: Sender<T>,
    stage: Stage,
    metrics: Arc<Metrics>,
}

/// The receiving end.
pub struct From<T> {
    receiver: Receiver<T>,
    stage: Stage,
    metrics: Arc<Metrics>,
}

/// A queue of at most `bound` items before `stage`.
pub fn link<T>(stage: Stage, bound: usize, metrics: &Arc<Metrics>) -> (To<T>, From<T>) {
    let (sender, receiver) = bounded(bound);
    metrics.queue_bound(stage, bound);
    metrics.queue_depth(stage, 0);
    let to = To { sender, stage, metrics: Arc::clone(metrics) };
    (to, From { receiver, stage, metrics: Arc::clone(metrics) })
}

impl<T> Clone for To<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), stage: self.stage, metrics: Arc::clone(&self.metrics) }
    }
}

impl<T> Clone for From<T> {
    fn clone(&self) -> Self {
        Self { receiver: self.receiver.clone(), stage: self.stage, metrics: Arc::clone(&self.metrics) }
    }
}

impl<T> To<T> {
    /// Waits for room. An item that finds the stage gone is dropped: its receipt says so to the
    /// source.
    pub fn send(&self, item: T, from: Stage) {
        let started = Instant::now();
        let sent = self.sender.send(item);
        self.metrics.stage_blocked(from, started.elapsed());
        self.metrics.queue_depth(self.stage, self.sender.len());
        if sent.is_err() {
            tracing::debug!(stage = %self.stage, "stage is gone");
        }
    }
}

impl<T> From<T> {
    fn next(&self) -> Option<T> {
        let item = self.receiver.recv().ok();
        self.metrics.queue_depth(self.stage, self.receiver.len());
        item
    }
}

/// What is about one document: log lines of the stage say which.
pub trait About {
    /// The document.
    fn head(&self) -> &Head;
}

impl About for RawDocument {
    fn head(&self) -> &Head {
        &self.head
    }
}

impl About for TextDocument {
    fn head(&self) -> &Head {
        &self.head
    }
}

impl About for InferredDocument {
    fn head(&self) -> &Head {
        &self.fed.document.head
    }
}

/// Threads of a stage.
pub type Threads = Vec<JoinHandle<()>>;

/// Starts `workers` threads that each handle items until the queue is closed and empty. A panic
/// over one item is logged; its receipt, dropped on the way, tells the source.
pub fn work<T, W>(
    stage: Stage,
    workers: usize,
    from: &From<T>,
    mut make: impl FnMut() -> W,
) -> std::io::Result<Threads>
where
    T: About + Send + 'static,
    W: FnMut(T) + Send + 'static,
{
    (0..workers.max(1))
        .map(|index| {
            let from = from.clone();
            let mut handle = make();
            spawn(stage, index, move || {
                while let Some(item) = from.next() {
                    let started = Instant::now();
                    let _about = item.head().log_span().entered();
                    caught(stage, || handle(item));
                    from.metrics.stage_busy(stage, started.elapsed());
                }
            })
        })
        .collect()
}

/// A named thread.
pub fn spawn(
    stage: Stage,
    index: usize,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    Builder::new().name(format!("{stage}-{index}")).spawn(run)
}

/// Runs something whose panic must not end the thread.
pub fn caught(stage: Stage, run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        let error = crate::receipt::panicked(stage, &*panic);
        tracing::error!(%stage, reason = error.failure().reason, "a stage panicked; this is a bug");
    }
}
