//! Documents read one by one on the caller's thread, up to the vectors: what kinds are learned from and
//! measured on. The same steps as in the pipeline, without its ends.

use super::ask::Asker;
use super::embed::Embedder;
use super::kinds::{embedding, kinds, signs, usable, wrong};
use super::limits;
use super::understand::spec;
use crate::config::Config;
use crate::document::{
    DocumentId, Head as About, MediaType, Page, PageText, Priority, Scored, TextDocument, sha256_hex,
};
use crate::error::{Class, Error, Result, Stage};
use crate::feed;
use crate::infer::models::Models;
use crate::interpret::{self, Head, Kinds, Lesson, Signs, Taught};
use crate::metrics::Metrics;
use crate::receipt::{Budget, Receipt};
use crate::sandbox::{Reply, Request, Worker};
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Children that read, and model threads.
pub struct Examples {
    decode: Worker,
    digitize: Worker,
    config: Config,
    models: Models,
    asker: Asker,
    kinds: Kinds,
    signs: Signs,
    budget: Budget,
}

/// What was read of a document.
pub struct Read {
    /// Its signs.
    pub signs: Vec<f32>,
    /// What the configured kinds say.
    pub kind: Scored,
}

impl Examples {
    /// Loads the embedding model and what tells kinds, and nothing else.
    ///
    /// Errors: as for a pipeline.
    pub fn start(config: &Config, models_dir: &Path, metrics: &Arc<Metrics>, program: &Path) -> Result<Self> {
        let mut config = config.clone();
        let infer = &mut config.infer;
        [&mut infer.ner, &mut infer.sentiment, &mut infer.classification, &mut infer.summary]
            .into_iter()
            .for_each(String::clear);
        let models = Models::load(&config.infer, models_dir)?;
        let threads = models.threads(config.infer.threads);
        let (embedder, _) = Embedder::start(&models, &config, metrics, threads, Duration::ZERO)?;
        let slot = |stage| Worker::new(limits::sandbox(&config, stage, program), Arc::clone(metrics));
        Ok(Self {
            decode: slot(Stage::Decode),
            digitize: slot(Stage::Digitize),
            kinds: kinds(&models, &config, &spec(&config)?, &embedder)?,
            asker: Asker { embedder, writer: None },
            signs: signs()?,
            budget: Budget::new(1, usize::MAX),
            config,
            models,
        })
    }

    /// Reads a document of this name.
    ///
    /// Errors: what keeps it from being read, as in the pipeline; `Reject` where it holds no text.
    pub fn read(&mut self, name: &str, bytes: &[u8]) -> Result<Read> {
        let document = self.text(name, bytes)?;
        self.signs(document)
    }

    /// Reads a document of this name by its text, as a result has it: pages joined by form feeds.
    ///
    /// Errors: `Reject` where it is empty.
    pub fn read_text(&self, name: &str, text: &str) -> Result<Read> {
        let pages = text.split('\u{c}').map(PageText::plain).collect();
        let sha256 = sha256_hex(text.as_bytes());
        self.signs(self.whole(name, sha256, text.len(), (MediaType::Text, pages))?)
    }

    fn signs(&self, document: TextDocument) -> Result<Read> {
        let fed = feed::feed(document, &self.asker.embedder.readers)?;
        let inferred = self.asker.wait(fed)?;
        let (mean, first) = interpret::vectors(&inferred);
        let document = inferred.fed.document;
        let read = Read {
            signs: self.signs.of(&document, &mean, &first),
            kind: self.kinds.guess(&document, &mean, &first),
        };
        document.receipt.resolve(Ok(()));
        if mean.is_empty() {
            return Err(Error::reject(Stage::Interpret, Class::Corrupt, "no text was found on any page"));
        }
        Ok(read)
    }

    /// Learns a head from documents that were read; beside the configured one, unless `alone`.
    ///
    /// Errors: `Fatal` where they are too few, or the configured head cannot be built upon.
    pub fn teach(&self, lessons: &[Lesson], alone: bool) -> Result<Taught> {
        let base: Option<Head> = match &self.models.kind {
            Some(file) if !alone => {
                let say = |reason| wrong(&format!("{} {reason}; or learn with --alone", file.name));
                Some(usable(file, &self.models, &self.signs).map_err(say)?)
            }
            _ => None,
        };
        let dimension = self.models.embedding()?.dimension;
        let about = (embedding(&self.models), dimension);
        interpret::teach(&self.signs, about, base.as_ref(), lessons)
            .map_err(|reason| Error::fatal(Stage::Interpret, Class::Config, reason))
    }

    /// Bytes to text, in sandboxed children.
    fn text(&mut self, name: &str, bytes: &[u8]) -> Result<TextDocument> {
        let sha256 = sha256_hex(bytes);
        let limits = limits::limits(&self.config, None);
        let request = Request::Decode { name: name.to_owned(), declared: None, limits: limits.clone() };
        let Reply::Decoded(decoded) = self.decode.call(&request, &sha256, bytes)? else {
            return Err(unexpected(Stage::Decode));
        };
        let mut pages: Vec<PageText> = Vec::with_capacity(decoded.pages.len());
        for (number, page) in (1..).zip(decoded.pages) {
            pages.push(match page {
                Page::Text(text) => text,
                Page::Image => {
                    let media_type = decoded.media_type;
                    let request = Request::Digitize { media_type, page: number, limits: limits.clone() };
                    match self.digitize.call(&request, &sha256, bytes)? {
                        Reply::Page(text) => text,
                        _ => return Err(unexpected(Stage::Digitize)),
                    }
                }
            });
        }
        self.whole(name, sha256, bytes.len(), (decoded.media_type, pages))
    }

    fn whole(
        &self,
        name: &str,
        sha256: String,
        size: usize,
        (media_type, pages): (MediaType, Vec<PageText>),
    ) -> Result<TextDocument> {
        let full = || Error::retry(Stage::Feed, Class::Internal, "there is no room for the document");
        let permit = self.budget.acquire(0, Duration::from_secs(60)).ok_or_else(full)?;
        let head = About {
            id: DocumentId::of_content(&sha256),
            name: name.to_owned(),
            declared: None,
            language: None,
            priority: Priority::Normal,
            size,
            sha256,
            received_at: Timestamp::now(),
            version: 0,
            origin: None,
            force: false,
            options: crate::document::Options::default(),
            lineage: None,
            tags: Vec::new(),
            trace: crate::trace::Trace::default(),
        };
        Ok(TextDocument {
            head: Arc::new(head),
            media_type,
            pages,
            children: Vec::new(),
            receipt: Receipt::new(permit, |_| {}),
            seconds: Default::default(),
        })
    }
}

fn unexpected(stage: Stage) -> Error {
    Error::reject(stage, Class::Internal, "the sandboxed process answered another question")
}
