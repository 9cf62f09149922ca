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
    assert_eq!(audit::verify(&path).unwrap(), 5, "{text}");
    assert!(text.contains("\"why\":\"invoices\"") && text.contains("it is stuck"), "{text}");
    drop(Audit::open(dir.path()).unwrap().add("run", None, "again"));
    assert_eq!(audit::verify(&path).unwrap(), 6);
    fs::write(&path, text.replacen("old-invoice", "other", 1)).unwrap();
    assert!(audit::verify(&path).is_err(), "a changed line is noticed");
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
fn two_that_write_to_the_audit_log_make_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (Audit::open(dir.path()).unwrap(), Audit::open(dir.path()).unwrap());
    for n in 0..4 {
        if n % 2 == 0 { &mut one } else { &mut other }.add("delete", None, &n.to_string()).unwrap();
    }
    assert_eq!(audit::verify(&dir.path().join(audit::FILE)).unwrap(), 4);
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
