//! Text → vectors for searches, through the same batches as documents; and the model threads.

use super::link::{Threads, spawn};
use crate::batch::{Job, WindowOutput};
use crate::config::{Config, FeedConfig};
use crate::document::{Priority, sha256_hex};
use crate::error::{Class, Error, Result, Stage};
use crate::feed::{self, BatchQueue, Reader, Tokenizer};
use crate::infer::models::{Loaded, Models, TokenizerOf};
use crate::infer::serve;
use crate::metrics::Metrics;
use crate::tasks::EMBEDDING;
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Turns text into vectors, batched with everything else.
#[derive(Clone)]
pub struct Embedder {
    /// How each model reads; the first embeds.
    pub(super) readers: Arc<[Reader]>,
    pub(super) queue: Arc<BatchQueue>,
}

impl Embedder {
    /// An embedder with a model thread of its own, for a program that runs no pipeline.
    pub fn alone(models: &Models, config: &Config, metrics: &Arc<Metrics>) -> Result<Self> {
        let (embedder, _) = Self::start(models, config, metrics, 1, Duration::ZERO)?;
        Ok(embedder)
    }

    /// Starts `threads` model threads behind a queue with a lane for each model.
    pub(super) fn start(
        models: &Models,
        config: &Config,
        metrics: &Arc<Metrics>,
        threads: usize,
        wait: Duration,
    ) -> Result<(Self, Threads)> {
        let tokens = models.batch_tokens(config.feed.batch_tokens);
        let lane = |loaded: &Loaded| feed::Limits { tokens, wait, cost: loaded.cost };
        let lanes: Vec<feed::Limits> = models.loaded.iter().map(lane).collect();
        let queue = Arc::new(BatchQueue::new(&lanes, config.feed.batch_queue_tokens, Arc::clone(metrics)));
        let readers = readers(models, &config.feed)?.into();
        let engines = start_engines(threads, tokens, metrics, models, &queue)?;
        Ok((Self { readers, queue }, engines))
    }

    /// The L2-normalised mean over the text's windows; empty for a text without tokens.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>> {
        let windows = self.readers.get(EMBEDDING).map_or_else(|| Ok(Vec::new()), |r| r.windows(text))?;
        let (answer, answers) = mpsc::channel();
        for window in windows {
            let weight = window.pieces.len() as f32;
            let answer = answer.clone();
            let reply = Box::new(move |output: Result<WindowOutput>| {
                let _ = answer.send(output.map(|o| (weight, o.embedding)));
            });
            let (shapes, tokens) = (window.shapes(), window.tokens);
            let job = Job { model: EMBEDDING, tokens, shapes, spans: Vec::new(), vectors_only: true, reply };
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

/// Tokens that a window of another model than the embedding one has at most. Attention costs the
/// square of it, and names and tones need no more.
const CONTEXT: usize = 1022;

/// How each model reads. Those with the same tokenizer share it.
fn readers(models: &Models, config: &FeedConfig) -> Result<Vec<Reader>> {
    let mut shared: BTreeMap<(String, String), Arc<Tokenizer>> = BTreeMap::new();
    let mut readers = Vec::with_capacity(models.loaded.len());
    for (model, loaded) in models.loaded.iter().enumerate() {
        let tokenizer = match &loaded.tokenizer {
            TokenizerOf::Within { tokenizer, before, after } => {
                Arc::new(Tokenizer::with_prompt((**tokenizer).clone(), before, after)?)
            }
            TokenizerOf::File { path, prefix } => {
                let unread = |e: std::io::Error| wrong(format!("{} cannot be read: {e}", path.display()));
                let key = (sha256_hex(&std::fs::read(path).map_err(unread)?), prefix.clone());
                let opened = match shared.get(&key) {
                    Some(tokenizer) => Arc::clone(tokenizer),
                    None => Arc::new(Tokenizer::open(path, loaded.vocabulary, prefix)?),
                };
                shared.insert(key, Arc::clone(&opened));
                opened
            }
        };
        let marks = tokenizer.marks().start.len() + tokenizer.marks().end.len();
        let most = loaded.max_tokens.saturating_sub(marks);
        if most == 0 {
            let family = &loaded.family;
            return Err(wrong(format!(
                "a {family} model takes {} tokens at once, which its {marks} marks fill",
                loaded.max_tokens
            )));
        }
        // Passages are as long as the user wants them; other models may see as much as they can.
        let window_tokens =
            if model == EMBEDDING { most.min(config.window_tokens) } else { most.min(CONTEXT) };
        // What is written of a sentence twice would be said twice.
        let repeated = if models.tasks.summary == Some(model) { 0 } else { config.overlap_tokens };
        readers.push(Reader { tokenizer, window_tokens, overlap_tokens: repeated.min(window_tokens / 2) });
    }
    Ok(readers)
}

fn wrong(what: String) -> Error {
    Error::fatal(Stage::Feed, Class::Model, what)
}

/// Starts model threads, each with an engine for every model over the shared weights.
fn start_engines(
    count: usize,
    budget: usize,
    metrics: &Arc<Metrics>,
    models: &Models,
    queue: &Arc<BatchQueue>,
) -> Result<Threads> {
    (0..count)
        .map(|index| {
            let (metrics, queue) = (Arc::clone(metrics), Arc::clone(queue));
            let mut engines = models.engines();
            let run = move || serve(&mut engines, || queue.pop(), budget, &metrics);
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
