// Runs every kernel over small shapes in memory of exactly their size, with a thread of the system for each of
// the GPU's: what the address and thread sanitizers watch (tests/kernels.rs). Results are compared elsewhere.
#define SHIM_THREADS
#include "shim.cpp"
#include <set>
#include <string>

template <class T> struct Buffer {
    std::vector<T> values;
    explicit Buffer(size_t count, float from = 0.5f) : values(count) {
        for (size_t i = 0; i < count; ++i) put(values[i], from - (float)(i % 7) / 7);
    }
    static void put(float &to, float v) { to = v; }
    static void put(int &to, float) { to = 0; }
    static void put(f16 &to, float v) { narrow(v, to); }
    static void put(bf16 &to, float v) { narrow(v, to); }
    operator T *() { return values.data(); }
};
static Buffer<int> ints(std::vector<int> values) {
    Buffer<int> buffer(0);
    buffer.values = values;
    return buffer;
}

static std::set<std::string> ran;

#define RUN(kernel, T, suffix, x, y, ...)                                                                      \
    ran.insert(#kernel "_" #suffix), shim::launch(x, y, ROW, [&] { kernel##_##suffix(__VA_ARGS__); })

#define ROWS(T, suffix)                                                                                        \
    for (int width : {7, 32, 520}) {                                                                           \
        const int rows = 5;                                                                                    \
        Buffer<T> x(rows * width), y(rows * width), out(rows * width), words(3 * width), pooled(2 * width);    \
        Buffer<float> gamma(width), beta(width), full(rows * width);                                           \
        Buffer<int> ids = ints({0, 1, 2, 1, 0}), ranges = ints({0, 5, 3, 3});                                  \
        RUN(embed, T, suffix, 2, 1, ids, ids, words, words, 1.f, gamma, beta, 1e-5f, 0, x, width, rows);       \
        RUN(add_norm, T, suffix, 2, 1, x, y, gamma, beta, 1e-5f, 0, out, width, rows);                         \
        RUN(add_rows, T, suffix, 2, 1, x, ids, words, width, rows);                                            \
        RUN(activate, T, suffix, rows, 1, x, width, 1);                                                        \
        Buffer<T> gates(rows * 2 * width);                                                                     \
        RUN(gate, T, suffix, rows, 1, gates, x, width, 2);                                                     \
        RUN(pool, T, suffix, 2, (width + ROW - 1) / ROW, x, ranges, 0, pooled, width);                         \
        RUN(unit, T, suffix, 2, 1, x, full, width, rows);                                                      \
        RUN(labels, T, suffix, 2, 1, x, full, width, 0, rows);                                                 \
    }                                                                                                          \
    {                                                                                                          \
        Buffer<T> qkv(5 * 3 * 2 * 6);                                                                          \
        Buffer<float> cos(5 * 3), sin(5 * 3);                                                                  \
        Buffer<int> positions = ints({0, 1, 2, 3, 4});                                                         \
        RUN(rotate, T, suffix, 5, 1, qkv, positions, cos, sin, 2, 6);                                          \
    }

// With states in f32.
#define FULL(T, suffix)                                                                                        \
    for (int width : {7, 32, 520}) {                                                                           \
        const int rows = 5;                                                                                    \
        Buffer<T> y(rows * width), out(rows * width), words(3 * width);                                        \
        Buffer<float> x(rows * width), gamma(width), beta(width);                                              \
        Buffer<int> ids = ints({0, 1, 2, 1, 0});                                                               \
        RUN(embed_full, T, suffix, 2, 1, ids, ids, words, words, 1.f, gamma, beta, 1e-5f, 0, x, width, rows);  \
        RUN(add_norm_full, T, suffix, 2, 1, x, y, gamma, beta, 1e-5f, 1, out, width, rows);                    \
        RUN(add_norm_full, T, suffix, 2, 1, x, y, nullptr, nullptr, 0.f, 0, nullptr, width, rows);             \
        RUN(add_rows_full, T, suffix, 2, 1, x, ids, words, width, rows);                                       \
    }

// A decoder's step: two rows with texts of 3 and 300 tokens over two pages, in the second of two layers and with
// biases in the first, then over sources.
#define STEP(T, suffix)                                                                                        \
    for (int width : {7, 32, 256}) {                                                                           \
        const int heads = 2, inner = heads * width, longest = 300;                                             \
        const int layer = SLOTS * 2 * inner;                                                                   \
        Buffer<T> qkv(2 * 3 * inner), context(2 * inner), first(2 * layer), second(2 * layer);                 \
        Buffer<int> starts = ints({0, 3, 3 + longest}), sources = ints({1, 0}), slots(3 + longest);            \
        for (int i = 0; i < 3; ++i) slots[i] = longest + i;                                                    \
        for (int i = 0; i < longest; ++i) slots[3 + i] = longest - 1 - i;                                      \
        std::vector<unsigned long long> pages{(unsigned long long)(T *)first, (unsigned long long)(T *)second};\
        Buffer<float> biases(heads * 9);                                                                       \
        RUN(attend_path, T, suffix, 2, heads, qkv, context, starts, slots, pages.data(), 0, heads, width,      \
            0.2f, biases, 9);                                                                                  \
        RUN(attend_path, T, suffix, 2, heads, qkv, context, starts, slots, pages.data(), layer, heads, width,  \
            0.2f, nullptr, 0);                                                                                 \
        Buffer<T> cross((3 + longest) * 2 * inner);                                                            \
        RUN(attend_source, T, suffix, 2, heads, qkv, context, sources, starts, cross, heads, width, 0.2f);     \
    }                                                                                                          \
    for (int count : {1, 9}) {                                                                                 \
        Buffer<float> logits(2 * 300), scores(2 * (1 + count));                                                \
        Buffer<int> tokens(2 * count);                                                                         \
        RUN(best, T, suffix, 2, 1, logits, scores, tokens, 300, count);                                        \
    }                                                                                                          \
    {                                                                                                          \
        /* As many as there are, and one of them is no number. */                                              \
        Buffer<float> logits(5), scores(6);                                                                    \
        Buffer<int> tokens(5);                                                                                 \
        logits[2] = NAN;                                                                                       \
        RUN(best, T, suffix, 1, 1, logits, scores, tokens, 5, 5);                                              \
    }

// Two pictures of unlike sizes, 5 x 7 and 3 x 4, under windows of 3 x 2 in steps of 2 and 1, and a third of none.
#define PICTURE(T, suffix)                                                                                     \
    for (int channels : {3, 16}) {                                                                             \
        const int rows = 35 + 12, made = 3 * 7 + 2 * 4, length = (6 * channels + 7) / 8 * 8;                   \
        Buffer<T> x(rows * channels), by(3 * channels), out(made * channels), wide(made * length);             \
        Buffer<T> both(rows * (channels + 8));                                                                 \
        Buffer<float> weight(6 * channels), bias(channels);                                                    \
        Buffer<int> from = ints({0, 5, 7, 35, 3, 4, 47, 0, 0}), to = ints({0, 3, 7, 21, 2, 4, 29, 0, 0});      \
        RUN(windows, T, suffix, (21 * length + ROW - 1) / ROW, 3, x, from, to, wide, channels, length, 3, 2,   \
            2, 1, 1, 0);                                                                                       \
        RUN(convolve_channels, T, suffix, (21 * channels + ROW - 1) / ROW, 3, x, from, to, weight, bias, out,  \
            channels, 3, 3, 2, 2, 1, 1, 0);                                                                    \
        for (int mean : {0, 1})                                                                                \
            RUN(pool_windows, T, suffix, (21 * channels + ROW - 1) / ROW, 3, x, from, to, out, channels, mean, \
                3, 2, 2, 1, 1, 0);                                                                             \
        RUN(scale, T, suffix, (35 * channels + ROW - 1) / ROW, 3, x, from, by, channels);                      \
        RUN(beside, T, suffix, rows, 1, x, both, channels, 8, channels + 8);                                   \
        RUN(hard_sigmoid, T, suffix, 3, 1, by, channels, 0.2f, 0.5f);                                          \
    }

#define ATTEND_WITH(kernel, T, suffix, width, sight)                                                           \
    {                                                                                                          \
        const int heads = 2, tokens = 75, longest = 72, span = 4;                                              \
        Buffer<T> qkv(tokens * 3 * heads * (width)), out(tokens * heads * (width));                            \
        Buffer<T> by_query(tokens * heads * span), by_key(tokens * heads * span);                              \
        Buffer<int> starts = ints({0, 5, 75}), tiles = ints({0, 0, 1, 0, 1, 64});                              \
        Buffer<float> lines(heads * (2 * longest - 1));                                                        \
        Buffer<int> table(2 * longest - 1);                                                                    \
        RUN(kernel, T, suffix, 3, heads, qkv, out, starts, tiles, heads, width, 0.2f, sight, lines, by_query,  \
            by_key, table, span, longest);                                                                     \
    }
#define ATTEND(T, suffix) ATTEND_WITH(attend, T, suffix, 9, 20)
#define ATTEND_TILES(T, suffix)                                                                                \
    ATTEND_WITH(attend32, T, suffix, 32, -1)                                                                   \
    ATTEND_WITH(attend64, T, suffix, 50, 20)                                                                   \
    ATTEND_WITH(attend96, T, suffix, 72, -1)                                                                   \
    ATTEND_WITH(attend128, T, suffix, 128, -1)

int main() {
    IN_EACH_FORMAT(ROWS)
    IN_HALF_FORMATS(FULL)
    IN_EACH_FORMAT(STEP)
    IN_EACH_FORMAT(PICTURE)
    IN_EACH_FORMAT(ATTEND)
    IN_HALF_FORMATS(ATTEND_TILES)
    for (const std::string &kernel : ran) printf("ran %s\n", kernel.c_str());
}
