//! Who signs a letter: what stands below the words that close it.

use super::CLOSINGS;
use crate::interpret::fields::labels::matches;
use crate::interpret::fields::layout::{Cell, Sheet};
use crate::interpret::fields::names::{has_form, is_name};
use crate::interpret::fields::reader::Reader;
use std::ops::Range;

/// A name below the closing.
pub struct Signature<'s> {
    pub sheet: &'s Sheet,
    /// The row of the closing.
    pub row: usize,
    pub cell: &'s Cell,
    /// The name in its cell, without what it is of.
    pub part: Range<usize>,
    /// A company's name beside or below it.
    pub company: Option<&'s Cell>,
}

impl Signature<'_> {
    /// The name.
    pub fn name(&self) -> &str {
        self.cell.text.get(self.part.clone()).unwrap_or_default()
    }
}

/// What says in whose name somebody signs.
const FOR: &[&str] = &[
    "im auftrag", "im namen von", "i. a.", "i.a.", "i. v.", "i.v.", "in vertretung", "gez.", "gezeichnet", "ppa.", "ppa", "p.p.", "pp", "signed",
    "for and on behalf of", "on behalf of", "per pro", "für die", "für das", "für den", "for",
];

/// What follows a signature and is none.
const AFTER: &[&str] = &["enc", "encl", "enclosure", "enclosures", "anlage", "anlagen", "cc", "verteiler", "ps", "p.s", "dieses schreiben", "pièces jointes", "page", "seite"];

/// Rows below the closing that a signature can take.
const ROWS: usize = 6;

/// The signature of the last page that has one.
pub fn signature<'r>(reader: &'r Reader<'_>, greeting: Option<usize>) -> Option<Signature<'r>> {
    for (index, sheet) in reader.sheets.iter().enumerate().rev() {
        let from = if index == 0 { greeting.map_or(0, |row| row + 1) } else { 0 };
        let closes = |cell: &Cell| {
            cell.text.chars().count() < 60 && cell.text.split(' ').count() <= 7 && CLOSINGS.iter().any(|w| matches(&cell.text, 0, w).is_some())
        };
        let closing = sheet.rows.iter().enumerate().skip(from).find(|(_, cells)| cells.iter().any(closes));
        if let Some((row, cells)) = closing {
            let column = cells.iter().find(|c| closes(c))?;
            return below(sheet, row, column);
        }
    }
    None
}

fn below<'r>(sheet: &'r Sheet, row: usize, closing: &Cell) -> Option<Signature<'r>> {
    let mut person: Option<(&Cell, Range<usize>)> = None;
    let mut company: Option<&Cell> = None;
    for cells in sheet.rows.iter().skip(row + 1).take(ROWS) {
        // In the column of the closing, where there are several.
        let near = |cell: &&Cell| !sheet.boxed || cell.bounds[0] < closing.bounds[2] + 0.15;
        let Some(cell) = cells.iter().find(near) else { continue };
        if AFTER.iter().any(|word| matches(&cell.text, 0, word).is_some()) {
            break;
        }
        let start = lead(&cell.text);
        let rest = cell.text.get(start..).unwrap_or_default();
        let end = start + rest.find([',', '(']).or_else(|| rest.find(" - ")).unwrap_or(rest.len());
        let name = cell.text.get(start..end).unwrap_or_default().trim_end();
        if !is_name(name) {
            continue;
        }
        if has_form(name) && person.is_some() {
            company = company.or(Some(cell));
        }
        if person.is_none() {
            person = Some((cell, start..start + name.len()));
        }
    }
    let (cell, part) = person?;
    Some(Signature { sheet, row, cell, part, company })
}

/// Where the name begins behind "i. A." and the like.
fn lead(text: &str) -> usize {
    let end = FOR.iter().filter_map(|word| matches(text, 0, word)).max().unwrap_or(0);
    let rest = text.get(end..).unwrap_or_default();
    end + rest.len() - rest.trim_start_matches(|c: char| !c.is_alphanumeric()).len()
}
