//! Kinds are learned from a folder of examples, measured, and used by the pipeline.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::receiver::ask;
use common::*;
use std::fs;
use std::path::Path;

const DIVES: [&str; 4] = [
    "Dive 12, Blue Hole\nDepth 18 m, visibility 9 m, bottom time 41 min\nBuddy: Ada\nTank from 200 to 60 bar",
    "Dive 13, North Wall\nDepth 22 m, visibility 4 m, bottom time 35 min\nBuddy: Ben\nTank from 190 to 50 bar",
    "Dive 14, Harbour\nDepth 11 m, visibility 7 m, bottom time 52 min\nBuddy: Eve\nTank from 210 to 80 bar",
    "Dive 15, Wreck\nDepth 30 m, visibility 12 m, bottom time 28 min\nBuddy: Ada\nTank from 205 to 55 bar",
];
const NEW: &str =
    "Dive 16, Reef\nDepth 16 m, visibility 20 m, bottom time 47 min\nBuddy: Ivo\nTank from 200 to 70 bar";
const INVOICE: &str = "Invoice\nInvoice number: 2024-17\nBill to: Oak Ltd\nQty 2 Paper 4.50 9.00\nSubtotal 9.00\nVAT 1.80\nAmount due 10.80\nPayment due within 30 days";

fn put(folder: &Path, texts: &[&str], ending: &str) {
    fs::create_dir_all(folder).unwrap();
    for (number, text) in texts.iter().enumerate() {
        fs::write(folder.join(format!("{number}.{ending}")), text).unwrap();
    }
}

/// `quire kinds learn` of a folder, which must fail; what it says.
fn refused(data: &Path, folder: &Path) -> String {
    let head = data.join("refused.safetensors");
    let out = output(quire(data).args(["kinds", "learn"]).arg(folder).arg("--output").arg(&head));
    assert!(!out.status.success(), "{}", stdout(&out));
    assert!(!head.exists(), "no head is written");
    stderr(&out)
}

#[test]
fn a_kind_is_learned_measured_and_told_beside_the_built_in_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (data, examples) = (dir.path().join("data"), dir.path().join("examples"));
    fs::create_dir(&data).unwrap();
    put(&examples.join("dive-log"), &DIVES, "txt");
    let head = data.join("own.safetensors");
    let learn =
        output(quire(&data).args(["kinds", "learn", "--json"]).arg(&examples).arg("--output").arg(&head));
    assert!(learn.status.success(), "{}", stderr(&learn));
    let learned = json(&learn);
    assert_eq!(learned["documents"], 4);
    assert!(learned["right"].as_u64().unwrap() >= 3, "judged by the others: {learned}");
    let kinds: Vec<&str> = learned["kinds"].as_array().unwrap().iter().filter_map(|k| k.as_str()).collect();
    assert!(kinds.contains(&"dive-log") && kinds.contains(&"invoice"), "{kinds:?}");

    let fresh = dir.path().join("fresh");
    put(&fresh.join("dive-log"), &[NEW], "txt");
    put(&fresh.join("invoice").join("oak"), &[INVOICE], "txt");
    let test = output(quire(&data).args(["kinds", "test", "--json"]).arg(&fresh).arg("--head").arg(&head));
    assert!(test.status.success(), "{}", stderr(&test));
    let tested = json(&test);
    assert_eq!((&tested["right"], &tested["documents"]), (&2.into(), &2.into()), "{tested}");

    let inbox = data.join("inbox");
    put(&inbox, &[NEW, INVOICE], "txt");
    run_once(&data, &["--set", &format!("infer.kind={}", head.display())]);
    let results = fs::read_dir(data.join("results")).unwrap();
    let mut found: Vec<String> = results
        .map(|entry| {
            let result: serde_json::Value =
                serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
            assert!(result["models"]["kind"].as_str().unwrap().starts_with("own@"), "{}", result["models"]);
            result["kind"]["label"].as_str().unwrap().to_owned()
        })
        .collect();
    found.sort();
    assert_eq!(found, ["dive-log", "invoice"]);
}

#[test]
fn what_people_decided_is_learned_from_as_it_is_exported() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path(), &[]);
    let api = daemon.api().unwrap();
    for (number, text) in DIVES.iter().enumerate() {
        drop_file(data.path(), &format!("{number}.txt"), text.as_bytes());
        let url = format!("{api}/v1/documents/{}", id_of(text.as_bytes()));
        assert!(
            wait_for(PATIENCE, || ask("GET", &url, None, None).1["document"].is_object()),
            "{}",
            daemon.log()
        );
    }
    let export = |data: &Path| {
        let out = output(quire(data).args(["review", "export", "--to", &api]));
        assert!(out.status.success(), "{}", stderr(&out));
        fs::write(data.join("lessons.jsonl"), stdout(&out)).unwrap();
        data.join("lessons.jsonl")
    };
    let head = data.path().join("own.safetensors");
    let learn = |lessons: &Path| {
        output(
            quire(data.path())
                .args(["kinds", "learn", "--json", "--corrections"])
                .arg(lessons)
                .arg("--output")
                .arg(&head),
        )
    };
    let said = stderr(&learn(&export(data.path())));
    assert!(said.contains("holds no decisions"), "{said}");
    for text in DIVES {
        let id = id_of(text.as_bytes());
        let decide = ["review", "decide", &id, "correct", "--kind", "dive-log", "--to", &api];
        let decided = output(quire(data.path()).args(decide));
        assert!(decided.status.success(), "{}", stderr(&decided));
    }
    let learned = learn(&export(data.path()));
    assert!(learned.status.success(), "{}", stderr(&learned));
    assert_eq!(json(&learned)["documents"], 4);
    assert!(daemon.terminate().0.success());
    let fresh = data.path().join("fresh");
    put(&fresh.join("dive-log"), &[NEW], "txt");
    let test =
        output(quire(data.path()).args(["kinds", "test", "--json"]).arg(&fresh).arg("--head").arg(&head));
    assert_eq!(json(&test)["right"], 1, "{}", stdout(&test));
}

#[test]
fn what_cannot_be_learned_from_is_said_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let folder = |name: &str| {
        let folder = dir.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    };
    assert!(refused(&data, &dir.path().join("nowhere")).contains("cannot read the folder"));
    assert!(refused(&data, &folder("empty")).contains("holds no folders of documents"));
    let loose = folder("loose");
    fs::write(loose.join("a.txt"), "text").unwrap();
    assert!(refused(&data, &loose).contains("belong into a folder named after their kind"));
    let bare = folder("bare");
    fs::create_dir(bare.join("invoice")).unwrap();
    assert!(refused(&data, &bare).contains("holds no documents"));
    let one = folder("one");
    put(&one.join("invoice"), &[INVOICE], "txt");
    assert!(refused(&data, &one).contains("the kind invoice has 1 example; give 3 at least"));
    let misnamed = folder("misnamed");
    put(&misnamed.join("Delivery Note"), &DIVES, "txt");
    assert!(refused(&data, &misnamed).contains("is no name of a kind"));

    let unreadable = folder("unreadable");
    put(&unreadable.join("dive-log"), &DIVES, "txt");
    fs::write(unreadable.join("dive-log").join("broken.pdf"), "%PDF-1.7 and nothing more").unwrap();
    fs::write(unreadable.join("dive-log").join("blank.txt"), " \n ").unwrap();
    let said = refused(&data, &unreadable);
    assert!(said.contains("broken.pdf: decode"), "file and stage: {said}");
    assert!(said.contains("blank.txt") && said.contains("no text"), "{said}");
    assert!(said.contains("2 of 6 documents could not be read"), "{said}");
}

#[test]
fn a_head_that_is_none_stops_the_start_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let head = dir.path().join("head.safetensors");
    fs::write(&head, "no head").unwrap();
    for (setting, reason) in
        [(head.as_path(), "is no head of document kinds"), (Path::new("nowhere"), "cannot be read")]
    {
        let set = format!("infer.kind={}", setting.display());
        let out = output(quire(dir.path()).args(["run", "--once", "--set", &set]));
        let said = stderr(&out);
        assert!(!out.status.success() && said.contains(reason), "{said}");
    }
}
