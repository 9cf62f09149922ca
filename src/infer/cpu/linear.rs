//! Linear layers: weights packed once for this CPU, products with the bias and the activation.

use super::kernels::{View, matmul};
use super::rows;

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
    weight: Vec<f32>,
    bias: Vec<f32>,
    inner: usize,
}

impl Packed {
    /// Packs `weight: [out, inner]`, row-major, with `bias: [out]` or none (empty).
    pub fn new(weight: &[f32], bias: &[f32], inner: usize, precision: Precision) -> Self {
        debug_assert!(inner > 0 && weight.len().is_multiple_of(inner));
        let _ = precision;
        let out = weight.len().checked_div(inner).unwrap_or(0);
        let mut bias = bias.to_vec();
        bias.resize(out, 0.0);
        Self { weight: weight.to_vec(), bias, inner }
    }

    /// Columns of a product.
    pub fn out(&self) -> usize {
        self.bias.len()
    }

    /// Columns of an input.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// `x: [rows, inner]` → `y: [rows, out]` (resized): `activation(x · weightᵀ + bias)`.
    pub fn apply(&self, x: &[f32], y: &mut Vec<f32>, activation: Activation) {
        debug_assert!(x.len().is_multiple_of(self.inner.max(1)));
        let (rows, out) = (x.len().checked_div(self.inner).unwrap_or(0), self.out());
        y.clear();
        y.resize(rows * out, 0.0);
        if y.is_empty() {
            return;
        }
        matmul(
            (rows, out, self.inner),
            1.0,
            (x, View::rows(self.inner)),
            (&self.weight, View::transposed(self.inner)),
            (y, View::rows(out)),
        );
        for row in y.chunks_exact_mut(out) {
            rows::add(row, &self.bias);
        }
        rows::activate(y, activation);
    }

    /// As [`Packed::apply`], then `y = activation(first half) · second half`, halves of `out`
    /// columns: `y: [rows, out / 2]`.
    pub fn apply_gated(&self, x: &[f32], y: &mut Vec<f32>, activation: Activation) {
        let half = self.out() / 2;
        let mut wide = Vec::new();
        self.apply(x, &mut wide, Activation::None);
        y.clear();
        for row in wide.chunks_exact_mut(self.out().max(1)) {
            let (gate, value) = row.split_at_mut(half);
            rows::activate(gate, activation);
            y.extend(gate.iter().zip(value).map(|(g, v)| g * *v));
        }
    }
}

#[cfg(test)]
#[path = "linear_tests.rs"]
mod tests;
