//! Scaled dot-product attention of one sequence, without padding and without a materialised mask.

use super::kernels::{View, matmul};
use super::rows;

/// Rows of one sequence inside a bigger buffer: row r, head h, column c at
/// `offset + r * stride + h * width + c`.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The buffer.
    pub values: &'a [f32],
    /// Of row 0, head 0, column 0.
    pub offset: usize,
    /// From one row to the next.
    pub stride: usize,
}

/// Of all heads.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many there are.
    pub heads: usize,
    /// Columns of one head.
    pub width: usize,
    /// Factor of every score, usually 1/√width.
    pub scale: f32,
}

/// Which keys a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Every key.
    All,
    /// Query i sees key j where |i − j| ≤ n.
    Window(usize),
    /// Query i sees keys 0 ..= past + i.
    Causal {
        /// Keys before the first query's own.
        past: usize,
    },
}

impl Sight {
    /// The keys that a query sees: a range, perhaps empty.
    fn of(self, query: usize, keys: usize) -> std::ops::Range<usize> {
        let (start, end) = match self {
            Self::All => (0, keys),
            Self::Window(n) => (query.saturating_sub(n), query.saturating_add(n).saturating_add(1)),
            Self::Causal { past } => (0, past.saturating_add(query).saturating_add(1)),
        };
        let end = end.min(keys);
        start.min(end)..end
    }
}

/// Adds to the scaled scores of one head before the softmax: (head, scores `[queries, keys]`).
pub type Bias<'a> = &'a dyn Fn(usize, &mut [f32]);

/// `out[q, heads · width] = softmax(scale · q · kᵀ + bias) · v`, head by head.
#[allow(clippy::too_many_arguments)] // three operands, and buffers of the caller
pub fn attend(
    shape: &Shape,
    (queries, keys): (usize, usize),
    q: Rows,
    k: Rows,
    v: Rows,
    sight: Sight,
    bias: Option<Bias>,
    out: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let (heads, width) = (shape.heads, shape.width);
    debug_assert!(out.len() >= queries * heads * width);
    scratch.clear();
    scratch.resize(queries * keys, 0.0);
    if scratch.is_empty() {
        out.fill(0.0);
        return;
    }
    for head in 0..heads {
        let part = |r: Rows| View { offset: r.offset + head * width, row: r.stride, column: 1 };
        let turned = |r: Rows| View { offset: r.offset + head * width, row: 1, column: r.stride };
        let scores = View::rows(keys);
        matmul(
            (queries, keys, width),
            shape.scale,
            (q.values, part(q)),
            (k.values, turned(k)),
            (scratch, scores),
        );
        if let Some(bias) = bias {
            bias(head, scratch);
        }
        for (query, row) in scratch.chunks_exact_mut(keys).enumerate() {
            let seen = sight.of(query, keys);
            for (key, score) in row.iter_mut().enumerate() {
                if !seen.contains(&key) {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
        rows::softmax(scratch, keys);
        let place = View { offset: head * width, row: heads * width, column: 1 };
        matmul((queries, width, keys), 1.0, (scratch, scores), (v.values, part(v)), (out, place));
    }
}

#[cfg(test)]
#[path = "attention_tests.rs"]
mod tests;
