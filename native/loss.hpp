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

void hand_out_logits(const Plan& plan, Work& work, const Place& place, int group) {
  const Tensor& t = plan.tensors[plan.tensor_count - 1];
  const float* logits = place.value(t);
  for (int lane = 0; lane < L && group * L + lane < work.count; ++lane)
    for (int c = 0; c < plan.classes; ++c) work.logits[int64_t(group * L + lane) * plan.classes + c] = logits[c * t.value.channel + lane];
}

}  // namespace
