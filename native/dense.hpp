// Dense layers. A small one runs for one group at a time, among the operators around it. A large one is a meeting of all groups
// of the batch: its weights would otherwise be loaded anew for every group. Its work is cut into tasks of fixed size, so that the sums do
// not depend on the number of threads.
#pragma once
#include "operator.hpp"

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

void dense_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
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

void dense_input_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
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
void dense_weight_gradient(const Plan& plan, const Work&, const Op& op, const Place& place, float* lanes) {
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

// ---- all groups ---------------------------------------------------------------------------------------------------------------

constexpr int group_block = 4;                               // groups of one register block
constexpr int row_block = ISSUN_ACCUMULATORS / group_block;  // outputs (or inputs) of one register block
constexpr int tile_length = 128;     // of the summed dimension: a tile of the groups stays in the nearest cache
constexpr int gathered_length = 64;  // the same where the weights are copied: they stay there too

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

// Tasks: blocks of groups x slices of rows. A slice is some multiple of the register block.
constexpr int slice_rows = row_block * 16;
INLINE int slices(int rows) { return (rows + slice_rows - 1) / slice_rows; }
INLINE int group_blocks(const Work& work) { return (work.group_count + group_block - 1) / group_block; }

// Copies the weights of a tile whose rows are neighbours in memory: [k][row], `slice_rows` apart. Where the steps of k are long every one
// of them would be a page of its own, and those of a power of two fall into one set of the cache.
void gather(const float* w, int64_t w_step, int length, int rows, float* packed) {
  constexpr int line = 64 / int(sizeof(float)), early = 8;
  for (int k = 0; k < length; ++k, w += w_step, packed += slice_rows) {
    for (int r = 0; r < rows; r += line) ask_for(w + early * w_step + r);
    int r = 0;
    for (; r + L <= rows; r += L) store(packed + r, *reinterpret_cast<const unaligned_vf*>(w + r));
    for (; r < rows; ++r) packed[r] = w[r];
  }
}

template <int GB>
void meeting_product(const float* w, int64_t w_row, int64_t w_step, const float* const* x, int length, float* const* y, int rows,
                     const float* bias) {
  alignas(64) float packed[gathered_length * slice_rows];
  const bool gathers = w_row == 1;
  const int most = gathers ? gathered_length : tile_length;
  for (int start = 0; start < length; start += most) {
    const int size = length - start < most ? length - start : most;
    const float* xs[GB];
    for (int g = 0; g < GB; ++g) xs[g] = x[g] + int64_t(start) * L;
    const float* ws = w + start * w_step;
    int64_t step = w_step;
    if (gathers) {
      gather(ws, w_step, size, rows, packed);
      ws = packed, step = slice_rows;
    }
    int r = 0;
    float* ys[GB];
    for (; r + row_block <= rows; r += row_block) {
      for (int g = 0; g < GB; ++g) ys[g] = y[g] + int64_t(r) * L;
      meeting_tile<row_block, GB>(ws + r * w_row, w_row, step, xs, size, ys, start == 0, bias ? bias + r : nullptr);
    }
    for (; r < rows; ++r) {
      for (int g = 0; g < GB; ++g) ys[g] = y[g] + int64_t(r) * L;
      meeting_tile<1, GB>(ws + r * w_row, w_row, step, xs, size, ys, start == 0, bias ? bias + r : nullptr);
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

// The gradient of the weights: sums over images, so its registers hold neighbouring features. A task takes one block of features and so
// many units. It turns the block's values from [feature][lane] to [image][feature] once, and no lanes have to be added at the end.
constexpr int feature_registers = 3;
constexpr int feature_block = feature_registers * L;
constexpr int unit_block = ISSUN_ACCUMULATORS / feature_registers;
constexpr int units_of_task = 256;
constexpr int tile_images = 128;  // their values of one block of features stay in the nearest cache
INLINE int unit_slices(int units) { return (units + units_of_task - 1) / units_of_task; }
INLINE int gradient_tasks(int units, int features) { return unit_slices(units) * ((features + feature_block - 1) / feature_block); }

// Turns the values of `count` features in so many groups: tile[image][feature]; what the last register has beyond them is 0.
INLINE void turn_features(const float* x, int64_t group_floats, int groups, int count, float* tile) {
  for (int group = 0; group < groups; ++group, x += group_floats, tile += L * feature_block)
    for (int first = 0; first < count; first += L) {
      vf lines[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) lines[i] = first + i < count ? load(x + int64_t(first + i) * L) : zero();
      transpose(lines);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) store(tile + i * feature_block + first, lines[i]);
    }
}

// UB units x FB registers of features, summed over the images of a tile: kernel[u][f] (+)= sum over images of g[u] x[f].
template <int UB, int FB>
void outer_tile(const float* g, int64_t group_floats, int groups, const float* tile, float* kernel, int64_t features, int count, bool first) {
  vf total[UB][FB];
#pragma GCC unroll 16
  for (int u = 0; u < UB; ++u)
#pragma GCC unroll 16
    for (int f = 0; f < FB; ++f) total[u][f] = zero();
  for (int group = 0; group < groups; ++group, g += group_floats)
    for (int lane = 0; lane < L; ++lane, tile += feature_block) {
      vf value[FB];
#pragma GCC unroll 16
      for (int f = 0; f < FB; ++f) value[f] = load(tile + f * L);
#pragma GCC unroll 16
      for (int u = 0; u < UB; ++u) {
        const vf gradient = splat(g[u * L + lane]);
#pragma GCC unroll 16
        for (int f = 0; f < FB; ++f) total[u][f] += value[f] * gradient;
      }
    }
#pragma GCC unroll 16
  for (int u = 0; u < UB; ++u) {
    float* to = kernel + u * features;
#pragma GCC unroll 16
    for (int f = 0; f < FB; ++f) {
      if ((f + 1) * L <= count) {
        unaligned_vf& place = *reinterpret_cast<unaligned_vf*>(to + f * L);
        place = first ? total[u][f] : place + total[u][f];
      } else {
        for (int i = 0; f * L + i < count; ++i) to[f * L + i] = first ? total[u][f][i] : to[f * L + i] + total[u][f][i];
      }
    }
  }
}

template <int FB>
void outer_rows(const float* g, int64_t group_floats, int groups, const float* tile, float* kernel, int64_t features, int count, bool first,
                int units) {
  int u = 0;
  const auto block = [&](auto rows, auto tile_of) {
    for (; u + rows <= units; u += rows)
      tile_of(g + int64_t(u) * L, group_floats, groups, tile, kernel + u * features, features, count, first);
  };
  block(unit_block, outer_tile<unit_block, FB>);
  block(unit_block / 2, outer_tile<unit_block / 2, FB>);
  block(1, outer_tile<1, FB>);
}

// The gradient of the weights between units [first, last) and features [feature, feature + feature_block).
void outer_product(const Work& work, const Plan& plan, const Tensor& in, const Tensor& out, int first, int last, int feature, int features,
                   float* kernel) {
  alignas(64) float tile[tile_images * feature_block];
  const int count = features - feature < feature_block ? features - feature : feature_block;
  constexpr int groups_of_tile = tile_images / L;
  for (int group = 0; group < work.group_count; group += groups_of_tile) {
    const int groups = work.group_count - group < groups_of_tile ? work.group_count - group : groups_of_tile;
    const float* arena = group_arena(plan, work, group);
    const float* g = arena + out.gradient.offset + int64_t(first) * L;
    float* to = kernel + int64_t(first) * features + feature;
    turn_features(arena + in.value.offset + int64_t(feature) * L, plan.group_floats, groups, count, tile);
    switch ((count + L - 1) / L) {
      case 1: outer_rows<1>(g, plan.group_floats, groups, tile, to, features, count, group == 0, last - first); break;
      case 2: outer_rows<2>(g, plan.group_floats, groups, tile, to, features, count, group == 0, last - first); break;
      default: outer_rows<3>(g, plan.group_floats, groups, tile, to, features, count, group == 0, last - first);
    }
  }
}

int32_t dense_meeting_tasks(const Plan& plan, const Work& work, const Op& op, int32_t direction) {
  const int units = plan.tensors[op.output].channels, features = int(op.kernel_size / units);
  if (direction == forward) return group_blocks(work) * slices(units);
  const int inputs = plan.tensors[op.input].needs_gradient ? group_blocks(work) * slices(features) : 0;
  return inputs + (op.trained ? gradient_tasks(units, features) : 0);
}

// Returns which part of the operator it was, as a stopwatch counts them.
int dense_meeting(const Plan& plan, Work& work, const Op& op, int32_t direction, int32_t task) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const int units = out.channels, features = int(op.kernel_size / units);
  const float* x[group_block] = {};
  float* y[group_block] = {};
  const int product_rows = direction == forward ? units : features;
  const int products = direction == forward || in.needs_gradient ? group_blocks(work) * slices(product_rows) : 0;
  if (task >= products) {  // gradient of the weights
    const int first = (task - products) % unit_slices(units) * units_of_task, feature = (task - products) / unit_slices(units) * feature_block;
    const int last = first + units_of_task < units ? first + units_of_task : units;
    outer_product(work, plan, in, out, first, last, feature, features, work.gradient + op.kernel);
    if (op.bias >= 0 && feature == 0)
      for (int u = first; u < last; ++u) {
        vf total = zero();
        for (int g = 0; g < work.group_count; ++g) total += load(group_arena(plan, work, g) + out.gradient.offset + int64_t(u) * L);
        work.gradient[op.bias + u] = sum(total);
      }
    return 2;
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
    return 0;
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
  return 1;
}

constexpr OperatorType dense_operator = [] {
  OperatorType type{};
  type.features = true;
  type.meets = true;
  type.decays = true;
  type.values = dense_forward;
  type.input_gradient = dense_input_gradient;
  type.weight_gradient = dense_weight_gradient;
  type.reduce = flat_reduce;
  type.meeting_tasks = dense_meeting_tasks;
  type.meeting = dense_meeting;
  return type;
}();

}  // namespace
