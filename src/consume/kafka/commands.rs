//! `documents.commands`. Cancelling and priorities concern every worker, for any of them may have
//! the document or get it later: each reads the whole topic. Reprocessing is for exactly one: it
//! comes through the group like a document.

use super::board::Board;
use super::client::{self, Context};
use super::dead::{Sent, find};
use super::record::{Record, wish};
use super::settle::{Output, Subject, Value};
use super::topics::{Lane, Topics};
use crate::document::{Command, DocumentId, Options, Origin, Priority};
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::receipt::lock;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Commands remembered at most; the oldest are forgotten first.
const REMEMBERED: usize = 100_000;
/// How long the log of commands may take to be read at start.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Tells where the stored version of a document came from.
pub type Whence = Arc<dyn Fn(&DocumentId) -> Result<Option<Origin>> + Send + Sync>;

/// What was asked for.
pub struct Commands {
    asked: Mutex<Asked>,
    topics: Topics,
    config: crate::config::KafkaConfig,
    whence: Whence,
}

/// What was asked for a document.
#[derive(Default)]
struct Wishes {
    /// Cancelled up to this time.
    cancelled: Option<i64>,
    /// Urgent like this, up to that time.
    priority: Option<(i64, Priority)>,
}

#[derive(Default)]
struct Asked {
    by_id: HashMap<DocumentId, Wishes>,
    /// By time, for forgetting.
    order: BTreeMap<(i64, i32, i64), DocumentId>,
}

impl Commands {
    /// Nothing asked yet.
    pub fn new(config: &crate::config::KafkaConfig, whence: Whence) -> Self {
        Self { asked: Mutex::default(), topics: Topics::new(config), config: config.clone(), whence }
    }

    /// Whether a document that was sent at `version` was cancelled after.
    pub fn is_cancelled(&self, id: &DocumentId, version: i64) -> bool {
        lock(&self.asked)
            .by_id
            .get(id)
            .and_then(|wishes| wishes.cancelled)
            .is_some_and(|until| version <= until)
    }

    /// The priority asked for after a document was sent at `version`.
    pub fn priority_of(&self, id: &DocumentId, version: i64) -> Option<Priority> {
        let asked = lock(&self.asked).by_id.get(id).and_then(|wishes| wishes.priority);
        asked.filter(|(until, _)| version <= *until).map(|(_, priority)| priority)
    }

    /// Reads the log of commands from `kafka.commands_window_s` ago to its end; the reader goes on
    /// from there.
    ///
    /// Errors: `Retry` where the brokers do not answer.
    pub fn catch_up(&self, board: &Board) -> Result<BaseConsumer<Context>> {
        let context = Context::new(&self.config);
        let reader = client::reader(&self.config, &context)?;
        let topic = self.topics.lane(Lane::Commands);
        let explain = |e: KafkaError| context.explain("cannot read the topic of commands", &e);
        let metadata = reader.fetch_metadata(Some(&topic), CATCH_UP).map_err(explain)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let window = i64::try_from(self.config.commands_window_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let since = jiff::Timestamp::now().as_millisecond().saturating_sub(window);
        let mut times = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions).unwrap_or(0) {
            times.add_partition_offset(&topic, partition, Offset::Offset(since)).map_err(explain)?;
        }
        let offsets = reader.offsets_for_times(times, CATCH_UP).map_err(explain)?;
        reader.assign(&offsets).map_err(explain)?;
        let (mut ended, deadline) = (0, Instant::now() + CATCH_UP);
        while ended < partitions && Instant::now() < deadline {
            match reader.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => self.note(&message, board),
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(e)) => return Err(explain(e)),
                None => {}
            }
        }
        Ok(reader)
    }

    /// Follows the log until the board ends.
    pub fn follow(&self, reader: &BaseConsumer<Context>, board: &Board) {
        while !board.lock().ended {
            if let Some(Ok(message)) = reader.poll(Duration::from_millis(200)) {
                self.note(&message, board);
            }
        }
    }

    /// Remembers a command, and cancels what it concerns here.
    fn note(&self, message: &BorrowedMessage<'_>, board: &Board) {
        let id = message.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(DocumentId::parse);
        let command = message.payload().and_then(|value| serde_json::from_slice::<Command>(value).ok());
        // What is no command is told by the worker that has it through the group.
        let (Some(id), Some(command)) = (id, command) else { return };
        // Nothing of it is remembered: the worker that has it through the group does it.
        if matches!(command, Command::Reprocess(_)) {
            return;
        }
        let at = message.timestamp().to_millis().unwrap_or(0);
        {
            let mut asked = lock(&self.asked);
            let entry = asked.by_id.entry(id.clone()).or_default();
            match &command {
                Command::Cancel {} => entry.cancelled = Some(at),
                Command::Priority { priority } => entry.priority = Some((at, *priority)),
                Command::Reprocess(_) => {}
            }
            asked.order.insert((at, message.partition(), message.offset()), id.clone());
            while asked.order.len() > REMEMBERED {
                if let Some((_, forgotten)) = asked.order.pop_first() {
                    asked.by_id.remove(&forgotten);
                }
            }
        }
        match command {
            Command::Cancel {} => {
                board.cancel(|flight| flight.subject.id == id && flight.record.version <= at)
            }
            Command::Priority { priority } => {
                let of = |record: &Record| record.version <= at && record.id().is_ok_and(|own| own == id);
                board.lock().queues.reprioritise(priority, of);
            }
            Command::Reprocess(_) => {}
        }
    }

    /// Does what exactly one worker must do for a command; gives what leaves.
    pub fn act(&self, record: &Record, board: &Board) -> Vec<Output> {
        let parsed = record.value.as_ref().map(|value| parse(value));
        let id = record.key.as_ref().and_then(|key| DocumentId::parse(std::str::from_utf8(key).ok()?));
        match (id, parsed) {
            (Some(id), Some(Ok(Command::Reprocess(options)))) => self.reprocess(record, id, &options, board),
            (Some(_), Some(Ok(_))) => Vec::new(),
            (id, parsed) => {
                let why = match parsed {
                    Some(Err(e)) => format!("it is no command: {e}"),
                    _ => "a command needs a document's id as its key, and a value".to_owned(),
                };
                let mut failure = Failure::new(Stage::Consume, Class::Malformed, why);
                failure.remedy = r#"send {"command":"cancel"}, {"command":"reprocess"} or {"command":"priority","priority":"high"}"#.to_owned();
                board.metrics.failed(failure.stage, failure.class);
                let id = id.unwrap_or_else(|| record.stand_in());
                let subject = Subject { name: format!("command for {id}"), id };
                let letter = board.outcomes.letter(record, &subject, String::new(), &failure);
                tracing::warn!(document = %letter.id, "{failure}");
                board.outcomes.dead(record, &letter)
            }
        }
    }

    /// Sends the document's record once more, with what is asked for.
    fn reprocess(&self, record: &Record, id: DocumentId, options: &Options, board: &Board) -> Vec<Output> {
        let subject = Subject { name: id.to_string(), id };
        let found = (self.whence)(&subject.id).and_then(|origin| {
            let origin = origin.ok_or_else(|| gone("nothing is stored of this document"))?;
            let context = Context::new(&self.config);
            let reader = client::reader(&self.config, &context)?;
            Ok((find(&reader, &context, &origin, &["quire-lineage"])?, origin))
        });
        match found {
            Ok((Sent { key, value, mut headers }, origin)) => {
                let own =
                    [("quire-version", record.version.to_string()), ("quire-origin", origin.to_string())];
                headers.extend(own.map(|(name, value)| (name.to_owned(), value.into_bytes())));
                headers.extend(wish(None, true, options));
                let topic = self.topics.lane(Lane::of_priority(options.priority.unwrap_or(Priority::Normal)));
                vec![Output {
                    topic,
                    key: key.or(record.key.clone()),
                    value: Some(Value::Made(value)),
                    headers,
                }]
            }
            Err(error) => {
                tracing::warn!(document = %subject.id, "cannot be processed again: {error}");
                let reasons = vec![format!("cannot be processed again: {}", error.failure())];
                vec![board.outcomes.failed(record, &subject, reasons)]
            }
        }
    }
}

/// Reads a command; says what is wrong with it.
fn parse(value: &[u8]) -> std::result::Result<Command, String> {
    let command = serde_json::from_slice(value).map_err(|e| e.to_string())?;
    match &command {
        Command::Reprocess(options) => options.check().map(|()| command),
        _ => Ok(command),
    }
}

fn gone(what: &str) -> Error {
    let mut failure = Failure::new(Stage::Consume, Class::Unreachable, what);
    failure.remedy = "send the document again".to_owned();
    Error::Reject(failure)
}
