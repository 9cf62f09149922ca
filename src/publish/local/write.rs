//! Every change to the store: one transaction each, then the index in memory.

use super::vectors::{self, Added, Rounded};
use super::{LocalStore, postings};

use crate::document::{Document, DocumentId};
use crate::error::{Class, Error, Result, Stage};
use crate::publish::DeadLetter;
use crate::publish::characters::Characters;
use crate::publish::words::fold;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, named_params, params};
use serde::Serialize;
use std::collections::BTreeSet;

/// See [`Store::put`](crate::publish::Store::put).
pub(super) fn put(store: &LocalStore, document: &Document) -> Result<()> {
    // Held to the end, so that the index sees changes in the order in which the disk did.
    let mut writer = store.writer()?;
    let index = store.vectors()?;
    let stored = vectors::read(index).dimension();
    vectors::check(document, stored)?;
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if is_superseded(&transaction, document)? {
        return Ok(());
    }
    let row = put_row(&transaction, document)?;
    let gone = clear(&transaction, row)?;
    put_body(&transaction, row, document)?;
    let passages = put_passages(&transaction, row, document)?;
    let lengths = postings::lengths(&transaction, row)?;
    put_entities(&transaction, row, document)?;
    put_tags(&transaction, row, document)?;
    put_related(&transaction, row, document)?;
    transaction.prepare_cached("DELETE FROM dead WHERE id = ?")?.execute([document.id.as_str()])?;
    store.commit(transaction)?;
    let added = Added { document: row, vector: Rounded::new(&document.vector), passages };
    vectors::write(index).replace(&added);
    store.lengths().replace(&gone, &lengths);
    Ok(())
}

/// See [`Store::delete`](crate::publish::Store::delete).
pub(super) fn delete(store: &LocalStore, id: &DocumentId) -> Result<bool> {
    let mut writer = store.writer()?;
    let index = store.vectors()?;
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let row: Option<i64> = transaction
        .prepare_cached("SELECT row FROM documents WHERE id = ?")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    let mut gone = Vec::new();
    if let Some(row) = row {
        gone = clear(&transaction, row)?;
        let review = "DELETE FROM records WHERE shelf = 'review' AND key = ?";
        transaction.prepare_cached(review)?.execute([id.as_str()])?;
        transaction.prepare_cached("DELETE FROM documents WHERE row = ?")?.execute([row])?;
    }
    let dead = transaction.prepare_cached("DELETE FROM dead WHERE id = ?")?.execute([id.as_str()])?;
    store.commit(transaction)?;
    if let Some(row) = row {
        vectors::write(index).remove(row);
        store.lengths().replace(&gone, &[]);
    }
    Ok(row.is_some() || dead > 0)
}

/// See [`Store::put_dead`](crate::publish::Store::put_dead).
pub(super) fn put_dead(store: &LocalStore, letter: &DeadLetter) -> Result<()> {
    let json = json(letter)?;
    let failed_at = letter.failed_at.as_microsecond();
    store
        .writer()?
        .prepare_cached("INSERT OR REPLACE INTO dead (id, failed_at, letter) VALUES (?, ?, ?)")?
        .execute(params![letter.id.as_str(), failed_at, json])?;
    Ok(())
}

/// Whether other content of a later version is stored.
fn is_superseded(transaction: &Transaction<'_>, document: &Document) -> Result<bool> {
    let later = "SELECT 1 FROM documents WHERE id = ? AND version > ? AND sha256 <> ?";
    let values = params![document.id.as_str(), document.version, document.sha256];
    Ok(transaction.prepare_cached(later)?.exists(values)?)
}

/// Writes the narrow row and returns its rowid, which an earlier version's row keeps.
pub(super) fn put_row(transaction: &Transaction<'_>, document: &Document) -> Result<i64> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO documents (id, name, media_type, kind, kind_confidence, language, pages,
             ocr_confidence, verdict, summary, sha256, version, models, ingested_at, sentiment, source)
         VALUES (:id, :name, :media_type, :kind, :kind_confidence, :language, :pages,
             :ocr_confidence, :verdict, :summary, :sha256, :version, :models, :ingested_at, :sentiment, :source)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, media_type = excluded.media_type,
             kind = excluded.kind, kind_confidence = excluded.kind_confidence,
             language = excluded.language, pages = excluded.pages,
             ocr_confidence = excluded.ocr_confidence, verdict = excluded.verdict,
             summary = excluded.summary, sha256 = excluded.sha256, version = excluded.version, models = excluded.models,
             ingested_at = excluded.ingested_at, sentiment = excluded.sentiment, source = excluded.source
         RETURNING row",
    )?;
    let summary = document.summary.first().map_or("", |sentence| sentence.text.as_str());
    let values = named_params! {
        ":id": document.id.as_str(),
        ":name": document.name,
        ":media_type": document.media_type.as_str(),
        ":kind": document.kind.label,
        ":kind_confidence": document.kind.confidence,
        ":language": document.language.label,
        ":pages": integer(document.pages.len()),
        ":ocr_confidence": document.ocr_confidence,
        ":verdict": document.verdict.decision.as_str(),
        ":summary": summary,
        ":sha256": document.sha256,
        ":version": document.version,
        ":models": json(&document.models)?,
        ":ingested_at": document.ingested_at.as_microsecond(),
        ":source": document.source(),
        ":sentiment": document.sentiment.as_ref().map_or("", |tone| tone.label.as_str()),
    };
    Ok(statement.query_row(values, |row| row.get(0))?)
}

/// Deletes all that belongs to a document but its own row; returns the rowids of its passages. Keywords first:
/// they are found through the passages.
fn clear(transaction: &Transaction<'_>, row: i64) -> Result<Vec<i64>> {
    let mut passages = transaction.prepare_cached("SELECT row FROM passages WHERE document = ?")?;
    let passages = passages.query_map([row], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for sql in [
        "DELETE FROM keywords WHERE rowid IN (SELECT row FROM passages WHERE document = ?)",
        "DELETE FROM passages WHERE document = ?",
        "DELETE FROM entities WHERE document = ?",
        "DELETE FROM tags WHERE document = ?",
        "DELETE FROM bodies WHERE document = ?",
    ] {
        transaction.prepare_cached(sql)?.execute([row])?;
    }
    Ok(passages)
}

fn put_body(transaction: &Transaction<'_>, row: i64, document: &Document) -> Result<()> {
    let vector = vectors::to_blob(&document.vector);
    transaction
        .prepare_cached("INSERT INTO bodies (document, vector, text, payload) VALUES (?, ?, ?, ?)")?
        .execute(params![row, vector, document.text, payload(document)?])?;
    Ok(())
}

/// The result as it is kept: its text has a column of its own.
pub(super) fn payload(document: &Document) -> Result<String> {
    json(&Document { text: String::new(), ..document.clone() })
}

/// Writes the passages with their words; returns their rowids with their vectors.
fn put_passages(
    transaction: &Transaction<'_>,
    document_row: i64,
    document: &Document,
) -> Result<Vec<(i64, Rounded)>> {
    let mut passage_row = transaction.prepare_cached(
        "INSERT INTO passages (document, number, page, start, \"end\", vector) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    let mut words = transaction.prepare_cached("INSERT INTO keywords (rowid, text) VALUES (?, ?)")?;
    let characters = Characters::new(&document.text);
    let mut rounded = Vec::with_capacity(document.passages.len());
    for passage in &document.passages {
        let (start, end) = (integer(passage.start), integer(passage.end));
        let vector = vectors::to_blob(&passage.vector);
        let row =
            passage_row.insert(params![document_row, passage.number, passage.page, start, end, vector])?;
        words.execute(params![row, characters.slice(passage.start, passage.end)])?;
        rounded.extend(Rounded::new(&passage.vector).map(|vector| (row, vector)));
    }
    Ok(rounded)
}

pub(super) fn put_entities(transaction: &Transaction<'_>, row: i64, document: &Document) -> Result<()> {
    let folded: BTreeSet<String> = document.entities.iter().map(|entity| fold(&entity.text)).collect();
    let mut statement =
        transaction.prepare_cached("INSERT INTO entities (folded, document) VALUES (?, ?)")?;
    for entity in folded {
        statement.execute(params![entity, row])?;
    }
    Ok(())
}

fn put_tags(transaction: &Transaction<'_>, row: i64, document: &Document) -> Result<()> {
    let mut statement =
        transaction.prepare_cached("INSERT OR IGNORE INTO tags (tag, document) VALUES (?, ?)")?;
    document.tags.iter().try_for_each(|tag| statement.execute(params![tag, row]).map(drop))?;
    Ok(())
}

/// Writes what the document was found to be much like, in the place of what was written before.
pub(super) fn put_related(transaction: &Transaction<'_>, row: i64, document: &Document) -> Result<()> {
    transaction.prepare_cached("DELETE FROM related WHERE document = ?")?.execute([row])?;
    let mut statement = transaction.prepare_cached(
        "INSERT OR IGNORE INTO related (document, other, relation, score) VALUES (?, ?, ?, ?)",
    )?;
    for one in &document.duplicates {
        statement.execute(params![row, one.id.as_str(), one.relation.as_str(), one.score])?;
    }
    Ok(())
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::retry(Stage::Publish, Class::Internal, error))
}

fn integer(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
