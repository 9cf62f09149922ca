//! The program with Qdrant as its store: away at the start, away in between, and with another model.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::qdrant_fake::QdrantFake;
use common::tls::Tls;
use common::*;
use std::path::Path;
use std::time::Duration;

fn settings(fake: &QdrantFake) -> [String; 2] {
    ["--set".to_owned(), format!("qdrant.url={}", fake.url())]
}

/// Runs a command that reads the store; what it prints as JSON.
fn ask(data: &Path, fake: &QdrantFake, arguments: &[&str]) -> serde_json::Value {
    let out = output(quire(data).args(arguments).args(settings(fake)).arg("--json"));
    assert!(out.status.success(), "{}", stderr(&out));
    json(&out)
}

fn daemon(data: &Path, fake: &QdrantFake) -> Daemon {
    let set = settings(fake);
    Daemon::spawn(data, &[&set[0], &set[1]])
}

/// Documents and dead letters; beside them are the records of what waits for a person.
fn settled(fake: &QdrantFake) -> usize {
    fake.points("documents").iter().filter(|point| point.payload["state"] != "review").count()
}

fn understood(fake: &QdrantFake) -> usize {
    fake.points("documents").iter().filter(|point| point.payload["state"] == "understood").count()
}

#[test]
fn documents_wait_for_a_server_that_is_away() {
    let data = tempfile::tempdir().unwrap();
    let fake = QdrantFake::start();
    fake.stop();
    // It can be stopped while it waits.
    let waiting = daemon(data.path(), &fake);
    assert!(wait_for(PATIENCE, || waiting.log().contains("qdrant.url")), "{}", waiting.log());
    waiting.terminate();

    drop_file(data.path(), "fox.txt", b"The red fox runs through the autumn forest of Marlow.");
    let mut worker = daemon(data.path(), &fake);
    assert!(wait_for(PATIENCE, || worker.log().matches("trying again").count() >= 2), "{}", worker.log());
    fake.start_again();
    assert!(wait_for(PATIENCE, || understood(&fake) == 1), "{}", worker.log());

    fake.stop();
    drop_file(data.path(), "tax.txt", b"The tax office asks for the accounts of the year 2025.");
    drop_file(data.path(), "none.pdf", b"%PDF-1.7 and nothing else");
    assert!(wait_for(PATIENCE, || worker.log().contains("nothing can be stored")), "{}", worker.log());
    std::thread::sleep(Duration::from_secs(6));
    assert!(worker.child.try_wait().unwrap().is_none(), "{}", worker.log());
    let health = format!("{}/health/ready", worker.api().unwrap());
    let ready = || ureq::get(&health).call().is_ok();
    assert!(!ready(), "no traffic is wanted while nothing can be stored");
    fake.start_again();
    assert!(wait_for(PATIENCE, || understood(&fake) == 2), "{}", worker.log());
    assert!(wait_for(PATIENCE, ready), "{}", worker.log());
    assert_eq!(names(&data.path().join("dead")).len(), 2, "only what nobody can read");

    let counts = ask(data.path(), &fake, &["status"]);
    assert_eq!((&counts["stored"]["documents"], &counts["stored"]["passages"]), (&2.into(), &2.into()));
    let hits = ask(data.path(), &fake, &["search", "accounts", "for", "the", "tax", "office"]);
    assert_eq!((&hits[0]["name"], &hits[0]["keyword_rank"]), (&"tax.txt".into(), &1.into()));
    let fox = id_of(b"The red fox runs through the autumn forest of Marlow.");
    let like = ask(data.path(), &fake, &["search", "--like", &fox]);
    assert_eq!((like.as_array().unwrap().len(), &like[0]["name"]), (1, &"tax.txt".into()));
    assert_eq!(ask(data.path(), &fake, &["status", &fox])["name"], "fox.txt");
    let doctor = stdout(&output(quire(data.path()).arg("doctor").args(settings(&fake))));
    assert!(doctor.contains("version 1.20.0 answers"), "{doctor}");
    let (status, log) = worker.terminate();
    assert!(status.success(), "{log}");
    assert!(!data.path().join("store.sqlite").exists(), "the local store is not touched");

    fake.stop();
    let out = output(quire(data.path()).arg("status").args(settings(&fake)));
    assert!(!out.status.success() && stderr(&out).contains("qdrant.url"), "{}", stderr(&out));
}

#[test]
fn another_model_takes_over_while_a_worker_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let fake = QdrantFake::start();
    let mut worker = daemon(data.path(), &fake);
    let texts: Vec<String> =
        (0..20).map(|n| format!("Note {n}: the harbour office measured delivery number {n}.")).collect();
    for (n, text) in texts.iter().enumerate() {
        drop_file(data.path(), &format!("note {n}.txt"), text.as_bytes());
    }
    drop_file(data.path(), "none.pdf", b"%PDF-1.7 and nothing else");
    assert!(wait_for(PATIENCE, || understood(&fake) == texts.len()), "{}", worker.log());
    assert!(wait_for(PATIENCE, || settled(&fake) == texts.len() + 1), "{}", worker.log());

    // What a person decided is theirs, whichever model comes.
    let decided = id_of(texts[3].as_bytes());
    let review = format!("{}/v1/reviews/{decided}", worker.api().unwrap());
    let version = receiver::ask("GET", &review, None, None).1["version"].clone();
    let decision = serde_json::json!({
        "version": version, "action": "correct", "by": "ada", "sure": true, "corrections": { "kind": "contract" }
    });
    let (status, said) = receiver::ask("POST", &format!("{review}/decision"), None, Some(&decision));
    assert_eq!(status, 200, "{said}");

    // The same weights under another name are another model: they give the same vectors.
    let other = data.path().join("other");
    std::fs::create_dir(&other).unwrap();
    for file in std::fs::read_dir(models_dir().join("minilm-l6")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), other.join(file.file_name())).unwrap();
    }
    let embedding = format!("infer.embedding={}", other.display());
    let before = fake.alias("documents").unwrap();
    let run = |data: &Path, more: &[&str]| {
        output(quire(data).arg("reindex").args(settings(&fake)).args(["--set", &embedding]).args(more))
    };
    let out = run(data.path(), &["--drop-old"]);
    assert!(out.status.success(), "{}", stderr(&out));
    assert!(stdout(&out).contains("20 documents were understood again"), "{}", stdout(&out));
    assert_ne!(fake.alias("documents").unwrap(), before);
    assert_eq!((fake.collections().len(), understood(&fake)), (2, texts.len()));
    assert_eq!(settled(&fake), texts.len() + 1, "the dead letter too");
    for point in fake.points("documents").iter().filter(|point| point.payload["state"] == "understood") {
        assert!(point.payload["models"]["embedding"].as_str().unwrap().starts_with("other@"));
        assert_eq!(point.vectors, ["meaning"]);
        assert!(texts.iter().any(|text| point.payload["result"]["text"] == text.as_str()));
        let result = &point.payload["result"];
        let is_decided = result["id"] == decided.as_str();
        assert_eq!(result["review"]["by"] == "ada", is_decided, "{result}");
        assert!(
            !is_decided
                || (&result["kind"]["label"], &result["verdict"]["decision"])
                    == (&"contract".into(), &"accept".into()),
            "{result}"
        );
    }
    // The worker of the old model says so and stops, and its document stays with it.
    drop_file(data.path(), "late.txt", b"A late letter about the old harbour.");
    assert!(wait_for(PATIENCE, || worker.child.try_wait().unwrap().is_some()), "{}", worker.log());
    assert!(worker.log().contains("other@") && worker.log().contains("infer.embedding"), "{}", worker.log());
    assert_eq!(understood(&fake), texts.len());
    let out = run(data.path(), &[]);
    assert!(out.status.success() && stdout(&out).contains("nothing is to be done"), "{}", stdout(&out));
    // With the new one it goes on.
    let set = settings(&fake);
    let worker = Daemon::start(data.path(), &[&set[0], &set[1], "--set", &embedding]);
    assert!(wait_for(PATIENCE, || understood(&fake) == texts.len() + 1), "{}", worker.log());
}

#[test]
fn a_server_behind_tls_with_a_key_is_used_and_a_wrong_certificate_named() {
    let data = tempfile::tempdir().unwrap();
    let fake = QdrantFake::start_with(Some("secret-key"));
    let tls = Tls::before(fake.url());
    drop_file(data.path(), "fox.txt", b"The red fox runs through the autumn forest of Marlow.");
    // As containers are given secrets.
    let secrets = tempfile::tempdir().unwrap();
    let key = secrets.path().join("qdrant");
    std::fs::write(&key, "secret-key\n").unwrap();
    let url = format!("qdrant.url={}", tls.url);
    let run = |trusted: bool| {
        let mut command = quire(data.path());
        command.args(["run", "--once", "--set", &url]).env("QUIRE_QDRANT__API_KEY_FILE", &key);
        if trusted {
            command.env("SSL_CERT_FILE", tls.authority());
        }
        command
    };
    let out = output(&mut run(true));
    assert!(out.status.success(), "{}", stderr(&out));
    assert_eq!(understood(&fake), 1);
    // The aliases are changed in another way than the rest.
    assert!(fake.alias("documents").is_some() && fake.alias("passages").is_some());

    // Backups go over another port, with the same trust and the same key, past any proxy.
    let rest = Tls::before(fake.rest_url());
    let into = tempfile::tempdir().unwrap();
    let authorities = into.path().join("authorities.pem");
    let both = [&tls, &rest].map(|tls| std::fs::read_to_string(tls.authority()).unwrap()).concat();
    std::fs::write(&authorities, both).unwrap();
    let rest_url = format!("qdrant.rest_url={}", rest.url);
    let backup = |trusted: bool| {
        let mut command = quire(data.path());
        command.arg("backup").arg(into.path().join("backups"));
        command.args(["--set", &url, "--set", &rest_url]).env("QUIRE_QDRANT__API_KEY_FILE", &key);
        command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9");
        command.env(
            "SSL_CERT_FILE",
            if trusted { authorities.to_str().unwrap().to_owned() } else { tls.authority() },
        );
        output(&mut command)
    };
    let out = backup(true);
    assert!(out.status.success(), "{}", stderr(&out));
    let out = backup(false);
    assert!(!out.status.success() && !stderr(&out).contains("secret-key"), "{}", stderr(&out));

    // Without the authority it is no server to send documents to.
    let mut doctor = quire(data.path());
    doctor.args(["doctor", "--set", &url]).env("QUIRE_QDRANT__API_KEY", "secret-key");
    let said = stdout(&output(&mut doctor));
    assert!(said.contains("qdrant.url") && said.contains("SSL_CERT_FILE"), "{said}");
    assert!(!said.contains("secret-key"), "{said}");
}
