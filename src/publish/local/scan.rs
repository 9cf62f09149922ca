//! The inner loop of vector search: vectors as int8 with one scale each, and their dot products.
//!
//! A component is stored as `round(127 · x / max|x|)`. For unit vectors of 384 dimensions the error
//! of a product of two such rows has a standard deviation near 0.001; the candidates found with it
//! are scored again with the full vectors.

/// Rows are padded with zeros to a multiple of this many components: one AVX2 register.
pub(super) const LANES: usize = 32;

/// The largest code. −128 is never used: the AVX2 loop takes absolute values, and its 16-bit sums
/// of two products, at most 2 · 127², must not saturate.
const LARGEST: f32 = 127.0;

/// A vector as int8.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantised {
    /// One a component, padded to a multiple of [`LANES`].
    pub codes: Vec<i8>,
    /// What a code of 1 stands for.
    pub scale: f32,
}

impl Quantised {
    /// Rounds a finite vector.
    pub(super) fn new(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let scale = largest / LARGEST;
        let factor = if scale > 0.0 { scale.recip() } else { 0.0 };
        // The cast saturates; the bounds keep −128 out whatever the division rounds to.
        let code = |x: &f32| (x * factor).round().clamp(-LARGEST, LARGEST) as i8;
        let mut codes: Vec<i8> = vector.iter().map(code).collect();
        codes.resize(vector.len().next_multiple_of(LANES), 0);
        Self { codes, scale }
    }
}

/// Exact dot products of a query with rows that follow each other, each as long as the query, which is a
/// multiple of [`LANES`]. There is a place in `sums` for each row.
pub(super) type Products = fn(query: &[i8], rows: &[i8], sums: &mut [i32]);

/// The fastest [`Products`] of this processor. All give the same numbers: they are integers.
pub(super) fn products() -> Products {
    #[cfg(target_arch = "x86_64")]
    if vnni::is_there() {
        return vnni::products;
    } else if std::is_x86_feature_detected!("avx2") {
        return avx2::products;
    }
    portable
}

fn portable(query: &[i8], rows: &[i8], sums: &mut [i32]) {
    for (row, sum) in rows.chunks_exact(query.len().max(1)).zip(sums) {
        // Cannot wrap below 133,000 dimensions; checked addition would keep the loop from vectorising.
        let both = row.iter().zip(query);
        *sum = both.fold(0, |sum: i32, (&a, &b)| sum.wrapping_add(i32::from(a) * i32::from(b)));
    }
}

#[cfg(target_arch = "x86_64")]
mod vnni {
    use super::LANES;
    use std::arch::x86_64::*;

    /// Codes in a register.
    const WIDE: usize = 64;
    /// The first half of a register: a row may end with one.
    const HALF: __mmask64 = (1 << LANES) - 1;

    /// Whether this processor multiplies bytes and adds them up in one instruction.
    pub(super) fn is_there() -> bool {
        std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vnni")
    }

    /// The products. To be called only where [`is_there`].
    pub(super) fn products(query: &[i8], rows: &[i8], sums: &mut [i32]) {
        // SAFETY: `super::products` hands this function out only after it found the instructions.
        unsafe { products_unchecked(query, rows, sums) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn products_unchecked(query: &[i8], rows: &[i8], sums: &mut [i32]) {
        // `dpbusd` multiplies unsigned by signed: a row's codes are taken 128 greater than they are, and
        // 128 times the sum of the query's codes is taken off in the end. Nothing saturates.
        let greater = _mm512_set1_epi8(i8::MIN);
        let more = query.iter().fold(0_i32, |sum, &code| sum.wrapping_add(i32::from(code))).wrapping_mul(128);
        let (wide, half) = query.as_chunks::<WIDE>();
        for (row, sum) in rows.chunks_exact(query.len().max(1)).zip(sums) {
            let (row, rest) = row.as_chunks::<WIDE>();
            let mut products = _mm512_setzero_si512();
            for (row, query) in row.iter().zip(wide) {
                // SAFETY: both hold 64 bytes; the loads need no alignment.
                let (row, query) = unsafe {
                    (_mm512_loadu_si512(row.as_ptr().cast()), _mm512_loadu_si512(query.as_ptr().cast()))
                };
                products = _mm512_dpbusd_epi32(products, _mm512_xor_si512(row, greater), query);
            }
            if rest.len() == LANES && half.len() == LANES {
                // SAFETY: both hold 32 bytes, and no more are loaded; the others are zeros.
                let (row, query) = unsafe {
                    (
                        _mm512_maskz_loadu_epi8(HALF, rest.as_ptr()),
                        _mm512_maskz_loadu_epi8(HALF, half.as_ptr()),
                    )
                };
                products = _mm512_dpbusd_epi32(products, _mm512_xor_si512(row, greater), query);
            }
            *sum = _mm512_reduce_add_epi32(products).wrapping_sub(more);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::LANES;
    use std::arch::x86_64::*;

    /// The products. To be called only where there is AVX2.
    pub(super) fn products(query: &[i8], rows: &[i8], sums: &mut [i32]) {
        // SAFETY: `super::products` hands this function out only after it found AVX2.
        unsafe { products_unchecked(query, rows, sums) }
    }

    #[target_feature(enable = "avx2")]
    fn products_unchecked(query: &[i8], rows: &[i8], sums: &mut [i32]) {
        let ones = _mm256_set1_epi16(1);
        for (row, sum) in rows.chunks_exact(query.len().max(1)).zip(sums) {
            let mut products = _mm256_setzero_si256();
            for (a, b) in row.chunks_exact(LANES).zip(query.chunks_exact(LANES)) {
                // SAFETY: both chunks hold exactly 32 bytes; the loads need no alignment.
                let (a, b) =
                    unsafe { (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast())) };
                // `maddubs` multiplies unsigned by signed: |a| times b with the sign of a.
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
                products = _mm256_add_epi32(products, _mm256_madd_epi16(pairs, ones));
            }
            let halves =
                _mm_add_epi32(_mm256_castsi256_si128(products), _mm256_extracti128_si256::<1>(products));
            let pairs = _mm_add_epi32(halves, _mm_shuffle_epi32::<0b01_00_11_10>(halves));
            *sum = _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs)));
        }
    }
}

/// Exact product of two vectors, added up in double precision so that its order does not show.
pub(super) fn exact(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kernel_gives_the_same_numbers(
            codes in prop::collection::vec(-127_i8..=127, 0..6 * 5 * LANES),
            width in 1..5_usize,
        ) {
            let stride = width * LANES;
            let rows = codes.len() / stride;
            if rows > 0 {
                let (query, codes) = (&codes[..stride], &codes[..rows * stride]);
                let expected: Vec<i32> = codes.chunks(stride).map(|row| {
                    row.iter().zip(query).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
                }).collect();
                for (name, products) in kernels() {
                    let mut sums = vec![7; rows];
                    products(query, codes, &mut sums);
                    prop_assert_eq!(&sums, &expected, "{}", name);
                }
            }
        }

        #[test]
        fn rounding_errs_by_half_a_step(vector in prop::collection::vec(-1e3_f32..1e3, 1..100)) {
            let rounded = Quantised::new(&vector);
            prop_assert_eq!(rounded.codes.len() % LANES, 0);
            for (x, &code) in vector.iter().zip(&rounded.codes) {
                prop_assert!((x - f32::from(code) * rounded.scale).abs() <= rounded.scale * 0.501);
            }
        }
    }

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

    #[test]
    fn extremes_do_not_saturate() {
        for (a, b) in [(127, 127), (-127, 127), (-127, -127)] {
            let (a, b) = (vec![a; 1024 + LANES], vec![b; 1024 + LANES]);
            for (name, products) in kernels() {
                let mut sum = [0];
                products(&a, &b, &mut sum);
                assert_eq!(sum[0], i32::from(a[0]) * i32::from(b[0]) * 1056, "{name}");
            }
        }
        assert_eq!(Quantised::new(&[0.0; 3]).scale, 0.0);
        assert_eq!(Quantised::new(&[1e-45, -1e-45]).codes.len(), LANES);
    }
}
