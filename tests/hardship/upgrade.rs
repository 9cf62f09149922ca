//! Data folders of earlier versions are brought up to date with all that is in them; those of later versions
//! are refused and left as they are.
//!
//! `upgrade/version-N.sql` is the schema of that version with three documents of the corpus and a dead letter,
//! as quire understood them; of payloads, only what that version knew.

use crate::common::receiver::ask;
use crate::common::*;
use rusqlite::Connection;
use std::path::Path;

const DRILL: &str = "7bd6bdc2acfcfd828673e8bbdb00d804";
const REVIEW: &str = "785af1dfdff1e0cf8001febac7189941";
const TRAIN: &str = "f613753d78d90d67aad64c9e739e1873";

fn store_of(version: u32, data: &Path) {
    let sql = std::fs::read_to_string(root().join(format!("tests/hardship/upgrade/version-{version}.sql")));
    let store = Connection::open(data.join("store.sqlite")).unwrap();
    store.execute_batch(&sql.unwrap()).unwrap();
}

/// What holds of documents, whatever version stored them.
fn assert_documents(data: &Path, api: &str) {
    let status = status(data);
    assert_eq!(
        (&status["stored"]["documents"], &status["stored"]["dead"]),
        (&3.into(), &1.into()),
        "{status}"
    );
    assert_eq!(status["stored"]["passages"], 3, "{status}");
    for (id, name) in [
        (DRILL, "fire-drill-utf8-bom.txt"),
        (REVIEW, "headphones-review.md"),
        (TRAIN, "night-train-utf8.txt"),
    ] {
        let (code, told) = ask("GET", &format!("{api}/v1/documents/{id}"), None, None);
        assert_eq!((code, &told["document"]["name"]), (200, &name.into()), "{told}");
        assert_eq!(told["document"]["coverage"], 1.0);
        assert!(told["document"]["text"].as_str().unwrap().len() > 300, "{told}");
    }
    let (_, told) = ask("GET", &format!("{api}/v1/reports/series?by=source&step=month"), None, None);
    let all = serde_json::json!([{ "value": "inbox", "documents": 3 }]);
    assert_eq!(told["values"], all, "{told}");
    // By words and by meaning.
    let (_, told) = ask("GET", &format!("{api}/v1/search?q=headphones"), None, None);
    let best = &told["hits"][0];
    assert_eq!((&best["id"], &best["keyword_rank"]), (&REVIEW.into(), &1.into()), "{told}");
    let (_, told) = ask("GET", &format!("{api}/v1/search?q=leave+the+building+when+it+burns"), None, None);
    assert_eq!(told["hits"][0]["id"], DRILL, "{told}");
    let (_, told) = ask("GET", &format!("{api}/v1/documents/{TRAIN}/similar"), None, None);
    assert_eq!(told["hits"].as_array().unwrap().len(), 2, "{told}");
}

fn review(api: &str, id: &str) -> serde_json::Value {
    let (code, told) = ask("GET", &format!("{api}/v1/reviews/{id}"), None, None);
    assert_eq!(code, 200, "{told}");
    told
}

#[test]
fn documents_of_the_first_version_are_found_and_doubtful_ones_are_queued() {
    let data = tempfile::tempdir().unwrap();
    store_of(1, data.path());
    let out = output(quire(data.path()).args(["status", DRILL]));
    let said = stderr(&out);
    assert!(!out.status.success() && said.contains("has schema version 1; this quire needs"), "{said}");
    let quire = Daemon::start(data.path(), &[]);
    let api = quire.api().unwrap();
    assert_documents(data.path(), &api);
    for id in [DRILL, REVIEW, TRAIN] {
        assert_eq!(review(&api, id)["state"], "open");
    }
    // The new form can be written to.
    drop_file(data.path(), "new.txt", b"The harbour office has confirmed the third delivery.");
    assert!(wait_for(PATIENCE, || status(data.path())["stored"]["documents"] == 4), "{}", quire.log());
}

#[test]
fn decisions_of_an_earlier_version_are_kept() {
    let data = tempfile::tempdir().unwrap();
    store_of(3, data.path());
    let quire = Daemon::start(data.path(), &[]);
    let api = quire.api().unwrap();
    assert_documents(data.path(), &api);
    let decided = review(&api, DRILL);
    assert_eq!(
        (&decided["state"], &decided["decision"]["by"]),
        (&"decided".into(), &"ada".into()),
        "{decided}"
    );
    assert_eq!(decided["comments"][0]["text"], "it is a notice");
    let (_, told) = ask("GET", &format!("{api}/v1/documents/{DRILL}"), None, None);
    assert_eq!(told["document"]["review"]["by"], "ada", "{told}");
    // What bob took on has been free since, and who had it is known.
    let claimed = review(&api, REVIEW);
    assert_eq!((&claimed["state"], claimed.get("claim")), (&"open".into(), None), "{claimed}");
    let last = claimed["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["by"], &last["what"]), (&"bob".into(), &"claimed".into()), "{claimed}");
}

#[test]
fn a_store_of_a_later_version_is_refused_and_left_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    store_of(3, data.path());
    let file = data.path().join("store.sqlite");
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let whole = || -> (i64, String, i64) {
        let store = Connection::open(&file).unwrap();
        let version = store.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        let one = "SELECT group_concat(sql), (SELECT count(*) FROM documents) FROM sqlite_schema";
        let (tables, rows) = store.query_row(one, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        (version, tables, rows)
    };
    let before = whole();
    for command in [&["run", "--once"][..], &["status"]] {
        let out = output(quire(data.path()).args(command));
        let said = stderr(&out);
        assert!(!out.status.success(), "{command:?}: {said}");
        assert!(said.contains("the store has schema version 99; this quire knows"), "{command:?}: {said}");
        assert!(said.contains("run the newer quire that wrote it"), "{command:?}: {said}");
    }
    assert_eq!((before.0, before.2), (99, 3));
    assert_eq!(whole(), before);
}
