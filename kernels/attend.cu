// Attention of packed windows over themselves, by online softmax (Dao 2023): no padding, no mask, no scores
// in memory.
//
// qkv [tokens, 3 · heads · width]; context [tokens, heads · width]; starts [windows + 1]; tiles [blocks][2]:
// window and its first query of TILE. A block makes one tile (blockIdx.x) of one head (blockIdx.y).
// Score of query i and key j, a distance of i - j apart, where |i - j| <= sight (if that is not negative):
//   scale · q[i] · k[j]  + lines[head][j - i]  + by_query[i][head][table[i - j]]  + by_key[j][head][table[i - j]]
// lines [heads, 2 · longest - 1]; by_query, by_key [tokens, heads, span]; table [2 · longest - 1]; each may be null.
#include "common.cuh"

// Queries of a block, and keys at a time: as in `plan.rs`.
#define TILE 64
// The widest head of the plain kernel.
#define WIDEST 256
#define LOG2E 1.44269504f

// What scores get besides the product.
template <class T> struct Positions {
    const float *lines;
    const T *by_query, *by_key;
    const int *table;
    int span, longest, heads, head;
    // Row of the window's first token.
    size_t start;

    __device__ bool any() const { return lines || by_query || by_key; }
    __device__ float of(int i, int j) const {
        float sum = 0.f;
        if (lines) sum += lines[(size_t)head * (2 * longest - 1) + (longest - 1 - i + j)];
        if (!by_query && !by_key) return sum;
        const int place = table[longest - 1 + i - j];
        if (by_query) sum += widen(by_query[((start + i) * heads + head) * span + place]);
        if (by_key) sum += widen(by_key[((start + j) * heads + head) * span + place]);
        return sum;
    }
};

// A block's part of the work.
template <class T> struct Task {
    const T *q, *k, *v;
    T *out;
    size_t stride;
    int width, out_stride, first, length, sight, begin, end;
    float scale;
    Positions<T> positions;

    __device__ Task(const T *qkv, T *context, const int *starts, const int *tiles, int heads, int width,
                    float scale, int sight, const float *lines, const T *by_query, const T *by_key,
                    const int *table, int span, int longest)
        : width(width), sight(sight), scale(scale) {
        const int window = tiles[2 * blockIdx.x];
        const int head = blockIdx.y;
        const size_t start = starts[window];
        first = tiles[2 * blockIdx.x + 1];
        length = starts[window + 1] - (int)start;
        stride = (size_t)3 * heads * width;
        q = qkv + start * stride + head * width;
        k = q + heads * width;
        v = k + heads * width;
        out_stride = heads * width;
        out = context + start * out_stride + head * width;
        // Keys that some query of the tile sees.
        begin = sight < 0 ? 0 : max(0, first - sight);
        end = sight < 0 ? length : min(length, first + TILE + sight);
        positions = Positions<T>{lines, by_query, by_key, table, span, longest, heads, head, start};
    }
    __device__ bool sees(int i, int j) const { return sight < 0 || (i - j <= sight && j - i <= sight); }
};

// For any width up to WIDEST: a warp makes one query after another, a lane a key.
template <class T> __device__ inline void attend(const Task<T> &task) {
    __shared__ float queries[ATTENTION / WARP][WIDEST];
    __shared__ float weights[ATTENTION / WARP][WARP];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const int last = min(task.first + TILE, task.length);
    for (int i = task.first + warp; i < last; i += ATTENTION / WARP) {
        for (int c = lane; c < task.width; c += WARP)
            queries[warp][c] = widen(task.q[i * task.stride + c]) * task.scale;
        __syncwarp();
        float sums[WIDEST / WARP] = {}, most = -INFINITY, total = 0.f;
        for (int base = task.begin; base < task.end; base += WARP) {
            const int j = base + lane;
            float score = -INFINITY;
            if (j < task.end && task.sees(i, j)) {
                score = 0.f;
                for (int c = 0; c < task.width; ++c) score += queries[warp][c] * widen(task.k[j * task.stride + c]);
                score += task.positions.of(i, j);
            }
            const float now = fmaxf(most, warp_max(score));
            // Nothing seen yet: any finite number will do.
            const float from = now == -INFINITY ? 0.f : now;
            const float fade = expf(most - from), weight = expf(score - from);
            total = total * fade + weight;
            most = now;
            weights[warp][lane] = weight;
            __syncwarp();
#pragma unroll
            for (int n = 0; n < WIDEST / WARP; ++n) sums[n] *= fade;
            for (int key = base; key < min(base + WARP, task.end); ++key) {
                const float weight = weights[warp][key - base];
#pragma unroll
                for (int n = 0; n < WIDEST / WARP; ++n)
                    if (n * WARP + lane < task.width)
                        sums[n] += weight * widen(task.v[key * task.stride + n * WARP + lane]);
            }
            __syncwarp();
        }
        total = warp_sum(total);
        const float factor = total > 0.f ? 1.f / total : 0.f;
#pragma unroll
        for (int n = 0; n < WIDEST / WARP; ++n)
            if (n * WARP + lane < task.width)
                narrow(sums[n] * factor, task.out[(size_t)i * task.out_stride + n * WARP + lane]);
    }
}

// TILE rows from `base` on into shared memory, zeros where there is nothing.
template <class T, int D, int PITCH>
__device__ inline void fetch(T *to, const T *from, size_t stride, int base, int length, int width) {
    constexpr int N = Wide<T>::N;
    for (int index = threadIdx.x; index < TILE * D / N; index += ATTENTION) {
        const int r = index / (D / N), c = index % (D / N) * N;
        T part[N];
#pragma unroll
        for (int i = 0; i < N; ++i) narrow(0.f, part[i]);
        if (base + r < length && c < width) {
            const T *row = from + (size_t)(base + r) * stride + c;
            if (width % N == 0) {
                const uint4 bits = *reinterpret_cast<const uint4 *>(row);
                memcpy(part, &bits, 16);
            } else {
#pragma unroll
                for (int i = 0; i < N; ++i)
                    if (c + i < width) part[i] = row[i];
            }
        }
        uint4 bits;
        memcpy(&bits, part, 16);
        *reinterpret_cast<uint4 *>(to + r * PITCH + c) = bits;
    }
}

// On tensor cores, heads up to D wide: a warp makes 16 queries. The scores' layout is that of the next
// product's left operand, so weights never leave the registers.
template <class T, int D> __device__ inline void attend_tile(const Task<T> &task) {
    // Rows are 16 bytes apart from a multiple of 128: eight of them lie in different banks.
    constexpr int PITCH = D + 8;
    __shared__ __align__(16) T keys[TILE * PITCH];
    __shared__ __align__(16) T values[TILE * PITCH];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const int own[2] = {task.first + warp * 16 + lane / 4, task.first + warp * 16 + lane / 4 + 8};
    const int matrix = lane / 8, line = lane % 8;

    uint32_t q[D / 16][4];
#pragma unroll
    for (int step = 0; step < D / 16; ++step)
#pragma unroll
        for (int part = 0; part < 4; ++part) {
            const int i = own[part % 2], c = step * 16 + part / 2 * 8 + lane % 4 * 2;
            T two[2];
            narrow(0.f, two[0]);
            narrow(0.f, two[1]);
            if (i < task.length && c < task.width) two[0] = task.q[i * task.stride + c];
            if (i < task.length && c + 1 < task.width) two[1] = task.q[i * task.stride + c + 1];
            q[step][part] = pair(two[0], two[1]);
        }

    float sums[D / 8][4] = {};
    float most[2] = {-INFINITY, -INFINITY}, total[2] = {0.f, 0.f};
    const bool biased = task.positions.any();
    for (int base = task.begin; base < task.end; base += TILE) {
        __syncthreads();
        fetch<T, D, PITCH>(keys, task.k, task.stride, base, task.end, task.width);
        fetch<T, D, PITCH>(values, task.v, task.stride, base, task.end, task.width);
        __syncthreads();

        float scores[TILE / 8][4] = {};
#pragma unroll
        for (int n = 0; n < TILE / 8; ++n)
#pragma unroll
            for (int step = 0; step < D / 16; step += 2) {
                uint32_t k[4];
                load_matrices(k, keys + (n * 8 + line) * PITCH + step * 16 + matrix * 8);
                mma(scores[n], q[step], k[0], k[1], T());
                mma(scores[n], q[step + 1], k[2], k[3], T());
            }

        float now[2] = {most[0], most[1]};
#pragma unroll
        for (int n = 0; n < TILE / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int i = own[e / 2], j = base + n * 8 + lane % 4 * 2 + e % 2;
                float score = scores[n][e] * task.scale;
                if (j >= task.end || !task.sees(i, j)) score = -INFINITY;
                else if (biased && i < task.length) score += task.positions.of(i, j);
                scores[n][e] = score * LOG2E;
                now[e / 2] = fmaxf(now[e / 2], scores[n][e]);
            }
        float from[2];
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            now[h] = fmaxf(now[h], __shfl_xor_sync(ALL, now[h], 1));
            now[h] = fmaxf(now[h], __shfl_xor_sync(ALL, now[h], 2));
            // Nothing seen yet: any finite number will do.
            from[h] = now[h] == -INFINITY ? 0.f : now[h];
            const float fade = exp2f(most[h] - from[h]);
            total[h] *= fade;
            most[h] = now[h];
#pragma unroll
            for (int n = 0; n < D / 8; ++n) {
                sums[n][2 * h] *= fade;
                sums[n][2 * h + 1] *= fade;
            }
        }
#pragma unroll
        for (int n = 0; n < TILE / 8; ++n)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                scores[n][e] = exp2f(scores[n][e] - from[e / 2]);
                total[e / 2] += scores[n][e];
            }

#pragma unroll
        for (int step = 0; step < TILE / 16; ++step) {
            const float *low = scores[2 * step], *high = scores[2 * step + 1];
            const uint32_t weights[4] = {pair_of<T>(low[0], low[1]), pair_of<T>(low[2], low[3]),
                                         pair_of<T>(high[0], high[1]), pair_of<T>(high[2], high[3])};
#pragma unroll
            for (int n = 0; n < D / 8; n += 2) {
                uint32_t v[4];
                load_transposed(v, values + (step * 16 + matrix % 2 * 8 + line) * PITCH + (n + matrix / 2) * 8);
                mma(sums[n], weights, v[0], v[1], T());
                mma(sums[n + 1], weights, v[2], v[3], T());
            }
        }
    }

#pragma unroll
    for (int h = 0; h < 2; ++h) {
        total[h] += __shfl_xor_sync(ALL, total[h], 1);
        total[h] += __shfl_xor_sync(ALL, total[h], 2);
        const float factor = total[h] > 0.f ? 1.f / total[h] : 0.f;
        if (own[h] >= task.length) continue;
        T *to = task.out + (size_t)own[h] * task.out_stride;
#pragma unroll
        for (int n = 0; n < D / 8; ++n)
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                const int c = n * 8 + lane % 4 * 2 + e;
                if (c < task.width) narrow(sums[n][2 * h + e] * factor, to[c]);
            }
    }
}

#define DEFINE_AS(name, body, T)                                                                               \
    extern "C" __global__ void __launch_bounds__(ATTENTION) name(                                              \
        const T *qkv, T *context, const int *starts, const int *tiles, int heads, int width, float scale,      \
        int sight, const float *lines, const T *by_query, const T *by_key, const int *table, int span,         \
        int longest) {                                                                                         \
        body(Task<T>(qkv, context, starts, tiles, heads, width, scale, sight, lines, by_query, by_key, table,  \
                     span, longest));                                                                          \
    }                                                                                                          \
    EXPORT(name)
#define DEFINE(T, suffix) DEFINE_AS(attend_##suffix, attend<T>, T)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
#define DEFINE(T, suffix)                                                                                      \
    DEFINE_AS(attend32_##suffix, (attend_tile<T, 32>), T)                                                      \
    DEFINE_AS(attend64_##suffix, (attend_tile<T, 64>), T)                                                      \
    DEFINE_AS(attend96_##suffix, (attend_tile<T, 96>), T)                                                      \
    DEFINE_AS(attend128_##suffix, (attend_tile<T, 128>), T)
IN_HALF_FORMATS(DEFINE)
#undef DEFINE
