//! Tasks by the clock: what `quire run` keeps, and `quire tasks`, which asks it.

use super::super::keys::Key;
use super::super::print::at;
use super::super::running::serving;
use super::super::{App, print};
use super::{Parts, apply, erase, last_days, remote, write};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::publish::Store;
use crate::serve::is_key;
use crate::tend::export::Export;
use crate::tend::history::History;
use crate::tend::retain::Rules;
use crate::tend::schedule::{Leader, Schedule};
use crate::tend::{Run, backup, svg};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The tasks that the settings name. Each is there, whether the clock starts it or not.
pub fn schedule(
    config: &Config,
    store: &Arc<dyn Store>,
    metrics: &Arc<Metrics>,
    leader: Leader,
) -> Result<Schedule> {
    let tend = &config.tend;
    let mut schedule = Schedule::new(&tend.zone, leader, metrics, History::of(store))?;
    if config.qdrant.url.is_empty() {
        // The store's lock says so.
        schedule = schedule.alone();
    }
    let shared = (config.clone(), Arc::clone(store));
    let work = |what: fn(&Config, &Arc<dyn Store>, &Run) -> Result<String>| {
        let (config, store) = shared.clone();
        Arc::new(move |run: &Run| what(&config, &store, run)) as crate::tend::schedule::Work
    };
    schedule.add("export", &tend.export, work(export))?;
    schedule.add("backup", &tend.backup, work(back_up))?;
    schedule.add("retain", &tend.retain, work(retain))?;
    schedule.add("report", &tend.report, work(report))?;
    if let Err(error) = schedule.remember() {
        tracing::warn!("what tasks did before is not known yet: {error:#}");
    }
    Ok(schedule)
}

fn export(config: &Config, store: &Arc<dyn Store>, run: &Run) -> Result<String> {
    let tend = &config.tend;
    ensure!(!tend.export_dir.as_os_str().is_empty(), "tend.export_dir is empty: name a folder");
    let format = tend.export_format.parse().map_err(anyhow::Error::msg).context("tend.export_format")?;
    let (folder, filter) = (tend.export_dir.as_path(), crate::publish::Filter::default());
    let cursor = Export { folder, format, filter, part_documents: 10_000 }.run(store.as_ref(), run)?;
    let documents: usize = cursor.parts.iter().map(|part| part.documents).sum();
    Ok(format!("{documents} documents in {} parts in {}", cursor.parts.len(), folder.display()))
}

fn back_up(config: &Config, _: &Arc<dyn Store>, run: &Run) -> Result<String> {
    let tend = &config.tend;
    ensure!(!tend.backup_dir.as_os_str().is_empty(), "tend.backup_dir is empty: name a folder");
    let remote = remote(config)?;
    let (data, keys) = (&config.data.dir, serving(config).keys_file);
    let outcome = backup::backup(data, &keys, &tend.backup_dir, tend.backup_keep, remote.as_ref(), run)?;
    // Nobody reads it until it is needed.
    backup::verify(&outcome.folder, run).context("the backup was made and is not whole")?;
    Ok(format!("{} files, {} bytes in {}", outcome.files, outcome.bytes, outcome.folder.display()))
}

fn retain(config: &Config, store: &Arc<dyn Store>, run: &Run) -> Result<String> {
    let path = &config.tend.retain_rules;
    ensure!(!path.as_os_str().is_empty(), "tend.retain_rules is empty: name a file of rules");
    let rules = Rules::read(path)?;
    let eraser = erase::Everywhere::open(config, Arc::clone(store))?;
    let parts = Parts { data: config.data.dir.clone(), store: Arc::clone(store), eraser };
    let done = apply(parts, &rules, run)?;
    if !done.failed.is_empty() {
        bail!("{} deletions failed: {}", done.failed.len(), done.failed.join("; "));
    }
    Ok(format!("{} documents and {} dead letters deleted, {} held", done.deleted, done.dead, done.held))
}

fn report(config: &Config, store: &Arc<dyn Store>, run: &Run) -> Result<String> {
    let report = last_days(store.as_ref(), config.tend.report_days, run)?;
    let folder = config.data.dir.join("reports");
    std::fs::create_dir_all(&folder)?;
    let name = Timestamp::now().strftime("%Y-%m-%d").to_string();
    write(&folder.join(format!("{name}.json")), &serde_json::to_vec_pretty(&report)?)?;
    let file = folder.join(format!("{name}.html"));
    write(&file, svg::html(&report).as_bytes())?;
    Ok(file.display().to_string())
}

/// Arguments of `quire tasks`.
#[derive(Args)]
pub struct TasksArgs {
    #[command(subcommand)]
    command: Option<TasksCommand>,
    /// The address of the running quire; that of serve.listen where it is not said
    #[arg(long, global = true, value_name = "URL")]
    to: Option<String>,
    #[command(flatten)]
    key: Key,
}

/// Commands of `quire tasks`.
#[derive(Subcommand)]
enum TasksCommand {
    /// Start one now: export, backup, retain or report
    Start {
        /// Which
        name: String,
    },
    /// Ask one that runs to end
    Cancel {
        /// Which
        name: String,
    },
}

/// Asks a running quire about its tasks.
pub fn tasks(app: &App, args: &TasksArgs) -> Result<ExitCode> {
    let base = base(app, args.to.as_deref());
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let key = args.key.bearer(app)?;
    let bearer = key.as_deref().unwrap_or_default();
    let answer = match &args.command {
        None => agent.get(&base).header("authorization", bearer).call(),
        Some(TasksCommand::Start { name }) => {
            agent.post(format!("{base}/{name}")).header("authorization", bearer).send_empty()
        }
        Some(TasksCommand::Cancel { name }) => {
            agent.delete(format!("{base}/{name}")).header("authorization", bearer).call()
        }
    };
    let mut answer = answer.with_context(|| format!("no quire answers at {base}"))?;
    let status = answer.status();
    let body: Value = answer.body_mut().read_json().unwrap_or(Value::Null);
    if !status.is_success() {
        bail!("{}: {}", status, at(&body, "/detail").as_str().unwrap_or("it was refused"));
    }
    if app.json || args.command.is_some() {
        print::json(&body)?;
        return Ok(ExitCode::SUCCESS);
    }
    show(&body);
    Ok(ExitCode::SUCCESS)
}

/// Where a running quire tells of its tasks.
fn base(app: &App, to: Option<&str>) -> String {
    let base = to.map_or_else(|| format!("http://{}", app.config.serve.listen), str::to_owned);
    format!("{}/v1/tasks", base.trim_end_matches('/'))
}

/// What a running quire says about its tasks.
pub enum Standing {
    /// How they stand.
    Told(Value),
    /// It wants another key.
    Locked,
    /// None answers.
    Away,
}

/// How the tasks of the quire that runs with these settings stand, asked with this key or, where none is
/// given, with one of the settings.
pub fn standing(app: &App, key: Option<&str>) -> Standing {
    let patience = Some(Duration::from_secs(2));
    let config = ureq::Agent::config_builder().timeout_global(patience).http_status_as_error(false);
    let mut request = ureq::Agent::from(config.build()).get(base(app, None));
    if let Some(key) = key_of(key, app.config.serve.api_keys.iter().map(|key| key.expose())) {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let Ok(mut answer) = request.call() else { return Standing::Away };
    if matches!(answer.status().as_u16(), 401 | 403) {
        return Standing::Locked;
    }
    match answer.body_mut().read_json::<Value>() {
        Ok(body) if at(&body, "/tasks").is_array() => Standing::Told(body),
        _ => Standing::Away,
    }
}

/// The key to ask with: the one that is given, else one of the settings, since whoever can read them may
/// ask as they say; of a digest nobody knows the key.
fn key_of<'k>(given: Option<&'k str>, mut entries: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    given.or_else(|| entries.find(|entry| is_key(entry)))
}

/// How far a running task is: in percent where it is known of how much, else what is done.
pub fn far(running: &Value) -> String {
    let number = |name| at(running, name).as_u64().unwrap_or(0);
    let doing = at(running, "/doing").as_str().unwrap_or_default();
    match (number("/done"), number("/total")) {
        (done, 0) => format!("{doing} {done}"),
        (done, total) => format!("{doing} {:.0} %", done.min(total) as f64 / total as f64 * 100.0),
    }
}

/// A table of the tasks in an answer.
pub fn show(body: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = at(body, "/tasks").as_array().into_iter().flatten().map(|task| {
        let running = at(task, "/running");
        let now = match running.is_null() {
            true => String::new(),
            false if at(running, "/here") == false => format!("{}, on another worker", far(running)),
            false => far(running),
        };
        let last = at(task, "/past/0");
        let said = format!("{} {}", text(at(last, "/outcome")), print::short(&text(at(last, "/said")), 60));
        vec![
            text(at(task, "/name")),
            text(at(task, "/cron")),
            text(at(task, "/next")),
            now,
            text(at(last, "/ended_at")),
            said,
        ]
    });
    print::table(&["task", "cron", "next", "running", "last ended", "outcome"], rows.collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_share_is_told_of_what_has_no_known_end() {
        let running =
            |done: u64, total: u64| serde_json::json!({ "doing": "export", "done": done, "total": total });
        assert_eq!(far(&running(4096, 0)), "export 4096");
        assert_eq!(far(&running(1, 4)), "export 25 %");
        assert_eq!(far(&running(9, 4)), "export 100 %", "more came meanwhile");
    }

    #[test]
    fn a_digest_is_no_key_to_ask_with() {
        let digest = format!("reader:sha256:{}:ada", "0".repeat(64));
        let entries = [digest.as_str(), "plain"];
        assert_eq!(key_of(None, entries.into_iter()), Some("plain"));
        assert_eq!(key_of(Some("given"), entries.into_iter()), Some("given"));
        assert_eq!(key_of(None, [digest.as_str()].into_iter()), None);
    }
}
