//! The bytes of documents that were understood, read once more from the records they came in: for
//! people who look at pages.

use super::client::{self, Context};
use super::dead::{Sent, find};
use super::record::header;
use crate::config::KafkaConfig;
use crate::consume::envelope::{Body, Envelope};
use crate::consume::fetch::Fetcher;
use crate::document::{Document, sha256_hex};
use crate::error::{Error, Result};
use crate::receipt::lock;
use std::sync::{Arc, Mutex};

/// Bytes of a document, which may be kept by whoever gave them.
type Bytes = Arc<Vec<u8>>;

/// Reads records by where they are. One at a time: whoever opens a document asks for all of its
/// pages at once, and they come from the same record.
///
/// What was read last is kept: at most one document, of `consume.max_document_mb`.
pub struct Originals {
    config: KafkaConfig,
    fetcher: Arc<Fetcher>,
    last: Mutex<Option<(String, Bytes)>>,
}

impl Originals {
    /// Nothing is read before somebody asks.
    pub fn new(config: &KafkaConfig, fetcher: Arc<Fetcher>) -> Self {
        Self { config: config.clone(), fetcher, last: Mutex::default() }
    }

    /// The bytes that a document was understood from; none where its record is not kept any more, or
    /// what its envelope points to has changed since.
    ///
    /// Errors: `Retry` where the brokers, or the server that the envelope names, do not answer.
    pub fn read(&self, document: &Document) -> Result<Option<Bytes>> {
        let mut last = lock(&self.last);
        if let Some((_, bytes)) = last.as_ref().filter(|(sha256, _)| *sha256 == document.sha256) {
            return Ok(Some(Arc::clone(bytes)));
        }
        let bytes = match self.fetch(document) {
            Ok(bytes) => bytes.filter(|bytes| sha256_hex(bytes) == document.sha256).map(Arc::new),
            // It is gone, or is not given any more: the same question has the same answer.
            Err(Error::Reject(failure)) => {
                tracing::debug!(document = %document.id, "its original cannot be had: {}", failure.reason);
                None
            }
            Err(error) => return Err(error),
        };
        if let Some(bytes) = &bytes {
            *last = Some((document.sha256.clone(), Arc::clone(bytes)));
        }
        Ok(bytes)
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
