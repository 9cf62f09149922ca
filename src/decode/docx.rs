//! Word documents: headers, paragraphs, tables and notes in their order. Text that was deleted
//! under revision control is left out.

use super::Limits;
use super::archive::Archive;
use super::writer::Writer;
use super::xml::{self, Visit};
use crate::document::PageText;
use crate::error::Result;
use quick_xml::events::BytesStart;

/// The pages of a Word document, cut where Word last cut them.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<PageText>> {
    let mut archive = Archive::open(bytes, limits.max_expanded_bytes)?;
    let mut body = Body::new(limits);
    let mut headers = archive.names("word/header", ".xml");
    headers.dedup();
    body.parts(&mut archive, &headers)?;
    let part = main_part(&archive).unwrap_or_else(|| "word/document.xml".to_owned());
    let document = archive.xml(&part)?;
    xml::walk(&document, &part, &mut body)?;
    let mut notes = vec!["word/footnotes.xml".to_owned(), "word/endnotes.xml".to_owned()];
    notes.extend(archive.names("word/footer", ".xml"));
    body.parts(&mut archive, &notes)?;
    body.writer.finish_pages(limits)
}

/// Where the text is: Word for the web writes `document2.xml`.
pub(super) fn main_part(archive: &Archive<'_>) -> Option<String> {
    let numbered = |name: &String| {
        let number = name.trim_start_matches("word/document").trim_end_matches(".xml");
        number.bytes().all(|byte| byte.is_ascii_digit())
    };
    archive.names("word/document", ".xml").into_iter().find(numbered)
}

struct Body {
    writer: Writer,
    in_text: bool,
    /// Runs around the place: a text box in a run has runs of its own.
    runs: usize,
    skipped: Skipped,
    /// Notes and margins have no pages of their own.
    breaks_pages: bool,
    /// What headers and footers said: the first page, even pages and the rest often repeat it.
    seen: Vec<String>,
}

impl Body {
    fn new(limits: &Limits) -> Self {
        let skipped = Skipped::new(&["Fallback", "moveFrom", "del", "sectPr"]);
        let (in_text, runs, breaks_pages) = (false, 0, true);
        Self { writer: Writer::new(limits), in_text, runs, skipped, breaks_pages, seen: Vec::new() }
    }

    /// Headers, footers and notes, each text once.
    fn parts(&mut self, archive: &mut Archive<'_>, names: &[String]) -> Result<()> {
        self.breaks_pages = false;
        for name in names {
            if let Some(part) = archive.try_xml(name)?
                && !self.seen.contains(&part)
            {
                xml::walk(&part, name, self)?;
                self.writer.end_paragraph();
                self.seen.push(part);
            }
        }
        self.breaks_pages = true;
        Ok(())
    }

    fn page_break(&mut self) {
        if self.breaks_pages && !self.writer.in_table() {
            self.writer.end_page(false);
        }
    }

    fn start_in_run(&mut self, name: &str, element: &BytesStart<'_>) {
        match name {
            "t" => self.in_text = true,
            "tab" => self.writer.text("\t"),
            "noBreakHyphen" => self.writer.text("-"),
            "cr" => self.writer.end_line(),
            "br" if xml::attribute(element, "w:type").as_deref() == Some("page") => self.page_break(),
            "br" => self.writer.end_line(),
            "lastRenderedPageBreak" => self.page_break(),
            _ => {}
        }
    }
}

impl Visit for Body {
    fn start(&mut self, name: &str, element: &BytesStart<'_>) {
        if self.skipped.start(name) {
            return;
        }
        match name {
            "p" => self.writer.end_paragraph(),
            "r" => self.runs += 1,
            "tbl" => self.writer.begin_table(),
            "tr" => self.writer.begin_row(),
            "tc" => self.writer.begin_cell(),
            _ if self.runs > 0 => self.start_in_run(name, element),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.skipped.end(name) {
            return;
        }
        match name {
            "p" => self.writer.end_paragraph(),
            "r" => self.runs = self.runs.saturating_sub(1),
            "t" => self.in_text = false,
            "tbl" => self.writer.end_table(),
            "tr" => self.writer.end_row(),
            "tc" => self.writer.end_cell(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_text && !self.skipped.now() {
            self.writer.text(text);
        }
    }
}

/// Elements that are left out with all that is in them.
pub(super) struct Skipped {
    names: &'static [&'static str],
    depth: usize,
}

impl Skipped {
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self { names, depth: 0 }
    }

    /// Takes note of an element's start; true if it is left out.
    pub(super) fn start(&mut self, name: &str) -> bool {
        if self.depth > 0 || self.names.contains(&name) {
            self.depth += 1;
        }
        self.depth > 0
    }

    /// Takes note of an element's end; true if it was left out.
    pub(super) fn end(&mut self, _: &str) -> bool {
        let was = self.depth > 0;
        self.depth = self.depth.saturating_sub(1);
        was
    }

    /// Whether the walk is within such an element.
    pub(super) fn now(&self) -> bool {
        self.depth > 0
    }
}
