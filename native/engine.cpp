// Threads, batches, epochs: everything between the bindings and the operators.
#include "engine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <thread>

namespace issun {
namespace {

Floats make_floats(int64_t count) {
  const size_t bytes = (size_t(count) * sizeof(float) + 127) / 64 * 64;
  void* memory = std::aligned_alloc(64, bytes);
  if (!memory) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return Floats(static_cast<float*>(memory), [](float* p) { std::free(p); });
}

int chunks(const Work& work) { return work.group_count < chunk_count ? work.group_count : chunk_count; }

Update make_update(const OptimizerSettings& s, double rate, int64_t step, float* first, float* second) {
  Update u{};
  u.optimizer = s.kind;
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
  u.first = first;
  u.second = second;
  return u;
}

}  // namespace

// A few threads that go through the same phases. Tasks of a phase are taken by whoever is free: no result depends on who.
class Engine::Team {
 public:
  explicit Team(int size) : size_(size) {}

  template <typename F>
  void phase(int count, F task) {
    if (size_ == 1) {
      for (int i = 0; i < count; ++i) task(i);
      return;
    }
    // The number of the phase is the same for all threads between two meetings.
    std::atomic<int>& next = next_[generation_.load(std::memory_order_relaxed) & 1];
    for (int i = next.fetch_add(1, std::memory_order_relaxed); i < count; i = next.fetch_add(1, std::memory_order_relaxed)) task(i);
    meet();
  }

  void meet() {
    if (size_ == 1) return;
    const int generation = generation_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      next_[(generation + 1) & 1].store(0, std::memory_order_relaxed);
      generation_.store(generation + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; generation_.load(std::memory_order_acquire) == generation; ++spins)
      if (spins > 4000) std::this_thread::yield();
  }

 private:
  const int size_;
  std::atomic<int> next_[2] = {0, 0};
  std::atomic<int> arrived_{0};
  std::atomic<int> generation_{0};
};

Engine::Engine(const Network& network, int threads) : kernels_(choose_kernels()), planned_(make_plan(network, kernels_)) {
  threads_ = threads < 1 ? 1 : threads > 256 ? 256 : threads;
  const Plan& plan = planned_->plan;
  const auto arena = [this](int64_t count) {
    arenas_.push_back(make_floats(count));
    return arenas_.back().get();
  };
  for (int i = 0; i < threads_; ++i) {
    work_.threads[i] = arena(plan.thread_floats);
    work_.lanes[i] = arena(plan.lanes_floats);
  }
  work_.groups = arena(plan.group_floats * plan.groups);
  work_.packed = arena(plan.packed_floats);
  work_.chunk_gradients = arena(plan.lanes_floats ? plan.weights * chunk_count : 0);
  work_.gradient = arena(plan.weights);
  losses_.resize(plan.groups);
  correct_.resize(plan.groups);
  work_.losses = losses_.data();
  work_.correct = correct_.data();
}

int64_t Engine::memory() const {
  const Plan& p = planned_->plan;
  return 4 * ((p.thread_floats + p.lanes_floats) * threads_ + p.group_floats * p.groups + p.packed_floats +
              (p.lanes_floats ? p.weights * chunk_count : 0) + p.weights);
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

void Engine::set_batch(const Images& images, const int64_t* indices, int32_t count, bool training) {
  work_.images = images.pixels;
  work_.labels = images.labels;
  work_.indices = indices;
  work_.count = count;
  work_.group_count = (count + planned_->plan.lanes - 1) / planned_->plan.lanes;
  work_.training = training;
}

void Engine::pack(Team& team, int) {
  const Plan& plan = planned_->plan;
  team.phase(plan.op_count, [&](int op) { kernels_.pack(plan, work_, op); });
}

// One batch through all segments, and back again.
void Engine::go_forward(Team& team, int thread, bool and_back) {
  const Plan& plan = planned_->plan;
  const int last = plan.segment_count - 1;
  const auto segment = [&](int s, int direction) {
    if (plan.segments[s].meeting) {
      const int op = plan.segments[s].first;
      team.phase(kernels_.meeting_tasks(plan, work_, op, direction), [&](int task) { kernels_.meeting(plan, work_, op, direction, task); });
    } else {
      team.phase(chunks(work_), [&](int chunk) { kernels_.walk(plan, work_, s, chunk, thread, direction); });
    }
  };
  for (int s = 0; s < last; ++s) segment(s, forward);
  segment(last, and_back ? there_and_back : forward);
  if (!and_back) return;
  for (int s = last - 1; s >= 0; --s)
    if (plan.segments[s].last > plan.first_trained) segment(s, backward);
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

EpochResult Engine::train(const Images& images, const int64_t* indices, int64_t count, const double* rates, float* weights, float* first,
                          float* second, int64_t step, const OptimizerSettings& settings, uint64_t seed, uint64_t epoch,
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
            set_batch(images, indices + from, int32_t(std::min<int64_t>(plan.batch, count - from)), true);
            u = make_update(settings, rates[number], step + number + 1, first, second);
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
          team.phase(plan.piece_count, [&](int piece) {
            kernels_.complete(plan, work_, piece);
            kernels_.update(plan, work_, piece, u);
          });
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
            set_batch(images, indices + from, int32_t(std::min<int64_t>(plan.batch, count - from)), false);
            work_.logits = out + from * plan.classes;
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
  set_batch(images, indices, count, true);
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

void Engine::step(const float* gradient, float* weights, float* first, float* second, int64_t step, double rate,
                  const OptimizerSettings& settings) {
  std::lock_guard<std::mutex> lock(busy_);
  const Plan& plan = planned_->plan;
  work_.weights = weights;
  std::memcpy(work_.gradient, gradient, size_t(plan.weights) * sizeof(float));
  const Update u = make_update(settings, rate, step, first, second);
  std::atomic<bool> stop{false};
  run(
      [&](Team& team, int) { team.phase(plan.piece_count, [&](int piece) { kernels_.update(plan, work_, piece, u); }); }, nullptr, stop);
}

}  // namespace issun
