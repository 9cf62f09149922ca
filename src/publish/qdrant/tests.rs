use super::*;
use crate::error::{Class, Error, Failure};
use crate::publish::contract::{DIMENSION, contract_suite, document, embed, id, letter, names, search};
use ::qdrant_client::qdrant::{CreateCollectionBuilder, Distance, VectorParamsBuilder};
use fake::QdrantFake;
use std::time::{Duration, Instant};
use tonic::Code;

#[path = "../../../tests/common/qdrant_fake/mod.rs"]
mod fake;
mod passages;
mod real;
mod renewal;
mod snapshots;

const MODEL: &str = "test@1";

/// Settings for a server at this address.
fn config(url: &str) -> QdrantConfig {
    let mut config = crate::config::load(&crate::config::Sources::default()).unwrap().config.qdrant;
    config.url = url.to_owned();
    config
}

fn with_key(config: QdrantConfig, key: &str) -> QdrantConfig {
    QdrantConfig { api_key: serde_json::from_value(serde_json::json!(key)).unwrap(), ..config }
}

fn open(fake: &QdrantFake) -> QdrantStore {
    QdrantStore::open(&config(&fake.url()), MODEL, DIMENSION).unwrap()
}

fn with(promise: fn(&dyn Store)) {
    let fake = QdrantFake::start();
    promise(&open(&fake));
}

mod over_a_fake {
    use super::*;
    contract_suite!(with);
}

/// Whether an error is an outage, which never dead-letters.
fn outage<T>(result: Result<T>) -> Failure {
    match result {
        Err(Error::Retry(failure)) if failure.is_outage() => failure,
        Err(error) => panic!("no outage: {error}"),
        Ok(_) => panic!("no error"),
    }
}

/// What only a person can mend.
fn misconfigured<T>(result: Result<T>) -> String {
    match result {
        Err(Error::Fatal(failure)) if failure.class == Class::Config => failure.to_string(),
        Err(error) => panic!("not fatal: {error}"),
        Ok(_) => panic!("no error"),
    }
}

/// The documents' points by state, and the generations and numbers of the passages of `a`.
fn held(fake: &QdrantFake) -> (usize, Vec<(String, u64)>) {
    let documents = fake.points("documents");
    let understood = documents.iter().filter(|point| point.payload["state"] == "understood").count();
    let of_a = fake.points("passages").into_iter().filter(|point| point.payload["document"] == "a");
    let mut passages: Vec<(String, u64)> = of_a
        .map(|p| {
            (p.payload["generation"].as_str().unwrap().to_owned(), p.payload["number"].as_u64().unwrap())
        })
        .collect();
    passages.sort();
    (understood, passages)
}

/// Whether `a` is stored with exactly the passages of this version.
fn holds_exactly(fake: &QdrantFake, document: &Document) {
    let generation = points::generation(document);
    let expected: Vec<(String, u64)> =
        (0..document.passages.len() as u64).map(|number| (generation.clone(), number)).collect();
    assert_eq!(held(fake), (1, expected));
    assert_eq!(fake.points("documents")[0].payload["generation"], generation.as_str());
}

const OLD: [&str; 5] = ["amber one", "amber two", "amber three", "amber four", "amber five"];
const NEW: [&str; 3] = ["basalt one", "basalt two", "basalt three"];

/// A put that fails at any of its calls leaves what was there to readers, and done again leaves
/// exactly the points of the new version.
#[test]
fn a_put_that_fails_midway_is_whole_when_done_again() {
    let calls = {
        let fake = QdrantFake::start();
        let store = QdrantStore::open(&small_chunks(&fake), MODEL, DIMENSION).unwrap();
        fake.calls();
        store.put(&document("a", &NEW)).unwrap();
        fake.calls()
    };
    assert!(calls.len() >= 6, "{calls:?}");
    for skip in 0..calls.len() {
        for applied in [false, true] {
            let fake = QdrantFake::start();
            let store = hasty(QdrantStore::open(&small_chunks(&fake), MODEL, DIMENSION).unwrap());
            let (old, new) = (document("a", &OLD), document("a", &NEW));
            store.put(&old).unwrap();
            match applied {
                true => fake.lose_answer("", skip, 1000),
                false => fake.fail_on("", skip, 1000, Code::Unavailable),
            }
            outage(store.put(&new));
            fake.heal();
            let hits = search(&store, "amber basalt");
            assert_eq!(names(&hits), ["a"], "after {skip} calls, {applied}");
            let seen = &hits[0].passage.as_ref().unwrap().text;
            let stored = store.get(&id("a")).unwrap().unwrap();
            assert!(stored.text.contains(seen), "{seen} of {}", stored.text);
            passages::are_those_of(&store, &stored);
            store.put(&new).unwrap();
            holds_exactly(&fake, &new);
            assert_eq!(fake.points("passages").len(), NEW.len());
        }
    }
}

/// A store that soon gives up.
fn hasty(mut store: QdrantStore) -> QdrantStore {
    Arc::get_mut(&mut store.connection).unwrap().patience = Duration::from_millis(100);
    store
}

fn small_chunks(fake: &QdrantFake) -> QdrantConfig {
    QdrantConfig { chunk_points: 1, ..config(&fake.url()) }
}

#[test]
fn a_short_fault_is_not_noticed() {
    let fake = QdrantFake::start();
    let store = open(&fake);
    for code in [Code::Unavailable, Code::Internal, Code::Cancelled, Code::Aborted] {
        fake.fail_next(3, code);
        store.put(&document("a", &NEW)).unwrap();
        holds_exactly(&fake, &document("a", &NEW));
    }
    fake.lose_answer("UpdateBatch", 0, 2);
    store.put(&document("a", &OLD)).unwrap();
    holds_exactly(&fake, &document("a", &OLD));
}

#[test]
fn an_outage_is_waited_out_by_the_caller_and_nothing_is_lost() {
    let fake = QdrantFake::start();
    let store = open(&fake);
    store.put(&document("b", &["red fox"])).unwrap();
    fake.stop();
    let begun = Instant::now();
    let failure = outage(store.put(&document("a", &NEW)));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(failure.remedy.contains("qdrant.url"), "{failure}");
    outage(store.counts());
    outage(store.standing(&id("b"), "", 0, &BTreeMap::new()));
    fake.start_again();
    store.put(&document("a", &NEW)).unwrap();
    assert_eq!(names(&search(&store, "red fox"))[0], "b");
    assert_eq!(store.counts().unwrap().documents, 2);
}

#[test]
fn a_server_that_hangs_is_an_outage_within_the_timeout() {
    let fake = QdrantFake::start();
    let store = QdrantStore::open(&QdrantConfig { timeout_s: 1, ..config(&fake.url()) }, MODEL, DIMENSION);
    let store = store.unwrap();
    fake.delay(Duration::from_secs(60));
    let begun = Instant::now();
    assert!(outage(store.counts()).reason.contains("qdrant.timeout_s"));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    fake.heal();
    store.counts().unwrap();
}

#[test]
fn a_rate_limit_is_obeyed() {
    let fake = QdrantFake::start();
    let store = open(&fake);
    fake.rate_limit_next(2, 1);
    fake.calls();
    let begun = Instant::now();
    store.put(&document("a", &NEW)).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(fake.calls().iter().filter(|method| *method == "Get").count(), 4);
    // Nobody waits for an hour over one document.
    fake.rate_limit_next(1, 3600);
    assert!(outage(store.counts()).reason.contains("too often"));
}

#[test]
fn a_wrong_key_is_named_and_never_shown() {
    let fake = QdrantFake::start_with(Some("right-key"));
    let config = config(&fake.url());
    for key in ["", "wrong-key"] {
        let error = misconfigured(QdrantStore::open(&with_key(config.clone(), key), MODEL, DIMENSION));
        assert!(error.contains("qdrant.api_key") && !error.contains("wrong-key"), "{error}");
        misconfigured(QdrantStore::ping(&with_key(config.clone(), key)));
    }
    let error = misconfigured(QdrantStore::open(&with_key(config.clone(), "two\nlines"), MODEL, DIMENSION));
    assert!(error.contains("qdrant.api_key") && !error.contains("lines\n"), "{error}");
    let store = QdrantStore::open(&with_key(config, "right-key"), MODEL, DIMENSION).unwrap();
    store.put(&document("a", &NEW)).unwrap();
}

#[test]
fn an_address_where_nothing_is_fails_within_seconds() {
    let fake = QdrantFake::start();
    let url = fake.url();
    drop(fake);
    let begun = Instant::now();
    assert!(outage(QdrantStore::open(&config(&url), MODEL, DIMENSION)).remedy.contains("qdrant.url"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for url in ["127.0.0.1:6334", "ftp://host", "http://", "http://user:secret@host:6334"] {
        let error = misconfigured(QdrantStore::open(&config(url), MODEL, DIMENSION));
        assert!(error.contains("qdrant.url") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn collections_of_another_model_are_refused() {
    let fake = QdrantFake::start();
    open(&fake).put(&document("a", &NEW)).unwrap();
    let config = config(&fake.url());
    let error = misconfigured(QdrantStore::open(&config, "other@1", DIMENSION));
    for part in ["documents-", "test@1", "other@1", "quire reindex"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let error = misconfigured(QdrantStore::open(&config, MODEL, DIMENSION + 1));
    assert!(error.contains("documents-") && error.contains("64, expected 65"), "{error}");
    misconfigured(QdrantStore::open_read_only(&config, Some("other@1")));
    let reader = QdrantStore::open_read_only(&config, Some(MODEL)).unwrap();
    assert_eq!((reader.revision(), reader.dimension()), (MODEL, DIMENSION));
    assert_eq!(names(&search(&reader, "basalt")), ["a"]);
    assert!(reader.get(&id("a")).unwrap().is_some());
    assert!(matches!(reader.put(&document("b", &NEW)), Err(Error::Fatal(_))));

    let store = open(&fake);
    let mut other = document("b", &["x"]);
    other.passages[0].vector.push(0.0);
    assert!(misconfigured(store.put(&other)).contains("65 dimensions do not fit a store with 64"));
    other.passages[0].vector = vec![f32::NAN; DIMENSION];
    assert!(matches!(store.put(&other), Err(Error::Retry(f)) if !f.is_outage()));
}

/// Makes a collection as somebody else would.
fn make(fake: &QdrantFake, name: &str, vector: &str, distance: Distance) {
    let connection = Connection::new(&config(&fake.url())).unwrap();
    let mut vectors = ::qdrant_client::qdrant::VectorsConfigBuilder::default();
    vectors.add_named_vector_params(vector, VectorParamsBuilder::new(DIMENSION as u64, distance));
    let request = CreateCollectionBuilder::new(name).vectors_config(vectors).build();
    let make =
        connection.call(request, |client, request| async move { client.create_collection(request).await });
    connection.block_on(make).unwrap();
}

#[test]
fn collections_that_quire_did_not_make_are_refused() {
    let fake = QdrantFake::start();
    make(&fake, "documents", "meaning", Distance::Cosine);
    let error = misconfigured(QdrantStore::open(&config(&fake.url()), MODEL, DIMENSION));
    assert!(error.contains("collection named documents") && error.contains("qdrant.documents"), "{error}");

    let own = collections::of_model(&config(""), MODEL, DIMENSION).documents;
    for (vector, distance, found) in [
        ("other", Distance::Cosine, "named `meaning`"),
        ("meaning", Distance::Dot, "Cosine"),
        ("meaning", Distance::Cosine, "not written down"),
    ] {
        let fake = QdrantFake::start();
        make(&fake, &own, vector, distance);
        let error = misconfigured(QdrantStore::open(&config(&fake.url()), MODEL, DIMENSION));
        assert!(error.contains(&own) && error.contains(found), "{error}");
    }
    let fake = QdrantFake::start();
    let error = misconfigured(QdrantStore::open_read_only(&config(&fake.url()), None));
    assert!(error.contains("no alias documents"), "{error}");
}

#[test]
fn workers_that_start_together_agree_and_a_half_made_store_is_completed() {
    let fake = QdrantFake::start();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let fake = &fake;
            scope.spawn(move || open(fake).put(&document(name, &NEW)).unwrap());
        }
    });
    assert_eq!(open(&fake).counts().unwrap().documents, 4);
    assert_eq!(fake.collections().len(), 2);
    for skip in 0..30 {
        let fake = QdrantFake::start();
        fake.fail_on("", skip, 1, Code::PermissionDenied);
        if QdrantStore::open(&config(&fake.url()), MODEL, DIMENSION).is_err() {
            fake.heal();
        }
        open(&fake).put(&document("a", &NEW)).unwrap();
        assert_eq!(names(&search(&open(&fake), "basalt")), ["a"]);
        assert_eq!(open(&fake).facets(&Filter::default()).unwrap().source[0].value, "inbox");
    }
}

/// Two workers have the same document: one was paused and believes it still has it.
#[test]
fn the_later_version_wins_whoever_comes_last() {
    let fake = QdrantFake::start();
    let store = open(&fake);
    let (mut early, mut late) = (document("a", &OLD), document("a", &NEW));
    (early.version, late.version) = (1, 2);
    // The early one has looked, and written its passages, when the late one comes.
    let generation = points::generation(&early);
    store.connection.block_on(write::put_passages(&store, &early, &generation)).unwrap();
    store.put(&late).unwrap();
    holds_exactly(&fake, &late);
    store.connection.block_on(write::put_passages(&store, &early, &generation)).unwrap();
    assert_eq!(search(&store, "amber")[0].passage.as_ref().unwrap().text.split(' ').next(), Some("basalt"));
    store.connection.block_on(write::commit(&store, &early, &generation, 1)).unwrap();
    holds_exactly(&fake, &late);
    // The late one has written its passages only, when the early one finishes.
    let fake = QdrantFake::start();
    let store = open(&fake);
    let generation = points::generation(&late);
    store.connection.block_on(write::put_passages(&store, &late, &generation)).unwrap();
    store.put(&early).unwrap();
    store.connection.block_on(write::commit(&store, &late, &generation, 2)).unwrap();
    holds_exactly(&fake, &late);
}

#[test]
fn what_need_not_be_done_again_is_cleared_of_what_a_dead_worker_left() {
    let fake = QdrantFake::start();
    let store = open(&fake);
    let (mut early, mut late) = (document("a", &OLD), document("a", &NEW));
    (early.sha256, early.version, late.sha256, late.version) = ("1".to_owned(), 1, "2".to_owned(), 2);
    store.put(&late).unwrap();
    // A worker writes the passages of the earlier version, and dies. Its record is read once more.
    let left = || {
        let generation = points::generation(&early);
        store.connection.block_on(write::put_passages(&store, &early, &generation)).unwrap();
        assert_eq!(held(&fake).1.len(), OLD.len() + NEW.len());
    };
    let standing = |d: &Document| store.standing(&d.id, &d.sha256, d.version, &d.models).unwrap();
    left();
    assert_eq!(standing(&early), Standing::Superseded);
    holds_exactly(&fake, &late);
    // Or it was another worker that died after the later version's point was written.
    left();
    assert_eq!(standing(&late), Standing::Current);
    holds_exactly(&fake, &late);
    left();
    store.put(&early).unwrap();
    holds_exactly(&fake, &late);
}

#[test]
fn dead_letters_are_in_no_list_count_or_search() {
    let fake = QdrantFake::start();
    let store = open(&fake);
    store.put(&document("a", &NEW)).unwrap();
    store.put_dead(&letter("b", 1)).unwrap();
    assert_eq!(fake.points("documents").len(), 2);
    let all = Filter::default();
    assert_eq!(store.list(&all, 9, 0).unwrap().len(), 1);
    assert_eq!(store.similar(&id("a"), &all, 9).unwrap().unwrap().len(), 0);
    assert!(store.get(&id("b")).unwrap().is_none());
    let dead = &fake.points("documents").into_iter().find(|p| p.payload["state"] == "dead").unwrap();
    assert!(dead.vectors.is_empty());
}

/// Lists that are longer than a page, with many of the same moment.
#[test]
fn lists_go_on_over_pages_and_equals() {
    let fake = QdrantFake::start();
    let store = open(&fake);
    let mut expected = Vec::new();
    for n in 0..150_i64 {
        let mut document = document(&format!("d{n:03}"), &["x"]);
        document.ingested_at = jiff::Timestamp::from_second(1_790_000_000 + n / 70).unwrap();
        expected.push((-(n / 70), document.id.to_string()));
        store.put(&document).unwrap();
    }
    expected.sort();
    for (limit, offset) in [(150, 0), (usize::MAX, 0), (5, 0), (5, 8), (70, 5), (10, 145), (3, 150)] {
        let rows = store.list(&Filter::default(), limit, offset).unwrap();
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let window: Vec<&str> = expected.iter().skip(offset).take(limit).map(|(_, id)| id.as_str()).collect();
        assert_eq!(ids, window, "{limit} from {offset}");
    }
}

#[test]
fn a_store_can_be_let_go_on_an_async_thread() {
    let fake = QdrantFake::start();
    let store = open(&fake);
    tokio::runtime::Runtime::new().unwrap().block_on(async move { drop(store) });
    assert_eq!(embed("x").len(), DIMENSION);
}
