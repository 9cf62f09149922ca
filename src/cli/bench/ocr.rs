//! Pages per second of OCR. The images are read in this process: measure with your own.

use super::{Clock, Spent, show};
use crate::cli::App;
use crate::digitize::Reader;
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `quire bench ocr`.
#[derive(Args)]
pub struct OcrArgs {
    /// Images of pages (PNG, JPEG, …)
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Dots per inch of the images
    #[arg(long, default_value_t = 300)]
    dpi: u32,
    /// How often each page is read
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

/// What one image took.
#[derive(Serialize)]
struct Figure {
    image: String,
    words: usize,
    confidence: Option<f32>,
    pages_per_cpu_s: f64,
    seconds: Spent,
}

/// Measures and prints.
pub fn run(app: &App, args: &OcrArgs) -> Result<()> {
    let config = &app.config.digitize;
    let mut reader = Reader::new(&config.languages, config.retry_below)?;
    let mut figures = Vec::new();
    for path in &args.images {
        let image = image::open(path).with_context(|| format!("cannot read {}", path.display()))?.to_luma8();
        let clock = Clock::start();
        let mut page = reader.read(&image, args.dpi)?;
        for _ in 1..args.rounds {
            page = reader.read(&image, args.dpi)?;
        }
        let seconds = clock.spent();
        figures.push(Figure {
            image: path.display().to_string(),
            words: page.words.len(),
            confidence: page.ocr_confidence,
            pages_per_cpu_s: args.rounds as f64 / seconds.cpu_s.max(1e-9),
            seconds,
        });
    }
    let row = |figure: &Figure| {
        vec![
            figure.image.clone(),
            figure.words.to_string(),
            figure.confidence.map_or_else(String::new, crate::cli::print::percent),
            format!("{:.2}", figure.pages_per_cpu_s),
            format!("{:.2}", figure.seconds.wall_s),
        ]
    };
    let rows = figures.iter().map(row).collect();
    show(app, &["image", "words", "confidence", "pages/CPU-s", "wall s"], rows, &figures)
}
