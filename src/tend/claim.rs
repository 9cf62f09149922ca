//! Which worker runs a task: a claim in the store, which it renews while it runs. So of several that share a
//! store one runs it, all know how far it is, and each can ask it to end.

use super::Run;
use super::history::History;
use super::schedule::{Past, Started};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often a run says that it goes on, and hears whether it should.
const BEAT: Duration = Duration::from_secs(2);

/// Who was not heard of for so long was killed, or is cut off from the store: others may begin. The clocks of
/// workers have to agree to within this.
const STALE: Duration = Duration::from_secs(60);

/// How a run is under way.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Running {
    /// When it began, and why.
    #[serde(flatten)]
    pub started: Started,
    /// What is being done.
    pub doing: String,
    /// Steps done.
    pub done: u64,
    /// Of how many; 0 where that is not known.
    pub total: u64,
    /// Whether the worker that is asked does it; of another's run it knows what that said last.
    pub here: bool,
}

/// A run under way, as the store has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Claim {
    /// Which process.
    pub worker: String,
    /// When it began, and why.
    pub started: Started,
    /// When it was heard of last.
    pub beat: Timestamp,
    doing: String,
    done: u64,
    total: u64,
    /// Somebody asked it to end.
    pub cancel: bool,
}

/// What came of wanting to begin a run.
#[derive(Debug)]
pub(super) enum Claimed {
    /// It is this worker's.
    Begun(Started),
    /// One is under way, on this worker or on another.
    Runs { here: bool },
    /// It was due, and another worker has done it.
    Done,
}

/// What a run hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    GoOn,
    /// Somebody wants it to end.
    Cancel,
    /// It was taken for dead, and another worker may have begun.
    Lost,
}

impl Claim {
    pub fn new(worker: &str, started: &Started) -> Self {
        let (worker, started) = (worker.to_owned(), started.clone());
        let (doing, done, total) = (String::new(), 0, 0);
        Self { worker, started, beat: Timestamp::now(), doing, done, total, cancel: false }
    }

    /// Whether it was heard of lately; a time far ahead is of a clock that was set back since.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.beat.duration_since(now).abs() < SignedDuration::try_from(STALE).unwrap_or(SignedDuration::ZERO)
    }

    /// Notes how far it is.
    pub fn beat(&mut self, run: &Run) {
        (self.done, self.total, self.doing) = run.position();
        self.beat = Timestamp::now();
    }

    /// What is left of a run that ended without saying so.
    pub fn lost(self) -> Past {
        let far = match (self.doing.as_str(), self.total) {
            ("", _) => String::new(),
            (doing, 0) => format!(", at {} of `{doing}`", self.done),
            (doing, total) => format!(", at {} of {total} of `{doing}`", self.done),
        };
        let said =
            format!("it ended without saying so{far}: its worker was killed, or cut off from the store");
        Past { started: self.started, ended_at: self.beat, outcome: "failed".to_owned(), said }
    }

    /// How it stands.
    pub fn running(&self) -> Running {
        let (started, doing) = (self.started.clone(), self.doing.clone());
        Running { started, doing, done: self.done, total: self.total, here: false }
    }
}

/// Does `work` while the store is told that it goes on. A worker that alone has its store needs nobody's leave.
pub(super) fn beating<T: Send>(
    history: &History,
    (task, worker, number): (&str, &str, u64),
    alone: bool,
    run: &Run,
    work: impl FnOnce() -> T + Send,
) -> T {
    std::thread::scope(|scope| {
        let (working, ended) = channel::<()>();
        scope.spawn(move || {
            let mut heard = Instant::now();
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                match history.beat(task, worker, number, run) {
                    Ok(Heard::GoOn) => heard = Instant::now(),
                    Ok(Heard::Cancel) => run.cancel(),
                    // Another may do it by now; twice at once would do work twice.
                    Ok(Heard::Lost) if !alone => run.cancel(),
                    Err(_) if !alone && heard.elapsed() > STALE => run.cancel(),
                    Ok(Heard::Lost) | Err(_) => {}
                }
            }
        });
        let done = work();
        drop(working);
        done
    })
}
