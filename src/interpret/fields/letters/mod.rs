//! Letters: who wrote to whom about what, by what stands where.
//!
//! A letter's head is what stands before its greeting. `address` tells its lines by their form; here they
//! become blocks, and blocks become addresses. Of those, `recipient` weighs what speaks for each; `sender`
//! and `subject` look at what is left, and at the signature.

mod address;
mod recipient;
mod sender;
mod signature;
mod subject;
mod words;

pub use recipient::recipient;
pub use sender::sender;
pub use subject::subject;

use super::layout::{Cell, Sheet};
use super::names::has_form;
use super::reader::Reader;
use crate::document::{Field, FieldValue};
use address::Is;
use recipient::Recipient;
use signature::Signature;
use std::ops::Range;

/// Whether a line begins as a greeting does.
pub fn begins(text: &str) -> bool {
    words::end(words::GREETINGS, text).is_some()
}

/// Whether a line begins as letters close.
pub fn closes(text: &str) -> bool {
    words::end(words::CLOSINGS, text).is_some()
}

/// Rows of a page that its head can have: more is a list, and its work must stay small.
const HEAD: usize = 60;

/// Cells of a row that are looked at, for the same reason.
const CELLS: usize = 12;

/// A line of the head.
#[derive(Clone, Copy)]
pub struct Line<'s> {
    /// Its row of the sheet.
    row: usize,
    /// Its place in that row.
    column: usize,
    /// The block that it stands in.
    block: usize,
    cell: &'s Cell,
    is: Is,
}

/// The first page of a letter.
pub struct Letter<'s> {
    sheet: &'s Sheet,
    /// The row of the greeting.
    greeting: Option<usize>,
    /// Whom it greets by name: a part of the greeting's cell.
    greeted: Option<(&'s Cell, Range<usize>)>,
    /// The lines of the head, from top to bottom.
    lines: Vec<Line<'s>>,
    /// Who signs.
    signature: Option<Signature<'s>>,
    recipient: Option<Recipient<'s>>,
}

impl<'s> Letter<'s> {
    /// What stands where on the first page.
    fn read(reader: &'s Reader<'_>) -> Option<Self> {
        let sheet = reader.sheets.first()?;
        let greeting = sheet.rows.iter().position(|row| row.iter().any(greets));
        let head = greeting.or_else(|| sheet.rows.iter().position(|row| row.iter().any(sentence)));
        let lines = blocks(sheet, lines(sheet, head.unwrap_or(HEAD).min(HEAD)));
        let greeted =
            greeting.and_then(|row| sheet.rows.get(row)?.iter().find(|c| greets(c))).and_then(greeted);
        let signature = signature::signature(reader, greeting);
        let mut letter = Self { sheet, greeting, greeted, lines, signature, recipient: None };
        letter.recipient = recipient::choose(&letter);
        Some(letter)
    }

    /// The name that is greeted, without courtesies.
    fn greeted_name(&self) -> Option<&'s str> {
        let (cell, part) = self.greeted.as_ref()?;
        cell.text.get(part.clone())
    }

    /// Whether a cell is part of the recipient's address.
    fn is_recipients(&self, cell: &Cell) -> bool {
        self.recipient.as_ref().is_some_and(|r| r.lines.iter().any(|l| std::ptr::eq(l.cell, cell)))
    }

    /// The lines that go on with the one at `at` of `lines`: a name or a subject in several lines.
    fn whole(lines: &[Line<'s>], at: usize) -> Vec<&'s Cell> {
        let mut cells: Vec<&'s Cell> = lines.get(at).map(|line| line.cell).into_iter().collect();
        for pair in lines.get(at..).unwrap_or_default().windows(2) {
            let [above, below] = pair else { break };
            // "der Häuser Uferweg 2 bis 28"; but "rue des Lilas 9" is a street.
            let of = ["der ", "des ", "of ", "and ", "und "];
            let street = below.is == Is::Street && of.iter().any(|word| below.cell.text.starts_with(word));
            let named = matches!(below.is, Is::Name | Is::Words) || street;
            if below.block != above.block || !named || !goes_on(&above.cell.text, &below.cell.text) {
                break;
            }
            cells.push(below.cell);
        }
        cells
    }
}

/// Whether a cell is a greeting.
fn greets(cell: &Cell) -> bool {
    let text = cell.text.as_str();
    let words = text.split(' ').count();
    let ends = text.ends_with([',', ':', '!', ';', '-']);

    words <= 12
        && text.chars().count() < 90
        && (ends || words <= 5)
        && (ends || !has_form(text))
        && begins(text)
}

/// The name in a greeting: behind the words that greet, before the mark that ends it.
fn greeted(cell: &Cell) -> Option<(&Cell, Range<usize>)> {
    let text = cell.text.as_str();
    let after = words::end(words::GREETINGS, text)?;
    let end = text.get(after..)?.find([',', '!', ':', ';']).map_or(text.len(), |at| after + at);
    let rest = text.get(after..end)?;
    let name = rest.trim();
    let start = after + rest.len() - rest.trim_start().len();
    let nobody = name.split([' ', '/']).any(|word| words::holds(words::NOBODY, &word.to_lowercase()));
    let fine = name.starts_with(char::is_uppercase)
        && !nobody
        && name.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    fine.then(|| (cell, start..start + name.len()))
}

/// Whether a cell is a sentence, or a line of one.
fn sentence(cell: &Cell) -> bool {
    let words = cell.text.split(' ').count();
    words >= 10 || (words >= 7 && cell.text.ends_with('.'))
}

/// The lines of the rows before `head`, with what each is. What stands at or below a label alone is a fact too.
fn lines(sheet: &Sheet, head: usize) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut labels: Vec<&Cell> = Vec::new();
    for (row, cells) in sheet.rows.iter().enumerate().take(head) {
        let mut own: Vec<&Cell> = Vec::new();
        let mut led = false;
        for (column, cell) in cells.iter().enumerate().take(CELLS) {
            let mut is = address::is(&cell.text);
            let bare = is == Is::Fact && address::fact(&cell.text) == Some(false);
            let below = |label: &&Cell| match sheet.boxed {
                true => label.above(cell),
                false => labels.len() > 1 || (label.bounds[0] - cell.bounds[0]).abs() <= 2.0,
            };
            if bare {
                own.push(cell);
            } else if led {
                own.pop();
            }
            // In lines without boxes, what follows a label may stand in another column: a name is no value of it.
            let free = !sheet.boxed && labels.len() < 2 && !cell.text.contains(|c: char| c.is_ascii_digit());
            let address = !sheet.boxed && matches!(is, Is::Street | Is::Town);
            let told = (led || (labels.iter().any(below) && !free && !address)) && !bare;
            if told && !matches!(is, Is::Date | Is::Return | Is::Before) {
                is = Is::Fact;
            }
            led = bare;
            lines.push(Line { row, column, block: 0, cell, is });
        }
        labels = own;
    }
    lines
}

/// Numbers the blocks: lines below each other with one edge or their middle in common, close by.
fn blocks<'s>(sheet: &Sheet, mut lines: Vec<Line<'s>>) -> Vec<Line<'s>> {
    /// Blocks side by side, at most.
    const BESIDE: usize = 12;
    let mut last: Vec<Line<'s>> = Vec::new();
    for line in &mut lines {
        let recent = last.iter().rev().take(BESIDE);
        line.block = recent
            .filter(|above| below(sheet, above, line))
            .map(|above| above.block)
            .next()
            .unwrap_or(last.len());
        match last.get_mut(line.block) {
            Some(end) => *end = *line,
            None => last.push(*line),
        }
    }
    lines
}

/// Whether a line goes on with the block that ends above it.
fn below(sheet: &Sheet, above: &Line<'_>, line: &Line<'_>) -> bool {
    let (a, b) = (above.cell.bounds, line.cell.bounds);
    if !sheet.boxed {
        let next = (b[1] - a[1] - 1.0).abs() < 0.5;
        return next && ((a[0] - b[0]).abs() <= 2.0 || above.column == line.column);
    }
    let gap = b[1] - a[3];
    let least = above.cell.height().min(line.cell.height());
    let near = |one: f32, other: f32, most: f32| (one - other).abs() < most;
    let aligned = near(a[0], b[0], 0.015) || near(a[2], b[2], 0.008) || near(a[0] + a[2], b[0] + b[2], 0.02);
    aligned && line.row > above.row && gap < least * 1.2
}

/// Whether a line breaks off where the next goes on.
fn goes_on(above: &str, below: &str) -> bool {
    let last = above.rsplit(' ').next().unwrap_or_default();
    let open = words::holds(words::OPEN, last) || above.ends_with(['-', '–', '/', '&']);
    let small = below.starts_with(|c: char| c.is_lowercase() || c == '&' || c == '(');
    let form = has_form(below.split(' ').next().unwrap_or_default());
    open || (small && address::care(below) == 0) || form
}

/// A text field of a part of a cell and all of those that go on with it.
fn told(
    reader: &Reader<'_>,
    name: &str,
    sheet: &Sheet,
    cells: &[&Cell],
    part: &Range<usize>,
    sure: f32,
) -> Option<Field> {
    let (first, rest) = cells.split_first()?;
    let value = FieldValue::Text(first.text.get(part.clone())?.to_owned());
    let mut field = reader.field(name, value, sheet, first, part, sure);
    for cell in rest {
        let more = reader.whole(name, sheet, cell, sure);
        let blank = if field.raw.ends_with('-') { "" } else { " " };
        field.raw = format!("{}{blank}{}", field.raw, cell.text);
        field.value = FieldValue::Text(field.raw.clone());
        (field.start, field.end) = (field.start.min(more.start), field.end.max(more.end));
        field.confidence = field.confidence.min(more.confidence);
        field.bounds = field
            .bounds
            .zip(more.bounds)
            .map(|(a, b)| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    }
    Some(field)
}

#[cfg(test)]
pub mod tests;
