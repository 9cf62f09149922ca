//! How many fields are found of documents whose fields are known.
//!
//! A folder holds documents with `NAME.truth.json` beside each (`tests/fields/make.py` writes such):
//! they go through the whole pipeline, which also has to tell their kind. Or it holds receipts of the
//! SROIE task, `NNN.box.csv` (corners and text of each line) with `NNN.key.json`: their lines are
//! taken as read, or read from `NNN.img.jpg`, and their kind as known.

use super::score::{Tally, figures, general};
use super::{Clock, show};
use crate::cli::{App, fields as command};
use crate::decode;
use crate::digitize::Reader;
use crate::document::{Field, Page, PageText, Word};
use crate::interpret::fields;
use crate::pipeline::limits;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Arguments of `quire bench fields`.
#[derive(Args)]
pub struct FieldsArgs {
    /// Folder with documents and what they say
    documents: PathBuf,
    /// Count only the families of templates whose names begin so
    #[arg(long)]
    family: Option<String>,
    /// Take the kinds as known: documents are only decoded and read, no model runs
    #[arg(long)]
    kinds_known: bool,
    /// Of numbered receipts only the even or the odd ones: one half to look at, one to report
    #[arg(long)]
    half: Option<Half>,
    /// Of receipts read the pictures, instead of taking their lines as given
    #[arg(long)]
    pictures: bool,
    /// Print what is wrong, document by document
    #[arg(long)]
    wrong: bool,
}

/// A half of numbered documents.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Half {
    /// 000, 002 …
    Even,
    /// 001, 003 …
    Odd,
}

/// What a document says.
#[derive(Deserialize)]
struct Truth {
    family: String,
    kind: String,
    fields: BTreeMap<String, String>,
}

/// A document with its truth and what was found in it.
struct Measured {
    name: String,
    truth: Truth,
    kind: String,
    found: Vec<Field>,
    /// What was read, in letters and digits alone.
    text: String,
}

/// A line of the table.
#[derive(Serialize)]
struct Figure {
    what: String,
    documents: usize,
    precision: f64,
    recall: f64,
    f1: f64,
    low: f64,
    high: f64,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Figures {
    rows: Vec<Figure>,
    kinds_right: usize,
    documents: usize,
    fields: usize,
    fields_per_cpu_s: f64,
    valid: u32,
    valid_and_wrong: u32,
    share_of_work: Option<f64>,
    /// True values that stand in what was read, letter by letter, and how many there are: the rest was read
    /// wrongly, or is written in another way.
    legible: [usize; 2],
}

/// Measures and prints.
pub fn run(app: &App, args: &FieldsArgs) -> Result<()> {
    let names = command::paths(std::slice::from_ref(&args.documents))?;
    let receipts = names.iter().any(|path| path.to_string_lossy().ends_with(".key.json"));
    let (mut measured, seconds, share) = match (receipts, args.kinds_known) {
        (true, _) => read_receipts(app, &names, args)?,
        (false, true) => read_pages(app, &names)?,
        (false, false) => read_documents(app, &names)?,
    };
    if let Some(family) = &args.family {
        measured.retain(|m| m.truth.family.starts_with(family));
    }
    if measured.is_empty() {
        bail!("{} holds no documents with their truth", args.documents.display());
    }
    // What the truth of a kind says of any document, it says of all.
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for m in &measured {
        known.entry(&m.truth.kind).or_default().extend(m.truth.fields.keys().map(|name| general(name)));
    }
    let none = BTreeSet::new();
    let tally = |m: &Measured| {
        Tally::of(&m.truth.fields, &m.found, known.get(m.truth.kind.as_str()).unwrap_or(&none))
    };
    let tallies: Vec<(&Measured, Tally)> = measured.iter().map(|m| (m, tally(m))).collect();
    if args.wrong {
        for (m, tally) in &tallies {
            println!("{} ({}, found as {})", m.name, m.truth.family, m.kind);
            tally.wrong.iter().for_each(|line| println!("    {line}"));
            let values = m.truth.fields.iter().filter(|(_, value)| !m.text.contains(&flat(value)));
            values.for_each(|(name, value)| println!("    {name}: {value} does not stand in what was read"));
        }
    }
    let mut rows = Vec::new();
    let mut add = |what: String, chosen: Vec<Tally>, name: Option<&str>| {
        let [precision, recall, f1, low, high] = figures(&chosen, name);
        rows.push(Figure { what, documents: chosen.len(), precision, recall, f1, low, high });
    };
    let of = |fits: &dyn Fn(&Measured) -> bool| {
        tallies.iter().filter(|(m, _)| fits(m)).map(|(_, t)| t.clone()).collect::<Vec<_>>()
    };
    add("all".to_owned(), of(&|_| true), None);
    for family in measured.iter().map(|m| m.truth.family.as_str()).collect::<BTreeSet<_>>() {
        add(format!("family {family}"), of(&|m| m.truth.family == family), None);
    }
    for (kind, names) in &known {
        for name in names {
            add(format!("{kind}: {name}"), of(&|m| m.truth.kind == *kind), Some(name));
        }
    }
    let fields: usize = measured.iter().map(|m| m.found.len()).sum();
    let written =
        |m: &Measured| m.truth.fields.values().filter(|value| m.text.contains(&flat(value))).count();
    let figures = Figures {
        rows,
        kinds_right: measured.iter().filter(|m| m.kind == m.truth.kind).count(),
        documents: measured.len(),
        fields,
        fields_per_cpu_s: fields as f64 / seconds.max(1e-9),
        valid: tallies.iter().map(|(_, t)| t.valid[0]).sum(),
        valid_and_wrong: tallies.iter().map(|(_, t)| t.valid[1]).sum(),
        share_of_work: share,
        legible: [measured.iter().map(written).sum(), measured.iter().map(|m| m.truth.fields.len()).sum()],
    };
    print(app, &figures)
}

fn print(app: &App, figures: &Figures) -> Result<()> {
    let mut rows: Vec<Vec<String>> = figures
        .rows
        .iter()
        .map(|f| {
            let two = |value: f64| format!("{value:.2}");
            let interval = format!("{:.2} to {:.2}", f.low, f.high);
            vec![
                f.what.clone(),
                f.documents.to_string(),
                two(f.precision),
                two(f.recall),
                two(f.f1),
                interval,
            ]
        })
        .collect();
    let share =
        figures.share_of_work.map_or_else(String::new, |s| format!(", {:.2} % of all work", s * 100.0));
    rows.push(vec![format!("{} of {} kinds right", figures.kinds_right, figures.documents)]);
    rows.push(vec![format!(
        "{} fields, {:.0} a CPU second{share}",
        figures.fields, figures.fields_per_cpu_s
    )]);
    rows.push(vec![format!("of {} called valid {} are wrong", figures.valid, figures.valid_and_wrong)]);
    let [legible, all] = figures.legible;
    rows.push(vec![format!("{legible} of {all} true values stand in what was read")]);
    show(app, &["what", "documents", "precision", "recall", "F1", "95 % interval"], rows, figures)
}

type Read = (Vec<Measured>, f64, Option<f64>);

fn read_documents(app: &App, names: &[PathBuf]) -> Result<Read> {
    let truth_of = |path: &Path| PathBuf::from(format!("{}.truth.json", path.display()));
    let paths: Vec<PathBuf> = names.iter().filter(|path| truth_of(path).exists()).cloned().collect();
    if paths.is_empty() {
        bail!("no NAME.truth.json stands beside a document NAME");
    }
    let understood = command::understand(app, &app.config.interpret.fields_file, &paths)?;
    let (mut measured, mut mine, mut all) = (Vec::new(), 0.0, 0.0);
    for (path, document) in understood {
        let text = std::fs::read_to_string(truth_of(&path))?;
        let truth: Truth =
            serde_json::from_str(&text).with_context(|| format!("the truth of {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (kind, found, read) = match document {
            Some(document) => {
                mine += document.seconds.get("interpret").copied().unwrap_or(0.0);
                all += document.seconds.values().sum::<f64>();
                (document.kind.label, document.fields, flat(&document.text))
            }
            None => ("dead".to_owned(), Vec::new(), String::new()),
        };
        measured.push(Measured { name, truth, kind, found, text: read });
    }
    Ok((measured, mine, Some(mine / f64::max(all, 1e-9))))
}

/// Reads pages without the rest of the pipeline.
struct Pages {
    limits: decode::Limits,
    reader: Reader,
}

impl Pages {
    fn new(app: &App) -> Result<Self> {
        Ok(Self { limits: limits::limits(&app.config, None), reader: limits::reader(&app.config)? })
    }

    fn of(&mut self, path: &Path) -> Result<Vec<PageText>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let decoded = decode::decode(&bytes, &name, None, &self.limits)?;
        let mut pages = Vec::new();
        for (number, page) in (1..).zip(decoded.pages) {
            pages.push(match page {
                Page::Text(page) => page,
                Page::Image => {
                    let image = decode::page_image(&bytes, decoded.media_type, number, &self.limits)?;
                    self.reader.read(&image.pixels, image.dpi)?
                }
            });
        }
        Ok(pages)
    }
}

/// Letters and digits in lower case.
fn flat(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn flat_pages(pages: &[PageText]) -> String {
    pages.iter().map(|page| flat(&page.text)).collect()
}

/// Documents whose kinds are known, in this process: measure with your own.
fn read_pages(app: &App, names: &[PathBuf]) -> Result<Read> {
    let spec = fields::load(&app.config.interpret.fields_file).map_err(anyhow::Error::msg)?;
    let mut reader = Pages::new(app)?;
    let (mut measured, mut mine) = (Vec::new(), 0.0);
    for path in names {
        let Ok(text) = std::fs::read_to_string(format!("{}.truth.json", path.display())) else { continue };
        let truth: Truth =
            serde_json::from_str(&text).with_context(|| format!("the truth of {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pages = reader.of(path)?;
        let clock = Clock::start();
        let found = fields::of_pages(&spec, &truth.kind, &pages).fields;
        mine += clock.spent().cpu_s;
        measured.push(Measured { name, kind: truth.kind.clone(), truth, found, text: flat_pages(&pages) });
    }
    Ok((measured, mine, None))
}

/// Receipts of the SROIE task.
#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    company: String,
    #[serde(default)]
    date: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    total: String,
}

fn read_receipts(app: &App, names: &[PathBuf], args: &FieldsArgs) -> Result<Read> {
    let spec = fields::load(&app.config.interpret.fields_file).map_err(anyhow::Error::msg)?;
    let mut documents = Vec::new();
    let number = |path: &Path| path.file_name()?.to_str()?.get(..3)?.parse::<u32>().ok();
    let mut reader = if args.pictures { Some(Pages::new(app)?) } else { None };
    let wanted = |path: &Path| match args.half {
        None => true,
        Some(half) => number(path).is_some_and(|n| n.is_multiple_of(2) == (half == Half::Even)),
    };
    let keys = names.iter().filter(|path| path.to_string_lossy().ends_with(".key.json"));
    for path in keys.filter(|path| wanted(path)) {
        let text = std::fs::read_to_string(path)?;
        let key: Key = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let boxes = path.to_string_lossy().replace(".key.json", ".box.csv");
        let pages = match &mut reader {
            Some(reader) => reader.of(Path::new(&boxes.replace(".box.csv", ".img.jpg")))?,
            None => {
                let lines = std::fs::read(&boxes).with_context(|| boxes.clone())?;
                vec![boxes_page(&String::from_utf8_lossy(&lines))]
            }
        };
        let named = [
            ("supplier", key.company),
            ("date", key.date),
            ("supplier.address", key.address),
            ("total", key.total),
        ];
        let fields = named
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let truth = Truth { family: "SROIE".to_owned(), kind: "receipt".to_owned(), fields };
        documents.push((boxes, truth, pages));
    }
    let clock = Clock::start();
    let measured = documents.into_iter().map(|(name, truth, pages)| {
        let found = fields::of_pages(&spec, "receipt", &pages).fields;
        Measured { name, truth, kind: "receipt".to_owned(), found, text: flat_pages(&pages) }
    });
    let measured: Vec<Measured> = measured.collect();
    Ok((measured, clock.spent().cpu_s, None))
}

/// A page of lines with boxes: eight corners and the text, parted by commas.
fn boxes_page(csv: &str) -> PageText {
    let lines: Vec<(Vec<f32>, &str)> = csv
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(9, ',');
            let corners: Vec<f32> = parts.by_ref().take(8).filter_map(|n| n.trim().parse().ok()).collect();
            Some((corners, parts.next()?.trim()))
                .filter(|(corners, text)| corners.len() == 8 && !text.is_empty())
        })
        .collect();
    let most = |odd: usize| {
        lines.iter().flat_map(|(c, _)| c.iter().skip(odd).step_by(2)).fold(1.0f32, |m, v| m.max(*v))
    };
    let (width, height) = (most(0), most(1));
    let mut page = PageText::default();
    for (corners, text) in lines {
        let side = |odd: usize, size: f32| {
            let values = corners.iter().skip(odd).step_by(2);
            let (least, most) = values.fold((f32::MAX, f32::MIN), |(l, m), v| (l.min(*v), m.max(*v)));
            (least / size, most / size)
        };
        let ((left, right), (top, bottom)) = (side(0, width), side(1, height));
        page.text.push_str(text);
        page.text.push('\n');
        page.words.push(Word { text: text.to_owned(), bounds: [left, top, right, bottom], confidence: 1.0 });
    }
    page
}
