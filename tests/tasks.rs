//! Checkpoints of the user's own, of other families than the default models: each task takes what it
//! is given, with its own tokens and windows, and says clearly what it cannot take.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const TEXT: &str = "miss ardley of leipzig paid for the third delivery on monday. it was late. ";

/// A copy of a golden checkpoint with a tokenizer of single characters beside it.
fn checkpoint(folder: &Path, golden: &str, marks: (&str, &str)) -> PathBuf {
    let (from, to) = (root().join("tests/golden").join(golden), folder.join(golden.replace('/', "-")));
    std::fs::create_dir_all(&to).unwrap();
    for name in ["config.json", "model.safetensors", "generation_config.json"] {
        let _ = std::fs::copy(from.join(name), to.join(name));
    }
    write_tokenizer(&to, marks, 30);
    to
}

/// Character `a` is token 4, `b` 5 and so on; the marks are tokens 2 and 3, or none.
fn write_tokenizer(folder: &Path, (start, end): (&str, &str), letters: u8) {
    let mut vocabulary = json!({ "<unk>": 0, "<pad>": 1, "<s>": 2, "</s>": 3 });
    for letter in 0..letters {
        vocabulary[char::from(b'a' + letter).to_string()] = json!(4 + letter);
    }
    let special = |id: u32, content: &str| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
    };
    let template: Vec<Value> = [Some(start), None, Some(end)]
        .into_iter()
        .filter(|part| *part != Some(""))
        .map(|part| match part {
            Some(mark) => json!({ "SpecialToken": { "id": mark, "type_id": 0 } }),
            None => json!({ "Sequence": { "id": "A", "type_id": 0 } }),
        })
        .collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [special(0, "<unk>"), special(1, "<pad>"), special(2, "<s>"), special(3, "</s>")],
        "pre_tokenizer": { "type": "Split", "pattern": { "Regex": "." }, "behavior": "Isolated", "invert": false },
        "post_processor": {
            "type": "TemplateProcessing", "single": template, "pair": template,
            "special_tokens": {
                "<s>": { "id": "<s>", "ids": [2], "tokens": ["<s>"] },
                "</s>": { "id": "</s>", "ids": [3], "tokens": ["</s>"] }
            }
        },
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" }
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}

fn set(task: &str, folder: &Path) -> [String; 2] {
    ["--set".to_owned(), format!("infer.{task}={}", folder.display())]
}

fn understand(data: &Path, text: &str, settings: &[String]) -> Value {
    drop_file(data, "letter.txt", text.as_bytes());
    run_once(data, &settings.iter().map(String::as_str).collect::<Vec<_>>());
    result(data, &id_of(text.as_bytes()))
}

#[test]
fn tasks_take_checkpoints_of_any_family_beside_the_default_trunk() {
    let folder = tempfile::tempdir().unwrap();
    let classifier = checkpoint(folder.path(), "roberta/windows", ("<s>", "</s>"));
    let names = checkpoint(folder.path(), "distilbert/tokens", ("<s>", "</s>"));
    let settings = [set("classification", &classifier), set("ner", &names)].concat();
    // Longer than either model takes at once.
    let document = understand(folder.path(), &TEXT.repeat(20), &settings);

    let config: Value =
        serde_json::from_slice(&std::fs::read(classifier.join("config.json")).unwrap()).unwrap();
    let labels = config["id2label"].as_object().unwrap();
    let classes = document["classes"].as_array().unwrap();
    assert_eq!(classes.len(), labels.len());
    for class in classes {
        assert!(labels.values().any(|label| *label == class["label"]), "{class}");
        let score = class["score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score) || class["scale"] == "value", "{class}");
    }
    let scores: Vec<f64> = classes.iter().map(|class| class["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    // The tone comes from the trunk's own branch as ever, the passages from its windows.
    assert!(document["sentiment"]["confidence"].as_f64().unwrap() > 0.3);
    assert_eq!(document["coverage"], 1.0);
    assert!(document["models"]["classification"].as_str().unwrap().starts_with("roberta-windows@"));
    assert!(document["models"]["ner"].as_str().unwrap().starts_with("distilbert-tokens@"));
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let refuses = |settings: &[String], expected: &[&str]| {
        let out = output(quire(folder.path()).args(["run", "--once"]).args(settings));
        let said = stderr(&out);
        assert!(!out.status.success(), "{said}");
        expected.iter().for_each(|word| assert!(said.contains(word), "{word} in {said}"));
    };
    let names = checkpoint(folder.path(), "roberta/tokens", ("<s>", "</s>"));
    let wrong = ["infer.classification", "config.json", "SequenceClassification", "TokenClassification"];
    refuses(&set("classification", &names), &wrong);
    write_tokenizer(&names, ("<s>", "</s>"), 90);
    refuses(&set("ner", &names), &["tokenizer.json", "up to number 93", "vocabulary has 70"]);
    std::fs::write(names.join("tokenizer.json"), "{}").unwrap();
    refuses(&set("ner", &names), &["tokenizer.json", "is not a tokenizer"]);
    std::fs::remove_file(names.join("tokenizer.json")).unwrap();
    refuses(&set("ner", &names), &["tokenizer.json", "cannot be read"]);
}

#[test]
fn a_model_writes_summaries_of_long_documents_out_of_those_of_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let writer = checkpoint(folder.path(), "t5-tiny", ("", "</s>"));
    // It must be able to say what it reads and more.
    write_tokenizer(&writer, ("", "</s>"), 90);
    let checked = understand(folder.path(), TEXT, &set("summary", &writer));
    let (refused, kept) = (&checked["summary_refused"], &checked["written_summary"]);
    assert!(refused.is_string() != kept.is_object() && checked["summary"].is_array(), "{checked}");
    let [flag, value] = set("summary", &writer);
    let settings = [flag.clone(), value, flag, "interpret.check_written_summary=false".to_owned()];
    let short = understand(folder.path(), TEXT, &settings);
    // Of random weights nothing sensible is written; it is written for sure, and with its confidence.
    let written = &short["written_summary"];
    assert!(written["text"].as_str().is_some_and(|text| !text.is_empty()), "{short}");
    let confidence = written["confidence"].as_f64().unwrap();
    assert!(confidence > 0.0 && confidence <= 1.0, "{written}");
    assert!(short["models"]["summary"].as_str().unwrap().starts_with("t5-tiny@"));

    let long = understand(folder.path(), &TEXT.repeat(60), &settings);
    let longest = long["written_summary"]["text"].as_str().unwrap();
    assert!(!longest.is_empty() && longest.len() < TEXT.len() * 30, "{longest}");
    assert_eq!((&long["coverage"], long["summary"].as_array().unwrap().len()), (&json!(1.0), 3));

    let blank = understand(folder.path(), " \n ", &settings);
    assert_eq!(blank["written_summary"], Value::Null);
}

#[test]
fn a_gguf_decoder_writes_summaries_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("llama-tiny.gguf");
    std::fs::copy(root().join("tests/golden/llama-tiny.gguf"), &file).unwrap();
    write_tokenizer(folder.path(), ("<s>", ""), 30);
    let long = understand(folder.path(), &TEXT.repeat(20), &set("summary", &file));
    let written = &long["written_summary"];
    let confidence = written["confidence"].as_f64().unwrap_or_else(|| panic!("{long}"));
    assert!(confidence > 0.0 && confidence <= 1.0, "{written}");
    assert_eq!(long["coverage"], 1.0);
    std::fs::write(&file, "GGUF and nothing else").unwrap();
    let out = output(quire(folder.path()).args(["run", "--once"]).args(set("summary", &file)));
    assert!(!out.status.success() && stderr(&out).contains("llama-tiny.gguf"), "{}", stderr(&out));
}

/// What `quire bench` prints as JSON.
fn bench(data: &Path, arguments: &[&str]) -> Value {
    let out = output(quire(data).arg("bench").args(arguments).arg("--json"));
    assert!(out.status.success(), "{}", stderr(&out));
    json(&out)
}

#[test]
fn the_benchmarks_give_figures_for_every_family_and_precision() {
    let folder = tempfile::tempdir().unwrap();
    let golden = root().join("tests/golden");
    let checkpoints = ["bert", "distilbert", "roberta", "mpnet", "deberta-v2", "modernbert"]
        .map(|family| golden.join(family).display().to_string());
    let mut arguments = vec!["encoder", "--lengths", "8,mixed", "--rounds", "1", "--threads", "2"];
    arguments.extend(checkpoints.iter().map(String::as_str));
    let figures = bench(folder.path(), &arguments);
    let figures = figures.as_array().unwrap();
    assert_eq!(figures.len(), checkpoints.len() * 3 * 2, "a row for each family, precision and length mix");
    for figure in figures {
        assert!(figure["tokens_per_s"].as_f64().unwrap() > 0.0, "{figure}");
        assert!(figure["tokens_per_cpu_s"].as_f64().unwrap() > 0.0, "{figure}");
    }

    let page = corpus().join("documents/letter-complaint-clean-scan.png");
    let pages = bench(folder.path(), &["ocr", page.to_str().unwrap()]);
    assert!(pages[0]["words"].as_u64().unwrap() > 20, "{pages}");

    let documents = folder.path().join("documents");
    std::fs::create_dir(&documents).unwrap();
    std::fs::write(documents.join("a.txt"), TEXT).unwrap();
    std::fs::write(documents.join("none.pdf"), "%PDF-1.7 and nothing else").unwrap();
    let figures = bench(folder.path(), &["pipeline", documents.to_str().unwrap()]);
    let counts = ["documents", "understood", "dead"].map(|name| figures[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1], "{figures}");
    let shares = figures["stages"].as_array().unwrap().iter().map(|stage| stage["share"].as_f64().unwrap());
    assert!((shares.sum::<f64>() - 1.0).abs() < 1e-6, "{figures}");
}
