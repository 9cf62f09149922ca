//! Sums of products in Intel's matrix registers (AMX): sixteen rows by sixteen columns a register, a thousand
//! byte products or half as many of bfloat16 in a cycle or two.
//!
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18. In assembly, since
//! the compiler's own functions for it are not stable.

use super::tile::COLUMNS;
use std::arch::asm;
use std::marker::PhantomData;

/// Rows of a register, of the input and of the sums.
pub const ROWS: usize = 16;
/// Groups of a row of the input in one register.
pub const GROUPS: usize = 16;

/// What a matrix register holds of inputs and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Pairs of bfloat16; sums are f32.
    Bf16,
    /// Four bytes, unsigned of the input and signed of the weights; sums are i32.
    Bytes,
}

impl Values {
    /// Whether this CPU has such products and this process may use them. Asks the kernel for leave once: the
    /// registers are 8 KB more to keep for each thread that uses them. A sandboxed child may ask, too.
    pub fn are_there(self) -> bool {
        static ALLOWED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        // Leaf 7 of CPUID: bits 22, 24 and 25 of EDX.
        let (highest, told) = (std::arch::x86_64::__cpuid(0).eax, std::arch::x86_64::__cpuid_count(7, 0).edx);
        let has = |bit: u32| highest >= 7 && told >> bit & 1 == 1;
        let bit = if self == Self::Bf16 { 22 } else { 25 };
        has(24) && has(bit) && *ALLOWED.get_or_init(allowed)
    }
}

/// Asks the kernel for leave to use the registers' data (Documentation/arch/x86/xstate.rst).
#[cfg(target_os = "linux")]
fn allowed() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: a plain system call, which no memory is passed to; an older kernel answers with an error.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> bool {
    false
}

/// Shapes of the registers, as LDTILECFG reads them.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Registers 0 to 2 hold sums, 3 the input: both have so many rows; 4 to 6 hold weights.
#[allow(clippy::indexing_slicing)] // reckoned when it is compiled
const SHAPES: [Shapes; ROWS + 1] = {
    let mut all = [const { Shapes { palette: 1, start: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] } };
        ROWS + 1];
    let mut rows = 1;
    while rows <= ROWS {
        let mut register = 0;
        while register < 7 {
            all[rows].row_bytes[register] = 64;
            all[rows].rows[register] = if register < 4 { rows as u8 } else { GROUPS as u8 };
            register += 1;
        }
        rows += 1;
    }
    all
};

static SHAPED: [Shapes; ROWS + 1] = SHAPES;

/// The shape that the registers of this thread have; they are given back when this is dropped. A thread has one at a
/// time that is in use, and keeps it: the registers are its own.
#[derive(Default)]
pub struct Registers {
    rows: usize,
    _of_this_thread: PhantomData<*const ()>,
}

impl Registers {
    /// Shapes them for so many rows. Costs as much as a few products, so that it is done only where they change.
    fn shape(&mut self, rows: usize) {
        if let Some(shapes) = SHAPED.get(rows)
            && self.rows != rows
        {
            // SAFETY: reads the shapes, which are as the manual says; that the CPU has the instruction was
            // promised to `run`.
            unsafe { asm!("ldtilecfg [{}]", in(reg) shapes, options(nostack, preserves_flags)) };
            self.rows = rows;
        }
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        if self.rows > 0 {
            // SAFETY: gives back what `shape` took.
            unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
        }
    }
}

/// As [`super::tile::Kernel::run`], for 1 to [`ROWS`] rows and a multiple of [`GROUPS`] groups.
///
/// # Safety
/// `a` holds `rows` rows of `groups` at `stride`, `panel` as many groups of all columns, `sums` [`ROWS`] rows of
/// [`COLUMNS`]; and [`Values::are_there`] said so.
#[allow(clippy::too_many_arguments)] // those of every microkernel, and what is kept between calls
pub unsafe fn run(
    values: Values,
    registers: &mut Registers,
    rows: usize,
    a: *const u32,
    stride: usize,
    panel: *const u32,
    groups: usize,
    sums: *mut u32,
) {
    if rows == 0 || rows > ROWS || groups == 0 {
        return;
    }
    registers.shape(rows);
    macro_rules! product {
        ($product:literal) => {
            // SAFETY: reads and writes what the caller promised.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "2:",
                    "tileloadd tmm3, [{a} + {across}]",
                    "tileloadd tmm4, [{panel} + {down}]",
                    concat!($product, " tmm0, tmm3, tmm4"),
                    "tileloadd tmm5, [{panel} + {down} + 64]",
                    concat!($product, " tmm1, tmm3, tmm5"),
                    "tileloadd tmm6, [{panel} + {down} + 128]",
                    concat!($product, " tmm2, tmm3, tmm6"),
                    "add {a}, 64",
                    "add {panel}, 3072",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{sums} + {down}], tmm0",
                    "tilestored [{sums} + {down} + 64], tmm1",
                    "tilestored [{sums} + {down} + 128], tmm2",
                    a = inout(reg) a => _,
                    panel = inout(reg) panel => _,
                    steps = inout(reg) groups / GROUPS => _,
                    sums = in(reg) sums,
                    across = in(reg) stride * 4,
                    down = in(reg) COLUMNS * 4,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        };
    }
    match values {
        Values::Bf16 => product!("tdpbf16ps"),
        Values::Bytes => product!("tdpbusd"),
    }
}
