//! Tables whose heads, columns and ends are odd.

use super::tests::{expect, said};

#[test]
fn heads_of_two_known_words_are_one_column() {
    expect(
        "invoice",
        "Norvale Timber Ltd\nInvoice # 17\nDescription   Qty   Unit price   Total price\nOak shelf   6   420.00   2,520.00\nSubtotal 2,520.00",
        &["lines[0].quantity = 6", "lines[0].unit_price = 420.00", "lines[0].amount = 2520.00"],
    );
}

#[test]
fn a_rate_without_its_sign_has_a_column_of_its_own() {
    expect(
        "invoice",
        "Norvale Timber Ltd\nInvoice # 17\nDescription   Qty   Unit price   VAT rate   Amount\nOak shelf   6   420.00   20   2,520.00\nDelivery   1   380.00   380.00\nSubtotal 2,900.00",
        &[
            "lines[0].quantity = 6",
            "lines[0].unit_price = 420.00",
            "lines[1].quantity = 1",
            "lines[1].amount = 380.00",
        ],
    );
}

#[test]
fn money_is_no_quantity_where_the_head_of_prices_is_lost() {
    let text = "Norvale Timber Ltd\nInvoice # 17\nDescription   Qty   Amount\nOak shelf   6   420.00   2,500.00\nDelivery   380.00   380.00\nSubtotal 2,880.00";
    let said = said("invoice", text);
    assert!(!said.contains(&"lines[1].quantity = 380.00".to_owned()), "{said:#?}");
    assert!(said.contains(&"lines[1].unit_price = 380.00".to_owned()), "{said:#?}");
}

#[test]
fn goods_named_like_a_sum_are_lines() {
    let text = "Ledger & Lane Ltd\nInvoice # 17\nDescription   Qty   Unit price   Amount\nTax return 2023   1   500.00   500.00\nNet curtains   2   40.00   80.00\nSubtotal 580.00\nVAT 20 % 116.00\nTotal 696.00";
    expect(
        "invoice",
        text,
        &[
            "lines[0].amount = 500.00",
            "lines[1].description = Net curtains",
            "lines[1].quantity = 2",
            "tax[0].amount = 116.00",
        ],
    );
}

#[test]
fn a_table_goes_on_over_pages_and_what_is_carried_is_no_line() {
    let page = |rows: &str| format!("Norvale Timber Ltd\nInvoice # 17\n{rows}");
    let (first, next) = (
        page(
            "Description   Qty   Unit price   Amount\nOak shelf   6   420.00   2,520.00\nCarried forward   2,520.00",
        ),
        page("Brought forward   2,520.00\nDelivery   1   380.00   380.00\nSubtotal 2,900.00"),
    );
    let pages = [first, next].map(|text| crate::document::PageText::plain(text.as_str()));
    let found = super::of_pages(&super::tests::SPEC, "invoice", &pages);
    let amounts: Vec<String> = found
        .fields
        .iter()
        .filter(|f| f.name.starts_with("lines[") && f.name.ends_with(".amount"))
        .map(|f| f.value.plain())
        .collect();
    assert_eq!(amounts, ["2520.00", "380.00"]);
}
