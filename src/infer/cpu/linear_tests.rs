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
        let packed = Packed::new(&weight, &bias, inner, Precision::F32);
        let mut y = vec![f32::NAN; 3];
        packed.apply(&x, &mut y, Activation::None);
        let expected = expected(&x, &weight, &bias, inner);
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
