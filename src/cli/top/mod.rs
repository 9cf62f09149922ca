//! `quire top`: a running quire, live in the terminal.

mod draw;
#[cfg(test)]
mod tests;

use super::App;
use super::keys::Key;
use crate::metrics::read::Exposition;
use anyhow::{Context, Result};
use clap::Args;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Arguments of `quire top`.
#[derive(Args)]
pub struct TopArgs {
    /// The address of the running quire; that of serve.listen where it is not said
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    #[command(flatten)]
    key: Key,
    /// Seconds between two looks
    #[arg(long, default_value_t = 1.0)]
    every: f64,
    /// Look twice, print one screen and end
    #[arg(long)]
    once: bool,
}

/// What was seen at one look.
pub struct Look {
    at: Instant,
    metrics: Exposition,
    status: Value,
    tasks: Value,
}

/// The looks of some seconds: rates are what changed from the first to the last of them, since much is
/// counted only when a page or a document is done.
pub struct View {
    base: String,
    before: VecDeque<Look>,
    now: Option<Look>,
    /// Documents a second, for the line.
    rates: Vec<u64>,
    trouble: Option<String>,
    paused: bool,
}

/// How far back rates look.
const WINDOW: Duration = Duration::from_secs(10);
/// Rates that are remembered for the line: two minutes at one a second.
const REMEMBERED: usize = 120;

struct Asker {
    agent: ureq::Agent,
    base: String,
    bearer: String,
}

impl Asker {
    fn look(&self) -> Result<Look> {
        let get = |path: &str| {
            let request = self.agent.get(format!("{}{path}", self.base));
            request.header("authorization", &self.bearer).call()
        };
        let metrics = get("/metrics").with_context(|| format!("no quire answers at {}", self.base))?;
        let metrics = Exposition::parse(&metrics.into_body().read_to_string()?);
        let json = |path: &str| -> Result<Value> { Ok(get(path)?.into_body().read_json()?) };
        let status = json("/v1/status")
            .context("GET /v1/status (does it ask for a key, by --key-file or QUIRE_API_KEY?)")?;
        // A server without tasks is shown without them.
        let tasks = json("/v1/tasks").unwrap_or(Value::Null);
        Ok(Look { at: Instant::now(), metrics, status, tasks })
    }
}

impl View {
    fn take(&mut self, look: Result<Look>) {
        match look {
            Ok(look) => {
                self.trouble = None;
                let settled = |m: &Exposition| m.outcomes().values().sum::<f64>();
                let at = look.at;
                if let Some(last) = self.now.replace(look) {
                    self.rates.push((self.since(Some(&last), settled) * 100.0) as u64);
                    self.before.push_back(last);
                }
                // One that is older stays: short of two looks there is no rate.
                let old = |looks: &VecDeque<Look>| looks.get(1).is_some_and(|look| at - look.at >= WINDOW);
                while old(&self.before) {
                    self.before.pop_front();
                }
                let over = self.rates.len().saturating_sub(REMEMBERED);
                self.rates.drain(..over);
            }
            Err(error) => self.trouble = Some(format!("{error:#}")),
        }
    }

    /// The increase of something a second.
    fn rate(&self, of: impl Fn(&Exposition) -> f64) -> f64 {
        self.since(self.before.front(), of)
    }

    /// The share of the GPUs' time that they computed, and what they did most in the rest of it.
    fn gpus(&self) -> Option<(f64, String)> {
        let states = self.now.as_ref()?.metrics.gpu_seconds();
        let rate = |state: &str| self.rate(|m| m.gpu_seconds().get(state).copied().unwrap_or(0.0));
        let rates: Vec<(String, f64)> = states.into_keys().map(|s| (s.clone(), rate(&s))).collect();
        let all: f64 = rates.iter().map(|(_, rate)| rate).sum();
        let (computing, idle): (Vec<_>, Vec<_>) = rates.into_iter().partition(|(s, _)| s == "compute");
        let most = idle.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        (all > 0.0).then(|| (computing.iter().map(|(_, rate)| rate).sum::<f64>() / all, most.0))
    }

    fn since(&self, before: Option<&Look>, of: impl Fn(&Exposition) -> f64) -> f64 {
        let (Some(before), Some(now)) = (before, &self.now) else { return 0.0 };
        let seconds = (now.at - before.at).as_secs_f64().max(0.001);
        // A restart sets counters to zero.
        ((of(&now.metrics) - of(&before.metrics)) / seconds).max(0.0)
    }
}

/// Shows it until `q`.
pub fn top(app: &App, args: &TopArgs) -> Result<ExitCode> {
    let base = args.to.clone().unwrap_or_else(|| format!("http://{}", app.config.serve.listen));
    let base = base.trim_end_matches('/').to_owned();
    let bearer = args.key.bearer(app)?.unwrap_or_default();
    let timeout = Some(Duration::from_secs(5));
    let agent = ureq::Agent::config_builder().timeout_global(timeout).build().into();
    let asker = Asker { agent, base: base.clone(), bearer };
    let every = Duration::from_secs_f64(args.every.clamp(0.1, 60.0));
    let mut view =
        View { base, before: VecDeque::new(), now: None, rates: Vec::new(), trouble: None, paused: false };
    // The first failure is for who started it; later ones are shown and asked again.
    view.take(Ok(asker.look()?));
    if args.once || !std::io::stdout().is_terminal() {
        std::thread::sleep(every);
        view.take(Ok(asker.look()?));
        let mut terminal = Terminal::new(TestBackend::new(110, 32))?;
        terminal.draw(|frame| draw::draw(frame, &view))?;
        let screen = terminal.backend().to_string();
        // Each line comes in quotes.
        screen.lines().for_each(|line| println!("{}", line.trim_matches('"').trim_end()));
        return Ok(ExitCode::SUCCESS);
    }
    let mut terminal = ratatui::init();
    let shown = live(&mut terminal, &mut view, &asker, every);
    ratatui::restore();
    shown.map(|()| ExitCode::SUCCESS)
}

fn live(
    terminal: &mut ratatui::DefaultTerminal,
    view: &mut View,
    asker: &Asker,
    every: Duration,
) -> Result<()> {
    let mut due = Instant::now() + every;
    loop {
        terminal.draw(|frame| draw::draw(frame, view))?;
        if event::poll(due.saturating_duration_since(Instant::now()))?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            match key.code {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                KeyCode::Char('p' | ' ') => view.paused = !view.paused,
                _ => {}
            }
        }
        if Instant::now() >= due {
            due = Instant::now() + every;
            if !view.paused {
                view.take(asker.look());
            }
        }
    }
}
