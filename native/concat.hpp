// `concat`: what two branches give, one behind the other along the channels.
#pragma once
#include "operator.hpp"

namespace {

// Copies the channels of one branch to where they begin in the whole.
void concat_forward(const Tensor& in, const Tensor& out, int first, const Place& place) {
  for (int c = 0; c < in.channels; ++c)
    for (int r = 0; r < in.rows; ++r) {
      const float* from = place.value(in) + c * in.value.channel + r * in.value.row;
      float* to = place.value(out) + (first + c) * out.value.channel + r * out.value.row;
      for (int64_t p = 0; p < int64_t(in.columns) * L; p += L) store(to + p, load(from + p));
    }
}

void concat_forward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  concat_forward(in, out, 0, place);
  concat_forward(plan.tensors[op.other], out, in.channels, place);
}

// What leaves goes back to the branch that its channel came from.
void concat_backward(const Tensor& in, const Tensor& out, int first, bool adds, const Place& place) {
  if (!in.needs_gradient) return;
  for (int c = 0; c < in.channels; ++c)
    for (int r = 0; r < in.rows; ++r) {
      const float* values = place.value(in) + c * in.value.channel + r * in.value.row;
      const float* from = place.gradient(out) + (first + c) * out.gradient.channel + r * out.gradient.row;
      float* to = place.gradient(in) + c * in.gradient.channel + r * in.gradient.row;
      for (int64_t p = 0; p < int64_t(in.columns) * L; p += L)
        put_gradient(adds, to + p, derived(in.act, in.slope, load(from + p), load(values + p)));
    }
}

void concat_backward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  concat_backward(in, out, 0, op.adds, place);
  concat_backward(plan.tensors[op.other], out, in.channels, op.other_adds, place);
}

constexpr OperatorType concat_operator = [] {
  OperatorType type{};
  type.cheap = true;
  type.values = concat_forward;
  type.input_gradient = concat_backward;
  return type;
}();

}  // namespace
