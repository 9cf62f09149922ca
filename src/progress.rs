//! Where each document in flight is. Bounded by what may be in flight.

use crate::document::{DocumentId, Head};
use crate::error::Stage;
use crate::receipt::lock;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Mutex;

/// Documents in flight, by id.
#[derive(Default)]
pub struct Progress {
    documents: Mutex<HashMap<DocumentId, Position>>,
}

/// Where a document is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Position {
    /// Its key.
    pub id: DocumentId,
    /// File name or subject.
    pub name: String,
    /// The stage that it waits for or is in.
    pub stage: Stage,
    /// Pages whose text is known.
    pub pages_done: u32,
    /// All its pages; 0 before they are counted.
    pub pages_total: u32,
    /// When it was taken from its source.
    pub since: Timestamp,
}

impl Progress {
    /// A document was taken.
    pub fn begin(&self, head: &Head) {
        let position = Position {
            id: head.id.clone(),
            name: head.name.clone(),
            stage: Stage::Decode,
            pages_done: 0,
            pages_total: 0,
            since: head.received_at,
        };
        lock(&self.documents).insert(head.id.clone(), position);
    }

    /// It goes on to `stage`.
    pub fn at(&self, id: &DocumentId, stage: Stage) {
        self.update(id, |position| position.stage = stage);
    }

    /// `done` of `total` pages have text.
    pub fn pages(&self, id: &DocumentId, done: u32, total: u32) {
        self.update(id, |position| (position.pages_done, position.pages_total) = (done, total));
    }

    /// It is settled.
    pub fn end(&self, id: &DocumentId) {
        lock(&self.documents).remove(id);
    }

    /// Where one is.
    pub fn of(&self, id: &DocumentId) -> Option<Position> {
        lock(&self.documents).get(id).cloned()
    }

    /// All in flight, longest first.
    pub fn all(&self) -> Vec<Position> {
        let mut all: Vec<Position> = lock(&self.documents).values().cloned().collect();
        all.sort_by_key(|position| position.since);
        all
    }

    fn update(&self, id: &DocumentId, change: impl FnOnce(&mut Position)) {
        if let Some(position) = lock(&self.documents).get_mut(id) {
            change(position);
        }
    }
}
