//! How long answers take: searches and lists over HTTP, by several clients at once, over a local store
//! of 100,000 documents; whether clients that hardly read hold up the others; and uploads, with what they do to
//! searches and to memory.
//!
//! `cargo bench --bench serve [DOCUMENTS] [WHAT]` (WHAT: only the rows whose names have that, as `hybrid`): fills a
//! store with made documents (short texts of words as frequent as in a language, vectors of the trunk's width
//! around some centres), starts the real program on it, and asks for some seconds with 1, 2, 4 and 8 clients,
//! each as fast as it is answered; then so many times a second, whether or not what was asked before is answered,
//! with times from when a request was due. Clients and program share the machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Chance, Daemon};
use quire::document::{
    Decision, Document, DocumentId, MediaType, Passage, Priority, SCHEMA_VERSION, Scored, SummarySentence,
    Verdict, sha256_hex,
};
use quire::publish::Store;
use quire::publish::local::LocalStore;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const DOCUMENTS: u64 = 100_000;
/// The trunk's width.
const DIMENSION: usize = 384;
/// Words of a document, and how many different ones there are.
const WORDS: usize = 60;
const VOCABULARY: u64 = 30_000;
/// Words are searched for from this rank on: searches leave out those that every text has.
const TELLING: u64 = 100;
/// Subjects that documents are about.
const CENTRES: u64 = 200;
const CLIENTS: [usize; 4] = [1, 2, 4, 8];
/// Requests a second, by chance evenly over time, and how many may be under way.
const RATES: [u64; 6] = [10, 25, 50, 100, 150, 200];
const WAITING: usize = 32;
const WARM: u64 = 2;
const SECONDS: u64 = 8;
/// Clients that ask for long answers and hardly read them, and how often each asks.
const SLOW: usize = 16;
const ASKED: usize = 200;
/// Words of a text that is uploaded: some 20 KB.
const UPLOADED: usize = 3_000;

/// A word by its rank; the frequent ones are short.
fn word(rank: u64) -> String {
    let mut chance = Chance(rank.wrapping_mul(7919));
    let letters = 3 + (rank + 2).ilog2() as usize / 3;
    (0..letters).map(|_| char::from(b'a' + chance.below(26) as u8)).collect()
}

/// A rank from the `first` on, the first ones the most frequent: evenly over its logarithm, much as by
/// Zipf's law.
fn rank(chance: &mut Chance, first: u64) -> u64 {
    let share = chance.below(1_000_000) as f64 / 1e6;
    let (low, high) = ((first as f64).ln(), (VOCABULARY as f64).ln());
    ((low + (high - low) * share).exp() as u64).clamp(first, VOCABULARY) - 1
}

/// A number around 0.
fn number(chance: &mut Chance) -> f32 {
    (0..4).map(|_| chance.below(20_001) as f32 / 1e4 - 1.0).sum()
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

fn id(number: u64) -> DocumentId {
    DocumentId::parse(&format!("d{number:07}")).unwrap()
}

fn made(n: u64, words: &[String], centres: &[Vec<f32>]) -> Document {
    let mut chance = Chance(n << 20);
    let text: Vec<&str> = (0..WORDS).map(|_| words[rank(&mut chance, 1) as usize].as_str()).collect();
    let text = text.join(" ");
    let centre = &centres[chance.below(CENTRES) as usize];
    let vector = unit(centre.iter().map(|x| x + number(&mut chance) * 0.8).collect());
    let now = jiff::Timestamp::from_second(1_790_000_000 + n as i64).unwrap();
    let end = text.chars().count();
    let summary = text[..text.len().min(100)].to_owned();
    Document {
        schema: SCHEMA_VERSION,
        id: id(n),
        name: format!("letter {n}.txt"),
        media_type: MediaType::Text,
        size: text.len(),
        sha256: sha256_hex(text.as_bytes()),
        priority: Priority::Normal,
        tags: Vec::new(),
        received_at: now,
        version: 0,
        origin: None,
        parent: None,
        children: Vec::new(),
        ingested_at: now,
        kind: Scored { label: ["letter", "invoice", "report"][(n % 3) as usize].to_owned(), confidence: 0.9 },
        language: Scored { label: "en".to_owned(), confidence: 1.0 },
        pages: Vec::new(),
        tables: Vec::new(),
        form: Vec::new(),
        ocr_confidence: None,
        summary: vec![SummarySentence { end: summary.len(), text: summary, start: 0, score: 1.0 }],
        written_summary: None,
        options: quire::document::Options::default(),
        summary_refused: None,
        entities: Vec::new(),
        sentiment: None,
        classes: Vec::new(),
        passages: vec![Passage {
            number: 0,
            page: 1,
            start: 0,
            end,
            sentiment: None,
            vector: vector.clone(),
        }],
        coverage: 1.0,
        fields: Vec::new(),
        checks: Vec::new(),
        duplicates: Vec::new(),
        review: None,
        verdict: Verdict { decision: Decision::Accept, reasons: Vec::new() },
        models: BTreeMap::new(),
        seconds: BTreeMap::new(),
        omitted: Vec::new(),
        vector,
        text,
    }
}

fn fill(folder: &Path, documents: u64, words: &[String]) {
    let mut chance = Chance(3);
    let centre = |_| -> Vec<f32> { unit((0..DIMENSION).map(|_| number(&mut chance)).collect()) };
    // The noise that each document adds has a length of 18: documents of one centre are 0.7 alike.
    let centres: Vec<Vec<f32>> =
        (0..CENTRES).map(centre).map(|c| c.into_iter().map(|x| x * 27.0).collect()).collect();
    let started = Instant::now();
    let store = LocalStore::open(folder).unwrap();
    (0..documents).for_each(|n| store.put(&made(n, words, &centres)).unwrap());
    println!("{documents} documents written in {:.0} s", started.elapsed().as_secs_f64());
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Ask {
    /// By the vector of a stored document: no model, no words.
    Vector,
    /// The same among a third of the documents.
    Filtered,
    /// By three words: a model, vectors and keywords.
    Hybrid,
    /// By the meaning of three words: a model and vectors.
    Meaning,
    /// By three words alone.
    Words,
    /// Twenty rows.
    List,
}

impl Ask {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Vector, "by vector"),
        (Self::Filtered, "by vector, one kind of three"),
        (Self::Hybrid, "hybrid, three words"),
        (Self::Meaning, "the meaning of three words"),
        (Self::Words, "three words alone"),
        (Self::List, "list"),
    ];

    fn path(self, chance: &mut Chance, documents: u64, words: &[String]) -> String {
        let example = id(chance.below(documents));
        match self {
            Self::Vector => format!("/v1/search?like={example}&limit=10"),
            Self::Filtered => format!("/v1/search?like={example}&limit=10&kind=invoice"),
            Self::Hybrid | Self::Meaning | Self::Words => {
                let some: Vec<&str> =
                    (0..3).map(|_| words[rank(chance, TELLING) as usize].as_str()).collect();
                let mode = match self {
                    Self::Meaning => "meaning",
                    Self::Words => "words",
                    _ => "hybrid",
                };
                format!("/v1/search?q={}&limit=10&mode={mode}", some.join("+"))
            }
            Self::List => format!("/v1/documents?limit=20&offset={}", chance.below(200)),
        }
    }
}

/// Does something with so many clients; how long each took, sorted, and how many a second.
fn measure(clients: usize, act: impl Fn(&ureq::Agent, &mut Chance) + Sync) -> (Vec<Duration>, f64) {
    let (started, act) = (Instant::now(), &act);
    let mut all: Vec<Duration> = std::thread::scope(|scope| {
        let client = |number: usize| {
            scope.spawn(move || {
                let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
                let mut chance = Chance((number as u64 + 1) << 40);
                let mut took = Vec::new();
                loop {
                    let began = Instant::now();
                    act(&agent, &mut chance);
                    // What is first asked for fills caches; it is not counted.
                    if started.elapsed() > Duration::from_secs(WARM) {
                        took.push(began.elapsed());
                    }
                    if started.elapsed() > Duration::from_secs(WARM + SECONDS) {
                        return took;
                    }
                }
            })
        };
        let running: Vec<_> = (0..clients).map(client).collect();
        running.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    let rate = all.len() as f64 / SECONDS as f64;
    all.sort();
    (all, rate)
}

/// Does something so many times a second; how long each took from when it was due, sorted, and how many a second
/// were done in time. A client that waits for its answer before it asks again would leave out what comes meanwhile.
fn arriving(rate: u64, act: impl Fn(&ureq::Agent, &mut Chance) + Sync) -> (Vec<Duration>, f64) {
    let mut chance = Chance(11);
    let mut due = vec![0.0_f64];
    while let Some(last) = due.last().filter(|last| **last < (WARM + SECONDS) as f64) {
        let share = (chance.below(1_000_000) + 1) as f64 / 1e6;
        due.push(last - share.ln() / rate as f64);
    }
    let (started, next, act, due) = (Instant::now(), AtomicUsize::new(0), &act, &due);
    let mut all: Vec<Duration> = std::thread::scope(|scope| {
        let client = |number: usize| {
            let next = &next;
            scope.spawn(move || {
                let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
                let mut chance = Chance((number as u64 + 1) << 40);
                let mut took = Vec::new();
                while let Some(due) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let due = Duration::from_secs_f64(*due);
                    std::thread::sleep(due.saturating_sub(started.elapsed()));
                    act(&agent, &mut chance);
                    if due > Duration::from_secs(WARM) {
                        took.push(started.elapsed() - due);
                    }
                }
                took
            })
        };
        let running: Vec<_> = (0..WAITING).map(client).collect();
        running.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    let rate = all.len() as f64 / (started.elapsed().as_secs_f64() - WARM as f64);
    all.sort();
    (all, rate)
}

/// Asks once.
fn asked<'a>(
    api: &'a str,
    ask: Ask,
    documents: u64,
    words: &'a [String],
) -> impl Fn(&ureq::Agent, &mut Chance) + Sync {
    move |agent, chance| {
        let url = format!("{api}{}", ask.path(chance, documents, words));
        let text = agent.get(&url).call().unwrap().body_mut().read_to_string().unwrap();
        assert!(text.contains("\"id\":\"d"), "{url}: {text}");
    }
}

/// Uploads a text of its own, at the lowest priority.
fn upload(api: &str, agent: &ureq::Agent, chance: &mut Chance, words: &[String]) {
    let text: Vec<&str> = (0..UPLOADED).map(|_| words[rank(chance, 1) as usize].as_str()).collect();
    let url = format!("{api}/v1/documents?priority=low&filename=upload.txt");
    let answer = agent.post(&url).content_type("text/plain").send(text.join(" ")).unwrap();
    assert_eq!(answer.status(), 202, "{url}");
}

/// Resident memory of a process, now and at most, in MB.
fn resident(pid: i32) -> [u64; 2] {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    })
}

fn row(name: &str, clients: impl std::fmt::Display, (all, rate): &(Vec<Duration>, f64)) {
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("| {name} | {clients} | {rate:.0} | {:.1} | {:.1} | {:.1} |", at(0.5), at(0.99), at(1.0));
}

/// Asks for long answers on one connection after another, and reads a few bytes now and then.
fn read_slowly(api: &str, stop: &AtomicBool) {
    let address = api.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET /v1/documents?limit=100 HTTP/1.1\r\nhost: {address}\r\n\r\n");
    connection.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    for _ in 0..ASKED {
        // The server stops reading once its answers are not read.
        if connection.write_all(request.as_bytes()).is_err() {
            break;
        }
    }
    let mut few = [0; 16];
    while !stop.load(Ordering::Acquire) {
        let _ = connection.read(&mut few);
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn main() {
    // Cargo says --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with('-')).collect();
    let documents = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(DOCUMENTS);
    let only = arguments.iter().find(|text| text.parse::<u64>().is_err());
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only.as_str()));
    // In memory where there is such a folder: each document is its own transaction, and a disk would
    // be waited for. What is read comes from memory in both cases.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    };
    let words: Vec<String> = (0..VOCABULARY).map(word).collect();
    fill(folder.path(), documents, &words);
    let worker = Daemon::start(folder.path(), &["--set", "serve.requests_per_s=0"]);
    let api = worker.api().unwrap();
    println!(
        "\n| what | clients | answers/s | p50 ms | p99 ms | longest ms |\n| --- | --- | --- | --- | --- | --- |"
    );
    for (ask, name) in Ask::ALL.into_iter().filter(|(_, name)| wanted(name)) {
        for clients in CLIENTS {
            row(name, clients, &measure(clients, asked(&api, ask, documents, &words)));
        }
        for rate in RATES {
            row(name, format!("{rate} a second"), &arriving(rate, asked(&api, ask, documents, &words)));
        }
    }
    if only.is_some() {
        return;
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        (0..SLOW).for_each(|_| drop(scope.spawn(|| read_slowly(&api, &stop))));
        std::thread::sleep(Duration::from_secs(1));
        for (ask, name) in [(Ask::Vector, "by vector"), (Ask::List, "list")] {
            let name = format!("{name}, beside {SLOW} that hardly read");
            row(&name, 1, &measure(1, asked(&api, ask, documents, &words)));
        }
        stop.store(true, Ordering::Release);
    });
    let before = resident(worker.pid());
    for clients in [1, 8] {
        let put = measure(clients, |agent, chance| upload(&api, agent, chance, &words));
        row(&format!("upload of {UPLOADED} words"), clients, &put);
    }
    let beside =
        |agent: &ureq::Agent, chance: &mut Chance| asked(&api, Ask::Vector, documents, &words)(agent, chance);
    row("by vector, beside what was uploaded", 1, &measure(1, beside));
    let after = resident(worker.pid());
    println!("\nresident: {} MB before the uploads, {} after, {} at most", before[0], after[0], after[1]);
    let (ended, log) = worker.terminate();
    assert!(ended.success(), "{log}");
}
