//! The tone of a document: its windows' probabilities, weighted by their length.

use crate::document::Sentiment;
use crate::window::InferredDocument;

/// `None` where there is no text or no such task.
pub fn of(inferred: &InferredDocument, labels: &[String]) -> Option<Sentiment> {
    let mut sums = vec![0.0f32; labels.len()];
    let mut weight = 0.0;
    for (window, output) in inferred.fed.windows.iter().zip(&inferred.outputs) {
        if output.window_labels.len() != labels.len() || window.pieces.is_empty() {
            continue;
        }
        let tokens = window.pieces.len() as f32;
        weight += tokens;
        sums.iter_mut().zip(&output.window_labels).for_each(|(s, p)| *s += p * tokens);
    }
    if weight == 0.0 {
        return None;
    }
    let scores: Vec<(String, f32)> = labels.iter().cloned().zip(sums.iter().map(|s| s / weight)).collect();
    let (label, confidence) = scores.iter().max_by(|a, b| a.1.total_cmp(&b.1))?.clone();
    Some(Sentiment { label, confidence, scores: scores.into_iter().collect() })
}
