// Runs every kernel over small shapes in memory of exactly their size, with a thread of the system for each of
// the GPU's: what the address and thread sanitizers watch (tests/kernels.rs). Results are compared elsewhere.
#define SHIM_THREADS
#include "shim.cpp"

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

#define RUN(kernel, T, suffix, x, y, ...) shim::launch(x, y, ROW, [&] { kernel##_##suffix(__VA_ARGS__); })

#define ROWS(T, suffix)                                                                                        \
    for (int width : {7, 32, 520}) {                                                                           \
        const int rows = 5;                                                                                    \
        Buffer<T> x(rows * width), y(rows * width), out(rows * width), words(3 * width), pooled(2 * width);    \
        Buffer<float> gamma(width), beta(width), full(rows * width);                                           \
        Buffer<int> ids = ints({0, 1, 2, 1, 0}), ranges = ints({0, 5, 3, 3});                                  \
        RUN(embed, T, suffix, 2, 1, ids, ids, words, words, 1.f, gamma, beta, 1e-5f, 0, x, width, rows);       \
        RUN(add_norm, T, suffix, 2, 1, x, y, gamma, beta, 1e-5f, 0, out, width, rows);                         \
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
    IN_EACH_FORMAT(ATTEND)
    IN_HALF_FORMATS(ATTEND_TILES)
    puts("every kernel ran");
}
