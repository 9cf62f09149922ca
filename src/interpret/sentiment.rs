//! The tone of a document: its windows' probabilities, weighted by their length.

use super::classes::mean;
use crate::document::Sentiment;
use crate::tasks::HeadOf;
use crate::window::InferredDocument;

/// `None` where there is no text.
pub fn of(inferred: &InferredDocument, head: &HeadOf) -> Option<Sentiment> {
    let scores: Vec<(String, f32)> = head.labels.iter().cloned().zip(mean(inferred, head)?).collect();
    let (label, confidence) = scores.iter().max_by(|a, b| a.1.total_cmp(&b.1))?.clone();
    Some(Sentiment { label, confidence, scores: scores.into_iter().collect() })
}
