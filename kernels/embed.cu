// x[row] = norm(scale · words[token] + table[position]). A warp makes one row.
//
// tokens, positions [rows]; words [vocab, hidden]; table [positions, hidden] or null; x [rows, hidden].
#include "common.cuh"

template <class T>
__device__ inline void embed(const int *tokens, const int *positions, const T *words, const T *table,
                             float scale, Norm norm, T *x, int hidden, int rows) {
    size_t index;
    if (!own_row(rows, index)) return;
    const T *word = words + (size_t)tokens[index] * hidden;
    const T *position = table ? table + (size_t)positions[index] * hidden : nullptr;
    T *to = x + index * hidden;
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

#define DEFINE(T, suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) embed_##suffix(                                          \
        const int *tokens, const int *positions, const T *words, const T *table, float scale,                  \
        const float *gamma, const float *beta, float epsilon, int rms, T *x, int hidden, int rows) {           \
        embed(tokens, positions, words, table, scale, Norm{gamma, beta, epsilon, rms}, x, hidden, rows);       \
    }                                                                                                          \
    EXPORT(embed_##suffix)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
