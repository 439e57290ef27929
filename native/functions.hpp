// Functions of one number that activations need: hyperbolic tangent, logistic function, normal distribution. A NaN stays one in each.
#pragma once
#include "vector.hpp"

namespace {

INLINE vf magnitude(vf x) { return (vf)((vi)x & 0x7FFFFFFF); }
INLINE vf with_sign_of(vf x, vf sign) { return (vf)(((vi)x & 0x7FFFFFFF) | ((vi)sign & int32_t(0x80000000u))); }

// tanh to within 2 units in the last place: below 0.625 Cephes' polynomial (tanhf, S. Moshier), above it (1 - e^-2x) / (1 + e^-2x).
INLINE vf hyperbolic_tangent(vf x) {
  const vf size = magnitude(x), square = x * x;
  vf p = square * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * square - 5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square - 3.33332819422e-1f;
  const vf small = x + x * square * p;
  const vf e = exponential(size * -2.0f);
  const vf large = with_sign_of(1.0f - 2.0f * e / (1.0f + e), x);
  return choose(size < 0.625f, small, large);
}

// 1 / (1 + e^-x) to within 2 units in the last place, on the left too, where (1 + tanh(x/2)) / 2 would lose its digits.
INLINE vf sigmoid(vf x) {
  const vf e = exponential(magnitude(x) * -1.0f);
  const vf tail = e / (1.0f + e);
  return choose(x > 0.0f, 1.0f - tail, tail);
}

// The standard normal distribution: `below` is its distribution function Phi(x), `density` its density.
struct Normal {
  vf below, density;
};

// Phi(-z) = e^(-z^2/2) t P(t) with t = 1 / (1 + 0.475 z) for z >= 0, the form of Abramowitz & Stegun 7.1.26. P, of degree 8, was
// fitted for this file to the least largest relative error (7e-8); with the rounding of float32 e^(z^2/2) Phi(-z) is right to 4e-7.
INLINE Normal normal_distribution(vf x) {
  const vf size = magnitude(x);
  const vf e = exponential(size * size * -0.5f);
  const vf t = 1.0f / (1.0f + size * 0.475f);
  vf p = t * 5.077626209e-02f - 2.711052620e-01f;
  p = p * t + 5.742039898e-01f;
  p = p * t - 5.528865593e-01f;
  p = p * t + 1.541026397e-01f;
  p = p * t + 1.230028122e-02f;
  p = p * t + 1.542184117e-01f;
  p = p * t + 1.888705996e-01f;
  p = p * t + 1.895196427e-01f;
  const vf tail = e * t * p;
  return {choose(x > 0.0f, 1.0f - tail, tail), e * 0.398942280401432678f};
}

}  // namespace
