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

struct Network {
  std::vector<Operator> operators;
  int32_t height, width, channels, classes;
  std::vector<float> factor, offset;
  int64_t weights;
  int32_t batch;
  Augment augment{};  // what is done; the planner adds the sizes
  bool takes_values = false;
  bool channels_last = false;  // of what is handed out
  int64_t macs_before = 0;  // of the convolutions that made the values: dense layers are planned as if those were here
};

// A plan with the arrays that it points to.
struct Planned {
  Plan plan;
  std::vector<Spline> splines;
  std::vector<Tensor> tensors;
  std::vector<Op> ops;
  std::vector<Segment> segments;
  std::vector<Step> steps;
  std::vector<Run> runs;
  std::vector<Piece> pieces;
  std::vector<Piece> rest;
  std::vector<int64_t> feature_offsets;
  std::vector<Piece> penalties;
};

std::unique_ptr<Planned> make_plan(const Network& network, const Kernels& kernels);
// Its parts once the operators and segments are known: which values are kept for every group, what each segment does step by step;
// then where the tensors lie, some of which have room for one channel only.
void make_runs(Planned& planned);
void find_narrow(Planned& planned);

// The first and the last run that touches something; where none does, the first comes after the last.
struct Lifetime {
  int first, last;
};
std::vector<Lifetime> lifetimes_of_gradients(Planned& planned);
void place_tensors(int lanes, Planned& planned);

// The operators of the set that is asked for, else of the one that the environment variable ISSUN_ISA names, else of the widest one.
// Throws std::runtime_error where this machine or this build lacks it.
const Kernels& choose_kernels(const std::string& asked = "");
std::vector<std::string> available_sets();

// Those that this processor has, widest first, whether or not this build holds operators for them.
std::vector<std::string> processor_sets();

// Multiply-adds a second that `threads` threads reach together in about `seconds`, by the chosen operators' instruction set.
double measure_peak(int threads, double seconds, const std::string& instruction_set = "");

// Settings of an optimizer, in double precision as Python has them.
struct OptimizerSettings {
  Optimizer kind;
  double momentum, beta_1, beta_2, rho, epsilon;
  bool nesterov;
  double weight_decay;
  double clip_norm;  // 0: no clipping
  double average;    // decay of the moving average, where there is one
};

// What an optimizer keeps: two moments of every weight (null where it has none), and the moving average or null.
struct Moments {
  float* first;
  float* second;
  float* average;
};

// What the loss is besides the cross-entropy with the label.
struct LossSettings {
  float smoothing = 0;
  std::vector<float> class_weights;  // empty: all count the same
  float share = 0, temperature = 1;  // of a teacher, where there is one
};

struct Images {
  const uint8_t* pixels;  // or
  const float* values;
  const int32_t* labels;
  const Draw* draws = nullptr;  // by position in the epoch
  const float* mix = nullptr;
  const float* taught = nullptr;  // [position in the epoch][classes]: a teacher's probabilities
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
  Engine(const Network& network, const LossSettings& loss, int threads, const std::string& instruction_set = "");

  // Takes every step of one epoch. `rates` has one learning rate a step. `idle` is called by the waiting thread now and then and
  // returns true to stop.
  EpochResult train(const Images& images, const int64_t* indices, int64_t count, const double* rates, float* weights,
                    const Moments& moments, int64_t step, const OptimizerSettings& settings, uint64_t seed, uint64_t epoch,
                    const std::function<bool()>& idle);
  // Of the images as they are, or where `images` has draws as training would see them.
  bool logits(const Images& images, const int64_t* indices, int64_t count, const float* weights, float* out,
              const std::function<bool()>& idle);
  double gradients(const Images& images, const int64_t* indices, int32_t count, const float* weights, uint64_t seed, uint64_t epoch,
                   float* out);
  void step(const float* gradient, float* weights, const Moments& moments, int64_t step, double rate, const OptimizerSettings& settings);

  // Returns what has been counted since the last call (nothing at first), and begins or stops counting; for engines of one thread.
  std::vector<int64_t> ticks(bool count);

  const Kernels& kernels() const { return kernels_; }
  const Plan& plan() const { return planned_->plan; }
  // Bytes of all that a run works in, to the byte what was asked of the allocator beside the plan (native/check.cpp compares).
  int64_t memory() const { return memory_; }

 private:
  class Team;
  void run(const std::function<void(Team&, int)>& body, const std::function<bool()>& idle, std::atomic<bool>& stop);
  void set_batch(const Images& images, const int64_t* indices, int64_t from, int32_t count, bool training);
  void pack(Team& team, int thread);
  void go_forward(Team& team, int thread, bool and_back);
  void meet_at_norm(Team& team, const Segment& segment, int direction);
  double penalty() const;
  // Completes the gradient (unless it was given) and takes the step `u`, all in one pass over the weights where nothing is clipped.
  void apply(Team& team, bool complete, const OptimizerSettings& settings, const Update& u);

  const Kernels& kernels_;
  std::unique_ptr<Planned> planned_;
  int threads_;
  std::vector<Floats> arenas_;
  std::vector<double> losses_;
  std::vector<int32_t> correct_;
  std::vector<double> sums_;
  std::vector<int64_t> ticks_;
  std::vector<NormChannel> norms_;
  std::vector<double> squares_;
  std::vector<float> class_weights_;
  std::vector<int32_t> other_labels_;
  int64_t memory_ = 0;
  Work work_{};
  std::mutex busy_;
};

}  // namespace issun
