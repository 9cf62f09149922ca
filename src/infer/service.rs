//! A model thread: takes batches of any model, runs them, answers each window's owner.

use super::Engine;
use crate::batch::{Job, PackedBatch, WindowOutput};
use crate::error::{Class, Error, Result, Stage};
use crate::metrics::Metrics;
use crate::receipt::panicked;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Runs batches until there are no more. `engines` has one for each model; `budget` is the
/// batcher's, for the fill metric.
///
/// A batch that fails, for want of memory or over one window, is split and run again; a single
/// window that still fails is its owner's failure, and nobody else's.
pub fn serve(
    engines: &mut [Box<dyn Engine>],
    mut next: impl FnMut() -> Option<(usize, Vec<Job>)>,
    budget: usize,
    metrics: &Metrics,
) {
    while let Some((model, jobs)) = metrics.free_thread(&mut next) {
        let started = Instant::now();
        match engines.get_mut(model) {
            Some(engine) => run(&mut **engine, jobs, budget, metrics),
            None => {
                let missing =
                    Error::fatal(Stage::Infer, Class::Internal, format!("there is no model {model}"));
                jobs.into_iter().for_each(|job| (job.reply)(Err(missing.clone())));
            }
        }
        metrics.stage_busy(Stage::Infer, started.elapsed());
    }
}

fn run(engine: &mut dyn Engine, mut jobs: Vec<Job>, budget: usize, metrics: &Metrics) {
    let mut batch = PackedBatch::new();
    for job in &jobs {
        batch.push_shaped(&job.tokens, &job.shapes, &job.spans);
    }
    batch.vectors_only = jobs.iter().all(|job| job.vectors_only);
    let started = Instant::now();
    match run_caught(engine, &batch) {
        Ok(outputs) => {
            let tokens = batch.tokens.len();
            metrics.batch(batch.windows(), tokens, tokens, budget, started.elapsed());
            let each = started.elapsed().as_secs_f64() / tokens.max(1) as f64;
            for (job, mut output) in jobs.into_iter().zip(outputs) {
                output.seconds = each * job.tokens.len() as f64;
                (job.reply)(Ok(output));
            }
        }
        Err(error) if jobs.len() > 1 => {
            tracing::warn!(
                windows = jobs.len(),
                reason = error.failure().reason,
                "batch is split and run again"
            );
            if matches!(error, Error::Retry(_)) {
                metrics.out_of_memory();
            }
            let second = jobs.split_off(jobs.len() / 2);
            run(engine, jobs, budget, metrics);
            run(engine, second, budget, metrics);
        }
        Err(error) => {
            for job in jobs {
                (job.reply)(Err(error.clone()));
            }
        }
    }
}

fn run_caught(engine: &mut dyn Engine, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
    let outputs = catch_unwind(AssertUnwindSafe(|| engine.run(batch)))
        .unwrap_or_else(|panic| Err(panicked(Stage::Infer, &*panic)))?;
    if outputs.len() == batch.windows() {
        return Ok(outputs);
    }
    let reason = format!("the engine gave {} outputs for {} windows", outputs.len(), batch.windows());
    Err(Error::reject(Stage::Infer, Class::Internal, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};

    /// An engine with room for a few tokens, as a small GPU; token 13 makes it panic.
    struct Small {
        room: usize,
        largest: Arc<AtomicUsize>,
    }

    impl Engine for Small {
        fn run(&mut self, batch: &PackedBatch) -> Result<Vec<WindowOutput>> {
            assert!(!batch.tokens.contains(&13), "unlucky");
            if batch.tokens.len() > self.room {
                return Err(Error::retry(Stage::Infer, Class::Model, "out of memory"));
            }
            self.largest.fetch_max(batch.windows(), Ordering::Relaxed);
            let outputs = batch.ranges().map(|r| WindowOutput {
                embedding: vec![batch.tokens[r.start] as f32],
                ..WindowOutput::default()
            });
            Ok(outputs.collect())
        }
    }

    /// What becomes of windows for the second of two models.
    fn answers(windows: &[&[u32]]) -> (Vec<Result<WindowOutput>>, usize) {
        to(1, windows)
    }

    fn to(model: usize, windows: &[&[u32]]) -> (Vec<Result<WindowOutput>>, usize) {
        let (tx, rx) = mpsc::channel();
        let jobs = windows.iter().enumerate().map(|(i, tokens)| {
            let tx = tx.clone();
            let reply = Box::new(move |r| tx.send((i, r)).unwrap());
            Job { model, tokens: tokens.to_vec(), shapes: vec![], spans: vec![], vectors_only: false, reply }
        });
        let mut batches = vec![(model, jobs.collect::<Vec<_>>())];
        let largest = Arc::default();
        let mut engines: Vec<Box<dyn Engine>> = vec![
            Box::new(Small { room: 0, largest: Arc::default() }),
            Box::new(Small { room: 4, largest: Arc::clone(&largest) }),
        ];
        serve(&mut engines, || batches.pop(), 100, &Metrics::new());
        drop(tx);
        let mut all: Vec<_> = rx.iter().collect();
        all.sort_by_key(|(i, _)| *i);
        (all.into_iter().map(|(_, r)| r).collect(), largest.load(Ordering::Relaxed))
    }

    #[test]
    fn windows_for_a_model_that_is_not_loaded_are_answered_too() {
        let (answers, _) = to(2, &[&[1], &[2]]);
        assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Fatal(_)))), "{answers:?}");
    }

    #[test]
    fn out_of_memory_splits_and_every_window_is_answered() {
        let (answers, largest) = answers(&[&[1, 1], &[2, 2], &[3, 3], &[4, 4], &[5]]);
        let values: Vec<f32> = answers.into_iter().map(|a| a.unwrap().embedding[0]).collect();
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(largest, 2);
    }

    #[test]
    fn what_never_fits_fails_alone() {
        let (answers, _) = answers(&[&[1], &[2; 9], &[3]]);
        assert!(answers[0].is_ok() && answers[2].is_ok());
        assert!(matches!(answers[1], Err(Error::Retry(_))));
    }

    #[test]
    fn a_panic_convicts_its_window_alone() {
        let (answers, _) = answers(&[&[1], &[13], &[3]]);
        assert!(answers[0].is_ok() && answers[2].is_ok());
        assert_eq!(answers[1].as_ref().unwrap_err().failure().class, Class::Internal);
    }
}
