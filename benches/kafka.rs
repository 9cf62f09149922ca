//! What the delivery costs: records through quire's Kafka source with models off, beside a bare
//! consume-produce loop over the same client library, in the same run, against the same broker: one that
//! writes a record for each, the same in transactions, and one in transactions that writes as many records
//! and bytes as quire does (a result, an event of progress, a notification).
//!
//! `cargo bench --bench kafka`: starts an Apache Kafka of its own (`scripts/kafka.sh` fetches it).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::kafka::Kafka;
use quire::config::{Config, Sources};
use quire::consume::kafka::{KafkaSource, Parts};
use quire::consume::{Source, Taken, Watcher};
use quire::document::{
    DeadLetter, Decision, Document, DocumentId, MediaType, RawDocument, SCHEMA_VERSION, Scored, Verdict,
};
use quire::error::Error;
use quire::metrics::Metrics;
use quire::receipt::Budget;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records and their bytes: what a mail is like, and what a long text is like.
const LOADS: [(usize, usize); 3] = [(100_000, 1_000), (30_000, 10_000), (4_000, 100_000)];
const ROUNDS: usize = 3;
const PARTITIONS: i32 = 6;

struct Silent;

impl Watcher for Silent {
    fn understood(&self, _: &'static str, _: &quire::document::Document, _: bool) {}
    fn retry(&self, id: &DocumentId, error: &Error, _: Duration) {
        panic!("{id}: {error}");
    }
    fn left(&self, id: &DocumentId, outcome: &'static str) {
        panic!("{id}: {outcome}");
    }
    fn positions(&self) -> Vec<quire::progress::Position> {
        Vec::new()
    }
    fn dead(&self, letter: &DeadLetter, _: &str) {
        panic!("{}", letter.failure);
    }
    fn fatal(&self, error: &Error) {
        panic!("{error}");
    }
}

/// What a loop writes.
#[derive(Clone, Copy, PartialEq)]
enum Loop {
    /// One record for each.
    Plain,
    /// The same in transactions.
    Transactions,
    /// In transactions, as many records and bytes as quire.
    Same,
}

fn main() {
    let kafka = Kafka::start();
    println!(
        "records of bytes: loop | in transactions | writing the same | quire (records/s, MB/s); quire / each of them"
    );
    for (count, size) in LOADS {
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let prefix = format!("bench-{size}-{round}");
            fill(&kafka, &prefix, count, size);
            let loops =
                [Loop::Plain, Loop::Transactions, Loop::Same].map(|of| bare(&kafka, &prefix, count, of));
            let (quire, commit) = through_quire(&kafka, &prefix, count);
            let show = |time: &Duration| {
                let rate = count as f64 / time.as_secs_f64();
                format!("{rate:>7.0}/s {:>6.1} MB/s", rate * size as f64 / 1e6)
            };
            let shown: Vec<String> = loops.iter().chain([&quire]).map(show).collect();
            let ratio = loops.map(|time| time.as_secs_f64() / quire.as_secs_f64());
            println!(
                "{count:>6} of {size:>6}: {}; {:.2}x {:.2}x {:.2}x; {commit}",
                shown.join(" | "),
                ratio[0],
                ratio[1],
                ratio[2]
            );
            ratios.push(ratio);
        }
        let median = [0, 1, 2].map(|index| {
            let mut all: Vec<f64> = ratios.iter().map(|ratio| ratio[index]).collect();
            all.sort_by(f64::total_cmp);
            all[ROUNDS / 2]
        });
        println!(
            "{size:>16} bytes, median: {:.2}x of the loop, {:.2}x of the loop in transactions, {:.2}x of the one that writes the same",
            median[0], median[1], median[2]
        );
    }
}

fn fill(kafka: &Kafka, prefix: &str, count: usize, size: usize) {
    let names = [
        "",
        ".high",
        ".low",
        ".retry",
        ".slow",
        ".commands",
        ".results",
        ".progress",
        ".notifications",
        ".dead",
        ".bare",
    ];
    let names: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    kafka.create_topics(&names.iter().map(String::as_str).collect::<Vec<_>>(), PARTITIONS);
    let producer: BaseProducer =
        kafka.client().set("message.max.bytes", "10000000").set("linger.ms", "20").create().unwrap();
    let words = "the third delivery came late and Miss Ardley of Leipzig paid for it on the last day ";
    for number in 0..count {
        let mut text = format!("{number} ");
        while text.len() < size {
            text.push_str(words);
        }
        text.truncate(size);
        let key = format!("document-{number}");
        let mut record = BaseRecord::to(prefix).key(&key).payload(&text);
        while let Err((_, again)) = producer.send(record) {
            record = again;
            producer.poll(Duration::from_millis(5));
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

/// Consume and produce, nothing else; offsets are committed by the library.
fn bare(kafka: &Kafka, prefix: &str, count: usize, of: Loop) -> Duration {
    let transactional = of != Loop::Plain;
    let group = format!("bare-{prefix}-{}", of as u8);
    let consumer: BaseConsumer = kafka
        .client()
        .set("group.id", &group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", if transactional { "false" } else { "true" })
        .create()
        .unwrap();
    let mut client = kafka.client();
    client
        .set("enable.idempotence", "true")
        .set("compression.type", "zstd")
        .set("message.max.bytes", "10000000");
    if transactional {
        client.set("transactional.id", &group);
    }
    let producer: BaseProducer = client.create().unwrap();
    let wait = Duration::from_secs(30);
    if transactional {
        producer.init_transactions(wait).unwrap();
        producer.begin_transaction().unwrap();
    }
    consumer.subscribe(&[prefix]).unwrap();
    let out = format!("{prefix}.bare");
    let (mut seen, mut begun) = (0, Instant::now());
    let mut offsets: BTreeMap<i32, i64> = BTreeMap::new();
    let mut started = Instant::now();
    while seen < count {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            // Joining a group takes what it takes; measured is from the first record on.
            if seen == 0 {
                started = Instant::now();
            }
            let (key, value) = (message.key().unwrap(), message.payload().unwrap());
            if of == Loop::Same {
                let more = [value, &RESULT_MORE].concat();
                send(&producer, &format!("{prefix}.results"), key, &more);
                send(&producer, &format!("{prefix}.progress"), key, &EVENT);
                send(&producer, &format!("{prefix}.notifications"), key, &EVENT);
            } else {
                send(&producer, &out, key, value);
            }
            offsets.insert(message.partition(), message.offset() + 1);
            seen += 1;
        }
        producer.poll(Duration::ZERO);
        if transactional && (begun.elapsed() > Duration::from_millis(200) || seen == count) {
            let mut list = TopicPartitionList::new();
            for (partition, offset) in std::mem::take(&mut offsets) {
                list.add_partition_offset(prefix, partition, Offset::Offset(offset)).unwrap();
            }
            producer.send_offsets_to_transaction(&list, &consumer.group_metadata().unwrap(), wait).unwrap();
            producer.commit_transaction(wait).unwrap();
            if seen < count {
                producer.begin_transaction().unwrap();
            }
            begun = Instant::now();
        }
    }
    producer.flush(wait).unwrap();
    started.elapsed()
}

/// What JSON adds to the text of a result, and an event: their lengths as quire writes them here.
const RESULT_MORE: [u8; 700] = [b'r'; 700];
const EVENT: [u8; 170] = [b'e'; 170];

fn send(producer: &BaseProducer, topic: &str, key: &[u8], value: &[u8]) {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    while let Err((_, again)) = producer.send(record) {
        record = again;
        producer.poll(Duration::from_millis(5));
    }
}

/// The same through quire's source: each document is answered at once with a result of its text.
fn through_quire(kafka: &Kafka, prefix: &str, count: usize) -> (Duration, String) {
    let config = config(kafka, prefix);
    let budget = Budget::new(config.consume.in_flight_documents, config.consume.in_flight_mb << 20);
    let metrics = Arc::new(Metrics::new());
    let parts = Parts {
        config,
        metrics: Arc::clone(&metrics),
        whence: Arc::new(|_| Ok(None)),
        variables: Default::default(),
        failpoints: Arc::default(),
        leads: Arc::default(),
        tracer: Default::default(),
    };
    let mut source = KafkaSource::open(parts, Arc::new(Silent)).unwrap();
    let (mut seen, mut started) = (0, Instant::now());
    while seen < count {
        match source.poll(&budget, Duration::from_millis(100)).unwrap() {
            Some(Taken::Document(raw)) => {
                if seen == 0 {
                    started = Instant::now();
                }
                seen += 1;
                answer(raw);
            }
            Some(Taken::Deletion(..)) => panic!("nothing is deleted"),
            None => {}
        }
    }
    // Until everything is committed, as for the others.
    source.drain();
    source.close();
    (started.elapsed(), commits(&metrics))
}

/// How long commits took: mean, and the bounds of the histogram's buckets that half and 99 % are below.
fn commits(metrics: &Metrics) -> String {
    let text = metrics.encode();
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    let named = |name: &str| value(text.lines().find(|line| line.starts_with(name)).unwrap());
    let (sum, count) = (named("quire_commit_seconds_sum"), named("quire_commit_seconds_count"));
    let buckets: Vec<(&str, f64)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("quire_commit_seconds_bucket{le=\""))
        .map(|rest| (rest.split('"').next().unwrap(), value(rest)))
        .collect();
    let below = |share: f64| buckets.iter().find(|(_, n)| *n >= share * count).unwrap().0;
    format!(
        "{count} commits, mean {:.0} ms, half <= {} s, 99 % <= {} s",
        sum / count * 1e3,
        below(0.5),
        below(0.99)
    )
}

fn config(kafka: &Kafka, prefix: &str) -> Config {
    let flag = |key: &str, value: String| ("bench".to_owned(), key.to_owned(), value);
    let flags = vec![
        flag("kafka.brokers", kafka.brokers()),
        flag("kafka.prefix", prefix.to_owned()),
        flag("kafka.group", format!("quire-{prefix}")),
        flag("kafka.worker", prefix.to_owned()),
    ];
    quire::config::load(&Sources { flags, ..Sources::default() }).unwrap().config
}

fn answer(raw: RawDocument) {
    let head = &raw.head;
    let document = Document {
        schema: SCHEMA_VERSION,
        id: head.id.clone(),
        name: head.name.clone(),
        media_type: MediaType::Text,
        size: head.size,
        sha256: head.sha256.clone(),
        priority: head.priority,
        received_at: head.received_at,
        version: head.version,
        origin: head.origin.clone(),
        parent: None,
        children: Vec::new(),
        tables: Vec::new(),
        form: Vec::new(),
        ingested_at: head.received_at,
        kind: Scored { label: "letter".to_owned(), confidence: 0.75 },
        language: Scored { label: "en".to_owned(), confidence: 1.0 },
        pages: Vec::new(),
        text: String::from_utf8_lossy(&raw.bytes).into_owned(),
        ocr_confidence: None,
        summary: Vec::new(),
        entities: Vec::new(),
        sentiment: None,
        classes: Vec::new(),
        written_summary: None,
        options: quire::document::Options::default(),
        summary_refused: None,
        tags: Vec::new(),
        passages: Vec::new(),
        coverage: 1.0,
        fields: Vec::new(),
        checks: Vec::new(),
        duplicates: Vec::new(),
        review: None,
        verdict: Verdict { decision: Decision::Accept, reasons: Vec::new() },
        models: BTreeMap::new(),
        seconds: BTreeMap::new(),
        omitted: Vec::new(),
        vector: Vec::new(),
    };
    raw.receipt.publish(Arc::new(document));
}
