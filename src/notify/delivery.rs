//! What is still to be told to somebody.

use crate::document::{DocumentId, Notification};
use crate::error::{Result, named};
use crate::publish::{Record, Shelf};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

named! {
    /// Where a delivery is.
    DeliveryState {
        /// It waits until its document is stored.
        Prepared = "prepared",
        /// It is sent when it is due.
        Waiting = "waiting",
        /// It was given up.
        Dead = "dead",
    }
}

/// A message to one subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Its key, the `webhook-id` of the message: the same however often it is sent.
    pub id: String,
    /// To which subscription it goes.
    pub subscription: String,
    /// Where it is.
    pub state: DeliveryState,
    /// The document that it tells of; none for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentId>,
    /// What must be stored before it is sent, as long as that is not certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What is sent.
    pub body: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is sent next; when it was given up.
    pub due_at: Timestamp,
    /// How often it was sent in vain.
    pub attempts: u32,
    /// What came of it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Counts its changes.
    #[serde(default)]
    pub version: u64,
}

/// A document as it was understood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// SHA-256 of what was sent.
    pub sha256: String,
    /// When its sender wrote it.
    pub version: i64,
    /// The model behind each task, as `name@revision`.
    pub models: BTreeMap<String, String>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// In these states; all if empty.
    pub state: Vec<DeliveryState>,
    /// To these subscriptions; all if empty.
    pub subscription: Vec<String>,
}

/// The type of a message that tells of nothing.
pub(super) const TEST: &str = "test";

/// What a receiver reads.
#[derive(Serialize)]
struct Message<'m> {
    r#type: String,
    timestamp: Timestamp,
    data: &'m Notification,
}

impl Delivery {
    /// What tells a subscription of something; `occasion` tells it from other things of the document.
    pub fn new(subscription: &str, note: &Notification, occasion: &str) -> Result<Self> {
        let whole = format!("urn:quire:{subscription}:{}:{}:{occasion}", note.event, note.id);
        let kind = format!("document.{}", note.event);
        let message = Message { r#type: kind, timestamp: note.at, data: note };
        let delivery = Self::bare(subscription, Record::body(&message)?.to_string());
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, whole.as_bytes());
        Ok(Self { id: format!("msg_{}", id.simple()), document: Some(note.id.clone()), ..delivery })
    }

    /// A message that only shows that messages arrive.
    pub fn test(subscription: &str) -> Self {
        let body = serde_json::json!({ "type": TEST, "timestamp": Timestamp::now(), "data": {} });
        Self::bare(subscription, body.to_string())
    }

    fn bare(subscription: &str, body: String) -> Self {
        let now = Timestamp::now();
        Self {
            id: format!("msg_{}", Uuid::new_v4().simple()),
            subscription: subscription.to_owned(),
            state: DeliveryState::Waiting,
            document: None,
            content: None,
            body,
            created_at: now,
            due_at: now,
            attempts: 0,
            error: None,
            version: 0,
        }
    }

    /// Not to be sent before this is stored.
    pub fn until_stored(self, content: Content) -> Self {
        Self { state: DeliveryState::Prepared, content: Some(content), ..self }
    }

    /// What it tells of is stored.
    pub fn released(self) -> Self {
        Self { state: DeliveryState::Waiting, content: None, ..self }
    }

    /// Given up for this reason.
    pub fn dead(self, why: String) -> Self {
        Self { state: DeliveryState::Dead, due_at: Timestamp::now(), error: Some(why), ..self }
    }

    /// Once more from the start; not before what it tells of is stored, if that was not known yet.
    pub fn again(self) -> Self {
        let state = match self.content {
            Some(_) => DeliveryState::Prepared,
            None => DeliveryState::Waiting,
        };
        Self { state, due_at: Timestamp::now(), attempts: 0, ..self }
    }

    /// As the store keeps it, as its next version. Those that wait: the soonest first; the dead: the
    /// latest first.
    pub fn next_record(&self) -> Result<Record> {
        let at = self.due_at.as_microsecond();
        Ok(Record {
            shelf: Shelf::Delivery,
            key: self.id.clone(),
            version: self.version + 1,
            state: self.state.to_string(),
            group: self.subscription.clone(),
            rank: if self.state == DeliveryState::Dead { at } else { -at },
            body: Record::body(self)?,
        })
    }

    /// As the store gave it.
    pub fn of(record: &Record) -> Result<Self> {
        Ok(Self { version: record.version, ..record.read()? })
    }
}
