//! Figures with their intervals.

use serde::Serialize;

/// What one text adds to precision and recall.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Found and right.
    pub hit: usize,
    /// Found.
    pub said: usize,
    /// There to be found.
    pub true_: usize,
}

/// A figure with the interval that holds it in 95 of 100 samples of as many texts.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figure {
    /// Of all texts.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Samples that are drawn for an interval.
const SAMPLES: usize = 400;

/// A figure over texts with its interval by the bootstrap (Efron 1979): the percentiles of the figure
/// over texts drawn with replacement. The draws are the same each time.
pub fn interval<T: Copy>(texts: &[T], figure: impl Fn(&[T]) -> f64) -> Figure {
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 16).unwrap_or(0)
    };
    let mut values: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let sample: Vec<T> =
                texts.iter().filter_map(|_| texts.get(draw() % texts.len()).copied()).collect();
            figure(&sample)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((share * (SAMPLES - 1) as f64).round() as usize).copied().unwrap_or(0.0);
    Figure { value: figure(texts), low: at(0.025), high: at(0.975) }
}

/// The harmonic mean of precision and recall; of texts that each have one answer, the accuracy.
pub fn f1(tallies: &[Tally]) -> f64 {
    let sum = |part: fn(&Tally) -> usize| tallies.iter().map(part).sum::<usize>() as f64;
    let (hit, both) = (sum(|t| t.hit), sum(|t| t.said) + sum(|t| t.true_));
    if both > 0.0 { 2.0 * hit / both } else { 0.0 }
}

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Spearman's rank correlation of pairs, ties with their mean rank.
pub fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let a = ranks(pairs.iter().map(|(a, _)| *a));
    let b = ranks(pairs.iter().map(|(_, b)| *b));
    let mean = (pairs.len() as f64 + 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| (p - mean) * (q - mean)).sum::<f64>();
    let width = (product(&a, &a) * product(&b, &b)).sqrt();
    if width > 0.0 { product(&a, &b) / width } else { 0.0 }
}

fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<(usize, f64)> = values.enumerate().collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks = vec![0.0; sorted.len()];
    let mut before = 0;
    for tie in sorted.chunk_by(|a, b| a.1 == b.1) {
        let rank = before as f64 + (tie.len() as f64 + 1.0) / 2.0;
        before += tie.len();
        for (at, _) in tie {
            if let Some(place) = ranks.get_mut(*at) {
                *place = rank;
            }
        }
    }
    ranks
}

/// Confidences and whether what they were given for was right.
#[derive(Debug, Default)]
pub struct Judged(Vec<(f32, bool)>);

impl Judged {
    /// Adds one.
    pub fn add(&mut self, confidence: f32, right: bool) {
        self.0.push((confidence, right));
    }

    /// Expected calibration error (Guo et al. 2017): over ten bins of confidence, how far mean
    /// confidence and share of right ones are apart, by the bins' sizes.
    pub fn error(&self) -> f64 {
        let mut bins = [(0.0f64, 0.0f64); 10];
        for (confidence, right) in &self.0 {
            let index = ((confidence * 10.0) as usize).min(9);
            if let Some((sum, hits)) = bins.get_mut(index) {
                *sum += f64::from(*confidence);
                *hits += f64::from(u8::from(*right));
            }
        }
        bins.iter().map(|(sum, hits)| (sum - hits).abs()).sum::<f64>() / self.0.len().max(1) as f64
    }

    /// Mean confidence.
    pub fn mean(&self) -> f64 {
        self.0.iter().map(|(c, _)| f64::from(*c)).sum::<f64>() / self.0.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_small_cases_done_by_hand() {
        let tally = |hit, said, true_| Tally { hit, said, true_ };
        assert!((f1(&[tally(1, 2, 1), tally(0, 0, 1)]) - 0.5).abs() < 1e-12);
        assert!((spearman(&[(1.0, 2.0), (2.0, 1.0), (3.0, 3.0)]) - 0.5).abs() < 1e-12);
        assert!((spearman(&[(1.0, 1.0), (1.0, 2.0), (2.0, 3.0)]) - 0.866).abs() < 1e-3, "ties share a rank");
        let mut judged = Judged::default();
        for right in [true, true, true, false] {
            judged.add(0.95, right);
        }
        assert!((judged.error() - 0.2).abs() < 1e-6 && (judged.mean() - 0.95).abs() < 1e-6);
    }

    #[test]
    fn an_interval_holds_its_figure_and_shrinks_with_more_texts() {
        let texts = |n: usize| (0..n).map(|i| Tally { hit: usize::from(i % 4 > 0), said: 1, true_: 1 });
        let few = interval(&texts(40).collect::<Vec<_>>(), f1);
        let many = interval(&texts(4000).collect::<Vec<_>>(), f1);
        assert!(few.low < few.value && few.value < few.high && (few.value - 0.75).abs() < 1e-9);
        assert!(many.high - many.low < (few.high - few.low) / 5.0);
    }
}
