//! The kind of a document: by a learned head over its vectors, telling words and looks; by the
//! user's descriptions and words; or, for mail, presentations and tables, by the format.

mod described;
mod head;
mod learn;
mod score;
mod signs;
mod teach;
#[cfg(test)]
mod tests;

pub use head::Head;
pub use score::{Guess, Score};
pub use signs::Signs;
pub use teach::{LEAST_EXAMPLES, Lesson, Taught, teach};

use super::fields::Spec;
use crate::document::{MediaType, Scored, TextDocument};
use described::{Described, SHARPNESS};

/// What no kind fits.
const OTHER: &str = "other";
/// How sure the format makes a kind.
const TOLD: f32 = 0.95;
/// Least probability of a kind that a user taught for it to come before what the format says.
const TAUGHT: f32 = 0.5;

/// What tells kinds.
pub struct Kinds {
    signs: Signs,
    head: Option<Head>,
    described: Option<Described>,
    /// Probability of the likeliest kind below which a document is `other`.
    other_below: f32,
}

impl Kinds {
    /// With a head that fits the embedding model, or else by descriptions alone. Embeds the
    /// descriptions where they are needed.
    pub fn new<E>(
        signs: Signs,
        head: Option<Head>,
        spec: &Spec,
        other_below: f32,
        embed: impl FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let users = spec.kind.values().any(|kind| !kind.descriptions.is_empty() || !kind.cues.is_empty());
        let described = if users || head.is_none() { Some(Described::new(spec, embed)?) } else { None };
        Ok(Self { signs, head, described, other_below })
    }

    /// The most likely kind with its probability; `mean` and `first` are the document's vector and its
    /// first passage's.
    pub fn guess(&self, document: &TextDocument, mean: &[f32], first: &[f32]) -> Scored {
        let shares = self.shares(document, mean, first);
        if let Some(label) = told(document.media_type) {
            let taught =
                |kind: &str| self.head.as_ref().is_some_and(|h| h.about.taught.iter().any(|t| t == kind));
            let own = shares.iter().find(|(kind, share)| *share >= TAUGHT && taught(kind));
            let (label, confidence) = own.map_or((label, TOLD), |(kind, share)| (kind.as_str(), *share));
            return Scored { label: label.to_owned(), confidence };
        }
        let best = shares.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        match best {
            Some((kind, share)) if *share >= self.other_below => {
                Scored { label: kind.clone(), confidence: *share }
            }
            // Unsure: what is said is `other`, with the little that speaks for it.
            _ => {
                let other = shares.iter().find(|(kind, _)| kind == OTHER);
                Scored { label: OTHER.to_owned(), confidence: other.map_or(0.0, |(_, share)| *share) }
            }
        }
    }

    /// The kinds that the head, the format or nothing else tells. Those of the user's file are in its [`Spec`].
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let learned = self.head.iter().flat_map(|head| head.about.kinds.iter().map(String::as_str));
        learned.chain(FORMATS).chain([OTHER])
    }

    /// The probability of each kind; none for a document without text.
    fn shares(&self, document: &TextDocument, mean: &[f32], first: &[f32]) -> Vec<(String, f32)> {
        if mean.is_empty() {
            return Vec::new();
        }
        let scores = self.described.as_ref().map(|described| described.scores(document, mean));
        let Some(head) = &self.head else {
            let scores = scores.unwrap_or_default();
            return normal(scores.into_iter().map(|s| (s.kind, s.score * SHARPNESS)).collect());
        };
        let shares = head.shares(&self.signs.of(document, mean, first));
        let logit = |share: f32| share.max(1e-6).ln();
        let mut logits: Vec<(String, f32)> =
            head.about.kinds.iter().cloned().zip(shares.into_iter().map(logit)).collect();
        let Some(scores) = scores else { return normal(logits) };
        // A kind that the user describes leads or trails the likeliest of the others by as much as it
        // leads or trails the best of their descriptions.
        let likeliest = logits.iter().map(|(_, logit)| *logit).fold(f32::MIN, f32::max);
        let built_in = scores.iter().filter(|s| !s.users).map(|s| s.score).fold(f32::MIN, f32::max);
        for said in scores.into_iter().filter(|s| s.users) {
            let logit = likeliest + SHARPNESS * (said.score - built_in);
            match logits.iter_mut().find(|(kind, _)| *kind == said.kind) {
                Some((_, known)) => *known = known.max(logit),
                None => logits.push((said.kind, logit)),
            }
        }
        normal(logits)
    }
}

/// Kinds that the format says.
const FORMATS: [&str; 3] = [EMAIL, PRESENTATION, SPREADSHEET];
const EMAIL: &str = "email";
const PRESENTATION: &str = "presentation";
const SPREADSHEET: &str = "spreadsheet";

/// What the format says.
fn told(media_type: MediaType) -> Option<&'static str> {
    match media_type {
        MediaType::Email | MediaType::Msg => Some(EMAIL),
        MediaType::Pptx | MediaType::Odp => Some(PRESENTATION),
        MediaType::Xlsx | MediaType::Ods | MediaType::Csv => Some(SPREADSHEET),
        _ => None,
    }
}

fn normal(logits: Vec<(String, f32)>) -> Vec<(String, f32)> {
    let shares = learn::softmax(&logits.iter().map(|(_, logit)| *logit).collect::<Vec<_>>(), 1.0);
    logits.into_iter().zip(shares).map(|((kind, _), share)| (kind, share)).collect()
}
