//! A report as one HTML file that needs nothing else: charts are inline SVG.

use super::report::{Counts, Day, Report};
use std::fmt::Write;

/// Width and height of a chart's drawing area, in its own units.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 160.0;
/// Room for the labels of the axes.
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 24.0;

/// Colours that are told apart by those who see red and green alike (Okabe and Ito, 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999"];

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #667; --line: #d5d9df; --paper: #fff; --card: #f6f7f9 }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ec; --soft: #9aa3ad; --line: #3a414a; --paper: #14171b; --card: #1d2127 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem } p { color: var(--soft); margin: .2rem 0 }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin-top: 1.2rem } .tile { background: var(--card); border-radius: 8px; padding: .7rem 1rem; min-width: 7rem }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums } .tile span { color: var(--soft); font-size: .85rem }
svg { width: 100%; height: auto } svg text { fill: var(--soft); font-size: 11px } svg .axis { stroke: var(--line) }
.key { display: flex; flex-wrap: wrap; gap: 1rem; color: var(--soft); font-size: .85rem } .key i { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin-right: .35rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums } td, th { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--line) }
td:first-child, th:first-child { text-align: left } th { color: var(--soft); font-weight: 500 }
";

/// The report for people.
pub fn html(report: &Report) -> String {
    let mut out = String::new();
    let total = &report.total;
    let (since, until) = (report.since.strftime("%Y-%m-%d"), report.until.strftime("%Y-%m-%d %H:%M"));
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>quire, {since} to {until}</title>\n<style>{STYLE}</style>\n\
         <h1>quire</h1>\n<p>{since} to {until} UTC, made {} by {}</p>\n",
        report.made_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        env!("CARGO_PKG_VERSION"),
    );
    let percent =
        |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |s| format!("{:.0} %", s * 100.0));
    let count = |counts: &Counts, name: &str| counts.get(name).copied().unwrap_or(0);
    let tiles = [
        ("documents", total.documents.to_string()),
        ("pages", total.pages.to_string()),
        ("given up", total.dead().to_string()),
        ("to review", count(&total.verdicts, "review").to_string()),
        ("OCR confidence", percent(total.ocr_confidence)),
        ("kind confidence", percent(total.kind_confidence)),
        ("s of work each", format!("{:.2}", total.seconds_each())),
        ("decided by people", report.reviews.all.decisions.to_string()),
        ("samples they agreed with", percent(report.reviews.all.sample_agreement)),
    ];
    out.push_str("<div class=\"tiles\">");
    for (name, value) in tiles {
        let _ = write!(out, "<div class=\"tile\"><b>{value}</b><span>{name}</span></div>");
    }
    out.push_str("</div>\n");
    let days: Vec<(&str, &Day)> = report.days.iter().map(|(name, day)| (name.as_str(), day)).collect();
    let chart = |out: &mut String, title: &str, of: &dyn Fn(&Day) -> Vec<(String, f64)>| {
        let _ = write!(out, "<h2>{title}</h2>\n{}", bars(title, &days, of));
    };
    let counted =
        |counts: &Counts| counts.iter().map(|(name, n)| (name.clone(), *n as f64)).collect::<Vec<_>>();
    chart(&mut out, "Documents a day, by kind", &|day| counted(&day.kinds));
    chart(&mut out, "Given up, by class", &|day| counted(&day.failures));
    chart(&mut out, "Verdicts", &|day| counted(&day.verdicts));
    chart(&mut out, "OCR confidence", &|day| {
        day.ocr_confidence.map(|c| ("mean over documents read by OCR".to_owned(), c)).into_iter().collect()
    });
    chart(&mut out, "Seconds of work on a document, by stage", &|day| {
        day.seconds.iter().map(|(stage, seconds)| (stage.clone(), *seconds)).collect()
    });
    let _ = writeln!(out, "<p>Seconds are means over a sample of {} documents.</p>", total.sampled);
    table(&mut out, &days);
    reviews(&mut out, report);
    out
}

/// How often people agreed, in all and with what was accepted, by kind.
fn reviews(out: &mut String, report: &Report) {
    let stats = &report.reviews;
    if stats.all.decisions == 0 {
        return;
    }
    out.push_str("<h2>Decisions of people</h2>\n<table><tr><th>kind</th><th>decisions</th><th>agreed</th><th>samples</th><th>agreed with samples</th><th>median s</th></tr>\n");
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let all = std::iter::once(("all", &stats.all)).chain(stats.by_kind.iter().map(|(k, g)| (k.as_str(), g)));
    for (kind, group) in all {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.0}</td></tr>",
            escape(kind),
            group.decisions,
            percent(group.agreement),
            group.samples,
            group.sample_agreement.map_or_else(|| "–".to_owned(), percent),
            group.median_seconds
        );
    }
    out.push_str("</table>\n");
}

fn table(out: &mut String, days: &[(&str, &Day)]) {
    out.push_str("<h2>Days</h2>\n<table><tr><th>day</th><th>documents</th><th>pages</th><th>given up</th><th>to review</th><th>s each</th></tr>\n");
    for (name, day) in days.iter().rev() {
        let review = day.verdicts.get("review").copied().unwrap_or(0);
        let _ = writeln!(
            out,
            "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{}</td><td>{review}</td><td>{:.2}</td></tr>",
            day.documents,
            day.pages,
            day.dead(),
            day.seconds_each()
        );
    }
    out.push_str("</table>\n");
}

/// Stacked bars, a bar for each day.
fn bars(title: &str, days: &[(&str, &Day)], of: &dyn Fn(&Day) -> Vec<(String, f64)>) -> String {
    let values: Vec<Vec<(String, f64)>> = days.iter().map(|(_, day)| of(day)).collect();
    let sum = |day: &Vec<(String, f64)>| day.iter().map(|(_, value)| value).sum::<f64>();
    let most = values.iter().map(sum).fold(0.0, f64::max);
    if most <= 0.0 {
        return "<p>Nothing.</p>\n".to_owned();
    }
    let names = ranked(&values);
    let top = round_up(most);
    let step = (WIDTH - LEFT) / days.len().max(1) as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">",
        HEIGHT + BOTTOM,
        escape(title)
    );
    for share in [0.0, 0.5, 1.0] {
        let y = HEIGHT - share * (HEIGHT - 10.0);
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            number(top * share)
        );
    }
    let every = days.len().div_ceil(8).max(1);
    for (at, ((day, _), parts)) in days.iter().zip(&values).enumerate() {
        let x = LEFT + step * at as f64;
        let mut y = HEIGHT;
        for (slot, name) in names.iter().enumerate() {
            let value: f64 = parts.iter().filter(|(n, _)| slot_of(&names, n) == slot).map(|(_, v)| v).sum();
            let height = value / top * (HEIGHT - 10.0);
            y -= height;
            if value > 0.0 {
                let _ = write!(
                    svg,
                    "<rect x=\"{:.1}\" y=\"{y:.2}\" width=\"{:.1}\" height=\"{height:.2}\" fill=\"{}\"><title>{day} {}: {}</title></rect>",
                    x + step * 0.1,
                    (step * 0.8).min(64.0),
                    colour(slot),
                    escape(name),
                    number(value)
                );
            }
        }
        if at % every == 0 {
            let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{}\">{day}</text>", HEIGHT + BOTTOM - 8.0);
        }
    }
    svg.push_str("</svg>\n<div class=\"key\">");
    for (slot, name) in names.iter().enumerate() {
        let _ = write!(svg, "<span><i style=\"background:{}\"></i>{}</span>", colour(slot), escape(name));
    }
    svg.push_str("</div>\n");
    svg
}

/// The names with most behind them; what has no colour of its own is "others".
fn ranked(values: &[Vec<(String, f64)>]) -> Vec<String> {
    let mut sums = std::collections::BTreeMap::<&str, f64>::new();
    for (name, value) in values.iter().flatten() {
        *sums.entry(name).or_default() += value;
    }
    let mut names: Vec<(&str, f64)> = sums.into_iter().collect();
    names.sort_by(|a, b| b.1.total_cmp(&a.1));
    let own = if names.len() > COLOURS.len() { COLOURS.len() - 1 } else { names.len() };
    let mut shown: Vec<String> = names.iter().take(own).map(|(name, _)| (*name).to_owned()).collect();
    if names.len() > own {
        shown.push("others".to_owned());
    }
    shown
}

fn slot_of(names: &[String], name: &str) -> usize {
    names.iter().position(|n| n == name).unwrap_or(names.len().saturating_sub(1))
}

fn colour(slot: usize) -> &'static str {
    COLOURS.get(slot).copied().unwrap_or("#999999")
}

/// The next of 1, 2, 5, 10, 20 …
fn round_up(most: f64) -> f64 {
    let power = 10f64.powf(most.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= most).unwrap_or(most)
}

fn number(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
