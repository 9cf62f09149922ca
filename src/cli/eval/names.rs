//! Names: those of sentences by the model alone, those of documents by model and rules together.

use super::data::Names;
use super::score::{self, Judged, Tally};
use super::spoil::Spoiled;
use super::{Row, Runner};
use crate::document::PageText;
use crate::feed::language;
use crate::interpret::{mentions, names_of};
use crate::tasks::HeadOf;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Documents that models/train/names/make.py writes: set, file, language.
pub const DOCUMENTS: [(&str, &str, &str); 3] = [
    ("documents, families for development", "ner/documents-dev.jsonl", "en"),
    ("documents", "ner/documents-test.jsonl", "en"),
    ("documents, German", "ner/documents-test.jsonl", "de"),
];

/// Streets are places to some and part of an address to others: what is said of them is not counted.
const OPEN: &str = "STREET";
/// Not annotated in documents.
const OTHER: &str = "MISC";

/// A document with its names: bytes and type.
#[derive(Deserialize)]
pub struct Document {
    language: String,
    text: String,
    names: Vec<(usize, usize, String)>,
}

/// The documents of a file in one language; none where there is no file.
pub fn documents(path: &Path, language: &str) -> Result<Vec<Document>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let document = |line: &str| -> Result<Document> {
        serde_json::from_str(line).with_context(|| format!("{}: not a document", path.display()))
    };
    let all = read.lines().map(document).collect::<Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|document| document.language == language).collect())
}

/// Exact places and types, with MISC and without.
pub fn sentences<'n>(
    runner: &mut Runner,
    head: &HeadOf,
    set: &str,
    way: Spoiled,
    sentences: impl Iterator<Item = &'n Names>,
) -> Result<Vec<Row>> {
    let sentences: Vec<&Names> = sentences.collect();
    let spoil = |s: &&Names| {
        let places: Vec<Range<usize>> = s.names.iter().map(|(place, _)| place.clone()).collect();
        way.apply(&s.text, &places)
    };
    let (texts, places): (Vec<String>, Vec<Vec<Range<usize>>>) = sentences.iter().map(spoil).unzip();
    let (mut all, mut narrow) = (Vec::new(), Vec::new());
    let (mut judged, mut judged_narrow) = (Judged::default(), Judged::default());
    let windows = runner.run(&texts)?;
    for (((sentence, places), text), windows) in sentences.iter().zip(&places).zip(&texts).zip(windows) {
        let labels = sentence.names.iter().map(|(_, label)| label);
        let truth: Vec<(&Range<usize>, &String)> = places.iter().zip(labels).collect();
        let (mut tally, mut less) = (Tally::default(), Tally::default());
        for (_, label) in &truth {
            tally.true_ += 1;
            less.true_ += usize::from(*label != OTHER);
        }
        let language = language(&[PageText::plain(text.as_str())], None);
        for (window, output) in windows {
            let scores = output.heads.get(head.head).map(Vec::as_slice).unwrap_or_default();
            for (label, bytes, confidence) in mentions(&window, scores, head, &language, text) {
                let right = truth.contains(&(&bytes, &label));
                judged.add(confidence, right);
                if label != OTHER {
                    judged_narrow.add(confidence, right);
                }
                let counted = usize::from(label != OTHER);
                tally.said += 1;
                tally.hit += usize::from(right);
                less.said += counted;
                less.hit += counted * usize::from(right);
            }
        }
        all.push(tally);
        narrow.push(less);
    }
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let narrow = row(set, way, "entity F1 without MISC".to_owned(), &narrow, &judged_narrow);
    // A set without MISC does not annotate it.
    let annotated = sentences.iter().any(|s| s.names.iter().any(|(_, label)| label == OTHER));
    let whole = row(set, way, "entity F1".to_owned(), &all, &judged);
    Ok(if annotated { vec![whole, narrow] } else { vec![narrow] })
}

/// Names of every type as a result has them: the model's and those of rules, of at least `least`
/// confidence. All together first, then each type.
pub fn of_documents(
    runner: &mut Runner,
    head: &HeadOf,
    set: &str,
    way: Spoiled,
    documents: &[Document],
    least: f32,
) -> Result<Vec<Row>> {
    let texts: Vec<String> = documents.iter().map(|d| way.apply(&d.text, &[]).0).collect();
    let mut all: Vec<Tally> = vec![Tally::default(); documents.len()];
    let mut each: BTreeMap<String, (Vec<Tally>, Judged)> = BTreeMap::new();
    let mut judged = Judged::default();
    for (at, ((document, text), windows)) in documents.iter().zip(&texts).zip(runner.run(&texts)?).enumerate()
    {
        let mut count = |label: &str, said: Option<(f32, bool)>| {
            let (tallies, judged_here) = each.entry(label.to_owned()).or_default();
            tallies.resize(documents.len(), Tally::default());
            for tally in [all.get_mut(at), tallies.get_mut(at)].into_iter().flatten() {
                match said {
                    Some((_, right)) => {
                        tally.said += 1;
                        tally.hit += usize::from(right);
                    }
                    None => tally.true_ += 1,
                }
            }
            if let Some((confidence, right)) = said {
                judged.add(confidence, right);
                judged_here.add(confidence, right);
            }
        };
        let (open, truth): (Vec<_>, Vec<_>) = document.names.iter().partition(|(.., label)| label == OPEN);
        truth.iter().for_each(|(.., label)| count(label, None));
        let page = PageText::plain(text.as_str());
        let language = language(std::slice::from_ref(&page), None);
        for (label, bytes, confidence) in names_of(&page, &windows, head, &language, least) {
            let unsaid = open.iter().any(|(start, end, _)| bytes.start < *end && *start < bytes.end);
            if label != OTHER && !unsaid {
                let right =
                    truth.iter().any(|(start, end, other)| (*start..*end) == bytes && *other == label);
                count(&label, Some((confidence, right)));
            }
        }
    }
    if documents.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = vec![row(set, way, "F1 of model and rules".to_owned(), &all, &judged)];
    if way == Spoiled::Not {
        rows.extend(
            each.iter()
                .map(|(label, (tallies, judged))| row(set, way, format!("F1 {label}"), tallies, judged)),
        );
    }
    Ok(rows)
}

fn row(set: &str, way: Spoiled, measure: String, tallies: &[Tally], judged: &Judged) -> Row {
    Row {
        task: "ner",
        set: set.to_owned(),
        text: way.to_string(),
        measure,
        figure: score::interval(tallies, score::f1),
        calibration_error: Some(judged.error()),
        confidence: Some(judged.mean()),
        count: tallies.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_by_language() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let line = |language: &str| {
            format!(
                r#"{{"family": "a", "kind": "letter", "language": "{language}", "text": "Öl Ann", "names": [[4, 7, "PER"]]}}"#
            )
        };
        std::fs::write(&path, format!("{}\n{}\n", line("en"), line("de"))).unwrap();
        let read = documents(&path, "en").unwrap();
        assert_eq!((read.len(), &read[0].text[4..7]), (1, "Ann"));
        assert_eq!(read[0].names, [(4, 7, "PER".to_owned())]);
        assert!(documents(&dir.path().join("none"), "en").unwrap().is_empty());
    }
}
