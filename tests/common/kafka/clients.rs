//! Asking and feeding a Kafka, as its users do.

use super::{Kafka, PATIENCE};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Headers, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A record as it was read.
#[derive(Clone, PartialEq)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<String>,
    pub value: Option<Vec<u8>>,
    /// In their order; a header may come more than once.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
}

impl Record {
    /// The last header of a name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().rev().find(|(key, _)| key == name)?;
        Some(std::str::from_utf8(&found.1).unwrap())
    }

    /// The value as JSON.
    pub fn json(&self) -> Value {
        let value = self.value.as_deref().unwrap_or_else(|| panic!("no value: {self:?}"));
        serde_json::from_slice(value).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }
}

/// On a line, as text, and not all of a long value.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(300).collect::<String>();
        write!(f, "{}/{}/{} {:?}", self.topic, self.partition, self.offset, self.key)?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, " {name}={:?}", text(value)))?;
        write!(f, " {:?}", self.value.as_deref().map(text))
    }
}

type Delivered = mpsc::SyncSender<Result<(i32, i64), KafkaError>>;

/// Tells each record's sender where it went.
pub(super) struct Deliveries;

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Delivered>;

    fn delivery(&self, result: &DeliveryResult<'_>, sender: Self::DeliveryOpaque) {
        let told = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        let _ = sender.send(told);
    }
}

pub(super) type Sender = ThreadedProducer<Deliveries>;

impl Kafka {
    /// Makes topics with so many partitions.
    pub fn create_topics(&self, names: &[&str], partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let new = names.iter().map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(-1)));
        let new: Vec<_> = new.collect();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for made in runtime.block_on(admin.create_topics(&new, &options)).unwrap() {
            made.unwrap_or_else(|(name, code)| panic!("{name}: {code}"));
        }
    }

    /// Deletes every record of a topic that is there now, as its retention would.
    pub fn delete_records(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut ends = TopicPartitionList::new();
        for (partition, end) in self.end_offsets(topic) {
            ends.add_partition_offset(topic, partition, Offset::Offset(end)).unwrap();
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(admin.delete_records(&ends, &options)).unwrap();
    }

    /// Sends a record and waits until it is there; its partition and offset.
    pub fn send(&self, topic: &str, key: Option<&str>, value: &[u8], headers: &[(&str, &str)]) -> (i32, i64) {
        self.try_send(topic, key, Some(value), headers).unwrap()
    }

    /// Sends a record without a value: its key is deleted.
    pub fn send_null(&self, topic: &str, key: &str) -> (i32, i64) {
        self.try_send(topic, Some(key), None, &[]).unwrap()
    }

    /// Sends a record; what the broker says to it.
    pub fn try_send(
        &self,
        topic: &str,
        key: Option<&str>,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> Result<(i32, i64), KafkaError> {
        let (sender, delivered) = mpsc::sync_channel(1);
        let mut record = BaseRecord::<str, [u8], _>::with_opaque_to(topic, Box::new(sender));
        record.key = key;
        record.payload = value;
        let named = |all: OwnedHeaders, (key, value): &(&str, &str)| {
            all.insert(Header { key, value: Some(value.as_bytes()) })
        };
        record.headers = Some(headers.iter().fold(OwnedHeaders::new(), named));
        let producer = self.producer.get_or_init(|| {
            let mut config = self.client();
            config.set("message.max.bytes", "100000000").set("enable.idempotence", "true");
            config.set("linger.ms", "0");
            config.create_with_context(Deliveries).unwrap()
        });
        producer.send(record).map_err(|(error, _)| error)?;
        delivered.recv_timeout(PATIENCE).expect("the record was not delivered")
    }

    /// Every committed record of a topic, by partition and offset; none where there is no topic.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        let mut config = self.client();
        config.set("group.id", "reader").set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
        config.set("fetch.wait.max.ms", "10");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut left: BTreeSet<i32> = partitions(&consumer, topic).into_iter().collect();
        let mut from = TopicPartitionList::new();
        for &partition in &left {
            from.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&from).unwrap();
        let (mut records, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        while !left.is_empty() {
            assert!(Instant::now() < deadline, "cannot read {topic} to its end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(record(&message.detach())),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    left.remove(&partition);
                }
                Some(Err(error)) => eprintln!("reading {topic}: {error}"),
                None => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// What a compacted topic says in the end: the last record of every key.
    pub fn latest(&self, topic: &str) -> BTreeMap<String, Record> {
        self.read(topic).into_iter().map(|record| (record.key.clone().unwrap_or_default(), record)).collect()
    }

    /// Waits until the committed records of a topic are as wanted, and gives them.
    pub fn wait_for(&self, topic: &str, is_so: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let records = self.read(topic);
            if is_so(&records) {
                return records;
            }
            assert!(Instant::now() < deadline, "waited in vain for {topic}, which holds {records:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The offset after the last record, by partition, also of transactions that have not ended.
    pub fn end_offsets(&self, topic: &str) -> BTreeMap<i32, i64> {
        self.ends(topic, "read_uncommitted")
    }

    /// The offset after the last record that is read, by partition: a transaction that has not ended hides
    /// whatever comes after its first record.
    pub fn stable_offsets(&self, topic: &str) -> BTreeMap<i32, i64> {
        self.ends(topic, "read_committed")
    }

    fn ends(&self, topic: &str, isolation: &str) -> BTreeMap<i32, i64> {
        let mut config = self.client();
        config.set("group.id", "reader").set("isolation.level", isolation);
        let consumer: BaseConsumer = config.create().unwrap();
        let end = |partition| consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap().1;
        partitions(&consumer, topic).into_iter().map(|partition| (partition, end(partition))).collect()
    }

    /// What a group has committed, by partition; nothing for those without a commit.
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut asked = TopicPartitionList::new();
        for partition in partitions(&consumer, topic) {
            asked.add_partition(topic, partition);
        }
        let told = consumer.committed_offsets(asked, PATIENCE).unwrap();
        let elements = told.elements();
        let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        elements.iter().filter_map(|e| Some((e.partition(), offset(e.offset())?))).collect()
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A topic that was made a moment ago has no leaders yet, and a broker may be starting.
        if let Ok(metadata) = consumer.fetch_metadata(Some(topic), Duration::from_secs(5)) {
            let found = &metadata.topics()[0];
            match found.error() {
                Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => return Vec::new(),
                None if found.partitions().iter().all(|p| p.error().is_none()) => {
                    return found.partitions().iter().map(|p| p.id()).collect();
                }
                _ => {}
            }
        }
        assert!(Instant::now() < deadline, "nothing is known of {topic}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn record(message: &OwnedMessage) -> Record {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let owned =
        |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.unwrap_or_default().to_vec());
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(owned).collect(),
        timestamp: message.timestamp().to_millis(),
    }
}
