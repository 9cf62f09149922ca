//! The screen: the flow from top to bottom, what goes wrong beside it, what is in flight below.

use super::View;
use crate::cli::print::{at, short};
use crate::cli::tend::tasks::far;
use crate::error::Stage;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use serde_json::Value;
use std::collections::BTreeMap;

/// Cells of a queue's bar, at least and at most, and of all that stands beside it.
const BAR: (usize, usize) = (14, 60);
const BESIDE_BAR: usize = 64;

/// A screen with fewer columns has no bars, and one panel less beside others.
const WIDE: u16 = 76;
/// One with fewer than these has only the flow and what is in flight.
const TALL: u16 = 22;
const HALF: u16 = 56;

/// Draws everything that there is room for.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let (wide, tall) = (frame.area().width >= WIDE, frame.area().height >= TALL);
    // On a small screen what is in flight needs the room more.
    let middle = match frame.area().height {
        _ if !tall => 0,
        ..32 => 5,
        _ => 8,
    };
    let rows =
        [Constraint::Length(2), Constraint::Length(10), Constraint::Length(middle), Constraint::Min(4)];
    let [head, flow, between, below] = Layout::vertical(rows).areas(frame.area());
    let panels = [Constraint::Fill(u16::from(wide)), Constraint::Fill(1), Constraint::Fill(1)];
    let [left, centre, right] = Layout::horizontal(panels).areas(between);
    header(frame, head, view);
    stages(frame, flow, view);
    rate(frame, left, view);
    counts(frame, centre, "waiting, by lane", &waiting(view), Color::Yellow, "none");
    let failures = view.now.as_ref().map(|now| now.metrics.failures()).unwrap_or_default();
    counts(frame, right, "failures, by class", &failures, Color::Red, "none");
    let beside = Constraint::Fill(u16::from(frame.area().width >= HALF));
    let [documents, tasks] = Layout::horizontal([Constraint::Fill(2), beside]).areas(below);
    in_flight(frame, documents, view);
    running(frame, tasks, view);
}

fn panel(title: &str) -> Block<'_> {
    Block::bordered().border_style(Style::new().fg(Color::DarkGray)).title(format!(" {title} ").bold())
}

fn header(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let Some(now) = &view.now else { return };
    let version = at(&now.status, "/version").as_str().unwrap_or("?");
    let counts = at(&now.status, "/counts");
    let (away, leads) = now.metrics.flags();
    let (free, size) = now.metrics.disk();
    let mut first =
        vec![Span::from(format!("quire {version} ")).bold(), Span::from(format!("{} ", view.base)).dim()];
    match now.metrics.gpus() {
        (_, true) => first.push(Span::from("on the CPU: no GPU is used ").dim()),
        (gpus, _) if gpus > 0.0 => {
            first.push(Span::from(format!("{gpus:.0} GPUs ")).green());
            if let Some((share, idle)) = view.gpus().filter(|_| area.width >= WIDE) {
                let idle = idle.replace('_', " ");
                first.push(Span::from(format!("{:.0} % busy, else {idle} ", share * 100.0)).dim());
            }
        }
        _ => {}
    }
    if leads {
        first.push(Span::from("leader ").cyan());
    }
    if view.paused {
        first.push(Span::from("PAUSED ").yellow());
    }
    if away {
        first.push(Span::from("THE STORE DOES NOT ANSWER ").red().bold());
    }
    if now.metrics.coverage() < 1.0 {
        first.push(Span::from("COVERAGE BELOW 1 ").red().bold());
    }
    if let Some(trouble) = &view.trouble {
        first.push(Span::from(short(trouble, 60)).red());
    }
    let (documents, dead) = (at(counts, "/documents"), at(counts, "/dead"));
    let second = match area.width >= WIDE {
        true => format!(
            "stored {documents}  passages {}  dead {dead}  disk {:.0} of {:.0} GB free    q quit  p pause",
            at(counts, "/passages"),
            free / 1e9,
            size / 1e9
        ),
        false => format!("stored {documents}  dead {dead}  q quit  p pause"),
    };
    frame.render_widget(Paragraph::new(vec![Line::from(first), Line::from(second).dim()]), area);
}

fn stages(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let Some(now) = &view.now else { return };
    let wide = area.width >= WIDE;
    let cells = match wide {
        true => usize::from(area.width).saturating_sub(BESIDE_BAR).clamp(BAR.0, BAR.1),
        false => 0,
    };
    // The last ones go first where there is no room.
    let (widths, names) = match wide {
        true => (
            [9, cells as u16 + 12, 11, 7, 8, 10],
            ["stage", "queue before it", "documents/s", "cores", "blocked", "documents"],
        ),
        false => ([9, 11, 6, 6, 7, 9], ["stage", "queue", "docs/s", "cores", "blocked", "documents"]),
    };
    let mut room = usize::from(area.width).saturating_sub(2);
    let fits = widths.iter().take_while(|width| {
        let needed = usize::from(**width) + 1;
        let fits = needed <= room + 1;
        room = room.saturating_sub(needed);
        fits
    });
    let fits = fits.count();
    let widths: Vec<Constraint> = widths.into_iter().take(fits).map(Constraint::Length).collect();
    let rows = Stage::ALL.iter().map(|&stage| {
        let sample = now.metrics.stage(stage);
        let of = |part: fn(&crate::metrics::read::StageSample) -> f64| {
            view.rate(|metrics| part(&metrics.stage(stage)))
        };
        let (done, work, blocked) = (of(|s| s.documents), of(|s| s.work), of(|s| s.blocked));
        let share = if sample.bound > 0.0 { (sample.depth / sample.bound).min(1.0) } else { 0.0 };
        let queue = match sample.bound > 0.0 {
            true => format!("{} {}/{}", bar(share, cells), number(sample.depth), number(sample.bound))
                .trim_start()
                .to_owned(),
            false => String::new(),
        };
        let colour = match share {
            s if s >= 0.95 => Color::Red,
            s if s >= 0.5 => Color::Yellow,
            _ => Color::Green,
        };
        let cells = [
            Line::from(stage.as_str()),
            Line::from(queue).fg(colour),
            Line::from(format!("{done:.2}")).right_aligned(),
            Line::from(format!("{work:.2}")).right_aligned(),
            Line::from(if blocked > 0.005 { format!("{blocked:.2}") } else { String::new() }).right_aligned(),
            Line::from(format!("{:.0}", sample.documents)).right_aligned(),
        ];
        Row::new(cells.into_iter().take(fits))
    });
    let head = Row::new(names.iter().take(fits).enumerate().map(|(at, name)| match at {
        0 | 1 => Line::from(*name),
        _ => Line::from(*name).right_aligned(),
    }));
    let head = head.style(Style::new().add_modifier(Modifier::DIM));
    let (used, bound) = now.metrics.in_flight();
    let title = format!("flow: {used:.0} of {bound:.0} documents in flight");
    let table = Table::new(rows, widths).header(head).block(panel(&title));
    frame.render_widget(table, area);
}

/// A count in few characters.
fn number(count: f64) -> String {
    match count {
        c if c >= 1e6 => format!("{:.1}M", c / 1e6),
        c if c >= 1e4 => format!("{:.0}k", c / 1e3),
        c => format!("{c:.0}"),
    }
}

fn bar(share: f64, cells: usize) -> String {
    let full = (share * cells as f64).ceil() as usize;
    format!("{}{}", "█".repeat(full.min(cells)), "░".repeat(cells.saturating_sub(full)))
}

fn rate(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let settled = view.rate(|m| m.outcomes().values().sum());
    let (pages, tokens) = (view.rate(|m| m.work().0), view.rate(|m| m.work().1));
    let title = format!("{settled:.2} documents/s");
    let block = panel(&title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [line, text] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(inner);
    // The newest on the right.
    let from = view.rates.len().saturating_sub(line.width as usize);
    let shown = view.rates.get(from..).unwrap_or_default();
    frame.render_widget(Sparkline::default().data(shown).style(Style::new().fg(Color::Cyan)), line);
    frame.render_widget(Line::from(format!("{pages:.1} pages/s  {tokens:.0} tokens/s")).dim(), text);
}

fn waiting(view: &View) -> BTreeMap<String, f64> {
    let Some(now) = &view.now else { return BTreeMap::new() };
    let mut lanes = now.metrics.lag();
    lanes.retain(|_, records| *records > 0.0);
    if !lanes.is_empty() {
        lanes.insert("seconds of work".to_owned(), now.metrics.lag_seconds().round());
    }
    lanes
}

/// Counts by name, the largest first; `nothing` where there are none.
fn counts(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    all: &BTreeMap<String, f64>,
    colour: Color,
    nothing: &str,
) {
    let mut ranked: Vec<(&String, &f64)> = all.iter().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(a.1));
    let rows = ranked.into_iter().map(|(name, count)| {
        let count = Line::from(format!("{count:.0}")).fg(colour).right_aligned();
        Row::new([Line::from(name.as_str()), count])
    });
    let block = panel(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if all.is_empty() {
        frame.render_widget(Line::from(nothing).dim(), inner);
    } else {
        frame.render_widget(Table::new(rows, [Constraint::Fill(1), Constraint::Length(9)]), inner);
    }
}

fn in_flight(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let documents = view.now.as_ref().and_then(|now| at(&now.status, "/in_flight").as_array());
    let pages = if area.width >= HALF { 9 } else { 5 };
    let wide = usize::from(area.width).saturating_sub(21 + usize::from(pages));
    let rows = documents.into_iter().flatten().map(|document| {
        let (done, total) = (at(document, "/pages_done"), at(document, "/pages_total").as_u64().unwrap_or(0));
        let pages = if total == 0 { String::new() } else { format!("{done}/{total}") };
        let since = at(document, "/since").as_str().and_then(|s| s.parse::<jiff::Timestamp>().ok());
        let age = since.map_or(0.0, |s| jiff::Timestamp::now().duration_since(s).as_secs_f64());
        Row::new([
            short(at(document, "/name").as_str().unwrap_or_default(), wide),
            at(document, "/stage").as_str().unwrap_or_default().to_owned(),
            pages,
            format!("{age:.0} s"),
        ])
    });
    let widths =
        [Constraint::Fill(1), Constraint::Length(9), Constraint::Length(pages), Constraint::Length(7)];
    let head =
        Row::new(["document", "stage", "pages", "since"]).style(Style::new().add_modifier(Modifier::DIM));
    frame.render_widget(Table::new(rows, widths).header(head).block(panel("in flight, longest first")), area);
}

fn running(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let tasks = view.now.as_ref().and_then(|now| at(&now.tasks, "/tasks").as_array());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = tasks.into_iter().flatten().map(|task| {
        let (running, last) = (at(task, "/running"), at(task, "/past/0"));
        let state = if running.is_object() {
            Line::from(far(running)).cyan()
        } else if last.is_object() {
            let colour = if at(last, "/outcome") == "done" { Color::Green } else { Color::Red };
            Line::from(text(at(last, "/outcome"))).fg(colour)
        } else {
            let next = text(at(task, "/next")).replace('T', " ");
            let next =
                if next.is_empty() { "by hand only".to_owned() } else { next.chars().take(16).collect() };
            Line::from(next).dim()
        };
        Row::new([Line::from(text(at(task, "/name"))), state])
    });
    let table = Table::new(rows, [Constraint::Length(8), Constraint::Fill(1)]).block(panel("tasks"));
    frame.render_widget(table, area);
}
