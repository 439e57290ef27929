// The gradient of a depthwise convolution's weights: for each tap of each channel, the sum over images and positions of input times
// gradient.
#pragma once
#include "conv_weights.hpp"

namespace {

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
void depthwise_weight_gradient(const Plan& plan, const Op& op, const Place& place, float* lanes) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* dz = place.gradient(out);
  const int multiplier = out.channels / in.channels, columns = op.kernel_columns;
  const int step = op.stride_columns, dilation = op.dilation_columns;
  const int block = columns == 3 ? 3 : 2;  // rows of the kernel at once
  const bool usual = (columns == 3 || columns == 5) && dilation == 1 && (step == 1 || step == 2);
  const int64_t tap_row = op.dilation_rows * in.value.row, next_row = op.stride_rows * in.value.row;
  for (int first = 0, last; first < out.rows; first = last) {
    // Neighbouring output rows for which the same rows of the kernel lie in the image.
    const int top = first * op.stride_rows - op.pad_top;
    const int skip = taps_above(top, op.dilation_rows), end = taps_until(top, op.kernel_rows, op.dilation_rows, in.rows);
    for (last = first + 1; last < out.rows; ++last) {
      const int at = last * op.stride_rows - op.pad_top;
      if (taps_above(at, op.dilation_rows) != skip || taps_until(at, op.kernel_rows, op.dilation_rows, in.rows) != end) break;
    }
    for (int o = place.first, stop = place.until(out.channels); o < stop; ++o) {
      const float* g = dz + o * out.gradient.channel + first * out.gradient.row;
      const float* x = place.value(in) + o / multiplier * in.value.channel + top * in.value.row - int64_t(op.pad_left) * L;
      float* sums = lanes + op.lanes_kernel + int64_t(o) * op.kernel_rows * columns * L;
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
  }
  add_bias_gradient(op, out, place, lanes);
}

}  // namespace
