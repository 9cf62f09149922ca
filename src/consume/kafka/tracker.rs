//! Which offsets of one partition are settled. Pure.
//!
//! Invariant: the position to commit is the lowest offset that was taken and is not settled; if
//! there is none, the one after the highest taken. Offsets that the broker never delivers
//! (transaction markers, what compaction removed) hold nothing up.

use super::marks::Marks;
use std::collections::BTreeSet;

/// At most so many offsets below one that is begun may be open. Bounds what [`Marks`] must hold,
/// which the broker limits to 4096 bytes.
pub const MAX_OPEN: usize = 256;

/// The offsets of one partition since it was assigned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tracker {
    /// Taken and not settled.
    open: BTreeSet<i64>,
    /// One after the highest taken.
    next: i64,
    /// One after the highest settled, by whomever.
    reach: i64,
    /// Below `reach` when the partition was taken over, and not settled then.
    left_open: BTreeSet<i64>,
    /// `reach` when the partition was taken over.
    left_reach: i64,
}

impl Tracker {
    /// A partition that is taken over at `position` with what its last owner noted there.
    pub fn new(position: i64, left: &Marks) -> Self {
        let reach = left.reach.max(position);
        let left_open = left.open.iter().copied().filter(|offset| *offset >= position).collect();
        Self { open: BTreeSet::new(), next: position, reach, left_open, left_reach: reach }
    }

    /// An offset came from the broker. False: an earlier owner settled it, or it was taken
    /// already; it must not be handled again.
    pub fn take(&mut self, offset: i64) -> bool {
        if offset < self.next {
            return false;
        }
        self.next = offset + 1;
        let unsettled = offset >= self.left_reach || self.left_open.contains(&offset);
        if unsettled {
            self.open.insert(offset);
        }
        unsettled
    }

    /// An offset is settled. False: it was not open.
    pub fn settle(&mut self, offset: i64) -> bool {
        let was_open = self.open.remove(&offset);
        if was_open {
            self.reach = self.reach.max(offset + 1);
        }
        was_open
    }

    /// The offset to commit: everything below is settled.
    pub fn position(&self) -> i64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    /// One after the highest settled.
    pub fn reach(&self) -> i64 {
        self.reach.max(self.position())
    }

    /// Offsets below [`Self::reach`] that are not settled: taken, or left by an earlier owner and
    /// not seen again yet.
    pub fn gaps(&self) -> Vec<i64> {
        let unseen = self.left_open.range(self.next..);
        self.open.iter().chain(unseen).copied().filter(|offset| *offset < self.reach).collect()
    }

    /// The lowest open offset, if something above it is settled already.
    pub fn holding_up(&self) -> Option<i64> {
        self.open.first().copied().filter(|first| self.reach > *first + 1)
    }

    /// Whether so many offsets are open that no more may be taken before some settle.
    pub fn is_full(&self) -> bool {
        self.open.len() >= MAX_OPEN
    }

    /// Whether an offset may be begun: once it settles, all that is open below must be noted.
    pub fn may_begin(&self, offset: i64) -> bool {
        self.open.range(..offset).take(MAX_OPEN).count() < MAX_OPEN
    }

    /// Whether an offset is taken and not settled.
    pub fn is_open(&self, offset: i64) -> bool {
        self.open.contains(&offset)
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
