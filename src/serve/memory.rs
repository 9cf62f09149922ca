//! For tests: a store in memory.

use crate::document::{DeadLetter, Document, DocumentId, Relation};
use crate::error::{Class, Error, Result, Stage};
use crate::publish::series::{Dimension, OnDay};
use crate::publish::{
    By, Counts, DocumentRow, Facet, Facets, Filter, Hit, Place, Query, Record, Records, Related, Selection,
    Shelf, Standing, Store, Vectored,
};
use crate::receipt::lock;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A store that keeps documents in memory and notes what it was asked.
#[derive(Default)]
pub struct MemoryStore {
    pub documents: Mutex<BTreeMap<DocumentId, Document>>,
    pub dead: Mutex<BTreeMap<DocumentId, DeadLetter>>,
    pub records: Mutex<BTreeMap<(Shelf, String), Record>>,
    pub asked: Mutex<Vec<String>>,
    pub broken: AtomicBool,
    /// How often documents cannot be put before they can.
    pub outages: AtomicUsize,
    /// How often records were listed.
    pub read: AtomicUsize,
}

impl MemoryStore {
    fn rows(&self) -> Vec<DocumentRow> {
        let row = |document: &Document| DocumentRow {
            id: document.id.clone(),
            name: document.name.clone(),
            media_type: document.media_type.to_string(),
            kind: document.kind.label.clone(),
            kind_confidence: document.kind.confidence,
            language: document.language.label.clone(),
            pages: 1,
            ocr_confidence: None,
            verdict: document.verdict.decision.to_string(),
            summary: String::new(),
            ingested_at: document.ingested_at,
        };
        lock(&self.documents).values().map(row).collect()
    }

    fn hits(&self, limit: usize) -> Vec<Hit> {
        self.rows().into_iter().take(limit).map(|document| Hit::near(document, 0.5)).collect()
    }

    fn ask(&self, what: String) -> Result<()> {
        lock(&self.asked).push(what);
        match self.broken.load(Ordering::Acquire) {
            true => Err(Error::retry(Stage::Publish, Class::Storage, "the disk is full")),
            false => Ok(()),
        }
    }
}

impl Records for MemoryStore {
    fn record(&self, shelf: Shelf, key: &str) -> Result<Option<Record>> {
        Ok(lock(&self.records).get(&(shelf, key.to_owned())).cloned())
    }

    fn put_record(&self, record: &Record) -> Result<bool> {
        let mut records = lock(&self.records);
        let key = (record.shelf, record.key.clone());
        let fits = records.get(&key).map_or(0, |before| before.version) + 1 == record.version;
        if fits {
            records.insert(key, record.clone());
        }
        Ok(fits)
    }

    fn remove_record(&self, shelf: Shelf, key: &str) -> Result<bool> {
        Ok(lock(&self.records).remove(&(shelf, key.to_owned())).is_some())
    }

    fn records(&self, shelf: Shelf, wanted: &Selection, limit: usize, offset: usize) -> Result<Vec<Record>> {
        self.read.fetch_add(1, Ordering::AcqRel);
        let mut found: Vec<Record> = lock(&self.records).values().cloned().collect();
        found.retain(|one| one.shelf == shelf && wanted.takes(one));
        found.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.key.cmp(&b.key)));
        Ok(found.into_iter().skip(offset).take(limit).collect())
    }

    fn each_record(
        &self,
        shelf: Shelf,
        wanted: &Selection,
        pass: &mut dyn FnMut(Record) -> Result<()>,
    ) -> Result<()> {
        let all = lock(&self.records).clone();
        all.into_values().filter(|one| one.shelf == shelf && wanted.takes(one)).try_for_each(|one| {
            self.read.fetch_add(1, Ordering::AcqRel);
            pass(one)
        })
    }

    fn count_records(&self, shelf: Shelf, wanted: &Selection) -> Result<usize> {
        let records = lock(&self.records);
        Ok(records.values().filter(|one| one.shelf == shelf && wanted.takes(one)).count())
    }
}

impl Store for MemoryStore {
    fn amend(&self, document: &Document) -> Result<bool> {
        let mut documents = lock(&self.documents);
        let same = documents.get(&document.id).is_some_and(|stored| stored.sha256 == document.sha256);
        if same {
            documents.insert(document.id.clone(), document.clone());
        }
        Ok(same)
    }

    fn facets(&self, _: &Filter) -> Result<Facets> {
        Ok(Facets::default())
    }

    fn values(&self, filter: &Filter, by: Dimension) -> Result<Vec<Facet>> {
        self.ask(format!("values {:?} {by}", filter.source))?;
        Ok(Vec::new())
    }

    fn by_day(&self, filter: &Filter, by: Dimension, values: &[String]) -> Result<Vec<OnDay>> {
        self.ask(format!("by_day {:?} {by} {values:?}", filter.source))?;
        Ok(Vec::new())
    }

    fn put(&self, document: &Document) -> Result<()> {
        let less = |outages: usize| outages.checked_sub(1);
        if self.outages.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok() {
            return Err(Error::retry(Stage::Publish, Class::Storage, "the store is away"));
        }
        lock(&self.documents).insert(document.id.clone(), document.clone());
        Ok(())
    }

    fn get(&self, id: &DocumentId) -> Result<Option<Document>> {
        self.ask(format!("get {id}"))?;
        Ok(lock(&self.documents).get(id).cloned())
    }

    fn standing(
        &self,
        id: &DocumentId,
        sha256: &str,
        version: i64,
        models: &BTreeMap<String, String>,
    ) -> Result<Standing> {
        let documents = lock(&self.documents);
        Ok(documents.get(id).map_or(Standing::Outdated, |stored| {
            Standing::of((&stored.sha256, stored.version, &stored.models), (sha256, version, models))
        }))
    }

    fn delete(&self, id: &DocumentId) -> Result<bool> {
        let dead = lock(&self.dead).remove(id).is_some();
        Ok(lock(&self.documents).remove(id).is_some() || dead)
    }

    fn put_dead(&self, letter: &DeadLetter) -> Result<()> {
        lock(&self.dead).insert(letter.id.clone(), letter.clone());
        Ok(())
    }

    fn dead(&self, id: &DocumentId) -> Result<Option<DeadLetter>> {
        Ok(lock(&self.dead).get(id).cloned())
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        Ok(lock(&self.dead).values().take(limit).cloned().collect())
    }

    fn list(&self, filter: &Filter, limit: usize, offset: usize) -> Result<Vec<DocumentRow>> {
        self.ask(format!("list {} {limit} {offset}", serde_json::to_string(filter).unwrap()))?;
        Ok(self.rows().into_iter().skip(offset).take(limit).collect())
    }

    fn walk(&self, _: &Filter, after: Option<&Place>, limit: usize) -> Result<Vec<DocumentRow>> {
        let later = |row: &DocumentRow| after.is_none_or(|place| row.id < place.id);
        Ok(self.rows().into_iter().rev().filter(later).take(limit).collect())
    }

    fn related(&self, _: &Filter, r: &[Relation], _: Option<&Place>, limit: usize) -> Result<Vec<Related>> {
        self.ask(format!("related {r:?} {limit}"))?;
        Ok(Vec::new())
    }

    fn counts(&self) -> Result<Counts> {
        let (documents, dead) = (lock(&self.documents).len(), lock(&self.dead).len());
        Ok(Counts { documents, passages: 0, dead })
    }

    fn search(&self, query: &Query<'_>) -> Result<Vec<Hit>> {
        self.ask(format!(
            "search {} {:?} {:?} {} {}",
            query.text, query.vector, query.filter.kind, query.by, query.limit
        ))?;
        Ok(self.hits(query.limit))
    }

    fn rows_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<DocumentRow>>> {
        let rows = self.rows();
        Ok(ids.iter().map(|id| rows.iter().find(|row| row.id == *id).cloned()).collect())
    }

    fn vectors_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<Vec<f32>>>> {
        let documents = lock(&self.documents);
        Ok(ids.iter().map(|id| documents.get(id).map(|document| document.vector.clone())).collect())
    }

    fn passage_vector(&self, id: &DocumentId, number: u32) -> Result<Option<Vec<f32>>> {
        let documents = lock(&self.documents);
        let passages = documents.get(id).map_or(&[][..], |document| &document.passages);
        Ok(passages.iter().find(|one| one.number == number).map(|one| one.vector.clone()))
    }

    fn nearest(
        &self,
        v: &[f32],
        except: &[DocumentId],
        filter: &Filter,
        by: By,
        limit: usize,
    ) -> Result<Vec<Hit>> {
        self.ask(format!("nearest {by} {v:?} {:?} {limit}", filter.language))?;
        let all = self.hits(usize::MAX).into_iter();
        Ok(all.filter(|hit| !except.contains(&hit.document.id)).take(limit).collect())
    }

    fn passages_near(&self, _: &[f32], ids: &[DocumentId], _: usize) -> Result<Vec<Vec<Vectored>>> {
        Ok(vec![Vec::new(); ids.len()])
    }
}
