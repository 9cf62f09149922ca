//! `quire reindex`: another embedding model. With Qdrant while readers and workers go on; in the local store while
//! no worker runs, since its index is in a worker's memory.

use super::{App, send};
use crate::document::DocumentId;
use crate::error::Error;
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::pipeline::Again;
use crate::publish::local::LocalStore;
use crate::publish::qdrant::reindex::{Reindex, SETTLED};
use crate::publish::{Records, Selection, Shelf, Store};
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::ProgressBar;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Arguments of `quire reindex`.
#[derive(Args)]
pub struct ReindexArgs {
    /// With Qdrant: remove the old collections when the new ones are active
    #[arg(long)]
    drop_old: bool,
}

/// Understands everything with the configured models.
pub fn reindex(app: &App, args: &ReindexArgs) -> Result<ExitCode> {
    let config = &app.config;
    let models = Models::load(&config.infer, &models_dir(config))?;
    let revision = models.revisions.get("embedding").context("there is no embedding model")?;
    if config.qdrant.url.is_empty() {
        if args.drop_old {
            bail!("--drop-old is for Qdrant: the local store keeps nothing of another model");
        }
        return local(app, &models, revision);
    }
    let dimension = models.embedding()?.dimension;
    let Some(reindex) = Reindex::open(&config.qdrant, revision, dimension)? else {
        println!("the active collections are those of {revision}: nothing is to be done");
        return Ok(ExitCode::SUCCESS);
    };
    let again = Again::start(&models, config, &app.metrics)?;
    println!("from {} to {}", reindex.old.revision(), reindex.new.revision());
    let mut filled = catch_up(&reindex, &again, &models)?;
    carry_decisions(&reindex, &again)?;
    reindex.copy_dead_letters()?;
    reindex.swap()?;
    println!("the new collections are active; waiting for workers of the old model to notice");
    // What they wrote until then.
    std::thread::sleep(SETTLED);
    filled += catch_up(&reindex, &again, &models)?;
    carry_decisions(&reindex, &again)?;
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

/// Understands those again whose decisions changed since they were: people go on deciding meanwhile.
fn carry_decisions(reindex: &Reindex, again: &Again) -> Result<()> {
    reindex.old.each_record(Shelf::Review, &Selection::default(), &mut |record| {
        let Some(id) = DocumentId::parse(&record.key) else { return Ok(()) };
        let (Some(old), Some(new)) = (reindex.old.get(&id)?, reindex.new.get(&id)?) else { return Ok(()) };
        if old.review == new.review { Ok(()) } else { reindex.new.put(&again.renew(&old)?) }
    })?;
    Ok(())
}

/// Understands what other models understood, in its place. Cut off, it goes on where it was.
fn local(app: &App, models: &Models, revision: &str) -> Result<ExitCode> {
    let dir = &app.config.data.dir;
    if !LocalStore::exists(dir) {
        bail!("there is no store in {}: nothing was understood yet", dir.display());
    }
    let store = LocalStore::open(dir)?;
    let outdated = store.outdated(&models.revisions)?;
    if outdated.is_empty() {
        println!("everything was understood by these models, with {revision}: nothing is to be done");
        return Ok(ExitCode::SUCCESS);
    }
    let again = Again::start(models, &app.config, &app.metrics)?;
    let others = store.forget_other_embeddings(revision)?;
    if others > 0 {
        println!(
            "{others} documents have vectors of another model: until they have new ones, words find them"
        );
    }
    let bar = send::bar(outdated.len() as u64);
    let filled = fill(&outdated, &bar, |id| {
        let Some(stored) = store.get(id)? else { return Ok(()) };
        store.put(&again.renew(&stored)?)
    })?;
    bar.finish_and_clear();
    let counts = store.counts()?;
    println!(
        "{filled} documents were understood again; {} documents and {} passages are of {revision}",
        counts.documents, counts.passages
    );
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
        filled += fill(&pending.outdated, &bar, |id| {
            // One that was deleted meanwhile is found by the next comparison.
            let Some(stored) = reindex.old.get(id)? else { return Ok(()) };
            reindex.new.put(&again.renew(&stored)?)
        })?;
        bar.finish_and_clear();
    }
}

/// Understands these documents again by `one`, some at a time, so that their windows share batches.
fn fill(
    ids: &[DocumentId],
    bar: &ProgressBar,
    one: impl Fn(&DocumentId) -> crate::error::Result<()> + Sync,
) -> Result<usize> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 * crate::config::workers(0) {
            scope.spawn(|| {
                while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = one(id) {
                        // One document alone stops no other; a store that is away or full stops all.
                        if matches!(error, Error::Fatal(_)) || error.failure().is_outage() {
                            next.store(ids.len(), Ordering::Relaxed);
                        }
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push((id, error));
                    }
                    bar.inc(1);
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failed.as_slice() {
        [] => Ok(ids.len()),
        [(id, error), ..] => bail!(
            "{} documents could not be understood again, as {id}: {error}; what is done stays done: run it again",
            failed.len()
        ),
    }
}
