//! What to do with a document, with reasons in words.

use super::fields::Review;
use crate::config::InterpretConfig;
use crate::document::{
    ClassScore, Decision, Document, Field, Outcome, Relation, Scale, Validity, Verdict, sha256_hex,
};

/// Accepts what is certain; asks a person about what is doubtful; rejects what holds nothing.
/// `review` holds the bounds of the document's kind, where it has its own.
pub fn judge(document: &Document, config: &InterpretConfig, review: &Review) -> Verdict {
    if document.text.trim().is_empty() {
        return rejected("no text was found on any page".to_owned());
    }
    let least = review.reject_below.unwrap_or(config.reject_below);
    if let Some((found, wanted)) =
        required(document).filter(|(found, wanted)| (*found as f32) < *wanted as f32 * least)
    {
        return rejected(format!(
            "only {found} of the {wanted} fields that a document of the kind {} needs were found",
            document.kind.label
        ));
    }
    let mut reasons = Vec::new();
    let ocr_below = review.ocr_below.unwrap_or(config.review_ocr_below);
    if let Some(confidence) = document.ocr_confidence.filter(|c| *c < ocr_below) {
        reasons
            .push(format!("the pages were read with a confidence of {confidence:.2}, below {ocr_below:.2}"));
    }
    let kind = &document.kind;
    let kind_below = review.kind_below.unwrap_or(config.review_kind_below);
    if kind.confidence < kind_below {
        let (label, confidence) = (&kind.label, kind.confidence);
        reasons.push(format!(
            "its kind is unclear: {label} with a confidence of {confidence:.2}, below {kind_below:.2}"
        ));
    }
    let blank = document.pages.iter().filter(|p| p.start == p.end).count();
    if blank > 0 {
        let total = document.pages.len();
        reasons.push(format!("{blank} of {total} pages hold no text"));
    }
    if document.coverage < 1.0 {
        reasons.push(format!("only {:.4} of its text lies in passages", document.coverage));
    }
    let entity_below = review.entity_below.unwrap_or(config.review_entity_below);
    if let Some(entity) = document.entities.iter().find(|e| e.confidence < entity_below) {
        reasons.push(format!(
            "the name {} was found with a confidence of {:.2}, below {entity_below:.2}",
            entity.text, entity.confidence
        ));
    }
    about_classes(document, config, review, &mut reasons);
    about_fields(document, review.field_below.unwrap_or(config.review_field_below), &mut reasons);
    about_duplicates(document, &mut reasons);
    if reasons.is_empty() && sampled(document, review.sample_percent.unwrap_or(config.sample_percent)) {
        reasons.push(Verdict::SAMPLED.to_owned());
    }
    let decision = if reasons.is_empty() { Decision::Accept } else { Decision::Review };
    Verdict { decision, reasons }
}

fn rejected(reason: String) -> Verdict {
    Verdict { decision: Decision::Reject, reasons: vec![reason] }
}

/// How many of the fields that its rules require were found, and how many they require.
fn required(document: &Document) -> Option<(usize, usize)> {
    let check = document.checks.iter().find(|c| c.name == "required")?;
    let found = check.fields.iter().filter(|name| document.fields.iter().any(|f| f.name == **name)).count();
    (!check.fields.is_empty()).then_some((found, check.fields.len()))
}

/// A tone or a class of which the model is not sure enough to say it.
fn about_classes(document: &Document, config: &InterpretConfig, review: &Review, reasons: &mut Vec<String>) {
    let below = review.sentiment_below.unwrap_or(config.review_sentiment_below);
    if let Some(tone) = document.sentiment.as_ref().filter(|tone| tone.confidence < below) {
        let (label, confidence) = (&tone.label, tone.confidence);
        reasons.push(format!(
            "its tone is unclear: {label} with a confidence of {confidence:.2}, below {below:.2}"
        ));
    }
    let below = review.class_below.unwrap_or(config.review_class_below);
    // A number that was predicted is no probability.
    let best = document.classes.first().filter(|class| class.scale != Scale::Value && class.score < below);
    if let Some(ClassScore { label, score, .. }) = best {
        reasons.push(format!("its class is unclear: {label} with a score of {score:.2}, below {below:.2}"));
    }
}

fn about_fields(document: &Document, below: f32, reasons: &mut Vec<String>) {
    for check in document.checks.iter().filter(|c| c.outcome == Outcome::Fail) {
        reasons.push(format!("the check {} fails: {}", check.name, check.detail));
    }
    for (field, why) in doubted(document) {
        reasons.push(format!("the field {} is doubtful: {why}", field.name));
    }
    let doubtful = |field: &&Field| field.validity == Validity::Invalid || field.confidence < below;
    let names: Vec<String> = document
        .fields
        .iter()
        .filter(doubtful)
        .map(|f| format!("{} ({:.2})", f.name, f.confidence))
        .collect();
    if let Some((first, rest)) = names.split_first() {
        let shown: Vec<&str> = rest.iter().take(4).map(String::as_str).collect();
        let more = rest.len().saturating_sub(4);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        let list = [&[first.as_str()], shown.as_slice()].concat().join(", ");
        reasons.push(format!("fields are not sure, below {below:.2} or invalid: {list}{tail}"));
    }
}

/// Fields that their kind requires and that are doubtful for a reason of their own, which no failed
/// check names: contradicting amounts, a day that may be two.
fn doubted(document: &Document) -> Vec<(&Field, &str)> {
    let required = document.checks.iter().find(|check| check.name == "required");
    let names = required.map_or(&[][..], |check| check.fields.as_slice());
    let checked = |reason: &str| document.checks.iter().any(|c| reason.starts_with(&format!("{}: ", c.name)));
    let doubtful =
        document.fields.iter().filter(|f| f.validity == Validity::Doubtful && names.contains(&f.name));
    doubtful
        .filter_map(|field| {
            let own = field.reasons.iter().find(|r| !checked(r) && !r.starts_with("its confidence"))?;
            Some((field, own.as_str()))
        })
        .collect()
}

fn about_duplicates(document: &Document, reasons: &mut Vec<String>) {
    for duplicate in &document.duplicates {
        let (id, share) = (&duplicate.id, duplicate.score * 100.0);
        match duplicate.relation {
            Relation::SameContent => {
                reasons.push(format!("it says the same as {id}: they share {share:.0} % of their text"))
            }
            Relation::NewVersion => {
                let first = duplicate
                    .differs
                    .first()
                    .map_or(String::new(), |d| format!("; first of what differs: {d}"));
                reasons.push(format!(
                    "it is another version of {id}: they share {share:.0} % of their text{first}"
                ));
            }
            // Invoices of one supplier look alike; that is no reason to stop any.
            Relation::SameForm => {}
        }
    }
}

/// Whether a document is among the `percent` that are looked at: by its id, so that it stays so.
fn sampled(document: &Document, percent: f32) -> bool {
    let hash = sha256_hex(document.id.as_str().as_bytes());
    let number = hash.get(..8).and_then(|part| u32::from_str_radix(part, 16).ok()).unwrap_or(u32::MAX);
    f64::from(number) / f64::from(u32::MAX) * 100.0 < f64::from(percent)
}
