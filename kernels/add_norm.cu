// x = x + y; out = norm(x), where out is x only that is kept. A warp makes one row.
//
// x, out [rows, width]; y the same or null; gamma, beta [width], without gamma no norm.
#include "common.cuh"

template <class T>
__device__ inline void add_norm(T *x, const T *y, Norm norm, T *out, int width, int rows) {
    size_t index;
    if (!own_row(rows, index)) return;
    T *state = x + index * width, *to = out + index * width;
    const T *more = y ? y + index * width : nullptr;
    auto read = [&](int column, auto &v) {
        load(state + column, v);
        if (!more) return;
        constexpr int N = sizeof(v) / sizeof(float);
        float m[N];
        load(more + column, m);
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] += m[i];
    };
    auto write = [&](int column, auto &v, auto &normed) {
        if (more && to != state) store(state + column, v);
        store(to + column, normed);
    };
    row<T>(width, norm, read, write);
}

#define DEFINE(T, suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) add_norm_##suffix(                                       \
        T *x, const T *y, const float *gamma, const float *beta, float epsilon, int rms, T *out, int width,    \
        int rows) {                                                                                            \
        add_norm(x, y, Norm{gamma, beta, epsilon, rms}, out, width, rows);                                     \
    }                                                                                                          \
    EXPORT(add_norm_##suffix)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
