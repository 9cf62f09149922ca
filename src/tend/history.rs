//! Runs of tasks that ended, kept in the store: a record for each task. A restart forgets none, and workers that
//! share a store know of each other's.

use super::schedule::Past;
use crate::error::{Class, Error, Result, Stage};
use crate::publish::{Record, Selection, Shelf, Store};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Runs that are kept of each task.
pub(super) const REMEMBERED: usize = 20;

/// How often a change is tried that another worker was faster with; a task ends now and then.
const TRIES: usize = 5;

/// The body of a record.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    past: Vec<Past>,
}

/// Where they are kept.
#[derive(Clone)]
pub struct History(Arc<dyn Store>);

impl History {
    /// In this store.
    pub fn of(store: &Arc<dyn Store>) -> Self {
        Self(Arc::clone(store))
    }

    /// Those of every task, as (its name, its runs, the last first). What cannot be read is left out: it
    /// may be of a later version.
    ///
    /// Errors: the store is away.
    pub fn all(&self) -> Result<Vec<(String, Vec<Past>)>> {
        // One record a task; more tasks than this there will not be.
        let records = self.0.records(Shelf::Task, &Selection::default(), 100, 0)?;
        Ok(records.into_iter().filter_map(|r| Some((r.key.clone(), r.read::<Kept>().ok()?.past))).collect())
    }

    /// Adds a run; gives what is kept of that task then, the last first.
    ///
    /// Errors: the store is away, or others write all the time.
    pub fn add(&self, task: &str, run: &Past) -> Result<Vec<Past>> {
        for _ in 0..TRIES {
            let before = self.0.record(Shelf::Task, task)?;
            let read = before.as_ref().and_then(|record| record.read::<Kept>().ok());
            let mut past = read.unwrap_or_default().past;
            past.insert(0, run.clone());
            past.sort_by_key(|run| std::cmp::Reverse(run.ended_at));
            past.truncate(REMEMBERED);
            let record = Record {
                shelf: Shelf::Task,
                key: task.to_owned(),
                version: before.map_or(0, |record| record.version) + 1,
                state: run.outcome.clone(),
                group: String::new(),
                rank: run.ended_at.as_second(),
                body: Record::body(&Kept { past: past.clone() })?,
            };
            if self.0.put_record(&record)? {
                return Ok(past);
            }
        }
        Err(Error::retry(Stage::Publish, Class::Internal, format!("the runs of {task} change all the time")))
    }
}
