//! The words of PDFs with a text layer, compared with what poppler's pdftotext finds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use std::collections::HashMap;
use std::process::Command;

/// Of the words that pdftotext finds, how many must be found.
const RECALL: f64 = 0.99;

fn bag(text: &str) -> HashMap<String, usize> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(HashMap::new(), |mut bag, word| {
        *bag.entry(word.to_owned()).or_default() += 1;
        bag
    })
}

#[test]
fn the_words_of_pdfs_are_those_that_pdftotext_finds() {
    if Command::new("pdftotext").arg("-v").output().is_err() {
        println!("skipped: there is no pdftotext (apt-get install poppler-utils)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut all, mut found, mut weak) = (0, 0, Vec::new());
    let written =
        |entry: &&Entry| entry.media_type == "application/pdf" && !entry.needs_ocr && entry.outcome == "done";
    for entry in manifest().iter().filter(written) {
        let path = root().join("tests/corpus/documents").join(&entry.file);
        let theirs = output(Command::new("pdftotext").args(["-enc", "UTF-8"]).arg(&path).arg("-"));
        assert!(theirs.status.success(), "{}", stderr(&theirs));
        let ours = output(quire(folder.path()).args(["convert", "--to", "text"]).arg(&path));
        assert!(ours.status.success(), "{}", stderr(&ours));
        let (theirs, ours) = (bag(&stdout(&theirs)), bag(&stdout(&ours)));
        let words: usize = theirs.values().sum();
        let both: usize = theirs.iter().map(|(word, n)| *n.min(ours.get(word).unwrap_or(&0))).sum();
        let recall = both as f64 / words.max(1) as f64;
        println!("{recall:.4} of {words:>6} words {}", entry.file);
        (all, found) = (all + words, found + both);
        if recall < RECALL {
            let missing: Vec<_> = theirs
                .iter()
                .filter(|(w, n)| ours.get(*w).unwrap_or(&0) < n)
                .map(|(w, _)| w)
                .take(12)
                .collect();
            weak.push(format!("{}: {recall:.4}, without {missing:?}", entry.file));
        }
    }
    println!("{:.4} of {all} words", found as f64 / all as f64);
    assert!(all > 1_000, "no PDFs were compared");
    assert!(weak.is_empty(), "{}", weak.join("\n"));
}
