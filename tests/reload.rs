//! SIGHUP takes other settings without losing a document or refusing a connection.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn configure(data: &Path, toml: &str) {
    std::fs::write(data.join("quire.toml"), toml).unwrap();
}

fn note(number: usize) -> String {
    format!(
        "Note {number}. The harbour office has confirmed delivery {number} of forty crates of tea to Leipzig."
    )
}

fn reloaded(daemon: &Daemon) -> usize {
    daemon.log().matches(r#""message":"reloaded""#).count()
}

#[test]
fn other_settings_are_taken_while_documents_and_requests_go_on() {
    let data = tempfile::tempdir().unwrap();
    configure(data.path(), "[interpret]\nsample_percent = 0\n");
    let daemon = Daemon::start(data.path(), &[]);
    let api = daemon.api().unwrap();
    let over = Arc::<AtomicBool>::default();
    // Whoever connects is answered, whatever goes on; one who was cut off asks again, once.
    let asks = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let (mut answered, mut again) = (0, 0);
            while !over.load(Ordering::Acquire) {
                let asked = || ureq::get(format!("{api}/health/live")).call().is_ok();
                if !asked() {
                    again += 1;
                    assert!(asked(), "not answered twice, after {answered} answers");
                }
                answered += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            (answered, again)
        }
    });
    let mut sent = 0;
    let mut send = |count: usize| {
        for _ in 0..count {
            drop_file(data.path(), &format!("note {sent}.txt"), note(sent).as_bytes());
            sent += 1;
        }
        sent
    };
    for round in 1..=3 {
        send(20);
        configure(
            data.path(),
            &format!("[interpret]\nsample_percent = {}\n", if round == 3 { 100 } else { 0 }),
        );
        signal(daemon.pid(), libc::SIGHUP);
        send(10);
        let done = wait_for(Duration::from_secs(60), || reloaded(&daemon) == round);
        assert!(done, "{}", daemon.log());
    }
    let last = send(1) - 1;
    let done = || names(&data.path().join("done")).len();
    let all = wait_for(Duration::from_secs(120), || done() == last + 1);
    over.store(true, Ordering::Release);
    let (answered, again) = asks.join().unwrap();
    assert!(answered > 100 && again <= 3, "{answered} answered, {again} at the second time");
    assert!(all, "{} of {}: {}", done(), last + 1, daemon.log());
    assert_eq!(names(&data.path().join("dead")), Vec::<String>::new());
    assert_eq!(names(&data.path().join("results")).len(), last + 1);
    let sampled = |number: usize| result(data.path(), &id_of(note(number).as_bytes()))["verdict"].to_string();
    assert!(sampled(last).contains("sample") && !sampled(0).contains("sample"), "{}", sampled(last));
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
}

#[test]
fn other_models_are_taken_while_documents_are_understood() {
    let data = tempfile::tempdir().unwrap();
    configure(data.path(), "");
    let daemon = Daemon::start(data.path(), &[]);
    let mut sent = 0;
    let mut send = |count: usize| {
        for _ in 0..count {
            drop_file(data.path(), &format!("note {sent}.txt"), note(sent).as_bytes());
            sent += 1;
        }
        sent
    };
    let models = |number: usize| result(data.path(), &id_of(note(number).as_bytes()))["models"].clone();
    // Without the model of names, with it again, and without that of tones.
    for (round, (toml, without)) in [
        ("[infer]\nner = \"\"\n", Some("ner")),
        ("", None),
        ("[infer]\nsentiment = \"\"\n", Some("sentiment")),
    ]
    .into_iter()
    .enumerate()
    {
        send(15);
        configure(data.path(), toml);
        signal(daemon.pid(), libc::SIGHUP);
        send(10);
        assert!(wait_for(PATIENCE, || reloaded(&daemon) == round + 1), "{}", daemon.log());
        let last = send(1) - 1;
        let done = |number: usize| {
            let id = id_of(note(number).as_bytes());
            data.path().join("results").join(format!("{id}.json")).exists()
        };
        let all = || (0..=last).all(done);
        assert!(
            wait_for(PATIENCE, all),
            "{toml}: {} of {}",
            (0..=last).filter(|n| done(*n)).count(),
            last + 1
        );
        for task in ["embedding", "ner", "sentiment"] {
            assert_eq!(models(last).get(task).is_some(), without != Some(task), "{task}: {}", models(last));
        }
    }
    // Each by the models of before or of after, and none by a mixture: two tasks are never missing at once.
    for number in 0..sent {
        let models = models(number);
        let missing = ["ner", "sentiment"].iter().filter(|task| models.get(**task).is_none()).count();
        assert!(missing <= 1 && models.get("embedding").is_some(), "note {number}: {models}");
    }
    assert_eq!(names(&data.path().join("dead")), Vec::<String>::new());
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
}

#[test]
fn what_cannot_be_used_leaves_everything_as_it_was() {
    let data = tempfile::tempdir().unwrap();
    configure(data.path(), "");
    let daemon = Daemon::start(data.path(), &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("[consume]\nattempts = 2\n[kafka]\nbrokers = \"{}\"\n", taken.local_addr().unwrap());
    let cases = [
        (taken.as_str(), "kafka.brokers"),
        ("[qdrant]\nurl = \"http://127.0.0.1:1\"\n", "127.0.0.1:1"),
        ("[interpret\napi_key = \"a secret\"\n", "line 1"),
        ("[interpret]\nsample_percents = 0\n", "sample_percents"),
        ("[telemetry]\nlog = \"all=of=it\"\n", "telemetry.log"),
        ("[consume]\nmax_document_mb = 0\n", "max_document_mb"),
        ("[interpret]\nfields_file = \"nowhere.toml\"\n", "fields_file"),
        ("[infer]\nner = \"nowhere\"\n", "nowhere"),
    ];
    for (number, (toml, named)) in cases.into_iter().enumerate() {
        configure(data.path(), toml);
        signal(daemon.pid(), libc::SIGHUP);
        let said = || {
            daemon.log().lines().filter(|line| line.contains("not reloaded")).nth(number).map(str::to_owned)
        };
        assert!(wait_for(Duration::from_secs(60), || said().is_some()), "{toml}: {}", daemon.log());
        let line = said().unwrap();
        assert!(line.contains(named) && !line.contains("a secret"), "{named} in {line}");
        drop_file(data.path(), &format!("note {number}.txt"), note(number).as_bytes());
        let done =
            wait_for(Duration::from_secs(60), || names(&data.path().join("results")).len() == number + 1);
        assert!(done, "{toml}: {}", daemon.log());
    }
    assert_eq!(reloaded(&daemon), 0);
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
}
