//! Lines of several pages at once, on devices that a CPU stands in for.

use super::*;
use crate::infer::convnet::{self, ConvNet};
use crate::infer::cpu::Precision;
use crate::infer::gpu::device::{Device, Format};
use crate::infer::gpu::emulated::Emulated;
use crate::tensor::Network as _;
use std::sync::atomic::Ordering;

const LONG: Duration = Duration::from_secs(60);

/// A tiny recognizer, for lines of eight channels.
fn file() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/convnet/reader.onnx")).unwrap()
}

fn line(seed: usize, width: usize) -> Tensor {
    let values = (0..3 * width * 8).map(|at| ((at * 37 + seed * 101) % 61) as f32 / 30.0 - 1.0).collect();
    Tensor { height: 3, width, channels: 8, values }
}

fn roomy() -> Arc<Emulated> {
    let gpu: Arc<Emulated> = Arc::default();
    gpu.room.store(64 << 30, Ordering::Relaxed);
    gpu
}

fn fleet(gpus: &[Arc<Emulated>]) -> Fleet<Network> {
    let devices: Vec<Arc<dyn Device>> = gpus.iter().map(|gpu| Arc::clone(gpu) as Arc<dyn Device>).collect();
    Fleet::of(&devices, |device| Network::upload(convnet::parse(&file())?, device, Format::F32)).unwrap()
}

fn start(gpus: &[Arc<Emulated>]) -> (Arc<Lines>, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    (Lines::start(fleet(gpus), &metrics).unwrap(), metrics)
}

fn check(steps: &[Tensor], lines: &[Tensor]) {
    let mut cpu = ConvNet::load(&file(), Precision::F32).unwrap();
    assert_eq!(steps.len(), lines.len());
    for (steps, line) in steps.iter().zip(lines) {
        let expected = cpu.run(line).unwrap();
        assert_eq!((steps.height, steps.width, steps.channels), (1, expected.width, 2));
        for (found, expected) in steps.values.chunks(2).zip(expected.values.chunks(2)) {
            assert_eq!(found[0], expected[0]);
            assert!((found[1] - expected[1]).abs() < 1e-4);
        }
    }
}

/// Where a GPU has no room for lines, or a network cannot be there, nobody waits for it later.
#[test]
fn a_gpu_without_room_is_told_at_the_start() {
    let gpu = roomy();
    let fleet = fleet(&[Arc::clone(&gpu)]);
    gpu.room.store(gpu.used_now() + (64 << 10), Ordering::Relaxed);
    let error = Lines::start(fleet, &Arc::new(Metrics::new())).err().unwrap();
    assert!(matches!(error, Error::Retry(_)), "{error}");
    assert_eq!(gpu.used_now(), 0);
}

#[test]
fn who_asks_waits_no_longer_than_it_says_and_the_end_gives_all_memory_back() {
    let gpu = roomy();
    let (service, _) = start(&[Arc::clone(&gpu)]);
    let error = service.run_all(vec![line(1, 400)], Duration::ZERO).unwrap_err();
    assert!(matches!(&error, Error::Retry(failure) if failure.reason.contains("0 s")), "{error}");
    assert!(gpu.used_now() > 0);
    drop(service);
    assert_eq!(gpu.used_now(), 0);
}

fn number(metrics: &Metrics, name: &str) -> f64 {
    let text = metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

#[test]
fn every_page_gets_its_own_lines_read() {
    let (service, metrics) = start(&[roomy(), roomy()]);
    std::thread::scope(|scope| {
        for page in 0..6 {
            let service = &service;
            scope.spawn(move || {
                for round in 0..3 {
                    let lines: Vec<Tensor> =
                        (0..4).map(|n| line(page * 7 + n, 16 + 2 * (n + round))).collect();
                    check(&service.run_all(lines.clone(), LONG).unwrap(), &lines);
                }
            });
        }
    });
    assert_eq!(number(&metrics, "quire_lines_total"), 72.0);
}

#[test]
fn lines_that_wait_together_are_one_batch_as_far_as_there_is_room() {
    let (sender, waiting) = sync_channel(9);
    let (reply, _answers) = channel();
    for width in [30, 40, 50, 20] {
        sender.send(Job { lines: vec![line(0, width)], reply: reply.clone() }).unwrap();
    }
    let waiting = Mutex::new(Waiting { jobs: waiting, first: None });
    let taken = || -> Option<Vec<usize>> {
        gather(&waiting, 100).map(|jobs| jobs.iter().map(Job::columns).collect())
    };
    // What the first has no room for is the next one's, whoever that is.
    assert_eq!((taken(), taken()), (Some(vec![30, 40]), Some(vec![50, 20])));
    drop(sender);
    assert_eq!(taken(), None);
}

#[test]
fn lines_are_split_where_the_gpu_is_short_of_memory() {
    let (gpu, metrics) = (roomy(), Metrics::new());
    let mut engine = Arc::new(fleet(&[Arc::clone(&gpu)])).engine();
    let mut read = |lines: &[Tensor]| {
        let all: Vec<&Tensor> = lines.iter().collect();
        check(&engine.with(|engine| parts(engine, &all, 4096, &metrics)).unwrap(), lines);
    };
    read(&[line(1, 64)]);
    // As much as is taken, an arena for one line, and a little: many lines do not fit.
    gpu.room.store(gpu.used_now() + (8 << 10), Ordering::Relaxed);
    read(&(0..16).map(|n| line(n, 64)).collect::<Vec<_>>());
    assert!(number(&metrics, "quire_out_of_memory_splits_total") > 0.0);
}

#[test]
fn a_line_that_is_none_fails_alone() {
    let gpus = [roomy()];
    let mut engine = Arc::new(fleet(&gpus)).engine();
    let wrong = Tensor { height: 3, width: 16, channels: 5, values: vec![0.0; 3 * 16 * 5] };
    let asked = [vec![line(1, 16)], vec![wrong], vec![line(2, 20), line(3, 16)]];
    let (jobs, answers): (Vec<Job>, Vec<_>) = asked
        .iter()
        .map(|lines| {
            let (reply, answer) = channel();
            (Job { lines: lines.clone(), reply }, answer)
        })
        .unzip();
    answer(&mut engine, jobs, 4096, &Metrics::new());
    let [first, second, third] = answers.as_slice() else { panic!("three") };
    check(&first.recv().unwrap().unwrap(), &asked[0]);
    assert!(matches!(second.recv().unwrap(), Err(Error::Reject(_))));
    check(&third.recv().unwrap().unwrap(), &asked[2]);
}

#[test]
fn of_two_gpus_one_that_is_lost_costs_no_line_and_the_other_says_why() {
    let gpus = [roomy(), roomy()];
    let (service, _) = start(&gpus);
    let lines = [line(1, 16), line(2, 30)];
    for _ in 0..8 {
        check(&service.run_all(lines.to_vec(), LONG).unwrap(), &lines);
    }
    gpus[0].breaks_after.store(3, Ordering::Relaxed);
    gpus[0].broken.store(true, Ordering::Relaxed);
    for _ in 0..8 {
        check(&service.run_all(lines.to_vec(), LONG).unwrap(), &lines);
    }
    gpus[1].broken.store(true, Ordering::Relaxed);
    for _ in 0..4 {
        let error = service.run_all(lines.to_vec(), LONG).unwrap_err();
        assert!(matches!(&error, Error::Fatal(failure) if failure.stage == Stage::Infer), "{error}");
    }
}
