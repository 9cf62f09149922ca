//! Tesseract, through leptess.
//!
//! A page is read once. Only where the reading is doubtful is it read again: turned upright,
//! then cleaned up; the reading with the most confident characters wins.

use super::reading::{Reading, better};
use super::{Recognizer, cleanup, missed, tsv};
use crate::error::{Class, Error, Result, Stage};
use image::GrayImage;
use leptess::{LepTess, Variable};

/// Tesseract's page segmentation modes that are used (its `PageSegMode`).
const AUTO: &str = "3";
const AUTO_WITH_ORIENTATION: &str = "1";
/// Tesseract's models were trained on about 300 dpi; below this, enlarging helps.
const ENLARGE_BELOW_DPI: u32 = 150;

/// One Tesseract instance with its languages loaded.
pub struct Tesseract {
    tesseract: LepTess,
    retry_below: f32,
}

impl Tesseract {
    /// Loads `languages` (as `eng+deu`). After this no file is opened any more.
    ///
    /// Errors: `Fatal` where a language is not installed.
    pub fn new(languages: &str, retry_below: f32) -> Result<Self> {
        let missing = |_| {
            let mut error = crate::error::Failure::new(
                Stage::Digitize,
                Class::Config,
                format!("Tesseract cannot load the languages `{languages}`"),
            );
            error.remedy = format!(
                "install them (apt install {}) or change digitize.languages; see `quire doctor`",
                languages.split('+').map(|l| format!("tesseract-ocr-{l}")).collect::<Vec<_>>().join(" ")
            );
            Error::Fatal(error)
        };
        if languages.contains('\0') {
            return Err(Error::fatal(Stage::Digitize, Class::Config, "digitize.languages holds a NUL"));
        }
        // Of several languages Tesseract takes those that it finds and is silent about the others.
        for language in languages.split('+').filter(|_| languages.contains('+')) {
            drop(LepTess::new(None, language).map_err(missing)?);
        }
        let mut reader = Self { tesseract: LepTess::new(None, languages).map_err(missing)?, retry_below };
        // The orientation model is loaded at its first use: use it now, before files are out of reach.
        let blank = GrayImage::from_pixel(64, 64, image::Luma([255]));
        reader.recognise(&blank, 300, AUTO_WITH_ORIENTATION)?;
        Ok(reader)
    }

    fn recognise(&mut self, image: &GrayImage, dpi: u32, mode: &str) -> Result<Reading> {
        let fault = |what: &str| Error::reject(Stage::Digitize, Class::Corrupt, what);
        let (width, height) = image.dimensions();
        self.tesseract
            .set_variable(Variable::TesseditPagesegMode, mode)
            .map_err(|_| fault("Tesseract refused its page segmentation mode"))?;
        // A binary PGM (netpbm) is read by Leptonica without any codec.
        let mut pgm = format!("P5\n{width} {height}\n255\n").into_bytes();
        pgm.extend_from_slice(image.as_raw());
        self.tesseract
            .set_image_from_mem(&pgm)
            .map_err(|_| fault("Tesseract cannot take the page's image"))?;
        self.tesseract.set_source_resolution(i32::try_from(dpi.clamp(70, 2400)).unwrap_or(300));
        if self.tesseract.recognize() != 0 {
            return Err(fault("Tesseract failed to recognise the page"));
        }
        let text =
            self.tesseract.get_tsv_text(0).map_err(|_| fault("Tesseract returned text that is not UTF-8"))?;
        let mut reading = tsv::parse(&text, width, height);
        reading.has_missed(missed::share(image, &reading));
        Ok(reading)
    }
}

impl Recognizer for Tesseract {
    /// Errors: `Reject` where Tesseract cannot take the image.
    fn read(&mut self, image: &GrayImage, dpi: u32) -> Result<Reading> {
        let enlarged;
        let (image, dpi) = if dpi < ENLARGE_BELOW_DPI {
            enlarged = cleanup::enlarge(image, 2);
            (&enlarged, dpi * 2)
        } else {
            (image, dpi)
        };
        let mut best = self.recognise(image, dpi, AUTO)?;
        if best.confidence() < self.retry_below {
            best = better(best, self.recognise(image, dpi, AUTO_WITH_ORIENTATION)?);
        }
        if best.confidence() < self.retry_below {
            let turned = cleanup::turn_upright(image, best.rotation());
            let level = cleanup::flatten_background(&turned, dpi);
            let mut reading = self.recognise(&level, dpi, AUTO)?;
            reading.turn_back(best.rotation());
            best = better(best, reading);
            let calm = cleanup::median(&level);
            let mut reading = self.recognise(&calm, dpi, AUTO)?;
            reading.turn_back(best.rotation());
            best = better(best, reading);
        }
        Ok(best)
    }
}
