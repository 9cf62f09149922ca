//! What concerns the device that runs the models.

use super::watch::{State, Sums, Watch};
use super::{FloatCounter, Metrics};
use crate::receipt::lock;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;
use std::sync::{Arc, Mutex};

labels! { StateLabel { gpu: u32, state: &'static str } }

labels! { OperatorLabel { operator: &'static str } }

labels! { GpuLabel { gpu: u32 } }

/// Handles to its metrics.
#[derive(Default)]
pub(super) struct Gpu {
    devices: Gauge,
    fallback: Gauge,
    splits: Counter,
    lines: Counter,
    line_batches: Counter,
    seconds: Family<StateLabel, FloatCounter>,
    operators: Family<OperatorLabel, FloatCounter>,
    memory_free: Family<GpuLabel, Gauge>,
    memory_size: Family<GpuLabel, Gauge>,
    watched: Mutex<Watched>,
}

/// The GPUs, and what decides why they do nothing.
#[derive(Default)]
struct Watched {
    gpus: Vec<Arc<Watch>>,
    /// Whether tokens wait.
    tokens: bool,
    /// Model threads that wait for a batch.
    free: usize,
}

impl Watched {
    fn reason(&self) -> State {
        match (self.tokens, self.free) {
            (false, _) => State::NoWork,
            (true, 0) => State::Elsewhere,
            (true, _) => State::Gather,
        }
    }

    fn change(&mut self, how: impl FnOnce(&mut Self)) {
        let before = self.reason();
        how(self);
        let reason = self.reason();
        if reason != before {
            self.gpus.iter().for_each(|gpu| gpu.idle(reason));
        }
    }
}

impl Gpu {
    /// Whether tokens wait before the model threads.
    pub(super) fn tokens_wait(&self, wait: bool) {
        lock(&self.watched).change(|watched| watched.tokens = wait);
    }

    /// Adds what was seen of the GPUs since the last time.
    pub(super) fn collect(&self) {
        self.add(&lock(&self.watched).gpus);
    }

    fn add(&self, gpus: &[Arc<Watch>]) {
        for (gpu, watch) in (0..).zip(gpus) {
            let Sums { states, operators, memory } = watch.take();
            for (state, seconds) in State::ALL.into_iter().zip(states) {
                self.seconds.get_or_create(&StateLabel { gpu, state: state.as_str() }).inc_by(seconds);
            }
            for (operator, seconds) in operators {
                self.operators.get_or_create(&OperatorLabel { operator }).inc_by(seconds);
            }
            if let Some((free, size)) = memory {
                self.memory_free.get_or_create(&GpuLabel { gpu }).set(super::as_i64(free));
                self.memory_size.get_or_create(&GpuLabel { gpu }).set(super::as_i64(size));
            }
        }
    }
}

impl Metrics {
    /// The models were placed on these GPUs; with none, whether the CPU was `asked` for.
    pub fn device(&self, gpus: &[Arc<Watch>], asked: bool) {
        self.gpu.devices.set(super::as_i64(gpus.len()));
        self.gpu.fallback.set(i64::from(gpus.is_empty() && !asked));
        let mut watched = lock(&self.gpu.watched);
        let before = std::mem::replace(&mut watched.gpus, gpus.to_vec());
        let reason = watched.reason();
        gpus.iter().for_each(|gpu| gpu.idle(reason));
        // What those before them did until now, as after a reload.
        self.gpu.add(&before);
    }

    /// A batch found too little memory and was split.
    pub fn out_of_memory(&self) {
        self.gpu.splits.inc();
    }

    /// So many lines of text were read together.
    pub fn lines(&self, count: usize) {
        self.gpu.lines.inc_by(count as u64);
        self.gpu.line_batches.inc();
    }

    /// Waits in a model thread for its next batch.
    pub fn free_thread<T>(&self, wait: impl FnOnce() -> T) -> T {
        lock(&self.gpu.watched).change(|watched| watched.free += 1);
        let batch = wait();
        lock(&self.gpu.watched).change(|watched| watched.free = watched.free.saturating_sub(1));
        batch
    }

    pub(super) fn register_gpu(&mut self) {
        let r = self.book.section("Work");
        r.register("gpus", "GPUs that run the models; 0: the CPU does", self.gpu.devices.clone());
        r.register(
            "gpu_fallback",
            "1 where the CPU runs the models because no GPU could",
            self.gpu.fallback.clone(),
        );
        r.register(
            "out_of_memory_splits",
            "batches that were split because the device lacked memory",
            self.gpu.splits.clone(),
        );
        r.register("lines", "lines of text that the GPUs read, of pages' pictures", self.gpu.lines.clone());
        r.register("line_batches", "batches in which they did", self.gpu.line_batches.clone());
        r.register_with_unit("gpu", "time of each GPU by what it does, or why it does nothing (below); the sum over states is the time that passed",
            Unit::Seconds,
            self.gpu.seconds.clone(),
        );
        r.register_with_unit("gpu_operator", "time of operators in the passes that were measured: one of 256 of each model thread, so only shares mean something",
            Unit::Seconds,
            self.gpu.operators.clone(),
        );
        r.register_with_unit(
            "gpu_memory_free",
            "memory that nobody has, as of when quire took or gave back some last",
            Unit::Bytes,
            self.gpu.memory_free.clone(),
        );
        r.register_with_unit("gpu_memory_size", "all of it", Unit::Bytes, self.gpu.memory_size.clone());
    }
}
