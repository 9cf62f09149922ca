//! Which instructions this CPU has, and loops compiled once for each set.

/// Instruction sets that the operators know, each containing the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// What every CPU of this architecture has.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Instructions {
    /// The best that this CPU has.
    pub fn detected() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw") && has!("fma") {
                return Self::Avx512;
            }
            if has!("avx2") && has!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// All sets that this CPU has, for tests.
    #[cfg(test)]
    pub fn available() -> Vec<Self> {
        let all = [Self::Portable, Self::Avx2, Self::Avx512];
        all.into_iter().filter(|set| *set <= Self::detected()).collect()
    }

    /// Whether 4-byte integer dot products are there (AVX512-VNNI).
    pub fn dots_bytes(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Avx512 && std::arch::is_x86_feature_detected!("avx512vnni");
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Whether bfloat16 dot products are there (AVX512-BF16).
    pub fn dots_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Avx512 && std::arch::is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

/// Whether AMD made this CPU (CPUID leaf 0: the vendor's name in EBX, EDX, ECX).
pub fn is_amd() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let told = std::arch::x86_64::__cpuid(0);
        [told.ebx, told.edx, told.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD"
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Compiles a loop for each instruction set; the call names the set, which must be available.
///
/// The body is a generic function over `FUSED`: whether `a · b + c` is one instruction. Plain
/// loops over fixed-width lanes inside become vector instructions.
macro_rules! by_instructions {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident : $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name(set: $crate::infer::cpu::instructions::Instructions, $($arg: $ty),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<const FUSED: bool>($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::infer::cpu::instructions::Instructions;
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512($($arg: $ty),*) { body::<true>($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($arg: $ty),*) { body::<true>($($arg),*) }
                match set.min(Instructions::detected()) {
                    // SAFETY: the features were detected.
                    Instructions::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Instructions::Avx2 => return unsafe { avx2($($arg),*) },
                    Instructions::Portable => {}
                }
            }
            let _ = set;
            body::<false>($($arg),*)
        }
    };
}
pub(super) use by_instructions;

/// `a · b + c`, in one rounding where that is one instruction.
#[inline(always)]
pub fn madd<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// eˣ within 2 units in the last place for −87 ≤ x ≤ 88, clamped beyond (Cephes' polynomial,
/// Moshier 1992).
#[inline(always)]
pub fn exp<const FUSED: bool>(x: f32) -> f32 {
    const TO_NEAREST: f32 = 12_582_912.0; // 1.5 × 2²³: adding it rounds to an integer, in the low bits
    let x = x.clamp(-87.0, 88.0);
    let t = madd::<FUSED>(x, std::f32::consts::LOG2_E, TO_NEAREST);
    let n = t - TO_NEAREST;
    let r = madd::<FUSED>(n, 2.121_944_4e-4, madd::<FUSED>(n, -0.693_359_4, x));
    let p = madd::<FUSED>(1.987_569_1e-4, r, 1.398_2e-3);
    let p = madd::<FUSED>(p, r, 8.333_452e-3);
    let p = madd::<FUSED>(p, r, 4.166_579_6e-2);
    let p = madd::<FUSED>(p, r, 1.666_666_5e-1);
    let p = madd::<FUSED>(p, r, 0.5);
    let y = madd::<FUSED>(p * r, r, r + 1.0);
    y * f32::from_bits(t.to_bits().wrapping_add(127) << 23)
}
