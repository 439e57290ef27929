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
  if (act == Act::leaky) return value > 0.0f ? gradient : gradient * slope;
  if (act == Act::tanh) return gradient - gradient * (value * value);
  return gradient;
}

// Of a tensor that several operators read, the first on the way back stores its share of the gradient and the others add theirs.
INLINE void put_gradient(bool adds, float* to, vf gradient) { store(to, adds ? load(to) + gradient : gradient); }

// A loop over values asks once what their activation is, before it begins: within it the question would be read from memory and answered
// again after every store, since for the compiler a register may have been stored anywhere. `body` gets the answer as a function and is
// compiled once for each.
template <typename Body>
INLINE void with_activation(Act act, float slope, Body body) {
  if (act == Act::relu) return body([](vf x) INLINE_LAMBDA { return relu(x); });
  if (act == Act::leaky) return body([slope](vf x) INLINE_LAMBDA { return leaky(x, slope); });
  body([](vf x) INLINE_LAMBDA { return x; });
}

// The same for gradients: a function of a gradient and a value.
template <typename Body>
INLINE void with_derivative(Act act, float slope, Body body) {
  if (act == Act::relu) return body([](vf gradient, vf value) INLINE_LAMBDA { return derived(Act::relu, 0, gradient, value); });
  if (act == Act::leaky) return body([slope](vf gradient, vf value) INLINE_LAMBDA { return derived(Act::leaky, slope, gradient, value); });
  if (act == Act::tanh) return body([](vf gradient, vf value) INLINE_LAMBDA { return derived(Act::tanh, 0, gradient, value); });
  body([](vf gradient, vf) INLINE_LAMBDA { return gradient; });
}

// And one that puts the gradient of a value at its place, too.
template <typename Body>
INLINE void with_gradient(bool adds, Act act, float slope, Body body) {
  with_derivative(act, slope, [adds, &body](auto derivative) INLINE_LAMBDA {
    if (adds) return body([derivative](float* to, vf gradient, vf value) INLINE_LAMBDA { store(to, load(to) + derivative(gradient, value)); });
    body([derivative](float* to, vf gradient, vf value) INLINE_LAMBDA { store(to, derivative(gradient, value)); });
  });
}

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

  // Where a row of a channel begins.
  INLINE float* value(const Tensor& t, int channel, int row) const { return value(t) + channel * t.value.channel + row * t.value.row; }
  INLINE float* gradient(const Tensor& t, int channel, int row) const {
    return gradient(t) + channel * t.gradient.channel + row * t.gradient.row;
  }
};

INLINE float* group_arena(const Plan& plan, const Work& work, int group) { return work.groups + group * plan.group_floats; }

}  // namespace
