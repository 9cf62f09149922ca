//! To whom a letter is: the address for which most speaks, else who is greeted.

use super::address::{self, Is, courtesy, receiver};
use super::{Letter, Line, goes_on, told, words};
use crate::document::{Entity, Field, FieldValue, Validity};
use crate::interpret::fields::labels::matches;
use crate::interpret::fields::names::{is_name, same};
use crate::interpret::fields::reader::Reader;
use crate::interpret::fields::spec::Kind;
use crate::interpret::fields::suppliers::usual_height;

/// An address, and what speaks for it.
pub struct Recipient<'s> {
    /// Its lines, from the name to the town.
    pub lines: Vec<Line<'s>>,
    /// Which of them is the name.
    at: usize,
    sure: f32,
    /// Whether nothing but its place speaks for it.
    placed: bool,
}

/// Lines that may be an address.
struct Address<'s> {
    lines: Vec<Line<'s>>,
    /// Whether it ends with a postcode.
    whole: bool,
    /// Whether telephone or mail follow: whose letterhead it is.
    contacts: bool,
}

/// Where the window of an envelope shows an address: DIN 5008 has it 45 to 90 mm below the top and 20 to 105 mm
/// from the left, other forms near by. Left and top, as fractions of A4.
const WINDOW: [[f32; 2]; 2] = [[0.05, 0.45], [0.12, 0.36]];

/// `recipient` of a letter: the name of the address that most speaks for, or who is greeted.
pub fn recipient(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    if fields.iter().any(|f| f.name == "recipient") {
        return;
    }
    let Some(letter) = Letter::read(reader) else { return };
    if let Some(found) = &letter.recipient {
        fields.extend(of_address(reader, &letter, found));
    } else if let Some((cell, part)) = &letter.greeted {
        let name = cell.text.get(part.clone()).unwrap_or_default();
        let value = FieldValue::Text(name.to_owned());
        fields.push(reader.field("recipient", value, letter.sheet, cell, part, 0.6));
    }
}

fn of_address(reader: &Reader<'_>, letter: &Letter<'_>, found: &Recipient<'_>) -> Option<Field> {
    let line = found.lines.get(found.at)?;
    let text = &line.cell.text;
    let start = if line.is == Is::Care { address::care(text) } else { receiver(text) };
    let start = start + courtesy(text.get(start..).unwrap_or_default());
    let cells = Letter::whole(&found.lines, found.at);
    let mut field = told(reader, "recipient", letter.sheet, &cells, &(start..text.len()), found.sure)?;
    if found.placed {
        field.validity = Validity::Doubtful;
        field.reasons.push("only its place says that this is the recipient".to_owned());
    }
    Some(field)
}

/// The address of the head that most speaks for, where enough does.
pub fn choose<'s>(letter: &Letter<'s>) -> Option<Recipient<'s>> {
    let all = addresses(letter);
    let whole: Vec<&Address<'s>> = all.iter().filter(|a| a.whole).collect();
    let weighed = whole.iter().filter_map(|address| weigh(letter, address, &whole));
    let best = weighed.reduce(|a, b| if b.sure > a.sure { b } else { a });
    best.or_else(|| all.iter().filter(|a| !a.whole).find_map(|address| loose(letter, address)))
}

/// Runs of lines that may be addresses: what dates, facts and whole addresses part.
fn addresses<'s>(letter: &Letter<'s>) -> Vec<Address<'s>> {
    let blocks = letter.lines.iter().map(|line| line.block + 1).max().unwrap_or(0);
    let mut open: Vec<Vec<Line<'s>>> = vec![Vec::new(); blocks];
    let mut found: Vec<Address<'s>> = Vec::new();
    // The address that a block closed last, for what follows it.
    let mut closed: Vec<Option<usize>> = vec![None; blocks];
    for line in &letter.lines {
        let (Some(run), Some(before)) = (open.get_mut(line.block), closed.get_mut(line.block)) else {
            continue;
        };
        let ended = before.and_then(|at| found.get_mut(at)).filter(|_| run.is_empty());
        // In lines without boxes, facts of another column stand between those of an address.
        let between = !letter.sheet.boxed && is_fact(line);
        match line.is {
            Is::Town => {
                run.push(*line);
                let lines = up_to_town(run);
                found.extend(parts(run));
                *before = Some(found.len());
                found.push(Address { lines, whole: true, contacts: false });
            }
            Is::Country => ended.into_iter().for_each(|address| address.lines.push(*line)),
            _ if between && !run.is_empty() => run.push(*line),
            Is::Fact | Is::Marked => {
                ended.into_iter().for_each(|address| address.contacts |= contact(&line.cell.text));
                found.extend(parts(run));
            }
            Is::Date | Is::Notice | Is::Return => found.extend(parts(run)),
            _ => run.push(*line),
        }
    }
    found.extend(open.iter_mut().flat_map(parts));
    found
}

/// Whether a line is a label with what it leads to, a date among them.
fn is_fact(line: &Line<'_>) -> bool {
    let labelled = || words::end(words::FACTS, &line.cell.text).is_some();
    matches!(line.is, Is::Fact | Is::Marked) || (line.is == Is::Date && labelled())
}

/// Takes the lines of the address that ends a run: upwards over facts, as long as no name was met.
fn up_to_town<'s>(run: &mut Vec<Line<'s>>) -> Vec<Line<'s>> {
    let (mut start, mut named, mut gap) = (run.len(), false, false);
    for (at, line) in run.iter().enumerate().rev() {
        if is_fact(line) {
            gap = true;
            continue;
        }
        let first = run.get(start).map(|first| first.cell.text.as_str()).unwrap_or_default();
        let open = line.is == Is::Before || goes_on(&line.cell.text, first);
        if named && gap && !open {
            break;
        }
        gap = false;
        named |= matches!(line.is, Is::Name | Is::Words);
        start = at;
        // "Herrn" or "An das" begins an address, whatever stands above.
        if line.is == Is::Before && named {
            break;
        }
    }
    run.split_off(start).into_iter().filter(|line| !is_fact(line)).collect()
}

/// What is left of a run: the lines between its facts.
fn parts<'s>(run: &mut Vec<Line<'s>>) -> Vec<Address<'s>> {
    let lines = std::mem::take(run);
    let parts = lines.split(is_fact).filter(|part| !part.is_empty());
    parts.map(|part| Address { lines: part.to_vec(), whole: false, contacts: false }).collect()
}

fn contact(text: &str) -> bool {
    let words = [
        "tel",
        "tel.",
        "telefon",
        "telephone",
        "phone",
        "fax",
        "telefax",
        "e-mail",
        "email",
        "mobile",
        "mobil",
        "web",
    ];
    text.contains('@')
        || text.to_lowercase().contains("www.")
        || words.iter().any(|w| matches(text, 0, w).is_some())
}

/// The line of a run that names its recipient.
fn head(lines: &[Line<'_>]) -> Option<usize> {
    let name = |line: &Line<'_>| {
        matches!(line.is, Is::Name | Is::Words) && line.cell.text.chars().any(char::is_alphabetic)
    };
    lines.iter().position(name).or_else(|| lines.iter().position(|line| line.is == Is::Care))
}

/// Weighs what speaks for a whole address. `None` where it is rather the sender's.
fn weigh<'s>(letter: &Letter<'s>, address: &Address<'s>, all: &[&Address<'s>]) -> Option<Recipient<'s>> {
    let at = head(&address.lines)?;
    let (first, named) = (address.lines.first()?, address.lines.get(at)?);
    let signs = |name: &str| letter.signature.as_ref().is_some_and(|s| same(s.name(), name));
    let greeted = greeted_line(letter, &address.lines);
    let above = letter.lines.iter().filter(|line| line.row < first.row);
    // Where no blank parts the two, the sender's name stands above the name that is greeted.
    let led = !letter.sheet.boxed && !above.clone().any(|line| line.is == Is::Name);
    let skip = greeted.filter(|line| *line > at && (led || first.row == 0)).unwrap_or(0);
    let [mut shown, mut score] = [0.0f32, 0.5];
    shown += if greeted.is_some() { 0.35 } else { 0.0 };
    shown += if below_return(letter, first) { 0.25 } else { 0.0 };
    shown += if addressed(&address.lines) { 0.2 } else { 0.0 };
    // Of two addresses the lower one is the recipient's: the sender's is the letterhead.
    let later = |a: &&&Address<'_>| a.lines.last().is_some_and(|last| last.row < first.row);
    shown += if all.iter().any(|a| later(&a)) { 0.15 } else { 0.0 };
    shown += if above.clone().any(|line| line.is == Is::Date) { 0.1 } else { 0.0 };
    let bounds = first.cell.bounds;
    let [left, top] = WINDOW;
    let inside = |value: f32, [least, most]: [f32; 2]| (least..most).contains(&value);
    let window = letter.sheet.boxed && inside(bounds[0], left) && inside(bounds[1], top);
    score += if window { 0.1 } else { 0.0 };
    score += if above.clone().any(|line| line.is == Is::Name) { 0.05 } else { -0.05 };
    score -= if address.contacts { 0.4 } else { 0.0 };
    score -= if signs(&named.cell.text) { 0.6 } else { 0.0 };
    score -= if first.row == 0 && skip == 0 { 0.3 } else { 0.0 };
    score -=
        if letter.sheet.boxed && named.cell.height() > usual_height(letter.sheet) * 1.25 { 0.2 } else { 0.0 };
    // Beside an address at the left, one at the right is the sender's.
    let beside = |a: &&&Address<'_>| {
        a.lines
            .first()
            .is_some_and(|other| other.column < first.column || other.cell.bounds[0] + 0.2 < bounds[0])
    };
    score -= if all.iter().any(|a| beside(&a)) { 0.2 } else { 0.0 };
    if score + shown < 0.5 {
        return None;
    }
    let lines = address.lines.get(skip..)?.to_vec();
    let at = if skip > 0 { 0 } else { at };
    let placed = shown == 0.0;
    let sure = if placed { 0.5 } else { (0.45 + 0.4 * (score + shown)).clamp(0.5, 0.95) };
    Some(Recipient { lines, at, sure, placed })
}

/// Weighs an address without a postcode: something must speak for it, or a date stand above it.
fn loose<'s>(letter: &Letter<'s>, address: &Address<'s>) -> Option<Recipient<'s>> {
    let mut lines = address.lines.clone();
    // The line before the greeting is the subject.
    if lines.len() > 1 && lines.last().is_some_and(|last| letter.greeting == Some(last.row + 1)) {
        lines.pop();
    }
    let at = head(&lines)?;
    let (first, named) = (lines.first()?, lines.get(at)?);
    let text = named.cell.text.as_str();
    let subject = letter.greeting == Some(named.row + 1) && receiver(text) == 0;
    if subject || !is_name(text.get(receiver(text)..).unwrap_or_default()) {
        return None;
    }
    let greeted = greeted_line(letter, &lines);
    let shown = greeted.is_some() || addressed(&lines) || (below_return(letter, first) && lines.len() > 1);
    let signs = letter.signature.as_ref().is_some_and(|s| same(s.name(), text));
    let dated = letter.lines.iter().any(|line| line.row < first.row && line.is == Is::Date);
    let placed = !shown && dated && lines.len() > 1 && first.column == 0 && letter.greeted.is_none();
    if signs || !(shown || placed) || (first.row == 0 && !shown) {
        return None;
    }
    let sure = if shown { 0.75 } else { 0.45 };
    Some(Recipient { lines, at, sure, placed: !shown })
}

/// Which line holds the last name that is greeted.
fn greeted_line(letter: &Letter<'_>, lines: &[Line<'_>]) -> Option<usize> {
    let name = letter.greeted_name()?;
    let last = name.split([' ', '.']).rfind(|word| word.chars().count() > 2)?.to_lowercase();
    lines.iter().position(|line| {
        line.cell
            .text
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric() && c != '-')
            .any(|word| word == last)
    })
}

/// Whether a line of the sender's name and address stands right above, in the same column.
fn below_return(letter: &Letter<'_>, first: &Line<'_>) -> bool {
    /// Rows between the two: a notice, or what stands beside them.
    const NEAR: usize = 4;
    let above = |line: &&Line<'_>| line.row < first.row && line.row + NEAR >= first.row;
    letter.lines.iter().filter(above).any(|line| line.is == Is::Return && line.cell.above(first.cell))
}

/// Whether "Herrn", "An das", "Attn." and the like stand in an address.
fn addressed(lines: &[Line<'_>]) -> bool {
    let all =
        |text: &str| ["an alle", "to all", "to the"].iter().any(|word| matches(text, 0, word).is_some());
    let said = |line: &Line<'_>| {
        matches!(line.is, Is::Before | Is::Care) || receiver(&line.cell.text) > 0 || all(&line.cell.text)
    };
    lines.iter().any(said)
}
