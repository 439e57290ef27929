// The weights of a convolution in the order in which its register blocks read them; packed anew after every step.
#pragma once
#include "epilogue.hpp"

namespace {

void conv_pack(const Plan& plan, Work& work, const Op& op) {
  const int channels = plan.tensors[op.input].channels, filters = plan.tensors[op.output].channels;
  const int rows = op.kernel_rows, columns = op.kernel_columns;
  const float* w = work.weights + op.kernel;
  float* to = work.packed + op.packed;
  for (int block = 0; block < op.forward_channels.blocks; ++block) {
    const int first = block_start(op.forward_channels, block), size = block_size(op.forward_channels, block);
    for (int c = 0; c < channels; ++c)
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j)
          for (int b = 0; b < size; ++b) *to++ = w[((int64_t(first + b) * channels + c) * rows + i) * columns + j];
  }
  if (op.packed_backward < 0) return;
  to = work.packed + op.packed_backward;
  for (int block = 0; block < op.backward_channels.blocks; ++block) {
    const int first = block_start(op.backward_channels, block), size = block_size(op.backward_channels, block);
    for (int o = 0; o < filters; ++o)
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j)
          for (int b = 0; b < size; ++b)
            *to++ = w[((int64_t(o) * channels + first + b) * rows + (rows - 1 - i)) * columns + (columns - 1 - j)];
  }
}

}  // namespace
