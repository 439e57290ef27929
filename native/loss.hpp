// The end of the network: softmax cross-entropy, its gradient, and the logits for whoever asks.
#pragma once
#include "epilogue.hpp"

namespace {

// Loss, hits and the gradient of the logits (of the mean over the batch); lanes without an image count for nothing.
void cross_entropy(const Plan& plan, Work& work, const Place& place, int group) {
  const Tensor& t = plan.tensors[plan.tensor_count - 1];
  const float* logits = place.value(t);
  float* gradient = place.gradient(t);
  vi label, present;
  for (int lane = 0; lane < L; ++lane) {
    const int image = group * L + lane;
    present[lane] = image < work.count ? -1 : 0;
    label[lane] = image < work.count ? work.labels[work.indices[image]] : -1;
  }
  vf best = load(logits);
  vi winner = {};
  vf wanted = where(label == 0, best);
  for (int c = 1; c < plan.classes; ++c) {
    const vf value = load(logits + c * t.value.channel);
    const vi better = value > best;
    best = choose(better, value, best);
    winner = (winner & ~better) | (better & c);
    wanted = choose(label == c, value, wanted);
  }
  vf total = zero();
  for (int c = 0; c < plan.classes; ++c) {
    const vf e = exponential(load(logits + c * t.value.channel) - best);
    store(gradient + c * t.gradient.channel, e);
    total += e;
  }
  const vf share = where(present, (1.0f / float(work.count)) / total);
  for (int c = 0; c < plan.classes; ++c) {
    vf g = load(gradient + c * t.gradient.channel) * share;
    g -= where((label == c) & present, splat(1.0f / float(work.count)));
    store(gradient + c * t.gradient.channel, g);
  }
  double loss = 0.0;
  int32_t correct = 0;
  for (int lane = 0; lane < L; ++lane)
    if (present[lane]) {
      loss += __builtin_log(double(total[lane])) + double(best[lane]) - double(wanted[lane]);
      correct += winner[lane] == label[lane];
    }
  work.losses[group] = loss;
  work.correct[group] = correct;
}

// The same where targets are more than one label: smoothed, mixed of two images, or classes that count differently.
void soft_cross_entropy(const Plan& plan, Work& work, const Place& place, int group) {
  const Tensor& t = plan.tensors[plan.tensor_count - 1];
  const float* logits = place.value(t);
  float* gradient = place.gradient(t);
  vi label, other, present;
  vf mix = splat(1.0f), weight = splat(1.0f);
  for (int lane = 0; lane < L; ++lane) {
    const int image = group * L + lane;
    present[lane] = image < work.count ? -1 : 0;
    label[lane] = other[lane] = image < work.count ? work.labels[work.indices[image]] : -1;
    if (image >= work.count) continue;
    if (work.other_labels) {
      other[lane] = work.other_labels[image];
      mix[lane] = work.mix[image];
    }
    if (work.class_weights)
      weight[lane] = mix[lane] * work.class_weights[label[lane]] + (1.0f - mix[lane]) * work.class_weights[other[lane]];
  }
  vf best = load(logits);
  vi winner = {};
  for (int c = 1; c < plan.classes; ++c) {
    const vf value = load(logits + c * t.value.channel);
    const vi better = value > best;
    best = choose(better, value, best);
    winner = (winner & ~better) | (better & c);
  }
  // -Σ target log p = log Σ e^(z - best) + Σ target (best - z): no difference of large numbers
  const float even = work.smoothing / float(plan.classes), sharp = 1.0f - work.smoothing;
  const vf of_label = sharp * mix, of_other = sharp - of_label;
  vf total = zero(), behind = zero();
  for (int c = 0; c < plan.classes; ++c) {
    const vf value = load(logits + c * t.value.channel);
    const vf e = exponential(value - best);
    const vf target = even + where(label == c, of_label) + where(other == c, of_other);
    store(gradient + c * t.gradient.channel, e);
    total += e;
    behind += target * (best - value);
  }
  const vf share = where(present, weight * (1.0f / float(work.count)));
  for (int c = 0; c < plan.classes; ++c) {
    const vf target = even + where(label == c, of_label) + where(other == c, of_other);
    store(gradient + c * t.gradient.channel, share * (load(gradient + c * t.gradient.channel) / total - target));
  }
  double loss = 0.0;
  int32_t correct = 0;
  for (int lane = 0; lane < L; ++lane)
    if (present[lane]) {
      loss += double(weight[lane]) * (__builtin_log(double(total[lane])) + double(behind[lane]));
      correct += winner[lane] == (mix[lane] < 0.5f ? other[lane] : label[lane]);
    }
  work.losses[group] = loss;
  work.correct[group] = correct;
}

// The same with a teacher's probabilities beside the label: (1 - share) of the loss above, and share · T² · -Σ taught log softmax(z / T).
void taught_cross_entropy(const Plan& plan, Work& work, const Place& place, int group) {
  soft_cross_entropy(plan, work, place, group);
  const Tensor& t = plan.tensors[plan.tensor_count - 1];
  const float* logits = place.value(t);
  float* gradient = place.gradient(t);
  const float *taught[L];
  vf weight = zero();  // of a lane without an image 0
  int present = 0;
  for (int lane = 0; lane < L; ++lane) {
    const int image = group * L + lane;
    taught[lane] = work.taught + int64_t(plan.classes) * (image < work.count ? image : 0);
    if (image >= work.count) continue;
    present = lane + 1;
    weight[lane] = 1.0f;
    if (!work.class_weights) continue;
    const float mix = work.other_labels ? work.mix[image] : 1.0f;
    const int label = work.labels[work.indices[image]];
    weight[lane] = mix * work.class_weights[label];
    if (work.other_labels) weight[lane] += (1.0f - mix) * work.class_weights[work.other_labels[image]];
  }
  const auto taught_of = [&](int c) {
    vf value;
    for (int lane = 0; lane < L; ++lane) value[lane] = taught[lane][c];
    return value;
  };
  const float cooler = 1.0f / work.temperature;
  vf best = load(logits);
  for (int c = 1; c < plan.classes; ++c) {
    const vf value = load(logits + c * t.value.channel);
    best = choose(value > best, value, best);
  }
  vf total = zero(), behind = zero();
  for (int c = 0; c < plan.classes; ++c) {
    const vf below = (best - load(logits + c * t.value.channel)) * cooler;
    total += exponential(-below);
    behind += taught_of(c) * below;
  }
  const vf own = splat(1.0f - work.share), theirs = weight * (work.share * work.temperature / float(work.count));
  for (int c = 0; c < plan.classes; ++c) {
    const vf e = exponential((load(logits + c * t.value.channel) - best) * cooler);
    float* const at = gradient + c * t.gradient.channel;
    store(at, own * load(at) + theirs * (e / total - taught_of(c)));
  }
  const double softer = double(work.share) * double(work.temperature) * double(work.temperature);
  double loss = 0.0;
  for (int lane = 0; lane < present; ++lane) loss += double(weight[lane]) * (__builtin_log(double(total[lane])) + double(behind[lane]));
  work.losses[group] = double(1.0f - work.share) * work.losses[group] + softer * loss;
}

void loss_and_gradient(const Plan& plan, Work& work, const Place& place, int group) {
  if (work.taught) return taught_cross_entropy(plan, work, place, group);
  const bool plain = work.smoothing == 0.0f && !work.class_weights && !work.other_labels;
  return plain ? cross_entropy(plan, work, place, group) : soft_cross_entropy(plan, work, place, group);
}

// The last tensor of every image, as a rule the logits: in the order channel, row, column, or row, column, channel where the plan says
// so. L numbers of all lanes become L numbers of each image at once.
void hand_out_logits(const Plan& plan, Work& work, const Place& place, int group) {
  const Tensor& t = plan.tensors[plan.tensor_count - 1];
  const View& v = t.value;
  const int middle = plan.channels_last ? t.columns : t.rows, inner = plan.channels_last ? t.channels : t.columns;
  const int64_t outer_step = plan.channels_last ? v.row : v.channel, middle_step = plan.channels_last ? L : v.row;
  const int64_t inner_step = plan.channels_last ? v.channel : L;
  const float *outer_at = place.value(t), *middle_at = outer_at, *at = outer_at;
  int i = 0, j = 0;
  const auto next = [&] {
    const vf value = load(at);
    at += inner_step;
    if (++i < inner) return value;
    i = 0;
    middle_at += middle_step;
    if (++j == middle) {
      j = 0;
      outer_at += outer_step;
      middle_at = outer_at;
    }
    at = middle_at;
    return value;
  };
  const int present = work.count - group * L < L ? work.count - group * L : L;
  float* const to = work.logits + int64_t(group) * L * plan.outputs;
  int64_t k = 0;
  for (; k + L <= plan.outputs; k += L) {
    vf block[L];
#pragma GCC unroll 16
    for (int n = 0; n < L; ++n) block[n] = next();
    transpose(block);
    for (int lane = 0; lane < present; ++lane) *reinterpret_cast<unaligned_vf*>(to + lane * plan.outputs + k) = block[lane];
  }
  for (; k < plan.outputs; ++k) {
    const vf value = next();
    for (int lane = 0; lane < present; ++lane) to[lane * plan.outputs + k] = value[lane];
  }
}

}  // namespace
