//! Documents to test a store with.

use crate::document::{
    Decision, Document, DocumentId, Entity, EntitySource, MediaType, Mention, Origin, Passage, Priority,
    SCHEMA_VERSION, Scored, Sentiment, SummarySentence, Verdict, sha256_hex,
};
use crate::error::{Class, Failure, Stage};
use crate::publish::{DeadLetter, Filter, Store};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Dimensions of [`embed`].
pub const DIMENSION: usize = 64;

/// A stand-in for a model: each word adds to one component, chosen by its hash; L2-normalised.
pub fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIMENSION];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let hash = u64::from_str_radix(&sha256_hex(word.as_bytes())[..15], 16).unwrap();
        vector[(hash % DIMENSION as u64) as usize] += 1.0;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter().map(|x| x / length).collect()
}

pub fn id(id: &str) -> DocumentId {
    DocumentId::parse(id).unwrap()
}

pub fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

/// A document of one passage for each of `texts`.
pub fn document(name: &str, texts: &[&str]) -> Document {
    let text = texts.join("\u{c}");
    let mut start = 0;
    let mut passages = Vec::new();
    for (number, part) in (0..).zip(texts) {
        let end = start + part.chars().count();
        passages.push(Passage { number, page: number + 1, start, end, sentiment: None, vector: embed(part) });
        start = end + 1;
    }
    let summary = texts.first().map_or("", |text| text).to_owned();
    Document {
        schema: SCHEMA_VERSION,
        id: id(name),
        name: format!("{name}.txt"),
        media_type: MediaType::Text,
        size: text.len(),
        sha256: sha256_hex(text.as_bytes()),
        priority: Priority::Normal,
        tags: Vec::new(),
        received_at: time(0),
        version: 0,
        origin: None,
        parent: None,
        children: Vec::new(),
        ingested_at: time(0),
        kind: Scored { label: "letter".to_owned(), confidence: 0.75 },
        language: Scored { label: "en".to_owned(), confidence: 1.0 },
        pages: Vec::new(),
        tables: Vec::new(),
        form: Vec::new(),
        ocr_confidence: None,
        summary: vec![SummarySentence { end: summary.chars().count(), text: summary, start: 0, score: 1.0 }],
        entities: Vec::new(),
        sentiment: None,
        classes: Vec::new(),
        written_summary: None,
        options: crate::document::Options::default(),
        summary_refused: None,
        passages,
        coverage: 1.0,
        fields: Vec::new(),
        checks: Vec::new(),
        duplicates: Vec::new(),
        review: None,
        verdict: Verdict { decision: Decision::Accept, reasons: Vec::new() },
        models: BTreeMap::from([("embed".to_owned(), "test@1".to_owned())]),
        seconds: BTreeMap::new(),
        omitted: Vec::new(),
        vector: embed(&text),
        text,
    }
}

pub fn letter(name: &str, seconds: i64) -> DeadLetter {
    DeadLetter {
        id: id(name),
        name: format!("{name}.pdf"),
        size: 3,
        sha256: sha256_hex(name.as_bytes()),
        priority: Priority::Low,
        received_at: time(0),
        origin: None,
        failed_at: time(seconds),
        attempts: 2,
        failure: Failure::new(Stage::Decode, Class::Corrupt, "no xref"),
        lineage: None,
        tags: Vec::new(),
    }
}

pub fn entity(text: &str) -> Entity {
    let mention = Mention { page: 1, start: 0, end: 1, confidence: 1.0 };
    Entity {
        text: text.to_owned(),
        label: "ORG".to_owned(),
        source: EntitySource::Model,
        value: None,
        confidence: 1.0,
        mentions: vec![mention],
    }
}

pub fn tone(label: &str) -> Sentiment {
    let scores = BTreeMap::from([(label.to_owned(), 0.75)]);
    Sentiment { label: label.to_owned(), confidence: 0.75, scores }
}

/// Four documents with the word "common" that differ in what filters ask for.
pub fn seed(store: &dyn Store) {
    let all = [
        ("a", "invoice", "en", Decision::Accept, vec!["ACME GmbH"]),
        ("b", "invoice", "de", Decision::Review, vec!["Ärztehaus", "acme gmbh"]),
        ("c", "letter", "de", Decision::Reject, vec![]),
        ("d", "report", "en", Decision::Accept, vec!["Globex"]),
    ];
    for (seconds, (name, kind, language, decision, entities)) in (0..).zip(all) {
        let mut document = document(name, &[&format!("common {name}{name}{name}")]);
        document.kind.label = kind.to_owned();
        document.language.label = language.to_owned();
        document.verdict.decision = decision;
        document.entities = entities.into_iter().map(entity).collect();
        document.ingested_at = time(seconds);
        document.tags = match name {
            "a" | "c" => vec!["case 7".to_owned()],
            "b" => vec!["legal".to_owned()],
            _ => Vec::new(),
        };
        document.sentiment = match name {
            "a" | "b" => Some(tone("negative")),
            "d" => Some(tone("positive")),
            _ => None,
        };
        let topic = "Scans.high".to_owned();
        document.origin = (name == "b").then_some(Origin { topic, partition: 0, offset: 7 });
        store.put(&document).unwrap();
    }
}

/// Filters over [`seed`] with what passes them, newest first.
pub fn filters() -> Vec<(Filter, Vec<&'static str>)> {
    let list = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
    let all = Filter::default;
    vec![
        (all(), vec!["d", "c", "b", "a"]),
        (Filter { kind: list(&["invoice"]), ..all() }, vec!["b", "a"]),
        (Filter { kind: list(&["invoice", "report"]), ..all() }, vec!["d", "b", "a"]),
        (Filter { kind: list(&["none such"]), ..all() }, vec![]),
        (Filter { kind: list(&["') OR 1=1 --"]), ..all() }, vec![]),
        (Filter { language: list(&["de"]), ..all() }, vec!["c", "b"]),
        (Filter { verdict: list(&["accept"]), ..all() }, vec!["d", "a"]),
        (Filter { entity: list(&["Acme GMBH"]), ..all() }, vec!["b", "a"]),
        (Filter { entity: list(&["globex", "ärztehaus"]), ..all() }, vec!["d", "b"]),
        (Filter { tag: list(&["Case 7"]), ..all() }, vec!["c", "a"]),
        (Filter { tag: list(&["case 7", "legal"]), ..all() }, vec!["c", "b", "a"]),
        (Filter { tag: list(&["case"]), ..all() }, vec![]),
        (Filter { source: list(&["inbox"]), ..all() }, vec!["d", "c", "a"]),
        (Filter { source: list(&["Scans.high"]), sentiment: list(&["negative"]), ..all() }, vec!["b"]),
        (Filter { source: list(&["scans.high"]), ..all() }, vec![]),
        (Filter { sentiment: list(&["negative", "positive"]), ..all() }, vec!["d", "b", "a"]),
        (Filter { since: Some(time(1)), ..all() }, vec!["d", "c", "b"]),
        (Filter { until: Some(time(1)), ..all() }, vec!["a"]),
        (Filter { since: Some(time(1)), until: Some(time(3)), ..all() }, vec!["c", "b"]),
        (
            Filter {
                kind: list(&["invoice"]),
                language: list(&["de", "en"]),
                entity: list(&["ACME GMBH"]),
                verdict: list(&["review", "reject"]),
                since: Some(time(0)),
                until: None,
                tag: list(&["legal"]),
                source: list(&["Scans.high", "inbox"]),
                sentiment: list(&["negative"]),
            },
            vec!["b"],
        ),
    ]
}
