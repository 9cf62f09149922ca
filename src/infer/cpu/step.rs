//! Operators of a decoder's step: one query a row, keys and values in a cache.

#![allow(clippy::indexing_slicing)] // lanes of fixed width; lengths are checked at every entry

use super::instructions::{Instructions, by_instructions, exp, madd};
use super::rows::softmax;

/// Accumulators that the compiler turns into registers.
const LANES: usize = 16;

/// Heads of a decoder's attention.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Of the queries.
    pub queries: usize,
    /// Of keys and values; each serves `queries / keys` query heads.
    pub keys: usize,
    /// Columns of one head.
    pub width: usize,
    /// Factor of every score.
    pub scale: f32,
}

/// Keys and values that a query sees: row `slot` of `values` holds the keys of all heads, then the
/// values of all heads.
#[derive(Debug, Clone, Copy)]
pub struct Cache<'a> {
    /// `[slots, 2 · keys · width]`.
    pub values: &'a [f32],
    /// Which slots, in order; `None`: all.
    pub path: Option<&'a [u32]>,
}

/// `out = softmax(scale · q · kᵀ + bias) · v`, head by head, for one query.
///
/// `scores` holds the biases before, `[queries, seen]`, and the probabilities after. Slots of a
/// path that are not there count as zeros.
pub fn attend_row(heads: &Heads, q: &[f32], cache: Cache<'_>, scores: &mut [f32], out: &mut [f32]) {
    let stride = 2 * heads.keys * heads.width;
    let slots = cache.values.len().checked_div(stride).unwrap_or(0);
    let seen = cache.path.map_or(slots, <[u32]>::len);
    let (width, inner) = (heads.queries * heads.width, heads.keys * heads.width);
    if seen == 0 || heads.keys == 0 || !heads.queries.is_multiple_of(heads.keys) || heads.width == 0 {
        return out.fill(0.0);
    }
    assert!(q.len() >= width && out.len() >= width && scores.len() >= heads.queries * seen);
    let scores = &mut scores[..heads.queries * seen];
    let set = Instructions::detected();
    row_scores(set, heads, q, cache, inner, scores);
    softmax(scores, seen);
    out[..width].fill(0.0);
    row_sums(set, heads, cache, inner, scores, out);
}

/// Row number `index` of what is seen, if it is there.
#[inline(always)]
fn slot<'a>(cache: &Cache<'a>, index: usize, stride: usize) -> Option<&'a [f32]> {
    let slot = cache.path.map_or(index, |path| path[index] as usize);
    cache.values.get(slot * stride..(slot + 1) * stride)
}

by_instructions! {
    /// Adds `scale · q · k` to the scores.
    fn row_scores(heads: &Heads, q: &[f32], cache: Cache<'_>, inner: usize, scores: &mut [f32]) {
        let (seen, group) = (scores.len() / heads.queries, heads.queries / heads.keys);
        for index in 0..seen {
            let Some(row) = slot(&cache, index, 2 * inner) else { continue };
            for (head, query) in q.chunks_exact(heads.width).take(heads.queries).enumerate() {
                let start = head / group * heads.width;
                let key = &row[start..start + heads.width];
                scores[head * seen + index] += heads.scale * dot::<FUSED>(query, key);
            }
        }
    }
}

by_instructions! {
    /// Adds `probability · v` to the output.
    fn row_sums(heads: &Heads, cache: Cache<'_>, inner: usize, scores: &[f32], out: &mut [f32]) {
        let (seen, group) = (scores.len() / heads.queries, heads.queries / heads.keys);
        for index in 0..seen {
            let Some(row) = slot(&cache, index, 2 * inner) else { continue };
            for (head, sum) in out.chunks_exact_mut(heads.width).take(heads.queries).enumerate() {
                let start = inner + head / group * heads.width;
                let probability = scores[head * seen + index];
                for (sum, value) in sum.iter_mut().zip(&row[start..start + heads.width]) {
                    *sum = madd::<FUSED>(probability, *value, *sum);
                }
            }
        }
    }
}

#[inline(always)]
fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in left.zip(right) {
        for lane in 0..LANES {
            lanes[lane] = madd::<FUSED>(x[lane], y[lane], lanes[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// ln Σ eˣ; −∞ for nothing.
pub fn log_sum_exp(x: &[f32]) -> f32 {
    let most = x.iter().fold(f32::MIN, |m, v| if *v > m { *v } else { m });
    let mut sum = 0.0;
    add_exponentials(Instructions::detected(), x, most, &mut sum);
    sum.ln() + most
}

by_instructions! {
    /// `sum += Σ eˣ⁻ᵐᵒˢᵗ`.
    fn add_exponentials(x: &[f32], most: f32, sum: &mut f32) {
        let mut lanes = [0.0f32; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest: f32 = chunks.remainder().iter().map(|v| exp::<FUSED>(*v - most)).sum();
        for chunk in chunks {
            for lane in 0..LANES {
                lanes[lane] += exp::<FUSED>(chunk[lane] - most);
            }
        }
        *sum += lanes.iter().sum::<f32>() + rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::cpu::attention::{Rows, Shape, Sight, attend};
    use proptest::prelude::*;

    fn noise(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 101) % 29) as f32 / 14.0 - 1.0).collect()
    }

    proptest! {
        #[test]
        fn one_query_gets_what_many_get(slots in 1usize..40, heads in 1usize..5, width in 1usize..40, seed in 0usize..99) {
            let inner = heads * width;
            let (q, cache) = (noise(inner, seed), noise(slots * 2 * inner, seed + 1));
            let shape = Shape { heads, width, scale: 0.3 };
            let part = |offset| Rows { values: &cache, offset, stride: 2 * inner };
            let mut expected = vec![0.0; inner];
            attend(&shape, (1, slots), Rows { values: &q, offset: 0, stride: inner }, part(0), part(inner),
                   Sight::All, None, &mut expected, &mut Vec::new());
            let own = Heads { queries: heads, keys: heads, width, scale: 0.3 };
            let (mut scores, mut out) = (vec![0.0; heads * slots], vec![0.0; inner]);
            attend_row(&own, &q, Cache { values: &cache, path: None }, &mut scores, &mut out);
            prop_assert!(out.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
            // Through a path, in another order, it is the same.
            let path: Vec<u32> = (0..slots as u32).rev().collect();
            let (mut scores, mut other) = (vec![0.0; heads * slots], vec![0.0; inner]);
            attend_row(&own, &q, Cache { values: &cache, path: Some(&path) }, &mut scores, &mut other);
            prop_assert!(out.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-4));
        }

        #[test]
        fn log_sum_exp_matches_the_definition(x in proptest::collection::vec(-50f32..50.0, 1..70)) {
            let expected = x.iter().map(|v| f64::from(*v).exp()).sum::<f64>().ln();
            prop_assert!((f64::from(log_sum_exp(&x)) - expected).abs() < 1e-4);
        }
    }
}
