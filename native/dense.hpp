// Dense layers. A small one runs for one group at a time, among the operators around it. A large one is a meeting of all groups
// of the batch: its weights would otherwise be loaded anew for every group. Its work is cut into tasks of fixed size, so that the sums do
// not depend on the number of threads.
#pragma once
#include "epilogue.hpp"

namespace {

// ---- one group ----------------------------------------------------------------------------------------------------------------

template <int B>
INLINE void dense_rows(const float* x, const float* w, int features, vf* sum) {
  for (int i = 0; i < features; ++i) {
    const vf value = load(x + int64_t(i) * L);
#pragma GCC unroll 16
    for (int b = 0; b < B; ++b) sum[b] += value * w[int64_t(b) * features + i];
  }
}

template <int B>
INLINE void dense_forward_block(const Work& work, const Op& op, const float* x, float* y, int features, int first) {
  vf sum[B];
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b) sum[b] = op.bias >= 0 ? splat(work.weights[op.bias + first + b]) : zero();
  dense_rows<B>(x, work.weights + op.kernel + int64_t(first) * features, features, sum);
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b) store(y + int64_t(first + b) * L, activated(op.act, op.slope, sum[b]));
}

void dense_forward(const Plan& plan, const Work& work, const Op& op, const Place& place) {
  const float* x = place.value(plan.tensors[op.input]);
  float* y = place.value(plan.tensors[op.output]);
  const int units = plan.tensors[op.output].channels;
  const int features = int(op.kernel_size / units);
  int u = 0;
  for (; u + 10 <= units; u += 10) dense_forward_block<10>(work, op, x, y, features, u);
  for (; u + 4 <= units; u += 4) dense_forward_block<4>(work, op, x, y, features, u);
  for (; u < units; ++u) dense_forward_block<1>(work, op, x, y, features, u);
  activate_stored(op.act, y, units);
}

template <int B>
INLINE void dense_input_block(const float* g, const float* w, int units, int features, vf* sum) {
  for (int u = 0; u < units; ++u) {
    const vf gradient = load(g + int64_t(u) * L);
#pragma GCC unroll 16
    for (int b = 0; b < B; ++b) sum[b] += gradient * w[int64_t(u) * features + b];
  }
}

template <int B>
INLINE void dense_input_block(const Plan& plan, const Work& work, const Op& op, const Tensor& in, const float* g, const float* x,
                              float* dx, int units, int features, int first) {
  vf sum[B];
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b) sum[b] = zero();
  dense_input_block<B>(g, work.weights + op.kernel + first, units, features, sum);
  const int64_t* offsets = plan.feature_offsets + op.feature_offsets + first;
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b) put_gradient(op.adds, dx + offsets[b], derived(in.act, in.slope, sum[b], load(x + int64_t(first + b) * L)));
}

void dense_input_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* g = place.gradient(out);
  const float* x = place.value(in);
  float* dx = place.gradient(in);
  const int units = out.channels, features = int(op.kernel_size / units);
  int i = 0;
  for (; i + 8 <= features; i += 8) dense_input_block<8>(plan, work, op, in, g, x, dx, units, features, i);
  for (; i < features; ++i) dense_input_block<1>(plan, work, op, in, g, x, dx, units, features, i);
}

// Adds to the gradients with lanes, in the flat order.
void dense_weight_gradient(const Plan& plan, const Op& op, const Place& place, float* lanes) {
  const float* g = place.gradient(plan.tensors[op.output]);
  const float* x = place.value(plan.tensors[op.input]);
  const int units = plan.tensors[op.output].channels, features = int(op.kernel_size / units);
  float* kernel = lanes + op.lanes_kernel;
  for (int u = 0; u < units; ++u) {
    const vf gradient = load(g + int64_t(u) * L);
    float* to = kernel + int64_t(u) * features * L;
    for (int i = 0; i < features; ++i) store(to + int64_t(i) * L, load(to + int64_t(i) * L) + gradient * load(x + int64_t(i) * L));
    if (op.bias >= 0) {
      float* bias = lanes + op.lanes_bias + int64_t(u) * L;
      store(bias, load(bias) + gradient);
    }
  }
}

// Sums the lanes of a chunk's gradient where they lie in the flat order.
void flat_reduce(const Op& op, const float* lanes, float* gradient) {
  sum_lanes(lanes + op.lanes_kernel, op.kernel_size, gradient + op.kernel);
  sum_lanes(lanes + op.lanes_bias, op.bias_size, gradient + op.bias);
}

// ---- all groups ---------------------------------------------------------------------------------------------------------------

constexpr int group_block = 4;                               // groups of one register block
constexpr int row_block = ISSUN_ACCUMULATORS / group_block;  // outputs (or inputs) of one register block
constexpr int tile_length = 128;                             // of the summed dimension: a tile of the groups stays in the nearest cache

// rows x groups, summed over `length`: y[g][r] (+)= sum over k of w[r * w_row + k * w_step] x[g][k].
template <int RB, int GB>
INLINE void meeting_tile(const float* w, int64_t w_row, int64_t w_step, const float* const* x, int length, float* const* y, bool first,
                         const float* bias) {
  vf sum[RB][GB];
#pragma GCC unroll 16
  for (int r = 0; r < RB; ++r)
#pragma GCC unroll 16
    for (int g = 0; g < GB; ++g) sum[r][g] = !first ? load(y[g] + r * L) : bias ? splat(bias[r]) : zero();
  for (int k = 0; k < length; ++k) {
    vf value[GB];
#pragma GCC unroll 16
    for (int g = 0; g < GB; ++g) value[g] = load(x[g] + int64_t(k) * L);
#pragma GCC unroll 16
    for (int r = 0; r < RB; ++r) {
      const vf weight = splat(w[r * w_row + k * w_step]);
#pragma GCC unroll 16
      for (int g = 0; g < GB; ++g) sum[r][g] += value[g] * weight;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < RB; ++r)
#pragma GCC unroll 16
    for (int g = 0; g < GB; ++g) store(y[g] + r * L, sum[r][g]);
}

template <int GB>
void meeting_product(const float* w, int64_t w_row, int64_t w_step, const float* const* x, int length, float* const* y, int rows,
                     const float* bias) {
  for (int start = 0; start < length; start += tile_length) {
    const int size = length - start < tile_length ? length - start : tile_length;
    const float* xs[GB];
    for (int g = 0; g < GB; ++g) xs[g] = x[g] + int64_t(start) * L;
    const float* ws = w + start * w_step;
    int r = 0;
    float* ys[GB];
    for (; r + row_block <= rows; r += row_block) {
      for (int g = 0; g < GB; ++g) ys[g] = y[g] + int64_t(r) * L;
      meeting_tile<row_block, GB>(ws + r * w_row, w_row, w_step, xs, size, ys, start == 0, bias ? bias + r : nullptr);
    }
    for (; r < rows; ++r) {
      for (int g = 0; g < GB; ++g) ys[g] = y[g] + int64_t(r) * L;
      meeting_tile<1, GB>(ws + r * w_row, w_row, w_step, xs, size, ys, start == 0, bias ? bias + r : nullptr);
    }
  }
}

void meeting_product(int groups, const float* w, int64_t w_row, int64_t w_step, const float* const* x, int length, float* const* y,
                     int rows, const float* bias) {
  switch (groups) {
    case 1: return meeting_product<1>(w, w_row, w_step, x, length, y, rows, bias);
    case 2: return meeting_product<2>(w, w_row, w_step, x, length, y, rows, bias);
    case 3: return meeting_product<3>(w, w_row, w_step, x, length, y, rows, bias);
    default: return meeting_product<4>(w, w_row, w_step, x, length, y, rows, bias);
  }
}

// Tasks: blocks of groups x slices of rows. A slice is some multiple of the register block.
constexpr int slice_rows = row_block * 16;
INLINE int slices(int rows) { return (rows + slice_rows - 1) / slice_rows; }
INLINE int group_blocks(const Work& work) { return (work.group_count + group_block - 1) / group_block; }

// The gradient of the weights is cut by units alone; each task goes over all features and all groups.
constexpr int unit_block = 4;
constexpr int units_of_task = unit_block * 4;
INLINE int unit_tasks(int units) { return (units + units_of_task - 1) / units_of_task; }

// Sums of products over all groups for UB units x FB features, lanes kept apart: totals[unit][feature][lane].
template <int UB, int FB>
INLINE void outer_tile(const Work& work, const Plan& plan, const float* g, const float* x, float* totals, int64_t totals_unit) {
  vf total[UB][FB];
#pragma GCC unroll 16
  for (int u = 0; u < UB; ++u)
#pragma GCC unroll 16
    for (int f = 0; f < FB; ++f) total[u][f] = zero();
  for (int group = 0; group < work.group_count; ++group, g += plan.group_floats, x += plan.group_floats) {
    vf value[FB];
#pragma GCC unroll 16
    for (int f = 0; f < FB; ++f) value[f] = load(x + f * L);
#pragma GCC unroll 16
    for (int u = 0; u < UB; ++u) {
      const vf gradient = load(g + u * L);
#pragma GCC unroll 16
      for (int f = 0; f < FB; ++f) total[u][f] += gradient * value[f];
    }
  }
#pragma GCC unroll 16
  for (int u = 0; u < UB; ++u)
#pragma GCC unroll 16
    for (int f = 0; f < FB; ++f) store(totals + u * totals_unit + f * L, total[u][f]);
}

// So many features at a time that their values in all groups stay in the nearest cache while the task's units pass by.
constexpr int outer_features = 24;

template <int UB>
INLINE void outer_rows(const Work& work, const Plan& plan, const float* g, const float* x, int count, float* kernel, int features) {
  constexpr int FB = ISSUN_ACCUMULATORS / unit_block;
  alignas(64) float totals[UB][outer_features * L];
  int f = 0;
  for (; f + FB <= count; f += FB) outer_tile<UB, FB>(work, plan, g, x + f * L, totals[0] + f * L, outer_features * L);
  for (; f < count; ++f) outer_tile<UB, 1>(work, plan, g, x + f * L, totals[0] + f * L, outer_features * L);
  for (int u = 0; u < UB; ++u) sum_lanes(totals[u], count, kernel + int64_t(u) * features);
}

// The gradient of the weights of units [first, last).
void outer_product(const Work& work, const Plan& plan, const Tensor& in, const Tensor& out, int first, int last, int features,
                   float* kernel) {
  const float* g = work.groups + out.gradient.offset;
  const float* x = work.groups + in.value.offset;
  for (int f = 0; f < features; f += outer_features) {
    const int count = features - f < outer_features ? features - f : outer_features;
    float* to = kernel + f;
    int u = first;
    for (; u + unit_block <= last; u += unit_block)
      outer_rows<unit_block>(work, plan, g + int64_t(u) * L, x + int64_t(f) * L, count, to + int64_t(u) * features, features);
    for (; u < last; ++u) outer_rows<1>(work, plan, g + int64_t(u) * L, x + int64_t(f) * L, count, to + int64_t(u) * features, features);
  }
}

int32_t dense_meeting_tasks(const Plan& plan, const Work& work, const Op& op, int32_t direction) {
  const int units = plan.tensors[op.output].channels, features = int(op.kernel_size / units);
  if (direction == forward) return group_blocks(work) * slices(units);
  const int inputs = plan.tensors[op.input].needs_gradient ? group_blocks(work) * slices(features) : 0;
  return inputs + (op.trained ? unit_tasks(units) : 0);
}

void dense_meeting(const Plan& plan, Work& work, const Op& op, int32_t direction, int32_t task) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const int units = out.channels, features = int(op.kernel_size / units);
  const float* x[group_block] = {};
  float* y[group_block] = {};
  const int product_rows = direction == forward ? units : features;
  const int products = direction == forward || in.needs_gradient ? group_blocks(work) * slices(product_rows) : 0;
  if (task >= products) {  // gradient of the weights
    const int first = (task - products) * units_of_task;
    const int last = first + units_of_task < units ? first + units_of_task : units;
    outer_product(work, plan, in, out, first, last, features, work.gradient + op.kernel);
    if (op.bias >= 0)
      for (int u = first; u < last; ++u) {
        vf total = zero();
        for (int g = 0; g < work.group_count; ++g) total += load(group_arena(plan, work, g) + out.gradient.offset + int64_t(u) * L);
        work.gradient[op.bias + u] = sum(total);
      }
    return;
  }
  const int slice = task / group_blocks(work), block = task % group_blocks(work);
  const int row = slice * slice_rows, rows = product_rows - row < slice_rows ? product_rows - row : slice_rows;
  const int group = block * group_block;
  const int groups = work.group_count - group < group_block ? work.group_count - group : group_block;
  if (direction == forward) {
    for (int g = 0; g < groups; ++g) {
      x[g] = group_arena(plan, work, group + g) + in.value.offset;
      y[g] = group_arena(plan, work, group + g) + out.value.offset + int64_t(row) * L;
    }
    meeting_product(groups, work.weights + op.kernel + int64_t(row) * features, features, 1, x, features, y, rows,
                    op.bias >= 0 ? work.weights + op.bias + row : nullptr);
    if (op.act != Act::linear)
      for (int g = 0; g < groups; ++g)
        for (int r = 0; r < rows; ++r) store(y[g] + r * L, activated(op.act, op.slope, load(y[g] + r * L)));
    for (int g = 0; g < groups; ++g) activate_stored(op.act, y[g], rows);
    return;
  }
  // gradient of the input: the products go into a buffer without borders, beside the place where they belong
  const int64_t* offsets = plan.feature_offsets + op.feature_offsets + row;
  alignas(64) float buffer[group_block][slice_rows * L];
  for (int g = 0; g < groups; ++g) {
    x[g] = group_arena(plan, work, group + g) + out.gradient.offset;
    y[g] = buffer[g];
  }
  meeting_product(groups, work.weights + op.kernel + row, 1, features, x, units, y, rows, nullptr);
  for (int g = 0; g < groups; ++g) {
    const float* values = group_arena(plan, work, group + g) + in.value.offset + int64_t(row) * L;
    float* dx = group_arena(plan, work, group + g) + in.gradient.offset;
    for (int r = 0; r < rows; ++r)
      put_gradient(op.adds, dx + offsets[r], derived(in.act, in.slope, load(buffer[g] + r * L), load(values + int64_t(r) * L)));
  }
}

}  // namespace
