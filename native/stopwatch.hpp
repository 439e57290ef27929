// Where does the time go? Ticks of the processor's own counter, added up for each operator while somebody asks; one thread only.
#pragma once
#include <cstdint>

namespace {

// Of each operator: its values, the gradient of its input, that of its weights.
constexpr int ticks_of_op = 3;
// After the operators: images entering, loss, adding lanes and chunks, the optimizer, packing weights.
enum Rest { rest_enter, rest_loss, rest_sums, rest_update, rest_pack, rest_count };

inline __attribute__((always_inline)) int64_t ticks_now() {
#if defined(__x86_64__)
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return int64_t(uint64_t(high) << 32 | low);
#elif defined(__aarch64__)
  uint64_t ticks;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return int64_t(ticks);
#else
  return 0;
#endif
}

// Adds the ticks since the last lap to a slot. Without a table it costs one test.
struct Stopwatch {
  int64_t* table;
  int64_t last;

  explicit Stopwatch(int64_t* to) : table(to), last(to ? ticks_now() : 0) {}

  inline __attribute__((always_inline)) void lap(int slot) {
    if (!table) return;
    const int64_t now = ticks_now();
    table[slot] += now - last;
    last = now;
  }
};

}  // namespace
