//! OpenDocument text, spreadsheets (sheet = page) and presentations (slide = page). Cells are
//! taken as they are displayed, so dates and amounts read as a person sees them.

use super::archive::Archive;
use super::docx::Skipped;
use super::media_type::find;
use super::odf_margins::{Margins, margins};
use super::writer::Writer;
use super::xml::{self, Visit};
use super::{Limits, reject};
use crate::document::{MediaType, PageText};
use crate::error::{Class, Result};
use quick_xml::events::BytesStart;

/// Spaces and repeated cells are stored as counts; a count beyond this is not meant for reading.
const MAX_REPEAT: usize = 256;

/// The pages of an OpenDocument file.
pub(super) fn pages(bytes: &[u8], media_type: MediaType, limits: &Limits) -> Result<Vec<PageText>> {
    let mut archive = Archive::open(bytes, limits.max_expanded_bytes)?;
    if let Some(manifest) = archive.try_read("META-INF/manifest.xml")?
        && find(&manifest, b"encryption-data").is_some()
    {
        return Err(reject(Class::Encrypted, "the OpenDocument file asks for a password"));
    }
    let content = archive.xml("content.xml")?;
    let margins = match archive.try_xml("styles.xml")? {
        Some(styles) if media_type != MediaType::Odp => {
            margins(&styles, &content, media_type == MediaType::Ods)?
        }
        _ => Margins::default(),
    };
    let mut body = Body::new(media_type, limits);
    body.paragraphs_of(&margins.above);
    xml::walk(&content, "content.xml", &mut body)?;
    body.paragraphs_of(&margins.below);
    body.writer.finish_pages(limits)
}

struct Body {
    writer: Writer,
    media_type: MediaType,
    /// Within a paragraph: outside of one, white space is only the layout of the XML.
    paragraphs: usize,
    skipped: Skipped,
    /// Tables open now: a spreadsheet's outermost ones are its sheets.
    tables: usize,
    /// A sheet was read, whose page ends where the next one begins.
    has_sheet: bool,
    /// The value of the open cell if it displays none, and how often the cell stands there.
    cell: Option<(String, usize)>,
    cell_has_text: bool,
}

impl Body {
    fn new(media_type: MediaType, limits: &Limits) -> Self {
        Self {
            writer: Writer::new(limits),
            media_type,
            paragraphs: 0,
            skipped: Skipped::new(&["annotation", "tracked-changes", "forms", "scripts", "styles"]),
            tables: 0,
            has_sheet: false,
            cell: None,
            cell_has_text: false,
        }
    }

    fn paragraphs_of(&mut self, margin: &[String]) {
        for paragraph in margin {
            self.writer.text(paragraph);
            self.writer.end_paragraph();
        }
    }

    fn begin_table(&mut self, element: &BytesStart<'_>) {
        if self.media_type == MediaType::Ods && self.tables == 0 {
            if std::mem::replace(&mut self.has_sheet, true) {
                self.writer.end_page(true);
            }
            self.writer.text(&xml::attribute(element, "table:name").unwrap_or_default());
            self.writer.end_paragraph();
        }
        self.tables += 1;
        self.writer.begin_table();
    }

    fn end_table(&mut self) {
        self.tables = self.tables.saturating_sub(1);
        self.writer.end_table();
    }

    fn begin_cell(&mut self, element: &BytesStart<'_>) {
        let keys = ["office:date-value", "office:time-value", "office:string-value", "office:value"];
        let value = keys.iter().find_map(|key| xml::attribute(element, key)).unwrap_or_default();
        self.cell = Some((value, count(element, "table:number-columns-repeated")));
        self.cell_has_text = false;
        self.writer.begin_cell();
    }

    fn end_cell(&mut self) {
        let (value, repeat) = self.cell.take().unwrap_or_default();
        if !self.cell_has_text {
            self.writer.text(&value);
        }
        self.writer.end_cell();
        // What is repeated with content is rare; empty runs keep the columns in place.
        if !self.cell_has_text && value.is_empty() && repeat < MAX_REPEAT {
            for _ in 1..repeat {
                self.writer.begin_cell();
                self.writer.end_cell();
            }
        }
    }
}

fn count(element: &BytesStart<'_>, name: &str) -> usize {
    let count = xml::attribute(element, name).and_then(|count| count.parse().ok());
    count.unwrap_or(1).min(MAX_REPEAT)
}

impl Visit for Body {
    fn start(&mut self, name: &str, element: &BytesStart<'_>) {
        if self.skipped.start(name) {
            return;
        }
        match name {
            "p" | "h" => self.paragraphs += 1,
            "s" => self.writer.text(&" ".repeat(count(element, "text:c"))),
            "tab" => self.writer.text("\t"),
            "line-break" => self.writer.end_line(),
            "soft-page-break" if self.tables == 0 => self.writer.end_page(false),
            // Notes stand where they are called for.
            "note" | "note-body" => self.writer.text(" "),
            "table" => self.begin_table(element),
            "table-row" => self.writer.begin_row(),
            "table-cell" | "covered-table-cell" => self.begin_cell(element),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.skipped.end(name) {
            return;
        }
        match name {
            "p" | "h" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                // The points of a slide belong together; paragraphs of a text stand apart.
                let points = self.media_type == MediaType::Odp;
                if points { self.writer.end_line() } else { self.writer.end_paragraph() }
            }
            "frame" => self.writer.end_paragraph(),
            "note" => self.writer.text(" "),
            "table" => self.end_table(),
            "table-row" => self.writer.end_row(),
            "table-cell" | "covered-table-cell" => self.end_cell(),
            "page" => self.writer.end_page(true),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.paragraphs > 0 && !self.skipped.now() {
            self.cell_has_text = true;
            self.writer.words(text);
        }
    }
}
