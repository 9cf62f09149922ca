//! The understood document: what is published; and the dead letter of one that could not be.

use super::{
    Check, ChildSummary, DocumentId, Duplicate, Field, FormValue, Lineage, MediaType, Options, Origin,
    Parent, Priority, StageSeconds, TextSource,
};
use crate::error::{Failure, named};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A label with its confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scored {
    /// The label.
    pub label: String,
    /// Confidence, 0 to 1.
    pub confidence: f32,
}

/// An understood document: what is published. `docs/result.md` describes it for users.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Version of this structure.
    pub schema: u32,
    /// Its key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
    /// What it is, by content.
    pub media_type: MediaType,
    /// Bytes as received.
    pub size: usize,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// How urgent it was.
    pub priority: Priority,
    /// Words that its sender put on it, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was taken from its source.
    pub received_at: Timestamp,
    /// When its sender wrote it, in milliseconds since 1970-01-01 UTC: a lower version never
    /// replaces a higher one.
    #[serde(default)]
    pub version: i64,
    /// The record it came from, where the source has such things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The document that it came out of, as an attachment or an entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The documents that came out of it; each is understood on its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ChildSummary>,
    /// When it was understood.
    pub ingested_at: Timestamp,
    /// How somebody asked for it to be read and understood, where that is not as the settings say.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// The kind of document.
    pub kind: Scored,
    /// Main language, ISO 639-1, `und` if none was found.
    pub language: Scored,
    /// Pages in order.
    pub pages: Vec<PageSummary>,
    /// The whole text: the pages' texts, joined by form feeds.
    pub text: String,
    /// Tables of the pages, where the document says which cells they have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableSummary>,
    /// Fields of the form that it is, where it can be filled in: what was, and what was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<FormValue>,
    /// Mean OCR confidence over the words read by OCR.
    pub ocr_confidence: Option<f32>,
    /// Sentences that stand for the whole, in their order.
    pub summary: Vec<SummarySentence>,
    /// A summary in a model's own words, where one is set to write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_summary: Option<WrittenSummary>,
    /// Why there is no `written_summary` though a model wrote one: which of its numbers and names the
    /// text does not hold. `summary` stands in for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary_refused: Option<String>,
    /// Who and what is named.
    pub entities: Vec<Entity>,
    /// The tone of the document; `None` when there is no text.
    pub sentiment: Option<Sentiment>,
    /// What a classifier of the user's says of it, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassScore>,
    /// The passages: together they hold every character of `text`.
    pub passages: Vec<Passage>,
    /// Share of the characters of `text` that lie in some passage: must be 1.
    pub coverage: f64,
    /// What it says, as values; by kind of document.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// What was checked about the fields.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Stored documents that are much like it, most alike first. What was being understood at the
    /// same time may be missing.
    #[serde(default)]
    pub duplicates: Vec<Duplicate>,
    /// What to do with it.
    pub verdict: Verdict,
    /// What a person decided about it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<super::Reviewed>,
    /// The model behind each task, as `name@revision`.
    pub models: BTreeMap<String, String>,
    /// Seconds of work per stage.
    pub seconds: StageSeconds,
    /// What this copy leaves out, because it would be longer than its topic takes; the store has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
    /// The document's vector (mean of its passages', L2-normalised); kept in the store only.
    #[serde(skip)]
    pub vector: Vec<f32>,
}

/// The version of [`Document`]'s structure.
pub const SCHEMA_VERSION: u32 = 1;

/// What is known of a page.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PageSummary {
    /// From 1.
    pub number: u32,
    /// Where its text came from.
    pub source: TextSource,
    /// Where its text starts in the document's text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Mean confidence of its words, if read by OCR.
    pub ocr_confidence: Option<f32>,
    /// Clockwise rotation that was undone, in degrees.
    pub rotation: u16,
}

/// A table; its text is in the document's text, as Markdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableSummary {
    /// Page, from 1.
    pub page: u32,
    /// Rows of cells, the empty ones at their ends left out: where a cell's text starts and ends in the document's text.
    pub rows: Vec<Vec<[usize; 2]>>,
}

/// A sentence of the summary.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SummarySentence {
    /// The sentence.
    pub text: String,
    /// Where it starts in the document's text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its relevance: cosine to the document's vector plus a prior for early sentences.
    pub score: f32,
}

/// A summary that a model wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WrittenSummary {
    /// The summary.
    pub text: String,
    /// Geometric mean of its tokens' probabilities, from 0 to 1: how sure the model was of its words,
    /// which is not whether they are true.
    pub confidence: f32,
}

/// A class of a user's classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassScore {
    /// Its name.
    pub label: String,
    /// What the classifier gives it.
    pub score: f32,
    /// What the score is.
    pub scale: Scale,
}

/// What the scores of a classifier are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// A probability; those of all classes sum to 1.
    Probability,
    /// A probability; any number of classes may have a high one.
    Independent,
    /// A value of a regression, on the model's own scale.
    Value,
}

named! {
    /// Who found an entity.
    #[derive(Default)]
    EntitySource {
        /// A model.
        #[default]
        Model = "model",
        /// A rule.
        Rule = "rule",
    }
}

/// A named thing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Entity {
    /// Its most frequent spelling.
    pub text: String,
    /// PER, ORG, LOC or MISC, or what the configured model calls it; of a rule DATE, MONEY, EMAIL,
    /// URL, PHONE, IBAN or VAT_ID.
    pub label: String,
    /// Who found it.
    #[serde(default)]
    pub source: EntitySource,
    /// Its normal form, where a rule found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Confidence of its best mention.
    pub confidence: f32,
    /// Where it is mentioned.
    pub mentions: Vec<Mention>,
}

/// One mention of an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mention {
    /// Page, from 1.
    pub page: u32,
    /// Where it starts in the document's text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Confidence, 0 to 1.
    pub confidence: f32,
}

/// Tone, as probabilities that sum to 1.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Sentiment {
    /// The most probable of the three.
    pub label: String,
    /// Its probability.
    pub confidence: f32,
    /// Probability of each label.
    pub scores: BTreeMap<String, f32>,
}

/// A piece of the text with a vector of its own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Passage {
    /// From 0.
    pub number: u32,
    /// Page, from 1.
    pub page: u32,
    /// Where it starts in the document's text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its tone: the most probable one, and its probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentiment: Option<Scored>,
    /// Its vector, L2-normalised; kept in the store only.
    #[serde(skip)]
    pub vector: Vec<f32>,
}

named! {
    /// What to do with a document.
    Decision {
        /// Good as it is.
        Accept = "accept",
        /// A person should look at it.
        Review = "review",
        /// Nothing useful was found in it.
        Reject = "reject",
    }
}

/// A decision with its reasons.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// Why, in words; empty for a plain accept.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// The one reason of a document that is good and is looked at nevertheless.
    pub const SAMPLED: &str = "sampled for quality assurance";

    /// Whether nothing was doubted, and a person looks at it to check that.
    pub fn is_sample(&self) -> bool {
        self.decision == Decision::Review && self.reasons == [Self::SAMPLED]
    }
}

/// A document that will not be tried again, with the reason.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Its key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
    /// Bytes as received.
    pub size: usize,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// How urgent it was.
    pub priority: Priority,
    /// When it was taken from its source.
    pub received_at: Timestamp,
    /// The record it came from, where the source has such things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When it was given up.
    pub failed_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Stage, class, reason and remedy.
    pub failure: Failure,
    /// Where it stands, if it came out of another document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// Words that its sender put on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}
