//! Traces as a collector meets them, and log lines as whoever reads them does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::collector::{Collector, hex};
use common::kafka::shared;
use common::tls::Tls;
use common::*;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

const STAGES: [&str; 7] = ["consume", "decode", "digitize", "feed", "infer", "interpret", "publish"];
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SENDER: &str = "b7ad6b7169203331";

fn traceparent() -> String {
    format!("00-{TRACE}-{SENDER}-01")
}

/// Puts a document in by HTTP, as the sender's span.
fn upload(api: &str, name: &str) -> String {
    let request = ureq::post(format!("{api}/v1/documents?filename={name}"));
    let request = request.header("traceparent", traceparent());
    let answer: Value = request.send(&document(name)[..]).unwrap().body_mut().read_json().unwrap();
    answer["id"].as_str().unwrap().to_owned()
}

fn metric(api: &str, name: &str) -> f64 {
    let text = ureq::get(format!("{api}/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

/// The spans of the sender's trace once the whole document is among them; each is below another.
fn trace(collector: &Collector) -> Vec<Span> {
    let ours = || -> Vec<Span> {
        collector.spans().into_iter().filter(|span| hex(&span.trace_id) == TRACE).collect()
    };
    let whole = || ours().iter().any(|span| span.name == "document");
    assert!(wait_for(PATIENCE, whole), "{:?}", collector.spans());
    let spans = ours();
    for span in &spans {
        let parent = hex(&span.parent_span_id);
        let known = spans.iter().any(|other| hex(&other.span_id) == parent);
        assert!(known || (span.name == "document" && parent == SENDER), "{span:?}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }
    spans
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name} in {spans:?}"));
    assert!(name == "page" || found.next().is_none(), "{name} is there twice");
    first
}

#[test]
fn a_document_is_one_trace_from_its_sender_through_every_stage() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("telemetry.otlp_endpoint={}", collector.url());
    // Who sent a traceparent decides, whatever the ratio.
    let flags = ["--set", &endpoint, "--set", "telemetry.trace_ratio=0", "--log", "quire=debug"];
    let daemon = Daemon::start(folder.path(), &flags);
    let api = daemon.api().unwrap();
    let id = upload(&api, "invoice-clean-scan.png");
    let spans = trace(&collector);
    let whole = named(&spans, "document");
    for stage in STAGES {
        assert_eq!(named(&spans, stage).parent_span_id, whole.span_id, "{stage}");
    }
    assert_eq!(named(&spans, "page").parent_span_id, named(&spans, "digitize").span_id);
    assert!(format!("{:?}", whole.attributes).contains(&id));
    assert!(wait_for(PATIENCE, || metric(&api, "quire_spans_total{outcome=\"sent\"}") >= 9.0));

    // Nobody sent one of this: the ratio decides.
    drop_file(folder.path(), "other.txt", b"A note about a ferry.");
    assert!(wait_for(PATIENCE, || names(&folder.path().join("done")).len() == 2));
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    assert!(collector.spans().iter().all(|span| hex(&span.trace_id) == TRACE));
    lines_name_their_document(&log, &id);
}

/// Every line that says `document` says `trace`; those about this one say its sender's.
fn lines_name_their_document(log: &str, id: &str) {
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about: Vec<&Value> = lines.iter().filter(|line| line["document"] == id).collect();
    assert!(about.iter().any(|line| line["message"] == "taken"), "{log}");
    let stages = about.iter().filter(|line| line["message"] != "uploaded");
    assert!(stages.clone().all(|line| line["trace"] == TRACE), "{about:?}");
    assert!(lines.iter().all(|line| line["id"].is_null()), "a document's id is `document`: {log}");
}

#[test]
fn a_collector_behind_tls_is_sent_to() {
    let collector = Collector::start();
    let tls = Tls::before(collector.url());
    let folder = tempfile::tempdir().unwrap();
    drop_file(folder.path(), "note.txt", b"A note about a ferry.");
    let mut command = quire(folder.path());
    command.env("SSL_CERT_FILE", tls.authority());
    let daemon = Daemon::spawn_as(command, &["--set", &format!("telemetry.otlp_endpoint={}", tls.url)]);
    let came = || collector.spans().iter().any(|span| span.name == "document");
    assert!(wait_for(PATIENCE, came), "{}", daemon.log());
}

#[test]
fn a_failure_is_seen_in_the_trace_and_in_the_log() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--set", &format!("telemetry.otlp_endpoint={}", collector.url())];
    let daemon = Daemon::start(folder.path(), &flags);
    drop_file(folder.path(), "torn.pdf", b"%PDF-1.7 and nothing more");
    let failed = || collector.spans().into_iter().find(|span| span.name == "document");
    assert!(wait_for(PATIENCE, || failed().is_some()));
    let whole = failed().unwrap();
    assert_eq!(whole.status.as_ref().unwrap().code, 2, "{whole:?}");
    assert_eq!(hex(&whole.parent_span_id), "", "nobody is above it");
    let (_, log) = daemon.terminate();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.into_iter().find(|line| line["level"] == "WARN" && !line["document"].is_null());
    assert_eq!(line.unwrap()["trace"], hex(&whole.trace_id).as_str(), "{log}");
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_the_spans() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Collector::start().url();
    let daemon = Daemon::start(folder.path(), &["--set", &format!("telemetry.otlp_endpoint={gone}")]);
    let api = daemon.api().unwrap();
    drop_file(folder.path(), "note.txt", b"A note about a ferry.");
    assert!(wait_for(PATIENCE, || names(&folder.path().join("done")).len() == 1));
    assert!(wait_for(PATIENCE, || metric(&api, "quire_spans_total{outcome=\"unsent\"}") >= 7.0));
    let began = Instant::now();
    let (status, log) = daemon.terminate();
    assert!(status.success() && began.elapsed().as_secs() < 30, "{log}");
    assert_eq!(log.matches("traces cannot be sent").count(), 1, "said once: {log}");
}

#[test]
fn records_that_come_of_a_record_name_its_span() {
    let (kafka, collector) = (shared(), Collector::start());
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        format!("kafka.brokers={}", kafka.brokers()),
        "kafka.prefix=traced".to_owned(),
        "kafka.group=traced".to_owned(),
        "kafka.partitions=1".to_owned(),
        format!("telemetry.otlp_endpoint={}", collector.url()),
    ];
    let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let daemon = Daemon::start(folder.path(), &flags);
    let headers = [("traceparent", traceparent()), ("tracestate", "vendor=1".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    kafka.send("traced", Some("letter"), b"A letter about a ferry.", &headers);
    let results = kafka.wait_for("traced.results", |all| !all.is_empty());
    let spans = trace(&collector);
    let whole = named(&spans, "document");
    let expected = format!("00-{TRACE}-{}-01", hex(&whole.span_id));
    assert_eq!(results[0].header("traceparent"), Some(expected.as_str()));
    assert_eq!(results[0].header("tracestate"), Some("vendor=1"));
    let commit = named(&spans, "commit");
    assert_eq!(commit.parent_span_id, whole.span_id);
    assert!(commit.end_time_unix_nano >= named(&spans, "publish").end_time_unix_nano);
    // Without a header a trace begins here, and what comes of it says so.
    kafka.send("traced", Some("other"), b"Another letter about a ferry.", &[]);
    let results = kafka.wait_for("traced.results", |all| all.len() == 2);
    let header = results[1].header("traceparent").unwrap().to_owned();
    assert!(header.ends_with("-01") && !header.contains(TRACE), "{header}");
    assert!(daemon.terminate().0.success());
}

/// Secrets of every kind, in a file as an operator has them.
fn secrets(folder: &Path) -> (std::path::PathBuf, [&'static str; 4]) {
    let values = ["key-for-the-api-3141", "pass\\word \"2718\"", "qdrant-key-1618", "key-pass-1414"];
    let text = format!(
        "[serve]\napi_keys = ['{}']\n[kafka]\npassword = '{}'\nkey_password = '{}'\n[qdrant]\napi_key = '{}'\n",
        values[0], values[1], values[3], values[2]
    );
    let file = folder.join("secrets.toml");
    std::fs::write(&file, text).unwrap();
    (file, values)
}

#[test]
fn no_secret_is_in_any_log_line() {
    let (qdrant, kafka) = (qdrant_fake::QdrantFake::start_with(Some("qdrant-key-1618")), shared());
    for format in ["json", "text"] {
        let folder = tempfile::tempdir().unwrap();
        let (file, values) = secrets(folder.path());
        let qdrant = format!("qdrant.url={}", qdrant.url());
        let brokers = format!("kafka.brokers={}", kafka.brokers());
        let mut command = quire(folder.path());
        command.env("QUIRE_TELEMETRY__FORMAT", format);
        command.args([
            "--config",
            file.to_str().unwrap(),
            "--log",
            "trace",
            "--set",
            &qdrant,
            "--set",
            &brokers,
        ]);
        command.args(["--set", "kafka.protocol=sasl_plaintext", "--set", "kafka.mechanism=PLAIN"]);
        command.args([
            "--set",
            "kafka.username=somebody",
            "--set",
            "kafka.properties=['debug=security,protocol,conf']",
        ]);
        // The broker refuses this password, so that as much as possible is said about it.
        command.args(["status"]);
        let out = output(&mut command);
        let text = stderr(&out) + &stdout(&out);
        assert!(text.len() > 2_000, "nothing was logged: {text}");
        for value in values {
            let forms = [value.to_owned(), value.replace('\\', "\\\\").replace('"', "\\\"")];
            assert!(forms.iter().all(|form| !text.contains(form.as_str())), "{value} is in {text}");
        }
    }
}
