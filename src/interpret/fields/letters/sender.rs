//! Who wrote a letter: the name above the window or in the letterhead, else who signs.

use super::address::{self, Is};
use super::words::{self, BODIES};
use super::{CELLS, Letter, Line, subject, told};
use crate::document::{Entity, Field, FieldValue, Validity};
use crate::interpret::fields::labels::matches;
use crate::interpret::fields::names::{has_form, is_name, named, same};
use crate::interpret::fields::reader::Reader;
use crate::interpret::fields::spec::Kind;
use crate::interpret::fields::suppliers::{domains, speaks_of, usual_height};
use std::ops::Range;

/// A name that may be the sender's.
struct Candidate<'s> {
    cells: Vec<&'s super::Cell>,
    part: Range<usize>,
    score: f32,
    /// Whether more than its place speaks for it.
    shown: bool,
}

impl Candidate<'_> {
    fn name(&self) -> &str {
        self.cells.first().and_then(|cell| cell.text.get(self.part.clone())).unwrap_or_default()
    }
}

/// `sender` of a letter: the name of the head that most speaks for, or who signs it.
pub fn sender(reader: &Reader<'_>, entities: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    if fields.iter().any(|f| f.name == "sender") {
        return;
    }
    let Some(letter) = Letter::read(reader) else { return };
    let all = candidates(reader, &letter, entities);
    let best =
        all.iter().fold(None::<&Candidate<'_>>, |best, c| best.filter(|b| b.score >= c.score).or(Some(c)));
    let placed = |field: Field| Field {
        validity: Validity::Doubtful,
        reasons: vec!["only its place says that this is the sender".to_owned()],
        ..field
    };
    let of = |c: &Candidate<'_>, sure: f32| told(reader, "sender", letter.sheet, &c.cells, &c.part, sure);
    let field = match (best, &letter.signature) {
        (Some(best), _) if best.shown => of(best, best.score.clamp(0.5, 0.95)),
        (_, Some(signed)) => {
            let (cell, part) =
                signed.company.map_or((signed.cell, signed.part.clone()), |c| (c, 0..c.text.len()));
            let value = FieldValue::Text(cell.text.get(part.clone()).unwrap_or_default().to_owned());
            Some(reader.field("sender", value, signed.sheet, cell, &part, 0.75))
        }
        (Some(best), None) => of(best, 0.5).map(placed),
        (None, None) => None,
    };
    fields.extend(field);
}

/// Every name of the head that is not the recipient's, and of the foot those with their address.
fn candidates<'s>(reader: &'s Reader<'_>, letter: &Letter<'s>, entities: &[Entity]) -> Vec<Candidate<'s>> {
    let subject = subject::place(letter).map(|place| place.cells).unwrap_or_default();
    let is_subject = |cell: &super::Cell| subject.iter().any(|c| std::ptr::eq(*c, cell));
    let domains = domains(reader);
    let usual = usual_height(letter.sheet);
    let mut all: Vec<Candidate<'s>> = Vec::new();
    for (index, line) in letter.lines.iter().enumerate() {
        let cell = line.cell;
        let returned = line.is == Is::Return;
        let part = name_of(line);
        let name = cell.text.get(part.clone()).unwrap_or_default();
        if !(returned || line.is == Is::Name)
            || !is_name(name)
            || letter.is_recipients(cell)
            || is_subject(cell)
            || is_greeted(letter, name)
        {
            continue;
        }
        let mut shown = if returned { 0.35 } else { 0.0 };
        shown += if has_form(name) || is_body(name) { 0.25 } else { 0.0 };
        shown += if named(entities, name, "ORG") || named(entities, name, "PER") { 0.15 } else { 0.0 };
        shown += if letter.sheet.boxed && cell.height() > usual * 1.25 { 0.15 } else { 0.0 };
        shown += if domains.iter().any(|domain| speaks_of(domain, name)) { 0.25 } else { 0.0 };
        let signed = letter
            .signature
            .as_ref()
            .is_some_and(|s| same(s.name(), name) || s.company.is_some_and(|c| same(&c.text, name)));
        shown += if signed { 0.35 } else { 0.0 };
        let block: Vec<Line<'s>> =
            letter.lines.iter().filter(|other| other.block == line.block).copied().collect();
        let at = block.iter().position(|other| std::ptr::eq(other.cell, cell)).unwrap_or(0);
        shown += if has_address(&block, at) || above_street(letter, line) { 0.2 } else { 0.0 };
        let mut score = 0.5 - 0.03 * (index.min(12) as f32) + shown;
        score -= if at > 0 && !returned { 0.1 } else { 0.0 };
        score -= if below_recipient(letter, line) { 0.25 } else { 0.0 };
        match all.iter_mut().find(|c| same(c.name(), name)) {
            // A name above the window that is the letterhead's too.
            Some(earlier) => {
                earlier.score += 0.2 + if returned { 0.35 } else { 0.0 };
                earlier.shown = true;
            }
            None => {
                let cells = if returned { vec![cell] } else { Letter::whole(&block, at) };
                all.push(Candidate { cells, part, score, shown: shown > 0.0 });
            }
        }
    }
    footed(letter, &mut all);
    all
}

/// The name of a line: all of it, or what stands before the address, behind a label.
fn name_of(line: &Line<'_>) -> Range<usize> {
    if line.is == Is::Return { address::return_name(&line.cell.text) } else { 0..line.cell.text.len() }
}

/// Whether the lines below a name are its street or its street and town.
fn has_address(block: &[Line<'_>], at: usize) -> bool {
    let below = || block.iter().skip(at + 1).take(4);
    let until = below().position(|line| line.is == Is::Town);
    let facts = |line: &Line<'_>| matches!(line.is, Is::Date | Is::Fact | Is::Notice);
    until.is_some_and(|until| !below().take(until).any(facts))
        || below().next().is_some_and(|line| line.is == Is::Street)
}

/// Whether a street or town stands in the row below a name: a letterhead in larger type is a block of its own.
fn above_street(letter: &Letter<'_>, line: &Line<'_>) -> bool {
    let address = |other: &Line<'_>| matches!(other.is, Is::Street | Is::Town);
    let mut next =
        letter.lines.iter().filter(|other| other.row == line.row + 1 && other.cell.above(line.cell));
    letter.sheet.boxed && next.any(|other| address(other) && !letter.is_recipients(other.cell))
}

/// Whether a line stands below the recipient's address: a subject or a note.
fn below_recipient(letter: &Letter<'_>, line: &Line<'_>) -> bool {
    let last = letter.recipient.as_ref().and_then(|r| r.lines.last());
    last.is_some_and(|last| line.row > last.row)
}

/// Whether a name is that of who is greeted.
fn is_greeted(letter: &Letter<'_>, name: &str) -> bool {
    let greeted = letter.greeted_name().and_then(|name| name.split(' ').next_back());
    let signs = letter.signature.as_ref().is_some_and(|s| same(s.name(), name));
    !signs
        && greeted
            .is_some_and(|last| last.chars().count() > 2 && name.split(' ').any(|word| same(word, last)))
}

/// Whether a name is that of an office, a school or the like.
fn is_body(name: &str) -> bool {
    let lower = name.to_lowercase();
    let word = |word: &str| match word.strip_prefix('-') {
        Some(end) => lower.split(' ').any(|w| w.ends_with(end)),
        None => lower.match_indices(word).any(|(at, _)| {
            let apart = lower.get(..at).is_none_or(|t| t.is_empty() || t.ends_with([' ', '-']));
            apart && matches(&lower, at, word).is_some()
        }),
    };
    words::each(BODIES).any(word)
}

/// A name with its address at the foot says the same as one at the head, and stands for it where none is there.
fn footed<'s>(letter: &Letter<'s>, all: &mut Vec<Candidate<'s>>) {
    /// Rows at the foot of a page.
    const FOOT: usize = 5;
    let last = letter.greeting.unwrap_or(0).max(letter.lines.last().map_or(0, |line| line.row));
    let from = letter.sheet.rows.len().saturating_sub(FOOT).max(last + 1);
    for cell in letter.sheet.rows.iter().skip(from).flat_map(|row| row.iter().take(CELLS)) {
        let returned = address::is(&cell.text) == Is::Return;
        let part = if returned { address::return_name(&cell.text) } else { 0..cell.text.len() };
        let name = cell.text.get(part.clone()).unwrap_or_default();
        match all.iter_mut().find(|c| {
            same(c.name(), name) || (!returned && !c.name().is_empty() && cell.text.starts_with(c.name()))
        }) {
            Some(earlier) => {
                earlier.score += 0.2;
                earlier.shown |= returned || has_form(name);
            }
            None if returned => all.push(Candidate { cells: vec![cell], part, score: 0.55, shown: true }),
            None => {}
        }
    }
}
