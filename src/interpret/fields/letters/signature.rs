//! Who signs a letter: what stands below the words that close it.

use super::closes;
use super::words::{self, AFTER, FOR};
use crate::interpret::fields::layout::{Cell, Sheet};
use crate::interpret::fields::names::{has_form, is_name};
use crate::interpret::fields::reader::Reader;
use std::ops::Range;

/// A name below the closing.
pub struct Signature<'s> {
    pub sheet: &'s Sheet,
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

/// Rows below the closing that a signature can take.
const ROWS: usize = 6;

/// The signature of the last page that has one.
pub fn signature<'r>(reader: &'r Reader<'_>, greeting: Option<usize>) -> Option<Signature<'r>> {
    for (index, sheet) in reader.sheets.iter().enumerate().rev() {
        let from = if index == 0 { greeting.map_or(0, |row| row + 1) } else { 0 };
        let closing = |cell: &Cell| {
            cell.text.chars().count() < 60 && cell.text.split(' ').count() <= 7 && closes(&cell.text)
        };
        let found = sheet.rows.iter().enumerate().skip(from).find(|(_, cells)| cells.iter().any(closing));
        if let Some((row, cells)) = found {
            let column = cells.iter().find(|c| closing(c))?;
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
        if words::end(AFTER, &cell.text).is_some() {
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
    Some(Signature { sheet, cell, part, company })
}

/// Where the name begins behind "i. A." and the like.
fn lead(text: &str) -> usize {
    let end = words::end(FOR, text).unwrap_or(0);
    let rest = text.get(end..).unwrap_or_default();
    end + rest.len() - rest.trim_start_matches(|c: char| !c.is_alphanumeric()).len()
}
