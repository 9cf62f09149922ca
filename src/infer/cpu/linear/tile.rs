//! The innermost loop: sums of products of a few rows with one panel of weights, in registers.
//!
//! All precisions share one shape. A *group* is what fills 32 bits of a row: one f32, two bf16 or
//! four bytes. A panel holds, group by group, the groups of [`Kernel::columns`] columns; each step
//! broadcasts one group of each row and multiplies it with the panel's.

#![allow(clippy::indexing_slicing)] // registers as arrays, indexed by constants

use super::Precision;
#[cfg(target_arch = "x86_64")]
use super::amx;
use crate::infer::cpu::instructions::Instructions;
#[cfg(target_arch = "x86_64")]
use x86::{avx2, avx512, bf16, bytes};

/// Columns of the widest panel.
pub const COLUMNS: usize = 48;
/// Rows of the highest tile.
pub const ROWS: usize = 16;

/// One cache line of a panel; aligned, because a load across two lines costs twice.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Line(pub [u32; 16]);

/// Groups of a row that a matrix register takes.
pub const MATRIX_GROUPS: usize = 16;

/// The sums of one tile, as bits of f32 or i32; and what a microkernel keeps between tiles.
#[repr(C, align(64))]
pub struct Sums {
    /// The sums.
    pub values: [[u32; COLUMNS]; ROWS],
    #[cfg(target_arch = "x86_64")]
    registers: amx::Registers,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            values: [[0; COLUMNS]; ROWS],
            #[cfg(target_arch = "x86_64")]
            registers: amx::Registers::default(),
        }
    }
}

/// A microkernel: an instruction set and a precision that it has instructions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// f32, plain loops
    Portable,
    /// f32, AVX2 and FMA
    Avx2,
    /// f32, AVX-512
    Avx512,
    /// bf16 pairs, AVX512-BF16
    Bf16,
    /// unsigned × signed bytes, AVX512-VNNI
    Bytes,
    /// bf16 pairs, AMX
    MatrixBf16,
    /// unsigned × signed bytes, AMX
    MatrixBytes,
}

/// The bits of f32 values: groups of one.
pub fn bits(x: &[f32]) -> &[u32] {
    // SAFETY: both are 4 bytes, alike aligned, and any bits are a valid u32.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

impl Kernel {
    /// The f32 kernel of an instruction set.
    pub fn f32(set: Instructions) -> Self {
        match set.min(Instructions::detected()) {
            Instructions::Portable => Self::Portable,
            Instructions::Avx2 => Self::Avx2,
            Instructions::Avx512 => Self::Avx512,
        }
    }

    /// The kernel for weights of rows of `inner` values in this precision: the f32 one where the CPU has no
    /// instructions for it.
    pub fn of(precision: Precision, inner: usize, set: Instructions) -> Self {
        #[cfg(target_arch = "x86_64")]
        let matrix = |values: amx::Values, of_group: usize| {
            set == Instructions::Avx512
                && inner.is_multiple_of(MATRIX_GROUPS * of_group)
                && values.are_there()
        };
        match precision {
            #[cfg(target_arch = "x86_64")]
            Precision::Bf16 if matrix(amx::Values::Bf16, 2) => Self::MatrixBf16,
            #[cfg(target_arch = "x86_64")]
            Precision::Int8 if matrix(amx::Values::Bytes, 4) => Self::MatrixBytes,
            // Where there are matrix registers, the vectors' own products of bf16 are slower than those of f32.
            #[cfg(target_arch = "x86_64")]
            Precision::Bf16 if amx::Values::Bf16.are_there() => Self::f32(set),
            Precision::Bf16 if set.dots_bf16() => Self::Bf16,
            Precision::Int8 if set.dots_bytes() => Self::Bytes,
            _ => Self::f32(set),
        }
    }

    /// Columns of a panel, a multiple of a [`Line`].
    pub fn columns(self) -> usize {
        match self {
            Self::Portable | Self::Avx2 => 16,
            Self::Avx512 | Self::Bf16 | Self::Bytes | Self::MatrixBf16 | Self::MatrixBytes => COLUMNS,
        }
    }

    /// Rows of a full tile.
    pub fn rows(self) -> usize {
        match self {
            Self::Portable => 4,
            Self::Avx2 => 6,
            Self::Avx512 | Self::Bf16 | Self::Bytes => 8,
            Self::MatrixBf16 | Self::MatrixBytes => ROWS,
        }
    }

    /// Bits of a value in a group.
    pub fn bits(self) -> u32 {
        match self {
            Self::Portable | Self::Avx2 | Self::Avx512 => 32,
            Self::Bf16 | Self::MatrixBf16 => 16,
            Self::Bytes | Self::MatrixBytes => 8,
        }
    }

    /// Whether it takes whole registers only: a multiple of [`MATRIX_GROUPS`].
    fn is_matrix(self) -> bool {
        matches!(self, Self::MatrixBf16 | Self::MatrixBytes)
    }

    /// `sums[r][c] = Σ a[r · stride + g] · panel[g][c]` for `rows` rows (1 to [`Kernel::rows`]) and
    /// all columns; a row has `groups` groups.
    #[inline]
    pub fn run(self, rows: usize, a: &[u32], stride: usize, panel: &[Line], groups: usize, sums: &mut Sums) {
        let fits = rows > 0
            && rows <= self.rows()
            && (rows - 1).saturating_mul(stride).saturating_add(groups) <= a.len()
            && groups.saturating_mul(self.columns() / 16) <= panel.len()
            && (!self.is_matrix() || groups.is_multiple_of(MATRIX_GROUPS));
        debug_assert!(fits);
        if !fits {
            return;
        }
        let (a, panel) = (a.as_ptr(), panel.as_ptr().cast());
        // SAFETY: the sizes were checked above; `Kernel::of` and `Kernel::f32` give out a kernel only where its
        // instructions were detected.
        unsafe { run(self, rows, a, stride, panel, groups, sums) }
    }
}

/// # Safety
/// As [`Kernel::run`] checks.
unsafe fn run(
    kernel: Kernel,
    rows: usize,
    a: *const u32,
    stride: usize,
    panel: *const u32,
    groups: usize,
    all: &mut Sums,
) {
    let sums: *mut u32 = all.values.as_mut_ptr().cast();
    macro_rules! by_rows {
        ($name:ident, $($rows:literal)*) => {
            match rows {
                // SAFETY: passed on from the caller.
                $($rows => unsafe { $name::<$rows>(a, stride, panel, groups, sums) },)*
                _ => {}
            }
        };
    }
    match kernel {
        Kernel::Portable => by_rows!(portable, 1 2 3 4),
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 => by_rows!(avx2, 1 2 3 4 5 6),
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512 => by_rows!(avx512, 1 2 3 4 5 6 7 8),
        #[cfg(target_arch = "x86_64")]
        Kernel::Bf16 => by_rows!(bf16, 1 2 3 4 5 6 7 8),
        #[cfg(target_arch = "x86_64")]
        Kernel::Bytes => by_rows!(bytes, 1 2 3 4 5 6 7 8),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: passed on from the caller.
        Kernel::MatrixBf16 => unsafe {
            amx::run(amx::Values::Bf16, &mut all.registers, rows, a, stride, panel, groups, sums)
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: likewise.
        Kernel::MatrixBytes => unsafe {
            amx::run(amx::Values::Bytes, &mut all.registers, rows, a, stride, panel, groups, sums)
        },
        #[cfg(not(target_arch = "x86_64"))]
        _ => by_rows!(portable, 1 2 3 4),
    }
}

/// # Safety
/// `a` holds `R` rows of `groups` at `stride`, `panel` `groups` lines, `sums` [`Sums`].
unsafe fn portable<const R: usize>(
    a: *const u32,
    stride: usize,
    panel: *const u32,
    groups: usize,
    sums: *mut u32,
) {
    let mut held = [[0.0f32; 16]; R];
    for group in 0..groups {
        // SAFETY: in bounds by the caller's promise; a line is 16 values.
        let line = unsafe { &*panel.add(group * 16).cast::<[f32; 16]>() };
        for (r, held) in held.iter_mut().enumerate() {
            // SAFETY: as above.
            let x = unsafe { *a.add(r * stride + group).cast::<f32>() };
            for (sum, b) in held.iter_mut().zip(line) {
                *sum += x * b;
            }
        }
    }
    for (r, held) in held.iter().enumerate() {
        // SAFETY: `Sums` has room for `R` rows of `COLUMNS`.
        unsafe { sums.add(r * COLUMNS).cast::<[f32; 16]>().write(*held) };
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::indexing_slicing, clippy::needless_range_loop)] // arrays of fixed size; loops that unroll into registers
mod x86 {
    use super::COLUMNS;
    use std::arch::x86_64::*;

    /// Values of a [`super::Line`].
    const LINE: usize = 16;
    /// How far ahead of the sums weights are asked for: 8 KB, two pages, where processors stop to guess by
    /// themselves. With few rows, as of a query, all time is spent waiting for weights.
    const AHEAD: usize = 2048;

    /// One microkernel: `R` rows by `$vectors` vectors of accumulators.
    macro_rules! kernel {
        ($name:ident, $features:literal, $lanes:literal x $vectors:literal,
         $zero:expr, $load:expr, $splat:expr, $step:expr, $store:expr) => {
            /// # Safety
            /// `a` holds `R` rows of `groups` at `stride`, `panel` as many groups of all columns,
            /// `sums` is a `Sums`; the CPU has the features.
            #[target_feature(enable = $features)]
            pub unsafe fn $name<const R: usize>(
                a: *const u32,
                stride: usize,
                panel: *const u32,
                groups: usize,
                sums: *mut u32,
            ) {
                let mut held = [[$zero; $vectors]; R];
                let mut rows = [a; R];
                for (r, row) in rows.iter_mut().enumerate() {
                    *row = row.wrapping_add(r * stride);
                }
                let mut panel = panel;
                for group in 0..groups {
                    for line in 0..$lanes * $vectors / LINE {
                        // A hint, which reads nothing; beyond the panel is the next one, or no memory.
                        _mm_prefetch::<_MM_HINT_T0>(panel.wrapping_add(AHEAD + line * LINE).cast());
                    }
                    // SAFETY: in bounds by the caller's promise.
                    unsafe {
                        let mut line = [$zero; $vectors];
                        for v in 0..$vectors {
                            line[v] = $load(panel.add(v * $lanes));
                        }
                        panel = panel.add($vectors * $lanes);
                        for r in 0..R {
                            let x = $splat(rows[r].add(group));
                            for v in 0..$vectors {
                                held[r][v] = $step(held[r][v], x, line[v]);
                            }
                        }
                    }
                }
                for r in 0..R {
                    for v in 0..$vectors {
                        // SAFETY: `Sums` has room for `R` rows of `COLUMNS`.
                        unsafe { $store(sums.add(r * COLUMNS + v * $lanes), held[r][v]) };
                    }
                }
            }
        };
    }

    kernel!(
        avx2, "avx2,fma", 8 x 2,
        _mm256_setzero_ps(),
        |p: *const u32| _mm256_loadu_ps(p.cast()),
        |p: *const u32| _mm256_broadcast_ss(&*p.cast()),
        |sum, x, line| _mm256_fmadd_ps(x, line, sum),
        |p: *mut u32, sum| _mm256_storeu_ps(p.cast(), sum)
    );
    kernel!(
        avx512, "avx512f", 16 x 3,
        _mm512_setzero_ps(),
        |p: *const u32| _mm512_loadu_ps(p.cast()),
        |p: *const u32| _mm512_set1_ps(*p.cast()),
        |sum, x, line| _mm512_fmadd_ps(x, line, sum),
        |p: *mut u32, sum| _mm512_storeu_ps(p.cast(), sum)
    );
    kernel!(
        bf16, "avx512f,avx512bf16", 16 x 3,
        _mm512_setzero_ps(),
        |p: *const u32| _mm512_loadu_ps(p.cast()),
        |p: *const u32| _mm512_set1_epi32(*p.cast()),
        |sum, x: __m512i, line: __m512| _mm512_dpbf16_ps(
            sum,
            std::mem::transmute::<__m512i, __m512bh>(x),
            std::mem::transmute::<__m512, __m512bh>(line)
        ),
        |p: *mut u32, sum| _mm512_storeu_ps(p.cast(), sum)
    );
    kernel!(
        bytes, "avx512f,avx512vnni", 16 x 3,
        _mm512_setzero_si512(),
        |p: *const u32| _mm512_loadu_si512(p.cast()),
        |p: *const u32| _mm512_set1_epi32(*p.cast()),
        |sum, x, line| _mm512_dpbusd_epi32(sum, x, line),
        |p: *mut u32, sum| _mm512_storeu_si512(p.cast(), sum)
    );
}
