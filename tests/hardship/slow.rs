//! A vector store and a broker that answer late, and later than anybody waits.

use crate::common::kafka::{Kafka, Options};
use crate::common::qdrant_fake::QdrantFake;
use crate::common::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const NOTES: usize = 12;

fn note(number: usize) -> String {
    format!("Note {number}. The council of Marlow complained about a broken window on day {number}.")
}

fn daemon(data: &Path, settings: &[String]) -> Daemon {
    let flags: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    Daemon::start(data, &flags)
}

#[test]
fn a_slow_vector_store_loses_and_buries_nothing() {
    let data = tempfile::tempdir().unwrap();
    let qdrant = QdrantFake::start();
    let settings = [
        format!("qdrant.url={}", qdrant.url()),
        "qdrant.timeout_s=1".to_owned(),
        "consume.attempts=2".to_owned(),
        "consume.backoff_ms=50".to_owned(),
    ];
    let quire = daemon(data.path(), &settings);
    let stored = || {
        let points = qdrant.points("documents");
        points.into_iter().filter(|point| point.payload["state"] == "understood").count()
    };
    let send = |from: usize| {
        (from..from + NOTES).for_each(|n| drop_file(data.path(), &format!("{n}.txt"), note(n).as_bytes()));
    };

    // Late, and in time.
    qdrant.delay(Duration::from_millis(300));
    send(0);
    assert!(wait_for(PATIENCE, || stored() == NOTES), "{}", quire.log());
    // Later than quire waits, for longer than two tries take: every answer is lost.
    qdrant.delay(Duration::from_millis(1_500));
    send(NOTES);
    assert!(wait_for(PATIENCE, || quire.log().matches("(storage)").count() >= 2), "{}", quire.log());
    std::thread::sleep(Duration::from_secs(4));
    let live = ureq::get(format!("{}/health/live", quire.api().unwrap())).call();
    assert!(live.is_ok(), "{live:?}");
    qdrant.heal();
    assert!(wait_for(PATIENCE, || stored() == 2 * NOTES), "{} {}", stored(), quire.log());
    assert!(wait_for(PATIENCE, || names(&data.path().join("done")).len() == 2 * NOTES), "{}", quire.log());
    assert_eq!(names(&data.path().join("dead")), Vec::<String>::new());
    let passages = qdrant.points("passages").len();
    assert_eq!(passages, 2 * NOTES, "a passage twice, or missing");
    quire.terminate();
}

/// Passes on what comes to its port, with a delay.
struct Proxy {
    port: u16,
    target: Arc<OnceLock<String>>,
    delay_ms: Arc<AtomicU64>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, delay_ms) = (Arc::new(OnceLock::<String>::new()), Arc::new(AtomicU64::new(0)));
        let (to, delay) = (Arc::clone(&target), Arc::clone(&delay_ms));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Some(far) = to.get().and_then(|to| TcpStream::connect(to).ok()) else { continue };
                let (back_from, back_to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                pass(near, far, Arc::new(AtomicU64::new(0)));
                pass(back_from, back_to, Arc::clone(&delay));
            }
        });
        Self { port, target, delay_ms }
    }

    /// Every answer from now on is so late.
    fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Release);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, delay_ms: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            std::thread::sleep(Duration::from_millis(delay_ms.load(Ordering::Acquire)));
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}

#[test]
fn a_slow_broker_loses_and_repeats_nothing() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Proxy::start();
    let advertised = format!("advertised.listeners=PLAINTEXT://127.0.0.1:{}", proxy.port);
    let kafka = Kafka::start_with(Options { properties: vec![advertised], ..Options::default() });
    proxy.target.set(kafka.brokers()).unwrap();
    let settings = [
        format!("kafka.brokers=127.0.0.1:{}", proxy.port),
        "kafka.prefix=slow".to_owned(),
        "kafka.partitions=2".to_owned(),
        "kafka.session_timeout_ms=6000".to_owned(),
        "kafka.transaction_timeout_ms=8000".to_owned(),
    ];
    let quire = daemon(data.path(), &settings);
    let send = |from: usize| {
        for number in from..from + NOTES {
            kafka.send("slow", Some(&format!("note-{number}")), note(number).as_bytes(), &[]);
        }
    };
    let exactly = |count: usize| {
        let results = kafka.wait_for("slow.results", |all| all.len() >= count);
        let mut keys: Vec<_> = results.iter().map(|record| record.key.clone().unwrap()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!((keys.len(), results.len()), (count, count));
    };
    // Every answer takes 0.3 s: a commit of four steps more than a second.
    send(0);
    proxy.delay(Duration::from_millis(300));
    let started = Instant::now();
    send(NOTES);
    exactly(2 * NOTES);
    println!("{} documents in {:?} with answers 0.3 s late", 2 * NOTES, started.elapsed());
    // Later than the session lasts: the worker is thought dead, and comes back.
    send(2 * NOTES);
    proxy.delay(Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(15));
    proxy.delay(Duration::ZERO);
    exactly(3 * NOTES);
    assert_eq!(kafka.read("slow.dead").len(), 0);
    let (status, log) = quire.terminate();
    assert!(status.success(), "{log}");
    assert!(log.matches("partitions assigned").count() > 1, "it never lost its partitions:\n{log}");
    // What the time before it was thought dead left under way came to nothing, either.
    exactly(3 * NOTES);
}

/// The clock was set back by a day after a document was put off.
#[test]
fn a_record_that_was_put_off_for_a_day_is_tried_within_the_longest_wait() {
    let data = tempfile::tempdir().unwrap();
    let kafka = Kafka::start();
    let settings = [
        format!("kafka.brokers={}", kafka.brokers()),
        "kafka.prefix=late".to_owned(),
        "kafka.partitions=1".to_owned(),
        "consume.backoff_max_s=2".to_owned(),
    ];
    let quire = daemon(data.path(), &settings);
    let tomorrow = (jiff::Timestamp::now().as_millisecond() + 86_400_000).to_string();
    let headers = [("quire-attempt", "1"), ("quire-not-before", tomorrow.as_str())];
    kafka.send("late.retry", Some("put-off"), note(1).as_bytes(), &headers);
    let results = kafka.wait_for("late.results", |all| !all.is_empty());
    assert_eq!(results[0].key.as_deref(), Some("put-off"), "{}", quire.log());
}
