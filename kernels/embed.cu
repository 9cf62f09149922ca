// The states below the first layer. A warp makes one row.
//
// embed: x[row] = norm(scale · words[token] + table[position]); tokens, positions [rows]; words [vocab, hidden];
// table [positions, hidden] or null. add_rows: x[row] = x[row] + table[id]; ids [rows]. x [rows, hidden].
#include "common.cuh"

template <class X, class T>
__device__ inline void embed(const int *tokens, const int *positions, const T *words, const T *table,
                             float scale, Norm norm, X *x, int hidden, int rows) {
    size_t index;
    if (!own_row(rows, index)) return;
    const T *word = words + (size_t)tokens[index] * hidden;
    const T *position = table ? table + (size_t)positions[index] * hidden : nullptr;
    X *to = x + index * hidden;
    auto read = [&](int column, auto &v) {
        load(word + column, v);
        constexpr int N = sizeof(v) / sizeof(float);
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] *= scale;
        if (!position) return;
        float p[N];
        load(position + column, p);
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] += p[i];
    };
    row<T>(hidden, norm, read, [&](int column, auto &, auto &normed) { store(to + column, normed); });
}

template <class X, class T>
__device__ inline void add_rows(X *x, const int *ids, const T *table, int hidden, int rows) {
    size_t index;
    if (!own_row(rows, index)) return;
    X *state = x + index * hidden;
    const T *own = table + (size_t)ids[index] * hidden;
    auto read = [&](int column, auto &v) {
        constexpr int N = sizeof(v) / sizeof(float);
        float more[N];
        load(state + column, v);
        load(own + column, more);
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] += more[i];
    };
    row<T>(hidden, Norm{}, read, [&](int column, auto &v, auto &) { store(state + column, v); });
}

#define DEFINE(X, T, full, suffix)                                                                             \
    extern "C" __global__ void __launch_bounds__(ROW) embed##full##_##suffix(                                  \
        const int *tokens, const int *positions, const T *words, const T *table, float scale,                  \
        const float *gamma, const float *beta, float epsilon, int rms, X *x, int hidden, int rows) {           \
        embed(tokens, positions, words, table, scale, Norm{gamma, beta, epsilon, rms}, x, hidden, rows);       \
    }                                                                                                          \
    EXPORT(embed##full##_##suffix)                                                                             \
    extern "C" __global__ void __launch_bounds__(ROW) add_rows##full##_##suffix(                               \
        X *x, const int *ids, const T *table, int hidden, int rows) {                                          \
        add_rows(x, ids, table, hidden, rows);                                                                 \
    }                                                                                                          \
    EXPORT(add_rows##full##_##suffix)
WITH_EACH_STATE(DEFINE)
#undef DEFINE
