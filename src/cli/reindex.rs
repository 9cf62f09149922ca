//! `quire reindex`: another embedding model, while readers and workers go on.

use super::{App, send};
use crate::document::DocumentId;
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::pipeline::Again;
use crate::publish::Store;
use crate::publish::qdrant::reindex::{Reindex, SETTLED};
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::ProgressBar;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Arguments of `quire reindex`.
#[derive(Args)]
pub struct ReindexArgs {
    /// Remove the old collections when the new ones are active
    #[arg(long)]
    drop_old: bool,
}

/// Fills collections for the configured models and makes them the active ones.
pub fn reindex(app: &App, args: &ReindexArgs) -> Result<ExitCode> {
    let config = &app.config;
    if config.qdrant.url.is_empty() {
        bail!(
            "qdrant.url is empty: the local store keeps one model; use a new data folder and send the documents again"
        );
    }
    let models = Models::load(&config.infer, &models_dir(config))?;
    let revision = models.revisions.get("embedding").context("there is no embedding model")?;
    let dimension = models.embedding()?.dimension;
    let Some(reindex) = Reindex::open(&config.qdrant, revision, dimension)? else {
        println!("the active collections are those of {revision}: nothing is to be done");
        return Ok(ExitCode::SUCCESS);
    };
    let again = Again::start(&models, config, &app.metrics)?;
    println!("from {} to {}", reindex.old.revision(), reindex.new.revision());
    let mut filled = catch_up(&reindex, &again, &models)?;
    reindex.copy_dead_letters()?;
    reindex.swap()?;
    println!("the new collections are active; waiting for workers of the old model to notice");
    // What they wrote until then.
    std::thread::sleep(SETTLED);
    filled += catch_up(&reindex, &again, &models)?;
    let dead = reindex.copy_dead_letters()?;
    let counts = reindex.new.counts()?;
    println!(
        "{filled} documents were understood again; {} documents, {} passages and {dead} dead letters are active",
        counts.documents, counts.passages
    );
    if args.drop_old {
        reindex.drop_old()?;
        println!("the old collections are removed");
    } else {
        println!("the old collections are kept; --drop-old would have removed them");
    }
    println!("start the workers again with infer.embedding = \"{}\"", config.infer.embedding);
    Ok(ExitCode::SUCCESS)
}

/// Fills until nothing is missing; how many documents were understood.
fn catch_up(reindex: &Reindex, again: &Again, models: &Models) -> Result<usize> {
    let mut filled = 0;
    loop {
        let pending = reindex.pending(&models.revisions)?;
        for id in &pending.deleted {
            reindex.new.delete(id)?;
        }
        if pending.outdated.is_empty() {
            return Ok(filled);
        }
        let bar = send::bar(pending.total as u64);
        bar.set_position((pending.total - pending.outdated.len()) as u64);
        filled += fill(reindex, again, &pending.outdated, &bar)?;
        bar.finish_and_clear();
    }
}

/// Understands these documents again, some at a time, so that their windows share batches.
fn fill(reindex: &Reindex, again: &Again, ids: &[DocumentId], bar: &ProgressBar) -> Result<usize> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let one = |id: &DocumentId| -> crate::error::Result<()> {
        // One that was deleted meanwhile is found by the next comparison.
        if let Some(stored) = reindex.old.get(id)? {
            reindex.new.put(&again.renew(&stored)?)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        for _ in 0..2 * crate::config::workers(0) {
            scope.spawn(|| {
                while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = one(id) {
                        next.store(ids.len(), Ordering::Relaxed);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((id, error));
                    }
                    bar.inc(1);
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((id, error)) => {
            Err(anyhow::Error::from(error).context(format!("{id}; what is done stays done: run it again")))
        }
        None => Ok(ids.len()),
    }
}
