//! Lines of text of all pages that are being read, to the GPUs in batches.
//!
//! Each page's reader asks for some lines and waits; a thread for each engine takes what is waiting, as many lines as the
//! engine has room for. While it runs them the next ones gather, so batches grow with the load and nothing waits on
//! purpose.

use super::gpu::{ENGINES, Fleet, FleetEngine, Network, PictureEngine};
use crate::error::{Class, Error, Result, Stage};
use crate::metrics::Metrics;
use crate::receipt::{lock, panicked};
use crate::tensor::{SharedNetwork, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Requests that wait; each is from a page's reader, which asks for no more until it is answered.
const WAITING: usize = 256;

/// The recognizer on all GPUs.
pub struct Lines {
    /// Until it is dropped.
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    lines: Vec<Tensor>,
    reply: Sender<Result<Vec<Tensor>>>,
}

impl Job {
    fn columns(&self) -> usize {
        self.lines.iter().map(|line| line.width).sum()
    }
}

/// What waits, and of that what somebody took and had no room for: the next one's.
struct Waiting {
    jobs: Receiver<Job>,
    first: Option<Job>,
}

impl Lines {
    /// Makes the engines, with the memory that they need, and starts their threads.
    ///
    /// Errors: `Retry` where memory is short, `Fatal` where a GPU does not work or the system gives no thread.
    pub fn start(fleet: Fleet<Network>, metrics: &Arc<Metrics>) -> Result<Arc<Self>> {
        let (sender, jobs) = sync_channel(WAITING);
        let fleet = Arc::new(fleet);
        let together = fleet.together();
        let mut engines: Vec<FleetEngine<Network>> =
            (0..fleet.gpus() * ENGINES).map(|_| fleet.engine()).collect();
        for engine in &mut engines {
            engine.with(|engine| engine.reserve(together))?;
        }
        let waiting = Arc::new(Mutex::new(Waiting { jobs, first: None }));
        let mut lines = Self { jobs: Some(sender), threads: Vec::with_capacity(engines.len()) };
        for (index, mut engine) in engines.into_iter().enumerate() {
            let (waiting, metrics) = (Arc::clone(&waiting), Arc::clone(metrics));
            let run = move || {
                while let Some(jobs) = gather(&waiting, together) {
                    // Whoever asked sees that nobody answers.
                    let done =
                        catch_unwind(AssertUnwindSafe(|| answer(&mut engine, jobs, together, &metrics)));
                    if let Err(panic) = done {
                        tracing::error!("{}", panicked(Stage::Infer, &*panic));
                    }
                }
            };
            let thread = std::thread::Builder::new().name(format!("lines-{index}")).spawn(run);
            lines.threads.push(thread.map_err(|e| {
                Error::fatal(Stage::Digitize, Class::Internal, format!("cannot start a thread: {e}"))
            })?);
        }
        Ok(Arc::new(lines))
    }
}

impl Drop for Lines {
    /// Nobody asks any more: the memory is given back before it ends, so that others may take it.
    fn drop(&mut self) {
        self.jobs = None;
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl SharedNetwork for Lines {
    fn run_all(&self, inputs: Vec<Tensor>, patience: Duration) -> Result<Vec<Tensor>> {
        let unread = |why: &str| {
            Error::retry(Stage::Digitize, Class::Internal, format!("lines of text were not read: {why}"))
        };
        let Some(jobs) = &self.jobs else { return Err(unread("the program stops")) };
        let (reply, answer) = channel();
        jobs.send(Job { lines: inputs, reply }).map_err(|_| unread("the program stops"))?;
        answer.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                unread(&format!("the GPU took more than {} s", patience.as_secs_f64()))
            }
            RecvTimeoutError::Disconnected => unread("its thread failed; the log says why"),
        })?
    }
}

/// Waits for lines, then takes what else waits and fits.
fn gather(waiting: &Mutex<Waiting>, together: usize) -> Option<Vec<Job>> {
    // Who holds the lock waits for all: the others compute, or have nothing to do either.
    let mut waiting = lock(waiting);
    let first = match waiting.first.take() {
        Some(job) => job,
        None => waiting.jobs.recv().ok()?,
    };
    let mut columns = first.columns();
    let mut jobs = vec![first];
    while let Ok(job) = waiting.jobs.try_recv() {
        columns += job.columns();
        if columns > together {
            waiting.first = Some(job);
            break;
        }
        jobs.push(job);
    }
    Some(jobs)
}

/// Runs the lines of some jobs and answers each. What is wrong with one is not the others' failure.
fn answer(engine: &mut FleetEngine<Network>, mut jobs: Vec<Job>, together: usize, metrics: &Metrics) {
    let lines: Vec<&Tensor> = jobs.iter().flat_map(|job| &job.lines).collect();
    match engine.with(|engine| parts(engine, &lines, together, metrics)) {
        Ok(steps) => {
            metrics.lines(lines.len());
            let mut steps = steps.into_iter();
            for job in jobs {
                let own = steps.by_ref().take(job.lines.len()).collect();
                let _ = job.reply.send(Ok(own));
            }
        }
        Err(Error::Reject(_)) if jobs.len() > 1 => {
            let second = jobs.split_off(jobs.len() / 2);
            answer(engine, jobs, together, metrics);
            answer(engine, second, together, metrics);
        }
        Err(error) => {
            for job in jobs {
                let _ = job.reply.send(Err(error.clone()));
            }
        }
    }
}

/// As many lines at once as there is room for; fewer where the GPU has less memory than it seemed.
fn parts(
    engine: &mut PictureEngine,
    lines: &[&Tensor],
    together: usize,
    metrics: &Metrics,
) -> Result<Vec<Tensor>> {
    let columns: usize = lines.iter().map(|line| line.width).sum();
    let halves = |engine: &mut PictureEngine| {
        let (first, second) = lines.split_at(lines.len() / 2);
        let mut steps = parts(engine, first, together, metrics)?;
        steps.extend(parts(engine, second, together, metrics)?);
        Ok(steps)
    };
    if columns > together && lines.len() > 1 {
        return halves(engine);
    }
    match engine.run(lines) {
        Err(Error::Retry(failure)) if lines.len() > 1 => {
            tracing::warn!(lines = lines.len(), reason = failure.reason, "lines are split and read again");
            metrics.out_of_memory();
            halves(engine)
        }
        done => done,
    }
}

#[cfg(test)]
#[path = "gpu/picture/lines_tests.rs"]
mod tests;
