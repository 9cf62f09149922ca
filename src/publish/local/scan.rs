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

/// Exact dot product of two rows of codes of one length, a multiple of [`LANES`].
pub(super) type Dot = fn(&[i8], &[i8]) -> i32;

/// The fastest [`Dot`] of this processor. All give the same numbers: they are integers.
pub(super) fn dot() -> Dot {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        return avx2::dot;
    }
    portable
}

fn portable(a: &[i8], b: &[i8]) -> i32 {
    // Cannot wrap below 133,000 dimensions; checked addition would keep the loop from vectorising.
    a.iter().zip(b).fold(0, |sum: i32, (&a, &b)| sum.wrapping_add(i32::from(a) * i32::from(b)))
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::LANES;
    use std::arch::x86_64::*;

    /// The dot product of two rows. To be called only where there is AVX2.
    pub(super) fn dot(a: &[i8], b: &[i8]) -> i32 {
        // SAFETY: `super::dot` hands this function out only after it found AVX2.
        unsafe { dot_unchecked(a, b) }
    }

    #[target_feature(enable = "avx2")]
    fn dot_unchecked(a: &[i8], b: &[i8]) -> i32 {
        let ones = _mm256_set1_epi16(1);
        let mut sums = _mm256_setzero_si256();
        for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
            // SAFETY: both chunks hold exactly 32 bytes; the loads need no alignment.
            let (a, b) =
                unsafe { (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast())) };
            // `maddubs` multiplies unsigned by signed: |a| times b with the sign of a.
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
        }
        let sums = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let sums = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b01_00_11_10>(sums));
        let sums = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b10_11_00_01>(sums));
        _mm_cvtsi128_si32(sums)
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
        fn every_kernel_gives_the_same_number(
            rows in prop::collection::vec((-127_i8..=127, -127_i8..=127), 0..20 * LANES)
        ) {
            let whole = rows.len() / LANES * LANES;
            let (a, b): (Vec<i8>, Vec<i8>) = rows[..whole].iter().copied().unzip();
            let expected: i32 = a.iter().zip(&b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
            prop_assert_eq!(portable(&a, &b), expected);
            prop_assert_eq!(dot()(&a, &b), expected);
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

    #[test]
    fn extremes_do_not_saturate() {
        for (a, b) in [(127, 127), (-127, 127), (-127, -127)] {
            let (a, b) = (vec![a; 1024], vec![b; 1024]);
            assert_eq!(dot()(&a, &b), portable(&a, &b));
        }
        assert_eq!(Quantised::new(&[0.0; 3]).scale, 0.0);
        assert_eq!(Quantised::new(&[1e-45, -1e-45]).codes.len(), LANES);
    }
}
