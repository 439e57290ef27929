// `scale`: a learned factor and shift for each channel of an image, or each feature of a vector. The kernel holds the factors, the bias
// the shifts. Without a bias there is no shift, and a kernel of one number is the factor of all channels: the gain of `res scaled`.
#pragma once
#include "operator.hpp"

namespace {

// Which number of the kernel is a channel's factor.
INLINE int64_t factor_at(const Op& op, int channel) { return op.kernel_size == 1 ? 0 : channel; }

void scale_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    const vf factor = splat(work.weights[op.kernel + factor_at(op, c)]), shift = op.bias < 0 ? zero() : splat(work.weights[op.bias + c]);
    with_activation(op.act, op.slope, [&](auto activation) {
      for (int r = 0; r < in.rows; ++r) {
        const float* x = place.value(in, c, r);
        float* y = place.value(out, c, r);
        const int64_t end_of_row = int64_t(in.columns) * L;
        for (int64_t p = 0; p < end_of_row; p += L) store(y + p, activation(load(x + p) * factor + shift));
        activate_stored(op.act, y, in.columns);
      }
    });
  }
}

void scale_input_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    const vf factor = splat(work.weights[op.kernel + factor_at(op, c)]);
    with_gradient(op.adds, in.act, in.slope, [&](auto put) {
      for (int r = 0; r < in.rows; ++r) {
        const float* x = place.value(in, c, r);
        const float* g = place.gradient(out, c, r);
        float* dx = place.gradient(in, c, r);
        const int64_t end_of_row = int64_t(in.columns) * L;
        for (int64_t p = 0; p < end_of_row; p += L) put(dx + p, load(g + p) * factor, load(x + p));
      }
    });
  }
}

// Adds to the gradients with lanes: factor [channel][lane], shift [channel][lane], or one factor.
void scale_weight_gradient(const Plan& plan, const Work&, const Op& op, const Place& place, float* lanes) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    vf factor = zero(), shift = zero();
    for (int r = 0; r < in.rows; ++r) {
      const float* x = place.value(in, c, r);
      const float* g = place.gradient(out, c, r);
      for (int p = 0; p < in.columns; ++p) {
        const vf gradient = load(g + int64_t(p) * L);
        factor += gradient * load(x + int64_t(p) * L);
        shift += gradient;
      }
    }
    float* factors = lanes + op.lanes_kernel + factor_at(op, c) * L;
    store(factors, load(factors) + factor);
    if (op.bias < 0) continue;
    float* shifts = lanes + op.lanes_bias + c * L;
    store(shifts, load(shifts) + shift);
  }
}

constexpr OperatorType scale_operator = [] {
  OperatorType type{};
  type.cheap = true;
  type.by_channel = true;
  type.values = scale_forward;
  type.input_gradient = scale_input_gradient;
  type.weight_gradient = scale_weight_gradient;
  type.reduce = flat_reduce;
  return type;
}();

}  // namespace
