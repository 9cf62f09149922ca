//! What keeps an installation well, as an operator meets it: by hand, by the clock and by the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const GOOD: [&str; 3] = ["night-train-utf8.txt", "orders.csv", "service-agreement-v1.docx"];

fn call(data: &Path, arguments: &[&str]) -> std::process::Output {
    output(quire(data).args(arguments))
}

fn done(data: &Path, arguments: &[&str]) -> String {
    let out = call(data, arguments);
    assert!(out.status.success(), "{arguments:?}: {}", stderr(&out));
    stdout(&out)
}

/// A data folder in which three documents were understood and one was given up.
fn filled() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    GOOD.iter().for_each(|name| drop_file(&data, name, &document(name)));
    drop_file(&data, "empty.txt", b"");
    run_once(&data, &[]);
    (folder, data)
}

fn tasks(api: &str) -> Value {
    let mut answer = ureq::get(format!("{api}/v1/tasks")).call().unwrap();
    answer.body_mut().read_json().unwrap()
}

fn task(api: &str, name: &str) -> Value {
    let all = tasks(api);
    all["tasks"].as_array().unwrap().iter().find(|task| task["name"] == name).unwrap().clone()
}

#[test]
fn a_restored_backup_is_the_installation_as_it_was() {
    let (folder, data) = filled();
    let backups = folder.path().join("backups");
    let place = backups.to_str().unwrap();
    let before = status(&data);
    done(&data, &["backup", place]);
    assert!(done(&data, &["backup", place, "--verify"]).contains("is whole"));
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    let back = json(&call(&data, &["restore", place, "--json"]));
    assert!(back["files"].as_u64().unwrap() >= 8, "{back}");
    assert_eq!(status(&data), before);
    // It goes on: what was done is known as done, and found.
    drop_file(&data, "again.txt", &document(GOOD[0]));
    let log = run_once(&data, &[]);
    assert_eq!(status(&data)["stored"], before["stored"], "{log}");
    let hits = json(&call(&data, &["search", "a train at night", "--json"]));
    assert_eq!(hits[0]["id"], id_of(&document(GOOD[0])).as_str());
    assert!(call(&data, &["restore", place]).status.code() != Some(0), "the folder is not empty any more");
}

#[test]
fn exports_reports_and_pages_are_written() {
    let (folder, data) = filled();
    let out = folder.path().join("out");
    for format in ["jsonl", "parquet"] {
        let to = out.join(format);
        let said = json(&call(
            &data,
            &["export", to.to_str().unwrap(), "--format", format, "--part", "2", "--json"],
        ));
        assert_eq!((said["documents"].as_u64(), said["parts"].as_array().unwrap().len()), (Some(3), 2));
        assert!(to.join(format!("part-00001.{format}")).exists());
    }
    let line = fs::read_to_string(out.join("jsonl/part-00000.jsonl")).unwrap();
    let first: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(first, result(&data, first["id"].as_str().unwrap()), "a line is the result");
    let letters = out.join("letters");
    let none = json(&call(&data, &["export", letters.to_str().unwrap(), "--kind", "no-such", "--json"]));
    assert_eq!(none["documents"], 0);

    let report = json(&call(&data, &["report", "--json"]));
    assert_eq!(report["total"]["documents"], 3);
    assert_eq!(report["total"]["failures"]["empty"], 1);
    assert!(report["total"]["seconds"]["infer"].as_f64().unwrap() > 0.0, "{report}");
    let page = out.join("report.html");
    done(&data, &["report", page.to_str().unwrap()]);
    assert!(fs::read_to_string(&page).unwrap().contains("<svg"));
    for (file, more) in [("report.json", [].as_slice()), ("report", &["--json"])] {
        let file = out.join(file);
        done(&data, &[&["report", file.to_str().unwrap()], more].concat());
        let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(written["total"]["documents"], 3);
    }
    let pages = out.join("man");
    done(&data, &["man", pages.to_str().unwrap()]);
    let text = fs::read_to_string(pages.join("quire-tasks-start.1")).unwrap();
    assert!(text.contains("export, backup, retain or report"), "{text}");
}

#[test]
fn retention_shows_first_and_deletes_everywhere_when_told() {
    let (folder, data) = filled();
    let rules = folder.path().join("rules.toml");
    let held = id_of(&document(GOOD[1]));
    let text = format!(
        "dead_days = 0\n[[rule]]\nname = \"at once\"\nkeep_days = 0\n[[hold]]\nreason = \"case 1\"\nids = [\"{held}\"]\n"
    );
    fs::write(&rules, text).unwrap();
    let rules = rules.to_str().unwrap();
    let would = json(&call(&data, &["retain", rules, "--json"]));
    assert_eq!((would["due"].as_array().unwrap().len(), would["held"].as_u64()), (2, Some(1)), "{would}");
    assert_eq!(would["dead"].as_array().unwrap().len(), 1);
    assert_eq!(names(&data.join("done")).len(), 3, "nothing is deleted yet");
    assert!(!data.join("audit.jsonl").exists());

    // While quire runs on the folder, it is the one to ask.
    let daemon = Daemon::start(&data, &["--set", &format!("tend.retain_rules={rules}")]);
    let refused = call(&data, &["retain", rules, "--apply"]);
    assert!(stderr(&refused).contains("quire tasks start retain"), "{}", stderr(&refused));
    let api = daemon.api().unwrap();
    done(&data, &["tasks", "start", "retain", "--to", &api]);
    assert!(wait_for(PATIENCE, || task(&api, "retain")["past"][0]["outcome"] == "done"), "{}", tasks(&api));
    let said = task(&api, "retain")["past"][0]["said"].clone();
    assert_eq!(said, "2 documents and 1 dead letters deleted, 1 held");
    assert!(done(&data, &["tasks", "--to", &api]).contains("retain"));
    assert!(!call(&data, &["tasks", "start", "dance", "--to", &api]).status.success());
    assert!(!call(&data, &["tasks", "cancel", "retain", "--to", &api]).status.success(), "it does not run");
    for kept in ["done", "results"] {
        let there = names(&data.join(kept));
        assert!(there.len() == 1 && there[0].starts_with(&held), "{there:?}");
    }
    assert!(names(&data.join("dead")).is_empty());
    assert_eq!(status(&data)["stored"]["documents"], 1);
    assert!(done(&data, &["retain", "--audit"]).contains(" lines, each follows"));
    let audit = fs::read_to_string(data.join("audit.jsonl")).unwrap();
    assert_eq!(audit.lines().filter(|line| line.contains("\"delete\"")).count(), 2, "{audit}");
}

#[test]
fn tasks_run_by_the_clock_and_are_seen() {
    let (folder, data) = filled();
    let backups = folder.path().join("backups");
    let set = |name: &str, value: &str| format!("tend.{name}={value}");
    let daemon = Daemon::start(
        &data,
        &[
            // Every other second: a field of seconds may come first.
            "--set",
            &set("report", "*/2 * * * * *"),
            "--set",
            &set("backup", "*/2 * * * * *"),
            "--set",
            &set("backup_keep", "2"),
            "--set",
            &set("backup_dir", backups.to_str().unwrap()),
        ],
    );
    let api = daemon.api().unwrap();
    let runs = |name: &str| task(&api, name)["past"].as_array().unwrap().len();
    assert!(wait_for(PATIENCE, || runs("report") >= 1 && runs("backup") >= 3), "{}", tasks(&api));
    let failed =
        |name: &str| task(&api, name)["past"].as_array().unwrap().iter().any(|run| run["outcome"] != "done");
    assert!(!failed("report") && !failed("backup"), "{}", tasks(&api));
    assert!(names(&data.join("reports")).iter().any(|name| name.ends_with(".html")));
    assert!(fs::read_dir(&backups).unwrap().count() <= 3, "old ones go");
    let metrics = ureq::get(format!("{api}/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    let counted = |series: &str| {
        let of = |line: &str| line.strip_prefix(series)?.trim().parse::<f64>().ok();
        metrics.lines().find_map(of).unwrap_or_else(|| panic!("{series} is not in {metrics}"))
    };
    assert_eq!(counted("quire_leader "), 1.0);
    assert!(counted("quire_task_runs_total{task=\"report\",outcome=\"done\"}") >= 1.0, "{metrics}");
    let free = metrics.lines().find_map(|line| line.strip_prefix("quire_disk_free_bytes ")).unwrap();
    assert!(free.parse::<f64>().unwrap() > 0.0);
    let top = done(&data, &["top", "--once", "--to", &api]);
    for word in ["decode", "publish", "documents/s", "tasks", "backup", "leader"] {
        assert!(top.contains(word), "{word} is not in {top}");
    }
    println!("{top}");
    let here = format!("serve.listen={}", api.strip_prefix("http://").unwrap());
    let told = json(&call(&data, &["status", "--json", "--set", &here]));
    let backup = told["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "backup").unwrap();
    assert!(backup["past"][0]["outcome"] == "done" && backup["next"].is_string(), "{told}");
    let table = done(&data, &["status", "--set", &here]);
    assert!(table.contains("dead letters") && table.contains("*/2 * * * * *"), "{table}");
    let wrong = call(&data, &["run", "--once", "--set", "tend.report=every day"]);
    assert!(!wrong.status.success());
}

#[test]
fn a_running_task_is_cancelled_in_the_middle_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backups) = (folder.path().join("data"), folder.path().join("backups"));
    fs::create_dir_all(data.join("done")).unwrap();
    // Holes only; what is copied of it before it is cancelled is not.
    fs::File::create(data.join("done/long~long.bin")).unwrap().set_len(8 << 30).unwrap();
    let daemon = Daemon::start(&data, &["--set", &format!("tend.backup_dir={}", backups.display())]);
    let api = daemon.api().unwrap();
    for by_hand in [true, false] {
        done(&data, &["tasks", "start", "backup", "--to", &api]);
        let copies = || task(&api, "backup")["running"]["total"].as_u64() >= Some(1);
        assert!(wait_for(PATIENCE, copies), "{}", tasks(&api));
        let asked = Instant::now();
        if by_hand {
            done(&data, &["tasks", "cancel", "backup", "--to", &api]);
        } else {
            assert_eq!(ureq::delete(format!("{api}/v1/tasks/backup")).call().unwrap().status(), 202);
        }
        assert!(wait_for(PATIENCE, || task(&api, "backup")["running"].is_null()), "{}", tasks(&api));
        println!("cancelled after {:?}", asked.elapsed());
        let last = task(&api, "backup")["past"][0].clone();
        assert_eq!(last["outcome"], "cancelled", "{last}");
    }
}

#[test]
fn an_export_that_is_killed_goes_on_and_writes_everything_once() {
    use quire::publish::{Store, local::LocalStore};
    let (folder, data) = filled();
    let out = folder.path().join("out");
    let key = |id: &str| quire::document::DocumentId::parse(id).unwrap();
    {
        let store = LocalStore::open(&data).unwrap();
        let one = store.get(&key(&id_of(&document(GOOD[0])))).unwrap().unwrap();
        for n in 0..500 {
            let id = key(&format!("d{n:03}"));
            store.put(&quire::document::Document { id, ..one.clone() }).unwrap();
        }
    }
    let mut command = quire(&data);
    let mut exporting = command.args(["export", out.to_str().unwrap(), "--part", "2"]).spawn().unwrap();
    assert!(wait_for(PATIENCE, || out.join("part-00020.jsonl").exists()));
    exporting.kill().unwrap();
    exporting.wait().unwrap();
    let parts = || names(&out).into_iter().filter(|name| name.ends_with(".jsonl")).collect::<Vec<_>>();
    assert!((21..251).contains(&parts().len()), "{} parts", parts().len());
    let said = json(&call(&data, &["export", out.to_str().unwrap(), "--part", "2", "--json"]));
    assert_eq!(said["documents"], 503);
    let text: String = parts().iter().map(|part| fs::read_to_string(out.join(part)).unwrap()).collect();
    let line = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].to_string();
    let mut ids: Vec<String> = text.lines().map(line).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((text.lines().count(), ids.len()), (503, 503));
}

#[test]
fn documents_are_found_kept_and_held_by_their_tags() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for (name, text, tags) in [
        ("a.txt", "A letter about a ferry.", ["--tag", "Case 7"].as_slice()),
        ("b.txt", "A letter about a bridge.", &["--tag", "case 7", "--tag", "legal"]),
        ("c.txt", "A letter about a tunnel.", &[]),
        // Nothing in them can be understood: they are given up.
        ("d.txt", "", &["--tag", "legal"]),
        ("e.pdf", "%PDF-1.4 nothing", &["--tag", "case 7"]),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        done(&data, &[&["send", file.to_str().unwrap()], tags].concat());
    }
    run_once(&data, &[]);
    let ids = |hits: Value| -> Vec<String> {
        let mut ids: Vec<_> = hits.as_array().unwrap().iter().map(|hit| hit["name"].to_string()).collect();
        ids.sort();
        ids
    };
    let found = |more: &[&str]| ids(json(&call(&data, &[&["search", "a letter", "--json"], more].concat())));
    assert_eq!(found(&["--tag", "CASE 7"]), ["\"a.txt\"", "\"b.txt\""]);
    assert_eq!(found(&["--tag", "legal"]), ["\"b.txt\""]);
    assert_eq!(
        result(&data, &id_of(b"A letter about a bridge."))["tags"],
        serde_json::json!(["case 7", "legal"])
    );

    let rules = folder.path().join("rules.toml");
    let text = "dead_days = 0\n[[rule]]\nname = \"case 7\"\nkeep_days = 0\nmatch = { tag = [\"Case 7\"] }\n\
                [[hold]]\nreason = \"court\"\nmatch = { tag = [\"legal\"] }\n";
    fs::write(&rules, text).unwrap();
    let would = json(&call(&data, &["retain", rules.to_str().unwrap(), "--json"]));
    assert_eq!((would["due"].as_array().unwrap().len(), would["held"].as_u64()), (1, Some(2)), "{would}");
    assert_eq!(would["dead"], serde_json::json!([id_of(b"%PDF-1.4 nothing")]), "{would}");
    done(&data, &["retain", rules.to_str().unwrap(), "--apply"]);
    assert_eq!(found(&[]), ["\"b.txt\"", "\"c.txt\""]);
    assert!(names(&data.join("dead")).iter().all(|name| name.starts_with(&id_of(b""))));
    assert!(names(&data.join("dead")).len() == 2, "the file and its cause stay");

    // Nor does the API delete what is held; what it deletes is in the audit log.
    let daemon = Daemon::start(&data, &["--set", &format!("tend.retain_rules={}", rules.display())]);
    let api = daemon.api().unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let delete = |text: &[u8]| {
        let answer = agent.delete(format!("{api}/v1/documents/{}", id_of(text))).call().unwrap();
        answer.status().as_u16()
    };
    assert_eq!((delete(b"A letter about a bridge."), delete(b"")), (409, 409));
    assert_eq!(delete(b"A letter about a tunnel."), 204);
    assert_eq!(found(&[]), ["\"b.txt\""]);
    let audit = fs::read_to_string(data.join("audit.jsonl")).unwrap();
    let last: Value = serde_json::from_str(audit.lines().last().unwrap()).unwrap();
    assert_eq!((&last["action"], &last["name"]), (&"delete".into(), &"c.txt".into()), "{audit}");
}

#[test]
fn a_drain_ends_within_its_time_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let scan = "lease-three-pages.tif";
    let daemon = Daemon::start(data, &["--set", "shutdown.drain_s=1"]);
    for n in 0..6 {
        let mut bytes = document(scan);
        bytes.push(n);
        drop_file(data, &format!("{n}.tif"), &bytes);
    }
    let begun = || names(&data.join("working")).iter().any(|name| name.starts_with("1."));
    assert!(wait_for(PATIENCE, begun), "{}", daemon.log());
    let asked = Instant::now();
    let (status, log) = daemon.terminate();
    let took = asked.elapsed();
    assert_eq!(status.code(), Some(0), "{log}");
    // The drain, two seconds for open connections, and some for a busy machine; less than any grace period.
    assert!(took < Duration::from_secs(15), "took {took:?}: {log}");
    println!("SIGTERM with drain_s = 1 while pages were read: ended after {took:?}");
    let there: usize = ["inbox", "working", "done"].iter().map(|f| names(&data.join(f)).len()).sum();
    assert_eq!(there, 6, "{log}");
}

#[test]
fn a_data_folder_that_quire_makes_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let mut command = quire(folder.path());
    command.env("QUIRE_DATA__DIR", &data);
    let out = output(command.args(["run", "--once"]));
    assert!(out.status.success(), "{}", stderr(&out));
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
}

/// Names of the files below a folder that are no document's or result's own.
fn left_over(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.starts_with('.') || name.ends_with(".part")).collect()
}

#[test]
fn from_upload_to_result_no_temporary_file_is_left() {
    use std::io::Write;
    let (folder, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = folder.path();
    let mut command = quire(data);
    command.arg("run").env("TMPDIR", temporary.path());
    let daemon = Daemon::of(command).ready();
    let api = daemon.api().unwrap();
    // By OCR, with others within, with text, and one that is given up.
    let (files, dead) =
        (["phototest-page.tif", "meeting-with-attachment.eml", "night-train-utf8.txt"], "truncated.pdf");
    for name in files.into_iter().chain([dead]) {
        ureq::post(format!("{api}/v1/documents?filename={name}")).send(&document(name)[..]).unwrap();
    }
    // One whose sender hangs up in the middle.
    let address = api.rsplit('/').next().unwrap();
    let mut sender = std::net::TcpStream::connect(address).unwrap();
    let head =
        "POST /v1/documents?filename=half.txt HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000\r\n\r\n";
    sender.write_all(&[head.as_bytes(), &[b'a'; 300_000]].concat()).unwrap();
    drop(sender);
    let settled = || {
        let answer = ureq::get(format!("{api}/v1/status")).call();
        let status: Value = answer.unwrap().body_mut().read_json().unwrap();
        status["in_flight"].as_array().unwrap().is_empty()
            && status["counts"]["documents"].as_u64() >= Some(files.len() as u64)
            && status["counts"]["dead"] == 1
            && names(&data.join("inbox")).is_empty()
    };
    assert!(wait_for(PATIENCE, settled), "{}", daemon.log());
    let (status, log) = daemon.terminate();
    assert!(status.success(), "{log}");
    assert_eq!(names(temporary.path()), Vec::<String>::new());
    assert_eq!(left_over(data), Vec::<String>::new());
    assert_eq!(names(&data.join("working")), Vec::<String>::new());
}
