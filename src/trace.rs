//! Traces: one for each document, with a span for every stage.
//!
//! A [`Trace`] travels in the document's head. Stages say when they begin and end; the span of the
//! whole document is recorded when the last holder lets go of it. With `telemetry.otlp_endpoint`
//! empty nothing is recorded, and a trace only carries the id that log lines are found by.

mod context;
mod export;

pub use context::Context;
pub use export::Exporter;

use crate::document::{DocumentId, Head};
use crate::error::{Failure, Stage};
use crate::metrics::Metrics;
use crate::receipt::lock;
use crossbeam_channel::{Sender, TrySendError};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample, SpanData,
};
use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Begins traces. Cheap to clone; by default it records nothing.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Recorder>>);

/// Where spans go.
struct Recorder {
    ratio: f64,
    queue: Sender<SpanData>,
    metrics: Arc<Metrics>,
    scope: InstrumentationScope,
}

impl Recorder {
    /// Never waits: a span that finds the queue full is dropped and counted.
    fn record(&self, span: SpanData) {
        match self.queue.try_send(span) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.metrics.spans("full", 1),
            Err(TrySendError::Disconnected(_)) => self.metrics.spans("unsent", 1),
        }
    }
}

impl Tracer {
    /// Records a share of the traces that nobody decided about (`ratio`, from 0 to 1) into `queue`.
    fn new(ratio: f64, queue: Sender<SpanData>, metrics: Arc<Metrics>) -> Self {
        let scope = InstrumentationScope::builder("quire").with_version(env!("CARGO_PKG_VERSION")).build();
        Self(Some(Arc::new(Recorder { ratio, queue, metrics, scope })))
    }

    /// The trace of a document that was just taken from its source. `parent` is what its sender said
    /// (`traceparent`): it decides whether the trace is recorded; where it says nothing, the ratio does.
    pub fn begin(&self, parent: Option<&str>) -> Trace {
        let parent = parent.and_then(Context::parse);
        let ids = RandomIdGenerator::default();
        let trace = parent.map_or_else(|| ids.new_trace_id(), |p| TraceId::from(p.trace));
        let sampled = match (&self.0, parent) {
            (None, parent) => parent.is_some_and(|p| p.sampled),
            (Some(_), Some(parent)) => parent.sampled,
            (Some(recorder), None) => {
                let sampler = Sampler::TraceIdRatioBased(recorder.ratio);
                let kind = SpanKind::Consumer;
                sampler.should_sample(None, trace, WHOLE, &kind, &[], &[]).decision
                    == SamplingDecision::RecordAndSample
            }
        };
        let own = Context {
            trace: u128::from_be_bytes(trace.to_bytes()),
            span: u64::from_be_bytes(ids.new_span_id().to_bytes()),
            sampled,
        };
        let on = self.0.is_some();
        let recorder = self.0.clone().filter(|_| sampled);
        let state = Mutex::default();
        Trace(Some(Arc::new(Whole { own, parent, on, recorder, began: SystemTime::now(), state })))
    }
}

/// Characters of a text in a span.
const LONGEST: usize = 256;

/// The span of a whole document.
const WHOLE: &str = "document";

/// The trace that a document belongs to, and its own span within it. Cheap to clone; by default there
/// is none.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Whole>>);

struct Whole {
    own: Context,
    parent: Option<Context>,
    /// Whether traces are recorded at all, be it not this one.
    on: bool,
    /// There, if this one is recorded.
    recorder: Option<Arc<Recorder>>,
    began: SystemTime,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Vec<Open>,
    attributes: Vec<KeyValue>,
    failure: Option<Failure>,
}

/// A part that has begun.
struct Open {
    name: &'static str,
    span: SpanId,
    began: SystemTime,
}

impl Trace {
    /// The trace's id, 32 hexadecimal digits; `None` where there is no trace.
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|whole| format!("{:032x}", whole.own.trace))
    }

    /// Whether it has begun.
    pub fn is_begun(&self) -> bool {
        self.0.is_some()
    }

    /// What records that come of this document say (`traceparent`); `None` where what its sender said
    /// is carried on as it is.
    pub fn traceparent(&self) -> Option<String> {
        self.0.as_ref().filter(|whole| whole.on).map(|whole| whole.own.to_string())
    }

    /// Makes every log line until the span is left say which document it is about. It is in no other span: a
    /// receipt may be settled within a stage's.
    pub fn log_span(&self, id: &DocumentId) -> tracing::Span {
        match self.id() {
            Some(trace) => tracing::error_span!(parent: None, "document", document = %id, trace),
            None => tracing::error_span!(parent: None, "document", document = %id),
        }
    }

    /// What is known of the document.
    pub fn about(&self, head: &Head) {
        self.note(|| {
            let mut known = vec![
                KeyValue::new("quire.document.id", cut(head.id.as_str())),
                KeyValue::new("quire.document.name", cut(&head.name)),
                KeyValue::new("quire.document.bytes", i64::try_from(head.size).unwrap_or(i64::MAX)),
                KeyValue::new("quire.document.priority", head.priority.as_str()),
            ];
            if let Some(origin) = &head.origin {
                known.push(KeyValue::new("messaging.system", "kafka"));
                known.push(KeyValue::new("messaging.destination.name", cut(&origin.topic)));
                known.push(KeyValue::new("messaging.destination.partition.id", origin.partition.to_string()));
                known.push(KeyValue::new("messaging.kafka.offset", origin.offset));
            }
            known
        });
    }

    /// What became of it.
    pub fn outcome(&self, outcome: &'static str) {
        self.note(|| vec![KeyValue::new("quire.outcome", outcome)]);
    }

    /// It failed.
    pub fn fail(&self, failure: &Failure) {
        if let Some((whole, _)) = self.recorded() {
            lock(&whole.state).failure = Some(failure.clone());
        }
    }

    /// A part begins: a stage, or what follows on them.
    pub fn enter(&self, name: &'static str) {
        let Some((whole, _)) = self.recorded() else { return };
        let open = Open { name, span: RandomIdGenerator::default().new_span_id(), began: SystemTime::now() };
        lock(&whole.state).open.push(open);
    }

    /// It ends, with numbers that say how much there was.
    pub fn leave(&self, name: &'static str, numbers: &[(&'static str, usize)]) {
        let Some((whole, recorder)) = self.recorded() else { return };
        let mut state = lock(&whole.state);
        let Some(at) = state.open.iter().position(|open| open.name == name) else { return };
        let open = state.open.swap_remove(at);
        drop(state);
        let mut span = whole.span(recorder, open.name.into(), open.span, whole.own.span_id(), open.began);
        span.attributes = attributes(numbers);
        recorder.record(span);
    }

    /// A page was read, within the stage that reads them.
    pub fn page(&self, number: u32, began: SystemTime, failure: Option<&Failure>) {
        let Some((whole, recorder)) = self.recorded() else { return };
        let name = Stage::Digitize.as_str();
        let parent = lock(&whole.state).open.iter().find(|open| open.name == name).map(|open| open.span);
        let parent = parent.unwrap_or_else(|| whole.own.span_id());
        let own = RandomIdGenerator::default().new_span_id();
        let mut span = whole.span(recorder, "page".into(), own, parent, began);
        span.attributes = vec![KeyValue::new("quire.page", i64::from(number))];
        span.status = failure.map_or(Status::Unset, failed);
        recorder.record(span);
    }

    fn note(&self, known: impl FnOnce() -> Vec<KeyValue>) {
        if let Some((whole, _)) = self.recorded() {
            lock(&whole.state).attributes.extend(known());
        }
    }

    fn recorded(&self) -> Option<(&Whole, &Recorder)> {
        let whole = self.0.as_deref()?;
        Some((whole, whole.recorder.as_deref()?))
    }
}

/// A text as spans have it: collectors refuse long ones, and names come from outside.
fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// That something failed, with the reason.
fn failed(failure: &Failure) -> Status {
    Status::error(cut(&failure.to_string()))
}

fn attributes(numbers: &[(&'static str, usize)]) -> Vec<KeyValue> {
    let value = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    numbers.iter().map(|(name, n)| KeyValue::new(*name, value(*n))).collect()
}

impl Whole {
    /// A span that ends now.
    fn span(
        &self,
        recorder: &Recorder,
        name: Cow<'static, str>,
        own: SpanId,
        parent: SpanId,
        began: SystemTime,
    ) -> SpanData {
        let trace = TraceId::from(self.own.trace);
        SpanData {
            span_context: SpanContext::new(trace, own, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time: began,
            end_time: SystemTime::now(),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: recorder.scope.clone(),
        }
    }
}

impl Drop for Whole {
    /// Nobody has the document any more. What was not left is recorded as it is: that is where it ended.
    fn drop(&mut self) {
        let Some(recorder) = self.recorder.take() else { return };
        let state = std::mem::take(&mut *lock(&self.state));
        let status = || state.failure.as_ref().map_or(Status::Unset, failed);
        for open in &state.open {
            let mut span = self.span(&recorder, open.name.into(), open.span, self.own.span_id(), open.began);
            span.status = status();
            recorder.record(span);
        }
        let parent = self.parent.map_or(SpanId::INVALID, |parent| parent.span_id());
        let mut whole = self.span(&recorder, WHOLE.into(), self.own.span_id(), parent, self.began);
        whole.parent_span_is_remote = self.parent.is_some();
        whole.span_kind = SpanKind::Consumer;
        whole.status = status();
        whole.attributes = state.attributes;
        if let Some(failure) = &state.failure {
            whole.attributes.push(KeyValue::new("error.type", failure.class.as_str()));
            whole.attributes.push(KeyValue::new("quire.stage", failure.stage.as_str()));
        }
        recorder.record(whole);
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id().unwrap_or_else(|| "no trace".to_owned()))
    }
}

#[cfg(test)]
#[path = "trace/tests.rs"]
mod tests;
