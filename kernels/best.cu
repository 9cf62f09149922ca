// The best tokens of each row, so that not all logits travel back. A block makes one row.
//
// logits [rows, vocabulary], f32 in every format. scores [rows, 1 + count]: ln Σ eˣ over the whole row, then the
// logits of its `count` best tokens, best first, of equals the lower; tokens [rows, count]: which they are, -1 where
// there are no more that are finite. `count` is at most the vocabulary.
#include "common.cuh"

struct Found {
    float value;
    int token;

    __device__ bool beats(const Found &other) const {
        return value > other.value || (value == other.value && (unsigned)token < (unsigned)other.token);
    }
};

// The best of a warp, in all its lanes.
__device__ inline Found best_of_warp(Found own) {
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes >>= 1) {
        const Found other{__shfl_xor_sync(ALL, own.value, lanes), __shfl_xor_sync(ALL, own.token, lanes)};
        if (other.beats(own)) own = other;
    }
    return own;
}

// The best of every `step`-th token from `first` on that `last` beats.
__device__ inline Found best_after(const float *logits, int vocabulary, int first, int step, const Found &last) {
    Found best{-INFINITY, -1};
    for (int token = first; token < vocabulary; token += step) {
        const Found here{logits[token], token};
        // Also false for what is no number.
        if (here.value > -INFINITY && here.value < INFINITY && last.beats(here) && here.beats(best)) best = here;
    }
    return best;
}

__device__ inline void best(const float *logits, float *scores, int *tokens, int vocabulary, int count) {
    __shared__ float shared[2][WARPS];
    __shared__ Found tops[2][WARPS];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const float *own = logits + (size_t)blockIdx.x * vocabulary;
    scores += (size_t)blockIdx.x * (1 + count);
    tokens += (size_t)blockIdx.x * count;

    // Each thread has every ROW-th token.
    Found mine = best_after(own, vocabulary, threadIdx.x, ROW, Found{INFINITY, -1});
    const float top = warp_max(mine.value);
    if (lane == 0) shared[0][warp] = top;
    __syncthreads();
    float most = shared[0][0], sum = 0.f;
    for (int w = 1; w < WARPS; ++w) most = fmaxf(most, shared[0][w]);
    for (int token = threadIdx.x; token < vocabulary; token += ROW) sum += expf(own[token] - most);
    sum = warp_sum(sum);
    if (lane == 0) shared[1][warp] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        float total = 0.f;
        for (int w = 0; w < WARPS; ++w) total += shared[1][w];
        scores[0] = most + logf(total);
    }

    for (int n = 0; n < count; ++n) {
        const Found of_warp = best_of_warp(mine);
        if (lane == 0) tops[n % 2][warp] = of_warp;
        __syncthreads();
        Found next = tops[n % 2][0];
        for (int w = 1; w < WARPS; ++w)
            if (tops[n % 2][w].beats(next)) next = tops[n % 2][w];
        if (threadIdx.x == 0) {
            scores[1 + n] = next.value;
            tokens[n] = next.token;
        }
        // The warp of the thread that had it looks for that thread's next.
        const int owner = next.token < 0 ? -1 : next.token % ROW;
        if (next.token >= 0 && owner / WARP == warp) {
            const Found other =
                best_of_warp(best_after(own, vocabulary, owner + ROW * lane, ROW * WARP, next));
            if ((int)threadIdx.x == owner) mine = other;
        }
    }
}

#define DEFINE(T, suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) best_##suffix(const float *logits, float *scores,        \
                                                                    int *tokens, int vocabulary, int count) {  \
        best(logits, scores, tokens, vocabulary, count);                                                       \
    }                                                                                                          \
    EXPORT(best_##suffix)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
