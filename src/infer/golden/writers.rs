//! The same for models that write (tests/golden/seq2seq.py).

use super::{cosine, folder, worst};
use crate::batch::PackedBatch;
use crate::infer::families::{Writer, load_writer};
use crate::infer::generate::{Decoder, Generated, GenerationConfig, Logits, Row, Settings};
use serde::Deserialize;
use std::path::Path;

/// Folders of tests/golden.
pub const WRITERS: [&str; 3] = ["t5-tiny", "t5-gated-tiny", "bart-tiny"];

/// What the reference makes of a model.
#[derive(Deserialize)]
pub struct Golden {
    /// Token ids of what is written about.
    pub sources: Vec<Vec<u32>>,
    /// Logits of given texts.
    pub logits: Vec<Taught>,
    searches: Vec<Search>,
}

/// A source, a text, and the logits after each of its tokens.
#[derive(Deserialize)]
pub struct Taught {
    /// Token ids.
    pub source: Vec<u32>,
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

/// A model, and what the reference makes of it.
pub fn load(name: &str) -> (Writer, Golden) {
    let cases = std::fs::read(folder(name).join("cases.json")).unwrap();
    (load_writer(&folder(name)).unwrap(), serde_json::from_slice(&cases).unwrap())
}

/// These sources, each a window.
pub fn batch<'s>(sources: impl IntoIterator<Item = &'s Vec<u32>>) -> PackedBatch {
    let mut batch = PackedBatch::new();
    sources.into_iter().for_each(|source| batch.push(source, &[]));
    batch
}

/// Teaches all texts together to a decoder that was begun with all their sources: the largest difference of a
/// logit, and the least cosine of a token's.
pub fn taught(golden: &Golden, decoder: &mut dyn Decoder) -> (f32, f32) {
    let vocabulary = decoder.vocabulary();
    let longest = golden.logits.iter().map(|t| t.decoder.len()).max().unwrap();
    let mut rows_of: Vec<usize> = (0..golden.logits.len()).collect();
    let mut found = (0.0f32, 1.0f32);
    for step in 0..longest {
        let live: Vec<usize> =
            (0..rows_of.len()).filter(|i| golden.logits[*i].decoder.len() > step).collect();
        let row = |i: &usize| Row { parent: rows_of[*i], token: golden.logits[*i].decoder[step] };
        let rows: Vec<Row> = live.iter().map(row).collect();
        let Logits::All(logits) = decoder.step(&rows, vocabulary).unwrap() else { panic!("all were wanted") };
        for (row, i) in live.iter().enumerate() {
            rows_of[*i] = row;
            let expected = &golden.logits[*i].logits[step * vocabulary..][..vocabulary];
            let own = &logits[row * vocabulary..][..vocabulary];
            found = (found.0.max(worst(own, expected)), found.1.min(cosine(own, expected)));
        }
    }
    found
}

/// Every search, of each source alone and of all together, finds what the reference finds.
pub fn check_searches(
    name: &str,
    golden: &Golden,
    own: &GenerationConfig,
    vocabulary: usize,
    mut write: impl FnMut(&GenerationConfig, &PackedBatch) -> Vec<Generated>,
) {
    for search in &golden.searches {
        let settings = Settings::of(Path::new("cases.json"), search.settings.clone());
        let mut config = GenerationConfig::read(&settings, vocabulary, usize::MAX).unwrap();
        config.start = own.start;
        let together = write(&config, &batch(&golden.sources));
        for ((source, found), expected) in golden.sources.iter().zip(&together).zip(&search.results) {
            check(name, search, found, expected);
            check(name, search, &write(&config, &batch([source]))[0], expected);
        }
    }
}

fn check(name: &str, search: &Search, found: &Generated, expected: &Found) {
    assert_eq!(found.tokens, expected.tokens, "{name} {}", search.name);
    let differs = (found.mean_log_probability - expected.mean_log_probability).abs();
    assert!(differs < 1e-4, "{name} {}: {differs}", search.name);
}
