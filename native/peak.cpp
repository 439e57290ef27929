// How many multiply-adds a second does this machine reach? The yardstick that every other figure is held against.
#include <algorithm>
#include <chrono>
#include <thread>

#include "engine.hpp"

namespace issun {

double measure_peak(int threads, double seconds, const std::string& instruction_set) {
  using clock = std::chrono::steady_clock;
  const Kernels& kernels = choose_kernels(instruction_set);
  constexpr int64_t rounds = 80000;
  std::vector<double> rates(threads);
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i)
    workers.emplace_back([&, i] {
      volatile float result = kernels.multiply_adds(rounds);  // wakes the core up
      const auto began = clock::now();
      int64_t done = 0;
      double passed = 0;
      while (passed < seconds) {
        result = kernels.multiply_adds(rounds);
        ++done;
        passed = std::chrono::duration<double>(clock::now() - began).count();
      }
      (void)result;
      rates[i] = double(done) * rounds * kernels.registers * kernels.lanes / passed;
    });
  for (std::thread& worker : workers) worker.join();
  double total = 0;
  for (const double rate : rates) total += rate;
  return total;
}

}  // namespace issun
