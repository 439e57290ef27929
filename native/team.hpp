// The threads of one engine, and how they wait for each other.
#pragma once
#include <atomic>
#include <thread>

#include "engine.hpp"

namespace issun {

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

  // A phase over the chunks of a batch. Each thread begins with the same ones every time, and every other phase goes through them the
  // other way: what was touched last is still in its cache. Who has done its own takes those that others would come to last.
  template <typename F>
  void share(int count, int thread, bool down, F task) {
    const int now = generation_.load(std::memory_order_relaxed) + 1;
    for (int k = 0; k < size_; ++k) {
      const int owner = (thread + k) % size_, first = count * owner / size_, last = count * (owner + 1) / size_;
      for (int i = first; i < last; ++i) {
        const int chunk = down == (k == 0) ? first + last - 1 - i : i;
        if (size_ == 1 || taken_[chunk].exchange(now, std::memory_order_relaxed) != now) task(chunk);
      }
    }
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
  std::atomic<int> taken_[chunk_count] = {};  // in which phase each chunk was taken last
  std::atomic<int> arrived_{0};
  std::atomic<int> generation_{0};
};

}  // namespace issun
