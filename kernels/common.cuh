// What the kernels share: number formats, rows in registers, sums over a warp, tensor core products.
//
// The same text goes through nvcc and, with KERNEL_SHIM, through g++ for tests on the CPU (shim/).
// Rules: blocks of ROW or ATTENTION threads as the engine launches them; every pointer's rows are
// planned for by `src/infer/gpu/plan.rs`; sums, norms and softmax are f32 in every format.
#pragma once
#ifdef KERNEL_SHIM
#include "shim/cuda.h"
#else
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
typedef __half f16;
typedef __nv_bfloat16 bf16;
#define EXPORT(name)

__device__ inline float widen(float v) { return v; }
__device__ inline float widen(f16 v) { return __half2float(v); }
__device__ inline float widen(bf16 v) { return __bfloat162float(v); }
__device__ inline void narrow(float v, float &to) { to = v; }
__device__ inline void narrow(float v, f16 &to) { to = __float2half_rn(v); }
__device__ inline void narrow(float v, bf16 &to) { to = __float2bfloat16_rn(v); }

// d += a · b on the warp's tensor cores: m16n8k16, layouts as in the PTX manual.
__device__ inline void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, f16) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    // Turing has half the depth: the first eight columns of a are in a[0], a[1].
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}
__device__ inline void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, bf16) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    __trap(); // Turing has no bf16 products; the engine takes f16 there.
#endif
}

// Four 8 x 8 matrices from shared memory: lane i names row i % 8 of matrix i / 8, 16 bytes aligned to 16.
__device__ inline void load_matrices(uint32_t (&m)[4], const void *row) {
    uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3]) : "r"(at) : "memory");
}
__device__ inline void load_transposed(uint32_t (&m)[4], const void *row) {
    uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3]) : "r"(at) : "memory");
}
#endif

#define WARP 32
#define ALL 0xffffffffu
// Threads of the blocks: `encoder.rs` launches with the same numbers.
#define ROW 128
#define ATTENTION 128
#define WARPS (ROW / WARP)

// Numbers in 16 bytes.
template <class T> struct Wide { static constexpr int N = 16 / sizeof(T); };

// A kernel in each format.
#define IN_EACH_FORMAT(define) define(float, f32) define(f16, f16) define(bf16, bf16)
#define IN_HALF_FORMATS(define) define(f16, f16) define(bf16, bf16)
// With states kept in f32 as well: T is what products take, X that of the states.
#define WITH_EACH_STATE(define)                                                                                \
    define(float, float, , f32) define(f16, f16, , f16) define(bf16, bf16, , bf16)                             \
        define(float, f16, _full, f16) define(float, bf16, _full, bf16)

// One number, or 16 bytes of them from a multiple of 16 bytes.
template <class T> __device__ inline void load(const T *from, float (&v)[1]) { v[0] = widen(*from); }
template <class T> __device__ inline void load(const T *from, float (&v)[Wide<T>::N]) {
    uint4 bits = *reinterpret_cast<const uint4 *>(from);
    T part[Wide<T>::N];
    memcpy(part, &bits, 16);
#pragma unroll
    for (int i = 0; i < Wide<T>::N; ++i) v[i] = widen(part[i]);
}
template <class T> __device__ inline void store(T *to, const float (&v)[1]) { narrow(v[0], *to); }
template <class T> __device__ inline void store(T *to, const float (&v)[Wide<T>::N]) {
    T part[Wide<T>::N];
#pragma unroll
    for (int i = 0; i < Wide<T>::N; ++i) narrow(v[i], part[i]);
    uint4 bits;
    memcpy(&bits, part, 16);
    *reinterpret_cast<uint4 *>(to) = bits;
}

// As many f32 as 16 bytes hold halves: states that are kept in full.
__device__ inline void load(const float *from, float (&v)[8]) {
    const uint4 *parts = reinterpret_cast<const uint4 *>(from);
    uint4 low = parts[0], high = parts[1];
    memcpy(v, &low, 16);
    memcpy(v + 4, &high, 16);
}
__device__ inline void store(float *to, const float (&v)[8]) {
    uint4 low, high;
    memcpy(&low, v, 16);
    memcpy(&high, v + 4, 16);
    uint4 *parts = reinterpret_cast<uint4 *>(to);
    parts[0] = low;
    parts[1] = high;
}

// Two numbers as the tensor cores take them, the first in the lower half.
template <class T> __device__ inline uint32_t pair(T low, T high) {
    uint16_t half[2];
    memcpy(&half[0], &low, 2);
    memcpy(&half[1], &high, 2);
    return (uint32_t)half[0] | (uint32_t)half[1] << 16;
}
template <class T> __device__ inline uint32_t pair_of(float low, float high) {
    T l, h;
    narrow(low, l);
    narrow(high, h);
    return pair(l, h);
}

__device__ inline float warp_sum(float v) {
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes >>= 1) v += __shfl_xor_sync(ALL, v, lanes);
    return v;
}
__device__ inline float warp_max(float v) {
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes >>= 1) v = fmaxf(v, __shfl_xor_sync(ALL, v, lanes));
    return v;
}

// Numbered as in `calls.rs`.
__device__ inline float activated(int kind, float v) {
    switch (kind) {
    case 1: return 0.5f * v * (1.f + erff(v * 0.70710678f));
    case 2: return 0.5f * v * (1.f + tanhf(0.79788456f * (v + 0.044715f * v * v * v)));
    case 3: return fmaxf(v, 0.f);
    case 4: return v / (1.f + expf(-v));
    case 5: return tanhf(v);
    case 6: return 1.f / (1.f + expf(-v));
    default: return v;
    }
}

// A layer norm, or with `rms` one by the root mean square; without gamma none.
struct Norm {
    const float *gamma, *beta;
    float epsilon;
    int rms;

    // What is subtracted and multiplied with, of the row's numbers, which a warp holds together.
    template <class Each> __device__ void measure(int width, Each each, float &mean, float &factor) const {
        mean = 0.f;
        if (!rms) {
            float sum = 0.f;
            each([&](int, float v) { sum += v; });
            mean = warp_sum(sum) / width;
        }
        float squares = 0.f;
        each([&](int, float v) { squares += (v - mean) * (v - mean); });
        factor = 1.f / sqrtf(warp_sum(squares) / width + epsilon);
    }

    __device__ float apply(int column, float v, float mean, float factor) const {
        v = (v - mean) * factor * gamma[column];
        return beta ? v + beta[column] : v;
    }
};

// One row of a warp: `read(column, v)` gives its numbers, `write(column, v, normed)` takes them, both for as
// many columns from `column` on as `v` has. A lane reads and writes its own columns only, each of the
// reads of a column before its write, so rows may be normed in place.
template <int N, int CHUNKS, class Read, class Write>
__device__ inline void held_row(int width, const Norm &norm, Read read, Write write) {
    const int lane = threadIdx.x % WARP;
    float v[CHUNKS][N];
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k)
        if ((k * WARP + lane) * N < width) read((k * WARP + lane) * N, v[k]);
    float mean = 0.f, factor = 1.f;
    if (norm.gamma) {
        auto each = [&](auto see) {
#pragma unroll
            for (int k = 0; k < CHUNKS; ++k)
                if ((k * WARP + lane) * N < width)
#pragma unroll
                    for (int i = 0; i < N; ++i) see((k * WARP + lane) * N + i, v[k][i]);
        };
        norm.measure(width, each, mean, factor);
    }
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
        const int column = (k * WARP + lane) * N;
        if (column >= width) continue;
        float normed[N];
#pragma unroll
        for (int i = 0; i < N; ++i)
            normed[i] = norm.gamma ? norm.apply(column + i, v[k][i], mean, factor) : v[k][i];
        write(column, v[k], normed);
    }
}
template <class Read, class Write>
__device__ inline void long_row(int width, const Norm &norm, Read read, Write write) {
    const int lane = threadIdx.x % WARP;
    float mean = 0.f, factor = 1.f;
    if (norm.gamma) {
        auto each = [&](auto see) {
            for (int column = lane; column < width; column += WARP) {
                float v[1];
                read(column, v);
                see(column, v[0]);
            }
        };
        norm.measure(width, each, mean, factor);
    }
    for (int column = lane; column < width; column += WARP) {
        float v[1], normed[1];
        read(column, v);
        normed[0] = norm.gamma ? norm.apply(column, v[0], mean, factor) : v[0];
        write(column, v, normed);
    }
}
// The usual widths stay in registers, 16 bytes at a time.
template <class T, class Read, class Write>
__device__ inline void row(int width, const Norm &norm, Read read, Write write) {
    constexpr int N = Wide<T>::N;
    if (width % N == 0 && width <= 512) held_row<N, 512 / N / WARP>(width, norm, read, write);
    else if (width % N == 0 && width <= 1024) held_row<N, 1024 / N / WARP>(width, norm, read, write);
    else long_row(width, norm, read, write);
}

// The row of this warp, of `rows`; the last blocks have too many.
__device__ inline bool own_row(int rows, size_t &index) {
    index = (size_t)blockIdx.x * (ROW / WARP) + threadIdx.x / WARP;
    return index < (size_t)rows;
}
