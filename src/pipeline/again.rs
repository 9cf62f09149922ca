//! What is stored, understood again by other models: feed → infer → interpret, on the caller's
//! thread. Pages were read once; their text is taken from the result.

use super::ask::Asker;
use super::embed::Embedder;
use super::kinds::kinds;
use super::understand::spec;
use crate::config::Config;
use crate::document::{Document, Head, PageText, Room, TextDocument, TextSource};
use crate::error::{Class, Error, Result, Stage};
use crate::feed;
use crate::infer::models::Models;
use crate::interpret::Interpreter;
use crate::metrics::Metrics;
use crate::receipt::{Budget, Receipt};
use crate::trace::Trace;
use std::sync::Arc;
use std::time::Duration;

/// Model threads and what stands around them.
pub struct Again {
    asker: Asker,
    interpreter: Arc<Interpreter>,
    budget: Budget,
}

impl Again {
    /// Starts the model threads. They end with the process.
    pub fn start(models: &Models, config: &Config, metrics: &Arc<Metrics>) -> Result<Self> {
        let wait = Duration::from_millis(config.feed.batch_wait_ms);
        let threads = models.threads(config.infer.threads);
        let (embedder, _) = Embedder::start(models, config, metrics, threads, wait)?;
        let spec = spec(config)?;
        let interpreter = Arc::new(Interpreter {
            config: config.interpret.clone(),
            kinds: kinds(models, config, &spec, &embedder)?,
            spec,
            tasks: models.tasks.clone(),
            models: models.revisions.clone(),
        });
        Ok(Self::beside(Asker { embedder, writer: models.tasks.summary }, interpreter, config))
    }

    /// With the model threads of a pipeline that runs.
    pub(super) fn beside(asker: Asker, interpreter: Arc<Interpreter>, config: &Config) -> Self {
        let budget = Budget::new(config.consume.in_flight_documents, usize::MAX);
        Self { asker, interpreter, budget }
    }

    /// A stored document with other models. Its verdict stays, so that what waits for people is what waited before;
    /// and where a person decided about it, its kind and its fields are theirs.
    ///
    /// Errors: see [`Self::understand`].
    pub fn renew(&self, stored: &Document) -> Result<Document> {
        let understood = self.understand(stored)?;
        if stored.review.is_none() {
            return Ok(Document { verdict: stored.verdict.clone(), ..understood });
        }
        Ok(Document {
            kind: stored.kind.clone(),
            fields: stored.fields.clone(),
            checks: stored.checks.clone(),
            verdict: stored.verdict.clone(),
            review: stored.review.clone(),
            ..understood
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
            children: stored.children.clone(),
            receipt: Receipt::new(permit, |_| {}),
            seconds: stored.seconds.clone(),
        };
        let fed = feed::feed(document, &self.asker.embedder.readers)?;
        let inferred = self.asker.wait(fed)?;
        let mut understood = self.interpreter.interpret(&inferred);
        inferred.fed.document.receipt.resolve(Ok(()));
        // Word boxes are not stored: what was read with them is better than what the text alone says.
        if understood.kind.label == stored.kind.label && !stored.fields.is_empty() {
            understood.fields.clone_from(&stored.fields);
            understood.checks.clone_from(&stored.checks);
        }
        understood.duplicates.clone_from(&stored.duplicates);
        self.interpreter.judge(&mut understood);
        // It is in the store since then, whoever understands it.
        let (tables, form) = (stored.tables.clone(), stored.form.clone());
        Ok(Document { ingested_at: stored.ingested_at, tables, form, ..understood })
    }
}

fn head(stored: &Document) -> Head {
    Head {
        id: stored.id.clone(),
        name: stored.name.clone(),
        declared: None,
        language: None,
        tags: stored.tags.clone(),
        priority: stored.priority,
        size: stored.size,
        sha256: stored.sha256.clone(),
        received_at: stored.received_at,
        version: stored.version,
        origin: stored.origin.clone(),
        force: true,
        options: stored.options.clone(),
        // What came out of it came out already.
        lineage: stored.lineage(Room { documents: 0, bytes: 0 }),
        trace: Trace::default(),
    }
}

/// The pages that the text was joined from.
pub(super) fn pages(stored: &Document) -> Vec<PageText> {
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
        pages.push(PageText { text, ocr_confidence, rotation: page.rotation, ..PageText::default() });
    }
    pages
}
