//! What runs by the clock inside `quire run`: which tasks there are, when each is due, and how its
//! runs went.
//!
//! One thread asks every second what is due, and starts each on a thread of its own; a task never
//! runs twice at once. Of several workers one is the leader, and only it starts tasks by the clock. A
//! time that passed while nobody ran is not made up for: the next one is kept.

use super::Run;
use super::history::{History, REMEMBERED};
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
    /// What the clock said the last time.
    looked: Timestamp,
    running: Option<(Arc<Run>, Started)>,
    /// The last first.
    past: Vec<Past>,
    number: u64,
}

impl State {
    /// Takes what the store has over, unless something newer is known that it did not take.
    fn learn(&mut self, past: Vec<Past>) {
        let newest = |past: &[Past]| past.first().map(|run| run.ended_at);
        if newest(&past) >= newest(&self.past) {
            let numbers = past.iter().map(|run| run.started.number);
            self.number = numbers.max().unwrap_or(0).max(self.number);
            self.past = past;
        }
    }
}

/// A run that began.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// Counted from 1 for each task, across restarts; two workers may give one number.
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
}

impl Schedule {
    /// None yet. Times are those of `zone` (an IANA name, as Europe/Berlin); what runs did is kept in `history`.
    ///
    /// Errors: there is no such zone.
    pub fn new(zone: &str, leader: Leader, metrics: &Arc<Metrics>, history: History) -> Result<Self> {
        let zone = TimeZone::get(zone).with_context(|| format!("tend.zone `{zone}` is no time zone"))?;
        Ok(Self { tasks: Vec::new(), zone, leader, metrics: Arc::clone(metrics), history })
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

    /// Asks for what runs did, of this worker before it was started and of others.
    ///
    /// Errors: the store is away.
    pub fn remember(&self) -> Result<()> {
        for (name, past) in self.history.all()? {
            if let Some(task) = self.tasks.iter().find(|task| task.name == name) {
                // Whoever did it: it is done.
                let done = past.iter().filter(|run| run.outcome == "done").map(|run| run.ended_at).max();
                lock(&task.state).learn(past);
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
            if due || state.looked.duration_since(now) > SET_BACK {
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
        if due
            && leads
            && let Err(error) = self.begin(task, "clock")
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
    /// Errors: there is no such task, or it runs.
    pub fn start(&self, name: &str, by: &str) -> Result<u64> {
        self.begin(self.task(name)?, by)
    }

    /// Asks a running task to end.
    ///
    /// Errors: there is no such task, or it does not run.
    pub fn cancel(&self, name: &str) -> Result<()> {
        let task = self.task(name)?;
        match &lock(&task.state).running {
            Some((run, _)) => run.cancel(),
            None => bail!("the task {name} does not run"),
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

    fn begin(&self, task: &Arc<Task>, by: &str) -> Result<u64> {
        let mut state = lock(&task.state);
        if state.running.is_some() {
            bail!("the task {} runs already", task.name);
        }
        state.number += 1;
        let started = Started { number: state.number, at: Timestamp::now(), by: by.to_owned() };
        let run = Arc::new(Run::default());
        state.running = Some((Arc::clone(&run), started.clone()));
        drop(state);
        self.metrics.task_began(task.name);
        let (task, metrics, number) = (Arc::clone(task), Arc::clone(&self.metrics), started.number);
        let history = self.history.clone();
        let thread = std::thread::Builder::new().name(format!("tend-{}", task.name));
        let name = task.name;
        let spawned = thread.spawn(move || {
            tracing::info!(task = task.name, by = started.by, "task began");
            let work = || (task.work)(&run);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let (outcome, said) = match result {
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
            metrics.task_ended(task.name, outcome, ended_at);
            let (outcome, said) = (outcome.to_owned(), said.chars().take(SAID).collect());
            let ended = Past { started, ended_at, outcome, said };
            let kept = history.add(task.name, &ended);
            let mut state = lock(&task.state);
            state.running = None;
            match kept {
                Ok(past) => state.learn(past),
                Err(error) => {
                    tracing::warn!(
                        task = task.name,
                        "what the task did is forgotten at the next start: {error}"
                    );
                    state.past.insert(0, ended);
                    state.past.truncate(REMEMBERED);
                }
            }
        });
        match spawned {
            Ok(_) => Ok(number),
            Err(error) => {
                lock(&self.task(name)?.state).running = None;
                Err(error).context("cannot start a thread")
            }
        }
    }

    /// How each stands.
    pub fn standing(&self) -> Vec<Standing> {
        let leads = (self.leader)();
        let of = |task: &Arc<Task>| {
            let state = lock(&task.state);
            let running = state.running.as_ref().map(|(run, started)| {
                let (done, total, doing) = run.position();
                Running { started: started.clone(), doing, done, total }
            });
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
