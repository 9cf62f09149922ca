//! What is asked of a store, and what it finds.

use super::DocumentRow;
use crate::document::DocumentId;
use crate::error::named;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Where it came from: topics, or `inbox`.
    pub source: Vec<String>,
    /// Tones, as `negative`.
    pub sentiment: Vec<String>,
}

impl Filter {
    /// Whether every document passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

named! {
    /// What is ranked, each counting once.
    By {
        /// Documents, each with its best passage.
        Document = "document",
        /// Passages, several of one document too.
        Passage = "passage",
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
    /// What is ranked.
    pub by: By,
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
    /// Where it has the words that were looked for: characters of its text, from and up to.
    pub highlights: Vec<[usize; 2]>,
    /// Which passages of the examples are most like which of this document, best first; only where it was
    /// searched by examples, and documents were ranked.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub pairs: Vec<Pair>,
}

impl Hit {
    /// What was found by its vector alone, without its passage.
    pub(crate) fn near(document: DocumentRow, score: f32) -> Self {
        let score = score.clamp(-1.0, 1.0);
        let (highlights, pairs) = (Vec::new(), Vec::new());
        Self {
            score,
            similarity: Some(score),
            keyword_rank: None,
            document,
            passage: None,
            highlights,
            pairs,
        }
    }

    /// Its place among equals.
    pub(super) fn key(&self) -> (&DocumentId, Option<u32>) {
        (&self.document.id, self.passage.as_ref().map(|passage| passage.number))
    }

    /// The best `limit` of what was found by vectors, best first.
    pub(super) fn best(mut hits: Vec<Self>, limit: usize) -> Vec<Self> {
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.key().cmp(&b.key())));
        hits.truncate(limit);
        hits
    }
}

/// A passage of an example and one of a document that was found, which are like each other.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// The example.
    pub example: DocumentId,
    /// Its passage.
    pub like: PassageRow,
    /// The passage of the document that was found.
    pub passage: PassageRow,
    /// Cosine of the two.
    pub score: f32,
}

/// A passage of a document, with its L2-normalised vector.
#[derive(Debug, Clone)]
pub struct Vectored {
    /// The passage.
    pub row: PassageRow,
    /// Its vector.
    pub vector: Vec<f32>,
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
