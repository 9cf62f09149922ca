//! PDF: its text layer where it has one worth reading, else an image of the page for OCR.

use super::children::Children;
use super::pdf_layout::compose;
use super::pdf_text::{Layer, read_layer};
use super::{Limits, PageImage, check_pages, pdf_files, pdf_forms, reject};
use crate::document::Page;
use crate::error::{Class, Error, Result};
use hayro::hayro_interpret::{InterpreterCache, InterpreterSettings};
use hayro::hayro_syntax::object::Dict;
use hayro::hayro_syntax::page::Page as PdfPage;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};
use image::GrayImage;

/// Points per inch.
const POINTS: f32 = 72.0;
/// `%%EOF` is looked for in this many bytes at the end: transfers append garbage.
const TAIL: usize = 8 * 1024;
/// Pages after which what was cached of fonts and images is dropped, so that memory stays flat.
const CACHED_PAGES: usize = 32;
/// Below this resolution a page is not legible; what needs less is too large.
const MIN_DPI: f32 = 72.0;
/// Share of a page that images cover from which it is taken for a scan.
const SCAN_COVER: f64 = 0.7;
/// A scan with a text layer of less than so many times `min_layer_chars` has only been stamped.
const STAMP_FACTOR: usize = 4;
/// Drawn paths without text from which a page may be text converted to outlines.
const OUTLINED_PATHS: usize = 200;

/// The pages of a PDF.
pub(super) fn pages(bytes: &[u8], limits: &Limits, children: &mut Children<'_>) -> Result<Vec<Page>> {
    let pdf = open(bytes)?;
    check_pages(pdf.pages().len(), limits)?;
    pdf_files::attachments(&pdf, children)?;
    let mut pages = Vec::with_capacity(pdf.pages().len());
    let mut left = limits.max_expanded_bytes;
    for chunk in pdf.pages().chunks(CACHED_PAGES) {
        let cache = InterpreterCache::new();
        for page in chunk {
            let mut layer = read_layer(page, &cache)?;
            if needs_ocr(&layer, limits) {
                pages.push(Page::Image);
                continue;
            }
            let widgets = pdf_forms::widgets(page, &mut left)?;
            pdf_forms::write(&widgets, &mut layer.pieces);
            let (width, height) = page.render_dimensions();
            let mut text = compose(layer.pieces, width, height);
            text.form = pdf_forms::fields(widgets);
            pdf_forms::locate(&mut text);
            left = left.checked_sub(text.text.len() as u64).ok_or_else(|| {
                reject(Class::TooLarge, format!("more than {} MB of text", limits.max_expanded_bytes >> 20))
            })?;
            pages.push(Page::Text(text));
        }
    }
    Ok(pages)
}

/// One page as an image, at the resolution of the limits or the highest one within their pixels.
pub(super) fn page_image(bytes: &[u8], page: u32, limits: &Limits) -> Result<PageImage> {
    let pdf = open(bytes)?;
    let index = (page as usize).checked_sub(1);
    let page = index.and_then(|index| pdf.pages().get(index));
    let page = page.ok_or_else(|| reject(Class::Corrupt, "the PDF has no such page"))?;
    let mut left = limits.max_expanded_bytes;
    let form = pdf_forms::fields(pdf_forms::widgets(page, &mut left)?);
    Ok(PageImage { form, ..paint(page, limits)? })
}

fn open(bytes: &[u8]) -> Result<Pdf> {
    let tail = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes);
    if !tail.windows(5).any(|window| window == b"%%EOF") {
        return Err(reject(Class::Truncated, "the PDF stops before its end mark (%%EOF)"));
    }
    let pdf = Pdf::new(bytes.to_vec()).map_err(|error| failure(error, bytes))?;
    let found = pdf.pages().len();
    if found == 0 {
        return Err(reject(Class::Corrupt, "the PDF has no pages"));
    }
    match promised_pages(&pdf) {
        Some(promised) if promised > found => {
            Err(reject(Class::Truncated, format!("{found} of {promised} pages are in the PDF")))
        }
        _ => Ok(pdf),
    }
}

/// The number of pages that the root of the page tree states.
fn promised_pages(pdf: &Pdf) -> Option<usize> {
    let root: Dict<'_> = pdf.xref().get(pdf.xref().root_id())?;
    let count: i32 = root.get::<Dict<'_>>(b"Pages")?.get(b"Count")?;
    usize::try_from(count).ok()
}

fn failure(error: LoadPdfError, bytes: &[u8]) -> Error {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => {
            reject(Class::Encrypted, "the PDF asks for a password")
        }
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => {
            reject(Class::Encrypted, "the PDF is encrypted in a way that is not read")
        }
        LoadPdfError::Decryption(other) => reject(Class::Corrupt, format!("the PDF's encryption: {other:?}")),
        LoadPdfError::Invalid if bytes.windows(8).any(|window| window == b"/Encrypt") => {
            reject(Class::Encrypted, "the PDF is encrypted and cannot be opened")
        }
        LoadPdfError::Invalid => reject(Class::Corrupt, "the PDF has no readable page tree"),
    }
}

/// Whether the text layer is missing, a mere stamp on a scan, or gibberish.
fn needs_ocr(layer: &Layer, limits: &Limits) -> bool {
    let gibberish = layer.strange * 10 > layer.glyphs * 3;
    let pictured = layer.images > 0 || layer.paths >= OUTLINED_PATHS;
    let stamped = layer.cover >= SCAN_COVER && layer.letters < STAMP_FACTOR * limits.min_layer_chars;
    layer.glyphs > 0 && gibberish || pictured && layer.letters < limits.min_layer_chars || stamped
}

fn paint(page: &PdfPage<'_>, limits: &Limits) -> Result<PageImage> {
    let (width, height) = page.render_dimensions();
    let dpi = fitting_dpi(width, height, limits);
    if dpi < MIN_DPI.min(limits.dpi as f32) {
        let reason = format!("a page of {:.0} × {:.0} inches", width / POINTS, height / POINTS);
        return Err(reject(Class::TooLarge, reason));
    }
    let scale = dpi / POINTS;
    // A sliver of a page is still one pixel wide.
    let scale_of = |side: f32| if side * scale < 1.0 { 1.0 / side } else { scale };
    let settings = PixmapSettings { x_scale: scale_of(width), y_scale: scale_of(height), bg_color: WHITE };
    let pixmap = render(
        page,
        &RenderCache::new(),
        &InterpreterSettings::default(),
        &RenderSettings::default(),
        &settings,
    );
    let luma = pixmap.data().iter().map(|pixel| {
        let [red, green, blue] = [pixel.r, pixel.g, pixel.b].map(u32::from);
        ((red * 299 + green * 587 + blue * 114 + 500) / 1000) as u8
    });
    let pixels = GrayImage::from_raw(u32::from(pixmap.width()), u32::from(pixmap.height()), luma.collect());
    let pixels = pixels.ok_or_else(|| reject(Class::Corrupt, "the page could not be painted"))?;
    Ok(PageImage { pixels, dpi: dpi.round() as u32, form: Vec::new() })
}

/// The wanted resolution, or less where the page would have too many pixels.
fn fitting_dpi(width: f32, height: f32, limits: &Limits) -> f32 {
    let wanted = limits.dpi as f32;
    let side = (f32::from(u16::MAX) - 1.0) / width.max(height) * POINTS;
    let area = (limits.max_pixels as f32 / (width * height)).sqrt() * POINTS;
    wanted.min(side).min(area)
}
