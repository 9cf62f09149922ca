//! A table of rounded vectors in memory, scanned as a whole.
//!
//! A row takes its dimensions, rounded up to 64, in bytes and 28 bytes more: 412 bytes for 384
//! dimensions.

use super::filter::Rowset;
use super::scan::{Quantised, Query};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};

/// Rows in a block. Blocks never move, so that a table grows without a copy of itself.
const BLOCK: usize = 1024;

/// Blocks that are worth a thread: 64 thousand rows take some 1.5 ms. On a busy machine a thread waits
/// 4 ms and more until it is begun, so smaller tables are not shared out (benches/NOTES.md).
const BLOCKS_A_THREAD: usize = 64;

/// Threads of one scan at most: a few saturate the memory bus.
const MAX_THREADS: usize = 8;

/// How far the product of two rounded unit vectors may be off, by the length of their two scales: a code is
/// off by a scale over √12 in the mean of squares, and so is the product; this is seven times that.
const ERRORS: f32 = 2.0;

/// The key of a slot that holds nothing; rowids start at 1.
const FREE: i64 = 0;

/// A row that came near a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    /// The row's key: the rowid of its passage or document.
    pub key: i64,
    /// The rowid of the document it belongs to.
    pub owner: i64,
    /// Cosine: about, from [`Table::nearest`]; exact after rescoring.
    pub score: f32,
    /// How far it may be off.
    pub error: f32,
}

/// Those of `rough`, best first, that may be among the best rows of `count` owners once they are scored
/// exactly. `owner` says whose a row is.
pub(super) fn promising(mut rough: Vec<Near>, count: usize, owner: impl Fn(&Near) -> i64) -> Vec<Near> {
    let mut owners = HashSet::new();
    let mut least = f32::INFINITY;
    for near in &rough {
        if owners.len() < count && owners.insert(owner(near)) {
            least = least.min(near.score - near.error);
        }
    }
    if owners.len() == count {
        rough.retain(|near| near.score + near.error >= least);
    }
    rough
}

impl Eq for Near {}

impl Ord for Near {
    /// The better is the greater; of equals, the one with the smaller key.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.key.cmp(&self.key))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug)]
struct Block {
    upper: Vec<u8>,
    lower: Vec<u8>,
    scales: Vec<f32>,
    /// Stretch and residue.
    bounds: Vec<(f32, f32)>,
    keys: Vec<i64>,
    owners: Vec<i64>,
}

impl Block {
    fn new(width: usize) -> Self {
        Self {
            upper: vec![0; width * BLOCK],
            lower: vec![0; width * BLOCK],
            scales: vec![0.0; BLOCK],
            bounds: vec![(0.0, 0.0); BLOCK],
            keys: vec![FREE; BLOCK],
            owners: vec![0; BLOCK],
        }
    }

    fn set(&mut self, at: usize, key: i64, owner: i64, vector: &Quantised) {
        let width = vector.upper.len();
        let place = at * width..(at + 1) * width;
        if let (Some(upper), Some(lower), Some(scale), Some(bounds), Some(k), Some(o)) = (
            self.upper.get_mut(place.clone()),
            self.lower.get_mut(place),
            self.scales.get_mut(at),
            self.bounds.get_mut(at),
            self.keys.get_mut(at),
            self.owners.get_mut(at),
        ) {
            upper.copy_from_slice(&vector.upper);
            lower.copy_from_slice(&vector.lower);
            (*scale, *bounds, *k, *o) = (vector.scale, (vector.stretch, vector.residue), key, owner);
        }
    }
}

/// Rounded vectors of one dimension, each with a key and the document it belongs to.
#[derive(Debug, Default)]
pub(super) struct Table {
    dimension: usize,
    /// Bytes of a half of a row's codes.
    width: usize,
    blocks: Vec<Block>,
    /// Slots that hold nothing, to be used before a new block.
    free: Vec<u32>,
    /// Where the rows of a document are.
    slots: HashMap<i64, Vec<u32>>,
    live: usize,
    /// Scans that go on now, and processors for them.
    scans: AtomicUsize,
    processors: OnceLock<usize>,
}

impl Table {
    /// Rows held, and slots for them.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.live, self.blocks.len() * BLOCK)
    }

    /// Dimensions of the vectors held; `None` when there are none.
    pub(super) fn dimension(&self) -> Option<usize> {
        (self.live > 0).then_some(self.dimension)
    }

    /// Adds a row of the table's dimension; an empty table takes any.
    pub(super) fn insert(&mut self, key: i64, owner: i64, dimension: usize, vector: &Quantised) {
        if self.live == 0 && self.dimension != dimension {
            *self = Self { dimension, width: vector.upper.len(), ..Self::default() };
        }
        if self.free.is_empty() {
            let first = (self.blocks.len() * BLOCK) as u32;
            self.blocks.push(Block::new(self.width));
            self.free.extend((first..first + BLOCK as u32).rev());
        }
        let Some(slot) = self.free.pop() else { return };
        if let Some(block) = self.blocks.get_mut(slot as usize / BLOCK) {
            block.set(slot as usize % BLOCK, key, owner, vector);
        }
        self.slots.entry(owner).or_default().push(slot);
        self.live += 1;
    }

    /// Removes every row of a document.
    pub(super) fn remove(&mut self, owner: i64) {
        for slot in self.slots.remove(&owner).unwrap_or_default() {
            let block = self.blocks.get_mut(slot as usize / BLOCK);
            if let Some(key) = block.and_then(|block| block.keys.get_mut(slot as usize % BLOCK)) {
                *key = FREE;
            }
            self.free.push(slot);
            self.live -= 1;
        }
    }

    /// About the `count` rows of `allowed` documents nearest to `query`, best first.
    pub(super) fn nearest(&self, query: &[f32], count: usize, allowed: Option<&Rowset>) -> Vec<Near> {
        if count == 0 || self.live == 0 || query.len() != self.dimension {
            return Vec::new();
        }
        // The heaps are as large as what they can hold, whatever was asked for.
        let count = count.min(self.live);
        let scan = Scan { query: &Query::new(query), count, allowed };
        let processors = self
            .processors
            .get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS));
        // One scan has all processors; several share them, so that none waits for another's threads.
        let others = self.scans.fetch_add(1, AcqRel);
        let threads = (self.blocks.len() / BLOCKS_A_THREAD).min(processors / (others + 1)).max(1);
        let mut parts = self.blocks.chunks(self.blocks.len().div_ceil(threads));
        let own = parts.next().unwrap_or_default();
        let mut best: Vec<Near> = std::thread::scope(|scope| {
            let tasks: Vec<_> = parts.map(|part| scope.spawn(|| scan.best_of(part))).collect();
            let own = scan.best_of(own).into_iter();
            // A scan does not panic; one that did would only leave out its part.
            own.chain(tasks.into_iter().flat_map(|task| task.join().unwrap_or_default())).collect()
        });
        self.scans.fetch_sub(1, AcqRel);
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.truncate(count);
        best
    }
}

/// One walk over the table.
struct Scan<'s> {
    query: &'s Query,
    count: usize,
    allowed: Option<&'s Rowset>,
}

impl Scan<'_> {
    fn best_of(&self, blocks: &[Block]) -> Vec<Near> {
        // The worst of the best lies on top.
        let mut best = BinaryHeap::with_capacity(self.count + 1);
        // What cannot come among the best any more is not looked at further.
        let mut least = f32::NEG_INFINITY;
        let mut sums = [0; BLOCK];
        let width = self.query.width().max(1);
        for block in blocks {
            self.query.halves(&block.upper, &mut sums);
            let known = block.scales.iter().zip(&block.bounds).zip(block.lower.chunks_exact(width));
            let owners = block.keys.iter().zip(&block.owners);
            for ((&upper, ((scale, bounds), lower)), (&key, &owner)) in sums.iter().zip(known).zip(owners) {
                let unit = scale * self.query.scale;
                if self.query.most(upper, bounds.0, bounds.1) * unit < least
                    || key == FREE
                    || self.allowed.is_some_and(|allowed| !allowed.contains(owner))
                {
                    continue;
                }
                let score = self.query.whole(upper, lower) as f32 * unit;
                if score < least {
                    continue;
                }
                let near = Near { key, owner, score, error: ERRORS * scale.hypot(self.query.scale) };
                if best.len() < self.count {
                    best.push(Reverse(near));
                } else if let Some(mut worst) = best.peek_mut()
                    && near > worst.0
                {
                    *worst = Reverse(near);
                }
                if best.len() == self.count {
                    least = best.peek().map_or(least, |worst| worst.0.score);
                }
            }
        }
        best.into_iter().map(|Reverse(near)| near).collect()
    }
}
