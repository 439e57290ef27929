// What happens to a value before it is stored: an activation on the way forward, its derivative on the way back.
//
// Whoever writes the gradient of a tensor multiplies it by the derivative of the activation that made the tensor, which is known from
// the tensor's values. So the gradient of a tensor is always that of what entered its activation.
#pragma once
#include "plan.hpp"
#include "functions.hpp"
#include "vector.hpp"

namespace {
using namespace issun;

// The short activations, which stand in every register block. The long ones follow in `activate_stored`.
INLINE vf activated(Act act, float slope, vf x) {
  if (act == Act::relu) return relu(x);
  if (act == Act::leaky) return leaky(x, slope);
  return x;
}

// A hyperbolic tangent within a block would take the registers from its sums: it goes over what the block has just stored.
__attribute__((noinline)) void activate_stored(Act act, float* y, int64_t count) {
  if (act == Act::tanh)
    for (int64_t i = 0; i < count; ++i, y += L) store(y, hyperbolic_tangent(load(y)));
}

INLINE vf derived(Act act, float slope, vf gradient, vf value) {
  if (act == Act::relu) return where(value > 0.0f, gradient);
  if (act == Act::leaky) return choose(value > 0.0f, gradient, gradient * slope);
  if (act == Act::tanh) return gradient - gradient * (value * value);
  return gradient;
}

// Of a tensor that several operators read, the first on the way back stores its share of the gradient and the others add theirs.
INLINE void put_gradient(bool adds, float* to, vf gradient) { store(to, adds ? load(to) + gradient : gradient); }

// Where the blocks of a cut begin.
INLINE int block_size(const Cut& cut, int block) { return cut.base + (block < cut.wide ? 1 : 0); }
INLINE int block_start(const Cut& cut, int block) { return block * cut.base + (block < cut.wide ? block : cut.wide); }

// Which taps of a column of them lie in the image, the first one in row `top`: from `taps_above` to before `taps_until`.
INLINE int taps_above(int top, int dilation) { return top < 0 ? (dilation - 1 - top) / dilation : 0; }
INLINE int taps_until(int top, int taps, int dilation, int rows) {
  const int fit = rows > top ? (rows - top + dilation - 1) / dilation : 0;
  return fit < taps ? fit : taps;
}

// The arenas of one thread and one group, and the channels that an operator goes through if it can take them one by one.
struct Place {
  float* thread;
  float* group;
  int first, last;

  INLINE float* value(const Tensor& t) const { return (t.value_per_group ? group : thread) + t.value.offset; }
  INLINE int until(int channels) const { return last < channels ? last : channels; }
  INLINE float* gradient(const Tensor& t) const { return (t.gradient_per_group ? group : thread) + t.gradient.offset; }
};

INLINE float* group_arena(const Plan& plan, const Work& work, int group) { return work.groups + group * plan.group_floats; }

}  // namespace
