//! Sending once more what was sent since some time: for a store that was lost, or a change after
//! which everything is to be understood anew.
//!
//! Records are copied to the end of their topic, in their order within a partition. Each keeps its
//! version (when it was sent first), so that none replaces what was sent later, and its origin, so
//! that its result says where it came from.

use super::client::{self, Context, FIRST_ANSWER};
use super::intake::Intake;
use super::record::{Record, wish};
use super::topics::{Lane, Topics};
use crate::config::KafkaConfig;
use crate::document::Priority;
use crate::error::Result;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long the topic may stand still while it is read.
const PATIENCE: Duration = Duration::from_secs(30);

/// From where on.
#[derive(Debug, Clone, Copy)]
pub enum From {
    /// From the first record that was sent at this time, in milliseconds since 1970-01-01 UTC.
    Time(i64),
    /// From this offset of one partition; the others are left out.
    Offset(i32, i64),
}

/// What to send once more.
#[derive(Debug, Clone)]
pub struct Replay {
    /// From which topic.
    pub priority: Priority,
    /// From where on.
    pub from: From,
    /// Up to records sent before this time, in milliseconds.
    pub until: Option<i64>,
    /// Only documents whose key begins so.
    pub prefix: String,
    /// Understand them even where nothing changed.
    pub force: bool,
    /// At most so many a second.
    pub rate: u32,
    /// Only count.
    pub dry_run: bool,
}

/// How many records were met, and sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Records between both ends.
    pub met: u64,
    /// Those of them that were (or would be) sent.
    pub sent: u64,
}

impl Replay {
    /// Sends, up to where the topic ended when this began. `step` hears how many records were met of
    /// about how many.
    ///
    /// Errors: `Retry` where the brokers do not answer; what was sent by then stays sent.
    pub fn run(&self, config: &KafkaConfig, mut step: impl FnMut(u64, u64)) -> Result<Counts> {
        let (context, topics) = (Context::new(config), Topics::new(config));
        let topic = topics.lane(Lane::of_priority(self.priority));
        let reader = client::reader(config, &context)?;
        let explain = |e: KafkaError| context.explain(&format!("cannot read {topic}"), &e);
        let starts = self.starts(&reader, &topic).map_err(explain)?;
        let mut ends = HashMap::new();
        let (mut list, mut total) = (TopicPartitionList::new(), 0);
        for (partition, start) in starts {
            let (first, end) = reader.fetch_watermarks(&topic, partition, FIRST_ANSWER).map_err(explain)?;
            let start = start.max(first);
            if start < end {
                list.add_partition_offset(&topic, partition, Offset::Offset(start)).map_err(explain)?;
                ends.insert(partition, end);
                total += u64::try_from(end - start).unwrap_or(0);
            }
        }
        let mut counts = Counts::default();
        if ends.is_empty() {
            return Ok(counts);
        }
        let intake = Intake::open(config)?;
        reader.assign(&list).map_err(explain)?;
        let (began, mut last) = (Instant::now(), Instant::now());
        while !ends.is_empty() {
            let message = match reader.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => message,
                // The end may be a mark of a transaction, which is no record.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ends.remove(&partition);
                    continue;
                }
                Some(Err(e)) => return Err(explain(e)),
                None if last.elapsed() > PATIENCE => return Err(explain(KafkaError::Canceled)),
                None => continue,
            };
            last = Instant::now();
            let Some(record) = Record::new(&message, &topics) else { continue };
            let place = record.place;
            match ends.get(&place.partition) {
                Some(end) if place.offset >= *end => {
                    ends.remove(&place.partition);
                    continue;
                }
                None => continue,
                Some(_) => {}
            }
            counts.met += 1;
            if self.takes(&record) {
                counts.sent += 1;
                if !self.dry_run {
                    self.send(&intake, &topic, &record)?;
                    let due = began
                        + Duration::from_secs(1).mul_f64(counts.sent as f64 / f64::from(self.rate.max(1)));
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    last = Instant::now();
                }
            }
            step(counts.met, total);
        }
        intake.flush()?;
        Ok(counts)
    }

    /// Where to begin in each partition.
    fn starts(
        &self,
        reader: &rdkafka::consumer::BaseConsumer<Context>,
        topic: &str,
    ) -> std::result::Result<Vec<(i32, i64)>, KafkaError> {
        let time = match self.from {
            From::Offset(partition, offset) => return Ok(vec![(partition, offset)]),
            From::Time(time) => time,
        };
        let metadata = reader.fetch_metadata(Some(topic), FIRST_ANSWER)?;
        let mut times = TopicPartitionList::new();
        for partition in metadata.topics().first().map(|topic| topic.partitions()).unwrap_or_default() {
            times.add_partition_offset(topic, partition.id(), Offset::Offset(time))?;
        }
        let found = reader.offsets_for_times(times, FIRST_ANSWER)?;
        let start = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            match element.offset() {
                Offset::Offset(offset) => Some((element.partition(), offset)),
                // Nothing was sent since.
                _ => None,
            }
        };
        Ok(found.elements().into_iter().filter_map(start).collect())
    }

    fn takes(&self, record: &Record) -> bool {
        let key = record.key.as_deref().unwrap_or_default();
        key.starts_with(self.prefix.as_bytes()) && self.until.is_none_or(|until| record.version < until)
    }

    fn send(&self, intake: &Intake, topic: &str, record: &Record) -> Result<()> {
        let mut headers = record.headers.clone();
        headers.push(("quire-version".to_owned(), record.version.to_string().into_bytes()));
        headers.push(("quire-origin".to_owned(), record.origin.to_string().into_bytes()));
        headers.extend(wish(record.lineage.as_ref(), self.force || record.force, &record.options));
        // It was a dead letter before, and says nothing.
        if record.key.is_none() && record.value.is_none() {
            return Ok(());
        }
        intake.raw(topic, record.key.as_deref(), record.value.as_deref(), &headers)
    }
}
