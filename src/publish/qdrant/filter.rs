//! A [`Filter`] as conditions on payloads, the same for documents and passages.

use super::points::{
    DOCUMENT, ENTITIES, GENERATION, INGESTED_US, KIND, LANGUAGE, NUMBER, SENTIMENT, SOURCE, STATE,
    STATE_UNDERSTOOD, TAGS, VERDICT, VERSION,
};
use crate::document::DocumentId;
use crate::publish::{Filter, words};
use ::qdrant_client::qdrant::{Condition, Filter as Conditions, Range};

/// Passages that pass.
pub(super) fn passages(filter: &Filter) -> Conditions {
    Conditions::must(conditions(filter))
}

/// Understood documents that pass.
pub(super) fn documents(filter: &Filter) -> Conditions {
    let state = Condition::matches(STATE, STATE_UNDERSTOOD.to_owned());
    Conditions::must(conditions(filter).into_iter().chain([state]))
}

/// Points of one state.
pub(super) fn state(state: &str) -> Conditions {
    Conditions::must([Condition::matches(STATE, state.to_owned())])
}

/// Every passage of a document.
pub(super) fn of_document(id: &DocumentId) -> Conditions {
    Conditions::must([Condition::matches(DOCUMENT, id.to_string())])
}

/// The passages of a document's generation.
pub(super) fn of_generation(id: &DocumentId, generation: &str) -> Conditions {
    Conditions::must([
        Condition::matches(DOCUMENT, id.to_string()),
        Condition::matches(GENERATION, generation.to_owned()),
    ])
}

/// What a document's passages must not be: of another generation, or numbered beyond its end. What
/// a later version wrote is left alone.
pub(super) fn stale(id: &DocumentId, version: i64, generation: &str, passages: usize) -> Conditions {
    let beyond = Range { gte: Some(passages as f64), ..Range::default() };
    let other = Conditions::must_not([Condition::matches(GENERATION, generation.to_owned())]);
    Conditions {
        must: vec![Condition::matches(DOCUMENT, id.to_string()), Condition::range(VERSION, up_to(version))],
        should: vec![other.into(), Condition::range(NUMBER, beyond)],
        ..Conditions::default()
    }
}

/// A stored document that this one may replace: an earlier version, or the same content.
pub(super) fn replaceable(version: i64, sha256: &str) -> Conditions {
    Conditions::should([
        Condition::range(VERSION, up_to(version)),
        Condition::matches(super::points::SHA256, sha256.to_owned()),
    ])
}

/// Milliseconds fit a double exactly for the next 285,000 years.
fn up_to(version: i64) -> Range {
    Range { lte: Some(version as f64), ..Range::default() }
}

fn conditions(filter: &Filter) -> Vec<Condition> {
    let folded: Vec<String> = filter.entity.iter().map(|entity| words::fold(entity)).collect();
    let tags: Vec<String> = filter.tag.iter().map(|tag| tag.trim().to_lowercase()).collect();
    let lists = [
        (KIND, &filter.kind),
        (LANGUAGE, &filter.language),
        (VERDICT, &filter.verdict),
        (ENTITIES, &folded),
        (TAGS, &tags),
        (SOURCE, &filter.source),
        (SENTIMENT, &filter.sentiment),
    ];
    let mut conditions: Vec<Condition> = lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(key, list)| Condition::matches(key, list.clone()))
        .collect();
    if filter.since.is_some() || filter.until.is_some() {
        let micros = |time: Option<jiff::Timestamp>| time.map(|time| time.as_microsecond() as f64);
        let range = Range { gte: micros(filter.since), lt: micros(filter.until), ..Range::default() };
        conditions.push(Condition::range(INGESTED_US, range));
    }
    conditions
}
