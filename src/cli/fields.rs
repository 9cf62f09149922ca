//! `quire fields`: what is looked for in documents, and trying a file of one's own.

use super::running::Running;
use super::{App, print};
use crate::consume::Upload;
use crate::document::{Document, DocumentId, Outcome, Priority, Validity, sha256_hex};
use crate::interpret::fields;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What `quire fields` does.
#[derive(Subcommand)]
pub enum FieldsCommand {
    /// Understand documents with a file of kinds, fields and rules, and show what was found
    ///
    /// Nothing is kept: the documents go through the whole pipeline in a folder that is thrown away.
    Test {
        /// The file, as for the setting interpret.fields_file
        file: PathBuf,
        /// Documents, or folders of them
        #[arg(required = true)]
        documents: Vec<PathBuf>,
    },
    /// The fields and rules of every kind, the configured file's among them
    Show,
}

/// Runs a command.
pub fn fields(app: &App, command: &FieldsCommand) -> Result<ExitCode> {
    match command {
        FieldsCommand::Test { file, documents } => test(app, file, documents),
        FieldsCommand::Show => show(app),
    }
}

fn test(app: &App, file: &Path, documents: &[PathBuf]) -> Result<ExitCode> {
    let spec = fields::load(file).map_err(anyhow::Error::msg)?;
    fields::check_spec(&spec).map_err(anyhow::Error::msg)?;
    let understood = understand(app, file, &paths(documents)?)?;
    if app.json {
        let all: Vec<&Document> = understood.iter().filter_map(|(_, document)| document.as_ref()).collect();
        print::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (path, document) in &understood {
        match document {
            Some(document) => one(path, document),
            None => println!("\n{}: could not be understood; `quire run` would say why", path.display()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn one(path: &Path, document: &Document) {
    let (kind, verdict) = (&document.kind, &document.verdict);
    println!(
        "\n{}: {} ({}), {}",
        path.display(),
        kind.label,
        print::percent(kind.confidence),
        verdict.decision
    );
    let rows = document.fields.iter().map(|field| {
        let mark = if field.validity == Validity::Valid { String::new() } else { field.validity.to_string() };
        vec![
            field.name.clone(),
            print::short(&field.value.plain(), 60),
            format!("{} p. {}", print::percent(field.confidence), field.page),
            print::short(&format!("{mark} {}", field.reasons.join("; ")), 60),
        ]
    });
    print::table(&["field", "value", "confidence", "doubts"], rows.collect());
    for check in document.checks.iter().filter(|check| check.outcome != Outcome::Skipped) {
        println!("  {} {}: {}", check.outcome, check.name, check.detail);
    }
    verdict.reasons.iter().for_each(|reason| println!("  {}: {reason}", verdict.decision));
}

fn show(app: &App) -> Result<ExitCode> {
    let spec = fields::load(&app.config.interpret.fields_file).map_err(anyhow::Error::msg)?;
    let rows = spec.kind.iter().map(|(name, kind)| {
        let fields: Vec<&str> = kind.field.iter().map(|f| f.name.as_str()).collect();
        let rules: Vec<&str> = kind.rule.iter().map(|r| r.name.as_str()).collect();
        vec![name.clone(), fields.join(", "), kind.extractors.join(", "), rules.join(", ")]
    });
    print::table(&["kind", "fields", "extractors", "rules"], rows.collect());
    Ok(ExitCode::SUCCESS)
}

/// Files, and those of folders, in order.
pub fn paths(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in given {
        if path.is_dir() {
            let entries =
                std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_file() {
                    all.push(path);
                }
            }
        } else {
            all.push(path.clone());
        }
    }
    all.sort();
    if all.is_empty() {
        bail!("there are no documents");
    }
    Ok(all)
}

/// Understands documents in a folder that is thrown away; `None` for one that was given up.
pub fn understand(app: &App, file: &Path, paths: &[PathBuf]) -> Result<Vec<(PathBuf, Option<Document>)>> {
    let folder = std::env::temp_dir().join(format!("quire-fields-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let understood = within(app, file, paths, &folder);
    let _ = std::fs::remove_dir_all(&folder);
    understood
}

fn within(
    app: &App,
    file: &Path,
    paths: &[PathBuf],
    folder: &Path,
) -> Result<Vec<(PathBuf, Option<Document>)>> {
    let mut config = app.config.clone();
    if config.infer.models_dir.as_os_str().is_empty() {
        config.infer.models_dir = crate::infer::manifests::models_dir(&app.config);
    }
    config.data.dir = folder.to_owned();
    config.kafka.brokers.clear();
    config.qdrant.url.clear();
    config.interpret.fields_file = file.to_owned();
    "127.0.0.1:0".clone_into(&mut config.serve.listen);
    let running = Running::start(&config, &app.metrics, &app.variables)?;
    let mut ids = Vec::new();
    for path in paths {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        running.inbox.put(&bytes, &Upload { name, ..Upload::default() }, Priority::Normal)?;
        ids.push(DocumentId::of_content(&sha256_hex(&bytes)));
    }
    let settled = || ["done", "dead", "unchanged"].iter().map(|o| app.metrics.settled_count(o)).sum::<u64>();
    while settled() < ids.len() as u64 {
        if running.shutdown.is_asked() {
            bail!("stopped");
        }
        if let Some(error) = running.pipeline.fatal() {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let found = paths.iter().zip(&ids).map(|(path, id)| Ok((path.clone(), running.store.get(id)?)));
    let found: Result<Vec<_>> = found.collect();
    running.stop(Duration::from_secs(config.shutdown.drain_s));
    found
}
