//! The committer: what is settled leaves in one transaction with the offsets, every
//! `kafka.commit_ms`, fenced by the group's generation.
//!
//! A transaction that fails is aborted and its records are kept for the next one. If the partition
//! is lost meanwhile they are dropped: its next owner settles the same records again.

use super::board::{Board, Finished, Partition, Phase, State};
use super::client::{Context, Sender};
use super::group::GroupConsumer;
use super::record::owned_headers;
use super::settle::Output;
use super::topics::Topics;
use crate::document::{DocumentId, DocumentState, EVENT_SCHEMA, ProgressEvent};
use crate::error::Result;
use crate::failpoint::Failpoints;
use crate::progress::Position;
use jiff::Timestamp;
use rdkafka::consumer::{Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes a transactional producer that is ready.
pub type MakeSender = Box<dyn Fn() -> Result<(Sender, Context)> + Send>;

/// The thread's own.
pub struct Committer {
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
    /// What was last said of each document under way.
    pub told: HashMap<DocumentId, (crate::error::Stage, u32)>,
}

/// What one transaction carries.
struct Batch {
    finished: Vec<Finished>,
    bytes: usize,
    offsets: Vec<(Partition, i64, String)>,
    /// Partitions whose phase, or whose lone document, this commit makes known.
    alone: Vec<(Partition, Option<i64>)>,
    phases: Vec<(Partition, Phase)>,
}

impl Committer {
    /// Commits until told to end.
    pub fn run(mut self) {
        let every = Duration::from_millis(self.board.config.kafka.commit_ms);
        let progress_every = Duration::from_millis(self.board.config.kafka.progress_ms.max(1));
        let (mut last, mut told) = (Instant::now(), Instant::now());
        let mut failures = 0u32;
        while let Some(mut batch) = self.next(last + every) {
            last = Instant::now();
            if told.elapsed() >= progress_every {
                told = Instant::now();
                self.tell_progress(&mut batch);
            }
            if batch.is_empty() {
                continue;
            }
            let started = Instant::now();
            match self.transact(&batch) {
                Ok(()) => {
                    failures = 0;
                    self.board.metrics.committed(started.elapsed(), batch.finished.len());
                    self.committed(&batch);
                }
                Err(error) => {
                    self.aborted(batch, &error, failures);
                    failures = failures.saturating_add(1);
                }
            }
        }
    }

    /// Waits for the time or for something urgent. `None`: the end.
    fn next(&self, due: Instant) -> Option<Batch> {
        let mut state = self.board.lock();
        loop {
            let now = state.urgent || self.board.is_much(&state);
            if now || Instant::now() >= due {
                state.urgent = false;
                return Some(Batch::take(&mut state));
            }
            if state.ended {
                return None;
            }
            state = self.board.wait_wanted(state, due);
        }
    }

    /// How far documents are that take longer.
    fn tell_progress(&mut self, batch: &mut Batch) {
        let positions = self.board.watcher.positions();
        let mut told = HashMap::with_capacity(positions.len());
        for position in positions {
            let now = (position.stage, position.pages_done);
            if self.told.get(&position.id) != Some(&now) {
                let output = self.board.outcomes.position(&event(&position));
                batch.finished.push(Finished { partition: NOWHERE, outputs: vec![output] });
            }
            told.insert(position.id, now);
        }
        self.told = told;
    }

    fn transact(&self, batch: &Batch) -> std::result::Result<(), KafkaError> {
        let (sender, _) = &self.sender;
        let config = &self.board.config.kafka;
        let patience = Duration::from_millis(u64::from(config.transaction_timeout_ms));
        self.failpoints.pass("txn-begin");
        sender.begin_transaction()?;
        for output in batch.finished.iter().flat_map(|finished| &finished.outputs) {
            send(sender, output, patience)?;
        }
        self.failpoints.pass("txn-produced");
        if !batch.offsets.is_empty() {
            let mut list = TopicPartitionList::with_capacity(batch.offsets.len());
            for ((lane, partition), position, marks) in &batch.offsets {
                let mut element = list.add_partition(&self.topics.lane(*lane), *partition);
                element.set_offset(Offset::Offset(*position))?;
                element.set_metadata(marks.as_str());
            }
            let group = generation(&self.consumer)?;
            sender.send_offsets_to_transaction(&list, &group, patience)?;
        }
        self.failpoints.pass("txn-offsets");
        sender.commit_transaction(patience)?;
        self.failpoints.pass("txn-committed");
        Ok(())
    }

    fn committed(&self, batch: &Batch) {
        let mut state = self.board.lock();
        for (partition, phase) in &batch.phases {
            if let Some(owned) = state.owned.get_mut(partition) {
                owned.phase = match (phase, owned.phase) {
                    (Phase::Opening, Phase::Opening) => Phase::Open,
                    (Phase::Closing, Phase::Closing) => Phase::Closed,
                    (_, now) => now,
                };
            }
        }
        for (partition, alone) in &batch.alone {
            if let Some(owned) = state.owned.get_mut(partition).filter(|owned| owned.alone == *alone) {
                owned.alone_noted = true;
            }
        }
        state.finished_bytes = state.finished_bytes.saturating_sub(batch.bytes);
        drop(state);
        self.board.notify();
    }

    /// Aborts, and keeps what is still this worker's for the next transaction.
    fn aborted(&mut self, batch: Batch, error: &KafkaError, failures: u32) {
        let (sender, context) = &self.sender;
        let explained = context.explain("cannot commit to Kafka; trying again", error);
        // A rebalance fences once and is over; a broker that is away is said once, and then by and by.
        if failures.is_power_of_two() || failures == 1 {
            tracing::warn!("{explained}");
        } else {
            tracing::debug!("{explained}");
        }
        let fatal = matches!(error, KafkaError::Transaction(e) if e.is_fatal());
        let aborted = sender.abort_transaction(Duration::from_secs(10));
        let mut state = self.board.lock();
        let State { owned, finished, .. } = &mut *state;
        for (partition, ..) in &batch.offsets {
            if let Some(owned) = owned.get_mut(partition) {
                owned.dirty = true;
            }
        }
        let mine = |f: &Finished| owned.contains_key(&f.partition);
        let mut kept: Vec<Finished> = batch.finished.into_iter().filter(mine).collect();
        kept.append(finished);
        *finished = kept;
        let sizes = state.finished.iter().flat_map(|finished| &finished.outputs).map(Output::size);
        state.finished_bytes = sizes.sum();
        let ended = state.ended;
        drop(state);
        std::thread::sleep(Duration::from_millis(50u64 << failures.min(6)));
        if ended {
            return;
        }
        if fatal || aborted.is_err_and(|e| matches!(e, KafkaError::Transaction(e) if e.is_fatal())) {
            self.replace_sender();
        } else {
            self.board.lock().urgent = true;
        }
    }

    /// Another producer of the same name fenced this one, or it broke.
    fn replace_sender(&mut self) {
        tracing::warn!(
            "the transactional producer is fenced or broken; making another. If this repeats, two workers \
             have the same kafka.worker"
        );
        match (self.make)() {
            Ok(sender) => self.sender = sender,
            Err(error) => tracing::warn!("{error}"),
        }
        self.board.lock().urgent = true;
    }
}

/// Progress belongs to no partition.
const NOWHERE: Partition = (super::topics::Lane::Commands, -1);

impl Batch {
    fn take(state: &mut State) -> Self {
        let finished = std::mem::take(&mut state.finished);
        let bytes = finished.iter().flat_map(|f| &f.outputs).map(Output::size).sum();
        let mut batch = Self { finished, bytes, offsets: Vec::new(), alone: Vec::new(), phases: Vec::new() };
        for (partition, owned) in &mut state.owned {
            if !std::mem::take(&mut owned.dirty) || matches!(owned.phase, Phase::Pending | Phase::Closed) {
                continue;
            }
            let position = owned.tracker.position();
            batch.offsets.push((*partition, position, owned.marks().encode(position)));
            batch.phases.push((*partition, owned.phase));
            batch.alone.push((*partition, owned.alone));
        }
        batch
    }

    fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.offsets.is_empty()
    }
}

/// The group's generation, to fence by. A member that was thrown out and knows it has none; the
/// broker would take its offsets without asking, so here it is refused.
fn generation(consumer: &GroupConsumer) -> std::result::Result<ConsumerGroupMetadata, KafkaError> {
    let fenced = KafkaError::ConsumerCommit(RDKafkaErrorCode::IllegalGeneration);
    let before = identity(consumer).ok_or_else(|| fenced.clone())?;
    let group = consumer.group_metadata().ok_or_else(|| fenced.clone())?;
    // Generations only grow: the same before and after is the same in between.
    if identity(consumer) == Some(before) { Ok(group) } else { Err(fenced) }
}

/// Member and generation, while the member is in the group.
fn identity(consumer: &GroupConsumer) -> Option<(String, i32)> {
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
fn send(sender: &Sender, output: &Output, patience: Duration) -> std::result::Result<(), KafkaError> {
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

fn event(position: &Position) -> ProgressEvent {
    ProgressEvent {
        schema: EVENT_SCHEMA,
        id: position.id.clone(),
        name: position.name.clone(),
        state: DocumentState::Processing,
        stage: Some(position.stage),
        pages_done: position.pages_done,
        pages_total: position.pages_total,
        at: Timestamp::now(),
        attempt: None,
    }
}
