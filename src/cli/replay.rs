//! `quire replay`: sends once more what was sent to a topic.

use super::{App, print, send};
use crate::consume::kafka::replay::{From, Replay};
use crate::document::Priority;
use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Timestamp;
use std::process::ExitCode;

/// Arguments of `quire replay`.
#[derive(Args)]
pub struct ReplayArgs {
    /// Which topic of documents: high, normal or low
    #[arg(long, default_value = "normal")]
    priority: Priority,
    /// Records sent at or after this time, as 2026-11-23T00:00:00Z
    #[arg(long, required_unless_present = "from")]
    since: Option<Timestamp>,
    /// Records sent before this time
    #[arg(long)]
    until: Option<Timestamp>,
    /// From an offset of one partition instead, as 3:1500
    #[arg(long, value_name = "PARTITION:OFFSET", conflicts_with = "since")]
    from: Option<String>,
    /// Only documents whose key begins so
    #[arg(long, default_value = "")]
    prefix: String,
    /// Understand them even where the store has them as they are
    #[arg(long)]
    force: bool,
    /// At most so many a second
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Only count
    #[arg(long)]
    dry_run: bool,
}

/// Sends them.
pub fn replay(app: &App, args: &ReplayArgs) -> Result<ExitCode> {
    if app.config.kafka.brokers.is_empty() {
        bail!("kafka.brokers is empty: of the folder, `quire send data/done/…` sends originals once more");
    }
    let from = match (&args.from, args.since) {
        (Some(place), _) => {
            let parsed = place.split_once(':').and_then(|(p, o)| Some((p.parse().ok()?, o.parse().ok()?)));
            let (partition, offset) = parsed.with_context(|| format!("`{place}` is no PARTITION:OFFSET"))?;
            From::Offset(partition, offset)
        }
        (None, since) => From::Time(since.context("say from when on: --since")?.as_millisecond()),
    };
    let replay = Replay {
        priority: args.priority,
        from,
        until: args.until.map(Timestamp::as_millisecond),
        prefix: args.prefix.clone(),
        force: args.force,
        rate: args.rate,
        dry_run: args.dry_run,
    };
    let bar = send::bar(0);
    let counts = replay.run(&app.config.kafka, |met, total| {
        bar.set_length(total);
        bar.set_position(met);
    })?;
    bar.finish_and_clear();
    if app.json {
        print::json(&counts)?;
    } else {
        let done = if args.dry_run { "would be sent" } else { "sent once more" };
        println!("{} of {} records {done}", counts.sent, counts.met);
    }
    Ok(ExitCode::SUCCESS)
}
