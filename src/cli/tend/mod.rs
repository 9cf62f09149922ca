//! `quire export`, `backup`, `restore`, `retain`, `report`: what keeps an installation well, by hand.

mod duplicates;
pub mod erase;
pub mod tasks;

use super::running::serving;
use super::which::Which;
use super::{App, print, send, store};
use crate::config::Config;
use crate::failpoint::Failpoints;
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::publish::Store;
use crate::publish::local::LocalStore;
use crate::publish::qdrant::snapshots::Snapshots;
use crate::tend::audit::{self, Audit};
use crate::tend::backup;
use crate::tend::export::{Export, Format};
use crate::tend::retain::{self, Rules};
use crate::tend::{Run, report, restore, svg};
use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `quire export`.
#[derive(Args)]
pub struct ExportArgs {
    /// The folder for the parts; run again with the same one, the export goes on where it was
    folder: PathBuf,
    /// jsonl (one result a line) or parquet
    #[arg(long, default_value = "jsonl")]
    format: Format,
    /// The most documents in a part
    #[arg(long, default_value_t = 10_000)]
    part: usize,
    #[command(flatten)]
    which: Which,
}

/// Arguments of `quire backup`.
#[derive(Args)]
pub struct BackupArgs {
    /// The folder in which backups lie, each in a folder of its own
    folder: PathBuf,
    /// Keep only so many of the newest; 0 keeps all
    #[arg(long, default_value_t = 0)]
    keep: usize,
    /// Make none; check the newest
    #[arg(long)]
    verify: bool,
}

/// Arguments of `quire restore`.
#[derive(Args)]
pub struct RestoreArgs {
    /// A backup, or the folder in which backups lie: then the newest
    folder: PathBuf,
}

/// Arguments of `quire retain`.
#[derive(Args)]
pub struct RetainArgs {
    /// The rules; the setting tend.retain_rules where it is not said
    rules: Option<PathBuf>,
    /// Delete what is due; without it, only say what would go
    #[arg(long)]
    apply: bool,
    /// Check instead that no line of the audit log was changed, nor taken out before the last one, whose hash
    /// is printed: keep it elsewhere, since lines that are cut off at the end are missed by it only
    #[arg(long)]
    audit: bool,
    /// With --audit: the hash that was printed before, whose line must still be there
    #[arg(long, value_name = "HASH", requires = "audit")]
    expect: Option<String>,
}

/// Arguments of `quire report`.
#[derive(Args)]
pub struct ReportArgs {
    /// The file to write: HTML, or JSON where its name ends in .json or with --json; without it, the report
    /// is printed as JSON
    file: Option<PathBuf>,
    /// So many days, up to now
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Instead: which documents of those days are near-duplicates of others, by groups
    #[arg(long, conflicts_with = "file")]
    duplicates: bool,
}

/// Runs something and shows how far it is.
fn watched<T: Send>(work: impl FnOnce(&Run) -> Result<T> + Send) -> Result<T> {
    let run = Run::default();
    let bar = send::bar(0);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| work(&run));
        while !working.is_finished() {
            let (done, total, doing) = run.position();
            bar.set_length(total.max(done));
            bar.set_position(done);
            bar.set_message(doing);
            std::thread::sleep(Duration::from_millis(50));
        }
        bar.finish_and_clear();
        working.join().unwrap_or_else(|_| bail!("it panicked"))
    })
}

/// Writes documents to files.
pub fn export(app: &App, args: &ExportArgs) -> Result<ExitCode> {
    let store = store::open_read_only(&app.config, None)?;
    let export = Export {
        folder: &args.folder,
        format: args.format,
        filter: args.which.filter(),
        part_documents: args.part,
    };
    let cursor = watched(|run| export.run(store.as_ref(), run))?;
    let documents: usize = cursor.parts.iter().map(|part| part.documents).sum();
    if app.json {
        print::json(&json!({ "folder": args.folder, "documents": documents, "parts": cursor.parts }))?;
    } else {
        println!("{documents} documents in {} parts in {}", cursor.parts.len(), args.folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Backs the data folder up, or checks a backup.
pub fn backup(app: &App, args: &BackupArgs) -> Result<ExitCode> {
    if args.verify {
        let newest = backup::newest(&args.folder)?;
        let manifest = watched(|run| backup::verify(&newest, run))?;
        println!("{} is whole: {} files of {}", newest.display(), manifest.files.len(), manifest.ended_at);
        return Ok(ExitCode::SUCCESS);
    }
    let remote = remote(&app.config)?;
    let (data, into, keys) = (&app.config.data.dir, &args.folder, serving(&app.config).keys_file);
    let outcome = watched(|run| backup::backup(data, &keys, into, args.keep, remote.as_ref(), run))?;
    told(app, &outcome)
}

/// Brings a backup back.
pub fn restore(app: &App, args: &RestoreArgs) -> Result<ExitCode> {
    let newest = backup::newest(&args.folder)?;
    let remote = remote(&app.config)?;
    let data = &app.config.data.dir;
    let outcome = watched(|run| restore::restore(&newest, data, remote.as_ref(), run))?;
    let keys = data.join(backup::KEYS);
    if keys.exists() {
        eprintln!("the key file lay outside of the data folder: {} is for serve.keys_file", keys.display());
    }
    told(app, &outcome)
}

/// Qdrant, whose collections are no files of the data folder.
fn remote(config: &Config) -> Result<Option<Snapshots>> {
    let named = !config.qdrant.url.is_empty();
    Ok(named.then(|| Snapshots::open(&config.qdrant)).transpose()?)
}

fn told(app: &App, outcome: &backup::Outcome) -> Result<ExitCode> {
    if app.json {
        print::json(outcome)?;
    } else {
        let megabytes = outcome.bytes as f64 / 1e6;
        let linked = if outcome.linked == 0 { String::new() } else { format!(", {} linked", outcome.linked) };
        println!("{}: {} files, {megabytes:.1} MB{linked}", outcome.folder.display(), outcome.files);
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what is due to be deleted, or deletes it.
pub fn retain(app: &App, args: &RetainArgs) -> Result<ExitCode> {
    if args.audit {
        let path = app.config.data.dir.join(audit::FILE);
        let found = audit::verify(&path, args.expect.as_deref())?;
        println!("{}: {} lines, each follows from the one before", path.display(), found.lines);
        println!("the last has the hash {}", found.last);
        return Ok(ExitCode::SUCCESS);
    }
    let named = args.rules.clone().or_else(|| {
        let rules = &app.config.tend.retain_rules;
        (!rules.as_os_str().is_empty()).then(|| rules.clone())
    });
    let rules = Rules::read(&named.context("name a file of rules, or set tend.retain_rules")?)?;
    if !args.apply {
        let store = store::open_read_only(&app.config, None)?;
        let found = watched(|run| retain::find(store.as_ref(), &rules, Timestamp::now(), run))?;
        if app.json {
            print::json(&found)?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows = found.due.iter().map(|due| {
            let (row, at) = (&due.row, due.row.ingested_at.strftime("%Y-%m-%d").to_string());
            vec![row.id.to_string(), print::short(&row.name, 40), row.kind.clone(), at, due.rule.clone()]
        });
        if !found.due.is_empty() {
            print::table(&["id", "document", "kind", "understood", "rule"], rows.collect());
        }
        println!(
            "{} documents and {} dead letters would go, {} are held; --apply deletes them",
            found.due.len(),
            found.dead.len(),
            found.held
        );
        return Ok(ExitCode::SUCCESS);
    }
    let store = writable(app).context(
        "where quire runs on this folder, let it do this: `quire tasks start retain` (tend.retain_rules)",
    )?;
    let done = watched(|run| apply(app_parts(app, &store)?, &rules, run))?;
    if app.json {
        print::json(&done)?;
    } else {
        println!(
            "{} documents and {} dead letters deleted, {} held, {} changed meanwhile",
            done.deleted, done.dead, done.held, done.changed
        );
        done.failed.iter().for_each(|line| eprintln!("not deleted: {line}"));
    }
    Ok(if done.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What retention works with.
struct Parts {
    data: PathBuf,
    store: Arc<dyn Store>,
    eraser: erase::Everywhere,
}

fn app_parts(app: &App, store: &Arc<dyn Store>) -> Result<Parts> {
    let eraser = erase::Everywhere::open(&app.config, Arc::clone(store))?;
    Ok(Parts { data: app.config.data.dir.clone(), store: Arc::clone(store), eraser })
}

fn apply(parts: Parts, rules: &Rules, run: &Run) -> Result<retain::Done> {
    let found = retain::find(parts.store.as_ref(), rules, Timestamp::now(), run)?;
    let mut audit = Audit::open(&parts.data)?;
    retain::apply(parts.store.as_ref(), &found, &parts.eraser, &mut audit, run)
}

fn writable(app: &App) -> Result<Arc<dyn Store>> {
    if app.config.qdrant.url.is_empty() {
        return Ok(Arc::new(LocalStore::open(&app.config.data.dir)?));
    }
    let models = Models::load(&app.config.infer, &models_dir(&app.config))?;
    Ok(store::open(&app.config, &models, &Arc::new(Failpoints::default()))?)
}

/// Makes a report.
pub fn report(app: &App, args: &ReportArgs) -> Result<ExitCode> {
    let store = store::open_read_only(&app.config, None)?;
    if args.duplicates {
        return duplicates::report(app, store.as_ref(), args.days);
    }
    let report = watched(|run| last_days(store.as_ref(), args.days, run))?;
    match &args.file {
        Some(file) => {
            let as_json = app.json || file.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
            let bytes = if as_json { serde_json::to_vec_pretty(&report)? } else { svg::html(&report).into() };
            write(file, &bytes)?;
            println!("{}", file.display());
        }
        None => print::json(&report)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn last_days(store: &dyn Store, days: u32, run: &Run) -> Result<report::Report> {
    let until = Timestamp::now();
    report::make(store, until - SignedDuration::from_hours(24 * i64::from(days)), until, run)
}

/// Writes a file whole.
fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().and_then(|name| name.to_str()).context("the file needs a name")?;
    crate::durable::write_whole(folder, name, bytes)
        .with_context(|| format!("cannot write {}", file.display()))
}
