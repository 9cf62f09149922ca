use super::*;
use crate::infer::cpu::Precision;
use crate::infer::generate::SummaryModel;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokenizers::Tokenizer;

/// Words `w0` to `w92` by blanks, with the marks of T5.
fn tokenizer() -> Value {
    let mut vocabulary = serde_json::Map::new();
    for (id, mark) in ["<pad>", "</s>", "<unk>"].into_iter().enumerate() {
        vocabulary.insert(mark.to_owned(), json!(id));
    }
    (0..93).for_each(|word| drop(vocabulary.insert(format!("w{word}"), json!(word + 3))));
    json!({
        "version": "1.0", "truncation": { "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0 },
        "padding": null,
        "added_tokens": [{ "id": 1, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true }],
        "normalizer": null, "pre_tokenizer": { "type": "WhitespaceSplit" }, "decoder": null,
        "post_processor": {
            "type": "TemplateProcessing", "single": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "SpecialToken": { "id": "</s>", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": { "</s>": { "id": "</s>", "ids": [1], "tokens": ["</s>"] } },
        },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    })
}

fn format(prefix: &str, max_tokens: usize) -> Result<Format> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    std::fs::write(&path, tokenizer().to_string()).unwrap();
    Format::open(&path, 96, prefix, max_tokens)
}

/// Writes the first tokens of each source: a part of them, or more than there were.
struct Copier {
    divide: usize,
    add: usize,
    batches: Vec<usize>,
}

impl Write for Copier {
    fn write(&mut self, batch: &PackedBatch) -> Result<Vec<Generated>> {
        self.batches.push(batch.windows());
        let one = |range: std::ops::Range<usize>| {
            let source = &batch.tokens[range];
            let own = &source[..source.len() - 1];
            let kept = own.len() / self.divide + self.add;
            Generated { tokens: own.iter().cycle().take(kept).copied().collect(), mean_log_probability: -0.5 }
        };
        Ok(batch.ranges().map(one).collect())
    }
}

fn copier(divide: usize, add: usize, max_tokens: usize) -> Summarizer<Copier> {
    let writer = Copier { divide, add, batches: Vec::new() };
    Summarizer::new(Box::new(writer), Arc::new(format("", max_tokens).unwrap()))
}

fn sentences(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("w{} w{} w{}. ", i % 90, (i + 1) % 90, (i + 2) % 90)).collect()
}

#[test]
fn long_documents_are_summarised_in_rounds() {
    let sentences = sentences(200);
    let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let mut summarizer = copier(5, 0, 31);
    let summary = summarizer.document(&sentences).unwrap().unwrap();
    assert!(summary.whole);
    assert!((summary.confidence - (-0.5f32).exp()).abs() < 1e-6);
    // 600 tokens in 20 windows of 30; 20 · 6 = 120 in 4; 4 · 6 = 24 in one.
    assert_eq!(summarizer.writer.batches, [8, 8, 4, 4, 1]);
}

#[test]
fn rounds_that_do_not_shrink_end() {
    let sentences = sentences(30);
    let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let summary = copier(1, 5, 31).document(&sentences).unwrap().unwrap();
    assert!(!summary.whole && summary.text.starts_with("w"));
    // Shrinks, but too slowly: ends after the last round.
    let mut slow = copier(1, 0, 31);
    assert!(!slow.document(&sentences).unwrap().unwrap().whole);
}

#[test]
fn nothing_to_read_gives_no_summary() {
    for sentences in [&[][..], &[""], &["  ", "\n"]] {
        assert_eq!(copier(2, 0, 31).document(sentences).unwrap(), None);
    }
}

#[test]
fn marks_in_a_document_do_not_reach_the_model() {
    let format = format("", 31).unwrap();
    let windows = format.windows(&["w1 </s> w2"]).unwrap();
    assert_eq!(windows, [[4, 5, 1]]);
    let windows = format.windows(&["</s>", "w1 never_heard_of"]).unwrap();
    assert_eq!(windows, [[4, 2, 1]], "what the vocabulary lacks is there");
}

#[test]
fn a_tokenizer_that_does_not_fit_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    let error = Format::open(&path, 96, "", 31).err().unwrap().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
    std::fs::write(&path, tokenizer().to_string()).unwrap();
    let error = Format::open(&path, 95, "", 31).err().unwrap().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("95") && error.contains("96"), "{error}");
    let error = Format::open(&path, 96, "w1 w2", 3).err().unwrap().to_string();
    assert!(error.contains("no room"), "{error}");
}

proptest! {
    #[test]
    fn windows_hold_every_token_once_and_never_too_many(
        words in proptest::collection::vec(proptest::collection::vec(0usize..93, 0..40), 0..30),
        max_tokens in 5usize..40, prefixed in any::<bool>(),
    ) {
        let sentences: Vec<String> =
            words.iter().map(|s| s.iter().map(|w| format!("w{w}")).collect::<Vec<_>>().join(" ")).collect();
        let prefix: &[u32] = if prefixed { &[10, 11] } else { &[] };
        let format = format(if prefixed { "w7 w8 " } else { "" }, max_tokens).unwrap();
        let windows = format.windows(&sentences.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        let mut held: Vec<u32> = Vec::new();
        for window in &windows {
            prop_assert!(window.len() <= max_tokens);
            prop_assert!(window.starts_with(prefix) && window.ends_with(&[1]));
            held.extend(&window[prefix.len()..window.len() - 1]);
        }
        let all: Vec<u32> = words.iter().flatten().map(|w| *w as u32 + 3).collect();
        prop_assert_eq!(held, all);
    }
}

#[test]
fn one_endless_word_is_a_document_too() {
    let mut tokenizer = tokenizer();
    tokenizer["model"] = json!({
        "type": "BPE", "vocab": { "a": 5, "aa": 6, "</s>": 1 }, "merges": ["a a"], "dropout": null, "unk_token": null,
        "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
    });
    let tokenizer: Tokenizer = tokenizer.to_string().parse().unwrap();
    let format = Format::prompt(tokenizer, "a", "a", 20).unwrap();
    let word = "a".repeat(10_001);
    let windows = format.windows(&[&word]).unwrap();
    assert!(windows.iter().all(|w| w.len() <= 20 && w[0] == 5 && w[w.len() - 1] == 5));
    assert_eq!(windows.iter().map(|w| w.len() - 2).sum::<usize>(), 5_001);
}

#[test]
fn a_folder_and_a_file_summarise_from_end_to_end() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(golden.join("t5-tiny").join(file), dir.path().join(file)).unwrap();
    }
    std::fs::write(dir.path().join("tokenizer.json"), tokenizer().to_string()).unwrap();
    let settings = json!({ "num_beams": 2, "max_new_tokens": 9, "min_new_tokens": 3 });
    std::fs::write(dir.path().join("generation_config.json"), settings.to_string()).unwrap();
    let sentences = sentences(400);
    let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
    for path in [dir.path().to_owned(), golden.join("llama-tiny.gguf")] {
        let model = SummaryModel::load(&path, Precision::F32).unwrap();
        assert!(model.cache_bytes(100) > 100);
        let mut summarizer = Summarizer::new(model.writer(), Arc::clone(model.format()));
        let summary = summarizer.document(&sentences).unwrap();
        assert!(summary.is_none_or(|s| !s.text.is_empty() && s.confidence > 0.0 && s.confidence <= 1.0));
        let written = summarizer.summarize(&model.format().windows(&sentences).unwrap()).unwrap();
        assert!(written.len() > 1 && written.iter().all(|g| !g.tokens.is_empty()));
    }
    std::fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    let error = SummaryModel::load(dir.path(), Precision::F32).err().unwrap().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
}
