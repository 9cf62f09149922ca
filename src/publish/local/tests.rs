use super::*;
use crate::document::Origin;
use crate::error::{Class, Error};
use crate::publish::contract::{contract_suite, document, embed, id, names, search};
use filter::Rowset;
use proptest::prelude::*;
use rows::Table;
use scan::Quantised;

fn with(promise: fn(&dyn Store)) {
    let dir = tempfile::tempdir().unwrap();
    promise(&LocalStore::open(dir.path()).unwrap());
}

contract_suite!(with);

#[test]
fn what_was_put_survives_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    store.put(&document("a", &["red fox", "blue whale"])).unwrap();
    store.put(&document("b", &["green frog"])).unwrap();
    store.delete(&id("b")).unwrap();
    drop(store);
    for store in [LocalStore::open(dir.path()).unwrap(), LocalStore::open_read_only(dir.path()).unwrap()] {
        assert_eq!(store.dimension().unwrap(), Some(embed("").len()));
        assert_eq!(store.counts().unwrap().passages, 2);
        for (text, vector) in [("blue", vec![]), ("", embed("blue whale"))] {
            let filter = Filter::default();
            let hits = store
                .search(&Query { text, vector: &vector, filter: &filter, by: By::Document, limit: 5 })
                .unwrap();
            assert_eq!((names(&hits), hits[0].passage.as_ref().unwrap().number), (vec!["a"], 1));
        }
    }
}

#[test]
fn words_that_were_looked_up_ahead_are_those_of_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    store.put(&document("a", &["red fox", "blue whale"])).unwrap();
    let (filter, vector) = (Filter::default(), embed("red fox"));
    let query = Query { text: "fox", vector: &[], filter: &filter, by: By::Document, limit: 5 };
    let later = || store.search(&Query { vector: &vector, ..query }).unwrap();
    let found = |hits: &[crate::publish::Hit]| {
        hits.iter()
            .map(|hit| (hit.document.id.to_string(), hit.keyword_rank, hit.similarity))
            .collect::<Vec<_>>()
    };
    let both = store.search_by(&query, &|| Ok(vector.clone())).unwrap();
    assert_eq!((found(&both), both[0].keyword_rank), (found(&later()), Some(1)));
    // What changes while the model works is in the answer, what is gone is not.
    let changed = store
        .search_by(&query, &|| {
            store.put(&document("b", &["a fox in the snow"]))?;
            store.delete(&id("a"))?;
            Ok(vector.clone())
        })
        .unwrap();
    assert_eq!((found(&changed), changed[0].keyword_rank), (found(&later()), Some(1)));
    assert_eq!(names(&changed), ["b"]);
    let away = || Err(Error::retry(crate::error::Stage::Infer, Class::Internal, "the program is stopping"));
    assert!(store.search_by(&query, &away).unwrap_err().to_string().contains("stopping"));
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let writer = LocalStore::open(dir.path()).unwrap();
    let error = LocalStore::open(dir.path()).err().unwrap();
    assert!(matches!(error, Error::Fatal(_)) && error.to_string().contains("another process"), "{error}");
    assert!(LocalStore::is_held(dir.path()) && !LocalStore::is_held(&dir.path().join("none")));
    let reader = LocalStore::open_read_only(dir.path()).unwrap();
    writer.put(&document("a", &["red fox"])).unwrap();
    assert_eq!(names(&search(&reader, "red fox")), ["a"]);
    assert!(matches!(reader.put(&document("b", &["x"])), Err(Error::Fatal(_))));
    drop(writer);
    assert!(!LocalStore::is_held(dir.path()) && LocalStore::open(dir.path()).is_ok());
}

#[test]
fn what_is_no_store_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = LocalStore::open_read_only(dir.path()).err().unwrap().to_string();
    assert!(error.contains(FILE) && error.contains("quire run"), "{error}");

    LocalStore::open(dir.path()).unwrap().writer().unwrap().pragma_update(None, "user_version", 99).unwrap();
    for error in [LocalStore::open(dir.path()).err(), LocalStore::open_read_only(dir.path()).err()] {
        let error = error.unwrap();
        assert!(matches!(error, Error::Fatal(_)) && error.to_string().contains("version 99"), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), "not a database, but long enough to be read as one".repeat(99))
        .unwrap();
    assert!(matches!(LocalStore::open(dir.path()), Err(Error::Fatal(_))));
}

#[test]
fn documents_stored_by_earlier_versions_have_their_sources() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    let mut scan = document("a", &["red fox"]);
    scan.origin = Some(Origin { topic: "scans".to_owned(), partition: 0, offset: 7 });
    store.put(&scan).unwrap();
    store.put(&document("b", &["blue whale"])).unwrap();
    // As version 6 left it.
    let before = "ALTER TABLE documents DROP COLUMN source; PRAGMA user_version = 6;";
    store.writer().unwrap().execute_batch(before).unwrap();
    drop(store);
    let error = LocalStore::open_read_only(dir.path()).err().unwrap().to_string();
    assert!(error.contains("schema version 6"), "{error}");
    let store = LocalStore::open(dir.path()).unwrap();
    for (source, name) in [("scans", "a"), ("inbox", "b")] {
        let filter = Filter { source: vec![source.to_owned()], ..Filter::default() };
        let rows = store.list(&filter, 9, 0).unwrap();
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn vectors_of_another_model_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    store.put(&document("a", &["red fox"])).unwrap();
    let mut other = document("b", &["blue whale"]);
    other.passages[0].vector.push(0.0);
    let error = store.put(&other).unwrap_err();
    assert!(matches!(&error, Error::Fatal(f) if f.class == Class::Config), "{error}");
    assert!(error.to_string().contains("65 dimensions do not fit a store with 64"), "{error}");
    let filter = Filter::default();
    assert!(
        store
            .search(&Query { text: "", vector: &[1.0], filter: &filter, by: By::Passage, limit: 1 })
            .is_err()
    );
    other.passages[0].vector = vec![f32::NAN; 64];
    assert!(matches!(store.put(&other), Err(Error::Retry(_))));
    assert_eq!(store.counts().unwrap().documents, 1);
    // Once empty, the store takes any dimension.
    store.delete(&id("a")).unwrap();
    (other.vector, other.passages[0].vector) = (vec![1.0], vec![1.0]);
    store.put(&other).unwrap();
    assert_eq!(store.dimension().unwrap(), Some(1));
}

#[test]
fn a_full_disk_is_a_retry_and_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    store.put(&document("a", &["red fox"])).unwrap();
    let limit = |pages: i64| store.writer().unwrap().pragma_update(None, "max_page_count", pages);
    // SQLite raises a limit below the size of the file to that size.
    limit(1).unwrap();
    let large = "blue whale ".repeat(20_000);
    for name in ["a", "b"] {
        let error = store.put(&document(name, &[&large])).unwrap_err();
        assert!(matches!(&error, Error::Retry(f) if f.class == Class::Storage), "{error}");
    }
    assert_eq!(store.counts().unwrap().passages, 1);
    let hits = search(&store, "red fox");
    assert_eq!((names(&hits), hits[0].passage.as_ref().unwrap().text.as_str()), (vec!["a"], "red fox"));
    limit(1 << 30).unwrap();
    store.put(&document("b", &[&large])).unwrap();
    assert_eq!(names(&search(&store, "whale"))[0], "b");
    let check = |reader: &mut Connection| {
        Ok(reader.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0))?)
    };
    assert_eq!(store.readers.with(check).unwrap(), "ok".to_owned());
}

#[test]
fn a_filter_passes_what_is_there_at_each_search() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    let reader = LocalStore::open_read_only(dir.path()).unwrap();
    let filter = Filter { kind: vec!["invoice".to_owned()], ..Filter::default() };
    let of_kind = |name: &str, kind: &str| {
        let mut document = document(name, &["red fox"]);
        document.kind.label = kind.to_owned();
        document
    };
    let found = |store: &LocalStore, vector: &[f32]| {
        let query = Query { text: "fox", vector, filter: &filter, by: By::Document, limit: 9 };
        let mut hits: Vec<String> =
            store.search(&query).unwrap().into_iter().map(|hit| hit.document.id.to_string()).collect();
        hits.sort();
        hits
    };
    let vector = embed("red fox");
    for (name, kind, expected) in [
        ("a", "letter", &[][..]),
        ("b", "invoice", &["b"]),
        ("a", "invoice", &["a", "b"]),
        ("b", "letter", &["a"]),
    ] {
        store.put(&of_kind(name, kind)).unwrap();
        // The second time from what is kept.
        for _ in 0..2 {
            assert_eq!(found(&store, &vector), expected, "{name} {kind}");
            // Another process hears of no change, so it keeps nothing; its vectors are those of its start.
            assert_eq!(found(&reader, &[]), expected, "{name} {kind}");
        }
    }
    let mut amended = store.get(&id("a")).unwrap().unwrap();
    amended.kind.label = "letter".to_owned();
    assert!(store.amend(&amended).unwrap() && found(&store, &vector).is_empty());
    amended.kind.label = "invoice".to_owned();
    assert!(store.amend(&amended).unwrap() && found(&store, &vector) == ["a"]);
    store.delete(&id("a")).unwrap();
    assert!(found(&store, &vector).is_empty());
}

#[test]
fn slots_are_used_again() {
    let mut table = Table::default();
    let vector = [0.6, 0.8];
    for round in 0..5 {
        for owner in 1..=3000 {
            table.insert(owner * 10 + round, owner, 2, &Quantised::new(&vector));
        }
        assert_eq!(table.size(), (3000, 3072));
        assert_eq!(table.nearest(&vector, 1, None)[0].key, 10 + round);
        (1..=3000).for_each(|owner| table.remove(owner));
        assert!(table.nearest(&vector, 1, None).is_empty());
    }
}

/// Unit vectors in clusters, as texts about the same thing are, from a seed.
///
/// With a `peak`, one component outweighs the others, as in the states of some models; not so in the last.
fn clustered(seed: u64, count: usize, dimension: usize, peak: f32) -> Vec<Vec<f32>> {
    let mut state = seed | 1;
    // xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016.
    let mut uniform = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let centres: Vec<Vec<f32>> = (0..20).map(|_| (0..dimension).map(|_| uniform()).collect()).collect();
    let around = |centre: &Vec<f32>, peak: f32, uniform: &mut dyn FnMut() -> f32| {
        let mut vector: Vec<f32> = centre.iter().map(|x| x + 0.5 * uniform()).collect();
        if let Some(first) = vector.first_mut() {
            *first += peak;
        }
        let length = scan::exact(&vector, &vector).sqrt();
        vector.iter().map(|x| x / length).collect()
    };
    let peak = |n: usize| if n + 1 == count { 0.0 } else { peak };
    (0..count).map(|n| around(&centres[n % centres.len()], peak(n), &mut uniform)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn candidates_hold_the_true_best(seed: u64, count in 1_usize..4000, dimension in 2_usize..400, peak in 0_usize..3, left in 0..3) {
        const WANTED: usize = 10;
        let vectors = clustered(seed, count, dimension, [0.0, 6.0, 40.0][peak]);
        let mut table = Table::default();
        for (key, vector) in (1..).zip(&vectors) {
            table.insert(key, key, dimension, &Quantised::new(vector));
        }
        // Alike in its peak, or without one.
        let query = &vectors[if seed.is_multiple_of(2) { count / 2 } else { count - 1 }];
        let score = |key: i64| scan::exact(query, &vectors[key as usize - 1]);
        // Some are gone, and some do not pass.
        let (gone, passes) = (|key: i64| left > 0 && key % 3 == 1, |key: i64| left < 2 || key % 7 > 1);
        (1..=count as i64).filter(|&key| gone(key)).for_each(|key| table.remove(key));
        let mut allowed = Rowset::default();
        (1..=count as i64).filter(|&key| passes(key)).for_each(|key| allowed.insert(key));
        let allowed = (left == 2).then_some(&allowed);
        // As a search for ten does it: 50 documents wanted, four candidates for each.
        let rough = rows::promising(table.nearest(query, 200, allowed), 50, |near| near.owner);
        prop_assert!(rough.iter().all(|near| passes(near.owner) && !gone(near.owner)));
        let mut found: Vec<f32> = rough.iter().map(|near| score(near.key)).collect();
        let mut best: Vec<f32> =
            (1..=count as i64).filter(|&key| passes(key) && !gone(key)).map(score).collect();
        found.sort_by(|a, b| b.total_cmp(a));
        best.sort_by(|a, b| b.total_cmp(a));
        for (found, best) in found.iter().zip(&best).take(WANTED) {
            prop_assert!((found - best).abs() < 1e-6, "{found} instead of {best}");
        }
        prop_assert!(found.len() >= WANTED.min(best.len()));
    }
}
