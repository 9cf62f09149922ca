//! Everything that is looked up rather than ranked.

use super::failure;
use super::filter::Condition;
use super::vectors;
use crate::document::{Document, DocumentId};
use crate::error::{Class, Error, Result, Stage};
use crate::publish::characters::Characters;
use crate::publish::{Counts, DeadLetter, DocumentRow, Filter, PassageRow, Place, Standing};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap, HashSet};

/// See [`Store::get`](crate::publish::Store::get).
pub(super) fn get(reader: &Connection, id: &DocumentId) -> Result<Option<Document>> {
    let found: Option<(String, String)> = reader
        .prepare_cached(
            "SELECT b.payload, b.text FROM documents d JOIN bodies b ON b.document = d.row WHERE d.id = ?",
        )?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((payload, text)) = found else { return Ok(None) };
    Ok(Some(Document { text, ..parse(&payload, id)? }))
}

/// See [`Store::standing`](crate::publish::Store::standing).
pub(super) fn standing(
    reader: &Connection,
    id: &DocumentId,
    sha256: &str,
    version: i64,
    models: &BTreeMap<String, String>,
) -> Result<Standing> {
    let found: Option<(String, i64, String)> = reader
        .prepare_cached("SELECT sha256, version, models FROM documents WHERE id = ?")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((stored_sha256, stored_version, stored_models)) = found else { return Ok(Standing::Outdated) };
    let stored_models = parse::<BTreeMap<String, String>>(&stored_models, id)?;
    Ok(Standing::of((&stored_sha256, stored_version, &stored_models), (sha256, version, models)))
}

/// See [`Store::dead`](crate::publish::Store::dead).
pub(super) fn dead(reader: &Connection, id: &DocumentId) -> Result<Option<DeadLetter>> {
    let letter: Option<String> = reader
        .prepare_cached("SELECT letter FROM dead WHERE id = ?")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    letter.map(|letter| parse(&letter, id)).transpose()
}

/// See [`Store::dead_letters`](crate::publish::Store::dead_letters).
pub(super) fn dead_letters(reader: &Connection, limit: usize) -> Result<Vec<DeadLetter>> {
    let mut statement =
        reader.prepare_cached("SELECT letter, id FROM dead ORDER BY failed_at DESC, id LIMIT ?")?;
    let mut rows = statement.query([integer(limit)])?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        let (letter, id): (String, String) = (row.get(0)?, row.get(1)?);
        letters.push(parse(&letter, &id)?);
    }
    Ok(letters)
}

/// See [`Store::list`](crate::publish::Store::list).
pub(super) fn list(
    reader: &Connection,
    filter: &Filter,
    limit: usize,
    offset: usize,
) -> Result<Vec<DocumentRow>> {
    let condition = Condition::new(filter);
    let sql = format!(
        "SELECT {COLUMNS} FROM documents d WHERE {} ORDER BY d.ingested_at DESC, d.id LIMIT ? OFFSET ?",
        condition.sql
    );
    let mut statement = reader.prepare_cached(&sql)?;
    let window = [Value::Integer(integer(limit)), Value::Integer(integer(offset))];
    let mut rows = statement.query(params_from_iter(condition.values.into_iter().chain(window)))?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        documents.push(document_row(row)?);
    }
    Ok(documents)
}

/// See [`Store::walk`](crate::publish::Store::walk). The order is that of an index, read backwards.
pub(super) fn walk(
    reader: &Connection,
    filter: &Filter,
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<DocumentRow>> {
    let mut condition = Condition::new(filter);
    condition.begin_after(after);
    let sql = format!(
        "SELECT {COLUMNS} FROM documents d WHERE {} ORDER BY d.ingested_at, d.id DESC LIMIT ?",
        condition.sql
    );
    let mut statement = reader.prepare_cached(&sql)?;
    let values = condition.values.into_iter().chain([Value::Integer(integer(limit))]);
    let mut rows = statement.query(params_from_iter(values))?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        documents.push(document_row(row)?);
    }
    Ok(documents)
}

/// See [`Store::counts`](crate::publish::Store::counts).
pub(super) fn counts(reader: &Connection) -> Result<Counts> {
    // One statement, so that the three belong to one moment.
    let mut statement = reader.prepare_cached(
        "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages), \
         (SELECT count(*) FROM dead)",
    )?;
    let (documents, passages, dead) =
        statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Counts { documents: natural(documents), passages: natural(passages), dead: natural(dead) })
}

/// See [`Store::rows_of`](crate::publish::Store::rows_of).
pub(super) fn rows_of(reader: &mut Connection, ids: &[DocumentId]) -> Result<Vec<Option<DocumentRow>>> {
    let snapshot = reader.transaction()?;
    let row = |id| row_of(&snapshot, id)?.map_or(Ok(None), |row| document(&snapshot, row));
    ids.iter().map(row).collect()
}

/// See [`Store::vectors_of`](crate::publish::Store::vectors_of).
pub(super) fn vectors_of(reader: &mut Connection, ids: &[DocumentId]) -> Result<Vec<Option<Vec<f32>>>> {
    let snapshot = reader.transaction()?;
    let vector = |id| row_of(&snapshot, id)?.map(|row| vectors::of_document(&snapshot, row)).transpose();
    ids.iter().map(vector).collect()
}

/// The rowid of a document.
pub(super) fn row_of(reader: &Connection, id: &DocumentId) -> Result<Option<i64>> {
    let mut statement = reader.prepare_cached("SELECT row FROM documents WHERE id = ?")?;
    Ok(statement.query_row([id.as_str()], |row| row.get(0)).optional()?)
}

/// The keys of the documents of these rowids, those that are there.
pub(super) fn ids(reader: &Connection, rows: &HashSet<i64>) -> Result<Vec<(i64, String)>> {
    let wanted = serde_json::json!(rows).to_string();
    let mut statement = reader.prepare_cached(
        "SELECT d.row, d.id FROM documents d WHERE d.row IN (SELECT value FROM json_each(?))",
    )?;
    let found = statement.query_map([wanted], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<std::result::Result<_, _>>()?)
}

/// The line about the document of that rowid.
pub(super) fn document(reader: &Connection, row: i64) -> Result<Option<DocumentRow>> {
    let sql = format!("SELECT {COLUMNS} FROM documents d WHERE d.row = ?");
    let mut statement = reader.prepare_cached(&sql)?;
    let mut rows = statement.query([row])?;
    rows.next()?.map(document_row).transpose()
}

/// Passages with their texts by their rowids, of pairs of a document's rowid and a passage's: those that are there.
/// Each document's text is gone over once, for one may have a thousand of them.
pub(super) fn described(
    reader: &Connection,
    wanted: impl Iterator<Item = (i64, i64)>,
) -> Result<HashMap<i64, PassageRow>> {
    let mut documents: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (document, passage) in wanted {
        documents.entry(document).or_default().push(passage);
    }
    let mut found = HashMap::new();
    for (document, rows) in documents {
        found.extend(passages(reader, document, &rows)?);
    }
    Ok(found)
}

/// The passages of these rowids, all of one document, with their texts: those that are there.
pub(super) fn passages(reader: &Connection, document: i64, rows: &[i64]) -> Result<Vec<(i64, PassageRow)>> {
    let mut body = reader.prepare_cached("SELECT text FROM bodies WHERE document = ?")?;
    let mut body = body.query([document])?;
    let Some(body) = body.next()? else { return Ok(Vec::new()) };
    let characters = Characters::new(body.get_ref(0)?.as_str().map_err(failure::broken)?);
    let mut place =
        reader.prepare_cached("SELECT number, page, start, \"end\" FROM passages WHERE row = ?")?;
    let mut found = Vec::with_capacity(rows.len());
    for &passage in rows {
        let described = place.query_row([passage], |row| {
            let (start, end) = (natural(row.get(2)?), natural(row.get(3)?));
            let text = characters.slice(start, end).to_owned();
            Ok((passage, PassageRow { number: row.get(0)?, page: row.get(1)?, start, end, text }))
        });
        found.extend(described.optional()?);
    }
    Ok(found)
}

/// See [`Store::passage_vector`](crate::publish::Store::passage_vector).
pub(super) fn passage_vector(reader: &Connection, id: &DocumentId, number: u32) -> Result<Option<Vec<f32>>> {
    let mut statement = reader.prepare_cached(
        "SELECT p.vector FROM passages p JOIN documents d ON d.row = p.document \
         WHERE d.id = ? AND p.number = ?",
    )?;
    let vector =
        |row: &Row<'_>| Ok(vectors::from_blob(row.get_ref(0)?.as_blob_or_null()?.unwrap_or_default()));
    Ok(statement.query_row(rusqlite::params![id.as_str(), number], vector).optional()?)
}

/// What [`document_row`] reads.
const COLUMNS: &str = "d.id, d.name, d.media_type, d.kind, d.kind_confidence, d.language, d.pages, \
     d.ocr_confidence, d.verdict, d.summary, d.ingested_at";

fn document_row(row: &Row<'_>) -> Result<DocumentRow> {
    let id: String = row.get(0)?;
    Ok(DocumentRow {
        id: DocumentId::parse(&id).ok_or_else(|| failure::broken(format_args!("`{id}` is no id")))?,
        name: row.get(1)?,
        media_type: row.get(2)?,
        kind: row.get(3)?,
        kind_confidence: row.get(4)?,
        language: row.get(5)?,
        pages: row.get(6)?,
        ocr_confidence: row.get(7)?,
        verdict: row.get(8)?,
        summary: row.get(9)?,
        ingested_at: Timestamp::from_microsecond(row.get(10)?).map_err(failure::broken)?,
    })
}

/// What was written as JSON. That one entry cannot be read does not break the others.
pub(super) fn parse<T: DeserializeOwned>(json: &str, id: &(impl std::fmt::Display + ?Sized)) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        let reason = format!("what is stored of {id} cannot be read: {error}");
        Error::retry(Stage::Publish, Class::Internal, reason)
    })
}

pub(super) fn integer(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn natural(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}
