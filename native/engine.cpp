// Threads, batches, epochs: everything between the bindings and the operators.
#include "engine.hpp"
#include "stopwatch.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <thread>

#include "team.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace issun {
namespace {

// What an arena of so many floats takes.
size_t arena_bytes(int64_t count) { return (size_t(count) * sizeof(float) + 127) / 64 * 64; }

Floats make_floats(int64_t count) {
  const size_t bytes = arena_bytes(count);
  constexpr std::align_val_t line{64};  // of the processor's cache
  void* memory = ::operator new(bytes, line);
#if defined(MADV_HUGEPAGE)
  // The pages of the operating system are small: walking through tens of megabytes misses the table of them all the time. What large
  // pages fit into an arena are asked for.
  constexpr uintptr_t page = uintptr_t(1) << 21;
  const uintptr_t from = (reinterpret_cast<uintptr_t>(memory) + page - 1) / page * page;
  const uintptr_t until = (reinterpret_cast<uintptr_t>(memory) + bytes) / page * page;
  if (from < until) madvise(reinterpret_cast<void*>(from), until - from, MADV_HUGEPAGE);
#endif
  std::memset(memory, 0, bytes);
#if defined(__SANITIZE_ADDRESS__)
  // What was rounded up to whole lines is nobody's.
  const size_t used = size_t(count) * sizeof(float);
  __asan_poison_memory_region(static_cast<char*>(memory) + used, bytes - used);
#endif
  return Floats(static_cast<float*>(memory), [](float* p) { ::operator delete(p, std::align_val_t{64}); });
}

int chunks(const Work& work) { return work.group_count < chunk_count ? work.group_count : chunk_count; }

Update make_update(const OptimizerSettings& s, double rate, int64_t step, const Moments& moments) {
  Update u{};
  u.optimizer = s.kind;
  u.nesterov = s.nesterov;
  u.decay = float(rate * s.weight_decay);
  u.shorten = 1;
  u.average = moments.average;
  u.average_rate = float((1 - s.average) / (1 - std::pow(s.average, double(step))));
  if (s.kind == Optimizer::adam) rate *= std::sqrt(1 - std::pow(s.beta_2, double(step))) / (1 - std::pow(s.beta_1, double(step)));
  u.learning_rate = float(rate);
  u.momentum = float(s.momentum);
  u.epsilon = float(s.epsilon);
  u.beta_1 = float(s.beta_1);
  u.new_1 = float(1 - s.beta_1);
  u.beta_2 = float(s.beta_2);
  u.new_2 = float(1 - s.beta_2);
  u.rho = float(s.rho);
  u.new_rho = float(1 - s.rho);
  u.first = moments.first;
  u.second = moments.second;
  return u;
}

}  // namespace

Engine::Engine(const Network& network, const LossSettings& loss, int threads, const std::string& instruction_set)
    : kernels_(choose_kernels(instruction_set)), planned_(make_plan(network, kernels_)), class_weights_(loss.class_weights) {
  threads_ = threads < 1 ? 1 : threads > 256 ? 256 : threads;
  const Plan& plan = planned_->plan;
  arenas_.reserve(size_t(3 * threads_ + 4));
  memory_ = int64_t(arenas_.capacity() * sizeof(Floats));
  const auto arena = [this](int64_t count) {
    arenas_.push_back(make_floats(count));
    memory_ += int64_t(arena_bytes(count));
    return arenas_.back().get();
  };
  for (int i = 0; i < threads_; ++i) {
    work_.threads[i] = arena(plan.thread_floats);
    work_.lanes[i] = arena(plan.lanes_floats);
    if (plan.augment.bytes == 0) continue;
    work_.scratch[i] = reinterpret_cast<uint8_t*>(arena(plan.augment.bytes / 4));
    std::memset(work_.scratch[i], plan.augment.fill, size_t(plan.augment.image) * plan.lanes);  // the borders stay so
  }
  work_.groups = arena(plan.group_floats * plan.groups);
  work_.packed = arena(plan.packed_floats);
  work_.chunk_gradients = arena(plan.walking_gradients ? plan.weights * chunk_count : 0);
  work_.gradient = arena(plan.weights);
  const auto vector = [this](auto& numbers, int64_t count) {
    numbers.resize(size_t(count));
    memory_ += int64_t(numbers.capacity() * sizeof(numbers[0]));
  };
  vector(losses_, plan.groups);
  vector(correct_, plan.groups);
  vector(sums_, plan.norm_channels * chunk_count * 2);
  vector(norms_, plan.norm_channels);
  vector(squares_, plan.piece_count);
  vector(class_weights_, int64_t(class_weights_.size()));
  vector(other_labels_, plan.augment.mixes ? plan.batch : 0);
  work_.sums = sums_.data();
  work_.norms = norms_.data();
  work_.losses = losses_.data();
  work_.correct = correct_.data();
  work_.squares = squares_.data();
  work_.smoothing = loss.smoothing;
  work_.share = loss.share;
  work_.temperature = loss.temperature;
  work_.class_weights = class_weights_.empty() ? nullptr : class_weights_.data();
}

// Runs `body` on every thread of a team while this thread waits, and asks it to stop when `idle` says so or throws.
void Engine::run(const std::function<void(Team&, int)>& body, const std::function<bool()>& idle, std::atomic<bool>& stop) {
  Team team(threads_);
  std::mutex mutex;
  std::condition_variable ended;
  int running = threads_;
  std::vector<std::thread> workers;
  workers.reserve(threads_);
  for (int i = 0; i < threads_; ++i)
    workers.emplace_back([&, i] {
      kernels_.flush_denormals();
      body(team, i);
      std::lock_guard<std::mutex> lock(mutex);
      if (--running == 0) ended.notify_one();
    });
  std::exception_ptr thrown;
  {
    std::unique_lock<std::mutex> lock(mutex);
    while (!ended.wait_for(lock, std::chrono::milliseconds(50), [&] { return running == 0; })) {
      lock.unlock();
      try {
        if (!stop && idle && idle()) stop = true;
      } catch (...) {
        thrown = std::current_exception();
        stop = true;
      }
      lock.lock();
    }
  }
  for (std::thread& worker : workers) worker.join();
  if (thrown) std::rethrow_exception(thrown);
}

void Engine::set_batch(const Images& images, const int64_t* indices, int64_t from, int32_t count, bool training) {
  work_.images = images.pixels;
  work_.values = images.values;
  work_.labels = images.labels;
  work_.indices = indices + from;
  work_.draws = images.draws ? images.draws + from : nullptr;
  work_.mix = images.mix ? images.mix + from : nullptr;
  work_.taught = images.taught ? images.taught + from * planned_->plan.classes : nullptr;
  work_.other_labels = images.mix && images.labels ? other_labels_.data() : nullptr;
  if (work_.other_labels)
    for (int32_t k = 0; k < count; ++k) other_labels_[k] = images.labels[work_.indices[k + 1 < count ? k + 1 : 0]];
  work_.count = count;
  work_.group_count = (count + planned_->plan.lanes - 1) / planned_->plan.lanes;
  work_.training = training;
}

void Engine::pack(Team& team, int) {
  const Plan& plan = planned_->plan;
  team.phase(plan.op_count, [&](int op) {
    Stopwatch watch(work_.ticks);
    kernels_.pack(plan, work_, op);
    watch.lap(plan.op_count * ticks_of_op + rest_pack);
  });
}

// One batch through all segments, and back again.
void Engine::go_forward(Team& team, int thread, bool and_back) {
  const Plan& plan = planned_->plan;
  const int last = plan.segment_count - 1;
  bool down = false;
  const auto segment = [&](int s, int direction) {
    if (plan.segments[s].meeting) {
      const int op = plan.segments[s].first;
      team.phase(kernels_.meeting_tasks(plan, work_, op, direction), [&](int task) { kernels_.meeting(plan, work_, op, direction, task); });
    } else {
      team.share(chunks(work_), thread, down, [&](int chunk) { kernels_.walk(plan, work_, s, chunk, thread, direction); });
      down = !down;
    }
  };
  for (int s = 0; s < last; ++s) {
    segment(s, forward);
    if (work_.training) meet_at_norm(team, plan.segments[s], forward);
  }
  segment(last, and_back ? there_and_back : forward);
  if (!and_back) return;
  for (int s = last - 1; s >= 0; --s)
    if (plan.segments[s].last > plan.first_trained) {
      meet_at_norm(team, plan.segments[s], backward);
      segment(s, backward);
    }
}

// Completes what the norm after a segment needs of the whole batch.
void Engine::meet_at_norm(Team& team, const Segment& segment, int direction) {
  if (segment.norm < 0) return;
  const Op& op = planned_->plan.ops[segment.norm];
  team.phase(int(op.kernel_size + norm_task - 1) / norm_task,
             [&](int task) { kernels_.complete_statistics(planned_->plan, work_, segment.norm, direction, task); });
}

std::vector<int64_t> Engine::ticks(bool count) {
  std::lock_guard<std::mutex> lock(busy_);
  std::vector<int64_t> table;
  table.swap(ticks_);
  if (count) ticks_.assign(planned_->plan.op_count * ticks_of_op + rest_count, 0);
  work_.ticks = count ? ticks_.data() : nullptr;
  return table;
}

double Engine::penalty() const {
  double total = 0;
  for (const Piece& p : planned_->penalties) {
    double absolute = 0, squared = 0;
    const float* w = work_.weights + p.first;
    for (int64_t i = 0; i < p.size; ++i) {
      absolute += std::fabs(w[i]);
      squared += double(w[i]) * w[i];
    }
    total += double(p.l1) * absolute + double(p.l2) * squared;
  }
  return total;
}

void Engine::apply(Team& team, bool complete, const OptimizerSettings& settings, const Update& u) {
  const Plan& plan = planned_->plan;
  Update mine = u;
  if (settings.clip_norm > 0) {
    team.phase(plan.piece_count, [&](int piece) {
      if (complete) kernels_.complete(plan, work_, piece);
      kernels_.square(plan, work_, piece);
    });
    double total = 0;  // every thread adds the same numbers in the same order
    for (const double square : squares_) total += square;
    const double norm = std::sqrt(total);
    if (norm > settings.clip_norm) mine.shorten = float(settings.clip_norm / norm);
    complete = false;
  }
  team.phase(plan.piece_count + (u.average ? plan.rest_count : 0), [&](int task) {
    if (task >= plan.piece_count) return kernels_.follow(plan, work_, task - plan.piece_count, mine);
    Stopwatch watch(work_.ticks);
    if (complete) kernels_.complete(plan, work_, task);
    watch.lap(plan.op_count * ticks_of_op + rest_sums);
    kernels_.update(plan, work_, task, mine);
    watch.lap(plan.op_count * ticks_of_op + rest_update);
  });
}

EpochResult Engine::train(const Images& images, const int64_t* indices, int64_t count, const double* rates, float* weights,
                          const Moments& moments, int64_t step, const OptimizerSettings& settings, uint64_t seed, uint64_t epoch,
                          const std::function<bool()>& idle) {
  std::lock_guard<std::mutex> lock(busy_);
  const Plan& plan = planned_->plan;
  work_.weights = weights;
  work_.seed = seed;
  work_.epoch = epoch;
  work_.logits = nullptr;
  EpochResult result;
  std::atomic<bool> stop{false};
  bool go_on = true;
  Update u{};
  run(
      [&](Team& team, int thread) {
        pack(team, thread);
        for (int64_t from = 0, number = 0; from < count; from += plan.batch, ++number) {
          if (thread == 0) {
            set_batch(images, indices, from, int32_t(std::min<int64_t>(plan.batch, count - from)), true);
            u = make_update(settings, rates[number], step + number + 1, moments);
          }
          team.meet();
          go_forward(team, thread, true);
          if (thread == 0) {
            double loss = 0;
            for (int g = 0; g < work_.group_count; ++g) {
              loss += losses_[g];
              result.correct += correct_[g];
            }
            if (plan.has_penalty) loss += penalty() * work_.count;
            result.loss += loss;
            ++result.steps;
            result.finite = std::isfinite(loss);
            result.cancelled = stop.load();
            go_on = result.finite && !result.cancelled;
          }
          team.meet();
          if (!go_on) return;
          if (plan.norm_channels) team.phase(plan.op_count, [&](int op) { kernels_.run_statistics(plan, work_, op); });
          apply(team, true, settings, u);
          pack(team, thread);
        }
      },
      idle, stop);
  return result;
}

bool Engine::logits(const Images& images, const int64_t* indices, int64_t count, const float* weights, float* out,
                    const std::function<bool()>& idle) {
  std::lock_guard<std::mutex> lock(busy_);
  const Plan& plan = planned_->plan;
  work_.weights = const_cast<float*>(weights);  // only read: nothing is updated
  std::atomic<bool> stop{false};
  bool go_on = true;
  run(
      [&](Team& team, int thread) {
        pack(team, thread);
        for (int64_t from = 0; from < count; from += plan.batch) {
          if (thread == 0) {
            set_batch(images, indices, from, int32_t(std::min<int64_t>(plan.batch, count - from)), false);
            work_.logits = out + from * plan.outputs;
            go_on = !stop.load();
          }
          team.meet();
          if (!go_on) return;
          go_forward(team, thread, false);
        }
      },
      idle, stop);
  work_.logits = nullptr;
  return go_on;
}

double Engine::gradients(const Images& images, const int64_t* indices, int32_t count, const float* weights, uint64_t seed, uint64_t epoch,
                         float* out) {
  std::lock_guard<std::mutex> lock(busy_);
  const Plan& plan = planned_->plan;
  work_.weights = const_cast<float*>(weights);
  work_.seed = seed;
  work_.epoch = epoch;
  work_.logits = nullptr;
  set_batch(images, indices, 0, count, true);
  std::memset(work_.gradient, 0, size_t(plan.weights) * sizeof(float));
  std::atomic<bool> stop{false};
  run(
      [&](Team& team, int thread) {
        pack(team, thread);
        go_forward(team, thread, true);
        team.phase(plan.piece_count, [&](int piece) { kernels_.complete(plan, work_, piece); });
      },
      nullptr, stop);
  double loss = 0;
  for (int g = 0; g < work_.group_count; ++g) loss += losses_[g];
  std::memcpy(out, work_.gradient, size_t(plan.weights) * sizeof(float));
  return loss / count + penalty();
}

void Engine::step(const float* gradient, float* weights, const Moments& moments, int64_t step, double rate,
                  const OptimizerSettings& settings) {
  std::lock_guard<std::mutex> lock(busy_);
  const Plan& plan = planned_->plan;
  work_.weights = weights;
  std::memcpy(work_.gradient, gradient, size_t(plan.weights) * sizeof(float));
  const Update u = make_update(settings, rate, step, moments);
  std::atomic<bool> stop{false};
  run([&](Team& team, int) { apply(team, false, settings, u); }, nullptr, stop);
}

}  // namespace issun
