// Images enter the lanes: uint8 (row, column, channel) of LANES images becomes float [channel][row][column][lane], scaled.
#pragma once
#include <cstring>

#include "epilogue.hpp"

namespace {

typedef uint8_t bytes_of_lanes __attribute__((vector_size(ISSUN_LANES)));

void enter(const Plan& plan, const Work& work, const Place& place, int group) {
  const Tensor& t = plan.tensors[0];
  float* to = place.value(t);
  const int64_t size = int64_t(plan.height) * plan.width * plan.channels;
  const uint8_t* from[L];
  vf present;
  for (int lane = 0; lane < L; ++lane) {
    const int image = group * L + lane;
    // A lane without an image looks at the first one and is then multiplied by zero.
    from[lane] = work.images + size * work.indices[image < work.count ? image : 0];
    present[lane] = image < work.count ? 1.0f : 0.0f;
  }
  if (plan.channels == 1) {
    const vf factor = present * plan.factor[0], offset = present * plan.offset[0];
    for (int r = 0; r < t.rows; ++r) {
      float* y = to + r * t.value.row;
      const int start = r * plan.width;
      int p = 0;
      for (; p + 8 <= plan.width; p += 8, y += 8 * L) {
        uint8_t block[L][8];
        for (int lane = 0; lane < L; ++lane) std::memcpy(block[lane], from[lane] + start + p, 8);
        for (int k = 0; k < 8; ++k) {
          bytes_of_lanes pixel;
          for (int lane = 0; lane < L; ++lane) pixel[lane] = block[lane][k];
          store(y + k * L, __builtin_convertvector(pixel, vf) * factor + offset);
        }
      }
      for (; p < plan.width; ++p, y += L) {
        vf value;
        for (int lane = 0; lane < L; ++lane) value[lane] = from[lane][start + p];
        store(y, value * factor + offset);
      }
    }
    return;
  }
  for (int c = 0; c < plan.channels; ++c) {
    const vf factor = present * plan.factor[c], offset = present * plan.offset[c];
    for (int r = 0; r < t.rows; ++r) {
      float* y = to + c * t.value.channel + r * t.value.row;
      int64_t at = int64_t(r) * plan.width * plan.channels + c;
      for (int p = 0; p < plan.width; ++p, y += L, at += plan.channels) {
        vf value;
        for (int lane = 0; lane < L; ++lane) value[lane] = from[lane][at];
        store(y, value * factor + offset);
      }
    }
  }
}

}  // namespace
