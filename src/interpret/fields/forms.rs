//! Forms: what stands after each label.

use super::dates;
use super::labels::matches;
use super::layout::{Cell, Sheet};
use super::reader::Reader;
use super::spec::Kind;
use crate::document::{Entity, Field, FieldValue};

/// `label:…` of a form: what stands left of a colon or a gap, and what stands right of it.
pub fn labels(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let known = [
        "family name",
        "first name",
        "last name",
        "given name",
        "surname",
        "full name",
        "name",
        "date of birth",
        "place of birth",
        "nationality",
        "street and number",
        "street",
        "town and postcode",
        "postcode",
        "town",
        "city",
        "address",
        "telephone",
        "phone",
        "mobile",
        "electronic mail",
        "email",
        "e-mail",
        "occupation",
        "signature",
        "place and date",
        "date",
        "nachname",
        "vorname",
        "geburtsdatum",
        "geburtsort",
        "staatsangehörigkeit",
        "straße",
        "hausnummer",
        "plz und ort",
        "plz",
        "ort",
        "wohnort",
        "anschrift",
        "telefon",
        "beruf",
        "unterschrift",
        "datum",
        "ort und datum",
        "familienstand",
        "steuernummer",
        "kontoinhaber",
    ];
    let push = |label: &str,
                sheet: &Sheet,
                cell: &Cell,
                part: std::ops::Range<usize>,
                sure: f32,
                fields: &mut Vec<Field>| {
        let text = cell.text.get(part.clone()).unwrap_or_default();
        let lead = text.len() - text.trim_start_matches([' ', ':', '_', '.']).len();
        let body = text.get(lead..).unwrap_or_default().trim_end_matches([' ', '_', '.']);
        let label = label.trim_matches(|c: char| c.is_whitespace() || ":*_".contains(c)).trim();
        let name = format!("label:{label}");
        let words = label.split(' ').count();
        let fine = !body.is_empty()
            && !label.is_empty()
            && words <= 7
            && body.chars().count() <= 120
            && label.contains(char::is_alphabetic);
        if fine && fields.len() < 200 && !fields.iter().any(|f| f.name == name) {
            let part = part.start + lead..part.start + lead + body.len();
            let found = dates::find(body, false);
            let value = match found.as_slice() {
                [date] if date.bytes.len() == body.len() && date.swapped.is_none() => {
                    FieldValue::Date(date.date)
                }
                _ => FieldValue::Text(body.to_owned()),
            };
            fields.push(reader.field(&name, value, sheet, cell, &part, sure));
        }
    };
    for sheet in &reader.sheets {
        for row in &sheet.rows {
            let mut column = 0;
            while let Some(cell) = row.get(column) {
                column += 1;
                let next = row.get(column);
                let colon = cell.text.find(':').filter(|at| {
                    !cell
                        .text
                        .get(at + 1..)
                        .is_some_and(|t| t.starts_with(|c: char| c.is_ascii_digit() || c == '/'))
                });
                match (colon, next) {
                    (Some(at), _)
                        if cell
                            .text
                            .get(at + 1..)
                            .is_some_and(|rest| rest.contains(char::is_alphanumeric)) =>
                    {
                        push(
                            cell.text.get(..at).unwrap_or_default(),
                            sheet,
                            cell,
                            at + 1..cell.text.len(),
                            0.9,
                            fields,
                        );
                    }
                    (Some(at), Some(next)) if at + 1 >= cell.text.trim_end_matches(['_', ' ', '.']).len() => {
                        push(
                            cell.text.get(..at).unwrap_or_default(),
                            sheet,
                            next,
                            0..next.text.len(),
                            0.9,
                            fields,
                        );
                        column += 1;
                    }
                    (None, Some(next)) if row.len() == 2 && column == 1 => {
                        push(&cell.text, sheet, next, 0..next.text.len(), 0.8, fields);
                        column += 1;
                    }
                    _ => {
                        let label = known.iter().filter_map(|l| matches(&cell.text, 0, l)).max();
                        if let Some(end) =
                            label.filter(|end| *end < cell.text.len() && cell.text.chars().count() < 70)
                        {
                            push(
                                cell.text.get(..end).unwrap_or_default(),
                                sheet,
                                cell,
                                end..cell.text.len(),
                                0.75,
                                fields,
                            );
                        }
                    }
                }
            }
        }
    }
}
