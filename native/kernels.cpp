// All operators for one instruction set, and the walk of one group of images through them.
//
// Compiled once for each set, with ISSUN_LANES, ISSUN_ACCUMULATORS, ISSUN_KERNELS and the compiler's flags for it. Everything but the
// one function at the end has internal linkage: code for a newer machine must not be picked by the linker for an older one.
#include "activation.hpp"
#include "add.hpp"
#include "augment.hpp"
#include "concat.hpp"
#include "conv.hpp"
#include "dense.hpp"
#include "depthwise.hpp"
#include "dropout.hpp"
#include "gate.hpp"
#include "input.hpp"
#include "loss.hpp"
#include "norm.hpp"
#include "normalise.hpp"
#include "optimizer.hpp"
#include "peak.hpp"
#include "pool.hpp"
#include "scale.hpp"
#include "stopwatch.hpp"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace {

// The table of operators, by Kind.
#define ISSUN_OPERATOR(name) name##_operator,
constexpr OperatorType operators[] = {ISSUN_OPERATORS(ISSUN_OPERATOR)};
constexpr OperatorTraits operator_traits[] = {ISSUN_OPERATORS(ISSUN_OPERATOR)};
#undef ISSUN_OPERATOR

INLINE const OperatorType& type_of(const Op& op) { return operators[int(op.kind)]; }

// Everything that a walk hands to its steps.
struct Walk {
  const Plan& plan;
  Work& work;
  const Segment& segment;
  int chunk, first, group;
  float* lanes;
};

void do_step(const Walk& walk, const Step& step, const Place& place, Stopwatch& watch) {
  const Plan& plan = walk.plan;
  Work& work = walk.work;
  const Op& op = plan.ops[step.op];
  const OperatorType& type = type_of(op);
  const int ticks = step.op * ticks_of_op;
  switch (step.what) {
    case Do::values:
      type.values(plan, work, op, place, walk.group);
      return watch.lap(ticks);
    case Do::measure:
      if (work.training) type.measure(plan, work, op, place, walk.chunk, walk.first, walk.group);
      return watch.lap(ticks);
    case Do::norm_gradient:
      type.input_gradient(plan, work, op, place, walk.group);
      return watch.lap(ticks + 1);
    case Do::gradients:
      if (op.trained) type.weight_gradient(plan, work, op, place, walk.lanes);
      watch.lap(ticks + 2);
      if (op.sends_gradient) type.input_gradient(plan, work, op, place, walk.group);
      return watch.lap(ticks + 1);
    case Do::sums:
      type.sum_gradients(plan, work, op, place, walk.chunk, walk.group == walk.first);
      return watch.lap(ticks + 2);
  }
}

void do_runs(const Walk& walk, int first, int last, Place place, Stopwatch& watch) {
  const Step* steps = walk.plan.steps;
  for (const Run* run = walk.plan.runs + first; run < walk.plan.runs + last; ++run) {
    if (run->channels == 0) {
      for (int i = run->first; i < run->last; ++i) do_step(walk, steps[i], place, watch);
      continue;
    }
    for (int c = 0; c < run->channels; ++c) {
      const Place one{place.thread, place.group, c, c + 1};
      for (int i = run->first; i < run->last; ++i) do_step(walk, steps[i], one, watch);
    }
  }
}

void walk(const Plan& plan, Work& work, int32_t number, int32_t chunk, int32_t thread, int32_t direction) {
  const Segment& segment = plan.segments[number];
  const bool is_last = number == plan.segment_count - 1;
  const int chunks = work.group_count < chunk_count ? work.group_count : chunk_count;
  const int first = int(int64_t(work.group_count) * chunk / chunks), last = int(int64_t(work.group_count) * (chunk + 1) / chunks);
  float* lanes = work.lanes[thread];
  Stopwatch watch(work.ticks);
  const int rest = plan.op_count * ticks_of_op;
  if (direction & backward)
    for (int o = segment.first; o < segment.last; ++o) {
      const Op& op = plan.ops[o];
      if (!op.reduces || op.batch_statistics) continue;
      for (int64_t i = op.lanes_kernel; i < op.lanes_bias + op.bias_size * L; i += L) store(lanes + i, zero());
    }
  watch.lap(rest + rest_sums);
  for (int group = first; group < last; ++group) {
    const Walk walk{plan, work, segment, chunk, first, group, lanes};
    const Place place{work.threads[thread], group_arena(plan, work, group), 0, INT32_MAX};
    if (direction & forward) {
      if (number == 0) {
        if (plan.takes_values)
          enter_values(plan, work, place, group);
        else
          work.draws ? enter_augmented(plan, work, place, group, thread) : enter(plan, work, place, group);
      }
      watch.lap(rest + rest_enter);
      do_runs(walk, segment.forward_first, segment.forward_last, place, watch);
      if (is_last && work.training) loss_and_gradient(plan, work, place, group);
      if (is_last && work.logits) hand_out_logits(plan, work, place, group);
      watch.lap(rest + rest_loss);
    }
    if (direction & backward) do_runs(walk, segment.backward_first, segment.backward_last, place, watch);
  }
  if (direction & backward)
    for (int o = segment.first; o < segment.last; ++o) {
      const Op& op = plan.ops[o];
      if (!op.reduces) continue;
      float* gradient = work.chunk_gradients + chunk * plan.weights;
      type_of(op).reduce(plan, work, op, chunk, lanes, gradient);
    }
  watch.lap(rest + rest_sums);
}

void pack(const Plan& plan, Work& work, int32_t number) {
  const Op& op = plan.ops[number];
  if (op.shares != number) return;  // the first pass of tied weights packs them for all
  if (type_of(op).pack) type_of(op).pack(plan, work, op);
}

int32_t meeting_tasks(const Plan& plan, const Work& work, int32_t number, int32_t direction) {
  const Op& op = plan.ops[number];
  return type_of(op).meeting_tasks(plan, work, op, direction);
}

void meeting(const Plan& plan, Work& work, int32_t number, int32_t direction, int32_t task) {
  const Op& op = plan.ops[number];
  Stopwatch watch(work.ticks);
  const int part = type_of(op).meeting(plan, work, op, direction, task);
  watch.lap(number * ticks_of_op + part);
}

void complete_statistics(const Plan& plan, Work& work, int32_t number, int32_t direction, int32_t task) {
  const Op& op = plan.ops[number];
  type_of(op).complete(plan, work, op, direction, task);
}

void run_statistics(const Plan& plan, Work& work, int32_t number) {
  const Op& op = plan.ops[number];
  if (op.batch_statistics) type_of(op).follow(plan, work, op);
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

constexpr Kernels kernels = {
    ISSUN_SET_NAME, L,       ISSUN_ACCUMULATORS, operator_traits, activation_traits,
    pack,           walk,    meeting_tasks,      meeting,         complete_statistics, run_statistics,
    complete,       square,  update,             follow,          flush_denormals,     multiply_adds};

}  // namespace

namespace issun {
const Kernels* ISSUN_KERNELS() { return &kernels; }
}  // namespace issun
