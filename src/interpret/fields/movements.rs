//! Rows of a statement of account: the day, what it was for, how much came in or went out.
//!
//! A row's sign is what the balances say, where there are any; else its column's head; else the sign
//! that is written.

use super::amounts::FoundNumber;
use super::dates;
use super::labels::matches;
use super::layout::{Cell, Sheet};
use super::reader::Reader;
use super::spec::Kind;
use crate::document::{Entity, Field, FieldValue};
use jiff::civil::Date;
use rust_decimal::Decimal;
use std::ops::Range;

/// Heads of columns whose amounts went out.
const OUT: &[&str] = &[
    "paid out",
    "money out",
    "withdrawals",
    "withdrawal",
    "debit",
    "debits",
    "payments out",
    "soll",
    "belastung",
    "ausgang",
    "ausgänge",
    "lastschrift",
    "débit",
    "out",
];
/// Heads of columns whose amounts came in.
const IN: &[&str] = &[
    "paid in",
    "money in",
    "deposits",
    "deposit",
    "credit",
    "credits",
    "receipts",
    "haben",
    "gutschrift",
    "eingang",
    "eingänge",
    "crédit",
    "in",
];
/// Heads of the column of balances.
const BALANCE: &[&str] = &["balance", "running balance", "saldo", "kontostand", "solde"];
/// Rows that say where the account stands, or sum up.
const SUMS: &[&str] = &[
    "balance",
    "opening balance",
    "closing balance",
    "balance brought forward",
    "balance carried forward",
    "previous balance",
    "new balance",
    "starting balance",
    "ending balance",
    "brought forward",
    "carried forward",
    "total",
    "alter saldo",
    "neuer saldo",
    "anfangssaldo",
    "endsaldo",
    "saldovortrag",
    "alter kontostand",
    "neuer kontostand",
    "schlusssaldo",
    "summe",
    "saldo",
    "kontostand",
    "zwischensaldo",
];
/// Rows, at most.
pub const MOST: usize = 1000;

/// A row.
struct Movement<'r> {
    sheet: &'r Sheet,
    day: Option<(&'r Cell, Range<usize>, Date)>,
    words: Option<(&'r Cell, Range<usize>)>,
    amount: (&'r Cell, FoundNumber),
    sign: Option<bool>,
    balance: Option<(&'r Cell, FoundNumber)>,
}

/// `transactions[0].date`, `.description`, `.amount` (negative: paid out) and `.balance`.
pub fn transactions(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let year = fields.iter().find_map(|f| match (&f.value, f.name.as_str()) {
        (FieldValue::Date(date), "from" | "to") => Some(date.year()),
        _ => None,
    });
    let mut balance = fields.iter().find(|f| f.name == "opening_balance").and_then(|f| f.value.number());
    let mut number = 0;
    for sheet in &reader.sheets {
        let mut columns: Vec<(Option<bool>, [f32; 4])> = Vec::new();
        let rows = rows(reader, sheet, year, &mut columns);
        // Where some rows begin with a day, one that does not is something else.
        let dated = rows.iter().any(|row| row.day.is_some());
        for row in rows.into_iter().filter(|row| row.day.is_some() || !dated) {
            let written = row.amount.1.value;
            let stands = row.balance.as_ref().map(|(_, n)| n.value);
            let step = balance.zip(stands).and_then(|(before, after)| after.checked_sub(before));
            let agrees = step.filter(|step| step.abs() == written.abs());
            let value = agrees.unwrap_or(match row.sign {
                Some(false) => -written.abs(),
                _ => written,
            });
            balance = stands.or(balance.and_then(|b| b.checked_add(value)));
            if number >= MOST {
                return;
            }
            put(reader, &row, number, value, if agrees.is_some() { 0.97 } else { 0.85 }, fields);
            number += 1;
        }
    }
}

fn put(
    reader: &Reader<'_>,
    row: &Movement<'_>,
    number: usize,
    value: Decimal,
    sure: f32,
    fields: &mut Vec<Field>,
) {
    let name = |part: &str| format!("transactions[{number}].{part}");
    if let Some((cell, part, day)) = &row.day {
        fields.push(reader.field(&name("date"), FieldValue::Date(*day), row.sheet, cell, part, 0.9));
    }
    if let Some((cell, part)) = &row.words {
        let words = FieldValue::Text(cell.text.get(part.clone()).unwrap_or_default().to_owned());
        fields.push(reader.field(&name("description"), words, row.sheet, cell, part, 0.85));
    }
    let money = |amount: Decimal, n: &FoundNumber| FieldValue::Amount {
        amount,
        currency: n.currency.map(str::to_owned),
    };
    let (cell, found) = &row.amount;
    fields.push(reader.field(&name("amount"), money(value, found), row.sheet, cell, &found.bytes, sure));
    if let Some((cell, found)) = &row.balance {
        let value = money(found.value, found);
        fields.push(reader.field(&name("balance"), value, row.sheet, cell, &found.bytes, 0.9));
    }
}

fn rows<'r>(
    reader: &Reader<'_>,
    sheet: &'r Sheet,
    year: Option<i16>,
    columns: &mut Vec<(Option<bool>, [f32; 4])>,
) -> Vec<Movement<'r>> {
    let mut found = Vec::new();
    let mut within = false;
    for cells in &sheet.rows {
        let heads = heads(cells);
        if !heads.is_empty() {
            (*columns, within) = (heads, true);
            continue;
        }
        let text = |cell: &Cell| {
            let start = day(reader, cell, year).map_or(0, |(part, _)| part.end);
            cell.text.get(start..).unwrap_or_default().trim_start().to_owned()
        };
        let sums = cells.iter().take(2).map(text).any(|t| SUMS.iter().any(|s| matches(&t, 0, s).is_some()));
        if sums {
            within = true;
            continue;
        }
        if let Some(row) =
            movement(reader, sheet, cells, year, columns).filter(|row| within || row.day.is_some())
        {
            found.push(row);
        }
    }
    found
}

/// The columns of amounts that a row of heads names: out is `Some(false)`, in `Some(true)`, balances `None`.
fn heads(cells: &[Cell]) -> Vec<(Option<bool>, [f32; 4])> {
    if cells.iter().any(|cell| cell.text.contains(|c: char| c.is_ascii_digit())) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for cell in cells {
        let mut at = 0;
        while at < cell.text.len() {
            let longest =
                |names: &[&str]| names.iter().filter_map(|name| matches(&cell.text, at, name)).max();
            let kinds = [(Some(false), longest(OUT)), (Some(true), longest(IN)), (None, longest(BALANCE))];
            match kinds.into_iter().filter_map(|(kind, end)| Some((kind, end?))).max_by_key(|(_, end)| *end) {
                Some((kind, end)) => {
                    found.push((kind, cell.place(&(at..end)).1));
                    at = end;
                }
                None => at += cell.text.get(at..).and_then(|t| t.find(' ')).unwrap_or(cell.text.len()) + 1,
            }
        }
    }
    // "Balance" alone, or "in" alone, is a word of a sentence.
    if found.len() > 1 { found } else { Vec::new() }
}

/// The day that a cell begins with, with the year of the statement where it names none.
fn day(reader: &Reader<'_>, cell: &Cell, year: Option<i16>) -> Option<(Range<usize>, Date)> {
    let full = dates::find(&cell.text, reader.month_first.unwrap_or(false)).into_iter().next();
    if let Some(found) = full.filter(|found| found.bytes.start == 0) {
        return Some((found.bytes, found.date));
    }
    let month_first = reader.month_first.unwrap_or(false);
    year.and_then(|year| dates::day_of_year(&cell.text, year, month_first))
}

fn movement<'r>(
    reader: &Reader<'_>,
    sheet: &'r Sheet,
    cells: &'r [Cell],
    year: Option<i16>,
    columns: &[(Option<bool>, [f32; 4])],
) -> Option<Movement<'r>> {
    let first = cells.first()?;
    let day = day(reader, first, year);
    let from = day.as_ref().map_or(0, |(part, _)| part.end);
    let mut numbers: Vec<(&Cell, FoundNumber)> = Vec::new();
    let mut words = None;
    for (index, cell) in cells.iter().enumerate() {
        let alone = !cell.text.contains(char::is_alphabetic);
        let start = if index == 0 { from } else { 0 };
        // The day of the value, in a column of its own: "03.04." is no amount.
        let valued = dates::day_of_year(&cell.text, 2000, false);
        let marked = alone && cell.text.ends_with(['.', '/']);
        if index > 0 && marked && valued.is_some_and(|(part, _)| part.end == cell.text.len()) {
            continue;
        }
        let money = cell.numbers(alone).into_iter();
        let money: Vec<FoundNumber> = money.filter(|n| n.is_money() && n.bytes.start >= start).collect();
        let end = money.first().map_or(cell.text.len(), |n| n.bytes.start);
        let text = cell.text.get(start..end).unwrap_or_default();
        // A second day is that of the value; it is no word.
        let valued =
            dates::find(text, false).first().map_or(0, |d| if d.bytes.start <= 1 { d.bytes.end } else { 0 });
        let text = text.get(valued..).unwrap_or_default();
        let lead = text.len() - text.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
        let body = text
            .get(lead..)
            .unwrap_or_default()
            .trim_end_matches(|c: char| c.is_whitespace() || "-+€$£".contains(c));
        if words.is_none() && body.contains(char::is_alphabetic) {
            let begin = start + valued + lead;
            words = Some((cell, begin..begin + body.len()));
        }
        numbers.extend(money.into_iter().map(|n| (cell, n)));
    }
    let balances = columns.iter().any(|(kind, _)| kind.is_none());
    let mut numbers = numbers.into_iter();
    let (amount, more) = (numbers.next()?, numbers.next_back());
    let balance = more.filter(|_| balances || numbers.next().is_none());
    let place = amount.0.place(&amount.1.bytes).1;
    let near = |column: &&(Option<bool>, [f32; 4])| {
        let right = (column.1[2] - place[2]).abs();
        right.min((column.1[0] - place[0]).abs())
    };
    let nearest = columns.iter().min_by(|a, b| near(a).total_cmp(&near(b))).and_then(|(kind, _)| *kind);
    let after = amount.0.text.get(amount.1.bytes.end..).unwrap_or_default().trim().to_lowercase();
    let marked = match after.split(' ').next().unwrap_or_default() {
        "dr" | "s" | "d" | "soll" => Some(false),
        "cr" | "h" | "c" | "haben" => Some(true),
        _ => None,
    };
    let day = day.map(|(part, day)| (first, part, day));
    (day.is_some() || words.is_some()).then_some(Movement {
        sheet,
        day,
        words,
        amount,
        sign: marked.or(nearest),
        balance,
    })
}
