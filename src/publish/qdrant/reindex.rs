//! From one embedding model to another while readers go on: a second pair of collections is filled
//! from the first, then the aliases change over in one call.

use super::collections::{self, WATCH};
use super::connection::Connection;
use super::points::{self, GENERATION, SHA256, STATE_UNDERSTOOD};
use super::{QdrantStore, filter};
use crate::config::QdrantConfig;
use crate::document::DocumentId;
use crate::error::Result;
use crate::publish::{Records, Selection, Shelf, Store};
use ::qdrant_client::qdrant::{PointId, ScrollPointsBuilder};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Documents that one call lists.
const PAGE: u32 = 500;

/// How long workers of the old model may go on writing after the change: then they have noticed.
pub const SETTLED: Duration = WATCH.saturating_mul(2);

/// A change of models.
pub struct Reindex {
    /// The active pair of collections; readable only.
    pub old: QdrantStore,
    /// The pair to come.
    pub new: QdrantStore,
    config: QdrantConfig,
}

/// What the new pair lacks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Documents that are missing there, or were understood from other content or by other models.
    pub outdated: Vec<DocumentId>,
    /// Documents that are there and were deleted from the old pair.
    pub deleted: Vec<DocumentId>,
    /// Documents in the old pair.
    pub total: usize,
}

impl Reindex {
    /// Opens the active pair, and makes the one for the embedding model `revision` where it is
    /// missing. `None` if that is the active one.
    pub fn open(config: &QdrantConfig, revision: &str, dimension: usize) -> Result<Option<Self>> {
        let connection = Connection::new(config)?;
        let active = connection.block_on(async {
            let found = collections::find(&connection, config, None).await?;
            Ok::<_, crate::error::Error>(collections::of_model(config, &found.revision, found.dimension))
        })?;
        let next = collections::of_model(config, revision, dimension);
        if active.documents == next.documents {
            return Ok(None);
        }
        connection.block_on(collections::create(&connection, config, &next))?;
        let mut new = QdrantStore::new(config, Connection::new(config)?, next, None);
        new.writable = true;
        let old = QdrantStore::new(config, connection, active, None);
        Ok(Some(Self { old, new, config: config.clone() }))
    }

    /// Compares the pairs, for what these models understand.
    pub fn pending(&self, models: &BTreeMap<String, String>) -> Result<Pending> {
        // The generation says it all: it follows from the content and the models.
        let there = column(&self.new, GENERATION)?;
        let here = column(&self.old, SHA256)?;
        let outdated = |(id, sha256): (&DocumentId, &String)| {
            let current = there.get(id) == Some(&points::generation_of(sha256, models));
            (!current).then(|| id.clone())
        };
        Ok(Pending {
            outdated: here.iter().filter_map(outdated).collect(),
            deleted: there.keys().filter(|id| !here.contains_key(*id)).cloned().collect(),
            total: here.len(),
        })
    }

    /// Copies the dead letters and the records: nothing about them is understood. How many dead letters
    /// there are.
    pub fn copy_dead_letters(&self) -> Result<usize> {
        let letters = self.old.dead_letters(usize::MAX)?;
        for letter in &letters {
            self.new.put_dead(letter)?;
        }
        for shelf in Shelf::ALL {
            self.new.copy_records(self.old.records(*shelf, &Selection::default(), usize::MAX, 0)?)?;
        }
        Ok(letters.len())
    }

    /// Makes the new pair the active one, both collections in the same moment.
    pub fn swap(&self) -> Result<()> {
        let (config, next) = (&self.config, &self.new.target);
        let pairs = [(&config.documents, &next.documents), (&config.passages, &next.passages)];
        self.new.connection.block_on(self.new.connection.point_aliases(&pairs))
    }

    /// Removes the old pair.
    pub fn drop_old(&self) -> Result<()> {
        for name in [&self.old.target.documents, &self.old.target.passages] {
            let remove = self
                .old
                .connection
                .call(name.clone(), |client, name| async move { client.delete_collection(name).await });
            self.old.connection.block_on(remove)?;
        }
        Ok(())
    }
}

/// One column of all understood documents, by id.
fn column(store: &QdrantStore, key: &str) -> Result<HashMap<DocumentId, String>> {
    store.connection.block_on(async {
        let mut all = HashMap::new();
        let mut from: Option<PointId> = None;
        loop {
            let mut request = ScrollPointsBuilder::new(&store.target.documents)
                .filter(filter::state(STATE_UNDERSTOOD))
                .limit(PAGE)
                .with_payload(points::include(&["id", key]));
            if let Some(from) = from {
                request = request.offset(from);
            }
            let answer = store
                .connection
                .call(request.build(), |client, request| async move { client.scroll(request).await })
                .await?;
            for point in answer.result {
                let id = points::field(point.payload.clone(), "id")?;
                all.insert(id, points::field(point.payload, key)?);
            }
            from = answer.next_page_offset;
            if from.is_none() {
                return Ok(all);
            }
        }
    })
}
