//! One transaction with Kafka, and what became of it where its commit has no answer.
//!
//! A commit that was asked for may have happened whatever the library says of it: the broker can die
//! after it wrote the decision and before it answered. Then its records must not be sent again; and if it
//! did not happen they must. So another producer of the same name is made first: when it is ready, the
//! coordinator has ended the transaction, one way or the other (KIP-98). Then the group's committed
//! offsets tell: beside them stands the number of the commit that wrote them.

use super::board::{Board, Partition};
use super::client::{Context, Sender};
use super::commit::Batch;
use super::group::GroupConsumer;
use super::marks::Marks;
use super::record::owned_headers;
use super::settle::Output;
use super::topics::Topics;
use crate::error::Result;
use crate::failpoint::Failpoints;
use rdkafka::consumer::{Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes a transactional producer that is ready.
pub type MakeSender = Box<dyn Fn() -> Result<(Sender, Context)> + Send>;

/// How long an abort may take; after it another producer is made, which aborts as well.
const ABORT: Duration = Duration::from_secs(10);
/// How long the coordinator may take to tell committed offsets.
const COMMITTED: Duration = Duration::from_secs(3);
/// How long to wait before an outcome is asked for again, doubled from the first to the last.
const AGAIN: std::ops::RangeInclusive<u64> = 100..=3_200;

/// A member of the group: its id and generation.
pub type Member = (String, i32);

/// The producer, and what it needs.
pub struct Transactions {
    /// What the threads share.
    pub board: Arc<Board>,
    /// Whose generation fences.
    pub consumer: Arc<GroupConsumer>,
    /// Names.
    pub topics: Topics,
    /// Another producer, should this one be fenced.
    pub make: MakeSender,
    /// The producer.
    pub sender: (Sender, Context),
    /// Faults made on purpose.
    pub failpoints: Arc<Failpoints>,
}

/// Why a transaction is not known to have happened.
pub enum Failed {
    /// Its commit was not asked for: it did not happen.
    Unasked(KafkaError),
    /// Its commit was asked for: it may have happened.
    Unanswered(KafkaError),
}

impl Transactions {
    /// Sends a batch and its offsets, and commits.
    ///
    /// Errors: see [`Failed`]; [`Self::abort`] or [`Self::happened`] is to follow.
    pub fn attempt(&self, batch: &Batch) -> std::result::Result<(), Failed> {
        let patience = self.patience();
        self.fill(batch, patience).map_err(Failed::Unasked)?;
        if self.failpoints.fails("txn-asked") {
            return Err(Failed::Unanswered(KafkaError::Canceled));
        }
        self.sender.0.commit_transaction(patience).map_err(Failed::Unanswered)?;
        if self.failpoints.fails("txn-committed") {
            return Err(Failed::Unanswered(KafkaError::Canceled));
        }
        Ok(())
    }

    fn fill(&self, batch: &Batch, patience: Duration) -> KafkaResult<()> {
        let (sender, _) = &self.sender;
        self.failpoints.pass("txn-begin");
        sender.begin_transaction()?;
        for output in batch.finished.iter().flat_map(|finished| &finished.outputs) {
            send(sender, output, patience)?;
        }
        self.failpoints.pass("txn-produced");
        if !batch.steps.is_empty() {
            let mut list = TopicPartitionList::with_capacity(batch.steps.len());
            for step in &batch.steps {
                let (lane, partition) = step.partition;
                let mut element = list.add_partition(&self.topics.lane(lane), partition);
                element.set_offset(Offset::Offset(step.position))?;
                element.set_metadata(step.marks.as_str());
            }
            let group = generation(&self.consumer, batch.member.as_ref())?;
            sender.send_offsets_to_transaction(&list, &group, patience)?;
        }
        self.failpoints.pass("txn-offsets");
        Ok(())
    }

    /// Who this worker is in the group, while it is in it.
    pub fn member(&self) -> Option<Member> {
        member(&self.consumer)
    }

    /// Takes back a transaction whose commit was not asked for.
    pub fn abort(&mut self, error: &KafkaError) {
        let fatal = matches!(error, KafkaError::Transaction(e) if e.is_fatal());
        if (fatal || self.sender.0.abort_transaction(ABORT).is_err())
            && let Err(error) = self.replace_sender()
        {
            tracing::warn!("{error}");
        }
    }

    /// Whether a transaction whose commit was asked for happened. Waits for the broker as long as it
    /// takes. `None`: this worker ends first.
    pub fn happened(&mut self, batch: &Batch) -> Option<bool> {
        self.until_told(Self::replace_sender)?;
        self.until_told(|this| this.is_noted(batch))
    }

    /// Another producer of the same name. When it is there, no transaction of the earlier one is open.
    fn replace_sender(&mut self) -> Result<()> {
        tracing::warn!(
            "making another transactional producer. If this repeats, two workers have the same kafka.worker"
        );
        self.sender = (self.make)()?;
        Ok(())
    }

    /// Whether the group's offsets are those of this batch. Another owner may have committed since
    /// where a partition was lost; what is no longer this worker's is not asked for.
    fn is_noted(&mut self, batch: &Batch) -> Result<bool> {
        let mine: Vec<Partition> = {
            let state = self.board.lock();
            let mine = batch.steps.iter().filter(|step| state.has(step.partition, step.tenure));
            mine.map(|step| step.partition).collect()
        };
        if mine.is_empty() {
            return Ok(false);
        }
        let mut list = TopicPartitionList::with_capacity(mine.len());
        for (lane, partition) in mine {
            list.add_partition(&self.topics.lane(lane), partition);
        }
        let explain = |e: &KafkaError| self.sender.1.explain("committed offsets are not known", e);
        let committed = self.consumer.committed_offsets(list, COMMITTED).map_err(|e| explain(&e))?;
        let mut noted = false;
        for element in committed.elements() {
            element.error().map_err(|e| explain(&e))?;
            if let Offset::Offset(position) = element.offset() {
                let marks = Marks::decode(element.metadata(), position);
                noted |= marks.is_some_and(|marks| marks.commit == batch.number);
            }
        }
        Ok(noted)
    }

    fn until_told<T>(&mut self, ask: impl Fn(&mut Self) -> Result<T>) -> Option<T> {
        let mut pause = *AGAIN.start();
        loop {
            match ask(self) {
                Ok(told) => return Some(told),
                Err(error) => tracing::warn!("what became of a commit is not known yet: {error}"),
            }
            if self.board.lock().ended {
                return None;
            }
            std::thread::sleep(Duration::from_millis(pause));
            pause = (pause * 2).min(*AGAIN.end());
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(u64::from(self.board.config.kafka.transaction_timeout_ms))
    }
}

/// The group's generation, to fence by: the one in which the batch was taken, as its partitions may be
/// another's since. A member that was thrown out and knows it has none; the broker would take its
/// offsets without asking, so here it is refused.
fn generation(consumer: &GroupConsumer, taken_by: Option<&Member>) -> KafkaResult<ConsumerGroupMetadata> {
    let fenced = KafkaError::ConsumerCommit(RDKafkaErrorCode::IllegalGeneration);
    let group = consumer.group_metadata().ok_or_else(|| fenced.clone())?;
    // Generations only grow: the same before and after is the same in between.
    if taken_by.is_some() && member(consumer).as_ref() == taken_by { Ok(group) } else { Err(fenced) }
}

/// Member and generation, while the member is in the group.
fn member(consumer: &GroupConsumer) -> Option<Member> {
    use rdkafka::bindings::{
        rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
        rd_kafka_consumer_group_metadata_generation_id, rd_kafka_consumer_group_metadata_member_id,
    };
    // SAFETY: the client outlives the call. What it gives is a copy that is this function's alone:
    // checked for null, read (its member id is a string that ends in zero and lives as long as the
    // copy), and destroyed once.
    let (member, generation) = unsafe {
        let group = rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if group.is_null() {
            return None;
        }
        let member = rd_kafka_consumer_group_metadata_member_id(group);
        let member = if member.is_null() {
            String::new()
        } else {
            CStr::from_ptr(member).to_string_lossy().into_owned()
        };
        let generation = rd_kafka_consumer_group_metadata_generation_id(group);
        rd_kafka_consumer_group_metadata_destroy(group);
        (member, generation)
    };
    (generation >= 0 && !member.is_empty()).then_some((member, generation))
}

/// Hands a record to the producer; waits while its queue is full.
fn send(sender: &Sender, output: &Output, patience: Duration) -> KafkaResult<()> {
    let deadline = Instant::now() + patience;
    let mut record: BaseRecord<'_, [u8], [u8]> =
        BaseRecord::to(&output.topic).headers(owned_headers(&output.headers));
    if let Some(key) = &output.key {
        record = record.key(key);
    }
    if let Some(value) = &output.value {
        record = record.payload(value);
    }
    loop {
        match sender.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again))
                if Instant::now() < deadline =>
            {
                record = again;
                std::thread::sleep(Duration::from_millis(2));
            }
            Err((error, _)) => return Err(error),
        }
    }
}
