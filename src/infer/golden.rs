//! Compares any engine with the reference implementation (tests/golden/encoders.py).

pub mod writers;

use super::model::{Checkpoint, Problem};
use super::{Engine, families};
use crate::batch::{PackedBatch, WindowOutput};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Folders of tests/golden: every family, and variants of one.
pub const FAMILIES: [&str; 8] =
    ["bert", "distilbert", "roberta", "xlm-roberta", "mpnet", "deberta-v2", "deberta-v3", "modernbert"];

/// Makes an engine of a checkpoint.
pub type MakeEngine<'a> = &'a dyn Fn(Checkpoint) -> Box<dyn Engine>;

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

/// A sequence, and what the reference makes of it alone.
#[derive(Deserialize)]
pub struct Case {
    /// Token ids.
    pub ids: Vec<u32>,
    /// `[tokens, hidden]`.
    pub last_hidden_state: Vec<f32>,
    /// Pooled and normalised.
    pub embedding: Vec<f32>,
    /// `[tokens, labels]`.
    pub token_logits: Vec<f32>,
    /// `[labels]`.
    pub window_logits: Vec<f32>,
}

/// Where a family's files are.
pub fn folder(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(family)
}

/// The sequences of a family.
pub fn cases(family: &str) -> Vec<Case> {
    let text = std::fs::read(folder(family).join("cases.json")).unwrap();
    serde_json::from_slice::<Cases>(&text).unwrap().cases
}

/// A batch of these sequences, each a window.
pub fn batch<'c>(cases: impl IntoIterator<Item = &'c Case>) -> PackedBatch {
    let mut batch = PackedBatch::new();
    cases.into_iter().for_each(|case| batch.push(&case.ids, &[]));
    batch
}

/// The largest absolute difference.
pub fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |m, v| if v > m || v.is_nan() { v } else { m })
}

/// A whole model whose head gives logits.
pub fn with_logits(folder: &Path) -> Checkpoint {
    let mut checkpoint = families::load_alone(folder).unwrap();
    checkpoint.branches.iter_mut().for_each(|b| b.head.problem = Problem::Regression);
    checkpoint
}

/// A family's three engines.
pub struct Engines {
    base: Box<dyn Engine>,
    tokens: Box<dyn Engine>,
    windows: Box<dyn Engine>,
}

impl Engines {
    /// Loads a family.
    pub fn load(family: &str, make: MakeEngine) -> Self {
        let folder = folder(family);
        Self {
            base: make(families::load(&folder, &[]).unwrap()),
            tokens: make(with_logits(&folder.join("tokens"))),
            windows: make(with_logits(&folder.join("windows"))),
        }
    }

    /// The largest difference of states, vectors, token logits and window logits, for these
    /// sequences in one batch.
    pub fn compare(&mut self, cases: &[&Case]) -> [f32; 4] {
        let batch = batch(cases.iter().copied());
        let joined = |part: fn(&Case) -> &Vec<f32>| -> Vec<f32> {
            cases.iter().flat_map(|case| part(case).iter().copied()).collect()
        };
        let all = |outputs: &[WindowOutput], part: fn(&WindowOutput) -> &Vec<f32>| -> Vec<f32> {
            outputs.iter().flat_map(|output| part(output).iter().copied()).collect()
        };
        let vectors = self.base.run(&batch).unwrap();
        let tokens = self.tokens.run(&batch).unwrap();
        let windows = self.windows.run(&batch).unwrap();
        [
            worst(&self.base.states(&batch).unwrap(), &joined(|c| &c.last_hidden_state)),
            worst(&all(&vectors, |o| &o.embedding), &joined(|c| &c.embedding)),
            worst(&all(&tokens, |o| &o.heads[0]), &joined(|c| &c.token_logits)),
            worst(&all(&windows, |o| &o.heads[0]), &joined(|c| &c.window_logits)),
        ]
    }
}

/// Every family's states and vectors, all sequences packed together, have a cosine above that of `least` with the
/// reference's, token by token.
pub fn check_directions(make: MakeEngine, least: impl Fn(&str) -> f32) {
    for family in FAMILIES {
        let cases = cases(family);
        let batch = batch(&cases);
        let mut engine = make(families::load(&folder(family), &[]).unwrap());
        let outputs = engine.run(&batch).unwrap();
        let states = engine.states(&batch).unwrap();
        let hidden = states.len() / batch.tokens.len();
        let expected: Vec<f32> = cases.iter().flat_map(|case| case.last_hidden_state.clone()).collect();
        let rows = states.chunks_exact(hidden).zip(expected.chunks_exact(hidden));
        let vectors = outputs.iter().zip(&cases).map(|(o, c)| (&*o.embedding, &*c.embedding));
        let worst = rows.chain(vectors).map(|(a, b)| cosine(a, b)).fold(1.0, f32::min);
        println!("{family}: least cosine {worst}");
        assert!(worst > least(family), "{family}: {worst}");
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Every family, each sequence alone and all packed together, differs by less than `tolerance` from
/// the reference in every state, vector and logit.
pub fn check_all(make: MakeEngine, tolerance: f32) {
    for family in FAMILIES {
        let cases = cases(family);
        let mut engines = Engines::load(family, make);
        let mut most = [0.0f32; 4];
        let alone = cases.iter().map(|case| vec![case]);
        let together = [cases.iter().collect(), cases.iter().rev().collect::<Vec<_>>()];
        for batch in alone.chain(together) {
            let found = engines.compare(&batch);
            let lengths: Vec<usize> = batch.iter().map(|c| c.ids.len()).collect();
            assert!(
                found.iter().all(|d| *d < tolerance),
                "{family}, lengths {lengths:?}: states, vectors, token and window logits differ by {found:?}"
            );
            most.iter_mut().zip(found).for_each(|(m, f)| *m = m.max(f));
        }
        println!("{family}: states, vectors, token and window logits differ by {most:?}");
    }
}
