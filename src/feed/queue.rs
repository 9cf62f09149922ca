//! The bounded queue between feeding and the model threads: the batcher behind a lock.

use super::batcher::{Batcher, Limits};
use crate::batch::Job;
use crate::document::Priority;
use crate::error::Stage;
use crate::metrics::Metrics;
use crate::receipt::lock;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Jobs of all documents and searches, batched across them.
pub struct BatchQueue {
    state: Mutex<State>,
    changed: Condvar,
    bound: usize,
    metrics: Arc<Metrics>,
}

struct State {
    batcher: Batcher<Job>,
    closed: bool,
}

impl BatchQueue {
    /// A lane for each model; at most `bound` tokens wait, and `push` blocks beyond that.
    pub fn new(models: &[Limits], bound: usize, metrics: Arc<Metrics>) -> Self {
        metrics.queue_bound(Stage::Infer, bound);
        let state = State { batcher: Batcher::new(models), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), bound, metrics }
    }

    /// Adds a job, waiting for room. A job given after [`close`](Self::close) comes back, and one for
    /// a model that there is not.
    pub fn push(&self, job: Job, priority: Priority) -> Result<(), Job> {
        let started = Instant::now();
        let tokens = job.tokens.len();
        let mut state = lock(&self.state);
        while !state.closed && !state.batcher.is_empty() && state.batcher.tokens() + tokens > self.bound {
            state = self.wait(state, Duration::from_secs(1));
        }
        if state.closed {
            return Err(job);
        }
        let now = Instant::now();
        if let Some(job) = state.batcher.push(job.model, job, tokens, priority, now) {
            return Err(job);
        }
        self.metrics.queue_depth(Stage::Infer, state.batcher.tokens());
        self.metrics.stage_blocked(Stage::Feed, now - started);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The same without waiting for room: for what comes in place of as much that has just left.
    pub fn push_at_once(&self, job: Job, priority: Priority) -> Result<(), Job> {
        let tokens = job.tokens.len();
        let mut state = lock(&self.state);
        if state.closed {
            return Err(job);
        }
        if let Some(job) = state.batcher.push(job.model, job, tokens, priority, Instant::now()) {
            return Err(job);
        }
        self.metrics.queue_depth(Stage::Infer, state.batcher.tokens());
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The next batch and its model; waits for one. `None` once the queue is closed and empty.
    pub fn pop(&self) -> Option<(usize, Vec<Job>)> {
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            let flush = state.closed;
            if let Some(batch) = state.batcher.pop(now, flush) {
                self.metrics.queue_depth(Stage::Infer, state.batcher.tokens());
                drop(state);
                self.changed.notify_all();
                return Some(batch);
            }
            if state.closed {
                return None;
            }
            let ready = state.batcher.ready_at(now).map(|at| at.saturating_duration_since(now));
            state = self.wait(state, ready.unwrap_or(Duration::from_secs(1)));
        }
    }

    /// No more jobs come: what waits is still given out.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>, patience: Duration) -> MutexGuard<'s, State> {
        self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
    }
}
