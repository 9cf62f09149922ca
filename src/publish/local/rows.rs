//! A table of rounded vectors in memory, scanned as a whole.
//!
//! A row takes its dimensions, rounded up to 64, in bytes and 28 bytes more: 412 bytes for 384
//! dimensions.

use super::filter::Rowset;
use super::scan::{self, Quantised, Query};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};

/// Rows in a block. Blocks never move, so that a table grows without a copy of itself.
const BLOCK: usize = 1024;

/// Rows that are passed over at once where none of them is promising.
const RUN: usize = 16;

/// Bytes of a line of the processor's cache.
const LINE: usize = 64;

/// Blocks that are worth a thread: 64 thousand rows take some 0.8 ms. On a busy machine a thread waits
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

/// Bytes from the beginning of a line of the cache on: what crosses lines is read a third slower.
#[derive(Debug)]
struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    fn new(length: usize) -> Self {
        let bytes = vec![0; length + LINE];
        // At most a line; where it is not known (the documentation allows that), nothing is lost but speed.
        let start = bytes.as_ptr().align_offset(LINE).min(LINE);
        Self { bytes, start, length }
    }

    fn all(&self) -> &[u8] {
        self.bytes.get(self.start..self.start + self.length).unwrap_or_default()
    }

    fn part(&mut self, place: Range<usize>) -> Option<&mut [u8]> {
        self.bytes.get_mut(self.start + place.start..self.start + place.end)
    }
}

#[derive(Debug)]
struct Block {
    upper: Aligned,
    lower: Aligned,
    scales: Vec<f32>,
    stretches: Vec<f32>,
    residues: Vec<f32>,
    /// Keys and owners.
    places: Vec<(i64, i64)>,
}

impl Block {
    fn new(width: usize) -> Self {
        Self {
            upper: Aligned::new(width * BLOCK),
            lower: Aligned::new(width * BLOCK),
            scales: vec![0.0; BLOCK],
            stretches: vec![0.0; BLOCK],
            residues: vec![0.0; BLOCK],
            places: vec![(FREE, 0); BLOCK],
        }
    }

    fn set(&mut self, at: usize, key: i64, owner: i64, vector: &Quantised) {
        let width = vector.upper.len();
        let place = at * width..(at + 1) * width;
        if let (Some(upper), Some(lower)) = (self.upper.part(place.clone()), self.lower.part(place)) {
            upper.copy_from_slice(&vector.upper);
            lower.copy_from_slice(&vector.lower);
        }
        let numbers = [
            (&mut self.scales, vector.scale),
            (&mut self.stretches, vector.stretch),
            (&mut self.residues, vector.residue),
        ];
        for (all, new) in numbers {
            if let Some(number) = all.get_mut(at) {
                *number = new;
            }
        }
        if let Some(place) = self.places.get_mut(at) {
            *place = (key, owner);
        }
    }

    /// Leaves nothing in a slot: what it had is beaten by every row that is somewhat near.
    fn clear(&mut self, at: usize) {
        if let (Some(scale), Some(residue), Some(place)) =
            (self.scales.get_mut(at), self.residues.get_mut(at), self.places.get_mut(at))
        {
            (*scale, *residue, *place) = (0.0, 0.0, (FREE, 0));
        }
    }

    /// The lower half of a row.
    fn lower(&self, at: usize, width: usize) -> &[u8] {
        self.lower.all().get(at * width..(at + 1) * width).unwrap_or_default()
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
            if let Some(block) = self.blocks.get_mut(slot as usize / BLOCK) {
                block.clear(slot as usize % BLOCK);
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
        let mut best = Best { count: self.count, least: f32::NEG_INFINITY, found: BinaryHeap::new() };
        let (mut sums, mut chosen) = ([0; BLOCK], Vec::with_capacity(BLOCK));
        let width = self.query.width().max(1);
        for block in blocks {
            self.query.halves(block.upper.all(), &mut sums);
            self.choose(block, &sums, best.least, &mut chosen);
            // They lie far from each other: waited for one by one, they took half of a scan's time.
            for &(at, _) in &chosen {
                scan::fetch(block.lower(at, width));
                scan::fetch(block.places.get(at..=at).unwrap_or_default());
            }
            for &(at, upper) in &chosen {
                let Some(&(key, owner)) = block.places.get(at).filter(|(key, _)| *key != FREE) else {
                    continue;
                };
                let scale = block.scales.get(at).copied().unwrap_or_default();
                let score =
                    self.query.whole(upper, block.lower(at, width)) as f32 * (scale * self.query.scale);
                if score < best.least {
                    continue;
                }
                best.add(Near { key, owner, score, error: ERRORS * scale.hypot(self.query.scale) });
            }
        }
        best.found.into_iter().map(|Reverse(near)| near).collect()
    }

    /// The rows of a block that may come among the best, by the products of their upper halves: which ones, and
    /// these products.
    fn choose(&self, block: &Block, sums: &[i32; BLOCK], least: f32, chosen: &mut Vec<(usize, i32)>) {
        let known = block.scales.iter().zip(&block.stretches).zip(&block.residues);
        let mut most = [0.0_f32; BLOCK];
        for ((most, &upper), ((scale, &stretch), &residue)) in most.iter_mut().zip(sums).zip(known) {
            *most = self.query.most(upper, stretch, residue) * (scale * self.query.scale);
        }
        chosen.clear();
        // What is no number is looked at.
        let beaten = |most: &f32| *most < least;
        for (first, run) in (0..).step_by(RUN).zip(most.chunks_exact(RUN)) {
            // Without a branch, all of them are compared at once.
            if run.iter().fold(true, |all, most| all & beaten(most)) {
                continue;
            }
            let rows = (first..).zip(run).zip(sums.get(first..).unwrap_or_default());
            chosen.extend(rows.filter(|((_, most), _)| !beaten(most)).map(|((at, _), &upper)| (at, upper)));
        }
        if let Some(allowed) = self.allowed {
            chosen.retain(|(at, _)| block.places.get(*at).is_some_and(|(_, owner)| allowed.contains(*owner)));
        }
    }
}

/// The best rows so far.
struct Best {
    count: usize,
    /// What a row must score to come among them.
    least: f32,
    /// The worst lies on top.
    found: BinaryHeap<Reverse<Near>>,
}

impl Best {
    fn add(&mut self, near: Near) {
        if self.found.len() < self.count {
            self.found.push(Reverse(near));
        } else if let Some(mut worst) = self.found.peek_mut()
            && near > worst.0
        {
            *worst = Reverse(near);
        }
        if self.found.len() == self.count {
            self.least = self.found.peek().map_or(self.least, |worst| worst.0.score);
        }
    }
}
