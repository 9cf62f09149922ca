//! Operators of networks that read pictures: convolutions and pools, channels last.
//!
//! A convolution is a product of its windows, laid out as rows a few at a time, with packed weights;
//! one of a single pixel needs no windows.

#![allow(clippy::indexing_slicing)] // lanes of fixed width; sizes are checked at the entry

use super::instructions::{Instructions, by_instructions, madd};
use super::linear::{Activation, Packed};
use super::rows;
use crate::tensor::Tensor;

/// How a window moves: pairs are (vertical, horizontal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its size.
    pub size: (usize, usize),
    /// Its step.
    pub step: (usize, usize),
    /// Nothing before the picture: above and to the left.
    pub before: (usize, usize),
    /// Nothing after it: below and to the right.
    pub after: (usize, usize),
}

impl Window {
    /// How often it fits, down and across; 0 where it is larger than the picture.
    pub fn places(&self, height: usize, width: usize) -> (usize, usize) {
        let along = |length: usize, size: usize, step: usize, around: usize| {
            (length + around).checked_sub(size).map_or(0, |rest| rest / step.max(1) + 1)
        };
        (
            along(height, self.size.0, self.step.0, self.before.0 + self.after.0),
            along(width, self.size.1, self.step.1, self.before.1 + self.after.1),
        )
    }

    /// Whether it is one pixel after another.
    pub fn is_pixel(&self) -> bool {
        self.size == (1, 1) && self.step == (1, 1) && self.before == (0, 0) && self.after == (0, 0)
    }
}

/// Rows of windows that are laid out together: they stay in the second-level cache.
const ROW_BYTES: usize = 256 << 10;

/// `y = activation(conv(x))`; `weights` are packed from `[out, size.0, size.1, in]`.
pub fn convolve(
    x: &Tensor,
    window: &Window,
    weights: &Packed,
    activation: Activation,
    windows: &mut Vec<f32>,
    y: &mut Tensor,
) {
    let (height, width) = window.places(x.height, x.width);
    let out = weights.out();
    (y.height, y.width, y.channels) = (height, width, out);
    if window.is_pixel() {
        weights.apply(&x.values, &mut y.values, activation);
        return;
    }
    y.values.resize(height * width * out, 0.0);
    let length = window.size.0 * window.size.1 * x.channels;
    let together = (ROW_BYTES / 4 / length.max(1)).max(24);
    let places = height * width;
    let mut first = 0;
    while first < places {
        let count = together.min(places - first);
        windows.resize(count * length, 0.0);
        for (index, to) in windows.chunks_exact_mut(length.max(1)).enumerate() {
            let place = first + index;
            lay_out(x, window, (place / width, place % width), to);
        }
        weights.apply_to(windows, &mut y.values[first * out..(first + count) * out], activation);
        first += count;
    }
}

/// The window at a place as one row; zeros where it reaches over the edge.
fn lay_out(x: &Tensor, window: &Window, (row, column): (usize, usize), to: &mut [f32]) {
    let across = window.size.1 * x.channels;
    let left = column * window.step.1;
    // Columns of the window that lie within the picture.
    let start = window.before.1.saturating_sub(left).min(window.size.1);
    let end = (x.width + window.before.1).saturating_sub(left).min(window.size.1).max(start);
    for (dy, to) in to.chunks_exact_mut(across.max(1)).enumerate() {
        let y = (row * window.step.0 + dy).checked_sub(window.before.0).filter(|y| *y < x.height);
        let Some(y) = y.filter(|_| end > start) else {
            to.fill(0.0);
            continue;
        };
        let from = (y * x.width + left + start - window.before.1) * x.channels;
        to[..start * x.channels].fill(0.0);
        let inside = &mut to[start * x.channels..end * x.channels];
        inside.copy_from_slice(&x.values[from..from + inside.len()]);
        to[end * x.channels..].fill(0.0);
    }
}

/// Convolves each channel by itself: `weights: [size.0 · size.1, channels]`, `bias: [channels]`.
pub fn convolve_channels(x: &Tensor, window: &Window, weights: &[f32], bias: &[f32], y: &mut Tensor) {
    assert!(weights.len() == window.size.0 * window.size.1 * x.channels && bias.len() == x.channels);
    assert_eq!(x.values.len(), x.pixels() * x.channels);
    (y.height, y.width) = window.places(x.height, x.width);
    y.channels = x.channels;
    y.values.resize(y.pixels() * y.channels, 0.0);
    if y.values.is_empty() {
        return;
    }
    let row = y.width * y.channels;
    for (number, out) in y.values.chunks_exact_mut(row).enumerate() {
        channels_of_row(Instructions::detected(), x, window, weights, bias, number, out);
    }
}

/// Channels that are summed in registers.
const LANES: usize = 48;

by_instructions! {
    fn channels_of_row(x: &Tensor, window: &Window, weights: &[f32], bias: &[f32], row: usize, out: &mut [f32]) {
        let channels = x.channels;
        // Rows of the window that lie within the picture.
        let top = row * window.step.0;
        let start = window.before.0.saturating_sub(top).min(window.size.0);
        let end = (x.height + window.before.0).saturating_sub(top).min(window.size.0).max(start);
        for (column, out) in out.chunks_exact_mut(channels).enumerate() {
            let left = column * window.step.1;
            let first = window.before.1.saturating_sub(left).min(window.size.1);
            let last = (x.width + window.before.1).saturating_sub(left).min(window.size.1).max(first);
            let mut lane = 0;
            for (out, bias) in out.chunks_mut(LANES).zip(bias.chunks(LANES)) {
                let mut sums = [0.0f32; LANES];
                sums[..bias.len()].copy_from_slice(bias);
                for dy in start..end {
                    let y = top + dy - window.before.0;
                    for dx in first..last {
                        let tap = dy * window.size.1 + dx;
                        let pixel = y * x.width + left + dx - window.before.1;
                        let (from, by) = (pixel * channels + lane, tap * channels + lane);
                        let (from, by) = (&x.values[from..from + out.len()], &weights[by..by + out.len()]);
                        match (from.as_array::<LANES>(), by.as_array::<LANES>()) {
                            (Some(from), Some(by)) => {
                                for ((sum, x), w) in sums.iter_mut().zip(from).zip(by) {
                                    *sum = madd::<FUSED>(*x, *w, *sum);
                                }
                            }
                            _ => {
                                for ((sum, x), w) in sums.iter_mut().zip(from).zip(by) {
                                    *sum = madd::<FUSED>(*x, *w, *sum);
                                }
                            }
                        }
                    }
                }
                out.copy_from_slice(&sums[..out.len()]);
                lane += LANES;
            }
        }
    }
}

/// `y = activation(transposed conv(x))` whose window steps by its own size: every pixel becomes a
/// window. `weights` are packed from `[size.0, size.1, out]` rows of `in`.
pub fn unfold(
    x: &Tensor,
    size: (usize, usize),
    weights: &Packed,
    activation: Activation,
    windows: &mut Vec<f32>,
    y: &mut Tensor,
) {
    let out = weights.out() / (size.0 * size.1).max(1);
    (y.height, y.width, y.channels) = (x.height * size.0, x.width * size.1, out);
    y.values.resize(y.pixels() * out, 0.0);
    let across = size.1 * out;
    let (columns, row) = (x.width, x.width * x.channels);
    if row == 0 || across == 0 {
        return;
    }
    for (x, y) in x.values.chunks_exact(row).zip(y.values.chunks_exact_mut(columns * across * size.0)) {
        weights.apply(x, windows, activation);
        for (column, window) in windows.chunks_exact(across * size.0).enumerate() {
            for (dy, part) in window.chunks_exact(across).enumerate() {
                let at = (dy * columns + column) * across;
                y[at..at + across].copy_from_slice(part);
            }
        }
    }
}

/// What a pool makes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The largest value.
    Most,
    /// The mean of what lies within the picture.
    Mean,
}

/// Pools each channel by itself.
pub fn pool(x: &Tensor, window: &Window, how: Pool, y: &mut Tensor) {
    let channels = x.channels;
    (y.height, y.width) = window.places(x.height, x.width);
    y.channels = channels;
    y.values.resize(y.pixels() * channels, 0.0);
    let width = y.width.max(1);
    for (place, out) in y.values.chunks_exact_mut(channels.max(1)).enumerate() {
        let (top, left) = (place / width * window.step.0, place % width * window.step.1);
        let rows = top.saturating_sub(window.before.0)
            ..(top + window.size.0).saturating_sub(window.before.0).min(x.height);
        let columns = left.saturating_sub(window.before.1)
            ..(left + window.size.1).saturating_sub(window.before.1).min(x.width);
        let count = rows.len() * columns.len();
        out.fill(if how == Pool::Most { f32::MIN } else { 0.0 });
        for pixel in rows.flat_map(|y| columns.clone().map(move |c| y * x.width + c)) {
            let from = &x.values[pixel * channels..(pixel + 1) * channels];
            match how {
                Pool::Most => out.iter_mut().zip(from).for_each(|(o, v)| *o = if *v > *o { *v } else { *o }),
                Pool::Mean => rows::add(out, from),
            }
        }
        if how == Pool::Mean {
            out.iter_mut().for_each(|o| *o /= count.max(1) as f32);
        }
    }
}

/// The mean of each channel over all pixels: one pixel.
pub fn mean(x: &Tensor, y: &mut Tensor) {
    (y.height, y.width, y.channels) = (1, 1, x.channels);
    y.values.clear();
    y.values.resize(x.channels, 0.0);
    // Sums of sums: one long sum of many pixels would lose digits.
    let mut part = vec![0.0; x.channels];
    for pixels in x.values.chunks((x.channels * 256).max(1)) {
        part.fill(0.0);
        pixels.chunks_exact(x.channels.max(1)).for_each(|pixel| rows::add(&mut part, pixel));
        rows::add(&mut y.values, &part);
    }
    let count = x.pixels().max(1) as f32;
    y.values.iter_mut().for_each(|v| *v /= count);
}

/// `x[pixel] *= by`, channel by channel.
pub fn scale(x: &mut [f32], by: &[f32]) {
    for pixel in x.chunks_exact_mut(by.len().max(1)) {
        pixel.iter_mut().zip(by).for_each(|(x, by)| *x *= *by);
    }
}

/// Repeats every pixel, down and across.
pub fn enlarge(x: &Tensor, (down, across): (usize, usize), y: &mut Tensor) {
    (y.height, y.width, y.channels) = (x.height * down, x.width * across, x.channels);
    y.values.clear();
    y.values.reserve(y.pixels() * y.channels);
    let row = (x.width * x.channels).max(1);
    for row in x.values.chunks_exact(row) {
        let start = y.values.len();
        for pixel in row.chunks_exact(x.channels.max(1)) {
            (0..across).for_each(|_| y.values.extend_from_slice(pixel));
        }
        let end = y.values.len();
        (1..down).for_each(|_| y.values.extend_from_within(start..end));
    }
}

/// Puts the channels of several pictures of one size side by side.
pub fn concatenate(parts: &[&Tensor], y: &mut Tensor) {
    let Some(first) = parts.first() else { return };
    (y.height, y.width) = (first.height, first.width);
    y.channels = parts.iter().map(|part| part.channels).sum();
    y.values.clear();
    y.values.reserve(y.pixels() * y.channels);
    for pixel in 0..first.pixels() {
        for part in parts {
            y.values.extend_from_slice(&part.values[pixel * part.channels..(pixel + 1) * part.channels]);
        }
    }
}

/// Of each row of `width` scores: which is largest, and its share in the softmax of the row.
pub fn best(scores: &[f32], width: usize, y: &mut Vec<f32>) {
    for row in scores.chunks_exact(width.max(1)) {
        let (mut class, mut most) = (0, f32::MIN);
        for (index, &score) in row.iter().enumerate() {
            if score > most {
                (class, most) = (index, score);
            }
        }
        let mut sum = [0.0f32];
        exponentials(Instructions::detected(), row, most, &mut sum);
        // Classes are few enough to be exact in 32-bit floats.
        y.extend([class as f32, 1.0 / sum[0].max(1.0)]);
    }
}

by_instructions! {
    fn exponentials(row: &[f32], most: f32, sum: &mut [f32; 1]) {
        let mut lanes = [0.0f32; 16];
        let (whole, rest) = row.as_chunks::<16>();
        for chunk in whole {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += super::instructions::exp::<FUSED>(*x - most);
            }
        }
        sum[0] = lanes.iter().sum::<f32>() + rest.iter().map(|x| (x - most).exp()).sum::<f32>();
    }
}
