//! Personal data masked: names of people, mail addresses, telephone numbers, IBANs, VAT numbers.
//!
//! Each letter and digit becomes a block, so every offset still holds.

use crate::document::{Document, FieldValue};
use std::ops::Range;

/// Labels of what is masked: those of the default model and rules, and what other models call people.
const PERSONAL: [&str; 7] = ["PER", "PERSON", "EMAIL", "PHONE", "IBAN", "VAT_ID", "ADDRESS"];

/// What a letter or digit becomes.
const BLOCK: char = '█';

/// Names shorter than this are masked where they were found, but not looked for elsewhere.
const LEAST: usize = 3;

/// Masks a document in place: its text, and all that repeats it. Vectors stay as they are.
pub fn redact(document: &mut Document) {
    let personal = |label: &str| PERSONAL.contains(&label);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for entity in document.entities.iter_mut().filter(|e| personal(&e.label)) {
        ranges.extend(entity.mentions.iter().map(|m| m.start..m.end));
        words.extend([Some(entity.text.clone()), entity.value.take()].into_iter().flatten());
        entity.text = mask(&entity.text);
    }
    ranges.sort_by_key(|range| range.start);
    words.retain(|word| word.chars().count() >= LEAST);
    // Whole names before what they begin with.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    let clean = |text: &str| words.iter().fold(text.to_owned(), |text, word| text.replace(word, &mask(word)));

    document.text = mask_ranges(&document.text, &ranges);
    document.text = clean(&document.text);
    document.name = clean(&document.name);
    document.summary.iter_mut().for_each(|sentence| sentence.text = clean(&sentence.text));
    if let Some(written) = &mut document.written_summary {
        written.text = clean(&written.text);
    }
    if let Some(reason) = &mut document.summary_refused {
        *reason = clean(reason);
    }
    for entity in document.entities.iter_mut().filter(|e| !personal(&e.label)) {
        entity.text = clean(&entity.text);
    }
    for field in &mut document.fields {
        let within = ranges.iter().any(|range| range.start < field.end && field.start < range.end);
        let masked = if within { mask(&field.raw) } else { clean(&field.raw) };
        if masked != field.raw {
            field.value = FieldValue::Text(if within { mask(&field.value.plain()) } else { masked.clone() });
            field.raw = masked;
        }
        field.name = clean(&field.name);
        field.reasons.iter_mut().for_each(|reason| *reason = clean(reason));
    }
    for field in &mut document.form {
        let range = field.start.unwrap_or_default()..field.end.unwrap_or_default();
        let within = ranges.iter().any(|r| r.start < range.end && range.start < r.end);
        field.value = field.value.take().map(|value| if within { mask(&value) } else { clean(&value) });
        // What a file says to people may hold names, too.
        field.label = field.label.take().map(|label| clean(&label));
        field.name = clean(&field.name);
    }
    document.checks.iter_mut().for_each(|check| check.detail = clean(&check.detail));
}

fn mask(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() { BLOCK } else { c }).collect()
}

/// Masks ranges of characters, sorted by where they start.
fn mask_ranges(text: &str, ranges: &[Range<usize>]) -> String {
    let mut ranges = ranges.iter().peekable();
    let mut reached = 0;
    let masked = text.chars().enumerate().map(|(at, c)| {
        while let Some(range) = ranges.next_if(|range| range.start <= at) {
            reached = reached.max(range.end);
        }
        if at < reached && c.is_alphanumeric() { BLOCK } else { c }
    });
    masked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Entity, EntitySource, Mention};

    fn document(text: &str) -> Document {
        let scored = serde_json::json!({ "label": "letter", "confidence": 0.9 });
        let value = serde_json::json!({
            "schema": 1, "id": "a", "name": "Letter of Jo Smith.pdf", "media_type": "text/plain", "size": 1,
            "sha256": "", "priority": "normal", "received_at": "2026-01-01T00:00:00Z",
            "ingested_at": "2026-01-01T00:00:00Z", "kind": scored, "language": scored, "pages": [], "text": text,
            "ocr_confidence": null, "summary": [], "entities": [], "sentiment": null, "passages": [],
            "coverage": 1.0, "verdict": { "decision": "accept", "reasons": [] }, "models": {}, "seconds": {},
            "fields": [], "checks": [], "duplicates": []
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn names_and_numbers_of_people_are_masked_wherever_they_stand() {
        let mut document = document("Jo Smith (jo@x.de) of Acme wrote. JO SMITH, Jo Smith.");
        let entity = |text: &str, label: &str, places: &[(usize, usize)]| Entity {
            text: text.to_owned(),
            label: label.to_owned(),
            source: EntitySource::Rule,
            value: Some(text.to_owned()),
            confidence: 0.9,
            mentions: places
                .iter()
                .map(|(start, end)| Mention { page: 1, start: *start, end: *end, confidence: 0.9 })
                .collect(),
        };
        document.entities = vec![
            entity("Jo Smith", "PER", &[(0, 8), (34, 42)]),
            entity("jo@x.de", "EMAIL", &[(10, 17)]),
            entity("Acme", "ORG", &[(22, 26)]),
        ];
        let before = document.text.chars().count();
        redact(&mut document);
        assert_eq!(document.text, "██ █████ (██@█.██) of Acme wrote. ██ █████, ██ █████.");
        assert_eq!(document.text.chars().count(), before, "offsets still hold");
        assert_eq!(document.name, "Letter of ██ █████.pdf");
        let all = serde_json::to_string(&document).unwrap();
        assert!(!all.contains("Smith") && !all.contains("jo@x.de") && all.contains("Acme"), "{all}");
    }
}
