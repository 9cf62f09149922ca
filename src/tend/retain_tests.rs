//! What retention deletes and what it leaves, over the real local store.

use super::Run;
use super::audit::{self, Audit};
use super::retain::{self, Eraser, Rules};
use super::tests::{aged, filled, now};
use crate::document::DocumentId;
use crate::publish::Store;
use crate::publish::contract::{id, letter};
use crate::publish::local::LocalStore;
use std::fs;

struct InStore<'s>(&'s LocalStore);

impl Eraser for InStore<'_> {
    fn erase(&self, id: &DocumentId) -> anyhow::Result<()> {
        anyhow::ensure!(id.as_str() != "stuck", "it is stuck");
        self.0.delete(id)?;
        Ok(())
    }
    fn erase_dead(&self, id: &DocumentId) -> anyhow::Result<()> {
        self.erase(id)
    }
}

fn rules(text: &str) -> anyhow::Result<Rules> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rules.toml");
    fs::write(&path, text).unwrap();
    Rules::read(&path)
}

#[test]
fn retention_deletes_what_is_due_and_nothing_that_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let mut acme = aged("acme", "invoice", 400);
    acme.entities = vec![crate::document::Entity {
        text: "ACME GmbH".to_owned(),
        label: "ORG".to_owned(),
        source: crate::document::EntitySource::Model,
        value: None,
        confidence: 1.0,
        mentions: Vec::new(),
    }];
    let documents = [
        aged("old-invoice", "invoice", 400),
        aged("new-invoice", "invoice", 300),
        aged("old-letter", "letter", 40),
        aged("new-letter", "letter", 20),
        aged("named", "letter", 40),
        aged("stuck", "letter", 41),
        acme,
    ];
    let store = filled(dir.path(), &documents);
    store.put_dead(&letter("gone", 0)).unwrap();
    // The invoices are matched by both: the longer one decides.
    let rules = rules(
        "dead_days = 10
         [[rule]]\nname = \"all\"\nkeep_days = 30
         [[rule]]\nname = \"invoices\"\nkeep_days = 365\nmatch = { kind = [\"invoice\"] }
         [[hold]]\nreason = \"case 1\"\nids = [\"named\"]
         [[hold]]\nreason = \"case 2\"\nmatch = { entity = [\"acme gmbh\"] }",
    )
    .unwrap();
    let found = retain::find(&store, &rules, now(), &Run::default()).unwrap();
    let mut due: Vec<(&str, &str)> = found.due.iter().map(|d| (d.row.id.as_str(), d.rule.as_str())).collect();
    due.sort_unstable();
    assert_eq!(due, [("old-invoice", "invoices"), ("old-letter", "all"), ("stuck", "all")]);
    assert_eq!((found.held, found.dead.len()), (2, 1));
    assert_eq!(store.counts().unwrap().documents, 7, "finding deletes nothing");

    // One is sent again between finding and deleting.
    let mut again = aged("old-letter", "letter", 0);
    again.text.push_str(" again");
    store.put(&again).unwrap();
    let mut log = Audit::open(dir.path()).unwrap();
    let done = retain::apply(&store, &found, &InStore(&store), &mut log, &Run::default()).unwrap();
    assert_eq!((done.deleted, done.dead, done.changed, done.failed.len()), (1, 1, 1, 1));
    assert!(store.get(&id("old-invoice")).unwrap().is_none());
    for kept in ["new-invoice", "old-letter", "new-letter", "named", "acme", "stuck"] {
        assert!(store.get(&id(kept)).unwrap().is_some(), "{kept}");
    }
    let path = dir.path().join(audit::FILE);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(audit::verify(&path, None).unwrap().lines, 5, "{text}");
    assert!(text.contains("\"why\":\"invoices\"") && text.contains("it is stuck"), "{text}");
    drop(Audit::open(dir.path()).unwrap().add("run", None, "again"));
    assert_eq!(audit::verify(&path, None).unwrap().lines, 6);
    fs::write(&path, text.replacen("old-invoice", "other", 1)).unwrap();
    assert!(audit::verify(&path, None).is_err(), "a changed line is noticed");
}

#[test]
fn what_was_given_up_is_held_by_its_tags_and_sources_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), &[aged("told", "letter", 3)]);
    for (name, tag) in [("tagged", "case 7"), ("other", "case 8"), ("bare", "")] {
        let tags = if tag.is_empty() { Vec::new() } else { vec![tag.to_owned()] };
        store.put_dead(&crate::document::DeadLetter { tags, ..letter(name, 0) }).unwrap();
    }
    for (hold, held) in [
        // Its kind is not known: it may be meant.
        ("match = { tag = [\"Case 7\"], kind = [\"contract\"] }", ["tagged"].as_slice()),
        ("match = { tag = [\"case 7\", \"case 8\"], source = [\"inbox\"] }", &["tagged", "other"]),
        ("match = { tag = [\"case 7\"], source = [\"documents\"] }", &[]),
        ("match = { source = [\"inbox\"] }", &["tagged", "other", "bare", "told"]),
        // What names neither would hold everything that was ever given up.
        ("match = { kind = [\"letter\"] }", &["told"]),
        ("ids = [\"bare\"]", &["bare"]),
    ] {
        let rules = rules(&format!("dead_days = 1\n[[hold]]\nreason = \"court\"\n{hold}")).unwrap();
        let dead = retain::find(&store, &rules, now(), &Run::default()).unwrap().dead;
        for name in ["tagged", "other", "bare"] {
            assert_eq!(dead.contains(&id(name)), !held.contains(&name), "{hold} {name}");
        }
        for name in ["tagged", "other", "bare", "told"] {
            let why = retain::held_for(&store, &rules, &id(name)).unwrap();
            assert_eq!(why.as_deref(), held.contains(&name).then_some("court"), "{hold} {name}");
        }
    }
}

#[test]
fn a_cancelled_run_is_in_the_audit_log_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), &[aged("a", "letter", 40), aged("b", "letter", 41)]);
    let rules = rules("[[rule]]\nname = \"all\"\nkeep_days = 30").unwrap();
    let run = Run::default();
    let found = retain::find(&store, &rules, now(), &run).unwrap();
    assert_eq!(run.position(), (2, 2, "retention: looking".to_owned()));
    /// Somebody cancels while the first is deleted.
    struct Cancels<'s>(InStore<'s>, &'s Run);
    impl Eraser for Cancels<'_> {
        fn erase(&self, id: &DocumentId) -> anyhow::Result<()> {
            self.1.cancel();
            self.0.erase(id)
        }
        fn erase_dead(&self, id: &DocumentId) -> anyhow::Result<()> {
            self.erase(id)
        }
    }
    let mut log = Audit::open(dir.path()).unwrap();
    let eraser = Cancels(InStore(&store), &run);
    assert!(retain::apply(&store, &found, &eraser, &mut log, &run).is_err());
    assert_eq!(store.counts().unwrap().documents, 1);
    let text = fs::read_to_string(dir.path().join(audit::FILE)).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains("1 documents and 0 dead letters deleted") && text.contains("cancelled"), "{text}");
}

#[test]
fn two_that_write_to_the_audit_log_make_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (Audit::open(dir.path()).unwrap(), Audit::open(dir.path()).unwrap());
    for n in 0..4 {
        if n % 2 == 0 { &mut one } else { &mut other }.add("delete", None, &n.to_string()).unwrap();
    }
    let path = dir.path().join(audit::FILE);
    let checked = audit::verify(&path, None).unwrap();
    assert_eq!(checked.lines, 4);
    // The end cut off leaves a chain: only who kept the hash notices.
    one.add("delete", None, "more").unwrap();
    audit::verify(&path, Some(&checked.last)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let cut: Vec<&str> = text.lines().take(3).collect();
    fs::write(&path, cut.join("\n") + "\n").unwrap();
    assert_eq!(audit::verify(&path, None).unwrap().lines, 3);
    let error = audit::verify(&path, Some(&checked.last)).unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");
}

#[test]
fn rules_that_would_do_something_else_are_refused() {
    for (text, word) in [
        ("[[rule]]\nname = \"x\"\nkeep_days = 1\nmatch = { verdict = [\"maybe\"] }", "maybe"),
        ("[[rule]]\nname = \"x\"\nkeep_days = 1\nmatch = { colour = [\"red\"] }", "colour"),
        ("[[rule]]\nname = \"x\"\nkeep_days = -1", "keep_days"),
        ("[[hold]]\nreason = \"all\"\nmatch = {}", "all"),
        ("[[rule]]\nname = \"x\"\nkeep_days = 1\nmatch = { since = \"2026-01-01T00:00:00Z\" }", "since"),
    ] {
        let error = format!("{:#}", rules(text).unwrap_err());
        assert!(error.contains(word), "{error}");
    }
}
