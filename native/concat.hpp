// `concat`: what two branches give, one behind the other along the channels.
#pragma once
#include "operator.hpp"

namespace {

// Copies the channels of one branch to where they begin in the whole.
void concat_forward(const Tensor& in, const Tensor& out, int first, const Place& place) {
  for (int c = 0; c < in.channels; ++c)
    for (int r = 0; r < in.rows; ++r) {
      const float* from = place.value(in, c, r);
      float* to = place.value(out, first + c, r);
      const int64_t end_of_row = int64_t(in.columns) * L;
      for (int64_t p = 0; p < end_of_row; p += L) store(to + p, load(from + p));
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
  with_gradient(adds, in.act, in.slope, [&](auto put) {
    for (int c = 0; c < in.channels; ++c)
      for (int r = 0; r < in.rows; ++r) {
        const float* values = place.value(in, c, r);
        const float* from = place.gradient(out, first + c, r);
        float* to = place.gradient(in, c, r);
        const int64_t end_of_row = int64_t(in.columns) * L;
        for (int64_t p = 0; p < end_of_row; p += L) put(to + p, load(from + p), load(values + p));
      }
  });
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
