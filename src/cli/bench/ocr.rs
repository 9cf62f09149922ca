//! Speed of OCR, and how well it reads where the truth is known. The images are read in this process:
//! measure with your own.

use super::measures::{MEASURES, character_error_rate, spearman};
use super::{Clock, Spent, show};
use crate::cli::App;
use crate::config::Device;
use crate::digitize::Reader;
use crate::infer::manifests::models_dir;
use crate::infer::models::Models;
use crate::pipeline::limits;
use crate::sandbox::networks;
use crate::tensor::{Network, SharedNetwork};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pages of which a correlation says something.
const FEWEST: usize = 8;

/// Arguments of `quire bench ocr`.
#[derive(Args)]
pub struct OcrArgs {
    /// Images of pages (PNG, JPEG, …), or folders of them
    ///
    /// Truth is read from beside an image: NAME.txt, or of an image NAME.img.jpg the file NAME.box.csv,
    /// whose lines are eight corners and a text; or from ../truth/NAME.txt, as in tests/corpus.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Dots per inch of the images; 0 = as a page of A4
    #[arg(long, default_value_t = 300)]
    dpi: u32,
    /// How often each page is read
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Engines to read with, one after the other on each page [default: as configured]
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Have the GPU read lines of text, as `quire run` does where there is one; only the rest then takes CPU time
    #[arg(long)]
    gpu: bool,
}

/// What one image took.
#[derive(Serialize)]
struct Figure {
    image: String,
    engine: String,
    words: usize,
    confidence: Option<f32>,
    /// Of words as runs of letters and digits, whatever their case and order.
    word_f1: Option<f64>,
    /// Characters to change, over those of the truth; white space is one blank.
    character_error_rate: Option<f64>,
    /// What might tell the error rate, by name.
    measures: BTreeMap<&'static str, f64>,
    pages_per_cpu_s: f64,
    seconds: Spent,
}

/// What reads lines of text on a GPU.
fn on_gpu(app: &App) -> Result<Arc<dyn SharedNetwork>> {
    let mut infer = app.config.infer.clone();
    infer.device = Device::Gpu;
    let models = Models::load(&infer, &models_dir(&app.config))?;
    let lines = limits::lines(&app.config, &models, &app.metrics)?;
    lines.context("digitize.engine = tesseract, or the networks are not there: `quire models fetch`")
}

/// Measures and prints.
pub fn run(app: &App, args: &OcrArgs) -> Result<()> {
    let config = &app.config.digitize;
    let engines = match args.engines.as_slice() {
        [] => vec![config.engine],
        names => names.iter().map(|name| name.parse().map_err(anyhow::Error::msg)).collect::<Result<_>>()?,
    };
    let folder = models_dir(&app.config).join(networks::MANIFEST);
    let lines = match args.gpu {
        true => Some(on_gpu(app)?),
        false => None,
    };
    let mut readers = Vec::new();
    for engine in engines {
        let apart = lines.clone().map(|lines| Box::new(lines) as Box<dyn Network>);
        let made =
            Reader::new(engine, &config.languages, config.retry_below, networks::read(&folder, apart))?;
        readers.push((engine.to_string(), made));
    }
    let mut figures = Vec::new();
    for path in images(&args.images)? {
        let image = image::open(&path).with_context(|| format!("cannot read {}", path.display()))?.to_luma8();
        let truth = truth(&path);
        // 11.7 inches: the height of A4.
        let dpi = if args.dpi == 0 { image.width().max(image.height()) * 10 / 117 } else { args.dpi };
        for (engine, reader) in &mut readers {
            let clock = Clock::start();
            let mut page = reader.read(&image, dpi)?;
            for _ in 1..args.rounds {
                page = reader.read(&image, dpi)?;
            }
            let seconds = clock.spent();
            figures.push(Figure {
                image: path.display().to_string(),
                engine: engine.clone(),
                words: page.words.len(),
                confidence: page.ocr_confidence,
                word_f1: truth.as_ref().map(|truth| word_f1(&page.text, truth)),
                character_error_rate: truth.as_ref().map(|truth| character_error_rate(&page.text, truth)),
                measures: MEASURES.iter().map(|(name, measure)| (*name, measure(&page.words))).collect(),
                pages_per_cpu_s: args.rounds as f64 / seconds.cpu_s.max(1e-9),
                seconds,
            });
        }
    }
    let share = |value: Option<f64>| value.map_or_else(String::new, |v| format!("{v:.3}"));
    let row = |figure: &Figure| {
        vec![
            figure.image.clone(),
            figure.engine.clone(),
            figure.words.to_string(),
            share(figure.confidence.map(f64::from)),
            share(figure.word_f1),
            share(figure.character_error_rate),
            format!("{:.2}", figure.pages_per_cpu_s),
            format!("{:.2}", figure.seconds.wall_s),
        ]
    };
    let mut rows: Vec<Vec<String>> = figures.iter().map(row).collect();
    for (engine, _) in &readers {
        let own: Vec<&Figure> = figures.iter().filter(|figure| figure.engine == *engine).collect();
        let known: Vec<f64> = own.iter().filter_map(|figure| figure.word_f1).collect();
        let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        let errors: Vec<f64> = own.iter().filter_map(|figure| figure.character_error_rate).collect();
        let error = mean.map(|_| errors.iter().sum::<f64>() / errors.len().max(1) as f64);
        let (cpu, wall) = own.iter().fold((0.0, 0.0), |(cpu, wall), figure| {
            (cpu + figure.seconds.cpu_s, wall + figure.seconds.wall_s)
        });
        rows.push(vec![
            format!("all {}", own.len()),
            engine.clone(),
            own.iter().map(|figure| figure.words).sum::<usize>().to_string(),
            String::new(),
            share(mean),
            share(error),
            format!("{:.2}", (own.len() * args.rounds) as f64 / f64::max(cpu, 1e-9)),
            format!("{wall:.2}"),
        ]);
        rows.extend(correlations(engine, &own));
    }
    show(
        app,
        &["image", "engine", "words", "confidence", "word F1", "CER", "pages/CPU-s", "wall s"],
        rows,
        &figures,
    )
}

/// How well each measure tells the error rates of an engine's pages, in ranks: −1 would be always.
fn correlations(engine: &str, figures: &[&Figure]) -> Vec<Vec<String>> {
    let known: Vec<(&Figure, f64)> =
        figures.iter().filter_map(|figure| Some((*figure, figure.character_error_rate?))).collect();
    if known.len() < FEWEST {
        return Vec::new();
    }
    let errors: Vec<f64> = known.iter().map(|(_, error)| *error).collect();
    let row = |name: &&'static str| {
        let values: Vec<f64> =
            known.iter().filter_map(|(figure, _)| figure.measures.get(name)).copied().collect();
        let correlation = format!("{:.3}", spearman(&values, &errors));
        vec![format!("rank correlation with CER: {name}"), engine.to_owned(), String::new(), correlation]
    };
    MEASURES.iter().map(|(name, _)| name).map(row).collect()
}

/// The images that are named, and those in folders that are, in order.
fn images(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let is_image = |path: &PathBuf| {
            path.extension().and_then(|e| e.to_str()).is_some_and(|e| ["png", "jpg", "jpeg"].contains(&e))
        };
        let mut images: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_image).collect();
        images.sort();
        found.extend(images);
    }
    Ok(found)
}

/// The text that an image shows, from a file beside it.
fn truth(image: &Path) -> Option<String> {
    let name = image.file_name()?.to_str()?;
    if let Some(stem) = name.strip_suffix(".img.jpg") {
        let bytes = std::fs::read(image.with_file_name(format!("{stem}.box.csv"))).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter_map(|line| line.splitn(9, ',').nth(8)).collect();
        return Some(lines.join("\n"));
    }
    let name = format!("{name}.txt");
    let apart =
        image.parent().and_then(|folder| folder.parent()).map(|corpus| corpus.join("truth").join(&name));
    let places = [Some(image.with_file_name(&name)), apart];
    places.into_iter().flatten().find_map(|path| std::fs::read_to_string(path).ok())
}

/// F1 of the words of a text, as a bag.
fn word_f1(found: &str, truth: &str) -> f64 {
    let bag = |text: &str| {
        let mut bag = BTreeMap::<String, usize>::new();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *bag.entry(word.to_uppercase()).or_default() += 1;
        }
        bag
    };
    let (found, truth) = (bag(found), bag(truth));
    let both: usize = found.iter().map(|(word, n)| *n.min(truth.get(word).unwrap_or(&0))).sum();
    let all = found.values().sum::<usize>() + truth.values().sum::<usize>();
    if all == 0 { 1.0 } else { 2.0 * both as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_whatever_their_case_and_order() {
        assert_eq!(word_f1("Total: 9.00", "total 9.00"), 1.0);
        assert_eq!(word_f1("9 00 total", "total 9.00"), 1.0);
        assert!((word_f1("a b c d", "a b x y") - 0.5).abs() < 1e-9);
        assert_eq!((word_f1("", "a"), word_f1("", "")), (0.0, 1.0));
    }
}
