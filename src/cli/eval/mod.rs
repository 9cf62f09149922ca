//! `quire models eval`: how good the configured models are on public test data, through quire's own
//! engine, on the texts as they are and spoilt.

mod data;
mod names;
mod papers;
mod score;
mod spoil;
mod tones;

use super::{App, print};
use crate::batch::{PackedBatch, WindowOutput};
use crate::document::PageText;
use crate::feed::{Reader, Tokenizer, language};
use crate::infer::manifests::models_dir;
use crate::infer::models::{Models, TokenizerOf};
use crate::interpret::summarise;
use crate::tasks::{EMBEDDING, HeadOf};
use crate::window::Window;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use papers::Paper;
use score::{Figure, Judged, Tally};
use serde::Serialize;
use spoil::Spoiled;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tones::ToneSet;

/// What to measure.
#[derive(Args)]
pub struct EvalArgs {
    /// Folder with ner/, sentiment/, sts/ and summarization/ (models/train/README.md says which files); files that are
    /// not there are left out
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Texts of each set at most, from its start
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// Only the texts as they are: none with reading errors or in capitals
    #[arg(long)]
    plain: bool,
    /// Tasks to measure; all, if none is named
    tasks: Vec<Task>,
}

/// Tasks that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Task {
    Embedding,
    Ner,
    Sentiment,
    Summary,
}

/// A line of the table.
#[derive(Serialize)]
struct Row {
    task: &'static str,
    set: String,
    text: String,
    measure: String,
    #[serde(flatten)]
    figure: Figure,
    /// Expected calibration error over ten bins; `None` where there are no confidences.
    calibration_error: Option<f64>,
    /// Mean confidence.
    confidence: Option<f64>,
    count: usize,
}

/// Tokens of a batch.
const BATCH: usize = 4096;

/// One model with its reader.
struct Runner {
    reader: Reader,
    engine: Box<dyn crate::infer::Engine>,
}

/// Measures and prints.
pub fn eval(app: &App, args: &EvalArgs) -> Result<ExitCode> {
    let models = Models::load(&app.config.infer, &models_dir(&app.config))?;
    let wanted = |task: Task| args.tasks.is_empty() || args.tasks.contains(&task);
    let most = args.most.unwrap_or(usize::MAX);
    let ways =
        |all: &'static [Spoiled]| all.get(..if args.plain { 1 } else { all.len() }).unwrap_or_default();
    let mut rows = Vec::new();
    if let Some(head) = models.tasks.ner.clone().filter(|_| wanted(Task::Ner)) {
        let mut runner = Runner::new(&models, head.model, app)?;
        for (set, file) in data::NER {
            let sentences = data::names(&args.data.join(file))?;
            for way in ways(Spoiled::ALL) {
                let some = sentences.iter().take(most);
                rows.extend(names::sentences(&mut runner, &head, set, *way, some)?);
            }
        }
        let least = app.config.interpret.min_entity_confidence;
        for (set, file, language) in names::DOCUMENTS {
            let documents = names::documents(&args.data.join(file), language)?;
            for way in ways(Spoiled::IN_PLACE) {
                let some = documents.get(..most.min(documents.len())).unwrap_or_default();
                rows.extend(names::of_documents(&mut runner, &head, set, *way, some, least)?);
            }
        }
    }
    if let Some(head) = models.tasks.sentiment.clone().filter(|_| wanted(Task::Sentiment)) {
        let mut runner = Runner::new(&models, head.model, app)?;
        for set in tones::sets(&args.data)? {
            for way in ways(Spoiled::ALL) {
                rows.push(tone(&mut runner, &head, *way, &set, most)?);
            }
        }
    }
    if wanted(Task::Summary) {
        let mut runner = Runner::new(&models, EMBEDDING, app)?;
        let papers = papers::papers(&args.data.join(papers::PAPERS))?;
        let some = papers.get(..most.min(papers.len())).unwrap_or_default();
        rows.extend(summaries(&mut runner, some, app.config.interpret.summary_sentences)?);
    }
    if wanted(Task::Embedding) {
        let mut runner = Runner::new(&models, EMBEDDING, app)?;
        for (set, pairs) in data::pairs(&args.data.join("sts"))? {
            rows.push(likeness(&mut runner, set, pairs.get(..most.min(pairs.len())).unwrap_or_default())?);
        }
    }
    if rows.is_empty() {
        bail!("{}: found no test data for these tasks", args.data.display());
    }
    print_rows(app, &rows)?;
    Ok(ExitCode::SUCCESS)
}

impl Runner {
    fn new(models: &Models, model: usize, app: &App) -> Result<Self> {
        let loaded = models.loaded.get(model).context("there is no such model")?;
        let TokenizerOf::File { path, prefix } = &loaded.tokenizer else {
            bail!("a model that writes cannot be measured here");
        };
        let tokenizer = Arc::new(Tokenizer::open(path, loaded.vocabulary, prefix)?);
        let marks = tokenizer.marks().start.len() + tokenizer.marks().end.len();
        let window_tokens = loaded.max_tokens.saturating_sub(marks).min(app.config.feed.window_tokens);
        let reader = Reader { tokenizer, window_tokens, overlap_tokens: 0 };
        let mut engines = models.engines();
        if model >= engines.len() {
            bail!("there is no engine for model {model}");
        }
        Ok(Self { reader, engine: engines.swap_remove(model) })
    }

    /// Each text's windows with what the model says of them.
    fn run(&mut self, texts: &[String]) -> Result<Vec<Vec<(Window, WindowOutput)>>> {
        let mut done: Vec<Vec<(Window, WindowOutput)>> = texts.iter().map(|_| Vec::new()).collect();
        let (mut batch, mut waiting) = (PackedBatch::new(), Vec::new());
        for (index, text) in texts.iter().enumerate() {
            for window in self.reader.pages(&[PageText::plain(text.as_str())])? {
                let spans: Vec<_> = window.sentences.iter().map(|(rows, _)| rows.clone()).collect();
                batch.push_shaped(&window.tokens, &window.shapes(), &spans);
                waiting.push((index, window));
            }
            if batch.tokens.len() >= BATCH || index + 1 == texts.len() {
                let outputs = self.engine.run(&batch)?;
                for ((index, window), output) in waiting.drain(..).zip(outputs) {
                    if let Some(place) = done.get_mut(index) {
                        place.push((window, output));
                    }
                }
                batch = PackedBatch::new();
            }
        }
        Ok(done)
    }
}

/// Tone, of those that the set has.
fn tone(runner: &mut Runner, head: &HeadOf, way: Spoiled, set: &ToneSet, most: usize) -> Result<Row> {
    let place = |name: &&'static str| {
        let found = head.labels.iter().position(|l| l.eq_ignore_ascii_case(name));
        found.map(|at| (*name, at)).with_context(|| format!("the sentiment model has no label `{name}`"))
    };
    let labels = set.labels.iter().map(place).collect::<Result<Vec<_>>>()?;
    let tones: Vec<_> = set.texts.iter().take(most).collect();
    let texts: Vec<String> = tones.iter().map(|t| way.apply(&t.text, &[]).0).collect();
    let (mut tallies, mut judged) = (Vec::new(), Judged::default());
    for ((tone, text), windows) in tones.iter().zip(&texts).zip(runner.run(&texts)?) {
        let language = language(&[PageText::plain(text.as_str())], None);
        let said: Vec<_> = windows.iter().filter_map(|(_, output)| output.heads.get(head.head)).collect();
        let said: Vec<_> = said.iter().map(|scores| head.worth(scores, &language)).collect();
        let sum = |at: usize| -> f32 { said.iter().filter_map(|scores| scores.get(at)).sum() };
        let scores: Vec<(&str, f32)> = labels.iter().map(|(name, at)| (*name, sum(*at))).collect();
        let total: f32 = scores.iter().map(|(_, score)| score).sum();
        let best = scores.iter().max_by(|a, b| a.1.total_cmp(&b.1)).copied();
        let (label, score) = best.unwrap_or_default();
        let right = label == tone.label;
        judged.add(score / total.max(f32::MIN_POSITIVE), right);
        tallies.push(Tally { hit: usize::from(right), said: 1, true_: 1 });
    }
    Ok(Row {
        task: "sentiment",
        set: set.name.to_owned(),
        text: way.to_string(),
        measure: "accuracy".to_owned(),
        figure: score::interval(&tallies, score::f1),
        calibration_error: Some(judged.error()),
        confidence: Some(judged.mean()),
        count: tallies.len(),
    })
}

/// Summaries by what they have in common with those of people, beside the first sentences.
fn summaries(runner: &mut Runner, papers: &[Paper], count: usize) -> Result<Vec<Row>> {
    let texts: Vec<String> = papers.iter().map(|paper| paper.sentences.join("\n")).collect();
    let (mut ours, mut lead) = (Vec::new(), Vec::new());
    for ((paper, text), windows) in papers.iter().zip(&texts).zip(runner.run(&texts)?) {
        let page = [PageText::plain(text.as_str())];
        ours.push(papers::rouge(&summarise(&page, &windows, count).join(" "), &paper.summary));
        let first: Vec<&str> = paper.sentences.iter().take(count).map(String::as_str).collect();
        lead.push(papers::rouge(&first.join(" "), &paper.summary));
    }
    let mut rows = Vec::new();
    for (index, measure) in ["ROUGE-1", "ROUGE-2", "ROUGE-L"].into_iter().enumerate() {
        for (name, scores) in [("extracted", &ours), ("the first sentences", &lead)] {
            let values: Vec<f64> = scores.iter().filter_map(|s| s.get(index).copied()).collect();
            rows.push(Row {
                task: "summary",
                set: "ACLSum test".to_owned(),
                text: format!("{count} sentences, {name}"),
                measure: measure.to_owned(),
                figure: score::interval(&values, score::mean),
                calibration_error: None,
                confidence: None,
                count: values.len(),
            });
        }
    }
    Ok(if papers.is_empty() { Vec::new() } else { rows })
}

/// Likeness of sentences: rank correlation of cosines with people's scores.
fn likeness(runner: &mut Runner, set: String, pairs: &[(f64, String, String)]) -> Result<Row> {
    let texts: Vec<String> = pairs.iter().flat_map(|(_, a, b)| [a.clone(), b.clone()]).collect();
    let vectors: Vec<Vec<f32>> = runner
        .run(&texts)?
        .into_iter()
        .map(|windows| windows.into_iter().next().map(|(_, o)| o.embedding).unwrap_or_default())
        .collect();
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    let both: Vec<(f64, f64)> = pairs
        .iter()
        .zip(vectors.chunks_exact(2))
        .filter_map(|((score, ..), pair)| match pair {
            [a, b] => Some((*score, cosine(a, b))),
            _ => None,
        })
        .collect();
    Ok(Row {
        task: "embedding",
        set,
        text: Spoiled::Not.to_string(),
        measure: "Spearman".to_owned(),
        figure: score::interval(&both, score::spearman),
        calibration_error: None,
        confidence: None,
        count: both.len(),
    })
}

fn print_rows(app: &App, rows: &[Row]) -> Result<()> {
    if app.json {
        return print::json(&rows);
    }
    let percent = |value: Option<f64>| value.map_or(String::new(), |v| format!("{:.1}", v * 100.0));
    let cells = rows.iter().map(|row| {
        let figure = &row.figure;
        vec![
            row.task.to_owned(),
            row.set.clone(),
            row.text.clone(),
            row.measure.clone(),
            format!("{:.1} ({:.1} to {:.1})", figure.value * 100.0, figure.low * 100.0, figure.high * 100.0),
            percent(row.confidence),
            percent(row.calibration_error),
            row.count.to_string(),
        ]
    });
    let head = [
        "task",
        "test set",
        "text",
        "measure",
        "% (95 % interval)",
        "confidence",
        "calibration error",
        "texts",
    ];
    print::table(&head, cells.collect());
    Ok(())
}
