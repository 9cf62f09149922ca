//! Linear layers: weights packed once for this CPU, products with the bias and the activation.

#[cfg(target_arch = "x86_64")]
mod amx;
mod encode;
pub(super) mod tile;

use super::instructions::Instructions;
use super::rows;
use encode::{Finish, RowScale};
use std::cell::RefCell;
use tile::{Kernel, Line, Sums};

/// In what form weights are kept and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Weights and inputs rounded to bfloat16, sums in 32-bit floats.
    Bf16,
    /// Weights as signed bytes (one scale per output), inputs as bytes (one scale and zero point
    /// per row, found as they come), sums as 32-bit integers.
    Int8,
}

/// Whether products in bfloat16 are done in matrix registers (AMX).
pub fn has_matrix_registers() -> bool {
    Kernel::of(Precision::Bf16, 2 * tile::MATRIX_GROUPS, Instructions::detected()) == Kernel::MatrixBf16
}

/// Applied to each value of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x
    None,
    /// x Φ(x), by the error function
    Gelu,
    /// The tanh approximation of GELU ("gelu_new", "gelu_pytorch_tanh")
    GeluTanh,
    /// max(x, 0)
    Relu,
    /// x sigmoid(x)
    Silu,
}

/// `y = x · weightᵀ + bias`, weights packed once for this CPU.
#[derive(Debug)]
pub struct Packed {
    kernel: Kernel,
    set: Instructions,
    out: usize,
    inner: usize,
    panels: Vec<Line>,
    bias: Vec<f32>,
    /// One step of the bytes of each output's weights.
    scales: Vec<f32>,
    /// Sum of the bytes of each output's weights.
    sums: Vec<i32>,
}

/// Rows of an input, as the microkernel reads them.
#[derive(Default)]
struct Encoded {
    groups: Vec<u32>,
    scales: Vec<RowScale>,
    wide: Vec<f32>,
}

thread_local! {
    /// Kept between products; about 1 MB.
    static ENCODED: RefCell<Encoded> = RefCell::default();
}

/// Bytes of input that are multiplied with all weights before the next: they and a panel of
/// weights stay in the second-level cache.
const BLOCK_BYTES: usize = 256 << 10;

impl Packed {
    /// Packs `weight: [out, inner]`, row-major, with `bias: [out]` or none (empty).
    ///
    /// Where the CPU has no instructions for a precision, the weights are rounded as the precision
    /// says and multiplied as f32.
    pub fn new(weight: &[f32], bias: &[f32], inner: usize, precision: Precision) -> Self {
        Self::with(weight, bias, inner, precision, Instructions::detected())
    }

    /// As [`Packed::new`], for an instruction set that the CPU has.
    fn with(weight: &[f32], bias: &[f32], inner: usize, precision: Precision, set: Instructions) -> Self {
        debug_assert!(inner > 0 && weight.len().is_multiple_of(inner));
        let set = set.min(Instructions::detected());
        let out = weight.len().checked_div(inner).unwrap_or(0);
        let kernel = Kernel::of(precision, inner, set);
        let steps: Vec<f32> = weight
            .chunks_exact(inner.max(1))
            .map(|row| row.iter().fold(f32::MIN_POSITIVE, |most, w| most.max(w.abs())) / 127.0)
            .collect();
        let at = |out: usize, k: usize| weight.get(out * inner + k).copied().unwrap_or(0.0);
        let step = |out: usize| steps.get(out).copied().unwrap_or(1.0);
        let byte = |out: usize, k: usize| (at(out, k) / step(out)).round().clamp(-127.0, 127.0);
        let panels = encode::panels(kernel, out, inner, |out, k| match (kernel.bits(), precision) {
            (16, _) => u32::from(encode::bf16_bits(at(out, k))),
            (8, _) => u32::from((byte(out, k) as i8).cast_unsigned()),
            (_, Precision::F32) => at(out, k).to_bits(),
            (_, Precision::Bf16) => u32::from(encode::bf16_bits(at(out, k))) << 16,
            (_, Precision::Int8) => (byte(out, k) * step(out)).to_bits(),
        });
        // As long as the panels are wide.
        let columns = || 0..out.div_ceil(kernel.columns()) * kernel.columns();
        let sum = |out: usize| (0..inner).map(|k| byte(out, k) as i32).sum::<i32>();
        Self {
            kernel,
            set,
            out,
            inner,
            bias: columns().map(|out| bias.get(out).copied().unwrap_or(0.0)).collect(),
            scales: columns().map(step).collect(),
            sums: columns().map(|out| if kernel.bits() == 8 { sum(out) } else { 0 }).collect(),
            panels,
        }
    }

    /// Values of a row that goes in.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// Columns of a product.
    pub fn out(&self) -> usize {
        self.out
    }

    /// `x: [rows, inner]` → `y: [rows, out]` (resized): `activation(x · weightᵀ + bias)`.
    pub fn apply(&self, x: &[f32], y: &mut Vec<f32>, activation: Activation) {
        debug_assert!(x.len().is_multiple_of(self.inner.max(1)));
        let rows = x.len().checked_div(self.inner).unwrap_or(0);
        y.resize(rows * self.out, 0.0);
        self.apply_to(x, y, activation);
    }

    /// As [`Packed::apply`], into a slice of `[rows, out]`.
    pub fn apply_to(&self, x: &[f32], y: &mut [f32], activation: Activation) {
        debug_assert!(x.len().checked_div(self.inner) == y.len().checked_div(self.out));
        if y.is_empty() {
            return;
        }
        ENCODED.with_borrow_mut(|encoded| {
            let block = self.block_rows();
            for (x, y) in x.chunks(block * self.inner).zip(y.chunks_mut(block * self.out)) {
                self.block(x, y, activation, &mut encoded.groups, &mut encoded.scales);
            }
        });
    }

    /// As [`Packed::apply`], then `y = activation(first half) · second half`, halves of `out`
    /// columns: `y: [rows, out / 2]`.
    pub fn apply_gated(&self, x: &[f32], y: &mut Vec<f32>, activation: Activation) {
        debug_assert!(x.len().is_multiple_of(self.inner.max(1)));
        let (rows, half) = (x.len().checked_div(self.inner).unwrap_or(0), self.out / 2);
        y.resize(rows * half, 0.0);
        if y.is_empty() {
            return;
        }
        ENCODED.with_borrow_mut(|Encoded { groups, scales, wide }| {
            // Few rows, so that both halves stay in the cache.
            let block = self.block_rows().min(96);
            for (x, y) in x.chunks(block * self.inner).zip(y.chunks_mut(block * half)) {
                wide.resize(x.len() / self.inner * self.out, 0.0);
                self.block(x, wide, Activation::None, groups, scales);
                for (row, y) in wide.chunks_exact(self.out).zip(y.chunks_exact_mut(half)) {
                    let (gate, value) = row.split_at(half);
                    rows::activate_product(self.set, gate, value, activation, y);
                }
            }
        });
    }

    /// A multiple of every tile's height.
    fn block_rows(&self) -> usize {
        (BLOCK_BYTES / 4 / self.inner.max(1)).div_ceil(48).clamp(1, 5) * 48
    }

    /// Rows whose encoded form stays in the cache, against every panel.
    fn block(
        &self,
        x: &[f32],
        y: &mut [f32],
        activation: Activation,
        groups: &mut Vec<u32>,
        scales: &mut Vec<RowScale>,
    ) {
        let rows = x.len() / self.inner;
        let stride = self.inner.div_ceil(encode::group(self.kernel));
        scales.clear();
        let a: &[u32] = match self.kernel {
            Kernel::Portable | Kernel::Avx2 | Kernel::Avx512 => tile::bits(x),
            Kernel::Bf16 | Kernel::MatrixBf16 => {
                groups.resize(rows * stride, 0);
                encode::to_bf16(self.set, x, self.inner, groups);
                groups
            }
            Kernel::Bytes | Kernel::MatrixBytes => {
                groups.resize(rows * stride, 0);
                scales.resize(rows, RowScale::default());
                encode::to_bytes(self.set, x, self.inner, groups, scales);
                groups
            }
        };
        let width = self.kernel.columns();
        let panels = self.panels.chunks_exact(stride * (width / 16));
        let tiles = rows.div_ceil(self.kernel.rows()).max(1);
        let mut sums = Sums::default();
        for (index, panel) in panels.enumerate() {
            let first = index * width;
            let how = Finish {
                rows: &[],
                bias: self.bias.get(first..first + width).unwrap_or_default(),
                scales: self.scales.get(first..first + width).unwrap_or_default(),
                sums: self.sums.get(first..first + width).unwrap_or_default(),
                activation,
            };
            for tile in 0..tiles {
                // Tiles of like height: one row alone would wait for its own sums.
                let (start, end) = (tile * rows / tiles, (tile + 1) * rows / tiles);
                let (Some(a), Some(y)) = (a.get(start * stride..), y.get_mut(start * self.out + first..))
                else {
                    continue;
                };
                self.kernel.run(end - start, a, stride, panel, stride, &mut sums);
                let how = Finish { rows: scales.get(start..end).unwrap_or_default(), ..how };
                let width = width.min(self.out - first);
                encode::finish(self.set, &sums, end - start, how, y, self.out, width);
            }
        }
    }
}

#[cfg(test)]
#[path = "linear_tests.rs"]
mod tests;
