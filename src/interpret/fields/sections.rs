//! What stands in a place of its own: titles, positions and skills, labels of forms.

use super::dates;
use super::doubts::is_worded;
use super::labels::matches;
use super::layout::{Cell, Sheet};
use super::names::{has_form, is_name, named};
use super::reader::Reader;
use super::spec::Kind;
use crate::document::{Entity, Field, FieldValue};

/// What programs call a document that nobody gave a title.
const NO_TITLES: &[&str] = &[
    "document",
    "untitled",
    "untitled document",
    "report",
    "bericht",
    "confidential",
    "vertraulich",
    "draft",
];

/// `title` of a report: the line in the largest type at its head, or the first one.
pub fn title(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let Some(sheet) = reader.sheets.first() else { return };
    let candidates: Vec<&Cell> = sheet
        .rows
        .iter()
        .take(15)
        .flatten()
        .filter(|c| {
            c.text.chars().filter(|c| c.is_alphabetic()).count() >= 6
                && c.text.chars().count() <= 120
                && is_worded(&c.text)
                && !NO_TITLES.iter().any(|word| c.text.eq_ignore_ascii_case(word))
        })
        .collect();
    // Whose report it is stands above its title, often.
    let own = |cell: &&Cell| !has_form(&cell.text);
    let first = candidates.iter().copied().find(own).or(candidates.first().copied());
    let largest =
        candidates.iter().copied().reduce(|a, b| if b.height() > a.height() * 1.15 { b } else { a });
    if let Some(cell) = largest.filter(|_| sheet.boxed).or(first) {
        fields.push(reader.whole("title", sheet, cell, if sheet.boxed { 0.85 } else { 0.75 }));
    }
}

const HEADINGS: &[(&str, &str)] = &[
    ("skills", "skills"),
    ("key skills", "skills"),
    ("technical skills", "skills"),
    ("core skills", "skills"),
    ("kenntnisse", "skills"),
    ("fähigkeiten", "skills"),
    ("kompetenzen", "skills"),
    ("experience", "work"),
    ("work experience", "work"),
    ("professional experience", "work"),
    ("employment", "work"),
    ("employment history", "work"),
    ("career", "work"),
    ("berufserfahrung", "work"),
    ("beruflicher werdegang", "work"),
    ("berufspraxis", "work"),
    ("education", ""),
    ("languages", ""),
    ("references", ""),
    ("profile", ""),
    ("summary", ""),
    ("interests", ""),
    ("contact", ""),
    ("personal details", ""),
    ("ausbildung", ""),
    ("sprachen", ""),
    ("referenzen", ""),
    ("profil", ""),
    ("interessen", ""),
    ("persönliche daten", ""),
    ("bildung", ""),
    ("training", ""),
    ("publications", ""),
    ("certificates", ""),
    ("hobbies", ""),
    ("studium", ""),
    ("schulbildung", ""),
];

/// The section that a row begins, where it is a heading.
pub fn heading(row: &[Cell]) -> Option<&'static str> {
    let [cell] = row else { return None };
    let text = cell.text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    HEADINGS.iter().find(|(name, _)| *name == text).map(|(_, section)| *section)
}

/// The rows of a section.
fn section<'r>(reader: &'r Reader<'_>, wanted: &str) -> Vec<(&'r Sheet, &'r [Cell])> {
    let mut rows = Vec::new();
    let mut within = false;
    for sheet in &reader.sheets {
        for row in &sheet.rows {
            match heading(row) {
                Some(name) => within = name == wanted,
                None if within => rows.push((sheet, row.as_slice())),
                None => {}
            }
        }
    }
    rows
}

/// `skills[0]`, `skills[1]`, …: what commas and bullets part.
pub fn skills(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let mut number = 0;
    let mut rows = section(reader, "skills");
    let inline =
        reader.sheets.iter().flat_map(|sheet| sheet.rows.iter().map(move |row| (sheet, row.as_slice())));
    let labels = ["skills:", "key skills:", "technical skills:", "kenntnisse:", "fähigkeiten:"];
    if rows.is_empty() {
        rows = inline
            .filter(|(_, row)| {
                row.first().is_some_and(|c| labels.iter().any(|l| c.text.to_lowercase().starts_with(l)))
            })
            .collect();
    }
    let bulleted =
        |row: &[Cell]| row.first().is_some_and(|cell| cell.text.starts_with(['•', '·', '-', '–', '*']));
    let (mut bullets, mut bottom) = (false, None::<(usize, f32)>);
    for (sheet, row) in rows {
        let Some(first) = row.first() else { continue };
        // A list ends where its bullets end, or behind a wide gap.
        let gap = bottom.filter(|(page, _)| *page == sheet.page).map_or(0.0, |(_, b)| first.bounds[1] - b);
        if number > 0 && ((bullets && !bulleted(row)) || gap > first.height() * 2.5) {
            break;
        }
        bullets |= bulleted(row);
        bottom = Some((sheet.page, first.bounds[3]));
        for cell in row {
            let skip = cell.text.find(':').map_or(0, |at| at + 1);
            let mut at = skip;
            for piece in cell.text.get(skip..).unwrap_or_default().split_inclusive([',', ';', '•', '·', '|'])
            {
                let bare = piece.trim_matches(|c: char| c.is_whitespace() || ",;•·|.-–*".contains(c));
                if let Some(offset) = piece.find(bare).filter(|_| bare.chars().count() > 1 && number < 40) {
                    let part = at + offset..at + offset + bare.len();
                    fields.push(reader.field(
                        &format!("skills[{number}]"),
                        FieldValue::Text(bare.to_owned()),
                        sheet,
                        cell,
                        &part,
                        0.8,
                    ));
                    number += 1;
                }
                at += piece.len();
            }
        }
    }
}

/// `positions[0].period` and `.title`, …: rows of the section on work that hold two years, or a year and today.
pub fn positions(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let mut number = 0;
    let rows = section(reader, "work");
    // Where the first period stands below its title, and perhaps the employer, so do the others.
    let dated = |(_, row): &(&Sheet, &[Cell])| row.iter().any(|cell| period(&cell.text).is_some());
    let below = rows.iter().position(dated).filter(|rows| (1..=2).contains(rows));
    for (index, (sheet, row)) in rows.iter().enumerate() {
        let Some((cell, part)) = row.iter().find_map(|cell| Some((cell, period(&cell.text)?))) else {
            continue;
        };
        let rest_start = cell.text.get(part.end..).map_or(part.end, |rest| {
            cell.text.len() - rest.trim_start_matches(|c: char| !c.is_alphanumeric()).len()
        });
        let before = cell
            .text
            .get(..part.start)
            .unwrap_or_default()
            .trim_end_matches(|c: char| !c.is_alphanumeric() && c != ')')
            .len();
        let title = |on: &Sheet, of: &Cell, range: std::ops::Range<usize>| {
            let text = of.text.get(range.clone()).unwrap_or_default();
            let end = range.start
                + text
                    .find(", ")
                    .or_else(|| text.find(" | "))
                    .or_else(|| text.find(" – "))
                    .unwrap_or(text.len());
            let value = of.text.get(range.start..end)?;
            (value.chars().count() > 2).then(|| {
                reader.field(
                    &format!("positions[{number}].title"),
                    FieldValue::Text(value.to_owned()),
                    on,
                    of,
                    &(range.start..end),
                    0.8,
                )
            })
        };
        let own = title(sheet, cell, rest_start..cell.text.len()).or_else(|| title(sheet, cell, 0..before));
        let beside = || {
            row.iter()
                .find(|c| !std::ptr::eq(*c, cell) && c.text.contains(char::is_alphabetic))
                .and_then(|c| title(sheet, c, 0..c.text.len()))
        };
        let apart = || {
            let at = below.map_or(Some(index + 1), |rows| index.checked_sub(rows))?;
            let (on, row) = rows.get(at)?;
            row.first().and_then(|c| title(on, c, 0..c.text.len()))
        };
        let Some(title) = own.or_else(beside).or_else(apart) else { continue };
        let raw = cell.text.get(part.clone()).unwrap_or_default().to_owned();
        fields.push(reader.field(
            &format!("positions[{number}].period"),
            FieldValue::Text(raw),
            sheet,
            cell,
            &part,
            0.85,
        ));
        fields.push(title);
        number += 1;
    }
}

/// Where a text holds a period: a year, a dash or "to", and a year or today.
fn period(text: &str) -> Option<std::ops::Range<usize>> {
    let lower = text.to_lowercase();
    if lower.len() != text.len() {
        return None;
    }
    let years: Vec<usize> = lower
        .match_indices(|c: char| c.is_ascii_digit())
        .map(|(at, _)| at)
        .filter(|at| {
            let year = lower.get(*at..*at + 4).is_some_and(|y| {
                (y.starts_with("19") || y.starts_with("20")) && y.chars().all(|c| c.is_ascii_digit())
            });
            let alone =
                lower.get(..*at).and_then(|t| t.chars().next_back()).is_none_or(|c| !c.is_ascii_digit());
            year && alone
                && lower.get(*at + 4..).and_then(|t| t.chars().next()).is_none_or(|c| !c.is_ascii_digit())
        })
        .collect();
    let first = *years.first()?;
    let rest = lower.get(first + 4..)?;
    let open = ["today", "present", "now", "heute", "current", "date"]
        .iter()
        .filter_map(|w| rest.find(w).map(|at| first + 4 + at + w.len()))
        .min();
    let end = years.get(1).map(|at| at + 4).or(open)?;
    let between = lower.get(first + 4..end)?;
    (between.chars().count() < 24
        && (between.contains(['-', '–', '—', '/']) || between.contains(" to ") || between.contains("bis")))
    .then_some(())?;
    // A month before the first year belongs to it.
    let lead = lower.get(..first)?;
    let word = lead.trim_end().rfind(|c: char| c.is_whitespace()).map_or(0, |at| at + 1);
    let month = lead
        .get(word..)
        .map(|w| w.trim().trim_matches('.'))
        .filter(|w| dates::month(w).is_some() || w.trim_end_matches('/').parse::<u8>().is_ok());
    Some(if month.is_some() { word } else { first }..end)
}

/// `authors[0]`, `authors[1]`, …: the names after their label, else the row of names below the title.
pub fn authors(reader: &Reader<'_>, entities: &[Entity], kind: &Kind, fields: &mut Vec<Field>) {
    let Some(sheet) = reader.sheets.first() else { return };
    let mut found: Vec<(&Cell, std::ops::Range<usize>, f32)> = Vec::new();
    let labels = kind.field.iter().find(|f| f.name == "authors").map_or(&[][..], |f| f.labels.as_slice());
    for (row, cells) in sheet.rows.iter().enumerate().take(30) {
        let Some(cell) = cells.first().filter(|_| found.is_empty()) else { continue };
        let Some(end) = labels.iter().filter_map(|label| matches(&cell.text, 0, label)).max() else {
            continue;
        };
        let rest = cell.text.get(end..).unwrap_or_default();
        if rest.contains(char::is_alphabetic) {
            found.extend(people(cell, end).map(|part| (cell, part, 0.9)));
        } else if let Some(right) = cells.get(1) {
            found.extend(people(right, 0).map(|part| (right, part, 0.9)));
        } else {
            let below = sheet.rows.iter().skip(row + 1).filter_map(|cells| cells.first());
            let listed = below.take_while(|c| people(c, 0).next().is_some()).take(8);
            found.extend(listed.flat_map(|c| people(c, 0).map(move |part| (c, part, 0.8))));
        }
    }
    if found.is_empty() {
        let title = fields.iter().find(|f| f.name == "title").map(|f| f.raw.clone()).unwrap_or_default();
        let at = sheet.rows.iter().position(|cells| cells.iter().any(|c| c.text == title));
        let below = sheet.rows.iter().skip(at.map_or(0, |at| at + 1)).take(3).flatten();
        // Without a label only names that the model found as people's count.
        let known = |c: &&Cell| named(entities, &c.text, "PER");
        found.extend(below.filter(known).flat_map(|c| people(c, 0).map(move |part| (c, part, 0.6))));
    }
    // What its label led to and is no list of people is one author: an institution.
    if let Some(at) = fields.iter().position(|f| f.name == "authors") {
        let whole = fields.remove(at);
        if found.is_empty() {
            fields.push(Field { name: "authors[0]".to_owned(), ..whole });
        }
    }
    for (number, (cell, part, sure)) in found.into_iter().take(20).enumerate() {
        let value = FieldValue::Text(cell.text.get(part.clone()).unwrap_or_default().to_owned());
        fields.push(reader.field(&format!("authors[{number}]"), value, sheet, cell, &part, sure));
    }
}

/// The people of a list: names of two words at least, parted by commas and "and".
fn people(cell: &Cell, from: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut parts = Vec::new();
    let mut at = from;
    let text = cell.text.get(from..).unwrap_or_default();
    let pieces =
        text.split([',', ';', '&', '·']).flat_map(|p| p.split(" and ")).flat_map(|p| p.split(" und "));
    for piece in pieces {
        let bare = piece.trim_matches(|c: char| !c.is_alphanumeric() && c != '.' && c != ')');
        let start = cell.text.get(at..).and_then(|rest| rest.find(bare)).map(|i| at + i);
        let name = is_name(bare) && (2..=5).contains(&bare.split(' ').count()) && !has_form(bare);
        if let Some(start) = start.filter(|_| name) {
            at = start + bare.len();
            parts.push(start..at);
        }
    }
    parts.into_iter()
}
