//! A commit whose answer is lost may have happened: its records are neither lost nor sent again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::kafka::{Kafka, shared};
use common::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const DOCUMENTS: usize = 40;

fn worker(kafka: &Kafka, data: &Path, prefix: &str, more: &[&str]) -> Daemon {
    let mut settings = vec![
        format!("kafka.brokers={}", kafka.brokers()),
        format!("kafka.prefix={prefix}"),
        "kafka.partitions=2".to_owned(),
        "kafka.commit_ms=50".to_owned(),
    ];
    settings.extend(more.iter().map(|&setting| setting.to_owned()));
    let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    Daemon::start(data, &flags)
}

fn send(kafka: &Kafka, prefix: &str, number: usize) {
    let text = format!("Note {number}: Miss Ardley paid for it in Leipzig.");
    let name = format!("note-{number}.txt");
    kafka.send(prefix, Some(&format!("note-{number}")), text.as_bytes(), &[("filename", &name)]);
}

/// Waits for the results of so many documents.
fn wait_for_all(kafka: &Kafka, prefix: &str, daemon: &Daemon, documents: usize) {
    let results = format!("{prefix}.results");
    let all = wait_for(PATIENCE, || kafka.read(&results).len() >= documents);
    assert!(all, "{} of {documents} results: {}", kafka.read(&results).len(), daemon.log());
}

/// Waits for the results of all documents, ends the worker, and tells what it said.
fn assert_each_once(kafka: &Kafka, prefix: &str, daemon: Daemon, documents: usize) -> String {
    wait_for_all(kafka, prefix, &daemon, documents);
    let results = format!("{prefix}.results");
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    kafka.read(&results).into_iter().for_each(|record| *times.entry(record.key.unwrap()).or_default() += 1);
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty() && times.len() == documents, "{} documents, {twice:?}: {log}", times.len());
    log
}

/// How often the worker found out that a commit without an answer had, or had not, happened.
fn found_out(log: &str, happened: bool) -> usize {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["happened"] == happened).count()
}

#[test]
fn what_became_of_a_commit_without_an_answer_is_asked_for() {
    let kafka = shared();
    for (prefix, step, happened) in [("lost", "txn-asked", false), ("came", "txn-committed", true)] {
        let folder = tempfile::tempdir().unwrap();
        // The first commit says that the worker has its partitions; the fourth has results.
        let fault = format!("testing.failpoints={step}=fail:4");
        // And nothing is committed but results: of a commit with progress alone nobody can tell.
        let daemon = worker(kafka, folder.path(), prefix, &[&fault, "kafka.progress_ms=60000"]);
        for number in 0..DOCUMENTS {
            send(kafka, prefix, number);
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = assert_each_once(kafka, prefix, daemon, DOCUMENTS);
        assert_eq!((found_out(&log, happened), found_out(&log, !happened)), (1, 0), "{step}: {log}");
    }
}

#[test]
fn a_broker_that_stands_still_in_the_middle_of_commits() {
    let kafka = Kafka::start();
    let folder = tempfile::tempdir().unwrap();
    // Most of the time passes just before a commit is asked for: a broker that stops then has the
    // question in its queue and answers when the worker has long given up waiting.
    let settings = ["kafka.transaction_timeout_ms=2000", "testing.failpoints=txn-offsets=sleep:400"];
    let daemon = worker(&kafka, folder.path(), "still", &settings);
    let mut sent = 0;
    // When it stops within the round of commits is chance: until one was met, twelve times at most.
    for round in 0..12 {
        for _ in 0..10 {
            send(&kafka, "still", sent);
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(300 + 150 * (round % 5)));
        kafka.signal(libc::SIGSTOP);
        std::thread::sleep(Duration::from_secs(4));
        kafka.signal(libc::SIGCONT);
        wait_for_all(&kafka, "still", &daemon, sent);
        let log = daemon.log();
        if round >= 3 && found_out(&log, true) + found_out(&log, false) > 0 {
            break;
        }
    }
    let log = assert_each_once(&kafka, "still", daemon, sent);
    let found_out = [found_out(&log, true), found_out(&log, false)];
    println!("commits without an answer that happened, and that did not: {found_out:?}");
    assert!(found_out.iter().sum::<usize>() > 0, "no commit was without an answer: {log}");
}
