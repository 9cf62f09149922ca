//! What must be there in the end.

use crate::PREFIX;
use crate::common::kafka::{Kafka, Record};
use crate::common::qdrant_fake::{FakePoint, QdrantFake};
use crate::plan::{IN_BUNDLE, Sent};
use std::collections::{BTreeMap, BTreeSet};

fn sha(value: &[u8]) -> String {
    quire::document::sha256_hex(value)
}

/// Every document once in results, exactly its points in the store, dead letters only the poison.
pub fn assert_exact(kafka: &Kafka, qdrant: &QdrantFake, sent: &[Sent]) {
    let all = kafka.read(&format!("{PREFIX}.results"));
    let (children, results): (Vec<&Record>, Vec<&Record>) =
        all.iter().partition(|record| !record.json()["parent"].is_null());
    let mut by_key: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for record in results {
        by_key.entry(record.key.clone().unwrap()).or_default().push(record);
    }
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for document in sent.iter().filter(|document| !document.key.starts_with("poison")) {
        versions.entry(&document.key).or_default().push(sha(&document.value));
    }
    let found: BTreeSet<&str> = by_key.keys().map(String::as_str).collect();
    let wanted: BTreeSet<&str> = versions.keys().copied().collect();
    for lost in wanted.difference(&found) {
        let progress = kafka.read(&format!("{PREFIX}.progress"));
        for record in progress.iter().filter(|record| record.key.as_deref() == Some(lost)) {
            println!("{}", record.json());
        }
    }
    let difference: Vec<_> = wanted.symmetric_difference(&found).collect();
    assert!(difference.is_empty(), "sent and without a result, or the other way round: {difference:?}");
    let mut passages = BTreeMap::new();
    for (key, versions) in &versions {
        let records = &by_key[*key];
        let hashes: Vec<String> =
            records.iter().map(|record| record.json()["sha256"].as_str().unwrap().to_owned()).collect();
        let distinct: BTreeSet<&String> = hashes.iter().collect();
        if distinct.len() != hashes.len() {
            tell_everything_of(kafka, key);
        }
        assert_eq!(distinct.len(), hashes.len(), "{key} was published twice: {hashes:?}");
        assert_eq!(hashes.last(), versions.last(), "{key}: the last result is not of the last version");
        assert!(versions.len() > 1 || hashes.len() == 1, "{key}");
        passages.insert((*key).to_owned(), passages_of(records.last().unwrap()));
    }
    let held = assert_children(kafka, &by_key, &children);
    let stored_documents = versions.len() + held.len();
    // A holder may have no text of its own.
    passages.extend(held);
    passages.retain(|_, count| *count > 0);
    let dead: Vec<String> =
        kafka.read(&format!("{PREFIX}.dead")).into_iter().map(|record| record.key.unwrap()).collect();
    let poison: BTreeSet<&str> =
        sent.iter().map(|document| document.key.as_str()).filter(|key| key.starts_with("poison")).collect();
    assert_eq!(dead.iter().map(String::as_str).collect::<BTreeSet<_>>(), poison, "dead letters");
    assert_eq!(dead.len(), poison.len(), "a dead letter twice: {dead:?}");

    let dead = |point: &FakePoint| point.payload["state"] == "dead";
    let settled = points(qdrant, "documents").into_iter().filter(|point| point.payload["state"] != "review");
    let (buried, stored): (Vec<_>, Vec<_>) = settled.partition(dead);
    assert_eq!(stored.len(), stored_documents, "documents in the store");
    assert_eq!(buried.len(), poison.len(), "dead letters in the store");
    let mut found: BTreeMap<String, Vec<FakePoint>> = BTreeMap::new();
    for point in points(qdrant, "passages") {
        found.entry(point.payload["document"].as_str().unwrap().to_owned()).or_default().push(point);
    }
    for (key, points) in &found {
        let wanted = passages.get(key.as_str()).copied().unwrap_or(0);
        if points.len() != wanted {
            tell_everything_of(kafka, key);
            let told = points.iter().map(|point| &point.payload);
            panic!(
                "{key} has {} passages in the store, not {wanted}: {:?}",
                points.len(),
                Vec::from_iter(told)
            );
        }
    }
    assert_eq!(found.len(), passages.len(), "documents with passages in the store");
}

fn passages_of(record: &Record) -> usize {
    record.json()["passages"].as_array().unwrap().len()
}

/// What came out of archives came out once; gives the passages of each.
fn assert_children(
    kafka: &Kafka,
    by_key: &BTreeMap<String, Vec<&Record>>,
    children: &[&Record],
) -> BTreeMap<String, usize> {
    let mut wanted = BTreeSet::new();
    for (key, records) in by_key.iter().filter(|(key, _)| key.starts_with("bundle")) {
        let holder = records.last().unwrap().json();
        let listed = holder["children"].as_array().unwrap();
        assert_eq!(listed.len(), IN_BUNDLE, "{key}");
        wanted.extend(listed.iter().map(|child| child["id"].as_str().unwrap().to_owned()));
    }
    let mut found = BTreeMap::new();
    for child in children {
        let key = child.key.clone().unwrap();
        assert_eq!(found.insert(key.clone(), passages_of(child)), None, "{key} was published twice");
    }
    let there: BTreeSet<String> = found.keys().cloned().collect();
    there.symmetric_difference(&wanted).for_each(|key| tell_everything_of(kafka, key));
    assert_eq!(there, wanted, "documents in archives");
    found
}

/// Every record of a key: whether it came in twice or was done twice shows here.
fn tell_everything_of(kafka: &Kafka, key: &str) {
    for lane in ["", ".high", ".low", ".retry", ".slow", ".results", ".progress", ".dead"] {
        let topic = format!("{PREFIX}{lane}");
        let (committed, stable) = (kafka.committed("quire", &topic), kafka.stable_offsets(&topic));
        println!("{topic}: committed {committed:?}, stable {stable:?}, end {:?}", kafka.end_offsets(&topic));
        for record in kafka.read(&topic).iter().filter(|record| record.key.as_deref() == Some(key)) {
            let value = record
                .value
                .as_deref()
                .and_then(|value| serde_json::from_slice::<serde_json::Value>(value).ok());
            let value = value.unwrap_or_default();
            let told = ["origin", "ingested_at", "state", "version"].map(|name| value.get(name).cloned());
            println!("{topic} {}/{} {:?} {told:?}", record.partition, record.offset, record.headers);
        }
    }
}

fn points(qdrant: &QdrantFake, alias: &str) -> Vec<FakePoint> {
    qdrant.points(&qdrant.alias(alias).expect("the collection is there"))
}
