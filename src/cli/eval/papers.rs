//! Summaries of papers (ACLSum): how much of what people wrote the extracted sentences have.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The file.
pub const PAPERS: &str = "summarization/test.jsonl";

/// Parts of a paper, in the order in which they are read.
const PARTS: [&str; 3] = ["abstract", "introduction", "conclusion"];

/// A paper and what people wrote of it.
pub struct Paper {
    /// Its sentences.
    pub sentences: Vec<String>,
    /// Problem, approach and outcome, in sentences of people.
    pub summary: String,
}

#[derive(Deserialize)]
struct Line {
    summary: BTreeMap<String, String>,
    sentences: BTreeMap<String, Vec<String>>,
}

/// The papers of a file; none where there is none.
pub fn papers(path: &Path) -> Result<Vec<Paper>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let paper = |line: &str| -> Result<Paper> {
        let mut line: Line =
            serde_json::from_str(line).with_context(|| format!("{}: not a paper", path.display()))?;
        let sentences = PARTS.iter().filter_map(|part| line.sentences.remove(*part)).flatten().collect();
        let told = ["challenge", "approach", "outcome"].iter().filter_map(|part| line.summary.remove(*part));
        Ok(Paper { sentences, summary: told.collect::<Vec<_>>().join(" ") })
    };
    read.lines().filter(|line| !line.trim().is_empty()).map(paper).collect()
}

/// ROUGE-1, ROUGE-2 and ROUGE-L as F1 (Lin 2004), without stemming: words in common, pairs of words in
/// common, and the longest common subsequence of words.
pub fn rouge(said: &str, wanted: &str) -> [f64; 3] {
    let (said, wanted) = (words(said), words(wanted));
    [
        grams(&said, &wanted, 1),
        grams(&said, &wanted, 2),
        f1(subsequence(&said, &wanted), said.len(), wanted.len()),
    ]
}

fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.map(str::to_lowercase).collect()
}

fn grams(said: &[String], wanted: &[String], length: usize) -> f64 {
    let mut open: HashMap<&[String], usize> = HashMap::new();
    wanted.windows(length).for_each(|gram| *open.entry(gram).or_default() += 1);
    let mut hits = 0;
    for gram in said.windows(length) {
        if let Some(left) = open.get_mut(gram).filter(|left| **left > 0) {
            *left -= 1;
            hits += 1;
        }
    }
    let count = |words: &[String]| (words.len() + 1).saturating_sub(length);
    f1(hits, count(said), count(wanted))
}

fn subsequence(said: &[String], wanted: &[String]) -> usize {
    let mut row = vec![0usize; wanted.len() + 1];
    for a in said {
        let mut diagonal = 0;
        let mut left = 0;
        for (b, above) in wanted.iter().zip(row.iter_mut().skip(1)) {
            let here = if a == b { diagonal + 1 } else { left.max(*above) };
            diagonal = std::mem::replace(above, here);
            left = here;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn f1(hits: usize, said: usize, wanted: usize) -> f64 {
    if said + wanted == 0 { 0.0 } else { 2.0 * hits as f64 / (said + wanted) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rouge_is_that_of_small_cases_done_by_hand() {
        assert_eq!(rouge("the cat sat", "The cat sat!"), [1.0; 3]);
        let [one, two, longest] = rouge("the cat the dog", "the dog saw the cat");
        assert!((one - 8.0 / 9.0).abs() < 1e-9, "{one}");
        assert!((two - 4.0 / 7.0).abs() < 1e-9, "{two}");
        assert!((longest - 4.0 / 9.0).abs() < 1e-9, "{longest}");
        assert_eq!(rouge("", "a"), [0.0; 3]);
    }

    #[test]
    fn papers_are_read_with_their_parts_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let line = r#"{"id": "x", "summary": {"outcome": "Good.", "challenge": "Hard."}, "sentences": {"introduction": ["B ."], "abstract": ["A ."]}}"#;
        std::fs::write(&path, format!("{line}\n\n")).unwrap();
        let read = papers(&path).unwrap();
        assert_eq!(
            (read[0].sentences.join(" "), read[0].summary.as_str()),
            ("A . B .".to_owned(), "Hard. Good.")
        );
        std::fs::write(&path, "{}").unwrap();
        assert!(papers(&path).is_err() && papers(&dir.path().join("none")).unwrap().is_empty());
    }
}
