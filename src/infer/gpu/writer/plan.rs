//! Where everything of a decoder's step lies: what is uploaded, then states and results.
//!
//! Sizes grow by doubling, so that most steps have the plan of the step before and what a device recorded stays
//! valid.

use crate::infer::gpu::device::{Address, Format};
use crate::infer::gpu::plan::Bump;
use crate::infer::gpu::weights::{Decoder, DecoderLayer, FeedForward};

/// The most tokens of a row that travel back; where more are wanted, all logits do.
pub const MOST: usize = 64;

/// For how much there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Hypotheses.
    pub rows: usize,
    /// Sources.
    pub sources: usize,
    /// Pages.
    pub pages: usize,
    /// Places of all hypotheses.
    pub places: usize,
}

/// Addresses of a step.
#[derive(Debug, Clone, Copy)]
pub struct StepPlan {
    /// `[rows]`: the token that is appended.
    pub tokens: Address,
    /// `[rows]`: its position.
    pub positions: Address,
    /// `[rows]`.
    pub sources: Address,
    /// `[rows + 1]`: where each row's places begin.
    pub starts: Address,
    /// `[sources + 1]`: where each source's tokens begin.
    pub source_starts: Address,
    /// `[pages]`, 64 bits each.
    pub pages: Address,
    /// The places of all rows; the last of what is uploaded.
    pub places: Address,
    /// States.
    pub x: Address,
    /// What a part of a layer adds.
    pub y: Address,
    /// After a norm that comes first.
    pub normed: Address,
    /// Query, key, value; or a query.
    pub qkv: Address,
    /// What attention gives.
    pub context: Address,
    /// Inside the feed-forward part.
    pub wide: Address,
    /// After its gates.
    pub gated: Address,
    /// `[rows, vocabulary]`, f32.
    pub logits: Address,
    /// `[rows, 1 + count]` scores, then `[rows, count]` tokens.
    pub results: Address,
    /// From the arena's beginning, in bytes.
    pub size: usize,
}

impl StepPlan {
    /// With the arena at `base`.
    pub fn of(decoder: &Decoder, room: Room, format: Format, base: Address) -> Self {
        let mut bump = Bump { at: base, format };
        let rows = room.rows;
        let inner = decoder.heads * decoder.head_width;
        let widest = |of: &dyn Fn(&FeedForward) -> usize| {
            decoder.layers.iter().map(|layer: &DecoderLayer| of(&layer.feed_forward)).max().unwrap_or(0)
        };
        let mut plan = Self {
            tokens: bump.bytes(rows * 4),
            positions: bump.bytes(rows * 4),
            sources: bump.bytes(rows * 4),
            starts: bump.bytes((rows + 1) * 4),
            source_starts: bump.bytes((room.sources + 1) * 4),
            pages: bump.bytes(room.pages * 8),
            places: bump.bytes(room.places * 4),
            x: bump.bytes(rows * decoder.hidden * if decoder.full { 4 } else { format.bytes() }),
            y: bump.numbers(rows * decoder.hidden),
            normed: bump.numbers(rows * decoder.hidden),
            qkv: bump.numbers(rows * 3 * inner),
            context: bump.numbers(rows * inner),
            wide: bump.numbers(rows * widest(&|part| part.up.out)),
            gated: bump.numbers(rows * widest(&FeedForward::gates)),
            logits: bump.bytes(rows * decoder.head.out * 4),
            results: bump.bytes(rows * (1 + 2 * MOST) * 4),
            size: 0,
        };
        plan.size = (bump.at - base) as usize;
        plan
    }
}
