//! Weights into panels, rows into groups, sums into outputs: what surrounds [`super::tile`].

#![allow(clippy::indexing_slicing)] // lanes of fixed width

use super::tile::{COLUMNS, Kernel, Line, Sums};
use super::{Activation, Columns};
use crate::infer::cpu::instructions::{by_instructions, madd};
use crate::infer::cpu::rows;

/// Values of one group: what fills 32 bits.
pub fn group(kernel: Kernel) -> usize {
    match kernel {
        Kernel::Portable | Kernel::Avx2 | Kernel::Avx512 => 1,
        Kernel::Bf16 => 2,
        Kernel::Bytes => 4,
    }
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
    pub scales: &'a [RowScale],
    /// Of every column of the panel.
    pub columns: &'a [Columns],
    /// Applied last.
    pub activation: Activation,
}

by_instructions! {
    /// Writes the sums of a tile to `y` (rows at `stride`, at most `width` columns): scales, bias,
    /// activation.
    pub fn finish(sums: &Sums, rows: usize, how: Finish, y: &mut [f32], stride: usize, width: usize) {
        let mut values = [0.0f32; COLUMNS];
        for (r, sums) in sums.0.iter().take(rows).enumerate() {
            let parts = values.as_chunks_mut::<16>().0.iter_mut().zip(sums.as_chunks::<16>().0);
            for ((values, sums), columns) in parts.zip(how.columns) {
                match how.scales.get(r) {
                    None => {
                        for c in 0..16 {
                            values[c] = f32::from_bits(sums[c]) + columns.bias[c];
                        }
                    }
                    Some(row) => {
                        for c in 0..16 {
                            let shift = row.zero.wrapping_mul(columns.sums[c]);
                            let sum = sums[c].cast_signed().wrapping_sub(shift) as f32;
                            values[c] = madd::<FUSED>(sum, row.scale * columns.scales[c], columns.bias[c]);
                        }
                    }
                }
            }
            match how.columns {
                [_] => rows::activate_all::<FUSED>(&mut values[..16], how.activation),
                _ => rows::activate_all::<FUSED>(&mut values, how.activation),
            }
            let Some(out) = y.get_mut(r * stride..r * stride + width) else { break };
            match out.as_mut_array::<COLUMNS>() {
                Some(out) => *out = values,
                None => out.iter_mut().zip(&values).for_each(|(out, value)| *out = *value),
            }
        }
    }
}
