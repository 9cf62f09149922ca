//! Document → store and results; the receipt is settled.
//!
//! [`Store`] is the seam: the local store, and Qdrant for several workers. Whatever stands behind it,
//! [`Store::put`] returns only when the document would survive a crash of this machine.

mod characters;
#[cfg(test)]
pub(crate) mod contract;
pub mod examples;
mod forget;
mod fusion;
pub mod groups;
mod highlights;
pub mod local;
mod pairs;
pub mod qdrant;
mod query;
mod records;
pub mod series;
mod words;

pub use forget::{SEVERAL, forget};
pub use query::{By, Filter, Hit, Pair, PassageRow, Query, Vectored};
pub use records::{Facet, Facets, Record, Records, Selection, Shelf};

use crate::config::Config;
use crate::document::{DeadLetter, Document, DocumentId, Relation};
use crate::durable::write_whole;
use crate::error::Result;
use crate::error::{Class, Error, Stage};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use series::{Dimension, OnDay};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where understood documents are kept and found again.
///
/// Errors are `Retry` (busy, disk full) or `Fatal` (the store is broken); never `Reject`.
pub trait Store: Records + Send + Sync {
    /// Writes a document with all its passages, replacing every trace of an earlier version, and
    /// clears a dead letter of the same id. Durable when it returns. Changes nothing where other
    /// content of a later version is stored.
    fn put(&self, document: &Document) -> Result<()>;

    /// Replaces what is known of a stored document, with neither its text nor its passages nor its
    /// vectors changed; false, and nothing changed, where other content or none is stored.
    fn amend(&self, document: &Document) -> Result<bool>;

    /// The whole document (without vectors).
    fn get(&self, id: &DocumentId) -> Result<Option<Document>>;

    /// How what is stored under this id stands to this content, as these models would understand it.
    fn standing(
        &self,
        id: &DocumentId,
        sha256: &str,
        version: i64,
        models: &BTreeMap<String, String>,
    ) -> Result<Standing>;

    /// Deletes a document, its passages and its dead letter; false if there was nothing.
    fn delete(&self, id: &DocumentId) -> Result<bool>;

    /// Remembers that a document was dead-lettered. An understood document of the same id stays.
    fn put_dead(&self, letter: &DeadLetter) -> Result<()>;

    /// The dead letter of that id.
    fn dead(&self, id: &DocumentId) -> Result<Option<DeadLetter>>;

    /// All dead letters, newest first.
    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>>;

    /// Documents that pass `filter`, newest first.
    fn list(&self, filter: &Filter, limit: usize, offset: usize) -> Result<Vec<DocumentRow>>;

    /// Documents that pass `filter`, oldest first and those of one moment by falling id, beginning
    /// after `after`: for going through all of them in pieces, also while others are written.
    fn walk(&self, filter: &Filter, after: Option<&Place>, limit: usize) -> Result<Vec<DocumentRow>>;

    /// Documents that pass `filter` and were found to stand in one of `relations` to others, each
    /// with those others; in the order of [`walk`](Store::walk).
    fn related(
        &self,
        filter: &Filter,
        relations: &[Relation],
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Related>>;

    /// How many documents of those that pass `filter` have what.
    fn facets(&self, filter: &Filter) -> Result<Facets>;

    /// How many documents of those that pass `filter` have which value, as [`facets`](Self::facets) says of all
    /// at once: most first.
    fn values(&self, filter: &Filter, by: Dimension) -> Result<Vec<Facet>>;

    /// How many documents of those that pass `filter` have which of `values` on which day; in no order,
    /// and nothing where there are none.
    fn by_day(&self, filter: &Filter, by: Dimension, values: &[String]) -> Result<Vec<OnDay>>;

    /// How many documents, passages and dead letters there are.
    fn counts(&self) -> Result<Counts>;

    /// Documents or passages that answer a query, best first: hybrid of vectors and keywords.
    fn search(&self, query: &Query<'_>) -> Result<Vec<Hit>>;

    /// The same by the vector that `embed` gives, whatever that of `query` is; a store may look the words up
    /// meanwhile.
    fn search_by(&self, query: &Query<'_>, embed: &dyn Fn() -> Result<Vec<f32>>) -> Result<Vec<Hit>> {
        let vector = embed()?;
        self.search(&Query { vector: &vector, ..*query })
    }

    /// Lines about documents, in the order of `ids`; `None` where there is no such document.
    fn rows_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<DocumentRow>>>;

    /// The L2-normalised vectors of documents, in the order of `ids`: an empty one of a document that
    /// has none, `None` where there is no such document.
    fn vectors_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<Vec<f32>>>>;

    /// The L2-normalised vector of a passage, by its number: empty where it has none, `None` where
    /// there is no such passage.
    fn passage_vector(&self, id: &DocumentId, number: u32) -> Result<Option<Vec<f32>>>;

    /// Documents that pass `filter`, or passages of such, whose vector is most like the L2-normalised
    /// `vector`, best first, those of the documents `except` left out. None for an empty vector.
    /// Documents come without a passage.
    fn nearest(
        &self,
        vector: &[f32],
        except: &[DocumentId],
        filter: &Filter,
        by: By,
        limit: usize,
    ) -> Result<Vec<Hit>>;

    /// Of each document, in the order of `ids`, the `most` passages whose vectors are most like the
    /// L2-normalised `vector`, best first. Reads every passage of these documents.
    fn passages_near(&self, vector: &[f32], ids: &[DocumentId], most: usize) -> Result<Vec<Vec<Vectored>>>;

    /// Gives documents found by [`Self::nearest`] the passage that speaks most for each, and says which
    /// of its passages is like which of the examples that `vector` came of.
    fn explain(&self, vector: &[f32], examples: &[DocumentId], hits: Vec<Hit>) -> Result<Vec<Hit>> {
        let ids: Vec<DocumentId> = hits.iter().map(|hit| hit.document.id.clone()).collect();
        let found = self.passages_near(vector, &ids, pairs::LOOKED_AT)?;
        let shown = self.passages_near(vector, examples, pairs::LOOKED_AT)?;
        let shown: Vec<_> = examples.iter().zip(&shown).collect();
        let with = |(hit, passages): (Hit, Vec<Vectored>)| {
            let pairs = pairs::between(&shown, &passages);
            Hit { pairs, passage: passages.into_iter().next().map(|best| best.row), ..hit }
        };
        Ok(hits.into_iter().zip(found).map(with).collect())
    }

    /// Documents whose vector is most like that of `id`, best first, itself excluded, each with the
    /// passages that are alike. `None` when there is no such document.
    fn similar(&self, id: &DocumentId, filter: &Filter, limit: usize) -> Result<Option<Vec<Hit>>> {
        let own = std::slice::from_ref(id);
        let Some(vector) = self.vectors_of(own)?.pop().flatten() else { return Ok(None) };
        self.explain(&vector, own, self.nearest(&vector, own, filter, By::Document, limit)?).map(Some)
    }

    /// Passages whose vector is most like that of a passage, best first, itself excluded, those of its own
    /// document too. `None` when there is no such passage.
    fn like_passage(
        &self,
        id: &DocumentId,
        number: u32,
        filter: &Filter,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>> {
        let Some(vector) = self.passage_vector(id, number)? else { return Ok(None) };
        let mut hits = self.nearest(&vector, &[], filter, By::Passage, limit.saturating_add(1))?;
        hits.retain(|hit| hit.key() != (id, Some(number)));
        hits.truncate(limit);
        Ok(Some(hits))
    }
}

/// How what is stored stands to what came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is stored, or an earlier version, or one understood by other models.
    Outdated,
    /// This content is stored, as understood by these models.
    Current,
    /// Other content of a later version is stored.
    Superseded,
}

impl Standing {
    /// Compares what is stored with what came in, each as (SHA-256, version, models).
    pub fn of(
        stored: (&str, i64, &BTreeMap<String, String>),
        given: (&str, i64, &BTreeMap<String, String>),
    ) -> Self {
        if stored.0 != given.0 && stored.1 > given.1 {
            return Self::Superseded;
        }
        if (stored.0, stored.2) == (given.0, given.2) { Self::Current } else { Self::Outdated }
    }
}

/// A line about a document, for lists.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DocumentRow {
    /// Its key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// Kind of document.
    pub kind: String,
    /// Confidence of the kind.
    pub kind_confidence: f32,
    /// Language, ISO 639-1.
    pub language: String,
    /// Pages.
    pub pages: u32,
    /// Mean OCR confidence, where OCR was needed.
    pub ocr_confidence: Option<f32>,
    /// What to do with it.
    pub verdict: String,
    /// First sentence of the summary.
    pub summary: String,
    /// When it was understood.
    pub ingested_at: Timestamp,
}

impl DocumentRow {
    /// Where it stands in a walk.
    pub fn place(&self) -> Place {
        Place { ingested_at: self.ingested_at, id: self.id.clone() }
    }
}

/// How far a walk through the documents has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// When the last document was understood; microseconds count, what is finer does not.
    pub ingested_at: Timestamp,
    /// Its id.
    pub id: DocumentId,
}

impl Place {
    /// Whether a document of that time and id comes after this place.
    fn is_before(&self, micros: i64, id: &DocumentId) -> bool {
        let own = self.ingested_at.as_microsecond();
        micros > own || (micros == own && *id < self.id)
    }
}

/// A document with those that it was found to be much like when it was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Related {
    /// The document, and when it was understood.
    pub place: Place,
    /// How it stands to others, by their ids.
    pub links: Vec<Link>,
}

/// How a document stands to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The other.
    pub other: DocumentId,
    /// What the two are.
    pub relation: Relation,
    /// Share of their text that both have, 0 to 1.
    pub score: f32,
}

/// How much is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Understood documents.
    pub documents: usize,
    /// Their passages.
    pub passages: usize,
    /// Dead letters.
    pub dead: usize,
}

/// Writes understood documents where they go: first the result file, then the store, so that a
/// document that the store knows has its result too.
pub struct Publisher {
    store: Arc<dyn Store>,
    results: Option<PathBuf>,
}

impl Publisher {
    /// Errors: `Fatal` where the results folder cannot be made.
    pub fn new(config: &Config, store: Arc<dyn Store>) -> Result<Self> {
        // Where there are topics, results go there.
        let folder = config.publish.results && config.kafka.brokers.is_empty();
        let results = folder.then(|| config.data.dir.join("results"));
        if let Some(folder) = &results {
            std::fs::create_dir_all(folder).map_err(|e| {
                Error::fatal(Stage::Publish, Class::Storage, format!("cannot make {}: {e}", folder.display()))
            })?;
        }
        Ok(Self { store, results })
    }

    /// Publishes a document; durable when it returns.
    pub fn publish(&self, document: &Document) -> Result<()> {
        self.write_file(document)?;
        self.store.put(document)
    }

    /// Publishes a document with a corrected text; false, and nothing done, where other content or none is stored
    /// by now: what was deleted or sent anew meanwhile stays so.
    pub fn replace(&self, document: &Document) -> Result<bool> {
        let same = self.store.get(&document.id)?.is_some_and(|stored| stored.sha256 == document.sha256);
        if same {
            self.publish(document)?;
        }
        Ok(same)
    }

    /// Publishes a document whose text is as it was; false, and nothing done in the store, where
    /// other content is stored by now.
    pub fn amend(&self, document: &Document) -> Result<bool> {
        let amended = self.store.amend(document)?;
        if amended {
            self.write_file(document)?;
        }
        Ok(amended)
    }

    fn write_file(&self, document: &Document) -> Result<()> {
        if let Some(folder) = &self.results {
            let json = serde_json::to_vec_pretty(document).map_err(|e| {
                Error::reject(Stage::Publish, Class::Internal, format!("cannot write JSON: {e}"))
            })?;
            write_whole(folder, &format!("{}.json", document.id), &json).map_err(|e| {
                Error::retry(
                    Stage::Publish,
                    Class::Storage,
                    format!("cannot write to {}: {e}", folder.display()),
                )
            })?;
        }
        Ok(())
    }
}
