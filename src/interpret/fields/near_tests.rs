//! Columns that stand so near each other that their numbers could be one: "2 120,00".

use super::of_pages;
use super::tests::{SPEC, expect, said};
use crate::document::{Field, PageText, Word};
use proptest::prelude::*;

/// A page of words, each with the gap before it in letters; every letter is equally wide.
fn page(rows: &[Vec<(f32, String)>], turned: bool) -> PageText {
    let (letter, mut words) = (0.008, Vec::new());
    for (number, row) in (0u8..).zip(rows) {
        let (mut at, y) = (0.1, 0.1 + 0.03 * f32::from(number));
        for (gap, text) in row {
            at += gap * letter;
            let right = at + letter * text.chars().count() as f32;
            let upright = [at, y, right, y + 0.012];
            let [l, t, r, b] = upright;
            // As it lies on a page that has to be turned by 90° to be read.
            let bounds = if turned { [1.0 - b, l, 1.0 - t, r] } else { upright };
            words.push(Word { text: text.clone(), bounds, confidence: 0.95 });
            at = right;
        }
    }
    let line = |row: &Vec<(f32, String)>| row.iter().map(|w| w.1.as_str()).collect::<Vec<_>>().join(" ");
    let text = rows.iter().map(line).collect::<Vec<_>>().join("\n");
    PageText { text, words, rotation: if turned { 90 } else { 0 }, ..PageText::default() }
}

/// Words of a line: `_` stands for a gap of columns that are near, `|` for one of columns that are apart.
fn row(line: &str, blank: f32, near: f32) -> Vec<(f32, String)> {
    let mut gap = 0.0;
    let mut words = Vec::new();
    for part in line.split(' ') {
        match part {
            "_" => gap = near,
            "|" => gap = 6.0,
            word => {
                words.push((gap, word.to_owned()));
                gap = blank;
            }
        }
    }
    words
}

const INVOICE: &str =
    "Lorient Chantiers SARL\nFacture n° 2024-17\nDésignation | Qté _ Prix unitaire | Montant\n";

fn lines(rows: &str, blank: f32, near: f32, turned: bool) -> Vec<Field> {
    let text = format!("{INVOICE}{rows}\nTotal HT | 9 999,00");
    let rows: Vec<Vec<(f32, String)>> = text.lines().map(|line| row(line, blank, near)).collect();
    of_pages(&SPEC, "invoice", &[page(&rows, turned)]).fields
}

fn value(fields: &[Field], name: &str) -> Option<String> {
    fields.iter().find(|f| f.name == name).map(|f| f.value.plain())
}

#[track_caller]
fn check(fields: &[Field], number: usize, wanted: [&str; 3]) {
    for (part, wanted) in ["quantity", "unit_price", "amount"].into_iter().zip(wanted) {
        let name = format!("lines[{number}].{part}");
        assert_eq!(value(fields, &name).as_deref(), Some(wanted), "{name} of {fields:#?}");
    }
}

#[test]
fn a_wider_gap_parts_numbers_and_a_blank_does_not() {
    // Letters of books and of typewriters; pages that lie and that stand.
    for (blank, near, turned) in [(0.5, 1.0, false), (0.5, 1.9, false), (1.0, 2.0, false), (0.6, 1.2, true)] {
        // The third is cheaper by a discount, so that no product tells where its numbers end.
        let rows = "Poutre de chêne massif | 2 _ 120,00 | 240,00\nPorte de la cour | 3 _ 1 200,00 | 3 600,00\nPose des deux portes | 2 _ 450,00 | 800,00";
        let fields = lines(rows, blank, near, turned);
        check(&fields, 0, ["2", "120.00", "240.00"]);
        check(&fields, 1, ["3", "1200.00", "3600.00"]);
        check(&fields, 2, ["2", "450.00", "800.00"]);
        assert!(!fields.iter().any(|f| f.name == "lines[3].amount"));
    }
}

#[test]
fn what_multiplies_tells_where_the_gap_does_not() {
    // No wider than a blank: a typesetter who was short of room.
    let rows = "Poutre de chêne massif | 2 120,00 | 240,00\nPorte de la cour | 3 1 200,00 | 3 600,00";
    let fields = lines(rows, 0.5, 0.5, false);
    check(&fields, 0, ["2", "120.00", "240.00"]);
    // Read wide by OCR, though one number.
    let fields = lines("Porte de la cour | 3 | 1 _ 200,00 | 3 600,00", 0.5, 0.9, false);
    check(&fields, 0, ["3", "1200.00", "3600.00"]);
}

#[test]
fn columns_of_plain_text_that_one_blank_parts_are_two() {
    let head =
        "Gärtnerei Blütenhof GmbH\nRechnung Nr. 2024-1188\nBezeichnung   Menge   Einzelpreis   Betrag\n";
    expect(
        "invoice",
        &format!(
            "{head}Eiche   2 120,00   240,00\nPflanzkübel   2 1.200,00   2.400,00\nZaun   3 1 200,00   3 600,00\nZwischensumme 6.240,00"
        ),
        &[
            "lines[0].quantity = 2",
            "lines[0].unit_price = 120.00",
            "lines[0].amount = 240.00",
            "lines[1].quantity = 2",
            "lines[1].unit_price = 1200.00",
            "lines[1].amount = 2400.00",
        ],
    );
    // A thousand of one, as it is written in French.
    let said = said("invoice", &format!("{head}Eiche   1   2 120,00   2 120,00\nZwischensumme 2.120,00"));
    assert!(said.contains(&"lines[0].unit_price = 2120.00".to_owned()), "{said:#?}");
}

#[test]
fn amounts_and_balances_of_a_statement_that_stand_near_are_two() {
    let text = "Kontoauszug vom 01.03.2024 bis 31.03.2024\nAlter Saldo | 1.000,00\nBuchung | Text | Betrag _ Saldo\n04.03.2024 | Miete für März | -650,00 _ 350,00\n12.03.2024 | Gehalt der Werft | 2.100,00 _ 2.450,00\n15.03.2024 | Strom | -50,00 _ 2 400,00\nNeuer Saldo | 2.400,00";
    let rows: Vec<Vec<(f32, String)>> = text.lines().map(|line| row(line, 0.5, 1.0)).collect();
    let fields = of_pages(&SPEC, "statement", &[page(&rows, false)]).fields;
    for (number, amount, balance) in
        [(0, "-650.00", "350.00"), (1, "2100.00", "2450.00"), (2, "-50.00", "2400.00")]
    {
        let name = |part: &str| format!("transactions[{number}].{part}");
        let said = |part: &str| value(&fields, &name(part)).unwrap_or_default();
        assert!(said("amount").starts_with(amount), "{fields:#?}");
        assert!(said("balance").starts_with(balance), "{fields:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However near: no number is made of two.
    #[test]
    fn numbers_of_near_columns_stay_what_they_are(quantity in 2u32..40, price in 100u32..999, near in 0.9f32..2.1, other in 0u32..50) {
        let amount = quantity * price - other;
        let grouped = |n: u32| if n < 1000 { format!("{n},00") } else { format!("{} {:03},00", n / 1000, n % 1000) };
        let rows = format!("Poutre de chêne massif | {quantity} _ {price},00 | {}", grouped(amount));
        let fields = lines(&rows, 0.5, near, false);
        check(&fields, 0, [&quantity.to_string(), &format!("{price}.00"), &format!("{amount}.00")]);
    }
}
