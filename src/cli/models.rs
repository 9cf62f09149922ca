//! `quire models`: list, fetch, verify.

use super::{App, print};
use crate::infer::manifests::{Manifest, manifests, models_dir};
use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;
use std::process::ExitCode;

/// What to do with the models.
#[derive(Subcommand)]
pub enum ModelsCommand {
    /// What models there are, with licence, quality and whether they are here
    List,
    /// Fetch what is missing from its pinned source and verify it
    Fetch,
    /// Check every file against its checksum
    Verify,
    /// Measure the configured models on public test data, with 95 % intervals
    ///
    /// Names, tone and likeness of sentences, on the texts as they are, with reading errors and in
    /// capitals.
    Eval(super::eval::EvalArgs),
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    manifest: Manifest,
    revision: String,
    folder: String,
    problems: Vec<String>,
}

/// Lists, fetches or verifies.
pub fn models(app: &App, command: &ModelsCommand) -> Result<ExitCode> {
    if let ModelsCommand::Eval(args) = command {
        return super::eval::eval(app, args);
    }
    let dir = models_dir(&app.config);
    let manifests = manifests()?;
    if matches!(command, ModelsCommand::Fetch) {
        if dir.starts_with(&app.config.data.dir) {
            crate::durable::make_private(&app.config.data.dir)?;
        }
        for manifest in &manifests {
            let size: u64 = manifest.files.iter().map(|f| f.bytes).sum();
            if !app.json {
                eprintln!("{}: {:.1} MB, {}", manifest.name, size as f64 / 1e6, manifest.licence);
            }
            let fetched = manifest.fetch(&dir)?;
            if !app.json {
                eprintln!("  {}", if fetched { "fetched and verified" } else { "already here, verified" });
            }
        }
    }
    let rows: Vec<Row> = manifests
        .into_iter()
        .map(|manifest| Row {
            revision: manifest.revision(),
            folder: dir.join(&manifest.name).display().to_string(),
            problems: manifest.verify(&dir),
            manifest,
        })
        .collect();
    let whole = rows.iter().all(|row| row.problems.is_empty());
    if app.json {
        print::json(&rows)?;
    } else {
        list(&rows);
    }
    let failed = !whole && !matches!(command, ModelsCommand::List);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn list(rows: &[Row]) {
    let cells = rows.iter().map(|row| {
        let m = &row.manifest;
        let quality: Vec<String> =
            m.quality.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let state =
            if row.problems.is_empty() { "here, verified".to_owned() } else { row.problems.join("\n") };
        vec![
            format!("{}@{}", m.name, row.revision),
            m.task.clone(),
            m.licence.clone(),
            format!("{}\n{}", m.description, quality.join("\n")),
            state,
        ]
    });
    print::table(&["model", "task", "licence", "what and how good", "state"], cells.collect());
}
