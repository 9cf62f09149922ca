//! The words of PDFs with a text layer, compared with what poppler's pdftotext finds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
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

/// Of the words that OCR read, how many `pdftotext` must find in the PDF that is made of them.
const SEARCHABLE: f64 = 0.99;

#[test]
fn searchable_pdfs_say_the_words_that_were_read() {
    if Command::new("pdftotext").arg("-v").output().is_err() {
        println!("skipped: there is no pdftotext (apt-get install poppler-utils)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let convert = |to: &str, path: &Path| {
        let out = output(quire(folder.path()).args(["convert", "--to", to]).arg(path));
        assert!(out.status.success(), "{}: {}", path.display(), stderr(&out));
        out
    };
    // Several pages, turned ones, a photograph, a page among text, text of which Windows-1252 has not all.
    std::fs::write(folder.path().join("note.txt"), "Preis: 12 € für Žofie,\nцена ☒ 日本語 und mehr.\n")
        .unwrap();
    let scans = [
        "lease-three-pages.tif",
        "letter-rotated-90.png",
        "report-rotated-180.png",
        "receipt-photographed.jpg",
        "minutes-text-and-scanned-page.pdf",
    ];
    let scans = scans.map(|name| root().join("tests/corpus/documents").join(name));
    let note = folder.path().join("note.txt");
    for path in scans.iter().chain([&note]) {
        let read = convert("json", path);
        let read: Value = serde_json::from_str(&stdout(&read)).unwrap();
        let pages = read["pages"].as_array().unwrap();
        let whole = pages.iter().map(|page| page["text"].as_str().unwrap()).collect::<Vec<_>>().join("\n");
        let words = pages.iter().flat_map(|page| page["words"].as_array().unwrap());
        let words: Vec<&str> = words.map(|word| word["text"].as_str().unwrap()).collect();
        // A page of words in places says those, parts of hyphenated ones apart; others say their text.
        let expected = bag(&if words.is_empty() { whole } else { words.join(" ") });

        let made = folder.path().join("made.pdf");
        std::fs::write(&made, convert("pdf-text", path).stdout).unwrap();
        let theirs = output(Command::new("pdftotext").args(["-enc", "UTF-8"]).arg(&made).arg("-"));
        assert!(
            theirs.status.success() && theirs.stderr.is_empty(),
            "{}: {}",
            path.display(),
            stderr(&theirs)
        );
        let theirs = bag(&stdout(&theirs));
        let all: usize = expected.values().sum();
        let both: usize = expected.iter().map(|(word, n)| *n.min(theirs.get(word).unwrap_or(&0))).sum();
        let recall = both as f64 / all as f64;
        println!("{recall:.4} of {all:>5} words {}", path.display());
        assert!(all > 5 && recall >= SEARCHABLE, "{}: {recall:.4}", path.display());

        // Read again, it needs no OCR and says the same.
        let again = convert("json", &made);
        let again: Value = serde_json::from_str(&stdout(&again)).unwrap();
        assert_eq!(again["pages"].as_array().unwrap().len(), pages.len());
        let text: Vec<&str> =
            again["pages"].as_array().unwrap().iter().map(|page| page["text"].as_str().unwrap()).collect();
        assert!(again["pages"].as_array().unwrap().iter().all(|page| page["source"] == "text-layer"));
        let ours = bag(&text.join(" "));
        let both: usize = expected.iter().map(|(word, n)| *n.min(ours.get(word).unwrap_or(&0))).sum();
        assert!(both as f64 >= 0.95 * all as f64, "{}: {both} of {all} read again", path.display());
    }
    // What needs no OCR stays as it is.
    let written = root().join("tests/corpus/documents/annual-report.pdf");
    assert_eq!(convert("pdf-text", &written).stdout, std::fs::read(&written).unwrap());
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
