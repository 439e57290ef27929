// Images enter the lanes changed, while training: in other colours, moved by whole pixels, or turned, zoomed, sheared and bent with bilinear
// sampling; a square is cut out; two images are mixed. What is right stands in src/issun/engine/reference/augment.py, the draws come from
// src/issun/engine/augmenting.py.
//
// Other colours are computed in whole numbers, in a copy of the image. What moves by whole pixels is copied into a scratch image, which then
// enters as any other. What is sampled between pixels is copied into an image with a border of the fill value (which is never written to,
// so that it need be made once), and goes row by row: places for all lanes, then the bytes around each place (one word an image, or four
// with several channels), then the arithmetic in the lanes.
#pragma once
#include "input.hpp"
#include "random.hpp"

namespace {

constexpr int parts = 65536;  // of a pixel

static_assert(sizeof(Draw) == 16 * sizeof(int32_t), "Python hands over rows of 16 numbers");

// A place in the image padded by its mirror image; the padding is narrower than the image.
INLINE int mirrored(int place, int size) {
  place = place < 0 ? -place : place;
  return place >= size ? 2 * (size - 1) - place : place;
}

// A row or column of the plane, less than one image away from it: which one of the image stands there; negative where none does.
INLINE int at_edge(int place, int size, Edge edge) {
  if (place >= 0 && place < size) return place;
  return edge == Edge::fill ? -1 : edge == Edge::mirror ? mirrored(place, size) : place < 0 ? 0 : size - 1;
}

// A few bytes without a call.
INLINE void copy_bytes(uint8_t* to, const uint8_t* from, int count) {
  if (count >= 16) {
    for (int i = 0; i + 16 <= count; i += 16) std::memcpy(to + i, from + i, 16);
    std::memcpy(to + count - 16, from + count - 16, 16);
  } else if (count >= 4) {
    for (int i = 0; i + 4 <= count; i += 4) std::memcpy(to + i, from + i, 4);
    std::memcpy(to + count - 4, from + count - 4, 4);
  } else {
    for (int i = 0; i < count; ++i) to[i] = from[i];
  }
}

// The gray of a pixel with red, green and blue (ITU-R BT.601).
INLINE int gray_of(const uint8_t* pixel) { return (19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + parts / 2) >> 16; }

// One image in other colours.
template <int C>
void recolour(const Plan& plan, const Draw& draw, const uint8_t* from, uint8_t* to) {
  const int64_t pixels = int64_t(plan.height) * plan.width;
  int added = parts / 2;  // for rounding
  if (draw.mean) {
    const int64_t count = C == 3 ? pixels : pixels * C;
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += C == 3 ? gray_of(from + 3 * i) : from[i];
    added += draw.mean * int((2 * sum + count) / (2 * count));
  }
  for (int64_t i = 0; i < pixels * C; i += C) {
    const int shared = C == 3 ? added + draw.gray * gray_of(from + i) : added;
    for (int c = 0; c < C; ++c) {
      int value = draw.own * from[i + c] + shared;
      value = value < 0 ? 0 : value >> 16;
      to[i + c] = uint8_t(value > 255 ? 255 : value);
    }
  }
}

// One image moved by whole pixels.
template <int C>
void move_image(const Plan& plan, const Draw& draw, const uint8_t* from, uint8_t* to) {
  const int height = plan.height, width = plan.width, fill = plan.augment.fill;
  const int step = draw.x_by_column < 0 ? -1 : 1, y = draw.y / parts, x = draw.x / parts;
  // In columns [begin, end) the crop mirrors nothing and the place lies in the image: column p comes from start + step * p.
  const int start = x + step * draw.crop_column;
  int begin = step > 0 ? -start : start - width + 1, end = step > 0 ? width - start : start + 1;
  begin = begin < -draw.crop_column ? -draw.crop_column : begin;
  begin = begin < 0 ? 0 : begin;
  end = end > width - draw.crop_column ? width - draw.crop_column : end;
  end = end > width ? width : end < 0 ? 0 : end;  // there may be no such column
  begin = begin > end ? end : begin;
  for (int r = 0; r < height; ++r) {
    uint8_t* line = to + int64_t(r) * width * C;
    const int row = at_edge(y + mirrored(r + draw.crop_row, height), height, plan.augment.edge);
    if (row < 0) {
      std::memset(line, fill, size_t(width) * C);
      continue;
    }
    const uint8_t* source = from + int64_t(row) * width * C;
    const auto single = [&](int p) {
      const int column = at_edge(x + step * mirrored(p + draw.crop_column, width), width, plan.augment.edge);
      for (int c = 0; c < C; ++c) line[p * C + c] = column < 0 ? uint8_t(fill) : source[column * C + c];
    };
    for (int p = 0; p < begin; ++p) single(p);
    if (step > 0) {
      copy_bytes(line + begin * C, source + (start + begin) * C, (end - begin) * C);
    } else {
      for (int p = begin; p < end; ++p)
        for (int c = 0; c < C; ++c) line[p * C + c] = source[(start - p) * C + c];
    }
    for (int p = end; p < width; ++p) single(p);
  }
  for (int r = draw.cut_top; r < draw.cut_bottom; ++r)
    std::memset(to + (int64_t(r) * width + draw.cut_left) * C, fill, size_t(draw.cut_right - draw.cut_left) * C);
}

// The draws of a group, one number a lane.
struct LaneDraws {
  vi y, y_by_row, y_by_column, x, x_by_row, x_by_column, crop_row, crop_column;
};

// Where places along one side of an image are read. With `fill` the pixels of the border are read too, but none further out. Otherwise what
// lies between the outermost pixels is enough; the pixel behind the last one is then read with a weight of zero.
struct Side {
  bool mirrors;
  int low, high, period;  // places that are twice a side apart see the same in mirrors
  float inverse;          // of the period

  Side(int size, Edge edge)
      : mirrors(edge == Edge::mirror),
        low(edge == Edge::fill ? -parts : 0),
        high((edge == Edge::fill ? size : size - 1) * parts),
        period(2 * (size - 1) * parts),
        inverse(size > 1 ? 1.0f / float(period) : 0.0f) {}

  INLINE vi read(vi place) const {
    if (mirrors) {
      // The quotient may be one too small or too large, so that what is left lies within one period either way, or just beyond.
      place -= __builtin_convertvector(__builtin_convertvector(place, vf) * inverse, vi) * period;
      place = place < 0 ? -place : place;
      place = place > high ? period - place : place;
      place = place < 0 ? -place : place;
    }
    place = place < low ? vi{} + low : place;
    return place > high ? vi{} + high : place;
  }
};

INLINE vi mirrored(vi place, int size) {
  place = place < 0 ? -place : place;
  return place >= size ? 2 * (size - 1) - place : place;
}

INLINE vf byte_of(vu word, int byte) { return __builtin_convertvector((vi)((word >> (8 * byte)) & 255u), vf); }

INLINE uint32_t pair_at(const uint8_t* bytes) {
  uint16_t pair;
  std::memcpy(&pair, bytes, 2);
  return pair;
}

// Displacements of a group's images, in 65536ths of a pixel: drawn at the points of a coarse grid, a cubic spline between them, in whole
// numbers. First the points of one row of the image, then those of a pixel.
struct Bends {
  vi y[bend_points][bend_points], x[bend_points][bend_points];
  vi row_y[bend_points], row_x[bend_points];

  void draw(vu keys, int most) {
    const auto drawn = [&](int number) { return ((vi)(mix32(keys ^ (uint32_t(number) * golden32)) >> 21) * 2 - 2047) * most >> 11; };
    for (int i = 0; i < bend_points; ++i)
      for (int j = 0; j < bend_points; ++j) {
        y[i][j] = drawn(i * bend_points + j);
        x[i][j] = drawn((bend_points + i) * bend_points + j);
      }
  }

  void enter_row(const Spline& s) {
    for (int j = 0; j < bend_points; ++j) {
      row_y[j] = blended(&y[s.first][j], bend_points, s);
      row_x[j] = blended(&x[s.first][j], bend_points, s);
    }
  }

  INLINE static vi blended(const vi* points, int step, const Spline& s) {
    return (points[0] * s.weight[0] + points[step] * s.weight[1] + points[2 * step] * s.weight[2] + points[3 * step] * s.weight[3]) >> 10;
  }
};

// The images of a group sampled between pixels, from their bordered copies; `draw` may be null in lanes without an image.
template <int C>
void sample_images(const Plan& plan, const Draw* const* draw, vf present, uint8_t* scratch, const Tensor& t, float* to) {
  constexpr int K = C == 1 ? 1 : 4;  // words of one pixel
  const int height = plan.height, width = plan.width, stride = (width + 2) * C;
  const Side rows(height, plan.augment.edge), columns(width, plan.augment.edge);
  LaneDraws d{};
  for (int lane = 0; lane < L; ++lane) {
    if (!draw[lane]) continue;
    d.y[lane] = draw[lane]->y, d.y_by_row[lane] = draw[lane]->y_by_row, d.y_by_column[lane] = draw[lane]->y_by_column;
    d.x[lane] = draw[lane]->x, d.x_by_row[lane] = draw[lane]->x_by_row, d.x_by_column[lane] = draw[lane]->x_by_column;
    d.crop_row[lane] = draw[lane]->crop_row, d.crop_column[lane] = draw[lane]->crop_column;
  }
  Bends bends;
  if (plan.augment.bend) {
    vu keys = {};
    for (int lane = 0; lane < L; ++lane)
      if (draw[lane]) keys[lane] = draw[lane]->bend;
    bends.draw(keys, plan.augment.bend);
  }
  bool cropped = false;
  for (int lane = 0; lane < L; ++lane) cropped |= d.crop_column[lane] != 0;
  vf factor[C], offset[C];
  for (int c = 0; c < C; ++c) {
    factor[c] = present * plan.factor[c];
    offset[c] = present * plan.offset[c];
  }
  int32_t* at = reinterpret_cast<int32_t*>(scratch + plan.augment.rows);
  float* down = reinterpret_cast<float*>(at + int64_t(width) * L);
  float* across = down + int64_t(width) * L;
  uint32_t* words = reinterpret_cast<uint32_t*>(across + int64_t(width) * L);
  for (int r = 0; r < height; ++r) {
    const vi row = mirrored(d.crop_row + r, height);
    const vi row_y = d.y + d.y_by_row * row, row_x = d.x + d.x_by_row * row;
    if (plan.augment.bend) bends.enter_row(plan.row_splines[r]);
    for (int p = 0; p < width; ++p) {
      const vi column = cropped ? mirrored(d.crop_column + p, width) : vi{} + p;
      vi y = row_y + d.y_by_column * column, x = row_x + d.x_by_column * column;
      if (plan.augment.bend) {
        const Spline& s = plan.column_splines[p];
        y += Bends::blended(bends.row_y + s.first, 1, s);
        x += Bends::blended(bends.row_x + s.first, 1, s);
      }
      y = rows.read(y);
      x = columns.read(x);
      *reinterpret_cast<vi*>(at + int64_t(p) * L) = (y >> 16) * stride + (x >> 16) * C;
      store(down + int64_t(p) * L, __builtin_convertvector(y & (parts - 1), vf) * (1.0f / parts));
      store(across + int64_t(p) * L, __builtin_convertvector(x & (parts - 1), vf) * (1.0f / parts));
    }
    for (int lane = 0; lane < L; ++lane) {
      if (!draw[lane]) continue;
      const uint8_t* origin = scratch + plan.augment.image * lane + stride + C;  // of pixel (0, 0)
      uint32_t* word = words + lane;
      for (int p = 0; p < width; ++p) {
        const uint8_t* near = origin + at[int64_t(p) * L + lane];
        if (C == 1) {
          word[int64_t(p) * L] = pair_at(near) | pair_at(near + stride) << 16;
        } else {
          word[int64_t(4 * p) * L] = word_at(near);
          word[int64_t(4 * p + 1) * L] = word_at(near + C);
          word[int64_t(4 * p + 2) * L] = word_at(near + stride);
          word[int64_t(4 * p + 3) * L] = word_at(near + stride + C);
        }
      }
      if (r >= draw[lane]->cut_top && r < draw[lane]->cut_bottom)
        for (int p = draw[lane]->cut_left * K; p < draw[lane]->cut_right * K; ++p)
          word[int64_t(p) * L] = uint32_t(plan.augment.fill) * 0x01010101u;
    }
    for (int p = 0; p < width; ++p) {
      const vf fy = load(down + int64_t(p) * L), fx = load(across + int64_t(p) * L);
      const vu* word = reinterpret_cast<const vu*>(words + int64_t(p) * K * L);
      for (int c = 0; c < C; ++c) {
        vf corner[4];
        for (int k = 0; k < 4; ++k) corner[k] = C == 1 ? byte_of(word[0], k) : byte_of(word[k * (K > 1)], c);
        const vf above = corner[0] + (corner[1] - corner[0]) * fx, below = corner[2] + (corner[3] - corner[2]) * fx;
        store(to + c * t.value.channel + r * t.value.row + int64_t(p) * L, (above + (below - above) * fy) * factor[c] + offset[c]);
      }
    }
  }
}

// The images at `position` of the batch, changed as they were drawn; negative positions leave their lane zero.
template <int C>
void enter_changed(const Plan& plan, const Work& work, const int* position, uint8_t* scratch, const Tensor& t, float* to) {
  const int64_t row_bytes = int64_t(plan.width) * C, size = row_bytes * plan.height;
  const uint8_t* from[L];
  const Draw* draw[L];
  vf present;
  for (int lane = 0; lane < L; ++lane) {
    const int k = position[lane];
    present[lane] = k < 0 ? 0.0f : 1.0f;
    draw[lane] = k < 0 ? nullptr : work.draws + k;
    from[lane] = work.images + size * work.indices[k < 0 ? 0 : k];
    if (k < 0) continue;
    uint8_t* copy = scratch + plan.augment.image * lane;
    if (plan.augment.recolours) {
      uint8_t* coloured = plan.augment.moves || plan.augment.bilinear ? scratch + plan.augment.coloured : copy;
      recolour<C>(plan, *draw[lane], from[lane], coloured);
      from[lane] = coloured;
    }
    if (plan.augment.bilinear) {
      const int64_t stride = row_bytes + 2 * C;
      for (int r = 0; r < plan.height; ++r) copy_bytes(copy + (r + 1) * stride + C, from[lane] + r * row_bytes, int(row_bytes));
    } else if (plan.augment.moves) {
      move_image<C>(plan, *draw[lane], from[lane], copy);
      from[lane] = copy;
    }
  }
  if (plan.augment.bilinear) return sample_images<C>(plan, draw, present, scratch, t, to);
  enter_channels<C>(plan, from, t, present, to);
}

template <int C>
void enter_and_mix(const Plan& plan, const Work& work, const Place& place, int group, int thread) {
  const Tensor& t = plan.tensors[0];
  uint8_t* scratch = work.scratch[thread];
  float* to = place.value(t);
  int own[L], next[L];
  for (int lane = 0; lane < L; ++lane) {
    const int k = group * L + lane;
    own[lane] = k < work.count ? k : -1;
    next[lane] = k < work.count ? (k + 1) % work.count : -1;
  }
  enter_changed<C>(plan, work, own, scratch, t, to);
  if (!plan.augment.mixes || !work.mix) return;
  float* other = reinterpret_cast<float*>(scratch + plan.augment.other);
  enter_changed<C>(plan, work, next, scratch, t, other);
  vf mix = zero();
  for (int lane = 0; lane < L; ++lane)
    if (own[lane] >= 0) mix[lane] = work.mix[own[lane]];
  for (int c = 0; c < C; ++c)
    for (int r = 0; r < plan.height; ++r)
      for (int64_t p = 0; p < int64_t(plan.width) * L; p += L) {
        const int64_t at = c * t.value.channel + r * t.value.row + p;
        const vf added = load(other + at);
        store(to + at, added + (load(to + at) - added) * mix);
      }
}

void enter_augmented(const Plan& plan, const Work& work, const Place& place, int group, int thread) {
  switch (plan.channels) {
    case 1: return enter_and_mix<1>(plan, work, place, group, thread);
    case 2: return enter_and_mix<2>(plan, work, place, group, thread);
    case 3: return enter_and_mix<3>(plan, work, place, group, thread);
    default: return enter_and_mix<4>(plan, work, place, group, thread);
  }
}

}  // namespace
