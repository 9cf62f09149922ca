//! Dot products of one query with four rows at a time: AVX2 where the processor has it (asked at
//! run time, once a scan), plain Rust elsewhere.
//!
//! Rows and query are padded with zeros to a multiple of [`LANES`].

/// Rows are padded to a multiple of this many elements.
pub const LANES: usize = 32;

/// Does this processor have what the fast kernels need?
pub fn fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Four f32 dot products, portable.
pub fn dot4_f32(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    rows.map(|row| {
        let mut sums = [0f32; 8];
        for (a, b) in row.chunks_exact(8).zip(query.chunks_exact(8)) {
            for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += x * y;
            }
        }
        sums.iter().sum()
    })
}

/// Four dot products of i8 codes with a u8 query, portable.
pub fn dot4_i8(query: &[u8], rows: [&[i8]; 4]) -> [i32; 4] {
    rows.map(|row| row.iter().zip(query).map(|(x, q)| i32::from(*x) * i32::from(*q)).sum())
}

/// The AVX2 kernels.
#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    use std::arch::x86_64::*;

    /// Four f32 dot products, two sums a row to hide the latency of the multiply-add.
    #[target_feature(enable = "avx2,fma")]
    pub fn dot4_f32(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
        let len = query.len();
        assert!(len.is_multiple_of(16) && rows.iter().all(|row| row.len() == len));
        let mut low = [_mm256_setzero_ps(); 4];
        let mut high = [_mm256_setzero_ps(); 4];
        let mut at = 0;
        while at < len {
            // SAFETY: at + 16 <= len, which is the length of the query and of each row.
            unsafe {
                let q0 = _mm256_loadu_ps(query.as_ptr().add(at));
                let q1 = _mm256_loadu_ps(query.as_ptr().add(at + 8));
                for r in 0..4 {
                    let p = rows[r].as_ptr().add(at);
                    low[r] = _mm256_fmadd_ps(q0, _mm256_loadu_ps(p), low[r]);
                    high[r] = _mm256_fmadd_ps(q1, _mm256_loadu_ps(p.add(8)), high[r]);
                }
            }
            at += 16;
        }
        let sum = |r: usize| _mm256_add_ps(low[r], high[r]);
        let pairs = _mm256_hadd_ps(_mm256_hadd_ps(sum(0), sum(1)), _mm256_hadd_ps(sum(2), sum(3)));
        let both = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps::<1>(pairs));
        let mut out = [0f32; 4];
        // SAFETY: out has room for four f32.
        unsafe { _mm_storeu_ps(out.as_mut_ptr(), both) };
        out
    }

    /// Four dot products of i8 codes (at least -127) with a u8 query (at most 127): a pair of
    /// products is at most 2 * 127 * 127 = 32258, so `maddubs` never saturates.
    #[target_feature(enable = "avx2")]
    pub fn dot4_i8(query: &[u8], rows: [&[i8]; 4]) -> [i32; 4] {
        let len = query.len();
        assert!(len.is_multiple_of(32) && rows.iter().all(|row| row.len() == len));
        let ones = _mm256_set1_epi16(1);
        let mut sums = [_mm256_setzero_si256(); 4];
        let mut at = 0;
        while at < len {
            // SAFETY: at + 32 <= len, which is the length of the query and of each row.
            unsafe {
                let q = _mm256_loadu_si256(query.as_ptr().add(at).cast());
                for r in 0..4 {
                    let x = _mm256_loadu_si256(rows[r].as_ptr().add(at).cast());
                    let pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(q, x), ones);
                    sums[r] = _mm256_add_epi32(sums[r], pairs);
                }
            }
            at += 32;
        }
        let pairs =
            _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
        let both = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
        let mut out = [0i32; 4];
        // SAFETY: out has room for four i32.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), both) };
        out
    }

    /// Asks for a row's bytes to be brought near.
    #[target_feature(enable = "avx2")]
    pub fn prefetch<T>(row: &[T]) {
        let bytes = size_of_val(row);
        let start = row.as_ptr().cast::<i8>();
        let mut at = 0;
        while at < bytes {
            // SAFETY: the address lies in the row; a prefetch reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(at)) };
            at += 64;
        }
    }
}
