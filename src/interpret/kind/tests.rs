//! The head on made-up documents: signs → lessons → a head → a file → guesses.

use super::*;
use crate::document::{DocumentId, Head as About, PageText, Priority, sha256_hex};
use crate::interpret::fields::Spec;
use crate::receipt::{Budget, Receipt};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// A document of one page of plain text.
pub fn document(text: &str) -> TextDocument {
    let sha256 = sha256_hex(text.as_bytes());
    let permit = Budget::new(1, usize::MAX).acquire(0, Duration::ZERO).unwrap();
    let head = About {
        id: DocumentId::of_content(&sha256),
        name: "a.txt".to_owned(),
        declared: None,
        language: None,
        priority: Priority::Normal,
        size: text.len(),
        sha256,
        received_at: jiff::Timestamp::UNIX_EPOCH,
        version: 0,
        origin: None,
        force: false,
        options: crate::document::Options::default(),
        lineage: None,
        tags: Vec::new(),
        trace: crate::trace::Trace::default(),
    };
    TextDocument {
        head: Arc::new(head),
        media_type: MediaType::Text,
        pages: vec![PageText::plain(text)],
        children: Vec::new(),
        receipt: Receipt::new(permit, |_| {}),
        seconds: Default::default(),
    }
}

const VECTOR: [f32; 2] = [0.6, 0.8];

fn lessons(signs: &Signs, texts: &[(&str, &str)]) -> Vec<Lesson> {
    let lesson = |(number, (kind, text)): (usize, &(&str, &str))| Lesson {
        path: format!("{kind}/{number}"),
        kind: (*kind).to_owned(),
        group: number.to_string(),
        signs: signs.of(&document(text), &VECTOR, &VECTOR),
    };
    texts.iter().enumerate().map(lesson).collect()
}

const BUILT_IN: [(&str, &str); 9] = [
    ("invoice", "INVOICE\nInvoice number: 12\nBill to: A\nAmount due: 40.00 EUR"),
    ("invoice", "Rechnung\nRechnungsnummer: 7\nNetto 100,00\nMwSt 19,00\nGesamtbetrag 119,00"),
    ("invoice", "Tax invoice\nQty 2 Unit price 3.00\nSubtotal 6.00\nTotal due 7.20"),
    ("letter", "Dear Sir or Madam,\nI am writing to complain.\nYours faithfully"),
    ("letter", "Sehr geehrte Damen und Herren,\nhiermit kündige ich.\nMit freundlichen Grüßen"),
    ("letter", "Dear Ada,\nThank you for your letter. We look forward to June.\nKind regards"),
    ("other", "Once upon a time there was a king who said nothing"),
    ("other", "Ingredients: flour, two eggs, one teaspoon of salt. Preheat the oven."),
    ("other", "The king spoke to the people and God was with them"),
];

fn taught(base: Option<&Head>, texts: &[(&str, &str)]) -> Result<Taught, String> {
    let signs = Signs::new().unwrap();
    teach(&signs, ("tiny@1", 2), base, &lessons(&signs, texts))
}

fn kinds(head: Option<Head>, spec: &Spec) -> Kinds {
    // No description is like any text here: words decide.
    let embed = |_: &str| Ok::<_, Infallible>(vec![0.2, 0.1]);
    let Ok(kinds) = Kinds::new(Signs::new().unwrap(), head, spec, 0.35, embed);
    kinds
}

fn said(kinds: &Kinds, text: &str) -> Scored {
    kinds.guess(&document(text), &VECTOR, &VECTOR)
}

#[test]
fn a_head_tells_what_it_learned_and_survives_its_file() {
    let head = taught(None, &BUILT_IN).unwrap().head;
    let bytes = head.write().unwrap();
    assert_eq!(bytes, head.write().unwrap(), "the same file each time");
    let signs = Signs::new().unwrap();
    let read = Head::read(&bytes, |d| signs.groups(d)).unwrap();
    assert_eq!(read, head);
    assert_eq!(taught(None, &BUILT_IN).unwrap().head, head, "learning is the same each time");
    let kinds = kinds(Some(read), &Spec::default());
    for (kind, text) in BUILT_IN {
        assert_eq!(said(&kinds, text).label, kind, "{text}");
    }
    assert_eq!(said(&kinds, "Invoice no 9\nAmount due 9.00").label, "invoice");
    let empty = kinds.guess(&document(""), &[], &[]);
    assert_eq!((empty.label.as_str(), empty.confidence), ("other", 0.0));
}

#[test]
fn a_damaged_file_is_refused_with_a_reason() {
    let head = taught(None, &BUILT_IN).unwrap().head;
    let bytes = head.write().unwrap();
    let signs = Signs::new().unwrap();
    let read = |bytes: &[u8]| Head::read(bytes, |d| signs.groups(d)).unwrap_err();
    assert!(read(b"").contains("no head of document kinds"));
    assert!(read(&bytes[..bytes.len() / 2]).contains("no head of document kinds"));
    let mut broken = head.clone();
    broken.weights.rows[3] = f32::NAN;
    assert!(read(&broken.write().unwrap()).contains("numbers that are none"));
    let mut narrow = head.clone();
    narrow.about.dimension = 3;
    assert!(read(&narrow.write().unwrap()).contains("expected"));
    assert!(head.fits(signs.digest(), "other@2").unwrap_err().contains("other@2"));
    assert!(head.fits("0", "tiny@1").unwrap_err().contains("quire kinds learn"));
    assert_eq!(head.fits(signs.digest(), "tiny@1"), Ok(()));
}

#[test]
fn a_user_teaches_a_kind_beside_the_built_in_ones() {
    let base = taught(None, &BUILT_IN).unwrap().head;
    let own = [
        ("dive-log", "Dive 12 depth 18 m visibility 9 m buddy Ada tank 200 bar"),
        ("dive-log", "Dive 13 depth 22 m visibility 4 m buddy Ben tank 190 bar"),
        ("dive-log", "Dive 14 depth 11 m visibility 7 m buddy Eve tank 210 bar"),
    ];
    let taught = taught(Some(&base), &own).unwrap();
    assert_eq!(taught.head.about.taught, ["dive-log"]);
    assert_eq!(taught.guesses.len(), 3);
    let kinds = kinds(Some(taught.head), &Spec::default());
    assert_eq!(said(&kinds, "Dive 15 depth 30 m visibility 2 m buddy Ada tank 180 bar").label, "dive-log");
    for (kind, text) in BUILT_IN {
        assert_eq!(said(&kinds, text).label, kind, "{text}");
    }
}

#[test]
fn too_little_to_learn_from_is_said() {
    let error = |texts: &[(&str, &str)]| taught(None, texts).err().unwrap();
    assert!(error(&[]).contains("no examples"));
    assert!(error(&BUILT_IN[..1]).contains("has 1 example;"));
    assert!(error(&BUILT_IN[..2]).contains("has 2 examples;"));
    assert!(error(&BUILT_IN[..3]).contains("one kind only"));
    // Texts that are all alike teach nothing, and harm nothing.
    let alike: Vec<(&str, &str)> = ["a", "b"].iter().flat_map(|kind| [(*kind, ""); 3]).collect();
    let head = taught(None, &alike).unwrap().head;
    assert!(head.weights.rows.iter().all(|w| w.is_finite()));
}

#[test]
fn the_format_settles_mail_unless_a_taught_kind_is_surer() {
    let base = taught(None, &BUILT_IN).unwrap().head;
    let as_mail = |kinds: &Kinds, text: &str| {
        let mail = TextDocument { media_type: MediaType::Email, ..document(text) };
        kinds.guess(&mail, &VECTOR, &VECTOR).label
    };
    let invoice = BUILT_IN[0].1;
    assert_eq!(as_mail(&kinds(Some(base.clone()), &Spec::default()), invoice), "email");
    let order = "Order confirmed: parcel shipped today, courier arrives soon, track online";
    let own = taught(Some(&base), &[("order", order); 3]).unwrap().head;
    let own = kinds(Some(own), &Spec::default());
    assert_eq!(as_mail(&own, order), "order");
    assert_eq!(as_mail(&own, "Dear Ada, kind regards"), "email");
}

#[test]
fn kinds_that_a_user_describes_stand_beside_a_head() {
    let text = "[kind.dive-log]\ncues = { \"depth\" = 0.4, \"visibility\" = 0.3 }\n";
    let spec: Spec = toml::from_str(text).unwrap();
    for head in [None, Some(taught(None, &BUILT_IN).unwrap().head)] {
        let kinds = kinds(head, &spec);
        assert_eq!(said(&kinds, "Depth 18 m, visibility 9 m").label, "dive-log");
        assert_eq!(said(&kinds, BUILT_IN[0].1).label, "invoice");
    }
}

#[test]
fn what_nothing_fits_is_other_with_little_confidence() {
    let head = taught(None, &BUILT_IN).unwrap().head;
    let embed = |_: &str| Ok::<_, Infallible>(Vec::new());
    let Ok(strict) = Kinds::new(Signs::new().unwrap(), Some(head), &Spec::default(), 1.01, embed);
    let unsure = strict.guess(&document(BUILT_IN[0].1), &VECTOR, &VECTOR);
    assert_eq!(unsure.label, "other");
    assert!(unsure.confidence < 0.5, "what speaks for other, not for the likeliest: {unsure:?}");
}
