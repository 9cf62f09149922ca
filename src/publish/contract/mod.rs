//! What every [`Store`] promises, as tests that take any of them.
//!
//! A store runs them all with `contract_suite!(with)`, where `with` gives a test a fresh store.

mod examples;
mod passages;
mod records;
mod related;
mod samples;
mod walk;

pub use examples::{
    examples_draw_near_and_push_away, examples_that_say_nothing_are_named,
    rows_and_vectors_come_as_they_were_asked_for, what_is_like_an_example_is_shown,
};
pub use passages::{
    a_passage_has_passages_like_it, passages_are_ranked_on_their_own, what_is_replaced_counts_as_it_is_now,
    which_passages_met_is_said, words_that_matched_are_shown,
};
pub use records::{
    a_change_needs_the_version_before, amending_leaves_the_text_findable, counts_over_time_follow_the_filter,
    facets_count_what_filters_pass, going_through_records_meets_each_once_while_others_come_and_go,
    lists_of_records_are_by_rank, records_come_and_go,
};
pub use related::{near_duplicates_are_grouped, what_is_like_others_is_walked_through};
pub use samples::{DIMENSION, document, embed, id, letter};
pub use walk::a_walk_meets_everything_once;

use super::{By, Filter, Hit, Query, Standing, Store};
use crate::document::{Document, DocumentId};
use samples::{entity, filters, seed, time};
use std::collections::BTreeMap;

/// Makes one `#[test]` of each promise.
macro_rules! contract_suite {
    ($with:path) => {
        $crate::publish::contract::contract_suite!($with:
            put_then_get, putting_twice_changes_nothing, replacing_leaves_no_trace, deleting_leaves_no_trace,
            dead_letters_come_and_go, current_means_same_content_and_models,
            an_earlier_version_never_replaces_a_later_one, of_versions_at_once_the_latest_stays, filters_join_by_and_and_or,
            lists_are_newest_first, a_walk_meets_everything_once, both_halves_of_a_search_count, nothing_to_search_for_finds_nothing,
            a_hit_shows_the_passage_that_matched, words_that_matched_are_shown, filters_hold_in_both_halves,
            long_documents_do_not_crowd_out_others, similar_leaves_out_the_document_itself,
            no_words_break_a_search, reading_goes_on_while_writing, records_come_and_go,
            a_change_needs_the_version_before, lists_of_records_are_by_rank,
            going_through_records_meets_each_once_while_others_come_and_go,
            amending_leaves_the_text_findable, facets_count_what_filters_pass,
            rows_and_vectors_come_as_they_were_asked_for, examples_draw_near_and_push_away,
            what_is_like_an_example_is_shown,
            examples_that_say_nothing_are_named, what_is_like_others_is_walked_through,
            near_duplicates_are_grouped, passages_are_ranked_on_their_own, a_passage_has_passages_like_it,
            counts_over_time_follow_the_filter, which_passages_met_is_said, what_is_replaced_counts_as_it_is_now
        );
    };
    ($with:path: $($promise:ident),*) => {
        $(#[test] fn $promise() { $with($crate::publish::contract::$promise); })*
    };
}
pub(crate) use contract_suite;

fn ask(store: &dyn Store, text: &str, vector: &[f32], filter: &Filter, limit: usize) -> Vec<Hit> {
    store.search(&Query { text, vector, filter, by: By::Document, limit }).unwrap()
}

/// A hybrid search over everything.
pub fn search(store: &dyn Store, text: &str) -> Vec<Hit> {
    ask(store, text, &embed(text), &Filter::default(), 10)
}

pub fn names(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.document.id.as_str()).collect()
}

/// The JSON of a document: what can be compared, and what users see.
fn json(document: &Document) -> serde_json::Value {
    serde_json::to_value(document).unwrap()
}

pub fn put_then_get(store: &dyn Store) {
    let mut given = document("a", &["naïve Größe 𝄞\0 end", "second page"]);
    given.ocr_confidence = Some(0.5);
    store.put(&given).unwrap();
    let got = store.get(&given.id).unwrap().unwrap();
    assert_eq!(json(&got), json(&given));
    assert!(store.get(&id("b")).unwrap().is_none());

    let mut empty = document("empty", &[]);
    empty.vector.clear();
    store.put(&empty).unwrap();
    assert_eq!(json(&store.get(&empty.id).unwrap().unwrap()), json(&empty));
    let counts = store.counts().unwrap();
    assert_eq!((counts.documents, counts.passages, counts.dead), (2, 2, 0));
}

pub fn putting_twice_changes_nothing(store: &dyn Store) {
    for _ in 0..3 {
        store.put(&document("a", &["red fox", "blue whale"])).unwrap();
    }
    let counts = store.counts().unwrap();
    assert_eq!((counts.documents, counts.passages), (1, 2));
    let hits = search(store, "blue whale");
    assert_eq!(names(&hits), ["a"]);
    assert_eq!(hits[0].passage.as_ref().unwrap().number, 1);
}

pub fn replacing_leaves_no_trace(store: &dyn Store) {
    let mut old = document("a", &["red fox", "zebra crossing"]);
    old.entities = vec![entity("Old Name")];
    store.put(&old).unwrap();
    store.put(&document("b", &["zebra stripes"])).unwrap();
    store.put(&document("a", &["green frog"])).unwrap();
    let hits = search(store, "zebra crossing");
    assert_eq!(names(&hits)[0], "b");
    let other = hits.iter().find(|hit| hit.document.id.as_str() == "a");
    assert!(
        other.is_none_or(
            |hit| hit.keyword_rank.is_none() && hit.passage.as_ref().unwrap().text == "green frog"
        )
    );
    let named = Filter { entity: vec!["old name".to_owned()], ..Filter::default() };
    assert!(store.list(&named, 9, 0).unwrap().is_empty());
    assert_eq!(store.counts().unwrap().passages, 2);
}

pub fn deleting_leaves_no_trace(store: &dyn Store) {
    store.put(&document("a", &["red fox"])).unwrap();
    store.put_dead(&letter("c", 1)).unwrap();
    assert!(store.delete(&id("a")).unwrap());
    assert!(!store.delete(&id("a")).unwrap());
    assert!(store.delete(&id("c")).unwrap());
    assert_eq!(store.counts().unwrap(), super::Counts::default());
    assert!(search(store, "red fox").is_empty());
    assert!(store.similar(&id("a"), &Filter::default(), 5).unwrap().is_none());
    // What was deleted can come again.
    store.put(&document("a", &["red fox"])).unwrap();
    assert_eq!(names(&search(store, "red fox")), ["a"]);
}

pub fn dead_letters_come_and_go(store: &dyn Store) {
    for (name, seconds) in [("a", 1), ("b", 3), ("c", 2)] {
        store.put_dead(&letter(name, seconds)).unwrap();
    }
    let ids = |limit| -> Vec<String> {
        store.dead_letters(limit).unwrap().iter().map(|letter| letter.id.to_string()).collect()
    };
    assert_eq!(ids(9), ["b", "c", "a"]);
    assert_eq!(ids(1), ["b"]);
    let found = store.dead(&id("c")).unwrap().unwrap();
    assert_eq!((found.attempts, found.failure), (2, letter("c", 2).failure));
    // Dead again replaces; understood clears; a later death leaves the understood document.
    store.put_dead(&letter("a", 9)).unwrap();
    assert_eq!(ids(9), ["a", "b", "c"]);
    store.put(&document("a", &["text"])).unwrap();
    assert!(store.dead(&id("a")).unwrap().is_none());
    store.put_dead(&letter("a", 9)).unwrap();
    assert!(store.get(&id("a")).unwrap().is_some());
    assert_eq!(store.counts().unwrap().dead, 3);
}

pub fn current_means_same_content_and_models(store: &dyn Store) {
    let given = document("a", &["text"]);
    let standing =
        |sha256: &str, version, models| store.standing(&given.id, sha256, version, models).unwrap();
    assert_eq!(standing(&given.sha256, 0, &given.models), Standing::Outdated);
    store.put(&given).unwrap();
    assert_eq!(standing(&given.sha256, 0, &given.models), Standing::Current);
    // The same content sent again, before or after, is the same content.
    assert_eq!(standing(&given.sha256, -1, &given.models), Standing::Current);
    assert_eq!(standing("0", 0, &given.models), Standing::Outdated);
    let newer = BTreeMap::from([("embed".to_owned(), "test@2".to_owned())]);
    assert_eq!(standing(&given.sha256, 0, &newer), Standing::Outdated);
}

pub fn an_earlier_version_never_replaces_a_later_one(store: &dyn Store) {
    let of = |text: &str, version| {
        let mut document = document("a", &[text]);
        document.version = version;
        document
    };
    let (early, late) = (of("early", 7), of("late", 8));
    store.put(&late).unwrap();
    assert_eq!(store.standing(&early.id, &early.sha256, 7, &early.models).unwrap(), Standing::Superseded);
    store.put(&early).unwrap();
    assert_eq!(json(&store.get(&early.id).unwrap().unwrap()), json(&late));
    assert!(search(store, "early").iter().all(|hit| hit.passage.as_ref().unwrap().text == "late"));
    let after = of("after", 9);
    store.put(&after).unwrap();
    assert_eq!(json(&store.get(&early.id).unwrap().unwrap()), json(&after));
    assert_eq!(store.counts().unwrap().passages, 1);
}

pub fn of_versions_at_once_the_latest_stays(store: &dyn Store) {
    const VERSIONS: usize = 6;
    let of = |version: usize| {
        let texts: Vec<String> = (0..=VERSIONS - version).map(|n| format!("amber {version} {n}")).collect();
        let mut document = document("a", &texts.iter().map(String::as_str).collect::<Vec<_>>());
        document.version = version as i64;
        document
    };
    for _ in 0..5 {
        std::thread::scope(|scope| {
            for version in 1..=VERSIONS {
                scope.spawn(move || store.put(&of(version)).unwrap());
            }
        });
        let latest = of(VERSIONS);
        assert_eq!(json(&store.get(&id("a")).unwrap().unwrap()), json(&latest));
        assert_eq!(store.counts().unwrap().passages, latest.passages.len());
        assert_eq!(search(store, "amber")[0].passage.as_ref().unwrap().text, latest.text);
        store.delete(&id("a")).unwrap();
    }
}

pub fn filters_join_by_and_and_or(store: &dyn Store) {
    seed(store);
    for (filter, expected) in filters() {
        let rows = store.list(&filter, 9, 0).unwrap();
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), expected, "{filter:?}");
    }
}

pub fn lists_are_newest_first(store: &dyn Store) {
    seed(store);
    let window = |limit, offset| -> Vec<String> {
        let rows = store.list(&Filter::default(), limit, offset).unwrap();
        rows.iter().map(|row| row.id.to_string()).collect()
    };
    assert_eq!(window(2, 0), ["d", "c"]);
    assert_eq!(window(2, 3), ["a"]);
    assert!(window(2, 4).is_empty() && window(0, 0).is_empty());
    let row = &store.list(&Filter::default(), 1, 3).unwrap()[0];
    assert_eq!((row.name.as_str(), row.media_type.as_str()), ("a.txt", "text/plain"));
    assert_eq!((row.summary.as_str(), row.kind_confidence), ("common aaa", 0.75));
    assert_eq!((row.ingested_at, row.ocr_confidence), (time(0), None));
}

pub fn both_halves_of_a_search_count(store: &dyn Store) {
    // `word` matches by keyword only (it has no vector), `sense` by vector only, `both` by both.
    for (name, text, vector) in [
        ("word", "amber", vec![]),
        ("sense", "stone", embed("amber")),
        ("both", "amber glow", embed("amber glow")),
    ] {
        let mut document = document(name, &[text]);
        document.passages[0].vector = vector;
        store.put(&document).unwrap();
    }
    let hits = search(store, "amber");
    assert_eq!(names(&hits)[0], "both");
    assert_eq!(hits[0].score, (1.0 / 62.0 + 1.0 / 62.0) as f32);
    let by_name = |name: &str| hits.iter().find(|hit| hit.document.id.as_str() == name).unwrap();
    assert!(by_name("sense").keyword_rank.is_none() && by_name("sense").similarity.unwrap() > 0.99);
    assert_eq!(by_name("word").keyword_rank, Some(1));

    let keywords = ask(store, "AMBER", &[], &Filter::default(), 10);
    assert_eq!(names(&keywords), ["word", "both"]);
    assert!(keywords.iter().all(|hit| hit.similarity.is_none()));
    let vectors = ask(store, "", &embed("amber"), &Filter::default(), 1);
    assert_eq!(names(&vectors), ["sense"]);
    assert!(vectors[0].keyword_rank.is_none() && vectors[0].score == 1.0 / 61.0);
}

pub fn nothing_to_search_for_finds_nothing(store: &dyn Store) {
    assert!(search(store, "anything").is_empty());
    seed(store);
    assert!(ask(store, " . ", &[], &Filter::default(), 10).is_empty());
    assert!(ask(store, "common", &embed("common"), &Filter::default(), 0).is_empty());
    // Equal ranks: the id decides; no limit is too large.
    assert_eq!(names(&ask(store, "common", &[], &Filter::default(), usize::MAX)), ["a", "b", "c", "d"]);
    assert_eq!(ask(store, "", &embed("common"), &Filter::default(), usize::MAX).len(), 4);
}

pub fn a_hit_shows_the_passage_that_matched(store: &dyn Store) {
    store.put(&document("a", &["Größe eins", "naïve Straße 𝄞 zwei", "drei"])).unwrap();
    for (text, vector) in [("naive strasse straße", vec![]), ("", embed("naïve Straße zwei"))] {
        let hits = ask(store, text, &vector, &Filter::default(), 1);
        let passage = hits[0].passage.as_ref().unwrap();
        assert_eq!((passage.number, passage.page, passage.start, passage.end), (1, 2, 11, 30));
        assert_eq!(passage.text, "naïve Straße 𝄞 zwei");
    }
}

pub fn filters_hold_in_both_halves(store: &dyn Store) {
    seed(store);
    for (filter, mut expected) in filters() {
        expected.sort_unstable();
        for (text, vector) in [("common", vec![]), ("", embed("common")), ("common", embed("common"))] {
            let hits = ask(store, text, &vector, &filter, 9);
            let mut found = names(&hits);
            found.sort_unstable();
            assert_eq!(found, expected, "{filter:?} {text}");
        }
    }
}

pub fn long_documents_do_not_crowd_out_others(store: &dyn Store) {
    let pages: Vec<String> = (0..1500).map(|page| format!("amber glow {}", page % 3)).collect();
    store.put(&document("long", &pages.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    store.put(&document("short", &["amber stone quarry"])).unwrap();
    for (text, vector) in [("amber glow", vec![]), ("", embed("amber glow"))] {
        assert_eq!(names(&ask(store, text, &vector, &Filter::default(), 2)), ["long", "short"]);
    }
}

pub fn similar_leaves_out_the_document_itself(store: &dyn Store) {
    for (name, text) in [("a", "red fox runs"), ("b", "red fox sits"), ("c", "red whale"), ("d", "tax law")] {
        store.put(&document(name, &[text])).unwrap();
    }
    let hits = store.similar(&id("a"), &Filter::default(), 2).unwrap().unwrap();
    assert_eq!(names(&hits), ["b", "c"]);
    assert!(hits[0].similarity == Some(hits[0].score));
    let near =
        store.nearest(&embed("red fox runs"), &[id("a")], &Filter::default(), By::Document, 2).unwrap();
    assert_eq!(names(&near), ["b", "c"]);
    let except = |ids: &[DocumentId]| {
        let found = store.nearest(&embed("red fox runs"), ids, &Filter::default(), By::Document, 1);
        found.unwrap().remove(0).document.id
    };
    assert_eq!((except(&[id("new")]), except(&[]), except(&[id("b"), id("a")])), (id("a"), id("a"), id("c")));
    assert!(store.nearest(&[], &[id("a")], &Filter::default(), By::Document, 2).unwrap().is_empty());
    let none = Filter { language: vec!["fr".to_owned()], ..Filter::default() };
    assert!(store.similar(&id("a"), &none, 2).unwrap().unwrap().is_empty());
    assert!(store.similar(&id("unknown"), &Filter::default(), 2).unwrap().is_none());
}

pub fn no_words_break_a_search(store: &dyn Store) {
    store.put(&document("a", &["near the text"])).unwrap();
    for text in [
        "\"",
        "\"near",
        "near\"",
        "\"\"\"",
        "*",
        "near*",
        "NEAR",
        "NEAR(near text, 5)",
        "near AND",
        "OR near",
        "NOT",
        "(",
        "near)",
        "text:near",
        "^near",
        "near + text",
        "{text}: near",
        "-near",
        "'",
        "near; DROP TABLE keywords",
        "near\0text",
        "\u{feff}",
        "𝄞 near",
        "%",
        "near\\",
        "rank MATCH",
        "a.b.c",
        "''''",
        "\u{301}",
    ] {
        search(store, text);
    }
    let pasted = "near ".repeat(10_000) + &(0..10_000).map(|n| format!("word{n} ")).collect::<String>();
    assert_eq!(names(&search(store, &pasted)), ["a"]);
}

pub fn reading_goes_on_while_writing(store: &dyn Store) {
    const ROUNDS: usize = 40;
    std::thread::scope(|scope| {
        for writer in 0..2 {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let name = format!("{writer}-{}", round % 5);
                    store.put(&document(&name, &["amber glow", &format!("round {round}")])).unwrap();
                    if round % 7 == 0 {
                        store.delete(&id(&name)).unwrap();
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..2 * ROUNDS {
                let hits = search(store, "amber glow");
                let mut seen = names(&hits);
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len(), hits.len());
                assert!(hits.iter().all(|hit| hit.passage.is_some()));
            }
        });
    });
    let documents = store.counts().unwrap().documents;
    assert_eq!(search(store, "amber glow").len(), documents);
}
