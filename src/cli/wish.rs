//! `quire reprocess`, `cancel` and `priority`: what can be asked for a document. They ask the API of a running
//! quire.

use super::App;
use super::review::Server;
use crate::config::OcrEngine;
use crate::document::{DocumentId, Options, Priority};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `quire reprocess`.
#[derive(Args)]
pub struct ReprocessArgs {
    /// The documents' ids
    #[arg(required = true)]
    id: Vec<String>,
    #[command(flatten)]
    reading: Reading,
    /// Its kind, which is then not guessed
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// How a document is to be read.
#[derive(Args)]
pub struct Reading {
    /// A language of its pages that are pictures, as Tesseract names it (deu); may be given several times
    #[arg(long)]
    language: Vec<String>,
    /// What reads them: tesseract, ppocr or auto
    #[arg(long)]
    engine: Option<OcrEngine>,
    /// Dots per inch at which pages of a PDF are painted to be read
    #[arg(long)]
    dpi: Option<u32>,
    /// high, normal or low
    #[arg(long)]
    priority: Option<Priority>,
}

impl Reading {
    /// With the kind that is asked for.
    pub fn options(&self, kind: Option<&String>) -> Options {
        Options {
            languages: self.language.clone(),
            engine: self.engine,
            dpi: self.dpi,
            priority: self.priority,
            kind: kind.cloned(),
        }
    }
}

/// Arguments of `quire cancel`.
#[derive(Args)]
pub struct CancelArgs {
    /// The documents' ids
    #[arg(required = true)]
    id: Vec<String>,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `quire priority`.
#[derive(Args)]
pub struct PriorityArgs {
    /// high, normal or low
    priority: Priority,
    /// The documents' ids
    #[arg(required = true)]
    id: Vec<String>,
    #[command(flatten)]
    server: Server,
}

/// Has documents read and understood again.
pub fn reprocess(app: &App, args: &ReprocessArgs) -> Result<ExitCode> {
    let options = serde_json::to_value(args.reading.options(args.kind.as_ref()))?;
    each(app, &args.server, &args.id, "reprocess", &options)
}

/// Has documents that are on their way left.
pub fn cancel(app: &App, args: &CancelArgs) -> Result<ExitCode> {
    each(app, &args.server, &args.id, "cancel", &json!({}))
}

/// Changes how urgent documents are that wait.
pub fn priority(app: &App, args: &PriorityArgs) -> Result<ExitCode> {
    each(app, &args.server, &args.id, "priority", &json!({ "priority": args.priority }))
}

fn each(app: &App, server: &Server, ids: &[String], what: &str, body: &Value) -> Result<ExitCode> {
    for id in ids {
        let id = DocumentId::parse(id).with_context(|| format!("`{id}` is no document id"))?;
        server.ask(app, &format!("documents/{id}/{what}"), Some(body)).with_context(|| id.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
