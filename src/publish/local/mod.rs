//! The local store: one SQLite file, with the vectors' int8 shadows in memory beside it.
//!
//! - `schema` opens connections and brings the file up to date; `failure` says what an SQLite
//!   error means for the document at hand.
//! - `write` is every change, one transaction each; `read` is everything that needs no ranking; `renew` finds what
//!   other models understood.
//! - `search` ranks: `vectors` (over `rows` and `scan`) and `keywords` are its two halves,
//!   `filter` decides who takes part. Words are read through `postings`, and weighed with `lengths`.
//!
//! One process writes, held to that by a lock file, because its index in memory would miss what
//! another wrote. Any number may read meanwhile: SQLite's write-ahead log gives each search its own
//! snapshot, so that searches never wait for writes.

mod failure;
mod filter;
mod keywords;
mod lengths;
mod postings;
mod read;
mod records;
mod related;
mod renew;
mod rows;
mod scan;
mod schema;
mod search;
pub mod snapshot;
mod vectors;
mod write;

#[cfg(test)]
mod tests;

use super::{
    By, Counts, DeadLetter, DocumentRow, Facet, Facets, Filter, Hit, Place, Query, Record, Records, Related,
    Selection, Shelf, Standing, Store, Vectored,
};
use crate::document::{Document, DocumentId, Relation};
use crate::error::Result;
use crate::publish::series::{Dimension, OnDay};
use filter::Filters;
use lengths::Lengths;
use rusqlite::{Connection, Transaction};
use schema::Readers;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockWriteGuard};
use vectors::Vectors;

/// The file in the data folder that holds everything.
pub const FILE: &str = "store.sqlite";

/// A [`Store`] in one folder.
pub struct LocalStore {
    /// `None` when opened for reading only.
    writer: Option<Mutex<Connection>>,
    readers: Readers,
    /// Loaded at once by a writer, by the first search when only reading: `quire status` has no
    /// need of a gigabyte of vectors.
    vectors: OnceLock<RwLock<Vectors>>,
    /// How long passages are, for the process that writes.
    lengths: RwLock<Lengths>,
    /// What passes filters that are asked for again and again.
    filters: Filters,
    /// Held so that no second process writes; the system releases it however this one ends.
    _lock: Option<File>,
}

impl LocalStore {
    /// Opens the store in `dir` for reading and writing; creates both where they are missing.
    pub fn open(dir: &Path) -> Result<Self> {
        let lock = schema::lock(dir)?;
        let path = dir.join(FILE);
        let writer = schema::open_writer(&path)?;
        let lengths = RwLock::new(Lengths::load(&writer)?);
        let store = Self {
            writer: Some(Mutex::new(writer)),
            readers: Readers::new(path),
            vectors: OnceLock::new(),
            lengths,
            filters: Filters::new(true),
            _lock: Some(lock),
        };
        store.vectors()?;
        Ok(store)
    }

    /// Whether a process has the store in `dir` for writing, this one too.
    pub fn is_held(dir: &Path) -> bool {
        schema::is_locked(dir)
    }

    /// Whether there is a store in `dir`.
    pub fn exists(dir: &Path) -> bool {
        dir.join(FILE).exists()
    }

    /// Opens the store in `dir` for reading only, also while another process writes to it.
    ///
    /// Vector search sees the documents that were there at the first search; all else is current.
    pub fn open_read_only(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        schema::check_readable(&path)?;
        let (vectors, lengths, filters) = (OnceLock::new(), RwLock::default(), Filters::new(false));
        Ok(Self { writer: None, readers: Readers::new(path), vectors, lengths, filters, _lock: None })
    }

    /// Dimensions of the stored vectors; `None` while there are none.
    pub fn dimension(&self) -> Result<Option<usize>> {
        Ok(vectors::read(self.vectors()?).dimension())
    }

    fn vectors(&self) -> Result<&RwLock<Vectors>> {
        if let Some(vectors) = self.vectors.get() {
            return Ok(vectors);
        }
        // Two first searches at once may both load; one of the two copies is dropped.
        let loaded = self.readers.with(|reader| Vectors::load(reader))?;
        Ok(self.vectors.get_or_init(|| RwLock::new(loaded)))
    }

    /// Commits a change of a document; the writer is held.
    fn commit(&self, transaction: Transaction<'_>) -> Result<()> {
        let _changing = self.filters.changing();
        Ok(transaction.commit()?)
    }

    /// The lengths of passages, for a change.
    fn lengths(&self) -> RwLockWriteGuard<'_, Lengths> {
        self.lengths.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> Result<MutexGuard<'_, Connection>> {
        let writer = self.writer.as_ref().ok_or_else(failure::read_only)?;
        // A transaction that a panic cut short was rolled back when it was dropped.
        Ok(writer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Records for LocalStore {
    fn record(&self, shelf: Shelf, key: &str) -> Result<Option<Record>> {
        self.readers.with(|reader| records::record(reader, shelf, key))
    }

    fn put_record(&self, record: &Record) -> Result<bool> {
        records::put(self, record)
    }

    fn remove_record(&self, shelf: Shelf, key: &str) -> Result<bool> {
        records::remove(self, shelf, key)
    }

    fn records(
        &self,
        shelf: Shelf,
        selection: &Selection,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<Record>> {
        self.readers.with(|reader| records::list(reader, shelf, selection, limit, offset))
    }

    fn each_record(
        &self,
        shelf: Shelf,
        selection: &Selection,
        pass: &mut dyn FnMut(Record) -> Result<()>,
    ) -> Result<()> {
        let mut after = String::new();
        loop {
            // None is held meanwhile: whatever is done with a page may take a reader, or write.
            let page = self.readers.with(|reader| records::page(reader, shelf, selection, &after))?;
            let whole = page.len() == records::PAGE;
            for record in page {
                record.key.clone_into(&mut after);
                pass(record)?;
            }
            if !whole {
                return Ok(());
            }
        }
    }

    fn count_records(&self, shelf: Shelf, selection: &Selection) -> Result<usize> {
        self.readers.with(|reader| records::count(reader, shelf, selection))
    }
}

impl Store for LocalStore {
    fn amend(&self, document: &Document) -> Result<bool> {
        records::amend(self, document)
    }

    fn facets(&self, filter: &Filter) -> Result<Facets> {
        self.readers.with(|reader| records::facets(reader, filter))
    }

    fn values(&self, filter: &Filter, by: Dimension) -> Result<Vec<Facet>> {
        self.readers.with(|reader| records::values(reader, filter, by))
    }

    fn by_day(&self, filter: &Filter, by: Dimension, values: &[String]) -> Result<Vec<OnDay>> {
        self.readers.with(|reader| records::by_day(reader, filter, by, values))
    }

    fn put(&self, document: &Document) -> Result<()> {
        write::put(self, document)
    }

    fn get(&self, id: &DocumentId) -> Result<Option<Document>> {
        self.readers.with(|reader| read::get(reader, id))
    }

    fn standing(
        &self,
        id: &DocumentId,
        sha256: &str,
        version: i64,
        models: &BTreeMap<String, String>,
    ) -> Result<Standing> {
        self.readers.with(|reader| read::standing(reader, id, sha256, version, models))
    }

    fn delete(&self, id: &DocumentId) -> Result<bool> {
        write::delete(self, id)
    }

    fn put_dead(&self, letter: &DeadLetter) -> Result<()> {
        write::put_dead(self, letter)
    }

    fn dead(&self, id: &DocumentId) -> Result<Option<DeadLetter>> {
        self.readers.with(|reader| read::dead(reader, id))
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        self.readers.with(|reader| read::dead_letters(reader, limit))
    }

    fn list(&self, filter: &Filter, limit: usize, offset: usize) -> Result<Vec<DocumentRow>> {
        self.readers.with(|reader| read::list(reader, filter, limit, offset))
    }

    fn walk(&self, filter: &Filter, after: Option<&Place>, limit: usize) -> Result<Vec<DocumentRow>> {
        self.readers.with(|reader| read::walk(reader, filter, after, limit))
    }

    fn related(
        &self,
        filter: &Filter,
        relations: &[Relation],
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Related>> {
        self.readers.with(|reader| related::related(reader, filter, relations, after, limit))
    }

    fn counts(&self) -> Result<Counts> {
        self.readers.with(|reader| read::counts(reader))
    }

    fn search(&self, query: &Query<'_>) -> Result<Vec<Hit>> {
        search::search(self, query, || None)
    }

    fn search_by(&self, query: &Query<'_>, embed: &dyn Fn() -> Result<Vec<f32>>) -> Result<Vec<Hit>> {
        search::search_by(self, query, embed)
    }

    fn rows_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<DocumentRow>>> {
        self.readers.with(|reader| read::rows_of(reader, ids))
    }

    fn vectors_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<Vec<f32>>>> {
        self.readers.with(|reader| read::vectors_of(reader, ids))
    }

    fn nearest(
        &self,
        vector: &[f32],
        except: &[DocumentId],
        filter: &Filter,
        by: By,
        limit: usize,
    ) -> Result<Vec<Hit>> {
        search::nearest(self, vector, except, filter, by, limit)
    }

    fn passage_vector(&self, id: &DocumentId, number: u32) -> Result<Option<Vec<f32>>> {
        self.readers.with(|reader| read::passage_vector(reader, id, number))
    }

    fn passages_near(&self, vector: &[f32], ids: &[DocumentId], most: usize) -> Result<Vec<Vec<Vectored>>> {
        self.readers.with(|reader| search::passages_near(reader, vector, ids, most))
    }
}
