//! Kinds, fields and rules of a user's own file, and samples of what is accepted, by the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::Value;
use std::fs;

/// The file that docs/fields.md shows.
fn documented() -> String {
    let docs = fs::read_to_string(root().join("docs/fields.md")).unwrap();
    let (_, rest) = docs.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn note(pallets: u32) -> String {
    format!(
        "Norvale Timber Ltd\n14 Quayside Lane, Bristol BS1 6DE\n\nDelivery note\n\nDelivery note number NT-0317\nDate 12 March 2024\n\n\
         Goods delivered to Northgate Library Trust, 2 Castle Street: {pallets} pallets of oak boards, unloaded at the kerb.\n\n\
         Received by: Ada Lindqvist\n"
    )
}

fn named<'r>(document: &'r Value, list: &str, name: &str) -> &'r Value {
    let all = document[list].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_file_of_ones_own_gives_kinds_fields_rules_and_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path(), folder.path().join("own.toml"));
    fs::write(&file, documented()).unwrap();
    let papers = [(12, data.join("few.txt")), (40, data.join("many.txt"))];
    for (pallets, path) in &papers {
        fs::write(path, note(*pallets)).unwrap();
    }
    let test = |more: &[&str]| {
        let mut command = quire(data);
        command.args(["fields", "test"]).args(more).arg(&file);
        let out = output(command.args(papers.iter().map(|(_, path)| path)));
        assert!(out.status.success(), "{}", stderr(&out));
        out
    };
    let found = json(&test(&["--json"]));
    let [few, many] = found.as_array().unwrap().as_slice() else { panic!("{found}") };
    for (document, pallets) in [(few, 12), (many, 40)] {
        assert_eq!(document["kind"]["label"], "delivery-note", "{}", document["kind"]);
        assert_eq!(named(document, "fields", "received_by")["value"]["value"], "Ada Lindqvist");
        assert_eq!(
            named(document, "fields", "pallets")["value"]["value"].to_string().trim_matches('"'),
            pallets.to_string()
        );
        // Of the kind that it is like.
        assert_eq!(named(document, "fields", "date")["value"]["value"], "2024-03-12", "{document}");
    }
    assert_eq!(named(few, "checks", "pallets-are-few")["outcome"], "pass");
    assert_eq!(named(many, "checks", "pallets-are-few")["outcome"], "fail");
    let pallets = named(many, "fields", "pallets");
    assert_eq!(pallets["validity"], "doubtful", "{pallets}");
    assert!(pallets["reasons"][0].as_str().unwrap().starts_with("pallets-are-few: "), "{pallets}");
    assert_eq!(many["verdict"]["decision"], "review");
    assert!(many["verdict"]["reasons"].to_string().contains("pallets-are-few"), "{}", many["verdict"]);

    let shown = stdout(&test(&[]));
    for line in [
        "many.txt: delivery-note",
        "received_by",
        "fail pallets-are-few",
        "review: the check pallets-are-few fails",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    assert!(!data.join("results").exists(), "nothing is kept");
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file, paper) = (folder.path(), folder.path().join("own.toml"), folder.path().join("note.txt"));
    fs::write(&paper, note(12)).unwrap();
    let whole = documented();
    for (right, wrong, said) in [
        ("check = \"range\"", "check = \"rage\"", &["rage", "line "][..]),
        ("labels = [\"received by\"", "labls = [\"received by\"", &["labls", "line "]),
        ("(\\d+) pallets'", "(\\d+ pallets'", &["pallets"]),
        ("like = \"invoice\"", "like = \"invoise\"", &["invoise"]),
        ("like = \"invoice\"", "extractors = [\"suplier\"]", &["suplier", "supplier"]),
    ] {
        assert!(whole.contains(right), "{right}");
        fs::write(&file, whole.replacen(right, wrong, 1)).unwrap();
        let out = output(quire(data).args(["fields", "test"]).arg(&file).arg(&paper));
        assert!(!out.status.success(), "{wrong}: {}", stdout(&out));
        for part in said {
            assert!(stderr(&out).contains(part), "{part} is not in {}", stderr(&out));
        }
    }
}

#[test]
fn samples_of_what_is_accepted_are_reviewed_and_the_agreement_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let daemon = Daemon::start(data, &["--set", "interpret.sample_percent=100"]);
    let papers: Vec<String> = [(1, "120.00"), (2, "240.00")]
        .map(|(number, total)| {
            let net = if number == 1 { "100.00" } else { "200.00" };
            let tax = if number == 1 { "20.00" } else { "40.00" };
            format!(
                "Norvale Timber Ltd\n14 Quayside Lane, Bristol BS1 6DE\nINVOICE\n\nInvoice number NT-031{number}\nInvoice date {number}2 March 2024\n\n\
                 Bill to:\nNorthgate Library Trust\n\nDescription   Qty   Unit price   Amount\nOak boards number {number}   1   {net}   {net}\n\
                 Subtotal {net}\nVAT 20% {tax}\nTotal due GBP {total}\n"
            )
        })
        .to_vec();
    for (number, paper) in papers.iter().enumerate() {
        drop_file(data, &format!("{number}.txt"), paper.as_bytes());
        let id = id_of(paper.as_bytes());
        assert!(
            wait_for(PATIENCE, || data.join("results").join(format!("{id}.json")).exists()),
            "{}",
            daemon.log()
        );
        if number == 0 {
            let verdict = &result(data, &id)["verdict"];
            assert_eq!(verdict["decision"], "review", "{verdict}");
            assert_eq!(verdict["reasons"], serde_json::json!(["sampled for quality assurance"]));
        }
    }
    let api = format!("http://{}", daemon.api().unwrap().trim_start_matches("http://"));
    let review = |command: &[&str]| {
        let out = output(quire(data).arg("review").args(command).args(["--to", &api]));
        assert!(out.status.success(), "{command:?}: {}", stderr(&out));
        out
    };
    let ids: Vec<String> = papers.iter().map(|paper| id_of(paper.as_bytes())).collect();
    review(&["decide", &ids[0], "approve", "--as", "ada"]);
    review(&["decide", &ids[1], "correct", "--field", "number=NT-0999", "--as", "ada", "--sure"]);
    let stats = json(&review(&["stats", "--json"]));
    assert_eq!(
        (&stats["all"]["samples"], &stats["all"]["sample_agreement"]),
        (&2.into(), &0.5.into()),
        "{stats}"
    );
    assert!(stdout(&review(&["stats"])).contains("50 %"));
    let report = json(&output(quire(data).args(["report", "--json"])));
    assert_eq!(report["reviews"]["all"]["sample_agreement"], 0.5, "{}", report["reviews"]);
    let metrics = ureq::get(format!("{api}/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    for action in ["approve", "correct"] {
        let line = metrics
            .lines()
            .find(|l| l.starts_with("quire_decided_total") && l.contains(action))
            .unwrap_or_default();
        assert!(line.contains("sample=\"true\"") && line.ends_with(" 1"), "{line}");
    }
    daemon.terminate();
}
