//! Golden tests: outputs of the reference implementation (tests/golden/seq2seq.py).

use super::*;
use crate::infer::families::{Writer, load_writer};
use crate::infer::generate::{Decoder as _, Settings};
use serde::Deserialize;
use std::path::{Path, PathBuf};

const MODELS: [&str; 3] = ["t5-tiny", "t5-gated-tiny", "bart-tiny"];

#[derive(Deserialize)]
struct Golden {
    sources: Vec<Vec<u32>>,
    logits: Vec<Taught>,
    searches: Vec<Search>,
}

#[derive(Deserialize)]
struct Taught {
    source: Vec<u32>,
    decoder: Vec<u32>,
    logits: Vec<f32>,
}

#[derive(Deserialize)]
struct Search {
    name: String,
    settings: serde_json::Map<String, serde_json::Value>,
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    tokens: Vec<u32>,
    mean_log_probability: f32,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn golden(name: &str) -> (Arc<Seq2Seq<Packed>>, Writer, Golden) {
    let load = || load_writer(&folder(name)).unwrap();
    let cases = std::fs::read(folder(name).join("cases.json")).unwrap();
    (Arc::new(pack_seq2seq(load().model, Precision::F32)), load(), serde_json::from_slice(&cases).unwrap())
}

fn batch(sources: &[Vec<u32>]) -> PackedBatch {
    let mut batch = PackedBatch::new();
    sources.iter().for_each(|source| batch.push(source, &[]));
    batch
}

#[test]
fn taught_logits_match_the_reference_alone_and_together() {
    for name in MODELS {
        let (model, _, golden) = golden(name);
        let sources: Vec<Vec<u32>> = golden.logits.iter().map(|t| t.source.clone()).collect();
        let mut scratch = encoder::Scratch::default();
        let mut together = Writing::begin(&model, &batch(&sources), &mut scratch).unwrap();
        let vocabulary = together.vocabulary();
        let longest = golden.logits.iter().map(|t| t.decoder.len()).max().unwrap();
        let mut rows_of: Vec<usize> = (0..sources.len()).collect();
        for step in 0..longest {
            let live: Vec<usize> =
                (0..sources.len()).filter(|i| golden.logits[*i].decoder.len() > step).collect();
            let rows: Vec<Row> = live
                .iter()
                .map(|i| Row { parent: rows_of[*i], token: golden.logits[*i].decoder[step] })
                .collect();
            let logits = together.step(&rows).unwrap();
            for (row, i) in live.iter().enumerate() {
                rows_of[*i] = row;
                let expected = &golden.logits[*i].logits[step * vocabulary..][..vocabulary];
                let found = &logits[row * vocabulary..][..vocabulary];
                let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-4, "{name} source {i} step {step} differs by {worst}");
            }
        }
    }
}

fn check(name: &str, search: &Search, found: &Generated, expected: &Found) {
    assert_eq!(found.tokens, expected.tokens, "{name} {}", search.name);
    let differs = (found.mean_log_probability - expected.mean_log_probability).abs();
    assert!(differs < 1e-4, "{name} {}: {differs}", search.name);
}

#[test]
fn searches_find_what_the_reference_finds_alone_and_together() {
    for name in MODELS {
        let (model, own, golden) = golden(name);
        for search in &golden.searches {
            let settings = Settings::of(Path::new("cases.json"), search.settings.clone());
            let mut config = GenerationConfig::read(&settings, model.decoder.vocab(), usize::MAX).unwrap();
            config.start = own.generation.start;
            let mut writer = CpuWriter::new(Arc::clone(&model), config);
            let together = writer.run(&batch(&golden.sources)).unwrap();
            for ((source, found), expected) in golden.sources.iter().zip(&together).zip(&search.results) {
                check(name, search, found, expected);
                let alone = writer.run(&batch(std::slice::from_ref(source))).unwrap();
                check(name, search, &alone[0], expected);
            }
        }
    }
}

#[test]
fn sources_that_cannot_be_read_are_errors() {
    for name in MODELS {
        let (model, own, _) = golden(name);
        let mut writer = CpuWriter::new(model, own.generation);
        for source in [vec![], vec![96], vec![u32::MAX]] {
            assert!(writer.run(&batch(&[vec![5, 6], source.clone()])).is_err(), "{name} {source:?}");
        }
        assert!(writer.run(&batch(&[])).unwrap().is_empty());
    }
    let (model, own, _) = golden("bart-tiny");
    assert!(CpuWriter::new(model, own.generation).run(&batch(&[vec![5; 41]])).is_err());
}

#[test]
fn caches_are_as_large_as_said_and_given_back() {
    let (model, own, golden) = golden("t5-tiny");
    let mut scratch = encoder::Scratch::default();
    let sources = golden.sources[..2].to_vec();
    let mut writing = Writing::begin(&model, &batch(&sources), &mut scratch).unwrap();
    writing.step(&[Row { parent: 0, token: 0 }, Row { parent: 1, token: 0 }]).unwrap();
    writing.step(&[Row { parent: 1, token: 5 }, Row { parent: 1, token: 6 }]).unwrap();
    assert!(writing.sources[0].cross.is_empty() && writing.sources[0].own.is_empty());
    let kept = &writing.sources[1];
    let floats: usize = kept.cross.iter().chain(&kept.own).map(Vec::len).sum();
    // Two tokens of the source; one written by one hypothesis, one by each of two.
    assert_eq!(floats * 4, 8 * 2 * 24 * (2 + 3));
    let config = GenerationConfig { beams: 2, max_length: 11, ..own.generation };
    assert_eq!(CpuWriter::new(model, config).cache_bytes(2), 8 * 2 * 24 * (2 + 2 * 10));
}
