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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::publish::contract::{document, names};
    use crate::publish::{By, Filter, Query, Store};

    /// A document whose vectors have other dimensions than those of the samples.
    fn other(name: &str, text: &str) -> Document {
        let mut document = document(name, &[text]);
        document.models.insert("embedding".to_owned(), "other@2".to_owned());
        let vector = vec![0.6, 0.8, 0.0];
        document.passages.iter_mut().for_each(|passage| passage.vector.clone_from(&vector));
        Document { vector, ..document }
    }

    #[test]
    fn vectors_of_another_model_make_way_and_words_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path()).unwrap();
        for (name, text) in [("a", "red fox"), ("b", "blue whale")] {
            store.put(&document(name, &[text])).unwrap();
        }
        let refused = store.put(&other("a", "red fox")).unwrap_err();
        assert!(refused.to_string().contains("dimensions"), "{refused}");
        assert!(refused.failure().remedy.contains("quire reindex"), "{}", refused.failure().remedy);

        assert_eq!(store.of_other_embeddings("other@2").unwrap(), 2);
        assert_eq!(store.forget_other_embeddings("other@2").unwrap(), 2);
        assert_eq!((store.of_other_embeddings("other@2").unwrap(), store.dimension().unwrap()), (0, None));
        store.put(&other("a", "red fox")).unwrap();
        let models = other("a", "").models;
        let left: Vec<String> = store.outdated(&models).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(left, ["b"]);
        let found = |store: &LocalStore, text, vector: &[f32]| {
            let filter = Filter::default();
            let query = Query { text, vector, filter: &filter, by: By::Document, limit: 5 };
            names(&store.search(&query).unwrap()).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        // Cut off here, by meaning only the new ones are found, by words all.
        drop(store);
        let store = LocalStore::open(dir.path()).unwrap();
        assert_eq!(found(&store, "", &[0.6, 0.8, 0.0]), ["a"]);
        assert_eq!(found(&store, "whale", &[]), ["b"]);
        assert_eq!(store.forget_other_embeddings("other@2").unwrap(), 0);
    }
}
