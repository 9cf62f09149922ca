//! `quire doctor`: everything that quire needs, checked by using it.

use super::{App, print};
use crate::config::{Precision, workers};
use crate::consume::kafka::client;
use crate::durable;
use crate::error::{Class, Error, Failure, Stage};
use crate::infer::manifests::{manifests, models_dir};
use crate::infer::models::Models;
use crate::infer::{DeviceChoice, choose, encoders_in};
use crate::notify::Post;
use crate::publish::qdrant::QdrantStore;
use crate::sandbox::{Settings, Setup, Worker};
use anyhow::Result;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Serialize)]
struct Check {
    what: &'static str,
    /// What is not keeps quire from working.
    fine: bool,
    found: String,
    /// What to do; where it is fine all the same, what would be better.
    remedy: Option<String>,
}

impl Check {
    fn new(what: &'static str, found: Result<String, (String, String)>) -> Self {
        match found {
            Ok(found) => Self { what, fine: true, found, remedy: None },
            Err((found, remedy)) => Self { what, fine: false, found, remedy: Some(remedy) },
        }
    }

    fn of(what: &'static str, found: Result<String, Error>) -> Self {
        Self::new(what, found.map_err(|e| (e.failure().reason.clone(), e.failure().remedy.clone())))
    }
}

/// Checks; fails if anything is missing.
pub fn doctor(app: &App) -> Result<ExitCode> {
    let mut checks = vec![
        data_folder(&app.config.data.dir),
        Check::of("models", models(app)),
        Check::of("device", device(app)),
        Check::of("parser sandbox", child(app, Stage::Decode, Setup::Decode)),
        Check::of("Tesseract", tesseract(app)),
        Check::new("API address", address(&app.config.serve.listen)),
    ];
    if !app.config.kafka.brokers.is_empty() {
        checks.push(Check::of("Kafka", kafka(app)));
    }
    if !app.config.qdrant.url.is_empty() {
        checks.push(Check::of("Qdrant", qdrant(app)));
    }
    if !app.config.notify.smtp.is_empty() {
        checks.push(Check::new("mail server", mail_server(app)));
    }
    let fine = checks.iter().all(|c| c.fine);
    if app.json {
        print::json(&checks)?;
    } else {
        for check in &checks {
            let sign = match (check.fine, &check.remedy) {
                (true, None) => "✓",
                (true, Some(_)) => "!",
                (false, _) => "✗",
            };
            println!("{sign} {:<15} {}", check.what, check.found);
            if let Some(remedy) = &check.remedy {
                println!("  {:<15} → {remedy}", "");
            }
        }
        println!("{}", if fine { "everything is there" } else { "something is missing; see above" });
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn data_folder(dir: &Path) -> Check {
    let mut check = Check::new("data folder", writable(dir));
    if let Some((found, remedy)) = durable::open_to_others(dir).filter(|_| check.fine) {
        check.found = format!("{}; {found}", check.found);
        check.remedy = Some(remedy);
    }
    check
}

fn writable(dir: &Path) -> Result<String, (String, String)> {
    let shown = dir.display();
    let probe = dir.join(".doctor");
    let written = durable::make_private(dir).and_then(|()| std::fs::write(&probe, b"x"));
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(()) => {
            let free =
                free_bytes(dir).map_or_else(String::new, |b| format!(", {:.1} GB free", b as f64 / 1e9));
            Ok(format!("{shown} can be written{free}"))
        }
        Err(e) => {
            Err((format!("{shown} cannot be written: {e}"), "change data.dir or its permissions".to_owned()))
        }
    }
}

fn free_bytes(dir: &Path) -> Option<u64> {
    disk(dir).map(|(free, _)| free)
}

/// Free bytes and size of the disk that a folder is on.
pub fn disk(dir: &Path) -> Option<(u64, u64)> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(dir.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a C string and `stat` is written by the call before it is read.
    let stat = unsafe {
        match libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) {
            0 => stat.assume_init(),
            _ => return None,
        }
    };
    Some((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
}

fn models(app: &App) -> Result<String, Error> {
    let dir = models_dir(&app.config);
    let models = Models::load(&app.config.infer, &dir)?;
    for manifest in manifests()?.iter().filter(|m| models.revisions.values().any(|r| r.starts_with(&m.name)))
    {
        if let Some(problem) = manifest.verify(&dir).into_iter().next() {
            return Err(Error::fatal(Stage::Infer, crate::error::Class::Model, problem));
        }
    }
    let names: Vec<&str> = models.revisions.values().map(String::as_str).collect();
    Ok(format!("{} in {}, verified", names.join(", "), dir.display()))
}

fn kafka(app: &App) -> Result<String, Error> {
    let config = &app.config.kafka;
    drop(client::sender(config)?);
    Ok(format!("{} answers", config.brokers))
}

fn qdrant(app: &App) -> Result<String, Error> {
    let config = &app.config.qdrant;
    Ok(format!("version {} answers at {}", QdrantStore::ping(config)?, config.url))
}

fn mail_server(app: &App) -> Result<String, (String, String)> {
    let remedy = "change the setting that is named, or ask whoever runs the mail server";
    let checked = Post::open(&app.config.notify).and_then(|post| post.check());
    checked.map_err(|found| (found, remedy.to_owned()))
}

fn device(app: &App) -> Result<String, Error> {
    // With the models, which say how many tokens fit beside them; without, at least which it would be.
    let config = &app.config.infer;
    let loaded = Models::load(config, &models_dir(&app.config)).ok();
    let (choice, threads) = match &loaded {
        Some(models) => (models.device.clone(), models.threads(config.threads)),
        None => (choose(config.device)?, workers(config.threads)),
    };
    // As `run` starts them, so that what keeps it from that shows here.
    let lines = match &loaded {
        Some(models) => crate::pipeline::limits::lines(&app.config, models, &app.metrics)?.is_some(),
        None => false,
    };
    let more = if lines { "; it reads lines of text on pages, too" } else { "" };
    Ok(described(&choice, threads, config.precision) + more)
}

fn described(choice: &DeviceChoice, threads: usize, precision: Precision) -> String {
    let more = match choice.gpus {
        0 => format!(", encoders in {}", encoders_in(precision)),
        _ => choice.tokens.map_or_else(String::new, |tokens| format!("; {tokens} tokens at once fit")),
    };
    format!("{}: {}; {threads} model threads{more}", choice.name, choice.reason)
}

fn child(app: &App, stage: Stage, setup: Setup) -> Result<String, Error> {
    let memory_mb = match stage {
        Stage::Digitize => app.config.digitize.memory_mb,
        _ => app.config.decode.memory_mb,
    };
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("quire"));
    let deadline = Duration::from_secs(30);
    let required = app.config.sandbox.required;
    let settings = Settings { stage, program, setup, deadline, memory_mb, required, recycle_after: 1 };
    let sealed = Worker::new(settings, Arc::clone(&app.metrics)).start()?;
    // What `sandbox.required = false` puts up with is named all the same.
    let found = format!("{sealed}; at most {memory_mb} MiB, 64 open files, no file written, no core");
    if sealed.filter {
        return Ok(found);
    }
    let mut failure = Failure::new(stage, Class::Config, found);
    failure.remedy =
        "allow seccomp filters to this process; until then read only documents that you trust".to_owned();
    Err(Error::Fatal(failure))
}

fn tesseract(app: &App) -> Result<String, Error> {
    let digitize = &app.config.digitize;
    child(app, Stage::Digitize, crate::pipeline::limits::reading(&app.config))?;
    Ok(format!("loads {}; installed: {}", digitize.languages, installed_languages().join(" ")))
}

/// What lies in the folders where Tesseract looks.
pub(super) fn installed_languages() -> Vec<String> {
    let own = std::env::var_os("TESSDATA_PREFIX").map(PathBuf::from);
    let usual = std::fs::read_dir("/usr/share/tesseract-ocr").into_iter().flatten();
    let folders = own.into_iter().chain(usual.filter_map(|e| Some(e.ok()?.path().join("tessdata"))));
    let mut languages: Vec<String> = folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".traineddata")?.to_owned()))
        .collect();
    languages.sort();
    languages.dedup();
    languages
}

fn address(listen: &str) -> Result<String, (String, String)> {
    match std::net::TcpListener::bind(listen) {
        Ok(_) => Ok(format!("{listen} is free")),
        Err(e) => Err((format!("{listen}: {e}"), "stop what uses it, or change serve.listen".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::on_emulated_gpu;

    #[test]
    fn the_tokens_that_a_gpu_takes_at_once_are_told() {
        let (choice, _) = on_emulated_gpu();
        // As many as an engine takes at most: a tiny model leaves room for them.
        let expected = "an emulated GPU: infer.device = auto; 2 model threads; 32768 tokens at once fit";
        assert_eq!(described(&choice, 2, Precision::Auto), expected);
    }
}
