// What is above the layers: states of a range → one row, its length 1, labels.
#include "common.cuh"

// out[i] = mean of the rows ranges[i][0] .. ranges[i][1] of x, or the first of them; 0 for none.
// A block makes ROW columns (blockIdx.y) of one range (blockIdx.x).
template <class T>
__device__ inline void pool(const T *x, const int *ranges, int first, T *out, int hidden) {
    const int column = blockIdx.y * ROW + threadIdx.x;
    if (column >= hidden) return;
    const int begin = ranges[2 * blockIdx.x], end = ranges[2 * blockIdx.x + 1];
    float sum = 0.f;
    const int last = first ? min(begin + 1, end) : end;
#pragma unroll 4
    for (int r = begin; r < last; ++r) sum += widen(x[(size_t)r * hidden + column]);
    narrow(last > begin ? sum / (last - begin) : 0.f, out[(size_t)blockIdx.x * hidden + column]);
}

// out[row] = x[row] / |x[row]|, in f32. A warp makes one row.
template <class T> __device__ inline void unit(const T *x, float *out, int width, int rows) {
    size_t index;
    if (!own_row(rows, index)) return;
    const T *own = x + index * width;
    float squares = 0.f;
    for (int column = threadIdx.x % WARP; column < width; column += WARP) {
        const float v = widen(own[column]);
        squares += v * v;
    }
    const float length = fmaxf(sqrtf(warp_sum(squares)), 1e-12f);
    for (int column = threadIdx.x % WARP; column < width; column += WARP)
        out[index * width + column] = widen(own[column]) / length;
}

// out[row] = softmax, sigmoid (problem 1) or the logits as they are (2), in f32. A warp makes one row.
template <class T> __device__ inline void labels(const T *logits, float *out, int count, int problem, int rows) {
    size_t index;
    if (!own_row(rows, index)) return;
    const int lane = threadIdx.x % WARP;
    const T *own = logits + index * count;
    float *to = out + index * count;
    if (problem != 0) {
        for (int i = lane; i < count; i += WARP) {
            const float v = widen(own[i]);
            to[i] = problem == 1 ? 1.f / (1.f + expf(-v)) : v;
        }
        return;
    }
    float most = -INFINITY, sum = 0.f;
    for (int i = lane; i < count; i += WARP) most = fmaxf(most, widen(own[i]));
    most = warp_max(most);
    for (int i = lane; i < count; i += WARP) sum += expf(widen(own[i]) - most);
    sum = warp_sum(sum);
    for (int i = lane; i < count; i += WARP) to[i] = expf(widen(own[i]) - most) / sum;
}

#define DEFINE(T, suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) pool_##suffix(const T *x, const int *ranges, int first,  \
                                                                    T *out, int hidden) {                      \
        pool(x, ranges, first, out, hidden);                                                                   \
    }                                                                                                          \
    EXPORT(pool_##suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) unit_##suffix(const T *x, float *out, int width,         \
                                                                    int rows) {                                \
        unit(x, out, width, rows);                                                                             \
    }                                                                                                          \
    EXPORT(unit_##suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) labels_##suffix(const T *logits, float *out, int count,  \
                                                                      int problem, int rows) {                 \
        labels(logits, out, count, problem, rows);                                                             \
    }                                                                                                          \
    EXPORT(labels_##suffix)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
