//! The default models give what the reference implementation gives (tests/golden/generate.py).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may fail loudly

use quire::batch::PackedBatch;
use quire::config;
use quire::feed::{Reader, Tokenizer};
use quire::infer::models::{Models, TokenizerOf};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    shapes: Vec<u8>,
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
    assert_match(config::Precision::F32, 1e-4, 1e-3);
    // Whatever this CPU is fastest in.
    assert_match(config::Precision::Auto, 1e-2, 5e-2);
}

/// Vectors within `near` of the reference's, probabilities within `sure`.
fn assert_match(precision: config::Precision, near: f32, sure: f32) {
    let golden = std::fs::read(root().join("tests/golden/minilm.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    let mut config = config::load(&config::Sources::default()).unwrap().config;
    config.infer.precision = precision;
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
        let marks = |marks: &[u32]| vec![0; marks.len()];
        let shapes = tokens.pieces.iter().map(|piece| piece.shape);
        let shapes: Vec<u8> =
            marks(&tokens.marks.start).into_iter().chain(shapes).chain(marks(&tokens.marks.end)).collect();
        assert_eq!(shapes, case.shapes, "{}", case.text);
        batch.push_shaped(&case.ids, &shapes, &[]);
    }
    // All of them in one packed batch: neighbours must not show through.
    let outputs = models.engines()[0].run(&batch).unwrap();
    let (ner, sentiment) = (models.tasks.ner.unwrap(), models.tasks.sentiment.unwrap());
    let (labels, tones) = (ner.labels, sentiment.labels);
    for (case, output) in golden.cases.iter().zip(outputs) {
        let worst = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst(&output.embedding, &case.embedding) < near, "{}", case.text);
        for (row, (expected, probability)) in
            output.heads[ner.head].chunks(labels.len()).zip(case.ner.iter().zip(&case.ner_probability))
        {
            let at = labels.iter().position(|l| l == expected).unwrap();
            assert!((row[at] - probability).abs() < sure, "{expected} in {}", case.text);
            assert!(row.iter().all(|p| *p <= row[at] + sure), "{expected} in {}", case.text);
        }
        for (tone, found) in tones.iter().zip(&output.heads[sentiment.head]) {
            assert!((found - case.sentiment[tone]).abs() < sure, "{tone} of {}", case.text);
        }
    }
}

/// Windows of a text, which must hold all of it, and what the models make of the first few.
fn assert_whole(models: &Models, reader: &Reader, text: &str) {
    let windows = reader.windows(text).unwrap();
    let mut reached = 0;
    for window in &windows {
        assert!(window.bytes.start <= reached, "a gap before {:?} of {}", window.bytes, text.len());
        assert!(text.get(window.bytes.clone()).is_some(), "{:?} cuts a character", window.bytes);
        assert!(window.tokens.len() <= reader.window_tokens + 2);
        reached = reached.max(window.bytes.end);
    }
    assert_eq!(reached, text.len());
    let mut batch = PackedBatch::new();
    windows.iter().take(4).for_each(|window| batch.push(&window.tokens, &[]));
    for output in models.engines()[0].run(&batch).unwrap() {
        let values = output.embedding.iter().chain(output.heads.iter().flatten());
        assert!(values.copied().all(f32::is_finite));
    }
}

#[test]
fn any_text_is_taken_whole() {
    let config = config::load(&config::Sources::default()).unwrap().config;
    let models = Models::load(&config.infer, &root().join("data/models")).unwrap();
    let model = models.embedding().unwrap();
    let TokenizerOf::File { path, prefix } = &model.tokenizer else { panic!("a tokenizer.json") };
    let tokenizer = Arc::new(Tokenizer::open(path, model.vocabulary, prefix).unwrap());
    let reader = Reader { tokenizer, window_tokens: 254, overlap_tokens: 32 };
    let ten_megabytes = 10 << 20;
    for text in [
        String::new(),
        " \n\t\u{a0}".to_owned(),
        "\0\u{feff}\u{202e}\u{200d}\u{fffd}".to_owned(),
        "a".repeat(ten_megabytes),
        "東".repeat(ten_megabytes / 60),
        "e\u{301}".repeat(50_000),
        "👩‍👩‍👧‍👦".repeat(5_000),
        "שלום עולם. مرحبا بالعالم! ".repeat(500),
        "[SEP] [CLS] [MASK] </s> <s> ".repeat(300),
        ". ! ? ".repeat(3_000),
    ] {
        assert_whole(&models, &reader, &text);
    }
    let runner = &mut proptest::test_runner::TestRunner::new(proptest::test_runner::Config::with_cases(200));
    runner
        .run(&proptest::string::string_regex("(?s).{0,120}").unwrap(), |text| {
            assert_whole(&models, &reader, &text);
            Ok(())
        })
        .unwrap();
}
