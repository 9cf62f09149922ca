//! What a classifier says of the whole document: its windows' scores, weighted by their length.

use crate::document::ClassScore;
use crate::tasks::HeadOf;
use crate::window::InferredDocument;

/// Classes that a document has at most; the rest of a large label set is noise.
const MOST: usize = 20;

/// Classes by score, best first; none where there is no text.
pub fn of(inferred: &InferredDocument, head: &HeadOf) -> Vec<ClassScore> {
    let scores = mean(inferred, head).unwrap_or_default();
    let class =
        |(label, score): (&String, f32)| ClassScore { label: label.clone(), score, scale: head.scale };
    let mut classes: Vec<ClassScore> = head.labels.iter().zip(scores).map(class).collect();
    classes.sort_by(|a, b| b.score.total_cmp(&a.score));
    classes.truncate(MOST);
    classes
}

/// Mean over the windows, each weighted by its tokens: `[labels]`. `None` where there is no text.
pub fn mean(inferred: &InferredDocument, head: &HeadOf) -> Option<Vec<f32>> {
    let mut sums = vec![0.0f32; head.labels.len()];
    let mut weight = 0.0;
    for (window, output) in inferred.of(head.model) {
        let Some(scores) = output.heads.get(head.head).filter(|scores| scores.len() == sums.len()) else {
            continue;
        };
        let tokens = window.pieces.len() as f32;
        weight += tokens;
        let scores = head.worth(scores, &inferred.fed.language);
        sums.iter_mut().zip(scores.iter()).for_each(|(sum, score)| *sum += score * tokens);
    }
    (weight > 0.0).then(|| sums.iter().map(|sum| sum / weight).collect())
}
