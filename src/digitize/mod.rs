//! Page image → words with boxes and confidences. Runs in a sandboxed child process.
//!
//! Two engines behind one trait: Tesseract, and the networks of PP-OCR where their weights are; or
//! both, the networks where Tesseract's reading is doubtful.

mod cleanup;
mod missed;
mod ppocr;
mod reading;
mod tesseract;
mod tsv;

use crate::config::OcrEngine;
use crate::document::PageText;
use crate::error::Result;
use crate::tensor::Network;
use image::GrayImage;
use ppocr::PpOcr;
pub use ppocr::{LINE_WIDTHS, LINES};
use reading::{Reading, better};
use tesseract::Tesseract;

/// Reads pages.
trait Recognizer {
    /// Reads a page of `dpi` dots per inch.
    ///
    /// Errors: `Reject` where it cannot take the image.
    fn read(&mut self, image: &GrayImage, dpi: u32) -> Result<Reading>;
}

/// What PP-OCR needs.
pub struct Networks {
    /// Grey picture → how surely each pixel is text.
    pub detector: Box<dyn Network>,
    /// A line of text, 48 pixels high → for each step its best class and how sure that is.
    pub recognizer: Box<dyn Network>,
    /// What the classes stand for, a line each, from class 1; after the last comes the space.
    pub characters: String,
}

/// Makes the networks, when the first page needs them. It may open no files.
pub type Prepare = Box<dyn FnOnce() -> Result<Networks>>;

/// The engines that the settings name.
pub struct Reader {
    tesseract: Option<Tesseract>,
    prepare: Option<Prepare>,
    ppocr: Option<PpOcr>,
}

/// What Tesseract reads with less confidence, or finds empty, the networks read, too. It reads clean
/// scans with 0.95 and more, receipts with 0.75 to 0.9 (benches/NOTES.md).
const DOUBTFUL: f32 = 0.9;
/// Likewise where it left out more than this share of the letters: a hundredth is a line of a page. Of clean scans it
/// leaves none out, of a photographed receipt the column with the prices (0.1) while it is sure of the rest (0.94).
const MISSED: f32 = 0.01;

impl Reader {
    /// Loads what `engine` needs. After this no file is opened any more. Without networks it is
    /// Tesseract alone.
    ///
    /// Errors: `Fatal` where a language is not installed.
    pub fn new(
        engine: OcrEngine,
        languages: &str,
        retry_below: f32,
        networks: Option<Prepare>,
    ) -> Result<Self> {
        let prepare = networks.filter(|_| engine != OcrEngine::Tesseract);
        let alone = engine == OcrEngine::Ppocr && prepare.is_some();
        // What Tesseract would read again, the networks read better.
        let retry_below = if prepare.is_some() { 0.0 } else { retry_below };
        let tesseract = if alone { None } else { Some(Tesseract::new(languages, retry_below)?) };
        Ok(Self { tesseract, prepare, ppocr: None })
    }

    /// Reads a page of `dpi` dots per inch.
    ///
    /// Errors: `Reject` where the image cannot be taken.
    pub fn read(&mut self, image: &GrayImage, dpi: u32) -> Result<PageText> {
        let first = match &mut self.tesseract {
            Some(tesseract) => Some(tesseract.read(image, dpi)?),
            None => None,
        };
        let is_sure =
            |first: &Reading| first.confidence() >= DOUBTFUL && first.missed() <= MISSED && !first.is_empty();
        if first.as_ref().is_some_and(is_sure) {
            return Ok(first.unwrap_or_default().into_page());
        }
        if let Some(prepare) = self.prepare.take() {
            self.ppocr = Some(PpOcr::new(prepare()?));
        }
        let second = match &mut self.ppocr {
            Some(ppocr) => Some(ppocr.read(image, dpi)?),
            None => None,
        };
        Ok(match (first, second) {
            (Some(first), Some(second)) => better(first, second),
            (first, second) => first.or(second).unwrap_or_default(),
        }
        .into_page())
    }
}
