//! Which passages of two documents are like each other: why one was found by the other.

use super::{Pair, Vectored};
use crate::document::DocumentId;

/// Passages of a document that are compared with those of another: those that are most like what is
/// looked for. Most documents have fewer; of a book all would be too many.
pub(super) const LOOKED_AT: usize = 32;

/// Pairs that are named of one document.
const SHOWN: usize = 3;

/// The pairs of passages with the greatest cosines, best first, no passage in two of them.
pub(super) fn between(examples: &[(&DocumentId, &Vec<Vectored>)], found: &[Vectored]) -> Vec<Pair> {
    let mut all = Vec::new();
    for (example, passages) in examples {
        for like in *passages {
            all.extend(
                found.iter().map(|passage| (cosine(&like.vector, &passage.vector), *example, like, passage)),
            );
        }
    }
    all.sort_by(|a, b| {
        let equals = || (a.1, a.2.row.number, a.3.row.number).cmp(&(b.1, b.2.row.number, b.3.row.number));
        b.0.total_cmp(&a.0).then_with(equals)
    });
    let mut pairs: Vec<Pair> = Vec::new();
    for (score, example, like, passage) in all {
        let taken = |pair: &Pair| {
            pair.passage.number == passage.row.number
                || (pair.example == *example && pair.like.number == like.row.number)
        };
        if pairs.len() < SHOWN && !pairs.iter().any(taken) {
            let (like, passage) = (like.row.clone(), passage.row.clone());
            pairs.push(Pair { example: example.clone(), like, passage, score });
        }
    }
    pairs
}

/// Of two vectors of length 1.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>().clamp(-1.0, 1.0)
}
