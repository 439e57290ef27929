// Normalisation of each image by itself: y = factor * (x - mean) / sqrt(variance + epsilon) + shift, with mean and variance of the values
// of one image in each of `sets` runs of channels. Training and inference compute the same.
//
// A lane is an image, so the statistics of a set are two registers and nobody meets. Both are kept for the way back, beside the tensors:
// [set][mean, inverse deviation][lane]. The kernel holds the factors, the bias the shifts: one a channel, one for all, or none. A sum over
// a set takes its values in one order, whatever border lies beside them.
#pragma once
#include "norm.hpp"

namespace {

// The values of one set in a buffer: those of a vector, which has one a channel, are taken for a row.
struct Grid {
  int channels, rows, columns;
  int64_t channel, row, column;
};

INLINE Grid grid_of(const Tensor& t, const View& view, int channels) {
  if (t.rows * t.columns == 1) return {1, 1, channels, 0, 0, view.channel};
  return {channels, t.rows, t.columns, view.channel, view.row, L};
}

// The sum of f(x) over a set, lanes apart. Four sums take turns along each row, so that none waits for its own last addition; each
// channel has sums of its own, so that those of many values lose fewer digits.
template <typename F>
INLINE vf over_set(const Grid& grid, const float* from, F f) {
  vf total = zero();
  for (int c = 0; c < grid.channels; ++c) {
    vf s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    for (int r = 0; r < grid.rows; ++r) {
      const float* x = from + c * grid.channel + r * grid.row;
      int p = 0;
      for (; p + 3 < grid.columns; p += 4, x += 4 * grid.column) {
        s0 += f(load(x));
        s1 += f(load(x + grid.column));
        s2 += f(load(x + 2 * grid.column));
        s3 += f(load(x + 3 * grid.column));
      }
      if (p < grid.columns) s0 += f(load(x));
      if (p + 1 < grid.columns) s1 += f(load(x + grid.column));
      if (p + 2 < grid.columns) s2 += f(load(x + 2 * grid.column));
    }
    total += (s0 + s1) + (s2 + s3);
  }
  return total;
}

// One over the root of each lane.
INLINE vf inverse_root(vf x) {
  float part[L];
  for (int i = 0; i < L; ++i) part[i] = x[i];
  for (int i = 0; i < L; ++i) part[i] = 1.0f / __builtin_sqrtf(part[i]);
  vf found;
  for (int i = 0; i < L; ++i) found[i] = part[i];
  return found;
}

INLINE float* statistics_of(const Op& op, const Place& place) {
  return (op.statistics_per_group ? place.group : place.thread) + op.statistics;
}

// Where [channel][sum of dy, sum of dy times x normalised][lane] go from the gradient of the weights to that of the input.
INLINE float* sums_of(const Op& op, const Place& place) { return place.thread + op.gradient_sums; }

// What a channel is multiplied by, and what is added to it.
INLINE float factor_of(const Work& work, const Op& op, int channel) {
  return op.kernel_size == 0 ? 1.0f : work.weights[op.kernel + (op.kernel_size == 1 ? 0 : channel)];
}
INLINE float shift_of(const Work& work, const Op& op, int channel) {
  return op.bias_size == 0 ? 0.0f : work.weights[op.bias + (op.bias_size == 1 ? 0 : channel)];
}

void normalise_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const int size = in.channels / op.sets;  // channels of a set; where they are done one by one it is one
  const Grid grid = grid_of(in, in.value, size);
  const float share = 1.0f / (float(size) * float(in.rows * in.columns));
  for (int set = place.first / size, end = place.until(in.channels) / size; set < end; ++set) {
    const float* from = place.value(in) + set * size * in.value.channel;
    // Summed as distances from the first value: where all are equal, as on an empty image, their deviation is zero and no rounding.
    const vf pivot = load(from);
    const vf mean = pivot + over_set(grid, from, [pivot](vf x) { return x - pivot; }) * share;
    const vf squares = over_set(grid, from, [mean](vf x) { return (x - mean) * (x - mean); });
    const vf inverse = inverse_root(squares * share + float(norm_epsilon));
    float* kept = statistics_of(op, place) + 2 * set * L;
    store(kept, mean);
    store(kept + L, inverse);
    with_activation(op.act, op.slope, [&](auto activation) {
      for (int c = set * size; c < (set + 1) * size; ++c) {
        const vf scale = inverse * factor_of(work, op, c), shift = splat(shift_of(work, op, c));
        for (int r = 0; r < in.rows; ++r) {
          const float* x = place.value(in, c, r);
          float* y = place.value(out, c, r);
          const int64_t end_of_row = int64_t(in.columns) * L;
          for (int64_t p = 0; p < end_of_row; p += L) store(y + p, activation((load(x + p) - mean) * scale + shift));
        }
      }
    });
  }
}

// Sums dy, and dy times the normalised x, over each channel. Lanes without an image have no gradient.
void normalise_sums(const Plan& plan, const Op& op, const Place& place) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const int size = in.channels / op.sets;
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    const float* kept = statistics_of(op, place) + 2 * (c / size) * L;
    const vf mean = load(kept), inverse = load(kept + L);
    const GradientSums of_channel = gradient_sums(in, out, place, c, mean);
    float* sums = sums_of(op, place) + 2 * c * L;
    store(sums, of_channel.total);
    store(sums + L, of_channel.products * inverse);
  }
}

// Adds to the gradients with lanes: factor [channel][lane], shift [channel][lane], or one of each.
void normalise_weight_gradient(const Plan& plan, const Work&, const Op& op, const Place& place, float* lanes) {
  normalise_sums(plan, op, place);
  for (int c = place.first, end = place.until(plan.tensors[op.input].channels); c < end; ++c) {
    const int64_t number = op.kernel_size == 1 ? 0 : c;
    const float* sums = sums_of(op, place) + 2 * c * L;
    float* factors = lanes + op.lanes_kernel + number * L;
    float* shifts = lanes + op.lanes_bias + number * L;
    store(shifts, load(shifts) + load(sums));
    store(factors, load(factors) + load(sums + L));
  }
}

// dx = inverse * (factor * dy - mean of that - x normalised * mean of (that times x normalised)).
void normalise_input_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  if (!op.trained) normalise_sums(plan, op, place);  // else those of the gradient of the weights are there
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const int size = in.channels / op.sets;
  const float share = 1.0f / (float(size) * float(in.rows * in.columns));
  for (int set = place.first / size, end = place.until(in.channels) / size; set < end; ++set) {
    const float* kept = statistics_of(op, place) + 2 * set * L;
    const vf mean = load(kept), inverse = load(kept + L);
    vf total = zero(), product = zero();
    for (int c = set * size; c < (set + 1) * size; ++c) {
      const float* sums = sums_of(op, place) + 2 * c * L;
      const float factor = factor_of(work, op, c);
      total += load(sums) * factor;
      product += load(sums + L) * factor;
    }
    total = total * share * inverse;
    product = product * share * inverse * inverse;
    with_gradient(op.adds, in.act, in.slope, [&](auto put) {
      for (int c = set * size; c < (set + 1) * size; ++c) {
        const vf scale = inverse * factor_of(work, op, c);
        for (int r = 0; r < in.rows; ++r) {
          const float* x = place.value(in, c, r);
          const float* g = place.gradient(out, c, r);
          float* dx = place.gradient(in, c, r);
          const int64_t end_of_row = int64_t(in.columns) * L;
          for (int64_t p = 0; p < end_of_row; p += L) {
            const vf value = load(x + p);
            put(dx + p, scale * load(g + p) - total - (value - mean) * product, value);
          }
        }
      }
    });
  }
}

constexpr OperatorType normalise_operator = [] {
  OperatorType type{};
  type.cheap = true;
  type.values = normalise_forward;
  type.input_gradient = normalise_input_gradient;
  type.weight_gradient = normalise_weight_gradient;
  type.reduce = flat_reduce;
  return type;
}();

}  // namespace
