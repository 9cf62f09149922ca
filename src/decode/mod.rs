//! Bytes → pages: text, or an image where there is none. Runs in a sandboxed child process.
//!
//! Pure functions: no file, no network, no clock. The content decides what a document is
//! ([`media_type`]); one module per format turns it into [`Page`]s. A page without text stays
//! [`Page::Image`] until [`page_image`] paints it for OCR.

mod archive;
mod archives;
mod children;
mod code_pages;
mod docx;
mod eml;
mod eml_bytes;
mod eml_lines;
mod eml_parts;
mod epub;
mod heif;
#[cfg(test)]
mod hostile_tests;
mod html;
mod image_scan;
mod images;
mod json;
mod markup;
mod mbox;
pub mod media_type;
mod msg;
mod odf;
mod odf_margins;
mod pdf;
mod pdf_files;
mod pdf_forms;
#[cfg(test)]
mod pdf_forms_tests;
mod pdf_layout;
mod pdf_lines;
mod pdf_text;
mod pptx;
mod rtf;
mod rtf_packed;
#[cfg(test)]
mod samples;
mod seven_bit;
#[cfg(test)]
mod tests;
mod text;
mod tiff_fax;
mod tiff_palette;
mod tiffs;
mod writer;
mod xlsx;
mod xml;

use children::Children;

use crate::document::{FormField, MediaType, Page, PageText};
use crate::error::{Class, Error, Result, Stage};
use image::GrayImage;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Limits before work: what a document may cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// Pages of one document.
    pub max_pages: u32,
    /// Bytes of an archive once unpacked, and of the text taken from a document.
    pub max_expanded_bytes: u64,
    /// Pixels of one page image.
    pub max_pixels: u64,
    /// Letters and digits below which the text layer of a PDF page with an image on it counts as
    /// absent.
    pub min_layer_chars: usize,
    /// Resolution at which PDF pages are painted.
    pub dpi: u32,
    /// What may come out of it.
    pub family: FamilyLimits,
}

/// Limits on the documents that come out of a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FamilyLimits {
    /// Levels of documents that may still be within it.
    pub levels: u32,
    /// Documents.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Attachments of one mail or PDF.
    pub attachments: u64,
    /// How many times larger than itself what it holds may be once unpacked.
    pub expansion: u64,
}

/// What a document is and what is on its pages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decoded {
    /// What it is, by content.
    pub media_type: MediaType,
    /// Its pages, in order; at least one.
    pub pages: Vec<Page>,
    /// The documents within it.
    pub children: Vec<Child>,
}

/// A document within another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Where it is in there; no two are at the same path.
    pub path: String,
    /// The media type that its holder declares, if any.
    pub declared: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes; they travel behind the message.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Child {
    /// Its file name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// The image of a page that has no text, upright as its file says, 8-bit grey on white.
pub struct PageImage {
    /// The pixels.
    pub pixels: GrayImage,
    /// Pixels per inch: as the file says, or assumed from the size of A4 where it says nothing
    /// plausible.
    pub dpi: u32,
    /// Fields of a form on the page.
    pub form: Vec<FormField>,
}

/// Finds out what a document is and what is on its pages. `name` and `declared` are hints that
/// only tell text formats apart.
pub fn decode(bytes: &[u8], name: &str, declared: Option<&str>, limits: &Limits) -> Result<Decoded> {
    guard("document", || {
        let media_type = media_type::detect(bytes, name, declared)?;
        let mut children = Children::new(bytes.len(), limits);
        let pages = pages(bytes, name, media_type, limits, &mut children)?;
        check_pages(pages.len(), limits)?;
        Ok(Decoded { media_type, pages, children: children.finish() })
    })
}

/// The image of a page that [`decode`] called [`Page::Image`]. Pages count from 1.
pub fn page_image(bytes: &[u8], media_type: MediaType, page: u32, limits: &Limits) -> Result<PageImage> {
    guard(media_type.as_str(), || match media_type {
        MediaType::Pdf => pdf::page_image(bytes, page, limits),
        MediaType::Tiff => tiffs::page_image(bytes, page, limits),
        MediaType::Heic => heif::page_image(bytes, page, limits),
        MediaType::Png | MediaType::Jpeg | MediaType::Webp | MediaType::Bmp | MediaType::Gif => {
            images::page_image(bytes, media_type, page, limits)
        }
        other => Err(reject(Class::Unsupported, format!("a page of {other} has no image"))),
    })
}

/// Adds the fields of the form on a page to what was read from its image.
pub fn add_form(page: &mut PageText, form: Vec<FormField>) {
    page.form = form;
    pdf_forms::locate(page);
}

/// A page for a person to look at.
pub struct Painting {
    /// Grey.
    pub jpeg: Vec<u8>,
    /// Pixels across and down.
    pub size: [u32; 2],
    /// Pixels per inch.
    pub dpi: u32,
}

/// A page for a person to look at, at most `width` pixels across.
pub fn paint(
    bytes: &[u8],
    media_type: MediaType,
    page: u32,
    limits: &Limits,
    width: u32,
) -> Result<Painting> {
    let PageImage { pixels: image, dpi, .. } = page_image(bytes, media_type, page, limits)?;
    guard("image", || {
        let (w, h) = image.dimensions();
        let height = (u64::from(h) * u64::from(width) / u64::from(w.max(1))).clamp(1, u64::from(u16::MAX));
        let small = match w > width {
            true => image::imageops::thumbnail(&image, width, u32::try_from(height).unwrap_or(1)),
            false => image,
        };
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 82)
            .encode_image(&small)
            .map_err(|e| reject(Class::Internal, format!("the page cannot be written as JPEG: {e}")))?;
        let size = small.dimensions();
        let dpi = u64::from(dpi) * u64::from(size.0) / u64::from(w.max(1));
        Ok(Painting { jpeg, size: size.into(), dpi: u32::try_from(dpi).unwrap_or(1).max(1) })
    })
}

fn pages(
    bytes: &[u8],
    name: &str,
    media_type: MediaType,
    limits: &Limits,
    children: &mut Children<'_>,
) -> Result<Vec<Page>> {
    let texts = match media_type {
        MediaType::Pdf => return pdf::pages(bytes, limits, children),
        MediaType::Tiff => return tiffs::pages(bytes, limits),
        MediaType::Heic => return heif::pages(bytes, limits),
        MediaType::Png | MediaType::Jpeg | MediaType::Webp | MediaType::Bmp | MediaType::Gif => {
            return images::pages(bytes, media_type, limits);
        }
        MediaType::Html => return Ok(layered(html::pages(bytes, limits)?)),
        MediaType::Markdown | MediaType::Csv | MediaType::Text => text::pages(bytes),
        MediaType::Email => eml::pages(bytes, limits, children)?,
        MediaType::Mbox => mbox::pages(bytes, children)?,
        MediaType::Msg => msg::pages(bytes, limits, children)?,
        MediaType::Zip => archives::zip(bytes, children)?,
        MediaType::Tar => archives::tar(bytes, children)?,
        MediaType::Gzip => archives::gzip(bytes, name, children)?,
        MediaType::Json | MediaType::JsonLines => json::pages(bytes, limits)?,
        MediaType::Xml => markup::pages(bytes, limits)?,
        MediaType::Rtf => return Ok(layered(rtf::pages(bytes, limits)?)),
        MediaType::Epub => epub::pages(bytes, limits)?,
        MediaType::Docx => return Ok(layered(docx::pages(bytes, limits)?)),
        MediaType::Pptx => pptx::pages(bytes, limits)?,
        MediaType::Xlsx => return Ok(layered(xlsx::pages(bytes, limits)?)),
        MediaType::Odt | MediaType::Ods | MediaType::Odp => {
            return Ok(layered(odf::pages(bytes, media_type, limits)?));
        }
    };
    Ok(texts.into_iter().map(|text| Page::Text(PageText::plain(text))).collect())
}

fn layered(pages: Vec<PageText>) -> Vec<Page> {
    pages.into_iter().map(Page::Text).collect()
}

/// A rejection by this stage.
fn reject(class: Class, reason: impl Display) -> Error {
    Error::reject(Stage::Decode, class, reason)
}

/// Refuses a document with more pages than the limit.
fn check_pages(pages: usize, limits: &Limits) -> Result<()> {
    if u32::try_from(pages).is_ok_and(|pages| pages <= limits.max_pages) {
        return Ok(());
    }
    Err(reject(Class::TooLarge, format!("{pages} pages; decode.max_pages is {}", limits.max_pages)))
}

/// Refuses an image with more pixels than the limit, before anything is allocated for it.
fn check_pixels(width: u32, height: u32, limits: &Limits) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(reject(Class::Corrupt, format!("the image measures {width} × {height} pixels")));
    }
    if u64::from(width) * u64::from(height) <= limits.max_pixels {
        return Ok(());
    }
    let limit = limits.max_pixels / 1_000_000;
    let reason = format!("an image of {width} × {height} pixels; digitize.max_megapixels is {limit}");
    Err(reject(Class::TooLarge, reason))
}

/// Runs a parser. Those are other people's code: a panic in one is the document's fault here, as
/// nothing is shared that it could have left half changed.
fn guard<T>(what: &str, parse: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|panic| {
        Err(reject(Class::Corrupt, format!("the {what} parser panicked: {}", message(panic.as_ref()))))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
