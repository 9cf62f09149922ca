//! `quire convert`: documents as text, Markdown, JSON or PDFs that can be searched, read in the sandbox and by OCR
//! where need be. Needs no models and no data folder.

mod pdf;

use super::App;
use crate::decode::Decoded;
use crate::document::{FormField, MediaType, Page, PageText, sha256_hex};
use crate::error::{Class, Error, Result, Stage};
use crate::pipeline::limits;
use crate::sandbox::{Reply, Request, Worker};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use pdf::{Pdf, Picture};
use serde_json::{Value, json};
use std::io::{BufWriter, Read, Write};
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
    /// A PDF that can be searched: pictures of the pages with their words behind them, unseen; pages of
    /// text where there are no pictures. A PDF that needs no OCR stays as it is
    PdfText,
}

/// Pixels across of the pictures in such a PDF, at most: A4 at 300 dpi, and a little.
const PICTURE_WIDTH: u32 = 2600;

impl Target {
    fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Markdown => "md",
            Self::Json => "json",
            Self::PdfText => "pdf",
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
    if args.to == Target::PdfText && args.files.len() > 1 && args.output.is_none() {
        bail!("several PDFs do not fit into one output: name a folder with --output");
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
        match &args.output {
            Some(folder) => {
                let name = file.file_name().map_or_else(|| "stdin".into(), |n| n.to_string_lossy());
                let path = folder.join(format!("{name}.{}", args.to.ending()));
                let unwritten = || format!("cannot write {}", path.display());
                let out = BufWriter::new(std::fs::File::create(&path).with_context(unwritten)?);
                if let Err(error) = reader.write(&shown, &read, args.to, out) {
                    // Nothing is better than a half.
                    let _ = std::fs::remove_file(&path);
                    failed = true;
                    eprintln!("{shown}: {error:#}");
                }
            }
            None => {
                let mut out = std::io::stdout().lock();
                if args.files.len() > 1 && args.to != Target::Json {
                    writeln!(out, "==> {shown} <==")?;
                }
                reader.write(&shown, &read, args.to, out)?;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What was read of a file.
struct Converted {
    bytes: Vec<u8>,
    sha256: String,
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
        Ok(Converted { bytes, sha256, decoded, pages })
    }

    fn write(&mut self, file: &str, read: &Converted, to: Target, mut out: impl Write) -> anyhow::Result<()> {
        let media_type = read.decoded.media_type;
        let needs_nothing =
            media_type == MediaType::Pdf && read.pages.iter().all(|p| p.ocr_confidence.is_none());
        match to {
            Target::PdfText if needs_nothing => out.write_all(&read.bytes)?,
            Target::PdfText => {
                let mut pdf = Pdf::begin(out)?;
                for (number, page) in (1..).zip(&read.pages) {
                    match has_pictures(media_type) {
                        true => pdf.picture(&self.picture(read, number)?, page)?,
                        false => pdf.text(&page.text)?,
                    }
                }
                return Ok(pdf.end()?);
            }
            Target::Text => out.write_all(joined(read, "\x0c").as_bytes())?,
            Target::Markdown => out.write_all(joined(read, "\n---\n\n").as_bytes())?,
            Target::Json => out.write_all(json(file, read).as_bytes())?,
        }
        Ok(out.flush()?)
    }

    fn picture(&mut self, read: &Converted, page: u32) -> Result<Picture> {
        let (media_type, limits) = (read.decoded.media_type, limits::limits(&self.app.config, None));
        let request = Request::Paint { media_type, page, limits, width: PICTURE_WIDTH };
        match self.decode.call(&request, &read.sha256, &read.bytes)? {
            Reply::Painted { jpeg, size, dpi } => Ok(Picture { jpeg, size, dpi }),
            _ => Err(unexpected(Stage::Decode)),
        }
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

/// Whether pages of that type are pictures, or can be painted.
fn has_pictures(media_type: MediaType) -> bool {
    matches!(
        media_type,
        MediaType::Pdf
            | MediaType::Tiff
            | MediaType::Png
            | MediaType::Jpeg
            | MediaType::Heic
            | MediaType::Webp
            | MediaType::Bmp
            | MediaType::Gif
    )
}

fn unexpected(stage: Stage) -> Error {
    Error::reject(stage, Class::Internal, "the sandboxed process answered another question")
}

/// The pages' texts, each with a newline at its end, with this between them.
fn joined(read: &Converted, between: &str) -> String {
    read.pages.iter().map(|page| format!("{}\n", page.text)).collect::<Vec<_>>().join(between)
}

fn json(file: &str, read: &Converted) -> String {
    let pages: Vec<Value> = (1..).zip(&read.pages).map(|(number, page)| json_page(number, page)).collect();
    let children = read.decoded.children.iter();
    let children: Vec<Value> =
        children.map(|child| json!({ "path": child.path, "size": child.size })).collect();
    let media_type = read.decoded.media_type.as_str();
    let whole = json!({ "file": file, "media_type": media_type, "pages": pages, "children": children });
    format!("{whole}\n")
}

fn json_field(field: &FormField) -> Value {
    let FormField { name, label, kind, value, checked, bounds, .. } = field;
    json!({ "name": name, "label": label, "kind": kind, "value": value, "checked": checked, "bounds": bounds })
}

fn json_page(number: u32, page: &PageText) -> Value {
    json!({
        "number": number,
        "source": page.source().as_str(),
        "text": page.text,
        "ocr_confidence": page.ocr_confidence,
        "rotation": page.rotation,
        "form": page.form.iter().map(json_field).collect::<Vec<_>>(),
        "words": page.words,
    })
}
