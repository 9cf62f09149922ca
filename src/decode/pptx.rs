//! Presentations: one page per slide in the order of the show, its notes below it.

use super::Limits;
use super::archive::Archive;
use super::docx::Skipped;
use super::writer::Writer;
use super::xml::{self, Visit};
use crate::error::Result;
use quick_xml::events::BytesStart;
use std::collections::BTreeMap;

/// The slides.
pub(super) fn pages(bytes: &[u8], limits: &Limits) -> Result<Vec<String>> {
    let mut archive = Archive::open(bytes, limits.max_expanded_bytes)?;
    let mut deck = Slide::new(limits);
    for slide in slides(&mut archive)? {
        let Some(content) = archive.try_xml(&slide)? else { continue };
        xml::walk(&content, &slide, &mut deck)?;
        if let Some(notes) = related(&mut archive, &slide, "/notesSlide")?.into_values().next()
            && let Some(content) = archive.try_xml(&notes)?
        {
            deck.writer.end_paragraph();
            xml::walk(&content, &notes, &mut deck)?;
        }
        deck.writer.end_page(true);
    }
    deck.writer.finish(limits)
}

/// The slides' parts in the order of the show; by number if the show does not say.
fn slides(archive: &mut Archive<'_>) -> Result<Vec<String>> {
    let part = "ppt/presentation.xml";
    let show = archive.xml(part)?;
    let by_id = related(archive, part, "/slide")?;
    let order = xml::attributes(&show, part, "sldId", ["r:id", "id", "id"])?;
    let listed: Vec<String> = order.iter().filter_map(|[id, ..]| by_id.get(id).cloned()).collect();
    Ok(if listed.is_empty() { archive.names("ppt/slides/slide", ".xml") } else { listed })
}

/// The parts to which a part refers by relations of one kind, by relation id.
fn related(archive: &mut Archive<'_>, part: &str, kind: &str) -> Result<BTreeMap<String, String>> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let name = format!("{folder}/_rels/{file}.rels");
    let Some(relations) = archive.try_xml(&name)? else { return Ok(BTreeMap::new()) };
    let relations = xml::attributes(&relations, &name, "Relationship", ["Id", "Type", "Target"])?;
    let wanted = relations.into_iter().filter(|[_, relation, _]| relation.ends_with(kind));
    Ok(wanted.map(|[id, _, target]| (id, resolve(folder, &target))).collect())
}

/// `../notesSlides/notesSlide1.xml` seen from `ppt/slides` is `ppt/notesSlides/notesSlide1.xml`.
fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<&str> = folder.split('/').collect();
    for step in target.split('/') {
        match step {
            "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.join("/")
}

struct Slide {
    writer: Writer,
    in_text: bool,
    skipped: Skipped,
    /// Slide numbers and dates are fields of the layout, not content.
    in_number: bool,
}

impl Slide {
    fn new(limits: &Limits) -> Self {
        let skipped = Skipped::new(&["Fallback"]);
        Self { writer: Writer::new(limits), in_text: false, skipped, in_number: false }
    }
}

impl Visit for Slide {
    fn start(&mut self, name: &str, element: &BytesStart<'_>) {
        if self.skipped.start(name) {
            return;
        }
        match name {
            "t" => self.in_text = true,
            "br" => self.writer.end_line(),
            "fld" => self.in_number = xml::attribute(element, "type").as_deref() == Some("slidenum"),
            "sp" => self.writer.end_paragraph(),
            "tbl" => self.writer.begin_table(),
            "tr" => self.writer.begin_row(),
            "tc" => self.writer.begin_cell(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.skipped.end(name) {
            return;
        }
        match name {
            "t" => self.in_text = false,
            "fld" => self.in_number = false,
            "p" => self.writer.end_line(),
            "sp" => self.writer.end_paragraph(),
            "tbl" => self.writer.end_table(),
            "tr" => self.writer.end_row(),
            "tc" => self.writer.end_cell(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_text && !self.in_number && !self.skipped.now() {
            self.writer.text(text);
        }
    }
}
