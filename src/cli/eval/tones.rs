//! Tones: SST-2, and texts that twenty people each rated (Hutto and Gilbert 2014).

use crate::document::sha256_hex;
use anyhow::{Context, Result};
use std::path::Path;

/// A rating in `-EDGE ..= EDGE` is neutral, as in models/train/sentiment.py.
const EDGE: f64 = 0.5;

/// The files of rated texts, of which a tenth was left out of training.
const RATED: [&str; 4] = ["amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets", "tweets"];

/// Texts in other languages than the models': set, file of `text<TAB>label`.
const ELSEWHERE: [(&str, &str); 3] = [
    ("tweets, German", "tones.de.tsv"),
    ("tweets, French", "tones.fr.tsv"),
    ("tweets, Spanish", "tones.es.tsv"),
];
const THREE: &[&str] = &["negative", "neutral", "positive"];

/// A text and its tone.
pub struct Tone {
    /// The text.
    pub text: String,
    /// `positive`, `neutral` or `negative`.
    pub label: &'static str,
}

/// Texts that are positive or negative, or any of three.
pub struct ToneSet {
    /// For people.
    pub name: &'static str,
    /// The tones that its texts have.
    pub labels: &'static [&'static str],
    /// The texts.
    pub texts: Vec<Tone>,
}

/// The sets that are in the data's folder.
pub fn sets(data: &Path) -> Result<Vec<ToneSet>> {
    let folder = data.join("sentiment");
    let mut rated = Vec::new();
    for file in RATED {
        let read = read(&folder.join(format!("{file}_GroundTruth.txt")))?;
        rated.extend(read.lines().filter_map(|line| held_out(file, line)));
    }
    let sst = read(&folder.join("sst2.dev.tsv"))?.lines().filter_map(binary).collect();
    let mut sets = vec![
        ToneSet { name: "SST-2 dev", labels: &["negative", "positive"], texts: sst },
        ToneSet { name: "rated texts, held out", labels: THREE, texts: rated },
    ];
    for (name, file) in ELSEWHERE {
        let texts = read(&folder.join(file))?.lines().filter_map(labelled).collect();
        sets.push(ToneSet { name, labels: THREE, texts });
    }
    Ok(sets.into_iter().filter(|set| !set.texts.is_empty()).collect())
}

/// Nothing where there is no file.
fn read(path: &Path) -> Result<String> {
    if !path.exists() {
        return Ok(String::new());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn binary(line: &str) -> Option<Tone> {
    let (text, label) = line.rsplit_once('\t')?;
    let label = if label.trim() == "1" { "positive" } else { "negative" };
    Some(Tone { text: text.to_owned(), label })
}

fn labelled(line: &str) -> Option<Tone> {
    let (text, label) = line.rsplit_once('\t')?;
    let label = THREE.iter().find(|known| **known == label.trim())?;
    Some(Tone { text: text.to_owned(), label })
}

/// A rated text of a review that models/train/sentiment.py keeps for measuring.
fn held_out(file: &str, line: &str) -> Option<Tone> {
    let mut columns = line.split('\t');
    let (name, rating, text) = (columns.next()?, columns.next()?, columns.next()?);
    let review = name.split('_').next().unwrap_or(name);
    let hash = sha256_hex(format!("{file}/{review}").as_bytes());
    if u8::from_str_radix(hash.get(..2)?, 16).ok()? % 10 != 0 {
        return None;
    }
    let rating: f64 = rating.trim().parse().ok()?;
    let label = match rating {
        r if r < -EDGE => "negative",
        r if r > EDGE => "positive",
        _ => "neutral",
    };
    Some(Tone { text: text.trim().to_owned(), label })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_are_read_and_most_rated_texts_were_for_training() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sentiment");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("sst2.dev.tsv"), "a dull film\t0\nfine\t1\n").unwrap();
        std::fs::write(folder.join("tones.de.tsv"), "ganz nett\tpositive\nja\tother\n").unwrap();
        let lines: String = (0..1000).map(|i| format!("{i}_1\t{}\tit was so\n", i % 3 - 1)).collect();
        std::fs::write(folder.join("tweets_GroundTruth.txt"), lines).unwrap();
        let sets = sets(dir.path()).unwrap();
        assert_eq!(sets[0].texts.iter().map(|t| t.label).collect::<Vec<_>>(), ["negative", "positive"]);
        assert!((60..150).contains(&sets[1].texts.len()), "{}", sets[1].texts.len());
        for label in sets[1].labels {
            assert!(sets[1].texts.iter().any(|t| t.label == *label));
        }
        assert_eq!((sets[2].name, sets[2].texts.len()), ("tweets, German", 1), "unknown tones are left out");
    }
}
