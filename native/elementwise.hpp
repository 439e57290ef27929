// Dropout, of single values or (`spatial`) of whole channels, and the addition where a residual joins.
#pragma once
#include "epilogue.hpp"
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

void add_forward(const Plan& plan, const Op& op, const Place& place) {
  const Tensor& a = plan.tensors[op.input];
  const Tensor& b = plan.tensors[op.other];
  const Tensor& out = plan.tensors[op.output];
  for (int c = place.first, end = place.until(out.channels); c < end; ++c)
    for (int r = 0; r < out.rows; ++r) {
      const float* from = place.value(a) + c * a.value.channel + r * a.value.row;
      const float* other = place.value(b) + c * b.value.channel + r * b.value.row;
      float* to = place.value(out) + c * out.value.channel + r * out.value.row;
      for (int64_t p = 0; p < int64_t(out.columns) * L; p += L) store(to + p, activated(op.act, op.slope, load(from + p) + load(other + p)));
    }
}

// What leaves an addition goes back to both of its inputs as it is.
void add_backward(const Tensor& in, const Tensor& out, bool adds, const Place& place) {
  if (!in.needs_gradient) return;
  for (int c = place.first, end = place.until(out.channels); c < end; ++c)
    for (int r = 0; r < out.rows; ++r) {
      const float* values = place.value(in) + c * in.value.channel + r * in.value.row;
      const float* from = place.gradient(out) + c * out.gradient.channel + r * out.gradient.row;
      float* to = place.gradient(in) + c * in.gradient.channel + r * in.gradient.row;
      for (int64_t p = 0; p < int64_t(out.columns) * L; p += L) {
        if (in.gradient_per_group) ask_to_write(to + p + ahead * L);
        put_gradient(adds, to + p, derived(in.act, in.slope, load(from + p), load(values + p)));
      }
    }
}

void add_backward(const Plan& plan, const Op& op, const Place& place) {
  const Tensor& out = plan.tensors[op.output];
  add_backward(plan.tensors[op.input], out, op.adds, place);
  add_backward(plan.tensors[op.other], out, op.other_adds, place);
}

}  // namespace
