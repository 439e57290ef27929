// What there is to a kind of operator: what the planner must know of it (plan.hpp), and its kernels. Each operator's file ends with its
// record; kernels.cpp puts them into the table.
#pragma once
#include "epilogue.hpp"

namespace {

struct OperatorType : OperatorTraits {
  void (*values)(const Plan&, const Work&, const Op&, const Place&, int group);
  void (*input_gradient)(const Plan&, const Work&, const Op&, const Place&, int group);
  // Where there are weights: adds a group to the gradients with lanes; sums those of a chunk into the flat order (the lanes may be used up),
  // adding to what is there where the operator `reduce_adds`.
  void (*weight_gradient)(const Plan&, const Work&, const Op&, const Place&, float* lanes);
  void (*reduce)(const Plan&, const Work&, const Op&, int chunk, float* lanes, float* gradient);
  // Puts weights into the order in which they are read, before anything runs and after every step; null where they are read as they lie.
  void (*pack)(const Plan&, Work&, const Op&);
  // Of one that meets all groups of the batch: how many tasks there are, and one of them, which returns 0 where it made values, 1 of the
  // gradient of the input, 2 of that of the weights.
  int32_t (*meeting_tasks)(const Plan&, const Work&, const Op&, int32_t direction);
  int (*meeting)(const Plan&, Work&, const Op&, int32_t direction, int32_t task);
  // Of one that uses statistics of the batch. In the walk of the segment before it: adds a group to those of its chunk. In its own on the
  // way back: adds a group to the sums of gradients. Then `complete` makes of the chunks' what the segment after it, or on the way back
  // the one before it, needs (`norm_task` channels a task), and `follow` moves the running statistics after a step.
  void (*measure)(const Plan&, const Work&, const Op&, const Place&, int chunk, int first, int group);
  void (*sum_gradients)(const Plan&, const Work&, const Op&, const Place&, int chunk, bool first);
  void (*complete)(const Plan&, Work&, const Op&, int32_t direction, int32_t task);
  void (*follow)(const Plan&, Work&, const Op&);
};

// Sums the lanes of a chunk's gradient where they lie in the flat order.
void flat_reduce(const Plan&, const Work&, const Op& op, int, float* lanes, float* gradient) {
  sum_lanes(lanes + op.lanes_kernel, op.kernel_size, gradient + op.kernel, op.reduce_adds);
  sum_lanes(lanes + op.lanes_bias, op.bias_size, gradient + op.bias, op.reduce_adds);
}

}  // namespace
