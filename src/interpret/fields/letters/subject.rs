//! What a letter is about, where no label says it: the line before the greeting, or a heading behind it.

use super::address::Is;
use super::{Letter, Line, goes_on, sentence, told};
use crate::document::{Entity, Field, Validity};
use crate::interpret::fields::layout::Cell;
use crate::interpret::fields::names::{has_form, same};
use crate::interpret::fields::reader::Reader;
use crate::interpret::fields::spec::Kind;
use crate::interpret::fields::suppliers::usual_height;

/// Where a subject stands.
pub struct Place<'s> {
    /// Its lines.
    pub cells: Vec<&'s Cell>,
    sure: f32,
    /// Whether nothing but its place speaks for it.
    placed: bool,
}

/// Rows between a subject and the greeting: facts and dates.
const NEAR: usize = 6;

/// `subject` of a letter without a label: before the greeting, or after it.
pub fn subject(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    if fields.iter().any(|f| f.name == "subject") {
        return;
    }
    let Some(letter) = Letter::read(reader) else { return };
    let Some(place) = place(&letter) else { return };
    let Some(first) = place.cells.first() else { return };
    let part = 0..first.text.len();
    let Some(mut field) = told(reader, "subject", letter.sheet, &place.cells, &part, place.sure) else {
        return;
    };
    if place.placed {
        field.validity = Validity::Doubtful;
        field.reasons.push("only its place says that this is the subject".to_owned());
    }
    fields.push(field);
}

/// Where the subject stands, if anywhere.
pub fn place<'s>(letter: &Letter<'s>) -> Option<Place<'s>> {
    let before = before(letter);
    let after = letter.greeting.and_then(|row| after(letter, row));
    match (before, after) {
        // A heading in capitals or larger type says more than a line before the greeting.
        (Some(before), Some(after)) => Some(if after.sure > before.sure { after } else { before }),
        (before, after) => before.or(after),
    }
}

/// The line before the greeting, or before the text where nobody is greeted.
fn before<'s>(letter: &Letter<'s>) -> Option<Place<'s>> {
    let end = letter.greeting.or(letter.lines.last().map(|line| line.row + 1))?;
    let mut at = letter.lines.len();
    let mut found = None;
    while let Some(line) = at.checked_sub(1).and_then(|at| letter.lines.get(at)) {
        at -= 1;
        let head = line.row == 0 && (line.row + 1 < end || line.cell.text.split(' ').count() < 4);
        if line.row + NEAR < end || head {
            break;
        }
        let colon = line.is == Is::Marked && line.row + 1 == end && long(&line.cell.text);
        match line.is {
            Is::Date | Is::Fact | Is::Notice => continue,
            Is::Marked if !colon => continue,
            _ if letter.is_recipients(line.cell) => break,
            Is::Name | Is::Words | Is::Marked | Is::Street if fits(letter, line) => {
                found = Some(line);
                break;
            }
            // What stands in another column is passed over.
            _ if line.column > 0 => continue,
            _ => break,
        }
    }
    let line = found?;
    let above: Vec<&Line<'s>> =
        letter.lines.get(..at)?.iter().rev().filter(|other| other.block == line.block).collect();
    let worded =
        |other: &&Line<'_>| !letter.is_recipients(other.cell) && matches!(other.is, Is::Name | Is::Words);
    // Two or three lines by themselves are one subject, where the address is another block.
    let own = above.len() <= 2 && above.iter().all(worded) && letter.recipient.is_some();
    let mut cells = vec![line.cell];
    for other in above.into_iter().take_while(worded) {
        let open = cells.first().is_some_and(|below| goes_on(&other.cell.text, &below.text));
        if !own && !open {
            break;
        }
        cells.insert(0, other.cell);
    }
    let placed = letter.greeting.is_none();
    Some(Place { cells, sure: if placed { 0.45 } else { 0.75 }, placed })
}

/// Whether a line before the greeting can be a subject: words, and nobody's name or town.
fn fits(letter: &Letter<'_>, line: &Line<'_>) -> bool {
    let text = line.cell.text.as_str();
    let words = text.split(' ').count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let same_block = |other: &&Line<'_>| other.block == line.block && other.row < line.row;
    let above = letter.lines.iter().rfind(same_block);
    let alone = above.is_none_or(|a| {
        !matches!(a.is, Is::Name | Is::Words | Is::Street | Is::Care | Is::Before)
            || letter.is_recipients(a.cell)
    });
    let signs = letter.signature.as_ref().is_some_and(|s| same(s.name(), text));
    let name = (has_form(text) && words <= 4) || signs;
    // In a run of lines, a single word is a town or a name.
    let several = words >= 3 || (words == 2 && !letter.sheet.boxed) || (alone && letters >= 6);
    let left = line.column == 0 || words >= 4;
    left && several && letters >= 5 && !name && text.chars().count() < 160 && !text.ends_with(',')
}

fn long(text: &str) -> bool {
    text.split(' ').count() >= 3
}

/// A heading right behind the greeting: no sentence, shorter than the lines below it, or in capitals or larger.
fn after<'s>(letter: &Letter<'s>, greeting: usize) -> Option<Place<'s>> {
    /// Rows of the text that its width is taken from.
    const BODY: usize = 12;
    let rows = &letter.sheet.rows;
    let row = rows.get(greeting + 1)?;
    let [cell] = row.as_slice() else { return None };
    let text = cell.text.as_str();
    let letters = || text.chars().filter(|c| c.is_alphabetic());
    let next = rows.get(greeting + 2).and_then(|row| row.first())?;
    if !text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
        || text.ends_with(['.', ',', ';', ':'])
        || letters().count() < 6
        || text.chars().count() >= 120
    {
        return None;
    }
    let width = |cell: &Cell| cell.bounds[2] - cell.bounds[0];
    let widest = rows.iter().skip(greeting + 2).take(BODY).flatten().map(width).fold(0.0f32, f32::max);
    let short = width(cell) < widest * 0.75;
    let capitals = letters().all(|c| !c.is_lowercase());
    let large = letter.sheet.boxed && cell.height() > usual_height(letter.sheet) * 1.2;
    // A heading stands apart from the text, which begins anew.
    let least = cell.height().min(next.height());
    let gap = next.bounds[1] - cell.bounds[3];
    let apart = if letter.sheet.boxed { gap > least * 1.0 } else { gap >= 1.0 };
    let anew = next.text.starts_with(|c: char| !c.is_lowercase());
    let own = !goes_on(text, &next.text) || apart;
    // In German a text goes on in lower case behind the greeting; a heading between them does not.
    let comma = rows.get(greeting).and_then(|row| row.first()).is_some_and(|c| c.text.ends_with(','));
    let german = comma && !anew && apart;
    let sure = match (capitals || large, apart || german, anew && own && short) {
        (true, _, _) if short || capitals => 0.8,
        (_, true, _) if short => 0.7,
        (_, _, true) if !sentence(cell) => 0.6,
        _ => return None,
    };
    Some(Place { cells: vec![cell], sure, placed: false })
}
