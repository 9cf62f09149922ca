//! The bytes of documents that were understood, read once more from the records they came in: for
//! people who look at pages.

use super::client::{self, Context};
use super::dead::{Sent, find};
use super::record::header;
use crate::config::KafkaConfig;
use crate::consume::envelope::{Body, Envelope};
use crate::consume::fetch::Fetcher;
use crate::document::{Document, sha256_hex};
use crate::error::{Class, Error, Result, Stage};
use crate::receipt::lock;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes of a document, which may be kept by whoever gave them.
type Bytes = Arc<Vec<u8>>;

/// How long what cannot be had is not asked for again: whoever looks at a document asks for each of its pages.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Reads records by where they are, one at a time.
///
/// What was read last is kept: at most one document, of `consume.max_document_mb`.
pub struct Originals {
    config: KafkaConfig,
    fetcher: Arc<Fetcher>,
    last: Mutex<Option<Last>>,
}

/// What the last question had for an answer.
struct Last {
    sha256: String,
    at: Instant,
    answer: Result<Option<Bytes>>,
}

impl Originals {
    /// Nothing is read before somebody asks.
    pub fn new(config: &KafkaConfig, fetcher: Arc<Fetcher>) -> Self {
        Self { config: config.clone(), fetcher, last: Mutex::default() }
    }

    /// The bytes that a document was understood from; none where its record is not kept any more, or
    /// what its envelope points to has changed since. Blocks, also while another document is read: callers
    /// bound how many wait.
    ///
    /// Errors: `Retry` where the brokers, or the server that the envelope names, do not answer; it does not
    /// name them, for whoever may see a document need not know where it came from.
    pub fn read(&self, document: &Document) -> Result<Option<Bytes>> {
        let mut last = lock(&self.last);
        let known = last.as_ref().filter(|last| last.sha256 == document.sha256);
        if let Some(known) =
            known.filter(|last| matches!(last.answer, Ok(Some(_))) || last.at.elapsed() < REMEMBERED)
        {
            return known.answer.clone();
        }
        let answer = match self.fetch(document) {
            Ok(bytes) => Ok(bytes.filter(|bytes| sha256_hex(bytes) == document.sha256).map(Arc::new)),
            // It is gone, or is not given any more.
            Err(Error::Reject(failure)) => {
                tracing::debug!(document = %document.id, "its original cannot be had: {}", failure.reason);
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(document = %document.id, "its original cannot be read now: {error}");
                let reason = "the original of this document cannot be read now";
                Err(Error::retry(Stage::Consume, Class::Unreachable, reason))
            }
        };
        *last = Some(Last { sha256: document.sha256.clone(), at: Instant::now(), answer: answer.clone() });
        answer
    }

    fn fetch(&self, document: &Document) -> Result<Option<Vec<u8>>> {
        let Some(origin) = &document.origin else { return Ok(None) };
        let context = Context::new(&self.config);
        let reader = client::reader(&self.config, &context)?;
        let Sent { value, headers, .. } = find(&reader, &context, origin, &[])?;
        // What came out of another document is never an envelope.
        if document.parent.is_some() {
            return Ok(Some(value));
        }
        let declared = header(&headers, "content-type");
        let Some(envelope) = Envelope::recognise(declared.as_deref(), &value) else { return Ok(Some(value)) };
        match envelope?.body {
            Body::Text(text) => Ok(Some(text.into_bytes())),
            Body::Bytes(bytes) => Ok(Some(bytes)),
            Body::Uri(uri) => self.fetcher.fetch(&uri).map(Some),
        }
    }
}
