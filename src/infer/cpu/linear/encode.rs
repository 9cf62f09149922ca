//! Weights into panels, rows into groups, sums into outputs: what surrounds [`super::tile`].

#![allow(clippy::indexing_slicing)] // lanes of fixed width

use super::Activation;
use super::tile::{COLUMNS, Kernel, Line, ROWS, Sums};
use crate::infer::cpu::instructions::{by_instructions, madd};
use crate::infer::cpu::rows;

/// Values of one group: what fills 32 bits.
pub fn group(kernel: Kernel) -> usize {
    32 / kernel.bits() as usize
}

/// Rounds to bfloat16, to nearest even; NaN is not expected in weights or states.
#[inline(always)]
pub fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// Puts rows of weights into panels of `kernel.columns()`; the last is padded with zeros.
///
/// `code(out, inner)` gives the bits of one weight, as wide as 32 bits over the group.
pub fn panels(kernel: Kernel, out: usize, inner: usize, code: impl Fn(usize, usize) -> u32) -> Vec<Line> {
    let (columns, group) = (kernel.columns(), group(kernel));
    let groups = inner.div_ceil(group);
    let lines = columns / 16;
    let mut packed = Vec::with_capacity(out.div_ceil(columns) * groups * lines);
    for first in (0..out).step_by(columns) {
        for g in 0..groups {
            for line in 0..lines {
                packed.push(Line(std::array::from_fn(|lane| {
                    let column = first + line * 16 + lane;
                    let values = (g * group..((g + 1) * group).min(inner)).enumerate();
                    let bits = 32 / group;
                    if column >= out {
                        return 0;
                    }
                    values.fold(0, |word, (i, k)| word | code(column, k) << (i * bits))
                })));
            }
        }
    }
    packed
}

/// How the bytes of one row stand for its values: `scale · (byte − zero)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowScale {
    /// Of one step.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero: i32,
}

by_instructions! {
    /// Rows of `inner` values as bf16 pairs; an odd last value is followed by zero.
    pub fn to_bf16(x: &[f32], inner: usize, out: &mut [u32]) {
        let groups = inner.div_ceil(2);
        for (row, out) in x.chunks_exact(inner.max(1)).zip(out.chunks_exact_mut(groups.max(1))) {
            let (pairs, last) = row.as_chunks::<2>();
            for (out, [low, high]) in out.iter_mut().zip(pairs) {
                *out = u32::from(bf16_bits(*low)) | u32::from(bf16_bits(*high)) << 16;
            }
            if let ([value], Some(out)) = (last, out.last_mut()) {
                *out = u32::from(bf16_bits(*value));
            }
        }
    }
}

by_instructions! {
    /// Rows of `inner` values as bytes in groups of 4, with a scale and a zero point for each row,
    /// from its least to its greatest value (0 among them, so that 0 is exact).
    pub fn to_bytes(x: &[f32], inner: usize, out: &mut [u32], scales: &mut [RowScale]) {
        const TO_NEAREST: f32 = 12_582_912.0; // 1.5 × 2²³: the integer is in the low bits
        let groups = inner.div_ceil(4);
        let rows = x.chunks_exact(inner.max(1)).zip(out.chunks_exact_mut(groups.max(1)));
        for ((row, out), kept) in rows.zip(scales) {
            let (mut least, mut most) = ([0.0f32; 16], [0.0f32; 16]);
            let (chunks, rest) = row.as_chunks::<16>();
            for chunk in chunks {
                for ((least, most), v) in least.iter_mut().zip(&mut most).zip(chunk) {
                    *least = if *v < *least { *v } else { *least };
                    *most = if *v > *most { *v } else { *most };
                }
            }
            let low = least.iter().chain(rest).fold(0.0f32, |a, b| a.min(*b));
            let high = most.iter().chain(rest).fold(0.0f32, |a, b| a.max(*b));
            let scale = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
            let (inverse, zero) = (1.0 / scale, (-low / scale).round().clamp(0.0, 255.0));
            *kept = RowScale { scale, zero: zero as i32 };
            let offset = zero + TO_NEAREST;
            let byte = |v: f32| {
                let v = madd::<FUSED>(v, inverse, offset).clamp(TO_NEAREST, TO_NEAREST + 255.0);
                v.to_bits() & 0xff
            };
            let (quads, rest) = row.as_chunks::<4>();
            for (out, [a, b, c, d]) in out.iter_mut().zip(quads) {
                *out = byte(*a) | byte(*b) << 8 | byte(*c) << 16 | byte(*d) << 24;
            }
            if !rest.is_empty() && let Some(out) = out.last_mut() {
                *out = rest.iter().rev().fold(0, |word, v| word << 8 | byte(*v));
            }
        }
    }
}

/// What a tile's sums become.
#[derive(Clone, Copy)]
pub struct Finish<'a> {
    /// Rows' scales, where the sums are of bytes; else empty.
    pub rows: &'a [RowScale],
    /// Of every column of the panel.
    pub bias: &'a [f32],
    /// One step of the bytes of each column's weights.
    pub scales: &'a [f32],
    /// Sum of the bytes of each column's weights.
    pub sums: &'a [i32],
    /// Applied last.
    pub activation: Activation,
}

/// Values of a tile.
#[repr(C, align(64))]
struct Values([[f32; COLUMNS]; ROWS]);

by_instructions! {
    /// Writes the sums of a tile to `y` (rows at `stride`, at most `width` columns): scales, bias,
    /// activation.
    pub fn finish(sums: &Sums, rows: usize, how: Finish, y: &mut [f32], stride: usize, width: usize) {
        if how.activation == Activation::None {
            for (r, (sums, y)) in sums.values.iter().zip(y.chunks_mut(stride)).take(rows).enumerate() {
                let Some(y) = y.get_mut(..width) else { break };
                match y.as_mut_array::<COLUMNS>() {
                    Some(y) => value::<FUSED>(sums, how.rows.get(r), how, y),
                    None => value::<FUSED>(sums, how.rows.get(r), how, y),
                }
            }
            return;
        }
        // Two passes: what was just written in other pieces cannot be read at once.
        let mut values = Values([[0.0; COLUMNS]; ROWS]);
        for (r, (sums, values)) in sums.values.iter().zip(&mut values.0).take(rows).enumerate() {
            match how.bias.len() {
                COLUMNS => value::<FUSED>(sums, how.rows.get(r), how, values),
                used => value::<FUSED>(sums, how.rows.get(r), how, &mut values[..used.min(COLUMNS)]),
            }
        }
        for (values, y) in values.0.iter().zip(y.chunks_mut(stride)).take(rows) {
            let Some(y) = y.get_mut(..width) else { break };
            match y.as_mut_array::<COLUMNS>() {
                Some(y) => rows::activated::<FUSED>(values, how.activation, y),
                None => rows::activated::<FUSED>(&values[..width], how.activation, y),
            }
        }
    }
}

/// One row of a tile: scales and bias.
#[inline(always)]
fn value<const FUSED: bool>(sums: &[u32; COLUMNS], row: Option<&RowScale>, how: Finish, y: &mut [f32]) {
    match row {
        None => {
            for ((y, sum), bias) in y.iter_mut().zip(sums).zip(how.bias) {
                *y = f32::from_bits(*sum) + bias;
            }
        }
        Some(row) => {
            let columns = how.bias.iter().zip(how.scales).zip(how.sums);
            for ((y, sum), ((bias, scale), shift)) in y.iter_mut().zip(sums).zip(columns) {
                let sum = sum.cast_signed().wrapping_sub(row.zero.wrapping_mul(*shift)) as f32;
                *y = madd::<FUSED>(sum, row.scale * scale, *bias);
            }
        }
    }
}
