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
pub mod local;
pub mod qdrant;
mod records;
mod words;

pub use forget::{SEVERAL, forget};
pub use records::{Facet, Facets, Record, Records, Selection, Shelf};

use crate::config::Config;
use crate::document::{DeadLetter, Document, DocumentId, Relation};
use crate::durable::write_whole;
use crate::error::Result;
use crate::error::{Class, Error, Stage};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

    /// How many documents, passages and dead letters there are.
    fn counts(&self) -> Result<Counts>;

    /// Documents that answer a query, best first: hybrid of vectors and keywords.
    fn search(&self, query: &Query<'_>) -> Result<Vec<Hit>>;

    /// Lines about documents, in the order of `ids`; `None` where there is no such document.
    fn rows_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<DocumentRow>>>;

    /// The L2-normalised vectors of documents, in the order of `ids`: an empty one of a document that
    /// has none, `None` where there is no such document.
    fn vectors_of(&self, ids: &[DocumentId]) -> Result<Vec<Option<Vec<f32>>>>;

    /// Documents that pass `filter` and whose vector is most like the L2-normalised `vector`, best
    /// first, those of `except` left out. None for an empty vector.
    fn nearest(
        &self,
        vector: &[f32],
        except: &[DocumentId],
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Hit>>;

    /// The passage of each document whose vector is most like the L2-normalised `vector`, in the order of
    /// `ids`; `None` where a document has none. Reads every passage of these documents.
    fn passages_near(&self, vector: &[f32], ids: &[DocumentId]) -> Result<Vec<Option<PassageRow>>>;

    /// Gives documents found by [`Self::nearest`] the passage that speaks most for each.
    fn explain(&self, vector: &[f32], mut hits: Vec<Hit>) -> Result<Vec<Hit>> {
        let ids: Vec<DocumentId> = hits.iter().map(|hit| hit.document.id.clone()).collect();
        for (hit, passage) in hits.iter_mut().zip(self.passages_near(vector, &ids)?) {
            hit.passage = passage;
        }
        Ok(hits)
    }

    /// Documents whose vector is most like that of `id`, best first, itself excluded, each with the
    /// passage that is most like it. `None` when there is no such document.
    fn similar(&self, id: &DocumentId, filter: &Filter, limit: usize) -> Result<Option<Vec<Hit>>> {
        let own = std::slice::from_ref(id);
        let Some(vector) = self.vectors_of(own)?.pop().flatten() else { return Ok(None) };
        self.explain(&vector, self.nearest(&vector, own, filter, limit)?).map(Some)
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

/// Which documents count. Empty: all of them. Conditions are joined by AND; several values of one
/// condition by OR.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Kinds, as `invoice`.
    pub kind: Vec<String>,
    /// Languages, ISO 639-1.
    pub language: Vec<String>,
    /// Entities that must be named in the document; case does not matter.
    pub entity: Vec<String>,
    /// Ingested at or after this time.
    pub since: Option<Timestamp>,
    /// Ingested before this time.
    pub until: Option<Timestamp>,
    /// Verdicts: `accept`, `review`, `reject`.
    pub verdict: Vec<String>,
    /// Tags; case does not matter.
    pub tag: Vec<String>,
}

impl Filter {
    /// Whether every document passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What to search for.
pub struct Query<'q> {
    /// The words, for the keyword half; empty for a pure vector search.
    pub text: &'q str,
    /// The query's L2-normalised embedding, for the vector half; empty for keywords only.
    pub vector: &'q [f32],
    /// Which documents count.
    pub filter: &'q Filter,
    /// At most this many hits.
    pub limit: usize,
}

/// A document that was found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// Reciprocal rank fusion of the two halves for a search; cosine for a similarity.
    pub score: f32,
    /// Cosine of the best passage, or of the document; absent when only keywords matched.
    pub similarity: Option<f32>,
    /// Rank among the keyword matches, from 1; absent when only the vector matched.
    pub keyword_rank: Option<u32>,
    /// The document.
    #[serde(flatten)]
    pub document: DocumentRow,
    /// The passage that matched best, or that is most like the examples.
    pub passage: Option<PassageRow>,
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

/// A passage that was found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PassageRow {
    /// From 0.
    pub number: u32,
    /// Page, from 1.
    pub page: u32,
    /// Where it starts in the document's text, in characters.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its text.
    pub text: String,
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
