// Runs the kernels' source on the CPU, for tests: every thread of a block with real barriers, one block after
// the other. A thread is a context of its own on one core (fast), or with SHIM_THREADS a thread of the system,
// so that sanitizers see races in shared memory. Tensor core products follow the PTX manual's layouts lane by
// lane. It says nothing of speed.
#pragma once
#include <barrier>
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <tuple>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __launch_bounds__(n)
#define __align__(n) __attribute__((aligned(n)))
#ifdef SHIM_THREADS
#define __shared__ static
#else
#define __shared__ static thread_local
#endif

using std::max;
using std::min;

struct uint4 {
    uint32_t x, y, z, w;
} __attribute__((aligned(16), may_alias));

struct f16 {
    uint16_t bits;
};
struct bf16 {
    uint16_t bits;
};
inline float widen(float v) { return v; }
inline float widen(f16 v) {
    _Float16 h;
    memcpy(&h, &v.bits, 2);
    return (float)h;
}
inline float widen(bf16 v) {
    uint32_t bits = (uint32_t)v.bits << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
inline void narrow(float v, float &to) { to = v; }
inline void narrow(float v, f16 &to) {
    _Float16 h = (_Float16)v;
    memcpy(&to.bits, &h, 2);
}
inline void narrow(float v, bf16 &to) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    // To the nearest, ties to even; what is no number stays none.
    if (v != v) to.bits = 0x7fff;
    else to.bits = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

namespace shim {

struct Index {
    unsigned x = 0, y = 0, z = 0;
};

// What lanes of a warp show each other: two sets, so that one barrier a step is enough.
struct Warp {
    uint32_t words[2][32][6];
    const void *rows[2][32];
    unsigned waiting = 0, passed = 0;
    std::unique_ptr<std::barrier<>> barrier;
};

struct Block {
    Index index;
    unsigned threads = 0, waiting = 0, passed = 0;
    std::vector<Warp> warps;
    std::unique_ptr<std::barrier<>> barrier;
};

struct Thread {
    Index index;
    unsigned step = 0;
    Block *block = nullptr;
    bool done = false, begun = false;
    ucontext_t start;
    jmp_buf here;
    std::unique_ptr<char[]> stack;
};

inline thread_local Thread *current = nullptr;
inline thread_local jmp_buf scheduler;
// Not inlined, so that no address of a thread's own variables is kept over a switch.
__attribute__((noinline)) inline Thread &self() { return *current; }

inline void yield() {
    if (!_setjmp(self().here)) _longjmp(scheduler, 1);
}

// Waits until all `of` threads are here.
template <class Place> inline void meet(Place &place, unsigned of) {
#ifdef SHIM_THREADS
    (void)of;
    place.barrier->arrive_and_wait();
#else
    const unsigned passed = place.passed;
    if (++place.waiting == of) {
        place.waiting = 0;
        ++place.passed;
    } else {
        while (place.passed == passed) yield();
    }
#endif
}

inline Warp &warp() { return self().block->warps[self().index.x / 32]; }
inline unsigned lane() { return self().index.x % 32; }
inline void meet_warp() { meet(warp(), std::min(32u, self().block->threads)); }
// Which set this step uses.
inline unsigned turn() { return self().step++ % 2; }

// A launcher's body: runs `kernel` over a grid.
template <class Call> int launch(unsigned x, unsigned y, unsigned threads, Call call) {
    Block block;
    block.threads = threads;
    block.warps = std::vector<Warp>((threads + 31) / 32);
    block.barrier = std::make_unique<std::barrier<>>(threads);
    for (auto &warp : block.warps) warp.barrier = std::make_unique<std::barrier<>>(std::min(32u, threads));
#ifdef SHIM_THREADS
    std::barrier<> together(threads + 1);
    std::vector<std::thread> all;
    for (unsigned t = 0; t < threads; ++t)
        all.emplace_back([&, t] {
            Thread own;
            own.index.x = t;
            own.block = &block;
            current = &own;
            for (unsigned b = 0; b < x * y; ++b) {
                together.arrive_and_wait();
                call();
                together.arrive_and_wait();
            }
        });
    for (unsigned b = 0; b < x * y; ++b) {
        block.index = {b % x, b / x, 0};
        together.arrive_and_wait();
        together.arrive_and_wait();
    }
    for (auto &thread : all) thread.join();
#else
    constexpr size_t STACK = 128 << 10;
    // Contexts live as long as the thread of the system: making them costs more than most blocks.
    static thread_local std::vector<std::unique_ptr<char[]>> stacks;
    while (stacks.size() < threads) stacks.emplace_back(new char[STACK]);
    static thread_local Call *body;
    body = &call;
    std::vector<std::unique_ptr<Thread>> all;
    for (unsigned t = 0; t < threads; ++t) {
        all.push_back(std::make_unique<Thread>());
        Thread &thread = *all.back();
        thread.index.x = t;
        thread.block = &block;
        getcontext(&thread.start);
        thread.start.uc_stack.ss_sp = stacks[t].get();
        thread.start.uc_stack.ss_size = STACK;
        thread.start.uc_link = nullptr;
        makecontext(&thread.start, (void (*)())(+[] {
                        for (;;) {
                            (*body)();
                            self().done = true;
                            yield();
                        }
                    }), 0);
    }
    for (unsigned b = 0; b < x * y; ++b) {
        block.index = {b % x, b / x, 0};
        for (auto &thread : all) thread->done = false;
        for (volatile unsigned left = threads, idle = 0; left > 0; ++idle) {
            if (idle > 1000000) return 2; // threads wait for one another for ever
            left = 0;
            for (volatile unsigned t = 0; t < threads; ++t) {
                Thread &thread = *all[t];
                if (thread.done) continue;
                current = &thread;
                if (!_setjmp(scheduler)) {
                    if (thread.begun) _longjmp(thread.here, 1);
                    thread.begun = true;
                    setcontext(&thread.start);
                }
                if (!current->done) left = left + 1;
            }
        }
    }
#endif
    return 0;
}

template <class... A> int unpack(void (*kernel)(A...), unsigned x, unsigned y, unsigned threads, void **arguments) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
        std::tuple<A...> values{*static_cast<A *>(arguments[I])...};
        return launch(x, y, threads, [&] { std::apply(kernel, values); });
    }(std::index_sequence_for<A...>{});
}

} // namespace shim

#define threadIdx (shim::self().index)
#define blockIdx (shim::self().block->index)

#define EXPORT(name)                                                                                           \
    extern "C" int shim_##name(unsigned x, unsigned y, unsigned threads, void **arguments) {                   \
        return shim::unpack(name, x, y, threads, arguments);                                                   \
    }

inline void __syncthreads() { shim::meet(*shim::self().block, shim::self().block->threads); }
inline void __syncwarp() { shim::meet_warp(); }

template <class V> inline V __shfl_xor_sync(unsigned, V v, int lanes) {
    static_assert(sizeof(V) == 4);
    auto &words = shim::warp().words[shim::turn()];
    memcpy(&words[shim::lane()][0], &v, 4);
    shim::meet_warp();
    V other;
    memcpy(&other, &words[shim::lane() ^ lanes][0], 4);
    return other;
}

template <class T> inline float half_of(uint32_t word, unsigned which) {
    T half;
    half.bits = (uint16_t)(word >> (16 * which));
    return widen(half);
}

// a: 16 x 16, lane (row % 8) * 4 + column % 8 / 2, register row / 8 + 2 * (column / 8).
// b: 16 x 8, lane column * 4 + row % 8 / 2, register row / 8. c: 16 x 8 as a's columns, in pairs.
template <class T>
inline void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, T) {
    auto &words = shim::warp().words[shim::turn()];
    const unsigned lane = shim::lane();
    for (int i = 0; i < 4; ++i) words[lane][i] = a[i];
    words[lane][4] = b0;
    words[lane][5] = b1;
    shim::meet_warp();
    for (unsigned e = 0; e < 4; ++e) {
        const unsigned r = lane / 4 + e / 2 * 8, c = lane % 4 * 2 + e % 2;
        float sum = d[e];
        for (unsigned k = 0; k < 16; ++k)
            sum += half_of<T>(words[r % 8 * 4 + k % 8 / 2][r / 8 + k / 8 * 2], k % 2)
                 * half_of<T>(words[c * 4 + k % 8 / 2][4 + k / 8], k % 2);
        d[e] = sum;
    }
}

inline void exchange_rows(uint32_t (&m)[4], const void *row, bool transposed) {
    if ((uintptr_t)row % 16) abort(); // as the hardware does
    auto &rows = shim::warp().rows[shim::turn()];
    const unsigned lane = shim::lane();
    rows[lane] = row;
    shim::meet_warp();
    for (unsigned i = 0; i < 4; ++i) {
        uint16_t two[2];
        for (unsigned e = 0; e < 2; ++e) {
            const unsigned along = lane % 4 * 2 + e, across = lane / 4;
            const unsigned r = transposed ? along : across, c = transposed ? across : along;
            memcpy(&two[e], (const char *)rows[i * 8 + r] + 2 * c, 2);
        }
        m[i] = (uint32_t)two[0] | (uint32_t)two[1] << 16;
    }
}
inline void load_matrices(uint32_t (&m)[4], const void *row) { exchange_rows(m, row, false); }
inline void load_transposed(uint32_t (&m)[4], const void *row) { exchange_rows(m, row, true); }
