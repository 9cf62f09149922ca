//! A document that ends its worker is found out and given up; the others are not touched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::kafka::Kafka;
use common::*;
use std::collections::BTreeSet;
use std::time::Duration;

const PREFIX: &str = "crash";

#[test]
fn a_document_that_kills_its_worker_is_given_up_and_no_other() {
    let kafka = Kafka::start();
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        format!("kafka.brokers={}", kafka.brokers()),
        format!("kafka.prefix={PREFIX}"),
        "kafka.partitions=2".to_owned(),
        "kafka.commit_ms=50".to_owned(),
        "testing.failpoints=put@killer.txt=kill".to_owned(),
    ];
    let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let mut daemon = Daemon::start(folder.path(), &flags);
    for number in 0..8 {
        let (key, text) =
            (format!("note-{number}"), format!("Note {number}: Miss Ardley paid for it in Leipzig."));
        let name = if number == 4 { "killer.txt".to_owned() } else { format!("note-{number}.txt") };
        kafka.send(PREFIX, Some(&key), text.as_bytes(), &[("filename", &name)]);
    }
    let mut deaths = 0;
    let dead = format!("{PREFIX}.dead");
    // Twice in company, then with three others at most, one other at most, and alone.
    while kafka.read(&dead).is_empty() {
        let ended = wait_for(Duration::from_secs(60), || {
            daemon.child.try_wait().unwrap().is_some() || !kafka.read(&dead).is_empty()
        });
        assert!(ended, "{}", daemon.log());
        if daemon.child.try_wait().unwrap().is_some() {
            deaths += 1;
            assert!(deaths <= 5, "it is still not given up: {}", daemon.log());
            daemon = Daemon::spawn(folder.path(), &flags);
        }
    }
    println!("given up after {deaths} deaths");
    assert_eq!(deaths, 5);
    let letters = kafka.read(&dead);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].key.as_deref(), Some("note-4"));
    assert_eq!(letters[0].header("quire-class"), Some("crashed"));
    assert_eq!(letters[0].header("filename"), Some("killer.txt"));

    let results = format!("{PREFIX}.results");
    assert!(wait_for(PATIENCE, || kafka.read(&results).len() >= 7), "{}", daemon.log());
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    let keys: Vec<String> = kafka.read(&results).into_iter().map(|record| record.key.unwrap()).collect();
    let distinct: BTreeSet<&String> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (7, 7), "{keys:?}");
}
