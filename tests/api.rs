//! The API of a real `quire run`: what its description says holds, subscriptions hear of documents,
//! keys that `quire keys` makes open it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::receiver::{ask, receiver};
use common::*;
use serde_json::{Value, json};
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
    let taken_back =
        ask("POST", &format!("{api}/v1/reviews/{id}/reopen"), None, Some(&json!({ "by": "bob" })));
    assert_eq!((taken_back.0, &taken_back.1["state"]), (200, &json!("open")));
    assert!(wait_for(PATIENCE, || came.lock().unwrap().len() >= 4), "{}", daemon.log());
    let came = came.lock().unwrap().clone();
    assert_eq!(came[0], came[1], "the same message with the same id");
    assert!(["document.finished", "document.needs_review"].contains(&came[1].1["type"].as_str().unwrap()));
    assert_eq!((&came[1].1["data"]["id"], &came[1].1["data"]["source"]), (&json!(id), &json!("inbox")));
    let last = &came[2].1;
    assert_eq!(
        (&last["type"], &last["data"]["reviewed"]["by"]),
        (&json!("document.reviewed"), &json!("ada"))
    );
    let undone = &came[3].1["data"]["reviewed"];
    assert_eq!((&undone["action"], &undone["by"]), (&json!("reopen"), &json!("bob")));
    assert_eq!(came.len(), 4, "nothing is told twice");
    assert!(daemon.terminate().0.success());
}

const BILL: &str = "Harbour & Pine Joinery Ltd\n\n14 Quayside Lane, Bristol BS1 6DE\nINVOICE\n\n\
    Invoice number HP-2024-0317\nInvoice date 12 March 2024\nDue date 11 April 2024\n\n\
    Bill to:\nNorthgate Library Trust\n2 Castle Street\n\n\
    Subtotal 3,782.00\nVAT 20% 756.40\nTotal due in GBP 4,588.40\n\x0c\
    Payment\n\nPay to IBAN GB82 WEST 1234 5698 7654 32 within thirty days of the invoice date.\n";

/// What was read from a text follows when the text is corrected, and comes back when that is taken back.
#[test]
fn a_corrected_text_is_understood_anew_and_so_are_its_fields() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path(), &[]);
    let api = daemon.api().unwrap();
    drop_file(data.path(), "bill.txt", BILL.as_bytes());
    let id = id_of(BILL.as_bytes());
    let document = || ask("GET", &format!("{api}/v1/documents/{id}"), None, None).1["document"].clone();
    assert!(wait_for(PATIENCE, || document().is_object()), "{}", daemon.log());
    // Of every field but those that were put together: the text says it where it is said to be.
    let value = |document: &Value, name: &str| -> Option<String> {
        let characters: Vec<char> = document["text"].as_str().unwrap().chars().collect();
        let fields = document["fields"].as_array().unwrap();
        for field in fields.iter().filter(|field| field["end"].as_u64() > field["start"].as_u64()) {
            let at = |name: &str| usize::try_from(field[name].as_u64().unwrap()).unwrap();
            let there: String = characters[at("start")..at("end")].iter().collect();
            assert_eq!(there, field["raw"].as_str().unwrap(), "{field}");
        }
        let found = fields.iter().find(|field| field["name"] == name)?;
        Some(found["value"]["value"].to_string())
    };
    let before = document();
    assert_eq!(before["kind"]["label"], "invoice", "{before}");
    assert!(value(&before, "total").unwrap().contains("4588.40"), "{}", before["fields"]);
    let iban = value(&before, "iban").unwrap();
    let first = BILL.split('\x0c').next().unwrap().trim_end();
    let right = first.replace("4,588.40", "4,538.40").replace("Harbour", "The great Harbour");
    let version = ask("GET", &format!("{api}/v1/reviews/{id}"), None, None).1["version"].clone();
    let decision = json!({ "version": version, "action": "correct", "by": "ada", "corrections": { "text": { "1": right } } });
    let (status, decided) = ask("POST", &format!("{api}/v1/reviews/{id}/decision"), None, Some(&decision));
    assert_eq!(status, 200, "{decided}");
    let after = document();
    assert!(after["text"].as_str().unwrap().contains("The great Harbour"), "{after}");
    assert!(value(&after, "total").unwrap().contains("4538.40"), "{}", after["fields"]);
    assert_eq!(value(&after, "iban").unwrap(), iban);
    assert!(!after["checks"].to_string().contains("\"fail\""), "{}", after["checks"]);
    let body = json!({ "by": "bob", "version": decided["version"] });
    let (status, reopened) = ask("POST", &format!("{api}/v1/reviews/{id}/reopen"), None, Some(&body));
    assert_eq!((status, &reopened["state"]), (200, &json!("open")), "{reopened}");
    let undone = document();
    for part in ["text", "fields", "checks", "kind", "pages"] {
        assert_eq!(undone[part], before[part], "{part}");
    }
    value(&undone, "total").unwrap();
    assert!(daemon.terminate().0.success());
}

/// The page and who trains on corrections see where the right value stands, not where the wrong one did.
#[test]
fn a_corrected_field_says_where_its_value_stands() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path(), &[]);
    let api = daemon.api().unwrap();
    drop_file(data.path(), "bill.txt", BILL.as_bytes());
    let url = format!("{api}/v1/documents/{}", id_of(BILL.as_bytes()));
    let document = || ask("GET", &url, None, None).1["document"].clone();
    assert!(wait_for(PATIENCE, || document().is_object()), "{}", daemon.log());
    let total = |document: &Value| {
        let fields = document["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == "total").unwrap().clone()
    };
    assert!(total(&document())["raw"].as_str().unwrap().contains("4,588.40"));
    let review = format!("{api}/v1/reviews/{}", id_of(BILL.as_bytes()));
    let version = ask("GET", &review, None, None).1["version"].clone();
    // The checks fail with it, so it has to be said to be sure.
    let corrections = json!({ "fields": { "total": "3782.00 GBP", "note": "a word that is not there" } });
    let decision = json!({ "version": version, "action": "correct", "by": "ada", "sure": true, "corrections": corrections });
    let (status, decided) = ask("POST", &format!("{review}/decision"), None, Some(&decision));
    assert_eq!(status, 200, "{decided}");
    let total = total(&document());
    let start = BILL.find("3,782.00").unwrap();
    assert_eq!((&total["raw"], &total["start"]), (&json!("3,782.00"), &json!(start)), "{total}");
    let lesson = ask("GET", &format!("{api}/v1/reports/corrections"), None, None).1;
    let place = json!({ "raw": "3,782.00", "page": 1, "start": start, "end": start + 8 });
    assert_eq!(lesson["places"]["total"], place, "{lesson}");
    assert_eq!(
        (&lesson["fields"]["note"], lesson["places"].get("note")),
        (&json!("a word that is not there"), None)
    );
    assert!(daemon.terminate().0.success());
}

/// Of a German page in Tesseract's English no umlaut can come; in German, or by the networks, they do.
#[test]
fn a_page_is_read_again_in_another_language_and_by_another_engine() {
    let data = tempfile::tempdir().unwrap();
    let settings = ["--set", "digitize.engine=tesseract", "--set", "digitize.languages=eng"];
    let daemon = Daemon::start(data.path(), &settings);
    let api = daemon.api().unwrap();
    let scan = std::fs::read(root().join("tests/corpus/documents/invoice-german-clean-scan.png")).unwrap();
    drop_file(data.path(), "rechnung.png", &scan);
    let url = format!("{api}/v1/documents/{}", id_of(&scan));
    let read = |asked: &Value| {
        let document = || ask("GET", &url, None, None).1["document"].clone();
        let done = |document: &Value| document.is_object() && document["options"] == *asked;
        assert!(wait_for(PATIENCE, || done(&document())), "{asked}: {}", daemon.log());
        document()
    };
    let text = |document: &Value| document["text"].as_str().unwrap().to_owned();
    let english = text(&read(&Value::Null));
    assert!(english.contains("tenhof GmbH") && !english.contains('ü'), "{english}");
    let again = |options: Value| {
        let (status, answer) = ask("POST", &format!("{url}/reprocess"), None, Some(&options));
        assert_eq!(status, 202, "{answer}");
        read(&options)
    };
    let german = again(json!({ "languages": ["deu"], "kind": "plant-order", "priority": "high" }));
    assert!(text(&german).contains("Gärtnerei Blütenhof GmbH"), "{german}");
    assert_eq!((&german["kind"]["label"], &german["priority"]), (&json!("plant-order"), &json!("high")));
    let networks = again(json!({ "languages": ["eng"], "engine": "ppocr" }));
    assert!(text(&networks).contains('ü') && text(&networks) != text(&german), "{networks}");
    // What there is not is said at once, and nothing changes.
    let asked = json!({ "languages": ["xyz"] });
    let (status, problem) = ask("POST", &format!("{url}/reprocess"), None, Some(&asked));
    assert_eq!((status, problem["detail"].as_str().unwrap().contains("xyz")), (400, true), "{problem}");
    // By the command line, as the settings say.
    let asked = output(quire(data.path()).args(["reprocess", &id_of(&scan), "--to", &api]));
    assert!(asked.status.success(), "{}", stderr(&asked));
    assert_eq!(text(&read(&Value::Null)), english);
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
    // A key is given by a variable or in a file, not by an argument, which everybody sees.
    let file = data.path().join("key-of-ada");
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let path = file.to_str().unwrap();
    let asks = |more: &[&str], variable: Option<&str>| {
        let mut command = quire(data.path());
        command.args(["tasks", "--set", &here]).args(more);
        if let Some(key) = variable {
            command.env("QUIRE_API_KEY", key);
        }
        output(&mut command)
    };
    assert!(stdout(&asks(&["--key-file", path], None)).contains("backup"));
    let mut by_variable = quire(data.path());
    by_variable.args(["tasks", "--set", &here]).env("QUIRE_API_KEY_FILE", path);
    assert!(stdout(&output(&mut by_variable)).contains("backup"));
    let cases: [(&[&str], Option<&str>, &str); 4] = [
        (&["--key-file", path], Some(key.as_str()), "leave one of them out"),
        (&["--key-file", "missing"], None, "cannot read the file `missing`"),
        (&["--key", &key], None, "--key-file"),
        (&[], None, "401"),
    ];
    for (more, variable, said) in cases {
        let refused = asks(more, variable);
        assert!(!refused.status.success() && stderr(&refused).contains(said), "{}", stderr(&refused));
    }
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

const PHASES: &str = "examples,coverage,fuzzing";

/// Requests that a generator makes of the description, right and wrong ones.
fn generated(program: &Path, api: &str, folder: &Path, phases: &str, more: &[&str]) -> std::process::Output {
    let mut command = Command::new(program);
    command
        .args(["run", &format!("{api}/v1/openapi.json")])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"])
        .args(["--checks", "response_schema_conformance"])
        .args(["--phases", phases, "--max-examples", "20", "--seed", "1"])
        // One: Python 3.11 counts how deep it parses over all threads together, and fails (cpython#106905).
        .args(["--workers", "1", "--request-timeout", "30", "--continue-on-failure"])
        .args(more)
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
    let scan = root().join("tests/corpus/documents/invoice-clean-scan.png");
    drop_file(data.path(), "scan.png", &std::fs::read(scan).unwrap());
    let daemon = Daemon::start(data.path(), &["--set", "serve.requests_per_s=0"]);
    let api = daemon.api().unwrap();
    let counts = || ask("GET", &format!("{api}/v1/status"), None, None).1["counts"].clone();
    assert!(wait_for(PATIENCE, || counts()["documents"] == 2), "{}", daemon.log());
    let found = ask("GET", &format!("{api}/v1/documents?limit=2"), None, None).1;
    let scan = found["documents"].as_array().unwrap().iter().find(|one| one["name"] == "scan.png");
    let id = scan.unwrap()["id"].as_str().unwrap();
    // What is there is looked at first: its result, review, pages, words and likes are as they are described.
    let named = format!("[parameters]\n\"path.id\" = \"{id}\"\n\"path.page\" = 1\n\"path.number\" = 0\n");
    let settings = work.path().join("schemathesis.toml");
    std::fs::write(&settings, named).unwrap();
    let looked = generated(
        &program,
        &api,
        work.path(),
        PHASES,
        &["--include-method", "GET", "--exclude-path", "/v1/subscriptions/{id}"],
    );
    assert!(looked.status.success(), "{}{}", stdout(&looked), stderr(&looked));
    assert!(!stdout(&looked).contains("Missing test data"), "{}", stdout(&looked));
    std::fs::remove_file(settings).unwrap();
    let out = generated(&program, &api, work.path(), PHASES, &[]);
    assert!(out.status.success(), "{}{}", stdout(&out), stderr(&out));
    let log = daemon.terminate().1;
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn the_description_holds_whatever_a_key_may_do() {
    let Some(program) = schemathesis() else {
        eprintln!("skipped: there is no schemathesis; make schemathesis fetches it");
        return;
    };
    let (data, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = |name: &str, role: &str| {
        let made = output(quire(data.path()).args(["keys", "add", name, "--role", role]));
        format!("Authorization: Bearer {}", stdout(&made).trim())
    };
    let keys = [("admin", key("eve", "admin")), ("reader", key("ada", "reader"))];
    drop_file(data.path(), "letter.txt", LETTER);
    let daemon = Daemon::start(data.path(), &["--set", "serve.requests_per_s=0"]);
    let api = daemon.api().unwrap();
    // One may everything, the other little; and nothing is had without a key.
    let (whole, few) = ("coverage,fuzzing,stateful", "coverage");
    let checks = ["--checks", "ignored_auth"];
    for ((role, header), phases) in keys.iter().zip([whole, few]) {
        let out = generated(&program, &api, work.path(), phases, &[&["-H", header], &checks[..]].concat());
        assert!(out.status.success(), "{role}: {}{}", stdout(&out), stderr(&out));
        assert!(stdout(&out).contains("Tested: "), "{role}: {}", stdout(&out));
    }
    let log = daemon.terminate().1;
    assert!(!log.contains("panicked"), "{log}");
}
