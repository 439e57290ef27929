// The addition where a residual joins.
#pragma once
#include "operator.hpp"

namespace {

void add_forward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& a = plan.tensors[op.input];
  const Tensor& b = plan.tensors[op.other];
  const Tensor& out = plan.tensors[op.output];
  with_activation(op.act, op.slope, [&](auto activation) {
    for (int c = place.first, end = place.until(out.channels); c < end; ++c)
      for (int r = 0; r < out.rows; ++r) {
        const float* from = place.value(a, c, r);
        const float* other = place.value(b, c, r);
        float* to = place.value(out, c, r);
        const int64_t end_of_row = int64_t(out.columns) * L;
        for (int64_t p = 0; p < end_of_row; p += L) store(to + p, activation(load(from + p) + load(other + p)));
      }
  });
}

// What leaves an addition goes back to both of its inputs as it is.
void add_backward(const Tensor& in, const Tensor& out, bool adds, const Place& place) {
  if (!in.needs_gradient) return;
  const bool far = in.gradient_per_group;
  with_gradient(adds, in.act, in.slope, [&](auto put) {
    for (int c = place.first, end = place.until(out.channels); c < end; ++c)
      for (int r = 0; r < out.rows; ++r) {
        const float* values = place.value(in, c, r);
        const float* from = place.gradient(out, c, r);
        float* to = place.gradient(in, c, r);
        const int64_t end_of_row = int64_t(out.columns) * L;
        for (int64_t p = 0; p < end_of_row; p += L) {
          if (far) ask_to_write(to + p + ahead * L);
          put(to + p, load(from + p), load(values + p));
        }
      }
  });
}

void add_backward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& out = plan.tensors[op.output];
  add_backward(plan.tensors[op.input], out, op.adds, place);
  add_backward(plan.tensors[op.other], out, op.other_adds, place);
}

constexpr OperatorType add_operator = [] {
  OperatorType type{};
  type.cheap = true;
  type.by_channel = true;
  type.values = add_forward;
  type.input_gradient = add_backward;
  return type;
}();

}  // namespace
