//! What is above the layers: vectors of windows and spans, labels of tokens and windows.

use super::encoder::{normalise, product};
use super::linear::Packed;
use super::rows;
use crate::batch::PackedBatch;
use crate::infer::model::{Activation, Dense, Head, Pooler, Pooling, Problem};
use std::ops::Range;

/// L2-normalised vectors of the windows and of their spans.
pub fn vectors(
    pooler: &Pooler<Packed>,
    states: &[f32],
    hidden: usize,
    batch: &PackedBatch,
) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let one = |pooling: Pooling, range: &Range<usize>| {
        let mut vector = vec![0.0; hidden];
        pool(pooling, of(states, hidden, range), &mut vector);
        for dense in &pooler.dense {
            vector = apply_dense(dense, &vector);
        }
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        vector.iter_mut().for_each(|v| *v /= length);
        vector
    };
    let windows = batch.ranges().map(|range| one(pooler.pooling, &range)).collect();
    // The first token stands for a whole window only.
    let spans = batch.spans.iter().map(|span| one(Pooling::Mean, span)).collect();
    (windows, spans)
}

/// A head's outputs for each window: `[tokens × labels]`, or `[labels]`.
pub fn labels(head: &Head<Packed>, states: &[f32], hidden: usize, batch: &PackedBatch) -> Vec<Vec<f32>> {
    let count = head.classifier.out();
    let Some(pooling) = head.pooling else {
        let all = classify(head, states);
        return batch.ranges().map(|range| of(&all, count, &range).to_vec()).collect();
    };
    let mut pooled = vec![0.0; batch.windows() * hidden];
    for (row, range) in pooled.chunks_exact_mut(hidden).zip(batch.ranges()) {
        pool(pooling, of(states, hidden, &range), row);
    }
    classify(head, &pooled).chunks_exact(count.max(1)).map(<[f32]>::to_vec).collect()
}

/// Outputs for each row of `x`.
fn classify(head: &Head<Packed>, x: &[f32]) -> Vec<f32> {
    let mut outputs = Vec::new();
    match &head.dense {
        Some(dense) => {
            product(&head.classifier, &apply_dense(dense, x), &mut outputs, Activation::None);
        }
        None => product(&head.classifier, x, &mut outputs, Activation::None),
    }
    match head.problem {
        Problem::SingleLabel => rows::softmax(&mut outputs, head.classifier.out()),
        Problem::MultiLabel => outputs.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        Problem::Regression => {}
    }
    outputs
}

fn apply_dense(dense: &Dense<Packed>, x: &[f32]) -> Vec<f32> {
    let mut y = Vec::new();
    product(&dense.linear, x, &mut y, dense.activation);
    if let Some(norm) = &dense.norm {
        normalise(&mut y, norm);
    }
    y
}

fn pool(pooling: Pooling, states: &[f32], out: &mut [f32]) {
    match pooling {
        Pooling::First => {
            if let Some(first) = states.get(..out.len()) {
                out.copy_from_slice(first);
            }
        }
        Pooling::Mean => {
            let rows = (states.len() / out.len().max(1)).max(1) as f32;
            for row in states.chunks_exact(out.len().max(1)) {
                rows::add(out, row);
            }
            out.iter_mut().for_each(|v| *v /= rows);
        }
    }
}

fn of<'v>(values: &'v [f32], width: usize, range: &Range<usize>) -> &'v [f32] {
    values.get(range.start * width..range.end * width).unwrap_or_default()
}
