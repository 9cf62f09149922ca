//! `quire kinds`: teaching kinds of documents by examples, and measuring how well they are told.

mod corrections;
mod folder;

use super::{App, print};
use crate::document::Scored;
use crate::infer::manifests::models_dir;
use crate::interpret::{Guess, LEAST_EXAMPLES, Lesson, Score};
use crate::pipeline::{Examples, Read};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use corrections::Corrections;
use folder::Found;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `quire kinds` does.
#[derive(Subcommand)]
pub enum KindsCommand {
    /// Learn kinds from a folder of examples, and write a head for the setting infer.kind
    ///
    /// DIR/KIND/ holds documents of that kind, in any format that is read; ten of a kind are few, three are the
    /// least. Those in a folder of their own within it (DIR/KIND/SENDER/) are judged together, so that documents of one
    /// layout do not vouch for each other. The built-in kinds are kept: examples of them count more than what is built in.
    Learn(LearnArgs),
    /// Tell the kinds of the documents in DIR/KIND/, and compare
    Test(TestArgs),
}

/// Arguments of `quire kinds learn`.
#[derive(Args)]
pub struct LearnArgs {
    /// Folder of folders
    #[arg(required_unless_present = "corrections")]
    folder: Option<PathBuf>,
    /// Learn from what people decided, too: lines that `quire review export` wrote
    ///
    /// The texts are learned from as they were corrected. Kinds with fewer than three examples in all are left out.
    #[arg(long, value_name = "FILE")]
    corrections: Option<PathBuf>,
    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "kinds.safetensors")]
    output: PathBuf,
    /// Learn only the kinds in the folder, without those that are built in
    #[arg(long)]
    alone: bool,
    /// List every document that cross-validation got wrong
    #[arg(long)]
    wrong: bool,
}

/// Arguments of `quire kinds test`.
#[derive(Args)]
pub struct TestArgs {
    /// Folder of folders
    folder: PathBuf,
    /// Use this head instead of the configured one
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// List every document that was told wrong
    #[arg(long)]
    wrong: bool,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    score: &'a Score,
    head: String,
    kinds: Vec<String>,
    wrong: Vec<&'a Guess>,
}

/// Runs a command.
pub fn kinds(app: &App, command: &KindsCommand) -> Result<ExitCode> {
    match command {
        KindsCommand::Learn(args) => learn(app, args),
        KindsCommand::Test(args) => test(app, args),
    }
}

fn learn(app: &App, args: &LearnArgs) -> Result<ExitCode> {
    let found = args.folder.as_ref().map_or_else(|| Ok(Vec::new()), |folder| folder::examples(folder))?;
    let mut counts = folder::counts(&found);
    let decided = match &args.corrections {
        Some(file) => corrections::read(file, &counts, LEAST_EXAMPLES)?,
        None => Corrections::default(),
    };
    decided.left_out.iter().for_each(|what| eprintln!("left out: {what}"));
    decided.lessons.iter().for_each(|lesson| *counts.entry(lesson.kind.clone()).or_default() += 1);
    if counts.is_empty() {
        bail!("nothing is left to learn from");
    }
    // Before minutes of reading, not after them.
    folder::enough(&counts, LEAST_EXAMPLES)?;
    let (examples, read) = read(app, None, args.alone, &found)?;
    let lesson = |(found, read): (&Found, Read)| Lesson {
        path: found.path.display().to_string(),
        kind: found.kind.clone(),
        group: found.group.clone(),
        signs: read.signs,
    };
    let mut lessons: Vec<Lesson> = found.iter().zip(read).map(lesson).collect();
    for crate::review::Lesson { id, sha256, kind, text, .. } in decided.lessons {
        let read = examples.read_text(id.as_str(), &text).with_context(|| id.to_string())?;
        lessons.push(Lesson {
            path: id.to_string(),
            kind,
            group: format!("decided/{sha256}"),
            signs: read.signs,
        });
    }
    let taught = examples.teach(&lessons, args.alone)?;
    let about = &taught.head.about;
    let bytes = taught.head.write().map_err(anyhow::Error::msg)?;
    write(&args.output, &bytes)?;
    let score = Score::of(&taught.guesses);
    let head = args.output.display().to_string();
    if app.json {
        let wrong = taught.guesses.iter().filter(|g| g.truth != g.said).collect();
        print::json(&Report { score: &score, head, kinds: about.kinds.clone(), wrong })?;
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} examples; each judged by a head that saw none of its group, at a temperature of {:.2}:",
        about.examples, about.temperature
    );
    show(&score, args.wrong.then_some(taught.guesses.as_slice()));
    println!(
        "{head}: {} kinds, {:.1} kB; use it with --set infer.kind={head}",
        about.kinds.len(),
        bytes.len() as f64 / 1e3
    );
    Ok(ExitCode::SUCCESS)
}

fn test(app: &App, args: &TestArgs) -> Result<ExitCode> {
    let found = folder::examples(&args.folder)?;
    let (_, read) = read(app, args.head.as_deref(), false, &found)?;
    let guess = |(found, read): (&Found, Read)| {
        let Scored { label, confidence } = read.kind;
        Guess { path: found.path.display().to_string(), truth: found.kind.clone(), said: label, confidence }
    };
    let guesses: Vec<Guess> = found.iter().zip(read).map(guess).collect();
    let score = Score::of(&guesses);
    if app.json {
        let head =
            args.head.as_ref().map_or_else(|| app.config.infer.kind.clone(), |h| h.display().to_string());
        let wrong = guesses.iter().filter(|g| g.truth != g.said).collect();
        print::json(&Report {
            score: &score,
            head,
            kinds: score.confusion.keys().cloned().collect(),
            wrong,
        })?;
    } else {
        show(&score, args.wrong.then_some(guesses.as_slice()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads every document; fails after the last one where any could not be read.
fn read(app: &App, head: Option<&Path>, alone: bool, found: &[Found]) -> Result<(Examples, Vec<Read>)> {
    let mut config = app.config.clone();
    if let Some(head) = head {
        head.to_str().context("--head is not UTF-8")?.clone_into(&mut config.infer.kind);
    }
    if alone {
        config.infer.kind.clear();
    }
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut examples = Examples::start(&config, &models_dir(&app.config), &app.metrics, &program)?;
    let bar = ProgressBar::new(found.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} read, {eta} left")?);
    let (mut all, mut failures) = (Vec::with_capacity(found.len()), 0);
    for one in found {
        let name = one.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let most = app.config.consume.max_document_mb << 20;
        let read = bytes(&one.path, most)
            .and_then(|bytes| examples.read(&name, &bytes).map_err(anyhow::Error::from));
        match read {
            Ok(read) => all.push(read),
            Err(error) => {
                failures += 1;
                bar.suspend(|| eprintln!("{}: {error:#}", one.path.display()));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if failures > 0 {
        bail!("{failures} of {} documents could not be read; mend them or take them away", found.len());
    }
    Ok((examples, all))
}

/// A file's bytes, unless they are more than a document may have.
fn bytes(path: &Path, most: usize) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).context("cannot be read")?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).context("cannot be read")?;
    if bytes.len() > most {
        bail!("more than {} MiB; see consume.max_document_mb", most >> 20);
    }
    Ok(bytes)
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("--output {}: is no name of a file", path.display()))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    crate::durable::write_whole(folder, name, bytes)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn show(score: &Score, wrong: Option<&[Guess]>) {
    let (header, rows) = score.table();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    print::table(&header, rows);
    let [low, high] = score.interval;
    println!(
        "{} of {} right: {:.1} % (95 % interval {:.1} to {:.1}), calibration error {:.3}",
        score.right,
        score.documents,
        score.accuracy * 100.0,
        low * 100.0,
        high * 100.0,
        score.calibration_error
    );
    for guess in wrong.into_iter().flatten().filter(|g| g.truth != g.said) {
        println!("  {}: {}, said {} ({:.2})", guess.path, guess.truth, guess.said, guess.confidence);
    }
}
