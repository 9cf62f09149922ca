//! Every metric, with its buckets. `metrics/register.rs` gives each its name and help; no other file
//! spells a metric name.

/// Sets of labels, which the page names.
macro_rules! labels {
    ($($name:ident { $($label:ident : $ty:ty),* })*) => {
        $(
            #[derive(Debug, Clone, Hash, PartialEq, Eq, prometheus_client::encoding::EncodeLabelSet)]
            struct $name { $($label: $ty),* }

            impl $crate::metrics::book::Labels for $name {
                const NAMES: &'static [&'static str] = &[$(stringify!($label)),*];
            }
        )*
    };
}

mod backlog;
mod book;
mod gpu;
mod http;
mod notify;
pub mod read;
mod register;
mod tend;
mod traces;
pub mod watch;

use crate::document::{Action, Document};
use crate::error::{Class, Stage};
use book::Book;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

type FloatCounter = Counter<f64, AtomicU64>;
type FloatGauge = Gauge<f64, AtomicU64>;

impl EncodeLabelValue for Stage {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.as_str())
    }
}

impl EncodeLabelValue for Class {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.as_str())
    }
}

labels! {
    StageLabel { stage: Stage }
    FailureLabel { stage: Stage, class: Class }
    OutcomeLabel { outcome: &'static str }
    SourceLabel { source: &'static str }
    ReasonLabel { reason: &'static str }
    LaneLabel { lane: &'static str }
    WorkLabel { work: String }
    DecisionLabel { decision: &'static str }
    ValidityLabel { validity: &'static str }
    RelationLabel { relation: &'static str }
    DecidedLabel { action: &'static str, sample: &'static str }
}

/// Handles to every metric; built once in `main`, shared by `Arc`.
pub struct Metrics {
    book: Book,
    stage_documents: Family<StageLabel, Counter>,
    stage_seconds: Family<StageLabel, Histogram>,
    stage_busy: Family<StageLabel, FloatCounter>,
    stage_blocked: Family<StageLabel, FloatCounter>,
    queue_depth: Family<StageLabel, Gauge>,
    queue_bound: Family<StageLabel, Gauge>,
    in_flight: Gauge,
    in_flight_bound: Gauge,
    in_flight_bytes: Gauge,
    failures: Family<FailureLabel, Counter>,
    documents: Family<OutcomeLabel, Counter>,
    document_seconds: Histogram,
    pages: Family<SourceLabel, Counter>,
    ocr_confidence: Histogram,
    tokens: Counter,
    padding: Counter,
    batch_seconds: Histogram,
    batch_fill: Histogram,
    batch_sequences: Histogram,
    characters: Counter,
    covered: Counter,
    coverage: FloatGauge,
    verdicts: Family<DecisionLabel, Counter>,
    fields: Family<ValidityLabel, Counter>,
    duplicates: Family<RelationLabel, Counter>,
    decided: Family<DecidedLabel, Counter>,
    sandbox_restarts: Family<ReasonLabel, Counter>,
    search_seconds: Histogram,
    stored: Gauge,
    store_away: Gauge,
    lag: Family<LaneLabel, Gauge>,
    lag_seconds: FloatGauge,
    backlog: backlog::Backlog,
    commit_seconds: Histogram,
    committed: Counter,
    rebalances: Counter,
    gpu: gpu::Gpu,
    tend: tend::Tend,
    traces: traces::Traces,
    notify: notify::Notify,
    http: http::Http,
}

/// How documents settle.
const OUTCOMES: [&str; 7] = ["done", "unchanged", "superseded", "deleted", "cancelled", "retried", "dead"];

/// From half a millisecond to five minutes, about two a doubling at the fast end.
fn seconds() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        120.0, 300.0,
    ])
}

/// Twentieths near 1, where shares and confidences matter most.
fn share() -> Histogram {
    Histogram::new([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0])
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            book: Book::default(),
            stage_documents: Family::default(),
            stage_seconds: Family::new_with_constructor(seconds),
            stage_busy: Family::default(),
            stage_blocked: Family::default(),
            queue_depth: Family::default(),
            queue_bound: Family::default(),
            in_flight: Gauge::default(),
            in_flight_bound: Gauge::default(),
            in_flight_bytes: Gauge::default(),
            failures: Family::default(),
            documents: Family::default(),
            document_seconds: seconds(),
            pages: Family::default(),
            ocr_confidence: share(),
            tokens: Counter::default(),
            padding: Counter::default(),
            batch_seconds: seconds(),
            batch_fill: share(),
            batch_sequences: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
            characters: Counter::default(),
            covered: Counter::default(),
            coverage: FloatGauge::default(),
            verdicts: Family::default(),
            fields: Family::default(),
            duplicates: Family::default(),
            decided: Family::default(),
            sandbox_restarts: Family::default(),
            search_seconds: seconds(),
            stored: Gauge::default(),
            store_away: Gauge::default(),
            lag: Family::default(),
            lag_seconds: FloatGauge::default(),
            backlog: backlog::Backlog::default(),
            commit_seconds: seconds(),
            committed: Counter::default(),
            rebalances: Counter::default(),
            gpu: gpu::Gpu::default(),
            tend: tend::Tend::default(),
            traces: traces::Traces::default(),
            notify: notify::Notify::default(),
            http: http::Http::default(),
        };
        metrics.coverage.set(1.0);
        metrics.begin_at_zero();
        metrics.register_flow();
        metrics.register_work();
        metrics.register_lag();
        metrics.register_kafka();
        metrics.register_gpu();
        metrics.register_tend();
        metrics.register_traces();
        metrics.register_notify();
        metrics.register_http();
        metrics
    }

    /// A counter that is born at 1 has not grown, for who asks Prometheus: those that alerts watch are
    /// there from the start.
    fn begin_at_zero(&self) {
        for outcome in OUTCOMES {
            self.documents.get_or_create(&OutcomeLabel { outcome }).inc_by(0);
        }
        for reason in ["crash", "deadline", "recycled"] {
            self.sandbox_restarts.get_or_create(&ReasonLabel { reason }).inc_by(0);
        }
        for outcome in ["sent", "full", "unsent"] {
            self.spans(outcome, 0);
        }
    }

    /// Unsettled records of a lane.
    fn lag(&self, lane: &'static str, records: u64) {
        self.lag.get_or_create(&LaneLabel { lane }).set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// A transaction with `records` came through.
    pub fn committed(&self, took: Duration, records: usize) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.committed.inc_by(records as u64);
    }

    /// Partitions came or went.
    pub fn rebalanced(&self) {
        self.rebalances.inc();
    }

    /// A document left `stage` after `work`.
    pub fn stage_done(&self, stage: Stage, work: Duration) {
        let label = StageLabel { stage };
        self.stage_documents.get_or_create(&label).inc();
        self.stage_seconds.get_or_create(&label).observe(work.as_secs_f64());
    }

    /// A worker of `stage` worked.
    pub fn stage_busy(&self, stage: Stage, work: Duration) {
        self.stage_busy.get_or_create(&StageLabel { stage }).inc_by(work.as_secs_f64());
    }

    /// A worker of `stage` waited for room downstream.
    pub fn stage_blocked(&self, stage: Stage, wait: Duration) {
        self.stage_blocked.get_or_create(&StageLabel { stage }).inc_by(wait.as_secs_f64());
    }

    /// Items waiting before `stage`.
    pub fn queue_depth(&self, stage: Stage, depth: usize) {
        self.queue_depth.get_or_create(&StageLabel { stage }).set(as_i64(depth));
        if stage == Stage::Infer {
            self.gpu.tokens_wait(depth > 0);
        }
    }

    /// The bound of the queue before `stage`.
    pub fn queue_bound(&self, stage: Stage, bound: usize) {
        self.queue_bound.get_or_create(&StageLabel { stage }).set(as_i64(bound));
    }

    /// Documents and bytes in flight.
    pub fn in_flight(&self, used: crate::receipt::Usage, bound: usize) {
        self.in_flight.set(as_i64(used.documents));
        self.in_flight_bytes.set(as_i64(used.bytes));
        self.in_flight_bound.set(as_i64(bound));
    }

    /// A try failed.
    pub fn failed(&self, stage: Stage, class: Class) {
        self.failures.get_or_create(&FailureLabel { stage, class }).inc();
    }

    /// A document settled as `outcome` after `total`.
    pub fn settled(&self, outcome: &'static str, total: Duration) {
        self.documents.get_or_create(&OutcomeLabel { outcome }).inc();
        self.document_seconds.observe(total.as_secs_f64());
    }

    /// Documents settled as `outcome` so far.
    pub fn settled_count(&self, outcome: &'static str) -> u64 {
        self.documents.get_or_create(&OutcomeLabel { outcome }).get()
    }

    /// A page's text is known.
    pub fn page(&self, source: &'static str, ocr_confidence: Option<f32>) {
        self.pages.get_or_create(&SourceLabel { source }).inc();
        if let Some(confidence) = ocr_confidence {
            self.ocr_confidence.observe(f64::from(confidence));
        }
    }

    /// A batch of `sequences` with `tokens` ran; `computed` tokens went through the layers.
    pub fn batch(&self, sequences: usize, tokens: usize, computed: usize, budget: usize, took: Duration) {
        self.tokens.inc_by(tokens as u64);
        self.padding.inc_by(computed.saturating_sub(tokens) as u64);
        self.batch_seconds.observe(took.as_secs_f64());
        self.batch_fill.observe(tokens as f64 / budget.max(1) as f64);
        self.batch_sequences.observe(sequences as f64);
    }

    /// A document of `characters` of which `covered` lie in some passage is finished.
    pub fn covered(&self, characters: usize, covered: usize) {
        let all = self.characters.inc_by(characters as u64) + characters as u64;
        let within = self.covered.inc_by(covered as u64) + covered as u64;
        self.coverage.set(if all == 0 { 1.0 } else { within as f64 / all as f64 });
    }

    /// A document was judged.
    pub fn judged(&self, document: &Document) {
        let decision = document.verdict.decision.as_str();
        self.verdicts.get_or_create(&DecisionLabel { decision }).inc();
        for field in &document.fields {
            self.fields.get_or_create(&ValidityLabel { validity: field.validity.as_str() }).inc();
        }
        for duplicate in &document.duplicates {
            self.duplicates.get_or_create(&RelationLabel { relation: duplicate.relation.as_str() }).inc();
        }
    }

    /// A person decided about a document; `sample`: nothing had been doubted of it.
    pub fn decided(&self, action: Action, sample: bool) {
        let sample = if sample { "true" } else { "false" };
        self.decided.get_or_create(&DecidedLabel { action: action.as_str(), sample }).inc();
    }

    /// A sandboxed process was replaced.
    pub fn sandbox_restart(&self, reason: &'static str) {
        self.sandbox_restarts.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A search was answered.
    pub fn search(&self, took: Duration) {
        self.search_seconds.observe(took.as_secs_f64());
    }

    /// Documents in the store.
    pub fn stored(&self, documents: usize) {
        self.stored.set(as_i64(documents));
    }

    /// Whether the store does not answer.
    pub fn store_away(&self, away: bool) {
        self.store_away.set(i64::from(away));
    }

    /// Seconds that each stage worked so far: busy, less waiting for room downstream.
    pub fn work_seconds(&self) -> Vec<(Stage, f64)> {
        let work = |stage| {
            let label = StageLabel { stage };
            let blocked = self.stage_blocked.get_or_create(&label).get();
            (self.stage_busy.get_or_create(&label).get() - blocked).max(0.0)
        };
        Stage::ALL.iter().map(|&stage| (stage, work(stage))).collect()
    }

    /// What there is, in Markdown: docs/metrics.md.
    pub fn documentation(&self) -> String {
        self.book.page()
    }

    /// The OpenMetrics text exposition.
    pub fn encode(&self) -> String {
        self.gpu.collect();
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.book.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn as_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
