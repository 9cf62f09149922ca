//! Test data as it is published.

use anyhow::{Context, Result};
use std::ops::Range;
use std::path::Path;

/// NER test sets by name: files in the data's folder.
pub const NER: [(&str, &str); 4] = [
    ("WikiGold", "ner/wikigold.conll.txt"),
    ("WNUT-17 test", "ner/emerging.test.annotated"),
    ("Universal NER, English EWT test", "ner/uner.test.iob2"),
    ("Universal NER, German PUD", "ner/uner.de.iob2"),
];

/// A text with its names: bytes and type.
pub struct Names {
    /// Tokens, parted by single blanks.
    pub text: String,
    /// In order.
    pub names: Vec<(Range<usize>, String)>,
}

/// Sentences in CoNLL columns; none where there is no file.
pub fn names(path: &Path) -> Result<Vec<Names>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut sentences = Vec::new();
    let mut one = Names { text: String::new(), names: Vec::new() };
    let mut last = String::from("O");
    for line in read.lines().chain([""]) {
        if line.starts_with("# ") {
            continue;
        }
        let Some((token, tag)) = columns(line) else {
            let done = std::mem::replace(&mut one, Names { text: String::new(), names: Vec::new() });
            if !done.text.is_empty() && !done.text.starts_with("-DOCSTART-") {
                sentences.push(done);
            }
            "O".clone_into(&mut last);
            continue;
        };
        if !one.text.is_empty() {
            one.text.push(' ');
        }
        let start = one.text.len();
        one.text.push_str(token);
        if let Some((begin, kind)) = tag.split_once('-') {
            let kind = kind_of(kind);
            let goes_on = begin == "I" && last == kind;
            match one.names.last_mut().filter(|_| goes_on) {
                Some((bytes, _)) => bytes.end = one.text.len(),
                None => one.names.push((start..one.text.len(), kind.to_owned())),
            }
            kind.clone_into(&mut last);
        } else {
            "O".clone_into(&mut last);
        }
    }
    Ok(sentences)
}

/// A line's token and tag. Universal NER has five columns, of which the first is a number; others have
/// the token first and the tag last.
fn columns(line: &str) -> Option<(&str, &str)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    match columns.as_slice() {
        [number, token, tag, _, _] if number.bytes().all(|b| b.is_ascii_digit()) => Some((token, tag)),
        [token, .., tag] => Some((token, tag)),
        _ => None,
    }
}

/// WNUT-17's types are finer.
fn kind_of(name: &str) -> &str {
    match name {
        "person" => "PER",
        "location" => "LOC",
        "corporation" | "group" => "ORG",
        "product" | "creative-work" => "MISC",
        other => other,
    }
}

/// A set's name, and its pairs of sentences with their score.
pub type Pairs = (String, Vec<(f64, String, String)>);

/// The files `YEAR-NAME.tsv` of a folder, joined by year; none where there is no folder.
pub fn pairs(folder: &Path) -> Result<Vec<Pairs>> {
    let mut sets = std::collections::BTreeMap::<String, Vec<_>>::new();
    if !folder.exists() {
        return Ok(Vec::new());
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let Some((year, _)) = name.strip_suffix(".tsv").and_then(|n| n.split_once('-')) else { continue };
        let read =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let pair = |line: &str| {
            let mut columns = line.split('\t');
            let score = columns.next()?.parse::<f64>().ok()?;
            Some((score, columns.next()?.to_owned(), columns.next()?.to_owned()))
        };
        sets.entry(format!("STS {year}")).or_default().extend(read.lines().filter_map(pair));
    }
    Ok(sets.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.conll");
        std::fs::write(
            &path,
            "Ann\tB-person\nLee\tI-person\nof\tO\nAcme\tB-corporation\n\nRome I-LOC\nParis I-LOC\n",
        )
        .unwrap();
        let read = names(&path).unwrap();
        assert_eq!(read[0].text, "Ann Lee of Acme");
        assert_eq!(read[0].names, [(0..7, "PER".to_owned()), (11..15, "ORG".to_owned())]);
        assert_eq!(read[1].names, [(0..10, "LOC".to_owned())], "IOB1 goes on without a B-");
        assert!(names(&dir.path().join("none")).unwrap().is_empty());

        let five = "# text = Ann of Rome\n1\tAnn\tB-PER\t-\tx\n2\tof\tO\t-\t-\n3\t2024\tO\t-\t-\n";
        std::fs::write(&path, five).unwrap();
        let read = names(&path).unwrap();
        assert_eq!((read[0].text.as_str(), read[0].names.len()), ("Ann of 2024", 1));
    }
}
