//! Small documents of many formats, encodings and compressions (tests/corpus/formats), read as they were written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::Value;
use std::collections::HashMap;

/// Of the words of its truth, how many must be in a document's text; and where it is read by OCR.
const WRITTEN: f64 = 0.999;
const READ: f64 = 0.95;

fn bag(text: &str) -> HashMap<String, usize> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && !"☒☐<".contains(c)).filter(|w| !w.is_empty());
    words.fold(HashMap::new(), |mut bag, word| {
        *bag.entry(word.to_owned()).or_default() += 1;
        bag
    })
}

#[test]
fn every_dialect_is_read_as_it_was_written() {
    let folder = root().join("tests/corpus/formats");
    let files: Vec<String> = names(&folder).into_iter().filter(|name| !name.ends_with(".truth")).collect();
    assert!(files.len() >= 52, "{files:?}");
    let data = tempfile::tempdir().unwrap();
    let mut command = quire(data.path());
    // What is clean needs one engine.
    command.args(["--set", "digitize.engine=tesseract", "convert", "--to", "json"]);
    let out = output(command.args(files.iter().map(|file| folder.join(file))));
    assert!(out.status.success(), "{}", stderr(&out));
    let mut weak = Vec::new();
    for (line, file) in stdout(&out).lines().zip(&files) {
        let read: Value = serde_json::from_str(line).unwrap();
        let pages = read["pages"].as_array().unwrap();
        let text = pages.iter().map(|page| page["text"].as_str().unwrap()).collect::<Vec<_>>().join("\n");
        let truth = std::fs::read_to_string(folder.join(format!("{file}.truth"))).unwrap();
        let (found, truth) = (bag(&text), bag(&truth));
        let both: usize = truth.iter().map(|(word, n)| *n.min(found.get(word).unwrap_or(&0))).sum();
        let recall = both as f64 / truth.values().sum::<usize>() as f64;
        println!("{recall:.3} {} {file}", read["media_type"].as_str().unwrap());
        let least = if pages[0]["source"] == "ocr" { READ } else { WRITTEN };
        if recall < least {
            weak.push(format!("{file}: {recall:.3}\n{text}"));
        }
        if file == "library-form.pdf" {
            let form = pages[0]["form"].as_array().unwrap();
            let values: Vec<_> = form.iter().map(|f| (f["name"].as_str().unwrap(), &f["value"])).collect();
            assert_eq!(values[0], ("family", &Value::from("Pemberton")));
            assert_eq!(
                (&form[2]["checked"], &form[3]["checked"]),
                (&true.into(), &false.into()),
                "{values:?}"
            );
        }
    }
    assert!(weak.is_empty(), "{}", weak.join("\n"));
}
