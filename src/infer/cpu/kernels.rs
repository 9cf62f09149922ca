//! The CPU's operators, each fused so that a row is read and written once.
//!
//! The bodies are plain loops over fixed-width lanes, compiled three times (portable, AVX2 + FMA,
//! AVX-512) and picked at run time, so that one binary is fast on each machine.

#![allow(clippy::indexing_slicing)] // lanes of fixed width; lengths are asserted at every entry

use gemm::Parallelism;

/// Accumulators that the compiler turns into registers.
const LANES: usize = 16;

/// Compiles a function body for each instruction set and picks one at run time.
macro_rules! by_instruction_set {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident : $ty:ty),*) $body:block) => {
        $(#[$doc])*
        pub fn $name($($arg: $ty),*) {
            #[inline(always)]
            fn body($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn avx512($($arg: $ty),*) { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) { body($($arg),*) }
                use std::arch::is_x86_feature_detected as has;
                if has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw") {
                    // SAFETY: the features were just detected.
                    return unsafe { avx512($($arg),*) };
                }
                if has!("avx2") && has!("fma") {
                    // SAFETY: the features were just detected.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

/// eˣ within 2 units in the last place for −87 ≤ x ≤ 88, clamped beyond (Cephes' polynomial,
/// Moshier 1992).
#[inline(always)]
fn exp(x: f32) -> f32 {
    const TO_NEAREST: f32 = 12_582_912.0; // 1.5 × 2²³: adding it rounds to an integer
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + TO_NEAREST) - TO_NEAREST;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    y * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

/// erf within 1.5 × 10⁻⁷ (Abramowitz and Stegun 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let z = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let y = 1.0 - p * t * exp(-z * z);
    y.copysign(x)
}

by_instruction_set! {
    /// `x = gelu(x + bias)`, exact (erf) form; rows of `bias.len()`.
    pub fn bias_gelu(x: &mut [f32], bias: &[f32]) {
        for row in x.chunks_exact_mut(bias.len()) {
            for (x, b) in row.iter_mut().zip(bias) {
                let v = *x + *b;
                *x = 0.5 * v * (1.0 + erf(v * std::f32::consts::FRAC_1_SQRT_2));
            }
        }
    }
}

by_instruction_set! {
    /// `x = layer_norm(x + y + bias)`; rows of `weight.len()`, which is a multiple of nothing in
    /// particular. `norm_bias` and `weight` are the norm's own.
    pub fn residual_norm(x: &mut [f32], y: &[f32], bias: &[f32], weight: &[f32], norm_bias: &[f32], epsilon: f32) {
        let width = weight.len();
        for (row, add) in x.chunks_exact_mut(width).zip(y.chunks_exact(width)) {
            for ((x, y), b) in row.iter_mut().zip(add).zip(bias) {
                *x += *y + *b;
            }
            normalise(row, weight, norm_bias, epsilon);
        }
    }
}

by_instruction_set! {
    /// `x = layer_norm(x)`; rows of `weight.len()`.
    pub fn norm(x: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        for row in x.chunks_exact_mut(weight.len()) {
            normalise(row, weight, bias, epsilon);
        }
    }
}

#[inline(always)]
fn normalise(row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let count = row.len() as f32;
    let mean = sum_of(row, |v| v) / count;
    let variance = sum_of(row, |v| (v - mean) * (v - mean)) / count;
    let scale = 1.0 / (variance + epsilon).sqrt();
    for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
        *x = (*x - mean) * scale * *w + *b;
    }
}

/// Sum of `f` over a row, in lanes: a plain sum is a chain that no compiler may reorder.
#[inline(always)]
fn sum_of(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|v| f(*v)).sum();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += f(chunk[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

by_instruction_set! {
    /// Softmax of each row of `width`.
    pub fn softmax(x: &mut [f32], width: usize) {
        for row in x.chunks_exact_mut(width) {
            let mut lanes = [f32::NEG_INFINITY; LANES];
            let chunks = row.chunks_exact(LANES);
            let rest = chunks.remainder().iter().fold(f32::NEG_INFINITY, |m, v| m.max(*v));
            for chunk in chunks {
                for lane in 0..LANES {
                    lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
                }
            }
            let most = lanes.iter().fold(rest, |m, v| m.max(*v));
            for x in row.iter_mut() {
                *x = exp(*x - most);
            }
            let scale = 1.0 / sum_of(row, |v| v);
            for x in row.iter_mut() {
                *x *= scale;
            }
        }
    }
}

by_instruction_set! {
    /// `out = L2-normalised mean of the rows of x`, each as wide as `out`.
    pub fn mean_pool(x: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        for row in x.chunks_exact(out.len()) {
            for (o, v) in out.iter_mut().zip(row) {
                *o += *v;
            }
        }
        // The mean's factor cancels in the normalisation; a zero vector stays zero.
        let length = sum_of(out, |v| v * v).sqrt().max(1e-12);
        for o in out.iter_mut() {
            *o /= length;
        }
    }
}

/// A matrix inside a slice: element (r, c) is at `offset + r * row + c * column`.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Of element (0, 0).
    pub offset: usize,
    /// From one row to the next.
    pub row: usize,
    /// From one column to the next.
    pub column: usize,
}

impl View {
    /// All of a slice, row-major with this width.
    pub fn rows(width: usize) -> Self {
        Self { offset: 0, row: width, column: 1 }
    }

    /// The transpose of all of a slice.
    pub fn transposed(width: usize) -> Self {
        Self { offset: 0, row: 1, column: width }
    }

    fn fits(self, rows: usize, columns: usize, length: usize) -> bool {
        rows == 0
            || columns == 0
            || self.offset + (rows - 1) * self.row + (columns - 1) * self.column < length
    }
}

/// `out = scale · a · b` for `a: [m, k]`, `b: [k, n]`, `out: [m, n]`, on this thread alone.
pub fn matmul(
    (m, n, k): (usize, usize, usize),
    scale: f32,
    (a, a_view): (&[f32], View),
    (b, b_view): (&[f32], View),
    (out, out_view): (&mut [f32], View),
) {
    assert!(a_view.fits(m, k, a.len()) && b_view.fits(k, n, b.len()) && out_view.fits(m, n, out.len()));
    let stride = |step: usize| isize::try_from(step).unwrap_or(isize::MAX);
    // SAFETY: the views were checked against the slices above; `out` does not alias `a` or `b`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr().add(out_view.offset),
            stride(out_view.column),
            stride(out_view.row),
            false,
            a.as_ptr().add(a_view.offset),
            stride(a_view.column),
            stride(a_view.row),
            b.as_ptr().add(b_view.offset),
            stride(b_view.column),
            stride(b_view.row),
            0.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_and_erf_are_close() {
        let mut x = -20.0f32;
        while x < 20.0 {
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-6, "exp {x}");
            x += 0.001;
        }
        for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_9), (-1.0, -0.842_700_8), (3.0, 0.999_977_9)] {
            assert!((erf(x) - y).abs() < 3e-7, "erf {x}: {}", erf(x));
        }
    }

    proptest! {
        #[test]
        fn softmax_rows_sum_to_one(x in proptest::collection::vec(-1e4f32..1e4, 1..70)) {
            let mut row = x.clone();
            softmax(&mut row, x.len());
            prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            prop_assert!(row.iter().all(|v| v.is_finite() && *v >= 0.0));
        }

        #[test]
        fn matmul_matches_the_definition(m in 1usize..9, n in 1usize..9, k in 1usize..9, seed in 0u32..99) {
            let value = |i: usize| ((i as u32 * 37 + seed * 11) % 23) as f32 - 11.0;
            let a: Vec<f32> = (0..m * k).map(value).collect();
            let b: Vec<f32> = (0..n * k).map(|i| value(i + 5)).collect();
            let mut out = vec![0.0; m * n];
            matmul((m, n, k), 0.5, (&a, View::rows(k)), (&b, View::transposed(k)), (&mut out, View::rows(n)));
            for r in 0..m {
                for c in 0..n {
                    let expected: f32 = (0..k).map(|i| a[r * k + i] * b[c * k + i]).sum::<f32>() * 0.5;
                    prop_assert!((out[r * n + c] - expected).abs() < 1e-3);
                }
            }
        }
    }

    #[test]
    fn residual_norm_matches_the_definition() {
        let width = 37;
        let mut x: Vec<f32> = (0..width * 2).map(|i| (i % 7) as f32).collect();
        let y = vec![1.0; width * 2];
        let (bias, weight, shift) = (vec![0.5; width], vec![2.0; width], vec![-1.0; width]);
        let row: Vec<f64> = x[..width].iter().map(|v| f64::from(*v) + 1.5).collect();
        residual_norm(&mut x, &y, &bias, &weight, &shift, 1e-12);
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64;
        for (found, v) in x.iter().zip(&row) {
            assert!((f64::from(*found) - ((v - mean) / variance.sqrt() * 2.0 - 1.0)).abs() < 1e-5);
        }
    }
}
