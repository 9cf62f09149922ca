//! Documents that take long, fail for a while, are cancelled or handed over: nothing blocks, nothing
//! is done twice. Each test has topics of its own; the broker is shared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::kafka::{Kafka, Record, shared};
use common::*;
use std::path::Path;
use std::time::{Duration, Instant};

/// A worker of a group of its own over topics that begin with `prefix`.
fn worker(kafka: &Kafka, data: &Path, prefix: &str, more: &[&str]) -> Daemon {
    let flags = flags(kafka, prefix, more);
    Daemon::start(data, &flags.iter().map(String::as_str).collect::<Vec<_>>())
}

fn flags(kafka: &Kafka, prefix: &str, more: &[&str]) -> Vec<String> {
    let settings = [
        format!("kafka.brokers={}", kafka.brokers()),
        format!("kafka.prefix={prefix}"),
        format!("kafka.group={prefix}"),
        "kafka.partitions=1".to_owned(),
        "kafka.commit_ms=50".to_owned(),
        "kafka.progress_ms=50".to_owned(),
        "kafka.session_timeout_ms=6000".to_owned(),
    ];
    let all = settings.into_iter().chain(more.iter().map(|&one| one.to_owned()));
    all.flat_map(|setting| ["--set".to_owned(), setting]).collect()
}

fn send(kafka: &Kafka, prefix: &str, name: &str) {
    let text = format!("{name}: Miss Ardley of Leipzig paid for the delivery on Monday.");
    kafka.send(prefix, Some(name), text.as_bytes(), &[("filename", name)]);
}

fn keys(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.key.as_deref().unwrap()).collect()
}

fn results(kafka: &Kafka, prefix: &str, at_least: usize) -> Vec<Record> {
    kafka.wait_for(&format!("{prefix}.results"), |all| all.len() >= at_least)
}

fn states(kafka: &Kafka, prefix: &str, key: &str) -> Vec<String> {
    let all = kafka.read(&format!("{prefix}.progress"));
    let ours = all.iter().filter(|record| record.key.as_deref() == Some(key));
    ours.map(|record| record.json()["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_document_may_take_longer_than_the_broker_waits_for_a_poll() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    // The publisher sleeps over it for more than twice the longest pause between polls.
    let long =
        ["kafka.properties=[\"max.poll.interval.ms=7000\"]", "testing.failpoints=put@long.txt=sleep:18000"];
    let daemon = worker(kafka, folder.path(), "long", &long);
    send(kafka, "long", "long.txt");
    let found = results(kafka, "long", 1);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(keys(&kafka.read("long.results")), ["long.txt"]);
    assert_eq!(found[0].json()["coverage"], 1.0);
    let log = daemon.log();
    assert!(!log.contains("revoked") && !log.contains("max.poll"), "{log}");
    assert_eq!(log.matches("partitions assigned").count(), 1, "{log}");
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
}

#[test]
fn what_holds_others_up_goes_to_the_slow_lane() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    // The one publisher of each stage would hold up everything: the sleep is where only its own
    // document waits, and so long that two tries of it are needed.
    let slow = ["kafka.slow_after_s=2", "testing.failpoints=decode@slow.txt=sleep:5000", "decode.workers=3"];
    let daemon = worker(kafka, folder.path(), "held", &slow);
    send(kafka, "held", "slow.txt");
    ["a.txt", "b.txt", "c.txt"].iter().for_each(|name| send(kafka, "held", name));
    let lane = kafka.wait_for("held.slow", |all| !all.is_empty());
    assert_eq!(keys(&lane), ["slow.txt"]);
    assert_eq!(lane[0].header("quire-origin"), Some("held/0/0"));
    assert_eq!(lane[0].header("filename"), Some("slow.txt"));
    // Its partition is free while it is still under way.
    let free = wait_for(Duration::from_secs(20), || kafka.committed("held", "held").get(&0) == Some(&4));
    assert!(free, "{:?} {}", kafka.committed("held", "held"), daemon.log());
    let mut found: Vec<String> =
        results(kafka, "held", 4).iter().map(|record| record.key.clone().unwrap()).collect();
    found.sort();
    assert_eq!(found, ["a.txt", "b.txt", "c.txt", "slow.txt"]);
    assert!(states(kafka, "held", "slow.txt").contains(&"postponed".to_owned()));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(kafka.read("held.results").len(), 4, "its late result was published as well");
    drop(daemon.terminate());
}

#[test]
fn a_passing_fault_is_tried_again_and_then_given_up() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    let quick = ["consume.attempts=3", "consume.backoff_ms=300", "consume.uri_private=true"];
    let daemon = worker(kafka, folder.path(), "again", &quick);
    // Nobody listens there.
    let envelope = br#"{"quire": 1, "uri": "http://127.0.0.1:9/never.txt"}"#;
    let wish = [("quire-force", "1"), ("quire-options", r#"{"languages":["deu"]}"#)];
    kafka.send("again", Some("never"), envelope, &wish);
    let dead = kafka.wait_for("again.dead", |all| !all.is_empty());
    assert_eq!(dead[0].value.as_deref(), Some(&envelope[..]), "untouched");
    assert_eq!(
        (dead[0].header("quire-class"), dead[0].header("quire-attempts")),
        (Some("unreachable"), Some("3"))
    );
    let tries = kafka.read("again.retry");
    let attempts: Vec<_> = tries.iter().map(|record| record.header("quire-attempt").unwrap()).collect();
    assert_eq!(attempts, ["1", "2"]);
    let waits: Vec<i64> = tries
        .iter()
        .map(|record| {
            record.header("quire-not-before").unwrap().parse::<i64>().unwrap() - record.timestamp.unwrap()
        })
        .collect();
    assert!((150..=400).contains(&waits[0]) && (400..=800).contains(&waits[1]), "{waits:?}");

    // Once its cause is gone it is sent again, as it was.
    let flags = [format!("kafka.brokers={}", kafka.brokers()), "kafka.prefix=again".to_owned()];
    let flags: Vec<&str> = flags.iter().flat_map(|flag| ["--set", flag]).collect();
    let listed = json(&output(quire(folder.path()).args(&flags).args(["--json", "dead", "list"])));
    assert_eq!((listed[0]["id"].as_str(), listed.as_array().unwrap().len()), (Some("never"), 1), "{listed}");
    let raw = output(quire(folder.path()).args(&flags).args(["dead", "show", "never", "--raw"]));
    assert_eq!(raw.stdout, envelope);
    let none =
        output(quire(folder.path()).args(&flags).args(["--json", "dead", "replay", "--class", "corrupt"]));
    assert_eq!(json(&none)["sent"], 0);
    let replay = ["--json", "dead", "replay", "--class", "unreachable", "--rate", "5"];
    let sent = json(&output(quire(folder.path()).args(&flags).args(replay)));
    assert_eq!(sent["sent"], 1, "{sent}");
    let twice = kafka.wait_for("again.dead", |all| all.iter().filter(|r| r.value.is_some()).count() >= 2);
    assert!(twice.iter().any(|record| record.value.is_none()), "the first was not cleared");
    // As it was asked for, each time.
    for letter in twice.iter().filter(|record| record.value.is_some()) {
        assert!(wish.iter().all(|(name, value)| letter.header(name) == Some(value)), "{letter:?}");
    }
    let listed = json(&output(quire(folder.path()).args(&flags).args(["--json", "dead", "list"])));
    assert_eq!(listed.as_array().unwrap().len(), 1, "only the new one counts: {listed}");
    drop(daemon.terminate());
}

#[test]
fn cancelled_documents_are_left_under_way_and_waiting() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    let daemon = worker(
        kafka,
        folder.path(),
        "stop",
        &["testing.failpoints=decode@begun.txt=sleep:6000", "consume.in_flight_documents=1"],
    );
    send(kafka, "stop", "begun.txt");
    send(kafka, "stop", "waits.txt");
    kafka.wait_for("stop.progress", |all| !all.is_empty());
    for name in ["begun.txt", "waits.txt"] {
        kafka.send("stop.commands", Some(name), br#"{"command":"cancel"}"#, &[]);
    }
    let cancelled = |name: &str| states(kafka, "stop", name).last().is_some_and(|state| state == "cancelled");
    let all = wait_for(Duration::from_secs(30), || cancelled("begun.txt") && cancelled("waits.txt"));
    assert!(all, "{}", daemon.log());
    // What is sent later is a new wish.
    send(kafka, "stop", "waits.txt");
    assert_eq!(keys(&results(kafka, "stop", 1)), ["waits.txt"]);
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    assert_eq!(kafka.read("stop.results").len(), 1);
    assert_eq!(kafka.committed("stop", "stop").get(&0), Some(&3));
}

#[test]
fn a_stop_ends_what_is_in_flight_and_never_outlasts_its_time() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    let slow = [
        "decode.workers=3",
        "consume.in_flight_documents=3",
        "shutdown.drain_s=20",
        "testing.failpoints=decode=sleep:1500",
    ];
    let daemon = worker(kafka, folder.path(), "drain", &slow);
    (0..12).for_each(|number| send(kafka, "drain", &format!("{number}.txt")));
    // Three more are in flight by then, each for a second and a half at least.
    results(kafka, "drain", 3);
    let began = Instant::now();
    let (status, log) = daemon.terminate();
    let took = began.elapsed();
    assert_eq!(status.code(), Some(0), "{log}");
    let drained = kafka.read("drain.results").len();
    println!("SIGTERM: three in flight drained in {:.1} s, {drained} of 12 done", took.as_secs_f64());
    assert!(took < Duration::from_secs(20) && (6..=12).contains(&drained), "{took:?}, {drained}: {log}");
    assert!(!log.contains("left in working") && !log.contains("did not leave in order"), "{log}");
    assert_eq!(kafka.committed("drain", "drain").get(&0), Some(&(drained as i64)), "none is owed twice");

    // What takes longer than that is left, and done by whoever comes next.
    let told = kafka.read("drain.progress").len();
    let short =
        ["shutdown.drain_s=2", "consume.in_flight_documents=1", "testing.failpoints=decode=sleep:60000"];
    let daemon = worker(kafka, folder.path(), "drain", &short);
    let begun = wait_for(PATIENCE, || kafka.read("drain.progress").len() > told);
    assert!(begun, "{}", daemon.log());
    let began = Instant::now();
    let (status, log) = daemon.terminate();
    let took = began.elapsed();
    println!("SIGTERM: one that takes a minute was left after {:.1} s of 2", took.as_secs_f64());
    assert_eq!(status.code(), Some(0), "{log}");
    assert!((Duration::from_millis(1800)..Duration::from_secs(2 + 10)).contains(&took), "{took:?}: {log}");
    let daemon = worker(kafka, folder.path(), "drain", &[]);
    let found = results(kafka, "drain", 12);
    drop(daemon.terminate());
    let distinct: std::collections::BTreeSet<&str> = keys(&found).into_iter().collect();
    assert_eq!((distinct.len(), kafka.read("drain.results").len()), (12, 12));
}

#[test]
fn a_second_worker_takes_its_share_and_gives_it_back() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    // One store cannot have two writers: each worker has its own here, which only the topics join.
    let dirs = ["one", "two"].map(|name| folder.path().join(name));
    dirs.iter().for_each(|dir| std::fs::create_dir(dir).unwrap());
    let first = worker(kafka, &dirs[0], "share", &["kafka.partitions=4"]);
    let second = worker(kafka, &dirs[1], "share", &["kafka.partitions=4"]);
    assert!(wait_for(PATIENCE, || second.log().contains("partitions assigned")), "{}", second.log());
    (0..30).for_each(|number| send(kafka, "share", &format!("{number}.txt")));
    let (status, log) = first.terminate();
    assert!(status.success(), "{log}");
    let found = results(kafka, "share", 30);
    std::thread::sleep(Duration::from_secs(1));
    let distinct: std::collections::BTreeSet<&str> = keys(&found).into_iter().collect();
    assert_eq!((distinct.len(), kafka.read("share.results").len()), (30, 30));
    assert!(!second.log().contains("did not leave in order"), "{}", second.log());
    drop(second.terminate());
}

/// A worker that joins later has its part of every lane, not the lanes that have least to do.
#[test]
fn every_lane_is_shared_out() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    let dirs = ["one", "two"].map(|name| folder.path().join(name));
    dirs.iter().for_each(|dir| std::fs::create_dir(dir).unwrap());
    let workers = dirs.each_ref().map(|dir| {
        let one = worker(kafka, dir, "lanes", &["kafka.partitions=2"]);
        assert!(wait_for(PATIENCE, || one.log().contains("partitions assigned")), "{}", one.log());
        one
    });
    let revoked = || workers[0].log().contains("partitions revoked");
    assert!(wait_for(PATIENCE, revoked), "{}", workers[0].log());
    for topic in ["lanes", "lanes.high", "lanes.low"] {
        (0..12).for_each(|number| send(kafka, topic, &format!("{topic}-{number}.txt")));
    }
    let found = results(kafka, "lanes", 36);
    assert_eq!(keys(&found).into_iter().collect::<std::collections::BTreeSet<_>>().len(), 36);
    drop(workers.map(Daemon::terminate));
    let read = dirs.each_ref().map(|dir| {
        let to = dir.join("export");
        assert!(output(quire(dir).arg("export").arg(&to)).status.success());
        let parts = std::fs::read_dir(&to).unwrap().map(|part| std::fs::read(part.unwrap().path()).unwrap());
        parts.map(|bytes| String::from_utf8(bytes).unwrap()).collect::<String>()
    });
    for topic in ["lanes", "lanes.high", "lanes.low"] {
        let each = read
            .each_ref()
            .map(|all| (0..12).filter(|n| all.contains(&format!("\"{topic}-{n}.txt"))).count());
        assert!(each.iter().sum::<usize>() == 12 && !each.contains(&0), "{topic} was not shared: {each:?}");
    }
}

#[test]
fn lanes_that_nobody_would_read_are_refused() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    kafka.create_topics(&["uneven"], 1);
    kafka.create_topics(&["uneven.low"], 3);
    let flags = flags(kafka, "uneven", &[]);
    let out = output(quire(folder.path()).arg("run").args(&flags));
    assert!(!out.status.success());
    let told = "uneven.low has 3 partitions and uneven 1: nobody would read those beyond";
    assert!(
        stderr(&out).contains(told) && stderr(&out).contains("give uneven 3 partitions"),
        "{}",
        stderr(&out)
    );
}

#[test]
fn a_reload_leaves_the_group_in_order_and_comes_back() {
    let (kafka, folder) = (shared(), tempfile::tempdir().unwrap());
    let daemon = worker(kafka, folder.path(), "reload", &[]);
    (0..40).for_each(|number| send(kafka, "reload", &format!("{number}.txt")));
    for round in 1..=2 {
        results(kafka, "reload", round * 8);
        signal(daemon.pid(), libc::SIGHUP);
        let reloaded = || daemon.log().matches(r#""message":"reloaded""#).count();
        assert!(wait_for(PATIENCE, || reloaded() == round), "{}", daemon.log());
    }
    let found = results(kafka, "reload", 40);
    std::thread::sleep(Duration::from_secs(1));
    let distinct: std::collections::BTreeSet<&str> = keys(&found).into_iter().collect();
    assert_eq!((distinct.len(), kafka.read("reload.results").len()), (40, 40));
    let (status, log) = daemon.terminate();
    assert!(status.success() && !log.contains("did not leave in order"), "{log}");
}
