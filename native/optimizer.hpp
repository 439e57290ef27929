// The optimisers, as src/issun/recipe.py writes them down. Elementwise over one piece of the flat weights: loops that the compiler
// turns into vectors by itself.
#pragma once
#include "epilogue.hpp"

namespace {

INLINE float root(float x) { return __builtin_sqrtf(x); }

// The gradient of a piece: complete already, or the sum over the chunks in their order; then the penalties.
void complete(const Plan& plan, Work& work, int32_t number) {
  const Piece& piece = plan.pieces[number];
  float* __restrict g = work.gradient + piece.first;
  const float* __restrict w = work.weights + piece.first;
  const int64_t n = piece.size;
  if (!piece.meeting) {
    const int chunks = work.group_count < chunk_count ? work.group_count : chunk_count;
    for (int64_t i = 0; i < n; ++i) g[i] = 0.0f;
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const float* __restrict part = work.chunk_gradients + chunk * plan.weights + piece.first;
      for (int64_t i = 0; i < n; ++i) g[i] += part[i];
    }
  }
  if (piece.l1 != 0.0f)
    for (int64_t i = 0; i < n; ++i) g[i] += w[i] > 0.0f ? piece.l1 : w[i] < 0.0f ? -piece.l1 : 0.0f;
  if (piece.l2 != 0.0f)
    for (int64_t i = 0; i < n; ++i) g[i] += 2.0f * piece.l2 * w[i];
}

void update(const Plan& plan, Work& work, int32_t number, const Update& u) {
  const Piece& piece = plan.pieces[number];
  const int64_t n = piece.size;
  const float* __restrict g = work.gradient + piece.first;
  float* __restrict w = work.weights + piece.first;
  float* __restrict m = u.first + piece.first;
  const float rate = u.learning_rate;
  if (u.optimizer == Optimizer::sgd) {
    const float keep = u.momentum;
    for (int64_t i = 0; i < n; ++i) {
      m[i] = keep * m[i] - rate * g[i];
      w[i] += m[i];
    }
  } else if (u.optimizer == Optimizer::adam) {
    float* __restrict v = u.second + piece.first;
    const float a = u.beta_1, b = u.beta_2, new_a = u.new_1, new_b = u.new_2, epsilon = u.epsilon;
    for (int64_t i = 0; i < n; ++i) {
      m[i] = a * m[i] + new_a * g[i];
      v[i] = b * v[i] + new_b * (g[i] * g[i]);
      w[i] -= rate * m[i] / (root(v[i]) + epsilon);
    }
  } else if (u.optimizer == Optimizer::rmsprop) {
    const float keep = u.rho, fresh = u.new_rho, epsilon = u.epsilon;
    for (int64_t i = 0; i < n; ++i) {
      m[i] = keep * m[i] + fresh * (g[i] * g[i]);
      w[i] -= rate * g[i] / root(m[i] + epsilon);
    }
  } else {
    float* __restrict d = u.second + piece.first;
    const float keep = u.rho, fresh = u.new_rho, epsilon = u.epsilon;
    for (int64_t i = 0; i < n; ++i) {
      m[i] = keep * m[i] + fresh * (g[i] * g[i]);
      const float step = g[i] * root(d[i] + epsilon) / root(m[i] + epsilon);
      d[i] = keep * d[i] + fresh * (step * step);
      w[i] -= rate * step;
    }
  }
}

}  // namespace
