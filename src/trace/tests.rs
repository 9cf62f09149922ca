//! What is recorded, and what it costs when nobody takes it.

use super::*;
use crate::error::Class;
use crossbeam_channel::{Receiver, bounded};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn tracer(ratio: f64, bound: usize) -> (Tracer, Receiver<SpanData>, Arc<Metrics>) {
    let (queue, recorded) = bounded(bound);
    let metrics = Arc::new(Metrics::new());
    (Tracer::new(ratio, queue, Arc::clone(&metrics)), recorded, metrics)
}

#[test]
fn a_document_is_a_span_below_its_senders_with_its_stages_below_it() {
    let (tracer, recorded, _) = tracer(0.0, 100);
    let trace = tracer.begin(Some(PARENT));
    let ours = Context::parse(&trace.traceparent().unwrap()).unwrap();
    trace.enter("decode");
    trace.leave("decode", &[("quire.pages", 2)]);
    trace.enter("digitize");
    trace.page(1, SystemTime::now(), None);
    drop(trace.clone());
    assert_eq!(recorded.len(), 2, "the whole ends with its last holder");
    drop(trace);
    let spans: Vec<SpanData> = recorded.try_iter().collect();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let whole = named("document");
    assert_eq!(whole.parent_span_id, SpanId::from(0xb7ad_6b71_6920_3331));
    assert!(whole.parent_span_is_remote);
    assert_eq!(whole.span_context.span_id(), ours.span_id());
    assert_eq!(named("decode").parent_span_id, ours.span_id());
    assert_eq!(named("page").parent_span_id, named("digitize").span_context.span_id());
    assert!(spans.iter().all(|span| span.span_context.trace_id() == TraceId::from(ours.trace)));
}

#[test]
fn a_failure_marks_the_stage_in_which_it_ended() {
    let (tracer, recorded, _) = tracer(1.0, 100);
    let trace = tracer.begin(None);
    trace.enter("decode");
    trace.fail(&Failure::new(Stage::Decode, Class::Corrupt, "torn"));
    drop(trace);
    let spans: Vec<SpanData> = recorded.try_iter().collect();
    assert_eq!(spans.len(), 2);
    assert!(spans.iter().all(|span| matches!(span.status, Status::Error { .. })), "{spans:?}");
}

#[test]
fn whoever_began_the_trace_decides_and_else_the_ratio() {
    let (never, recorded, _) = tracer(0.0, 10_000);
    drop(never.begin(None));
    drop(never.begin(Some(&PARENT.replace("-01", "-00"))));
    assert_eq!(recorded.len(), 0);
    // What was decided holds for whoever comes next.
    assert!(never.begin(None).traceparent().unwrap().ends_with("-00"));
    drop(never.begin(Some(PARENT)));
    assert_eq!(recorded.len(), 1);
    let (some, recorded, _) = tracer(0.25, 10_000);
    (0..4_000).for_each(|_| drop(some.begin(None)));
    assert!((800..1_200).contains(&recorded.len()), "{}", recorded.len());
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let (tracer, recorded, metrics) = tracer(1.0, 3);
    (0..10).for_each(|_| drop(tracer.begin(None)));
    assert_eq!(recorded.len(), 3);
    let text = metrics.encode();
    assert!(text.contains("quire_spans_total{outcome=\"full\"} 7"), "{text}");
}

#[test]
fn without_an_endpoint_only_the_id_is_known() {
    let trace = Tracer::default().begin(Some(PARENT));
    assert_eq!(trace.id().as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(trace.traceparent(), None);
    trace.enter("decode");
    assert!(lock(&trace.0.as_ref().unwrap().state).open.is_empty());
    assert_eq!(Tracer::default().begin(Some("nonsense")).id().unwrap().len(), 32);
}

#[test]
fn texts_of_spans_are_cut() {
    let (tracer, recorded, _) = tracer(1.0, 100);
    let trace = tracer.begin(None);
    let head = Head { name: "é".repeat(1_000), ..head() };
    trace.about(&head);
    trace.fail(&Failure::new(Stage::Decode, Class::Corrupt, "torn ".repeat(1_000)));
    drop(trace);
    let span = recorded.try_iter().find(|span| span.name == WHOLE).unwrap();
    let longest = span.attributes.iter().map(|pair| pair.value.as_str().chars().count()).max();
    assert_eq!(longest, Some(256), "{:?}", span.attributes);
    let Status::Error { description } = span.status else { panic!("{:?}", span.status) };
    assert_eq!(description.chars().count(), 256);
}

fn head() -> Head {
    Head {
        id: DocumentId::parse("a").unwrap(),
        name: "a.txt".to_owned(),
        declared: None,
        language: None,
        priority: crate::document::Priority::Normal,
        size: 1,
        sha256: String::new(),
        received_at: "2026-07-01T00:00:00Z".parse().unwrap(),
        version: 0,
        origin: None,
        force: false,
        options: crate::document::Options::default(),
        lineage: None,
        trace: Default::default(),
        tags: Vec::new(),
    }
}

#[test]
fn an_endpoint_by_https_is_one() {
    let mut config = crate::config::load(&crate::config::Sources::default()).unwrap().config.telemetry;
    config.otlp_endpoint = "https://localhost:1".to_owned();
    let (tracer, exporter) = Exporter::start(&config, &Arc::new(Metrics::new())).unwrap();
    drop(tracer);
    exporter.stop();
}
