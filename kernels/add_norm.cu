// x = x + y; out = norm(x), where out is x, or none, only that is kept. A warp makes one row.
//
// x [rows, width], in f32 too where layers add to it without a norm of the sum; y, out the same or null;
// gamma, beta [width], without gamma no norm.
#include "common.cuh"

template <class X, class T>
__device__ inline void add_norm(X *x, const T *y, Norm norm, T *out, int width, int rows) {
    size_t index;
    if (!own_row(rows, index)) return;
    X *state = x + index * width;
    T *to = out ? out + index * width : nullptr;
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
        if (more && (const void *)to != (const void *)state) store(state + column, v);
        if (to) store(to + column, normed);
    };
    row<T>(width, norm, read, write);
}

#define DEFINE(X, T, full, suffix)                                                                             \
    extern "C" __global__ void __launch_bounds__(ROW) add_norm##full##_##suffix(                               \
        X *x, const T *y, const float *gamma, const float *beta, float epsilon, int rms, T *out, int width,    \
        int rows) {                                                                                            \
        add_norm(x, y, Norm{gamma, beta, epsilon, rms}, out, width, rows);                                     \
    }                                                                                                          \
    EXPORT(add_norm##full##_##suffix)
WITH_EACH_STATE(DEFINE)
#undef DEFINE
