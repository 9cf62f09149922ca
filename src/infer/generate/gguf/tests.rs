//! Golden tests: outputs of the reference implementation (tests/golden/seq2seq.py).

use super::*;
use crate::infer::generate::{Decoder, Logits, Row};
use serde::Deserialize;
use std::path::PathBuf;

const MODELS: [&str; 2] = ["llama-tiny", "qwen2-tiny"];

#[derive(Deserialize)]
struct Golden {
    sources: Vec<Vec<u32>>,
    logits: Vec<Taught>,
    searches: Vec<Search>,
}

#[derive(Deserialize)]
struct Taught {
    source: Vec<u32>,
    logits: Vec<f32>,
}

#[derive(Deserialize)]
struct Search {
    name: String,
    settings: Map<String, Value>,
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    tokens: Vec<u32>,
    mean_log_probability: f32,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn golden(name: &str) -> (GgufModel, Golden) {
    let cases = std::fs::read(path(&format!("{name}.json"))).unwrap();
    (GgufModel::load(&path(&format!("{name}.gguf"))).unwrap(), serde_json::from_slice(&cases).unwrap())
}

fn all(logits: Result<Logits<'_>>) -> &[f32] {
    let Logits::All(logits) = logits.unwrap() else { panic!("all are there") };
    logits
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn logits_match_the_reference_token_by_token_and_after_a_prompt() {
    for name in MODELS {
        let (model, golden) = golden(name);
        let vocabulary = model.llama.vocabulary();
        for taught in &golden.logits {
            let mut writing = Writing::begin(&model.llama, &[taught.source[..1].to_vec()]).unwrap();
            for (token, expected) in taught.source.iter().zip(taught.logits.chunks_exact(vocabulary)) {
                let logits = all(writing.step(&[Row { parent: 0, token: *token }], usize::MAX));
                assert!(worst(logits, expected) < 1e-4, "{name}");
            }
        }
        let prompts: Vec<Vec<u32>> = golden.logits.iter().map(|t| t.source.clone()).collect();
        let mut writing = Writing::begin(&model.llama, &prompts).unwrap();
        let rows: Vec<Row> =
            prompts.iter().enumerate().map(|(parent, p)| Row { parent, token: p[p.len() - 1] }).collect();
        let logits = all(writing.step(&rows, usize::MAX));
        for (found, taught) in logits.chunks_exact(vocabulary).zip(&golden.logits) {
            let expected = &taught.logits[taught.logits.len() - vocabulary..];
            assert!(worst(found, expected) < 1e-4, "{name}");
        }
    }
}

#[test]
fn searches_find_what_the_reference_finds_alone_and_together() {
    for name in MODELS {
        let (model, golden) = golden(name);
        for search in &golden.searches {
            let mut settings = search.settings.clone();
            if settings["max_length"].is_number() {
                // The cases' longest length counts the prompt, of the first source one token.
                settings.remove("max_length");
                settings.insert("max_new_tokens".to_owned(), json!(16));
            }
            let settings = Settings::of(Path::new("cases.json"), settings);
            let config = GenerationConfig::read(&settings, model.llama.vocabulary(), 128).unwrap();
            let write = |sources: &[Vec<u32>]| {
                let mut writing = Writing::begin(&model.llama, sources).unwrap();
                generate(&mut writing, sources, &config).unwrap()
            };
            let together = write(&golden.sources);
            for ((source, found), expected) in golden.sources.iter().zip(&together).zip(&search.results) {
                let alone = write(std::slice::from_ref(source)).remove(0);
                for found in [found, &alone] {
                    assert_eq!(found.tokens, expected.tokens, "{name} {}", search.name);
                    let differs = (found.mean_log_probability - expected.mean_log_probability).abs();
                    assert!(differs < 1e-4, "{name} {}: {differs}", search.name);
                }
            }
        }
    }
}

#[test]
fn quantised_logits_are_near_the_reference() {
    #[derive(Deserialize)]
    struct Quantised {
        source: Vec<u32>,
        logits: Vec<f32>,
    }
    let model = GgufModel::load(&path("llama-q8-tiny.gguf")).unwrap();
    let golden: Quantised =
        serde_json::from_slice(&std::fs::read(path("llama-q8-tiny.json")).unwrap()).unwrap();
    let mut writing = Writing::begin(&model.llama, &[golden.source[..1].to_vec()]).unwrap();
    for (token, expected) in golden.source.iter().zip(golden.logits.chunks_exact(model.llama.vocabulary())) {
        let logits = all(writing.step(&[Row { parent: 0, token: *token }], usize::MAX));
        // The library rounds the other factor of each product to bytes too.
        let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(worst(logits, expected) < 0.05 * largest, "{} of {largest}", worst(logits, expected));
    }
}

#[test]
fn a_writer_ends_at_the_files_own_mark_and_refuses_what_has_no_room() {
    let (model, _) = golden("llama-tiny");
    assert_eq!(model.generation.ends, [257]);
    let text = "The document says: naïve. <|end|>";
    let tokens = model.tokenizer.encode(text, false).unwrap();
    assert_eq!(model.tokenizer.decode(tokens.get_ids(), false).unwrap(), text);
    let most = model.max_prompt();
    let mut writer = GgufWriter::new(Arc::new(model));
    for prompt in [vec![], vec![1; most + 1], vec![264], vec![1, u32::MAX, 2]] {
        let mut batch = PackedBatch::new();
        batch.push(&prompt, &[]);
        assert!(writer.run(&batch).is_err(), "{} tokens", prompt.len());
    }
    let mut batch = PackedBatch::new();
    batch.push(tokens.get_ids(), &[]);
    let found = writer.run(&batch).unwrap().remove(0);
    assert!(!found.tokens.is_empty() && found.confidence() > 0.0);
}

/// The error of the file with some of its bytes changed.
fn refused(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = std::fs::read(path("llama-tiny.gguf")).unwrap();
    change(&mut bytes);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    GgufModel::load(&path).err().expect("refused").to_string()
}

fn position(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|w| w == text.as_bytes()).unwrap()
}

/// Changes the first text of this content to another of the same length.
fn rename(bytes: &mut [u8], from: &str, to: &str) {
    let at = position(bytes, from);
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
}

/// Sets the 32-bit value of a key.
fn set(bytes: &mut [u8], key: &str, value: u32) {
    let at = position(bytes, key) + key.len() + 4;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn what_does_not_fit_is_named() {
    let error = refused(|bytes| bytes.truncate(100));
    assert!(error.contains("model.gguf is not a GGUF file"), "{error}");
    let error = refused(|bytes| bytes.truncate(bytes.len() - 9));
    assert!(error.contains("cannot be read"), "{error}");
    let error = refused(|bytes| rename(bytes, "blk.1.ffn_up.weight", "blk.1.ffn_op.weight"));
    assert!(error.contains("`blk.1.ffn_up.weight` is missing, expected shape [64, 32]"), "{error}");
    let error = refused(|bytes| set(bytes, "llama.embedding_length", 40));
    assert!(error.contains("expected shape [40]") && error.contains("found [32]"), "{error}");
    let error = refused(|bytes| set(bytes, "llama.block_count", 0));
    assert!(error.contains("llama.block_count") && error.contains("from 1"), "{error}");
    let error = refused(|bytes| set(bytes, "llama.attention.head_count_kv", 3));
    assert!(error.contains("multiple"), "{error}");
    let error = refused(|bytes| rename(bytes, "llama.block_count", "llama.block_kount"));
    assert!(error.contains("llama.block_count: expected a value"), "{error}");
    let error = refused(|bytes| set(bytes, "tokenizer.ggml.eos_token_id", 300));
    assert!(error.contains("eos_token_id") && error.contains("264"), "{error}");
    let error = refused(|bytes| rename(bytes, "gpt-2", "gpt-9"));
    assert!(error.contains("tokenizer.ggml.pre") && error.contains("found gpt-9"), "{error}");
    let error = refused(|bytes| rename(bytes, "tokenizer.ggml.merges", "tokenizer.ggml.murges"));
    assert!(error.contains("tokenizer.ggml.merges") && error.contains("tokenizer.json"), "{error}");
}

#[test]
fn no_changed_byte_of_the_header_makes_it_panic() {
    let bytes = std::fs::read(path("llama-tiny.gguf")).unwrap();
    let header = position(&bytes, "blk.1.ffn_up.weight");
    let dir = tempfile::tempdir().unwrap();
    for at in (0..header).step_by(29) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x81;
        let path = dir.path().join("model.gguf");
        std::fs::write(&path, changed).unwrap();
        // Some bytes change nothing that matters.
        let _ = GgufModel::load(&path);
    }
}

#[test]
fn templates_are_known_by_their_marks() {
    let (model, _) = golden("llama-tiny");
    for (chat, before, after) in [
        ("{{ '<|im_start|>' }}", "<|im_start|>user", "assistant"),
        ("<|start_header_id|>", "user<|end_header_id|>", "<|eot_id|>"),
        ("[INST]", "[INST]", "[/INST]"),
        ("<|user|>", "<|user|>", "<|assistant|>"),
        ("", "", "Summary:"),
    ] {
        let template = Template::of(chat, &model.tokenizer);
        assert!(template.before.contains(before) && template.after.contains(after), "{template:?}");
    }
}
