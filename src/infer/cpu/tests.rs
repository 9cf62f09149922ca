use super::*;
use crate::infer::golden::{self, cases, folder, worst};
use crate::infer::{families, model::Problem};
use std::path::Path;

fn engine(checkpoint: Checkpoint) -> Box<dyn Engine> {
    Box::new(CpuEngine::new(Arc::new(pack(checkpoint, Precision::F32))))
}

#[test]
fn every_family_matches_the_reference() {
    golden::check_all(&engine, 1e-4);
}

/// A copy of a checkpoint that shares a trunk's layers below one.
fn branch_of(source: &Path, layer: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read(source.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&text).unwrap();
    config["quire"] = serde_json::json!({ "branch_layer": layer });
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    std::fs::copy(source.join("model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    dir
}

#[test]
fn branches_that_share_a_trunks_layers_give_what_whole_models_give() {
    for family in golden::FAMILIES {
        let cases = cases(family);
        let batch = golden::batch(&cases);
        let whole = folder(family).join("windows");
        let expected = engine(families::load_alone(&whole).unwrap()).run(&batch).unwrap();
        let dirs = [1, 2].map(|layer| branch_of(&whole, layer));
        // The trunk has the same weights; a whole model beside it has others.
        let other = folder(family).join("tokens");
        let checkpoint = families::load(&whole, &[dirs[0].path(), &other, dirs[1].path(), &whole]).unwrap();
        let found = engine(checkpoint).run(&batch).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            for branch in [0, 2, 3] {
                let difference = worst(&found.heads[branch], &expected.heads[0]);
                assert!(difference < 1e-5, "{family}, branch {branch}: {difference}");
            }
        }
        let mut bare = batch.clone();
        bare.vectors_only = true;
        let bare = engine(families::load(&whole, &[dirs[0].path(), &other]).unwrap()).run(&bare).unwrap();
        for (bare, found) in bare.iter().zip(&found) {
            assert!(bare.heads.is_empty() && worst(&bare.embedding, &found.embedding) < 1e-6, "{family}");
        }
        let rows = found.iter().zip(&cases).map(|(f, c)| (f.heads[1].len(), c.ids.len() * 3));
        assert!(rows.into_iter().all(|(found, expected)| found == expected), "{family}");
    }
}

#[test]
fn a_branch_adds_the_row_of_each_tokens_shape() {
    let cases = cases("bert");
    let whole = folder("bert").join("tokens");
    let dir = branch_of(&whole, 1);
    let run = |table: Option<Vec<f32>>, shapes: &[u8]| {
        let mut checkpoint = families::load(&whole, &[dir.path()]).unwrap();
        checkpoint.branches[0].shapes = table;
        let mut batch = PackedBatch::new();
        // Together they are more than go through the layers at once.
        for case in cases.iter().chain(&cases).chain(&cases) {
            batch.push_shaped(&case.ids, shapes, &[]);
        }
        engine(checkpoint)
            .run(&batch)
            .unwrap()
            .into_iter()
            .flat_map(|o| o.heads[0].clone())
            .collect::<Vec<_>>()
    };
    let hidden = 24;
    // Only row 3 is not zero.
    let mut table = vec![0.0; crate::batch::SHAPES * hidden];
    table[3 * hidden..4 * hidden].iter_mut().enumerate().for_each(|(i, v)| *v = (i as f32 * 0.7).sin());
    let plain = run(None, &[3; 64]);
    assert!(worst(&run(Some(table.clone()), &[1; 64]), &plain) < 1e-6, "a row of zeros changes nothing");
    assert!(worst(&run(Some(table.clone()), &[]), &plain) < 1e-6, "tokens without shapes have row 0");
    let shaped = run(Some(table.clone()), &[3; 64]);
    assert!(worst(&shaped, &plain) > 0.05, "a row that is not zero shows");
    // The same row added to every position of the trunk's layer, where all tokens have that shape.
    let mut wide = vec![0.0; crate::batch::SHAPES * hidden];
    wide.chunks_exact_mut(hidden).for_each(|row| row.copy_from_slice(&table[3 * hidden..4 * hidden]));
    assert!(worst(&run(Some(wide), &[5; 64]), &shaped) < 1e-6, "which row it is makes no difference");
    let mut checkpoint = families::load(&whole, &[dir.path()]).unwrap();
    checkpoint.branches[0].shapes = Some(table);
    let mut batch = PackedBatch::new();
    batch.push_shaped(&cases[1].ids, &[200; 2], &[]);
    assert!(engine(checkpoint).run(&batch).is_err(), "a shape without a row is a fault that is named");
}

#[test]
fn heads_give_what_their_problem_says() {
    let cases = cases("bert");
    let batch = golden::batch(&cases);
    for (problem, of) in [
        (Problem::MultiLabel, (|v, _| 1.0 / (1.0 + f32::exp(-v))) as fn(f32, f32) -> f32),
        (Problem::SingleLabel, |v, sum| v.exp() / sum),
        (Problem::Regression, |v, _| v),
    ] {
        let mut checkpoint = families::load_alone(&folder("bert").join("windows")).unwrap();
        assert_eq!(checkpoint.branches[0].head.labels, ["no", "some", "all"]);
        checkpoint.branches[0].head.problem = problem;
        let outputs = engine(checkpoint).run(&batch).unwrap();
        for (case, output) in cases.iter().zip(outputs) {
            let sum = case.window_logits.iter().map(|v| v.exp()).sum();
            let expected: Vec<f32> = case.window_logits.iter().map(|v| of(*v, sum)).collect();
            assert!(worst(&output.heads[0], &expected) < 1e-4, "{problem:?}");
            assert!(output.embedding.is_empty(), "a task that stands alone gives no vectors");
        }
    }
}

#[test]
fn spans_are_means_within_their_window() {
    let cases = cases("roberta");
    let long = cases.iter().max_by_key(|c| c.ids.len()).unwrap();
    let mut batch = PackedBatch::new();
    batch.push(&[6, 7], &[]);
    batch.push(&long.ids, &[0..long.ids.len(), 1..3]);
    let outputs = engine(families::load(&folder("roberta"), &[]).unwrap()).run(&batch).unwrap();
    assert!(worst(&outputs[1].spans[0], &outputs[1].embedding) < 1e-6);
    let hidden = outputs[1].embedding.len();
    let state = |row: usize| &long.last_hidden_state[row * hidden..][..hidden];
    let sum: Vec<f32> = state(1).iter().zip(state(2)).map(|(a, b)| a + b).collect();
    let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
    let expected: Vec<f32> = sum.iter().map(|v| v / length).collect();
    assert!(worst(&outputs[1].spans[1], &expected) < 1e-4);
}

#[test]
fn tokens_and_lengths_outside_the_model_are_errors() {
    for (family, longest) in [("bert", 64), ("roberta", 64), ("mpnet", 160)] {
        let checkpoint = families::load(&folder(family), &[]).unwrap();
        assert_eq!((checkpoint.vocab(), checkpoint.encoder.max_tokens), (70, longest));
        let mut engine = engine(checkpoint);
        for (tokens, fits) in [(vec![6; longest], true), (vec![6; longest + 1], false), (vec![70], false)] {
            let mut batch = PackedBatch::new();
            batch.push(&tokens, &[]);
            assert_eq!(engine.run(&batch).is_ok(), fits, "{family}, {} tokens", tokens.len());
        }
    }
}

#[test]
fn a_batch_of_nothing_gives_nothing() {
    let mut engine = engine(families::load(&folder("deberta-v3"), &[]).unwrap());
    assert!(engine.run(&PackedBatch::new()).unwrap().is_empty());
}
