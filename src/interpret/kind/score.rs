//! How good guesses are: accuracy with its interval, confusion, calibration.

use serde::Serialize;
use std::collections::BTreeMap;

/// A document with its true kind and what was said.
#[derive(Debug, Clone, Serialize)]
pub struct Guess {
    /// Where it is.
    pub path: String,
    /// Its true kind.
    pub truth: String,
    /// What was said.
    pub said: String,
    /// With what confidence.
    pub confidence: f32,
}

/// Figures over guesses.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// Documents.
    pub documents: usize,
    /// Those that are right.
    pub right: usize,
    /// Their share.
    pub accuracy: f64,
    /// Where the share lies in 95 of 100 samples of as many documents (Wilson 1927).
    pub interval: [f64; 2],
    /// Expected calibration error: how far confidence and share of right ones are apart, over ten bins.
    pub calibration_error: f64,
    /// What was said of the documents of each true kind, with counts.
    pub confusion: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Score {
    /// Of these guesses.
    pub fn of(guesses: &[Guess]) -> Self {
        let right = guesses.iter().filter(|g| g.truth == g.said).count();
        let mut confusion: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for guess in guesses {
            *confusion.entry(guess.truth.clone()).or_default().entry(guess.said.clone()).or_default() += 1;
        }
        let documents = guesses.len();
        Self {
            documents,
            right,
            accuracy: if documents > 0 { right as f64 / documents as f64 } else { 0.0 },
            interval: wilson(right, documents),
            calibration_error: calibration_error(guesses),
            confusion,
        }
    }

    /// A row for each true kind, a column for each kind that was said.
    pub fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let mut said: Vec<&String> = self.confusion.values().flat_map(BTreeMap::keys).collect();
        said.extend(self.confusion.keys());
        said.sort();
        said.dedup();
        let mut header = vec!["is \\ said".to_owned()];
        header.extend(said.iter().map(|kind| (*kind).clone()));
        header.push("right".to_owned());
        let row = |(truth, counts): (&String, &BTreeMap<String, usize>)| {
            let all: usize = counts.values().sum();
            let mut row = vec![truth.clone()];
            row.extend(said.iter().map(|kind| counts.get(*kind).map_or(String::new(), ToString::to_string)));
            row.push(format!("{} of {all}", counts.get(truth).unwrap_or(&0)));
            row
        };
        (header, self.confusion.iter().map(row).collect())
    }
}

/// The interval of a share at 95 %.
fn wilson(right: usize, all: usize) -> [f64; 2] {
    if all == 0 {
        return [0.0, 1.0];
    }
    let (n, z) = (all as f64, 1.96f64);
    let share = right as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    [((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0)]
}

fn calibration_error(guesses: &[Guess]) -> f64 {
    let mut bins = [(0.0f64, 0.0f64); 10];
    for guess in guesses {
        let place = ((guess.confidence * 10.0).max(0.0) as usize).min(9);
        if let Some((confidence, right)) = bins.get_mut(place) {
            *confidence += f64::from(guess.confidence);
            *right += if guess.truth == guess.said { 1.0 } else { 0.0 };
        }
    }
    let apart: f64 = bins.iter().map(|(confidence, right)| (confidence - right).abs()).sum();
    if guesses.is_empty() { 0.0 } else { apart / guesses.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(truth: &str, said: &str, confidence: f32) -> Guess {
        Guess { path: String::new(), truth: truth.to_owned(), said: said.to_owned(), confidence }
    }

    #[test]
    fn figures_are_those_of_the_definitions() {
        let mut guesses = vec![guess("a", "a", 0.8); 8];
        guesses.extend(vec![guess("a", "b", 0.8); 2]);
        let score = Score::of(&guesses);
        assert_eq!((score.documents, score.right), (10, 8));
        assert!(score.calibration_error < 1e-6, "eight of ten at 0.8");
        // From the tables of Wilson's interval.
        assert!((score.interval[0] - 0.490).abs() < 0.002 && (score.interval[1] - 0.943).abs() < 0.002);
        assert_eq!(score.table().1, [["a", "8", "2", "8 of 10"]]);
        let sure = Score::of(&[guess("a", "b", 1.0)]);
        assert!((sure.calibration_error - 1.0).abs() < 1e-6);
        assert_eq!(Score::of(&[]).interval, [0.0, 1.0]);
    }
}
