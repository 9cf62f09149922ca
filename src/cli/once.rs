//! What a person sees of `quire run --once`: a bar while it works, and what came of it.

use super::running::Running;
use super::{App, find, print, send};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const DRAWN: Duration = Duration::from_millis(200);
/// How often the files that wait are counted: there may be many.
const COUNTED: Duration = Duration::from_secs(2);

/// The bar of one run.
pub struct Once {
    bar: ProgressBar,
    began: Instant,
    drawn: Instant,
    counted: Instant,
}

/// What became of the documents.
struct Outcomes {
    done: u64,
    unchanged: u64,
    dead: u64,
    retried: u64,
}

impl Outcomes {
    fn of(app: &App) -> Self {
        let count = |outcome| app.metrics.settled_count(outcome);
        Self {
            done: count("done"),
            unchanged: count("unchanged") + count("superseded"),
            dead: count("dead"),
            retried: count("retried"),
        }
    }

    fn settled(&self) -> u64 {
        self.done + self.unchanged + self.dead
    }
}

impl Once {
    /// A bar on standard error, where that is a terminal.
    pub fn start() -> Self {
        let (bar, now) = (send::bar(0), Instant::now());
        Self { bar, began: now, drawn: now, counted: now }
    }

    /// Draws it anew, where that is due.
    pub fn look(&mut self, app: &App, running: &Running) {
        if self.bar.is_hidden() || self.drawn.elapsed() < DRAWN {
            return;
        }
        self.drawn = Instant::now();
        let settled = Outcomes::of(app).settled();
        if app.config.kafka.brokers.is_empty() {
            if self.bar.length() == Some(0) || self.counted.elapsed() >= COUNTED {
                self.counted = Instant::now();
                self.bar.set_length(settled + find::unsettled(&running.inbox));
            }
        } else if let Ok(style) =
            ProgressStyle::with_template("{spinner:.cyan} {pos} documents {elapsed} {msg:.dim}")
        {
            // How much waits in the topics, only the broker knows.
            self.bar.set_style(style);
        }
        self.bar.set_position(settled);
        let oldest = running.pipeline.progress().all().into_iter().next();
        self.bar.set_message(oldest.map_or_else(String::new, |at| {
            let pages = if at.pages_total > 1 {
                format!(" {}/{}", at.pages_done, at.pages_total)
            } else {
                String::new()
            };
            format!("{} ({}{pages})", print::short(&at.name, 40), at.stage.as_str())
        }));
    }

    /// Says what came of it.
    pub fn end(self, app: &App) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        let (outcomes, seconds) = (Outcomes::of(app), self.began.elapsed().as_secs_f64());
        let Outcomes { done, unchanged, dead, retried } = outcomes;
        if app.json {
            let seconds = (seconds * 1e3).round() / 1e3;
            return print::json(&json!({
                "done": done, "unchanged": unchanged, "dead": dead, "retried": retried, "seconds": seconds,
            }));
        }
        let known = if unchanged > 0 { format!(", {unchanged} known already") } else { String::new() };
        println!("{done} understood{known}, {dead} given up in {seconds:.1} s");
        if dead > 0 {
            println!("why they were given up: quire dead list");
        }
        if done + unchanged > 0 {
            println!("find them: quire search WORDS, or quire search --like FILE");
        }
        Ok(())
    }
}
