//! What every store promises about records, facets and amendments.

use super::samples::{document, entity, id, seed, time};
use super::{names, search};
use crate::document::{Decision, Scored};
use crate::publish::series::{self, Dimension, Step};
use crate::publish::{Facet, Filter, Record, Selection, Shelf, Store};
use serde_json::json;

fn record(shelf: Shelf, key: &str, version: u64) -> Record {
    Record {
        shelf,
        key: key.to_owned(),
        version,
        state: "open".to_owned(),
        group: "letter".to_owned(),
        rank: 0,
        body: json!({"text": "naïve 𝄞", "list": [1, 2.5, null], "version": version}),
    }
}

pub fn records_come_and_go(store: &dyn Store) {
    let given = record(Shelf::Review, "a", 1);
    assert!(store.record(Shelf::Review, "a").unwrap().is_none());
    assert!(store.put_record(&given).unwrap());
    assert_eq!(store.record(Shelf::Review, "a").unwrap(), Some(given));
    assert!(store.record(Shelf::Delivery, "a").unwrap().is_none(), "shelves are apart");
    assert!(store.put_record(&record(Shelf::Delivery, "a", 1)).unwrap());
    // A document does not count its record, and takes it along when it is deleted.
    assert_eq!(store.counts().unwrap(), crate::publish::Counts::default());
    store.put(&document("a", &["text"])).unwrap();
    store.put(&document("a", &["other text"])).unwrap();
    assert!(store.record(Shelf::Review, "a").unwrap().is_some());
    store.delete(&id("a")).unwrap();
    assert!(store.record(Shelf::Review, "a").unwrap().is_none());
    assert!(store.remove_record(Shelf::Delivery, "a").unwrap());
    assert!(!store.remove_record(Shelf::Delivery, "a").unwrap());
}

pub fn a_change_needs_the_version_before(store: &dyn Store) {
    let put = |version| store.put_record(&record(Shelf::Review, "a", version)).unwrap();
    assert!(!put(2), "there is no version 1");
    assert!(store.record(Shelf::Review, "a").unwrap().is_none());
    assert!(put(1));
    assert!(!put(1), "it is there");
    assert!(put(2) && !put(2) && !put(4));
    assert_eq!(store.record(Shelf::Review, "a").unwrap().unwrap().body["version"], 2);
    // Of many at once, one.
    let won: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| usize::from(store.put_record(&record(Shelf::Review, "a", 3)).unwrap())))
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
}

pub fn lists_of_records_are_by_rank(store: &dyn Store) {
    let all =
        [("a", 5, "open"), ("b", -3, "open"), ("c", i64::from(u32::MAX) << 20, "done"), ("d", 5, "open")];
    for (key, rank, state) in all {
        let group = if key == "a" { "invoice" } else { "letter" };
        let state = state.to_owned();
        let record = Record { rank, state, group: group.to_owned(), ..record(Shelf::Review, key, 1) };
        assert!(store.put_record(&record).unwrap());
    }
    store.put_record(&record(Shelf::Subscription, "x", 1)).unwrap();
    let list = |state: &[&str], group: &[&str], limit, offset| -> Vec<String> {
        let own = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        let selection = Selection { state: own(state), group: own(group), ..Selection::default() };
        let found = store.records(Shelf::Review, &selection, limit, offset).unwrap();
        found.into_iter().map(|record| record.key).collect()
    };
    assert_eq!(list(&[], &[], 9, 0), ["c", "a", "d", "b"]);
    assert_eq!(list(&["open"], &[], 9, 0), ["a", "d", "b"]);
    assert_eq!(list(&["open"], &["letter"], 9, 0), ["d", "b"]);
    assert_eq!(list(&["open", "done"], &["invoice", "none"], 9, 0), ["a"]);
    assert_eq!(list(&[], &[], 2, 1), ["a", "d"]);
    assert!(list(&[], &[], 0, 0).is_empty());
    let count = |state: &[&str], group: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        let selection = Selection { state: own(state), group: own(group), ..Selection::default() };
        store.count_records(Shelf::Review, &selection).unwrap()
    };
    assert_eq!((count(&[], &[]), count(&["open"], &[]), count(&["open"], &["letter"])), (4, 3, 2));
    assert_eq!(count(&["none"], &[]), 0);
}

pub fn going_through_records_meets_each_once_while_others_come_and_go(store: &dyn Store) {
    // More than are read at a time; every third tells of the document.
    let key = |n: usize| format!("k{n:04}");
    let put = |n: usize, version| {
        let mut record = record(Shelf::Delivery, &key(n), version);
        (record.rank, record.state) =
            (n as i64, if n.is_multiple_of(2) { "open" } else { "done" }.to_owned());
        record.body = json!({ "document": if n.is_multiple_of(3) { "a" } else { "b" }, "n": n });
        assert!(store.put_record(&record).unwrap());
    };
    (0..600).for_each(|n| put(n, 1));
    store.put_record(&record(Shelf::Delivery, "of none", 1)).unwrap();
    store.put_record(&record(Shelf::Review, "k0000", 1)).unwrap();
    let met = |selection: &Selection| {
        let mut keys = Vec::new();
        let mut pass = |record: Record| {
            keys.push(record.key);
            Ok(())
        };
        store.each_record(Shelf::Delivery, selection, &mut pass).unwrap();
        keys.sort();
        keys
    };
    assert_eq!(met(&Selection::default()).len(), 601);
    let of = |name: &str| Selection { document: vec![name.to_owned()], ..Selection::default() };
    assert_eq!(met(&of("a")), (0..600).step_by(3).map(key).collect::<Vec<_>>());
    assert!(met(&of("nothing")).is_empty());
    assert_eq!(store.count_records(Shelf::Delivery, &of("a")).unwrap(), 200);
    let both = Selection { state: vec!["open".to_owned()], ..of("a") };
    assert_eq!(met(&both).len(), 100);
    // Each that is met goes, changes, or stays; new ones come.
    let (mut seen, mut new) = (Vec::new(), 2_000);
    let mut pass = |record: Record| {
        let n = record.body["n"].as_u64().unwrap_or(9_999) as usize;
        if n < 600 {
            seen.push(n);
            match n % 3 {
                0 => assert!(store.remove_record(Shelf::Delivery, &record.key)?),
                1 => put(n, 2),
                _ if n % 100 == 2 => {
                    put(new, 1);
                    new += 1;
                }
                _ => {}
            }
        }
        Ok(())
    };
    store.each_record(Shelf::Delivery, &Selection::default(), &mut pass).unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..600).collect::<Vec<_>>());
    let failed = store.each_record(Shelf::Delivery, &Selection::default(), &mut |record| {
        Err(crate::error::Error::retry(
            crate::error::Stage::Publish,
            crate::error::Class::Storage,
            record.key,
        ))
    });
    assert!(failed.is_err(), "what goes wrong with one is told");
}

pub fn amending_leaves_the_text_findable(store: &dyn Store) {
    let mut given = document("a", &["red fox", "blue whale"]);
    store.put(&given).unwrap();
    store.put(&document("b", &["green frog"])).unwrap();
    // As it comes from the store: without vectors.
    given = store.get(&id("a")).unwrap().unwrap();
    given.kind = Scored { label: "invoice".to_owned(), confidence: 1.0 };
    given.verdict.decision = Decision::Reject;
    given.entities = vec![entity("New Name")];
    assert!(store.amend(&given).unwrap());
    assert_eq!(store.get(&id("a")).unwrap().unwrap().kind.label, "invoice");
    let hits = search(store, "blue whale");
    assert_eq!(names(&hits)[0], "a");
    assert_eq!((hits[0].document.kind.as_str(), hits[0].document.verdict.as_str()), ("invoice", "reject"));
    assert_eq!(hits[0].passage.as_ref().unwrap().text, "blue whale");
    let named = Filter { entity: vec!["new name".to_owned()], ..Filter::default() };
    assert_eq!(store.list(&named, 9, 0).unwrap().len(), 1);
    let invoices = Filter { kind: vec!["invoice".to_owned()], ..Filter::default() };
    assert_eq!(store.list(&invoices, 9, 0).unwrap().len(), 1);
    assert!(store.similar(&id("a"), &Filter::default(), 5).unwrap().is_some_and(|hits| hits.len() == 1));
    // Other content is left alone, and what is not there is not made.
    given.sha256 = "0".repeat(64);
    given.name = "other".to_owned();
    assert!(!store.amend(&given).unwrap());
    assert_eq!(store.get(&id("a")).unwrap().unwrap().name, "a.txt");
    assert!(!store.amend(&document("c", &["x"])).unwrap());
    assert!(store.get(&id("c")).unwrap().is_none());
}

pub fn facets_count_what_filters_pass(store: &dyn Store) {
    seed(store);
    let facet = |value: &str, documents| Facet { value: value.to_owned(), documents };
    let all = store.facets(&Filter::default()).unwrap();
    assert_eq!(all.kind, [facet("invoice", 2), facet("letter", 1), facet("report", 1)]);
    assert_eq!(all.language, [facet("de", 2), facet("en", 2)]);
    assert_eq!(all.verdict, [facet("accept", 2), facet("reject", 1), facet("review", 1)]);
    assert_eq!(all.entity[0], facet("acme gmbh", 2));
    assert_eq!((all.day.len(), all.day[0].documents), (1, 4));
    assert_eq!(all.sentiment, [facet("negative", 2), facet("positive", 1)]);
    assert_eq!(all.source, [facet("inbox", 3), facet("Scans.high", 1)]);
    assert_eq!(all.tag, [facet("case 7", 2), facet("legal", 1)]);
    let german = Filter { language: vec!["de".to_owned()], ..Filter::default() };
    assert_eq!(store.facets(&german).unwrap().kind, [facet("invoice", 1), facet("letter", 1)]);
}

pub fn counts_over_time_follow_the_filter(store: &dyn Store) {
    seed(store);
    // A month later, and a day after that.
    for (name, days, kind) in [("e", 30, "letter"), ("f", 31, "invoice"), ("g", 31, "invoice")] {
        let mut later = document(name, &["common"]);
        later.kind.label = kind.to_owned();
        later.ingested_at = time(days * 86_400);
        later.entities = vec![entity("ACME GmbH"), entity("Zeta")];
        store.put(&later).unwrap();
    }
    let find = |filter: &Filter, by, step, most| {
        let series = series::find(store, filter, by, step, most).unwrap();
        let values: Vec<String> =
            series.values.into_iter().map(|v| format!("{} {}", v.value, v.documents)).collect();
        let point = |p: series::Point| {
            let counts: Vec<String> = p.counts.iter().map(|(value, n)| format!("{value} {n}")).collect();
            format!("{}: {}", p.from, counts.join(", "))
        };
        (values, series.points.into_iter().map(point).collect::<Vec<_>>())
    };
    let all = Filter::default();
    // time(0) is a Monday, the 21st of September 2026.
    let (values, points) = find(&all, Dimension::Kind, Step::Day, 9);
    assert_eq!(values, ["invoice 4", "letter 2", "report 1"]);
    assert_eq!(
        points,
        ["2026-09-21: invoice 2, letter 1, report 1", "2026-10-21: letter 1", "2026-10-22: invoice 2"]
    );
    let (values, points) = find(&all, Dimension::Entity, Step::Week, 2);
    assert_eq!(values, ["acme gmbh 5", "zeta 3"]);
    assert_eq!(points, ["2026-09-21: acme gmbh 2", "2026-10-19: acme gmbh 3, zeta 3"]);
    let (_, points) = find(&all, Dimension::Source, Step::Month, 9);
    assert_eq!(points, ["2026-09-01: Scans.high 1, inbox 3", "2026-10-01: inbox 3"]);
    let negative = Filter { sentiment: vec!["negative".to_owned()], ..Filter::default() };
    let (values, points) = find(&negative, Dimension::Tag, Step::Month, 1);
    assert_eq!((values, points), (vec!["case 7 1".to_owned()], vec!["2026-09-01: case 7 1".to_owned()]));
    for by in Dimension::ALL {
        let late = Filter { since: Some(time(99 * 86_400)), ..Filter::default() };
        assert_eq!(find(&late, *by, Step::Day, 9), (vec![], vec![]), "{by}");
    }
}
