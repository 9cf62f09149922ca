//! Verdicts and near-duplicates of whole documents.

use super::duplicates::{Neighbour, find};
use super::fields::{Review, load, of_pages};
use super::verdict::judge;
use crate::config::{InterpretConfig, Sources, load as settings};
use crate::document::{
    ClassScore, Decision, Document, DocumentId, Duplicate, Entity, EntitySource, MediaType, PageSummary,
    PageText, Priority, Relation, SCHEMA_VERSION, Scale, Scored, Sentiment, TextSource, Verdict, sha256_hex,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;

fn config() -> InterpretConfig {
    settings(&Sources::default()).unwrap().config.interpret
}

fn document(id: &str, kind: &str, text: &str) -> Document {
    let found = of_pages(&load(Path::new("")).unwrap(), kind, &[PageText::plain(text)]);
    Document {
        schema: SCHEMA_VERSION,
        id: DocumentId::parse(id).unwrap(),
        name: id.to_owned(),
        media_type: MediaType::Text,
        size: text.len(),
        sha256: sha256_hex(text.as_bytes()),
        priority: Priority::Normal,
        tags: Vec::new(),
        received_at: Timestamp::UNIX_EPOCH,
        version: 0,
        origin: None,
        parent: None,
        children: Vec::new(),
        tables: Vec::new(),
        form: Vec::new(),
        ingested_at: Timestamp::UNIX_EPOCH,
        kind: Scored { label: kind.to_owned(), confidence: 0.9 },
        language: Scored { label: "en".to_owned(), confidence: 1.0 },
        pages: Vec::new(),
        ocr_confidence: None,
        summary: Vec::new(),
        entities: Vec::new(),
        sentiment: None,
        classes: Vec::new(),
        written_summary: None,
        options: crate::document::Options::default(),
        summary_refused: None,
        passages: Vec::new(),
        coverage: 1.0,
        fields: found.fields,
        checks: found.checks,
        duplicates: Vec::new(),
        review: None,
        verdict: Verdict { decision: Decision::Accept, reasons: Vec::new() },
        models: BTreeMap::new(),
        seconds: BTreeMap::new(),
        omitted: Vec::new(),
        vector: Vec::new(),
        text: text.to_owned(),
    }
}

fn invoice(number: &str, total: &str) -> String {
    let body = "Thank you for your order, which we delivered to your door in the first week of the month as agreed between us.";
    format!(
        "Norvale Timber Ltd\nInvoice number {number}\nInvoice date 12 March 2024\n{body}\nSubtotal 100.00\nVAT 20% 20.00\nTotal due GBP {total}\n"
    )
}

fn compare(new: &Document, stored: &Document) -> Option<Duplicate> {
    let near = Neighbour { id: stored.id.clone(), text: stored.text.clone(), fields: stored.fields.clone() };
    find(new, vec![near]).pop()
}

#[test]
fn what_is_whole_is_accepted_and_what_is_not_is_reviewed_with_reasons() {
    let (config, none) = (config(), Review::default());
    let good = document("a", "invoice", &invoice("INV-001", "120.00"));
    assert_eq!(judge(&good, &config, &none).reasons, Vec::<String>::new());

    let wrong = judge(&document("a", "invoice", &invoice("INV-001", "210.00")), &config, &none);
    assert_eq!(wrong.decision, Decision::Review);
    assert!(wrong.reasons[0].contains("100.00 + 20.00 is not total 210.00"), "{:?}", wrong.reasons);

    let bare = document("a", "invoice", "Only words here and nothing else");
    assert!(
        judge(&bare, &config, &none).reasons.iter().any(|r| r.contains("not found: number, date, total"))
    );
    let strict = Review { reject_below: Some(0.5), ..Review::default() };
    assert_eq!(judge(&bare, &config, &strict).decision, Decision::Reject);
    let strict = Review { field_below: Some(0.999), ..Review::default() };
    assert_eq!(judge(&good, &config, &strict).decision, Decision::Review);
}

/// What is decided about a good invoice once something about it is changed.
fn changed(change: impl FnOnce(&mut Document), review: &Review) -> Verdict {
    let mut document = document("a", "invoice", &invoice("INV-001", "120.00"));
    change(&mut document);
    judge(&document, &config(), review)
}

#[test]
fn each_doubt_has_its_reason_and_its_bound() {
    let none = Review::default();
    let page = |number: u32, start: usize, end: usize| PageSummary {
        number,
        source: TextSource::Layer,
        start,
        end,
        ocr_confidence: None,
        rotation: 0,
    };
    let name = |confidence: f32| Entity {
        text: "Norvale".to_owned(),
        label: "ORG".to_owned(),
        source: EntitySource::default(),
        value: None,
        confidence,
        mentions: Vec::new(),
    };
    type Change = Box<dyn Fn(&mut Document)>;
    let cases: [(Change, &str); 4] = [
        (
            Box::new(|d| d.ocr_confidence = Some(0.41)),
            "the pages were read with a confidence of 0.41, below 0.70",
        ),
        (
            Box::new(|d| d.kind.confidence = 0.2),
            "its kind is unclear: invoice with a confidence of 0.20, below 0.35",
        ),
        (Box::new(move |d| d.pages = vec![page(1, 0, 10), page(2, 10, 10)]), "1 of 2 pages hold no text"),
        (Box::new(|d| d.coverage = 0.5), "only 0.5000 of its text lies in passages"),
    ];
    for (change, reason) in cases {
        let verdict = changed(change, &none);
        assert_eq!((verdict.decision, verdict.reasons), (Decision::Review, vec![reason.to_owned()]));
    }
    // Bounds of a kind come before those of the settings.
    let lax = Review { ocr_below: Some(0.3), kind_below: Some(0.1), ..Review::default() };
    let doubted = |d: &mut Document| (d.ocr_confidence, d.kind.confidence) = (Some(0.41), 0.2);
    assert_eq!(changed(doubted, &lax).decision, Decision::Accept);
    assert_eq!(changed(|d| d.entities = vec![name(0.3)], &none).decision, Decision::Accept, "not asked for");
    let strict = Review { entity_below: Some(0.5), ..Review::default() };
    assert_eq!(
        changed(|d| d.entities = vec![name(0.9), name(0.3)], &strict).reasons,
        ["the name Norvale was found with a confidence of 0.30, below 0.50"]
    );
    let empty = changed(|d| d.text = " \u{c} ".to_owned(), &none);
    assert_eq!(
        (empty.decision, empty.reasons),
        (Decision::Reject, vec!["no text was found on any page".to_owned()])
    );
}

#[test]
fn a_tone_or_class_below_its_bound_is_reviewed_and_a_predicted_number_is_not() {
    let (config, none) = (config(), Review::default());
    let mut good = document("a", "invoice", &invoice("INV-001", "120.00"));
    good.sentiment =
        Some(Sentiment { label: "neutral".to_owned(), confidence: 0.45, scores: BTreeMap::new() });
    good.classes = vec![ClassScore { label: "urgent".to_owned(), score: 0.4, scale: Scale::Probability }];
    assert_eq!(judge(&good, &config, &none).decision, Decision::Accept, "not asked for");
    let strict = Review { sentiment_below: Some(0.5), class_below: Some(0.5), ..Review::default() };
    let reasons = judge(&good, &config, &strict).reasons;
    assert!(reasons[0].contains("neutral with a confidence of 0.45, below 0.50"), "{reasons:?}");
    assert!(reasons[1].contains("urgent with a score of 0.40"), "{reasons:?}");
    good.classes[0].scale = Scale::Value;
    assert_eq!(judge(&good, &config, &strict).reasons.len(), 1);
}

#[test]
fn the_share_that_is_sampled_is_as_asked_and_stays_so() {
    let half = Review { sample_percent: Some(25.0), ..Review::default() };
    let config = config();
    let mut good = document("a", "invoice", &invoice("INV-001", "120.00"));
    let mut sampled = 0;
    for number in 0..400 {
        good.id = DocumentId::parse(&format!("document-{number}")).unwrap();
        let verdict = judge(&good, &config, &half);
        assert_eq!(verdict.reasons, judge(&good, &config, &half).reasons);
        sampled += usize::from(verdict.is_sample());
    }
    assert!((70..130).contains(&sampled), "{sampled}");
}

#[test]
fn copies_versions_and_forms_are_told_apart() {
    let first = document("a", "invoice", &invoice("INV-001", "120.00"));
    let copy = document("b", "invoice", &invoice("INV-001", "120.00").replace('\n', " \n"));
    assert_eq!(compare(&copy, &first).map(|d| d.relation), Some(Relation::SameContent));

    let version = document("b", "invoice", &invoice("INV-001", "125.00"));
    let found = compare(&version, &first).unwrap();
    assert_eq!(found.relation, Relation::NewVersion);
    assert_eq!(found.differs[0], "total: 120.00 GBP → 125.00 GBP");

    let form = document("b", "invoice", &invoice("INV-977", "120.00"));
    let found = compare(&form, &first).unwrap();
    assert_eq!(
        (found.relation, found.differs[0].as_str()),
        (Relation::SameForm, "number: INV-001 → INV-977")
    );

    let other = document(
        "b",
        "letter",
        "Dear Ada,\nthe weather in the mountains was fine all week and we walked every day.",
    );
    assert_eq!(compare(&other, &first), None);

    let mut reviewed = version;
    reviewed.duplicates = vec![compare(&reviewed, &first).unwrap()];
    let verdict = judge(&reviewed, &config(), &Review::default());
    assert!(
        verdict.reasons.iter().any(|r| r.starts_with("it is another version of a")),
        "{:?}",
        verdict.reasons
    );
}
