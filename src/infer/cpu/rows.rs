//! Row-wise operators: norms, softmax, activations, pooling, rotary embedding.
//!
//! The bodies are plain loops over fixed-width lanes, compiled three times (portable, AVX2 + FMA,
//! AVX-512) and picked at run time, so that one binary is fast on each machine.

#![allow(clippy::indexing_slicing)] // lanes of fixed width; lengths are checked at every entry

use super::instructions::{self, Instructions, by_instructions, madd};
use super::linear::Activation;

/// Accumulators that the compiler turns into registers.
const LANES: usize = 16;

/// Compiles a function body for each instruction set and picks one at run time.
macro_rules! by_instruction_set {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident : $ty:ty),*) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
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

pub(super) use by_instruction_set;

/// eˣ within 2 units in the last place for −87 ≤ x ≤ 88, clamped beyond (Cephes' polynomial,
/// Moshier 1992).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
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

/// erf(z) within 4 × 10⁻⁷: z times a polynomial in z² (minimax on |z| ≤ 4, beyond which erf is 1 to
/// the last place), written in z²/8 − 1, which is in −1..1, so that nothing cancels.
#[inline(always)]
fn erf<const FUSED: bool>(z: f32) -> f32 {
    let z = z.clamp(-4.0, 4.0);
    let s = madd::<FUSED>(z * z, 0.125, -1.0);
    let p = madd::<FUSED>(0.002_439_437, s, -0.005_942_882_6);
    let p = madd::<FUSED>(p, s, 0.003_529_538_9);
    let p = madd::<FUSED>(p, s, -0.003_210_138);
    let p = madd::<FUSED>(p, s, 0.014_867_732);
    let p = madd::<FUSED>(p, s, -0.026_591_659);
    let p = madd::<FUSED>(p, s, 0.033_129_38);
    let p = madd::<FUSED>(p, s, -0.044_130_06);
    let p = madd::<FUSED>(p, s, 0.059_786_19);
    let p = madd::<FUSED>(p, s, -0.075_055_47);
    let p = madd::<FUSED>(p, s, 0.090_232_27);
    let p = madd::<FUSED>(p, s, -0.107_681_86);
    let p = madd::<FUSED>(p, s, 0.131_673_49);
    let p = madd::<FUSED>(p, s, -0.176_576_94);
    let p = madd::<FUSED>(p, s, 0.353_531);
    z * p
}

/// `activation(x)`.
#[inline(always)]
fn activated_one<const FUSED: bool>(x: f32, activation: Activation) -> f32 {
    const TWICE_ROOT: f32 = 1.595_769; // 2 √(2/π)
    match activation {
        Activation::None => x,
        Activation::Gelu => {
            let half = 0.5 * x;
            madd::<FUSED>(half, erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2), half)
        }
        // x/2 · (1 + tanh u) = x · sigmoid(2u) for u = √(2/π) (x + 0.044715 x³)
        Activation::GeluTanh => {
            let inside = madd::<FUSED>(0.044_715 * x * x, x, x);
            x / (1.0 + instructions::exp::<FUSED>(-TWICE_ROOT * inside))
        }
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + instructions::exp::<FUSED>(-x)),
    }
}

/// `y = activation(x)`, to be inlined into a loop of an instruction set.
#[inline(always)]
pub(super) fn activated<const FUSED: bool>(x: &[f32], activation: Activation, y: &mut [f32]) {
    match activation {
        Activation::None => each(x, y, |x| x),
        Activation::Gelu => each(x, y, |x| activated_one::<FUSED>(x, Activation::Gelu)),
        Activation::GeluTanh => each(x, y, |x| activated_one::<FUSED>(x, Activation::GeluTanh)),
        Activation::Relu => each(x, y, |x| activated_one::<FUSED>(x, Activation::Relu)),
        Activation::Silu => each(x, y, |x| activated_one::<FUSED>(x, Activation::Silu)),
    }
}

#[inline(always)]
fn each(x: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = f(*x);
    }
}

by_instructions! {
    fn activate_on(x: &mut [f32], activation: Activation) {
        let mut part = [0.0; 4 * LANES];
        for x in x.chunks_mut(part.len()) {
            let part = &mut part[..x.len()];
            part.copy_from_slice(x);
            activated::<FUSED>(part, activation, x);
        }
    }
}

/// `x = activation(x)`, value by value.
pub fn activate(x: &mut [f32], activation: Activation) {
    activate_on(Instructions::detected(), x, activation);
}

by_instructions! {
    /// `y = activation(gate) · value`; all of one length.
    pub fn activate_product(gate: &[f32], value: &[f32], activation: Activation, y: &mut [f32]) {
        activated::<FUSED>(gate, activation, y);
        for (y, value) in y.iter_mut().zip(value) {
            *y *= *value;
        }
    }
}

by_instruction_set! {
    /// `x = layer_norm(x)`; rows of `weight.len()`; `bias` may be empty.
    pub fn layer_norm(x: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        if weight.is_empty() {
            return;
        }
        for row in x.chunks_exact_mut(weight.len()) {
            normalise(row, weight, bias, epsilon);
        }
    }
}

by_instruction_set! {
    /// `x = layer_norm(x + y)`; rows of `weight.len()`; `bias` may be empty.
    pub fn add_layer_norm(x: &mut [f32], y: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        debug_assert_eq!(x.len(), y.len());
        if weight.is_empty() {
            return;
        }
        for (row, add) in x.chunks_exact_mut(weight.len()).zip(y.chunks_exact(weight.len())) {
            for (x, y) in row.iter_mut().zip(add) {
                *x += *y;
            }
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
    if bias.is_empty() {
        for (x, w) in row.iter_mut().zip(weight) {
            *x = (*x - mean) * scale * *w;
        }
    } else {
        for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
            *x = (*x - mean) * scale * *w + *b;
        }
    }
}

by_instruction_set! {
    /// `x = x / √(mean of squares + epsilon) · weight`; rows of `weight.len()` (T5's norm).
    pub fn rms_norm(x: &mut [f32], weight: &[f32], epsilon: f32) {
        if weight.is_empty() {
            return;
        }
        for row in x.chunks_exact_mut(weight.len()) {
            let scale = 1.0 / (sum_of(row, |v| v * v) / row.len() as f32 + epsilon).sqrt();
            for (x, w) in row.iter_mut().zip(weight) {
                *x = *x * scale * *w;
            }
        }
    }
}

by_instruction_set! {
    /// `x += y`.
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += *y;
        }
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
    /// Softmax of each row of `width`; a value of −∞ gets probability 0, a row of −∞ alone zeros.
    pub fn softmax(x: &mut [f32], width: usize) {
        if width == 0 {
            return;
        }
        for row in x.chunks_exact_mut(width) {
            let mut lanes = [f32::MIN; LANES];
            let chunks = row.chunks_exact(LANES);
            let rest = chunks.remainder().iter().fold(f32::MIN, |m, v| m.max(*v));
            for chunk in chunks {
                for lane in 0..LANES {
                    lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
                }
            }
            let most = lanes.iter().fold(rest, |m, v| m.max(*v));
            for x in row.iter_mut() {
                let e = exp(*x - most);
                *x = if *x == f32::NEG_INFINITY { 0.0 } else { e };
            }
            let scale = 1.0 / sum_of(row, |v| v).max(f32::MIN_POSITIVE);
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
        if out.is_empty() {
            return;
        }
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

/// Rotary embedding in place, half-split form: in each head, (x₁, x₂) at columns c and c + width/2
/// become (x₁ cos − x₂ sin, x₂ cos + x₁ sin).
///
/// `x` holds rows of `heads * width` at `stride` from one to the next (pass q, then k, of a fused
/// qkv row); `cos` and `sin` hold one row of `width / 2` for each row of `x`.
pub fn rotate(x: &mut [f32], stride: usize, heads: usize, width: usize, cos: &[f32], sin: &[f32]) {
    let half = width / 2;
    debug_assert!(heads * width <= stride);
    if half == 0 || stride == 0 {
        return;
    }
    let turns = cos.chunks_exact(half).zip(sin.chunks_exact(half));
    for (row, (cos, sin)) in x.chunks_mut(stride).zip(turns) {
        for head in row.chunks_exact_mut(width).take(heads) {
            let (first, second) = head.split_at_mut(half);
            for (((a, b), c), s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
