//! What a decision makes of the document.

use super::record::Decided;
use crate::document::{
    Action, Corrections, Decision, Document, Field, FieldValue, Given, Outcome, Reviewed, Scored, Validity,
    Verdict, check_kind,
};
use std::collections::BTreeMap;

/// Says what is wrong with corrections of this document, if something is.
pub fn check(document: &Document, corrections: &Corrections) -> Result<(), String> {
    if let Some(kind) = &corrections.kind {
        check_kind(kind)?;
    }
    for (name, given) in &corrections.fields {
        if name.trim().is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
            return Err(format!("`{name}` is no name of a field"));
        }
        match given {
            Some(given) => drop(value(document, name, given)?),
            None if !document.fields.iter().any(|field| field.name == *name) => {
                return Err(format!("there is no field `{name}` to remove"));
            }
            None => {}
        }
    }
    let pages = document.pages.len();
    match corrections.text.keys().find(|page| **page == 0 || **page as usize > pages) {
        Some(page) => Err(format!("there is no page {page}; the document has {pages}")),
        None => Ok(()),
    }
}

/// The value that a person gives a field, as the type that the field has.
pub fn value(document: &Document, name: &str, given: &Given) -> Result<FieldValue, String> {
    let text = match given {
        Given::Typed(value) => return Ok(value.clone()),
        Given::Plain(text) => text.trim(),
    };
    let wrong = |what: &str| format!("`{name}`: `{text}` is no {what}");
    let now = document.fields.iter().find(|field| field.name == name).map(|field| &field.value);
    Ok(match now {
        Some(FieldValue::Date(_)) => {
            FieldValue::Date(text.parse().map_err(|_| wrong("day; write it as 2026-07-31"))?)
        }
        Some(FieldValue::Number(_)) => {
            FieldValue::Number(text.parse().map_err(|_| wrong("number; write it as 1234.5"))?)
        }
        Some(FieldValue::Amount { currency, .. }) => {
            let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
            let amount = number.parse().map_err(|_| wrong("amount; write it as 1234.50 EUR"))?;
            let unit = unit.trim();
            let known = unit.len() == 3 && unit.chars().all(|c| c.is_ascii_uppercase());
            if !unit.is_empty() && !known {
                return Err(wrong("amount; write it as 1234.50 EUR"));
            }
            let currency = if unit.is_empty() { currency.clone() } else { Some(unit.to_owned()) };
            FieldValue::Amount { amount, currency }
        }
        Some(FieldValue::Identifier(_)) => FieldValue::Identifier(text.to_owned()),
        Some(FieldValue::Text(_)) | None => FieldValue::Text(text.to_owned()),
    })
}

/// Sets the kind, as a person knows it.
pub(super) fn kind(document: &mut Document, label: &str) {
    document.kind = Scored { label: label.trim().to_owned(), confidence: 1.0 };
}

/// Sets the fields, as a person knows them. What cannot be read was refused before; where it is
/// met all the same (the document was understood anew since), the field stays as it is.
pub(super) fn fields(document: &mut Document, given: &BTreeMap<String, Option<Given>>) {
    for (name, given) in given {
        let Some(given) = given else {
            document.fields.retain(|field| field.name != *name);
            continue;
        };
        let Ok(value) = value(document, name, given) else { continue };
        match document.fields.iter_mut().find(|field| field.name == *name) {
            Some(field) => {
                field.value = value;
                (field.confidence, field.validity) = (1.0, Validity::Valid);
                field.reasons.clear();
            }
            None => document.fields.push(Field {
                name: name.clone(),
                raw: value.plain(),
                value,
                page: 1,
                start: 0,
                end: 0,
                bounds: None,
                confidence: 1.0,
                validity: Validity::Valid,
                reasons: Vec::new(),
            }),
        }
    }
}

/// What still speaks against a document that was corrected: a person saw it, so only what can be
/// calculated does.
pub(super) fn objections(document: &Document) -> Vec<String> {
    let failed = document.checks.iter().filter(|check| check.outcome == Outcome::Fail);
    failed.map(|check| format!("{}: {}", check.name, check.detail)).collect()
}

/// The document as it stands after a decision.
pub(super) fn settle(document: &mut Document, decided: &Decided) {
    let (decision, reasons) = match decided.action {
        Action::Approve | Action::Correct => (Decision::Accept, Vec::new()),
        Action::Reject => (Decision::Reject, vec![format!("{} rejected it", decided.by)]),
        Action::Reprocess | Action::Reopen => return,
    };
    document.verdict = Verdict { decision, reasons };
    document.review = Some(Reviewed {
        action: decided.action,
        by: decided.by.clone(),
        at: decided.at,
        corrected: decided.corrections.names(),
    });
}
