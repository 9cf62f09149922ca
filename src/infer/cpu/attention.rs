//! Scaled dot-product attention of one sequence, without padding and without a materialised mask.

#![allow(clippy::indexing_slicing)] // lanes of fixed width; the operands' sizes are checked at the entry

use super::instructions::{Instructions, by_instructions, exp};
use super::linear::tile::{self, Kernel, Line, Sums};
use std::cell::RefCell;
use std::ops::Range;

/// Rows of one sequence inside a bigger buffer: row r, head h, column c at
/// `offset + r * stride + h * width + c`.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The buffer.
    pub values: &'a [f32],
    /// Of row 0, head 0, column 0.
    pub offset: usize,
    /// From one row to the next.
    pub stride: usize,
}

/// Of all heads.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many there are.
    pub heads: usize,
    /// Columns of one head.
    pub width: usize,
    /// Factor of every score, usually 1/√width.
    pub scale: f32,
}

/// Which keys a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Every key.
    All,
    /// Query i sees key j where |i − j| ≤ n.
    Window(usize),
}

impl Sight {
    /// The keys that a query sees: a range, perhaps empty.
    fn of(self, query: usize, keys: usize) -> Range<usize> {
        let (start, end) = match self {
            Self::All => (0, keys),
            Self::Window(n) => (query.saturating_sub(n), query.saturating_add(n).saturating_add(1)),
        };
        let end = end.min(keys);
        start.min(end)..end
    }
}

/// Adds to the scaled scores of one head before the softmax: (head, scores `[queries, keys]`).
pub type Bias<'a> = &'a dyn Fn(usize, &mut [f32]);

thread_local! {
    /// Packed keys and values of one head; kept between calls.
    static PANELS: RefCell<Panels> = RefCell::default();
}

/// Keys and values of one head as the microkernel reads them.
#[derive(Default)]
struct Panels {
    keys: Vec<Line>,
    values: Vec<Line>,
}

/// `out[q, heads · width] = softmax(scale · q · kᵀ + bias) · v`, head by head.
///
/// The scores of a few queries at a time exist, in `scratch`; with a bias, those of all queries of
/// one head.
#[allow(clippy::too_many_arguments)] // three operands, and buffers of the caller
pub fn attend(
    shape: &Shape,
    size: (usize, usize),
    q: Rows,
    k: Rows,
    v: Rows,
    sight: Sight,
    bias: Option<Bias>,
    out: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let operands = Operands { shape: *shape, size, q, k, v, sight, set: Instructions::detected() };
    operands.attend(bias, out, scratch);
}

/// What one call works on.
struct Operands<'a> {
    shape: Shape,
    /// Queries and keys.
    size: (usize, usize),
    q: Rows<'a>,
    k: Rows<'a>,
    v: Rows<'a>,
    sight: Sight,
    set: Instructions,
}

impl Operands<'_> {
    fn attend(&self, bias: Option<Bias>, out: &mut [f32], scratch: &mut Vec<f32>) {
        let ((queries, keys), width) = (self.size, self.shape.width);
        let out_stride = self.shape.heads * width;
        let last = |r: Rows, rows: usize| r.offset + rows.saturating_sub(1) * r.stride + out_stride;
        let fits = queries == 0
            || keys == 0
            || last(self.q, queries) <= self.q.values.len()
                && last(self.k, keys) <= self.k.values.len()
                && last(self.v, keys) <= self.v.values.len();
        debug_assert!(fits && out.len() >= queries * out_stride);
        if !fits || queries == 0 || keys == 0 || width == 0 {
            out.fill(0.0);
            return;
        }
        let kernel = Kernel::f32(self.set);
        let block = if bias.is_some() { queries } else { kernel.rows() };
        scratch.resize(block * keys, 0.0);
        PANELS.with_borrow_mut(|panels| {
            for head in 0..self.shape.heads {
                self.pack(kernel, head, panels);
                if let Some(bias) = bias {
                    for (first, rows) in tiles(queries, kernel.rows()) {
                        let scores = scratch.get_mut(first * keys..).unwrap_or_default();
                        self.score(kernel, head, (first, rows), 0..keys, panels, scores);
                    }
                    bias(head, scratch);
                }
                for (first, rows) in tiles(queries, kernel.rows()) {
                    let seen = self.sight.of(first, keys).start..self.sight.of(first + rows - 1, keys).end;
                    let scores = if bias.is_some() {
                        scratch.get_mut(first * keys..).unwrap_or_default()
                    } else {
                        self.score(kernel, head, (first, rows), seen.clone(), panels, scratch);
                        &mut *scratch
                    };
                    let sums = self.weigh((first, rows), &seen, scores);
                    let out = out.get_mut(first * out_stride + head * width..).unwrap_or_default();
                    self.mix(kernel, rows, seen, panels, scores, &sums, out);
                }
            }
        });
    }

    /// Copies the keys and values of one head into panels; excess columns are zero.
    fn pack(&self, kernel: Kernel, head: usize, panels: &mut Panels) {
        let ((_, keys), width, lines) = (self.size, self.shape.width, kernel.columns() / 16);
        let (key_panels, value_panels) = (keys.div_ceil(kernel.columns()), width.div_ceil(kernel.columns()));
        panels.keys.resize(key_panels * width * lines, Line([0; 16]));
        panels.values.resize(value_panels * keys * lines, Line([0; 16]));
        let part = |r: Rows<'_>| r.offset + head * width;
        pack_columns(
            self.set,
            self.k.values.get(part(self.k)..).unwrap_or_default(),
            (keys, width, self.k.stride),
            lines,
            &mut panels.keys,
        );
        pack_rows(
            self.set,
            self.v.values.get(part(self.v)..).unwrap_or_default(),
            (keys, width, self.v.stride),
            lines,
            &mut panels.values,
        );
    }

    /// Scaled scores of some queries for (at least) the keys `seen`: rows of `keys` from `scores[0]`.
    fn score(
        &self,
        kernel: Kernel,
        head: usize,
        (first, rows): (usize, usize),
        seen: Range<usize>,
        panels: &Panels,
        scores: &mut [f32],
    ) {
        let ((_, keys), width, columns) = (self.size, self.shape.width, kernel.columns());
        let mut sums = Sums::default();
        let start = self.q.offset + first * self.q.stride + head * width;
        let a = tile::bits(self.q.values.get(start..).unwrap_or_default());
        let all = panels.keys.chunks_exact(width * (columns / 16)).enumerate();
        for (index, panel) in all.take(seen.end.div_ceil(columns)).skip(seen.start / columns) {
            kernel.run(rows, a, self.q.stride, panel, width, &mut sums);
            let here = (keys - index * columns).min(columns);
            let scores = scores.get_mut(index * columns..).unwrap_or_default();
            scaled(self.set, &sums, rows, self.shape.scale, scores, keys, here);
        }
    }

    /// Turns scores into weights that still lack their factor, which is returned: 1 / their sum.
    /// Keys in `seen` that a query does not see get 0.
    fn weigh(
        &self,
        (first, rows): (usize, usize),
        seen: &Range<usize>,
        scores: &mut [f32],
    ) -> [f32; tile::ROWS] {
        let keys = self.size.1;
        let mut factors = [0.0; tile::ROWS];
        for ((r, row), factor) in scores.chunks_exact_mut(keys).take(rows).enumerate().zip(&mut factors) {
            let own = self.sight.of(first + r, keys);
            row.get_mut(seen.start..own.start.min(seen.end)).unwrap_or_default().fill(0.0);
            row.get_mut(own.end.max(seen.start)..seen.end).unwrap_or_default().fill(0.0);
            exponentials(self.set, row.get_mut(own).unwrap_or_default(), factor);
        }
        factors
    }

    /// `out[r] = factor[r] · Σ weights[r] · values` over the keys `seen`.
    #[allow(clippy::too_many_arguments)]
    fn mix(
        &self,
        kernel: Kernel,
        rows: usize,
        seen: Range<usize>,
        panels: &Panels,
        weights: &[f32],
        factors: &[f32; tile::ROWS],
        out: &mut [f32],
    ) {
        let ((_, keys), width, columns) = (self.size, self.shape.width, kernel.columns());
        let lines = columns / 16;
        let mut sums = Sums::default();
        let a = tile::bits(weights.get(seen.start..).unwrap_or_default());
        for (index, panel) in panels.values.chunks_exact(keys * lines).enumerate() {
            let panel = panel.get(seen.start * lines..seen.end * lines).unwrap_or_default();
            kernel.run(rows, a, keys, panel, seen.len(), &mut sums);
            let here = (width - index * columns).min(columns);
            for ((r, sums), factor) in sums.values.iter().take(rows).enumerate().zip(factors) {
                let start = r * self.shape.heads * width + index * columns;
                let out = out.get_mut(start..start + here).unwrap_or_default();
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = f32::from_bits(*sum) * factor);
            }
        }
    }
}

/// (first row, rows) of tiles of like height, at most `most`.
fn tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(most).max(1);
    (0..count).map(move |i| (i * rows / count, (i + 1) * rows / count - i * rows / count))
}

by_instructions! {
    /// `out[r] = scale · sums[r]`, the first `width` columns, rows of `out` at `stride`.
    fn scaled(sums: &Sums, rows: usize, scale: f32, out: &mut [f32], stride: usize, width: usize) {
        for (r, sums) in sums.values.iter().take(rows).enumerate() {
            let Some(out) = out.get_mut(r * stride..r * stride + width) else { break };
            match out.as_mut_array::<{ tile::COLUMNS }>() {
                Some(out) => {
                    for c in 0..tile::COLUMNS {
                        out[c] = f32::from_bits(sums[c]) * scale;
                    }
                }
                None => out.iter_mut().zip(sums).for_each(|(out, sum)| *out = f32::from_bits(*sum) * scale),
            }
        }
    }
}

by_instructions! {
    /// `row = exp(row − max)` and `factor = 1 / sum`, 0 where there is nothing.
    fn exponentials(row: &mut [f32], factor: &mut f32) {
        let (chunks, rest) = row.as_chunks_mut::<16>();
        let mut lanes = [f32::MIN; 16];
        for chunk in &*chunks {
            for c in 0..16 {
                lanes[c] = if chunk[c] > lanes[c] { chunk[c] } else { lanes[c] };
            }
        }
        let most = lanes.iter().chain(&*rest).fold(f32::MIN, |most, v| most.max(*v));
        let mut sums = [0.0f32; 16];
        for chunk in chunks {
            for c in 0..16 {
                chunk[c] = exp::<FUSED>(chunk[c] - most);
                sums[c] += chunk[c];
            }
        }
        let mut sum: f32 = sums.iter().sum();
        for x in rest {
            *x = exp::<FUSED>(*x - most);
            sum += *x;
        }
        *factor = if sum > 0.0 { 1.0 / sum } else { 0.0 };
    }
}

by_instructions! {
    /// Rows (at `stride`, `width` wide) as columns of panels of `lines` lines.
    fn pack_columns(x: &[f32], size: (usize, usize, usize), lines: usize, out: &mut [Line]) {
        let (rows, width, stride) = size;
        let panels = out.chunks_exact_mut((width * lines).max(1));
        for (index, panel) in panels.enumerate() {
            for line in 0..lines {
                let first = (index * lines + line) * 16;
                for lane in 0..16 {
                    let row = if first + lane < rows { &x[(first + lane) * stride..][..width] } else { &[] };
                    for (k, value) in row.iter().enumerate() {
                        panel[k * lines + line].0[lane] = value.to_bits();
                    }
                    if row.is_empty() {
                        for k in 0..width {
                            panel[k * lines + line].0[lane] = 0;
                        }
                    }
                }
            }
        }
    }
}

by_instructions! {
    /// Rows (at `stride`, `width` wide) as groups of panels of `lines` lines.
    fn pack_rows(x: &[f32], size: (usize, usize, usize), lines: usize, out: &mut [Line]) {
        let (rows, width, stride) = size;
        for (index, panel) in out.chunks_exact_mut((rows * lines).max(1)).enumerate() {
            for (line, out) in panel.iter_mut().enumerate() {
                let (row, column) = (line / lines, (index * lines + line % lines) * 16);
                let row = &x[row * stride..][..width];
                let part = row.get(column..).unwrap_or_default();
                match part.first_chunk::<16>() {
                    Some(part) => out.0 = part.map(f32::to_bits),
                    None => {
                        *out = Line([0; 16]);
                        out.0.iter_mut().zip(part).for_each(|(out, value)| *out = value.to_bits());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "attention_tests.rs"]
mod tests;
