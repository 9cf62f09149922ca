//! The API of a real `quire run`: what its description says holds, subscriptions hear of documents,
//! keys that `quire keys` makes open it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::receiver::{ask, receiver};
use common::*;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

const LETTER: &[u8] = b"Dear Ms Ardley, the third delivery reached Leipzig late on Monday. Yours, Tom Ranke.";

#[test]
fn subscriptions_hear_of_documents_and_decisions_whatever_is_killed() {
    let data = tempfile::tempdir().unwrap();
    let settings = ["--set", "notify.private=true", "--set", "notify.backoff_ms=3000"];
    let daemon = Daemon::start(data.path(), &settings);
    let api = daemon.api().unwrap();
    let (url, came) = receiver(1);
    let (status, made) = ask("POST", &format!("{api}/v1/subscriptions"), None, Some(&json!({ "url": url })));
    assert_eq!(status, 201, "{made}");
    drop_file(data.path(), "letter.txt", LETTER);
    // The receiver does not take it; the program is killed while it waits for the next try.
    assert!(wait_for(PATIENCE, || !came.lock().unwrap().is_empty()), "{}", daemon.log());
    daemon.kill();
    let daemon = Daemon::start(data.path(), &settings);
    assert!(wait_for(PATIENCE, || came.lock().unwrap().len() >= 2), "{}", daemon.log());
    let api = daemon.api().unwrap();
    let id = id_of(LETTER);
    let review = ask("GET", &format!("{api}/v1/reviews/{id}"), None, None).1;
    let decision = json!({ "version": review["version"], "action": "approve", "by": "ada" });
    let (status, decided) = ask("POST", &format!("{api}/v1/reviews/{id}/decision"), None, Some(&decision));
    assert_eq!(status, 200, "{decided}");
    assert!(wait_for(PATIENCE, || came.lock().unwrap().len() >= 3), "{}", daemon.log());
    let came = came.lock().unwrap().clone();
    assert_eq!(came[0], came[1], "the same message with the same id");
    assert!(["document.finished", "document.needs_review"].contains(&came[1].1["type"].as_str().unwrap()));
    assert_eq!((&came[1].1["data"]["id"], &came[1].1["data"]["source"]), (&json!(id), &json!("inbox")));
    let last = &came[2].1;
    assert_eq!(
        (&last["type"], &last["data"]["reviewed"]["by"]),
        (&json!("document.reviewed"), &json!("ada"))
    );
    assert_eq!(came.len(), 3, "nothing is told twice");
    assert!(daemon.terminate().0.success());
}

#[test]
fn keys_that_are_made_open_the_api_and_close_it_when_taken_back() {
    let data = tempfile::tempdir().unwrap();
    let keys = |more: &[&str]| output(quire(data.path()).arg("keys").args(more));
    let made = keys(&["add", "ada", "--role", "reader"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let key = stdout(&made).trim().to_owned();
    let file = std::fs::read_to_string(data.path().join("keys")).unwrap();
    assert!(!file.contains(&key) && file.contains("reader:sha256:"), "{file}");
    assert!(stderr(&keys(&["add", "ada"])).contains("already"));
    assert!(stderr(&keys(&["add", "local"])).contains("no key can be named `local`"));
    let daemon = Daemon::start(data.path(), &[]);
    let api = daemon.api().unwrap();
    let status = |key: Option<&str>| ask("GET", &format!("{api}/v1/status"), key, None).0;
    assert_eq!((status(None), status(Some("guess")), status(Some(&key))), (401, 401, 200));
    assert_eq!(ask("POST", &format!("{api}/v1/documents"), Some(&key), Some(&json!({}))).0, 403);
    let here = format!("serve.listen={}", api.strip_prefix("http://").unwrap());
    let tasks = |key: &str| {
        let mut command = quire(data.path());
        stdout(&output(command.args(["status", "--set", &here]).env("QUIRE_API_KEY", key)))
    };
    assert!(tasks(&key).contains("backup") && tasks("guess").contains("asks for a key"), "{}", tasks(&key));
    let writer = stdout(&keys(&["add", "bob", "--role", "admin"])).trim().to_owned();
    assert!(wait_for(PATIENCE, || status(Some(&writer)) == 200), "taken over while it runs");
    let config = ask("GET", &format!("{api}/v1/admin/config"), Some(&writer), None);
    assert_eq!((config.0, &config.1["consume"]["attempts"]), (200, &json!(5)));
    assert!(stdout(&keys(&["list"])).contains("ada"));
    assert!(keys(&["remove", "ada"]).status.success() && keys(&["remove", "bob"]).status.success());
    assert!(wait_for(PATIENCE, || status(Some(&key)) == 401), "taken back while it runs");
    assert_eq!(status(None), 401, "the last key that goes opens nothing");
    assert!(daemon.terminate().0.success());
}

/// Where `make schemathesis` put it, or where the variable says.
fn schemathesis() -> Option<PathBuf> {
    let own = root().join("data/schemathesis/bin/schemathesis");
    std::env::var_os("SCHEMATHESIS").map(PathBuf::from).into_iter().chain([own]).find(|path| path.exists())
}

/// Requests that a generator makes of the description, right and wrong ones.
fn generated(program: &Path, api: &str, folder: &Path) -> std::process::Output {
    let mut command = Command::new(program);
    command
        .args(["run", &format!("{api}/v1/openapi.json")])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"])
        .args(["--checks", "response_schema_conformance"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1"])
        // One: Python 3.11 counts how deep it parses over all threads together, and fails (cpython#106905).
        .args(["--workers", "1", "--request-timeout", "30", "--continue-on-failure"])
        .current_dir(folder);
    output(&mut command)
}

#[test]
fn the_description_holds_for_generated_requests() {
    let Some(program) = schemathesis() else {
        eprintln!("skipped: there is no schemathesis; make schemathesis fetches it");
        return;
    };
    let (data, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop_file(data.path(), "letter.txt", LETTER);
    let daemon = Daemon::start(data.path(), &["--set", "serve.requests_per_s=0"]);
    let api = daemon.api().unwrap();
    let done = || ask("GET", &format!("{api}/v1/status"), None, None).1["counts"]["documents"] == 1;
    assert!(wait_for(PATIENCE, done), "{}", daemon.log());
    let out = generated(&program, &api, work.path());
    assert!(out.status.success(), "{}{}", stdout(&out), stderr(&out));
    let log = daemon.terminate().1;
    assert!(!log.contains("panicked"), "{log}");
}
