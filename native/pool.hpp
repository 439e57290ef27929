// Pooling: maximum and mean over windows, and the mean over a whole channel.
//
// A window that hangs over the edge (`same`) is clipped to the image: the maximum ignores what is outside, the mean divides by the
// pixels that exist. The gradient of a maximum goes to its first place in row order, as in TensorFlow and PyTorch.
#pragma once
#include "operator.hpp"

namespace {

struct Window {
  int top, bottom, left, right;  // rows [top, bottom), columns [left, right)
};

INLINE Window window_at(const Op& op, const Tensor& in, int row, int column) {
  Window w;
  w.top = row * op.stride_rows - op.pad_top;
  w.left = column * op.stride_columns - op.pad_left;
  w.bottom = w.top + op.kernel_rows < in.rows ? w.top + op.kernel_rows : in.rows;
  w.right = w.left + op.kernel_columns < in.columns ? w.left + op.kernel_columns : in.columns;
  if (w.top < 0) w.top = 0;
  if (w.left < 0) w.left = 0;
  return w;
}

// The usual pool: 2x2 windows side by side that lie inside the image.
INLINE bool is_plain(const Op& op, const Tensor& in, const Tensor& out) {
  return op.kernel_rows == 2 && op.kernel_columns == 2 && op.stride_rows == 2 && op.stride_columns == 2 && out.rows * 2 <= in.rows &&
         out.columns * 2 <= in.columns;
}

// Windows that neither overlap nor leave gaps: every input is written at most once on the way back.
INLINE bool side_by_side(const Op& op) { return op.stride_rows >= op.kernel_rows && op.stride_columns >= op.kernel_columns; }

// Whether a share of the gradient is stored, or added to what is there: zeros, or what another reader of the tensor wrote. What no
// window covers is zero from the start, unless others write there.
INLINE bool writes_once(const Op& op) { return side_by_side(op) && !op.several; }
INLINE bool clears(const Op& op) { return !op.adds && !writes_once(op); }

void clear_gradient(const Tensor& t, const Place& place) {
  float* gradient = place.gradient(t);
  for (int c = place.first, end = place.until(t.channels); c < end; ++c)
    for (int r = 0; r < t.rows; ++r) {
      float* to = gradient + c * t.gradient.channel + r * t.gradient.row;
      for (int p = 0; p < t.columns; ++p) store(to + int64_t(p) * L, zero());
    }
}

void max_pool_forward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  float* y = place.value(out);
  const bool plain = is_plain(op, in, out);
  for (int c = place.first, end = place.until(out.channels); c < end; ++c)
    for (int r = 0; r < out.rows; ++r) {
      float* to = y + c * out.value.channel + r * out.value.row;
      const float* from = x + c * in.value.channel;
      if (plain) {
        const float* a = from + (2 * r) * in.value.row;
        const float* b = a + in.value.row;
        for (int p = 0; p < out.columns; ++p, a += 2 * L, b += 2 * L)
          store(to + int64_t(p) * L, maximum(maximum(load(a), load(a + L)), maximum(load(b), load(b + L))));
        continue;
      }
      for (int p = 0; p < out.columns; ++p) {
        const Window w = window_at(op, in, r, p);
        vf best = load(from + w.top * in.value.row + int64_t(w.left) * L);
        for (int i = w.top; i < w.bottom; ++i)
          for (int j = w.left; j < w.right; ++j) best = maximum(best, load(from + i * in.value.row + int64_t(j) * L));
        store(to + int64_t(p) * L, best);
      }
    }
}

// Gives `gradient` to the lanes where x is the maximum and no earlier place took it; `open` are the lanes still to be served.
INLINE vf first_maximum(vf x, vf best, vf gradient, vi& open) {
  const vi here = (x == best) & open;
  open &= ~here;
  return where(here, gradient);
}

// The usual pool, one row of windows: x and dx begin with the upper of its two rows of input.
template <typename Derivative>
INLINE void plain_max_row(const float* x, int64_t x_row, const float* y, const float* g, float* dx, int64_t dx_row, int columns, bool adds,
                          Derivative derivative) {
  for (int p = 0; p < columns; ++p, x += 2 * L, dx += 2 * L, y += L, g += L) {
    const vf best = load(y);
    // All four inputs of the one that gets the gradient share its value, so its derivative is that of the maximum.
    const vf gradient = derivative(load(g), best);
    const vf a = load(x), b = load(x + L), c = load(x + x_row);
    // A lane that is no maximum of the first three places goes to the fourth, whatever stands there; a NaN, which equals nothing, to none.
    const vf none = zero();
    const vf to_a = a == best ? gradient : none, left_a = a == best ? none : gradient;
    const vf to_b = b == best ? left_a : none, left_b = b == best ? none : left_a;
    const vf to_c = c == best ? left_b : none, left_c = c == best ? none : left_b;
    put_gradient(adds, dx, to_a);
    put_gradient(adds, dx + L, to_b);
    put_gradient(adds, dx + dx_row, to_c);
    put_gradient(adds, dx + dx_row + L, best == best ? left_c : none);
  }
}

void max_pool_backward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  const float* y = place.value(out);
  const float* g = place.gradient(out);
  float* dx = place.gradient(in);
  const bool once = writes_once(op);
  if (clears(op)) clear_gradient(in, place);
  if (is_plain(op, in, out))
    return with_derivative(in.act, in.slope, [&](auto derivative) {
      for (int c = place.first, end = place.until(out.channels); c < end; ++c)
        for (int r = 0; r < out.rows; ++r)
          plain_max_row(place.value(in, c, 2 * r), in.value.row, place.value(out, c, r), place.gradient(out, c, r),
                        place.gradient(in, c, 2 * r), in.gradient.row, out.columns, !once, derivative);
    });
  for (int c = place.first, end = place.until(out.channels); c < end; ++c)
    for (int r = 0; r < out.rows; ++r) {
      const float* best_row = y + c * out.value.channel + r * out.value.row;
      const float* g_row = g + c * out.gradient.channel + r * out.gradient.row;
      const float* x_channel = x + c * in.value.channel;
      float* dx_channel = dx + c * in.gradient.channel;
      for (int p = 0; p < out.columns; ++p) {
        const Window w = window_at(op, in, r, p);
        const vf best = load(best_row + int64_t(p) * L);
        const vf gradient = derived(in.act, in.slope, load(g_row + int64_t(p) * L), best);
        vi open = best == best;
        for (int i = w.top; i < w.bottom; ++i)
          for (int j = w.left; j < w.right; ++j) {
            float* to = dx_channel + i * in.gradient.row + int64_t(j) * L;
            const vf share = first_maximum(load(x_channel + i * in.value.row + int64_t(j) * L), best, gradient, open);
            put_gradient(!once, to, share);
          }
      }
    }
}

void average_pool_forward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  float* y = place.value(out);
  for (int c = place.first, end = place.until(out.channels); c < end; ++c)
    for (int r = 0; r < out.rows; ++r)
      for (int p = 0; p < out.columns; ++p) {
        const Window w = window_at(op, in, r, p);
        vf total = zero();
        for (int i = w.top; i < w.bottom; ++i)
          for (int j = w.left; j < w.right; ++j) total += load(x + c * in.value.channel + i * in.value.row + int64_t(j) * L);
        store(y + c * out.value.channel + r * out.value.row + int64_t(p) * L, total * (1.0f / float((w.bottom - w.top) * (w.right - w.left))));
      }
}

void average_pool_backward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  const float* g = place.gradient(out);
  float* dx = place.gradient(in);
  const bool once = writes_once(op);
  if (clears(op)) clear_gradient(in, place);
  for (int c = place.first, end = place.until(out.channels); c < end; ++c)
    for (int r = 0; r < out.rows; ++r)
      for (int p = 0; p < out.columns; ++p) {
        const Window w = window_at(op, in, r, p);
        const vf share = load(g + c * out.gradient.channel + r * out.gradient.row + int64_t(p) * L) *
                         (1.0f / float((w.bottom - w.top) * (w.right - w.left)));
        for (int i = w.top; i < w.bottom; ++i)
          for (int j = w.left; j < w.right; ++j) {
            const vf value = load(x + c * in.value.channel + i * in.value.row + int64_t(j) * L);
            float* to = dx + c * in.gradient.channel + i * in.gradient.row + int64_t(j) * L;
            const vf gradient = derived(in.act, in.slope, share, value);
            put_gradient(!once, to, gradient);
          }
      }
}

void global_average_pool_forward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  float* y = place.value(out);
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    vf total = zero();
    for (int r = 0; r < in.rows; ++r)
      for (int p = 0; p < in.columns; ++p) total += load(x + c * in.value.channel + r * in.value.row + int64_t(p) * L);
    store(y + c * out.value.channel, total * (1.0f / float(in.rows * in.columns)));
  }
}

void global_average_pool_backward(const Plan& plan, const Work&, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  const float* g = place.gradient(out);
  float* dx = place.gradient(in);
  with_gradient(op.adds, in.act, in.slope, [&](auto put) {
    for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
      const vf share = load(g + c * out.gradient.channel) * (1.0f / float(in.rows * in.columns));
      for (int r = 0; r < in.rows; ++r) {
        const float* values = x + c * in.value.channel + r * in.value.row;
        float* to = dx + c * in.gradient.channel + r * in.gradient.row;
        const int64_t end_of_row = int64_t(in.columns) * L;
        for (int64_t p = 0; p < end_of_row; p += L) put(to + p, share, load(values + p));
      }
    }
  });
}

constexpr OperatorType max_pool_operator = [] {
  OperatorType type{};
  type.cheap = true;
  type.by_channel = true;
  type.reads_own_values = true;
  type.leaves_gaps = true;
  type.values = max_pool_forward;
  type.input_gradient = max_pool_backward;
  return type;
}();

constexpr OperatorType average_pool_operator = [] {
  OperatorType type{};
  type.cheap = true;
  type.by_channel = true;
  type.leaves_gaps = true;
  type.values = average_pool_forward;
  type.input_gradient = average_pool_backward;
  return type;
}();

constexpr OperatorType global_average_pool_operator = [] {
  OperatorType type{};
  type.by_channel = true;
  type.values = global_average_pool_forward;
  type.input_gradient = global_average_pool_backward;
  return type;
}();

}  // namespace
