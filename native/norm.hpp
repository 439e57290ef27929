// Batch normalisation: y = factor * (x - mean) / sqrt(variance + epsilon) + shift for each channel.
//
// Training takes mean and variance over all images and positions of the batch, so nobody may go on before all groups are there. The
// segment before the norm measures what it made while a group is in the cache; a short meeting completes the statistics; the norm opens
// the next segment. On the way back its segment sums the gradients that the statistics need, a meeting completes them, and the segment
// before it begins with the norm's input gradient. Inference and frozen norms use the stored statistics and meet nobody.
//
// Groups and then chunks are combined in their order, in double precision, by the formula of Chan, Golub & LeVeque (1979): so the bits
// do not depend on the number of threads, and a mean far from zero costs no digits.
#pragma once
#include "operator.hpp"

namespace {

INLINE int lanes_present(const Work& work, int group) { return work.count - group * L < L ? work.count - group * L : L; }

INLINE vi present_lanes(const Work& work, int group) {
  vi present;
  for (int lane = 0; lane < L; ++lane) present[lane] = group * L + lane < work.count ? -1 : 0;
  return present;
}

// Images of the groups [first, last).
INLINE int64_t images_of(const Work& work, int first, int last) {
  const int64_t end = int64_t(last) * L < work.count ? int64_t(last) * L : work.count;
  return end - int64_t(first) * L;
}

INLINE float* factors(const Work& work, const Op& op) { return work.weights + op.kernel; }
INLINE float* shifts(const Work& work, const Op& op) { return work.weights + op.bias; }

// The sum of f(row, column) over a channel, lanes apart; four sums take turns, so that none waits for its own last addition.
template <typename F>
INLINE vf over_channel(int rows, int columns, F f) {
  vf s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
  for (int r = 0; r < rows; ++r) {
    int p = 0;
    for (; p + 3 < columns; p += 4) {
      s0 += f(r, p);
      s1 += f(r, p + 1);
      s2 += f(r, p + 2);
      s3 += f(r, p + 3);
    }
    for (; p < columns; ++p) s0 += f(r, p);
  }
  return (s0 + s1) + (s2 + s3);
}

// The sums of dy, and of dy times the distance of x from the mean, over a channel of one group, lanes apart.
struct GradientSums {
  vf total, products;
};

INLINE GradientSums gradient_sums(const Tensor& in, const Tensor& out, const Place& place, int c, vf mean) {
  vf total[2] = {zero(), zero()}, products[2] = {zero(), zero()};
  for (int r = 0; r < in.rows; ++r) {
    const float* x = place.value(in, c, r);
    const float* g = place.gradient(out, c, r);
    int p = 0;
    for (; p + 1 < in.columns; p += 2)
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        const vf gradient = load(g + int64_t(p + k) * L);
        total[k] += gradient;
        products[k] += gradient * (load(x + int64_t(p + k) * L) - mean);
      }
    if (p < in.columns) {
      const vf gradient = load(g + int64_t(p) * L);
      total[0] += gradient;
      products[0] += gradient * (load(x + int64_t(p) * L) - mean);
    }
  }
  return {total[0] + total[1], products[0] + products[1]};
}

struct Moments {
  double mean, squares;  // squares: the sum of squared deviations from the mean
};

// The statistics of `a` (of `count` values) become those of a and b together; `before` values are in a, `share` is b's part of all.
INLINE void combine(Moments& a, const Moments& b, double before, double share) {
  const double difference = b.mean - a.mean;
  a.mean += difference * share;
  a.squares += b.squares + difference * difference * before * share;
}

// ---- in the walk of the segment before -----------------------------------------------------------------------------------------

// Adds one group to the statistics of its chunk, whose groups begin with `first`.
void norm_measure(const Plan& plan, const Work& work, const Op& op, const Place& place, int chunk, int first, int group) {
  const Tensor& in = plan.tensors[op.input];
  const vi present = present_lanes(work, group);
  const double positions = double(in.rows) * in.columns;
  const double fresh = lanes_present(work, group) * positions, before = images_of(work, first, group) * positions;
  const double share = fresh / (before + fresh);
  double* sums = work.sums + 2 * (chunk * plan.norm_channels + op.norm);
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    const float* x = place.value(in) + c * in.value.channel;
    const vf total = over_channel(in.rows, in.columns, [&](int r, int p) { return load(x + r * in.value.row + int64_t(p) * L); });
    Moments part;
    const float mean = float(double(sum(where(present, total))) / fresh);
    const vf middle = splat(mean);
    const vf squares = over_channel(in.rows, in.columns, [&](int r, int p) {
      const vf deviation = load(x + r * in.value.row + int64_t(p) * L) - middle;
      return deviation * deviation;
    });
    part.mean = mean;
    part.squares = sum(where(present, squares));
    Moments all{sums[2 * c], sums[2 * c + 1]};
    if (group == first)
      all = part;
    else
      combine(all, part, before, share);
    sums[2 * c] = all.mean;
    sums[2 * c + 1] = all.squares;
  }
}

// The gradient of the input, through the statistics where they are the batch's.
void norm_input_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place, int group) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  const vi present = present_lanes(work, group);
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    const NormChannel& n = work.norms[op.norm + c];
    const vf scale = splat(factors(work, op)[c] * n.inverse), mean = splat(n.mean), inverse = splat(n.inverse);
    const vf mean_gradient = splat(op.batch_statistics ? n.mean_gradient : 0.0f);
    const vf mean_product = splat(op.batch_statistics ? n.mean_product : 0.0f);
    with_gradient(op.adds, in.act, in.slope, [&](auto put) {
      for (int r = 0; r < in.rows; ++r) {
        const float* x = place.value(in, c, r);
        const float* g = place.gradient(out, c, r);
        float* dx = place.gradient(in, c, r);
        const int64_t end_of_row = int64_t(in.columns) * L;
        for (int64_t p = 0; p < end_of_row; p += L) {
          ask_for(x + p + ahead * L);
          ask_for(g + p + ahead * L);
          const vf value = load(x + p);
          const vf gradient = scale * (load(g + p) - mean_gradient - (value - mean) * inverse * mean_product);
          put(dx + p, where(present, gradient), value);
        }
      }
    });
  }
}

// ---- in the walk of its own segment --------------------------------------------------------------------------------------------

void norm_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    const NormChannel& n = work.norms[op.norm + c];
    const vf scale = splat(factors(work, op)[c] * n.inverse), mean = splat(n.mean), shift = splat(shifts(work, op)[c]);
    with_activation(op.act, op.slope, [&](auto activation) {
      for (int r = 0; r < in.rows; ++r) {
        const float* x = place.value(in, c, r);
        float* y = place.value(out, c, r);
        const int64_t end_of_row = int64_t(in.columns) * L;
        for (int64_t p = 0; p < end_of_row; p += L) {
          ask_for(x + p + ahead * L);
          store(y + p, activation(scale * (load(x + p) - mean) + shift));
        }
      }
    });
  }
}

// Adds one group to its chunk's sums of dy and of dy times the normalised x, which are the gradients of shift and factor too.
// Lanes without an image have no gradient.
void norm_sum_gradients(const Plan& plan, const Work& work, const Op& op, const Place& place, int chunk, bool first) {
  const Tensor& in = plan.tensors[op.input];
  const Tensor& out = plan.tensors[op.output];
  double* sums = work.sums + 2 * (chunk * plan.norm_channels + op.norm);
  for (int c = place.first, end = place.until(in.channels); c < end; ++c) {
    const NormChannel& n = work.norms[op.norm + c];
    const GradientSums of_channel = gradient_sums(in, out, place, c, splat(n.mean));
    const double by_shift = sum(of_channel.total), by_factor = double(sum(of_channel.products)) * n.inverse;
    sums[2 * c] = first ? by_shift : sums[2 * c] + by_shift;
    sums[2 * c + 1] = first ? by_factor : sums[2 * c + 1] + by_factor;
  }
}

void norm_reduce(const Plan& plan, const Work& work, const Op& op, int chunk, float*, float* gradient) {
  const double* sums = work.sums + 2 * (chunk * plan.norm_channels + op.norm);
  for (int64_t c = 0; c < op.kernel_size; ++c) {
    gradient[op.bias + c] = float(sums[2 * c]);
    gradient[op.kernel + c] = float(sums[2 * c + 1]);
  }
}

// ---- meetings ------------------------------------------------------------------------------------------------------------------

void norm_complete(const Plan& plan, Work& work, const Op& op, int32_t direction, int32_t task) {
  const Tensor& in = plan.tensors[op.input];
  const int chunks = work.group_count < chunk_count ? work.group_count : chunk_count;
  const double positions = double(in.rows) * in.columns;
  const double values = work.count * positions;
  const int end = (task + 1) * norm_task < in.channels ? (task + 1) * norm_task : in.channels;
  for (int c = task * norm_task; c < end; ++c) {
    const double* sums = work.sums + 2 * (op.norm + c);
    NormChannel& n = work.norms[op.norm + c];
    if (direction == forward) {
      Moments all{sums[0], sums[1]};
      for (int chunk = 1; chunk < chunks; ++chunk) {
        const int first = int(int64_t(work.group_count) * chunk / chunks), last = int(int64_t(work.group_count) * (chunk + 1) / chunks);
        const double before = images_of(work, 0, first) * positions, fresh = images_of(work, first, last) * positions;
        const double* part = sums + 2 * chunk * plan.norm_channels;
        combine(all, {part[0], part[1]}, before, fresh / (before + fresh));
      }
      n.mean = float(all.mean);
      n.variance = float(all.squares / values);
      n.inverse = float(1.0 / __builtin_sqrt(all.squares / values + norm_epsilon));
    } else {
      double by_shift = 0, by_factor = 0;
      for (int chunk = 0; chunk < chunks; ++chunk) {
        by_shift += sums[2 * chunk * plan.norm_channels];
        by_factor += sums[2 * chunk * plan.norm_channels + 1];
      }
      n.mean_gradient = float(by_shift / values);
      n.mean_product = float(by_factor / values);
    }
  }
}

// Before anything runs: the stored statistics. A norm of the batch's statistics overwrites them when it trains.
void norm_pack(const Plan& plan, Work& work, const Op& op) {
  for (int c = 0; c < plan.tensors[op.input].channels; ++c) {
    NormChannel& n = work.norms[op.norm + c];
    n.mean = work.weights[op.mean + c];
    n.variance = work.weights[op.variance + c];
    n.inverse = float(1.0 / __builtin_sqrt(double(n.variance) + norm_epsilon));
  }
}

void norm_follow(const Plan& plan, Work& work, const Op& op) {
  for (int c = 0; c < plan.tensors[op.input].channels; ++c) {
    const NormChannel& n = work.norms[op.norm + c];
    float& mean = work.weights[op.mean + c];
    float& variance = work.weights[op.variance + c];
    mean = float(norm_keep * mean + (1 - norm_keep) * n.mean);
    variance = float(norm_keep * variance + (1 - norm_keep) * n.variance);
  }
}

constexpr OperatorType norm_operator = [] {
  OperatorType type{};
  type.statistics = true;
  type.cheap = true;
  type.as_cheap_as_read = true;
  type.by_channel = true;
  type.values = norm_forward;
  type.input_gradient = norm_input_gradient;
  type.reduce = norm_reduce;
  type.pack = norm_pack;
  type.measure = norm_measure;
  type.sum_gradients = norm_sum_gradients;
  type.complete = norm_complete;
  type.follow = norm_follow;
  return type;
}();

}  // namespace
