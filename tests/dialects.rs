//! Small documents of many formats, encodings and compressions (tests/corpus/formats), read as they were written, with all
//! that is in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use quire::decode::{FamilyLimits, Limits, decode};
use quire::document::Page;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Documents with golden text that the corpus has at least, here and in the manifest.
const GOLDEN: usize = 150;
/// Of the words of its truth, how many must be in a document's text; and where it is read by OCR.
const WRITTEN: f64 = 0.999;
const READ: f64 = 0.95;
/// Where reading order is not that of the truth: cells of a page are beside each other, notes are at another place.
/// Columns of a few lines are read across. Of an archive within an archive the names of its files stand before what is in them.
const OTHER_ORDER: &[&str] =
    &["reportlab-columns.pdf", "typst.pdf", "nested-gnu.tar.gz", "nested-pax.tar", "nested.zip"];

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && !"☒☐<".contains(c)).filter(|w| !w.is_empty());
    words.map(str::to_owned).collect()
}

fn bag(words: &[String]) -> HashMap<&str, usize> {
    words.iter().fold(HashMap::new(), |mut bag, word| {
        *bag.entry(word.as_str()).or_default() += 1;
        bag
    })
}

/// How much of the truth is in the text.
fn recall(text: &[String], truth: &[String]) -> f64 {
    let (found, expected) = (bag(text), bag(truth));
    let both: usize = expected.iter().map(|(word, n)| *n.min(found.get(word).unwrap_or(&0))).sum();
    both as f64 / truth.len() as f64
}

/// The first word of the truth that does not stand behind those before it.
fn out_of_order<'t>(text: &[String], truth: &'t [String]) -> Option<&'t str> {
    let mut text = text.iter();
    truth.iter().find(|word| !text.any(|found| found == *word)).map(String::as_str)
}

/// The text of all that is within a document, and within that.
fn within(bytes: &[u8], name: &str, levels: u32) -> String {
    let family = FamilyLimits { levels, documents: 100, bytes: 64 << 20, attachments: 100, expansion: 250 };
    let (max_expanded_bytes, max_pixels) = (64 << 20, 20_000_000);
    let limits =
        Limits { max_pages: 100, max_expanded_bytes, max_pixels, min_layer_chars: 16, dpi: 200, family };
    let mut text = String::new();
    for child in decode(bytes, name, None, &limits).unwrap().children {
        let read = decode(&child.bytes, child.name(), child.declared.as_deref(), &limits).unwrap();
        for page in read.pages {
            let Page::Text(page) = page else { panic!("{name}: {} is a picture", child.path) };
            text += &format!("{}\n", page.text);
        }
        text += &within(&child.bytes, child.name(), levels - 1);
    }
    text
}

fn files() -> (PathBuf, Vec<String>) {
    let folder = root().join("tests/corpus/formats");
    let files = names(&folder).into_iter().filter(|name| !name.ends_with(".truth")).collect();
    (folder, files)
}

fn truth(folder: &Path, file: &str) -> Vec<String> {
    words(&std::fs::read_to_string(folder.join(format!("{file}.truth"))).unwrap())
}

/// A document counts if it has a truth of its own that is not empty, and no other has its bytes.
#[test]
fn the_corpus_has_golden_text_for_many_documents() {
    let (folder, files) = files();
    let here = files.iter().map(|file| (std::fs::read(folder.join(file)).unwrap(), truth(&folder, file)));
    let listed = manifest().into_iter().filter(|entry| entry.outcome == "done").map(|entry| {
        let truth = std::fs::read_to_string(corpus().join(entry.truth.as_ref().unwrap())).unwrap();
        (entry.bytes(), words(&truth))
    });
    let golden: std::collections::HashSet<Vec<u8>> =
        here.chain(listed).filter(|(_, truth)| !truth.is_empty()).map(|(bytes, _)| bytes).collect();
    println!("{} documents with golden text, {} of them in formats/", golden.len(), files.len());
    assert!(golden.len() >= GOLDEN, "{}", golden.len());
}

#[test]
fn every_dialect_is_read_as_it_was_written() {
    let (folder, files) = files();
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
        let mut text = pages.iter().map(|page| page["text"].as_str().unwrap()).collect::<Vec<_>>().join("\n");
        if !read["children"].as_array().unwrap().is_empty() {
            text.push('\n');
            text += &within(&std::fs::read(folder.join(file)).unwrap(), file, 5);
        }
        let (found, truth) = (words(&text), truth(&folder, file));
        let recall = recall(&found, &truth);
        println!("{recall:.3} {} {file}", read["media_type"].as_str().unwrap());
        let ocr = pages.iter().any(|page| page["source"] == "ocr");
        let astray = out_of_order(&found, &truth).filter(|_| !ocr && !OTHER_ORDER.contains(&file.as_str()));
        let least = if ocr { READ } else { WRITTEN };
        if recall < least {
            weak.push(format!("{file}: {recall:.3}\n{text}"));
        } else if let Some(word) = astray {
            weak.push(format!("{file}: not in its place: {word}\n{text}"));
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
