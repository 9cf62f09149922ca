//! The default models give what the reference implementation gives (tests/golden/generate.py).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may fail loudly

use quire::batch::PackedBatch;
use quire::config;
use quire::feed::Tokenizer;
use quire::infer::models::{Models, TokenizerOf};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    embedding: Vec<f32>,
    ner: Vec<String>,
    ner_probability: Vec<f32>,
    sentiment: BTreeMap<String, f32>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn tokens_vectors_names_and_tone_match_the_reference() {
    let golden = std::fs::read(root().join("tests/golden/minilm.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    let config = config::load(&config::Sources::default()).unwrap().config;
    let models = Models::load(&config.infer, &root().join("data/models"))
        .unwrap_or_else(|e| panic!("{e} (`make models` fetches them for the tests)"));
    let model = models.embedding().unwrap();
    let TokenizerOf::File { path, prefix } = &model.tokenizer else { panic!("a tokenizer.json") };
    let tokenizer = Tokenizer::open(path, model.vocabulary, prefix).unwrap();

    let mut batch = PackedBatch::new();
    for case in &golden.cases {
        let tokens = tokenizer.encode(&case.text).unwrap();
        let marked: Vec<u32> =
            tokens.marks.start.iter().chain(&tokens.ids).chain(&tokens.marks.end).copied().collect();
        assert_eq!(marked, case.ids, "{}", case.text);
        batch.push(&case.ids, &[]);
    }
    // All of them in one packed batch: neighbours must not show through.
    let outputs = models.engines()[0].run(&batch).unwrap();
    let (ner, sentiment) = (models.tasks.ner.unwrap(), models.tasks.sentiment.unwrap());
    let (labels, tones) = (ner.labels, sentiment.labels);
    for (case, output) in golden.cases.iter().zip(outputs) {
        let worst = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst(&output.embedding, &case.embedding) < 1e-4, "{}", case.text);
        for (row, (expected, probability)) in
            output.heads[ner.head].chunks(labels.len()).zip(case.ner.iter().zip(&case.ner_probability))
        {
            let at = labels.iter().position(|l| l == expected).unwrap();
            assert!((row[at] - probability).abs() < 1e-3, "{expected} in {}", case.text);
            assert!(row.iter().all(|p| *p <= row[at] + 1e-3), "{expected} in {}", case.text);
        }
        for (tone, found) in tones.iter().zip(&output.heads[sentiment.head]) {
            assert!((found - case.sentiment[tone]).abs() < 1e-3, "{tone} of {}", case.text);
        }
    }
}
