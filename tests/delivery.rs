//! Nothing is lost and nothing done twice, whatever is killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use quire::document::DocumentId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

const SCANS: [&str; 8] = [
    "letter-complaint-clean-scan.png",
    "receipt-clean-scan.png",
    "form-clean-scan.png",
    "notice-clean-scan.png",
    "invoice-german-clean-scan.png",
    "lease-three-pages.tif",
    "minutes-text-and-scanned-page.pdf",
    "report-rotated-180.png",
];
const KILLS: usize = 10;
/// A program that is killed ten times looks, to each document in flight, as if that document had
/// ended it: with the default of 5 the unlucky ones are rightly convicted. Here the killer is
/// known, so nobody may be.
const NO_CONVICTIONS: [&str; 2] = ["--set", "consume.crashes=20"];

/// One test at a time: each uses every core, and the moments of the kills should mean something.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Documents by name.
type Documents = BTreeMap<String, Vec<u8>>;

fn texts(count: usize, chance: &mut Chance) -> Documents {
    let who =
        ["The harbour office", "Miss Ardley", "Our supplier in Leipzig", "The council of Marlow", "Dr Osei"];
    let did = ["has confirmed", "complained about", "measured", "paid for", "could not find"];
    let what =
        ["the third delivery", "a broken window", "forty crates of tea", "the annual accounts", "the key"];
    let mut pick = |from: &[&str; 5]| from[chance.below(5) as usize].to_owned();
    let mut documents = Documents::new();
    for number in 0..count {
        let sentences: Vec<String> = (0..4 + number % 9)
            .map(|at| format!("{} {} {} on day {at}.", pick(&who), pick(&did), pick(&what)))
            .collect();
        let text = format!("Note number {number}-{}\n\n{}\n", number * 7919, sentences.join(" "));
        documents.insert(format!("note {number:02}.txt"), text.into_bytes());
    }
    documents
}

fn bad() -> Documents {
    manifest().into_iter().filter(|e| e.outcome == "dead").map(|e| (e.file.clone(), e.bytes())).collect()
}

/// No sandboxed process outlives its parent for long.
fn assert_no_orphans() {
    let gone = wait_for(Duration::from_secs(3), || orphans().is_empty());
    assert!(gone, "sandboxed processes outlived their parent: {:?}", orphans());
}

fn assert_settled(data: &Path, good: &Documents, bad: &Documents) {
    for folder in ["inbox", "working"] {
        assert_eq!(names(&data.join(folder)), Vec::<String>::new(), "{folder} is not empty");
    }
    let kept = |documents: &Documents| -> BTreeSet<String> {
        documents.iter().map(|(name, bytes)| format!("{}~{name}", id_of(bytes))).collect()
    };
    let visible = |folder: &str| -> Vec<String> {
        let all = names(&data.join(folder));
        let (parts, whole): (Vec<_>, Vec<_>) = all.into_iter().partition(|n| n.starts_with('.'));
        // A kill between writing and renaming leaves a hidden part, and nothing else may.
        assert!(parts.iter().all(|n| n.ends_with(".part")), "{folder}: {parts:?}");
        if !parts.is_empty() {
            println!("{folder}: {} hidden parts of killed writes", parts.len());
        }
        whole
    };
    let is = |folder: &str, expected: BTreeSet<String>| {
        let found = visible(folder);
        let distinct: BTreeSet<String> = found.iter().cloned().collect();
        let missing: Vec<_> = expected.difference(&distinct).collect();
        let more: Vec<_> = distinct.difference(&expected).collect();
        assert!(missing.is_empty() && more.is_empty(), "{folder}: missing {missing:?}, too many {more:?}");
        assert_eq!(found.len(), expected.len(), "{folder}");
    };
    is("done", kept(good));
    let mut dead = kept(bad);
    dead.extend(kept(bad).iter().map(|name| format!("{name}.cause.json")));
    is("dead", dead);
    is("results", good.values().map(|bytes| format!("{}.json", id_of(bytes))).collect());

    for (name, bytes) in good {
        let id = id_of(bytes);
        let result = result(data, &id);
        assert_eq!(result["id"], id, "{name}");
        assert_eq!(result["name"], name.as_str());
        assert_eq!(result["sha256"], quire::document::sha256_hex(bytes), "{name}");
        assert_eq!(result["size"], bytes.len(), "{name}");
        assert_eq!(result["coverage"], 1.0, "{name}");
        assert!(!result["passages"].as_array().unwrap().is_empty(), "{name}");
        if name.starts_with("note") {
            assert_eq!(
                result["text"].as_str().unwrap().trim(),
                String::from_utf8_lossy(bytes).trim(),
                "{name}"
            );
        }
        let kept = std::fs::read(data.join("done").join(format!("{id}~{name}"))).unwrap();
        assert_eq!(&kept, bytes, "{name}: done/ holds other bytes");
        let stored = output(quire(data).args(["status", &id]));
        assert_eq!(json(&stored)["ingested_at"], result["ingested_at"], "{name}: store and result differ");
    }
    let status = status(data);
    assert_eq!(status["stored"]["documents"], good.len(), "{status}");
    assert_eq!(status["stored"]["dead"], bad.len(), "{status}");
    assert_eq!((&status["waiting"], &status["in_flight"]), (&0.into(), &0.into()), "{status}");
}

#[test]
fn ten_kills_lose_nothing_and_do_nothing_twice() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut chance = Chance(20_260_729);
    let mut good = texts(46, &mut chance);
    good.extend(SCANS.iter().map(|name| ((*name).to_owned(), document(name))));
    let bad = bad();

    let mut waiting: Vec<_> = good.iter().chain(&bad).map(|(n, b)| (n.clone(), b.clone())).collect();
    for last in (1..waiting.len()).rev() {
        waiting.swap(last, chance.below(last as u64 + 1) as usize);
    }
    let share = waiting.len().div_ceil(KILLS);
    let inbox = quire::consume::Inbox::open(data).unwrap();
    let mut interrupted = 0;
    for kill in 0..KILLS {
        // Some arrive before the start and some while it runs; some with a note of their name.
        let arriving: Vec<_> = waiting.drain(..share.min(waiting.len())).collect();
        let (before, after) = arriving.split_at(arriving.len() / 2);
        before.iter().for_each(|(name, bytes)| drop_file(data, name, bytes));
        let daemon = Daemon::spawn(data, &NO_CONVICTIONS);
        for (name, bytes) in after {
            let upload = quire::consume::Upload { name: Some(name.clone()), ..Default::default() };
            inbox.put(bytes, &upload, quire::document::Priority::Normal).unwrap();
        }
        // The first three while it starts, the others at any moment of the work.
        let starting = kill < 3;
        let wait = if starting { 30 + chance.below(600) } else { 100 + chance.below(2400) };
        let ready = starting || wait_for(PATIENCE, || daemon.api().is_some());
        assert!(ready, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(wait));
        daemon.kill();
        assert_no_orphans();
        let [done, dead, working] = ["done", "dead", "working"].map(|f| names(&data.join(f)).len());
        let since = if starting { "start" } else { "ready" };
        println!("killed {wait} ms after {since}: {done} in done, {dead} in dead, {working} in working");
        interrupted += usize::from(working > 0);
    }
    assert!(interrupted >= 3, "only {interrupted} kills met documents at work: this shows too little");
    run_once(data, &NO_CONVICTIONS);
    assert_no_orphans();
    assert_settled(data, &good, &bad);
}

#[test]
fn what_is_understood_already_is_left_as_it_is() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let good = texts(6, &mut Chance(7));
    let bad: Documents = bad().into_iter().take(2).collect();
    let put = || good.iter().chain(&bad).for_each(|(name, bytes)| drop_file(data, name, bytes));
    put();
    run_once(data, &[]);
    assert_settled(data, &good, &bad);
    let times =
        || -> Vec<_> { good.values().map(|b| result(data, &id_of(b))["ingested_at"].clone()).collect() };
    let first = times();
    put();
    run_once(data, &[]);
    assert_settled(data, &good, &bad);
    assert_eq!(times(), first, "understood again");
}

#[test]
fn sigterm_drains_in_order() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let good: Documents = SCANS.iter().map(|name| ((*name).to_owned(), document(name))).collect();
    // Two in flight: the others wait and must still be there.
    let daemon = Daemon::start(data, &["--set", "consume.in_flight_documents=2"]);
    good.iter().for_each(|(name, bytes)| drop_file(data, name, bytes));
    // `1.0.n~NAME`: begun once.
    let begun = || names(&data.join("working")).iter().filter(|name| name.starts_with("1.")).count();
    assert!(wait_for(PATIENCE, || begun() == 2), "nothing was begun: {}", daemon.log());
    let (status, log) = daemon.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopping"), "{log}");
    assert_eq!(begun(), 0, "drained, and yet something begun is in working/: {log}");
    let [done, waiting, claimed] = ["done", "inbox", "working"].map(|f| names(&data.join(f)).len());
    println!("SIGTERM: {done} drained, {waiting} still in the inbox, {claimed} claimed and not begun");
    assert_eq!(done + waiting + claimed, good.len(), "{log}");
    assert!((2..good.len()).contains(&done), "{done} of {} were drained", good.len());
    assert_no_orphans();
    run_once(data, &[]);
    assert_settled(data, &good, &Documents::new());
}

/// A ZIP archive of these entries.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The program is killed before and after the archive is stored, so between understanding it and
/// handing on what it holds, too. In the end all of it is there, once.
#[test]
fn what_an_archive_holds_is_handed_on_whatever_is_killed() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mail = document("meeting-with-attachment.eml");
    let inner =
        zip(&[("note.txt", b"The key of the boat house is under the third stone."), ("empty.txt", b"")]);
    let outer =
        zip(&[("mails/meeting.eml", &mail), ("inner.zip", &inner), ("scan.png", &document(SCANS[1]))]);
    drop_file(data, "outer.zip", &outer);
    for fault in ["put=kill", "stored=kill", "stored=kill:2", "put=kill:3"] {
        let failpoint = format!("testing.failpoints={fault}");
        let out = output(quire(data).args(["run", "--once", "--set", &failpoint]).args(NO_CONVICTIONS));
        assert!(!out.status.success(), "{fault} did not kill it: {}", stderr(&out));
    }
    run_once(data, &NO_CONVICTIONS);

    let id = |text: &str| DocumentId::parse(text).unwrap();
    let child = |parent: &str, path: &str| DocumentId::of_child(&id(parent), path).to_string();
    let top = id_of(&outer);
    let listed = |result: &Value| -> Vec<String> {
        let children = result["children"].as_array().unwrap();
        children.iter().map(|child| child["path"].as_str().unwrap().to_owned()).collect()
    };
    let whole = result(data, &top);
    assert_eq!(listed(&whole), ["mails/meeting.eml", "inner.zip", "scan.png"]);
    assert_eq!((&whole["media_type"], &whole["parent"]), (&"application/zip".into(), &Value::Null));
    let (meeting, within) = (child(&top, "mails/meeting.eml"), child(&top, "inner.zip"));
    assert_eq!(whole["children"][0]["id"], meeting.as_str());
    for (key, name, parent, path) in [
        (&meeting, "meeting.eml", &top, "mails/meeting.eml"),
        (&within, "inner.zip", &top, "inner.zip"),
        (&child(&top, "scan.png"), "scan.png", &top, "scan.png"),
        (&child(&meeting, "agenda.txt"), "agenda.txt", &meeting, "agenda.txt"),
        (&child(&within, "note.txt"), "note.txt", &within, "note.txt"),
    ] {
        let result = result(data, key);
        assert_eq!((&result["name"], &result["coverage"]), (&name.into(), &1.0.into()));
        assert_eq!(result["parent"], serde_json::json!({ "id": parent, "path": path }), "{name}");
    }
    assert!(result(data, &child(&meeting, "agenda.txt"))["text"].as_str().unwrap().contains("Porvoo"));
    // What cannot be read is a dead letter of its own, which knows where it came from.
    let empty = child(&within, "empty.txt");
    let cause = data.join("dead").join(format!("{empty}~empty.txt.cause.json"));
    let cause: Value = serde_json::from_str(&std::fs::read_to_string(cause).unwrap()).unwrap();
    assert_eq!(
        (&cause["failure"]["class"], &cause["lineage"]["path"]),
        (&"empty".into(), &"empty.txt".into())
    );
    assert_eq!(cause["lineage"]["depth"], 2);
    let status = status(data);
    assert_eq!(status["stored"]["documents"], 6, "{status}");
    assert_eq!(status["stored"]["dead"], 1, "{status}");
    assert_eq!(names(&data.join("done")).len(), 6);
    assert!(names(&data.join("working")).is_empty() && names(&data.join("inbox")).is_empty());
}

/// `quire convert` needs no models and no data folder, and says what it could not read.
#[test]
fn documents_are_converted_without_models() {
    let folder = tempfile::tempdir().unwrap();
    let documents = root().join("tests/corpus/documents");
    let convert = |files: &[&str], to: &str| {
        let mut command = quire(folder.path());
        command.args(["convert", "--to", to, "--set", "infer.models_dir=/nowhere"]);
        output(command.args(files.iter().map(|file| documents.join(file))))
    };
    let out = convert(&["orders.csv"], "text");
    assert!(out.status.success(), "{}", stderr(&out));
    let out = convert(&["receipt-clean-scan.png", "meeting-with-attachment.eml"], "json");
    assert!(out.status.success(), "{}", stderr(&out));
    let lines: Vec<Value> = stdout(&out).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["pages"][0]["source"], "ocr");
    assert_eq!(lines[1]["children"][0]["path"], "agenda.txt");
    let out = convert(&["corrupt.docx", "town-budget.xlsx"], "markdown");
    assert_eq!(out.status.code(), Some(1));
    assert!(stdout(&out).contains("| --- |"), "{}", stdout(&out));
    let said = stderr(&out);
    assert!(said.contains("corrupt.docx: decode failed (") && said.contains("remedy:"), "{said}");
    assert!(!folder.path().join("inbox").exists());
}
