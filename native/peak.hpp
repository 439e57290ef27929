// What the machine can do at most: independent multiply-adds between registers, nothing else.
#pragma once
#include "vector.hpp"

namespace {

// Does `rounds` times ISSUN_ACCUMULATORS multiply-adds of L lanes; the result depends on all of them.
float multiply_adds(int64_t rounds) {
  constexpr int count = ISSUN_ACCUMULATORS;
  vf total[count];
  for (int i = 0; i < count; ++i) total[i] = splat(float(i));
  vf a = splat(0.5f), b = splat(1e-9f);
  for (int64_t r = 0; r < rounds; ++r) {
    // As if a and b were new in each round: else the compiler would do without most of the work.
#if defined(__x86_64__) && ISSUN_LANES < 16 || defined(__AVX512F__)
    __asm__ volatile("" : "+x"(a), "+x"(b));
#elif defined(__aarch64__)
    __asm__ volatile("" : "+w"(a), "+w"(b));
#else
    __asm__ volatile("" : "+m"(a), "+m"(b));
#endif
#pragma GCC unroll 32
    for (int i = 0; i < count; ++i) total[i] += a * b;
  }
  vf sum_all = zero();
  for (int i = 0; i < count; ++i) sum_all += total[i];
  return sum(sum_all);
}

}  // namespace
