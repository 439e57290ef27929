// A register of LANES floats, one image a lane. Only what the operators need, in GCC's and Clang's vector extension.
#pragma once
#include <cstddef>
#include <cstdint>

#define INLINE inline __attribute__((always_inline))

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

// e^x for x <= 0, relative error below 2e-7: 2^n times a polynomial in the remainder (Cephes' expf).
INLINE vf exponential(vf x) {
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
  p = p * r * r + r + 1.0f;
  vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
  return p * (vf)exponent;
}

}  // namespace
