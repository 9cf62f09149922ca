//! Customers and persons: by the form of a company's name, by its place on the page, by
//! the names that the model found, and by addresses.

use super::labels::matches;
use super::layout::{Cell, Sheet};
use super::names::{has_form, is_name, named, postcode, same};
use super::reader::Reader;
use super::spec::Kind;
use super::suppliers::SUPPLIER_LABELS;
use crate::document::{Entity, Field, FieldValue};

/// What stands before a customer's name.
pub const BUYER_LABELS: &[&str] = &[
    "bill to",
    "billed to",
    "invoice to",
    "invoiced to",
    "sold to",
    "customer name",
    "customer",
    "client",
    "buyer",
    "ship to",
    "to",
    "rechnung an",
    "rechnungsempfänger",
    "rechnungsadresse",
    "kunde",
    "empfänger",
    "an",
    "facturé à",
    "client:",
    "adresse de facturation",
    "facturar a",
    "cliente",
    "destinatario",
    "fatturare a",
    "spett.le",
    "attention",
    "for",
];

/// `buyer`: after its label, or the head of the second address.
pub fn buyer(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let Some(sheet) = reader.sheets.first() else { return };
    let supplier = fields.iter().find(|f| f.name == "supplier").map(|f| f.raw.clone()).unwrap_or_default();
    if let Some((cell, start)) =
        labelled(sheet, BUYER_LABELS).filter(|(c, s)| c.text.get(*s..) != Some(supplier.as_str()))
    {
        let part = start..cell.text.len();
        let value = FieldValue::Text(cell.text.get(part.clone()).unwrap_or_default().to_owned());
        fields.push(reader.field("buyer", value, sheet, cell, &part, 0.88));
        return;
    }
    if let Some(cell) = addressee(sheet, &supplier) {
        fields.push(reader.whole("buyer", sheet, cell, 0.65));
    }
}

/// `name` of a person: the first line that is a name, where no label told it.
pub fn person(reader: &Reader<'_>, entities: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    if fields.iter().any(|f| f.name == "name") {
        return;
    }
    let Some(sheet) = reader.sheets.first() else { return };
    let cell = sheet
        .rows
        .iter()
        .take(6)
        .flatten()
        .find(|cell| is_name(&cell.text) && (2..=5).contains(&cell.text.split(' ').count()));
    if let Some(cell) = cell {
        let sure = if named(entities, &cell.text, "PER") { 0.95 } else { 0.75 };
        fields.push(reader.whole("name", sheet, cell, sure));
    }
}

/// The value of a label: the rest of its cell, the cell at its right, or the one below it.
pub fn labelled<'s>(sheet: &'s Sheet, labels: &[&str]) -> Option<(&'s Cell, usize)> {
    for label in labels {
        for (row, cells) in sheet.rows.iter().enumerate().take(30) {
            for (column, cell) in cells.iter().enumerate() {
                let Some(end) = matches(&cell.text, 0, label) else { continue };
                let rest = cell.text.get(end..)?;
                let value = rest.trim_start_matches([' ', ':', '-']);
                let marked = rest.trim_start().starts_with(':') || label.len() >= 6;
                if is_name(value) && marked && label.len() > 2 {
                    return Some((cell, cell.text.len() - value.len()));
                }
                if !value.is_empty() {
                    continue;
                }
                let right = cells.get(column + 1).filter(|c| is_name(&c.text));
                let below = sheet
                    .rows
                    .iter()
                    .skip(row + 1)
                    .take(2)
                    .flatten()
                    .find(|c| c.above(cell) && is_name(&c.text));
                // A head of columns names what is below it.
                let alone = !right.is_some_and(|r| {
                    BUYER_LABELS.iter().chain(SUPPLIER_LABELS).any(|l| matches(&r.text, 0, l).is_some())
                });
                if let Some(found) = below.or(right.filter(|_| alone)) {
                    return Some((found, 0));
                }
            }
        }
    }
    None
}

/// The head of the address that is not the sender's: the first row of a block with a postcode.
pub fn addressee<'s>(sheet: &'s Sheet, sender: &str) -> Option<&'s Cell> {
    for (row, cells) in sheet.rows.iter().enumerate().take(30) {
        for cell in cells {
            if salutes(row, &cell.text) {
                if cell.text.contains(' ') && is_name(&cell.text) {
                    return Some(cell);
                }
                return sheet.rows.iter().skip(row + 1).take(1).flatten().find(|c| c.above(cell));
            }
            if !postcode(&cell.text) || row < 2 {
                continue;
            }
            // Upwards, as long as there are short lines in the same column.
            let mut head = None;
            for above in sheet.rows.iter().take(row).rev().take(5) {
                let Some(line) =
                    above.iter().find(|c| (c.bounds[0] - cell.bounds[0]).abs() < 0.02 || !sheet.boxed)
                else {
                    break;
                };
                if postcode(&line.text)
                    || line.text.chars().any(|c| c == '@' || c == ':')
                    || !super::dates::find(&line.text, false).is_empty()
                {
                    break;
                }
                if is_name(&line.text) {
                    head = Some(line);
                }
                if same(&line.text, sender) {
                    head = None;
                    break;
                }
            }
            if let Some(head) = head.filter(|h| !same(&h.text, sender)) {
                return Some(head);
            }
        }
    }
    None
}

/// Whether a line of an address begins with "Herrn", "Firma", "Mrs" and the like.
pub fn salutes(row: usize, text: &str) -> bool {
    // At the very head, with a name behind it, it is a doctor's own letterhead.
    if (row == 0 && text.contains(' ')) || has_form(text) {
        return false;
    }
    let lower = text.to_lowercase();
    let words = ["herrn", "herr", "frau", "firma", "mr", "mrs", "ms", "dr"];
    words.iter().any(|word| matches(&lower, 0, word).is_some()) && text.chars().count() < 50
}
