//! Passages of two generations at once.

use super::*;

/// Whether a search for passages finds each of this document once, and no other.
pub fn are_those_of(store: &QdrantStore, stored: &Document) {
    let (vector, filter) = (embed("amber basalt"), &Filter::default());
    let query = Query { text: "amber basalt", vector: &vector, filter, by: By::Passage, limit: 9 };
    let found = store.search(&query).unwrap().into_iter().map(|hit| hit.passage.unwrap().text);
    let mut found: Vec<String> = found.collect();
    found.sort();
    let mut expected: Vec<&str> = stored.text.split('\u{c}').collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
