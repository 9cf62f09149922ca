//! What keeps an installation well for years: export, backup, retention, reports.
//!
//! Each can be run by hand and by the clock inside `quire run` (`schedule`). All are plain functions
//! that take a [`Run`], through which they tell how far they are and hear that they should end. None
//! touches the pipeline: they work on the store and on the folders.

pub mod audit;
pub mod backup;
mod claim;
pub mod export;
pub mod history;
pub mod parquet;
pub mod report;
pub mod restore;
pub mod retain;
pub mod schedule;
pub mod svg;

use crate::publish::series::Dimension;
use crate::publish::{DocumentRow, Filter, Store};
use crate::receipt::lock;
use anyhow::{Result, bail};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Rows that are read at a time: few enough that a page is read in milliseconds.
const PAGE: usize = 500;

/// How far something is, and whether it should go on.
#[derive(Debug, Default)]
pub struct Run {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
    doing: Mutex<String>,
}

impl Run {
    /// What is being done, and of how many steps it consists; 0 if that is not known.
    pub fn begin(&self, doing: &str, total: u64) {
        doing.clone_into(&mut lock(&self.doing));
        self.done.store(0, Ordering::Release);
        self.total.store(total, Ordering::Release);
    }

    /// So many steps more are done.
    ///
    /// Errors: it was cancelled.
    pub fn step(&self, steps: u64) -> Result<()> {
        self.done.fetch_add(steps, Ordering::AcqRel);
        self.check()
    }

    /// Errors: it was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            bail!("cancelled; what is done stays done");
        }
        Ok(())
    }

    /// Asks it to end at the next step.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Whether it was asked to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Steps done, steps in all (0: not known), and what is being done.
    pub fn position(&self) -> (u64, u64, String) {
        let (done, total) = (self.done.load(Ordering::Acquire), self.total.load(Ordering::Acquire));
        (done, total, lock(&self.doing).clone())
    }
}

/// How many documents pass `filter`: each has one verdict.
fn count(store: &dyn Store, filter: &Filter) -> Result<u64> {
    Ok(store.values(filter, Dimension::Verdict)?.iter().map(|facet| facet.documents as u64).sum())
}

/// Goes through all documents that pass `filter`, oldest first.
fn each(
    store: &dyn Store,
    filter: &Filter,
    run: &Run,
    mut visit: impl FnMut(DocumentRow) -> Result<()>,
) -> Result<()> {
    let mut after = None;
    loop {
        let rows = store.walk(filter, after.as_ref(), PAGE)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.place());
        for row in rows {
            visit(row)?;
            run.step(1)?;
        }
    }
}

#[cfg(test)]
mod backup_tests;
#[cfg(test)]
mod export_tests;
#[cfg(test)]
mod retain_tests;
#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod tests;
