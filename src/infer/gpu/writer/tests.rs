//! Texts written over the kernels' own source, beside the reference and the search over all logits.

use super::*;
use crate::infer::generate::{Decoder as _, Generated, GenerationConfig};
use crate::infer::golden::writers::{self, WRITERS};
use crate::infer::gpu::Weights;
use crate::infer::gpu::device::Device;
use crate::infer::gpu::emulated::{Emulated, compared};
use crate::infer::{Engine, families};
use std::sync::atomic::Ordering;

/// Room for everything.
const ROOM: usize = usize::MAX;

fn engine_on(
    device: &Arc<Emulated>,
    writer: &families::Writer,
    format: Format,
    together: usize,
) -> GpuEngine {
    engine_of(Arc::clone(device) as Arc<dyn Device>, writer, format, together)
}

fn engine_of(
    device: Arc<dyn Device>,
    writer: &families::Writer,
    format: Format,
    together: usize,
) -> GpuEngine {
    let weights = Weights::upload_writer(&writer.model, &writer.generation, device, format).unwrap();
    GpuEngine::new(Arc::new(weights), together, ROOM).unwrap()
}

fn texts(engine: &mut GpuEngine, config: &GenerationConfig, batch: &PackedBatch) -> Vec<Generated> {
    let weights = Arc::clone(&engine.weights);
    let decoder = &weights.writer.as_ref().unwrap().decoder;
    let prompts = vec![vec![config.start.unwrap()]; batch.windows()];
    let mut writing = Writing::begin(engine, decoder, config.beams, batch).unwrap();
    generate(&mut writing, &prompts, config).unwrap()
}

#[test]
fn taught_logits_match_the_reference_in_each_format() {
    for name in WRITERS {
        let (writer, golden) = writers::load(name);
        let sources = writers::batch(golden.logits.iter().map(|taught| &taught.source));
        for format in [Format::F32, Format::F16, Format::Bf16] {
            // Sources read in several parts as well.
            for together in [4096, 8] {
                let mut engine = engine_of(compared(), &writer, format, together);
                let weights = Arc::clone(&engine.weights);
                let decoder = &weights.writer.as_ref().unwrap().decoder;
                let mut writing = Writing::begin(&mut engine, decoder, 1, &sources).unwrap();
                let (worst, cosine) = writers::taught(&golden, &mut writing);
                println!("{name} {format:?}: logits differ by {worst}, least cosine {cosine}");
                // In halves these tiny random models lose more than the 0.999 that is wanted: benches/NOTES.md.
                let least = match format {
                    Format::F32 => 0.999,
                    Format::F16 => 0.998,
                    Format::Bf16 => 0.9,
                };
                assert!(cosine > least, "{name} {format:?}: {cosine}");
                assert!(format != Format::F32 || worst < 1e-3, "{name}: {worst}");
            }
        }
    }
}

#[test]
fn searches_find_what_the_reference_finds_alone_and_together() {
    for name in WRITERS {
        let (writer, golden) = writers::load(name);
        let mut engine = engine_of(compared(), &writer, Format::F32, 4096);
        let vocabulary = writer.model.decoder.vocab();
        writers::check_searches(name, &golden, &writer.generation, vocabulary, |config, batch| {
            texts(&mut engine, config, batch)
        });
    }
}

#[test]
fn the_best_tokens_are_those_of_all_logits() {
    let (writer, golden) = writers::load("bart-tiny");
    let sources = writers::batch(&golden.sources);
    let rows: Vec<Row> = (0..golden.sources.len()).map(|parent| Row { parent, token: 2 }).collect();
    let mut engine = engine_of(compared(), &writer, Format::Bf16, 4096);
    let weights = Arc::clone(&engine.weights);
    let decoder = &weights.writer.as_ref().unwrap().decoder;
    let mut step = |wanted: usize| -> Vec<(f32, Vec<(u32, f32)>)> {
        let mut writing = Writing::begin(&mut engine, decoder, 1, &sources).unwrap();
        let vocabulary = writing.vocabulary();
        let logits = writing.step(&rows, wanted).unwrap();
        let row = |row: usize| {
            let row = logits.row(row, vocabulary).unwrap();
            let mut tokens: Vec<(u32, f32)> =
                row.logits.iter().enumerate().map(|(place, logit)| (row.token(place), *logit)).collect();
            tokens.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            (row.total, tokens)
        };
        (0..rows.len()).map(row).collect()
    };
    let (all, best) = (step(usize::MAX), step(11));
    for ((total, all), (found, best)) in all.iter().zip(&best) {
        assert_eq!((&all[..16], best.len()), (&best[..], 16));
        assert!((total - found).abs() < 1e-4, "{total} {found}");
    }
}

#[test]
fn an_engine_writes_what_fits_together_and_refuses_what_it_cannot_read() {
    let (writer, golden) = writers::load("t5-tiny");
    let device: Arc<Emulated> = Arc::default();
    let mut engine = engine_on(&device, &writer, Format::F32, 4096);
    let all = writers::batch(&golden.sources);
    let together = engine.run(&all).unwrap();
    engine.caches = 1;
    assert_eq!(engine.run(&all).unwrap(), together);
    assert!(together.iter().all(|output| output.written.as_ref().is_some_and(|w| !w.tokens.is_empty())));
    assert!(engine.run(&PackedBatch::new()).unwrap().is_empty());
    for source in [vec![], vec![96], vec![u32::MAX]] {
        assert!(engine.run(&writers::batch(&[vec![5, 6], source.clone()])).is_err(), "{source:?}");
    }
    // Without room for the caches it says so and gives back what it had; with room it goes on.
    let used = device.used_now();
    device.room.store(used + 1, Ordering::Relaxed);
    engine.desk.release();
    assert!(matches!(engine.run(&all), Err(Error::Retry(_))));
    assert_eq!(device.used_now(), used);
    device.room.store(0, Ordering::Relaxed);
    assert_eq!(engine.run(&all).unwrap(), together);
}
