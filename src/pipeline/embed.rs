//! Text → vectors for searches, through the same batches as documents; and the model threads.

use super::link::{Threads, spawn};
use crate::batch::{Job, WindowOutput};
use crate::config::{Config, FeedConfig};
use crate::document::Priority;
use crate::error::{Class, Error, Result, Stage};
use crate::feed::{self, BatchQueue, Tokenizer};
use crate::infer::{self, models::Models};
use crate::metrics::Metrics;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Turns text into vectors, batched with everything else.
#[derive(Clone)]
pub struct Embedder {
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) queue: Arc<BatchQueue>,
    pub(super) config: FeedConfig,
}

impl Embedder {
    /// An embedder with a model thread of its own, for a program that runs no pipeline.
    pub fn alone(models: &Models, config: &Config, metrics: &Arc<Metrics>) -> Result<Self> {
        let limits = feed::Limits { tokens: config.feed.batch_tokens, wait: Duration::ZERO };
        let queue = Arc::new(BatchQueue::new(limits, config.feed.batch_queue_tokens, Arc::clone(metrics)));
        start_engines(1, config.feed.batch_tokens, metrics, models, &queue)?;
        Self::new(models, config, queue)
    }

    pub(super) fn new(models: &Models, config: &Config, queue: Arc<BatchQueue>) -> Result<Self> {
        let tokenizer = Tokenizer::open(&models.tokenizer, models.checkpoint.config.vocab_size)?;
        Ok(Self { tokenizer: Arc::new(tokenizer), queue, config: config.feed.clone() })
    }

    /// The L2-normalised mean over the text's windows; empty for a text without tokens.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>> {
        let windows = feed::text_windows(text, &self.tokenizer, &self.config)?;
        let (answer, answers) = mpsc::channel();
        for window in windows {
            let weight = window.pieces.len() as f32;
            let answer = answer.clone();
            let reply = Box::new(move |output: Result<WindowOutput>| {
                let _ = answer.send(output.map(|o| (weight, o.embedding)));
            });
            let job = Job { tokens: window.tokens, spans: Vec::new(), reply };
            if self.queue.push(job, Priority::High).is_err() {
                return Err(stopping());
            }
        }
        drop(answer);
        let mut sum: Vec<f32> = Vec::new();
        for output in answers {
            let (weight, vector) = output?;
            sum.resize(vector.len(), 0.0);
            sum.iter_mut().zip(vector).for_each(|(s, v)| *s += v * weight);
        }
        let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        sum.iter_mut().for_each(|v| *v /= length);
        Ok(sum)
    }
}

/// Starts model threads, each with an engine over the shared weights.
pub fn start_engines(
    count: usize,
    budget: usize,
    metrics: &Arc<Metrics>,
    models: &Models,
    queue: &Arc<BatchQueue>,
) -> Result<Threads> {
    (0..count)
        .map(|index| {
            let (metrics, queue) = (Arc::clone(metrics), Arc::clone(queue));
            let mut engine = infer::engine(&models.checkpoint);
            let run = move || infer::serve(&mut *engine, || queue.pop(), budget, &metrics);
            spawn(Stage::Infer, index, run).map_err(unstarted)
        })
        .collect()
}

/// Why nothing is taken any more.
pub fn stopping() -> Error {
    Error::retry(Stage::Infer, Class::Internal, "the program is stopping")
}

/// A thread that did not start.
pub fn unstarted(e: std::io::Error) -> Error {
    Error::fatal(Stage::Consume, Class::Internal, format!("cannot start a thread: {e}"))
}
