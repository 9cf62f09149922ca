use super::*;
use proptest::prelude::*;

fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn expected(x: &[f32], weight: &[f32], bias: &[f32], inner: usize) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    x.chunks_exact(inner)
        .flat_map(|x| {
            let add = |o: usize| f64::from(bias.get(o).copied().unwrap_or(0.0));
            weight.chunks_exact(inner).enumerate().map(move |(o, w)| (dot(x, w) + add(o)) as f32)
        })
        .collect()
}

proptest! {
    #[test]
    fn products_match_the_definition(
        rows in 0usize..40, out in 1usize..120, inner in 1usize..90, seed in 0u32..999, plain: bool
    ) {
        let (x, weight) = (values(rows * inner, seed), values(out * inner, seed + 1));
        let bias = if plain { Vec::new() } else { values(out, seed + 2) };
        let expected = expected(&x, &weight, &bias, inner);
        for set in Instructions::available() {
        let packed = Packed::with(&weight, &bias, inner, Precision::F32, set);
        let mut y = vec![f32::NAN; 3];
        packed.apply(&x, &mut y, Activation::None);
        prop_assert_eq!(y.len(), expected.len());
        for (found, expected) in y.iter().zip(&expected) {
            prop_assert!((found - expected).abs() < 1e-4, "{} {}", found, expected);
        }
        let mut gated = Vec::new();
        packed.apply_gated(&x, &mut gated, Activation::Silu);
        let half = out / 2;
        prop_assert_eq!(gated.len(), rows * half);
        for (index, found) in gated.iter().enumerate() {
            let row = &expected[index / half * out..];
            let (gate, value) = (row[index % half], row[half + index % half]);
            prop_assert!((found - gate / (1.0 + (-gate).exp()) * value).abs() < 2e-4);
        }
        }
    }

    #[test]
    fn short_forms_stay_near(
        rows in 1usize..40, out in 1usize..120, inner in 1usize..90, seed in 0u32..999
    ) {
        let (x, weight) = (values(rows * inner, seed), values(out * inner, seed + 1));
        let bias = values(out, seed + 2);
        let expected = expected(&x, &weight, &bias, inner);
        for (set, precision, step) in Instructions::available().into_iter().flat_map(|set| {
            [(set, Precision::Bf16, 1.0 / 256.0), (set, Precision::Int8, 1.0 / 127.0)]
        }) {
            let packed = Packed::with(&weight, &bias, inner, precision, set);
            let mut y = Vec::new();
            packed.apply(&x, &mut y, Activation::None);
            // Each product of numbers below 1 is wrong by less than two roundings; they do not add
            // up in one direction, but a bound may assume so.
            let bound = 1e-5 + 2.0 * step * inner as f32;
            for (found, expected) in y.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < bound, "{:?} {:?}: {} {}", set, precision, found, expected);
            }
        }
    }
}

#[test]
fn bytes_are_exact_where_the_values_are() {
    // 0 and 255 steps of 1/255, weights of 127 steps: no rounding anywhere, so the sums are exact.
    let x: Vec<f32> = (0..10 * 67).map(|i| if i % 3 == 0 { 1.0 } else { 0.0 }).collect();
    let weight: Vec<f32> = (0..50 * 67).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let mut y = Vec::new();
    Packed::new(&weight, &[], 67, Precision::Int8).apply(&x, &mut y, Activation::None);
    for (found, expected) in y.iter().zip(expected(&x, &weight, &[], 67)) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

proptest! {
    /// Rows that fill whole matrix registers, and any number of them.
    #[test]
    fn matrix_registers_sum_what_vectors_do(
        rows in 1usize..40, out in 1usize..120, sixty_fours in 1usize..6, seed in 0u32..999
    ) {
        let inner = sixty_fours * 64;
        let (x, weight, bias) = (values(rows * inner, seed), values(out * inner, seed + 1), values(out, seed + 2));
        for (precision, vectors) in [(Precision::Bf16, Kernel::Bf16), (Precision::Int8, Kernel::Bytes)] {
            let matrix = Packed::new(&weight, &bias, inner, precision);
            // Their panels are alike, so that only the instructions differ.
            let plain = Packed { kernel: vectors, ..Packed::new(&weight, &bias, inner, precision) };
            let set = Instructions::detected();
            if !(has_matrix_registers() && set.dots_bf16() && set.dots_bytes()) {
                eprintln!("this CPU has no matrix registers, or not both forms of vectors: nothing to compare");
                return Ok(());
            }
            prop_assert_ne!(matrix.kernel, vectors);
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            matrix.apply(&x, &mut found, Activation::Gelu);
            plain.apply(&x, &mut expected, Activation::Gelu);
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 1e-4, "{:?}: {} {}", precision, found, expected);
            }
        }
    }
}

#[test]
fn an_activation_is_applied_last() {
    let packed = Packed::new(&[1.0, -1.0], &[0.5, 0.5], 1, Precision::F32);
    let mut y = Vec::new();
    packed.apply(&[2.0], &mut y, Activation::Relu);
    assert_eq!(y, [2.5, 0.0]);
}
