//! What attention needs to know of positions, worked out once a batch for all layers.

use super::attention::Rows;
use super::linear::Packed;
use super::matmul::{View, matmul};
use super::rows;
use crate::batch::PackedBatch;
use crate::infer::model::{Layer, Positions, Stack, turns};
use std::ops::Range;

/// What attention needs to know of positions, up to the longest window of a batch.
pub enum Prepared {
    /// Nothing.
    None,
    /// Of each head the biases by offset of the key, from `-(longest - 1)` on.
    Lines {
        /// Tokens of the longest window.
        longest: usize,
        /// `[heads, 2 · longest - 1]`.
        values: Vec<f32>,
    },
    /// Rows of the position tables by distance of query from key, from `-(longest - 1)` on; they
    /// never fall.
    Rows {
        /// Tokens of the longest window.
        longest: usize,
        /// `[2 · longest - 1]`.
        values: Vec<usize>,
    },
    /// Rotations in layers that see everything, and in those with a window.
    Turns {
        /// Layers that see everything.
        full: Turns,
        /// Layers with a window.
        window: Turns,
    },
}

/// Cosines and sines by position: `[longest, head_width / 2]` each.
pub struct Turns {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Turns {
    fn new(theta: f32, longest: usize, width: usize) -> Self {
        let (cos, sin) = turns(theta, longest, width);
        Self { cos, sin }
    }
}

impl Prepared {
    /// For the windows of a batch.
    pub fn of(stack: &Stack<Packed>, batch: &PackedBatch) -> Self {
        let longest = batch.ranges().map(|r| r.len()).max().unwrap_or(0);
        if longest == 0 {
            return Self::None;
        }
        match &stack.positions {
            Positions::None => Self::None,
            Positions::Bias(bias) => {
                let values = (0..stack.heads).flat_map(|head| bias.line(head, longest, longest)).collect();
                Self::Lines { longest, values }
            }
            Positions::Disentangled(distances) => {
                let far = isize::try_from(longest).unwrap_or(isize::MAX) - 1;
                Self::Rows { longest, values: (-far..=far).map(|d| distances.row(d)).collect() }
            }
            Positions::Rotary { theta, window_theta } => Self::Turns {
                full: Turns::new(*theta, longest, stack.head_width),
                window: Turns::new(*window_theta, longest, stack.head_width),
            },
        }
    }

    /// Whether [`Prepared::bias`] adds anything.
    pub fn has_bias(&self) -> bool {
        matches!(self, Self::Lines { .. } | Self::Rows { .. })
    }

    /// Rotates query and key of one window, rows of `3 · heads · head_width`.
    pub fn rotate(
        &self,
        stack: &Stack<Packed>,
        layer: &Layer<Packed>,
        range: &Range<usize>,
        qkv: &mut [f32],
    ) {
        let Self::Turns { full, window } = self else { return };
        let turns = if layer.window.is_some() { window } else { full };
        let width = stack.heads * stack.head_width;
        let stride = 3 * width;
        for part in 0..2 {
            let here = range.start * stride + part * width..range.end * stride;
            let rows = qkv.get_mut(here).unwrap_or_default();
            rows::rotate(rows, stride, stack.heads, stack.head_width, &turns.cos, &turns.sin);
        }
    }

    /// Adds one head's part to the scores `[length, length]` of a window with query rows `q` and key
    /// rows `k`.
    pub fn bias(
        &self,
        stack: &Stack<Packed>,
        layer: &Layer<Packed>,
        head: usize,
        (length, q, k): (usize, Rows, Rows),
        scores: &mut [f32],
        products: &mut Vec<f32>,
    ) {
        match self {
            Self::None | Self::Turns { .. } => {}
            Self::Lines { longest, values } => {
                let line = values.get(head * (2 * longest - 1)..).unwrap_or_default();
                for (query, row) in scores.chunks_exact_mut(length).enumerate() {
                    let first = longest - 1 - query;
                    rows::add(row, line.get(first..first + length).unwrap_or_default());
                }
            }
            Self::Rows { longest, values } => {
                let Some(tables) = &layer.positions else { return };
                let near = values.get(longest - length..longest - 1 + length).unwrap_or_default();
                let window = Distances { stack, head, length, near };
                if let Some(keys) = &tables.keys {
                    window.add_content_to_position(q, keys, scores, products);
                }
                if let Some(queries) = &tables.queries {
                    window.add_position_to_content(k, queries, scores, products);
                }
            }
        }
    }
}

/// One head of one window, with the table rows of its distances from `-(length - 1)` on.
struct Distances<'a> {
    stack: &'a Stack<Packed>,
    head: usize,
    length: usize,
    near: &'a [usize],
}

impl Distances<'_> {
    /// The first of the table's rows that the window's distances name, and how many they span.
    fn span(&self) -> (usize, usize) {
        let (first, last) = (self.near.first().copied(), self.near.last().copied());
        let (first, last) = (first.unwrap_or(0), last.unwrap_or(0));
        (first, last + 1 - first)
    }

    /// The part of a table `[rows, heads · head_width]` that this head needs, and its transpose.
    fn table(&self) -> (View, View) {
        let width = self.stack.heads * self.stack.head_width;
        let offset = self.span().0 * width + self.head * self.stack.head_width;
        (View { offset, row: width, column: 1 }, View { offset, row: 1, column: width })
    }

    /// The rows of this head's queries or keys, and their transpose.
    fn content(&self, rows: Rows) -> (View, View) {
        let offset = rows.offset + self.head * self.stack.head_width;
        (View { offset, row: rows.stride, column: 1 }, View { offset, row: 1, column: rows.stride })
    }

    /// `scores[i][j] += scale · q[i] · keys[row(i - j)]`
    fn add_content_to_position(&self, q: Rows, keys: &[f32], scores: &mut [f32], products: &mut Vec<f32>) {
        let (first, span) = self.span();
        products.clear();
        products.resize(self.length * span, 0.0);
        let (a, b) = ((q.values, self.content(q).0), (keys, self.table().1));
        let out = (products.as_mut_slice(), View::rows(span));
        matmul((self.length, span, self.stack.head_width), self.stack.scale, a, b, out);
        let lines = scores.chunks_exact_mut(self.length).zip(products.chunks_exact(span));
        for (query, (row, products)) in lines.enumerate() {
            // The key at j is at distance `query - j`: the named rows, backwards.
            let named = self.near.get(query..query + self.length).unwrap_or_default();
            for (score, at) in row.iter_mut().zip(named.iter().rev()) {
                *score += products.get(at - first).copied().unwrap_or(0.0);
            }
        }
    }

    /// `scores[i][j] += scale · k[j] · queries[row(i - j)]`
    fn add_position_to_content(&self, k: Rows, queries: &[f32], scores: &mut [f32], products: &mut Vec<f32>) {
        let (first, span) = self.span();
        products.clear();
        products.resize(span * self.length, 0.0);
        let (a, b) = ((queries, self.table().0), (k.values, self.content(k).1));
        let out = (products.as_mut_slice(), View::rows(self.length));
        matmul((span, self.length, self.stack.head_width), self.stack.scale, a, b, out);
        for (query, row) in scores.chunks_exact_mut(self.length).enumerate() {
            let named = self.near.get(query..query + self.length).unwrap_or_default();
            for (key, (score, at)) in row.iter_mut().zip(named.iter().rev()).enumerate() {
                *score += products.get((at - first) * self.length + key).copied().unwrap_or(0.0);
            }
        }
    }
}
