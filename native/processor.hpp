// Which vector instructions this processor has and this operating system keeps the registers of: asked with CPUID and XGETBV.
//
// Not with __builtin_cpu_supports: it reads a table that the compiler's run-time library fills, and where a linker leaves that out (zig),
// every answer is no, so that a build silently runs its slowest operators.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>

namespace issun {

struct Processor {
  bool avx2 = false;    // with FMA
  bool avx512 = false;  // F, DQ, BW and VL
};

inline Processor processor() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return {};
  const auto has = [](unsigned bits, int at) { return (bits >> at & 1) != 0; };
  const bool fma = has(c, 12), saved = has(c, 27), avx = has(c, 28);
  if (!fma || !saved || !avx) return {};
  // Which registers are saved when threads take turns: bits 1 and 2 are those of 256 bits, 5 to 7 what AVX-512 adds.
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return {};
  Processor found;
  found.avx2 = has(b, 5);
  found.avx512 = found.avx2 && (low & 0xe0) == 0xe0 && has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31);
  return found;
}

}  // namespace issun
#endif
