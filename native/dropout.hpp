// Dropout, of single values or (`spatial`) of whole channels.
#pragma once
#include "operator.hpp"
#include "random.hpp"

namespace {

// Calls f(number of the draw, value offset of the input, of the output, gradient offset of the input, of the output).
template <typename F>
INLINE void each_element(const Tensor& in, const Tensor& out, bool spatial, F f) {
  uint32_t element = 0;
  for (int c = 0; c < in.channels; ++c)
    for (int r = 0; r < in.rows; ++r)
      for (int p = 0; p < in.columns; ++p, ++element)
        f(spatial ? uint32_t(c) : element, c * in.value.channel + r * in.value.row + int64_t(p) * L,
          c * out.value.channel + r * out.value.row + int64_t(p) * L,
          c * in.gradient.channel + r * in.gradient.row + int64_t(p) * L, c * out.gradient.channel + r * out.gradient.row + int64_t(p) * L);
}

INLINE vu image_keys(const Work& work, const Op& op, int group) {
  const uint64_t stream = dropout_stream(work.seed, work.epoch, uint64_t(op.row));
  vu keys = {};
  for (int lane = 0; lane < L; ++lane) {
    const int image = group * L + lane;
    if (image < work.count) keys[lane] = image_key(stream, uint64_t(work.indices[image]));
  }
  return keys;
}

INLINE vi kept(vu keys, uint32_t element, uint32_t threshold) { return (vi)(mix32(keys ^ (element * golden32)) >= threshold); }

void dropout_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int group) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  float* y = place.value(out);
  if (!work.training) {
    each_element(in, out, op.spatial, [&](uint32_t, int64_t from, int64_t to, int64_t, int64_t) { store(y + to, load(x + from)); });
    return;
  }
  const vu keys = image_keys(work, op, group);
  const float scale = 1.0f / (1.0f - op.rate);
  each_element(in, out, op.spatial, [&](uint32_t element, int64_t from, int64_t to, int64_t, int64_t) {
    store(y + to, where(kept(keys, element, op.threshold), load(x + from) * scale));
  });
}

void dropout_backward(const Plan& plan, const Work& work, const Op& op, const Place& place, int group) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  const float* g = place.gradient(out);
  float* dx = place.gradient(in);
  const vu keys = image_keys(work, op, group);
  const float scale = 1.0f / (1.0f - op.rate);
  each_element(in, out, op.spatial, [&](uint32_t element, int64_t value, int64_t, int64_t to, int64_t from) {
    const vf gradient = derived(in.act, in.slope, load(g + from) * scale, load(x + value));
    put_gradient(op.adds, dx + to, where(kept(keys, element, op.threshold), gradient));
  });
}

constexpr OperatorType dropout_operator = [] {
  OperatorType type{};
  type.values = dropout_forward;
  type.input_gradient = dropout_backward;
  return type;
}();

}  // namespace
