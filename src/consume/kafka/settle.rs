//! What a settled record leads to: the records that leave in the transaction which settles it.

use super::record::{Pair, Record};
use super::topics::{Lane, Topics};
use crate::config::ConsumeConfig;
use crate::consume::backoff;
use crate::document::{
    DeadLetter, Document, DocumentId, DocumentState, EVENT_SCHEMA, Event, Notification, ProgressEvent,
    sha256_hex,
};
use crate::error::{Error, Failure};
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A record to be written.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its topic.
    pub topic: String,
    /// Its key; `None` where the sender gave none.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` deletes.
    pub value: Option<Value>,
    /// Its headers.
    pub headers: Vec<Pair>,
}

/// The value of a record to be written. Results can be long: neither kind is copied on its way to the
/// library.
#[derive(Debug, Clone)]
pub enum Value {
    /// Of a record that came in, passed on.
    Passed(Arc<[u8]>),
    /// Written here.
    Made(Vec<u8>),
}

impl std::ops::Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Passed(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

impl Output {
    /// Bytes, for what bounds memory.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.value.as_ref().map_or(0, |v| v.len()) + self.key.as_ref().map_or(0, Vec::len) + headers
    }
}

/// Who is talked about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
}

/// Makes the records.
pub struct Outcomes {
    /// Where they go.
    pub topics: Topics,
    /// Tries and waits.
    pub config: ConsumeConfig,
    /// The largest message that the topic of results takes, in bytes.
    pub max_result: usize,
    /// Likewise the topic of dead letters.
    pub max_dead: usize,
    /// Likewise the topics of documents, the least of them.
    pub max_document: usize,
}

/// Headers and framing that a message has besides its key and value, generously.
pub(super) const FRAMING: usize = 2048;

impl Outcomes {
    /// A document was understood, or its result is known already.
    pub fn understood(&self, record: &Record, document: &Document, state: DocumentState) -> Vec<Output> {
        let subject = Subject { id: document.id.clone(), name: document.name.clone() };
        let mut outputs = vec![self.result(record, document)];
        if state == DocumentState::Done {
            outputs.push(self.told(record, &Notification::of(document)));
        }
        let pages = u32::try_from(document.pages.len()).unwrap_or(u32::MAX);
        outputs.push(self.progress(record, &subject, state, (pages, pages)));
        outputs
    }

    /// A later version was there.
    pub fn superseded(&self, record: &Record, subject: &Subject) -> Vec<Output> {
        vec![self.progress(record, subject, DocumentState::Superseded, (0, 0))]
    }

    /// It was cancelled.
    pub fn cancelled(&self, record: &Record, subject: &Subject) -> Vec<Output> {
        vec![self.progress(record, subject, DocumentState::Cancelled, (0, 0))]
    }

    /// Everything of it is deleted. What waits to be tried again comes before this in its own
    /// topic, so the deletion is sent after it there, too; and it clears the dead letters.
    pub fn deleted(&self, record: &Record, subject: &Subject) -> Vec<Output> {
        let null = |topic: String, headers| Output { topic, key: Some(key(subject)), value: None, headers };
        let mut outputs = vec![
            null(self.topics.results(), record.trace()),
            self.progress(record, subject, DocumentState::Deleted, (0, 0)),
        ];
        if !matches!(record.place.lane, Lane::Retry | Lane::Slow) {
            let own = [("version", record.version.to_string()), ("origin", record.origin.to_string())];
            outputs.push(null(self.topics.lane(Lane::Retry), record.with(&own)));
            outputs.push(null(self.topics.lane(Lane::Slow), record.with(&own)));
            outputs.push(null(self.topics.dead(), record.with(&[("cleared", "deleted".to_owned())])));
        }
        outputs
    }

    /// It met a passing fault. Gives the wait before the next try with the records.
    pub fn retried(&self, record: &Record, subject: &Subject, error: &Error) -> (Vec<Output>, Duration) {
        let attempts = record.attempts + 1;
        let (base, most) =
            (Duration::from_millis(self.config.backoff_ms), Duration::from_secs(self.config.backoff_max_s));
        let seed = sha256_hex(subject.id.as_str().as_bytes())
            .bytes()
            .fold(0u64, |h, b| h.wrapping_mul(31) + u64::from(b));
        let wait = backoff(base, most, attempts, seed);
        let due = Timestamp::now()
            .as_millisecond()
            .saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        let own = [
            ("attempt", attempts.to_string()),
            ("not-before", due.to_string()),
            ("error", error.failure().to_string()),
        ];
        let outputs = vec![
            self.again(record, Lane::Retry, &own),
            self.progress(record, subject, DocumentState::Retrying, (0, 0)),
        ];
        (outputs, wait)
    }

    /// It takes long.
    pub fn postponed(&self, record: &Record, subject: &Subject) -> Vec<Output> {
        let own = [("attempt", record.attempts.to_string())];
        vec![
            self.again(record, Lane::Slow, &own),
            self.progress(record, subject, DocumentState::Postponed, (0, 0)),
        ]
    }

    /// It is given up.
    pub fn dead(&self, record: &Record, letter: &DeadLetter) -> Vec<Output> {
        let failure = &letter.failure;
        let subject = Subject { id: letter.id.clone(), name: letter.name.clone() };
        let own = [
            ("document-id", letter.id.to_string()),
            ("stage", failure.stage.to_string()),
            ("class", failure.class.to_string()),
            ("message", failure.reason.chars().take(1_000).collect()),
            ("remedy", failure.remedy.clone()),
            ("attempts", letter.attempts.to_string()),
            ("failed-at", letter.failed_at.to_string()),
            ("priority", record.priority.to_string()),
            ("version", record.version.to_string()),
            ("origin", record.origin.to_string()),
        ];
        let mut output = Output {
            topic: self.topics.dead(),
            key: record.key.clone(),
            value: Some(record.value.clone().map_or_else(|| Value::Made(Vec::new()), Value::Passed)),
            headers: record.with(&own).into_iter().chain(record.wish()).collect(),
        };
        if output.size() + FRAMING > self.max_dead {
            // The topic takes less than the one it came from; where it is is said in the headers.
            output.value = Some(Value::Made(Vec::new()));
            output.headers.push(("quire-value-left-out".to_owned(), record.size().to_string().into_bytes()));
        }
        vec![
            output,
            self.told(record, &Notification::failed(letter)),
            self.progress(record, &subject, DocumentState::Dead, (0, 0)),
        ]
    }

    /// The letter of a record that is given up.
    pub fn letter(
        &self,
        record: &Record,
        subject: &Subject,
        sha256: String,
        failure: &Failure,
    ) -> DeadLetter {
        DeadLetter {
            id: subject.id.clone(),
            name: subject.name.clone(),
            size: record.size(),
            sha256,
            priority: record.priority,
            received_at: Timestamp::from_millisecond(record.version).unwrap_or_default(),
            origin: Some(record.origin.clone()),
            failed_at: Timestamp::now(),
            attempts: record.attempts + 1,
            failure: failure.clone(),
            lineage: record.lineage.clone(),
            tags: record.tags(),
        }
    }

    /// How far a document is.
    pub fn progress(
        &self,
        record: &Record,
        subject: &Subject,
        state: DocumentState,
        pages: (u32, u32),
    ) -> Output {
        let event = ProgressEvent {
            schema: EVENT_SCHEMA,
            id: subject.id.clone(),
            name: subject.name.clone(),
            state,
            stage: None,
            pages_done: pages.0,
            pages_total: pages.1,
            at: Timestamp::now(),
            attempt: (record.attempts > 0).then_some(record.attempts),
        };
        self.json(self.topics.progress(), &subject.id, &event, record.trace())
    }

    /// How far documents in flight are.
    pub fn position(&self, event: &ProgressEvent) -> Output {
        self.json(self.topics.progress(), &event.id, event, Vec::new())
    }

    /// A document's failure, where there is no record to bury.
    pub fn failed(&self, record: &Record, subject: &Subject, reasons: Vec<String>) -> Output {
        let note = Notification::plain(subject.id.clone(), subject.name.clone(), Event::Failed);
        self.told(record, &Notification { reasons, ..note })
    }

    /// What happened to a document.
    fn told(&self, record: &Record, note: &Notification) -> Output {
        self.json(self.topics.notifications(), &note.id, note, record.trace())
    }

    /// The record once more, as its sender wrote it.
    fn again(&self, record: &Record, lane: Lane, own: &[(&str, String)]) -> Output {
        let mut headers = record.with(own);
        let kept = [
            ("priority", record.priority.to_string()),
            ("version", record.version.to_string()),
            ("origin", record.origin.to_string()),
        ];
        headers.extend(kept.map(|(name, value)| (format!("quire-{name}"), value.into_bytes())));
        headers.extend(record.wish());
        // The next try is of the same trace, below this one.
        let span = record.spans.traceparent();
        headers.extend(span.map(|span| ("quire-traceparent".to_owned(), span.into_bytes())));
        Output {
            topic: self.topics.lane(lane),
            key: record.key.clone(),
            value: record.value.clone().map(Value::Passed),
            headers,
        }
    }

    /// A document that came out of another one, as if it had been sent.
    pub fn handed_on(&self, record: &Record, lane: Lane) -> Output {
        let version = ("quire-version".to_owned(), record.version.to_string().into_bytes());
        Output {
            topic: self.topics.lane(lane),
            key: record.key.clone(),
            value: record.value.clone().map(Value::Passed),
            headers: record.headers.iter().cloned().chain([version]).chain(record.wish()).collect(),
        }
    }

    /// The result. Where the topic does not take it whole, what is longest is left out and named;
    /// the store has it all.
    fn result(&self, record: &Record, document: &Document) -> Output {
        // Room for the text, what JSON escapes in it, and the rest: a buffer that grows copies what it has.
        let room = document.text.len() + document.text.len() / 8 + FRAMING;
        let mut output = self.json_in(
            self.topics.results(),
            &document.id,
            document,
            record.trace(),
            Vec::with_capacity(room),
        );
        if output.size() + FRAMING > self.max_result {
            let mut less = document.clone();
            less.omitted.push("text".to_owned());
            less.text.clear();
            output = self.json(self.topics.results(), &document.id, &less, record.trace());
            if output.size() + FRAMING > self.max_result {
                less.omitted.extend(["passages", "pages", "entities"].map(str::to_owned));
                less.passages.clear();
                less.pages.clear();
                less.entities.clear();
                output = self.json(self.topics.results(), &document.id, &less, record.trace());
            }
        }
        output
    }

    fn json(&self, topic: String, id: &DocumentId, value: &impl Serialize, headers: Vec<Pair>) -> Output {
        self.json_in(topic, id, value, headers, Vec::with_capacity(256))
    }

    fn json_in(
        &self,
        topic: String,
        id: &DocumentId,
        value: &impl Serialize,
        mut headers: Vec<Pair>,
        mut bytes: Vec<u8>,
    ) -> Output {
        headers.push(("content-type".to_owned(), b"application/json".to_vec()));
        // These types have no map with keys that are no strings: serialising cannot fail.
        let _ = serde_json::to_writer(&mut bytes, value);
        Output { topic, key: Some(id.as_str().as_bytes().to_vec()), value: Some(Value::Made(bytes)), headers }
    }
}

fn key(subject: &Subject) -> Vec<u8> {
    subject.id.as_str().as_bytes().to_vec()
}
