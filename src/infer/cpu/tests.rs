//! Golden tests: outputs of the reference implementation (tests/golden/generate.py).

use super::*;
use crate::infer::families;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ids: Vec<u32>,
    last_hidden_state: Vec<f32>,
    layer_1: Option<Vec<f32>>,
}

fn golden() -> (Arc<Checkpoint>, Vec<Case>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bert-tiny");
    let checkpoint = families::load(&folder, None, None).unwrap();
    let text = std::fs::read(folder.join("cases.json")).unwrap();
    (Arc::new(checkpoint), serde_json::from_slice::<Golden>(&text).unwrap().cases)
}

/// Hidden states after the first `layers` layers.
fn states(checkpoint: &Checkpoint, batch: &PackedBatch, layers: usize) -> Vec<f32> {
    let (hidden, heads) = (checkpoint.config.hidden_size, checkpoint.config.num_attention_heads);
    let values = embed(&checkpoint.embeddings, hidden, batch).unwrap();
    let mut states = States { values, hidden, heads, batch };
    let mut scratch = Scratch::default();
    checkpoint.layers.iter().take(layers).for_each(|layer| scratch.layer(layer, &mut states));
    states.values
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "differs by {worst}");
}

#[test]
fn states_match_the_reference_one_by_one() {
    let (checkpoint, cases) = golden();
    for case in &cases {
        let mut batch = PackedBatch::new();
        batch.push(&case.ids, &[]);
        assert_close(&states(&checkpoint, &batch, usize::MAX), &case.last_hidden_state);
        if let Some(expected) = &case.layer_1 {
            // `hidden_states[1]` is the output of the first layer, `[2]` of the second.
            let found = [1, 2].map(|layers| states(&checkpoint, &batch, layers));
            let close = |f: &Vec<f32>| f.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(found.iter().any(close), "layer 1 differs");
        }
    }
}

#[test]
fn states_match_the_reference_packed_together() {
    let (checkpoint, cases) = golden();
    let mut batch = PackedBatch::new();
    cases.iter().for_each(|case| batch.push(&case.ids, &[]));
    let found = states(&checkpoint, &batch, usize::MAX);
    let expected: Vec<f32> = cases.iter().flat_map(|c| c.last_hidden_state.clone()).collect();
    assert_close(&found, &expected);
}

#[test]
fn spans_are_pooled_within_their_window() {
    let (checkpoint, cases) = golden();
    let long = cases.iter().max_by_key(|c| c.ids.len()).unwrap();
    let mut batch = PackedBatch::new();
    batch.push(&[1, 2], &[]);
    batch.push(&long.ids, &[0..long.ids.len(), 1..3]);
    let outputs = CpuEngine::new(Arc::clone(&checkpoint)).run(&batch).unwrap();
    assert_close(&outputs[1].spans[0], &outputs[1].embedding);
    let hidden = checkpoint.config.hidden_size;
    let sum: Vec<f32> = (0..hidden)
        .map(|i| long.last_hidden_state[hidden + i] + long.last_hidden_state[2 * hidden + i])
        .collect();
    let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
    assert_close(&outputs[1].spans[1], &sum.iter().map(|v| v / length).collect::<Vec<_>>());
}

#[test]
fn tokens_and_lengths_outside_the_model_are_errors() {
    let (checkpoint, _) = golden();
    let mut engine = CpuEngine::new(checkpoint);
    for tokens in [vec![1; 65], vec![200]] {
        let mut batch = PackedBatch::new();
        batch.push(&tokens, &[]);
        assert!(engine.run(&batch).is_err(), "{} tokens", tokens.len());
    }
}
