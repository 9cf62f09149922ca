//! What every store promises about looking documents up, and about searching by them.

use super::names;
use super::samples::{document, embed, id};
use crate::document::DocumentId;
use crate::publish::examples::{Astray, Examples};
use crate::publish::{By, Filter, Store};

fn ids(names: &[&str]) -> Vec<DocumentId> {
    names.iter().map(|name| id(name)).collect()
}

pub fn rows_and_vectors_come_as_they_were_asked_for(store: &dyn Store) {
    for (name, text) in [("a", "amber stone"), ("b", "amber glow")] {
        store.put(&document(name, &[text])).unwrap();
    }
    let mut blank = document("blank", &[]);
    blank.vector.clear();
    store.put(&blank).unwrap();
    let asked = ids(&["b", "none", "blank", "a", "b"]);
    let rows = store.rows_of(&asked).unwrap();
    let found: Vec<Option<&str>> = rows.iter().map(|row| row.as_ref().map(|row| row.id.as_str())).collect();
    assert_eq!(found, [Some("b"), None, Some("blank"), Some("a"), Some("b")]);
    assert_eq!(rows[3].as_ref().unwrap().name, "a.txt");
    let vectors = store.vectors_of(&asked).unwrap();
    assert_eq!(vectors.len(), asked.len());
    assert!(vectors[1].is_none());
    assert_eq!(vectors[2].as_deref(), Some(&[][..]));
    for (vector, text) in [(0, "amber glow"), (3, "amber stone"), (4, "amber glow")] {
        let pairs = vectors[vector].as_ref().unwrap().iter().zip(embed(text));
        assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-6), "{text}");
        assert_eq!(pairs.count(), embed(text).len());
    }
    assert!(store.rows_of(&[]).unwrap().is_empty() && store.vectors_of(&[]).unwrap().is_empty());
}

/// Without more, the quarry and the glow are equally like the amber stone.
pub fn examples_draw_near_and_push_away(store: &dyn Store) {
    for (name, text) in [
        ("example", "amber stone"),
        ("a-quarry", "stone quarry"),
        ("b-glow", "amber glow"),
        ("bridge", "stone bridge"),
        ("law", "tax law"),
    ] {
        let mut document = document(name, &[text]);
        document.language.label = if name == "b-glow" { "de" } else { "en" }.to_owned();
        store.put(&document).unwrap();
    }
    let all = Filter::default();
    let ask = |like: &[&str], unlike: &[&str], text: &[f32], filter: &Filter, limit| {
        let examples = Examples { like: ids(like), unlike: ids(unlike) };
        let hits = examples.search(store, text, filter, By::Document, (0, limit)).unwrap();
        assert!(hits.iter().all(|hit| hit.similarity == Some(hit.score)));
        names(&hits).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    // One example alone is what is similar to it.
    let similar = store.similar(&id("example"), &all, 9).unwrap().unwrap();
    assert_eq!(ask(&["example"], &[], &[], &all, 9), names(&similar));
    assert_eq!(names(&similar)[0], "a-quarry");
    assert_eq!(ask(&["example"], &["bridge"], &[], &all, 9), ["b-glow", "a-quarry", "law"]);
    assert_eq!(ask(&["example"], &[], &embed("glow"), &all, 1), ["b-glow"]);
    assert_eq!(ask(&["example", "b-glow"], &[], &embed("tax"), &all, 1), ["law"]);
    assert_eq!(ask(&[], &["bridge"], &embed("stone"), &all, 2), ["a-quarry", "example"]);
    let german = Filter { language: vec!["de".to_owned()], ..Filter::default() };
    assert_eq!(ask(&["example"], &["bridge"], &[], &german, 9), ["b-glow"]);
    assert!(ask(&["example"], &[], &[], &all, 0).is_empty());
    // A page further down is that of the whole list, explained alike.
    let examples = Examples { like: ids(&["example"]), unlike: Vec::new() };
    let page = |page| {
        let hits = examples.search(store, &[], &all, By::Document, page).unwrap();
        hits.iter().map(|hit| serde_json::to_value(hit).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(page((1, 2)), page((0, 9))[1..3]);
    assert!(page((9, 2)).is_empty());
}

/// Of each document, what is most like the example is named.
pub fn what_is_like_an_example_is_shown(store: &dyn Store) {
    store.put(&document("example", &["amber stone"])).unwrap();
    store.put(&document("long", &["tax law", "amber glow", "stone bridge", "amber stone"])).unwrap();
    store.put(&document("law", &["tax law"])).unwrap();
    let mut blank = document("blank", &[]);
    blank.vector.clear();
    store.put(&blank).unwrap();
    let hits = store.similar(&id("example"), &Filter::default(), 9).unwrap().unwrap();
    let shown: Vec<(&str, u32, &str)> = hits
        .iter()
        .map(|hit| (hit.document.id.as_str(), hit.passage.as_ref().unwrap()))
        .map(|(id, passage)| (id, passage.number, passage.text.as_str()))
        .collect();
    assert_eq!(shown, [("long", 3, "amber stone"), ("law", 0, "tax law")]);
    let named = ids(&["none", "blank", "long", "law"]);
    let numbers = |most| -> Vec<Vec<u32>> {
        let passages =
            store.passages_near(&embed("tax tax tax tax stone stone amber"), &named, most).unwrap();
        passages.iter().map(|of_one| of_one.iter().map(|passage| passage.row.number).collect()).collect()
    };
    assert_eq!(numbers(1), [vec![], vec![], vec![0], vec![0]]);
    assert_eq!(numbers(9), [vec![], vec![], vec![0, 3, 2, 1], vec![0]]);
    assert!(store.passages_near(&embed("tax"), &[], 9).unwrap().is_empty());
}

pub fn examples_that_say_nothing_are_named(store: &dyn Store) {
    let mut blank = document("blank", &[]);
    blank.vector.clear();
    store.put(&blank).unwrap();
    for (name, sign) in [("a", 1.0), ("b", -1.0)] {
        let mut document = document(name, &["amber"]);
        document.vector.iter_mut().for_each(|x| *x *= sign);
        store.put(&document).unwrap();
    }
    let ask = |like: &[&str], unlike: &[&str]| {
        let examples = Examples { like: ids(like), unlike: ids(unlike) };
        examples.search(store, &[], &Filter::default(), By::Document, (0, 9)).unwrap_err()
    };
    assert!(matches!(ask(&["a", "none"], &[]), Astray::Unknown(name) if name == id("none")));
    assert!(matches!(ask(&["a"], &["gone"]), Astray::Unknown(name) if name == id("gone")));
    assert!(matches!(ask(&["blank"], &[]), Astray::Blank(name) if name == id("blank")));
    assert!(matches!(ask(&["a", "b"], &[]), Astray::Nowhere));
    assert!(matches!(ask(&[], &[]), Astray::Nowhere));
}
