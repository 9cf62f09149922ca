//! Documents per second from the inbox to the store: the whole program, in a folder that is thrown
//! away.

use super::{Clock, show};
use crate::cli::App;
use crate::cli::running::Running;
use crate::consume::Upload;
use crate::document::Priority;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `quire bench pipeline`.
#[derive(Args)]
pub struct PipelineArgs {
    /// Folder with documents
    documents: PathBuf,
}

/// What the run did.
#[derive(Serialize)]
struct Figures {
    documents: usize,
    understood: u64,
    dead: u64,
    documents_per_s: f64,
    wall_s: f64,
    stages: Vec<Share>,
}

/// A stage's part.
#[derive(Serialize)]
struct Share {
    stage: String,
    seconds: f64,
    share: f64,
}

/// Measures and prints.
pub fn run(app: &App, args: &PipelineArgs) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("quire-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let figures = measure(app, args, &folder);
    let _ = std::fs::remove_dir_all(&folder);
    let figures = figures?;
    let mut rows: Vec<Vec<String>> = figures
        .stages
        .iter()
        .map(|s| vec![s.stage.clone(), format!("{:.2}", s.seconds), format!("{:.1} %", s.share * 100.0)])
        .collect();
    let whole = format!("{} documents, {:.2}/s", figures.documents, figures.documents_per_s);
    rows.push(vec![whole, format!("{:.2}", figures.wall_s), String::new()]);
    show(app, &["stage", "seconds of work", "share"], rows, &figures)
}

fn measure(app: &App, args: &PipelineArgs, folder: &std::path::Path) -> Result<Figures> {
    let mut config = app.config.clone();
    if config.infer.models_dir.as_os_str().is_empty() {
        config.infer.models_dir = crate::infer::manifests::models_dir(&app.config);
    }
    config.data.dir = folder.to_owned();
    config.kafka.brokers.clear();
    config.qdrant.url.clear();
    "127.0.0.1:0".clone_into(&mut config.serve.listen);
    let running = Running::start(&config, &app.metrics, &app.variables)?;
    let clock = Clock::start();
    let mut documents = 0;
    let entries = std::fs::read_dir(&args.documents)
        .with_context(|| format!("cannot read {}", args.documents.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            running.inbox.put(
                &std::fs::read(&path)?,
                &Upload { name, ..Upload::default() },
                Priority::Normal,
            )?;
            documents += 1;
        }
    }
    let settled = || ["done", "dead", "unchanged"].map(|outcome| app.metrics.settled_count(outcome));
    while settled().iter().sum::<u64>() < documents as u64 {
        if running.shutdown.is_asked() {
            bail!("stopped");
        }
        if let Some(error) = running.pipeline.fatal() {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let wall_s = clock.spent().wall_s;
    let [understood, dead, _] = settled();
    running.stop(Duration::from_secs(config.shutdown.drain_s));
    let work = app.metrics.work_seconds();
    let total = work.iter().map(|(_, seconds)| seconds).sum::<f64>().max(1e-9);
    let stages = work.iter().map(|(stage, seconds)| Share {
        stage: stage.to_string(),
        seconds: *seconds,
        share: seconds / total,
    });
    Ok(Figures {
        documents,
        understood,
        dead,
        documents_per_s: documents as f64 / wall_s.max(1e-9),
        wall_s,
        stages: stages.collect(),
    })
}
