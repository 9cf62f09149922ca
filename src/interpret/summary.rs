//! Extractive summary: sentences near the document's centre, early ones preferred, no two alike
//! (centroid + position + maximal marginal relevance, Carbonell and Goldstein 1998).

use super::characters::Characters;
use super::cosine;
use crate::batch::WindowOutput;
use crate::document::{PageText, SummarySentence};
use crate::tasks::EMBEDDING;
use crate::window::{InferredDocument, Window};
use std::ops::Range;

/// How much the first sentence is preferred over one far behind.
const POSITION: f32 = 0.35;
/// Sentences after which that has fallen to a third. It falls by sentences, not by the document's length:
/// what a text is about is said at its beginning, however long it goes on.
const EARLY: f32 = 8.0;
/// How much likeness to a chosen sentence costs.
const LIKENESS: f32 = 0.5;
/// Candidates; beyond the first few hundred sentences the position prior decides anyway.
const CANDIDATES: usize = 400;
/// Words below which a line is a heading, a label or a table cell rather than a sentence.
const MIN_WORDS: usize = 5;

struct Candidate<'i> {
    page: usize,
    bytes: Range<usize>,
    vector: &'i [f32],
    score: f32,
}

/// At most `count` sentences, in the order of the text.
pub fn extract(
    inferred: &InferredDocument,
    text: &Characters,
    centre: &[f32],
    count: usize,
) -> Vec<SummarySentence> {
    let pages = &inferred.fed.document.pages;
    let told = |chosen: Candidate<'_>| {
        let range = text.range(chosen.page, &chosen.bytes);
        let words = words(pages, &chosen);
        SummarySentence { text: words, start: range.start, end: range.end, score: chosen.score }
    };
    choose(pages, &move || inferred.of(EMBEDDING), centre, count).into_iter().map(told).collect()
}

/// The same of windows that belong to no document.
pub fn sentences(
    pages: &[PageText],
    windows: &[(Window, WindowOutput)],
    centre: &[f32],
    count: usize,
) -> Vec<String> {
    let pairs = move || windows.iter().map(|(window, output)| (window, output));
    choose(pages, &pairs, centre, count).iter().map(|chosen| words(pages, chosen)).collect()
}

fn choose<'w, I: Iterator<Item = (&'w Window, &'w WindowOutput)>>(
    pages: &[PageText],
    windows: &dyn Fn() -> I,
    centre: &[f32],
    count: usize,
) -> Vec<Candidate<'w>> {
    let mut candidates = candidates(pages, windows(), centre, MIN_WORDS);
    if candidates.is_empty() {
        candidates = self::candidates(pages, windows(), centre, 1);
    }
    let mut chosen: Vec<Candidate<'_>> = Vec::new();
    while chosen.len() < count && !candidates.is_empty() {
        let worth = |c: &Candidate<'_>| {
            let alike = chosen.iter().map(|o| cosine(c.vector, o.vector)).fold(0.0f32, f32::max);
            c.score - LIKENESS * alike
        };
        let best = candidates.iter().map(worth).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((index, _)) = best else { break };
        chosen.push(candidates.swap_remove(index));
    }
    chosen.sort_by_key(|c| (c.page, c.bytes.start));
    chosen
}

/// A sentence with single blanks.
fn words(pages: &[PageText], candidate: &Candidate<'_>) -> String {
    let page = pages.get(candidate.page).map_or("", |p| p.text.as_str());
    let words = page.get(candidate.bytes.clone()).unwrap_or_default();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn candidates<'w>(
    pages: &[PageText],
    windows: impl Iterator<Item = (&'w Window, &'w WindowOutput)>,
    centre: &[f32],
    min_words: usize,
) -> Vec<Candidate<'w>> {
    let sentences = windows.flat_map(|(window, output)| {
        window.sentences.iter().zip(&output.spans).map(|((_, bytes), vector)| (window.page, bytes, vector))
    });
    let told = sentences.filter(|(page, bytes, _)| {
        let text = pages.get(*page).and_then(|p| p.text.get((*bytes).clone()));
        text.is_some_and(|t| is_prose(t, min_words))
    });
    let mut found: Vec<Candidate<'w>> = told
        .take(CANDIDATES)
        .map(|(page, bytes, vector)| Candidate {
            page,
            bytes: bytes.clone(),
            vector,
            score: cosine(vector, centre),
        })
        .collect();
    for (index, candidate) in found.iter_mut().enumerate() {
        candidate.score += POSITION * (-(index as f32) / EARLY).exp();
    }
    found
}

/// Mostly letters, and enough words: no table row, no address block.
fn is_prose(text: &str, min_words: usize) -> bool {
    let words = text.split_whitespace().filter(|w| w.chars().any(char::is_alphabetic)).count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let visible = text.chars().filter(|c| !c.is_whitespace()).count();
    words >= min_words && letters * 10 >= visible * if min_words > 1 { 7 } else { 1 }
}
