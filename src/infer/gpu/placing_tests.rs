//! What happens where a GPU cannot be used, or breaks: by injection, on devices that a CPU stands in for.

use super::*;
use crate::batch::Job;
use crate::infer::golden::{batch, cases, folder};
use crate::infer::gpu::emulated::Emulated;
use crate::infer::{families, serve};
use crate::metrics::Metrics;
use crate::metrics::watch::State;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

fn checkpoint() -> Checkpoint {
    families::load(&folder("bert"), &[]).unwrap()
}

fn found(gpus: &[Arc<Emulated>]) -> Found {
    let gpus = gpus.iter().map(|gpu| Arc::clone(gpu) as Arc<dyn gpu_device::Device>).collect();
    Ok((gpus, Format::F32, "an emulated GPU".to_owned()))
}

fn roomy() -> Arc<Emulated> {
    let gpu: Arc<Emulated> = Arc::default();
    gpu.room.store(1 << 30, Ordering::Relaxed);
    gpu
}

/// A tiny encoder on a GPU that the CPU stands in for: what is shown of the device, and an engine.
pub fn on_emulated_gpu() -> (DeviceChoice, Box<dyn Engine>) {
    let mut devices = Devices::with(Device::Auto, found(&[roomy()])).unwrap();
    let engine = devices.encoder(checkpoint(), Precision::F32).unwrap().engine();
    (devices.choice, engine)
}

/// What the program shows of a choice.
fn exposition(choice: &DeviceChoice) -> String {
    let metrics = Metrics::new();
    metrics.device(&choice.watches, choice.reason == "infer.device = cpu");
    metrics.encode()
}

/// The CPU stands in: the reason is said, the metric set, and results are those of the CPU.
fn check_fallback(setting: Device, found: Found, reason: &str) {
    let mut devices = Devices::with(setting, found).unwrap();
    let placed = devices.encoder(checkpoint(), Precision::F32).unwrap();
    assert!(placed.on_cpu());
    let choice = &devices.choice;
    assert!(choice.name.starts_with("CPU") && choice.reason.contains(reason), "{choice:?}");
    assert_eq!((choice.gpus, choice.tokens), (0, None));
    assert!(exposition(choice).contains("quire_gpu_fallback 1"), "{}", exposition(choice));
    let batch = batch(&cases("bert"));
    let alone = Placed::encoder(checkpoint(), Precision::F32).engine().run(&batch).unwrap();
    assert_eq!(placed.engine().run(&batch).unwrap(), alone);
}

#[test]
fn a_driver_that_is_too_old_is_named_and_the_cpu_stands_in() {
    let old = cuda::too_old(12_040).unwrap();
    assert!(cuda::too_old(13_000).is_none());
    check_fallback(Device::Auto, Err(old.clone()), "CUDA 12.4");
    let error = Devices::with(Device::Gpu, Err(old)).err().unwrap().to_string();
    assert!(error.contains("infer.device = gpu, but") && error.contains("CUDA 12.4"), "{error}");
    let asked = Devices::with(Device::Cpu, Err("infer.device = cpu".to_owned())).unwrap().choice;
    assert!(exposition(&asked).contains("quire_gpu_fallback 0"));
}

#[test]
fn a_gpu_without_memory_is_named_and_the_cpu_stands_in() {
    let full: Arc<Emulated> = Arc::default();
    full.room.store(1 << 10, Ordering::Relaxed);
    check_fallback(Device::Auto, found(&[Arc::clone(&full)]), "MiB left");
    assert_eq!(full.used_now(), 0);
    let mut devices = Devices::with(Device::Gpu, found(&[full])).unwrap();
    let error = devices.encoder(checkpoint(), Precision::F32).err().unwrap();
    assert!(matches!(error, Error::Fatal(_)) && error.to_string().contains("MiB left"), "{error}");
}

#[test]
fn where_a_gpu_works_it_runs_encoders_and_writers() {
    let gpu = roomy();
    let mut devices = Devices::with(Device::Auto, found(&[Arc::clone(&gpu)])).unwrap();
    assert!(!devices.encoder(checkpoint(), Precision::F32).unwrap().on_cpu());
    let writer = || families::load_writer(&folder("t5-tiny")).unwrap();
    let placed = devices.writer(writer(), Precision::F32).unwrap();
    assert!(!placed.on_cpu() && devices.choice.tokens.is_some());
    assert!(exposition(&devices.choice).contains("quire_gpu_fallback 0"));
    let mut sources = PackedBatch::new();
    sources.push(&[5, 6, 7, 1], &[]);
    let written = placed.engine().run(&sources).unwrap().remove(0).written.unwrap();
    let expected = Placed::writer(writer(), Precision::F32).engine().run(&sources).unwrap();
    let expected = expected[0].written.as_ref().unwrap();
    assert_eq!(written.tokens, expected.tokens);
    assert!((written.confidence - expected.confidence).abs() < 1e-4);
}

#[test]
fn of_two_gpus_one_that_is_lost_in_the_middle_costs_no_window() {
    let gpus = [roomy(), roomy()];
    let mut devices = Devices::with(Device::Auto, found(&gpus)).unwrap();
    let placed = devices.encoder(checkpoint(), Precision::F32).unwrap();
    let cases = cases("bert");
    let expected = Placed::encoder(checkpoint(), Precision::F32).engine().run(&batch(&cases)).unwrap();
    // The first engine's GPU breaks in the middle of its second batch.
    let mut engines = [vec![placed.engine()], vec![placed.engine()]];
    for (turn, engines) in engines.iter_mut().enumerate() {
        let (sender, answers) = mpsc::channel();
        let jobs = |rounds: usize| -> Vec<Vec<Job>> {
            let job = |(at, case): (usize, &crate::infer::golden::Case)| {
                let (sender, tokens) = (sender.clone(), case.ids.clone());
                let reply = Box::new(move |answer| sender.send((at, answer)).unwrap());
                Job { model: 0, tokens, shapes: vec![], spans: vec![], vectors_only: false, reply }
            };
            (0..rounds).map(|_| cases.iter().enumerate().map(job).collect()).collect()
        };
        let mut rounds = jobs(3);
        let mut next = || {
            if rounds.len() == 2 && turn == 0 {
                gpus[0].breaks_after.store(7, Ordering::Relaxed);
            }
            rounds.pop().map(|jobs| (0, jobs))
        };
        serve(engines, &mut next, 4096, &Metrics::new());
        drop(sender);
        let answers: Vec<(usize, Result<WindowOutput>)> = answers.iter().collect();
        assert_eq!(answers.len(), 3 * cases.len());
        for (at, answer) in answers {
            let (found, expected) = (answer.unwrap().embedding, &expected[at].embedding);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "window {at}");
        }
    }
    assert!(gpus[0].broken.load(Ordering::Relaxed) && !gpus[1].broken.load(Ordering::Relaxed));
    // From then on its time says so.
    let lost = |at: usize| devices.choice.watches[at].take().states[State::Lost as usize];
    assert!(lost(0) > 0.0 && lost(1) == 0.0);
    gpus[1].broken.store(true, Ordering::Relaxed);
    let error = engines[0][0].run(&batch(&cases)).unwrap_err();
    assert!(matches!(error, Error::Fatal(_)), "{error}");
}
