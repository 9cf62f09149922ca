//! What runs by the clock inside `quire run`: which tasks there are, when each is due, and how its
//! runs went.
//!
//! One thread asks every second what is due, and starts each on a thread of its own. A task never runs twice at
//! once, nor twice for one time, on all workers of a store: who runs it has claimed it there. Of the workers of
//! a group of Kafka's one is the leader, and only it starts tasks by the clock. A time that passed while nobody
//! ran is not made up for: the next one is kept.

use super::Run;
use super::claim::{Claim, Claimed, Running, beating};
use super::history::{History, Kept, REMEMBERED};
use crate::metrics::Metrics;
use crate::receipt::lock;
use anyhow::{Context, Result, bail};
use croner::Cron;
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a run says is kept and shown: a list of failures without end is not.
const SAID: usize = 2_000;

/// How often the runs of other workers are asked for.
const ASK: Duration = Duration::from_secs(60);

/// How often the clock is looked at; cron counts minutes.
const TICK: Duration = Duration::from_secs(1);

/// A clock that goes back by more has times before it again that it had passed. By less, the corrections of
/// a clock: a task that just ran would run again.
const SET_BACK: SignedDuration = SignedDuration::from_mins(1);

/// After how long a task is tried again that could not begin, since the store was away.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Does it, and says in a line what was done.
pub type Work = Arc<dyn Fn(&Run) -> Result<String> + Send + Sync>;

/// Whether this worker is the one that starts tasks.
pub type Leader = Arc<dyn Fn() -> bool + Send + Sync>;

/// A task.
struct Task {
    name: &'static str,
    cron: Option<Cron>,
    pattern: String,
    work: Work,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: Option<Timestamp>,
    /// When it should have begun, where it could not.
    owed: Option<Timestamp>,
    /// What the clock said the last time.
    looked: Timestamp,
    running: Option<(Arc<Run>, Started)>,
    /// The run under way on another worker.
    elsewhere: Option<Claim>,
    /// The last first.
    past: Vec<Past>,
}

impl State {
    /// Takes what the store has over, unless something newer is known that it did not take.
    fn learn(&mut self, kept: Kept, worker: &str) {
        let newest = |past: &[Past]| past.first().map(|run| run.ended_at);
        if newest(&kept.past) >= newest(&self.past) {
            self.past = kept.past;
        }
        self.elsewhere = kept.running.filter(|claim| claim.worker != worker);
    }
}

/// A run that began.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// Counted from 1 for each task, across restarts and workers.
    pub number: u64,
    /// When it began.
    pub at: Timestamp,
    /// `clock`, or who asked.
    pub by: String,
}

/// A run that ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// When it began, and why.
    #[serde(flatten)]
    pub started: Started,
    /// When it ended.
    pub ended_at: Timestamp,
    /// `done`, `failed` or `cancelled`.
    pub outcome: String,
    /// What was done, or what went wrong.
    pub said: String,
}

/// How a task stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Standing {
    /// Its name.
    pub name: &'static str,
    /// When it runs, as a cron expression; empty: only when asked.
    pub cron: String,
    /// When it is due next, where this worker is the leader.
    pub next: Option<Timestamp>,
    /// The run under way.
    pub running: Option<Running>,
    /// Runs that ended, the last first.
    pub past: Vec<Past>,
}

/// Every task.
pub struct Schedule {
    tasks: Vec<Arc<Task>>,
    zone: TimeZone,
    leader: Leader,
    metrics: Arc<Metrics>,
    history: History,
    /// This process.
    worker: String,
    /// Whether it alone has the store.
    alone: bool,
}

impl Schedule {
    /// None yet. Times are those of `zone` (an IANA name, as Europe/Berlin); what runs did is kept in `history`.
    ///
    /// Errors: there is no such zone.
    pub fn new(zone: &str, leader: Leader, metrics: &Arc<Metrics>, history: History) -> Result<Self> {
        let zone = TimeZone::get(zone).with_context(|| format!("tend.zone `{zone}` is no time zone"))?;
        let (worker, metrics) = (uuid::Uuid::new_v4().to_string(), Arc::clone(metrics));
        Ok(Self { tasks: Vec::new(), zone, leader, metrics, history, worker, alone: false })
    }

    /// No other process has the store. What seems to run there was left behind by one that was killed; and
    /// tasks run also where the store cannot be written: retention makes room on a disk that is full.
    pub fn alone(self) -> Self {
        if let Err(error) = self.history.left_behind() {
            tracing::warn!("a task that was killed is not noted as such: {error}");
        }
        Self { alone: true, ..self }
    }

    /// Adds a task that runs as `pattern` says (`minute hour day month weekday`); empty: when asked.
    ///
    /// Errors: the pattern is none.
    pub fn add(&mut self, name: &'static str, pattern: &str, work: Work) -> Result<()> {
        let wrong = || format!("tend.{name} `{pattern}` is no cron expression, as `30 2 * * *`");
        let cron = if pattern.is_empty() { None } else { Some(Cron::from_str(pattern).with_context(wrong)?) };
        let state = State { next: self.next(cron.as_ref()), ..State::default() };
        self.metrics.task_known(name, cron.is_some());
        let pattern = pattern.to_owned();
        self.tasks.push(Arc::new(Task { name, cron, pattern, work, state: Mutex::new(state) }));
        Ok(())
    }

    /// Asks for what runs did and do, of this worker before it was started and of others.
    ///
    /// Errors: the store is away.
    pub fn remember(&self) -> Result<()> {
        for (name, kept) in self.history.all()? {
            if let Some(task) = self.tasks.iter().find(|task| task.name == name) {
                // Whoever did it: it is done.
                let done = kept.past.iter().filter(|run| run.outcome == "done").map(|run| run.ended_at).max();
                lock(&task.state).learn(kept, &self.worker);
                done.inspect(|&at| self.metrics.task_done(task.name, at));
            }
        }
        Ok(())
    }

    /// Starts what is due until `stop` says so; then cancels what runs.
    pub fn keep(&self, stop: impl Fn() -> bool) {
        let mut asked = Instant::now();
        while !stop() {
            if asked.elapsed() > ASK {
                asked = Instant::now();
                // A store that is away is told of by those who wait for it; what is known stays.
                let _ = self.remember();
            }
            let leads = (self.leader)();
            self.metrics.leader(leads);
            for task in &self.tasks {
                self.look(task, leads);
            }
            std::thread::sleep(TICK);
        }
        for task in &self.tasks {
            if let Some((run, _)) = &lock(&task.state).running {
                run.cancel();
            }
        }
    }

    fn look(&self, task: &Arc<Task>, leads: bool) {
        let due = {
            let mut state = lock(&task.state);
            let now = Timestamp::now();
            let due = state.next.is_some_and(|next| next <= now);
            let due = due.then(|| state.owed.take().or(state.next)).flatten();
            if due.is_some() || state.looked.duration_since(now) > SET_BACK {
                state.next = self.next(task.cron.as_ref());
            }
            state.looked = now;
            if let Some((run, started)) = &state.running {
                // Another worker starts it when its time comes; two at once would do work twice.
                if !leads && started.by == "clock" {
                    run.cancel();
                }
                let (done, total, _) = run.position();
                self.metrics.task_progress(task.name, done, total);
            }
            due
        };
        if let Some(due) = due.filter(|_| leads)
            && let Err(error) = self.begin(task, "clock", Some(due))
        {
            tracing::warn!(task = task.name, "not started: {error:#}");
        }
    }

    fn next(&self, cron: Option<&Cron>) -> Option<Timestamp> {
        let now = Zoned::new(Timestamp::now(), self.zone.clone());
        Some(cron?.find_next_occurrence(&now, false).ok()?.timestamp())
    }

    /// Starts a task now, on this worker.
    ///
    /// Errors: there is no such task, or it runs, here or on another worker.
    pub fn start(&self, name: &str, by: &str) -> Result<u64> {
        self.begin(self.task(name)?, by, None)?.with_context(|| format!("the task {name} was done already"))
    }

    /// Asks a running task to end, whichever worker runs it: another hears of it within seconds.
    ///
    /// Errors: there is no such task, or it does not run.
    pub fn cancel(&self, name: &str) -> Result<()> {
        let task = self.task(name)?;
        if let Some((run, _)) = &lock(&task.state).running {
            run.cancel();
            return Ok(());
        }
        if !self.history.cancel(name)? {
            bail!("the task {name} does not run");
        }
        Ok(())
    }

    fn task(&self, name: &str) -> Result<&Arc<Task>> {
        let found = self.tasks.iter().find(|task| task.name == name);
        found.with_context(|| {
            let names: Vec<&str> = self.tasks.iter().map(|task| task.name).collect();
            format!("there is no task `{name}`; there are: {}", names.join(", "))
        })
    }

    /// Begins a run; its number. `due`: since when the clock wants it; `None` where another worker does it or has.
    fn begin(&self, task: &Arc<Task>, by: &str, due: Option<Timestamp>) -> Result<Option<u64>> {
        if lock(&task.state).running.is_some() {
            bail!("the task {} runs already", task.name);
        }
        let started = match self.claim(task, by, due)? {
            Claimed::Begun(started) => started,
            Claimed::Done | Claimed::Runs { here: false } if due.is_some() => return Ok(None),
            Claimed::Runs { here: false } => bail!("the task {} runs already, on another worker", task.name),
            Claimed::Done | Claimed::Runs { here: true } => bail!("the task {} runs already", task.name),
        };
        let (run, number) = (Arc::new(Run::default()), started.number);
        let mut state = lock(&task.state);
        // Where the store cannot be written there is no claim.
        if state.running.is_some() {
            bail!("the task {} runs already", task.name);
        }
        state.running = Some((Arc::clone(&run), started.clone()));
        drop(state);
        self.metrics.task_began(task.name);
        let doing = Doing {
            task: Arc::clone(task),
            run,
            started,
            history: self.history.clone(),
            metrics: Arc::clone(&self.metrics),
            worker: self.worker.clone(),
            alone: self.alone,
        };
        let thread = std::thread::Builder::new().name(format!("tend-{}", task.name));
        if let Err(error) = thread.spawn(move || doing.finish()) {
            // The claim goes by itself.
            lock(&task.state).running = None;
            return Err(error).context("cannot start a thread");
        }
        Ok(Some(number))
    }

    /// Claims a task in the store, as far as that is needed.
    fn claim(&self, task: &Arc<Task>, by: &str, due: Option<Timestamp>) -> Result<Claimed> {
        match self.history.claim(task.name, &self.worker, by, due) {
            Ok((kept, claimed)) => {
                lock(&task.state).learn(kept, &self.worker);
                Ok(claimed)
            }
            Err(_) if self.alone => {
                let number = lock(&task.state).past.first().map_or(0, |run| run.started.number) + 1;
                Ok(Claimed::Begun(Started { number, at: Timestamp::now(), by: by.to_owned() }))
            }
            Err(error) => {
                if due.is_some() {
                    let mut state = lock(&task.state);
                    (state.owed, state.next) = (due, Some(Timestamp::now() + AGAIN));
                }
                Err(error.into())
            }
        }
    }

    /// How each stands.
    pub fn standing(&self) -> Vec<Standing> {
        let leads = (self.leader)();
        let of = |task: &Arc<Task>| {
            let state = lock(&task.state);
            let here = state.running.as_ref().map(|(run, started)| {
                let (done, total, doing) = run.position();
                Running { started: started.clone(), doing, done, total, here: true }
            });
            let running = here.or_else(|| state.elsewhere.as_ref().map(Claim::running));
            Standing {
                name: task.name,
                cron: task.pattern.clone(),
                next: state.next.filter(|_| leads),
                running,
                past: state.past.clone(),
            }
        };
        self.tasks.iter().map(of).collect()
    }
}

/// A run that was begun, with what it needs on its thread.
struct Doing {
    task: Arc<Task>,
    run: Arc<Run>,
    started: Started,
    history: History,
    metrics: Arc<Metrics>,
    worker: String,
    alone: bool,
}

impl Doing {
    fn finish(self) {
        let (task, run) = (&self.task, &self.run);
        tracing::info!(task = task.name, by = self.started.by, "task began");
        let work = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (task.work)(run)));
        let claim = (task.name, self.worker.as_str(), self.started.number);
        let (outcome, said) = match beating(&self.history, claim, self.alone, run, work) {
            Ok(Ok(said)) => ("done", said),
            Ok(Err(error)) if run.is_cancelled() => ("cancelled", format!("{error:#}")),
            Ok(Err(error)) => ("failed", format!("{error:#}")),
            Err(_) => ("failed", "it panicked".to_owned()),
        };
        if outcome == "done" {
            tracing::info!(task = task.name, "{said}");
        } else {
            tracing::error!(task = task.name, outcome, "{said}");
        }
        let ended_at = Timestamp::now();
        self.metrics.task_ended(task.name, outcome, ended_at);
        let (outcome, said) = (outcome.to_owned(), said.chars().take(SAID).collect());
        let ended = Past { started: self.started, ended_at, outcome, said };
        let kept = self.history.add(task.name, &self.worker, &ended);
        let mut state = lock(&task.state);
        state.running = None;
        match kept {
            Ok(kept) => state.learn(kept, &self.worker),
            Err(error) => {
                tracing::warn!(task = task.name, "what the task did is forgotten at the next start: {error}");
                state.past.insert(0, ended);
                state.past.truncate(REMEMBERED);
            }
        }
    }
}
