//! The store of several workers: Qdrant.
//!
//! - `connection` makes calls from plain threads, with deadlines and patience; `failure` says what
//!   a failed call means for the document at hand.
//! - `collections` finds, makes and checks the two collections behind their aliases.
//! - `points` is what they hold; `sparse` makes texts into keyword vectors; `filter` speaks of both.
//! - `write` is every change, and says in which order and why; `read` is everything that needs no
//!   ranking; `search` ranks.
//! - `reindex` goes over to another embedding model; `snapshots` are what backups hold.
//!
//! Workers share nothing but the server. A writer holds on to the collections that it opened, by
//! their own names, and stops when the alias points elsewhere; a reader goes by the alias.

mod collections;
mod connection;
mod facets;
mod failure;
mod filter;
mod near;
mod points;
mod read;
mod records;
pub mod reindex;
mod search;
pub mod snapshots;
mod sparse;
mod write;

#[cfg(test)]
mod tests;

use super::{
    By, Counts, DeadLetter, DocumentRow, Facet, Facets, Filter, Hit, Place, Query, Record, Records, Related,
    Selection, Shelf, Standing, Store, Vectored,
};
use crate::config::QdrantConfig;
use crate::document::{Document, DocumentId, Relation};
use crate::error::Result;
use crate::failpoint::Failpoints;
use crate::publish::series::{Dimension, OnDay};
use ::qdrant_client::qdrant::PointId;
use collections::{Target, Watch};
use connection::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A [`Store`] in Qdrant.
///
/// Its methods block, so they must not be called on a thread of an async runtime.
pub struct QdrantStore {
    connection: Arc<Connection>,
    target: Target,
    /// Not when opened for reading only.
    writable: bool,
    /// Whether what is written are still the active collections; not asked while filling others.
    watch: Option<Watch>,
    chunk_points: usize,
    parallel: usize,
    failpoints: Option<Arc<Failpoints>>,
}

impl QdrantStore {
    /// Opens the store for reading and writing what the embedding model `revision` (as
    /// `name@revision`), whose vectors have `dimension` components, understands. Makes what is
    /// missing.
    ///
    /// Errors: `Retry` while the server is away; `Fatal` where a setting or what is stored is wrong.
    pub fn open(config: &QdrantConfig, revision: &str, dimension: usize) -> Result<Self> {
        let connection = Connection::new(config)?;
        let target = connection.block_on(collections::make(&connection, config, revision, dimension))?;
        let watch = Watch::new(config, &target);
        Ok(Self::new(config, connection, target, Some(watch)))
    }

    /// Opens the store for reading only what is there; `revision` is the embedding model of the
    /// queries that will come, if any.
    pub fn open_read_only(config: &QdrantConfig, revision: Option<&str>) -> Result<Self> {
        let connection = Connection::new(config)?;
        let target = connection.block_on(collections::find(&connection, config, revision))?;
        Ok(Self::new(config, connection, target, None))
    }

    fn new(config: &QdrantConfig, connection: Connection, target: Target, watch: Option<Watch>) -> Self {
        let (chunk_points, parallel) = (config.chunk_points.max(1), config.parallel.max(1));
        Self {
            connection: Arc::new(connection),
            target,
            writable: watch.is_some(),
            watch,
            chunk_points,
            parallel,
            failpoints: None,
        }
    }

    /// The same store, with faults between the steps of a change: `put-passages` when the passages
    /// are written, `put-document` when the document is.
    pub fn with_failpoints(self, failpoints: Arc<Failpoints>) -> Self {
        Self { failpoints: Some(failpoints), ..self }
    }

    /// Whether the server answers with these settings; its version.
    pub fn ping(config: &QdrantConfig) -> Result<String> {
        let connection = Connection::new(config)?;
        connection.block_on(collections::version(&connection))
    }

    /// The embedding model whose vectors are stored, as `name@revision`.
    pub fn revision(&self) -> &str {
        &self.target.revision
    }

    /// Dimensions of the stored vectors.
    pub fn dimension(&self) -> usize {
        self.target.dimension
    }

    fn document_id(&self, id: &DocumentId) -> PointId {
        points::document_id(id, &self.target.revision)
    }

    fn pass(&self, step: &str) {
        if let Some(failpoints) = &self.failpoints {
            failpoints.pass(step);
        }
    }

    /// Runs a change.
    fn change<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if !self.writable {
            return Err(failure::read_only());
        }
        self.run(work)
    }

    /// Runs anything, once it is clear that the collections are still those that count: a worker
    /// whose collections were replaced, and then removed, must not take that for an outage.
    fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.connection.block_on(async {
            if let Some(watch) = &self.watch {
                watch.check(&self.connection).await?;
            }
            work.await
        })
    }
}

impl Records for QdrantStore {
    fn record(&self, shelf: Shelf, key: &str) -> Result<Option<Record>> {
        self.run(records::record(self, shelf, key))
    }

    fn put_record(&self, record: &Record) -> Result<bool> {
        self.change(records::put(self, record))
    }

    fn remove_record(&self, shelf: Shelf, key: &str) -> Result<bool> {
        self.change(records::remove(self, shelf, key))
    }

    fn records(
        &self,
        shelf: Shelf,
        selection: &Selection,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<Record>> {
        self.run(records::list(self, shelf, selection, limit, offset))
    }

    fn each_record(
        &self,
        shelf: Shelf,
        selection: &Selection,
        pass: &mut dyn FnMut(Record) -> Result<()>,
    ) -> Result<()> {
        let mut from = None;
        loop {
            let (page, next) = self.run(records::page(self, shelf, selection, from))?;
            page.into_iter().try_for_each(&mut *pass)?;
            if next.is_none() {
                return Ok(());
            }
            from = next;
        }
    }

    fn count_records(&self, shelf: Shelf, selection: &Selection) -> Result<usize> {
        self.run(records::count(self, shelf, selection))
    }
}

impl Store for QdrantStore {
    fn amend(&self, document: &Document) -> Result<bool> {
        self.change(records::amend(self, document))
    }

    fn facets(&self, filter: &Filter) -> Result<Facets> {
        self.run(facets::facets(self, filter))
    }

    fn values(&self, filter: &Filter, by: Dimension) -> Result<Vec<Facet>> {
        self.run(facets::values(self, filter, by))
    }

    fn by_day(&self, filter: &Filter, by: Dimension, values: &[String]) -> Result<Vec<OnDay>> {
        self.run(facets::by_day(self, filter, by, values))
    }

    fn put(&self, document: &Document) -> Result<()> {
        self.change(write::put(self, document))
    }

    fn get(&self, id: &DocumentId) -> Result<Option<Document>> {
        self.run(read::get(self, id))
    }

    fn standing(
        &self,
        id: &DocumentId,
        sha256: &str,
        version: i64,
        models: &BTreeMap<String, String>,
    ) -> Result<Standing> {
        self.run(write::standing(self, id, sha256, version, models))
    }

    fn delete(&self, id: &DocumentId) -> Result<bool> {
        self.change(write::delete(self, id))
    }

    fn put_dead(&self, letter: &DeadLetter) -> Result<()> {
        self.change(write::put_dead(self, letter))
    }

    fn dead(&self, id: &DocumentId) -> Result<Option<DeadLetter>> {
        self.run(read::dead(self, id))
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        self.run(read::dead_letters(self, limit))
    }

    fn list(&self, filter: &Filter, limit: usize, offset: usize) -> Result<Vec<DocumentRow>> {
        self.run(read::list(self, filter, limit, offset))
    }

    fn walk(&self, filter: &Filter, after: Option<&Place>, limit: usize) -> Result<Vec<DocumentRow>> {
        self.run(read::walk(self, filter, after, limit))
    }

    fn related(
        &self,
        filter: &Filter,
        relations: &[Relation],
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Related>> {
        self.run(read::related(self, filter, relations, after, limit))
    }

    fn counts(&self) -> Result<Counts> {
        self.run(read::counts(self))
    }

    fn search(&self, query: &Query<'_>) -> Result<Vec<Hit>> {
        self.run(search::search(self, query))
    }

    fn rows_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<DocumentRow>>> {
        self.run(read::rows_of(self, ids))
    }

    fn vectors_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<Vec<f32>>>> {
        self.run(read::vectors_of(self, ids))
    }

    fn nearest(
        &self,
        vector: &[f32],
        except: &[DocumentId],
        filter: &Filter,
        by: By,
        limit: usize,
    ) -> Result<Vec<Hit>> {
        self.run(near::near(self, vector, except, filter, (by, limit)))
    }

    fn passage_vector(&self, id: &DocumentId, number: u32) -> Result<Option<Vec<f32>>> {
        self.run(near::passage_vector(self, id, number))
    }

    fn passages_near(&self, vector: &[f32], ids: &[DocumentId], most: usize) -> Result<Vec<Vec<Vectored>>> {
        self.run(near::passages_near(self, vector, ids, most))
    }
}
