// Convolution: the values; the gradient of its input, which is the same loop over flipped weights; the gradient of its weights.
//
// Every loop keeps a block of output channels x neighbouring positions in registers, one image a lane, and streams over input
// channels and taps: per step it loads the positions once, broadcasts one weight a channel, and does channels x positions
// multiply-adds. The planner chooses the blocks (planner.cpp).
#pragma once
#include "operator.hpp"

namespace {

// One row of output positions for one block of output channels.
struct ConvRow {
  const float* x;        // tap (first row that lies in the image, column 0) of the row's first position, input channel 0
  const float* w;        // packed [input channel][row][column][block of output channels], at the first row used
  const float* bias;     // of the block's first channel, or null
  float* y;              // the row's first position, the block's first channel
  const float* values;   // backward: the values at y's places, for the activation's derivative
  int64_t x_channel, x_row, x_tap, x_step, w_channel, y_channel, values_channel;  // x_row, x_tap: from one tap to the next
  int channels, kernel_rows, kernel_columns;
  Act act;
  float slope;
  bool adds;             // backward: to the gradient that another reader of the tensor has written
  bool far;              // y lies in the arena of a group
};

// Adds a finished block to a gradient that is already there: rare, so that it stands here once and not in every block.
__attribute__((noinline)) void add_tile(const ConvRow& row, int position, int channels, int positions, const float* sums) {
  for (int c = 0; c < channels; ++c)
    for (int p = position; p < position + positions; ++p, sums += L) {
      vf gradient;
      __builtin_memcpy(&gradient, sums, sizeof(vf));
      if (row.values) gradient = derived(row.act, row.slope, gradient, load(row.values + c * row.values_channel + int64_t(p) * L));
      float* to = row.y + c * row.y_channel + int64_t(p) * L;
      store(to, load(to) + gradient);
    }
}

// CB output channels, PB positions; KC kernel columns, side by side, where known at compile time (0: not); UNIT: stride 1.
template <int CB, int PB, int KC, bool UNIT>
void conv_tile(const ConvRow& row, int position) {
  vf sum[CB][PB];
#pragma GCC unroll 16
  for (int c = 0; c < CB; ++c)
#pragma GCC unroll 16
    for (int p = 0; p < PB; ++p) sum[c][p] = row.bias ? splat(row.bias[c]) : zero();
  if (row.far) {
#pragma GCC unroll 16
    for (int c = 0; c < CB; ++c)
#pragma GCC unroll 16
      for (int p = 0; p < PB; ++p) ask_to_write(row.y + c * row.y_channel + (position + 4 * PB + p) * L);
  }
  const int columns = KC ? KC : row.kernel_columns;
  const int64_t step = UNIT ? L : row.x_step, tap = KC ? L : row.x_tap;
  const float* x_channel = row.x + position * step;
  const float* w_channel = row.w;
  for (int channel = 0; channel < row.channels; ++channel) {
    const float* x = x_channel;
    const float* w = w_channel;
    for (int k = 0; k < row.kernel_rows; ++k) {
      if constexpr (CB == 1 && KC > 1 && UNIT) {
        // One channel leaves as many loads as multiply-adds, unless a value goes into the sums of all windows that hold it.
        vf weight[KC];
#pragma GCC unroll 8
        for (int j = 0; j < KC; ++j) weight[j] = held_with_room(splat(w[j]));
#pragma GCC unroll 32
        for (int v = 0; v < PB + KC - 1; ++v) {
          const vf value = held_with_room(load(x + v * L));
#pragma GCC unroll 8
          for (int j = 0; j < KC; ++j)
            if (v >= j && v - j < PB) sum[0][v - j] += value * weight[j];
        }
      } else {
#pragma GCC unroll 5
        for (int j = 0; j < columns; ++j) {
          const float* at = read_anew(x + j * tap);
          const float* weights = w + j * CB;
          // The shorter side waits in registers, the longer one passes by: 12 sums, 3 values and one more are all the 16 there are.
          if constexpr (CB <= PB) {
            vf weight[CB];
#pragma GCC unroll 16
            for (int c = 0; c < CB; ++c) weight[c] = held_with_room(splat(weights[c]));
#pragma GCC unroll 16
            for (int p = 0; p < PB; ++p) {
              const vf value = held_with_room(load(at + p * step));
#pragma GCC unroll 16
              for (int c = 0; c < CB; ++c) sum[c][p] += value * weight[c];
              if constexpr (few_registers) in_order();
            }
          } else {
            vf value[PB];
#pragma GCC unroll 16
            for (int p = 0; p < PB; ++p) value[p] = held_with_room(load(at + p * step));
#pragma GCC unroll 16
            for (int c = 0; c < CB; ++c) {
              const vf weight = held_with_room(splat(weights[c]));
#pragma GCC unroll 16
              for (int p = 0; p < PB; ++p) sum[c][p] += value[p] * weight;
              if constexpr (few_registers || KC == 2) in_order();
            }
          }
        }
      }
      x += row.x_row;
      w += columns * CB;
    }
    x_channel += row.x_channel;
    w_channel += row.w_channel;
  }
  float* y = row.y + position * L;
  if (row.adds) {
    float sums[CB * PB * L];
#pragma GCC unroll 16
    for (int c = 0; c < CB; ++c)
#pragma GCC unroll 16
      for (int p = 0; p < PB; ++p) __builtin_memcpy(sums + (c * PB + p) * L, &sum[c][p], sizeof(vf));
    add_tile(row, position, CB, PB, sums);
  } else if (row.values) {
    const float* values = row.values + position * L;
    const int64_t y_channel = row.y_channel, values_channel = row.values_channel;
    with_derivative(row.act, row.slope, [&](auto derivative) INLINE_LAMBDA {
#pragma GCC unroll 16
      for (int c = 0; c < CB; ++c)
#pragma GCC unroll 16
        for (int p = 0; p < PB; ++p) store(y + c * y_channel + p * L, derivative(sum[c][p], load(values + c * values_channel + p * L)));
    });
  } else {
    const int64_t y_channel = row.y_channel;
    with_activation(row.act, row.slope, [&](auto activation) INLINE_LAMBDA {
#pragma GCC unroll 16
      for (int c = 0; c < CB; ++c)
#pragma GCC unroll 16
        for (int p = 0; p < PB; ++p) store(y + c * y_channel + p * L, activation(sum[c][p]));
    });
  }
}

typedef void (*ConvTile)(const ConvRow&, int);

template <int CB, int PB>
ConvTile conv_tile_for(int kernel_columns, bool unit) {
  if constexpr (CB * PB > ISSUN_ACCUMULATORS) {
    return nullptr;
  } else {
    if (!unit) return conv_tile<CB, PB, 0, false>;
    if (kernel_columns == 3) return conv_tile<CB, PB, 3, true>;
    if (kernel_columns == 2) return conv_tile<CB, PB, 2, true>;
    if (kernel_columns == 1) return conv_tile<CB, PB, 1, true>;
    return conv_tile<CB, PB, 0, true>;
  }
}

template <int CB>
ConvTile conv_tile_for(int positions, int kernel_columns, bool unit) {
  if constexpr (CB == 1) {  // one sum a position: as many as hide the latency of a multiply-add are more of them
    switch (positions) {
      case 9: return conv_tile_for<1, 9>(kernel_columns, unit);
      case 10: return conv_tile_for<1, 10>(kernel_columns, unit);
      case 11: return conv_tile_for<1, 11>(kernel_columns, unit);
      case 12: return conv_tile_for<1, 12>(kernel_columns, unit);
      case 13: return conv_tile_for<1, 13>(kernel_columns, unit);
      case 14: return conv_tile_for<1, 14>(kernel_columns, unit);
      case 15: return conv_tile_for<1, 15>(kernel_columns, unit);
      case 16: return conv_tile_for<1, 16>(kernel_columns, unit);
    }
  }
  switch (positions) {
    case 1: return conv_tile_for<CB, 1>(kernel_columns, unit);
    case 2: return conv_tile_for<CB, 2>(kernel_columns, unit);
    case 3: return conv_tile_for<CB, 3>(kernel_columns, unit);
    case 4: return conv_tile_for<CB, 4>(kernel_columns, unit);
    case 5: return conv_tile_for<CB, 5>(kernel_columns, unit);
    case 6: return conv_tile_for<CB, 6>(kernel_columns, unit);
    case 7: return conv_tile_for<CB, 7>(kernel_columns, unit);
    default: return conv_tile_for<CB, 8>(kernel_columns, unit);
  }
}

ConvTile conv_tile_for(int channels, int positions, int kernel_columns, bool unit) {
  switch (channels) {
    case 1: return conv_tile_for<1>(positions, kernel_columns, unit);
    case 2: return conv_tile_for<2>(positions, kernel_columns, unit);
    case 3: return conv_tile_for<3>(positions, kernel_columns, unit);
    default: return conv_tile_for<4>(positions, kernel_columns, unit);
  }
}

// A correlation of any tensor with any packed kernel; forward and backward differ only in what they put in.
struct Correlation {
  const float* x;
  View x_view;
  int x_channels, x_rows;
  const float* w;
  const float* bias;
  float* y;
  View y_view;
  int y_channels, y_rows, y_columns;
  const float* values;
  View values_view;
  int kernel_rows, kernel_columns, stride_rows, stride_columns, pad_top, pad_left, dilation_rows, dilation_columns;
  Cut channels, columns;
  Act act;
  float slope;
  bool adds, far;
};

// A 1x1 window at stride 1 has no use for rows: all positions of a channel in one, so that blocks need not end with the row.
INLINE void flatten(Correlation& a) {
  a.y_columns *= a.y_rows;
  a.x_rows = a.y_rows = 1;
}

void correlate(const Correlation& a) {
  const bool unit = a.stride_columns == 1;
  const int known_columns = a.dilation_columns == 1 ? a.kernel_columns : 0;
  ConvRow row;
  row.x_channel = a.x_view.channel;
  row.x_row = a.x_view.row * a.dilation_rows;
  row.x_tap = int64_t(a.dilation_columns) * L;
  row.x_step = int64_t(a.stride_columns) * L;
  row.y_channel = a.y_view.channel;
  row.values_channel = a.values_view.channel;
  row.channels = a.x_channels;
  row.kernel_columns = a.kernel_columns;
  row.act = a.act;
  row.slope = a.slope;
  row.adds = a.adds;
  row.far = a.far;
  for (int r = 0; r < a.y_rows; ++r) {
    // Only the kernel's rows that lie in the image: the border above and below is never stored.
    const int top = r * a.stride_rows - a.pad_top;
    const int skip = taps_above(top, a.dilation_rows), end = taps_until(top, a.kernel_rows, a.dilation_rows, a.x_rows);
    row.kernel_rows = end > skip ? end - skip : 0;
    for (int block = 0; block < a.channels.blocks; ++block) {
      const int first = block_start(a.channels, block), size = block_size(a.channels, block);
      row.x = a.x + (top + skip * a.dilation_rows) * a.x_view.row - int64_t(a.pad_left) * L;
      row.w_channel = int64_t(a.kernel_rows) * a.kernel_columns * size;
      row.w = a.w + int64_t(first) * a.x_channels * a.kernel_rows * a.kernel_columns + int64_t(skip) * a.kernel_columns * size;
      row.bias = a.bias ? a.bias + first : nullptr;
      row.y = a.y + first * a.y_view.channel + r * a.y_view.row;
      row.values = a.values ? a.values + first * a.values_view.channel + r * a.values_view.row : nullptr;
      const int wide = a.columns.wide, narrow = a.columns.blocks - wide;
      int position = 0;
      if (wide) {
        const ConvTile tile = conv_tile_for(size, a.columns.base + 1, known_columns, unit);
        for (int i = 0; i < wide; ++i, position += a.columns.base + 1) tile(row, position);
      }
      if (narrow) {
        const ConvTile tile = conv_tile_for(size, a.columns.base, known_columns, unit);
        for (int i = 0; i < narrow; ++i, position += a.columns.base) tile(row, position);
      }
      if (!a.values && a.act == Act::tanh)
        for (int c = 0; c < size; ++c) activate_stored(a.act, row.y + c * row.y_channel, a.y_columns);
    }
  }
}

// The same for each part of the channels: its own run of what is read, of what is made and of the packed weights.
void correlate_parts(Correlation a, int parts) {
  a.x_channels /= parts;
  a.y_channels /= parts;
  const int64_t weights = int64_t(a.x_channels) * a.y_channels * a.kernel_rows * a.kernel_columns;
  for (int part = 0; part < parts; ++part) {
    correlate(a);
    a.x += a.x_channels * a.x_view.channel;
    a.w += weights;
    if (a.bias) a.bias += a.y_channels;
    a.y += a.y_channels * a.y_view.channel;
    if (a.values) a.values += a.y_channels * a.values_view.channel;
  }
}

void conv_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  Correlation a;
  a.x = place.value(in);
  a.x_view = in.value;
  a.x_channels = in.channels;
  a.x_rows = in.rows;
  a.w = work.packed + op.packed;
  a.bias = op.bias >= 0 ? work.weights + op.bias : nullptr;
  a.y = place.value(out);
  a.y_view = out.value;
  a.y_channels = out.channels;
  a.y_rows = out.rows;
  a.y_columns = out.columns;
  a.values = nullptr;
  a.values_view = out.value;
  a.kernel_rows = op.kernel_rows;
  a.kernel_columns = op.kernel_columns;
  a.stride_rows = op.stride_rows;
  a.stride_columns = op.stride_columns;
  a.pad_top = op.pad_top;
  a.pad_left = op.pad_left;
  a.channels = op.forward_channels;
  a.columns = op.forward_columns;
  a.dilation_rows = op.dilation_rows;
  a.dilation_columns = op.dilation_columns;
  a.act = op.act;
  a.slope = op.slope;
  a.adds = false;
  a.far = out.value_per_group;
  if (op.flat_forward) flatten(a);
  correlate_parts(a, op.parts);
}

// Stride 1: a correlation of the (bordered) gradient with the flipped kernel.
void conv_input_gradient_unit(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  Correlation a;
  a.x = place.gradient(out);
  a.x_view = out.gradient;
  a.x_channels = out.channels;
  a.x_rows = out.rows;
  a.w = work.packed + op.packed_backward;
  a.bias = nullptr;
  a.y = place.gradient(in);
  a.y_view = in.gradient;
  a.y_channels = in.channels;
  a.y_rows = in.rows;
  a.y_columns = in.columns;
  a.values = in.act == Act::linear ? nullptr : place.value(in);
  a.values_view = in.value;
  a.kernel_rows = op.kernel_rows;
  a.kernel_columns = op.kernel_columns;
  a.stride_rows = a.stride_columns = 1;
  a.dilation_rows = op.dilation_rows;
  a.dilation_columns = op.dilation_columns;
  a.pad_top = (op.kernel_rows - 1) * op.dilation_rows - op.pad_top;
  a.pad_left = (op.kernel_columns - 1) * op.dilation_columns - op.pad_left;
  a.channels = op.backward_channels;
  a.columns = op.backward_columns;
  a.act = in.act;
  a.slope = in.slope;
  a.adds = op.adds;
  a.far = in.gradient_per_group;
  if (op.flat_backward) flatten(a);
  correlate_parts(a, op.parts);
}

// Other strides: for each input position, gather from the output positions whose window covers it.
void conv_input_gradient_strided(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* dz = place.gradient(out);
  const float* x = place.value(in);
  float* dx = place.gradient(in);
  const float* weights = work.weights + op.kernel;
  const int64_t taps = int64_t(op.kernel_rows) * op.kernel_columns;
  constexpr int CB = 8;
  const int channels = in.channels / op.parts, filters = out.channels / op.parts, blocks = (channels + CB - 1) / CB;
  for (int block = 0; block < op.parts * blocks; ++block) {
    const int part = block / blocks, within = block % blocks * CB, first = part * channels + within;
    const int size = channels - within < CB ? channels - within : CB;
    for (int r = 0; r < in.rows; ++r)
      for (int c = 0; c < in.columns; ++c) {
        vf sum[CB] = {};
        for (int i = 0; i < op.kernel_rows; ++i) {
          const int from_row = r + op.pad_top - i;
          if (from_row < 0 || from_row % op.stride_rows || from_row / op.stride_rows >= out.rows) continue;
          for (int j = 0; j < op.kernel_columns; ++j) {
            const int from_column = c + op.pad_left - j;
            if (from_column < 0 || from_column % op.stride_columns || from_column / op.stride_columns >= out.columns) continue;
            const float* g = dz + (from_row / op.stride_rows) * out.gradient.row + int64_t(from_column / op.stride_columns) * L;
            const float* w = weights + within * taps + i * op.kernel_columns + j;
            for (int o = part * filters; o < (part + 1) * filters; ++o) {
              const vf gradient = load(g + o * out.gradient.channel);
              const float* wo = w + int64_t(o) * channels * taps;
              for (int b = 0; b < size; ++b) sum[b] += gradient * wo[b * taps];
            }
          }
        }
        for (int b = 0; b < size; ++b) {
          const vf value = load(x + (first + b) * in.value.channel + r * in.value.row + int64_t(c) * L);
          put_gradient(op.adds, dx + (first + b) * in.gradient.channel + r * in.gradient.row + int64_t(c) * L,
                       derived(in.act, in.slope, sum[b], value));
        }
      }
  }
}

void conv_input_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place, int group) {
  if (op.stride_rows == 1 && op.stride_columns == 1) return conv_input_gradient_unit(plan, work, op, place, group);
  conv_input_gradient_strided(plan, work, op, place, group);
}

// ---- the gradient of the weights: for each tap, the sum over images and positions of input times gradient --------------------------

// CB channels of the gradient x TB taps of the input, over a few rows of positions. The sums keep their lanes: they are added up
// once for all groups of a chunk, not once a sweep.
template <int CB, int TB, bool UNIT>
void weight_tile(const float* g, int64_t g_channel, int64_t g_row, const float* const* x, int64_t x_row, int64_t x_step, int rows,
                 int columns, float* sums, int64_t sums_channel) {
  vf sum[CB][TB];
#pragma GCC unroll 16
  for (int c = 0; c < CB; ++c)
#pragma GCC unroll 16
    for (int t = 0; t < TB; ++t) sum[c][t] = load(sums + c * sums_channel + t * L);
  const int64_t step = UNIT ? L : x_step;
  const float* xs[TB];
#pragma GCC unroll 16
  for (int t = 0; t < TB; ++t) xs[t] = x[t];
  for (int r = 0; r < rows; ++r) {
    for (int p = 0; p < columns; ++p) {
      // As in conv_tile: what there is less of waits in registers.
      if constexpr (CB <= TB) {
        vf gradient[CB];
#pragma GCC unroll 16
        for (int c = 0; c < CB; ++c) gradient[c] = held_with_room(load(g + c * g_channel + int64_t(p) * L));
#pragma GCC unroll 16
        for (int t = 0; t < TB; ++t) {
          const vf value = held_with_room(load(xs[t] + p * step));
#pragma GCC unroll 16
          for (int c = 0; c < CB; ++c) sum[c][t] += value * gradient[c];
          if constexpr (few_registers) in_order();
        }
      } else {
        vf value[TB];
#pragma GCC unroll 16
        for (int t = 0; t < TB; ++t) value[t] = held_with_room(load(xs[t] + p * step));
#pragma GCC unroll 16
        for (int c = 0; c < CB; ++c) {
          const vf gradient = held_with_room(load(g + c * g_channel + int64_t(p) * L));
#pragma GCC unroll 16
          for (int t = 0; t < TB; ++t) sum[c][t] += value[t] * gradient;
          if constexpr (few_registers) in_order();
        }
      }
    }
    g += g_row;
#pragma GCC unroll 16
    for (int t = 0; t < TB; ++t) xs[t] += x_row;
  }
#pragma GCC unroll 16
  for (int c = 0; c < CB; ++c)
#pragma GCC unroll 16
    for (int t = 0; t < TB; ++t) store(sums + c * sums_channel + t * L, sum[c][t]);
}

typedef void (*WeightTile)(const float*, int64_t, int64_t, const float* const*, int64_t, int64_t, int, int, float*, int64_t);

template <int CB, int TB>
WeightTile weight_tile_for(bool unit) {
  if constexpr (CB * TB > ISSUN_ACCUMULATORS)
    return nullptr;
  else
    return unit ? weight_tile<CB, TB, true> : weight_tile<CB, TB, false>;
}

template <int CB>
WeightTile weight_tile_for(int taps, bool unit) {
  switch (taps) {
    case 1: return weight_tile_for<CB, 1>(unit);
    case 2: return weight_tile_for<CB, 2>(unit);
    case 3: return weight_tile_for<CB, 3>(unit);
    case 4: return weight_tile_for<CB, 4>(unit);
    case 5: return weight_tile_for<CB, 5>(unit);
    case 6: return weight_tile_for<CB, 6>(unit);
    case 7: return weight_tile_for<CB, 7>(unit);
    default: return weight_tile_for<CB, 8>(unit);
  }
}

WeightTile weight_tile_for(int channels, int taps, bool unit) {
  switch (channels) {
    case 1: return weight_tile_for<1>(taps, unit);
    case 2: return weight_tile_for<2>(taps, unit);
    case 3: return weight_tile_for<3>(taps, unit);
    default: return weight_tile_for<4>(taps, unit);
  }
}

// CB channels of the gradient x KR x 3 taps of one channel of the input, at stride 1, over a few rows of positions. Each step loads one
// value a row of the kernel, since the next two positions need it as well, so that all taps together read the gradient once.
template <int CB, int KR>
void window_tile(const float* g, int64_t g_channel, int64_t g_row, const float* x, int64_t x_tap_row, int64_t x_row, int rows, int columns,
                 float* sums, int64_t sums_channel, int64_t sums_row) {
  vf sum[CB][KR][3];
#pragma GCC unroll 4
  for (int c = 0; c < CB; ++c)
#pragma GCC unroll 4
    for (int i = 0; i < KR; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < 3; ++j) sum[c][i][j] = load(sums + c * sums_channel + i * sums_row + j * L);
  for (int r = 0; r < rows; ++r, g += g_row, x += x_row) {
    vf first[KR], second[KR], third[KR];
    const auto step = [&](int64_t at, vf* a, vf* b, vf* c) INLINE_LAMBDA {
#pragma GCC unroll 4
      for (int i = 0; i < KR; ++i) c[i] = held_with_room(load(x + i * x_tap_row + at + 2 * L));
#pragma GCC unroll 4
      for (int k = 0; k < CB; ++k) {
        const vf gradient = held_with_room(load(g + k * g_channel + at));
#pragma GCC unroll 4
        for (int i = 0; i < KR; ++i) {
          sum[k][i][0] += a[i] * gradient;
          sum[k][i][1] += b[i] * gradient;
          sum[k][i][2] += c[i] * gradient;
        }
      }
    };
#pragma GCC unroll 4
    for (int i = 0; i < KR; ++i) {
      first[i] = load(x + i * x_tap_row);
      second[i] = load(x + i * x_tap_row + L);
      third[i] = zero();
    }
    int p = 0;
    for (; p + 2 < columns; p += 3) {
      const int64_t at = int64_t(p) * L;
      step(at, first, second, third);
      step(at + L, second, third, first);
      step(at + 2 * L, third, first, second);
    }
    if (p < columns) step(int64_t(p) * L, first, second, third);
    if (p + 1 < columns) step(int64_t(p + 1) * L, second, third, first);
  }
#pragma GCC unroll 4
  for (int c = 0; c < CB; ++c)
#pragma GCC unroll 4
    for (int i = 0; i < KR; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < 3; ++j) store(sums + c * sums_channel + i * sums_row + j * L, sum[c][i][j]);
}

typedef void (*WindowTile)(const float*, int64_t, int64_t, const float*, int64_t, int64_t, int, int, float*, int64_t, int64_t);

WindowTile window_tile_for(int channels, int rows) {
  if (channels == 1) return rows == 1 ? window_tile<1, 1> : rows == 2 ? window_tile<1, 2> : window_tile<1, 3>;
  return rows == 1 ? window_tile<2, 1> : rows == 2 ? window_tile<2, 2> : window_tile<2, 3>;
}

// Adds to the gradient of the bias, if there is one: [channel][lane].
void add_bias_gradient(const Op& op, const Tensor& out, const Place& place, float* lanes) {
  if (op.bias < 0) return;
  const float* dz = place.gradient(out);
  float* bias = lanes + op.lanes_bias;
  for (int o = place.first, end = place.until(out.channels); o < end; ++o) {
    vf s0 = zero(), s1 = zero();
    for (int r = 0; r < out.rows; ++r) {
      const float* g = dz + o * out.gradient.channel + r * out.gradient.row;
      int p = 0;
      for (; p + 1 < out.columns; p += 2) {
        s0 += load(g + int64_t(p) * L);
        s1 += load(g + int64_t(p + 1) * L);
      }
      if (p < out.columns) s0 += load(g + int64_t(p) * L);
    }
    store(bias + o * L, load(bias + o * L) + (s0 + s1));
  }
}

// Neighbouring output rows for which the same rows of the kernel lie in the image, if any do: calls f(first and end of them, the input row
// of the first one's first tap, first and end of the kernel's rows).
template <typename F>
INLINE void each_band(const Op& op, int in_rows, int out_rows, F f) {
  for (int first = 0, last; first < out_rows; first = last) {
    const int top = first * op.stride_rows - op.pad_top;
    const int skip = taps_above(top, op.dilation_rows), end = taps_until(top, op.kernel_rows, op.dilation_rows, in_rows);
    for (last = first + 1; last < out_rows; ++last) {
      const int at = last * op.stride_rows - op.pad_top;
      if (taps_above(at, op.dilation_rows) != skip || taps_until(at, op.kernel_rows, op.dilation_rows, in_rows) != end) break;
    }
    if (skip < end) f(first, last, top, skip, end);
  }
}

// Adds to the gradient with lanes of one part's kernel, by whole 3x3 windows of taps: [kernel row][filter][channel, kernel column][lane].
void part_windows_gradient(const Tensor& in, const Tensor& out, const Op& op, const float* x, const float* dz, float* kernel) {
  const int channels = in.channels / op.parts, part_filters = out.channels / op.parts;
  const int64_t taps = int64_t(channels) * 3;
  each_band(op, in.rows, out.rows, [&](int first, int last, int top, int skip, int end) {
    for (int start = first; start < last; start += op.gradient_rows) {
      const int rows = last - start < op.gradient_rows ? last - start : op.gradient_rows;
      const float* x_row = x + (top + start - first + skip) * in.value.row - int64_t(op.pad_left) * L;
      for (int filter = 0; filter < part_filters; filter += op.gradient_windows) {
        const int filters = part_filters - filter < op.gradient_windows ? part_filters - filter : op.gradient_windows;
        const float* g = dz + filter * out.gradient.channel + start * out.gradient.row;
        float* sums = kernel + (int64_t(skip) * part_filters + filter) * taps * L;
        const WindowTile tile = window_tile_for(filters, end - skip);
        for (int channel = 0; channel < channels; ++channel)
          tile(g, out.gradient.channel, out.gradient.row, x_row + channel * in.value.channel, in.value.row, in.value.row, rows, out.columns,
               sums + int64_t(channel) * 3 * L, taps * L, part_filters * taps * L);
      }
    }
  });
}

// The same by blocks of taps, of any window.
void part_weight_gradient(const Tensor& in, const Tensor& out, const Op& op, const float* x, const float* dz, float* kernel) {
  const bool unit = op.stride_columns == 1;
  const int taps = in.channels / op.parts * op.kernel_columns, part_filters = out.channels / op.parts;
  const bool flat_rows = in.value.row == int64_t(in.columns) * L && out.gradient.row == int64_t(out.columns) * L;
  for (int start = 0; start < out.rows; start += op.gradient_rows) {
    const int stop = start + op.gradient_rows < out.rows ? start + op.gradient_rows : out.rows;
    for (int i = 0; i < op.kernel_rows; ++i) {
      // The output rows for which this row of the kernel lies in the image.
      int first = start, last = stop;
      const int tap = i * op.dilation_rows - op.pad_top;
      while (first < last && first * op.stride_rows + tap < 0) ++first;
      while (first < last && (last - 1) * op.stride_rows + tap >= in.rows) --last;
      if (first >= last) continue;
      // A 1x1 window at stride 1 over buffers without borders: all rows are one.
      const bool flat = op.kernel_rows == 1 && op.kernel_columns == 1 && op.stride_rows == 1 && unit && flat_rows;
      const int rows = flat ? 1 : last - first, columns = flat ? (last - first) * out.columns : out.columns;
      const float* x_row = x + (first * op.stride_rows + tap) * in.value.row - int64_t(op.pad_left) * L;
      for (int cb = 0; cb < op.gradient_channels.blocks; ++cb) {
        const int filter = block_start(op.gradient_channels, cb), filters = block_size(op.gradient_channels, cb);
        const float* g = dz + filter * out.gradient.channel + first * out.gradient.row;
        float* sums = kernel + (int64_t(i) * part_filters + filter) * taps * L;
        for (int tb = 0; tb < op.gradient_taps.blocks; ++tb) {
          const int from = block_start(op.gradient_taps, tb), size = block_size(op.gradient_taps, tb);
          const float* xs[most_taps];
          for (int t = 0; t < size; ++t) {
            const int channel = (from + t) / op.kernel_columns, column = (from + t) % op.kernel_columns * op.dilation_columns;
            xs[t] = x_row + channel * in.value.channel + int64_t(column) * L;
          }
          weight_tile_for(filters, size, unit)(g, out.gradient.channel, out.gradient.row, xs, op.stride_rows * in.value.row,
                                                int64_t(op.stride_columns) * L, rows, columns, sums + int64_t(from) * L,
                                                int64_t(taps) * L);
        }
      }
    }
  }
}

// Adds to the gradients with lanes: kernel [part][kernel row][filter][channel, kernel column][lane], bias [filter][lane].
void conv_weight_gradient(const Plan& plan, const Work&, const Op& op, const Place& place, float* lanes) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const auto part_gradient = op.gradient_windows ? part_windows_gradient : part_weight_gradient;
  for (int part = 0; part < op.parts; ++part)
    part_gradient(in, out, op, place.value(in) + part * (in.channels / op.parts) * in.value.channel,
                         place.gradient(out) + part * (out.channels / op.parts) * out.gradient.channel,
                         lanes + op.lanes_kernel + part * (op.kernel_size / op.parts) * L);
  add_bias_gradient(op, out, place, lanes);
}

// Sums the lanes of a chunk's gradient into its place in the flat order (filter, channel, row, column). The lanes are used up.
void conv_reduce(const Plan& plan, const Work&, const Op& op, int, float* lanes, float* gradient) {
  const int channels = plan.tensors[op.input].channels / op.parts, filters = plan.tensors[op.output].channels, each = filters / op.parts;
  float* from = lanes + op.lanes_kernel;
  sum_lanes(from, op.kernel_size, from);
  float* kernel = gradient + op.kernel;
  for (int part = 0; part < filters; part += each)
    for (int i = 0; i < op.kernel_rows; ++i)
      for (int o = part; o < part + each; ++o)
        for (int c = 0; c < channels; ++c) {
          float* to = kernel + ((int64_t(o) * channels + c) * op.kernel_rows + i) * op.kernel_columns;
          for (int j = 0; j < op.kernel_columns; ++j, ++from) to[j] = op.reduce_adds ? to[j] + *from : *from;
        }
  if (op.bias >= 0) sum_lanes(lanes + op.lanes_bias, filters, gradient + op.bias, op.reduce_adds);
}

// ---- the weights in the order in which register blocks read them; packed anew after every step --------------------------------------

void part_pack(Work& work, const Op& op, int channels, int filters, int64_t part) {
  const int rows = op.kernel_rows, columns = op.kernel_columns;
  const float* w = work.weights + op.kernel + part;
  float* to = work.packed + op.packed + part;
  for (int block = 0; block < op.forward_channels.blocks; ++block) {
    const int first = block_start(op.forward_channels, block), size = block_size(op.forward_channels, block);
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j)
          for (int b = 0; b < size; ++b) *to++ = w[((int64_t(first + b) * channels + c) * rows + i) * columns + j];
  }
  if (op.packed_backward < 0) return;
  to = work.packed + op.packed_backward + part;
  for (int block = 0; block < op.backward_channels.blocks; ++block) {
    const int first = block_start(op.backward_channels, block), size = block_size(op.backward_channels, block);
    for (int o = 0; o < filters; ++o)
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j)
          for (int b = 0; b < size; ++b)
            *to++ = w[((int64_t(o) * channels + first + b) * rows + (rows - 1 - i)) * columns + (columns - 1 - j)];
  }
}

void conv_pack(const Plan& plan, Work& work, const Op& op) {
  const int channels = plan.tensors[op.input].channels / op.parts, filters = plan.tensors[op.output].channels / op.parts;
  for (int64_t part = 0; part < op.kernel_size; part += op.kernel_size / op.parts) part_pack(work, op, channels, filters, part);
}

constexpr OperatorType conv_operator = [] {
  OperatorType type{};
  type.windows = true;
  type.blocks = true;
  type.decays = true;
  type.values = conv_forward;
  type.input_gradient = conv_input_gradient;
  type.weight_gradient = conv_weight_gradient;
  type.reduce = conv_reduce;
  type.pack = conv_pack;
  return type;
}();

}  // namespace
