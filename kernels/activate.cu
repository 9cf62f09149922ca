// x = activation(x), where no product's epilogue does it, and gates: out = activation(first half) · second.
//
// activate: x [rows, width]. gate: x [rows, 2 · width], out [rows, width]. A block works on one row.
#include "common.cuh"

template <int N, class T> __device__ inline void activate_row(T *x, int width, int kind) {
    for (int column = threadIdx.x * N; column < width; column += ROW * N) {
        float v[N];
        load(x + column, v);
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] = activated(kind, v[i]);
        store(x + column, v);
    }
}
template <class T> __device__ inline void activate(T *x, int width, int kind) {
    T *own = x + (size_t)blockIdx.x * width;
    if (width % Wide<T>::N == 0) activate_row<Wide<T>::N>(own, width, kind);
    else activate_row<1>(own, width, kind);
}

template <int N, class T> __device__ inline void gate_row(const T *x, T *out, int width, int kind) {
    for (int column = threadIdx.x * N; column < width; column += ROW * N) {
        float v[N], gate[N];
        load(x + column, v);
        load(x + width + column, gate);
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] = activated(kind, v[i]) * gate[i];
        store(out + column, v);
    }
}
template <class T> __device__ inline void gate(const T *x, T *out, int width, int kind) {
    const T *own = x + (size_t)blockIdx.x * 2 * width;
    T *to = out + (size_t)blockIdx.x * width;
    if (width % Wide<T>::N == 0) gate_row<Wide<T>::N>(own, to, width, kind);
    else gate_row<1>(own, to, width, kind);
}

#define DEFINE(T, suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) activate_##suffix(T *x, int width, int kind) {           \
        activate(x, width, kind);                                                                              \
    }                                                                                                          \
    EXPORT(activate_##suffix)                                                                                  \
    extern "C" __global__ void __launch_bounds__(ROW) gate_##suffix(const T *x, T *out, int width, int kind) { \
        gate(x, out, width, kind);                                                                             \
    }                                                                                                          \
    EXPORT(gate_##suffix)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
