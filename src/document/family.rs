//! Documents that come out of other documents: what an archive, a mail or a mailbox holds.

use super::{Document, DocumentId, sha256_hex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The document that another one came out of, and where in it that one was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parent {
    /// The key of the document that holds it.
    pub id: DocumentId,
    /// Its path within that document: an archive's entry, the name of an attachment.
    pub path: String,
}

/// A document that came out of this one and is understood on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChildSummary {
    /// Its key: always the same for the same parent and path.
    pub id: DocumentId,
    /// Its path within this document.
    pub path: String,
    /// Its bytes.
    pub size: u64,
}

/// How many documents, and how many of their bytes, may still come out of a document, those
/// within them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Room {
    /// Documents.
    pub documents: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Room {
    /// What only the settings bound.
    pub const ANY: Self = Self { documents: u64::MAX, bytes: u64::MAX };

    /// What is left once `documents` of `bytes` in all came out, for the one among them that has `size`
    /// bytes: its share by size. So whatever nests in whatever, the sum stays within the first room.
    pub fn share(self, documents: u64, bytes: u64, size: u64) -> Self {
        let part = |left: u64| {
            let share = u128::from(left) * u128::from(size) / u128::from(bytes.max(1));
            u64::try_from(share).unwrap_or(left).min(left)
        };
        Self {
            documents: part(self.documents.saturating_sub(documents)),
            bytes: part(self.bytes.saturating_sub(bytes)),
        }
    }
}

/// Where a document that came out of another one stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lineage {
    /// What it came out of.
    #[serde(flatten)]
    pub parent: Parent,
    /// How many documents are around it: 1 for what lies in a document that was sent.
    pub depth: u32,
    /// What may still come out of it.
    pub room: Room,
}

/// A document that came out of another one, before it is handed on.
#[derive(Debug, Clone)]
pub struct Offspring {
    /// Its key.
    pub id: DocumentId,
    /// Its file name.
    pub name: String,
    /// The media type that its holder declared, if any.
    pub declared: Option<String>,
    /// Where it stands.
    pub lineage: Lineage,
    /// The version of the document that was sent: a redo of an earlier one changes nothing.
    pub version: i64,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

impl Document {
    /// Where it stands, if it came out of another one, so that it can be read again with `room` for what comes
    /// out of it. How deep it lay is not kept: it counts as if that one had been sent.
    pub fn lineage(&self, room: Room) -> Option<Lineage> {
        self.parent.clone().map(|parent| Lineage { parent, depth: 1, room })
    }
}

impl DocumentId {
    /// The key of what lies at `path` in a document: the first 128 bits of a SHA-256, in hex.
    pub fn of_child(parent: &Self, path: &str) -> Self {
        Self::of_content(&sha256_hex(format!("{parent}\0{path}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_childs_id_follows_from_parent_and_path() {
        let parent = DocumentId::parse("inv-1").unwrap();
        let id = DocumentId::of_child(&parent, "a/b.pdf");
        assert_eq!(id, DocumentId::of_child(&parent, "a/b.pdf"));
        assert_ne!(id, DocumentId::of_child(&parent, "a/c.pdf"));
        assert_ne!(id, DocumentId::of_child(&DocumentId::parse("inv-2").unwrap(), "a/b.pdf"));
        assert!(DocumentId::parse(id.as_str()).is_some());
    }

    proptest! {
        #[test]
        fn shares_never_exceed_the_room(
            documents in 0u64..100_000,
            bytes in 0u64..1 << 40,
            sizes in prop::collection::vec(0u64..1 << 32, 1..40),
        ) {
            let room = Room { documents, bytes };
            let total: u64 = sizes.iter().sum();
            let shares: Vec<Room> = sizes.iter().map(|s| room.share(sizes.len() as u64, total, *s)).collect();
            let sum = |of: fn(&Room) -> u64| shares.iter().map(of).sum::<u64>();
            prop_assert!(sum(|r| r.documents) <= documents.saturating_sub(sizes.len() as u64));
            prop_assert!(sum(|r| r.bytes) <= bytes.saturating_sub(total));
        }
    }
}
