//! Putting documents, deletions and commands into the topics: for the API, `quire send` and
//! `quire dead replay`.

use super::client::{self, Context, Sender};
use super::originals::Originals;
use super::record::{Pair, owned_headers};
use super::topics::{Lane, Topics};
use crate::config::KafkaConfig;
use crate::consume::Upload;
use crate::document::{Command, Document, DocumentId, Priority, ReviewEvent};
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::receipt::lock;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long the brokers may take to acknowledge.
const ACKNOWLEDGED: Duration = Duration::from_secs(20);

/// Documents that are remembered after they were put in.
const REMEMBERED: usize = 10_000;

/// How long they are.
const LATELY: Duration = Duration::from_secs(600);

/// Writes to the topics that workers read.
pub struct Intake {
    sender: Sender,
    context: Context,
    topics: Topics,
    /// Whoever writes waits for its own acknowledgement: a failure is told to whom it concerns.
    turn: Mutex<()>,
    /// What was put in lately, and when; the oldest first.
    written: Mutex<VecDeque<(DocumentId, Instant)>>,
    originals: Option<Originals>,
}

impl Intake {
    /// Connects.
    ///
    /// Errors: `Retry` within seconds where the brokers cannot be reached or refuse.
    pub fn open(config: &KafkaConfig) -> Result<Self> {
        let (sender, context) = client::sender(config)?;
        Ok(Self {
            sender,
            context,
            topics: Topics::new(config),
            turn: Mutex::default(),
            written: Mutex::default(),
            originals: None,
        })
    }

    /// The same, which can read again what was put in.
    pub fn with_originals(mut self, originals: Originals) -> Self {
        self.originals = Some(originals);
        self
    }

    /// The bytes of a document that was understood, where its record is kept.
    pub fn original(&self, document: &Document) -> Result<Option<Arc<Vec<u8>>>> {
        self.originals.as_ref().map_or(Ok(None), |originals| originals.read(document))
    }

    /// Puts a document in; every broker that must have it has it when this returns.
    pub fn put(&self, bytes: &[u8], upload: &Upload, priority: Priority) -> Result<()> {
        let _turn = lock(&self.turn);
        let tags = (!upload.tags.is_empty()).then(|| upload.tags.join(","));
        let named = [
            ("filename", &upload.name),
            ("content-type", &upload.media_type),
            ("language", &upload.language),
            ("tags", &tags),
            ("traceparent", &upload.traceparent),
        ];
        let headers: Vec<Pair> = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into_bytes())))
            .collect();
        let id =
            upload.id.clone().unwrap_or_else(|| DocumentId::of_content(&crate::document::sha256_hex(bytes)));
        self.write(&self.topics.lane(Lane::of_priority(priority)), Some(&id), Some(bytes), &headers)?;
        self.flush()?;
        let mut written = lock(&self.written);
        if written.len() >= REMEMBERED {
            written.pop_front();
        }
        written.push_back((id, Instant::now()));
        Ok(())
    }

    /// Whether a document of that id was put in lately: it may still wait.
    pub fn wrote(&self, id: &DocumentId) -> bool {
        lock(&self.written).iter().any(|(known, at)| known == id && at.elapsed() < LATELY)
    }

    /// Asks for everything of a document to be deleted.
    pub fn delete(&self, id: &DocumentId) -> Result<()> {
        let _turn = lock(&self.turn);
        // It may have come in any of them; deleting twice does no harm.
        for priority in Priority::ALL {
            self.write(&self.topics.lane(Lane::of_priority(*priority)), Some(id), None, &[])?;
        }
        self.flush()?;
        lock(&self.written).retain(|(known, _)| known != id);
        Ok(())
    }

    /// Gives a command.
    pub fn command(&self, id: &DocumentId, command: &Command) -> Result<()> {
        let _turn = lock(&self.turn);
        let value = serde_json::to_vec(command).unwrap_or_default();
        self.write(&self.topics.lane(Lane::Commands), Some(id), Some(&value), &[])?;
        self.flush()
    }

    /// Tells of a person's decision.
    pub fn reviewed(&self, event: &ReviewEvent) -> Result<()> {
        let _turn = lock(&self.turn);
        let value = serde_json::to_vec(event).unwrap_or_default();
        self.write(&self.topics.reviewed(), Some(&event.id), Some(&value), &[])?;
        self.flush()
    }

    /// Writes one record without waiting for it.
    fn write(
        &self,
        topic: &str,
        key: Option<&DocumentId>,
        value: Option<&[u8]>,
        headers: &[Pair],
    ) -> Result<()> {
        self.raw(topic, key.map(|id| id.as_str().as_bytes()), value, headers)
    }

    /// Writes one record as it is, without waiting for it.
    pub fn raw(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Pair]) -> Result<()> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).headers(owned_headers(headers));
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(value) = value {
            record = record.payload(value);
        }
        let deadline = Instant::now() + ACKNOWLEDGED;
        loop {
            match self.sender.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again))
                    if Instant::now() < deadline =>
                {
                    record = again;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(self.failed(&error)),
            }
        }
    }

    /// Waits until everything written is acknowledged.
    ///
    /// Errors: `Reject` (`too_large`) where a broker refuses a record for its length.
    pub fn flush(&self) -> Result<()> {
        let flushed = self.sender.flush(ACKNOWLEDGED);
        // The delivery report says more than the flush.
        match self.context.take_undelivered() {
            Some(error) => Err(self.failed(&error)),
            None => flushed.map_err(|e| self.failed(&e)),
        }
    }

    fn failed(&self, error: &KafkaError) -> Error {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            let reason = "the document is longer than its topic takes";
            let mut failure = Failure::new(Stage::Consume, Class::TooLarge, reason);
            failure.remedy =
                "raise max.message.bytes of the topic, or send an envelope with a uri instead".to_owned();
            return Error::Reject(failure);
        }
        self.context.explain("cannot write to Kafka", error)
    }
}
