//! Records, facets, and what changes of a document whose text stays.

use super::filter::Condition;
use super::{LocalStore, failure, write};
use crate::document::Document;
use crate::error::Result;
use crate::publish::series::{Dimension, OnDay};
use crate::publish::{Facet, Facets, Filter, Record, Selection, Shelf};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, params_from_iter};

const COLUMNS: &str = "key, version, state, \"group\", rank, body";

/// Records that are read at a time where all are gone through.
pub(super) const PAGE: usize = 500;

/// See [`Records::record`](crate::publish::Records::record).
pub(super) fn record(reader: &Connection, shelf: Shelf, key: &str) -> Result<Option<Record>> {
    let sql = format!("SELECT {COLUMNS} FROM records WHERE shelf = ? AND key = ?");
    let mut statement = reader.prepare_cached(&sql)?;
    let found = statement.query_row(params![shelf.as_str(), key], |row| Ok(read(shelf, row))).optional()?;
    found.transpose()
}

fn read(shelf: Shelf, row: &Row<'_>) -> Result<Record> {
    let (version, body): (i64, String) = (row.get(1)?, row.get(5)?);
    Ok(Record {
        shelf,
        key: row.get(0)?,
        version: u64::try_from(version).unwrap_or(0),
        state: row.get(2)?,
        group: row.get(3)?,
        rank: row.get(4)?,
        // What is no JSON becomes null, which nobody can read: one damaged record fails no list.
        body: serde_json::from_str(&body).unwrap_or_default(),
    })
}

/// See [`Records::put_record`](crate::publish::Records::put_record).
pub(super) fn put(store: &LocalStore, record: &Record) -> Result<bool> {
    let version = i64::try_from(record.version).unwrap_or(i64::MAX);
    let writer = store.writer()?;
    // One statement, so nothing comes between the look and the change.
    let changed = writer
        .prepare_cached(
            "INSERT INTO records (shelf, key, version, state, \"group\", rank, body)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
             WHERE ?3 = 1 OR EXISTS (SELECT 1 FROM records WHERE shelf = ?1 AND key = ?2)
             ON CONFLICT (shelf, key) DO UPDATE SET version = excluded.version, state = excluded.state,
                 \"group\" = excluded.\"group\", rank = excluded.rank, body = excluded.body
             WHERE records.version = excluded.version - 1",
        )?
        .execute(params![
            record.shelf.as_str(),
            record.key,
            version,
            record.state,
            record.group,
            record.rank,
            record.body.to_string()
        ])?;
    Ok(changed > 0)
}

/// See [`Records::remove_record`](crate::publish::Records::remove_record).
pub(super) fn remove(store: &LocalStore, shelf: Shelf, key: &str) -> Result<bool> {
    let writer = store.writer()?;
    let sql = "DELETE FROM records WHERE shelf = ? AND key = ?";
    Ok(writer.prepare_cached(sql)?.execute(params![shelf.as_str(), key])? > 0)
}

/// See [`Records::records`](crate::publish::Records::records).
pub(super) fn list(
    reader: &Connection,
    shelf: Shelf,
    selection: &Selection,
    limit: usize,
    offset: usize,
) -> Result<Vec<Record>> {
    let (from, mut values) = selected(shelf, selection);
    let sql = format!("SELECT {COLUMNS} {from} ORDER BY rank DESC, key LIMIT ? OFFSET ?");
    values.extend([limit, offset].map(|n| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))));
    let mut statement = reader.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&values))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read(shelf, row)?);
    }
    Ok(records)
}

/// The first records with keys after `after`, in their order: at most [`PAGE`].
pub(super) fn page(
    reader: &Connection,
    shelf: Shelf,
    selection: &Selection,
    after: &str,
) -> Result<Vec<Record>> {
    let (from, mut values) = selected(shelf, selection);
    values.push(Value::Text(after.to_owned()));
    let sql = format!("SELECT {COLUMNS} {from} AND key > ? ORDER BY key LIMIT {PAGE}");
    let mut statement = reader.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&values))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read(shelf, row)?);
    }
    Ok(records)
}

/// See [`Records::count_records`](crate::publish::Records::count_records).
pub(super) fn count(reader: &Connection, shelf: Shelf, selection: &Selection) -> Result<usize> {
    let (from, values) = selected(shelf, selection);
    let mut statement = reader.prepare_cached(&format!("SELECT COUNT(*) {from}"))?;
    let count: i64 = statement.query_row(params_from_iter(&values), |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The clauses that select, with their values.
fn selected(shelf: Shelf, selection: &Selection) -> (String, Vec<Value>) {
    // Without statistics SQLite takes the primary key, and reads a whole shelf for one document.
    let index = if selection.document.is_empty() { "" } else { "INDEXED BY records_document " };
    let mut sql = format!("FROM records {index}WHERE shelf = ?");
    let mut values = vec![Value::Text(shelf.as_str().to_owned())];
    let lists =
        [("state", &selection.state), ("\"group\"", &selection.group), ("document", &selection.document)];
    for (column, list) in lists {
        if !list.is_empty() {
            sql += &format!(" AND {column} IN (SELECT value FROM json_each(?))");
            values.push(Value::Text(serde_json::json!(list).to_string()));
        }
    }
    (sql, values)
}

/// See [`Store::amend`](crate::publish::Store::amend).
pub(super) fn amend(store: &LocalStore, document: &Document) -> Result<bool> {
    let mut writer = store.writer()?;
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let row: Option<i64> = transaction
        .prepare_cached("SELECT row FROM documents WHERE id = ? AND sha256 = ?")?
        .query_row(params![document.id.as_str(), document.sha256], |row| row.get(0))
        .optional()?;
    let Some(row) = row else { return Ok(false) };
    write::put_row(&transaction, document)?;
    let payload = write::payload(document)?;
    let body = "UPDATE bodies SET payload = ? WHERE document = ?";
    transaction.prepare_cached(body)?.execute(params![payload, row])?;
    transaction.prepare_cached("DELETE FROM entities WHERE document = ?")?.execute([row])?;
    write::put_entities(&transaction, row, document)?;
    write::put_related(&transaction, row, document)?;
    store.commit(transaction)?;
    Ok(true)
}

/// See [`Store::facets`](crate::publish::Store::facets).
pub(super) fn facets(reader: &mut Connection, filter: &Filter) -> Result<Facets> {
    let condition = Condition::new(filter);
    let snapshot = reader.transaction()?;
    let most = |by: Dimension| counted(&snapshot, &condition, column(by), "n DESC, value", by.most());
    Ok(Facets {
        kind: most(Dimension::Kind)?,
        language: most(Dimension::Language)?,
        verdict: most(Dimension::Verdict)?,
        sentiment: most(Dimension::Sentiment)?,
        source: most(Dimension::Source)?,
        tag: most(Dimension::Tag)?,
        entity: most(Dimension::Entity)?,
        day: counted(&snapshot, &condition, (DAY, "documents d"), "value DESC", 366)?,
    })
}

/// See [`Store::values`](crate::publish::Store::values).
pub(super) fn values(reader: &Connection, filter: &Filter, by: Dimension) -> Result<Vec<Facet>> {
    counted(reader, &Condition::new(filter), column(by), "n DESC, value", by.most())
}

fn counted(
    reader: &Connection,
    condition: &Condition,
    (value, from): (&str, &str),
    order: &str,
    most: usize,
) -> Result<Vec<Facet>> {
    let sql = format!(
        "SELECT {value} AS value, COUNT(*) AS n FROM {from} WHERE {} GROUP BY value \
         HAVING value <> '' ORDER BY {order} LIMIT {most}",
        condition.sql
    );
    let mut statement = reader.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&condition.values))?;
    let mut facets = Vec::new();
    while let Some(row) = rows.next()? {
        let documents: i64 = row.get(1)?;
        facets.push(Facet { value: row.get(0)?, documents: usize::try_from(documents).unwrap_or(0) });
    }
    Ok(facets)
}

/// The day of a document.
const DAY: &str = "date(d.ingested_at / 1000000, 'unixepoch')";

/// What has the values of a dimension, and from where.
fn column(dimension: Dimension) -> (&'static str, &'static str) {
    match dimension {
        Dimension::Kind => ("d.kind", "documents d"),
        Dimension::Language => ("d.language", "documents d"),
        Dimension::Verdict => ("d.verdict", "documents d"),
        Dimension::Sentiment => ("d.sentiment", "documents d"),
        Dimension::Source => ("d.source", "documents d"),
        Dimension::Tag => ("n.tag", "documents d JOIN tags n ON n.document = d.row"),
        Dimension::Entity => ("n.folded", "documents d JOIN entities n ON n.document = d.row"),
    }
}

/// See [`Store::by_day`](crate::publish::Store::by_day).
pub(super) fn by_day(
    reader: &Connection,
    filter: &Filter,
    by: Dimension,
    values: &[String],
) -> Result<Vec<OnDay>> {
    let condition = Condition::new(filter);
    let (value, from) = column(by);
    let sql = format!(
        "SELECT {DAY} AS day, {value} AS one, COUNT(*) FROM {from} \
         WHERE {} AND {value} IN (SELECT value FROM json_each(?)) GROUP BY day, one",
        condition.sql
    );
    let mut statement = reader.prepare_cached(&sql)?;
    let wanted = Value::Text(serde_json::json!(values).to_string());
    let mut rows = statement.query(params_from_iter(condition.values.into_iter().chain([wanted])))?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let (day, documents): (String, i64) = (row.get(0)?, row.get(2)?);
        let day = day.parse().map_err(failure::broken)?;
        counts.push(OnDay { day, value: row.get(1)?, documents: usize::try_from(documents).unwrap_or(0) });
    }
    Ok(counts)
}
