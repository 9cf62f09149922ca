//! Fields of whole pages, and of what is no proper page.

use super::*;
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

/// Read once: its expressions take longer to compile than a page to read.
pub static SPEC: LazyLock<Spec> = LazyLock::new(|| {
    let spec = load(Path::new("")).unwrap();
    check_spec(&spec).unwrap();
    spec
});

pub fn found(kind: &str, text: &str) -> Found {
    of_pages(&SPEC, kind, &[PageText::plain(text)])
}

/// `name = value` of every field.
pub fn said(kind: &str, text: &str) -> Vec<String> {
    found(kind, text).fields.iter().map(|f| format!("{} = {}", f.name, f.value.plain())).collect()
}

pub fn expect(kind: &str, text: &str, wanted: &[&str]) {
    let said = said(kind, text);
    for line in wanted {
        assert!(said.iter().any(|s| s == line), "{line} is not among {said:#?}");
    }
}

const INVOICE: &str = "Harbour & Pine Joinery Ltd\n\n14 Quayside Lane, Bristol BS1 6DE\nINVOICE\n\nInvoice number HP-2024-0317\nInvoice date 12 March 2024\nDue date 11 April 2024\n\nBill to:\nNorthgate Library Trust\n2 Castle Street\n\nDescription Qty Unit price Amount\nOak shelving unit, 200 x 90 cm 6 420.00 2,520.00\nReading desk with brass lamp 4 315.50 1,262.00\nSubtotal 3,782.00\nVAT 20% 756.40\nTotal due in GBP 4,538.40\n\nPay to IBAN GB82 WEST 1234 5698 7654 32.\n";

#[test]
fn an_invoice_is_read_and_adds_up() {
    expect(
        "invoice",
        INVOICE,
        &[
            "supplier = Harbour & Pine Joinery Ltd",
            "buyer = Northgate Library Trust",
            "number = HP-2024-0317",
            "date = 2024-03-12",
            "due_date = 2024-04-11",
            "net = 3782.00 GBP",
            "tax[0].rate = 20",
            "tax[0].amount = 756.40 GBP",
            "total = 4538.40 GBP",
            "currency = GBP",
            "iban = GB82WEST12345698765432",
            "lines[0].description = Oak shelving unit, 200 x 90 cm",
            "lines[0].quantity = 6",
            "lines[1].unit_price = 315.50 GBP",
            "lines[1].amount = 1262.00 GBP",
        ],
    );
    let found = found("invoice", INVOICE);
    let failed: Vec<&Check> =
        found.checks.iter().filter(|c| c.outcome == crate::document::Outcome::Fail).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(found.checks.iter().filter(|c| c.outcome == crate::document::Outcome::Pass).count() >= 5);
}

#[test]
fn fields_lie_where_they_say() {
    let text: Vec<char> = INVOICE.chars().collect();
    for field in found("invoice", INVOICE).fields {
        let there: String = text[field.start..field.end].iter().collect();
        assert_eq!(there.split_whitespace().collect::<Vec<_>>().join(" "), field.raw, "{}", field.name);
    }
}

#[test]
fn a_wrong_sum_is_noticed_and_its_fields_are_doubtful() {
    let wrong = INVOICE.replace("4,538.40", "4,583.40");
    let found = found("invoice", &wrong);
    let total = found.fields.iter().find(|f| f.name == "total").unwrap();
    assert_eq!(total.validity, Validity::Doubtful);
    assert!(total.reasons[0].contains("3782.00 + 756.40 is not total 4583.40"), "{:?}", total.reasons);
}

#[test]
fn a_german_invoice_is_read() {
    let text = "Gärtnerei Blütenhof GmbH\n\nLindenstraße 27, 04229 Leipzig\nUSt-IdNr. DE 136 695 976\nRechnung Nr. 2024-1188\n\nHerrn Jürgen Großmann\nKönigsallee 9\n04109 Leipzig\nLeipzig, den 3. Mai 2024\nKundennummer 55231\n\nArtikel Menge Einzelpreis Betrag\nApfelbäume, dreijährig 5 48,00 240,00\nBlumenerde, Sack 40 Liter 20 7,80 156,00\nZwischensumme 396,00\nUmsatzsteuer 19 % 75,24\nRechnungsbetrag in EUR 471,24\n";
    expect(
        "invoice",
        text,
        &[
            "supplier = Gärtnerei Blütenhof GmbH",
            "buyer = Herrn Jürgen Großmann",
            "number = 2024-1188",
            "date = 2024-05-03",
            "customer_number = 55231",
            "net = 396.00 EUR",
            "tax[0].rate = 19",
            "tax[0].amount = 75.24 EUR",
            "total = 471.24 EUR",
            "vat_id = DE136695976",
            "lines[1].description = Blumenerde, Sack 40 Liter",
            "lines[1].quantity = 20",
        ],
    );
}

#[test]
fn other_kinds_are_read() {
    expect(
        "contract",
        "This Agreement is made on 3 May 2024 between Calder Vale Ltd, a company, and Meridian Software Ltd, a company.\nThe fee is £1,200.00 a month. It is governed by the laws of England and Wales.",
        &[
            "parties[0] = Calder Vale Ltd",
            "parties[1] = Meridian Software Ltd",
            "date = 2024-05-03",
            "amount = 1200.00 GBP",
            "governing_law = England and Wales",
        ],
    );
    expect(
        "statement",
        "Severn Bank\nAccount holder Mr Gareth Llewellyn\nAccount number 40882716\nPeriod 1 July 2024 to 31 July 2024\nOpening balance 100.00\nTotal paid out 30.00\nTotal paid in 50.00\nClosing balance 120.00",
        &[
            "holder = Mr Gareth Llewellyn",
            "account_number = 40882716",
            "from = 2024-07-01",
            "to = 2024-07-31",
            "closing_balance = 120.00",
        ],
    );
    expect(
        "form",
        "Full name:  Alice Pemberton\nDate of birth:  23 September 1991\nTown   EXETER",
        &["label:Full name = Alice Pemberton", "label:Date of birth = 1991-09-23", "label:Town = EXETER"],
    );
    expect(
        "resume",
        "Camila Duarte\ncamila@mail.example\n\nExperience\n\n2019 - today: Senior Researcher, Atlantic Institute\n\nSkills\n\nRust, diving",
        &[
            "name = Camila Duarte",
            "email = camila@mail.example",
            "positions[0].title = Senior Researcher",
            "positions[0].period = 2019 - today",
            "skills[1] = diving",
        ],
    );
    expect(
        "email",
        "From: Rupert <r@mail.example>\nTo: Help <help@parcel.example>\nSubject: Where is my parcel?\nDate: 2024-05-14T21:17:05+01:00\n\nDear team,",
        &["sender = Rupert <r@mail.example>", "subject = Where is my parcel?", "date = 2024-05-14"],
    );
    expect(
        "letter",
        "Margaret Holloway\n38 Elm Grove\nLeeds LS6 2PQ\n7 February 2024\nBrightwave Appliances plc\n100 Foundry Road\nSheffield S9 3TL\nComplaint about a washing machine\n\nDear Sir or Madam,\n\nIt fails.\n\nYours faithfully,\n\nMargaret Holloway",
        &[
            "sender = Margaret Holloway",
            "recipient = Brightwave Appliances plc",
            "date = 2024-02-07",
            "subject = Complaint about a washing machine",
        ],
    );
}

#[test]
fn rows_of_statements_are_read_with_their_signs() {
    // Of the corpus: days without a year, columns by their heads, signs by the balances.
    expect(
        "statement",
        "Severn Valley Bank\nAccount number 40882716\nPeriod 1 July 2024 to 31 July 2024\n\nDate   Description   Paid out   Paid in   Balance\n1 July   Balance brought forward   1,204.55\n2 July   Rent to Cadwell Estates   780.00   424.55\n5 July   Supermarket Fairley   63.18   361.37\n12 July   Refund Tailors Row   45.00   406.37\n31 July   Balance carried forward   406.37",
        &[
            "opening_balance = 1204.55",
            "closing_balance = 406.37",
            "transactions[0].date = 2024-07-02",
            "transactions[0].description = Rent to Cadwell Estates",
            "transactions[0].amount = -780.00",
            "transactions[1].balance = 361.37",
            "transactions[2].amount = 45.00",
        ],
    );
    let text = "Kontoauszug\nIBAN DE89 3704 0044 0532 0130 00\nZeitraum: 01.03.2024 bis 31.03.2024\nAlter Saldo   100,00 EUR\n01.03.2024   Miete März   500,00-\n04.03.   Gehalt   1.900,00 H\n05.03.   Strom   40,50 S\nNeuer Saldo   1.459,50 EUR";
    expect(
        "statement",
        text,
        &[
            "transactions[0].amount = -500.00",
            "transactions[0].description = Miete März",
            "transactions[1].amount = 1900.00",
            "transactions[1].date = 2024-03-04",
            "transactions[2].amount = -40.50",
        ],
    );
    let balanced = |text: &str| {
        let found = found("statement", text);
        found.checks.iter().find(|c| c.name == "transactions-make-balance").unwrap().outcome
    };
    assert_eq!(balanced(text), crate::document::Outcome::Pass);
    assert_eq!(balanced(&text.replace("1.900,00", "1.800,00")), crate::document::Outcome::Fail);
}

#[test]
fn authors_and_contacts_are_lists() {
    expect(
        "report",
        "Survey of Library Visitors\nPrepared by Ada Lindqvist, Omar Okoye and Greta Brandt\n3 May 2024\n\nSummary",
        &[
            "authors[0] = Ada Lindqvist",
            "authors[1] = Omar Okoye",
            "authors[2] = Greta Brandt",
            "date = 2024-05-03",
        ],
    );
    expect(
        "report",
        "Prüfbericht zur Heizung\nErstellt von: Stadtwerke Ulm\nStand 3. Mai 2024",
        &["authors[0] = Stadtwerke Ulm"],
    );
    expect(
        "resume",
        "Camila Duarte\n12 Mill Lane, Leeds LS1 4AP\nTel. +44 20 7946 0018 - camila@mail.example",
        &["phone = +44 20 7946 0018", "email = camila@mail.example"],
    );
}

#[test]
fn a_position_is_read_above_beside_and_below_its_period() {
    let resume = |jobs: &str| {
        format!("Camila Duarte\ncamila@mail.example\n\nExperience\n\n{jobs}\n\nSkills\n\nRust, diving")
    };
    let wanted = [
        "positions[0].title = Senior Researcher",
        "positions[0].period = 2019 - today",
        "positions[1].title = Lab Assistant",
        "positions[1].period = 2015 - 2018",
    ];
    for jobs in [
        "2019 - today: Senior Researcher, Atlantic Institute\n2015 - 2018: Lab Assistant, Harbour Lab",
        "Senior Researcher, Atlantic Institute   2019 - today\nLab Assistant, Harbour Lab   2015 - 2018",
        "2019 - today\nSenior Researcher\nAtlantic Institute\n2015 - 2018\nLab Assistant\nHarbour Lab",
        "Senior Researcher\n2019 - today\nRuns the laboratory.\nLab Assistant\n2015 - 2018\nKept the boats.",
        "Senior Researcher\nAtlantic Institute\n2019 - today\nRuns the laboratory.\nLab Assistant\nHarbour Lab\n2015 - 2018",
    ] {
        expect("resume", &resume(jobs), &wanted);
    }
}

#[test]
fn a_quantity_in_a_column_before_the_words_is_read() {
    expect(
        "invoice",
        "Norvale Timber Ltd\nInvoice # 17\nQty   Description   Rate   Amount\n3   Oak panel   10.00   30.00\n12   Cable drum   2.50   30.00\nBalance due   $60.00",
        &["lines[0].quantity = 3", "lines[0].description = Oak panel", "lines[1].quantity = 12"],
    );
    // The head of the prices was not read.
    expect(
        "invoice",
        "Norvale Timber Ltd\nInvoice # 17\nDescription   Qty   Amount\nOak shelf   6   420.00   2,520.00\nDelivery   1   380.00   380.00\nSubtotal 2,900.00",
        &["lines[0].quantity = 6", "lines[0].unit_price = 420.00", "lines[1].quantity = 1"],
    );
    expect(
        "invoice",
        "Facture n° F1\nTotal HT   23 651,10 €\nTVA 20 %   4 730,22 €\nTotal TTC   28 381,32 €",
        &["tax[0].amount = 4730.22 EUR"],
    );
}

#[test]
fn nothing_is_invented_where_nothing_is() {
    let garbage = "~~#@ ;;; 0x1f lkj \u{fffd}\u{fffd} ,,, 99 -- ??\nqwpo 12 xx 4";
    for kind in ["invoice", "receipt", "contract", "statement", "letter", "resume"] {
        let found = found(kind, garbage);
        let sure: Vec<&Field> =
            found.fields.iter().filter(|f| f.validity == Validity::Valid && f.confidence > 0.6).collect();
        assert!(sure.is_empty(), "{kind}: {sure:?}");
    }
    let hebrew = "חשבונית מס\nסה\"כ לתשלום ١٢٣\nתאריך: ٣/٤/٢٠٢٤";
    assert!(
        found("invoice", hebrew).fields.iter().all(|f| f.name == "supplier"),
        "{:?}",
        said("invoice", hebrew)
    );
}

#[test]
fn contradictions_and_several_currencies_are_doubtful() {
    let text = "Acme Ltd\nInvoice number A-1\nInvoice date 12 March 2024\nTotal due 100.00 EUR\nTotal due 200.00 EUR";
    let total = found("invoice", text).fields.into_iter().find(|f| f.name == "total").unwrap();
    assert_eq!(total.validity, Validity::Doubtful);
    assert!(total.reasons.iter().any(|r| r.contains("stands there too")), "{:?}", total.reasons);

    let text = "Acme Ltd\nInvoice number A-1\nSubtotal 90.00 USD\nTotal due 100.00 EUR";
    let found = found("invoice", text);
    let total = found.fields.iter().find(|f| f.name == "total").unwrap();
    assert!(total.reasons.iter().any(|r| r.contains("several currencies: EUR, USD")), "{:?}", total.reasons);
}

#[test]
fn a_date_that_may_be_two_days_is_doubtful() {
    let of = |text: &str| found("invoice", text).fields.into_iter().find(|f| f.name == "date").unwrap();
    assert_eq!(of("Invoice date 03/04/2024").validity, Validity::Doubtful);
    assert_eq!(of("Invoice date 03/04/2024\nDue date 31/04/2024 or 30/04/2024").value.plain(), "2024-04-03");
}

/// What parsers look for.
const KNOWN: &[&str] = &[
    "12", "3", "2024", "456,78", ".", ",", "'", " ", "  ", "\n", "\t", "-", "/", ":", "(", ")", "%", "€",
    "USD", "R$", "DE", "GB82", "WEST", "CHE", "March", "Mär", "den ", "th", "Total", "@", "+49", "\0", "\r",
    "\u{85}", "\u{a0}", "\u{202f}", "\u{202e}", "\u{2028}", "\u{feff}", "\u{301}", "\u{200d}", "İ", "ß", "ﬁ",
    "½", "Ⅷ", "٣", "०", "²", "１", "𝟙", "א", "🚀",
];

/// Any characters of Unicode, control characters and overrides among them, between those.
pub fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        2 => prop::sample::select(KNOWN).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_breaks_it(text in prop_oneof![any_text(), "(\\PC{0,30}(\n| {2}|: )){0,8}"], kind in 0usize..8) {
        let kinds = ["invoice", "receipt", "letter", "email", "contract", "resume", "statement", "form"];
        let length = text.chars().count();
        for field in found(kinds[kind], &text).fields {
            prop_assert!(field.start <= field.end && field.end <= length, "{field:?}");
        }
    }

    #[test]
    fn no_words_break_it(words in proptest::collection::vec(("(Total|VAT 5%|Date|İnvoice|\\PC{1,6}|[0-9.,€]{1,7})", 0f32..1.0, 0f32..1.0), 0..40)) {
        let text = words.iter().map(|(word, ..)| word.as_str()).collect::<Vec<_>>().join(" ");
        let boxed = words.iter().map(|(word, x, y)| crate::document::Word { text: word.clone(), bounds: [*x, *y, x + 0.05, y + 0.01], confidence: 0.8 });
        let page = PageText { words: boxed.collect(), text, ..PageText::default() };
        for kind in ["invoice", "form"] {
            of_pages(&SPEC, kind, std::slice::from_ref(&page));
        }
    }
}
