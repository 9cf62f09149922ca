//! Nothing is lost and nothing done twice with Kafka and Qdrant at the ends, whatever is killed,
//! stopped or away. `make chaos KILLS=500` runs it for longer, `BROKERS=3` with three brokers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod exact;
mod plan;

use common::kafka::{Kafka, Options};
use common::qdrant_fake::QdrantFake;
use common::*;
use exact::assert_exact;
use plan::plan;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PREFIX: &str = "chaos";
/// Every step of delivery after which a worker can die.
const STEPS: [&str; 9] = [
    "taken",
    "put",
    "put-passages",
    "put-document",
    "stored",
    "txn-begin",
    "txn-produced",
    "txn-offsets",
    "txn-committed",
];
/// Documents for each fault.
const SHARE: usize = 12;
/// So many wait for the faults to be over: to the end there is something to do.
const PACE: Duration = Duration::from_millis(250);

fn kills() -> usize {
    std::env::var("KILLS").ok().map_or(20, |n| n.parse().expect("KILLS is a number"))
}

/// One worker of the group.
struct Worker<'w> {
    name: String,
    data: PathBuf,
    brokers: String,
    qdrant: &'w str,
    daemon: Option<Daemon>,
}

impl Worker<'_> {
    fn start(&mut self, failpoints: &str) {
        let settings = [
            format!("kafka.brokers={}", self.brokers),
            format!("kafka.prefix={PREFIX}"),
            format!("kafka.worker={}", self.name),
            "kafka.partitions=3".to_owned(),
            "kafka.session_timeout_ms=6000".to_owned(),
            "kafka.transaction_timeout_ms=8000".to_owned(),
            "kafka.commit_ms=100".to_owned(),
            "consume.backoff_ms=100".to_owned(),
            "shutdown.drain_s=5".to_owned(),
            // Here the killer is known: no document may be convicted of it.
            "consume.crashes=100".to_owned(),
            format!("qdrant.url={}", self.qdrant),
            format!("testing.failpoints={failpoints}"),
        ];
        let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        self.daemon = Some(Daemon::spawn(&self.data, &flags));
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("started")
    }

    fn kill(&mut self) {
        self.daemon.take().expect("started").kill();
    }
}

/// Waits until every input is settled; tells how far it got where it is not.
fn wait_until_settled(kafka: &Kafka, workers: &[Worker<'_>]) {
    let lanes = ["", ".high", ".low", ".retry", ".slow"].map(|lane| format!("{PREFIX}{lane}"));
    let behind = || -> Vec<(String, i32, i64, i64)> {
        let mut behind = Vec::new();
        for topic in &lanes {
            let committed = kafka.committed("quire", topic);
            // The last record, not the end: transactions leave marks of their own behind it.
            let mut last: BTreeMap<i32, i64> = BTreeMap::new();
            for record in kafka.read(topic) {
                last.insert(record.partition, record.offset);
            }
            for (partition, last) in last {
                let at = committed.get(&partition).copied().unwrap_or(0);
                if at <= last {
                    behind.push((topic.clone(), partition, at, last));
                }
            }
        }
        behind
    };
    // A worker that was killed in a transaction leaves it open, and what others wrote after its first record
    // is not read until it is taken back. Where the ends from before are the stable ones after, nothing was
    // hidden in between.
    let written = [lanes.as_slice(), &[format!("{PREFIX}.results"), format!("{PREFIX}.dead")]].concat();
    let is_settled = || {
        let ends: Vec<_> = written.iter().map(|topic| kafka.end_offsets(topic)).collect();
        let stable = || Vec::from_iter(written.iter().map(|topic| kafka.stable_offsets(topic)));
        behind().is_empty() && {
            let is_all_read = stable() == ends;
            if !is_all_read {
                println!("all that is read is settled, and a transaction under way hides the rest");
            }
            is_all_read
        }
    };
    // After many faults much is left: what counts is that it goes on.
    let patience = Duration::from_secs(120);
    let (mut told, mut moved, mut last) = (Instant::now(), Instant::now(), 0);
    let settled = wait_for(Duration::from_secs(3_600), || {
        std::thread::sleep(Duration::from_millis(300));
        let outcomes = kafka.read(&format!("{PREFIX}.results")).len();
        if std::mem::replace(&mut last, outcomes) != outcomes {
            moved = Instant::now();
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            println!("still behind (topic, partition, committed, last): {:?}", behind());
        }
        is_settled() || moved.elapsed() > patience
    });
    if !settled || !is_settled() {
        for worker in workers {
            let log = worker.daemon.as_ref().map(Daemon::log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(25).collect();
            println!("{}:\n{}", worker.name, tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        panic!("not settled (topic, partition, committed, end): {:?}", behind());
    }
}

/// Makes one fault and undoes it.
fn fault(
    number: usize,
    chance: &mut Chance,
    kafka: &Kafka,
    qdrant: &QdrantFake,
    workers: &mut [Worker<'_>],
) -> String {
    let index = chance.below(workers.len() as u64) as usize;
    let pause =
        |chance: &mut Chance, most: u64| std::thread::sleep(Duration::from_millis(300 + chance.below(most)));
    // Most are kills; every tenth is an outage of something outside, every tenth a worker that
    // stands still for longer than its session.
    match number % 10 {
        4 => {
            let worker = workers[index].daemon().pid();
            signal(worker, libc::SIGSTOP);
            std::thread::sleep(Duration::from_secs(9));
            signal(worker, libc::SIGCONT);
            format!("{} stood still for 9 s", workers[index].name)
        }
        7 => {
            // One of several is lost and comes back; a lone one takes everything along.
            kafka.kill_any(|brokers| chance.below(brokers as u64) as usize);
            pause(chance, 6_000);
            kafka.start_again();
            "a broker was killed".to_owned()
        }
        6 => {
            // What the real server says when its disk is full.
            let full = Instant::now();
            while full.elapsed() < Duration::from_secs(4) {
                qdrant.fail_next(3, tonic::Code::Internal);
                std::thread::sleep(Duration::from_millis(100));
            }
            qdrant.heal();
            "the vector store's disk was full".to_owned()
        }
        8 => {
            qdrant.stop();
            pause(chance, 8_000);
            qdrant.start_again();
            "the vector store was away".to_owned()
        }
        1 => {
            let (status, log) = workers[index].daemon.take().unwrap().terminate();
            // One that has just begun to start does not hear yet, and simply ends.
            assert!(status.success() || !log.contains("ready"), "{status}: {log}");
            workers[index].start("");
            format!("{} stopped in order", workers[index].name)
        }
        n if n % 2 == 0 => {
            let step = STEPS[(number / 2) % STEPS.len()];
            workers[index].kill();
            workers[index].start(&format!("{step}=kill:{}", 1 + chance.below(4)));
            let worker = workers[index].daemon();
            let died = wait_for(Duration::from_secs(20), || worker.child.try_wait().unwrap().is_some());
            workers[index].kill();
            workers[index].start("");
            format!(
                "{} {} at {step}",
                workers[index].name,
                if died { "died" } else { "was killed, having not died" }
            )
        }
        _ => {
            pause(chance, 4_000);
            workers[index].kill();
            pause(chance, 500);
            workers[index].start("");
            format!("{} was killed", workers[index].name)
        }
    }
}

#[test]
fn everything_is_delivered_once_whatever_is_killed() {
    let kills = kills();
    let seed = std::env::var("SEED").ok().map_or(20_261_124, |n| n.parse().expect("SEED is a number"));
    let mut chance = Chance(seed);
    println!("{kills} faults, SEED={seed}");
    let brokers = std::env::var("BROKERS").ok().map_or(1, |n| n.parse().expect("BROKERS is a number"));
    let kafka = Kafka::start_with(Options { brokers, ..Options::default() });
    let qdrant = QdrantFake::start();
    let url = qdrant.url();
    let folder = tempfile::tempdir().unwrap();
    let mut workers: Vec<Worker<'_>> = (0..2)
        .map(|index| {
            let data = folder.path().join(format!("worker-{index}"));
            std::fs::create_dir_all(&data).unwrap();
            Worker { name: format!("w{index}"), data, brokers: kafka.brokers(), qdrant: &url, daemon: None }
        })
        .collect();
    workers[0].start("");
    assert!(wait_for(PATIENCE, || workers[0].daemon().api().is_some()), "{}", workers[0].daemon().log());
    workers[1].start("");

    let sent = plan(kills * SHARE, &mut chance);
    let over = AtomicBool::new(false);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let (kafka, over) = (&kafka, &over);
        let all = sent.clone();
        scope.spawn(move || {
            for document in &all {
                // A broker that is away is waited for, as a producer does.
                kafka.send(
                    &document.topic,
                    Some(&document.key),
                    &document.value,
                    &[("content-type", "text/plain")],
                );
                if !over.load(Ordering::Relaxed) {
                    std::thread::sleep(PACE);
                }
            }
        });
        for number in 0..kills {
            let what = fault(number, &mut chance, kafka, &qdrant, &mut workers);
            println!("{:6.1} s  {number}: {what}", started.elapsed().as_secs_f64());
        }
        over.store(true, Ordering::Relaxed);
    });
    wait_until_settled(&kafka, &workers);
    println!("{:6.1} s  settled", started.elapsed().as_secs_f64());
    for worker in &mut workers {
        let (status, log) = worker.daemon.take().unwrap().terminate();
        assert!(status.success(), "{log}");
    }
    assert_exact(&kafka, &qdrant, &sent);
}
