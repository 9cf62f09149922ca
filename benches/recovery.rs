//! How long documents wait when a worker is killed: from sending a document to its committed result.
//!
//! `cargo bench --bench recovery`: one text every 50 ms through the real program and a real Apache
//! Kafka (`scripts/kafka.sh` fetches it); the longest wait of each phase is its recovery time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::Daemon;
use common::kafka::Kafka;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PREFIX: &str = "recovery";
const ROUNDS: usize = 5;

/// When each document was sent, and its result seen.
#[derive(Default)]
struct Times {
    sent: Mutex<HashMap<String, Instant>>,
    waits: Mutex<Vec<Duration>>,
    open: AtomicUsize,
    ended: AtomicBool,
}

fn main() {
    let kafka = Kafka::start();
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let settings = [
            format!("kafka.brokers={}", kafka.brokers()),
            format!("kafka.prefix={PREFIX}"),
            "kafka.partitions=6".to_owned(),
            format!("kafka.worker={name}"),
        ];
        let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let data = folder.path().join(name);
        std::fs::create_dir_all(&data).unwrap();
        Daemon::start(&data, &flags)
    };
    let first = start("first");
    let times = Arc::new(Times::default());
    let (sending, reading) = (feed(&kafka, &times), read(&kafka, &times));
    let mut first = Some(first);
    phase(&times, "one worker, nothing happens", || {});
    for _ in 0..ROUNDS {
        phase(&times, "one worker, killed and started again", || {
            first.take().unwrap().kill();
            first = Some(start("first"));
        });
    }
    let mut second = Some(start("second"));
    phase(&times, "a second worker came", || {});
    for _ in 0..ROUNDS {
        phase(&times, "two workers, one killed for good (kafka.session_timeout_ms = 15000)", || {
            second.take().unwrap().kill();
        });
        second = Some(start("second"));
        phase(&times, "it came back", || {});
    }
    times.ended.store(true, Ordering::Release);
    sending.join().unwrap();
    reading.join().unwrap();
}

/// Does something, waits until all is settled again, and prints the waits of that time.
fn phase(times: &Times, name: &str, act: impl FnOnce()) {
    settle(times);
    times.waits.lock().unwrap().clear();
    act();
    std::thread::sleep(Duration::from_secs(3));
    settle(times);
    let mut waits = std::mem::take(&mut *times.waits.lock().unwrap());
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64();
    println!("{name}: median {:.2} s, longest {:.2} s ({} documents)", at(0.5), at(1.0), waits.len());
}

/// Waits until no document has been under way for long.
fn settle(times: &Times) {
    let started = Instant::now();
    loop {
        let oldest = times.sent.lock().unwrap().values().map(Instant::elapsed).max().unwrap_or_default();
        if oldest < Duration::from_millis(1500) && times.open.load(Ordering::Acquire) > 0 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "does not settle: {oldest:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn feed(kafka: &Kafka, times: &Arc<Times>) -> std::thread::JoinHandle<()> {
    let producer: BaseProducer = kafka.client().create().unwrap();
    let times = Arc::clone(times);
    std::thread::spawn(move || {
        for number in 0.. {
            if times.ended.load(Ordering::Acquire) {
                break;
            }
            let (key, text) = (format!("d{number}"), format!("Letter {number} came on Monday."));
            times.sent.lock().unwrap().insert(key.clone(), Instant::now());
            producer.send(BaseRecord::to(PREFIX).key(&key).payload(&text)).unwrap();
            producer.poll(Duration::ZERO);
            times.open.fetch_add(1, Ordering::AcqRel);
            std::thread::sleep(Duration::from_millis(50));
        }
        producer.flush(Duration::from_secs(10)).unwrap();
    })
}

fn read(kafka: &Kafka, times: &Arc<Times>) -> std::thread::JoinHandle<()> {
    let consumer: BaseConsumer = kafka
        .client()
        .set("group.id", "recovery-reader")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[&format!("{PREFIX}.results")]).unwrap();
    let times = Arc::clone(times);
    std::thread::spawn(move || {
        while !times.ended.load(Ordering::Acquire) {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
            let sent = times.sent.lock().unwrap().remove(&key);
            // A second result would be a document done twice.
            let sent = sent.unwrap_or_else(|| panic!("{key} has two results"));
            times.waits.lock().unwrap().push(sent.elapsed());
        }
    })
}
