// Rotates queries and keys by their position (Su et al. 2021), half-split form, in place.
//
// qkv [rows, 3 · heads · width]; positions [rows]; cos, sin [longest, width / 2]. A block works on one row.
#include "common.cuh"

template <class T>
__device__ inline void rotate(T *qkv, const int *positions, const float *cos, const float *sin, int heads,
                              int width) {
    const int half = width / 2;
    T *own = qkv + (size_t)blockIdx.x * 3 * heads * width;
    const size_t turn = (size_t)positions[blockIdx.x] * half;
    // Queries and keys lie one after another: 2 · heads parts of `width`.
    for (int index = threadIdx.x; index < 2 * heads * half; index += ROW) {
        const int part = index / half, i = index % half;
        T *low = own + part * width + i, *high = low + half;
        const float a = widen(*low), b = widen(*high), c = cos[turn + i], s = sin[turn + i];
        narrow(a * c - b * s, *low);
        narrow(b * c + a * s, *high);
    }
}

#define DEFINE(T, suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) rotate_##suffix(                                         \
        T *qkv, const int *positions, const float *cos, const float *sin, int heads, int width) {              \
        rotate(qkv, positions, cos, sin, heads, width);                                                        \
    }                                                                                                          \
    EXPORT(rotate_##suffix)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
