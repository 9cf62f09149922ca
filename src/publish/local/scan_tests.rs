use super::*;
use proptest::prelude::*;

/// Those that this processor has.
fn kernels() -> Vec<(&'static str, Products)> {
    let mut all: Vec<(&str, Products)> = vec![("portable", portable)];
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx2") {
            all.push(("avx2", avx2::products));
        }
        if vnni::is_there() {
            all.push(("vnni", vnni::products));
        }
    }
    all
}

/// The product of a row's codes with a query's, from its halves.
fn product(query: &Query, row: &Quantised) -> i32 {
    let mut upper = [0];
    query.halves(&row.upper, &mut upper);
    query.whole(upper[0], &row.lower)
}

proptest! {
    #[test]
    fn every_kernel_gives_the_same_numbers(
        rows in prop::collection::vec(any::<u8>(), 0..6 * 5 * BYTES),
        codes in prop::collection::vec(-119_i8..=119, 10 * BYTES),
        width in 1..5_usize,
    ) {
        let stride = width * BYTES;
        let (first, second) = (&codes[..stride], &codes[stride..2 * stride]);
        let rows = &rows[..rows.len() / stride * stride];
        let product = |row: &[u8]| -> i32 {
            let parts = row.iter().zip(first.iter().zip(second));
            parts.map(|(row, (a, b))| i32::from(row & 15) * i32::from(*a) + i32::from(row >> 4) * i32::from(*b)).sum()
        };
        let expected: Vec<i32> = rows.chunks(stride).map(product).collect();
        for (name, products) in kernels() {
            let mut sums = vec![7; rows.len() / stride];
            products([first, second], rows, &mut sums);
            prop_assert_eq!(&sums, &expected, "{}", name);
        }
    }

    #[test]
    fn halves_make_the_whole(a in prop::collection::vec(-1e3_f32..1e3, 1..200), seed in 0_u32..99) {
        let b: Vec<f32> = a.iter().zip(seed..).map(|(x, n)| (x + n as f32 * 37.0) % 51.0 - 20.0).collect();
        let (query, row) = (Query::new(&a), Quantised::new(&b));
        let (left, right) = (codes(&a).0, codes(&b).0);
        let expected: i32 = left.iter().zip(&right).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
        prop_assert_eq!(product(&query, &row), expected);
        prop_assert_eq!(row.upper.len(), query.width());
        // With itself, the upper half alone says it without an error.
        let (itself, mut upper) = (Query { reach: 0.0, ..Query::new(&b) }, [0]);
        itself.halves(&row.upper, &mut upper);
        let whole: i32 = right.iter().map(|&b| i32::from(b) * i32::from(b)).sum();
        let most = itself.most(upper[0], row.stretch, row.residue);
        prop_assert!((most - whole as f32).abs() <= whole as f32 * 1e-4, "{} {}", most, whole);
    }

    #[test]
    fn rounding_errs_by_half_a_step(vector in prop::collection::vec(-1e3_f32..1e3, 1..100)) {
        let (codes, scale) = codes(&vector);
        prop_assert_eq!(codes.len() % LANES, 0);
        for (x, &code) in vector.iter().zip(&codes) {
            prop_assert!((x - f32::from(code) * scale).abs() <= scale * 0.501);
        }
    }
}

#[test]
fn extremes_do_not_saturate() {
    for (a, b) in [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0)] {
        let (a, b) = (vec![a; 1024 + 32], vec![b; 1024 + 32]);
        let product = product(&Query::new(&a), &Quantised::new(&b));
        assert_eq!(product, (a[0] * b[0]) as i32 * 119 * 119 * 1056);
    }
    let nothing = Quantised::new(&[0.0; 3]);
    assert_eq!((nothing.scale, nothing.stretch, nothing.residue), (0.0, 1.0, 0.0));
    assert_eq!(Quantised::new(&[1e-45, -1e-45]).upper.len(), BYTES);
}
