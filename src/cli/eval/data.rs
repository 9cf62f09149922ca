//! Test data as it is published, and texts spoilt as a scanner or a typist would.

use anyhow::{Context, Result};
use std::fmt;
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

/// What was done to a text. Its bytes stay where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoiled {
    /// Nothing.
    Not,
    /// So many of a hundred letters and digits read wrongly.
    Misread(u64),
    /// All in capitals.
    Capitals,
}

impl Spoiled {
    /// All, the text as it is first.
    pub const ALL: &'static [Self] =
        &[Self::Not, Self::Misread(2), Self::Misread(5), Self::Misread(10), Self::Capitals];

    /// The text so spoilt; the same each time.
    pub fn apply(self, text: &str) -> String {
        match self {
            Self::Not => text.to_owned(),
            Self::Capitals => text.chars().map(|c| c.to_ascii_uppercase()).collect(),
            Self::Misread(percent) => {
                // SplitMix64 (Steele et al. 2014).
                let mut state = text.bytes().fold(percent, |s, b| s.wrapping_mul(31).wrapping_add(b.into()));
                let mut draw = || {
                    state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                    z ^ (z >> 31)
                };
                text.chars()
                    .map(|c| {
                        let wrong = c.is_ascii_alphanumeric() && draw() % 100 < percent;
                        if wrong { misread(c, draw()) } else { c }
                    })
                    .collect()
            }
        }
    }
}

impl fmt::Display for Spoiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Not => f.write_str("as it is"),
            Self::Misread(percent) => write!(f, "{percent} % of characters misread"),
            Self::Capitals => f.write_str("in capitals"),
        }
    }
}

/// Characters that look alike to a scanner.
const ALIKE: [(&str, &str); 10] = [
    ("l", "1iI"),
    ("i", "lj1"),
    ("I", "l1T"),
    ("o", "0ce"),
    ("O", "0QD"),
    ("e", "co"),
    ("S", "58"),
    ("a", "oe"),
    ("n", "ru"),
    ("0", "O8"),
];

fn misread(c: char, draw: u64) -> char {
    let other = ALIKE.iter().find(|(from, _)| from.starts_with(c)).map_or("rntcv", |(_, to)| to);
    let at = usize::try_from(draw % 1024).unwrap_or(0) % other.len().max(1);
    other.chars().nth(at).unwrap_or(c)
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

    #[test]
    fn spoilt_texts_keep_their_places() {
        let text = "The Öl company in Oslo sold 100 litres of oil, as it is said. ".repeat(20);
        for way in Spoiled::ALL {
            let spoilt = way.apply(&text);
            assert_eq!(spoilt.len(), text.len());
            assert_eq!(spoilt, way.apply(&text));
        }
        let changed =
            |way: Spoiled| text.bytes().zip(way.apply(&text).bytes()).filter(|(a, b)| a != b).count();
        let ten = changed(Spoiled::Misread(10)) as f64 / text.len() as f64;
        assert!((0.04..0.12).contains(&ten), "{ten}");
        assert!(changed(Spoiled::Misread(2)) < changed(Spoiled::Misread(5)));
    }
}
