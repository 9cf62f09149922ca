//! Identifiers with right and wrong digits.

use super::*;
use crate::document::FieldValue;
use crate::interpret::fields::tests::any_text;
use proptest::prelude::*;

fn right(found: &[FoundId]) -> Vec<(&str, Option<bool>)> {
    found.iter().map(|id| (id.value.as_str(), id.right)).collect()
}

/// Whether one identifier was found, and it is this one.
fn is(found: Vec<FoundId>, value: &str, right: Option<bool>) -> bool {
    matches!(found.as_slice(), [id] if id.value == value && id.right == right)
}

#[test]
fn a_correction_is_judged_as_people_write_it() {
    for (name, value, wrong) in [
        ("iban", "GB82 WEST 1234 5698 7654 32", false),
        ("iban", "de89370400440532013000", false),
        ("iban", "DE88 3704 0044 0532 0130 00", true),
        ("iban", "GB82 WEST 1234 5698 7654", true),
        ("vat_id", "gb 980 7806 84", false),
    ] {
        let mut field = Field {
            name: name.to_owned(),
            value: FieldValue::Identifier(value.to_owned()),
            raw: value.to_owned(),
            page: 1,
            start: 0,
            end: 0,
            bounds: None,
            confidence: 1.0,
            validity: crate::document::Validity::Valid,
            reasons: Vec::new(),
        };
        doubt_again(&mut field);
        assert_eq!(!field.reasons.is_empty(), wrong, "{name} {value}: {:?}", field.reasons);
    }
}

#[test]
fn published_examples_are_right() {
    let text = "IBAN DE89 3704 0044 0532 0130 00, GB82WEST12345698765432; FR14 2004 1010 0505 0001 3M02 606";
    let found = ibans(text);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|iban| iban.right == Some(true)));
    assert_eq!(right(&ibans("DE88 3704 0044 0532 0130 00")), [("DE88370400440532013000", Some(false))]);
    for vat in [
        "DE136695976",
        "GB980780684",
        "FR40303265045",
        "IT00743110157",
        "BE0428759497",
        "ATU13585627",
        "PL8567346215",
        "PT501964843",
        "DK13585628",
        "FI20774740",
        "LU15027442",
        "CHE-123.456.788",
        "NL004495445B01",
    ] {
        assert_eq!(vat_ids(vat).first().map(|v| v.right), Some(Some(true)), "{vat}");
    }
    assert_eq!(right(&vat_ids("USt-IdNr. DE 287 604 115")), [("DE287604115", Some(false))]);
    assert!(luhn("4539 1488 0343 6467") && !luhn("8273 1232 7352 0569"));
    assert_eq!(right(&bics("BIC: COBADEFF370 oder DEUTDEFF")), [("COBADEFF370", None), ("DEUTDEFF", None)]);
}

#[test]
fn the_number_of_a_document_is_its_first_word_with_a_digit() {
    assert_eq!(code(": No. HP-2024/0317, of").map(|c| c.value).as_deref(), Some("HP-2024/0317"));
    assert_eq!(code("none given").map(|c| c.value), None);
}

proptest! {
    #[test]
    fn a_changed_digit_is_noticed(bban in "[0-9]{18}", at in 4usize..22, by in 1u32..10) {
        let check = (2u32..99).find(|c| iban_is_right(&format!("DE{c:02}{bban}"))).unwrap();
        let iban = format!("DE{check:02}{bban}");
        prop_assert!(ibans(&iban)[0].right == Some(true));
        let digit = (iban.as_bytes()[at] - b'0') as u32;
        let changed = format!("{}{}{}", &iban[..at], (digit + by) % 10, &iban[at + 1..]);
        prop_assert!(ibans(&changed)[0].right == Some(false));
    }

    /// In groups or whole, in a sentence or alone.
    #[test]
    fn written_identifiers_are_read_back(bban in "[0-9]{18}", vat in "[0-9]{8}", bic in "[A-Z]{4}(DE|GB|FR|US)[A-Z0-9]{2}([A-Z0-9]{3})?", group in 2usize..6, mark in 0usize..3) {
        let mark = [" ", "\u{a0}", "-"][mark];
        let grouped = |text: &str| {
            let chars: Vec<char> = text.chars().collect();
            chars.chunks(group).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join(mark)
        };
        let check = (2u32..99).find(|c| iban_is_right(&format!("DE{c:02}{bban}"))).unwrap();
        let iban = format!("DE{check:02}{bban}");
        let text = format!("to {}, please", grouped(&iban));
        prop_assert!(is(ibans(&text), &iban, Some(true)), "{text}");
        if let Some(last) = (0..10).find(|c| vat_is_right("DE", &format!("{vat}{c}")) == Some(true)) {
            let text = format!("VAT: DE{mark}{}.", grouped(&format!("{vat}{last}")));
            prop_assert!(is(vat_ids(&text), &format!("DE{vat}{last}"), Some(true)), "{text}");
        }
        prop_assert!(is(bics(&format!("BIC: {bic}, Bank")), &bic, None), "{bic}");
        let last = (0..10).filter(|c| luhn(&format!("{vat}{c}"))).count();
        prop_assert_eq!(last, 1, "one last digit fits {}", vat);
    }

    #[test]
    fn no_text_breaks_it(text in any_text()) {
        for found in ibans(&text).into_iter().chain(vat_ids(&text)).chain(bics(&text)).chain(code(&text)) {
            prop_assert!(text.get(found.bytes).is_some());
        }
        luhn(&text);
    }

    #[test]
    fn no_capitals_break_it(text in "(DE|GB|FR|NL|CHE|RO)[A-Z0-9 .-]{0,40}") {
        ibans(&text);
        vat_ids(&text);
        bics(&text);
    }
}
