//! Products of two matrices that are both made anew for each sequence, so that packing one would not
//! pay: positions against content (DeBERTa).

use gemm::Parallelism;

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

    proptest! {
        #[test]
        fn matmul_matches_the_definition(m in 1usize..9, n in 1usize..9, k in 1usize..9, seed in 0u32..99) {
            let value = |i: usize| ((i as u32 * 37 + seed * 11) % 23) as f32 - 11.0;
            let a: Vec<f32> = (0..m * k).map(value).collect();
            let b: Vec<f32> = (0..n * k).map(|i| value(i + 5)).collect();
            let mut out = vec![0.0; m * n];
            matmul((m, n, k), 0.5, (&a, View::rows(k)), (&b, View { offset: 0, row: 1, column: k }), (&mut out, View::rows(n)));
            for r in 0..m {
                for c in 0..n {
                    let expected: f32 = (0..k).map(|i| a[r * k + i] * b[c * k + i]).sum::<f32>() * 0.5;
                    prop_assert!((out[r * n + c] - expected).abs() < 1e-3);
                }
            }
        }
    }
}
