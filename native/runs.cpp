// What a segment does with a group, step by step: which values are kept for every group and which are made again, and where one channel
// goes through several steps before the next one.
#include <algorithm>

#include "engine.hpp"

namespace issun {
namespace {

class Runs {
 public:
  explicit Runs(Planned& planned) : planned_(planned), ops_(planned.ops), tensors_(planned.tensors) {
    last_ = int(planned.segments.size()) - 1;
    segment_of_.resize(ops_.size());
    for (int s = 0; s <= last_; ++s)
      for (int i = planned.segments[s].first; i < planned.segments[s].last; ++i) segment_of_[i] = s;
  }

  void make() {
    keep();
    for (int s = 0; s <= last_; ++s) {
      Segment& segment = planned_.segments[s];
      if (segment.meeting) continue;
      segment.forward_first = int(planned_.runs.size());
      cut_into_runs(forward_steps(s));
      segment.forward_last = segment.backward_first = int(planned_.runs.size());
      cut_into_runs(backward_steps(s));
      segment.backward_last = int(planned_.runs.size());
    }
  }

 private:
  // Which values are kept for every group of the batch. Where a network is one segment none is. The last segment turns round at
  // once; of what the others make, what is cheap is made again on the way back. What another segment reads is kept too, unless it comes
  // out of a norm: reading what entered that costs no more.
  void keep() {
    tensors_[0].value_per_group = last_ > 0;
    for (int i = 0; i < int(ops_.size()); ++i) {
      bool kept = segment_of_[i] < last_;
      if (kept && ops_[i].cheap) {
        kept = false;
        for (int j = i + 1; j < int(ops_.size()); ++j) {
          if (ops_[j].input != i + 1 && ops_[j].other != i + 1) continue;
          const bool elsewhere = segment_of_[j] != segment_of_[i];
          kept |= ops_[j].meeting || ops_[j].batch_statistics;
          kept |= elsewhere && (!ops_[i].traits->as_cheap_as_read || !tensors_[ops_[i].input].value_per_group);
        }
      }
      tensors_[i + 1].value_per_group = kept;
    }
  }

  // Adds the operators that make a tensor again, and what they need, to those to be done.
  void make_again(int tensor, int segment, bool back, std::vector<bool>& done) const {
    if (tensor <= 0 || tensors_[tensor].value_per_group) return;
    const int op = tensor - 1;
    if (segment_of_[op] == segment && (!back || segment == last_)) return;  // it is there
    if (done[op]) return;
    done[op] = true;
    make_again(ops_[op].input, segment, back, done);
    make_again(ops_[op].other, segment, back, done);
  }

  std::vector<Step> forward_steps(int s) const {
    const Segment& segment = planned_.segments[s];
    std::vector<bool> again(ops_.size(), false);
    for (int i = segment.first; i < segment.last; ++i) {
      make_again(ops_[i].input, s, false, again);
      make_again(ops_[i].other, s, false, again);
    }
    std::vector<Step> steps = again_steps(again);
    for (int i = segment.first; i < segment.last; ++i) steps.push_back({Do::values, i});
    if (segment.norm >= 0) steps.push_back({Do::measure, segment.norm});
    return steps;
  }

  std::vector<Step> backward_steps(int s) const {
    const Segment& segment = planned_.segments[s];
    std::vector<Step> back;
    if (segment.norm >= 0 && tensors_[ops_[segment.norm].input].needs_gradient) back.push_back({Do::norm_gradient, segment.norm});
    for (int i = segment.last - 1; i >= std::max(segment.first, planned_.plan.first_trained); --i)
      back.push_back({ops_[i].batch_statistics ? Do::sums : Do::gradients, i});
    std::vector<bool> again(ops_.size(), false);
    for (const Step& step : back)
      for (const int tensor : values_read(step)) make_again(tensor, s, true, again);
    std::vector<Step> steps = again_steps(again);
    steps.insert(steps.end(), back.begin(), back.end());
    return steps;
  }

  static std::vector<Step> again_steps(const std::vector<bool>& again) {
    std::vector<Step> steps;
    for (int i = 0; i < int(again.size()); ++i)
      if (again[i]) steps.push_back({Do::values, i});
    return steps;
  }

  // The tensors whose values a step reads, and those whose gradients it touches.
  std::vector<int> values_read(const Step& step) const {
    const Op& op = ops_[step.op];
    std::vector<int> tensors{op.input};
    if (op.other >= 0) tensors.push_back(op.other);
    if (step.what == Do::gradients && op.traits->reads_own_values) tensors.push_back(op.output);
    return tensors;
  }

  std::vector<int> gradients_touched(const Step& step) const {
    const Op& op = ops_[step.op];
    if (step.what == Do::values || step.what == Do::measure) return {};
    std::vector<int> tensors{op.output};
    if (step.what == Do::sums) return tensors;
    tensors.push_back(op.input);
    if (op.other >= 0) tensors.push_back(op.other);
    return tensors;
  }

  // Of how many channels a step needs one at a time; 0: it needs several at once, or a channel is too little to be worth it.
  int channels_of(const Step& step) const {
    constexpr int least_positions = 32;
    const Op& op = ops_[step.op];
    const Tensor& in = tensors_[op.input];
    if (!op.by_channel || in.channels != tensors_[op.output].channels) return 0;
    return in.rows * in.columns < least_positions ? 0 : in.channels;
  }

  void cut_into_runs(const std::vector<Step>& steps) {
    for (int i = 0; i < int(steps.size());) {
      const int channels = channels_of(steps[i]);
      int end = i + 1;
      while (end < int(steps.size()) && channels_of(steps[end]) == channels) ++end;
      const int from = int(planned_.steps.size()), size = end - i;
      planned_.steps.insert(planned_.steps.end(), steps.begin() + i, steps.begin() + end);
      planned_.runs.push_back({from, from + size, size > 1 ? channels : 0});
      i = end;
    }
  }

 public:
  void find_narrow() {
    for (int t = 1; t < int(tensors_.size()); ++t) {  // neither the image nor what the loss reads
      const bool inner = t < int(tensors_.size()) - 1;
      tensors_[t].one_value = inner && !tensors_[t].value_per_group;
      tensors_[t].one_gradient = inner && tensors_[t].needs_gradient && !tensors_[t].gradient_per_group;
    }
    for (const Segment& segment : planned_.segments) {
      if (segment.meeting) {
        for (const int t : {ops_[segment.first].input, ops_[segment.first].output}) tensors_[t].one_value = tensors_[t].one_gradient = false;
        continue;
      }
      look_at(segment.forward_first, segment.forward_last);
      look_at(segment.backward_first, segment.backward_last);
    }
  }

  // When each gradient is touched: the first and the last of all runs, counted over the whole plan. Those of a thread's arena are touched
  // in one segment alone, and that of the last tensor is first written by the loss.
  std::vector<Lifetime> lifetimes_of_gradients() const {
    std::vector<Lifetime> found(tensors_.size(), {int(planned_.runs.size()), -1});
    const auto touch = [&](int tensor, int run) {
      found[tensor].first = std::min(found[tensor].first, run);
      found[tensor].last = std::max(found[tensor].last, run);
    };
    for (const Segment& segment : planned_.segments)
      for (int r = segment.backward_first; r < segment.backward_last; ++r)
        for (int i = planned_.runs[r].first; i < planned_.runs[r].last; ++i)
          for (const int t : gradients_touched(planned_.steps[i])) touch(t, r);
    touch(int(tensors_.size()) - 1, planned_.segments.back().backward_first);
    return found;
  }

 private:
  // A tensor has room for one channel only if, in every list of runs that touches it, one run by channels makes it and does all the rest.
  void look_at(int first, int last) {
    std::vector<int> made(tensors_.size(), -1), sent(tensors_.size(), -1);
    for (int r = first; r < last; ++r) {
      const Run& run = planned_.runs[r];
      for (int i = run.first; i < run.last; ++i) {
        const Step& step = planned_.steps[i];
        for (const int t : values_read(step)) tensors_[t].one_value &= run.channels > 0 && made[t] == r;
        if (step.what == Do::values) {
          const int t = ops_[step.op].output;
          made[t] = r;
          tensors_[t].one_value &= run.channels > 0;
        }
        for (const int t : gradients_touched(step)) {
          if (sent[t] < 0) sent[t] = r;
          tensors_[t].one_gradient &= run.channels > 0 && sent[t] == r;
        }
      }
    }
  }

  Planned& planned_;
  std::vector<Op>& ops_;
  std::vector<Tensor>& tensors_;
  std::vector<int> segment_of_;
  int last_;
};

}  // namespace

void make_runs(Planned& planned) { Runs(planned).make(); }

void find_narrow(Planned& planned) { Runs(planned).find_narrow(); }

std::vector<Lifetime> lifetimes_of_gradients(Planned& planned) { return Runs(planned).lifetimes_of_gradients(); }

}  // namespace issun
