// The core as the bindings see it: a network laid out in memory, trained and asked.
#pragma once
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plan.hpp"

namespace issun {

// One layer as Python describes it; sizes are checked there.
struct Layer {
  Kind kind;
  int32_t row;
  int32_t in_channels, in_rows, in_columns, out_channels, out_rows, out_columns;
  int32_t kernel_rows = 1, kernel_columns = 1, stride_rows = 1, stride_columns = 1, pad_top = 0, pad_left = 0;
  Act act = Act::linear;
  float slope = 0;
  bool trained = false;
  int64_t kernel = -1, kernel_size = 0, bias = -1, bias_size = 0;
  double rate = 0;
  uint32_t threshold = 0;
  float l1 = 0, l2 = 0;
};

struct Network {
  std::vector<Layer> layers;
  int32_t height, width, channels, classes;
  std::vector<float> factor, offset;
  int64_t weights;
  int32_t batch;
};

// A plan with the arrays that it points to.
struct Planned {
  Plan plan;
  std::vector<Tensor> tensors;
  std::vector<Op> ops;
  std::vector<Segment> segments;
  std::vector<Piece> pieces;
  std::vector<int64_t> feature_offsets;
  std::vector<Piece> penalties;
};

std::unique_ptr<Planned> make_plan(const Network& network, const Kernels& kernels);

// The operators for this machine, or for the set that the environment variable ISSUN_ISA names. Throws std::runtime_error.
const Kernels& choose_kernels();
std::vector<std::string> available_sets();

// Settings of an optimiser, in double precision as Python has them.
struct OptimizerSettings {
  Optimizer kind;
  double momentum, beta_1, beta_2, rho, epsilon;
};

struct Images {
  const uint8_t* pixels;
  const int32_t* labels;
};

struct EpochResult {
  double loss = 0;     // summed over images, penalties included
  int64_t correct = 0;
  int64_t steps = 0;
  bool finite = true;
  bool cancelled = false;
};

// 64-byte aligned floats, zero at first.
using Floats = std::unique_ptr<float[], void (*)(float*)>;

class Engine {
 public:
  Engine(const Network& network, int threads);

  // Takes every step of one epoch. `rates` has one learning rate a step. `idle` is called by the waiting thread now and then and
  // returns true to stop.
  EpochResult train(const Images& images, const int64_t* indices, int64_t count, const double* rates, float* weights, float* first,
                    float* second, int64_t step, const OptimizerSettings& settings, uint64_t seed, uint64_t epoch,
                    const std::function<bool()>& idle);
  bool logits(const Images& images, const int64_t* indices, int64_t count, const float* weights, float* out,
              const std::function<bool()>& idle);
  double gradients(const Images& images, const int64_t* indices, int32_t count, const float* weights, uint64_t seed, uint64_t epoch,
                   float* out);
  void step(const float* gradient, float* weights, float* first, float* second, int64_t step, double rate,
            const OptimizerSettings& settings);

  const Kernels& kernels() const { return kernels_; }
  const Plan& plan() const { return planned_->plan; }
  // Bytes of all arenas together.
  int64_t memory() const;

 private:
  class Team;
  void run(const std::function<void(Team&, int)>& body, const std::function<bool()>& idle, std::atomic<bool>& stop);
  void set_batch(const Images& images, const int64_t* indices, int32_t count, bool training);
  void pack(Team& team, int thread);
  void go_forward(Team& team, int thread, bool and_back);
  double penalty() const;

  const Kernels& kernels_;
  std::unique_ptr<Planned> planned_;
  int threads_;
  std::vector<Floats> arenas_;
  std::vector<double> losses_;
  std::vector<int32_t> correct_;
  Work work_{};
  std::mutex busy_;
};

}  // namespace issun
