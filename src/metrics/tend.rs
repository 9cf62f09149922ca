//! Metrics of what runs on a schedule, and of the disk.

use super::{FloatGauge, Metrics};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

labels! { TaskLabel { task: &'static str } }

labels! { RunLabel { task: &'static str, outcome: &'static str } }

/// Handles to them.
#[derive(Default)]
pub(super) struct Tend {
    runs: Family<RunLabel, Counter>,
    scheduled: Family<TaskLabel, Gauge>,
    running: Family<TaskLabel, Gauge>,
    progress: Family<TaskLabel, FloatGauge>,
    succeeded: Family<TaskLabel, FloatGauge>,
    leader: Gauge,
    disk_free: Gauge,
    disk_size: Gauge,
}

impl Metrics {
    pub(super) fn register_tend(&mut self) {
        let (r, tend) = (self.book.section("Clock"), &self.tend);
        r.register(
            "task_runs",
            "runs of scheduled tasks that ended: `done`, `failed`, `cancelled`",
            tend.runs.clone(),
        );
        r.register(
            "task_scheduled",
            "1 where the clock starts it, 0 where it runs only when asked",
            tend.scheduled.clone(),
        );
        r.register("task_running", "1 while it runs", tend.running.clone());
        r.register(
            "task_progress",
            "share of the running one that is done, where it is known",
            tend.progress.clone(),
        );
        r.register_with_unit(
            "task_last_success_timestamp",
            "when it was done last, in seconds since 1970-01-01 UTC",
            Unit::Seconds,
            tend.succeeded.clone(),
        );
        r.register(
            "leader",
            "1 where this worker starts tasks by the clock; the sum over a group is 1; without Kafka each worker may, and the store lets one begin each task",
            tend.leader.clone(),
        );
        r.register_with_unit(
            "disk_free",
            "room on the disk of `data.dir`",
            Unit::Bytes,
            tend.disk_free.clone(),
        );
        r.register_with_unit("disk_size", "its size", Unit::Bytes, tend.disk_size.clone());
    }

    /// There is such a task; `by_clock`: it is started by the clock, not only when somebody asks.
    pub fn task_known(&self, task: &'static str, by_clock: bool) {
        self.tend.scheduled.get_or_create(&TaskLabel { task }).set(i64::from(by_clock));
        // From the start: a counter that is born at 1 has not grown, for who asks Prometheus.
        for outcome in ["done", "failed", "cancelled"] {
            self.tend.runs.get_or_create(&RunLabel { task, outcome }).inc_by(0);
        }
    }

    /// A task was done at `at`: by this process, or by one before it or beside it.
    pub fn task_done(&self, task: &'static str, at: Timestamp) {
        self.tend.succeeded.get_or_create(&TaskLabel { task }).set(at.as_millisecond() as f64 / 1e3);
    }

    /// A task began.
    pub fn task_began(&self, task: &'static str) {
        self.tend.running.get_or_create(&TaskLabel { task }).set(1);
        self.tend.progress.get_or_create(&TaskLabel { task }).set(0.0);
    }

    /// `done` of `total` steps of a task are done.
    pub fn task_progress(&self, task: &'static str, done: u64, total: u64) {
        let share = if total == 0 { 0.0 } else { (done as f64 / total as f64).min(1.0) };
        self.tend.progress.get_or_create(&TaskLabel { task }).set(share);
    }

    /// A task ended as `done`, `failed` or `cancelled`.
    pub fn task_ended(&self, task: &'static str, outcome: &'static str, at: Timestamp) {
        self.tend.runs.get_or_create(&RunLabel { task, outcome }).inc();
        self.tend.running.get_or_create(&TaskLabel { task }).set(0);
        if outcome == "done" {
            self.task_done(task, at);
        }
    }

    /// Whether this worker starts tasks by the clock.
    pub fn leader(&self, leads: bool) {
        self.tend.leader.set(i64::from(leads));
    }

    /// Room on the disk of the data folder.
    pub fn disk(&self, free: u64, size: u64) {
        self.tend.disk_free.set(i64::try_from(free).unwrap_or(i64::MAX));
        self.tend.disk_size.set(i64::try_from(size).unwrap_or(i64::MAX));
    }
}
