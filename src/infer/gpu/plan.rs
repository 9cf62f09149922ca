//! Where the states of one batch lie: one arena, sized by the batch's tokens.
//!
//! The same batch shape always has the same plan, so what a device recorded for it stays valid.

use super::device::{ALIGNMENT, Address, Format};
use super::weights::{Positions, Stack, Weights};
use crate::batch::PackedBatch;
use crate::infer::model::Pooling;
use std::ops::Range;

/// Queries that a block of the attention kernel takes.
pub const TILE: usize = 64;

/// What is uploaded for a batch.
pub struct Inputs {
    /// The bytes, in the order of [`Places`].
    pub bytes: Vec<u8>,
    /// Offsets in them.
    pub places: Places,
    /// Tokens.
    pub tokens: usize,
    /// Windows.
    pub windows: usize,
    /// Spans.
    pub spans: usize,
    /// Blocks of the attention kernel.
    pub tiles: usize,
    /// Whether branches are asked.
    pub heads: bool,
}

/// Where each input begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places {
    /// `[tokens]`.
    pub tokens: Address,
    /// Of each token within its window.
    pub positions: Address,
    /// `[windows + 1]`.
    pub starts: Address,
    /// `[tiles][2]`: window, first query.
    pub tiles: Address,
    /// `[windows + spans][2]`: first row, one after the last.
    pub ranges: Address,
    /// `[tokens]`: how each is written.
    pub shapes: Address,
}

impl Inputs {
    /// Of a batch; its tokens are in the vocabulary.
    pub fn of(batch: &PackedBatch) -> Self {
        let mut inputs = Self {
            bytes: Vec::new(),
            places: Places::default(),
            tokens: batch.tokens.len(),
            windows: batch.windows(),
            spans: batch.spans.len(),
            tiles: 0,
            heads: !batch.vectors_only,
        };
        let positions = batch.ranges().flat_map(|range| 0..range.len());
        let tiles: Vec<usize> = batch
            .ranges()
            .enumerate()
            .flat_map(|(window, range)| (0..range.len()).step_by(TILE).flat_map(move |first| [window, first]))
            .collect();
        let pair = |range: &Range<usize>| [range.start, range.end];
        let windows: Vec<Range<usize>> = batch.ranges().collect();
        let ranges = windows.iter().chain(&batch.spans).flat_map(pair);
        inputs.tiles = tiles.len() / 2;
        inputs.places = Places {
            tokens: inputs.append(batch.tokens.iter().map(|token| *token as usize)),
            positions: inputs.append(positions),
            starts: inputs.append(batch.starts.iter().copied()),
            tiles: inputs.append(tiles.into_iter()),
            ranges: inputs.append(ranges),
            shapes: inputs.append(batch.shapes.iter().map(|shape| usize::from(*shape))),
        };
        inputs
    }

    fn append(&mut self, values: impl Iterator<Item = usize>) -> Address {
        append(&mut self.bytes, values)
    }
}

/// Puts numbers behind what is uploaded already; gives where they begin.
pub fn append(bytes: &mut Vec<u8>, values: impl Iterator<Item = usize>) -> Address {
    let start = bytes.len().next_multiple_of(ALIGNMENT);
    bytes.resize(start, 0);
    let values = values.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    bytes.extend(values.flat_map(u32::to_le_bytes));
    start as Address
}

/// Addresses of everything between the tokens and the results.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What was uploaded.
    pub inputs: Places,
    /// States.
    pub x: Address,
    /// What a layer adds to them.
    pub y: Address,
    /// States after a norm that comes first.
    pub normed: Address,
    /// Query, key, value.
    pub qkv: Address,
    /// What attention gives.
    pub context: Address,
    /// Inside the feed-forward part.
    pub wide: Address,
    /// After its gates.
    pub gated: Address,
    /// Products of queries with position keys, and of keys with position queries.
    pub products: [Address; 2],
    /// The trunk's states where each branch leaves.
    pub left: Vec<Address>,
    /// Rows for windows and spans, and another of them.
    pub pooled: [Address; 2],
    /// Labels before their softmax.
    pub logits: Address,
    /// In f32: vectors of windows and spans, then each branch's labels.
    pub results: Address,
    /// Offsets of the branches' labels within the results, and their whole length, in bytes.
    pub parts: Vec<usize>,
    /// From the arena's beginning, in bytes.
    pub size: usize,
}

impl Plan {
    /// Of a batch, with the arena at `base`.
    pub fn of(weights: &Weights, inputs: &Inputs, base: Address) -> Self {
        let mut bump = Bump { at: base, format: weights.format };
        let (rows, pooled) = (inputs.tokens, inputs.windows + inputs.spans);
        let stacks: Vec<&Stack> = std::iter::once(&weights.encoder.stack)
            .chain(weights.branches.iter().map(|b| &b.stack))
            .collect();
        let widest = |of: &dyn Fn(&Stack) -> usize| stacks.iter().map(|stack| of(stack)).max().unwrap_or(0);
        let hidden = widest(&|stack| stack.hidden);
        let heads = widest(&|stack| stack.heads * stack.head_width);
        let up =
            widest(&|stack| stack.layers.iter().map(|layer| layer.feed_forward.up.out).max().unwrap_or(0));
        let gated =
            widest(&|stack| stack.layers.iter().map(|layer| layer.feed_forward.gates()).max().unwrap_or(0));
        let state = widest(&Stack::state_bytes);
        let spans = widest(&|stack| match stack.positions {
            Positions::Rows(_, span) => stack.heads * span,
            _ => 0,
        });
        let dense = weights.pooling.iter().flat_map(|(_, dense)| dense).map(|dense| dense.matrix.out);
        let dense = dense.chain(weights.branches.iter().filter_map(|b| Some(b.dense.as_ref()?.matrix.out)));
        let widest_dense = dense.max().unwrap_or(0).max(hidden);
        let labels = weights.branches.iter().map(|branch| branch.classifier.out).max().unwrap_or(0);
        let places = inputs.places;
        bump.bytes(inputs.bytes.len());
        let mut plan = Self {
            inputs: Places {
                tokens: places.tokens + base,
                positions: places.positions + base,
                starts: places.starts + base,
                tiles: places.tiles + base,
                ranges: places.ranges + base,
                shapes: places.shapes + base,
            },
            x: bump.bytes(rows * hidden * state),
            y: bump.numbers(rows * hidden),
            normed: bump.numbers(rows * hidden),
            qkv: bump.numbers(rows * 3 * heads),
            context: bump.numbers(rows * heads),
            wide: bump.numbers(rows * up),
            gated: bump.numbers(rows * gated),
            products: [bump.numbers(rows * spans), bump.numbers(rows * spans)],
            left: weights.branches.iter().map(|b| bump.bytes(rows * b.stack.hidden * state)).collect(),
            // A head of tokens has a row for each token.
            pooled: [0, 1].map(|_| bump.numbers(rows.max(pooled) * widest_dense)),
            logits: bump.numbers(rows.max(pooled) * labels),
            ..Self::default()
        };
        plan.results = bump.at;
        let mut at = if weights.pooling.is_some() { pooled * weights.dimension() * 4 } else { 0 };
        for branch in &weights.branches {
            plan.parts.push(at);
            let labelled = branch.pooling.map_or(rows, |_: Pooling| inputs.windows);
            at += labelled * branch.classifier.out * 4;
        }
        plan.parts.push(at);
        bump.bytes(at);
        plan.size = (bump.at - base) as usize;
        plan
    }

    /// Where a stack's states are after its final norm.
    pub fn finished(&self, stack: &Stack) -> Address {
        if stack.full { self.normed } else { self.x }
    }
}

/// Places one after another.
pub struct Bump {
    /// Where the next one is.
    pub at: Address,
    /// Of numbers.
    pub format: Format,
}

impl Bump {
    /// A place of so many bytes.
    pub fn bytes(&mut self, bytes: usize) -> Address {
        let here = self.at;
        self.at += bytes.next_multiple_of(ALIGNMENT) as Address;
        here
    }

    /// A place of so many numbers.
    pub fn numbers(&mut self, count: usize) -> Address {
        self.bytes(count * self.format.bytes())
    }
}
