//! Multinomial logistic regression with an L2 penalty: few examples, many signs, one optimum.
//!
//! The loss is convex, so where it is started and in which order the examples come does not matter;
//! everything is computed in one order, so the same examples give the same weights.

use candle_core::{Device, Result, Tensor};

/// One example.
pub struct Example<'a> {
    /// Its signs, standardised.
    pub signs: &'a [f32],
    /// Index of its kind.
    pub kind: usize,
    /// How much it counts.
    pub weight: f32,
}

/// For each kind a row of weights, and what is added.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// `[kinds, signs]`, row by row.
    pub rows: Vec<f32>,
    /// `[kinds]`.
    pub bias: Vec<f32>,
}

/// Steps at most. What converges slower than this differs in digits that do not matter.
const STEPS: usize = 400;
/// Length of a step's gradient, as a share of the first one's, below which learning is done.
const DONE: f32 = 1e-3;

impl Weights {
    /// How much speaks for each kind.
    pub fn logits(&self, signs: &[f32]) -> Vec<f32> {
        let rows = self.rows.chunks_exact(signs.len().max(1));
        let logit = |(bias, row)| bias + dot(row, signs);
        if signs.is_empty() { self.bias.clone() } else { self.bias.iter().zip(rows).map(logit).collect() }
    }
}

/// Learns weights for `kinds` kinds. `penalty` is for the squares of the rows, against a mean loss.
///
/// Nesterov's accelerated gradient, started anew where it overshoots. The step follows from a bound on
/// the curvature: for softmax half the largest eigenvalue of the examples' second moments.
///
/// Errors: what the matrix library says; it has no reason to where all examples have as many signs.
pub fn learn(examples: &[Example<'_>], kinds: usize, penalty: f32) -> Result<Weights> {
    let signs = examples.first().map_or(0, |e| e.signs.len());
    let zero = Weights { rows: vec![0.0; kinds * signs], bias: vec![0.0; kinds] };
    if examples.is_empty() || kinds < 2 || signs == 0 {
        return Ok(zero);
    }
    let lesson = Examples::of(examples, signs)?;
    let step = 1.0 / (0.5 * (lesson.curvature()? + 1.0) + penalty);
    let (mut at, mut ahead, mut pace) = (zero.clone(), zero, 1.0f32);
    let mut first = 0.0;
    for number in 0..STEPS {
        let slope = lesson.gradient(&ahead, penalty)?;
        let length = slope.rows.iter().chain(&slope.bias).map(|v| v * v).sum::<f32>().sqrt();
        if number == 0 {
            first = length;
        }
        if length <= first * DONE {
            break;
        }
        let next = moved(&ahead, &slope, -step);
        let forward = moved(&next, &at, -1.0);
        // Momentum that points uphill is given up.
        let uphill = dot(&slope.rows, &forward.rows) + dot(&slope.bias, &forward.bias) > 0.0;
        let faster = if uphill { 1.0 } else { (1.0 + (1.0 + 4.0 * pace * pace).sqrt()) / 2.0 };
        ahead = if uphill { next.clone() } else { moved(&next, &forward, (pace - 1.0) / faster) };
        (at, pace) = (next, faster);
    }
    Ok(at)
}

/// `from + by · along`.
fn moved(from: &Weights, along: &Weights, by: f32) -> Weights {
    let add = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a + by * b).collect();
    Weights { rows: add(&from.rows, &along.rows), bias: add(&from.bias, &along.bias) }
}

/// Examples as one matrix. Its products are the library's; everything else is small.
struct Examples {
    /// `[examples, signs]`.
    matrix: Tensor,
    kinds: Vec<usize>,
    /// With a sum of 1.
    weights: Vec<f32>,
}

impl Examples {
    fn of(examples: &[Example<'_>], signs: usize) -> Result<Self> {
        let values: Vec<f32> = examples.iter().flat_map(|e| e.signs.iter().copied()).collect();
        let total = examples.iter().map(|e| e.weight).sum::<f32>().max(f32::MIN_POSITIVE);
        Ok(Self {
            matrix: Tensor::from_vec(values, (examples.len(), signs), &Device::Cpu)?,
            kinds: examples.iter().map(|e| e.kind).collect(),
            weights: examples.iter().map(|e| e.weight / total).collect(),
        })
    }

    fn gradient(&self, at: &Weights, penalty: f32) -> Result<Weights> {
        let (examples, signs) = self.matrix.dims2()?;
        let kinds = at.bias.len();
        let rows = Tensor::from_slice(&at.rows, (kinds, signs), &Device::Cpu)?;
        let logits = self.matrix.matmul(&rows.t()?)?.to_vec2::<f32>()?;
        let mut errors = Vec::with_capacity(examples * kinds);
        let mut bias = vec![0.0f32; kinds];
        for (logits, (truth, weight)) in logits.into_iter().zip(self.kinds.iter().zip(&self.weights)) {
            let logits: Vec<f32> = logits.iter().zip(&at.bias).map(|(l, b)| l + b).collect();
            for (kind, (share, bias)) in softmax(&logits, 1.0).iter().zip(&mut bias).enumerate() {
                let error = (share - if kind == *truth { 1.0 } else { 0.0 }) * weight;
                *bias += error;
                errors.push(error);
            }
        }
        let errors = Tensor::from_vec(errors, (examples, kinds), &Device::Cpu)?;
        let slope = errors.t()?.matmul(&self.matrix)?.flatten_all()?.to_vec1::<f32>()?;
        let rows = slope.iter().zip(&at.rows).map(|(s, w)| s + penalty * w).collect();
        Ok(Weights { rows, bias })
    }

    /// The largest eigenvalue of the weighted second moments of the signs, by power iteration; a
    /// little more than that, since the iteration comes from below.
    fn curvature(&self) -> Result<f32> {
        let (examples, signs) = self.matrix.dims2()?;
        // Not along an axis, so that no eigenvector is missed.
        let mut direction: Vec<f32> = (0..signs).map(|i| 1.0 + (i % 7) as f32 / 7.0).collect();
        let mut size = 0.0f32;
        for _ in 0..30 {
            let length = dot(&direction, &direction).sqrt().max(f32::MIN_POSITIVE);
            direction.iter_mut().for_each(|v| *v /= length);
            let column = Tensor::from_slice(&direction, (signs, 1), &Device::Cpu)?;
            let along = self.matrix.matmul(&column)?.flatten_all()?.to_vec1::<f32>()?;
            let along: Vec<f32> = along.iter().zip(&self.weights).map(|(a, w)| a * w).collect();
            let along = Tensor::from_vec(along, (1, examples), &Device::Cpu)?;
            direction = along.matmul(&self.matrix)?.flatten_all()?.to_vec1::<f32>()?;
            size = dot(&direction, &direction).sqrt();
        }
        Ok(size * 1.1)
    }
}

/// Probabilities from logits at a temperature.
pub fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let best = logits.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = logits.iter().map(|l| ((l - best) / temperature).exp()).collect();
    let sum: f32 = powers.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    powers.into_iter().map(|p| p / sum).collect()
}

/// Sums in eight lanes, which compilers turn into wide instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        lanes.iter_mut().zip(x.iter().zip(y)).for_each(|(l, (x, y))| *l += x * y);
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(signs: &[Vec<f32>], kinds: &[usize]) -> Weights {
        let list: Vec<Example<'_>> = signs
            .iter()
            .zip(kinds)
            .map(|(signs, kind)| Example { signs, kind: *kind, weight: 1.0 })
            .collect();
        learn(&list, kinds.iter().max().map_or(0, |k| k + 1), 0.01).unwrap()
    }

    fn best(weights: &Weights, signs: &[f32]) -> usize {
        let logits = weights.logits(signs);
        (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap()
    }

    #[test]
    fn what_can_be_told_apart_is_told_apart_and_the_same_each_time() {
        // Three clouds around corners of a triangle.
        let corners = [[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]];
        let near = |i: usize| (i as f32 * 0.7).sin() * 0.5;
        let signs: Vec<Vec<f32>> = (0..60)
            .map(|i| vec![corners[i % 3][0] + near(i), corners[i % 3][1] + near(i + 5), near(i * 3)])
            .collect();
        let kinds: Vec<usize> = (0..60).map(|i| i % 3).collect();
        let weights = examples(&signs, &kinds);
        assert!(signs.iter().zip(&kinds).all(|(s, k)| best(&weights, s) == *k));
        assert_eq!(weights, examples(&signs, &kinds));
        // The optimum: the gradient is nothing there, whatever the order.
        let list: Vec<Example<'_>> = signs
            .iter()
            .zip(&kinds)
            .map(|(signs, kind)| Example { signs, kind: *kind, weight: 1.0 })
            .collect();
        let slope = Examples::of(&list, 3).unwrap().gradient(&weights, 0.01).unwrap();
        assert!(slope.rows.iter().chain(&slope.bias).all(|v| v.abs() < 2e-3), "{slope:?}");
    }

    #[test]
    fn odd_examples_give_finite_weights() {
        let one = examples(&[vec![1.0, 2.0], vec![3.0, 4.0]], &[0, 0]);
        assert_eq!(softmax(&one.logits(&[1.0, 1.0]), 1.0), [1.0]);
        let none = learn(&[], 3, 0.1).unwrap();
        assert_eq!(softmax(&none.logits(&[]), 1.0).len(), 3);
        let nothing = examples(&[vec![0.0; 4], vec![0.0; 4]], &[0, 1]);
        assert!(nothing.rows.iter().all(|w| *w == 0.0));
        let same = examples(&[vec![1.0; 9], vec![1.0; 9]], &[0, 1]);
        assert!((softmax(&same.logits(&[1.0; 9]), 1.0)[0] - 0.5).abs() < 0.01, "nothing tells them apart");
        let huge = examples(&[vec![1e6, -1e6], vec![-1e6, 1e6]], &[0, 1]);
        assert!(huge.rows.iter().chain(&huge.bias).all(|w| w.is_finite()));
        assert_eq!(best(&huge, &[1e6, -1e6]), 0);
    }

    #[test]
    fn probabilities_sum_to_one_at_any_logit() {
        for logits in [vec![0.0, 1e30, -1e30], vec![f32::MAX, f32::MIN], vec![-1e-30; 5]] {
            let shares = softmax(&logits, 0.5);
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5 && shares.iter().all(|s| s.is_finite()));
        }
    }

    proptest::proptest! {
        #[test]
        fn weights_are_finite_whatever_the_signs(
            signs in proptest::collection::vec(proptest::collection::vec(-50.0f32..50.0, 5), 1..12),
            seed in 0usize..100,
        ) {
            let kinds: Vec<usize> = (0..signs.len()).map(|i| (i * 7 + seed) % 3).collect();
            let weights = examples(&signs, &kinds);
            proptest::prop_assert!(weights.rows.iter().chain(&weights.bias).all(|w| w.is_finite()));
        }
    }
}
