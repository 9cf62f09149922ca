//! What tasks did and do, kept in the store: a record for each task, with its runs that ended and the one under
//! way. A restart forgets none, and workers that share a store know of each other's; of two that would begin
//! one run, one does.

use super::Run;
use super::claim::{Claim, Claimed, Heard};
use super::schedule::{Past, Started};
use crate::error::{Class, Error, Result, Stage};
use crate::publish::{Record, Selection, Shelf, Store};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Runs that are kept of each task.
pub(super) const REMEMBERED: usize = 20;

/// How often a change is tried that another worker was faster with; a task begins, ends and tells how far it is
/// now and then.
const TRIES: usize = 10;

/// A run that the clock began later than this is of a clock that was set back since, and says nothing of now.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// The body of a record.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The last first.
    pub past: Vec<Past>,
    /// The run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Claim>,
}

impl Kept {
    fn add(&mut self, run: Past) {
        self.past.insert(0, run);
        self.past.sort_by_key(|run| std::cmp::Reverse(run.ended_at));
        self.past.truncate(REMEMBERED);
    }

    /// A run that was not heard of for too long is over, whoever did it.
    fn settle(&mut self, is_over: impl Fn(&Claim) -> bool) {
        if let Some(claim) = self.running.take_if(|claim| is_over(claim)) {
            self.add(claim.lost());
        }
    }

    fn number(&self) -> u64 {
        let numbers = self.past.iter().map(|run| run.started.number);
        numbers.chain(self.running.iter().map(|claim| claim.started.number)).max().unwrap_or(0)
    }
}

/// Where they are kept.
#[derive(Clone)]
pub struct History(Arc<dyn Store>);

impl History {
    /// In this store.
    pub fn of(store: &Arc<dyn Store>) -> Self {
        Self(Arc::clone(store))
    }

    /// Those of every task, by its name. What cannot be read is left out: it may be of a later version.
    ///
    /// Errors: the store is away.
    pub(super) fn all(&self) -> Result<Vec<(String, Kept)>> {
        // One record a task; more tasks than this there will not be.
        let records = self.0.records(Shelf::Task, &Selection::default(), 100, 0)?;
        let now = Timestamp::now();
        let read = |record: Record| {
            let mut kept = record.read::<Kept>().ok()?;
            kept.settle(|claim| !claim.is_fresh(now));
            Some((record.key, kept))
        };
        Ok(records.into_iter().filter_map(read).collect())
    }

    /// Ends every run, where no other process can have one: this one has just been started.
    ///
    /// Errors: the store cannot be written.
    pub(super) fn left_behind(&self) -> Result<()> {
        for (task, kept) in self.all()? {
            if kept.running.is_some() {
                self.change(&task, |kept| {
                    kept.settle(|_| true);
                    (true, ())
                })?;
            }
        }
        Ok(())
    }

    /// Begins a run of a task for a worker, unless one is under way; `due`: or the clock began one since then.
    ///
    /// Errors: the store is away, or others write all the time.
    pub(super) fn claim(
        &self,
        task: &str,
        worker: &str,
        by: &str,
        due: Option<Timestamp>,
    ) -> Result<(Kept, Claimed)> {
        self.change(task, |kept| {
            let now = Timestamp::now();
            kept.settle(|claim| !claim.is_fresh(now));
            if let Some(claim) = &kept.running {
                return (false, Claimed::Runs { here: claim.worker == worker });
            }
            let by_clock = |run: &Past| run.started.by == "clock" && run.started.at <= now + AHEAD;
            if due.is_some_and(|due| kept.past.iter().any(|run| by_clock(run) && run.started.at >= due)) {
                return (false, Claimed::Done);
            }
            let started = Started { number: kept.number() + 1, at: now, by: by.to_owned() };
            kept.running = Some(Claim::new(worker, &started));
            (true, Claimed::Begun(started))
        })
    }

    /// Says that a run goes on, and how far it is; hears whether it should.
    ///
    /// Errors: as those of [`claim`](Self::claim).
    pub(super) fn beat(&self, task: &str, worker: &str, number: u64, run: &Run) -> Result<Heard> {
        let (_, heard) = self.change(task, |kept| {
            let own = |claim: &&mut Claim| claim.worker == worker && claim.started.number == number;
            match kept.running.as_mut().filter(own) {
                None => (false, Heard::Lost),
                Some(claim) => {
                    claim.beat(run);
                    (true, if claim.cancel { Heard::Cancel } else { Heard::GoOn })
                }
            }
        })?;
        Ok(heard)
    }

    /// Asks the run under way to end, whichever worker does it; false if there is none.
    ///
    /// Errors: as those of [`claim`](Self::claim).
    pub(super) fn cancel(&self, task: &str) -> Result<bool> {
        let now = Timestamp::now();
        let (_, found) = self.change(task, |kept| {
            let claim = kept.running.as_mut().filter(|claim| claim.is_fresh(now));
            let found = claim.map(|claim| claim.cancel = true).is_some();
            (found, found)
        })?;
        Ok(found)
    }

    /// Adds a run that a worker ended; gives what is kept of that task then.
    ///
    /// Errors: as those of [`claim`](Self::claim).
    pub(super) fn add(&self, task: &str, worker: &str, run: &Past) -> Result<Kept> {
        let (kept, ()) = self.change(task, |kept| {
            let own =
                |claim: &mut Claim| claim.worker == worker && claim.started.number == run.started.number;
            kept.running.take_if(own);
            kept.add(run.clone());
            (true, ())
        })?;
        Ok(kept)
    }

    /// Changes what is kept of a task, where `act` says that it did, as if nobody else did anything meanwhile.
    fn change<T>(&self, task: &str, mut act: impl FnMut(&mut Kept) -> (bool, T)) -> Result<(Kept, T)> {
        for _ in 0..TRIES {
            let before = self.0.record(Shelf::Task, task)?;
            let read = before.as_ref().and_then(|record| record.read::<Kept>().ok());
            let mut kept = read.unwrap_or_default();
            let (changed, answer) = act(&mut kept);
            if !changed {
                return Ok((kept, answer));
            }
            let last = kept.past.first();
            let state = match &kept.running {
                Some(_) => "running".to_owned(),
                None => last.map(|run| run.outcome.clone()).unwrap_or_default(),
            };
            let record = Record {
                shelf: Shelf::Task,
                key: task.to_owned(),
                version: before.map_or(0, |record| record.version) + 1,
                state,
                group: String::new(),
                rank: last.map_or(0, |run| run.ended_at.as_second()),
                body: Record::body(&kept)?,
            };
            if self.0.put_record(&record)? {
                return Ok((kept, answer));
            }
        }
        Err(Error::retry(Stage::Publish, Class::Internal, format!("the runs of {task} change all the time")))
    }
}
