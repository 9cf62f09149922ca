use super::device::{Device, Format};
use super::emulated::{Emulated, compared};
use super::*;
use crate::batch::{Job, SHAPES};
use crate::config::Precision;
use crate::infer::device::Placed;
use crate::infer::families;
use crate::infer::golden::{self, cases, folder};
use crate::infer::model::Checkpoint;
use crate::infer::serve;
use crate::metrics::Metrics;
use crate::metrics::watch::State;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

fn engine_on(device: &Arc<Emulated>, checkpoint: &Checkpoint, format: Format, together: usize) -> GpuEngine {
    engine_of(Arc::clone(device) as Arc<dyn Device>, checkpoint, format, together)
}

fn engine_of(device: Arc<dyn Device>, checkpoint: &Checkpoint, format: Format, together: usize) -> GpuEngine {
    GpuEngine::new(Arc::new(Weights::upload(checkpoint, device, format).unwrap()), together, 0).unwrap()
}

fn engine(format: Format) -> impl Fn(Checkpoint) -> Box<dyn Engine> {
    move |checkpoint| Box::new(engine_of(compared(), &checkpoint, format, 4096))
}

#[test]
fn every_family_matches_the_reference_in_full_precision() {
    golden::check_all(&engine(Format::F32), 1e-3);
}

#[test]
fn every_family_points_where_the_reference_does_in_half_precision() {
    golden::check_directions(&engine(Format::F16), |_| 0.999);
    // In bf16 ModernBERT's worst token is at 0.994, with states in f32 as well: benches/NOTES.md.
    let least = |family: &str| if family == "modernbert" { 0.99 } else { 0.999 };
    golden::check_directions(&engine(Format::Bf16), least);
}

#[test]
fn windows_apart_and_together_give_the_same() {
    let cases = cases("bert");
    let batch = golden::batch(&cases);
    let checkpoint = families::load(&folder("bert"), &[]).unwrap();
    let device = Arc::default();
    let together = engine_on(&device, &checkpoint, Format::Bf16, 4096).run(&batch).unwrap();
    let apart = engine_on(&device, &checkpoint, Format::Bf16, 1).run(&batch).unwrap();
    assert_eq!(together, apart);
}

#[test]
fn what_is_repeated_is_done_with_the_batch_that_comes() {
    let cases = cases("bert");
    let checkpoint = families::load(&folder("bert"), &[]).unwrap();
    let mut engine = engine_of(compared(), &checkpoint, Format::F32, 4096);
    // The same shape three times, so a GPU records it and calls what it recorded; then it gets another arena.
    let shifted = |by: u32| {
        let mut batch = PackedBatch::new();
        batch.push(&(0..20).map(|i| 5 + (i + by) % 30).collect::<Vec<_>>(), &[]);
        batch
    };
    let round = |engine: &mut GpuEngine| -> Vec<Vec<WindowOutput>> {
        (0..4).map(|by| engine.run(&shifted(by)).unwrap()).collect()
    };
    let first = round(&mut engine);
    assert!(first.windows(2).all(|two| two[0] != two[1]));
    engine.run(&golden::batch(&cases)).unwrap();
    assert_eq!(round(&mut engine), first);
    let mut on_cpu = Placed::encoder(checkpoint, Precision::F32).engine();
    for (by, found) in (0..).zip(&first) {
        let expected = on_cpu.run(&shifted(by)).unwrap();
        assert!(golden::worst(&found[0].embedding, &expected[0].embedding) < 1e-3, "{by}");
    }
}

#[test]
fn a_full_gpu_says_so_and_goes_on_with_less() {
    let checkpoint = families::load(&folder("bert"), &[]).unwrap();
    let device: Arc<Emulated> = Arc::default();
    let mut engine = engine_on(&device, &checkpoint, Format::Bf16, 4096);
    let mut one = PackedBatch::new();
    one.push(&[6; 16], &[]);
    let mut many = PackedBatch::new();
    (0..40).for_each(|_| many.push(&[6; 16], &[]));
    let expected = engine.run(&one).unwrap();
    let (_, total) = device.memory().unwrap();
    assert_eq!(total, 0);
    let more = GpuEngine::activations(&engine.weights, 32, 16);
    engine.arena.release();
    device.room.store(device.used_now() + more, Ordering::Relaxed);
    assert!(matches!(engine.run(&many), Err(Error::Retry(_))));
    assert_eq!(engine.run(&one).unwrap(), expected);
    // A model thread splits it until every window has its answer, and counts how often.
    let (sender, answers) = mpsc::channel();
    let job = |_| {
        let sender = sender.clone();
        let reply = Box::new(move |answer| sender.send(answer).unwrap());
        Job { model: 0, tokens: vec![6; 16], shapes: vec![], spans: vec![], vectors_only: false, reply }
    };
    let mut batches = vec![(0, (0..40).map(job).collect())];
    let metrics = Metrics::new();
    let mut engines: [Box<dyn Engine>; 1] = [Box::new(engine)];
    serve(&mut engines, || batches.pop(), 4096, &metrics);
    drop(sender);
    let answers: Vec<WindowOutput> = answers.iter().map(Result::unwrap).collect();
    assert!(answers.len() == 40 && answers.iter().all(|answer| answer.embedding == expected[0].embedding));
    let text = metrics.encode();
    let splits = text.lines().find_map(|line| line.strip_prefix("quire_out_of_memory_splits_total "));
    // Into batches of one or two windows.
    assert!((23..40).contains(&splits.unwrap().parse().unwrap()), "{splits:?}");
    // Nor is there room for another copy of the weights.
    let device: Arc<dyn Device> = device;
    assert!(matches!(Weights::upload(&checkpoint, device, Format::Bf16), Err(Error::Retry(_))));
}

#[test]
fn a_broken_gpu_is_fatal_and_gives_everything_back() {
    let checkpoint = families::load(&folder("bert"), &[]).unwrap();
    let device: Arc<Emulated> = Arc::default();
    let mut engine = engine_on(&device, &checkpoint, Format::F16, 4096);
    device.broken.store(true, Ordering::Relaxed);
    let mut batch = PackedBatch::new();
    batch.push(&[6, 7], &[]);
    let error = engine.run(&batch).unwrap_err();
    assert!(matches!(error, Error::Fatal(_)) && error.to_string().contains("off the bus"), "{error}");
    drop(engine);
    assert_eq!(device.used_now(), 0);
}

#[test]
fn a_batch_of_nothing_and_empty_windows_are_fine() {
    let checkpoint = families::load(&folder("bert"), &[]).unwrap();
    let mut engine = engine_on(&Arc::default(), &checkpoint, Format::Bf16, 4096);
    assert!(engine.run(&PackedBatch::new()).unwrap().is_empty());
    let mut batch = PackedBatch::new();
    batch.push(&[], &[]);
    batch.push(&[6, 7], &[0..1, 1..2]);
    let outputs = engine.run(&batch).unwrap();
    assert_eq!((outputs.len(), outputs[1].spans.len()), (2, 2));
    let mut on_cpu = Placed::encoder(checkpoint, Precision::F32).engine();
    let expected = on_cpu.run(&batch).unwrap();
    for (gpu, cpu) in outputs[0].embedding.iter().zip(&expected[0].embedding) {
        assert!((gpu - cpu).abs() < 0.02, "{gpu} {cpu}");
    }
}

#[test]
fn work_of_a_gpu_that_is_lost_goes_to_another_and_then_fails_with_the_reason() {
    let checkpoint = families::load(&folder("bert"), &[]).unwrap();
    let gpus: [Arc<Emulated>; 2] = [Arc::default(), Arc::default()];
    gpus.iter().for_each(|gpu| gpu.room.store(1 << 30, Ordering::Relaxed));
    let devices = gpus.each_ref().map(|gpu| Arc::clone(gpu) as Arc<dyn Device>);
    let fleet = Arc::new(Fleet::upload(&checkpoint, &devices, Format::Bf16).unwrap());
    let mut batch = PackedBatch::new();
    batch.push(&[6, 7, 8], &[]);
    let mut engines = [fleet.engine(), fleet.engine()];
    let expected = engines.each_mut().map(|engine| engine.run(&batch).unwrap());
    assert_eq!(expected[0], expected[1]);
    assert!(gpus.iter().all(|gpu| gpu.launches.load(Ordering::Relaxed) > 0));
    gpus[0].broken.store(true, Ordering::Relaxed);
    for engine in &mut engines {
        assert_eq!(engine.run(&batch).unwrap(), expected[0]);
    }
    gpus[1].broken.store(true, Ordering::Relaxed);
    for engine in &mut engines {
        let error = engine.run(&batch).unwrap_err();
        assert!(matches!(error, Error::Fatal(_)), "{error}");
    }
}

#[test]
fn a_gpu_without_room_for_a_batch_is_not_taken() {
    let checkpoint = families::load(&folder("bert"), &[]).unwrap();
    let gpu: Arc<Emulated> = Arc::default();
    gpu.room.store(300 << 10, Ordering::Relaxed);
    let devices = [Arc::clone(&gpu) as Arc<dyn Device>];
    assert!(matches!(Fleet::upload(&checkpoint, &devices, Format::Bf16), Err(Error::Retry(_))));
    assert_eq!(gpu.used_now(), 0);
}

#[test]
fn branches_read_how_words_are_written_as_on_the_cpu() {
    let cases = cases("bert");
    let load = || {
        let mut checkpoint = families::load(&folder("bert"), &[]).unwrap();
        let mut alone = golden::with_logits(&folder("bert").join("tokens"));
        let mut branch = alone.branches.remove(0);
        // It leaves the trunk below the last layer, and knows of shapes.
        branch.embeddings = None;
        branch.from_layer = 1;
        let hidden = branch.stack.hidden;
        branch.stack.layers.drain(..branch.stack.layers.len().min(1));
        branch.shapes = Some((0..SHAPES * hidden).map(|i| ((i * 37) % 29) as f32 / 14.0 - 1.0).collect());
        checkpoint.branches = vec![branch];
        checkpoint
    };
    let mut batch = PackedBatch::new();
    for case in &cases {
        let shapes: Vec<u8> = (0..case.ids.len()).map(|i| (i * 5 % SHAPES) as u8).collect();
        batch.push_shaped(&case.ids, &shapes, &[]);
    }
    let expected = Placed::encoder(load(), Precision::F32).engine().run(&batch).unwrap();
    let mut engine = engine_on(&Arc::default(), &load(), Format::F32, 4096);
    let found = engine.run(&batch).unwrap();
    let mut plain = batch.clone();
    plain.shapes.fill(0);
    let without = engine.run(&plain).unwrap();
    for ((found, expected), without) in found.iter().zip(&expected).zip(&without) {
        assert!(golden::worst(&found.heads[0], &expected.heads[0]) < 1e-3);
        // The first token has shape 0 either way, the others do not.
        assert!(found.heads[0].len() < 10 || found.heads[0] != without.heads[0]);
        assert_eq!(found.embedding, without.embedding);
    }
    // A shape that the table has no row for is no reason to read beyond it.
    plain.shapes.fill(SHAPES as u8);
    assert!(matches!(engine.run(&plain), Err(Error::Reject(_))));
    // Where only vectors are wanted the branch is left out.
    batch.vectors_only = true;
    let vectors = engine.run(&batch).unwrap();
    assert!(vectors.iter().zip(&found).all(|(v, f)| v.heads.is_empty() && v.embedding == f.embedding));
}

#[test]
fn what_operators_take_is_what_the_gpu_computes() {
    let checkpoint = families::load(&folder("bert"), &[]).unwrap();
    let device: Arc<Emulated> = Arc::default();
    let mut engine = engine_on(&device, &checkpoint, Format::Bf16, 4096);
    engine.stream.measure_all();
    let mut batch = PackedBatch::new();
    batch.push(&[6; 40], &[]);
    let expected = engine.run(&batch).unwrap();
    // A batch that breaks off leaves no times behind.
    device.breaks_after.store(5, Ordering::Relaxed);
    engine.run(&batch).unwrap_err();
    device.broken.store(false, Ordering::Relaxed);
    device.watch().take();
    assert_eq!(engine.run(&batch).unwrap(), expected);
    let seen = device.watch().take();
    let (compute, operators) = (seen.states[State::Compute as usize], seen.operators.values().sum::<f64>());
    assert!(operators <= compute && operators > 0.5 * compute, "{operators} of {compute}: {seen:?}");
    assert!(seen.operators.keys().all(|name| !name.ends_with(char::is_numeric)), "{seen:?}");
}
