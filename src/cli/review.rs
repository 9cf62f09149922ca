//! `quire review`: the queue from the command line. It asks the API of a running quire, which is the
//! one that may write to its store.

use super::keys::Key;
use super::wish::Reading;
use super::{App, print};
use crate::document::{Action, Corrections, DocumentId, Given, Priority};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Commands of `quire review`.
#[derive(Subcommand)]
pub enum ReviewCommand {
    /// Documents that wait for a decision, the most urgent first
    List {
        #[command(flatten)]
        server: Server,
        /// Only of this kind; may be given several times
        #[arg(long)]
        kind: Vec<String>,
    },
    /// Everything about one review, as JSON
    Show {
        /// The document's id
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Take one on
    Claim {
        /// The document's id
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Give one back
    Release {
        /// The document's id
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Give one to somebody else
    HandOver {
        /// The document's id
        id: String,
        /// To whom
        to: String,
        #[command(flatten)]
        server: Server,
    },
    /// Change how urgent one is
    Priority {
        /// The document's id
        id: String,
        /// high, normal or low
        priority: Priority,
        #[command(flatten)]
        server: Server,
    },
    /// Say something about one
    Comment {
        /// The document's id
        id: String,
        /// What
        text: String,
        #[command(flatten)]
        server: Server,
    },
    /// Take the decision about one back
    Reopen {
        /// The document's id
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Take on the most urgent one that fits and that nobody has
    ///
    /// What fits is what your key says (`quire keys skills`), or what is named here.
    Next {
        /// Of this kind; may be given several times
        #[arg(long)]
        kind: Vec<String>,
        /// In this language, ISO 639-1; may be given several times
        #[arg(long)]
        language: Vec<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Decide about one
    Decide {
        /// The document's id
        id: String,
        /// approve, correct, reject or reprocess
        action: Action,
        /// The right kind, with correct and reprocess
        #[arg(long)]
        kind: Option<String>,
        #[command(flatten)]
        reading: Reading,
        /// The right value of a field, as NAME=VALUE, with correct; may be given several times
        #[arg(long, value_name = "NAME=VALUE")]
        field: Vec<String>,
        /// Why
        #[arg(long)]
        comment: Option<String>,
        /// Correct it though checks fail
        #[arg(long)]
        sure: bool,
        #[command(flatten)]
        server: Server,
    },
    /// How long decisions take, and how often people agree with the program
    Stats {
        #[command(flatten)]
        server: Server,
    },
    /// What was approved and corrected, as JSON lines to learn from
    Export {
        #[command(flatten)]
        server: Server,
    },
}

/// Where to ask, and as whom.
#[derive(Args)]
pub struct Server {
    /// The API; serve.listen where it is left out
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    #[command(flatten)]
    key: Key,
    /// Your name, where the API has no keys
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
}

impl Server {
    pub(super) fn ask(&self, app: &App, path: &str, body: Option<&Value>) -> Result<String> {
        let base = self.to.clone().unwrap_or_else(|| format!("http://{}", app.config.serve.listen));
        let url = format!("{}/v1/{path}", base.trim_end_matches('/'));
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let key = self.key.bearer(app)?;
        let answer = match body {
            Some(body) => {
                let request = agent.post(&url);
                match &key {
                    Some(key) => request.header("authorization", key).send_json(body),
                    None => request.send_json(body),
                }
            }
            None => {
                let request = agent.get(&url);
                match &key {
                    Some(key) => request.header("authorization", key).call(),
                    None => request.call(),
                }
            }
        };
        let mut answer =
            answer.with_context(|| format!("{base} does not answer; is `quire run` running?"))?;
        let text = answer.body_mut().read_to_string()?;
        if answer.status().is_success() {
            return Ok(text);
        }
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        bail!("{}: {}; {}", answer.status(), said("detail"), said("remedy"))
    }

    fn get(&self, app: &App, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.ask(app, path, None)?)?)
    }
}

/// Runs one of them.
pub fn review(app: &App, command: &ReviewCommand) -> Result<ExitCode> {
    match command {
        ReviewCommand::List { server, kind } => list(app, server, kind)?,
        ReviewCommand::Show { id, server } => print::json(&server.get(app, &path(id)?)?)?,
        ReviewCommand::Claim { id, server } => change(app, server, id, "claim", json!({}))?,
        ReviewCommand::Release { id, server } => change(app, server, id, "release", json!({}))?,
        ReviewCommand::HandOver { id, to, server } => {
            change(app, server, id, "hand-over", json!({ "to": to }))?
        }
        ReviewCommand::Priority { id, priority, server } => {
            change(app, server, id, "priority", json!({ "priority": priority }))?;
        }
        ReviewCommand::Comment { id, text, server } => {
            change(app, server, id, "comment", json!({ "text": text }))?;
        }
        ReviewCommand::Reopen { id, server } => change(app, server, id, "reopen", json!({}))?,
        ReviewCommand::Next { kind, language, server } => {
            let said = |names: &Vec<String>| (!names.is_empty()).then(|| names.clone());
            let body = json!({ "by": server.by, "kinds": said(kind), "languages": said(language) });
            println!("{}", server.ask(app, "reviews/next", Some(&body))?);
        }
        ReviewCommand::Decide { id, action, kind, reading, field, comment, sure, server } => {
            let again = *action == Action::Reprocess;
            let options = reading.options(kind.as_ref().filter(|_| again));
            let kind = kind.clone().filter(|_| !again);
            let mut corrections = Corrections { kind, ..Corrections::default() };
            for pair in field {
                let (name, value) =
                    pair.split_once('=').with_context(|| format!("`{pair}` is no NAME=VALUE"))?;
                corrections.fields.insert(name.to_owned(), Some(Given::Plain(value.to_owned())));
            }
            let path = path(id)?;
            let version = server.get(app, &path)?.get("version").cloned().unwrap_or_default();
            let body = json!({
                "action": action, "version": version, "corrections": corrections, "options": options,
                "comment": comment, "sure": sure, "by": server.by,
            });
            println!("{}", server.ask(app, &format!("{path}/decision"), Some(&body))?);
        }
        ReviewCommand::Stats { server } => stats(app, &server.get(app, "reports/reviews")?)?,
        ReviewCommand::Export { server } => print!("{}", server.ask(app, "reports/corrections", None)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes a review and prints it as it is then.
fn change(app: &App, server: &Server, id: &str, what: &str, mut body: Value) -> Result<()> {
    if let (Some(by), Some(body)) = (&server.by, body.as_object_mut()) {
        body.insert("by".to_owned(), json!(by));
    }
    println!("{}", server.ask(app, &format!("{}/{what}", path(id)?), Some(&body))?);
    Ok(())
}

fn path(id: &str) -> Result<String> {
    let id = DocumentId::parse(id).with_context(|| format!("`{id}` is no document id"))?;
    Ok(format!("reviews/{id}"))
}

/// Agreement in all, with samples, and by kind and reviewer.
fn stats(app: &App, stats: &Value) -> Result<()> {
    if app.json {
        return print::json(stats);
    }
    let number = |at: &Value, name: &str| at.get(name).and_then(Value::as_f64);
    let count = |name: &str| number(stats, name).unwrap_or_default();
    println!("{} wait, {} of them are worked on", count("open"), count("claimed"));
    let percent =
        |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |s| format!("{:.0} %", s * 100.0));
    let row = |name: &str, group: &Value| {
        vec![
            name.to_owned(),
            number(group, "decisions").unwrap_or_default().to_string(),
            percent(number(group, "agreement")),
            number(group, "samples").unwrap_or_default().to_string(),
            percent(number(group, "sample_agreement")),
            format!("{:.0} s", number(group, "median_seconds").unwrap_or_default()),
        ]
    };
    let groups = |name: &str| stats.get(name).and_then(Value::as_object).into_iter().flatten();
    let mut rows = vec![row("all", stats.get("all").unwrap_or(&Value::Null))];
    rows.extend(groups("by_kind").map(|(kind, group)| row(kind, group)));
    rows.extend(groups("by_reviewer").map(|(name, group)| row(&format!("by {name}"), group)));
    print::table(&["of", "decisions", "agreed", "samples", "agreed with samples", "median"], rows);
    Ok(())
}

fn list(app: &App, server: &Server, kind: &[String]) -> Result<()> {
    let kinds: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kind.iter().map(|k| ("kind", k)))
        .finish();
    let found = server.get(app, &format!("reviews?limit=100&{kinds}"))?;
    if app.json {
        return print::json(&found);
    }
    let text =
        |review: &Value, name: &str| review.pointer(name).and_then(Value::as_str).unwrap_or("–").to_owned();
    let rows = found.get("reviews").and_then(Value::as_array).into_iter().flatten().map(|review| {
        let reasons = review.get("reasons").and_then(Value::as_array).into_iter().flatten();
        let reasons: Vec<&str> = reasons.filter_map(Value::as_str).collect();
        let mut row: Vec<String> = ["/name", "/kind", "/priority", "/opened_at", "/claim/by"]
            .map(|name| text(review, name))
            .to_vec();
        row.extend([print::short(&reasons.join("; "), 60), text(review, "/id")]);
        row
    });
    print::table(&["document", "kind", "priority", "since", "with", "why", "id"], rows.collect());
    Ok(())
}
