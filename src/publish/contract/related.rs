//! What every store promises about documents that are much like others, and the groups made of them.

use super::samples::{document, id, time};
use crate::document::{Document, Duplicate, Relation};
use crate::publish::groups::{self, Groups, Wanted};
use crate::publish::{Filter, Place, Store};

const NEAR: [Relation; 2] = [Relation::SameContent, Relation::NewVersion];

/// A document that came at a time and was found to be like others.
fn like(name: &str, seconds: i64, others: &[(&str, Relation, f32)]) -> Document {
    let mut document = document(name, &[&format!("common {name}")]);
    document.ingested_at = time(seconds);
    document.duplicates = others
        .iter()
        .map(|(other, relation, score)| Duplicate {
            id: id(other),
            relation: *relation,
            score: *score,
            differs: vec!["total: 1 → 2".to_owned()],
        })
        .collect();
    document
}

/// `a`, its copy `b`, the version `c` of both; `y` fills in the form of `x`; `z` is like one that is
/// gone; `alone` is like nothing.
fn seed(store: &dyn Store) {
    use Relation::{NewVersion, SameContent, SameForm};
    for document in [
        like("a", 0, &[]),
        like("b", 1, &[("a", SameContent, 1.0)]),
        like("alone", 2, &[]),
        like("x", 3, &[]),
        like("y", 4, &[("x", SameForm, 0.5)]),
        like("c", 5, &[("b", NewVersion, 0.75)]),
        like("z", 6, &[("gone", SameContent, 1.0)]),
    ] {
        store.put(&document).unwrap();
    }
}

fn related(store: &dyn Store, filter: &Filter, relations: &[Relation], after: Option<&Place>) -> Vec<String> {
    let found = store.related(filter, relations, after, 2).unwrap();
    found.iter().map(|one| one.place.id.to_string()).collect()
}

pub fn what_is_like_others_is_walked_through(store: &dyn Store) {
    seed(store);
    let all = Filter::default();
    let first = store.related(&all, &NEAR, None, 2).unwrap();
    assert_eq!(first[0].place, Place { ingested_at: time(1), id: id("b") });
    let link = &first[0].links[0];
    assert_eq!((&link.other, link.relation, link.score), (&id("a"), Relation::SameContent, 1.0));
    assert_eq!(first[1].place.id, id("c"));
    assert_eq!(related(store, &all, &NEAR, Some(&first[1].place)), ["z"]);
    assert_eq!(related(store, &all, &[Relation::SameForm], None), ["y"]);
    assert!(related(store, &all, &[], None).is_empty());
    let late = Filter { since: Some(time(2)), ..all.clone() };
    assert_eq!(related(store, &late, &NEAR, None), ["c", "z"]);
    // A new version that is like nothing, one that changed by review, one that is deleted.
    store.put(&like("b", 7, &[])).unwrap();
    let mut amended = store.get(&id("z")).unwrap().unwrap();
    amended.duplicates = like("z", 6, &[("a", Relation::NewVersion, 0.5)]).duplicates;
    assert!(store.amend(&amended).unwrap());
    store.delete(&id("c")).unwrap();
    let left = store.related(&all, Relation::ALL, None, 9).unwrap();
    let ids: Vec<&str> = left.iter().map(|one| one.place.id.as_str()).collect();
    assert_eq!(ids, ["y", "z"]);
    assert_eq!(left[1].links[0].other, id("a"));
}

pub fn near_duplicates_are_grouped(store: &dyn Store) {
    seed(store);
    let find = |relations: &[Relation], filter: Filter, limit, offset| -> Groups {
        let wanted = Wanted { filter, relations: relations.to_vec(), limit, offset };
        groups::find(store, &wanted).unwrap()
    };
    let members = |groups: &Groups| -> Vec<Vec<String>> {
        let ids = |group: &groups::Group| group.members.iter().map(|m| m.document.id.to_string()).collect();
        groups.groups.iter().map(ids).collect()
    };
    let near = find(&NEAR, Filter::default(), 9, 0);
    assert_eq!(members(&near), [["c", "b", "a"]], "the newest first; what is gone joins nothing");
    assert_eq!((near.total, near.documents, near.complete), (1, 3, true));
    let group = &near.groups[0];
    assert_eq!(group.size, 3);
    let said: Vec<_> = group.members.iter().map(|m| m.relation.as_ref()).collect();
    assert!(said[0].is_none() && group.members[0].similarity.unwrap() > 0.999);
    let (direct, indirect) = (said[1].unwrap(), said[2].unwrap());
    assert_eq!((&direct.to, direct.kind, direct.score), (&id("c"), Relation::NewVersion, 0.75));
    assert_eq!((&indirect.to, indirect.kind), (&id("b"), Relation::SameContent));
    assert!((group.members[2].similarity.unwrap() - 0.5).abs() < 0.01, "they share one word of two");

    let all = find(Relation::ALL, Filter::default(), 9, 0);
    assert_eq!(members(&all), [vec!["c", "b", "a"], vec!["y", "x"]]);
    let second = find(Relation::ALL, Filter::default(), 1, 1);
    assert_eq!((members(&second), second.total), (vec![vec!["y".to_owned(), "x".to_owned()]], 2));
    // The filter is on those that were compared.
    let late = Filter { since: Some(time(2)), ..Filter::default() };
    assert_eq!(members(&find(&NEAR, late, 9, 0)), [["c", "b"]]);
    let none = Filter { kind: vec!["invoice".to_owned()], ..Filter::default() };
    assert_eq!(find(Relation::ALL, none, 9, 0).total, 0);
}
