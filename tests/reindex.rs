//! Another embedding model in the local store: everything is understood again in its place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};
use std::path::Path;

const NOTES: [&str; 3] = [
    "The harbour office of Leipzig measured the third delivery of timber on Monday.",
    "A red fox runs through the autumn forest of Marlow, and nobody follows it.",
    "Miss Ardley asks for the second volume of the atlas, bound in green cloth.",
];

/// The default weights under another name: for quire another model, which gives the same vectors.
fn other_model(data: &Path) -> String {
    let other = data.join("other");
    std::fs::create_dir(&other).unwrap();
    for file in std::fs::read_dir(models_dir().join("minilm-l6")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), other.join(file.file_name())).unwrap();
    }
    format!("infer.embedding={}", other.display())
}

fn found(data: &Path, embedding: &str, mode: &str) -> Vec<Value> {
    let mut command = quire(data);
    command.args(["--json", "search", "an animal in the woods", "--mode", mode, "--set", embedding]);
    let out = output(&mut command);
    assert!(out.status.success(), "{}", stderr(&out));
    let answer = json(&out);
    answer.as_array().or_else(|| answer["hits"].as_array()).unwrap_or_else(|| panic!("{answer}")).clone()
}

#[test]
fn the_local_store_is_understood_again_with_another_model() {
    let data = tempfile::tempdir().unwrap();
    for (n, note) in NOTES.iter().enumerate() {
        drop_file(data.path(), &format!("note {n}.txt"), note.as_bytes());
    }
    let daemon = Daemon::start(data.path(), &[]);
    assert!(wait_for(PATIENCE, || status(data.path())["stored"]["documents"] == 3), "{}", daemon.log());
    // What a person decided is theirs, whichever model comes.
    let decided = id_of(NOTES[1].as_bytes());
    let review = format!("{}/v1/reviews/{decided}", daemon.api().unwrap());
    let version = receiver::ask("GET", &review, None, None).1["version"].clone();
    let decision = json!({ "version": version, "action": "correct", "by": "ada", "sure": true, "corrections": { "kind": "contract" } });
    let (code, said) = receiver::ask("POST", &format!("{review}/decision"), None, Some(&decision));
    assert_eq!(code, 200, "{said}");

    let embedding = other_model(data.path());
    let reindex = || output(quire(data.path()).args(["reindex", "--set", &embedding]));
    let refused = reindex();
    assert!(
        !refused.status.success() && stderr(&refused).contains("another process"),
        "{}",
        stderr(&refused)
    );
    assert!(daemon.terminate().0.success());

    // Whoever goes on with another model hears that its vectors cannot be compared.
    let worker = Daemon::start(data.path(), &["--set", &embedding]);
    assert!(worker.log().contains("quire reindex"), "{}", worker.log());
    assert!(worker.terminate().0.success());

    let out = reindex();
    assert!(out.status.success(), "{}", stderr(&out));
    assert!(stdout(&out).contains("3 documents have vectors of another model"), "{}", stdout(&out));
    assert!(stdout(&out).contains("3 documents were understood again; 3 documents"), "{}", stdout(&out));
    let again = reindex();
    assert!(again.status.success() && stdout(&again).contains("nothing is to be done"), "{}", stdout(&again));

    let near = found(data.path(), &embedding, "meaning");
    assert_eq!(near[0]["id"], decided.as_str(), "{near:?}");
    let worker = Daemon::start(data.path(), &["--set", &embedding]);
    assert!(!worker.log().contains("quire reindex"), "{}", worker.log());
    for note in NOTES {
        let id = id_of(note.as_bytes());
        let url = format!("{}/v1/documents/{id}", worker.api().unwrap());
        let stored = receiver::ask("GET", &url, None, None).1["document"].clone();
        assert!(stored["models"]["embedding"].as_str().unwrap().starts_with("other@"), "{stored}");
        assert_eq!(stored["text"], note);
        let is_decided = id == decided;
        assert_eq!(stored["review"]["by"] == "ada", is_decided, "{stored}");
        assert!(!is_decided || stored["kind"]["label"] == "contract", "{stored}");
    }
    assert!(worker.terminate().0.success());
}
