// The gradient of a convolution's weights: for each tap, the sum over images and positions of input times gradient.
#pragma once
#include "epilogue.hpp"

namespace {

constexpr int most_taps = 8;

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
      vf gradient[CB];
#pragma GCC unroll 16
      for (int c = 0; c < CB; ++c) gradient[c] = load(g + c * g_channel + int64_t(p) * L);
#pragma GCC unroll 16
      for (int t = 0; t < TB; ++t) {
        const vf value = load(xs[t] + p * step);
#pragma GCC unroll 16
        for (int c = 0; c < CB; ++c) sum[c][t] += value * gradient[c];
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

// Adds to the gradients with lanes: kernel [kernel row][filter][channel, kernel column][lane], bias [filter][lane].
void conv_weight_gradient(const Plan& plan, const Op& op, const Place& place, float* lanes) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const float* x = place.value(in);
  const float* dz = place.gradient(out);
  const bool unit = op.stride_columns == 1;
  const int taps = in.channels * op.kernel_columns;
  const bool flat_rows = in.value.row == int64_t(in.columns) * L && out.gradient.row == int64_t(out.columns) * L;
  float* kernel = lanes + op.lanes_kernel;
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
        float* sums = kernel + (int64_t(i) * out.channels + filter) * taps * L;
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
  add_bias_gradient(op, out, place, lanes);
}

// Sums the lanes of a chunk's gradient into its place in the flat order (filter, channel, row, column). The lanes are used up.
void conv_reduce(const Plan& plan, const Op& op, float* lanes, float* gradient) {
  const int channels = plan.tensors[op.input].channels, filters = plan.tensors[op.output].channels;
  float* from = lanes + op.lanes_kernel;
  sum_lanes(from, op.kernel_size, from);
  float* kernel = gradient + op.kernel;
  for (int i = 0; i < op.kernel_rows; ++i)
    for (int o = 0; o < filters; ++o)
      for (int c = 0; c < channels; ++c) {
        float* to = kernel + ((int64_t(o) * channels + c) * op.kernel_rows + i) * op.kernel_columns;
        for (int j = 0; j < op.kernel_columns; ++j) to[j] = *from++;
      }
  if (op.bias >= 0) sum_lanes(lanes + op.lanes_bias, filters, gradient + op.bias);
}

}  // namespace
