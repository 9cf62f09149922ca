//! What strangers send, damaged: documents of the corpus, frames, records and requests. All of it is read
//! or refused, and nothing panics. Bounded, so that it runs with the other tests; `MUTATIONS=N` makes it as
//! long as wanted for documents.
//!
//! Plain functions over seeds: no build of their own. `make fuzz` looks in the same functions led by their
//! branches. What is found becomes a case of `decode/tests.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;
// What the fuzz targets call, too.
#[path = "../fuzz/entries.rs"]
mod entries;

use common::*;
use quire::sandbox::{Request, write_frame};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Damaged copies of each document.
const EACH: u64 = 12;
/// All of them together take no longer; a slow machine sees fewer.
const MOST: Duration = Duration::from_secs(60);

/// Some bytes changed, inserted, repeated or cut off.
fn damaged(seed: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + chance.below(12) {
        let length = bytes.len().max(1) as u64;
        let at = chance.below(length) as usize;
        match chance.below(6) {
            0..=2 if at < bytes.len() => bytes[at] = chance.below(256) as u8,
            3 => bytes.insert(at.min(bytes.len()), chance.below(256) as u8),
            4 => {
                let end = (at + chance.below(64) as usize).min(bytes.len());
                let piece = bytes[at.min(end)..end].to_vec();
                let to = chance.below(bytes.len() as u64 + 1) as usize;
                bytes.splice(to..to, piece);
            }
            // The beginning decides what it is, so rather the end is lost.
            _ if chance.below(4) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}

/// Panics on the threads of the HTTP server; those of parsers are caught and told by errors.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts the former, and keeps both quiet.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|_| {
            let on_edge = std::thread::current().name() == Some(entries::EDGE);
            PANICS.fetch_add(usize::from(on_edge), Ordering::Relaxed);
        }));
    });
}

/// The seeds of a fuzz target, by name.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn damaged_documents_never_panic() {
    quiet();
    let each = std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(EACH);
    let bounded = each == EACH;
    let mut chance = Chance(7);
    let started = Instant::now();
    let (mut tried, mut found) = (0, Vec::new());
    let formats = corpus().join("formats");
    let dialects = names(&formats).into_iter().filter(|name| !name.ends_with(".truth"));
    let dialects = dialects.map(|name| (std::fs::read(formats.join(&name)).unwrap(), name));
    let seeds: Vec<(String, Vec<u8>)> = manifest()
        .into_iter()
        .filter(|entry| entry.outcome == "done")
        .map(|entry| (entry.file.clone(), entry.bytes()))
        .chain(dialects.map(|(bytes, name)| (name, bytes)))
        .filter(|(_, bytes)| bytes.len() < 300_000)
        .collect();
    'all: for round in 0..each {
        for (name, seed) in &seeds {
            if bounded && started.elapsed() > MOST {
                break 'all;
            }
            tried += 1;
            let bytes = damaged(seed, &mut chance);
            if let Some(error) = entries::document(&bytes, name) {
                found.push(format!("{name}, round {round}: {error}"));
            }
        }
    }
    println!("{tried} damaged documents in {:.0} s", started.elapsed().as_secs_f64());
    assert!(tried > seeds.len(), "too slow: {tried} of {}", seeds.len());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn damaged_frames_never_panic() {
    let request = Request::Decode { name: "a".to_owned(), declared: None, limits: entries::limits() };
    let mut chance = Chance(11);
    let mut wire = Vec::new();
    write_frame(&mut wire, &request, Some(&[b"bytes of a document"])).unwrap();
    for _ in 0..20_000 {
        let bytes = damaged(&wire, &mut chance);
        entries::frame(&bytes);
    }
}

#[test]
fn damaged_records_never_panic() {
    let topics = entries::topics();
    let mut chance = Chance(13);
    let seeds = seeds("record");
    seeds.iter().for_each(|seed| entries::record(seed, &topics));
    for _ in 0..20_000 / seeds.len() {
        seeds.iter().for_each(|seed| entries::record(&damaged(seed, &mut chance), &topics));
    }
}

#[test]
fn damaged_requests_never_end_in_a_fault() {
    quiet();
    let edge = entries::Edge::start();
    let mut chance = Chance(17);
    let mut answered = 0;
    for seed in seeds("request") {
        // Whole, it is understood.
        let said = String::from_utf8_lossy(&edge.ask(&seed)).into_owned();
        let wrong = format!("{}: {said}", String::from_utf8_lossy(&seed));
        // The hook keeps quiet.
        if !said.starts_with("HTTP/1.1 2") {
            println!("{wrong}");
        }
        assert!(said.starts_with("HTTP/1.1 2"), "{wrong}");
        for _ in 0..20 {
            let bytes = damaged(&seed, &mut chance);
            let said = edge.failed(&bytes);
            assert_eq!(said, None, "{}", String::from_utf8_lossy(&bytes));
            answered += 1;
        }
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "of {answered} requests");
}
