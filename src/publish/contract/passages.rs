//! What every store promises about passages: where the words are, what they are like, which of them met.

use super::samples::{document, embed, id};
use super::{ask, names};
use crate::publish::examples::Examples;
use crate::publish::{By, Filter, Hit, Query, Store};

/// What was found, as `document/passage`.
fn places(hits: &[Hit]) -> Vec<String> {
    let place = |hit: &Hit| format!("{}/{}", hit.document.id, hit.passage.as_ref().unwrap().number);
    hits.iter().map(place).collect()
}

/// In characters of the passage, whatever half found it.
pub fn words_that_matched_are_shown(store: &dyn Store) {
    let text = "Die naïve Straße 𝄞 zwei: naiv, Naive.";
    store.put(&document("a", &["drei", text])).unwrap();
    let shown = |query: &str, vector: &[f32]| -> Vec<String> {
        let hit = ask(store, query, vector, &Filter::default(), 1).remove(0);
        let text: Vec<char> = hit.passage.unwrap().text.chars().collect();
        hit.highlights.iter().map(|&[from, to]| text[from..to].iter().collect()).collect()
    };
    assert_eq!(shown("die NAIVE Strasse zwei", &[]), ["naïve", "zwei", "Naive"]);
    assert_eq!(shown("die straße", &embed(text)), ["Straße"]);
    assert_eq!(shown("nothing of it", &embed(text)), Vec::<String>::new());
    assert!(shown("", &embed(text)).is_empty());
}

pub fn passages_are_ranked_on_their_own(store: &dyn Store) {
    store.put(&document("a", &["amber glow", "tax law", "amber stone glow"])).unwrap();
    let mut other = document("b", &["amber glow", "blue whale"]);
    other.language.label = "de".to_owned();
    store.put(&other).unwrap();
    let ask = |text: &str, vector: &[f32], filter: &Filter, limit| {
        store.search(&Query { text, vector, filter, by: By::Passage, limit }).unwrap()
    };
    let all = Filter::default();
    // Equals by document and number, whichever half ranks.
    for (text, vector) in
        [("amber glow", vec![]), ("", embed("amber glow")), ("amber glow", embed("amber glow"))]
    {
        let hits = ask(text, &vector, &all, 3);
        assert_eq!(places(&hits), ["a/0", "b/0", "a/2"], "{text} {}", vector.len());
        assert_eq!(hits[1].passage.as_ref().unwrap().text, "amber glow");
        assert_eq!(places(&ask(text, &vector, &all, 1)), ["a/0"]);
    }
    let words = ask("amber", &[], &all, 9);
    assert_eq!(words.len(), 3);
    assert!(words.iter().all(|hit| hit.similarity.is_none() && hit.highlights == [[0, 5]]));
    let german = Filter { language: vec!["de".to_owned()], ..Filter::default() };
    assert_eq!(places(&ask("", &embed("amber glow"), &german, 9)), ["b/0", "b/1"]);
    assert_eq!(places(&ask("glow", &[], &german, 9)), ["b/0"]);
    assert!(ask("amber", &[], &all, 0).is_empty());

    let near = |except: &[&str], limit| {
        let except: Vec<_> = except.iter().map(|name| id(name)).collect();
        places(&store.nearest(&embed("amber glow"), &except, &all, By::Passage, limit).unwrap())
    };
    assert_eq!(near(&[], 3), ["a/0", "b/0", "a/2"]);
    assert_eq!(near(&["a"], 1), ["b/0"]);
    assert_eq!(near(&["a"], 9), ["b/0", "b/1"]);
    assert!(near(&["a", "b"], 9).is_empty());
    // By an example: passages of other documents, each with its own likeness.
    let examples = Examples { like: vec![id("b")], unlike: Vec::new() };
    let hits = examples.search(store, &[], &all, By::Passage, (0, 2)).unwrap();
    assert_eq!(places(&hits), ["a/0", "a/2"]);
    assert!(hits[0].similarity == Some(hits[0].score) && hits[0].score > hits[1].score);
}

pub fn a_passage_has_passages_like_it(store: &dyn Store) {
    store.put(&document("a", &["amber glow", "tax law", "amber stone"])).unwrap();
    store.put(&document("b", &["tax", "amber glow"])).unwrap();
    let mut blank = document("blank", &["word"]);
    blank.passages[0].vector.clear();
    store.put(&blank).unwrap();
    let like =
        |name: &str, number, limit| store.like_passage(&id(name), number, &Filter::default(), limit).unwrap();
    let hits = like("a", 0, 2).unwrap();
    assert_eq!(places(&hits), ["b/1", "a/2"]);
    assert!(hits[0].score > 0.999 && (hits[1].score - 0.5).abs() < 0.01);
    assert_eq!(places(&like("b", 0, 1).unwrap()), ["a/1"]);
    assert_eq!(like("a", 0, 99).unwrap().len(), 4);
    assert!(like("blank", 0, 9).unwrap().is_empty());
    assert!(like("a", 3, 9).is_none() && like("none", 0, 9).is_none());
    let german = Filter { language: vec!["de".to_owned()], ..Filter::default() };
    assert!(store.like_passage(&id("a"), 0, &german, 9).unwrap().unwrap().is_empty());
    let vector = store.passage_vector(&id("b"), 1).unwrap().unwrap();
    assert!(vector.iter().zip(embed("amber glow")).all(|(a, b)| (a - b).abs() < 1e-6));
}

/// Whichever passages of many are the ones that made two documents alike.
pub fn which_passages_met_is_said(store: &dyn Store) {
    store.put(&document("example", &["green frog", "amber stone quarry", "tax law of Rome"])).unwrap();
    store.put(&document("second", &["blue whale", "polar bear"])).unwrap();
    store.put(&document("found", &["law of Rome", "unlike any", "amber stone", "polar bear"])).unwrap();
    let said = |hit: &Hit| -> Vec<String> {
        hit.pairs.iter().map(|p| format!("{}/{} {}", p.example, p.like.number, p.passage.number)).collect()
    };
    let hits = store.similar(&id("example"), &Filter::default(), 9).unwrap().unwrap();
    let found = hits.iter().find(|hit| hit.document.id == id("found")).unwrap();
    assert_eq!(said(found)[..2], ["example/2 0", "example/1 2"]);
    let pair = &found.pairs[1];
    assert_eq!((pair.like.text.as_str(), pair.passage.text.as_str()), ("amber stone quarry", "amber stone"));
    assert!((pair.score - (2.0_f32 / 6.0_f32.sqrt())).abs() < 0.01, "{}", pair.score);

    let examples = Examples { like: vec![id("example"), id("second")], unlike: Vec::new() };
    let hits = examples.search(store, &[], &Filter::default(), By::Document, (0, 9)).unwrap();
    assert_eq!(names(&hits), ["found"]);
    assert_eq!(said(&hits[0]), ["second/1 3", "example/2 0", "example/1 2"]);
    assert!(
        ask(store, "amber", &embed("amber"), &Filter::default(), 9).iter().all(|hit| hit.pairs.is_empty())
    );
}

/// Passages of an earlier version neither show nor take the places of others.
pub fn what_is_replaced_counts_as_it_is_now(store: &dyn Store) {
    store.put(&document("a", &["amber glow", "amber glow one", "amber glow two"])).unwrap();
    store.put(&document("b", &["amber stone"])).unwrap();
    store.put(&document("a", &["red fox", "amber"])).unwrap();
    let (text, vector, filter) = ("amber glow", embed("amber glow"), &Filter::default());
    let hits = store.search(&Query { text, vector: &vector, filter, by: By::Passage, limit: 9 }).unwrap();
    assert_eq!(hits.len(), 3);
    assert!(hits.iter().all(|hit| !hit.passage.as_ref().unwrap().text.contains("glow")));
    assert_eq!(places(&store.like_passage(&id("b"), 0, filter, 9).unwrap().unwrap())[0], "a/1");
    assert!(store.passage_vector(&id("a"), 2).unwrap().is_none());
}
