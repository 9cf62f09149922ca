//! What this worker owns, has begun and has finished: the state that its threads share.
//!
//! The poll thread puts records in and changes what is owned; the pipeline takes documents and
//! settles them; the committer takes what is finished and says when it is committed. A record is
//! settled once: whoever takes it out of `in_flight` settles it, all others come too late.

use super::marks::{Deaths, Marks};
use super::queues::Queues;
use super::record::{Place, Record};
use super::settle::{Outcomes, Output, Subject};
use super::topics::Lane;
use super::tracker::Tracker;
use crate::config::Config;
use crate::consume::Watcher;
use crate::document::DocumentId;
use crate::metrics::Metrics;
use crate::receipt::{Claim, lock};
use crate::trace::Trace;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A partition of a lane.
pub type Partition = (Lane, i32);

/// The span from settling a record to its commit.
pub const COMMIT: &str = "commit";

/// What the threads share.
pub struct Board {
    state: Mutex<State>,
    changed: Condvar,
    /// The committer waits apart: it has a time of its own, and is not woken by every record.
    wanted: Condvar,
    /// The settings.
    pub config: Config,
    /// What records become.
    pub outcomes: Outcomes,
    /// Hears what becomes of documents.
    pub watcher: Arc<dyn Watcher>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Whether this worker is the leader of its group.
    pub leads: Arc<AtomicBool>,
    /// When it was made.
    began: Instant,
}

/// The state.
#[derive(Default)]
pub struct State {
    /// Partitions of this worker.
    pub owned: HashMap<Partition, Owned>,
    /// How many were assigned so far.
    pub tenures: u64,
    /// Records that wait.
    pub queues: Queues,
    /// Documents that the pipeline has.
    pub in_flight: HashMap<Place, InFlight>,
    /// Ids that the pipeline has, with the records that wait for it to be done with them.
    pub busy: HashMap<DocumentId, VecDeque<Record>>,
    /// Records under suspicion, which are tried apart.
    pub suspects: VecDeque<Record>,
    /// Records whose document is being fetched.
    pub fetching: usize,
    /// Records that are settled and not committed.
    pub finished: Vec<Finished>,
    /// Their size in bytes.
    pub finished_bytes: usize,
    /// When a partition was opened or a record came the last time.
    pub quiet_since: Option<Instant>,
    /// A commit is wanted at once.
    pub urgent: bool,
    /// Nothing more is taken.
    pub draining: bool,
    /// The threads end.
    pub ended: bool,
}

/// Where a partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its committed offset is not known yet.
    Pending,
    /// It is known; that this worker has it is not committed yet.
    Opening,
    /// Documents are taken from it.
    Open,
    /// It is given up; the last commit is under way.
    Closing,
    /// The last commit is done.
    Closed,
}

/// A partition of this worker.
pub struct Owned {
    /// Tells this time of having it from others: it may be lost and come back.
    pub tenure: u64,
    /// Where it stands.
    pub phase: Phase,
    /// On all its documents.
    pub claim: Claim,
    /// Its offsets.
    pub tracker: Tracker,
    /// Owners that died with its offsets.
    pub deaths: Deaths,
    /// The offset that the last owner died with alone.
    pub was_alone: Option<i64>,
    /// The offsets that are to be tried with nothing else in flight.
    pub apart: Vec<i64>,
    /// Whether `apart` is committed.
    pub apart_noted: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether there is something to commit.
    pub dirty: bool,
    /// Records that came before the committed offset was known.
    pub early: Vec<Record>,
}

impl Owned {
    /// A partition that was just assigned, paused.
    pub fn new(tenure: u64) -> Self {
        Self {
            tenure,
            phase: Phase::Pending,
            claim: Claim::default(),
            tracker: Tracker::new(0, &Marks::default()),
            deaths: Deaths::new(),
            was_alone: None,
            apart: Vec::new(),
            apart_noted: false,
            paused: true,
            dirty: false,
            early: Vec::new(),
        }
    }

    /// Whether a group of its offsets is being tried, or about to be.
    pub fn is_trying(&self) -> bool {
        self.apart.iter().any(|offset| self.tracker.is_open(*offset))
    }

    /// Whether what settles now is still committed by this worker.
    fn settles(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Open)
    }

    /// What is committed beside its offset.
    pub fn marks(&self) -> Marks {
        let position = self.tracker.position();
        let open = self.tracker.gaps();
        let reach = self.tracker.reach();
        let unsettled = |offset: &i64| *offset >= reach || open.contains(offset);
        let deaths =
            self.deaths.range(position..).filter(|(o, _)| unsettled(o)).map(|(o, n)| (*o, *n)).collect();
        let apart = self.apart.iter().copied().filter(unsettled).collect();
        Marks { reach, open, closed: self.phase == Phase::Closing, apart, deaths, commit: 0 }
    }
}

/// A document that the pipeline has.
pub struct InFlight {
    /// Its record.
    pub record: Arc<Record>,
    /// Who it is.
    pub subject: Subject,
    /// To take it back.
    pub claim: Claim,
    /// When it was handed out.
    pub since: Instant,
}

/// A record that is settled, with what leaves for it.
pub struct Finished {
    /// Its partition.
    pub partition: Partition,
    /// Since when it is this worker's.
    pub tenure: u64,
    /// What leaves.
    pub outputs: Vec<Output>,
    /// Of its document; ends with the commit.
    pub spans: Trace,
}

impl Board {
    /// Nothing owned.
    pub fn new(config: Config, outcomes: Outcomes, watcher: Arc<dyn Watcher>, metrics: Arc<Metrics>) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            wanted: Condvar::new(),
            config,
            outcomes,
            watcher,
            metrics,
            leads: Arc::default(),
            began: Instant::now(),
        }
    }

    /// Milliseconds since this board was made: a clock that nobody sets.
    pub fn now(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// When a record may be begun, by [`Board::now`]. However the clock was set since it was put off, it
    /// waits no longer than the longest wait that there is.
    pub fn due(&self, record: &Record) -> i64 {
        let longest =
            i64::try_from(self.config.consume.backoff_max_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let left = record.not_before.saturating_sub(jiff::Timestamp::now().as_millisecond());
        self.now().saturating_add(left.clamp(0, longest))
    }

    /// The state, for a short time.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Something changed that others may wait for.
    pub fn notify(&self) {
        self.changed.notify_all();
    }

    /// The committer is to look now: something is urgent, or much is finished.
    pub fn urge(&self) {
        self.wanted.notify_all();
        self.changed.notify_all();
    }

    /// Much is finished, so that the next commit should not wait for its time.
    pub fn is_much(&self, state: &State) -> bool {
        state.finished_bytes > (self.config.kafka.pending_mb << 20) / 2
    }

    /// Waits until the committer is wanted, at most until `deadline`.
    pub fn wait_wanted<'s>(
        &'s self,
        state: MutexGuard<'s, State>,
        deadline: Instant,
    ) -> MutexGuard<'s, State> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.wanted.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for a change, at most until `deadline`. False: it passed.
    pub fn wait<'s>(
        &'s self,
        state: MutexGuard<'s, State>,
        deadline: Instant,
    ) -> (MutexGuard<'s, State>, bool) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return (state, false);
        }
        let (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        (state, true)
    }

    /// Moves to the slow lane what holds up others for too long.
    pub fn postpone_slow(&self) {
        let after = Duration::from_secs(self.config.kafka.slow_after_s);
        let mut state = self.lock();
        let late: Vec<Place> = state
            .owned
            .iter()
            .filter(|((lane, _), owned)| *lane != Lane::Slow && owned.phase == Phase::Open)
            .filter_map(|((lane, partition), owned)| {
                Some(Place { lane: *lane, partition: *partition, offset: owned.tracker.holding_up()? })
            })
            .filter(|place| state.in_flight.get(place).is_some_and(|flight| flight.since.elapsed() >= after))
            .collect();
        for place in late {
            let Some(flight) = state.in_flight.get(&place) else { continue };
            let outputs = self.outcomes.postponed(&flight.record, &flight.subject);
            let (claim, subject) = (flight.claim.clone(), flight.subject.clone());
            let _about = flight.record.spans.log_span(&subject.id).entered();
            claim.postpone();
            state.finish(place, outputs);
            tracing::info!(name = subject.name, "takes long; goes on in the slow lane");
            self.watcher.left(&subject.id, "postponed");
        }
        drop(state);
        self.notify();
    }

    /// Takes back the documents in flight that `of` picks out; they are settled as cancelled.
    pub fn cancel(&self, of: impl Fn(&InFlight) -> bool) {
        let mut state = self.lock();
        let wanted: Vec<Place> =
            state.in_flight.iter().filter(|(_, flight)| of(flight)).map(|(place, _)| *place).collect();
        for place in wanted {
            let Some(flight) = state.in_flight.get(&place) else { continue };
            let outputs = self.outcomes.cancelled(&flight.record, &flight.subject);
            let id = flight.subject.id.clone();
            flight.claim.cancel();
            if state.finish(place, outputs) {
                self.watcher.left(&id, "cancelled");
            }
        }
        drop(state);
        self.notify();
    }
}

impl State {
    /// Takes a record out of flight and settles it. Not where its partition is being given up: the last
    /// commit may be under way already, and its outcome would leave without its offset.
    pub fn finish(&mut self, place: Place, outputs: Vec<Output>) -> bool {
        let partition = (place.lane, place.partition);
        let Some(flight) = self.in_flight.remove(&place) else { return false };
        let Some(owned) = self.owned.get_mut(&partition) else { return false };
        if !owned.settles() || !owned.tracker.settle(place.offset) {
            return false;
        }
        owned.dirty = true;
        self.finished_bytes += outputs.iter().map(Output::size).sum::<usize>();
        let spans = flight.record.spans.clone();
        spans.enter(COMMIT);
        self.finished.push(Finished { partition, tenure: owned.tenure, outputs, spans });
        true
    }

    /// Whether a record can still be settled here: nobody did, and its partition is not being given up.
    pub fn is_owed(&self, place: Place) -> bool {
        let owned = self.owned.get(&(place.lane, place.partition));
        owned.is_some_and(|o| o.settles() && o.tracker.is_open(place.offset))
    }

    /// A partition, while it is this worker's without interruption.
    pub fn held(&mut self, partition: Partition, tenure: u64) -> Option<&mut Owned> {
        self.owned.get_mut(&partition).filter(|owned| owned.tenure == tenure)
    }

    /// Whether a partition is this worker's without interruption.
    pub fn has(&self, partition: Partition, tenure: u64) -> bool {
        self.owned.get(&partition).is_some_and(|owned| owned.tenure == tenure)
    }

    /// The pipeline is done with an id: the next record of it may go.
    pub fn release(&mut self, id: &DocumentId) {
        let Some(mut waiting) = self.busy.remove(id) else { return };
        // All go back, in their order: the first makes the id busy again.
        while let Some(record) = waiting.pop_back() {
            let owned = self.owned.get(&(record.place.lane, record.place.partition));
            match owned {
                // It is being tried apart, and what is not waits for it.
                Some(owned) if owned.apart.contains(&record.place.offset) => self.suspects.push_front(record),
                _ => self.queues.put_back(record),
            }
        }
    }

    /// Forgets everything of partitions that are lost: documents in flight are told, late results
    /// find nothing to settle.
    pub fn lose(&mut self, lost: &[Partition]) {
        let gone = |place: &Place| lost.contains(&(place.lane, place.partition));
        for partition in lost {
            if let Some(owned) = self.owned.get(partition) {
                owned.claim.lose();
            }
        }
        self.in_flight.retain(|place, _| !gone(place));
        self.queues.retain(|place| !gone(place));
        self.suspects.retain(|record| !gone(&record.place));
        self.busy.values_mut().for_each(|waiting| waiting.retain(|record| !gone(&record.place)));
    }

    /// Drops what is finished and can no longer be committed here.
    pub fn drop_finished(&mut self, lost: &[Partition]) {
        self.finished.retain(|finished| !lost.contains(&finished.partition));
        let sizes = self.finished.iter().flat_map(|finished| &finished.outputs).map(Output::size);
        self.finished_bytes = sizes.sum();
    }
}

#[cfg(test)]
mod tests {
    use crate::consume::kafka::queues::tests::record;
    use crate::consume::kafka::suspects::tests::board;
    use crate::consume::kafka::topics::Lane;

    #[test]
    fn a_clock_that_was_set_back_makes_no_wait_longer_than_the_longest() {
        let board = board(Default::default());
        let longest = i64::try_from(board.config.consume.backoff_max_s).unwrap() * 1_000;
        let wait = |ahead: i64| {
            let mut record = record(Lane::Retry, 1);
            record.not_before = jiff::Timestamp::now().as_millisecond() + ahead;
            board.due(&record) - board.now()
        };
        let (past, soon, far) = (wait(-86_400_000), wait(5_000), wait(86_400_000));
        assert!(past <= 0 && (4_000..=5_000).contains(&soon), "{past} {soon}");
        assert!((longest - 1_000..=longest).contains(&far), "{far}");
    }
}
