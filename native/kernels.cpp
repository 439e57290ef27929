// All operators for one instruction set, and the walk of one group of images through them.
//
// Compiled once for each set, with ISSUN_LANES, ISSUN_ACCUMULATORS, ISSUN_KERNELS and the compiler's flags for it. Everything but the
// one function at the end has internal linkage: code for a newer machine must not be picked by the linker for an older one.
#include "conv.hpp"
#include "conv_weights.hpp"
#include "dense.hpp"
#include "elementwise.hpp"
#include "input.hpp"
#include "loss.hpp"
#include "optimizer.hpp"
#include "pool.hpp"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace {

void op_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int group) {
  switch (op.kind) {
    case Kind::conv: return conv_forward(plan, work, op, place);
    case Kind::dense: return dense_forward(plan, work, op, place);
    case Kind::max_pool: return max_pool_forward(plan, op, place);
    case Kind::average_pool: return average_pool_forward(plan, op, place);
    case Kind::global_average_pool: return global_average_pool_forward(plan, op, place);
    case Kind::dropout: return dropout_forward(plan, work, op, place, group);
    case Kind::activate: return activate_forward(plan, op, place);
  }
}

void op_input_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place, int group) {
  switch (op.kind) {
    case Kind::conv:
      if (op.stride_rows == 1 && op.stride_columns == 1) return conv_input_gradient_unit(plan, work, op, place);
      return conv_input_gradient_strided(plan, work, op, place);
    case Kind::dense: return dense_input_gradient(plan, work, op, place);
    case Kind::max_pool: return max_pool_backward(plan, op, place);
    case Kind::average_pool: return average_pool_backward(plan, op, place);
    case Kind::global_average_pool: return global_average_pool_backward(plan, op, place);
    case Kind::dropout: return dropout_backward(plan, work, op, place, group);
    case Kind::activate: return activate_backward(plan, op, place);
  }
}

void op_weight_gradient(const Plan& plan, const Op& op, const Place& place, float* lanes) {
  if (op.kind == Kind::conv) conv_weight_gradient(plan, op, place, lanes);
  if (op.kind == Kind::dense) dense_weight_gradient(plan, op, place, lanes);
}

void walk(const Plan& plan, Work& work, int32_t number, int32_t chunk, int32_t thread, int32_t direction) {
  const Segment& segment = plan.segments[number];
  const bool is_last = number == plan.segment_count - 1;
  const int chunks = work.group_count < chunk_count ? work.group_count : chunk_count;
  const int first = int(int64_t(work.group_count) * chunk / chunks), last = int(int64_t(work.group_count) * (chunk + 1) / chunks);
  float* lanes = work.lanes[thread];
  int64_t begin = -1, end = -1;  // this segment's part of the gradients with lanes
  if (direction & backward)
    for (int o = segment.first; o < segment.last; ++o) {
      const Op& op = plan.ops[o];
      if (!op.trained) continue;
      if (begin < 0) begin = op.lanes_kernel;
      end = op.lanes_kernel + (op.kernel_size + op.bias_size) * L;
    }
  for (int64_t i = begin; i < end; i += L) store(lanes + i, zero());
  for (int group = first; group < last; ++group) {
    const Place place{work.threads[thread], group_arena(plan, work, group)};
    if (direction & forward) {
      if (number == 0) enter(plan, work, place, group);
      for (int o = segment.first; o < segment.last; ++o) op_forward(plan, work, plan.ops[o], place, group);
      if (is_last && work.training) cross_entropy(plan, work, place, group);
      if (is_last && work.logits) hand_out_logits(plan, work, place, group);
    }
    if (direction & backward)
      for (int o = segment.last - 1; o >= segment.first && o >= plan.first_trained; --o) {
        const Op& op = plan.ops[o];
        if (op.trained) op_weight_gradient(plan, op, place, lanes);
        if (plan.tensors[op.input].needs_gradient) op_input_gradient(plan, work, op, place, group);
      }
  }
  if (direction & backward)
    for (int o = segment.first; o < segment.last; ++o) {
      const Op& op = plan.ops[o];
      if (!op.trained) continue;
      float* gradient = work.chunk_gradients + chunk * plan.weights;
      if (op.kind == Kind::conv) conv_reduce(plan, op, lanes, gradient);
      if (op.kind == Kind::dense) dense_reduce(op, lanes, gradient);
    }
}

void pack(const Plan& plan, Work& work, int32_t op) {
  if (plan.ops[op].kind == Kind::conv) conv_pack(plan, work, plan.ops[op]);
}

int32_t meeting_tasks(const Plan& plan, const Work& work, int32_t op, int32_t direction) {
  return dense_meeting_tasks(plan, work, plan.ops[op], direction);
}

void meeting(const Plan& plan, Work& work, int32_t op, int32_t direction, int32_t task) {
  dense_meeting(plan, work, plan.ops[op], direction, task);
}

// Dead units give denormal numbers, each a hundred times slower than a normal one. Only called on the core's own threads.
void flush_denormals() {
#if defined(__SSE__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, denormals are zero
#elif defined(__aarch64__)
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  __asm__ volatile("msr fpcr, %0" ::"r"(control | (1ull << 24)));
#endif
}

constexpr Kernels kernels = {ISSUN_SET_NAME, L, ISSUN_ACCUMULATORS, pack, walk, meeting_tasks, meeting, complete, update, flush_denormals};

}  // namespace

namespace issun {
const Kernels* ISSUN_KERNELS() { return &kernels; }
}  // namespace issun
