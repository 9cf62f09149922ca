//! One review: everything that is known of it.

use crate::document::{
    Action, Check, Corrections, Decision, Document, DocumentId, Field, FormValue, Options, Priority, Scored,
    TableSummary, Verdict,
};
use crate::error::{Result, named};
use crate::publish::{Record, Shelf};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far the clocks of workers may differ.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

named! {
    /// Where a review is.
    State {
        /// It waits for a decision.
        Open = "open",
        /// It is decided, and what follows from that is still being done.
        Deciding = "deciding",
        /// Its decision is being taken back.
        Reopening = "reopening",
        /// It is decided.
        Decided = "decided",
        /// No decision is needed any more: a later version of the document is beyond doubt.
        Closed = "closed",
    }
}

/// A review of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// The document's key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
    /// SHA-256 of the content that is to be decided about.
    pub sha256: String,
    /// The kind that the program found.
    pub kind: String,
    /// Its language, ISO 639-1; reviews of earlier versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Where it is.
    pub state: State,
    /// Counts its changes; who changes it names the version that was seen.
    #[serde(default)]
    pub version: u64,
    /// How urgent it is.
    pub priority: Priority,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Why it is doubtful, in words.
    pub reasons: Vec<String>,
    /// Whether the program had no doubts, and a person looks at it to check that.
    #[serde(default)]
    pub sampled: bool,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// What was decided last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decided>,
    /// What was said about it, oldest first.
    #[serde(default)]
    pub comments: Vec<Comment>,
    /// Everything that was done, oldest first.
    #[serde(default)]
    pub history: Vec<Entry>,
}

/// Who works on a review, and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when others keep off it.
    pub until: Timestamp,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decided {
    /// What was decided.
    pub action: Action,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What was changed.
    #[serde(default)]
    pub corrections: Corrections,
    /// How it was to be read anew, with `reprocess`.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// Seconds since the review was claimed, else since it was opened.
    pub seconds: f64,
    /// What the program had found.
    #[serde(default)]
    pub before: Before,
}

/// What a decision may change, as it was before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Before {
    /// The kind.
    pub kind: Option<Scored>,
    /// The fields.
    pub fields: Vec<Field>,
    /// The checks.
    pub checks: Vec<Check>,
    /// Why it was doubtful.
    pub reasons: Vec<String>,
    /// The texts of the pages, from 1, that are corrected.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub text: BTreeMap<u32, String>,
    /// The tables, where a text is corrected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableSummary>,
    /// The form, where a text is corrected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<FormValue>,
}

impl Before {
    /// What is known of the document now, and what these corrections take from it.
    pub(super) fn of(document: &Document, corrections: &Corrections) -> Self {
        let text = document.texts_of(corrections.text.keys());
        let (tables, form) = match text.is_empty() {
            true => Default::default(),
            false => (document.tables.clone(), document.form.clone()),
        };
        Self {
            text,
            tables,
            form,
            kind: Some(document.kind.clone()),
            fields: document.fields.clone(),
            checks: document.checks.clone(),
            reasons: document.verdict.reasons.clone(),
        }
    }

    /// The document, whose text is as it was, with all else as it was, waiting for a decision.
    pub(super) fn restored(&self, mut document: Document) -> Document {
        if !self.text.is_empty() {
            (document.tables, document.form) = (self.tables.clone(), self.form.clone());
        }
        Document {
            kind: self.kind.clone().unwrap_or(document.kind),
            fields: self.fields.clone(),
            checks: self.checks.clone(),
            verdict: Verdict { decision: Decision::Review, reasons: self.reasons.clone() },
            review: None,
            ..document
        }
    }
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comment {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// By whom; `quire` for the program itself.
    pub by: String,
    /// What: `opened`, `reopened`, `closed`, `claimed`, `released`, `handed over`, `priority`,
    /// `commented`, or a decision.
    pub what: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Review {
    /// Who works on it now. A claim that begins later than the clocks of workers differ was made before the
    /// clock was set back: it holds no more, or it would until that time comes again.
    pub fn holder(&self, now: Timestamp) -> Option<&str> {
        let holds = |claim: &&Claim| claim.until > now && claim.at.duration_since(now) <= CLOCKS;
        self.claim.as_ref().filter(holds).map(|claim| claim.by.as_str())
    }

    /// As it is now: a claim that ended is none.
    pub fn now(mut self) -> Self {
        if self.holder(Timestamp::now()).is_none() {
            self.claim = None;
        }
        self
    }

    /// Takes a claim off that ended by itself, and notes that.
    pub(super) fn end_claim(&mut self) {
        if self.holder(Timestamp::now()).is_none()
            && let Some(claim) = self.claim.take()
        {
            self.note("quire", "released", format!("the claim of {} ended", claim.by));
        }
    }

    /// Notes what was done.
    pub fn note(&mut self, by: &str, what: &str, detail: impl Into<String>) {
        let entry =
            Entry { at: Timestamp::now(), by: by.to_owned(), what: what.to_owned(), detail: detail.into() };
        self.history.push(entry);
    }

    /// As the store keeps it. Urgent ones come first, then those that wait longest.
    pub(super) fn record(&self) -> Result<Record> {
        let urgency: i64 = match self.priority {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Low => 2,
        };
        // Microseconds since 1970 stay below 2^52 until the year 2112.
        let rank = -((urgency << 52) + self.opened_at.as_microsecond());
        Ok(Record {
            shelf: Shelf::Review,
            key: self.id.to_string(),
            version: self.version,
            state: self.state.to_string(),
            group: self.kind.clone(),
            rank,
            body: Record::body(self)?,
        })
    }

    /// As the store gave it.
    pub(super) fn of(record: &Record) -> Result<Self> {
        Ok(Self { version: record.version, ..record.read()? })
    }
}
