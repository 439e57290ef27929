// Images enter the lanes: uint8 (row, column, channel) of LANES images becomes float [channel][row][column][lane], scaled.
#pragma once
#include <cstring>

#include "epilogue.hpp"

namespace {

INLINE uint32_t word_at(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, 4);
  return word;
}

// Four bytes of every lane. Written out for the reason that `splat` is.
INLINE vu words_at(const uint8_t* const* p, int64_t at) {
#if ISSUN_LANES == 4
  return vu{word_at(p[0] + at), word_at(p[1] + at), word_at(p[2] + at), word_at(p[3] + at)};
#elif ISSUN_LANES == 8
  return vu{word_at(p[0] + at), word_at(p[1] + at), word_at(p[2] + at), word_at(p[3] + at),
            word_at(p[4] + at), word_at(p[5] + at), word_at(p[6] + at), word_at(p[7] + at)};
#elif ISSUN_LANES == 16
  return vu{word_at(p[0] + at),  word_at(p[1] + at),  word_at(p[2] + at),  word_at(p[3] + at), word_at(p[4] + at),  word_at(p[5] + at),
            word_at(p[6] + at),  word_at(p[7] + at),  word_at(p[8] + at),  word_at(p[9] + at), word_at(p[10] + at), word_at(p[11] + at),
            word_at(p[12] + at), word_at(p[13] + at), word_at(p[14] + at), word_at(p[15] + at)};
#endif
}

template <int C>
void enter_channels(const Plan& plan, const uint8_t* const* from, const Tensor& t, vf present, float* to) {
  vf factor[C], offset[C];
  for (int c = 0; c < C; ++c) {
    factor[c] = present * plan.factor[c];
    offset[c] = present * plan.offset[c];
  }
  const int bytes = plan.width * C;  // of a row
  for (int r = 0; r < plan.height; ++r) {
    float* y = to + r * t.value.row;
    const int64_t start = int64_t(r) * bytes;
    int p = 0;
    // C words are four whole pixels of C channels.
    for (; (p + 4) * C <= bytes; p += 4)
#pragma GCC unroll 4
      for (int w = 0; w < C; ++w) {
        const vu word = words_at(from, start + p * C + 4 * w);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
          const int c = (4 * w + k) % C, pixel = (4 * w + k) / C;
          const vi value = (vi)((word >> (8 * k)) & 255u);
          store(y + c * t.value.channel + int64_t(p + pixel) * L, __builtin_convertvector(value, vf) * factor[c] + offset[c]);
        }
      }
    for (; p < plan.width; ++p)
      for (int c = 0; c < C; ++c) {
        vf value;
        for (int lane = 0; lane < L; ++lane) value[lane] = from[lane][start + p * C + c];
        store(y + c * t.value.channel + int64_t(p) * L, value * factor[c] + offset[c]);
      }
  }
}

// Values that were computed before, one image after the other, enter the lanes.
void enter_values(const Plan& plan, const Work& work, const Place& place, int group) {
  const Tensor& t = plan.tensors[0];
  const int64_t size = int64_t(t.channels) * t.rows * t.columns;
  const float* from[L];
  vf present;
  for (int lane = 0; lane < L; ++lane) {
    const int image = group * L + lane;
    from[lane] = work.values + size * work.indices[image < work.count ? image : 0];
    present[lane] = image < work.count ? 1.0f : 0.0f;
  }
  float* to = place.value(t);
  int64_t at = 0;
  vf block[L];  // that many neighbouring values, each of all images: `at` is the first of them
  for (int c = 0; c < t.channels; ++c)
    for (int r = 0; r < t.rows; ++r) {
      float* y = to + c * t.value.channel + r * t.value.row;
      for (int p = 0; p < t.columns; ++p, ++at, y += L) {
        const int number = int(at % L);
        if (number == 0) {
          if (at + L <= size) {
#pragma GCC unroll 16
            for (int lane = 0; lane < L; ++lane) block[lane] = *reinterpret_cast<const unaligned_vf*>(from[lane] + at);
            transpose(block);
          } else {
            for (int64_t k = at; k < size; ++k)
              for (int lane = 0; lane < L; ++lane) block[k - at][lane] = from[lane][k];
          }
        }
        store(y, block[number] * present);
      }
    }
}

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
  switch (plan.channels) {
    case 1: return enter_channels<1>(plan, from, t, present, to);
    case 2: return enter_channels<2>(plan, from, t, present, to);
    case 3: return enter_channels<3>(plan, from, t, present, to);
    default: return enter_channels<4>(plan, from, t, present, to);
  }
}

}  // namespace
