//! Tasks, and which of the loaded models and its heads does which.

use crate::document::{Scale, Scored};
use std::borrow::Cow;

/// A language said with less confidence may be any.
const SURE: f32 = 0.5;

/// The index of the model that embeds: its windows are the passages.
pub const EMBEDDING: usize = 0;

/// Which model and head does which task; `None`: the task is off.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    /// Names people, places and so on: a head over tokens.
    pub ner: Option<HeadOf>,
    /// The tone: a head over windows.
    pub sentiment: Option<HeadOf>,
    /// Whatever the user's classifier tells apart: a head over windows.
    pub classification: Option<HeadOf>,
    /// The model that writes summaries.
    pub summary: Option<usize>,
}

impl Tasks {
    /// Where the head of a task is noted; the task is one of the three.
    pub fn place(&mut self, task: &str) -> &mut Option<HeadOf> {
        match task {
            "ner" => &mut self.ner,
            "sentiment" => &mut self.sentiment,
            _ => &mut self.classification,
        }
    }
}

/// A head of a model.
#[derive(Debug, Clone)]
pub struct HeadOf {
    /// Index of the model.
    pub model: usize,
    /// Index among its heads.
    pub head: usize,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// What its scores are.
    pub scale: Scale,
    /// Which languages it knows; `None`: any, or nobody said.
    pub knows: Option<Languages>,
}

/// Languages that a head was trained on, and how much less its scores say of text in others.
#[derive(Debug, Clone, PartialEq)]
pub struct Languages {
    /// Codes as of a document's language (`en`).
    pub codes: Vec<String>,
    /// What divides its logits elsewhere (temperature scaling, Guo et al. 2017), so that confidence falls
    /// with quality.
    pub elsewhere: f32,
}

impl HeadOf {
    /// Scores of one text or token of `language`, `[labels]`, as much as they are worth there. Those of
    /// `scores` where the head knows the language, or nobody can tell it.
    pub fn worth<'s>(&self, scores: &'s [f32], language: &Scored) -> Cow<'s, [f32]> {
        let strange =
            |knows: &&Languages| language.confidence >= SURE && !knows.codes.contains(&language.label);
        let Some(knows) = self.knows.as_ref().filter(strange).filter(|_| self.scale == Scale::Probability)
        else {
            return Cow::Borrowed(scores);
        };
        let flat: Vec<f32> = scores.iter().map(|score| score.max(0.0).powf(1.0 / knows.elsewhere)).collect();
        let sum = flat.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        Cow::Owned(flat.into_iter().map(|score| score / sum).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_worth_less_in_a_language_that_a_head_does_not_know() {
        let knows = Some(Languages { codes: vec!["en".to_owned()], elsewhere: 2.0 });
        let mut head = HeadOf { model: 0, head: 0, labels: Vec::new(), scale: Scale::Probability, knows };
        let language = |label: &str, confidence| Scored { label: label.to_owned(), confidence };
        let scores = [0.9, 0.1];
        let there = head.worth(&scores, &language("de", 1.0));
        assert!((there[0] - 0.75).abs() < 1e-6 && (there[1] - 0.25).abs() < 1e-6, "{there:?}");
        assert_eq!(*head.worth(&scores, &language("en", 1.0)), scores);
        assert_eq!(*head.worth(&scores, &language("de", 0.2)), scores, "nobody can tell");
        head.knows = None;
        assert_eq!(*head.worth(&scores, &language("de", 1.0)), scores);
    }
}
