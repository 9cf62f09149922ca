//! What the commands say: to people, to programs, and when something is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::Value;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

const COMMANDS: [&[&str]; 25] = [
    &["run"],
    &["demo"],
    &["send"],
    &["status"],
    &["search"],
    &["models"],
    &["models", "list"],
    &["models", "fetch"],
    &["models", "verify"],
    &["doctor"],
    &["keys"],
    &["keys", "add"],
    &["export"],
    &["backup"],
    &["restore"],
    &["retain"],
    &["report"],
    &["replay"],
    &["tasks"],
    &["tasks", "start"],
    &["top"],
    &["man"],
    &["config", "show"],
    &["schema"],
    &["completions"],
];

fn call(data: &Path, arguments: &[&str]) -> Output {
    output(quire(data).args(arguments))
}

/// It failed, said why in one go, and printed no half result.
fn assert_refuses(out: &Output, words: &[&str]) {
    let said = stderr(out);
    assert!(!out.status.success(), "{said}{}", stdout(out));
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

fn setting<'s>(settings: &'s Value, key: &str) -> &'s Value {
    settings.as_array().unwrap().iter().find(|s| s["key"] == key).unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn unknown_settings_are_refused_with_the_nearest_known_one() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let out = call(data, &["--set", "digitize.langages=eng", "config", "show"]);
    assert_refuses(&out, &["--set", "digitize.langages", "did you mean `digitize.languages`?"]);
    let out = output(quire(data).env("QUIRE_DECODE__MAX_PAGE", "3").args(["config", "show"]));
    assert_refuses(&out, &["QUIRE_DECODE__MAX_PAGE", "did you mean `decode.max_pages`?"]);
    let file = data.join("other.toml");
    std::fs::write(&file, "[consume]\nattempt = 3\n").unwrap();
    let file = file.to_str().unwrap();
    let out = call(data, &["--config", file, "config", "show"]);
    assert_refuses(&out, &["other.toml", "did you mean `consume.attempts`?"]);
    std::fs::write(file, "[consume\n").unwrap();
    assert_refuses(&call(data, &["--config", file, "config", "show"]), &["other.toml"]);
    assert_refuses(&call(data, &["--config", "missing.toml", "config", "show"]), &["missing.toml"]);
    assert_refuses(&call(data, &["--set", "consume.attempts=many", "config", "show"]), &["consume.attempts"]);
    assert_refuses(&call(data, &["--set", "consume.attempts=0", "config", "show"]), &["consume.attempts"]);
    assert_refuses(&call(data, &["--set", "consume.attempts", "config", "show"]), &["SECTION.KEY=VALUE"]);
}

#[test]
fn a_secret_is_taken_from_a_file_and_not_from_arguments() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let out = call(data, &["--set", "kafka.password=hush-hush", "config", "show"]);
    assert_refuses(&out, &["--set", "kafka.password", "QUIRE_KAFKA__PASSWORD_FILE"]);
    assert!(!stderr(&out).contains("hush-hush"), "{}", stderr(&out));
    std::fs::write(data.join("password"), "hush-hush\n").unwrap();
    let mut command = quire(data);
    command.env("QUIRE_KAFKA__PASSWORD_FILE", "password").args(["config", "show", "--json"]);
    let settings = json(&output(&mut command));
    let found = setting(&settings, "kafka.password");
    assert_eq!(found["value"], "\"<redacted>\"");
    assert_eq!(found["origin"], "QUIRE_KAFKA__PASSWORD_FILE");
    std::fs::write(data.join("password"), "\n").unwrap();
    assert_refuses(&output(&mut command), &["QUIRE_KAFKA__PASSWORD_FILE", "is empty"]);
    let mut both = quire(data);
    both.env("QUIRE_KAFKA__PASSWORD_FILE", "password").env("QUIRE_KAFKA__PASSWORD", "hush-hush");
    assert_refuses(&output(both.args(["config", "show"])), &["leave one of the two out"]);
}

#[test]
fn config_show_names_where_each_value_came_from() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    std::fs::write(data.join("quire.toml"), "[consume]\nattempts = 7\n[serve]\napi_keys = ['hush-hush']\n")
        .unwrap();
    let flags = ["--set", "feed.workers=2", "config", "show", "--set", "decode.workers=3", "--log", "warn"];
    let mut command = quire(data);
    command.env("QUIRE_DIGITIZE__DPI", "150").args(flags);
    let text = output(&mut command);
    let out = output(command.arg("--json"));
    let settings = json(&out);
    for (key, value, origin) in [
        ("consume.attempts", "7", "quire.toml"),
        ("digitize.dpi", "150", "QUIRE_DIGITIZE__DPI"),
        // Before the command's name and after it: both count.
        ("feed.workers", "2", "--set"),
        ("decode.workers", "3", "--set"),
        ("telemetry.log", "\"warn\"", "--log"),
        ("shutdown.drain_s", "30", "default"),
    ] {
        let found = setting(&settings, key);
        assert_eq!((&found["value"], &found["origin"]), (&value.into(), &origin.into()), "{key}");
    }
    for printed in [stdout(&text), stdout(&out)] {
        assert!(printed.contains("digitize.languages") && !printed.contains("hush-hush"), "{printed}");
    }
}

#[test]
fn every_command_has_help_and_shells_have_completions() {
    let data = tempfile::tempdir().unwrap();
    let whole = stdout(&call(data.path(), &["--help"]));
    for command in COMMANDS {
        assert!(whole.contains(command[0]), "--help does not know {}", command[0]);
        let out = output(quire(data.path()).args(command).arg("--help"));
        assert!(
            out.status.success() && stdout(&out).contains("Usage: quire"),
            "{command:?}: {}",
            stdout(&out)
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&call(data.path(), &["completions", shell]));
        assert!(script.len() > 1000 && script.contains("search"), "{shell}: {script}");
    }
    assert!(stdout(&call(data.path(), &["--version"])).contains(env!("CARGO_PKG_VERSION")));
    assert_refuses(&call(data.path(), &["serach"]), &["search"]);
}

#[test]
fn json_of_every_printing_command_parses() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let note = document("night-train-utf8.txt");
    std::fs::write(data.join("note.txt"), &note).unwrap();
    std::fs::write(data.join("nothing.txt"), b"").unwrap();
    let sent = json(&call(data, &["send", "note.txt", "nothing.txt", "--json"]));
    assert_eq!(sent["sent"], 2);
    run_once(data, &[]);
    let status = json(&call(data, &["status", "--json"]));
    assert_eq!(status["stored"]["documents"], 1);
    let id = id_of(&note);
    let one = call(data, &["status", &id, "--json"]);
    assert!(one.status.success());
    assert_eq!(json(&one)["name"], "note.txt");
    let dead = call(data, &["status", &id_of(b""), "--json"]);
    assert!(!dead.status.success(), "a dead letter is no success");
    assert_eq!(json(&dead)["failure"]["class"], "empty");
    let hits = json(&call(data, &["search", "a train at night", "--json"]));
    assert_eq!(hits[0]["id"], id.as_str(), "{hits}");
    assert_eq!(json(&call(data, &["search", "--like", &id, "--json"])), serde_json::json!([]));
    for models in ["list", "verify"] {
        let models = json(&call(data, &["models", models, "--json"]));
        assert!(models.as_array().unwrap().len() >= 3, "{models}");
    }
    assert_refuses(&call(data, &["search", "--like", "nobody"]), &["`nobody` is not known"]);
    assert_refuses(&call(data, &["search", "--like", &id, "--unlike", "no id!"]), &["no id!"]);
    assert_refuses(&call(data, &["search", "--like", "no id!"]), &["no id!"]);
    assert_refuses(&call(data, &["status", "nobody"]), &["no document nobody"]);
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700)).unwrap();
    let check = |out: &Output, what: &str| -> Value {
        let checks = json(out);
        checks
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["what"] == what)
            .cloned()
            .unwrap_or_else(|| panic!("{what}"))
    };
    let fine = call(data, &["doctor", "--json"]);
    assert!(fine.status.success(), "{}{}", stdout(&fine), stderr(&fine));
    assert!(json(&fine).as_array().unwrap().iter().all(|c| c["fine"] == true));
    assert!(stdout(&call(data, &["doctor"])).contains("everything is there"));

    assert!(json(&fine).as_array().unwrap().iter().all(|c| c["remedy"].is_null()));
    // A folder that was there and is open to others works, and is named; mended, it is not.
    for (mode, who) in [(0o755, "every user"), (0o750, "its group"), (0o700, "")] {
        std::fs::set_permissions(data, std::fs::Permissions::from_mode(mode)).unwrap();
        let out = call(data, &["doctor", "--json"]);
        let found = check(&out, "data folder");
        assert!(out.status.success() && found["fine"] == true, "{found}");
        let remedy = found["remedy"].as_str().unwrap_or_default();
        assert_eq!(remedy.contains("chmod 700"), !who.is_empty(), "{found}");
        assert!(found["found"].as_str().unwrap().contains(who), "{found}");
        let log = run_once(data, &[]);
        let warned = log.lines().filter(|line| line.contains("chmod 700")).count();
        assert_eq!(warned, usize::from(!who.is_empty()), "{log}");
    }

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("serve.listen={}", taken.local_addr().unwrap());
    let blocked = data.join("a-file/below");
    std::fs::write(data.join("a-file"), b"").unwrap();
    for (what, set, remedy) in [
        ("Tesseract", "digitize.languages=eng+xxx".to_owned(), "tesseract-ocr-"),
        ("models", "infer.models_dir=/nonexistent".to_owned(), "quire models fetch"),
        ("API address", listen, "serve.listen"),
        ("data folder", format!("data.dir={}", blocked.display()), "data.dir"),
    ] {
        let out = call(data, &["doctor", "--json", "--set", &set]);
        assert!(!out.status.success(), "{set}");
        let found = check(&out, what);
        assert_eq!(found["fine"], false, "{found}");
        assert!(found["remedy"].as_str().unwrap().contains(remedy), "{found}");
    }
}

#[test]
fn search_without_a_store_says_so() {
    let data = tempfile::tempdir().unwrap();
    for arguments in [&["search", "anything"][..], &["status", "abc"], &["search", "--like", "abc"]] {
        let out = call(data.path(), arguments);
        assert_refuses(&out, &["quire run"]);
    }
    // A store with nothing in it is fine, and finds nothing.
    run_once(data.path(), &[]);
    let out = call(data.path(), &["search", "anything"]);
    assert!(out.status.success() && stdout(&out).contains("nothing was found"), "{}", stderr(&out));
}

#[test]
fn what_cannot_be_sent_is_named() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    assert_refuses(&call(data, &["send", "missing.pdf"]), &["missing.pdf"]);
    assert_refuses(&call(data, &["send"]), &["PATHS"]);
    std::fs::write(data.join("note.txt"), b"note").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let out = call(data, &["send", "note.txt", "--to", &format!("http://{free}")]);
    assert_refuses(&out, &["note.txt", "cannot reach"]);
    std::fs::create_dir(data.join("empty")).unwrap();
    assert_refuses(&call(data, &["send", "empty"]), &["no files"]);
}

#[test]
fn one_folder_has_one_quire_and_one_address() {
    let data = tempfile::tempdir().unwrap();
    let running = Daemon::start(data.path(), &[]);
    let second = call(data.path(), &["run", "--once"]);
    assert_refuses(&second, &["another process writes to the store", "stop the other `quire run`"]);

    let address = running.api().unwrap();
    let address = address.trim_start_matches("http://");
    let other = tempfile::tempdir().unwrap();
    let out = call(other.path(), &["run", "--once", "--set", &format!("serve.listen={address}")]);
    assert_refuses(&out, &[address, "serve.listen"]);

    // The first one is none the worse, and takes what is sent to it.
    std::fs::write(other.path().join("note.txt"), b"The first one still works.").unwrap();
    let out = call(other.path(), &["send", "note.txt", "--to", &format!("http://{address}"), "--json"]);
    assert_eq!(json(&out)["sent"], 1, "{}", stderr(&out));
    let done = data.path().join("done");
    assert!(wait_for(PATIENCE, || names(&done).len() == 1), "{}", running.log());
}

#[test]
fn a_folder_is_sent_understood_and_found_again() {
    let data = tempfile::tempdir().unwrap();
    let scans = data.path().join("scans");
    std::fs::create_dir(&scans).unwrap();
    std::fs::write(scans.join("note.txt"), b"The delivery of oak boards was late again.").unwrap();
    std::fs::write(scans.join("cut.pdf"), b"%PDF-1.4\n").unwrap();
    assert_eq!(json(&call(data.path(), &["send", "scans", "--json"]))["sent"], 2);
    let before = json(&call(data.path(), &["status", "--json"]));
    assert_eq!((&before["waiting"], &before["stored"]["documents"]), (&2.into(), &0.into()), "{before}");

    let out = call(data.path(), &["run", "--once"]);
    assert!(out.status.success(), "{}", stderr(&out));
    let said = stdout(&out);
    for part in ["1 understood, 1 given up", "quire dead list", "quire search --like FILE"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // What is there already is neither sent nor understood twice.
    call(data.path(), &["send", "scans/note.txt"]);
    let again = json(&call(data.path(), &["run", "--once", "--json"]));
    assert_eq!((&again["done"], &again["unchanged"], &again["dead"]), (&0.into(), &1.into(), &0.into()));
    let like = json(&call(data.path(), &["search", "--like", "scans/note.txt", "--json"]));
    assert_eq!(like.as_array().map(Vec::len), Some(0), "nothing but itself: {like}");
}
