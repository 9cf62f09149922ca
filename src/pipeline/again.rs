//! What is stored, understood again by other models: feed → infer → interpret, on the caller's
//! thread. Pages were read once; their text is taken from the result.

use super::embed::{Embedder, start_engines, stopping};
use crate::batch::{Job, WindowOutput};
use crate::config::{Config, workers};
use crate::document::{Document, Head, PageText, TextDocument, TextSource};
use crate::error::{Class, Error, Result, Stage};
use crate::feed::{self, BatchQueue};
use crate::infer::models::Models;
use crate::interpret::{Interpreter, Kinds};
use crate::metrics::Metrics;
use crate::receipt::{Budget, Receipt};
use crate::window::InferredDocument;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Model threads and what stands around them.
pub struct Again {
    embedder: Embedder,
    interpreter: Interpreter,
    budget: Budget,
}

impl Again {
    /// Starts the model threads. They end with the process.
    pub fn start(models: &Models, config: &Config, metrics: &Arc<Metrics>) -> Result<Self> {
        let limits = feed::Limits {
            tokens: config.feed.batch_tokens,
            wait: Duration::from_millis(config.feed.batch_wait_ms),
        };
        let queue = Arc::new(BatchQueue::new(limits, config.feed.batch_queue_tokens, Arc::clone(metrics)));
        start_engines(workers(config.infer.threads), config.feed.batch_tokens, metrics, models, &queue)?;
        let embedder = Embedder::new(models, config, queue)?;
        let interpreter = Interpreter {
            config: config.interpret.clone(),
            kinds: Kinds::new(|text| embedder.embed(text))?,
            token_labels: models.token_labels(),
            window_labels: models.window_labels(),
            models: models.revisions.clone(),
        };
        Ok(Self {
            embedder,
            interpreter,
            budget: Budget::new(config.consume.in_flight_documents, usize::MAX),
        })
    }

    /// The same document as these models understand it. Blocks; may be called from several threads,
    /// whose windows then share batches.
    pub fn understand(&self, stored: &Document) -> Result<Document> {
        let broken = || Error::retry(Stage::Feed, Class::Internal, "there is no room for the document");
        let permit = self.budget.acquire(0, Duration::from_secs(3600)).ok_or_else(broken)?;
        let document = TextDocument {
            head: Arc::new(head(stored)),
            media_type: stored.media_type,
            pages: pages(stored),
            receipt: Receipt::new(permit, |_| {}),
            seconds: stored.seconds.clone(),
        };
        let fed = feed::feed(document, &self.embedder.tokenizer, &self.embedder.config)?;
        let (answer, answers) = mpsc::channel();
        for (index, window) in fed.windows.iter().enumerate() {
            let answer = answer.clone();
            let reply = Box::new(move |output: Result<WindowOutput>| {
                let _ = answer.send((index, output));
            });
            let spans = window.sentences.iter().map(|(rows, _)| rows.clone()).collect();
            let job = Job { tokens: window.tokens.clone(), spans, reply };
            if self.embedder.queue.push(job, stored.priority).is_err() {
                return Err(stopping());
            }
        }
        drop(answer);
        let mut outputs = vec![WindowOutput::default(); fed.windows.len()];
        for (index, output) in answers {
            if let Some(place) = outputs.get_mut(index) {
                *place = output?;
            }
        }
        let inferred = InferredDocument { fed, outputs };
        let understood = self.interpreter.interpret(&inferred);
        inferred.fed.document.receipt.resolve(Ok(()));
        // It is in the store since then, whoever understands it.
        Ok(Document { ingested_at: stored.ingested_at, ..understood })
    }
}

fn head(stored: &Document) -> Head {
    Head {
        id: stored.id.clone(),
        name: stored.name.clone(),
        declared: None,
        language: None,
        priority: stored.priority,
        size: stored.size,
        sha256: stored.sha256.clone(),
        received_at: stored.received_at,
        version: stored.version,
        origin: stored.origin.clone(),
        force: true,
    }
}

/// The pages that the text was joined from.
fn pages(stored: &Document) -> Vec<PageText> {
    let mut characters = stored.text.chars();
    let mut at = 0;
    let mut pages = Vec::with_capacity(stored.pages.len());
    for page in &stored.pages {
        let skipped = page.start.saturating_sub(at);
        let text: String =
            characters.by_ref().skip(skipped).take(page.end.saturating_sub(page.start)).collect();
        at = page.end.max(at);
        let read = matches!(page.source, TextSource::Ocr);
        let ocr_confidence = read.then(|| page.ocr_confidence.unwrap_or_default());
        pages.push(PageText { text, words: Vec::new(), ocr_confidence, rotation: page.rotation });
    }
    pages
}
