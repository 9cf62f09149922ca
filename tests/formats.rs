//! The whole corpus through the real program, compared with its truth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Kinds that are guessed right: measured 0.79 of 58 (docs/kinds.md), less a margin.
const KINDS_RIGHT: f64 = 0.74;
/// Names of the manifest that the model finds.
const NAMES_FOUND: f64 = 0.4;
/// The page that is half English and half German: either is right, and quire says German.
const LANGUAGE_EXCEPTIONS: [&str; 1] = ["house-rules-english-german-scan.png"];

/// What was measured of one document.
struct Row {
    file: String,
    f1: f64,
    floor: f64,
    line: String,
}

#[test]
fn the_corpus_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let manifest = manifest();
    manifest.iter().for_each(|entry| drop_file(data, &entry.file, &entry.bytes()));
    run_once(data, &[]);

    let mut problems = Vec::new();
    for entry in manifest.iter().filter(|e| e.outcome == "dead") {
        dead(data, entry, &mut problems);
    }
    let good: Vec<(&Entry, Value)> = manifest
        .iter()
        .filter(|e| e.outcome == "done")
        .map(|entry| (entry, result(data, &id_of(&entry.bytes()))))
        .collect();
    let mut rows: Vec<Row> = good.iter().map(|(entry, result)| done(entry, result, &mut problems)).collect();
    for (entry, result) in &good {
        confidences(&entry.file, result, &mut problems);
        offsets(&entry.file, result, &mut problems);
    }
    rows.sort_by(|a, b| a.f1.total_cmp(&b.f1));
    println!("   F1   OCR kind (share) found; names found of those in the truth; tone");
    rows.iter().for_each(|row| println!("{:.3} {} {}", row.f1, row.line, row.file));
    let weak: Vec<_> = rows.iter().filter(|r| r.f1 < 0.9).map(|r| r.file.as_str()).collect();
    println!("F1 below 0.9: {weak:?}");
    for row in rows.iter().filter(|row| row.f1 < row.floor) {
        problems.push(format!("{}: F1 {:.3}, below {}", row.file, row.f1, row.floor));
    }
    overall(&good, &mut problems);
    neighbours(data, &manifest, &mut problems);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

fn dead(data: &Path, entry: &Entry, problems: &mut Vec<String>) {
    let name = format!("{}~{}", id_of(&entry.bytes()), entry.file);
    let path = data.join("dead").join(format!("{name}.cause.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        problems.push(format!("{}: is not dead", entry.file));
        return;
    };
    assert!(data.join("dead").join(&name).exists(), "{name} is not beside its cause");
    let letter: Value = serde_json::from_str(&text).unwrap();
    let failure = &letter["failure"];
    println!("{}: {}", entry.file, failure["reason"].as_str().unwrap());
    let class = failure["class"].as_str().unwrap();
    if Some(class) != entry.cause.as_deref() {
        problems.push(format!("{}: {class}, should be {:?}", entry.file, entry.cause));
    }
    let said = |value: &Value| value.as_str().is_some_and(|text| text.len() >= 5);
    let whole = letter["name"] == entry.file.as_str() && said(&failure["stage"]);
    if !whole || !said(&failure["reason"]) || !said(&failure["remedy"]) {
        problems.push(format!("{}: the cause leaves something out: {text}", entry.file));
    }
}

/// How well text must be read, by how it came to be.
fn floor(entry: &Entry) -> f64 {
    let has = |word: &str| entry.file.contains(word);
    match () {
        () if has("noisy") => 0.75,
        () if has("photographed") => 0.8,
        // The truth leaves out what quire keeps: the headers of a mail and the names of what is
        // attached, the navigation of a page. Nothing of the truth may be missing: see `recall`.
        () if has("attachment") => 0.75,
        () if entry.media_type == "message/rfc822" => 0.8,
        () if has("navigation") => 0.9,
        () => 0.95,
    }
}

fn done(entry: &Entry, result: &Value, problems: &mut Vec<String>) -> Row {
    let file = &entry.file;
    let mut expect = |what: &str, found: &Value, expected: Value| {
        if *found != expected {
            problems.push(format!("{file}: {what} is {found}, should be {expected}"));
        }
    };
    expect("media_type", &result["media_type"], entry.media_type.as_str().into());
    expect("coverage", &result["coverage"], 1.0.into());
    if let Some(pages) = entry.pages {
        expect("pages", &result["pages"].as_array().unwrap().len().into(), pages.into());
    }
    if let Some(language) =
        entry.language.as_deref().filter(|_| !LANGUAGE_EXCEPTIONS.contains(&file.as_str()))
    {
        expect("language", &result["language"]["label"], language.into());
    }
    expect("OCR", &result["ocr_confidence"].is_number().into(), entry.needs_ocr.into());

    let text = result["text"].as_str().unwrap();
    let truth = std::fs::read_to_string(corpus().join(entry.truth.as_ref().unwrap())).unwrap();
    let within = entry.entities.iter().filter(|name| flat(text).contains(&flat(name))).count();
    if within * 2 < entry.entities.len() {
        problems.push(format!("{file}: {within} of {:?} are in its text", entry.entities));
    }
    let (f1, recall) = compare(text, &truth);
    if !entry.needs_ocr && recall < 0.98 {
        problems.push(format!("{file}: {recall:.3} of the words of its truth are in its text"));
    }
    let ocr = result["ocr_confidence"].as_f64().map_or_else(|| "   –".to_owned(), |c| format!("{c:.2}"));
    let line = format!(
        "{ocr} {:<12} ({:.2}) {} {}/{} {}",
        result["kind"]["label"].as_str().unwrap(),
        result["kind"]["confidence"].as_f64().unwrap(),
        if kind_right(entry, result) { "✓" } else { "✗" },
        names_found(entry, result),
        entry.entities.len(),
        result["sentiment"]["label"].as_str().unwrap_or("–"),
    );
    Row { file: file.clone(), f1, floor: floor(entry), line }
}

/// Lower case on one line: a name may be broken over two.
fn flat(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Words with how often they occur.
fn bag(text: &str) -> HashMap<String, usize> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty());
    words.fold(HashMap::new(), |mut bag, word| {
        *bag.entry(word.to_owned()).or_default() += 1;
        bag
    })
}

/// Word F1 of bags of words, 2 |A∩B| / (|A| + |B|), and the recall of the truth, |A∩B| / |B|.
fn compare(found: &str, truth: &str) -> (f64, f64) {
    let (a, b) = (bag(found), bag(truth));
    let both: usize = a.iter().map(|(word, n)| *n.min(b.get(word).unwrap_or(&0))).sum();
    let (found, expected): (usize, usize) = (a.values().sum(), b.values().sum());
    (2.0 * both as f64 / (found + expected).max(1) as f64, both as f64 / expected.max(1) as f64)
}

fn kind_right(entry: &Entry, result: &Value) -> bool {
    entry.kind.as_deref().is_none_or(|kind| result["kind"]["label"] == kind)
}

/// Names of the manifest that an entity contains, or the other way round.
fn names_found(entry: &Entry, result: &Value) -> usize {
    let found: Vec<String> =
        result["entities"].as_array().unwrap().iter().map(|e| flat(e["text"].as_str().unwrap())).collect();
    let is_found = |name: &&String| {
        let name = flat(name);
        found.iter().any(|f| f.contains(&name) || (f.len() > 3 && name.contains(f.as_str())))
    };
    entry.entities.iter().filter(is_found).count()
}

fn confidences(file: &str, result: &Value, problems: &mut Vec<String>) {
    let mut check = |what: &str, value: &Value| {
        if !value.as_f64().is_some_and(|c| (0.0..=1.0).contains(&c)) {
            problems.push(format!("{file}: the confidence of {what} is {value}"));
        }
    };
    check("the kind", &result["kind"]["confidence"]);
    check("the language", &result["language"]["confidence"]);
    if !result["sentiment"].is_null() {
        check("the sentiment", &result["sentiment"]["confidence"]);
        let scores = result["sentiment"]["scores"].as_object().unwrap();
        let sum: f64 = scores.values().map(|s| s.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{file}: tones sum to {sum}");
    }
    for entity in result["entities"].as_array().unwrap() {
        check("an entity", &entity["confidence"]);
        entity["mentions"].as_array().unwrap().iter().for_each(|m| check("a mention", &m["confidence"]));
    }
}

/// Offsets count characters and lie where they say.
fn offsets(file: &str, result: &Value, problems: &mut Vec<String>) {
    let text: Vec<char> = result["text"].as_str().unwrap().chars().collect();
    let slice = |part: &Value| -> Option<String> {
        let (start, end) = (part["start"].as_u64()? as usize, part["end"].as_u64()? as usize);
        (start < end).then_some(())?;
        Some(text.get(start..end)?.iter().collect())
    };
    let pages = result["pages"].as_array().unwrap();
    let on_its_page = |part: &Value| {
        let page = &pages[part["page"].as_u64().unwrap() as usize - 1];
        let at = |value: &Value, key: &str| value[key].as_u64().unwrap();
        at(page, "start") <= at(part, "start") && at(part, "end") <= at(page, "end")
    };
    let mut covered = vec![false; text.len()];
    for passage in result["passages"].as_array().unwrap() {
        match slice(passage) {
            Some(_) if on_its_page(passage) => {
                let range =
                    passage["start"].as_u64().unwrap() as usize..passage["end"].as_u64().unwrap() as usize;
                covered[range].iter_mut().for_each(|c| *c = true);
            }
            _ => problems.push(format!("{file}: passage {passage} is not within its page")),
        }
    }
    let lost = text.iter().zip(&covered).filter(|(c, covered)| !**covered && !c.is_whitespace()).count();
    if lost > 0 {
        problems.push(format!("{file}: {lost} characters are in no passage"));
    }
    for sentence in result["summary"].as_array().unwrap() {
        let said = flat(sentence["text"].as_str().unwrap());
        if slice(sentence).map(|s| flat(&s)).as_ref() != Some(&said) {
            problems.push(format!("{file}: the summary is not at {sentence}"));
        }
    }
    for entity in result["entities"].as_array().unwrap() {
        let mut spelt = Vec::new();
        for mention in entity["mentions"].as_array().unwrap() {
            match slice(mention).filter(|_| on_its_page(mention)) {
                Some(text) => spelt.push(flat(&text)),
                None => problems.push(format!("{file}: no mention at {mention}")),
            }
        }
        if !spelt.contains(&flat(entity["text"].as_str().unwrap())) {
            problems.push(format!("{file}: {} is never spelt so: {spelt:?}", entity["text"]));
        }
    }
}

fn overall(good: &[(&Entry, Value)], problems: &mut Vec<String>) {
    let names: usize = good.iter().map(|(entry, _)| entry.entities.len()).sum();
    let found: usize = good.iter().map(|(entry, result)| names_found(entry, result)).sum();
    let recall = found as f64 / names as f64;
    println!("names found: {found} of {names} ({recall:.2})");
    if recall < NAMES_FOUND {
        problems.push(format!("{found} of {names} names were found"));
    }
    let kinds: Vec<_> = good.iter().filter(|(entry, _)| entry.kind.is_some()).collect();
    let right = kinds.iter().filter(|(entry, result)| kind_right(entry, result)).count();
    let share = right as f64 / kinds.len() as f64;
    println!("kinds right: {right} of {} ({share:.2})", kinds.len());
    if share < KINDS_RIGHT {
        problems.push(format!("{right} of {} kinds are right", kinds.len()));
    }
    let toned: Vec<_> = good.iter().filter_map(|(e, r)| Some((e.sentiment.as_deref()?, r))).collect();
    let right = toned.iter().filter(|(tone, result)| result["sentiment"]["label"] == *tone).count();
    println!("tones right: {right} of {}", toned.len());
}

/// Documents with nearly the same text find each other.
fn neighbours(data: &Path, manifest: &[Entry], problems: &mut Vec<String>) {
    for entry in manifest {
        let Some(other) = &entry.similar else { continue };
        let (id, other_id) = (id_of(&entry.bytes()), id_of(&document(other)));
        let out = output(quire(data).args(["search", "--like", &id, "-n", "3", "--json"]));
        assert!(out.status.success(), "{}", stderr(&out));
        let hits = json(&out);
        let rank = hits.as_array().unwrap().iter().position(|hit| hit["id"] == other_id.as_str());
        let first = &hits[0];
        println!("like {}: {other} at {rank:?}; first {} {}", entry.file, first["name"], first["similarity"]);
        if rank.is_none() {
            problems.push(format!("{other} is not among the three most like {}", entry.file));
        }
    }
}
