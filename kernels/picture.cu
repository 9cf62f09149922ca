// Operators of networks that read pictures, over pictures of several sizes at once, without padding.
//
// x is [sum of height * width, channels], row by row, channels last. A grid is int [pictures][3]: the picture's first
// pixel, its height, its width. blockIdx.y is the picture; a thread makes a part of one of its pixels, as many
// channels as 16 bytes hold where they can be cut so, else one. Blocks beyond a picture's end do nothing.
#include "common.cuh"

struct Grid {
    int first, height, width;

    __device__ explicit Grid(const int *grids) {
        const int *own = grids + 3 * blockIdx.y;
        first = own[0];
        height = own[1];
        width = own[2];
    }
};

// How a window moves: its size, its step, and what is missing above and to the left.
struct Window {
    int high, wide, down, across, top, left;
};

// The part of a pixel that this thread makes.
struct Own {
    Grid to;
    int row, column, part;
    bool any;

    __device__ Own(const int *grids, int parts) : to(grids) {
        const int index = (int)(blockIdx.x * ROW + threadIdx.x);
        const int pixel = index / parts;
        part = index % parts;
        any = pixel < to.height * to.width;
        row = any ? pixel / to.width : 0;
        column = any ? pixel % to.width : 0;
    }
    __device__ size_t pixel() const { return (size_t)to.first + row * to.width + column; }
};

// Where the tap (dy, dx) of a window is in the picture that it moves over, or -1.
__device__ inline int under(const Grid &from, const Window &w, const Own &own, int dy, int dx) {
    const int y = own.row * w.down + dy - w.top, x = own.column * w.across + dx - w.left;
    return y < 0 || y >= from.height || x < 0 || x >= from.width ? -1 : from.first + y * from.width + x;
}

// out[pixel] = its window, tap by tap, then zeros up to `length`: a row for a matrix product.
template <int N, class T>
__device__ inline void windows(const T *x, const int *from, const int *to, T *out, int channels, int length, Window w) {
    const Own own(to, length / N);
    if (!own.any) return;
    const int at = own.part * N, tap = at / channels, channel = at % channels;
    const int pixel = tap < w.high * w.wide ? under(Grid(from), w, own, tap / w.wide, tap % w.wide) : -1;
    float v[N] = {};
    if (pixel >= 0) load(x + (size_t)pixel * channels + channel, v);
    store(out + own.pixel() * length + at, v);
}

// out = activation(each channel's own convolution); weight [high * wide, channels], bias [channels], in f32.
template <int N, class T>
__device__ inline void convolve_channels(const T *x, const int *from, const int *to, const float *weight,
                                         const float *bias, T *out, int channels, int kind, Window w) {
    const Own own(to, channels / N);
    if (!own.any) return;
    const Grid grid(from);
    const int channel = own.part * N;
    float sum[N];
    load(bias + channel, sum);
    for (int dy = 0; dy < w.high; ++dy)
        for (int dx = 0; dx < w.wide; ++dx) {
            const int pixel = under(grid, w, own, dy, dx);
            if (pixel < 0) continue;
            float v[N], by[N];
            load(x + (size_t)pixel * channels + channel, v);
            load(weight + (size_t)(dy * w.wide + dx) * channels + channel, by);
#pragma unroll
            for (int i = 0; i < N; ++i) sum[i] += v[i] * by[i];
        }
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] = activated(kind, sum[i]);
    store(out + own.pixel() * channels + channel, sum);
}

// out = the most of each window, or the mean of what of it lies within the picture.
template <int N, class T>
__device__ inline void pool_windows(const T *x, const int *from, const int *to, T *out, int channels, int mean,
                                    Window w) {
    const Own own(to, channels / N);
    if (!own.any) return;
    const Grid grid(from);
    const int channel = own.part * N;
    float found[N];
    int count = 0;
    for (int dy = 0; dy < w.high; ++dy)
        for (int dx = 0; dx < w.wide; ++dx) {
            const int pixel = under(grid, w, own, dy, dx);
            if (pixel < 0) continue;
            float v[N];
            load(x + (size_t)pixel * channels + channel, v);
#pragma unroll
            for (int i = 0; i < N; ++i)
                found[i] = count == 0 ? v[i] : mean ? found[i] + v[i] : fmaxf(found[i], v[i]);
            ++count;
        }
#pragma unroll
    for (int i = 0; i < N; ++i) found[i] = count == 0 ? 0.f : mean ? found[i] / count : found[i];
    store(out + own.pixel() * channels + channel, found);
}

// x[pixel] = x[pixel] * by[picture], channel by channel.
template <int N, class T> __device__ inline void scale(T *x, const int *grid, const T *by, int channels) {
    const Own own(grid, channels / N);
    if (!own.any) return;
    const int channel = own.part * N;
    T *at = x + own.pixel() * channels + channel;
    float v[N], factor[N];
    load(at, v);
    load(by + (size_t)blockIdx.y * channels + channel, factor);
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] *= factor[i];
    store(at, v);
}

// out[row][offset ..] = x[row]: channels of several pictures side by side. A block makes one row.
template <int N, class T> __device__ inline void beside(const T *x, T *out, int channels, int offset, int total) {
    for (int channel = threadIdx.x * N; channel < channels; channel += ROW * N) {
        float v[N];
        load(x + (size_t)blockIdx.x * channels + channel, v);
        store(out + (size_t)blockIdx.x * total + offset + channel, v);
    }
}

// x = clamp(alpha * x + beta, 0, 1). A block makes one row.
template <class T> __device__ inline void hard_sigmoid(T *x, int width, float alpha, float beta) {
    T *own = x + (size_t)blockIdx.x * width;
    for (int column = threadIdx.x; column < width; column += ROW)
        narrow(fminf(fmaxf(widen(own[column]) * alpha + beta, 0.f), 1.f), own[column]);
}

#define WINDOW int high, int wide, int down, int across, int top, int left
#define WHOLE(T, ...) ((__VA_ARGS__) % Wide<T>::N == 0)
#define DEFINE(T, suffix)                                                                                      \
    extern "C" __global__ void __launch_bounds__(ROW) windows_##suffix(                                        \
        const T *x, const int *from, const int *to, T *out, int channels, int length, WINDOW) {                \
        const Window w{high, wide, down, across, top, left};                                                   \
        if (WHOLE(T, channels) && WHOLE(T, length))                                                            \
            windows<Wide<T>::N>(x, from, to, out, channels, length, w);                                        \
        else windows<1>(x, from, to, out, channels, length, w);                                                \
    }                                                                                                          \
    EXPORT(windows_##suffix)                                                                                   \
    extern "C" __global__ void __launch_bounds__(ROW) convolve_channels_##suffix(                              \
        const T *x, const int *from, const int *to, const float *weight, const float *bias, T *out,            \
        int channels, int kind, WINDOW) {                                                                      \
        const Window w{high, wide, down, across, top, left};                                                   \
        if (WHOLE(T, channels))                                                                                \
            convolve_channels<Wide<T>::N>(x, from, to, weight, bias, out, channels, kind, w);                  \
        else convolve_channels<1>(x, from, to, weight, bias, out, channels, kind, w);                          \
    }                                                                                                          \
    EXPORT(convolve_channels_##suffix)                                                                         \
    extern "C" __global__ void __launch_bounds__(ROW) pool_windows_##suffix(                                   \
        const T *x, const int *from, const int *to, T *out, int channels, int mean, WINDOW) {                  \
        const Window w{high, wide, down, across, top, left};                                                   \
        if (WHOLE(T, channels)) pool_windows<Wide<T>::N>(x, from, to, out, channels, mean, w);                 \
        else pool_windows<1>(x, from, to, out, channels, mean, w);                                             \
    }                                                                                                          \
    EXPORT(pool_windows_##suffix)                                                                              \
    extern "C" __global__ void __launch_bounds__(ROW) scale_##suffix(T *x, const int *grid, const T *by,       \
                                                                     int channels) {                           \
        if (WHOLE(T, channels)) scale<Wide<T>::N>(x, grid, by, channels);                                      \
        else scale<1>(x, grid, by, channels);                                                                  \
    }                                                                                                          \
    EXPORT(scale_##suffix)                                                                                     \
    extern "C" __global__ void __launch_bounds__(ROW) beside_##suffix(const T *x, T *out, int channels,        \
                                                                      int offset, int total) {                 \
        if (WHOLE(T, channels | offset | total)) beside<Wide<T>::N>(x, out, channels, offset, total);          \
        else beside<1>(x, out, channels, offset, total);                                                       \
    }                                                                                                          \
    EXPORT(beside_##suffix)                                                                                    \
    extern "C" __global__ void __launch_bounds__(ROW) hard_sigmoid_##suffix(T *x, int width, float alpha,      \
                                                                            float beta) {                      \
        hard_sigmoid(x, width, alpha, beta);                                                                   \
    }                                                                                                          \
    EXPORT(hard_sigmoid_##suffix)
IN_EACH_FORMAT(DEFINE)
#undef DEFINE
