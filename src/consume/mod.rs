//! A dropped file (or a Kafka record) → [`RawDocument`].
//!
//! A source gives documents with a [`Receipt`]; what it hears when the
//! receipt settles decides what becomes of the record: done, tried again later, or dead.

mod door;
pub mod envelope;
pub mod fetch;
pub mod folder;
mod graveyard;
pub mod kafka;
mod names;
mod record;
mod spool;
mod turns;
mod waiting;
mod wishes;

pub use door::Door;
pub use graveyard::{Cause, Grave, Graveyard};
pub use spool::{Inbox, Upload};
pub use waiting::Count;
pub use wishes::Heeded;

use crate::document::{DeadLetter, Document, Head, RawDocument};
use crate::error::Result;
use crate::receipt::{Budget, Receipt};
use std::sync::Arc;
use std::time::Duration;

/// What a source gives.
pub enum Taken {
    /// A document to be understood.
    Document(RawDocument),
    /// A document of which everything is to be deleted.
    Deletion(Arc<Head>, Receipt),
}

/// Where documents come from. Blocks; runs on a thread of its own.
pub trait Source: Send {
    /// The next document, once `budget` has room for it; `None` after `patience` without one.
    ///
    /// Errors: `Fatal` where the source itself is broken. What is wrong with one document is
    /// dealt with here and told to [`Watcher::dead`].
    fn poll(&mut self, budget: &Budget, patience: Duration) -> Result<Option<Taken>>;

    /// No more is asked for; what is in flight may still settle.
    fn drain(&mut self) {}

    /// Nothing settles any more: makes what did durable and gives the rest back.
    fn close(&mut self) {}

    /// Whether nothing is waiting: no new document, none to be tried again.
    fn is_drained(&mut self) -> bool;
}

/// Hears what becomes of documents.
pub trait Watcher: Send + Sync {
    /// The document will be tried again after `wait`.
    fn retry(&self, id: &crate::document::DocumentId, error: &crate::error::Error, wait: Duration);

    /// The document was given up; `occasion` tells this time from others. Heard twice with the same occasion,
    /// as where a partition is handed over meanwhile, others are told once.
    fn dead(&self, letter: &DeadLetter, occasion: &str);

    /// A record of a lane was settled with a document, which was understood for it or, `unchanged`, before.
    fn understood(&self, lane: &'static str, document: &Document, unchanged: bool);

    /// The document is out of the way for another reason: `cancelled`, `revoked`, `postponed`,
    /// `deleted`.
    fn left(&self, id: &crate::document::DocumentId, outcome: &'static str);

    /// Where the documents in flight are.
    fn positions(&self) -> Vec<crate::progress::Position>;

    /// The program cannot go on.
    fn fatal(&self, error: &crate::error::Error);
}

/// How long to wait before try number `tries + 1`: `base × 2^(tries−1)`, at most `most`, with up
/// to a quarter more so that documents that failed together do not come back together.
///
/// `seed` decides the extra, so that the schedule of one document is reproducible.
pub fn backoff(base: Duration, most: Duration, tries: u32, seed: u64) -> Duration {
    let doubled = base.saturating_mul(1u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
    let wait = doubled.min(most);
    let quarter = wait / 4;
    // Any well-spread hash does (splitmix64's finaliser, Steele et al. 2014).
    let mut z = seed.wrapping_add(u64::from(tries).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let fraction = f64::from((z >> 32) as u32) / f64::from(u32::MAX);
    (wait + quarter.mul_f64(fraction)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_within_its_cap() {
        let (base, most) = (Duration::from_millis(100), Duration::from_secs(60));
        let mut last = Duration::ZERO;
        for tries in 1..=40 {
            let wait = backoff(base, most, tries, 42);
            let plain = base.saturating_mul(1u32.checked_shl(tries - 1).unwrap_or(u32::MAX)).min(most);
            assert!(wait >= plain.min(most) && wait <= most, "{tries}: {wait:?}");
            assert!(wait <= plain + plain / 4 || wait == most);
            assert!(tries > 9 || wait > last, "{tries}: {wait:?} after {last:?}");
            last = wait;
        }
    }

    #[test]
    fn documents_that_failed_together_spread_out() {
        let wait = |seed| backoff(Duration::from_secs(1), Duration::from_secs(60), 3, seed);
        let distinct: std::collections::BTreeSet<_> = (0..100).map(wait).collect();
        assert!(distinct.len() > 90);
    }
}
