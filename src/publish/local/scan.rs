//! The inner loop of vector search: vectors as int8 with one scale each, in two halves of four bits, and
//! their dot products.
//!
//! A component is stored as `round(119 · x / max|x|)`. For unit vectors of 384 dimensions the error
//! of a product of two such rows has a standard deviation near 0.001; the candidates found with it
//! are scored again with the full vectors.
//!
//! A scan is bound by memory, so it reads the upper halves alone: they bound what the product can be, and only
//! rows that may be among the best are looked at further.

/// Rows are padded with zeros to a multiple of this many components: two of them are one byte of a half, and one
/// AVX2 register holds the halves of so many.
pub(super) const LANES: usize = 64;

/// Bytes that hold the halves of [`LANES`] components.
const BYTES: usize = LANES / 2;

/// The largest code: so that both halves fit four bits.
const LARGEST: f32 = 119.0;

/// Added to a code before it is cut in two, so that the lower half errs to both sides alike.
const SHIFT: i32 = 8 * 16 + 8;

/// How far the product with the upper half may be off, in standard deviations.
const DEVIATIONS: f32 = 7.0;

/// Length that the upper half leaves of ordinary codes at most, as a share of theirs: 0.12 of evenly spread ones.
const ORDINARY: f32 = 0.2;

/// A vector as int8: `code = 16 · (upper − 8) + (lower − 8)`.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantised {
    /// The upper halves of the codes: of 64 components those of the first 32 in the lower halves of 32 bytes.
    pub upper: Vec<u8>,
    /// The lower halves of the codes, likewise.
    pub lower: Vec<u8>,
    /// What a code of 1 stands for.
    pub scale: f32,
    /// What products with the upper half are multiplied with, so that they err to both sides alike.
    pub stretch: f32,
    /// Length of what the upper half, stretched, leaves of the codes, which it is orthogonal to; infinite where
    /// that says nothing.
    pub residue: f32,
}

/// Codes of a finite vector, padded, and what a code of 1 stands for.
fn codes(vector: &[f32]) -> (Vec<i8>, f32) {
    let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = largest / LARGEST;
    let factor = if scale > 0.0 { scale.recip() } else { 0.0 };
    // The cast saturates; the bounds hold whatever the division rounds to.
    let code = |x: &f32| (x * factor).round().clamp(-LARGEST, LARGEST) as i8;
    let mut codes: Vec<i8> = vector.iter().map(code).collect();
    codes.resize(vector.len().next_multiple_of(LANES), 0);
    (codes, scale)
}

impl Quantised {
    /// Rounds a finite vector.
    pub(super) fn new(vector: &[f32]) -> Self {
        let (codes, scale) = codes(vector);
        let cut = |code: &i8| {
            let shifted = i32::from(*code) + SHIFT;
            (shifted >> 4, shifted & 15)
        };
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        let (mut whole, mut both, mut half) = (0.0_f32, 0.0_f32, 0.0_f32);
        for group in codes.chunks_exact(LANES) {
            let (first, second) = group.split_at(BYTES);
            for (a, b) in first.iter().zip(second) {
                let ((upper_a, lower_a), (upper_b, lower_b)) = (cut(a), cut(b));
                upper.push((upper_a | upper_b << 4) as u8);
                lower.push((lower_a | lower_b << 4) as u8);
                for (code, part) in [(a, upper_a), (b, upper_b)] {
                    let (code, part) = (f32::from(*code), ((part - 8) * 16) as f32);
                    (whole, both, half) = (whole + code * code, both + code * part, half + part * part);
                }
            }
        }
        // Gao, Long: "RaBitQ", SIGMOD 2024: divided by their product with the vector itself, products with what
        // was rounded are right in the mean.
        let stretch = if both > 0.0 { whole / both } else { 1.0 };
        let residue = (whole - 2.0 * stretch * both + stretch * stretch * half).max(0.0).sqrt();
        // Where a few components outweigh the others, these have nothing in the upper half: what is left is much of the
        // vector, and not in any direction. Such a row is looked at as a whole.
        let residue = if residue > ORDINARY * whole.sqrt() { f32::INFINITY } else { residue };
        Self { upper, lower, scale, stretch, residue }
    }
}

/// A vector that rows are multiplied with.
pub(super) struct Query {
    /// Codes of the components whose halves are in the lower halves of bytes, and of the others.
    parts: [Vec<i8>; 2],
    /// What a code of 1 stands for.
    pub scale: f32,
    sum: i32,
    /// How far a product with the upper half of a row may be off, by the length of what that leaves.
    reach: f32,
    products: Products,
}

impl Query {
    /// Rounds a finite vector.
    pub(super) fn new(vector: &[f32]) -> Self {
        let (codes, scale) = codes(vector);
        let part = |at: usize| -> Vec<i8> {
            let halves = codes.chunks_exact(BYTES).skip(at).step_by(2);
            halves.flatten().copied().collect()
        };
        let squares: f32 = codes.iter().map(|&code| f32::from(code) * f32::from(code)).sum();
        // What is orthogonal to a row has any direction, as seen from there.
        let reach = DEVIATIONS * (squares / vector.len().max(1) as f32).sqrt();
        let sum = codes.iter().map(|&code| i32::from(code)).sum();
        Self { parts: [part(0), part(1)], scale, sum, reach, products: products() }
    }

    /// Bytes of a half of a row.
    pub(super) fn width(&self) -> usize {
        self.parts[0].len()
    }

    /// The products of the halves of rows that follow each other, as they are: of numbers from 0 to 15.
    pub(super) fn halves(&self, rows: &[u8], sums: &mut [i32]) {
        (self.products)([&self.parts[0], &self.parts[1]], rows, sums);
    }

    /// The most that a row's product of codes may be, by that of its upper half.
    #[inline]
    pub(super) fn most(&self, upper: i32, stretch: f32, residue: f32) -> f32 {
        (upper.wrapping_mul(16).wrapping_sub(self.sum.wrapping_mul(128))) as f32 * stretch
            + residue * self.reach
    }

    /// A row's product of codes, by that of its upper half and its lower half.
    pub(super) fn whole(&self, upper: i32, lower: &[u8]) -> i32 {
        let mut sum = [0];
        self.halves(lower, &mut sum);
        upper.wrapping_mul(16).wrapping_add(sum[0]).wrapping_sub(self.sum.wrapping_mul(SHIFT))
    }
}

/// Tells memory that something is needed soon, so that several come at once.
#[inline]
pub(super) fn fetch<T>(items: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let (first, bytes) = (items.as_ptr().cast::<i8>(), size_of_val(items));
        for byte in (0..bytes).step_by(64).chain(bytes.checked_sub(1)) {
            // SAFETY: a hint, which reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(byte)) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = items;
}

/// Exact dot products of a query's two parts with halves of rows that follow each other, each as long as a part,
/// which is a multiple of [`BYTES`]. There is a place in `sums` for each row.
type Products = fn(query: [&[i8]; 2], rows: &[u8], sums: &mut [i32]);

/// The fastest [`Products`] of this processor. All give the same numbers: they are integers.
fn products() -> Products {
    #[cfg(target_arch = "x86_64")]
    if vnni::is_there() {
        return vnni::products;
    } else if std::is_x86_feature_detected!("avx2") {
        return avx2::products;
    }
    portable
}

fn portable([first, second]: [&[i8]; 2], rows: &[u8], sums: &mut [i32]) {
    for (row, sum) in rows.chunks_exact(first.len().max(1)).zip(sums) {
        // Cannot wrap below a million dimensions; checked addition would keep the loop from vectorising.
        let all = row.iter().zip(first.iter().zip(second));
        *sum = all.fold(0, |sum: i32, (&both, (&a, &b))| {
            sum.wrapping_add(i32::from(both & 15) * i32::from(a) + i32::from(both >> 4) * i32::from(b))
        });
    }
}

#[cfg(target_arch = "x86_64")]
mod vnni {
    use super::BYTES;
    use std::arch::x86_64::*;

    /// Bytes of a register.
    const WIDE: usize = 64;
    /// The first half of a register: a row may end with one.
    const HALF: __mmask64 = (1 << BYTES) - 1;
    /// Rows whose products are reckoned together.
    const AT_ONCE: usize = 4;
    /// Bytes that memory is told of before they are needed: what it finds by itself is a third slower.
    const AHEAD: usize = 2048;

    /// Whether this processor multiplies bytes and adds them up in one instruction.
    pub(super) fn is_there() -> bool {
        std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vnni")
    }

    /// The products. To be called only where [`is_there`].
    pub(super) fn products(query: [&[i8]; 2], rows: &[u8], sums: &mut [i32]) {
        let width = query[0].len();
        if width != query[1].len() || !width.is_multiple_of(BYTES) {
            return super::portable(query, rows, sums);
        }
        // SAFETY: `super::products` hands this function out only after it found the instructions; the parts are as
        // long as `some` takes them to be.
        unsafe { products_unchecked(query, rows, sums) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn products_unchecked(query: [&[i8]; 2], rows: &[u8], sums: &mut [i32]) {
        let width = query[0].len().max(1);
        for (rows, sums) in rows.chunks(width * AT_ONCE).zip(sums.chunks_mut(AT_ONCE)) {
            if rows.len() < width * AT_ONCE || sums.len() < AT_ONCE {
                for (row, sum) in rows.chunks_exact(width).zip(sums) {
                    *sum = _mm512_reduce_add_epi32(some(query, [row])[0]);
                }
                continue;
            }
            let (ab, cd) = rows.split_at(2 * width);
            let ((a, b), (c, d)) = (ab.split_at(width), cd.split_at(width));
            let four = four_sums(some(query, [a, b, c, d]));
            // SAFETY: the four places hold 16 bytes; the store needs no alignment.
            unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast(), four) };
        }
    }

    /// The sums of the numbers of each register.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    fn four_sums([a, b, c, d]: [__m512i; AT_ONCE]) -> __m128i {
        let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        // Each quarter has a part of every sum.
        let all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        let halves = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
        _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
    }

    /// The products of some rows, each as the numbers of a register that are still to be added up. A part of the
    /// query is loaded once for all rows. `products_unchecked` cuts them as long as its two parts, a multiple of
    /// [`BYTES`]: nothing else may call this.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    fn some<const ROWS: usize>([first, second]: [&[i8]; 2], rows: [&[u8]; ROWS]) -> [__m512i; ROWS] {
        let four = _mm512_set1_epi8(15);
        let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
        for (number, (a, b)) in first.chunks(WIDE).zip(second.chunks(WIDE)).enumerate() {
            let mask = if a.len() < WIDE { HALF } else { !0 };
            // SAFETY: both hold 64 bytes, or 32 and no more are loaded; the others are zeros.
            let (a, b) = unsafe {
                (_mm512_maskz_loadu_epi8(mask, a.as_ptr()), _mm512_maskz_loadu_epi8(mask, b.as_ptr()))
            };
            for ([lower, upper], row) in sums.iter_mut().zip(rows) {
                let place = row.as_ptr().wrapping_add(number * WIDE).cast::<i8>();
                // A row that is looked at alone is no walk. It is a hint: what is fetched ahead need not exist.
                if ROWS > 1 {
                    _mm_prefetch::<_MM_HINT_T0>(place.wrapping_add(AHEAD));
                }
                // SAFETY: a row is as long as the parts of the query, and no more is loaded.
                let row = unsafe { _mm512_maskz_loadu_epi8(mask, place) };
                *lower = _mm512_dpbusd_epi32(*lower, _mm512_and_si512(row, four), a);
                let high = _mm512_and_si512(_mm512_srli_epi16::<4>(row), four);
                *upper = _mm512_dpbusd_epi32(*upper, high, b);
            }
        }
        sums.map(|[lower, upper]| _mm512_add_epi32(lower, upper))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::BYTES;
    use std::arch::x86_64::*;

    /// The products. To be called only where there is AVX2.
    pub(super) fn products(query: [&[i8]; 2], rows: &[u8], sums: &mut [i32]) {
        // SAFETY: `super::products` hands this function out only after it found AVX2.
        unsafe { products_unchecked(query, rows, sums) }
    }

    #[target_feature(enable = "avx2")]
    fn products_unchecked([first, second]: [&[i8]; 2], rows: &[u8], sums: &mut [i32]) {
        let (ones, four) = (_mm256_set1_epi16(1), _mm256_set1_epi8(15));
        for (row, sum) in rows.chunks_exact(first.len().max(1)).zip(sums) {
            let mut products = _mm256_setzero_si256();
            let queries = first.chunks_exact(BYTES).zip(second.chunks_exact(BYTES));
            for (row, (a, b)) in row.chunks_exact(BYTES).zip(queries) {
                // SAFETY: all chunks hold exactly 32 bytes; the loads need no alignment.
                let (row, a, b) = unsafe {
                    (
                        _mm256_loadu_si256(row.as_ptr().cast()),
                        _mm256_loadu_si256(a.as_ptr().cast()),
                        _mm256_loadu_si256(b.as_ptr().cast()),
                    )
                };
                // `maddubs` multiplies unsigned by signed: four sums of 15 times 119 fit 16 bits.
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(row), four);
                let pairs = _mm256_add_epi16(
                    _mm256_maddubs_epi16(_mm256_and_si256(row, four), a),
                    _mm256_maddubs_epi16(upper, b),
                );
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
#[path = "scan_tests.rs"]
mod tests;
