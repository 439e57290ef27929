// What happens to a value before it is stored: an activation on the way forward, its derivative on the way back.
//
// Whoever writes the gradient of a tensor multiplies it by the derivative of the activation that made the tensor, which is known from
// the tensor's values. So the gradient of a tensor is always that of what entered its activation.
#pragma once
#include "plan.hpp"
#include "vector.hpp"

namespace {
using namespace issun;

INLINE vf activated(Act act, float slope, vf x) {
  if (act == Act::relu) return relu(x);
  if (act == Act::leaky) return leaky(x, slope);
  return x;
}

INLINE vf derived(Act act, float slope, vf gradient, vf value) {
  if (act == Act::relu) return where(value > 0.0f, gradient);
  if (act == Act::leaky) return choose(value > 0.0f, gradient, gradient * slope);
  return gradient;
}

// Where the blocks of a cut begin.
INLINE int block_size(const Cut& cut, int block) { return cut.base + (block < cut.wide ? 1 : 0); }
INLINE int block_start(const Cut& cut, int block) { return block * cut.base + (block < cut.wide ? block : cut.wide); }

// The arenas of one thread and one group.
struct Place {
  float* thread;
  float* group;

  INLINE float* value(const Tensor& t) const { return (t.value_per_group ? group : thread) + t.value.offset; }
  INLINE float* gradient(const Tensor& t) const { return (t.gradient_per_group ? group : thread) + t.gradient.offset; }
};

INLINE float* group_arena(const Plan& plan, const Work& work, int group) { return work.groups + group * plan.group_floats; }

}  // namespace
