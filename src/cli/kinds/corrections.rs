//! Examples that people made by deciding: what `quire review export` writes.

use super::folder::is_kind;
use crate::review::Lesson;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Decisions to learn from, and those that say too little.
#[derive(Default)]
pub struct Corrections {
    /// The last line about each content.
    pub lessons: Vec<Lesson>,
    /// What is left out, in words.
    pub left_out: Vec<String>,
}

/// Reads a file of lines; `folder` says how many examples of each kind there are beside it.
///
/// Errors: what is wrong with which line.
pub fn read(path: &Path, folder: &BTreeMap<String, usize>, least: usize) -> Result<Corrections> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    // A document that was sent under two names is one example.
    let mut lessons: BTreeMap<String, Lesson> = BTreeMap::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.with_context(|| format!("cannot read {shown}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = || format!("{shown}, line {number}: is no line of `quire review export`");
        let lesson: Lesson = serde_json::from_str(&line).with_context(wrong)?;
        lessons.insert(lesson.sha256.clone(), lesson);
    }
    if lessons.is_empty() {
        bail!(
            "{shown}: holds no decisions; `quire review export > FILE` writes what was approved and corrected"
        );
    }
    Ok(choose(lessons.into_values().collect(), folder, least))
}

/// Leaves out what no kind can be learned from.
fn choose(lessons: Vec<Lesson>, folder: &BTreeMap<String, usize>, least: usize) -> Corrections {
    let mut counts = folder.clone();
    for lesson in lessons.iter().filter(|lesson| is_usable(lesson)) {
        *counts.entry(lesson.kind.clone()).or_default() += 1;
    }
    let mut found = Corrections::default();
    let mut few: BTreeMap<String, usize> = BTreeMap::new();
    for lesson in lessons {
        if !is_kind(&lesson.kind) {
            let kind = &lesson.kind;
            found.left_out.push(format!(
                "{}: `{kind}` is no name of a kind: small letters, digits and - only",
                lesson.id
            ));
        } else if lesson.text.trim().is_empty() {
            found.left_out.push(format!("{}: it has no text", lesson.id));
        } else if counts.get(&lesson.kind).is_none_or(|count| *count < least) {
            *few.entry(lesson.kind).or_default() += 1;
        } else {
            found.lessons.push(lesson);
        }
    }
    let few =
        few.iter().map(|(kind, count)| format!("{count} of the kind {kind}: {least} are needed at least"));
    found.left_out.extend(few);
    found
}

fn is_usable(lesson: &Lesson) -> bool {
    is_kind(&lesson.kind) && !lesson.text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, sha256: &str, kind: &str, text: &str) -> String {
        serde_json::json!({
            "id": id, "sha256": sha256, "action": "correct", "text": text, "kind_found": "letter", "kind": kind,
            "fields_found": {}, "fields": {"total": "9.00"}, "corrections": {"kind": kind},
        })
        .to_string()
    }

    #[test]
    fn the_last_line_about_a_content_counts_and_what_is_too_little_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lessons.jsonl");
        let lines = [
            line("a", "1", "dive-log", "Dive 1"),
            line("b", "2", "invoice", "Dive 2"),
            line("c", "2", "dive-log", "Dive 2"),
            String::new(),
            line("d", "3", "Dive Log", "Dive 3"),
            line("e", "4", "dive-log", " "),
            line("f", "5", "menu", "Soup"),
        ];
        std::fs::write(&file, lines.join("\n")).unwrap();
        let beside = BTreeMap::from([("dive-log".to_owned(), 1)]);
        let found = read(&file, &beside, 3).unwrap();
        let told: Vec<(&str, &str)> =
            found.lessons.iter().map(|lesson| (lesson.id.as_str(), lesson.kind.as_str())).collect();
        assert_eq!(told, [("a", "dive-log"), ("c", "dive-log")]);
        assert_eq!(found.left_out.len(), 3, "{:?}", found.left_out);
        for (said, words) in found.left_out.iter().zip(["`Dive Log`", "no text", "1 of the kind menu"]) {
            assert!(said.contains(words), "{said}");
        }
        std::fs::write(&file, "{}").unwrap();
        let error = read(&file, &beside, 3).err().unwrap();
        assert!(error.to_string().contains("line 1"), "{error}");
        std::fs::write(&file, "\n").unwrap();
        assert!(read(&file, &beside, 3).err().unwrap().to_string().contains("review export"));
    }
}
