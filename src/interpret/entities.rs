//! Names from token labels: the best valid BIO path per window.

use super::named::Named;
use crate::batch::WindowOutput;
use crate::document::{EntitySource, PageText, Scored};
use crate::tasks::HeadOf;
use crate::window::Window;
use std::ops::Range;

/// A mention, its label by index.
struct Found {
    label: usize,
    page: usize,
    bytes: Range<usize>,
    confidence: f32,
}

/// Labels without what they begin with, and what each index means. Checkpoints are trained on BIO,
/// BILOU, BIOES, IOB1 (where `B-` only parts neighbours) and bare names.
struct Scheme<'l> {
    types: Vec<&'l str>,
    tags: Vec<Tag>,
    /// Whether a mention must begin with a `B-`: there is one for every type.
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Outside,
    Begin(usize),
    Inside(usize),
}

impl<'l> Scheme<'l> {
    fn new(labels: &'l [String]) -> Self {
        let mut types: Vec<&str> = Vec::new();
        let tags = labels
            .iter()
            .map(|label| {
                let (make, name): (fn(usize) -> Tag, _) = match label.split_once(['-', '_']) {
                    Some(("B" | "U" | "S", name)) => (Tag::Begin, name),
                    Some(("I" | "L" | "E", name)) => (Tag::Inside, name),
                    _ if label == "O" => return Tag::Outside,
                    _ => (Tag::Inside, label.as_str()),
                };
                let index = types.iter().position(|t| *t == name).unwrap_or_else(|| {
                    types.push(name);
                    types.len() - 1
                });
                make(index)
            })
            .collect::<Vec<Tag>>();
        let strict = (0..types.len()).all(|t| tags.contains(&Tag::Begin(t)));
        Self { types, tags, strict }
    }

    /// Whether `next` may follow `last`: an inside needs its own begin or inside before it.
    fn follows(&self, last: Tag, next: Tag) -> bool {
        match next {
            Tag::Inside(t) if self.strict => last == Tag::Begin(t) || last == Tag::Inside(t),
            _ => true,
        }
    }
}

/// Mentions with at least `least` confidence, by page and place; none meets another. `windows` are those
/// of the head's model.
pub fn find<'w>(
    pages: &[PageText],
    windows: impl Iterator<Item = (&'w Window, &'w WindowOutput)>,
    head: &HeadOf,
    language: &Scored,
    least: f32,
) -> Vec<Named> {
    let scheme = Scheme::new(&head.labels);
    let mut found: Vec<Found> = Vec::new();
    for (window, output) in windows {
        let probabilities = output.heads.get(head.head).map(Vec::as_slice).unwrap_or_default();
        let page = pages.get(window.page).map_or("", |p| p.text.as_str());
        let worth = worth(probabilities, head, language);
        for mention in whole(mentions(window, &worth, &scheme), page) {
            if mention.confidence >= least {
                keep(&mut found, mention);
            }
        }
    }
    let named = |one: Found| {
        Some(Named {
            label: (*scheme.types.get(one.label)?).to_owned(),
            page: one.page,
            bytes: one.bytes,
            confidence: one.confidence,
            source: EntitySource::Model,
            value: None,
        })
    };
    found.into_iter().filter_map(named).collect()
}

/// The mentions of one window of `page`: label, bytes and confidence, their ends trimmed as they are
/// published. `probabilities` are a head's, `[tokens × labels]`.
pub fn mentions_of(
    window: &Window,
    probabilities: &[f32],
    head: &HeadOf,
    language: &Scored,
    page: &str,
) -> Vec<(String, Range<usize>, f32)> {
    let scheme = Scheme::new(&head.labels);
    let found = whole(mentions(window, &worth(probabilities, head, language), &scheme), page).into_iter();
    let told = |one: Found| {
        let (name, bytes) = super::named::trim(page, one.bytes);
        let label = scheme.types.get(one.label).filter(|_| name.chars().any(char::is_alphanumeric));
        Some(((*label?).to_owned(), bytes, one.confidence))
    };
    found.filter_map(told).collect()
}

/// The rows of a window as much as they are worth in a language: `[tokens × labels]`.
fn worth(probabilities: &[f32], head: &HeadOf, language: &Scored) -> Vec<f32> {
    let rows = probabilities.chunks_exact(head.labels.len().max(1));
    rows.flat_map(|row| head.worth(row, language).into_owned()).collect()
}

/// What stands within a name, where the model begins anew after it.
const INNER: [&str; 6] = ["", "-", "'", "’", "&", " & "];

/// Pieces of one name made whole: `O'Neill`, `Jean-Luc`, `Smith & Sons`.
fn whole(mentions: Vec<Found>, page: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::with_capacity(mentions.len());
    for mention in mentions {
        match found.last_mut() {
            Some(last)
                if last.label == mention.label
                    && page.get(last.bytes.end..mention.bytes.start).is_some_and(|t| INNER.contains(&t)) =>
            {
                let (a, b) = (last.bytes.len() as f32, mention.bytes.len() as f32);
                last.confidence =
                    (last.confidence * a + mention.confidence * b) / (a + b).max(f32::MIN_POSITIVE);
                last.bytes.end = mention.bytes.end;
            }
            _ => found.push(mention),
        }
    }
    found
}

/// Windows overlap: of two mentions that do, the more confident stays.
fn keep(found: &mut Vec<Found>, mention: Found) {
    let meets = |o: &Found| {
        o.page == mention.page && o.bytes.start < mention.bytes.end && mention.bytes.start < o.bytes.end
    };
    // Only the last few can overlap a new one.
    let from = found.len().saturating_sub(64);
    match found.iter().skip(from).position(meets).and_then(|i| found.get_mut(from + i)) {
        Some(other) if other.confidence < mention.confidence => *other = mention,
        Some(_) => {}
        None => found.push(mention),
    }
}

/// Words of a window with their label probabilities: a word has its first token's.
fn mentions(window: &Window, probabilities: &[f32], scheme: &Scheme<'_>) -> Vec<Found> {
    let labels = scheme.tags.len();
    let mut words: Vec<(Range<usize>, &[f32])> = Vec::new();
    // The marks at the start have rows too.
    let rows = probabilities.chunks_exact(labels.max(1)).skip(window.before);
    for (piece, row) in window.pieces.iter().zip(rows) {
        match words.last_mut() {
            Some((bytes, _)) if !piece.starts_word => bytes.end = bytes.end.max(piece.bytes.end),
            _ => words.push((piece.bytes.clone(), row)),
        }
    }
    let path = best_path(&words, scheme);
    let mut found: Vec<(Found, usize)> = Vec::new();
    let mut before = None;
    for ((bytes, row), tag) in words.iter().zip(path) {
        let (label, begins) = match scheme.tags.get(tag) {
            Some(Tag::Begin(label)) => (*label, true),
            Some(Tag::Inside(label)) => (*label, before != Some(*label)),
            _ => {
                before = None;
                continue;
            }
        };
        before = Some(label);
        let confidence = row.get(tag).copied().unwrap_or(0.0);
        match found.last_mut() {
            Some((last, count)) if !begins => {
                last.bytes.end = bytes.end;
                last.confidence += confidence;
                *count += 1;
            }
            _ => found.push((Found { label, page: window.page, bytes: bytes.clone(), confidence }, 1)),
        }
    }
    let mean = |(mut f, count): (Found, usize)| {
        f.confidence /= count as f32;
        f
    };
    found.into_iter().map(mean).collect()
}

/// Viterbi over the valid transitions (Viterbi 1967): the most probable label sequence.
fn best_path(words: &[(Range<usize>, &[f32])], scheme: &Scheme<'_>) -> Vec<usize> {
    let mut scores: Vec<f32> = Vec::new();
    let mut back: Vec<Vec<usize>> = Vec::with_capacity(words.len());
    for (_, row) in words {
        let log = |i: usize| row.get(i).copied().unwrap_or(0.0).max(1e-9).ln();
        let mut next = Vec::with_capacity(scheme.tags.len());
        let mut from = Vec::with_capacity(scheme.tags.len());
        for (index, tag) in scheme.tags.iter().enumerate() {
            let reached = if back.is_empty() {
                scheme.follows(Tag::Outside, *tag).then_some((0, 0.0))
            } else {
                let valid = scheme.tags.iter().zip(&scores).enumerate();
                valid
                    .filter(|(_, (last, _))| scheme.follows(**last, *tag))
                    .map(|(i, (_, score))| (i, *score))
                    .max_by(|a, b| a.1.total_cmp(&b.1))
            };
            let (last, score) = reached.unwrap_or((0, f32::NEG_INFINITY));
            next.push(score + log(index));
            from.push(last);
        }
        scores = next;
        back.push(from);
    }
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
    let mut path = vec![best];
    for from in back.iter().skip(1).rev() {
        let last = path.last().copied().unwrap_or(0);
        path.push(from.get(last).copied().unwrap_or(0));
    }
    path.reverse();
    path.truncate(words.len());
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Piece;

    /// Mentions of a window of one-letter words of which each is labelled as told, as (type, bytes).
    fn found(labels: &[&str], told: &[&str]) -> Vec<(String, Range<usize>)> {
        let labels: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
        let pieces = (0..told.len()).map(|i| Piece { bytes: 2 * i..2 * i + 1, starts_word: true, shape: 1 });
        let window = Window {
            page: 0,
            bytes: 0..2 * told.len(),
            tokens: Vec::new(),
            before: 1,
            pieces: pieces.collect(),
            sentences: Vec::new(),
        };
        let row = |label: &str| -> Vec<f32> {
            labels.iter().map(|l| if l == label { 0.9 } else { 0.01 }).collect()
        };
        // A mark has a row before those of the words.
        let marked = std::iter::once(&"O").chain(told);
        let rows: Vec<f32> = marked.flat_map(|label| row(label)).collect();
        let scheme = Scheme::new(&labels);
        let mentions = mentions(&window, &rows, &scheme);
        mentions.into_iter().map(|m| (scheme.types[m.label].to_owned(), m.bytes)).collect()
    }

    fn of(list: &[(&str, Range<usize>)]) -> Vec<(String, Range<usize>)> {
        list.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect()
    }

    #[test]
    fn checkpoints_label_names_in_several_ways() {
        let bio = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"];
        let expected = of(&[("PER", 0..3), ("PER", 4..5), ("ORG", 8..9)]);
        assert_eq!(found(&bio, &["B-PER", "I-PER", "B-PER", "O", "B-ORG"]), expected);
        let bilou = ["O", "B-PER", "I-PER", "L-PER", "U-PER", "U-ORG", "B-ORG", "L-ORG"];
        assert_eq!(found(&bilou, &["B-PER", "L-PER", "U-PER", "O", "U-ORG"]), expected);
        let bare = ["O", "PER", "ORG"];
        let expected = of(&[("PER", 0..3), ("ORG", 4..5), ("ORG", 8..9)]);
        assert_eq!(found(&bare, &["PER", "PER", "ORG", "O", "ORG"]), expected);
        let iob1 = ["O", "I-PER", "I-ORG", "B-ORG"];
        let expected = of(&[("PER", 0..1), ("ORG", 2..3), ("ORG", 4..5)]);
        assert_eq!(found(&iob1, &["I-PER", "I-ORG", "B-ORG", "O", "O"]), expected);
    }

    #[test]
    fn pieces_of_one_name_are_made_whole() {
        let page = "Ann O'Neill, Smith & Sons";
        let piece = |label, bytes: Range<usize>, confidence| Found { label, page: 0, bytes, confidence };
        let pieces =
            vec![piece(0, 0..5, 0.9), piece(0, 6..11, 0.6), piece(1, 13..18, 0.8), piece(1, 21..25, 0.8)];
        let percent = |confidence: f32| (confidence * 100.0).round() as u32;
        let names: Vec<(&str, u32)> =
            whole(pieces, page).into_iter().map(|f| (&page[f.bytes], percent(f.confidence))).collect();
        assert_eq!(names, [("Ann O'Neill", 75), ("Smith & Sons", 80)]);
        let apart = vec![piece(0, 0..3, 0.9), piece(1, 4..11, 0.9), piece(1, 13..18, 0.9)];
        assert_eq!(whole(apart, page).len(), 3, "other labels, or a comma between");
    }
}
