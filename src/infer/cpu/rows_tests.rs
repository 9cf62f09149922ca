use super::*;
use proptest::prelude::*;

#[test]
fn exp_and_activations_are_close() {
    let mut x = -20.0f32;
    while x < 20.0 {
        assert!((exp(x) / x.exp() - 1.0).abs() < 1e-6, "exp {x}");
        assert!((instructions::exp::<true>(x) / x.exp() - 1.0).abs() < 1e-6, "exp {x}");
        let z = f64::from(x);
        let inside = (2.0 / std::f64::consts::PI).sqrt() * (z + 0.044715 * z * z * z);
        let close = |found: f32, z: f64| (f64::from(found) - z).abs() < 1e-6 * z.abs().max(1.0);
        assert!(
            close(activated_one::<false>(x, Activation::GeluTanh), 0.5 * z * (1.0 + inside.tanh())),
            "gelu_tanh {x}"
        );
        assert!(close(activated_one::<false>(x, Activation::Silu), z / (1.0 + (-z).exp())), "silu {x}");
        x += 0.001;
    }
    for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_9), (-1.0, -0.842_700_8), (3.0, 0.999_977_9)] {
        assert!((erf::<false>(x) - y).abs() < 1e-6, "erf {x}: {}", erf::<false>(x));
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
    fn norms_match_their_definitions(width in 1usize..70, rows in 1usize..4, seed in 0u32..99, plain: bool) {
        let value = |i: usize| ((i as u32 * 37 + seed * 11) % 23) as f32 - 11.0;
        let x: Vec<f32> = (0..rows * width).map(value).collect();
        let y: Vec<f32> = (0..rows * width).map(|i| value(i + 3)).collect();
        let weight: Vec<f32> = (0..width).map(|i| value(i + 5)).collect();
        let bias: Vec<f32> = if plain { Vec::new() } else { (0..width).map(|i| value(i + 7)).collect() };
        let (mut layer, mut rms) = (x.clone(), x.clone());
        add_layer_norm(&mut layer, &y, &weight, &bias, 1e-5);
        rms_norm(&mut rms, &weight, 1e-5);
        for r in 0..rows {
            let range = r * width..(r + 1) * width;
            let sum: Vec<f64> = range.clone().map(|i| f64::from(x[i]) + f64::from(y[i])).collect();
            let mean = sum.iter().sum::<f64>() / width as f64;
            let variance = sum.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
            let square = range.clone().map(|i| f64::from(x[i]).powi(2)).sum::<f64>() / width as f64;
            for c in 0..width {
                let i = r * width + c;
                let shift = bias.get(c).copied().unwrap_or(0.0);
                let expected = (sum[c] - mean) / (variance + 1e-5).sqrt() * f64::from(weight[c]) + f64::from(shift);
                prop_assert!((f64::from(layer[i]) - expected).abs() < 1e-3);
                let expected = f64::from(x[i]) / (square + 1e-5).sqrt() * f64::from(weight[c]);
                prop_assert!((f64::from(rms[i]) - expected).abs() < 1e-3);
            }
        }
    }
}

#[test]
fn rows_of_minus_infinity_have_no_probability() {
    let mut x = [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY, f32::NEG_INFINITY];
    softmax(&mut x, 2);
    assert_eq!(x, [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_quarter_turn_swaps_the_halves() {
    let mut x = [1.0, 2.0, 3.0, 4.0, 9.0];
    rotate(&mut x, 5, 1, 4, &[0.0, 0.0], &[1.0, 1.0]);
    assert_eq!(x, [-3.0, -4.0, 1.0, 2.0, 9.0]);
}
