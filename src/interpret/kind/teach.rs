//! Examples → a head: alone, or beside the examples that another head keeps.

use super::head::{About, Anchors, Form, Head, MOST_KINDS};
use super::learn::{Example, Weights, learn, softmax};
use super::score::Guess;
use super::signs::Signs;
use std::collections::{BTreeMap, BTreeSet};

/// Examples of a kind at least: one is left out to judge, and one example is no kind.
pub const LEAST_EXAMPLES: usize = 3;
/// Parts that the examples are cut into, each judged by what the others taught.
const PARTS: usize = 5;
/// Weight of the squares of the weights. Chosen as the factors in `head.rs` are.
const PENALTY: f32 = 0.002;
/// Examples of each kind that are kept for later heads.
const ANCHORS: usize = 30;
/// How much a user's example counts beside an anchor of the same kind: it is what the user sees.
const OWN: f32 = 3.0;
/// Temperatures that are tried, in steps of a tenth of a doubling each way from 1.
const HOTTEST: i16 = 25;

/// A document of a known kind.
pub struct Lesson {
    /// Where it is.
    pub path: String,
    /// Its kind.
    pub kind: String,
    /// What is judged together: documents of one sender or layout.
    pub group: String,
    /// Its signs.
    pub signs: Vec<f32>,
}

/// A head with what cross-validation says of it.
pub struct Taught {
    /// The head.
    pub head: Head,
    /// Each lesson, judged without its group.
    pub guesses: Vec<Guess>,
}

struct Case {
    signs: Vec<f32>,
    kind: usize,
    weight: f32,
    part: usize,
}

/// Learns a head for `embedding` with vectors of a dimension, beside `base` where one is given.
///
/// Errors: a message, where the lessons are too few or of too few kinds.
pub fn teach(
    signs: &Signs,
    (embedding, dimension): (&str, usize),
    base: Option<&Head>,
    lessons: &[Lesson],
) -> Result<Taught, String> {
    enough(lessons)?;
    let mut kinds: Vec<String> = base.map(|b| b.about.kinds.clone()).unwrap_or_default();
    let known: BTreeSet<String> = kinds.iter().cloned().collect();
    let new: BTreeSet<&String> = lessons.iter().map(|l| &l.kind).filter(|k| !known.contains(*k)).collect();
    let mut taught: Vec<String> = base.map(|b| b.about.taught.clone()).unwrap_or_default();
    kinds.extend(new.iter().map(|kind| (*kind).clone()));
    if base.is_some() {
        taught.extend(new.into_iter().cloned());
    }
    if kinds.len() < 2 {
        return Err("there is one kind only; there must be two at least to tell apart".to_owned());
    }
    if kinds.len() > MOST_KINDS {
        return Err(format!("there are {} kinds; {MOST_KINDS} at most can be told apart", kinds.len()));
    }
    let raw = || lessons.iter().map(|lesson| lesson.signs.as_slice());
    let form = base.map_or_else(|| Form::of(&signs.groups(dimension), raw()), |b| b.form.clone());
    let cases = cases(&kinds, &form, base, lessons);
    let logits = judged(&cases, kinds.len())?;
    let temperature = temperature(&cases, &logits);
    let said = guesses(&kinds, lessons, &logits, temperature);
    let right = said.iter().filter(|guess| guess.truth == guess.said).count();
    let all: Vec<&Case> = cases.iter().collect();
    let about = About {
        taught,
        embedding: embedding.to_owned(),
        dimension,
        signs: signs.digest().to_owned(),
        temperature,
        examples: lessons.len(),
        accuracy: right as f64 / lessons.len().max(1) as f64,
        kinds,
    };
    let anchors = anchors(&about.kinds, &form, base, lessons);
    let weights = fit(&all, about.kinds.len())?;
    Ok(Taught { head: Head { about, weights, form, anchors }, guesses: said })
}

/// Every kind has examples enough.
fn enough(lessons: &[Lesson]) -> Result<(), String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    lessons.iter().for_each(|lesson| *counts.entry(&lesson.kind).or_default() += 1);
    if counts.is_empty() {
        return Err("there are no examples".to_owned());
    }
    match counts.iter().find(|(_, count)| **count < LEAST_EXAMPLES) {
        Some((kind, count)) => Err(format!(
            "the kind {kind} has {count} example{}; give {LEAST_EXAMPLES} at least, better ten",
            if *count == 1 { "" } else { "s" }
        )),
        None => Ok(()),
    }
}

/// Anchors and lessons, standardised, dealt to parts by their groups, with kinds of equal weight.
fn cases(kinds: &[String], form: &Form, base: Option<&Head>, lessons: &[Lesson]) -> Vec<Case> {
    let size = form.mean.len().max(1);
    let mut cases = Vec::new();
    if let Some(base) = base {
        let examples = base.anchors.kinds.iter().zip(base.anchors.values.chunks_exact(size));
        for (number, (kind, values)) in examples.enumerate() {
            // Anchors are of many families; whichever is left out is missed little.
            cases.push(Case { signs: form.unpacked(values), kind: *kind, weight: 1.0, part: number % PARTS });
        }
    }
    let mut groups: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    lessons.iter().for_each(|l| *groups.entry((&l.kind, &l.group)).or_default() += 1);
    // The groups of a kind follow each other, so each part gets some of each kind.
    for (number, part) in groups.values_mut().enumerate() {
        *part = number % PARTS;
    }
    for lesson in lessons {
        let Some(kind) = kinds.iter().position(|kind| *kind == lesson.kind) else { continue };
        let part = groups.get(&(lesson.kind.as_str(), lesson.group.as_str())).copied().unwrap_or_default();
        let weight = if base.is_some() { OWN } else { 1.0 };
        cases.push(Case { signs: form.standard(&lesson.signs), kind, weight, part });
    }
    let mut sums = vec![0.0f32; kinds.len()];
    for case in &cases {
        if let Some(sum) = sums.get_mut(case.kind) {
            *sum += case.weight;
        }
    }
    for case in &mut cases {
        case.weight /= sums.get(case.kind).copied().unwrap_or(1.0).max(f32::MIN_POSITIVE);
    }
    cases
}

fn fit(cases: &[&Case], kinds: usize) -> Result<Weights, String> {
    let mut examples: Vec<Example<'_>> = Vec::with_capacity(cases.len());
    for Case { signs, kind, weight, .. } in cases {
        examples.push(Example { signs, kind: *kind, weight: *weight });
    }
    learn(&examples, kinds, PENALTY).map_err(|e| format!("cannot be learned: {e}"))
}

/// The logits of each case by a head that saw nothing of its part.
fn judged(cases: &[Case], kinds: usize) -> Result<Vec<Vec<f32>>, String> {
    let mut heads = Vec::with_capacity(PARTS);
    for part in 0..PARTS {
        let others: Vec<&Case> = cases.iter().filter(|case| case.part != part).collect();
        heads.push(fit(&others, kinds)?);
    }
    let logits = |case: &Case| heads.get(case.part).map_or_else(Vec::new, |head| head.logits(&case.signs));
    Ok(cases.iter().map(logits).collect())
}

/// The temperature at which the judged cases are the least surprising.
fn temperature(cases: &[Case], logits: &[Vec<f32>]) -> f32 {
    let surprise = |temperature: f32| -> f64 {
        let each = cases.iter().zip(logits).map(|(case, logits)| {
            let share = softmax(logits, temperature).get(case.kind).copied().unwrap_or_default();
            -f64::from(share.max(1e-6)).ln() * f64::from(case.weight)
        });
        each.sum()
    };
    let tried = (-HOTTEST..=HOTTEST).map(|step| (f32::from(step) / 10.0).exp2());
    tried.min_by(|a, b| surprise(*a).total_cmp(&surprise(*b))).unwrap_or(1.0)
}

/// What is said of the lessons, which are the last of the cases.
fn guesses(kinds: &[String], lessons: &[Lesson], logits: &[Vec<f32>], temperature: f32) -> Vec<Guess> {
    let skipped = logits.len().saturating_sub(lessons.len());
    let guess = |(lesson, logits): (&Lesson, &Vec<f32>)| {
        let shares = softmax(logits, temperature);
        let best = shares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let (place, confidence) = best.map_or((0, 0.0), |(place, share)| (place, *share));
        Guess {
            path: lesson.path.clone(),
            truth: lesson.kind.clone(),
            said: kinds.get(place).cloned().unwrap_or_default(),
            confidence,
        }
    };
    lessons.iter().zip(logits.iter().skip(skipped)).map(guess).collect()
}

/// The anchors of `base`, or of the lessons some of each kind, from as many groups as there are.
fn anchors(kinds: &[String], form: &Form, base: Option<&Head>, lessons: &[Lesson]) -> Anchors {
    if let Some(base) = base {
        return base.anchors.clone();
    }
    let mut anchors = Anchors::default();
    for (number, kind) in kinds.iter().enumerate() {
        let mut groups: BTreeMap<&str, Vec<&Lesson>> = BTreeMap::new();
        for lesson in lessons.iter().filter(|lesson| lesson.kind == *kind) {
            groups.entry(&lesson.group).or_default().push(lesson);
        }
        let longest = groups.values().map(Vec::len).max().unwrap_or_default();
        // The first of every group, then the second of every group, …
        let dealt = (0..longest).flat_map(|turn| groups.values().filter_map(move |group| group.get(turn)));
        for lesson in dealt.take(ANCHORS) {
            anchors.kinds.push(number);
            anchors.values.extend(form.packed(&lesson.signs));
        }
    }
    anchors
}
