//! Retention: what is to be kept for how long, and what a legal hold keeps in any case.
//!
//! Rules are in a TOML file, so that they can be reviewed like code. A document that no rule matches
//! is kept for ever; where several match, the one that keeps longest decides; what a hold matches
//! stays. Age counts from when a document was understood. Of what was given up nobody knows what it is: a
//! hold that names tags or sources keeps those of them, whatever else it names.

use super::audit::Audit;
use super::{Run, count, each};
use crate::document::{DeadLetter, Decision, DocumentId};
use crate::publish::{DocumentRow, Filter, Store};
use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

/// The file of rules.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// What goes when.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// What stays in any case.
    #[serde(default, rename = "hold")]
    pub holds: Vec<Hold>,
    /// Days that dead letters are kept; for ever where it is not said.
    pub dead_days: Option<u32>,
}

/// What goes when.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// For the audit log.
    pub name: String,
    /// Days that a document is kept.
    pub keep_days: u32,
    /// Which documents; all where it is not said.
    #[serde(default, rename = "match")]
    pub filter: Filter,
}

/// What stays.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Why, as a case number.
    pub reason: String,
    /// These documents.
    #[serde(default)]
    pub ids: Vec<DocumentId>,
    /// And those that match.
    #[serde(rename = "match")]
    pub filter: Option<Filter>,
}

impl Rules {
    /// Reads a file of rules.
    ///
    /// Errors: it cannot be read, or holds what is no rule.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let rules: Self =
            toml::from_str(&text).with_context(|| format!("{} holds no rules", path.display()))?;
        for filter in
            rules.rules.iter().map(|r| &r.filter).chain(rules.holds.iter().filter_map(|h| h.filter.as_ref()))
        {
            if let Some(wrong) = filter.verdict.iter().find(|verdict| verdict.parse::<Decision>().is_err()) {
                bail!("{}: `{wrong}` is no verdict: accept, review or reject", path.display());
            }
            if filter.since.is_some() || filter.until.is_some() {
                bail!("{}: a rule has keep_days and no since or until", path.display());
            }
        }
        for hold in rules.holds.iter().filter(|hold| hold.ids.is_empty()) {
            // Everything would be held, most likely by mistake.
            if hold.filter.as_ref().is_none_or(Filter::is_empty) {
                bail!("{}: the hold `{}` names neither ids nor a match", path.display(), hold.reason);
            }
        }
        Ok(rules)
    }
}

/// A document that goes.
#[derive(Debug, Clone, Serialize)]
pub struct Due {
    /// The document.
    #[serde(flatten)]
    pub row: DocumentRow,
    /// The rule that says so.
    pub rule: String,
}

/// What a run found.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    /// Documents that go.
    pub due: Vec<Due>,
    /// Documents and dead letters that would go and are held.
    pub held: usize,
    /// Dead letters that go.
    pub dead: Vec<DocumentId>,
}

/// Says what would go at `now`. Memory: the ids of documents that a rule or hold concerns.
pub fn find(store: &dyn Store, rules: &Rules, now: Timestamp, run: &Run) -> Result<Found> {
    let start = |rule: &Rule| now - SignedDuration::from_hours(24 * i64::from(rule.keep_days));
    // Those that keep longest first; a document is the concern of the first that matches it.
    let mut order: Vec<&Rule> = rules.rules.iter().collect();
    order.sort_by_key(|rule| std::cmp::Reverse(rule.keep_days));
    let oldest_kept = order.iter().map(|rule| start(rule)).max();
    let mut decided: HashSet<DocumentId> = HashSet::new();
    let mut due = Vec::new();
    // What is younger than every rule keeps it need not be looked at.
    let of = |rule: &Rule| Filter { until: oldest_kept, ..rule.filter.clone() };
    let holds = rules.holds.iter().filter_map(|hold| hold.filter.clone());
    let all: Vec<Filter> = order.iter().map(|rule| of(rule)).chain(holds).collect();
    let total: Result<u64> = all.iter().map(|filter| count(store, filter)).sum();
    run.begin("retention: looking", total?);
    for rule in order {
        let filter = of(rule);
        each(store, &filter, run, |row| {
            if decided.insert(row.id.clone()) && row.ingested_at < start(rule) {
                due.push(Due { row, rule: rule.name.clone() });
            }
            Ok(())
        })?;
    }
    let held = held(store, rules, run)?;
    let before = due.len();
    due.retain(|due| !held.contains(&due.row.id));
    let mut found = Found { held: before - due.len(), due, dead: Vec::new() };
    if let Some(days) = rules.dead_days {
        let start = now - SignedDuration::from_hours(24 * i64::from(days));
        for letter in store.dead_letters(usize::MAX)? {
            run.check()?;
            if letter.failed_at >= start {
                continue;
            }
            if held.contains(&letter.id) || rules.holds.iter().any(|hold| hold.may_mean(&letter)) {
                found.held += 1;
            } else {
                found.dead.push(letter.id);
            }
        }
    }
    Ok(found)
}

fn held(store: &dyn Store, rules: &Rules, run: &Run) -> Result<HashSet<DocumentId>> {
    let mut held = HashSet::new();
    for hold in &rules.holds {
        held.extend(hold.ids.iter().cloned());
        if let Some(filter) = &hold.filter {
            each(store, filter, run, |row| {
                held.insert(row.id);
                Ok(())
            })?;
        }
    }
    Ok(held)
}

impl Hold {
    /// Whether it may mean what was given up: it names tags or sources, and they do not speak against it.
    /// What else it names (kinds, entities) nobody can know of it.
    fn may_mean(&self, letter: &DeadLetter) -> bool {
        let Some(filter) = &self.filter else { return false };
        let source = letter.origin.as_ref().map_or("inbox", |origin| origin.topic.as_str());
        let tagged = |tag: &String| letter.tags.contains(&tag.trim().to_lowercase());
        (!filter.tag.is_empty() || !filter.source.is_empty())
            && (filter.tag.is_empty() || filter.tag.iter().any(tagged))
            && (filter.source.is_empty() || filter.source.iter().any(|from| from == source))
    }
}

/// Why a document must stay, understood or given up; `None` where no hold keeps it.
pub fn held_for(store: &dyn Store, rules: &Rules, id: &DocumentId) -> Result<Option<String>> {
    let (document, letter) = (store.get(id)?, store.dead(id)?);
    for hold in &rules.holds {
        let mut held = hold.ids.contains(id) || letter.iter().any(|letter| hold.may_mean(letter));
        if let (Some(document), Some(filter)) = (&document, &hold.filter) {
            // Only what was understood in the same moment is looked at.
            let (at, moment) = (document.ingested_at, SignedDuration::from_millis(1));
            let filter = Filter { since: Some(at - moment), until: Some(at + moment), ..filter.clone() };
            each(store, &filter, &Run::default(), |row| {
                held |= row.id == *id;
                Ok(())
            })?;
        }
        if held {
            return Ok(Some(hold.reason.clone()));
        }
    }
    Ok(None)
}

/// Takes documents and dead letters away wherever they are: store, results, originals, topics.
pub trait Eraser {
    /// All of a document.
    fn erase(&self, id: &DocumentId) -> Result<()>;
    /// A dead letter; an understood document of the same id stays.
    fn erase_dead(&self, id: &DocumentId) -> Result<()>;
}

/// What a run did.
#[derive(Debug, Default, Serialize)]
pub struct Done {
    /// Documents that went.
    pub deleted: usize,
    /// Documents and dead letters that would have gone and are held.
    pub held: usize,
    /// Dead letters that went.
    pub dead: usize,
    /// Documents that changed since they were found.
    pub changed: usize,
    /// Deletions that failed; they are due again next time.
    pub failed: Vec<String>,
}

/// Deletes what is due, each written to the audit log before; in the end what came of the run, however it ended.
pub fn apply(
    store: &dyn Store,
    found: &Found,
    eraser: &dyn Eraser,
    audit: &mut Audit,
    run: &Run,
) -> Result<Done> {
    run.begin("retention: deleting", (found.due.len() + found.dead.len()) as u64);
    let mut done = Done { held: found.held, ..Done::default() };
    let ended = delete(store, found, eraser, audit, run, &mut done);
    let how =
        ended.as_ref().err().map_or_else(String::new, |error| format!("; ended before its time: {error:#}"));
    let summary = format!(
        "{} documents and {} dead letters deleted, {} held, {} failed{how}",
        done.deleted,
        done.dead,
        done.held,
        done.failed.len()
    );
    audit.add("run", None, &summary)?;
    ended.map(|()| done)
}

fn delete(
    store: &dyn Store,
    found: &Found,
    eraser: &dyn Eraser,
    audit: &mut Audit,
    run: &Run,
    done: &mut Done,
) -> Result<()> {
    for due in &found.due {
        run.step(1)?;
        let row = &due.row;
        let current = store.get(&row.id)?;
        if current.is_none_or(|d| d.ingested_at.as_microsecond() != row.ingested_at.as_microsecond()) {
            done.changed += 1;
            continue;
        }
        audit.add("delete", Some((row.id.as_str(), &row.name)), &due.rule)?;
        match eraser.erase(&row.id) {
            Ok(()) => done.deleted += 1,
            Err(error) => {
                audit.add("failed", Some((row.id.as_str(), &row.name)), &format!("{error:#}"))?;
                done.failed.push(format!("{}: {error:#}", row.id));
            }
        }
    }
    for id in &found.dead {
        run.step(1)?;
        audit.add("delete-dead", Some((id.as_str(), "")), "dead_days")?;
        match eraser.erase_dead(id) {
            Ok(()) => done.dead += 1,
            Err(error) => {
                audit.add("failed", Some((id.as_str(), "")), &format!("{error:#}"))?;
                done.failed.push(format!("{id}: {error:#}"));
            }
        }
    }
    Ok(())
}
