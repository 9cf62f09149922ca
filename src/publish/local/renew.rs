//! Another embedding model: which documents are of others, and what is done about their vectors until they are
//! understood again.

use super::LocalStore;
use super::read::parse;
use super::vectors::{self, Vectors};
use crate::document::DocumentId;
use crate::error::Result;
use rusqlite::TransactionBehavior;
use std::collections::BTreeMap;

/// Documents whose vectors are of another embedding model than the one given.
const OTHERS: &str = "SELECT d.row FROM documents d JOIN bodies b ON b.document = d.row
    WHERE b.vector IS NOT NULL AND json_extract(d.models, '$.embedding') IS NOT ?1";

impl LocalStore {
    /// How many documents have vectors of another embedding model than `revision`.
    pub fn of_other_embeddings(&self, revision: &str) -> Result<usize> {
        let sql = format!("SELECT count(*) FROM ({OTHERS})");
        let count: i64 =
            self.readers.with(|reader| Ok(reader.query_row(&sql, [revision], |row| row.get(0))?))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Documents that other models than these understood.
    pub fn outdated(&self, models: &BTreeMap<String, String>) -> Result<Vec<DocumentId>> {
        self.readers.with(|reader| {
            let mut statement = reader.prepare("SELECT id, models FROM documents ORDER BY row")?;
            let mut rows = statement.query([])?;
            let mut outdated = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, stored): (String, String) = (row.get(0)?, row.get(1)?);
                let id = DocumentId::parse(&id);
                outdated.extend(id.filter(|id| {
                    parse::<BTreeMap<String, String>>(&stored, id).ok().as_ref() != Some(models)
                }));
            }
            Ok(outdated)
        })
    }

    /// Takes the vectors out that another embedding model than `revision` made: those of two models cannot be
    /// compared, nor have they to be of one length. Words find these documents all the while. How many there are.
    pub fn forget_other_embeddings(&self, revision: &str) -> Result<usize> {
        let mut writer = self.writer()?;
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let of_passages = format!("UPDATE passages SET vector = NULL WHERE document IN ({OTHERS})");
        transaction.execute(&of_passages, [revision])?;
        let of_documents = format!("UPDATE bodies SET vector = NULL WHERE document IN ({OTHERS})");
        let count = transaction.execute(&of_documents, [revision])?;
        self.commit(transaction)?;
        if count > 0 {
            *vectors::write(self.vectors()?) = Vectors::load(&writer)?;
        }
        Ok(count)
    }
}
