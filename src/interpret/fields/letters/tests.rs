//! Letters of several forms, and the lines of their heads.

use super::address::{Is, is, receiver};
use crate::document::{Field, PageText, Validity, Word};
use crate::interpret::fields::of_pages;
use crate::interpret::fields::tests::{SPEC, expect, found};
use proptest::prelude::*;

/// A page of lines at their left and top, in letters of one width.
pub fn page(lines: &[(f32, f32, &str)]) -> PageText {
    let mut words = Vec::new();
    for (x, y, line) in lines {
        let mut at = *x;
        for text in line.split(' ') {
            let wide = 0.008 * text.chars().count() as f32;
            words.push(Word {
                text: text.to_owned(),
                bounds: [at, *y, at + wide, y + 0.012],
                confidence: 0.95,
            });
            at += wide + 0.008;
        }
    }
    let text = lines.iter().map(|(_, _, line)| *line).collect::<Vec<_>>().join("\n");
    PageText { text, words, ..PageText::default() }
}

/// `name = value` of every field of a letter with boxes.
fn told(lines: &[(f32, f32, &str)]) -> Vec<Field> {
    of_pages(&SPEC, "letter", &[page(lines)]).fields
}

fn check(lines: &[(f32, f32, &str)], wanted: &[(&str, &str)]) {
    let fields = told(lines);
    for (name, value) in wanted {
        let said = fields.iter().find(|f| f.name == *name).map(|f| f.value.plain());
        assert_eq!(said.as_deref(), Some(*value), "{name} of {fields:#?}");
    }
}

/// The text and the end of a German letter.
const GERMAN: [(f32, f32, &str); 4] = [
    (0.1, 0.40, "Sehr geehrte Damen und Herren,"),
    (0.1, 0.43, "wir haben die Angelegenheit geprüft und melden uns in den nächsten Tagen bei Ihnen."),
    (0.1, 0.50, "Mit freundlichen Grüßen"),
    (0.1, 0.55, "Greta Brandt"),
];

fn with<'l>(head: &[(f32, f32, &'l str)], rest: &[(f32, f32, &'l str)]) -> Vec<(f32, f32, &'l str)> {
    head.iter().chain(rest).copied().collect()
}

#[test]
fn a_letter_in_a_window_envelope_is_read() {
    let head = [
        (0.1, 0.15, "Kupferhof Verlag GmbH · Hafenstraße 12 · 28195 Bremen"),
        (0.1, 0.18, "Frau"),
        (0.1, 0.195, "Helen Okoye"),
        (0.1, 0.21, "Gartenweg 3"),
        (0.1, 0.225, "89073 Ulm"),
        (0.7, 0.30, "Bremen, 3. Mai 2024"),
        (0.1, 0.36, "Ihr Antrag vom 12. April 2024"),
    ];
    let wanted = [
        ("sender", "Kupferhof Verlag GmbH"),
        ("recipient", "Helen Okoye"),
        ("date", "2024-05-03"),
        ("subject", "Ihr Antrag vom 12. April 2024"),
    ];
    check(&with(&head, &GERMAN), &wanted);
}

#[test]
fn a_letter_of_an_office_with_a_block_of_facts_is_read() {
    let head = [
        (0.1, 0.05, "Landratsamt Jena"),
        (0.1, 0.065, "Amt für Umwelt und Verkehr"),
        (0.1, 0.16, "Herrn Omar Kessler"),
        (0.6, 0.16, "Aktenzeichen:"),
        (0.75, 0.16, "32.1-110/24"),
        (0.1, 0.175, "Am Wall 7"),
        (0.6, 0.175, "Auskunft erteilt:"),
        (0.75, 0.175, "Frau Brandt"),
        (0.1, 0.19, "07743 Jena"),
        (0.6, 0.19, "Datum:"),
        (0.75, 0.19, "03.05.2024"),
        (0.1, 0.35, "Kündigung"),
    ];
    let wanted = [
        ("sender", "Landratsamt Jena"),
        ("recipient", "Omar Kessler"),
        ("reference", "32.1-110/24"),
        ("subject", "Kündigung"),
    ];
    check(&with(&head, &GERMAN), &wanted);
}

#[test]
fn a_letter_of_an_authority_with_its_subject_behind_the_greeting_is_read() {
    check(
        &[
            (0.6, 0.06, "Leeds City Council"),
            (0.6, 0.08, "12 Station Road"),
            (0.6, 0.095, "Leeds LS1 4AP"),
            (0.6, 0.11, "Telephone: 0113 496 0000"),
            (0.1, 0.15, "Ms Nadia Moreau"),
            (0.1, 0.165, "4 Mill Lane"),
            (0.1, 0.18, "York YO1 7HH"),
            (0.6, 0.20, "Our ref: HB/2024/17"),
            (0.6, 0.215, "Date: 3 May 2024"),
            (0.1, 0.30, "Dear Ms Moreau,"),
            (0.1, 0.33, "RENEWAL OF YOUR PARKING PERMIT"),
            (0.1, 0.36, "Your permit ends next month. You need to do nothing if you want to keep it."),
            (0.1, 0.42, "Yours sincerely,"),
            (0.1, 0.47, "Erik Ferris"),
            (0.1, 0.485, "Head of Parking"),
        ],
        &[
            ("sender", "Leeds City Council"),
            ("recipient", "Nadia Moreau"),
            ("reference", "HB/2024/17"),
            ("date", "2024-05-03"),
            ("subject", "RENEWAL OF YOUR PARKING PERMIT"),
        ],
    );
}

#[test]
fn names_in_two_lines_and_labels_in_a_row_are_read() {
    let head = [
        (0.1, 0.05, "Verein für Heimatpflege und"),
        (0.1, 0.065, "Naturschutz Ostmark e.V."),
        (0.1, 0.15, "Stadtwerke Ulm"),
        (0.1, 0.165, "z. Hd. Frau Kessler"),
        (0.1, 0.18, "Postfach 10 20 30"),
        (0.1, 0.195, "89073 Ulm"),
        (0.1, 0.27, "Ihr Zeichen"),
        (0.3, 0.27, "Unser Zeichen"),
        (0.6, 0.27, "Datum"),
        (0.1, 0.285, "KS"),
        (0.3, 0.285, "HB-417"),
        (0.6, 0.285, "03.05.2024"),
        (0.1, 0.35, "Umstellung der Wasserzähler"),
    ];
    let wanted = [
        ("sender", "Verein für Heimatpflege und Naturschutz Ostmark e.V."),
        ("recipient", "Stadtwerke Ulm"),
        ("reference", "HB-417"),
        ("subject", "Umstellung der Wasserzähler"),
    ];
    check(&with(&head, &GERMAN), &wanted);
}

#[test]
fn plain_text_without_blank_lines_is_read() {
    // Labels with their values in the next line, by their number.
    expect(
        "letter",
        "Ostmark Verlag GmbH\nHelen Okoye\nAm Wall 97\n07743 Jena\nIhr Zeichen   Unser Zeichen   Datum\nAB-1   HB-417   14.04.2017\nKündigung\nSehr geehrte Frau Okoye,\nwir bestätigen, dass Ihr Vertrag zum Ende des Jahres endet.\nMit freundlichen Grüßen\ni. A. Greta Brandt",
        &[
            "sender = Ostmark Verlag GmbH",
            "recipient = Helen Okoye",
            "reference = HB-417",
            "subject = Kündigung",
            "date = 2017-04-14",
        ],
    );
    expect(
        "letter",
        "Ada Lindqvist\nGartenweg 3\n89073 Ulm\n\nAn das\nFinanzamt Ulm\nKarlstraße 1\n89073 Ulm\n\nUlm, den 3. Mai 2024\n\nEinspruch gegen den Bescheid vom 12. April 2024\n\nSehr geehrte Damen und Herren,\n\nhiermit lege ich Einspruch ein.\n\nMit freundlichen Grüßen\n\nAda Lindqvist",
        &[
            "sender = Ada Lindqvist",
            "recipient = Finanzamt Ulm",
            "subject = Einspruch gegen den Bescheid vom 12. April 2024",
            "date = 2024-05-03",
        ],
    );
}

#[test]
fn facts_of_another_column_do_not_part_an_address_in_lines_and_subjects_take_two_lines() {
    expect(
        "letter",
        "Stadt Ulm\nOrdnungsamt\nStadt Ulm | Ordnungsamt | 89070 Ulm\nFirma\nWindrose Maschinenbau\nIhr Zeichen\nGmbH & Co. KG\nUnser Zeichen   417-12.30\nHafenstraße 2\nTelefon: 0731 161-0\n28195 Bremen\n03.05.2024\nAnhörung im Verfahren wegen\nAbstellens von Fahrzeugen\nSehr geehrte Damen und Herren,\nwir bitten um Ihre Antwort in zwei Wochen.\nMit freundlichem Gruß\nGreta Brandt",
        &[
            "sender = Stadt Ulm",
            "recipient = Windrose Maschinenbau GmbH & Co. KG",
            "reference = 417-12.30",
            "subject = Anhörung im Verfahren wegen Abstellens von Fahrzeugen",
        ],
    );
}

#[test]
fn letters_of_the_corpus_are_read() {
    expect(
        "letter",
        "Wohnungsgenossenschaft Elbufer eG\n\nUferweg 14, 01099 Dresden\nDresden, den 8. Januar 2024\nAn alle Mieterinnen und Mieter\nder Häuser Uferweg 2 bis 28\nErneuerung der Heizungsanlage\n\nSehr geehrte Damen und Herren,\n\nin der Zeit vom 4. März bis zum 19. April 2024 wird die Heizungsanlage erneuert.\n\nMit freundlichen Grüßen\n\nMatthias Löffler, Vorstand",
        &[
            "sender = Wohnungsgenossenschaft Elbufer eG",
            "recipient = An alle Mieterinnen und Mieter der Häuser Uferweg 2 bis 28",
            "subject = Erneuerung der Heizungsanlage",
        ],
    );
    expect(
        "letter",
        "Silverbirch Observatory\nRidge Road 1, Flagstaff, Arizona\n3 October 2024\nMs Leila Haddad\n440 Juniper Street\nTucson, Arizona\nOffer of employment\n\nDear Ms Haddad,\n\nWe are delighted to offer you the position of Instrument Engineer.\n\nSincerely,\n\nConstance Underhill, Director",
        &["sender = Silverbirch Observatory", "recipient = Leila Haddad", "subject = Offer of employment"],
    );
    let thanks = "Edinburgh, 19 June 2024\nDr Samuel Okafor\nSt. Brendan's Hospital\n5 Infirmary Walk\nEdinburgh EH3 9YW\nDear Dr Okafor,\n\nI want to thank you and the whole team of Ward 7 with all my heart.\n\nWith sincere thanks,\n\nIsla and Duncan MacRae";
    expect("letter", thanks, &["sender = Isla and Duncan MacRae", "recipient = Dr Samuel Okafor"]);
    assert!(!found("letter", thanks).fields.iter().any(|f| f.name == "subject"));
}

#[test]
fn a_letter_without_a_letterhead_is_of_who_signs_it() {
    expect(
        "letter",
        "Dublin, 2 September 2023\nNorvale Catering Ltd\nPO Box 417\nLeeds LS1 4AP\nOur stay from 18 to 25 August\n\nDear Sir or Madam,\n\nWe have never been so badly treated.\n\nWith best wishes,\n\nCormac Delaney",
        &[
            "sender = Cormac Delaney",
            "recipient = Norvale Catering Ltd",
            "subject = Our stay from 18 to 25 August",
        ],
    );
}

#[test]
fn what_only_its_place_tells_is_doubtful_and_nothing_is_invented() {
    let text = "Windermere House\n3 May 2024\nThe Manager\nGrand Pavilion Hotel\nBrighton\n\nDear Sir,\n\nWe would like to come back next year.";
    for (name, value) in [("sender", "Windermere House"), ("recipient", "The Manager")] {
        let found = found("letter", text);
        let field = found.fields.iter().find(|f| f.name == name).unwrap();
        assert_eq!((field.value.plain().as_str(), field.validity), (value, Validity::Doubtful));
        assert!(field.reasons.iter().any(|r| r.contains("only its place")), "{:?}", field.reasons);
    }
    let bare = found(
        "letter",
        "Dear Sir or Madam,\n\nthe goods have not come yet.\n\nYours faithfully,\n\nAda Lindqvist",
    );
    let names: Vec<&str> = bare.fields.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["sender"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_letter_breaks_it(lines in proptest::collection::vec(("(Herrn|An das|c/o |Ada Lindqvist|Norvale Ltd|Hafenstr. 1|28195 Bremen|LS1 4AP|Our ref|Dear |Sehr geehrte Frau |Yours sincerely|3 May 2024|\\PC{0,14}| [·|,-] ){1,3}", 0f32..1.0, 0f32..1.0), 0..30), boxed: bool) {
        let placed: Vec<(f32, f32, &str)> = lines.iter().map(|(text, x, y)| (*x, *y, text.as_str())).collect();
        let whole = page(&placed);
        let page = if boxed { whole } else { PageText::plain(whole.text) };
        let length = page.text.chars().count();
        for field in of_pages(&SPEC, "letter", &[page]).fields {
            prop_assert!(field.start <= field.end && field.end <= length, "{field:?}");
        }
    }
}

#[test]
fn towns_of_several_countries_are_told_from_other_lines() {
    for line in [
        "28195 Bremen",
        "D-28195 Bremen",
        "A-1010 Wien",
        "1010 Wien",
        "8001 Zürich",
        "69002 Lyon",
        "75008 Paris Cedex 08",
        "10121 Torino (TO)",
        "1012 AB Amsterdam",
        "111 22 Stockholm",
        "00-950 Warszawa",
        "1250-096 Lisboa",
        "Leeds LS1 4AP",
        "London SW1A 2AA",
        "LS1 4AP",
        "Springfield, IL 62704",
        "Toronto ON M5V 2T6",
        "Dublin 2, D02 X285",
        "Sydney NSW 2000",
        "89073 Ulm",
        "60311 Frankfurt am Main",
    ] {
        assert_eq!(is(line), Is::Town, "{line}");
    }
    for line in [
        "2024 was a good year for all of us",
        "Order 28195 of Monday",
        "28195",
        "Room LS1",
        "12 Mill Lane",
        "Ihr Antrag 2024",
    ] {
        assert_ne!(is(line), Is::Town, "{line}");
    }
}

#[test]
fn lines_of_a_head_are_told_by_their_form() {
    for (line, wanted) in [
        ("Herrn", Is::Before),
        ("An das", Is::Before),
        ("Hafenstraße 12", Is::Street),
        ("12 Mill Lane", Is::Street),
        ("Am Wall 7a", Is::Street),
        ("PO Box 417", Is::Street),
        ("Postfach 10 20 30", Is::Street),
        ("c/o Brandt", Is::Care),
        ("z. Hd. Frau Kessler", Is::Care),
        ("Attn. Eleanor Whitfield", Is::Care),
        ("Ulm, den 3. Mai 2024", Is::Date),
        ("Leeds, 3 May 2024", Is::Date),
        ("Datum: 03.05.2024", Is::Date),
        ("3 May 2024", Is::Date),
        ("Unser Zeichen: HB/12", Is::Fact),
        ("Ihr Zeichen", Is::Fact),
        ("Telefon 0731 161-0", Is::Fact),
        ("Please ask for Helen Okoye", Is::Fact),
        ("www.ulm.example", Is::Fact),
        ("Einschreiben", Is::Notice),
        ("PRIVATE AND CONFIDENTIAL", Is::Notice),
        ("GERMANY", Is::Country),
        ("Norvale GmbH · Hafenstr. 12 · 28195 Bremen", Is::Return),
        ("Abs.: Ada Lindqvist, Gartenweg 3, 89073 Ulm", Is::Return),
        ("3 Beech Walk, Oxford OX2 8DP", Is::Town),
        ("Uferweg 14, 01099 Dresden", Is::Town),
        ("Bank of Ireland", Is::Name),
        ("Contact Energy Ltd", Is::Name),
        ("Castle Hill School", Is::Name),
        ("Wohnungsgenossenschaft Elbufer eG", Is::Name),
        ("3. OG", Is::Street),
        ("Ridge Road 1, Flagstaff, Arizona", Is::Street),
        ("Ada Lindqvist", Is::Name),
        ("Your letter of 3 May 2024", Is::Words),
        ("Ihr Antrag vom 3. Mai 2024", Is::Words),
        ("Springfield, IL 62704", Is::Town),
        ("Norvale Ltd, Leeds LS1 4AP", Is::Return),
    ] {
        assert_eq!(is(line), wanted, "{line}");
    }
}

#[test]
fn courtesies_are_no_part_of_a_name() {
    for (line, name) in [
        ("Herrn Jürgen Großmann", "Jürgen Großmann"),
        ("Mrs. Helen Okoye", "Helen Okoye"),
        ("Dr Samuel Okafor", "Dr Samuel Okafor"),
        ("An das Finanzamt Ulm", "Finanzamt Ulm"),
        ("An Frau Dr. Brandt", "Dr. Brandt"),
        ("Andrea Kessler", "Andrea Kessler"),
        ("Msida Ltd", "Msida Ltd"),
        ("An alle Mieter", "An alle Mieter"),
    ] {
        assert_eq!(&line[receiver(line)..], name, "{line}");
    }
}
