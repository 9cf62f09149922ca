use super::*;
use proptest::prelude::*;

fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    };
    (0..count).map(|_| next()).collect()
}

proptest! {
    #[test]
    fn matches_the_definition(
        (queries, keys) in (0usize..70, 0usize..70), heads in 1usize..4, width in 1usize..70,
        which in 0usize..2, seed in 0u32..999, biased: bool
    ) {
        let sight = [Sight::All, Sight::Window(3)][which];
        let hidden = heads * width;
        let (q, kv) = (values(queries * hidden + 2, seed), values(keys * 2 * hidden + 3, seed + 1));
        let shape = Shape { heads, width, scale: 1.0 / (width as f32).sqrt() };
        let shift = |head: usize, row: usize, key: usize| ((head + 3 * row + 5 * key) % 7) as f32 / 3.0;
        let add = |head: usize, scores: &mut [f32]| {
            for (i, score) in scores.iter_mut().enumerate() {
                *score += shift(head, i / keys, i % keys);
            }
        };
        let mut out = vec![f32::NAN; queries * hidden];
        for set in Instructions::available() {
        let operands = Operands {
            shape,
            size: (queries, keys),
            q: Rows { values: &q, offset: 2, stride: hidden },
            k: Rows { values: &kv, offset: 3, stride: 2 * hidden },
            v: Rows { values: &kv, offset: 3 + hidden, stride: 2 * hidden },
            sight,
            set,
        };
        operands.attend(if biased { Some(&add) } else { None }, &mut out, &mut Vec::new());
        for (i, head, c) in (0..queries * hidden).map(|i| (i / hidden, i % hidden / width, i % width)) {
            let seen: Vec<usize> = sight.of(i, keys).collect();
            let score = |j: &usize| {
                let dot = |d: usize| q[2 + i * hidden + head * width + d] * kv[3 + j * 2 * hidden + head * width + d];
                let bias = if biased { shift(head, i, *j) } else { 0.0 };
                f64::from((0..width).map(dot).sum::<f32>() * shape.scale + bias)
            };
            let weights: Vec<f64> = seen.iter().map(|j| score(j).exp()).collect();
            let total: f64 = weights.iter().sum();
            let value = |j: usize| f64::from(kv[3 + j * 2 * hidden + hidden + head * width + c]);
            let sum: f64 = seen.iter().zip(&weights).map(|(j, w)| w * value(*j)).sum();
            let expected = if seen.is_empty() { 0.0 } else { sum / total };
            let found = f64::from(out[i * hidden + head * width + c]);
            prop_assert!((found - expected).abs() < 1e-4, "{} {}", found, expected);
        }
        }
    }
}
