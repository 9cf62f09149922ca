//! `quire dead`: what was given up, why, and once more.

use super::{App, print, send};
use crate::consume::{Grave, Graveyard};
use crate::error::{Class, Stage};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Commands of `quire dead`.
#[derive(Subcommand)]
pub enum DeadCommand {
    /// A line for each document that was given up
    List {
        #[command(flatten)]
        which: Which,
    },
    /// All that is known of one, or its bytes
    Show {
        /// The document's id
        id: String,
        /// Write the bytes as they were sent to standard output
        #[arg(long)]
        raw: bool,
    },
    /// Send them once more, as they were sent
    Replay {
        #[command(flatten)]
        which: Which,
        /// All of them, where nothing else picks some out
        #[arg(long)]
        all: bool,
        /// At most so many a second
        #[arg(long, default_value_t = 50)]
        rate: u32,
        /// Only say what would be sent
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which dead letters.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// Only this document; may be given several times
    #[arg(long)]
    id: Vec<String>,
    /// Only failures of this class, as corrupt or timeout
    #[arg(long)]
    class: Vec<Class>,
    /// Only failures in this stage, as decode
    #[arg(long)]
    stage: Vec<Stage>,
    /// Only those given up at or after this time, as 2026-11-23T00:00:00Z
    #[arg(long)]
    since: Option<Timestamp>,
    /// Only those given up before this time
    #[arg(long)]
    until: Option<Timestamp>,
    /// Only those whose name or reason contains this
    #[arg(long)]
    contains: Option<String>,
}

impl Which {
    fn any(&self) -> bool {
        let lists = !self.id.is_empty() || !self.class.is_empty() || !self.stage.is_empty();
        lists || self.since.is_some() || self.until.is_some() || self.contains.is_some()
    }

    fn takes(&self, grave: &Grave) -> bool {
        let letter = grave.letter();
        let failure = &letter.failure;
        (self.id.is_empty() || self.id.iter().any(|id| id == letter.id.as_str()))
            && (self.class.is_empty() || self.class.contains(&failure.class))
            && (self.stage.is_empty() || self.stage.contains(&failure.stage))
            && self.since.is_none_or(|since| letter.failed_at >= since)
            && self.until.is_none_or(|until| letter.failed_at < until)
            && self.contains.as_ref().is_none_or(|text| {
                let text = text.to_lowercase();
                letter.name.to_lowercase().contains(&text) || failure.reason.to_lowercase().contains(&text)
            })
    }
}

/// Runs one of them.
pub fn dead(app: &App, command: &DeadCommand) -> Result<ExitCode> {
    let graveyard = Graveyard::open(&app.config)?;
    match command {
        DeadCommand::List { which } => list(app, &graveyard, which),
        DeadCommand::Show { id, raw } => show(app, &graveyard, id, *raw),
        DeadCommand::Replay { which, all, rate, dry_run } => {
            anyhow::ensure!(
                *all || which.any(),
                "say which: by --id, --class, --stage, --since, --until, --contains, or --all"
            );
            replay(app, &graveyard, which, *rate, *dry_run)
        }
    }
}

fn list(app: &App, graveyard: &Graveyard, which: &Which) -> Result<ExitCode> {
    let graves: Vec<Grave> = graveyard.list()?.into_iter().filter(|grave| which.takes(grave)).collect();
    if app.json {
        let letters: Vec<_> = graves.iter().map(Grave::letter).collect();
        print::json(&letters)?;
        return Ok(ExitCode::SUCCESS);
    }
    if graves.is_empty() {
        println!("no dead letters");
        return Ok(ExitCode::SUCCESS);
    }
    let rows = graves.iter().map(|grave| {
        let letter = grave.letter();
        vec![
            letter.id.to_string(),
            print::short(&letter.name, 32),
            letter.failure.stage.to_string(),
            letter.failure.class.to_string(),
            letter.attempts.to_string(),
            letter.failed_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            print::short(&letter.failure.reason, 60),
        ]
    });
    print::table(&["id", "document", "stage", "class", "tries", "given up (UTC)", "reason"], rows.collect());
    Ok(ExitCode::SUCCESS)
}

fn show(app: &App, graveyard: &Graveyard, id: &str, raw: bool) -> Result<ExitCode> {
    let graves = graveyard.list()?;
    let found = graves.iter().rev().find(|grave| grave.letter().id.as_str() == id);
    let grave = found.with_context(|| format!("there is no dead letter of a document {id}"))?;
    if raw {
        std::io::stdout().write_all(&graveyard.bytes(grave)?)?;
    } else if app.json {
        print::json(&json!({ "letter": grave.letter(), "place": grave.place() }))?;
    } else {
        let letter = grave.letter();
        let row = |what: &str, value: String| vec![what.to_owned(), value];
        print::table(
            &["", letter.id.as_str()],
            vec![
                row("document", letter.name.clone()),
                row("stage", letter.failure.stage.to_string()),
                row("class", letter.failure.class.to_string()),
                row("reason", letter.failure.reason.clone()),
                row("remedy", letter.failure.remedy.clone()),
                row("tries", letter.attempts.to_string()),
                row("given up", letter.failed_at.to_string()),
                row("bytes", letter.size.to_string()),
                row("sent as", letter.origin.as_ref().map_or_else(String::new, ToString::to_string)),
                row("lies in", grave.place()),
            ],
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn replay(app: &App, graveyard: &Graveyard, which: &Which, rate: u32, dry_run: bool) -> Result<ExitCode> {
    let graves: Vec<Grave> = graveyard.list()?.into_iter().filter(|grave| which.takes(grave)).collect();
    let bar = send::bar(graves.len() as u64);
    let (started, mut failed) = (Instant::now(), Vec::new());
    let mut sent = 0;
    for (index, grave) in (0u32..).zip(&graves) {
        let letter = grave.letter();
        bar.set_message(print::short(&letter.name, 40));
        if !dry_run {
            let due = started + Duration::from_secs(1) * index / rate.max(1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            match graveyard.replay(grave) {
                Ok(()) => sent += 1,
                Err(error) => failed.push(format!("{} {}: {error}", letter.id, letter.name)),
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if app.json {
        let ids: Vec<_> = graves.iter().map(|grave| grave.letter().id.clone()).collect();
        print::json(&json!({ "matched": ids, "sent": sent, "failed": failed }))?;
    } else if dry_run {
        println!("{} would be sent", graves.len());
        graves.iter().for_each(|grave| println!("  {} {}", grave.letter().id, grave.letter().name));
    } else {
        println!("sent {sent} of {} once more", graves.len());
        failed.iter().for_each(|line| eprintln!("not sent: {line}"));
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
