//! `quire demo`: a folder of documents, understood and found again, before your eyes.

use super::running::Running;
use super::{App, find, print, send};
use crate::consume::Upload;
use crate::document::{Document, DocumentId, Priority, sha256_hex};
use crate::publish::{By, Filter, Query, Standing};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Arguments of `quire demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// Folder with documents
    documents: PathBuf,
    /// The question that is asked in words
    #[arg(long, default_value = "a customer complains that a parcel never arrived")]
    question: String,
}

/// A document of the demo.
struct Shown {
    name: String,
    id: DocumentId,
    sha256: String,
    bytes: Vec<u8>,
}

/// Runs the demo; on a terminal it serves on until Ctrl-C.
pub fn demo(app: &App, args: &DemoArgs) -> Result<ExitCode> {
    let documents = read(&args.documents)?;
    let config = &app.config;
    let running = Running::start(config, &app.metrics, &app.variables)?;
    let started = Instant::now();
    let new = enqueue(&running, &documents)?;
    follow(app, &running, &documents, new)?;
    let took = started.elapsed();
    if let Some(error) = running.pipeline.fatal() {
        return Err(error.into());
    }
    table(&running, &documents)?;
    totals(app, &running, &documents, new, took)?;
    questions(&running, &documents, &args.question)?;
    api(&running)?;
    if std::io::stdout().is_terminal() {
        println!("\nServing until Ctrl-C. Drop files into {}.", running.inbox.folder("inbox").display());
        while !running.shutdown.is_asked() && running.pipeline.fatal().is_none() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    running.stop(Duration::from_secs(config.shutdown.drain_s));
    Ok(ExitCode::SUCCESS)
}

fn read(folder: &std::path::Path) -> Result<Vec<Shown>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut documents = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && !name.starts_with('.') {
            let bytes = std::fs::read(&path)?;
            let sha256 = sha256_hex(&bytes);
            documents.push(Shown { name, id: DocumentId::of_content(&sha256), sha256, bytes });
        }
    }
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    if documents.is_empty() {
        bail!("{} holds no files", folder.display());
    }
    Ok(documents)
}

/// Puts what is not settled yet into the inbox; how many that were.
fn enqueue(running: &Running, documents: &[Shown]) -> Result<usize> {
    let mut new = 0;
    for document in documents {
        let now = jiff::Timestamp::now().as_millisecond();
        let standing = running.store.standing(&document.id, &document.sha256, now, &running.revisions)?;
        let current = standing == Standing::Current;
        let dead = running.store.dead(&document.id)?.is_some_and(|letter| letter.sha256 == document.sha256);
        if !current && !dead {
            let upload = Upload { name: Some(document.name.clone()), ..Upload::default() };
            running.inbox.put(&document.bytes, &upload, Priority::Normal)?;
            new += 1;
        }
    }
    Ok(new)
}

fn follow(app: &App, running: &Running, documents: &[Shown], new: usize) -> Result<()> {
    let settled = |running: &Running| -> usize {
        ["done", "dead", "unchanged"].iter().map(|o| app.metrics.settled_count(o) as usize).sum::<usize>()
            + usize::from(running.pipeline.fatal().is_some()) * documents.len()
    };
    let bar = send::bar(new as u64);
    // What came out of mails and archives counts among the settled, and is waited for as well.
    while settled(running) < new
        || (new > 0 && !running.pipeline.is_drained() && running.pipeline.fatal().is_none())
    {
        if running.shutdown.is_asked() {
            bail!("stopped; what is left is taken up at the next start");
        }
        bar.set_position(settled(running).min(new) as u64);
        let now = running.pipeline.progress().all();
        let slowest = now.first().map_or_else(String::new, |p| match p.pages_total {
            0 => format!("{} ({})", p.name, p.stage),
            total => format!("{} ({}, page {} of {total})", p.name, p.stage, p.pages_done),
        });
        bar.set_message(print::short(&slowest, 60));
        std::thread::sleep(Duration::from_millis(50));
    }
    bar.finish_and_clear();
    Ok(())
}

fn table(running: &Running, documents: &[Shown]) -> Result<()> {
    let mut rows = Vec::new();
    for shown in documents {
        let row = match running.store.get(&shown.id)? {
            Some(document) => understood(&document),
            None => match running.store.dead(&shown.id)? {
                Some(letter) => {
                    let cause = format!("dead ({}): {}", letter.failure.class, letter.failure.reason);
                    let mut row = vec![shown.name.clone()];
                    row.resize(7, "–".to_owned());
                    row.extend([print::short(&cause, 70), String::new()]);
                    row
                }
                None => vec![shown.name.clone(), "not settled".to_owned()],
            },
        };
        rows.push(row);
    }
    let header = ["document", "kind", "pages", "lang", "OCR", "entities", "sentiment", "summary", "seconds"];
    print::table(&header, rows);
    Ok(())
}

fn understood(document: &Document) -> Vec<String> {
    let names: Vec<&str> = document.entities.iter().take(3).map(|e| e.text.as_str()).collect();
    let more = document.entities.len().saturating_sub(3);
    let entities = if more > 0 { format!("{} +{more}", names.join(", ")) } else { names.join(", ") };
    let summary = document.summary.first().map_or("", |s| s.text.as_str());
    vec![
        document.name.clone(),
        format!("{} {}", document.kind.label, print::percent(document.kind.confidence)),
        document.pages.len().to_string(),
        document.language.label.clone(),
        document.ocr_confidence.map_or_else(|| "–".to_owned(), print::percent),
        print::short(&entities, 48),
        document
            .sentiment
            .as_ref()
            .map_or_else(String::new, |s| format!("{} {}", s.label, print::percent(s.confidence))),
        print::short(summary, 70),
        format!("{:.2}", document.seconds.values().sum::<f64>()),
    ]
}

fn totals(app: &App, running: &Running, documents: &[Shown], new: usize, took: Duration) -> Result<()> {
    let counts = running.store.counts()?;
    let seconds = took.as_secs_f64();
    println!(
        "{} documents, {new} of them new, in {seconds:.1} s ({:.2} documents/s); stored: {} documents, {} passages, {} dead letters",
        documents.len(),
        new as f64 / seconds.max(1e-9),
        counts.documents,
        counts.passages,
        counts.dead
    );
    let busy = app.metrics.work_seconds();
    let total: f64 = busy.iter().map(|(_, s)| s).sum();
    if new > 0 && total > 0.0 {
        let shares: Vec<String> = busy
            .iter()
            .filter(|(_, s)| *s > 0.0)
            .map(|(stage, s)| format!("{stage} {:.1} %", s / total * 100.0))
            .collect();
        println!("share of working time: {}", shares.join(", "));
    }
    Ok(())
}

fn questions(running: &Running, documents: &[Shown], question: &str) -> Result<()> {
    println!("\nWhich documents are about “{question}”?");
    let vector = running.pipeline.embedder().embed(question)?;
    let filter = Filter::default();
    find::show(&running.store.search(&Query {
        text: question,
        vector: &vector,
        filter: &filter,
        by: By::Document,
        limit: 5,
    })?);
    let like = documents.iter().find(|d| d.name.contains("agreement")).or_else(|| documents.first());
    if let Some(like) = like
        && let Some(hits) = running.store.similar(&like.id, &filter, 5)?
    {
        println!("\nWhich documents are like {}?", like.name);
        find::show(&hits);
    }
    Ok(())
}

fn api(running: &Running) -> Result<()> {
    let base = format!("http://{}", running.address);
    let ready = ureq::get(format!("{base}/health/ready")).call().context("the API does not answer")?.status();
    let metrics = ureq::get(format!("{base}/metrics")).call()?.body_mut().read_to_string()?;
    let samples = metrics.lines().filter(|l| !l.starts_with('#')).count();
    println!(
        "\nThe page: {base}/\nAPI and metrics: {base} (ready: {ready}; /metrics: {samples} samples; try {base}/v1/search?q=delivery)"
    );
    Ok(())
}
