// The optimizers, as src/issun/recipe.py writes them down. Elementwise over one piece of the flat weights: loops that the compiler
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

// The squared gradient of a piece, summed in double precision in an order of its own: the same in every instruction set.
void square(const Plan& plan, Work& work, int32_t number) {
  constexpr int parts = 8;
  const Piece& piece = plan.pieces[number];
  const float* g = work.gradient + piece.first;
  double total[parts] = {};
  int64_t i = 0;
  for (; i + parts <= piece.size; i += parts)
    for (int k = 0; k < parts; ++k) total[k] += double(g[i + k]) * double(g[i + k]);
  for (int k = 0; i + k < piece.size; ++k) total[k] += double(g[i + k]) * double(g[i + k]);
  for (int width = parts / 2; width > 0; width /= 2)
    for (int k = 0; k < width; ++k) total[k] += total[k + width];
  work.squares[number] = total[0];
}

INLINE void approach(float* __restrict average, const float* __restrict w, int64_t n, float rate) {
  for (int64_t i = 0; i < n; ++i) average[i] += rate * (w[i] - average[i]);
}

// The moving average of weights that no optimizer changes; where nothing else changes them either, it is them already, and stays.
void follow(const Plan& plan, Work& work, int32_t number, const Update& u) {
  const Piece& rest = plan.rest[number];
  approach(u.average + rest.first, work.weights + rest.first, rest.size, u.average_rate);
}

// The step itself, over n weights from `first` on.
INLINE void optimize(Work& work, const Update& u, int64_t first, int64_t n) {
  const float* __restrict g = work.gradient + first;
  float* __restrict w = work.weights + first;
  float* __restrict m = u.first + first;
  const float rate = u.learning_rate;
  if (u.optimizer == Optimizer::sgd) {
    const float keep = u.momentum;
    if (u.nesterov) {
      for (int64_t i = 0; i < n; ++i) {
        m[i] = keep * m[i] - rate * g[i];
        w[i] += keep * m[i] - rate * g[i];
      }
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      m[i] = keep * m[i] - rate * g[i];
      w[i] += m[i];
    }
  } else if (u.optimizer == Optimizer::adam) {
    float* __restrict v = u.second + first;
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
    float* __restrict d = u.second + first;
    const float keep = u.rho, fresh = u.new_rho, epsilon = u.epsilon;
    for (int64_t i = 0; i < n; ++i) {
      m[i] = keep * m[i] + fresh * (g[i] * g[i]);
      const float step = g[i] * root(d[i] + epsilon) / root(m[i] + epsilon);
      d[i] = keep * d[i] + fresh * (step * step);
      w[i] -= rate * step;
    }
  }
}

// Everything that a step does to a piece, in parts that stay in the nearest cache from the first loop to the last: the weights go
// through memory once.
void update(const Plan& plan, Work& work, int32_t number, const Update& u) {
  constexpr int64_t part = 1024;
  const Piece& piece = plan.pieces[number];
  const float decay = piece.decays ? u.decay : 0.0f;
  for (int64_t from = 0; from < piece.size; from += part) {
    const int64_t first = piece.first + from, n = piece.size - from < part ? piece.size - from : part;
    float* __restrict g = work.gradient + first;
    float* __restrict w = work.weights + first;
    if (u.shorten != 1.0f)
      for (int64_t i = 0; i < n; ++i) g[i] *= u.shorten;
    if (decay != 0.0f)
      for (int64_t i = 0; i < n; ++i) w[i] -= decay * w[i];
    optimize(work, u, first, n);
    if (u.average) approach(u.average + first, w, n, u.average_rate);
  }
}

}  // namespace
