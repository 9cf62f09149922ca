//! The committer: what is settled leaves in one transaction with the offsets, every
//! `kafka.commit_ms`, fenced by the group's generation.
//!
//! The records of a transaction that did not happen are kept for the next one. If the partition is
//! lost meanwhile they are dropped: its next owner settles the same records again.

use super::board::{Board, COMMIT, Finished, Partition, Phase, State};
use super::marks::Marks;
use super::settle::Output;
use super::transaction::{Failed, Member, Transactions};
use crate::document::{DocumentId, DocumentState, EVENT_SCHEMA, ProgressEvent};
use crate::progress::Position;
use crate::trace::Trace;
use jiff::Timestamp;
use rdkafka::error::KafkaError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The thread's own.
pub struct Committer {
    /// What the threads share.
    pub board: Arc<Board>,
    /// Transactions with Kafka.
    pub transactions: Transactions,
    /// What was last said of each document under way.
    pub told: HashMap<DocumentId, (crate::error::Stage, u32)>,
    /// The last commit's number.
    pub number: i64,
}

/// What one transaction carries.
pub struct Batch {
    /// Stands beside the offsets. No other commit of the group has it: it is the time in microseconds,
    /// or one more than the last.
    pub number: i64,
    /// Who this worker was in the group when the batch was taken.
    pub member: Option<Member>,
    /// Settled records.
    pub finished: Vec<Finished>,
    /// Their size.
    pub bytes: usize,
    /// Partitions whose offset moves.
    pub steps: Vec<Step>,
}

/// What a commit makes known of a partition.
pub struct Step {
    /// The partition.
    pub partition: Partition,
    /// Since when it is this worker's.
    pub tenure: u64,
    /// Its new offset.
    pub position: i64,
    /// What stands beside it.
    pub marks: String,
    phase: Phase,
    apart: Vec<i64>,
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
            match self.commit(&batch, failures) {
                Some(true) => {
                    failures = 0;
                    self.board.metrics.committed(started.elapsed(), batch.finished.len());
                    self.committed(&batch);
                }
                Some(false) => {
                    self.keep(batch);
                    std::thread::sleep(Duration::from_millis(50u64 << failures.min(6)));
                    failures = failures.saturating_add(1);
                }
                None => break,
            }
        }
    }

    /// Whether the batch is committed. `None`: this worker ends before that is known; what became of it
    /// is in the committed offsets, which the next owner reads.
    fn commit(&mut self, batch: &Batch, failures: u32) -> Option<bool> {
        match self.transactions.attempt(batch) {
            Ok(()) => Some(true),
            Err(Failed::Unasked(error)) => {
                self.tell(&error, failures);
                self.transactions.abort(&error);
                Some(false)
            }
            Err(Failed::Unanswered(error)) => {
                self.tell(&error, 0);
                let happened = self.transactions.happened(batch)?;
                tracing::info!(happened, "what became of a commit without an answer is known");
                Some(happened)
            }
        }
    }

    fn tell(&self, error: &KafkaError, failures: u32) {
        let context = &self.transactions.sender.1;
        let explained = context.explain("cannot commit to Kafka; trying again", error);
        // A rebalance fences once and is over; a broker that is away is said once, and then by and by.
        if failures.is_power_of_two() || failures == 0 {
            tracing::warn!("{explained}");
        } else {
            tracing::debug!("{explained}");
        }
    }

    /// Waits for the time or for something urgent. `None`: the end.
    fn next(&mut self, due: Instant) -> Option<Batch> {
        self.number = Timestamp::now().as_microsecond().max(self.number + 1);
        let mut state = self.board.lock();
        loop {
            let now = state.urgent || self.board.is_much(&state);
            if now || Instant::now() >= due {
                state.urgent = false;
                // Under the same lock: whatever this worker owns, it owns as this member.
                let member = self.transactions.member();
                return Some(Batch::take(&mut state, self.number, member));
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
                let (partition, spans) = (NOWHERE, Trace::default());
                batch.finished.push(Finished { partition, tenure: 0, outputs: vec![output], spans });
            }
            told.insert(position.id, now);
        }
        self.told = told;
    }

    fn committed(&self, batch: &Batch) {
        batch.finished.iter().for_each(|finished| finished.spans.leave(COMMIT, &[]));
        let mut state = self.board.lock();
        for step in &batch.steps {
            let Some(owned) = state.held(step.partition, step.tenure) else { continue };
            owned.phase = match (step.phase, owned.phase) {
                (Phase::Opening, Phase::Opening) => Phase::Open,
                (Phase::Closing, Phase::Closing) => Phase::Closed,
                (_, now) => now,
            };
            if owned.apart == step.apart {
                owned.apart_noted = true;
            }
        }
        state.finished_bytes = state.finished_bytes.saturating_sub(batch.bytes);
        drop(state);
        self.board.notify();
    }

    /// Keeps what is still this worker's for the next transaction. A partition that was lost and came
    /// back is begun anew where the group's offset stands: nothing of the time before is kept.
    fn keep(&self, batch: Batch) {
        let mut state = self.board.lock();
        for step in &batch.steps {
            if let Some(owned) = state.held(step.partition, step.tenure) {
                owned.dirty = true;
            }
        }
        let mut kept = batch.finished;
        kept.retain(|finished| state.has(finished.partition, finished.tenure));
        kept.append(&mut state.finished);
        state.finished = kept;
        let sizes = state.finished.iter().flat_map(|finished| &finished.outputs).map(Output::size);
        state.finished_bytes = sizes.sum();
        state.urgent = true;
    }
}

/// Progress belongs to no partition.
const NOWHERE: Partition = (super::topics::Lane::Commands, -1);

impl Batch {
    fn take(state: &mut State, number: i64, member: Option<Member>) -> Self {
        let finished = std::mem::take(&mut state.finished);
        let bytes = finished.iter().flat_map(|f| &f.outputs).map(Output::size).sum();
        let mut steps = Vec::new();
        for (partition, owned) in &mut state.owned {
            if !std::mem::take(&mut owned.dirty) || matches!(owned.phase, Phase::Pending | Phase::Closed) {
                continue;
            }
            let position = owned.tracker.position();
            let marks = Marks { commit: number, ..owned.marks() };
            steps.push(Step {
                partition: *partition,
                tenure: owned.tenure,
                position,
                marks: marks.encode(position),
                phase: owned.phase,
                apart: owned.apart.clone(),
            });
        }
        Self { number, member, finished, bytes, steps }
    }

    fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.steps.is_empty()
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
