// What the compiled core works on: plain records, filled by planner.cpp and read by the operators.
//
// Nothing here has code or members of the standard library, because the operator files are compiled once for each instruction set
// and must not bring inline functions of their own into the library (see docs/engine-notes.md).
//
// Layout of an activation: [channel][row][column][lane]; a lane holds one image, a group is as many images as there are lanes.
// Rows and columns may have a zero border, as wide as the operator that reads the buffer asks for.
#pragma once
#include <cstddef>
#include <cstdint>

namespace issun {

enum class Kind : int32_t { conv, dense, max_pool, average_pool, global_average_pool, dropout, activate };
enum class Act : int32_t { linear, relu, leaky };
enum class Optimizer : int32_t { sgd, adam, rmsprop, adadelta };

constexpr int max_channels = 4;  // of an input image
constexpr int max_block = 16;    // register blocks an operator may be split into along one row
constexpr int chunk_count = 8;   // a batch is cut into so many parts, whatever the number of threads: sums keep their order

// One buffer of a tensor: where element (channel 0, row 0, column 0, lane 0) lies and how far its neighbours are, in floats.
struct View {
  int64_t offset;   // in floats, into the arena that holds it
  int64_t channel;  // from one channel to the next
  int64_t row;      // from one row to the next
};

struct Tensor {
  int32_t channels, rows, columns;
  View value;
  View gradient;            // with respect to what entered the activation of the tensor's producer
  bool value_per_group;     // kept for every group of the batch, or only while a thread works on one group
  bool gradient_per_group;
  bool needs_gradient;
  Act act;                  // activation of the producer: whoever writes the gradient multiplies by its derivative
  float slope;
};

// How a run of `total` items is cut into blocks: the first `wide` blocks have `base + 1` items, the others `base`.
struct Cut {
  int32_t blocks, base, wide;
};

struct Op {
  Kind kind;
  int32_t row;                 // index of the layer in Net.rows
  int32_t input, output;       // tensors
  int32_t kernel_rows, kernel_columns, stride_rows, stride_columns, pad_top, pad_left;
  Act act;
  float slope;
  bool trained;                // has weights that change
  bool meeting;                // a dense layer over all groups at once
  int64_t kernel, bias;        // offsets in the flat weights; bias -1 where there is none
  int64_t kernel_size, bias_size;
  float rate;                  // dropout
  uint32_t threshold;          // dropout: draws below it drop
  // conv: register blocks, packed weights
  Cut forward_channels, forward_columns;
  Cut backward_channels, backward_columns;
  Cut gradient_channels, gradient_taps;
  int32_t gradient_rows;       // rows that one sweep of the weight gradient takes
  int64_t packed, packed_backward;  // offsets in the packed weights
  int64_t lanes_kernel, lanes_bias; // offsets in the gradient with lanes not yet summed, in floats (trained, not meeting)
  int64_t feature_offsets;     // dense: index of the table feature -> offset in the input's gradient view, in floats
};

// Ops [first, last) that one thread runs for one group after another; where `meeting` it is a single op over the whole batch.
struct Segment {
  int32_t first, last;
  bool meeting;
};

// A piece of the weights that one task updates: never crosses a tensor.
struct Piece {
  int64_t first, size;
  float l1, l2;
  bool meeting;  // its gradient is complete; otherwise it is the sum over chunks
};

struct Plan {
  int32_t lanes, classes, batch, groups;  // groups of a full batch
  int32_t height, width, channels;        // of an input image
  float factor[max_channels], offset[max_channels];
  const Tensor* tensors;
  int32_t tensor_count;
  const Op* ops;
  int32_t op_count;
  const Segment* segments;
  int32_t segment_count;
  const Piece* pieces;
  int32_t piece_count;
  const int64_t* feature_offsets;
  int32_t first_trained;                  // first op whose weights change
  bool has_penalty;
  int64_t weights;                        // how many there are
  // sizes of the arenas in floats
  int64_t thread_floats, group_floats, packed_floats, lanes_floats;
};

// The memory a run works in, and what it works on. One for each engine; threads share it.
struct Work {
  float* threads[256];    // one arena a thread
  float* lanes[256];      // one a thread: weight gradients whose lanes are not yet summed
  float* groups;          // arenas of the groups, one after the other
  float* packed;
  float* chunk_gradients; // [chunk][weights]
  float* gradient;        // [weights]
  double* losses;         // [group]
  int32_t* correct;       // [group]
  float* weights;
  // the batch
  const uint8_t* images;
  const int32_t* labels;  // may be null: inference
  const int64_t* indices; // of the images of this batch
  int32_t count;          // how many they are
  int32_t group_count;
  uint64_t seed;
  uint64_t epoch;
  bool training;
  float* logits;          // [count][classes] or null
};

struct Update {
  Optimizer optimizer;
  float learning_rate;    // of adam: times sqrt(1 - beta_2^t) / (1 - beta_1^t)
  float momentum, epsilon;
  float beta_1, new_1;    // new_1 is 1 - beta_1, rounded once
  float beta_2, new_2;
  float rho, new_rho;
  float* first;           // moments
  float* second;
};

// The operators, compiled for one instruction set.
struct Kernels {
  const char* name;
  int32_t lanes;
  int32_t registers;
  void (*pack)(const Plan&, Work&, int32_t op);
  // Run one segment for the groups of one chunk. Whether it goes forward, backward or there and back is in `direction`.
  void (*walk)(const Plan&, Work&, int32_t segment, int32_t chunk, int32_t thread, int32_t direction);
  int32_t (*meeting_tasks)(const Plan&, const Work&, int32_t op, int32_t direction);
  void (*meeting)(const Plan&, Work&, int32_t op, int32_t direction, int32_t task);
  void (*complete)(const Plan&, Work&, int32_t piece);
  void (*update)(const Plan&, Work&, int32_t piece, const Update&);
  void (*flush_denormals)();
};

constexpr int32_t forward = 1, backward = 2, there_and_back = 3;

const Kernels* kernels_baseline();
#if defined(ISSUN_X86)
const Kernels* kernels_avx2();
const Kernels* kernels_avx512();
#endif
#if defined(ISSUN_EMULATED)
const Kernels* kernels_emulated();
#endif

}  // namespace issun
