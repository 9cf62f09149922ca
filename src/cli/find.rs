//! `quire status` and `quire search`: reading the store, beside a running quire or without one.

use super::keys::Key;
use super::tend::tasks::{self, Standing};
use super::which::Which;
use super::{App, named, print, store};
use crate::consume::Inbox;
use crate::consume::kafka::topics::{Lane, Topics};
use crate::consume::kafka::waiting;
use crate::document::DocumentId;
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::pipeline::Embedder;
use crate::publish::examples::Examples;
use crate::publish::{By, Counts, Hit, Query, Store};
use crate::serve::Mode;
use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Arguments of `quire status`.
#[derive(Args)]
pub struct StatusArgs {
    /// A document's id, or a file with its content; without it, the whole
    id: Option<String>,
    #[command(flatten)]
    key: Key,
}

/// Arguments of `quire search`.
#[derive(Args)]
pub struct SearchArgs {
    /// What to look for, in words
    #[arg(required_unless_present = "like")]
    text: Vec<String>,
    /// Find documents like this one, an id or a file that was sent; may be given several times, also beside words
    #[arg(long, value_name = "ID|FILE")]
    like: Vec<String>,
    /// And less like this one; may be given several times
    #[arg(long, value_name = "ID|FILE")]
    unlike: Vec<String>,
    /// What of the words counts: hybrid, words or meaning
    #[arg(long, default_value_t = Mode::Hybrid)]
    mode: Mode,
    /// What is listed: document, each with its best passage; or passage, several of one document too
    #[arg(long, default_value_t = By::Document)]
    by: By,
    #[command(flatten)]
    which: Which,
    /// At most this many
    #[arg(long, short = 'n', default_value_t = 10)]
    limit: usize,
}

/// Prints how things stand.
pub fn status(app: &App, args: &StatusArgs) -> Result<ExitCode> {
    let counts = match &args.id {
        Some(id) => return one(app, store::open_read_only(&app.config, None)?.as_ref(), id),
        // What was sent before the first run waits, and nothing is understood.
        None if !store::exists(&app.config) => Counts::default(),
        None => store::open_read_only(&app.config, None)?.counts()?,
    };
    let waiting = waiting(app)?;
    let tasks = tasks::standing(app, args.key.read(app)?.as_deref());
    if app.json {
        let mut status = serde_json::Map::from_iter([("stored".to_owned(), json!(counts))]);
        status.extend(waiting.into_iter().map(|(name, _, n)| (name, json!(n))));
        if let Standing::Told(tasks) = &tasks {
            status.insert("tasks".to_owned(), print::at(tasks, "/tasks").clone());
        }
        print::json(&status)?;
    } else {
        let row = |what: &str, n: String| vec![what.to_owned(), n];
        let mut rows = vec![
            row("understood", counts.documents.to_string()),
            row("  their passages", counts.passages.to_string()),
            row("dead letters", counts.dead.to_string()),
        ];
        rows.extend(waiting.iter().map(|(_, what, n)| row(what, n.to_string())));
        print::table(&["documents", "count"], rows);
        match &tasks {
            Standing::Told(tasks) => {
                println!();
                tasks::show(tasks);
            }
            Standing::Locked => {
                println!(
                    "\nthe quire at {} asks for a key: --key-file or QUIRE_API_KEY",
                    app.config.serve.listen
                );
            }
            Standing::Away => {
                println!("\nno quire runs at {}: tasks by the clock rest", app.config.serve.listen)
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is not understood yet: a key, words for people, and how many.
fn waiting(app: &App) -> Result<Vec<(String, String, u64)>> {
    if app.config.kafka.brokers.is_empty() {
        let inbox = Inbox::open(&app.config.data.dir)?;
        let count = |folder: &str| files(&inbox, folder) as u64;
        return Ok(vec![
            ("waiting".to_owned(), "waiting in the inbox".to_owned(), count("inbox")),
            ("in_flight".to_owned(), "in flight".to_owned(), count("working")),
        ]);
    }
    let lanes = waiting::waiting(&app.config.kafka)?;
    let topics = Topics::new(&app.config.kafka);
    let row = |(lane, n): (Lane, u64)| {
        (format!("unsettled_{}", lane.name()), format!("not settled in {}", topics.lane(lane)), n)
    };
    Ok(lanes.into_iter().map(row).collect())
}

fn one(app: &App, store: &dyn Store, id: &str) -> Result<ExitCode> {
    let id = named::document(store, id)?;
    if let Some(document) = store.get(&id)? {
        print::json(&document)?;
        return Ok(ExitCode::SUCCESS);
    }
    match store.dead(&id)? {
        Some(letter) if app.json => print::json(&letter)?,
        Some(letter) => println!("{} is dead: {}", letter.name, letter.failure),
        None if waits(app, &id)? => println!("{id} waits, or is in work"),
        None => bail!("there is no document {id}"),
    }
    Ok(ExitCode::FAILURE)
}

/// Documents in the folders that are not settled.
pub fn unsettled(inbox: &Inbox) -> u64 {
    (files(inbox, "inbox") + files(inbox, "working")) as u64
}

/// Whether a document lies in the folders of this machine.
fn waits(app: &App, id: &DocumentId) -> Result<bool> {
    Ok(app.config.kafka.brokers.is_empty() && Inbox::open(&app.config.data.dir)?.holds(id)?)
}

/// Files below a folder that are no bookkeeping.
fn files(inbox: &Inbox, folder: &str) -> usize {
    fn count(path: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
        entries
            .filter(|e| !e.file_name().to_string_lossy().starts_with('.'))
            .map(|e| if e.path().is_dir() { count(&e.path()) } else { 1 })
            .sum()
    }
    count(&inbox.folder(folder))
}

/// Prints what was found.
pub fn search(app: &App, args: &SearchArgs) -> Result<ExitCode> {
    let filter = args.which.filter();
    let text = args.text.join(" ");
    if args.mode == Mode::Words && !(args.like.is_empty() && args.unlike.is_empty()) {
        bail!("examples are compared by their meaning: leave out --mode words, or the examples");
    }
    // Where no meaning of words is looked for no model is needed.
    let models = match text.is_empty() || args.mode == Mode::Words {
        true => None,
        false => Some(Models::load(&app.config.infer, &models_dir(&app.config))?),
    };
    let store = store::open_read_only(&app.config, models.as_ref())?;
    let named = |list: &[String]| {
        list.iter().map(|one| named::document(store.as_ref(), one)).collect::<Result<Vec<_>>>()
    };
    let examples = Examples { like: named(&args.like)?, unlike: named(&args.unlike)? };
    let vector = match &models {
        Some(models) => Embedder::alone(models, &app.config, &app.metrics)?.embed(&text)?,
        None => Vec::new(),
    };
    let hits = match examples.is_empty() {
        true => {
            let text = if args.mode == Mode::Meaning { "" } else { &text };
            let (by, limit) = (args.by, args.limit);
            store.search(&Query { text, vector: &vector, filter: &filter, by, limit })?
        }
        false => examples.search(store.as_ref(), &vector, &filter, args.by, (0, args.limit))?,
    };
    if app.json {
        print::json(&hits)?;
    } else if hits.is_empty() {
        println!("nothing was found");
    } else {
        show(&hits);
    }
    Ok(ExitCode::SUCCESS)
}

/// A table of what was found.
pub fn show(hits: &[Hit]) {
    let rows = hits.iter().map(|hit| {
        let document = &hit.document;
        let words = hit.passage.as_ref().map_or(document.summary.as_str(), |p| p.text.as_str());
        let page = hit.passage.as_ref().map_or_else(String::new, |p| p.page.to_string());
        vec![
            hit.similarity.map_or_else(|| "words".to_owned(), |s| format!("{s:.3}")),
            document.name.clone(),
            document.kind.clone(),
            page,
            print::short(words, 110),
            document.id.to_string(),
        ]
    });
    print::table(&["cosine", "document", "kind", "page", "passage", "id"], rows.collect());
}
