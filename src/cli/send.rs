//! `quire send`: files and folders into the topics or the inbox, or over HTTP.

use super::keys::Key;
use super::{App, print};
use crate::consume::kafka::intake::Intake;
use crate::consume::{Door, Inbox, Upload};
use crate::document::{Priority, tags};
use crate::telemetry;
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `quire send`.
#[derive(Args)]
pub struct SendArgs {
    /// Files, or folders with everything below them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Where to: the address of a running quire, as http://127.0.0.1:8737; without it, the topics if
    /// kafka.brokers is set, else the inbox below data.dir
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// How urgent: high, normal or low
    #[arg(long, default_value = "normal")]
    priority: Priority,
    /// A tag to put on them, to find and to keep them by; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    #[command(flatten)]
    key: Key,
}

#[derive(Serialize)]
struct Sent {
    sent: usize,
    failed: Vec<String>,
}

/// Sends; fails if any file could not be sent.
pub fn send(app: &App, args: &SendArgs) -> Result<ExitCode> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, Path::new(path.file_name().unwrap_or(path.as_os_str())), &mut files)?;
    }
    if files.is_empty() {
        bail!("there are no files in what was named");
    }
    let bearer = args.key.bearer(app)?;
    let kafka = !app.config.kafka.brokers.is_empty();
    let door = match args.to {
        Some(_) => None,
        None if kafka => Some(Door::Kafka(Arc::new(Intake::open(&app.config.kafka)?))),
        None => {
            let inbox = Inbox::open(&app.config.data.dir);
            Some(Door::Folder(inbox.context("cannot use the inbox (the setting data.dir)")?))
        }
    };
    let bar = bar(files.len() as u64);
    let mut failed = Vec::new();
    for (path, name) in &files {
        bar.set_message(print::short(name, 40));
        let outcome = match (&door, &args.to) {
            (Some(door), _) => through(door, path, name, args),
            (None, Some(url)) => to_http(url, path, name, args, bearer.as_deref()),
            (None, None) => Ok(()),
        };
        if let Err(error) = outcome {
            failed.push(format!("{name}: {error:#}"));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let sent = Sent { sent: files.len() - failed.len(), failed };
    if app.json {
        print::json(&sent)?;
    } else {
        println!("sent {} of {} documents", sent.sent, files.len());
        sent.failed.iter().for_each(|line| eprintln!("not sent: {line}"));
    }
    Ok(if sent.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A bar on standard error; nothing where that is no terminal.
pub fn bar(length: u64) -> ProgressBar {
    let bar = telemetry::bar(length);
    let style = ProgressStyle::with_template("{bar:30.cyan/dim} {pos}/{len} {elapsed} {msg:.dim}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━╌"));
    bar
}

/// Files below a path, with the names they are sent under. Hidden ones are left out.
fn collect(path: &Path, name: &Path, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_file() {
        files.push((path.to_owned(), name.to_string_lossy().into_owned()));
        return Ok(());
    }
    let mut entries: Vec<_> = std::fs::read_dir(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .collect::<std::io::Result<_>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let file_name = entry.file_name();
        if !file_name.to_string_lossy().starts_with('.') {
            collect(&entry.path(), &name.join(&file_name), files)?;
        }
    }
    Ok(())
}

fn through(door: &Door, path: &Path, name: &str, args: &SendArgs) -> Result<()> {
    let bytes = std::fs::read(path)?;
    let tags = tags(args.tag.iter().map(String::as_str)).map_err(anyhow::Error::msg)?;
    let upload = Upload { name: Some(name.to_owned()), tags, ..Upload::default() };
    Ok(door.put(&bytes, &upload, args.priority)?)
}

fn to_http(url: &str, path: &Path, name: &str, args: &SendArgs, bearer: Option<&str>) -> Result<()> {
    let bytes = std::fs::read(path)?;
    let url = format!("{}/v1/documents", url.trim_end_matches('/'));
    let mut request = ureq::post(&url).query("filename", name).query("priority", args.priority.as_str());
    if !args.tag.is_empty() {
        request = request.query("tags", args.tag.join(","));
    }
    if let Some(bearer) = bearer {
        request = request.header("Authorization", bearer);
    }
    let config = request.config().http_status_as_error(false).build();
    let mut response = config.send(&bytes).with_context(|| format!("cannot reach {url}"))?;
    if response.status().is_success() {
        return Ok(());
    }
    let body = response.body_mut().read_to_string().unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let detail = problem.get("detail").and_then(serde_json::Value::as_str).unwrap_or(&body);
    bail!("the server says {}: {detail}", response.status())
}
