//! The tone of a document and of its passages: probabilities of windows, weighted by their length.

use super::classes::mean;
use crate::document::{Scored, Sentiment};
use crate::tasks::{EMBEDDING, HeadOf};
use crate::window::InferredDocument;
use std::collections::HashMap;
use std::ops::Range;

/// A window's bytes of its page, and its scores: `[labels]`.
type Said<'w> = (&'w Range<usize>, &'w [f32]);

/// `None` where there is no text.
pub fn of(inferred: &InferredDocument, head: &HeadOf) -> Option<Sentiment> {
    let scores: Vec<(String, f32)> = head.labels.iter().cloned().zip(mean(inferred, head)?).collect();
    let (label, confidence) = scores.iter().max_by(|a, b| a.1.total_cmp(&b.1))?.clone();
    Some(Sentiment { label, confidence, scores: scores.into_iter().collect() })
}

/// The tone of each passage, in order. A head of the model that embeds has said it of just that
/// passage; of another model, the windows count by how much of the passage they hold.
pub fn of_passages(inferred: &InferredDocument, head: &HeadOf) -> Vec<Option<Scored>> {
    let mut by_page: HashMap<usize, Vec<Said>> = HashMap::new();
    for (window, output) in inferred.of(head.model) {
        if let Some(scores) = output.heads.get(head.head).filter(|scores| scores.len() == head.labels.len()) {
            by_page.entry(window.page).or_default().push((&window.bytes, scores));
        }
    }
    let tone = |page: usize, bytes: &Range<usize>| {
        let near = by_page.get(&page)?;
        let scores = match near.iter().find(|(window, _)| *window == bytes) {
            Some((_, scores)) => scores.to_vec(),
            None => weighted(near, bytes, head.labels.len())?,
        };
        best(head, &head.worth(&scores, &inferred.fed.language))
    };
    inferred.of(EMBEDDING).map(|(window, _)| tone(window.page, &window.bytes)).collect()
}

/// Mean of the windows, each weighted by the bytes of the passage that it holds: `[labels]`.
fn weighted(windows: &[Said<'_>], passage: &Range<usize>, labels: usize) -> Option<Vec<f32>> {
    let (mut sums, mut weight) = (vec![0.0f32; labels], 0.0);
    for (window, scores) in windows {
        let shared = window.end.min(passage.end).saturating_sub(window.start.max(passage.start)) as f32;
        weight += shared;
        sums.iter_mut().zip(*scores).for_each(|(sum, score)| *sum += score * shared);
    }
    (weight > 0.0).then(|| sums.iter().map(|sum| sum / weight).collect())
}

fn best(head: &HeadOf, scores: &[f32]) -> Option<Scored> {
    let (label, confidence) = head.labels.iter().zip(scores).max_by(|a, b| a.1.total_cmp(b.1))?;
    Some(Scored { label: label.clone(), confidence: *confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_another_model_count_by_what_they_hold_of_a_passage() {
        let windows = [(&(0..10), &[1.0, 0.0][..]), (&(10..40), &[0.0, 1.0][..])];
        assert_eq!(weighted(&windows, &(5..15), 2), Some(vec![0.5, 0.5]));
        assert_eq!(weighted(&windows, &(0..8), 2), Some(vec![1.0, 0.0]));
        assert_eq!(weighted(&windows, &(0..40), 2), Some(vec![0.25, 0.75]));
        assert_eq!(weighted(&windows, &(40..50), 2), None);
    }
}
