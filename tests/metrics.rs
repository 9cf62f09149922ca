//! A real Prometheus scrapes quire and reads what happened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::Value;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const STAGES: [&str; 7] = ["consume", "decode", "digitize", "feed", "infer", "interpret", "publish"];
/// Those with a queue before them whose bound is a number of items; infer's is one of tokens.
const QUEUED: [&str; 5] = ["decode", "digitize", "feed", "interpret", "publish"];

/// A Prometheus of this test's own; killed when dropped.
struct Prometheus {
    child: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(folder: &Path, target: &str) -> Self {
        let config = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs:\n- job_name: quire\n  static_configs:\n  - targets: ['{target}']\n"
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()));
        command.arg(format!("--web.listen-address={address}"));
        let log = std::fs::File::create(folder.join("prometheus.log")).unwrap();
        command.stdout(Stdio::null()).stderr(log).stdin(Stdio::null());
        let child =
            command.spawn().unwrap_or_else(|e| panic!("prometheus: {e}; run `scripts/setup.sh test`"));
        let started = Self { child, address };
        let ready = || ureq::get(format!("http://{}/-/ready", started.address)).call().is_ok();
        let log = || std::fs::read_to_string(folder.join("prometheus.log")).unwrap_or_default();
        assert!(wait_for(PATIENCE, ready), "Prometheus did not start: {}", log());
        started
    }

    /// The values of a query, by its first label besides those that every sample has.
    fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let url = format!("http://{}/api/v1/query", self.address);
        let mut answer = ureq::get(url).query("query", query).call().unwrap();
        let answer: Value = answer.body_mut().read_json().unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        let samples = answer["data"]["result"].as_array().unwrap();
        samples
            .iter()
            .map(|s| (s["metric"].clone(), s["value"][1].as_str().unwrap().parse().unwrap()))
            .collect()
    }

    fn one(&self, query: &str) -> Option<f64> {
        self.query(query).first().map(|(_, value)| *value)
    }
}

#[test]
fn prometheus_reads_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let quire = Daemon::start(&data, &[]);
    let api = quire.api().unwrap();
    let prometheus = Prometheus::start(folder.path(), api.trim_start_matches("http://"));

    let good =
        ["night-train-utf8.txt", "orders.csv", "service-agreement-v1.docx", "letter-thanks-clean-scan.jpg"];
    let bad = ["empty.txt", "corrupt.docx"];
    good.iter().chain(&bad).for_each(|name| drop_file(&data, name, &document(name)));
    let done = "quire_documents_total{outcome=\"done\"}";
    let seen = wait_for(PATIENCE, || prometheus.one(done) == Some(good.len() as f64));
    assert!(seen, "{done} is {:?}; {}", prometheus.one(done), quire.log());
    let dead = "quire_documents_total{outcome=\"dead\"}";
    assert!(
        wait_for(PATIENCE, || prometheus.one(dead) == Some(bad.len() as f64)),
        "{:?}",
        prometheus.one(dead)
    );

    let value = |query: &str| prometheus.one(query).unwrap_or_else(|| panic!("Prometheus has no {query}"));
    assert_eq!(value("up{job=\"quire\"}"), 1.0);
    for stage in STAGES {
        let passed = value(&format!("quire_stage_documents_total{{stage=\"{stage}\"}}"));
        let expected = match stage {
            // What is bad leaves consume and never leaves decode.
            "consume" => good.len() + bad.len(),
            "digitize" => 1,
            _ => good.len(),
        };
        assert_eq!(passed, expected as f64, "{stage}");
        let timed = value(&format!("quire_stage_seconds_count{{stage=\"{stage}\"}}"));
        assert_eq!(timed, expected as f64, "{stage}");
    }
    for stage in QUEUED {
        assert!(value(&format!("quire_queue_bound{{stage=\"{stage}\"}}")) >= 1.0, "{stage}");
    }
    for stage in ["decode", "digitize", "feed", "interpret", "publish"] {
        assert!(value(&format!("quire_stage_busy_seconds_total{{stage=\"{stage}\"}}")) > 0.0, "{stage}");
    }
    assert_eq!(value("quire_failures_total{class=\"empty\"}"), 1.0);
    assert_eq!(value("quire_failures_total{class=\"corrupt\"}"), 1.0);
    assert_eq!(value("quire_pages_total{source=\"ocr\"}"), 1.0);
    assert_eq!(value("quire_coverage"), 1.0);
    assert_eq!(value("quire_characters_total"), value("quire_characters_covered_total"));
    assert_eq!(value("quire_padding_tokens_total"), 0.0);
    assert!(value("quire_tokens_total") > 100.0);
    assert_eq!(value("quire_document_seconds_count"), (good.len() + bad.len()) as f64);
    assert_eq!(value("quire_stored_documents"), good.len() as f64);
    assert_eq!(value("quire_in_flight_documents"), 0.0);
    assert!(value("quire_in_flight_documents_bound") >= 1.0);
    // What waits is counted in folders, too, and weighed by what each kind cost.
    assert_eq!(value("count(quire_lag_documents)"), 3.0);
    assert!(value("max(quire_document_cost_seconds{work=~\".* ocr\"})") > 0.0);
    check_exposition(&api);
    drop_file(&data, "again.txt", &document(good[0]));
    let unchanged = "quire_document_cost_seconds{work=\"unchanged\"}";
    assert!(wait_for(PATIENCE, || prometheus.one(unchanged) == Some(0.0)), "{}", quire.log());
}

/// What `promtool` says of the exposition, where it is there. It reads the older text format, which
/// has no type `info` and takes `# UNIT` and `# EOF` for comments; its advice on names is for that
/// format too (there a counter's family ends in `_total`). So only what it cannot parse fails.
fn check_exposition(api: &str) {
    let mut answer = ureq::get(format!("{api}/metrics")).call().unwrap();
    let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(media_type.starts_with("application/openmetrics-text; version=1.0.0"), "{media_type}");
    let text = answer.body_mut().read_to_string().unwrap();
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends with # EOF");
    let text = text.replace("# TYPE quire_build info", "# TYPE quire_build gauge");
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else {
        println!("promtool is not installed: the exposition was checked by Prometheus alone");
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = promtool.wait_with_output().unwrap();
    println!("promtool: {}\n{}{}", out.status, stdout(&out), stderr(&out));
    // 1: it could not parse; 3: it has advice.
    assert_ne!(out.status.code(), Some(1), "{}", stderr(&out));
}
