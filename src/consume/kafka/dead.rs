//! Reading `documents.dead`, and sending its records once more.

use super::client::{self, Context};
use super::intake::Intake;
use super::record::{Pair, parse_origin, readable_tags};
use super::topics::{Lane, Topics};
use crate::config::KafkaConfig;
use crate::document::{DeadLetter, DocumentId, Lineage, Origin, Priority};
use crate::error::{Class, Error, Failure, Result, Stage};
use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long the topic may stand still while it is read.
const PATIENCE: Duration = Duration::from_secs(15);

/// A dead letter, and where its record lies.
pub struct Buried {
    /// What is known of it.
    pub letter: DeadLetter,
    /// Its record in the topic of dead letters.
    pub at: Origin,
}

/// A record as it was sent: key, value, headers.
pub struct Sent {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers; of quire's own only those that go with it wherever it goes.
    pub headers: Vec<Pair>,
}

/// The topic of dead letters.
pub struct DeadTopic {
    config: KafkaConfig,
    topics: Topics,
}

impl DeadTopic {
    /// The topic that the settings name.
    pub fn new(config: &KafkaConfig) -> Self {
        Self { config: config.clone(), topics: Topics::new(config) }
    }

    /// All that are not cleared, oldest first. Values are not kept: memory is a few hundred bytes
    /// for each.
    ///
    /// Errors: `Retry` where the brokers do not answer.
    pub fn list(&self) -> Result<Vec<Buried>> {
        let context = Context::new(&self.config);
        let reader = client::reader(&self.config, &context)?;
        let topic = self.topics.dead();
        let explain = |e: KafkaError| context.explain("cannot read the topic of dead letters", &e);
        let metadata = reader.fetch_metadata(Some(&topic), client::FIRST_ANSWER).map_err(explain)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let mut all = TopicPartitionList::new();
        all.add_partition_range(&topic, 0, i32::try_from(partitions).unwrap_or(0).max(1) - 1);
        all.set_all_offsets(Offset::Beginning).map_err(explain)?;
        reader.assign(&all).map_err(explain)?;
        let (mut buried, mut cleared) = (Vec::new(), HashMap::<Vec<u8>, Timestamp>::new());
        let (mut ended, mut last) = (0, Instant::now());
        while ended < partitions {
            match reader.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    last = Instant::now();
                    note(&message, &mut buried, &mut cleared);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(e)) => return Err(explain(e)),
                None if last.elapsed() > PATIENCE => {
                    return Err(explain(KafkaError::Canceled));
                }
                None => {}
            }
        }
        buried.retain(|(key, buried): &(Vec<u8>, Buried)| {
            cleared.get(key).is_none_or(|at| buried.letter.failed_at > *at)
        });
        buried.sort_by_key(|(_, buried)| buried.letter.failed_at);
        Ok(buried.into_iter().map(|(_, buried)| buried).collect())
    }

    /// The record of a dead letter, as it was sent.
    ///
    /// Errors: `Reject` where the topic does not have it any more.
    pub fn record(&self, at: &Origin) -> Result<Sent> {
        let context = Context::new(&self.config);
        let reader = client::reader(&self.config, &context)?;
        find(&reader, &context, at, &["quire-lineage", "quire-force", "quire-options"])
    }

    /// Sends the record of a dead letter once more and clears it. If this stops in between, it is
    /// sent again next time, which changes nothing.
    pub fn replay(&self, intake: &Intake, buried: &Buried) -> Result<()> {
        let Sent { key, value, mut headers } = self.record(&buried.at)?;
        if let Some(origin) = &buried.letter.origin {
            headers.push(("quire-origin".to_owned(), origin.to_string().into_bytes()));
        }
        // What was sent later stays later.
        let version = buried.letter.received_at.as_millisecond().to_string();
        headers.push(("quire-version".to_owned(), version.into_bytes()));
        let lane = self.topics.lane(Lane::of_priority(buried.letter.priority));
        intake.raw(&lane, key.as_deref(), Some(&value), &headers)?;
        intake.flush()?;
        let cleared = [("quire-cleared".to_owned(), b"replayed".to_vec())];
        let key = key.unwrap_or_else(|| buried.letter.id.as_str().as_bytes().to_vec());
        intake.raw(&self.topics.dead(), Some(&key), None, &cleared)?;
        intake.flush()
    }
}

/// A record by its coordinates; of quire's own headers those that are to be `kept`.
pub(super) fn find(
    reader: &BaseConsumer<Context>,
    context: &Context,
    at: &Origin,
    kept: &[&str],
) -> Result<Sent> {
    let explain = |e: KafkaError| context.explain("cannot read a record", &e);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&at.topic, at.partition, Offset::Offset(at.offset)).map_err(explain)?;
    reader.assign(&list).map_err(explain)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if Instant::now() >= deadline {
            return Err(explain(KafkaError::Canceled));
        }
        match reader.poll(Duration::from_millis(200)) {
            Some(Ok(message)) if message.offset() == at.offset => {
                let mut headers = pairs(&message);
                headers.retain(|(name, _)| !name.starts_with("quire-") || kept.contains(&name.as_str()));
                return Ok(Sent {
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().unwrap_or_default().to_vec(),
                    headers,
                });
            }
            // The topic begins later by now.
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(e)) => return Err(explain(e)),
            None => {}
        }
    }
    let mut failure =
        Failure::new(Stage::Consume, Class::Unreachable, format!("the record {at} is not kept any more"));
    failure.remedy = "send the document again".to_owned();
    Err(Error::Reject(failure))
}

fn pairs(message: &BorrowedMessage<'_>) -> Vec<Pair> {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    headers.map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
}

fn note(
    message: &BorrowedMessage<'_>,
    buried: &mut Vec<(Vec<u8>, Buried)>,
    cleared: &mut HashMap<Vec<u8>, Timestamp>,
) {
    let at = Origin {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
    };
    let written =
        Timestamp::from_millisecond(message.timestamp().to_millis().unwrap_or(0)).unwrap_or_default();
    let Some(value) = message.payload() else {
        if let Some(key) = message.key() {
            let last = cleared.entry(key.to_vec()).or_insert(written);
            *last = (*last).max(written);
        }
        return;
    };
    let headers: HashMap<String, String> = pairs(message)
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let said = |name: &str| headers.get(&format!("quire-{name}")).cloned();
    let Some(id) = said("document-id").and_then(|id| DocumentId::parse(&id)) else { return };
    let failure = Failure {
        stage: said("stage").and_then(|s| s.parse().ok()).unwrap_or(Stage::Consume),
        class: said("class").and_then(|c| c.parse().ok()).unwrap_or(Class::Internal),
        reason: said("message").unwrap_or_default(),
        remedy: said("remedy").unwrap_or_default(),
    };
    let version = said("version").and_then(|v| v.parse().ok()).unwrap_or(0);
    let letter = DeadLetter {
        name: headers.get("filename").cloned().unwrap_or_else(|| id.to_string()),
        size: value.len(),
        sha256: String::new(),
        priority: said("priority").and_then(|p| p.parse().ok()).unwrap_or(Priority::Normal),
        received_at: Timestamp::from_millisecond(version).unwrap_or_default(),
        origin: said("origin").and_then(|o| parse_origin(&o)),
        failed_at: said("failed-at").and_then(|t| t.parse().ok()).unwrap_or(written),
        attempts: said("attempts").and_then(|n| n.parse().ok()).unwrap_or(1),
        failure,
        lineage: said("lineage").and_then(|json| serde_json::from_str::<Lineage>(&json).ok()),
        tags: readable_tags(headers.get("tags").map_or("", String::as_str), &[]),
        id,
    };
    let key = message.key().map_or_else(|| letter.id.as_str().as_bytes().to_vec(), <[u8]>::to_vec);
    buried.push((key, Buried { letter, at }));
}
