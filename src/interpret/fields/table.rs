//! Lines of an invoice, and the currency.
//!
//! A line is a row that ends in an amount, between the table's head and the first total. The
//! numbers at a row's end are what the head's columns say, from the right.

use super::amounts::{self, FoundNumber};
use super::assign::{self, Columns};
use super::columns::{Column, HEADS};
use super::labels::matches;
use super::layout::{Cell, Sheet};
use super::reader::Reader;
use super::spec::Kind;
use crate::document::{Entity, Field, FieldValue, Validity};
use rust_decimal::Decimal;

/// Labels that end the table.
const ENDS: &[&str] = &[
    "subtotal",
    "sub-total",
    "sub total",
    "total",
    "net",
    "netto",
    "nettobetrag",
    "zwischensumme",
    "summe",
    "gesamt",
    "gesamtbetrag",
    "rechnungsbetrag",
    "amount due",
    "balance due",
    "grand total",
    "vat",
    "tax",
    "sous-total",
    "base imponible",
    "imponibile",
    "totale",
    "mwst",
    "umsatzsteuer",
    "net total",
    "total ht",
    "gst",
    "cash",
    "nett",
    "rounding",
];

/// Sums of the page before.
const CARRIED: &[&str] = &[
    "carried forward",
    "brought forward",
    "carried over",
    "übertrag",
    "à reporter",
    "report",
    "suma y sigue",
    "riporto",
];

/// Rows of lines, at most: more is a price list.
pub const MAX_LINES: usize = 300;

/// `lines[0].description`, `.quantity`, `.unit_price`, `.amount`, and so on.
pub fn lines(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let mut number = 0;
    // A table that was not ended goes on on the next page, with or without its head.
    let mut open: Option<Vec<Column>> = None;
    for sheet in &reader.sheets {
        let headed = head(sheet);
        let whole = headed.is_none();
        let headed = headed.map(|(head, columns)| (head + 1, columns));
        let Some((first, columns)) = headed.or(open.take().map(|columns| (0, columns))) else { continue };
        let least = columns.iter().filter(|c| !matches!(c, Column::Other | Column::Rate)).count();
        let body = || sheet.rows.iter().skip(first).map(Vec::as_slice).take_while(|row| !ends(row));
        let ended = first + body().count() < sheet.rows.len();
        let table = Columns::learn(columns, body().take(MAX_LINES), sheet.boxed);
        for row in body() {
            if number >= MAX_LINES {
                break;
            }
            if carried(row) || (whole && assign::numbers(row).0.len() < least.max(2)) {
                continue;
            }
            if line(reader, sheet, row, &table, number, fields) {
                number += 1;
            } else if number > 0 {
                wrapped(row, number - 1, fields);
            }
        }
        open = (!ended).then_some(table.head);
    }
}

/// The row of column heads, with what stands in the columns from left to right.
fn head(sheet: &Sheet) -> Option<(usize, Vec<Column>)> {
    sheet.rows.iter().enumerate().find_map(|(index, row)| {
        let text = joined(row);
        if text.chars().any(|c| c.is_ascii_digit()) {
            return None;
        }
        let mut columns = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let starts = text.get(..at)?.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
            let found = HEADS
                .iter()
                .filter(|_| starts)
                .filter_map(|(word, column)| Some((matches(&text, at, word)?, *column)));
            match found.max_by_key(|(end, _)| *end) {
                Some((end, column)) => {
                    columns.push(column);
                    at = end;
                }
                None => at += text.get(at..)?.chars().next().map_or(1, char::len_utf8),
            }
        }
        (columns.contains(&Column::Amount) || columns.contains(&Column::Price)).then_some(())?;
        (columns.len() >= 2).then_some((index, columns))
    })
}

fn joined(row: &[Cell]) -> String {
    row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Whether a row is a sum below the table: named like one, and not a line of goods that are named so.
fn ends(row: &[Cell]) -> bool {
    let starts = |cell: &Cell| ENDS.iter().any(|label| matches(&cell.text, 0, label).is_some());
    let named = row.first().is_some_and(starts)
        || row.iter().rev().nth(1).is_some_and(|cell| row.len() <= 2 && starts(cell));
    named && !assign::is_multiplied(row)
}

/// A sum that is taken from page to page is no line.
fn carried(row: &[Cell]) -> bool {
    row.first().is_some_and(|cell| {
        let end = CARRIED.iter().find_map(|label| matches(&cell.text, 0, label));
        end.is_some_and(|end| !cell.text.get(end..).unwrap_or_default().contains(char::is_alphabetic))
    })
}

/// One row as a line; false if it is none.
fn line(
    reader: &Reader<'_>,
    sheet: &Sheet,
    row: &[Cell],
    table: &Columns,
    number: usize,
    fields: &mut Vec<Field>,
) -> bool {
    let (numbers, words_end) = assign::numbers(row);
    let Some((_, last)) = numbers.first() else { return false };
    if !last.is_money() {
        return false;
    }
    let order = table.order(&numbers);
    let columns = &table.head;
    let name = |part: &str| format!("lines[{number}].{part}");
    let mut line: Vec<Field> = Vec::new();
    for (column, (cell, found)) in order.columns.iter().zip(numbers.iter().filter(|(_, n)| !n.percent)) {
        let (part, value) = match column {
            Column::Quantity => ("quantity", FieldValue::Number(found.value)),
            Column::Price => ("unit_price", money(found)),
            Column::Amount => ("amount", money(found)),
            Column::Rate | Column::Other => continue,
        };
        let mut field = reader.field(&name(part), value, sheet, cell, &found.bytes, 0.9);
        if let Some(doubt) = order.doubt.filter(|_| part != "amount") {
            field.confidence *= 0.6;
            (field.validity, field.reasons) = (Validity::Doubtful, vec![doubt.to_owned()]);
        }
        line.push(field);
    }
    if !line.iter().any(|f| f.name.ends_with("amount")) && !columns.contains(&Column::Amount) {
        return false;
    }
    let first = row.iter().find(|cell| cell.text.contains(char::is_alphabetic));
    if let Some(cell) = first {
        let end = words_end.filter(|(c, _)| std::ptr::eq(*c, cell)).map_or(cell.text.len(), |(_, end)| end);
        let body = cell.text.get(..end).unwrap_or_default().trim_end_matches([' ', '-', '€', '$', '£']);
        let (start, quantity) = leading(body, columns);
        let before = row.iter().take_while(|c| !std::ptr::eq(*c, cell)).last();
        let apart = before
            .filter(|_| columns.first() == Some(&Column::Quantity))
            .and_then(|c| Some((c, amounts::find(&c.text, false).into_iter().next()?)))
            .map(|(c, found)| (c, found.value, found.bytes));
        let there = line.iter().any(|f| f.name.ends_with(".quantity"));
        let quantity = apart.or(quantity.map(|(value, part)| (cell, value, part))).filter(|_| !there);
        if let Some((of, value, part)) = quantity {
            line.push(reader.field(&name("quantity"), FieldValue::Number(value), sheet, of, &part, 0.8));
        }
        let value = FieldValue::Text(body.get(start..).unwrap_or_default().to_owned());
        line.push(reader.field(&name("description"), value, sheet, cell, &(start..body.len()), 0.9));
    }
    product(&mut line);
    fields.extend(line);
    true
}

/// A position or a quantity before the words: where they start, and the quantity.
fn leading(body: &str, columns: &[Column]) -> (usize, Option<(Decimal, std::ops::Range<usize>)>) {
    let digits = body.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let rest = body.get(digits..).unwrap_or_default();
    if digits == 0 || digits > 4 || !rest.starts_with([' ', '.', 'x', ')']) {
        return (0, None);
    }
    let start = body.len() - rest.trim_start_matches([' ', '.', 'x', ')']).len();
    let quantity_first = columns.first() == Some(&Column::Quantity);
    let value = body.get(..digits).and_then(|d| d.parse().ok()).filter(|_| quantity_first);
    (start, value.map(|v| (v, 0..digits)))
}

pub(super) fn money(found: &FoundNumber) -> FieldValue {
    FieldValue::Amount { amount: found.value, currency: found.currency.map(str::to_owned) }
}

/// Quantity times price is the amount; where it is not, the three are doubtful.
fn product(line: &mut [Field]) {
    let get = |part: &str| line.iter().find(|f| f.name.ends_with(part)).and_then(|f| f.value.number());
    let (Some(quantity), Some(price), Some(amount)) = (get(".quantity"), get(".unit_price"), get(".amount"))
    else {
        return;
    };
    let fine = assign::fits(quantity, price, amount);
    for field in line.iter_mut().filter(|f| !f.name.ends_with("description")) {
        if fine {
            field.confidence = 1.0 - (1.0 - field.confidence) * 0.5;
        } else {
            field.validity = Validity::Doubtful;
            field.reasons.push(format!("{quantity} times {price} is not {amount}"));
        }
    }
}

/// A row without numbers goes on with the description above it.
fn wrapped(row: &[Cell], number: usize, fields: &mut [Field]) {
    let name = format!("lines[{number}].description");
    let ([cell], Some(field)) = (row, fields.iter_mut().find(|f| f.name == name)) else { return };
    if !cell.text.contains(|c: char| c.is_ascii_digit())
        && cell.text.chars().count() < 60
        && let FieldValue::Text(text) = &mut field.value
    {
        text.push(' ');
        text.push_str(&cell.text);
    }
}

/// `currency`: the one that the total has, or the only one that the document names.
pub fn currency(reader: &Reader<'_>, _: &[Entity], kind: &Kind, fields: &mut Vec<Field>) {
    let _ = kind;
    let said = |field: &Field| match &field.value {
        FieldValue::Amount { currency: Some(code), .. } => Some(code.clone()),
        _ => None,
    };
    let total = fields.iter().find(|f| f.name == "total");
    let found = total.and_then(|f| said(f).map(|code| (code, f.clone(), 0.95)));
    let found = found.or_else(|| {
        let sheet = reader.sheets.first()?;
        let mut all: Vec<(&'static str, &Cell, &Sheet)> = Vec::new();
        for sheet in &reader.sheets {
            for cell in sheet.rows.iter().flatten() {
                all.extend(amounts::currencies(&cell.text).into_iter().map(|code| (code, cell, sheet)));
            }
        }
        let (code, cell, on) = all.first().copied()?;
        let only = all.iter().all(|(other, ..)| *other == code);
        let _ = sheet;
        only.then(|| (code.to_owned(), reader.whole("currency", on, cell, 0.85), 0.85))
    });
    let Some((code, place, sure)) = found else { return };
    let mut field =
        Field { name: "currency".to_owned(), value: FieldValue::Identifier(code.clone()), ..place };
    // A dollar sign alone is shared by many countries.
    let bare = field.raw.contains('$')
        && !reader.pages.iter().any(|page| page.text.contains("USD") || page.text.contains("US$"));
    field.confidence = if bare { 0.6 } else { sure };
    if bare {
        field.validity = Validity::Doubtful;
        field.reasons.push("a dollar sign alone does not say whose dollars".to_owned());
    }
    fields.push(field);
    for field in fields.iter_mut() {
        if let FieldValue::Amount { currency: currency @ None, .. } = &mut field.value {
            *currency = Some(code.clone());
        }
    }
}
