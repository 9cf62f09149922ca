//! Who takes part in a search: a [`Filter`] as SQL, and its answer as a bitmap.

use crate::error::Result;
use crate::publish::words::fold;
use crate::publish::{Filter, Place};
use crate::receipt::lock;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// A filter as SQL over `documents d`. Its text depends only on which conditions are set (lists
/// are passed as JSON), so that prepared statements are used again.
pub(super) struct Condition {
    /// What follows WHERE.
    pub sql: String,
    /// What its question marks stand for.
    pub values: Vec<Value>,
}

impl Condition {
    pub(super) fn new(filter: &Filter) -> Self {
        let mut terms = vec!["TRUE"];
        let mut values = Vec::new();
        let folded: Vec<String> = filter.entity.iter().map(|entity| fold(entity)).collect();
        let tags: Vec<String> = filter.tag.iter().map(|tag| tag.trim().to_lowercase()).collect();
        let lists = [
            ("d.kind IN (SELECT value FROM json_each(?))", &filter.kind),
            ("d.language IN (SELECT value FROM json_each(?))", &filter.language),
            ("d.verdict IN (SELECT value FROM json_each(?))", &filter.verdict),
            ("d.source IN (SELECT value FROM json_each(?))", &filter.source),
            ("d.sentiment IN (SELECT value FROM json_each(?))", &filter.sentiment),
            (
                "d.row IN (SELECT e.document FROM entities e \
                 WHERE e.folded IN (SELECT value FROM json_each(?)))",
                &folded,
            ),
            (
                "d.row IN (SELECT t.document FROM tags t WHERE t.tag IN (SELECT value FROM json_each(?)))",
                &tags,
            ),
        ];
        for (term, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            terms.push(term);
            values.push(Value::Text(serde_json::json!(list).to_string()));
        }
        let times = [("d.ingested_at >= ?", filter.since), ("d.ingested_at < ?", filter.until)];
        for (term, time) in times {
            if let Some(time) = time {
                terms.push(term);
                values.push(Value::Integer(time.as_microsecond()));
            }
        }
        Self { sql: terms.join(" AND "), values }
    }

    /// And only what comes after a place of a walk.
    pub(super) fn begin_after(&mut self, after: Option<&Place>) {
        let Some(place) = after else { return };
        self.sql.push_str(" AND d.ingested_at >= ? AND (d.ingested_at > ? OR d.id < ?)");
        let micros = Value::Integer(place.ingested_at.as_microsecond());
        self.values.extend([micros.clone(), micros, Value::Text(place.id.to_string())]);
    }
}

/// Filters whose bitmaps are kept.
const KEPT: usize = 64;

/// The bitmaps of filters that were asked for, kept until the next change of a document.
pub(super) struct Filters {
    /// Whether this process makes the changes: of another's it does not hear.
    keeps: bool,
    /// Odd while a change is made, and greater after each.
    changes: AtomicU64,
    kept: Mutex<Kept>,
}

/// Bitmaps as they are after so many changes, what was asked for last at the end.
#[derive(Default)]
struct Kept {
    changes: u64,
    sets: Vec<(Filter, Arc<Rowset>)>,
}

/// While it lives, a change is made.
pub(super) struct Changing<'f>(&'f AtomicU64);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Filters {
    /// `keeps`: whether every change is made by this process.
    pub(super) fn new(keeps: bool) -> Self {
        Self { keeps, changes: AtomicU64::new(0), kept: Mutex::default() }
    }

    /// A change is about to be committed; by one thread at a time.
    pub(super) fn changing(&self) -> Changing<'_> {
        self.changes.fetch_add(1, SeqCst);
        Changing(&self.changes)
    }

    /// To be asked before a snapshot is begun.
    pub(super) fn moment(&self) -> u64 {
        self.changes.load(SeqCst)
    }

    /// Whether a snapshot begun after `moment` is of that moment: all that are have the same in them.
    pub(super) fn is_settled(&self, snapshot: &Connection, moment: u64) -> Result<bool> {
        // A snapshot is what is there at its first statement.
        snapshot.prepare_cached("SELECT 1 FROM documents LIMIT 1")?.exists([])?;
        Ok(self.keeps && moment.is_multiple_of(2) && self.moment() == moment)
    }

    /// The documents that pass `filter` in a snapshot begun after `moment`; `None` when all do.
    pub(super) fn passing(
        &self,
        snapshot: &Connection,
        moment: u64,
        filter: &Filter,
    ) -> Result<Option<Arc<Rowset>>> {
        if filter.is_empty() {
            return Ok(None);
        }
        // Then it is as the bitmaps kept for this moment are.
        let settled = self.is_settled(snapshot, moment)?;
        if settled && let Some(rows) = lock(&self.kept).find(moment, filter) {
            return Ok(Some(rows));
        }
        let rows = Arc::new(passing(snapshot, filter)?);
        if settled {
            lock(&self.kept).keep(moment, filter, &rows);
        }
        Ok(Some(rows))
    }
}

impl Kept {
    fn find(&mut self, moment: u64, filter: &Filter) -> Option<Arc<Rowset>> {
        let at = self.sets.iter().position(|(kept, _)| self.changes == moment && kept == filter)?;
        let found = self.sets.remove(at);
        let rows = Arc::clone(&found.1);
        self.sets.push(found);
        Some(rows)
    }

    fn keep(&mut self, moment: u64, filter: &Filter, rows: &Arc<Rowset>) {
        if self.changes > moment {
            return;
        }
        if self.changes < moment {
            *self = Self { changes: moment, sets: Vec::new() };
        }
        self.sets.retain(|(kept, _)| kept != filter);
        if self.sets.len() >= KEPT {
            self.sets.remove(0);
        }
        self.sets.push((filter.clone(), Arc::clone(rows)));
    }
}

/// The documents that pass `filter`.
fn passing(reader: &Connection, filter: &Filter) -> Result<Rowset> {
    let condition = Condition::new(filter);
    let sql = format!("SELECT d.row FROM documents d WHERE {}", condition.sql);
    let mut statement = reader.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(&condition.values))?;
    let mut rows = Rowset::default();
    while let Some(row) = found.next()? {
        rows.insert(row.get(0)?);
    }
    Ok(rows)
}

/// A set of rowids as bits: 125 kB for a million documents.
#[derive(Debug, Default)]
pub(super) struct Rowset {
    words: Vec<u64>,
}

impl Rowset {
    pub(super) fn insert(&mut self, row: i64) {
        let Ok(row) = usize::try_from(row) else { return };
        if self.words.len() <= row / 64 {
            self.words.resize(row / 64 + 1, 0);
        }
        if let Some(word) = self.words.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    pub(super) fn contains(&self, row: i64) -> bool {
        let Ok(row) = usize::try_from(row) else { return false };
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rowset_holds_what_was_put_in() {
        let mut rows = Rowset::default();
        for row in [1, 63, 64, 1000] {
            rows.insert(row);
        }
        let held: Vec<i64> = (-1..2000).filter(|&row| rows.contains(row)).collect();
        assert_eq!(held, [1, 63, 64, 1000]);
    }
}
