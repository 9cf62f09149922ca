//! Who wrote a document and to whom: by the form of a company's name, by its place on the page, by
//! the names that the model found, and by addresses.

use super::labels::matches;
use super::layout::{Cell, Sheet};
use super::names::{has_form, is_name, name_end, named, postcode, same};
use super::reader::Reader;
use super::spec::Kind;
use crate::document::{Entity, Field, FieldValue};

const BUYER_LABELS: &[&str] = &[
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

const SUPPLIER_LABELS: &[&str] = &[
    "from",
    "seller",
    "supplier",
    "vendor",
    "issued by",
    "payee",
    "von",
    "verkäufer",
    "lieferant",
    "rechnungssteller",
    "vendeur",
    "émetteur",
    "proveedor",
    "emisor",
    "fornitore",
];

/// `supplier`.
pub fn supplier(reader: &Reader<'_>, entities: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let Some(sheet) = reader.sheets.first() else { return };
    if let Some((cell, start)) = labelled(sheet, SUPPLIER_LABELS) {
        let part = start..cell.text.len();
        let value = FieldValue::Text(cell.text.get(part.clone()).unwrap_or_default().to_owned());
        fields.push(reader.field("supplier", value, sheet, cell, &part, 0.85));
        return;
    }
    let buyer = labelled(sheet, BUYER_LABELS).map(|(cell, _)| std::ptr::from_ref(cell));
    let mut best: Option<(f32, &Cell)> = None;
    let usual = usual_height(sheet);
    for (row, cells) in sheet.rows.iter().enumerate().take(12) {
        for cell in cells {
            if buyer == Some(std::ptr::from_ref(cell)) || !is_name(&cell.text) {
                continue;
            }
            let mut score = 0.55 - 0.03 * row as f32;
            score += if has_form(&cell.text) { 0.3 } else { 0.0 };
            score += if named(entities, &cell.text, "ORG") { 0.15 } else { 0.0 };
            score += if sheet.boxed && cell.height() > usual * 1.25 { 0.15 } else { 0.0 };
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, cell));
            }
        }
    }
    if let Some((score, cell)) = best {
        let part = 0..name_end(&cell.text);
        let value = FieldValue::Text(cell.text.get(part.clone()).unwrap_or_default().to_owned());
        fields.push(reader.field("supplier", value, sheet, cell, &part, score.clamp(0.3, 0.95)));
    }
}

/// `supplier.address`: the rows below the name, up to the first that is no address.
pub fn address(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let (Some(sheet), Some(supplier)) = (reader.sheets.first(), fields.iter().find(|f| f.name == "supplier"))
    else {
        return;
    };
    let name = supplier.raw.clone();
    let Some(row) = sheet.rows.iter().position(|cells| cells.iter().any(|c| c.text.starts_with(&name)))
    else {
        return;
    };
    let mut parts: Vec<&Cell> = Vec::new();
    for cells in sheet.rows.iter().skip(row + 1).take(8) {
        let Some(cell) = cells.first() else { continue };
        let text = cell.text.to_lowercase();
        let number = text.starts_with('(')
            || text.chars().filter(char::is_ascii_digit).count() * 2 > text.chars().count();
        let other = [
            "tel", "fax", "gst", "vat", "tax", "phone", "email", "www", "ph ", "ph:", "inv", "receipt",
            "date", "reg", "co no", "co.", "company", "roc", "cash", "bill", "doc",
        ];
        if other.iter().any(|word| text.starts_with(word)) {
            if parts.is_empty() && !text.starts_with("tel") { continue } else { break }
        }
        if parts.is_empty() && (number || !text.contains(|c: char| c.is_ascii_digit()) || has_form(&text)) {
            continue;
        }
        if cells.len() > 2
            || (!text.contains([',', '.']) && !text.contains(|c: char| c.is_ascii_digit()) && parts.len() > 2)
        {
            break;
        }
        parts.push(cell);
    }
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return };
    let joined = parts.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ");
    let (start, end) = (reader.whole("", sheet, first, 0.7), reader.whole("", sheet, last, 0.7));
    let bounds = start
        .bounds
        .zip(end.bounds)
        .map(|(a, b)| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    let value = FieldValue::Text(joined.clone());
    fields.push(Field {
        name: "supplier.address".to_owned(),
        value,
        raw: joined,
        end: end.end.max(start.start),
        bounds,
        ..start
    });
}

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

/// `sender` of a letter: its first name line, or who signs it.
pub fn sender(reader: &Reader<'_>, entities: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let Some(sheet) = reader.sheets.first() else { return };
    let signed = signature(reader);
    let top = sheet.rows.iter().take(5).flatten().find(|cell| is_name(&cell.text));
    let known = |cell: &Cell| {
        has_form(&cell.text) || named(entities, &cell.text, "ORG") || named(entities, &cell.text, "PER")
    };
    match (top, signed) {
        (Some(cell), Some((_, by))) if same(&cell.text, &by.text) => {
            fields.push(reader.whole("sender", sheet, cell, 0.95))
        }
        (Some(cell), _) if known(cell) => fields.push(reader.whole("sender", sheet, cell, 0.8)),
        (Some(cell), None) => fields.push(reader.whole("sender", sheet, cell, 0.55)),
        (_, Some((on, by))) => fields.push(reader.whole("sender", on, by, 0.75)),
        (None, None) => {}
    }
}

/// `recipient` of a letter: the head of the second address, or who is greeted.
pub fn recipient(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let Some(sheet) = reader.sheets.first() else { return };
    let sender = fields.iter().find(|f| f.name == "sender").map(|f| f.raw.clone()).unwrap_or_default();
    if let Some(cell) = addressee(sheet, &sender) {
        fields.push(reader.whole("recipient", sheet, cell, 0.8));
        return;
    }
    for cell in sheet.rows.iter().flatten() {
        let Some(start) = ["dear ", "sehr geehrte ", "sehr geehrter ", "liebe ", "lieber "]
            .iter()
            .find(|g| cell.text.to_lowercase().starts_with(**g))
            .map(|g| g.len())
        else {
            continue;
        };
        let end = cell.text.find([',', '!']).unwrap_or(cell.text.len());
        let name = cell.text.get(start..end).unwrap_or_default();
        if ["sir", "madam", "damen", "all", "team", "customer"]
            .iter()
            .any(|w| name.to_lowercase().contains(w))
            || name.is_empty()
        {
            return;
        }
        fields.push(reader.field(
            "recipient",
            FieldValue::Text(name.to_owned()),
            sheet,
            cell,
            &(start..end),
            0.6,
        ));
        return;
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
fn labelled<'s>(sheet: &'s Sheet, labels: &[&str]) -> Option<(&'s Cell, usize)> {
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
fn addressee<'s>(sheet: &'s Sheet, sender: &str) -> Option<&'s Cell> {
    for (row, cells) in sheet.rows.iter().enumerate().take(30) {
        for cell in cells {
            let salutation = ["herrn", "herr ", "frau ", "firma", "mr ", "mrs ", "ms ", "dr "]
                .iter()
                .any(|s| cell.text.to_lowercase().starts_with(s));
            if salutation && row > 0 && cell.text.chars().count() < 50 && !cell.text.starts_with("Dear") {
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

/// Who signs: the row below the closing.
fn signature<'r>(reader: &'r Reader<'_>) -> Option<(&'r Sheet, &'r Cell)> {
    let closings = [
        "yours sincerely",
        "yours faithfully",
        "yours truly",
        "sincerely",
        "kind regards",
        "best regards",
        "regards",
        "with kind regards",
        "mit freundlichen grüßen",
        "mit freundlichem gruß",
        "freundliche grüße",
        "viele grüße",
        "hochachtungsvoll",
        "herzliche grüße",
    ];
    for sheet in reader.sheets.iter().rev() {
        for (row, cells) in sheet.rows.iter().enumerate() {
            let closes = cells.first().is_some_and(|c| {
                c.text.chars().count() < 40 && closings.iter().any(|w| matches(&c.text, 0, w).is_some())
            });
            if closes {
                let name = sheet.rows.iter().skip(row + 1).take(3).flatten().find(|c| is_name(&c.text));
                return name.map(|name| (sheet, name));
            }
        }
    }
    None
}

fn usual_height(sheet: &Sheet) -> f32 {
    let mut heights: Vec<f32> = sheet.rows.iter().flatten().map(Cell::height).collect();
    heights.sort_by(f32::total_cmp);
    heights.get(heights.len() / 2).copied().unwrap_or(1.0)
}
