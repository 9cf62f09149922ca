//! What the topics promise (docs/topics.md): every record gets its answer, here with a broker and a
//! worker that all tests share. Each test has documents of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod children;
mod clients;
mod dead;
mod originals;
mod replay;
mod subscriptions;

use common::kafka::{Kafka, Record, shared};
use common::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::OnceLock;

const PREFIX: &str = "docs";
const ENVELOPE: (&str, &str) = ("content-type", "application/vnd.quire.envelope+json");

/// A worker on the shared broker.
struct World {
    kafka: &'static Kafka,
    worker: Daemon,
    /// The folder that `file:` URIs may point into.
    files: PathBuf,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let kafka = shared();
        let (data, files) = (kafka.dir().join("worker"), kafka.dir().join("files"));
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(&files).unwrap();
        let settings = [
            format!("kafka.brokers={}", kafka.brokers()),
            format!("kafka.prefix={PREFIX}"),
            "kafka.partitions=3".to_owned(),
            "kafka.commit_ms=50".to_owned(),
            "kafka.progress_ms=50".to_owned(),
            "consume.backoff_ms=100".to_owned(),
            "consume.attempts=2".to_owned(),
            "notify.private=true".to_owned(),
            "consume.max_document_mb=1".to_owned(),
            format!("consume.uri_files={}", files.display()),
        ];
        let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let worker = Daemon::start(&data, &flags);
        // The janitor of the broker ends the worker, too: nothing drops what is in a static.
        std::fs::write(kafka.dir().join("worker.pid"), worker.child.id().to_string()).unwrap();
        World { kafka, worker, files }
    })
}

/// `results` → `docs.results`; the empty name is the topic of documents of the usual priority.
fn topic(name: &str) -> String {
    if name.is_empty() { PREFIX.to_owned() } else { format!("{PREFIX}.{name}") }
}

impl World {
    fn send(&self, key: &str, value: &[u8], headers: &[(&str, &str)]) -> (i32, i64) {
        self.kafka.send(PREFIX, Some(key), value, headers)
    }

    /// Waits until so many records of a key are in a topic, and gives them all.
    fn records(&self, name: &str, key: &str, at_least: usize) -> Vec<Record> {
        let ours = |r: &&Record| r.key.as_deref() == Some(key);
        let all = self.kafka.wait_for(&topic(name), |all| all.iter().filter(ours).count() >= at_least);
        all.iter().filter(ours).cloned().collect()
    }

    /// The first result of a document.
    fn result(&self, key: &str) -> Value {
        self.records("results", key, 1)[0].json()
    }

    /// Waits until a document is in a state, and gives the record that says so.
    fn state(&self, key: &str, state: &str) -> Record {
        let is = |r: &Record| r.key.as_deref() == Some(key) && r.json()["state"] == state;
        let all = self.kafka.wait_for(&topic("progress"), |all| all.iter().any(is));
        all.into_iter().rev().find(is).unwrap()
    }
}

#[test]
fn a_document_gives_a_result_progress_and_a_notification() {
    let world = world();
    let text = "Miss Ardley of Leipzig paid for the delivery on Monday. It was late.";
    let headers =
        [("content-type", "text/plain"), ("filename", "letter.txt"), ("language", "en"), ("x-mine", "1")];
    let (partition, offset) = world.send("letter-1", text.as_bytes(), &headers);
    let result = world.result("letter-1");
    assert_eq!((&result["id"], &result["name"]), (&json!("letter-1"), &json!("letter.txt")));
    assert_eq!(result["text"].as_str().unwrap().trim(), text);
    assert_eq!(result["origin"], json!({"topic": PREFIX, "partition": partition, "offset": offset}));
    assert_eq!(result["priority"], "normal");
    let done = world.state("letter-1", "done").json();
    assert_eq!(
        (&done["schema"], &done["pages_done"], &done["pages_total"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let told = world.records("notifications", "letter-1", 1)[0].json();
    assert!(["finished", "needs_review"].contains(&told["event"].as_str().unwrap()), "{told}");
    let committed = wait_for(PATIENCE, || {
        world.kafka.committed("quire", PREFIX).get(&partition).is_some_and(|at| *at > offset)
    });
    assert!(committed, "the offset was not committed");
}

#[test]
fn every_form_of_envelope_is_understood() {
    let world = world();
    std::fs::write(world.files.join("far.txt"), "The far document is about a lighthouse.").unwrap();
    let uri = format!("file://{}/far.txt", world.files.display());
    let forms = [
        (
            "text",
            json!({"quire": 1, "text": "The near document is about bread.", "filename": "n.txt"}),
            "bread",
        ),
        // "Bytes in base64 are about rivers."
        (
            "base64",
            json!({"quire": 1, "base64": "Qnl0ZXMgaW4gYmFzZTY0IGFyZSBhYm91dCByaXZlcnMu", "filename": "n.txt"}),
            "rivers",
        ),
        ("uri", json!({"quire": 1, "uri": uri, "filename": "n.txt"}), "lighthouse"),
    ];
    for (form, mut envelope, _) in forms.clone() {
        world.send(&format!("envelope-{form}"), envelope.to_string().as_bytes(), &[]);
        envelope.as_object_mut().unwrap().remove("quire");
        world.send(&format!("declared-{form}"), envelope.to_string().as_bytes(), &[ENVELOPE]);
    }
    for (form, _, word) in forms {
        for kind in ["envelope", "declared"] {
            let result = world.result(&format!("{kind}-{form}"));
            assert!(result["text"].as_str().unwrap().contains(word), "{kind}-{form}: {result}");
            assert_eq!(result["name"], "n.txt");
        }
    }
    // JSON that does not say that it is an envelope is a document.
    world.send("just-json", br#"{"text": "a document about json"}"#, &[]);
    assert!(world.result("just-json")["text"].as_str().unwrap().contains("a document about json"));
}

#[test]
fn what_is_sent_again_unchanged_gives_its_result_again_without_work() {
    let world = world();
    let text = b"The bridge over the Elbe was closed for a week.";
    world.send("again", text, &[]);
    world.state("again", "done");
    world.send("again", text, &[("traceparent", "00-second")]);
    world.state("again", "unchanged");
    let results = world.records("results", "again", 2);
    assert_eq!(results[1].header("traceparent"), Some("00-second"));
    // Understood once: the second is the first, word for word.
    assert_eq!(results[0].json(), results[1].json());
    assert_eq!(world.records("notifications", "again", 1).len(), 1);
    world.send("again", b"The bridge over the Elbe was open for a week.", &[]);
    let third = &world.records("results", "again", 3)[2].json();
    assert_ne!(third["ingested_at"], results[1].json()["ingested_at"]);
}

#[test]
fn a_null_value_deletes_everything() {
    let world = world();
    world.send("gone", b"A note about the harbour.", &[]);
    world.state("gone", "done");
    let api = world.worker.api().unwrap();
    let ask = || ureq::get(format!("{api}/v1/documents/gone")).call();
    assert_eq!(ask().unwrap().status(), 200);
    world.kafka.send_null(PREFIX, "gone");
    world.state("gone", "deleted");
    assert_eq!(world.records("results", "gone", 2)[1].value, None);
    assert!(matches!(ask(), Err(ureq::Error::StatusCode(404))));
    // What never was can be deleted as well.
    world.kafka.send_null(PREFIX, "never-was");
    world.state("never-was", "deleted");
}

#[test]
fn the_senders_trace_is_carried_to_every_record() {
    let world = world();
    let trace = [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "vendor=1"),
        ("baggage", "tenant=acme"),
    ];
    world.send("traced", b"A note about a caravan.", &trace);
    let done = world.state("traced", "done");
    let result = world.records("results", "traced", 1).remove(0);
    let told = world.records("notifications", "traced", 1).remove(0);
    for record in [result, told, done] {
        for (name, value) in trace {
            assert_eq!(record.header(name), Some(value), "{}", record.topic);
        }
        assert_eq!(record.header("content-type"), Some("application/json"), "{}", record.topic);
    }
}

#[test]
fn topics_decide_how_urgent_a_document_is_and_keys_may_be_missing() {
    let world = world();
    let text = b"A note without a key, about urgency.";
    world.kafka.send(&topic("high"), Some("urgent"), b"A note about a fire.", &[]);
    world.kafka.send(&topic("low"), Some("patient"), b"A note about a garden.", &[]);
    world.kafka.send(PREFIX, None, text, &[]);
    world.kafka.send(PREFIX, Some(""), text, &[]);
    assert_eq!(world.result("urgent")["priority"], "high");
    assert_eq!(world.result("patient")["priority"], "low");
    // Both without a key have the id of their content.
    assert_eq!(world.records("results", &id_of(text), 2)[1].json()["id"], json!(id_of(text)));
}

#[test]
fn a_document_is_understood_again_by_command() {
    let world = world();
    world.send("once-more", b"A note about the station.", &[]);
    world.state("once-more", "done");
    let first = world.result("once-more");
    let wrong = r#"{"command":"reprocess","dpi":7}"#;
    for nonsense in ["", "{", r#"{"command":"explode"}"#, r#"{"command":"cancel","x":1}"#, wrong] {
        world.kafka.send(&topic("commands"), Some("once-more"), nonsense.as_bytes(), &[]);
    }
    world.kafka.send(&topic("commands"), Some("once-more"), br#"{"command":"reprocess"}"#, &[]);
    let second = &world.records("results", "once-more", 2)[1].json();
    assert_ne!(first["ingested_at"], second["ingested_at"]);
    assert_eq!((&first["text"], &first["origin"]), (&second["text"], &second["origin"]));
    let asked = br#"{"command":"reprocess","kind":"note","priority":"high"}"#;
    world.kafka.send(&topic("commands"), Some("once-more"), asked, &[]);
    let third = &world.records("results", "once-more", 3)[2].json();
    assert_eq!((&third["kind"]["label"], &third["priority"]), (&json!("note"), &json!("high")));
    assert_eq!(third["options"], json!({"kind": "note", "priority": "high"}));
    let letters = world.records("dead", "once-more", 5);
    assert!(letters.iter().all(|letter| letter.header("quire-class") == Some("malformed")), "{letters:#?}");
}

#[test]
fn the_status_tells_what_waits_in_the_topics() {
    let kafka = world().kafka;
    for name in ["idle", "idle.low"] {
        kafka.create_topics(&[name], 3);
    }
    for key in ["a", "b", "c"] {
        kafka.send("idle", Some(key), b"A note that nobody reads.", &[]);
    }
    kafka.send("idle.low", Some("d"), b"A note that can wait.", &[]);
    let settings = [format!("kafka.brokers={}", kafka.brokers()), "kafka.prefix=idle".to_owned()];
    let flags = settings.iter().flat_map(|setting| ["--set", setting]);
    let data = tempfile::tempdir().unwrap();
    assert!(run_once(data.path(), &[]).contains("ready"), "a store to ask");
    let status = json(&output(quire(data.path()).args(flags).args(["status", "--json"])));
    let lanes = ["normal", "low", "high", "retry"].map(|lane| status[format!("unsettled_{lane}")].clone());
    assert_eq!(lanes, [3, 1, 0, 0].map(|n| json!(n)), "{status}");
}
