//! Documents of the corpus, damaged: every one is read or refused within the program, and no parser
//! panics. Bounded, so that it runs with the other tests; `MUTATIONS=N` makes it as long as wanted.
//!
//! A plain function over seeds instead of a coverage-guided fuzzer: that needs a nightly toolchain,
//! which the pinned one is not. What is found becomes a case of `decode/tests.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use quire::decode::{FamilyLimits, Limits, decode, media_type, page_image};
use quire::sandbox::{Reply, Request, Setup, read_frame, write_frame};
use std::time::{Duration, Instant};

/// Damaged copies of each document.
const EACH: u64 = 12;
/// All of them together take no longer; a slow machine sees fewer.
const MOST: Duration = Duration::from_secs(60);

fn limits() -> Limits {
    let family = FamilyLimits { levels: 3, documents: 200, bytes: 32 << 20, attachments: 50, expansion: 250 };
    let (max_expanded_bytes, max_pixels) = (32 << 20, 2_000_000);
    Limits { max_pages: 200, max_expanded_bytes, max_pixels, min_layer_chars: 16, dpi: 50, family }
}

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

/// Reads it with every limit low; what a parser panicked about is in the error.
fn panicked(bytes: &[u8], name: &str) -> Option<String> {
    let _ = media_type::detect(bytes, name, None);
    let limits = limits();
    let error = match decode(bytes, name, None, &limits) {
        Ok(decoded) => page_image(bytes, decoded.media_type, 1, &limits).err()?.to_string(),
        Err(error) => error.to_string(),
    };
    Some(error).filter(|error| error.contains("panicked"))
}

#[test]
fn damaged_documents_never_panic() {
    std::panic::set_hook(Box::new(|_| {}));
    let each = std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(EACH);
    let bounded = each == EACH;
    let mut chance = Chance(7);
    let started = Instant::now();
    let (mut tried, mut found) = (0, Vec::new());
    let seeds: Vec<(String, Vec<u8>)> = manifest()
        .into_iter()
        .filter(|entry| entry.outcome == "done")
        .map(|entry| (entry.file.clone(), entry.bytes()))
        .filter(|(_, bytes)| bytes.len() < 300_000)
        .collect();
    'all: for round in 0..each {
        for (name, seed) in &seeds {
            if bounded && started.elapsed() > MOST {
                break 'all;
            }
            tried += 1;
            let bytes = damaged(seed, &mut chance);
            if let Some(error) = panicked(&bytes, name) {
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
    let request = Request::Decode { name: "a".to_owned(), declared: None, limits: limits() };
    let mut chance = Chance(11);
    let mut wire = Vec::new();
    write_frame(&mut wire, &request, Some(&[b"bytes of a document"])).unwrap();
    for _ in 0..20_000 {
        let bytes = damaged(&wire, &mut chance);
        let _ = read_frame::<Request>(&mut bytes.as_slice(), 1 << 20);
        let _ = read_frame::<Setup>(&mut bytes.as_slice(), 1 << 20);
        let _ = read_frame::<Result<Reply, quire::error::Error>>(&mut bytes.as_slice(), 1 << 20);
    }
}
