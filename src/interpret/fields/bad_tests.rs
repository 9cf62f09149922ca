//! Fields of what is no proper document: mixed files, contradictions, noise, other directions. What
//! is found is doubtful and says why; nothing is invented.

use super::tests::{SPEC, expect, found, said};
use super::*;
use crate::document::Outcome;
use proptest::prelude::*;

fn pages(kind: &str, texts: &[&str]) -> Found {
    let pages: Vec<PageText> = texts.iter().map(|text| PageText::plain(*text)).collect();
    of_pages(&SPEC, kind, &pages)
}

fn field<'f>(found: &'f Found, name: &str) -> &'f Field {
    found.fields.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("no {name} in {:#?}", found.fields))
}

fn failed<'f>(found: &'f Found, name: &str) -> &'f str {
    let check = found.checks.iter().find(|c| c.name == name && c.outcome == Outcome::Fail);
    &check.unwrap_or_else(|| panic!("{name} does not fail: {:#?}", found.checks)).detail
}

fn doubtful(found: &Found) -> bool {
    found.fields.iter().all(|f| f.validity != Validity::Valid && !f.reasons.is_empty())
}

/// Of the corpus: a scan in which the customer's name looks more like a company's than the supplier's.
const PRINT: &str = "Larkspur Print Works\n\n5 Tannery Court, York YO1 7HT\nInvoice 8840\n\nDate 30 January 2024\nOrder PO-5521\nCustomer Ridgeway Theatre Company\n\nItem Copies Price Total\nPosters, A2, four colours 250 1.20 300.00\nProgrammes, 24 pages 800 0.85 680.00\nNet amount 1,105.00\nVAT 20% 221.00\nAmount due 1,326.00\n\nPayment is due by 29 February 2024. Please make cheques payable to Larkspur Print Works. Goods remain our property until they have been paid in full.\n";

#[test]
fn a_statement_that_is_longer_than_what_is_read_says_so() {
    let page = "Statement of account\nOpening balance 100.00\n01/02/2024 Rent 10.00 90.00\n";
    let long = pages("statement", &[page; MAX_PAGES + 5]);
    assert!(failed(&long, "all-rows").contains("only the first 40 of 45 pages"));
    assert!(pages("statement", &[page]).checks.iter().all(|check| check.name != "all-rows"));
    assert!(pages("report", &[page; MAX_PAGES + 5]).checks.iter().all(|check| check.name != "all-rows"));
}

#[test]
fn a_customer_is_not_the_supplier() {
    expect("invoice", PRINT, &["supplier = Larkspur Print Works", "buyer = Ridgeway Theatre Company"]);
    // The head was not read, and the label of the customer wrongly.
    let lost_head = PRINT.replace("Larkspur Print Works\n\n5", "5");
    let lost_label = PRINT.replace("Customer Ridge", "Gustomer. Ridge");
    let broken_line =
        lost_label.replace("payable to ", "payable to\n").replace("Invoice 8840", "lnvo1ce 8840");
    for lost in [lost_head, lost_label, broken_line] {
        expect("invoice", &lost, &["supplier = Larkspur Print Works"]);
    }
    // A letterhead that could not be read, above a window with the customer's address.
    let window = "Frau\nHelen Okoye\nHafenstraße 12\n28195 Bremen\n\nRechnung Nr. 20481/3\n\nSumme netto 100,00\nUmsatzsteuer 19 % 19,00\nRechnungsbetrag EUR 119,00\n\nWindrose Feinmechanik GmbH   IBAN DE89 3704 0044 0532 0130 00\n";
    expect("invoice", window, &["supplier = Windrose Feinmechanik GmbH"]);
    // Nothing but the customer: it is none, or it is doubtful.
    let alone =
        "Helen Okoye\nHafenstraße 12\n28195 Bremen\n\nRechnung Nr. 20481/3\nRechnungsbetrag EUR 119,00\n";
    let found = found("invoice", alone);
    for field in found.fields.iter().filter(|f| f.name == "supplier") {
        assert_eq!(field.validity, Validity::Doubtful, "{field:?}");
    }
}

#[test]
fn two_companies_that_both_could_be_the_supplier_are_doubtful() {
    let text = "Norvale Timber Ltd   Redmoor Catering Ltd\nInvoice number A-17\nInvoice date 12 March 2024\nTotal due 100.00 EUR";
    let found = found("invoice", text);
    let supplier = field(&found, "supplier");
    assert_eq!(supplier.validity, Validity::Doubtful);
    assert!(supplier.reasons[0].contains("could be the supplier too"), "{:?}", supplier.reasons);
}

#[test]
fn a_number_of_days_is_no_amount() {
    let text = "Gärtnerei Blütenhof GmbH\nRechnung Nr. 2024-1188\nZwischensumme 700,00\nUmsatzsteuer 19 % 133,00\nRechnungsbetrag in EUR 833,00\n\nBitte überweisen Sie den Rechnungsbetrag innerhalb von 14 Tagen ohne Abzug auf unser Konto.";
    expect("invoice", text, &["total = 833.00 EUR"]);
    for unreadable in ["", "Rechnungsbetrag in EUR B33,O0\n"] {
        let said = said("invoice", &text.replace("Rechnungsbetrag in EUR 833,00\n", unreadable));
        assert!(!said.iter().any(|line| line.starts_with("total")), "{said:?}");
    }
    let text = "Total payable within 30 days of receipt\nTotal 5 items\nPay the total by card within 7 days.";
    assert!(!said("receipt", text).iter().any(|line| line.starts_with("total")));
}

const LETTER: &str = "Margaret Holloway\n38 Elm Grove\nLeeds LS6 2PQ\n7 February 2024\n\nDear Sir or Madam,\n\nPlease find our invoice enclosed.\n\nYours faithfully,\n\nMargaret Holloway";
const FIRST: &str = "Norvale Timber Ltd\nInvoice number NT-0317\nInvoice date 12 March 2024\nSubtotal 100.00\nVAT 20% 20.00\nTotal due GBP 120.00";
const SECOND: &str = "Norvale Timber Ltd\nInvoice number NT-0318\nInvoice date 15 March 2024\nSubtotal 200.00\nVAT 20% 40.00\nTotal due GBP 240.00";

#[test]
fn a_file_of_several_documents_says_so_and_mixes_nothing() {
    let two = pages("invoice", &[FIRST, SECOND]);
    assert_eq!(
        failed(&two, "one-document"),
        "the file seems to hold 2 documents: page 1 (invoice NT-0317), page 2 (invoice NT-0318); the fields are of page 1"
    );
    assert!(doubtful(&two), "{:#?}", two.fields);
    assert_eq!(field(&two, "total").value.plain(), "120.00 GBP");
    assert!(two.fields.iter().all(|f| f.page == 1));

    let letter = pages("invoice", &[LETTER, FIRST]);
    assert!(
        failed(&letter, "one-document")
            .contains("page 1 (letter), page 2 (invoice NT-0317); the fields are of page 2")
    );
    assert_eq!(
        (field(&letter, "number").value.plain().as_str(), field(&letter, "number").page),
        ("NT-0317", 2)
    );

    let counted =
        pages("letter", &["A note.\nPage 1 of 1", "Another note.\nPage 1 of 2", "It goes on.\nPage 2 of 2"]);
    assert!(failed(&counted, "one-document").contains("page 1, pages 2 to 3"));
}

#[test]
fn pages_of_one_document_are_one() {
    let next = "Norvale Timber Ltd\nInvoice number NT-0317, page 2 of 2\nTerms of delivery\nGoods remain our property.";
    for (kind, texts) in [
        ("invoice", vec![FIRST, next]),
        ("letter", vec![LETTER, "Enclosure: a list of names."]),
        ("invoice", vec![FIRST, FIRST]),
    ] {
        let found = pages(kind, &texts);
        assert!(!found.checks.iter().any(|c| c.name == "one-document"), "{:#?}", found.checks);
    }
}

#[test]
fn amounts_that_contradict_each_other_are_doubtful_unless_sums_settle_it() {
    let text = "Norvale Timber Ltd\nInvoice number A-1\nInvoice date 12 March 2024\nInvoice total 200.00 EUR\nAmount due 100.00 EUR";
    let found = found("invoice", text);
    let total = field(&found, "total");
    assert_eq!((total.value.plain().as_str(), total.validity), ("100.00 EUR", Validity::Doubtful));
    assert!(total.reasons[0].contains("200.00 EUR stands at another label"), "{:?}", total.reasons);
    let settled = format!("{text}\nSubtotal 80.00\nVAT 25% 20.00");
    let found = tests::found("invoice", &settled);
    assert_eq!(field(&found, "total").validity, Validity::Valid, "{:?}", field(&found, "total"));
}

#[test]
fn text_from_right_to_left_gives_nothing_or_doubts() {
    for text in [
        "חברת נורווייל בע\"מ\nחשבונית מס 4711\nתאריך: 03/04/2024\nסה\"כ לתשלום: 120.00 ₪\nTotal 120.00 ILS",
        "شركة نورفيل المحدودة\nفاتورة رقم ٤٧١١\nالتاريخ: ٣/٤/٢٠٢٤\nالمجموع: ١٢٠٫٠٠\nTotal 120.00 AED",
    ] {
        let found = found("invoice", text);
        assert!(failed(&found, "reading-order").contains("from right to left"));
        assert!(doubtful(&found), "{:#?}", found.fields);
    }
    // What is shown is 1.00, what is stored is not.
    let turned = FIRST.replace("120.00", "\u{202e}00.1\u{202c}");
    let found = found("invoice", &turned);
    assert!(failed(&found, "reading-order").contains("change the order"));
    assert!(doubtful(&found), "{:#?}", found.fields);
}

#[test]
fn lines_of_one_currency_and_a_sum_of_another_are_doubtful() {
    let text = "Norvale Timber Ltd\nInvoice number A-1\nInvoice date 12 March 2024\nDescription   Qty   Unit price   Amount\nOak boards   2   $50.00   $100.00\nSubtotal $100.00\nVAT 20% $20.00\nTotal due 120.00 EUR";
    let found = found("invoice", text);
    assert!(failed(&found, "one-currency").contains("EUR, USD"));
    for name in ["total", "net", "lines[0].amount"] {
        let field = field(&found, name);
        assert_eq!(field.validity, Validity::Doubtful, "{field:?}");
        assert!(field.reasons.iter().any(|r| r.contains("several currencies")), "{field:?}");
    }
}

const STATEMENT: &str = "Severn Valley Bank\nAccount number 40882716\nPeriod 1 July 2024 to 31 July 2024\n\nDate   Description   Paid out   Paid in   Balance\n1 July   Balance brought forward   1,204.55\n2 July   Rent to Cadwell Estates   780.00   424.55\n5 July   Supermarket Fairley   63.18   361.37\n31 July   Balance carried forward   361.37";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn noise_gives_no_field_that_is_sure(lines in proptest::collection::vec("([bcdfghjklmnpqrstvwxz#~|;@%]{2,9} ){3,7}", 8..16), kind in 0usize..7) {
        let kinds = ["invoice", "receipt", "letter", "contract", "resume", "statement", "report"];
        let found = found(kinds[kind], &lines.join("\n"));
        for field in &found.fields {
            prop_assert!(field.validity != Validity::Valid && !field.reasons.is_empty(), "{field:?}");
        }
    }

    /// However a document is damaged: what is said of it is written where it is said to be.
    #[test]
    fn nothing_is_said_that_is_not_written(which in 0usize..4, damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..40)) {
        let (kind, text) = [("invoice", FIRST), ("invoice", PRINT), ("letter", LETTER), ("statement", STATEMENT)][which];
        let mut chars: Vec<char> = text.chars().collect();
        for (at, c) in damage {
            *at.get_mut(&mut chars) = c;
        }
        let text: String = chars.iter().collect();
        for field in found(kind, &text).fields {
            // Without breaks of lines: what one parts at a hyphen is one word.
            let there: String = chars[field.start..field.end].iter().filter(|c| !c.is_whitespace()).collect();
            for word in field.raw.split_whitespace() {
                prop_assert!(there.contains(word), "{word} is not in {there}: {field:?}");
            }
            // As numbers: zeros before the first other digit say nothing.
            let digits = |text: &str| {
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                let digits = digits.trim_start_matches('0');
                // "GBP 12K" is counted in thousands.
                let counted = field.raw.ends_with(['k', 'K', 'm', 'M', 'b', 'B']);
                if counted { digits.trim_end_matches('0') } else { digits }.to_owned()
            };
            if let FieldValue::Amount { amount, .. } | FieldValue::Number(amount) = &field.value {
                // What sums settle has the decimals of the sums.
                let amount = if field.raw.contains(['.', ',']) { *amount } else { amount.normalize() };
                prop_assert_eq!(digits(&amount.to_string()), digits(&field.raw), "{:?}", field);
            }
        }
    }

    #[test]
    fn no_pages_break_it(texts in proptest::collection::vec("((Invoice no|Total|Dear|Yours faithfully|Page 1 of|12.03.|Opening balance|\\PC{0,12})(\n| {2}|: )){0,8}", 0..4), kind in 0usize..6) {
        let kinds = ["invoice", "letter", "statement", "resume", "report", "form"];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let length: usize = texts.iter().map(|text| text.chars().count() + 2).sum();
        for field in pages(kinds[kind], &texts).fields {
            prop_assert!(field.start <= field.end && field.end <= length, "{field:?}");
        }
    }
}
