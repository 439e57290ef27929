// A register of LANES floats, one image a lane. Only what the operators need, in GCC's and Clang's vector extension.
#pragma once
#include <cstddef>
#include <cstdint>

#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))

namespace {

constexpr int L = ISSUN_LANES;

typedef float vf __attribute__((vector_size(4 * ISSUN_LANES), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * ISSUN_LANES), may_alias));
typedef uint32_t vu __attribute__((vector_size(4 * ISSUN_LANES), may_alias));

INLINE vf load(const float* p) { return *reinterpret_cast<const vf*>(p); }
INLINE void store(float* p, vf v) { *reinterpret_cast<vf*>(p) = v; }

// Written out: from a loop the compiler would build the register lane by lane instead of with one broadcast.
#if ISSUN_LANES == 4
INLINE vf splat(float s) { return vf{s, s, s, s}; }
#elif ISSUN_LANES == 8
INLINE vf splat(float s) { return vf{s, s, s, s, s, s, s, s}; }
#elif ISSUN_LANES == 16
INLINE vf splat(float s) { return vf{s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s}; }
#endif

INLINE vf zero() { return vf{}; }

// What lies in the arena of a group has left the nearer caches since it was touched last. A loop that comes to it asks for it some
// thousand bytes before, since what a processor fetches ahead by itself ends with each page of 4 kB. Asking beyond the end does no harm.
constexpr int ahead = 64;  // registers
INLINE void ask_for(const float* p) { __builtin_prefetch(p, 0); }
INLINE void ask_to_write(const float* p) { __builtin_prefetch(p, 1); }

// The same address, but Clang does not know it. Otherwise it keeps the values that two neighbouring taps share, which takes one register
// more than there are: sums go to memory and back at every tap.
INLINE const float* read_anew(const float* p) {
#if defined(__clang__)
  __asm__("" : "+r"(p));
#endif
  return p;
}

// Where sums, values and one more take all registers that there are.
constexpr bool few_registers = ISSUN_ACCUMULATORS < 16;

// The same value, which waits in a register. Otherwise GCC makes the load a part of each multiply-add that uses it.
INLINE vf held(vf v) {
#if defined(__AVX512F__) && ISSUN_LANES == 16
  __asm__("" : "+v"(v));
#elif (defined(__AVX__) && ISSUN_LANES == 8) || (defined(__SSE2__) && ISSUN_LANES == 4)
  __asm__("" : "+x"(v));
#endif
  return v;
}

// The same, unless sums take the register that it needs.
INLINE vf held_with_room(vf v) { return few_registers ? v : held(v); }

// Clang loads nothing from behind this before it. Otherwise it loads the next weight one step early, which takes one register too many.
INLINE void in_order() {
#if defined(__clang__)
  __asm__ volatile("" ::: "memory");
#endif
}

// Keeps a where the mask is set, else gives 0.
INLINE vf where(vi mask, vf a) { return (vf)((vi)a & mask); }
INLINE vf choose(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }

INLINE vf maximum(vf a, vf b) { return a > b ? a : b; }

// A NaN passes, so that a network that diverged shows it.
INLINE vf relu(vf x) { return zero() > x ? zero() : x; }
INLINE vf leaky(vf x, float slope) { return x < 0.0f ? x * slope : x; }

// The sum of all lanes, in a fixed order.
INLINE float sum(vf v) {
  float part[L];
  for (int i = 0; i < L; ++i) part[i] = v[i];
  for (int width = L / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) part[i] += part[i + width];
  return part[0];
}

// Any lanes of two registers, as one. Clang, and GCC from 12 on, call it the same.
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLED(a, b, ...) __builtin_shuffle(a, b, vi{__VA_ARGS__})
#endif

// The sums of the lanes of L registers at once, result i from the L floats at from + i * L. Each step halves the width of two registers
// and puts them into one, with shuffles that stay within 16 bytes from the second last on. The additions are those of `sum`, bit for bit.
INLINE vf lane_sums(const float* from) {
#if ISSUN_LANES == 4
  const vf a = load(from), b = load(from + L), c = load(from + 2 * L), d = load(from + 3 * L);
  const vf e = SHUFFLED(a, b, 0, 1, 4, 5) + SHUFFLED(a, b, 2, 3, 6, 7), f = SHUFFLED(c, d, 0, 1, 4, 5) + SHUFFLED(c, d, 2, 3, 6, 7);
  return SHUFFLED(e, f, 0, 2, 4, 6) + SHUFFLED(e, f, 1, 3, 5, 7);
#elif ISSUN_LANES == 8
  vf quarter[4], half[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const vf a = load(from + i * L), b = load(from + (i + 4) * L);
    quarter[i] = SHUFFLED(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLED(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const vf a = quarter[2 * i], b = quarter[2 * i + 1];
    half[i] = SHUFFLED(a, b, 0, 1, 8, 9, 4, 5, 12, 13) + SHUFFLED(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
  }
  return SHUFFLED(half[0], half[1], 0, 2, 8, 10, 4, 6, 12, 14) + SHUFFLED(half[0], half[1], 1, 3, 9, 11, 5, 7, 13, 15);
#elif ISSUN_LANES == 16
  vf eighth[8], quarter[4], half[2];
  // Which register stands where: element 4k + j of the result is register k + 4j here.
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    const int first = 2 * i, second = 2 * i + 1;
    const vf a = load(from + (4 * (first % 4) + first / 4) * L), b = load(from + (4 * (second % 4) + second / 4) * L);
    eighth[i] = SHUFFLED(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                SHUFFLED(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const vf a = eighth[2 * i], b = eighth[2 * i + 1];
    quarter[i] = SHUFFLED(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
                 SHUFFLED(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const vf a = quarter[2 * i], b = quarter[2 * i + 1];
    half[i] = SHUFFLED(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
              SHUFFLED(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  return SHUFFLED(half[0], half[1], 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +
         SHUFFLED(half[0], half[1], 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
#endif
}

// Transposes L registers: element j of register i becomes element i of register j. Each step swaps between two registers whose numbers
// differ in one bit the elements whose places differ in it.
INLINE void transpose(vf* r) {
#if ISSUN_LANES == 4
#pragma GCC unroll 2
  for (int k = 0; k < 2; ++k) {
    const vf a = r[k], b = r[k + 2];
    r[k] = SHUFFLED(a, b, 0, 1, 4, 5);
    r[k + 2] = SHUFFLED(a, b, 2, 3, 6, 7);
  }
#pragma GCC unroll 2
  for (int k = 0; k < 2; ++k) {
    const vf a = r[2 * k], b = r[2 * k + 1];
    r[2 * k] = SHUFFLED(a, b, 0, 4, 2, 6);
    r[2 * k + 1] = SHUFFLED(a, b, 1, 5, 3, 7);
  }
#elif ISSUN_LANES == 8
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const vf a = r[k], b = r[k + 4];
    r[k] = SHUFFLED(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
    r[k + 4] = SHUFFLED(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const vf a = r[k + (k & -2)], b = r[k + (k & -2) + 2];
    r[k + (k & -2)] = SHUFFLED(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
    r[k + (k & -2) + 2] = SHUFFLED(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const vf a = r[2 * k], b = r[2 * k + 1];
    r[2 * k] = SHUFFLED(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
    r[2 * k + 1] = SHUFFLED(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
  }
#elif ISSUN_LANES == 16
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k) {
    const vf a = r[k], b = r[k + 8];
    r[k] = SHUFFLED(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    r[k + 8] = SHUFFLED(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k) {
    const vf a = r[k + (k & -4)], b = r[k + (k & -4) + 4];
    r[k + (k & -4)] = SHUFFLED(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    r[k + (k & -4) + 4] = SHUFFLED(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  }
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k) {
    const vf a = r[k + (k & -2)], b = r[k + (k & -2) + 2];
    r[k + (k & -2)] = SHUFFLED(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    r[k + (k & -2) + 2] = SHUFFLED(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k) {
    const vf a = r[2 * k], b = r[2 * k + 1];
    r[2 * k] = SHUFFLED(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    r[2 * k + 1] = SHUFFLED(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  }
#endif
}

// A register of floats that need not be aligned.
typedef float unaligned_vf __attribute__((vector_size(4 * ISSUN_LANES), may_alias, aligned(4)));

// Sums the lanes of `count` registers: to[i] from the L floats at from + i * L, added to what is there where it `adds`. `to` may be `from`:
// what is written was read.
INLINE void sum_lanes(const float* from, int64_t count, float* to, bool adds = false) {
  int64_t i = 0;
  for (; i + L <= count; i += L) {
    unaligned_vf& place = *reinterpret_cast<unaligned_vf*>(to + i);
    const vf sums = lane_sums(from + i * L);
    place = adds ? place + sums : sums;
  }
  for (; i < count; ++i) to[i] = adds ? to[i] + sum(load(from + i * L)) : sum(load(from + i * L));
}

// e^x for x <= 0 as scale (1 + beyond): scale is 2^n, beyond a polynomial in the remainder (Cephes' expf).
struct Exponential {
  vf scale, beyond;
};
INLINE Exponential exponential_parts(vf x) {
  const vf low = splat(-87.0f);
  x = low > x ? low : x;  // a NaN stays one
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  vf n = (x * 1.44269504088896341f + magic) - magic;
  vf r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r;
  vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
  return {(vf)exponent, p};
}

// e^x for x <= 0, relative error below 2e-7.
INLINE vf exponential(vf x) {
  const Exponential e = exponential_parts(x);
  return (e.beyond + 1.0f) * e.scale;
}

// e^x - 1 for x <= 0, which loses no digits near zero.
INLINE vf exponential_less_one(vf x) {
  const Exponential e = exponential_parts(x);
  return e.beyond * e.scale + (e.scale - 1.0f);
}

}  // namespace
