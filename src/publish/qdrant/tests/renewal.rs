//! Going over to another model.

use super::*;
use crate::publish::qdrant::reindex::Reindex;

const NEXT: &str = "other@2";

/// As the other model would understand it: other vectors, of another length.
fn understood(stored: &Document) -> Document {
    let mut document = stored.clone();
    document.models = models();
    document.vector = vec![0.6, 0.8];
    document.passages.iter_mut().for_each(|passage| passage.vector = vec![0.8, 0.6]);
    document
}

fn models() -> BTreeMap<String, String> {
    BTreeMap::from([("embedding".to_owned(), NEXT.to_owned())])
}

/// Fills until nothing is missing; how many documents that took.
fn fill(reindex: &Reindex) -> usize {
    let pending = reindex.pending(&models()).unwrap();
    for id in &pending.outdated {
        reindex.new.put(&understood(&reindex.old.get(id).unwrap().unwrap())).unwrap();
    }
    for id in &pending.deleted {
        reindex.new.delete(id).unwrap();
    }
    pending.outdated.len()
}

#[test]
fn readers_and_workers_go_on_until_the_new_pair_is_whole() {
    let fake = QdrantFake::start();
    let config = config(&fake.url());
    assert!(Reindex::open(&config, MODEL, DIMENSION).is_err(), "nothing is stored yet");
    let worker = open(&fake);
    for name in ["a", "b", "c"] {
        worker.put(&document(name, &NEW)).unwrap();
    }
    worker.put_dead(&letter("d", 1)).unwrap();
    assert!(Reindex::open(&config, MODEL, DIMENSION).unwrap().is_none(), "the same model");

    let reindex = Reindex::open(&config, NEXT, 2).unwrap().unwrap();
    assert_eq!(fill(&reindex), 3);
    // Meanwhile one comes, one changes and one goes.
    worker.put(&document("e", &OLD)).unwrap();
    worker.put(&document("a", &OLD)).unwrap();
    worker.delete(&id("b")).unwrap();
    // Begun anew, it goes on where it was.
    let reindex = Reindex::open(&config, NEXT, 2).unwrap().unwrap();
    assert_eq!(fill(&reindex), 2);
    assert_eq!(fill(&reindex), 0);
    assert_eq!(reindex.copy_dead_letters().unwrap(), 1);
    assert_eq!(names(&search(&worker, "amber"))[0], "a", "the old pair is the active one");

    fake.calls();
    reindex.swap().unwrap();
    assert_eq!(fake.calls(), ["UpdateAliases"], "both aliases in one call");
    let reader = QdrantStore::open_read_only(&config, Some(NEXT)).unwrap();
    assert_eq!(reader.dimension(), 2);
    let counts = reader.counts().unwrap();
    assert_eq!((counts.documents, counts.passages, counts.dead), (3, 13, 1));
    let stored = reader.get(&id("a")).unwrap().unwrap();
    assert_eq!((stored.models, stored.text), (models(), OLD.join("\u{c}")));
    QdrantStore::open(&config, NEXT, 2).unwrap().put(&understood(&document("f", &NEW))).unwrap();

    // A worker of the old model notices, and says what to do.
    std::thread::sleep(collections::WATCH);
    let error = misconfigured(worker.put(&document("g", &NEW)));
    assert!(error.contains(NEXT) && error.contains("infer.embedding"), "{error}");
    misconfigured(QdrantStore::open(&config, MODEL, DIMENSION));

    assert_eq!(fake.collections().len(), 4);
    reindex.drop_old().unwrap();
    assert_eq!(fake.collections().len(), 2);
    assert_eq!(reader.counts().unwrap().documents, 4);
    // Not even to look something up: it is no outage that the old collections are gone.
    assert!(misconfigured(worker.standing(&id("a"), "", 0, &models())).contains(NEXT));
}

#[test]
fn a_change_of_aliases_needs_the_key_too() {
    let fake = QdrantFake::start_with(Some("right-key"));
    let config = with_key(config(&fake.url()), "right-key");
    QdrantStore::open(&config, MODEL, DIMENSION).unwrap().put(&document("a", &NEW)).unwrap();
    let reindex = Reindex::open(&config, NEXT, 2).unwrap().unwrap();
    fill(&reindex);
    reindex.swap().unwrap();
    assert_eq!(fake.alias("documents"), Some(collections::of_model(&config, NEXT, 2).documents));
    assert_eq!(fake.alias("passages"), Some(collections::of_model(&config, NEXT, 2).passages));
}
