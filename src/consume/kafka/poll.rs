//! The poll thread: it does nothing but poll, so that the broker never takes this worker for dead,
//! however long a document takes.

use super::board::{Board, Partition, Phase};
use super::followers::{Followers, LEADING};
use super::group::GroupConsumer;
use super::marks::Marks;
use super::record::Record;
use super::topics::{Lane, Topics};
use super::tracker::Tracker;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one poll waits for a record of the leading lane, and one of another that comes meanwhile.
const POLL: Duration = Duration::from_millis(5);
/// After so many records the taker is told of them.
const TOLD_AT: usize = 64;
/// How often pauses, slow documents and new partitions are looked at.
const HOUSEKEEPING: Duration = Duration::from_millis(20);
/// How long the coordinator may take to tell committed offsets.
const COMMITTED: Duration = Duration::from_secs(3);

/// The thread's own.
pub struct Poll {
    /// The member of the group.
    pub consumer: Arc<GroupConsumer>,
    /// What reads the lanes that follow.
    pub follower: Arc<GroupConsumer>,
    /// What the threads share.
    pub board: Arc<Board>,
    /// Names.
    pub topics: Topics,
}

impl Poll {
    /// Polls until told to end.
    pub fn run(self) {
        let session = Duration::from_millis(u64::from(self.board.config.kafka.session_timeout_ms));
        let (mut kept, mut polled) = (Instant::now(), Instant::now());
        let mut followers = Followers::new(Arc::clone(&self.follower), self.topics.clone());
        let mut untold = 0;
        while !self.board.lock().ended {
            // Waking the taker for each record would cost more than the record: it is told when none is
            // at hand any more, or of many at once.
            let mut none = true;
            for consumer in [&self.follower, &self.consumer] {
                let waits = none && untold == 0 && Arc::ptr_eq(consumer, &self.consumer);
                match consumer.poll(if waits { POLL } else { Duration::ZERO }) {
                    Some(Ok(message)) => untold += usize::from(self.take(&message)),
                    Some(Err(error)) => self.broken(&error),
                    None => continue,
                }
                none = false;
            }
            if untold >= TOLD_AT || (untold > 0 && none) {
                untold = 0;
                self.board.notify();
            }
            if polled.elapsed() > session / 2 && self.stood_still(polled.elapsed()) {
                kept = Instant::now();
            }
            polled = Instant::now();
            if kept.elapsed() >= HOUSEKEEPING {
                followers.follow(&self.board);
                self.know_new_partitions();
                self.regulate();
                self.board.postpone_slow();
                kept = Instant::now();
            }
        }
    }

    /// Whether there is something new to begin.
    fn take(&self, message: &rdkafka::message::BorrowedMessage<'_>) -> bool {
        let Some(record) = Record::new(message, &self.topics) else { return false };
        let mut state = self.board.lock();
        let partition = (record.place.lane, record.place.partition);
        state.quiet_since = Some(Instant::now());
        let Some(owned) = state.owned.get_mut(&partition) else { return false };
        if owned.phase == Phase::Pending {
            owned.early.push(record);
            return false;
        }
        let new = owned.tracker.take(record.place.offset);
        if new {
            let due = self.board.due(&record);
            state.queues.push(record, due, self.board.now());
        } else {
            // Settled by an earlier owner: the position may move.
            owned.dirty = true;
        }
        new
    }

    fn broken(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        if matches!(error, KafkaError::PartitionEOF(_)) {
            return;
        }
        if code == Some(RDKafkaErrorCode::UnknownTopicOrPartition) {
            tracing::warn!("a topic is missing; it is made at the next start: {error}");
            return;
        }
        tracing::warn!("{}", self.consumer.context().context.explain("cannot read from Kafka", error));
    }

    /// This process did not run for a while (stopped, suspended, starved), so another worker may
    /// have its partitions already: what is in flight is dropped before it can be seen, and the
    /// group is joined anew.
    fn stood_still(&self, by: Duration) -> bool {
        let mut state = self.board.lock();
        let all: Vec<Partition> = state.owned.keys().copied().collect();
        if all.is_empty() {
            return false;
        }
        tracing::warn!(seconds = by.as_secs_f64(), "this process stood still; joining the group anew");
        state.lose(&all);
        drop(state);
        self.consumer.unsubscribe();
        self.subscribe();
        true
    }

    /// Subscribes to the lane that the group shares out.
    pub fn subscribe(&self) {
        if let Err(e) = self.consumer.subscribe(&[&self.topics.lane(LEADING)]) {
            tracing::error!("cannot subscribe: {e}");
        }
    }

    /// Asks where to begin in partitions that were just assigned.
    fn know_new_partitions(&self) {
        let pending: Vec<Partition> = {
            let state = self.board.lock();
            state.owned.iter().filter(|(_, o)| o.phase == Phase::Pending).map(|(p, _)| *p).collect()
        };
        if pending.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (lane, partition) in &pending {
            list.add_partition(&self.topics.lane(*lane), *partition);
        }
        let committed = match self.consumer.committed_offsets(list, COMMITTED) {
            Ok(committed) => committed,
            Err(e) => {
                tracing::debug!("committed offsets are not known yet: {e}");
                return;
            }
        };
        let mut died = 0;
        for element in committed.elements() {
            let Some(lane) = self.topics.lane_of(element.topic()) else { continue };
            let partition = (lane, element.partition());
            let (position, marks) = match element.offset() {
                Offset::Offset(position) => (position, Marks::decode(element.metadata(), position)),
                Offset::Invalid if element.error().is_ok() => {
                    let known =
                        self.consumer.fetch_watermarks(element.topic(), element.partition(), COMMITTED);
                    let Ok((low, _)) = known else { continue };
                    // Nobody had it before: nobody died over it.
                    (low, Some(Marks { reach: low, closed: true, ..Marks::default() }))
                }
                _ => continue,
            };
            // Another program's commit: what is ahead of it is not known, nor how it ended.
            let marks = marks.unwrap_or(Marks { reach: position, closed: true, ..Marks::default() });
            died += usize::from(!marks.closed);
            self.begin(partition, position, &marks);
        }
        if died > 0 {
            tracing::warn!(partitions = died, "the last worker of these did not leave in order");
        }
    }

    fn begin(&self, partition: Partition, position: i64, marks: &Marks) {
        // More may have been begun than was noted: as much as may be in flight, and transaction
        // markers take offsets too.
        let margin = i64::try_from(self.board.config.consume.in_flight_documents * 2).unwrap_or(i64::MAX);
        let mut state = self.board.lock();
        let Some(owned) = state.owned.get_mut(&partition) else { return };
        owned.tracker = Tracker::new(position, marks);
        owned.deaths = marks.deaths_after_takeover(position, margin, self.board.config.consume.crashes);
        owned.was_alone = marks.died_alone();
        (owned.phase, owned.dirty) = (Phase::Opening, true);
        let early = std::mem::take(&mut owned.early);
        let fresh: Vec<Record> = early.into_iter().filter(|r| owned.tracker.take(r.place.offset)).collect();
        for record in fresh {
            let due = self.board.due(&record);
            state.queues.push(record, due, self.board.now());
        }
        state.quiet_since = Some(Instant::now());
        state.urgent = true;
        drop(state);
        self.board.urge();
    }

    /// Pauses what is full and resumes what has room again.
    fn regulate(&self) {
        let limit = self.board.config.kafka.queue_mb << 20;
        let mut lists = [&self.consumer, &self.follower]
            .map(|consumer| (consumer, TopicPartitionList::new(), TopicPartitionList::new()));
        {
            let mut guard = self.board.lock();
            let state = &mut *guard;
            for ((lane, partition), owned) in &mut state.owned {
                let held = state.queues.bytes(*lane);
                // Resumed at half, so that a partition does not flap.
                let full = if owned.paused { held > limit / 2 } else { held > limit };
                // Their records wait for a time, not for a turn: others pass them by.
                let waits = matches!(lane, Lane::Retry | Lane::Slow | Lane::Commands);
                let crowded = waits && owned.tracker.is_full();
                let want = state.draining || owned.phase != Phase::Open || full || crowded;
                if want != owned.paused {
                    owned.paused = want;
                    let [leading, following] = &mut lists;
                    let (_, pause, resume) = if *lane == LEADING { leading } else { following };
                    let list = if want { pause } else { resume };
                    list.add_partition(&self.topics.lane(*lane), *partition);
                }
            }
        }
        for (consumer, pause, resume) in &lists {
            if pause.count() > 0
                && let Err(e) = consumer.pause(pause)
            {
                tracing::warn!("cannot pause partitions: {e}");
            }
            if resume.count() > 0
                && let Err(e) = consumer.resume(resume)
            {
                tracing::warn!("cannot resume partitions: {e}");
            }
        }
    }
}
