//! What documents were found to be much like.

use super::failure;
use super::filter::Condition;
use super::read::integer;
use crate::document::{DocumentId, Relation};
use crate::error::Result;
use crate::publish::{Filter, Link, Place, Related};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

/// See [`Store::related`](crate::publish::Store::related).
pub(super) fn related(
    reader: &mut Connection,
    filter: &Filter,
    relations: &[Relation],
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<Related>> {
    let names = serde_json::json!(relations).to_string();
    let mut condition = Condition::new(filter);
    condition.sql.push_str(
        " AND d.row IN (SELECT r.document FROM related r WHERE r.relation IN (SELECT value FROM json_each(?)))",
    );
    condition.values.push(Value::Text(names.clone()));
    condition.begin_after(after);
    let sql = format!(
        "SELECT d.row, d.id, d.ingested_at FROM documents d WHERE {} ORDER BY d.ingested_at, d.id DESC LIMIT ?",
        condition.sql
    );
    // One snapshot, so that a document and its relations belong to one moment.
    let snapshot = reader.transaction()?;
    let mut statement = snapshot.prepare_cached(&sql)?;
    let values = condition.values.into_iter().chain([Value::Integer(integer(limit))]);
    let mut rows = statement.query(params_from_iter(values))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = parse_id(&row.get::<_, String>(1)?)?;
        let ingested_at = Timestamp::from_microsecond(row.get(2)?).map_err(failure::broken)?;
        let links = links(&snapshot, row.get(0)?, &names)?;
        all.push(Related { place: Place { ingested_at, id }, links });
    }
    Ok(all)
}

fn links(snapshot: &Connection, document: i64, relations: &str) -> Result<Vec<Link>> {
    let mut statement = snapshot.prepare_cached(
        "SELECT other, relation, score FROM related \
         WHERE document = ? AND relation IN (SELECT value FROM json_each(?)) ORDER BY other",
    )?;
    let mut rows = statement.query(params![document, relations])?;
    let mut links = Vec::new();
    while let Some(row) = rows.next()? {
        let (other, relation): (String, String) = (row.get(0)?, row.get(1)?);
        let relation = relation.parse().map_err(failure::broken)?;
        links.push(Link { other: parse_id(&other)?, relation, score: row.get(2)? });
    }
    Ok(links)
}

fn parse_id(text: &str) -> Result<DocumentId> {
    DocumentId::parse(text).ok_or_else(|| failure::broken(format_args!("`{text}` is no id")))
}
