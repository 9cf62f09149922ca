//! Taxes by rate.

use super::amounts::{self, FoundNumber};
use super::assign;
use super::labels::matches;
use super::layout::Cell;
use super::reader::Reader;
use super::spec::Kind;
use super::table::money;
use crate::document::{Entity, Field, FieldValue};
use rust_decimal::Decimal;

const TAXES: &[&str] = &[
    "vat",
    "value added tax",
    "sales tax",
    "tax",
    "gst",
    "hst",
    "mwst.",
    "mwst",
    "ust.",
    "ust",
    "umsatzsteuer",
    "mehrwertsteuer",
    "zzgl. mwst",
    "zzgl. ust",
    "zzgl.",
    "zuzüglich",
    "+ mwst",
    "plus vat",
    "plus",
    "add vat",
    "tva",
    "t.v.a.",
    "iva",
    "i.v.a.",
    "btw",
    "inkl. mwst",
    "incl. vat",
    "enthaltene mwst",
];

/// `tax[0].rate`, `tax[0].amount`, and so on: rows that begin with a tax's name and end in an amount.
pub fn tax(reader: &Reader<'_>, _: &[Entity], _: &Kind, fields: &mut Vec<Field>) {
    let mut number = 0;
    for sheet in &reader.sheets {
        for row in &sheet.rows {
            let Some(first) = row.first() else { continue };
            let cell_at =
                row.iter().position(|cell| TAXES.iter().any(|label| matches(&cell.text, 0, label).is_some()));
            let percent_first =
                amounts::find(&first.text, false).first().is_some_and(|n| n.percent && n.bytes.start == 0)
                    && TAXES.iter().any(|label| first.text.to_lowercase().contains(label));
            let Some(at) = cell_at.or(percent_first.then_some(0)) else { continue };
            // Goods: "Tax return 1 500.00 500.00".
            if assign::is_multiplied(row) {
                continue;
            }
            let cells: Vec<&Cell> = row.iter().skip(at).collect();
            let numbers: Vec<(&Cell, FoundNumber)> = cells
                .iter()
                .flat_map(|c| {
                    // In a cell of its own, a blank parts thousands.
                    let alone = !c.text.contains(char::is_alphabetic) && !c.text.contains('%');
                    c.numbers(alone).into_iter().map(move |n| (*c, n))
                })
                .collect();
            let rate = numbers.iter().find(|(_, n)| n.percent && n.value < Decimal::from(100));
            let amount = numbers.iter().rfind(|(_, n)| n.is_money());
            let (Some((cell, found)), true) = (amount, number < 6) else { continue };
            let same = |f: &Field| {
                f.name.starts_with("tax[")
                    && f.name.ends_with("amount")
                    && f.value.number() == Some(found.value)
            };
            if fields.iter().any(same) || (rate.is_none() && number > 0) {
                continue;
            }
            if let Some((cell, rate)) = rate {
                let name = format!("tax[{number}].rate");
                fields.push(reader.field(
                    &name,
                    FieldValue::Number(rate.value),
                    sheet,
                    cell,
                    &rate.bytes,
                    0.9,
                ));
            }
            fields.push(reader.field(
                &format!("tax[{number}].amount"),
                money(found),
                sheet,
                cell,
                &found.bytes,
                0.9,
            ));
            number += 1;
        }
    }
}
