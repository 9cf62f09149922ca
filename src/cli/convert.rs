//! `quire convert`: documents as text, Markdown or JSON, read in the sandbox and by OCR where need be. Needs
//! no models and no data folder.

use super::App;
use crate::decode::Decoded;
use crate::document::{Page, PageText, sha256_hex};
use crate::error::{Class, Error, Result, Stage};
use crate::pipeline::limits;
use crate::sandbox::{Reply, Request, Worker};
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `quire convert`.
#[derive(Args)]
pub struct ConvertArgs {
    /// Files to read; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Target::Text)]
    to: Target,
    /// Folder for one file each, instead of standard output
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// What a document is converted to.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The text; pages end with form feeds
    Text,
    /// The text with pages as sections; tables are Markdown in every case
    Markdown,
    /// Pages with source, confidence and words; a line for each file
    Json,
}

impl Target {
    fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Markdown => "md",
            Self::Json => "json",
        }
    }
}

/// Converts; fails if any file could not be, after all the others were.
pub fn convert(app: &App, args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("where this program is")?;
    let slot = |stage| Worker::new(limits::sandbox(&app.config, stage, &program), Arc::clone(&app.metrics));
    let mut reader = Reader { app, decode: slot(Stage::Decode), digitize: slot(Stage::Digitize) };
    if let Some(folder) = &args.output {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut failed = false;
    for file in &args.files {
        let shown = file.display().to_string();
        let read = match reader.read(file) {
            Ok(read) => read,
            Err(error) => {
                failed = true;
                eprintln!("{shown}: {error}");
                continue;
            }
        };
        let text = written(&shown, &read, args.to);
        match &args.output {
            Some(folder) => {
                let name = file.file_name().map_or_else(|| "stdin".into(), |n| n.to_string_lossy());
                let path = folder.join(format!("{name}.{}", args.to.ending()));
                std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => {
                let mut out = std::io::stdout().lock();
                if args.files.len() > 1 && args.to != Target::Json {
                    writeln!(out, "==> {shown} <==")?;
                }
                out.write_all(text.as_bytes())?;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What was read of a file.
struct Converted {
    decoded: Decoded,
    pages: Vec<PageText>,
}

struct Reader<'a> {
    app: &'a App,
    decode: Worker,
    digitize: Worker,
}

impl Reader<'_> {
    fn read(&mut self, file: &Path) -> Result<Converted> {
        let bytes = self.bytes(file)?;
        let sha256 = sha256_hex(&bytes);
        let limits = limits::limits(&self.app.config, None);
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let request = Request::Decode { name, declared: None, limits: limits.clone() };
        let mut decoded = match self.decode.call(&request, &sha256, &bytes)? {
            Reply::Decoded(decoded) => decoded,
            _ => return Err(unexpected(Stage::Decode)),
        };
        let mut pages = Vec::with_capacity(decoded.pages.len());
        for (number, page) in (1..).zip(std::mem::take(&mut decoded.pages)) {
            pages.push(match page {
                Page::Text(text) => text,
                Page::Image => {
                    let media_type = decoded.media_type;
                    let request = Request::Digitize { media_type, page: number, limits: limits.clone() };
                    match self.digitize.call(&request, &sha256, &bytes)? {
                        Reply::Page(text) => text,
                        _ => return Err(unexpected(Stage::Digitize)),
                    }
                }
            });
        }
        Ok(Converted { decoded, pages })
    }

    /// The file's bytes, unless they are more than a document may have.
    fn bytes(&self, file: &Path) -> Result<Vec<u8>> {
        let most = self.app.config.consume.max_document_mb << 20;
        let unreadable =
            |e: std::io::Error| Error::reject(Stage::Consume, Class::Storage, format!("cannot be read: {e}"));
        let source: Box<dyn Read> = if file == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(std::fs::File::open(file).map_err(unreadable)?)
        };
        let mut bytes = Vec::new();
        source.take(most as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > most {
            let reason = format!("more than {} MiB; see consume.max_document_mb", most >> 20);
            return Err(Error::reject(Stage::Consume, Class::TooLarge, reason));
        }
        Ok(bytes)
    }
}

fn unexpected(stage: Stage) -> Error {
    Error::reject(stage, Class::Internal, "the sandboxed process answered another question")
}

fn written(file: &str, read: &Converted, to: Target) -> String {
    let texts = read.pages.iter().map(|page| page.text.as_str());
    match to {
        Target::Text => texts.map(|text| format!("{text}\n")).collect::<Vec<_>>().join("\x0c"),
        Target::Markdown => texts.map(|text| format!("{text}\n")).collect::<Vec<_>>().join("\n---\n\n"),
        Target::Json => {
            let pages: Vec<Value> =
                (1..).zip(&read.pages).map(|(number, page)| json_page(number, page)).collect();
            let children: Vec<Value> = read
                .decoded
                .children
                .iter()
                .map(|child| json!({ "path": child.path, "size": child.size }))
                .collect();
            let media_type = read.decoded.media_type.as_str();
            let whole =
                json!({ "file": file, "media_type": media_type, "pages": pages, "children": children });
            format!("{whole}\n")
        }
    }
}

fn json_page(number: u32, page: &PageText) -> Value {
    json!({
        "number": number,
        "source": page.source().as_str(),
        "text": page.text,
        "ocr_confidence": page.ocr_confidence,
        "rotation": page.rotation,
        "words": page.words,
    })
}
