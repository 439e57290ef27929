// Depthwise convolution: output channel c * m + k reads input channel c alone. The values, and the gradients of the input and the weights.
//
// A register block is a run of neighbouring positions of one channel. For each row of the kernel the weights wait in registers, and
// each value is loaded once and goes into all the sums whose window holds it: with a 3x3 kernel 8 positions take 10 loads and 3
// broadcasts for 24 multiply-adds. No weight is packed: a block needs its row of the kernel and nothing else.
#pragma once
#include "conv.hpp"

namespace {

// Positions of a block. With five weights and a value 8 are 14 of 16 registers. Where there are 32, twice as many leave a long enough time
// between two multiply-adds to the same sum, and fewer values are loaded twice.
constexpr int most_positions = few_registers ? 8 : 16;

// One row of output positions of one channel, summed over `planes` channels of what is read.
struct DepthRow {
  const float* x;       // first tap (first row that lies in the image) of the row's first position, in the first plane
  const float* w;       // that tap's weight
  const float* bias;    // or null
  float* y;             // the row's first position
  const float* values;  // backward: the values at y's places, for the activation's derivative; null where that is 1
  int64_t x_plane, x_row, x_tap, x_step;  // from one plane, row of taps, tap in a row, position to the next
  int64_t w_plane, w_row, w_tap, y_step;
  int planes, kernel_rows, kernel_columns;
  Act act;
  float slope;
  bool adds;
  bool far;             // y lies in the arena of a group
};

// Adds a finished block to a gradient that is already there: rare, so that it stands here once and not in every block.
__attribute__((noinline)) void add_depth_tile(const DepthRow& row, int position, int positions, const float* sums) {
  const int64_t y_step = row.y_step;
  float* y = row.y + position * y_step;
  const float* values = row.values ? row.values + position * y_step : y;  // not read where the derivative is 1
  with_gradient(true, row.values ? row.act : Act::linear, row.slope, [&](auto put) {
    for (int p = 0; p < positions; ++p) {
      vf gradient;
      __builtin_memcpy(&gradient, sums + p * L, sizeof(vf));
      put(y + p * y_step, gradient, load(values + p * y_step));
    }
  });
}

// P positions; KC taps, side by side, and STEP between positions where known at compile time (KC 0: neither is).
template <int P, int KC, int STEP>
void depth_tile(const DepthRow& row, int position) {
  vf sum[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) sum[p] = row.bias ? splat(*row.bias) : zero();
  if (row.far) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) ask_to_write(row.y + (position + ahead + p) * row.y_step);
  }
  const int64_t step = KC ? STEP * L : row.x_step;
  const float* x_plane = row.x + position * step;
  const float* w_plane = row.w;
  for (int plane = 0; plane < row.planes; ++plane) {
    const float* x = x_plane;
    const float* w = w_plane;
    for (int k = 0; k < row.kernel_rows; ++k) {
      if constexpr (KC > 0) {
        vf weight[KC];
#pragma GCC unroll 8
        for (int j = 0; j < KC; ++j) weight[j] = held(splat(w[j * row.w_tap]));
#pragma GCC unroll 32
        for (int v = 0; v < (P - 1) * STEP + KC; ++v) {
          const vf value = held(load(x + v * L));
#pragma GCC unroll 8
          for (int j = 0; j < KC; ++j)
            if (v >= j && (v - j) % STEP == 0 && (v - j) / STEP < P) sum[(v - j) / STEP] += value * weight[j];
        }
      } else {
        const float* at = x;
        for (int j = 0; j < row.kernel_columns; ++j, at += row.x_tap) {
          const vf weight = held(splat(w[j * row.w_tap]));
#pragma GCC unroll 16
          for (int p = 0; p < P; ++p) sum[p] += load(at + p * step) * weight;
        }
      }
      x += row.x_row;
      w += row.w_row;
    }
    x_plane += row.x_plane;
    w_plane += row.w_plane;
  }
  const int64_t y_step = row.y_step;
  float* y = row.y + position * y_step;
  if (row.adds) {
    float sums[P * L];
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) __builtin_memcpy(sums + p * L, &sum[p], sizeof(vf));
    add_depth_tile(row, position, P, sums);
  } else if (row.values) {
    const float* values = row.values + position * y_step;
    with_derivative(row.act, row.slope, [&](auto derivative) INLINE_LAMBDA {
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) store(y + p * y_step, derivative(sum[p], load(values + p * y_step)));
    });
  } else {
    with_activation(row.act, row.slope, [&](auto activation) INLINE_LAMBDA {
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) store(y + p * y_step, activation(sum[p]));
    });
  }
}

typedef void (*DepthTile)(const DepthRow&, int);

template <int P, int KC, int STEP>
constexpr DepthTile depth_tile_of() {
  if constexpr (P <= most_positions)
    return depth_tile<P, KC, STEP>;
  else
    return nullptr;
}

template <int KC, int STEP>
DepthTile depth_tile_for(int positions) {
  constexpr DepthTile tiles[] = {
      depth_tile_of<1, KC, STEP>(),  depth_tile_of<2, KC, STEP>(),  depth_tile_of<3, KC, STEP>(),  depth_tile_of<4, KC, STEP>(),
      depth_tile_of<5, KC, STEP>(),  depth_tile_of<6, KC, STEP>(),  depth_tile_of<7, KC, STEP>(),  depth_tile_of<8, KC, STEP>(),
      depth_tile_of<9, KC, STEP>(),  depth_tile_of<10, KC, STEP>(), depth_tile_of<11, KC, STEP>(), depth_tile_of<12, KC, STEP>(),
      depth_tile_of<13, KC, STEP>(), depth_tile_of<14, KC, STEP>(), depth_tile_of<15, KC, STEP>(), depth_tile_of<16, KC, STEP>()};
  return tiles[positions - 1];
}

// 3 and 5 taps at stride 1 and 2; 1 and 2 are what is left of 3 on the way back through stride 2.
DepthTile depth_tile_for(int positions, int columns, int dilation, int step) {
  if (columns == 3 && dilation == 1 && step == 1) return depth_tile_for<3, 1>(positions);
  if (columns == 3 && dilation == 1 && step == 2) return depth_tile_for<3, 2>(positions);
  if (columns == 5 && dilation == 1 && step == 1) return depth_tile_for<5, 1>(positions);
  if (columns == 5 && dilation == 1 && step == 2) return depth_tile_for<5, 2>(positions);
  if (columns == 2 && dilation == 1 && step == 1) return depth_tile_for<2, 1>(positions);
  if (columns == 1 && step == 1) return depth_tile_for<1, 1>(positions);
  return depth_tile_for<0, 0>(positions);
}

// All rows of one output channel, or of one phase of it (see below). `row` says the rest.
struct DepthPlane {
  const float* x;  // row 0, column of the first tap of the first position
  float* y;
  const float* values;
  int64_t x_row, y_row, values_row;
  int x_rows, top, row_step;    // rows of what is read; where the first output row's first tap lies; from one output row to the next
  int rows, columns;            // of output positions
  int dilation_rows, dilation_columns, column_step;
};

void depth_plane(const DepthPlane& a, DepthRow& row, int kernel_rows) {
  const int blocks = (a.columns + most_positions - 1) / most_positions, base = a.columns / blocks, wide = a.columns % blocks;
  const DepthTile tile = depth_tile_for(base, row.kernel_columns, a.dilation_columns, a.column_step);
  const DepthTile wide_tile = wide ? depth_tile_for(base + 1, row.kernel_columns, a.dilation_columns, a.column_step) : nullptr;
  const float* w = row.w;
  row.x_row = a.x_row * a.dilation_rows;
  row.x_tap = int64_t(a.dilation_columns) * L;
  row.x_step = int64_t(a.column_step) * L;
  for (int r = 0; r < a.rows; ++r) {
    const int top = a.top + r * a.row_step;
    const int skip = taps_above(top, a.dilation_rows), end = taps_until(top, kernel_rows, a.dilation_rows, a.x_rows);
    row.kernel_rows = end > skip ? end - skip : 0;
    row.x = a.x + (top + skip * a.dilation_rows) * a.x_row;
    row.w = w + skip * row.w_row;
    row.y = a.y + r * a.y_row;
    row.values = a.values ? a.values + r * a.values_row : nullptr;
    int position = 0;
    for (int i = 0; i < wide; ++i, position += base + 1) wide_tile(row, position);
    for (int i = wide; i < blocks; ++i, position += base) tile(row, position);
  }
  row.w = w;
}

void depthwise_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const int multiplier = out.channels / in.channels;
  const int64_t taps = int64_t(op.kernel_rows) * op.kernel_columns;
  DepthRow row{};
  row.w_row = op.kernel_columns;
  row.w_tap = 1;
  row.y_step = L;
  row.planes = 1;
  row.kernel_columns = op.kernel_columns;
  row.act = op.act;
  row.slope = op.slope;
  row.far = out.value_per_group;
  DepthPlane a{};
  a.x_row = in.value.row;
  a.y_row = out.value.row;
  a.x_rows = in.rows;
  a.top = -op.pad_top;
  a.row_step = op.stride_rows;
  a.column_step = op.stride_columns;
  a.rows = out.rows;
  a.columns = out.columns;
  a.dilation_rows = op.dilation_rows;
  a.dilation_columns = op.dilation_columns;
  for (int o = place.first, end = place.until(out.channels); o < end; ++o) {
    a.x = place.value(in) + o / multiplier * in.value.channel - int64_t(op.pad_left) * L;
    a.y = place.value(out) + o * out.value.channel;
    row.w = work.weights + op.kernel + o * taps;
    row.bias = op.bias >= 0 ? work.weights + op.bias + o : nullptr;
    depth_plane(a, row, op.kernel_rows);
    if (op.act == Act::tanh)
      for (int r = 0; r < out.rows; ++r) activate_stored(op.act, a.y + r * a.y_row, out.columns);
  }
}

// On the way back through stride s an input position meets every s-th tap only, and which ones depends on the remainder of its
// place: one phase. Each phase is a correlation at stride 1 with its share of the flipped taps; stride 1 is the case of one phase.
struct Phase {
  int taps;   // how many
  int last;   // the last of them in the kernel, which comes first: the kernel is flipped
  int start;  // the first input position
  int from;   // what its first tap reads
  int count;  // input positions
};

INLINE Phase phase_of(int phase, int taps, int stride, int dilation, int pad, int inputs) {
  Phase p;
  p.taps = phase < taps ? (taps - phase + stride - 1) / stride : 0;
  p.last = phase + stride * (p.taps - 1);
  const int first = (pad - phase + stride - 1) / stride;
  p.start = first * stride + phase - pad;
  p.from = first - (p.taps - 1) * dilation;
  p.count = p.start < inputs ? (inputs - p.start + stride - 1) / stride : 0;
  return p;
}

void depthwise_input_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const int multiplier = out.channels / in.channels;
  const int64_t taps = int64_t(op.kernel_rows) * op.kernel_columns;
  const float* g = place.gradient(out);
  const float* values = in.act == Act::linear ? nullptr : place.value(in);
  float* dx = place.gradient(in);
  DepthRow row{};
  row.x_plane = out.gradient.channel;
  row.w_plane = taps;
  row.w_row = -int64_t(op.stride_rows) * op.kernel_columns;
  row.w_tap = -op.stride_columns;
  row.y_step = int64_t(op.stride_columns) * L;
  row.planes = multiplier;
  row.act = in.act;
  row.slope = in.slope;
  row.adds = op.adds;
  row.far = in.gradient_per_group;
  DepthPlane a{};
  a.x_row = out.gradient.row;
  a.x_rows = out.rows;
  a.row_step = a.column_step = 1;
  a.y_row = op.stride_rows * in.gradient.row;
  a.values_row = op.stride_rows * in.value.row;
  a.dilation_rows = op.dilation_rows;
  a.dilation_columns = op.dilation_columns;
  for (int down = 0; down < op.stride_rows; ++down) {
    const Phase rows = phase_of(down, op.kernel_rows, op.stride_rows, op.dilation_rows, op.pad_top, in.rows);
    for (int right = 0; right < op.stride_columns; ++right) {
      const Phase columns = phase_of(right, op.kernel_columns, op.stride_columns, op.dilation_columns, op.pad_left, in.columns);
      if (rows.count <= 0 || columns.count <= 0) continue;
      // A phase without taps has no gradient, but it is written.
      const bool empty = rows.taps == 0 || columns.taps == 0;
      row.kernel_columns = empty ? 1 : columns.taps;
      a.top = rows.from;
      a.rows = rows.count;
      a.columns = columns.count;
      for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
        a.x = g + c * multiplier * out.gradient.channel + int64_t(columns.from) * L;
        a.y = dx + c * in.gradient.channel + rows.start * in.gradient.row + int64_t(columns.start) * L;
        a.values = values ? values + c * in.value.channel + rows.start * in.value.row + int64_t(columns.start) * L : nullptr;
        row.w = work.weights + op.kernel + c * multiplier * taps + (empty ? 0 : rows.last * op.kernel_columns + columns.last);
        depth_plane(a, row, empty ? 0 : rows.taps);
      }
    }
  }
}

// ---- the gradient of the weights: for each tap of each channel, the sum over images and positions of input times gradient ----------

// KR x KC taps of one channel, side by side, over some rows of positions: each step loads one gradient and multiplies it with every
// tap's value. Nine sums of a 3x3 kernel are as many as hide the latency of a multiply-add.
template <int KR, int KC, int STEP>
void depth_weight_tile(const float* g, int64_t g_row, const float* x, int64_t x_tap_row, int64_t x_row, int rows, int columns,
                       float* sums) {
  vf sum[KR][KC];
#pragma GCC unroll 8
  for (int i = 0; i < KR; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < KC; ++j) sum[i][j] = load(sums + (i * KC + j) * L);
  for (int r = 0; r < rows; ++r, g += g_row, x += x_row)
    for (int p = 0; p < columns; ++p) {
      const vf gradient = load(g + int64_t(p) * L);
      const float* at = x + int64_t(p) * STEP * L;
#pragma GCC unroll 8
      for (int i = 0; i < KR; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < KC; ++j) sum[i][j] += load(at + i * x_tap_row + j * L) * gradient;
    }
#pragma GCC unroll 8
  for (int i = 0; i < KR; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < KC; ++j) store(sums + (i * KC + j) * L, sum[i][j]);
}

typedef void (*DepthWeightTile)(const float*, int64_t, const float*, int64_t, int64_t, int, int, float*);

template <int STEP>
DepthWeightTile depth_weight_tile_for(int rows, int columns) {
  if (columns == 3 && rows == 3) return depth_weight_tile<3, 3, STEP>;
  if (columns == 3) return rows == 2 ? depth_weight_tile<2, 3, STEP> : depth_weight_tile<1, 3, STEP>;
  return rows == 2 ? depth_weight_tile<2, 5, STEP> : depth_weight_tile<1, 5, STEP>;
}

// Adds to the gradients with lanes, in the flat order: kernel [channel][kernel row][kernel column][lane], bias [channel][lane].
void depthwise_weight_gradient(const Plan& plan, const Work&, const Op& op, const Place& place, float* lanes) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* dz = place.gradient(out);
  const int multiplier = out.channels / in.channels, columns = op.kernel_columns;
  const int step = op.stride_columns, dilation = op.dilation_columns;
  const int block = columns == 3 ? 3 : 2;  // rows of the kernel at once
  const bool usual = (columns == 3 || columns == 5) && dilation == 1 && (step == 1 || step == 2);
  const int64_t tap_row = op.dilation_rows * in.value.row, next_row = op.stride_rows * in.value.row;
  each_band(op, in.rows, out.rows, [&](int first, int last, int top, int skip, int end) {
    for (int o = place.first, stop = place.until(out.channels); o < stop; ++o) {
      const float* g = dz + o * out.gradient.channel + first * out.gradient.row;
      const float* x = place.value(in) + o / multiplier * in.value.channel + top * in.value.row - int64_t(op.pad_left) * L;
      float* sums = lanes + op.lanes_kernel + int64_t(o) * op.kernel_rows * columns * L;
      if (usual && step == 1 && columns == 3 && op.kernel_rows == 3 && !few_registers) {
        window_tile_for(1, end - skip)(g, 0, out.gradient.row, x + skip * tap_row, tap_row, next_row, last - first, out.columns,
                                       sums + int64_t(skip) * columns * L, 0, columns * L);
        continue;
      }
      if (usual) {
        for (int i = skip; i < end; i += block) {
          const int rows = end - i < block ? end - i : block;
          const DepthWeightTile tile = step == 1 ? depth_weight_tile_for<1>(rows, columns) : depth_weight_tile_for<2>(rows, columns);
          tile(g, out.gradient.row, x + i * tap_row, tap_row, next_row, last - first, out.columns, sums + int64_t(i) * columns * L);
        }
        continue;
      }
      for (int tap = skip * columns; tap < end * columns; tap += most_taps) {
        const int size = end * columns - tap < most_taps ? end * columns - tap : most_taps;
        const float* xs[most_taps];
        for (int t = 0; t < size; ++t) xs[t] = x + (tap + t) / columns * tap_row + int64_t((tap + t) % columns) * dilation * L;
        weight_tile_for(1, size, step == 1)(g, 0, out.gradient.row, xs, next_row, int64_t(step) * L, last - first, out.columns,
                                            sums + int64_t(tap) * L, 0);
      }
    }
  });
  add_bias_gradient(op, out, place, lanes);
}

constexpr OperatorType depthwise_operator = [] {
  OperatorType type{};
  type.windows = true;
  type.any_stride_back = true;
  type.decays = true;
  type.by_channel = true;
  type.values = depthwise_forward;
  type.input_gradient = depthwise_input_gradient;
  type.weight_gradient = depthwise_weight_gradient;
  type.reduce = flat_reduce;
  return type;
}();

}  // namespace
