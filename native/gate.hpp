// `gate`: the input times the sigmoid of what the other tensor gives, which has a number for each value or one for each channel.
#pragma once
#include "operator.hpp"

namespace {

// Whether there is one number for each channel, which holds for all of its positions.
INLINE bool gates_channels(const Tensor& gate, const Tensor& out) { return gate.rows * gate.columns < out.rows * out.columns; }

void gate_forward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& gate = plan.tensors[op.other];
  const Tensor& out = plan.tensors[op.output];
  const bool one = gates_channels(gate, out);
  for (int c = place.first, end = place.until(out.channels); c < end; ++c) {
    const float* gates = place.value(gate) + c * gate.value.channel;
    const vf whole = one ? sigmoid(load(gates)) : zero();
    for (int r = 0; r < out.rows; ++r) {
      const float* x = place.value(in, c, r);
      const float* g = gates + r * gate.value.row;
      float* y = place.value(out, c, r);
      for (int64_t p = 0; p < int64_t(out.columns) * L; p += L) store(y + p, load(x + p) * (one ? whole : sigmoid(load(g + p))));
    }
  }
}

// With s the sigmoid of g: dx = s dy, and dg = s (1 - s) x dy, of a whole channel summed over its positions.
void gate_backward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& gate = plan.tensors[op.other];
  const Tensor& out = plan.tensors[op.output];
  const bool one = gates_channels(gate, out);
  for (int c = place.first, end = place.until(out.channels); c < end; ++c) {
    const float* gates = place.value(gate) + c * gate.value.channel;
    const vf whole = one ? sigmoid(load(gates)) : zero();
    vf sum = zero();  // row by row, so that large images lose no digits
    for (int r = 0; r < out.rows; ++r) {
      const float* x = place.value(in, c, r);
      const float* g = gates + r * gate.value.row;
      vf sum_of_row = zero();
      const float* dy = place.gradient(out, c, r);
      for (int64_t p = 0; p < int64_t(out.columns) * L; p += L) {
        const vf share = one ? whole : sigmoid(load(g + p)), value = load(x + p), gradient = load(dy + p);
        if (gate.needs_gradient) {
          const vf product = gradient * value;
          sum_of_row += product;
          if (!one) {
            float* to = place.gradient(gate, c, r) + p;
            put_gradient(op.other_adds, to, derived(gate.act, gate.slope, product * share * (splat(1.0f) - share), load(g + p)));
          }
        }
        if (in.needs_gradient) {
          float* to = place.gradient(in, c, r) + p;
          put_gradient(op.adds, to, derived(in.act, in.slope, gradient * share, value));
        }
      }
      sum += sum_of_row;
    }
    if (one && gate.needs_gradient)
      put_gradient(op.other_adds, place.gradient(gate) + c * gate.gradient.channel,
                   derived(gate.act, gate.slope, sum * whole * (splat(1.0f) - whole), load(gates)));
  }
}

constexpr OperatorType gate_operator = [] {
  OperatorType type{};
  type.by_channel = true;
  type.values = gate_forward;
  type.input_gradient = gate_backward;
  return type;
}();

}  // namespace
