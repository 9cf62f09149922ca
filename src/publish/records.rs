//! What a store keeps beside the documents: small records, each with a version, so that of two that
//! change one at once the second hears of the first. Reviews, subscriptions, what is still to be
//! told and what tasks did are such records.

use crate::error::{Class, Error, Result, Stage, named};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

named! {
    /// Which records.
    Shelf {
        /// Documents that a person looks at; by document id.
        Review = "review",
        /// Who wants to hear of what.
        Subscription = "subscription",
        /// What is still to be told to somebody.
        Delivery = "delivery",
        /// What was answered to requests that may come again.
        Request = "request",
        /// What tasks by the clock did; by the name of the task.
        Task = "task",
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Which records it belongs to.
    pub shelf: Shelf,
    /// Its key there.
    pub key: String,
    /// Counts its changes, from 1.
    pub version: u64,
    /// What lists select by.
    pub state: String,
    /// What lists select by, too: the kind of a document.
    pub group: String,
    /// What lists are ordered by, greatest first.
    pub rank: i64,
    /// What it says.
    pub body: Value,
}

impl Record {
    /// Its body as `T`.
    ///
    /// Errors: `Retry`, for the one record that cannot be read; the others are not affected.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.body).map_err(|error| {
            let reason = format!("the {} of {} cannot be read: {error}", self.shelf, self.key);
            Error::retry(Stage::Publish, Class::Internal, reason)
        })
    }

    /// `value` as a body.
    pub fn body(value: &impl Serialize) -> Result<Value> {
        serde_json::to_value(value).map_err(|error| Error::retry(Stage::Publish, Class::Internal, error))
    }
}

/// Which records count: those of any of these states, groups and documents; an empty list stands for all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// States.
    pub state: Vec<String>,
    /// Groups.
    pub group: Vec<String>,
    /// Documents, by their ids: what bodies have under `document`.
    pub document: Vec<String>,
}

impl Selection {
    /// Whether a record of any shelf is selected: what stores do by themselves.
    #[cfg(test)]
    pub(crate) fn takes(&self, record: &Record) -> bool {
        let among = |list: &[String], own: &str| list.is_empty() || list.iter().any(|one| one == own);
        let document = record.body.get("document").and_then(Value::as_str).unwrap_or_default();
        among(&self.state, &record.state)
            && among(&self.group, &record.group)
            && among(&self.document, document)
    }
}

/// Keeps records. Errors are those of [`Store`](super::Store).
pub trait Records {
    /// The record of that key.
    fn record(&self, shelf: Shelf, key: &str) -> Result<Option<Record>>;

    /// Writes a record in the place of the one with the version before, or as the first where its
    /// version is 1. False, and nothing written, where another version is there. Durable when it
    /// returns.
    fn put_record(&self, record: &Record) -> Result<bool>;

    /// Removes a record; false if there was none.
    fn remove_record(&self, shelf: Shelf, key: &str) -> Result<bool>;

    /// Those that `selection` lets pass, by falling rank, equals by key.
    fn records(
        &self,
        shelf: Shelf,
        selection: &Selection,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<Record>>;

    /// Hands on every record that `selection` lets pass and that is there all the while, once, in no
    /// order. Others, and those by `pass` itself, may come, change and go meanwhile.
    fn each_record(
        &self,
        shelf: Shelf,
        selection: &Selection,
        pass: &mut dyn FnMut(Record) -> Result<()>,
    ) -> Result<()>;

    /// How many `selection` lets pass.
    fn count_records(&self, shelf: Shelf, selection: &Selection) -> Result<usize>;
}

/// How many documents have what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Facets {
    /// By kind, most first.
    pub kind: Vec<Facet>,
    /// By language.
    pub language: Vec<Facet>,
    /// By verdict.
    pub verdict: Vec<Facet>,
    /// By tone.
    pub sentiment: Vec<Facet>,
    /// By where they came from: topics, or `inbox`.
    pub source: Vec<Facet>,
    /// By what senders put on them, the most frequent twenty.
    pub tag: Vec<Facet>,
    /// By what is named in them, the most frequent twenty; names in lower case.
    pub entity: Vec<Facet>,
    /// By the day (UTC) on which they were understood, newest first, at most 366.
    pub day: Vec<Facet>,
}

/// How many documents have one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Facet {
    /// The value.
    pub value: String,
    /// How many documents have it.
    pub documents: usize,
}
