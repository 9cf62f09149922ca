// Attention of one query a row: a decoder's step. A block makes one row (blockIdx.x) of one head (blockIdx.y); its
// warps take 32 keys in turn, a lane a key, and join what they found at the end.
//
// attend_path: each row sees its text. qkv [rows, 3 · heads · width]; slots[starts[row] .. starts[row + 1]] are
// the places of the text's tokens, the last that of the row's own, which is written here. A place lies in
// pages[place / SLOTS], keys and then values of all heads; `layer` numbers into the page. biases [heads, distances]
// by distance, the last for all beyond, or null.
// attend_source: each row sees what its source has: queries [rows, heads · width], sources [rows], starts
// [sources + 1], cross [tokens, 2 · heads · width].
#include "common.cuh"

// The widest head.
#define WIDEST_STEP 256
// Places in a page: as in `writer/pages.rs`.
#define SLOTS 256

template <int N, class T> __device__ inline float product(const float *query, const T *key, int width) {
    float sum = 0.f;
    for (int c = 0; c < width; c += N) {
        float k[N];
        load(key + c, k);
#pragma unroll
        for (int i = 0; i < N; ++i) sum += query[c + i] * k[i];
    }
    return sum;
}

// `key(j)` is where the j-th of the seen keys begins; its value is `inner` numbers behind. `bias(j)` is added.
template <class T, class Key, class Bias>
__device__ inline void attend_one(const T *query, T *out, int seen, int width, int inner, float scale, Key key,
                                  Bias bias) {
    __shared__ float queries[WIDEST_STEP];
    __shared__ float weights[WARPS][WARP];
    __shared__ const T *values[WARPS][WARP];
    __shared__ float found[WARPS][WIDEST_STEP];
    __shared__ float most_of[WARPS], total_of[WARPS];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    for (int c = threadIdx.x; c < width; c += ROW) queries[c] = widen(query[c]) * scale;
    __syncthreads();

    float sums[WIDEST_STEP / WARP] = {}, most = -INFINITY, total = 0.f;
    for (int base = warp * WARP; base < seen; base += ROW) {
        const int j = base + lane;
        float score = -INFINITY;
        if (j < seen) {
            const T *own = key(j);
            values[warp][lane] = own + inner;
            score = width % Wide<T>::N == 0 ? product<Wide<T>::N>(queries, own, width)
                                            : product<1>(queries, own, width);
            score += bias(j);
        }
        const float now = fmaxf(most, warp_max(score));
        const float from = now == -INFINITY ? 0.f : now;
        const float fade = expf(most - from), weight = expf(score - from);
        total = total * fade + weight;
        most = now;
        weights[warp][lane] = weight;
        __syncwarp();
#pragma unroll
        for (int n = 0; n < WIDEST_STEP / WARP; ++n) sums[n] *= fade;
        for (int at = 0; at < min(WARP, seen - base); ++at) {
            const T *own = values[warp][at];
            const float weight = weights[warp][at];
#pragma unroll
            for (int n = 0; n < WIDEST_STEP / WARP; ++n)
                if (n * WARP + lane < width) sums[n] += weight * widen(own[n * WARP + lane]);
        }
        __syncwarp();
    }
    total = warp_sum(total);
#pragma unroll
    for (int n = 0; n < WIDEST_STEP / WARP; ++n)
        if (n * WARP + lane < width) found[warp][n * WARP + lane] = sums[n];
    if (lane == 0) {
        most_of[warp] = most;
        total_of[warp] = total;
    }
    __syncthreads();

    most = most_of[0];
    for (int w = 1; w < WARPS; ++w) most = fmaxf(most, most_of[w]);
    for (int c = threadIdx.x; c < width; c += ROW) {
        float sum = 0.f, all = 0.f;
        for (int w = 0; w < WARPS; ++w) {
            // A warp without keys adds nothing.
            const float fade = most_of[w] == -INFINITY ? 0.f : expf(most_of[w] - most);
            sum += fade * found[w][c];
            all += fade * total_of[w];
        }
        narrow(all > 0.f ? sum / all : 0.f, out[c]);
    }
}

template <class T>
__device__ inline void attend_path(const T *qkv, T *context, const int *starts, const int *slots,
                                   const unsigned long long *pages, int layer, int heads, int width, float scale,
                                   const float *biases, int distances) {
    const int inner = heads * width, head = blockIdx.y;
    const T *query = qkv + (size_t)blockIdx.x * 3 * inner + head * width, *own = query + inner;
    const int start = starts[blockIdx.x], seen = starts[blockIdx.x + 1] - start;
    auto place = [&](int j) {
        const int slot = slots[start + j];
        T *page = (T *)pages[slot / SLOTS] + layer;
        return page + (size_t)(slot % SLOTS) * 2 * inner + head * width;
    };
    // Nobody else reads a place in the step that writes it.
    T *to = place(seen - 1);
    for (int c = threadIdx.x; c < width; c += ROW) {
        to[c] = own[c];
        to[inner + c] = own[inner + c];
    }
    attend_one(
        query, context + (size_t)blockIdx.x * inner + head * width, seen, width, inner, scale,
        [&](int j) { return j == seen - 1 ? own : (const T *)place(j); },
        [&](int j) { return biases ? biases[head * distances + min(seen - 1 - j, distances - 1)] : 0.f; });
}

template <class T>
__device__ inline void attend_source(const T *queries, T *context, const int *sources, const int *starts,
                                     const T *cross, int heads, int width, float scale) {
    const int inner = heads * width, head = blockIdx.y, source = sources[blockIdx.x];
    const int start = starts[source], seen = starts[source + 1] - start;
    const size_t own = (size_t)blockIdx.x * inner + head * width;
    attend_one(
        queries + own, context + own, seen, width, inner, scale,
        [&](int j) { return cross + (size_t)(start + j) * 2 * inner + head * width; },
        [](int) { return 0.f; });
}

#define DEFINE(T, suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) attend_path_##suffix(                                    \
        const T *qkv, T *context, const int *starts, const int *slots, const unsigned long long *pages,        \
        int layer, int heads, int width, float scale, const float *biases, int distances) {                    \
        attend_path(qkv, context, starts, slots, pages, layer, heads, width, scale, biases, distances);        \
    }                                                                                                          \
    EXPORT(attend_path_##suffix)                                                                               \
    extern "C" __global__ void __launch_bounds__(ROW) attend_source_##suffix(                                  \
        const T *queries, T *context, const int *sources, const int *starts, const T *cross, int heads,        \
        int width, float scale) {                                                                              \
        attend_source(queries, context, sources, starts, cross, heads, width, scale);                          \
    }                                                                                                          \
    EXPORT(attend_source_##suffix)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
