//! Stored documents that say the same, nearly the same, or the same with other values.
//!
//! The store names the few whose vectors are nearest; their texts decide. Texts are compared by
//! sketches of the hashes of three successive words (bottom-k MinHash): exact for short texts, and of
//! bounded size for long ones. What is understood at the same moment does not see each other.

use crate::document::{Document, DocumentId, Duplicate, Field, Relation};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A stored document whose vector is near.
pub struct Neighbour {
    /// Its key.
    pub id: DocumentId,
    /// Its text.
    pub text: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// Hashes kept of a text. The error of a share is about 1 / √1024, 3 %.
const SKETCH: usize = 1024;
/// Words of one shingle.
const WORDS: usize = 3;
/// Shared text from which one is a version of the other. A paragraph replaced in a page leaves more.
const VERSION: f32 = 0.5;
/// Shared text from which two are filled-in copies of one form. Unrelated pages share under 0.05.
const FORM: f32 = 0.2;
/// Shared text of two readings of the same page.
const SAME: f32 = 0.85;
/// Differences that are named.
const NAMED: usize = 12;

/// Compares a document with its neighbours; the most alike first.
pub fn find(document: &Document, neighbours: Vec<Neighbour>) -> Vec<Duplicate> {
    if document.text.trim().is_empty() {
        return Vec::new();
    }
    let own = Sketch::of(&document.text);
    let mut found: Vec<Duplicate> = Vec::new();
    for neighbour in neighbours {
        let other = Sketch::of(&neighbour.text);
        let score = own.shared(&other);
        let fields = changed_fields(&neighbour.fields, &document.fields);
        if let Some(relation) = relation(document, &neighbour, score, &fields) {
            let mut differs = fields;
            differs.extend(changed_lines(&neighbour.text, &document.text));
            differs.truncate(NAMED);
            found.push(Duplicate { id: neighbour.id, relation, score, differs });
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    found
}

fn relation(document: &Document, neighbour: &Neighbour, score: f32, changed: &[String]) -> Option<Relation> {
    let (a, b) = (numbers(&document.text), numbers(&neighbour.text));
    let (both, all) = (a.intersection(&b).count(), a.union(&b).count());
    let numbers_shared = if all == 0 { 1.0 } else { both as f32 / all as f32 };
    let names_another =
        changed.iter().any(|line| line.starts_with("number:") || line.starts_with("reference:"));
    let labels = changed.iter().filter(|line| line.starts_with("label:")).count();
    let other_values = names_another || labels >= 2;
    match () {
        () if score >= SAME && numbers_shared >= 0.9 && changed.is_empty() => Some(Relation::SameContent),
        () if score >= FORM && other_values => Some(Relation::SameForm),
        () if score >= VERSION => Some(Relation::NewVersion),
        () if score >= FORM && numbers_shared < 0.5 => Some(Relation::SameForm),
        () => None,
    }
}

/// The smallest hashes of a text's shingles.
struct Sketch {
    hashes: Vec<u64>,
}

impl Sketch {
    fn of(text: &str) -> Self {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let hash = |part: &[String]| {
            let mut hasher = DefaultHasher::new();
            part.hash(&mut hasher);
            hasher.finish()
        };
        let mut hashes: Vec<u64> = words.windows(WORDS.min(words.len()).max(1)).map(hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes.truncate(SKETCH);
        Self { hashes }
    }

    /// The share of all shingles that both have, estimated over the smallest of their union.
    fn shared(&self, other: &Self) -> f32 {
        let (mut a, mut b) = (self.hashes.iter().peekable(), other.hashes.iter().peekable());
        let (mut both, mut all) = (0usize, 0usize);
        while all < SKETCH {
            match (a.peek(), b.peek()) {
                (None, None) => break,
                (Some(x), Some(y)) if x == y => {
                    both += 1;
                    a.next();
                    b.next();
                }
                (Some(x), Some(y)) if x < y => drop(a.next()),
                (Some(_), None) => drop(a.next()),
                _ => drop(b.next()),
            }
            all += 1;
        }
        if all == 0 { 0.0 } else { both as f32 / all as f32 }
    }
}

/// Words with digits in them.
fn numbers(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().filter(|word| word.contains(|c: char| c.is_ascii_digit())).collect()
}

/// Fields that differ, as "total: 10.00 → 12.00", from the stored document to this one.
fn changed_fields(stored: &[Field], new: &[Field]) -> Vec<String> {
    let value =
        |fields: &[Field], name: &str| fields.iter().find(|f| f.name == name).map(|f| f.value.plain());
    let names: BTreeSet<&str> = stored.iter().chain(new).map(|f| f.name.as_str()).collect();
    let mut changes = Vec::new();
    for name in names {
        match (value(stored, name), value(new, name)) {
            (Some(old), Some(new)) if old.to_lowercase() != new.to_lowercase() => {
                changes.push(format!("{name}: {old} → {new}"))
            }
            _ => {}
        }
    }
    // What names a document comes before its lines.
    changes.sort_by_key(|change| change.starts_with("lines["));
    changes
}

/// Lines that only one of two texts has, as "gone: …" and "new: …".
fn changed_lines(stored: &str, new: &str) -> Vec<String> {
    let lines = |text: &str| -> Vec<String> {
        let flat = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        flat.filter(|line| !line.is_empty()).collect()
    };
    let (old, new) = (lines(stored), lines(new));
    let (olds, news): (BTreeSet<&String>, BTreeSet<&String>) = (old.iter().collect(), new.iter().collect());
    let short = |line: &String| line.chars().take(100).collect::<String>();
    let gone = old.iter().filter(|line| !news.contains(line)).map(|line| format!("gone: {}", short(line)));
    let added = new.iter().filter(|line| !olds.contains(line)).map(|line| format!("new: {}", short(line)));
    let (gone, added): (Vec<String>, Vec<String>) = (gone.take(NAMED).collect(), added.take(NAMED).collect());
    // Side by side, as far as both go.
    let mut changes = Vec::new();
    let (mut gone, mut added) = (gone.into_iter(), added.into_iter());
    loop {
        let (a, b) = (gone.next(), added.next());
        if a.is_none() && b.is_none() {
            return changes;
        }
        changes.extend(a.into_iter().chain(b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_of_text_are_estimated() {
        let words =
            |from: usize, to: usize| (from..to).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
        let (a, b) = (Sketch::of(&words(0, 9000)), Sketch::of(&words(3000, 12000)));
        assert!((a.shared(&b) - 0.5).abs() < 0.06, "{}", a.shared(&b));
        let (a, b) = (Sketch::of(&words(0, 90)), Sketch::of(&words(30, 120)));
        let exact = 58.0 / 118.0;
        assert!((a.shared(&b) - exact).abs() < 1e-6);
        assert_eq!(Sketch::of("one").shared(&Sketch::of("one")), 1.0);
    }

    #[test]
    fn what_differs_is_said() {
        assert_eq!(changed_lines("a\nrent 10\nb", "a\nrent 12\nb"), ["gone: rent 10", "new: rent 12"]);
    }

    proptest! {
        #[test]
        fn a_share_is_symmetric_and_of_itself_whole(a in "([a-d] ){0,40}", b in "\\PC{0,80}") {
            let (a, b) = (Sketch::of(&a), Sketch::of(&b));
            prop_assert_eq!(a.shared(&b), b.shared(&a));
            prop_assert!(a.hashes.is_empty() || a.shared(&a) == 1.0);
        }
    }
}
