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

// The operators, activations and optimizers there are, a line each. Python has the same enums with the same names (bindings.cpp). The
// record of operator `conv` is `conv_operator`, at the end of its file (operator.hpp); that of activation `relu` is `relu_activation`.
#define ISSUN_OPERATORS(line) \
  line(conv)                  \
  line(dense)                 \
  line(max_pool)              \
  line(average_pool)          \
  line(global_average_pool)   \
  line(dropout)               \
  line(activate)              \
  line(depthwise)             \
  line(add)                   \
  line(norm)                  \
  line(scale)                 \
  line(normalise)             \
  line(concat)                \
  line(gate)
#define ISSUN_ACTIVATIONS(line) \
  line(linear)                  \
  line(relu)                    \
  line(leaky)                   \
  line(tanh)                    \
  line(gelu)                    \
  line(hardswish)               \
  line(prelu)                   \
  line(relu6)                   \
  line(sigmoid)                 \
  line(silu)                    \
  line(elu)                     \
  line(rational)
#define ISSUN_OPTIMIZERS(line) \
  line(sgd)                    \
  line(adam)                   \
  line(rmsprop)                \
  line(adadelta)

#define ISSUN_NAME(name) name,
enum class Kind : int32_t { ISSUN_OPERATORS(ISSUN_NAME) };
enum class Act : int32_t { ISSUN_ACTIVATIONS(ISSUN_NAME) };
enum class Optimizer : int32_t { ISSUN_OPTIMIZERS(ISSUN_NAME) };
#undef ISSUN_NAME

constexpr int max_channels = 4;  // of an input image
constexpr int max_block = 16;    // register blocks an operator may be split into along one row
constexpr int most_taps = 8;     // of a register block of the gradient of weights
constexpr int chunk_count = 8;   // a batch is cut into so many parts, whatever the number of threads: sums keep their order
constexpr int norm_task = 32;    // channels of a batch normalisation that one task completes
constexpr double norm_epsilon = 1e-5, norm_keep = 0.9;  // running = keep * running + (1 - keep) * batch

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
  bool one_value, one_gradient;  // there is room for one channel only, made and used before the next one comes
  Act act;                  // activation of the producer: whoever writes the gradient multiplies by its derivative
  float slope;
};

// How a run of `total` items is cut into blocks: the first `wide` blocks have `base + 1` items, the others `base`.
struct Cut {
  int32_t blocks, base, wide;
};

// What the planner must know of a kind of operator.
struct OperatorTraits {
  bool windows;           // goes over its input with windows of weights, beyond the edge too: zeros lie beside what it reads
  bool any_stride_back;   // so does its input's gradient over that of its output, whatever the stride; else at stride 1 alone
  bool blocks;            // works in register blocks of channels and positions, for which its weights are packed
  bool features;          // reads an image as one row of features
  bool meets;             // may take all groups of the batch at once
  bool statistics;        // uses those of the batch where it is trained, so it opens its segment
  bool decays;            // weight decay acts on its kernel
  bool cheap;             // its values cost less to make again than to be written to memory and read back
  bool as_cheap_as_read;  // no more than reading them
  bool by_channel;        // makes a channel of each channel of its input, and can do so for one alone
  bool reads_own_values;  // on the way back
  bool leaves_gaps;       // there it writes no gradient where no window lies, which is zero from the start
};

// And of an activation.
struct ActivationTraits {
  bool told_by_value;     // its derivative can be told from what comes out of it
  bool dear;              // costs more than to write its values to memory and read them back
};

// One operator as Python describes it; sizes are checked there. Operator i reads tensor `input` (some also `other`) and makes
// tensor i + 1; tensor 0 is the image. Operators of one kernel are passes of tied weights.
struct Operator {
  Kind kind;
  int32_t row;                  // index of the layer in Net.rows
  int32_t input = 0, other = -1;  // tensors; `other` is the second one that an addition, a concat or a gate reads, else -1
  int32_t in_channels, in_rows, in_columns, out_channels, out_rows, out_columns;
  int32_t kernel_rows = 1, kernel_columns = 1, stride_rows = 1, stride_columns = 1;
  int32_t dilation_rows = 1, dilation_columns = 1;  // conv, depthwise: from one tap to the next
  int32_t pad_top = 0, pad_left = 0;
  int32_t parts = 1;            // conv: runs of channels, each of which is convolved by itself (`groups` in the notation)
  Act act = Act::linear;
  float slope = 0;
  bool trained = false;         // has weights that change
  // Offsets in the flat weights, and how many there are; bias -1 where there is none (norm, normalise: factor and shift).
  int64_t kernel = -1, kernel_size = 0, bias = -1, bias_size = 0;
  int64_t mean = -1, variance = -1;  // norm: offsets of the running statistics
  float l1 = 0, l2 = 0;         // penalties on the kernel
  float rate = 0;               // dropout
  uint32_t threshold = 0;       // dropout: draws below it drop
  bool spatial = false;         // dropout: one draw for a whole channel
  int32_t sets = 0;             // normalise: runs of channels, each of which is normalised by itself
};

// The same with what the planner adds.
struct Op : Operator {
  const OperatorTraits* traits;
  bool cheap;                  // with its activation: see OperatorTraits
  bool by_channel;             // see OperatorTraits; a normalisation of each channel of an image, too
  int32_t output;              // tensor
  bool adds, other_adds;       // the gradient of input (other) has been written by another reader of it: add to it
  bool sends_gradient;         // to its input, or to the other one
  bool several;                // the gradient of input has other writers: leave no place of it unwritten
  int32_t shares;              // op whose weights, packed weights and gradients with lanes it uses: itself, but for later passes
  bool reduces;                // has weights of which it is the first pass in its segment: it clears their gradients with lanes, and adds
                               // them up for a chunk
  bool reduce_adds;            // to what another segment, which came before on the way back, has left of its passes for the chunk
  bool meeting;                // a dense layer over all groups at once
  int64_t norm;                // norm: its first channel among those of all norms
  bool batch_statistics;       // norm: it opens its segment, and uses the batch's statistics while training
  int64_t statistics;          // normalise: where mean and inverse deviation of each set are kept, in the arena of a thread or a group
  bool statistics_per_group;
  int64_t gradient_sums;       // normalise: where its sums of gradients are, in the arena of a thread
  // conv: register blocks (of one part's channels), packed weights
  Cut forward_channels, forward_columns;
  Cut backward_channels, backward_columns;
  Cut gradient_channels, gradient_taps;
  int32_t gradient_rows;       // rows that one sweep of the weight gradient takes
  int32_t gradient_windows;    // filters of which one sweep takes a whole 3x3 window of taps; 0: by the two cuts
  int64_t packed, packed_backward;  // offsets in the packed weights
  int64_t lanes_kernel, lanes_bias; // offsets in the gradient with lanes not yet summed, in floats (trained, not meeting)
  int64_t feature_offsets;     // dense: index of the table feature -> offset in the input's gradient view, in floats
  bool flat_forward, flat_backward;  // conv 1x1 between buffers without borders: a whole channel is one row of positions
};

// What a walk does with one group, step by step.
enum class Do : int32_t {
  values,         // of an operator: its own segment's, or made again by a segment that finds them gone
  measure,        // the statistics for the norm `op`, which opens the next segment
  norm_gradient,  // the gradient of the input of that norm
  gradients,      // of an operator: of its weights and of its input
  sums            // of the gradients that a norm needs, in its own segment
};
struct Step {
  Do what;
  int32_t op;
};

// Steps [first, last). Where `channels` is not 0 none of them needs another channel than the one that it makes: all are done for
// one channel after the other, which stays in the nearest cache.
struct Run {
  int32_t first, last;
  int32_t channels;
};

// Ops [first, last) that one thread runs for one group after another; where `meeting` it is a single op over the whole batch.
struct Segment {
  int32_t first, last;
  bool meeting;
  int32_t norm;                      // op that opens the next segment and needs the statistics of what this one made; else -1
  int32_t forward_first, forward_last, backward_first, backward_last;  // its runs
};

// A piece of the weights that one task updates: never crosses a tensor.
struct Piece {
  int64_t first, size;
  float l1, l2;
  bool meeting;  // its gradient is complete; otherwise it is the sum over chunks
  bool decays;   // a part of a kernel: weight decay acts on it
};

// Where one image is sampled while training, by position in the batch; drawn in src/issun/engine/augmenting.py. Places are in 65536ths
// of a pixel: output (r, c) lies at row y + r·y_by_row + c·y_by_column and column x + r·x_by_row + c·x_by_column of the image. What a value
// becomes before, and how much of the pixel's and of the image's mean gray is added, is in 65536ths too.
struct Draw {
  int32_t y, y_by_row, y_by_column, x, x_by_row, x_by_column;
  int32_t crop_row, crop_column;                     // the frame that is cut out of the padded one
  int32_t cut_top, cut_left, cut_bottom, cut_right;  // what is filled
  int32_t own, gray, mean;
  uint32_t bend;  // the key of the draws of its displacements
};

// The weights, in 1024ths, of the four points of a grid between which a row or column of the image lies, and which point is the first.
struct Spline {
  int32_t first, weight[4];
};

// Cells of the grid along a side of an image, and its points: two for each end of a cubic spline and one at its ends.
constexpr int bend_cells = 4, bend_points = bend_cells + 3;

// What lies beyond the edge of an image: the value `fill`, its outermost pixels again, or its mirror image.
enum class Edge : int32_t { fill, repeat, mirror };

// How images are changed as they enter; the memory for it is one scratch a thread, sizes and places in bytes.
struct Augment {
  bool recolours;
  bool moves;     // by whole pixels, or something is cut out
  bool bilinear;  // sampled between pixels
  bool mixes;
  int32_t bend;  // the largest displacement of a pixel, in 65536ths of a pixel; 0: none
  Edge edge;
  int32_t fill;
  int64_t image;         // of the copy of one lane's image (with a border where bilinear)
  int64_t coloured;      // where an image in other colours lies before it is moved or sampled
  int64_t rows, other;   // where the work on one row and the images to be mixed in begin
  int64_t bytes;         // all of it
};

struct Plan {
  int32_t lanes, classes, batch, groups;  // groups of a full batch
  int32_t height, width, channels;        // of an input image
  float factor[max_channels], offset[max_channels];
  bool takes_values;                      // what enters are not images but values that were computed before: [channel][row][column]
  int64_t outputs;                        // numbers of the last tensor for one image
  bool channels_last;                     // in which order they are handed out: row, column, channel; else channel, row, column
  Augment augment;
  const Spline* row_splines;              // where pixels are displaced
  const Spline* column_splines;
  const Tensor* tensors;
  int32_t tensor_count;
  const Op* ops;
  int32_t op_count;
  const Segment* segments;
  int32_t segment_count;
  const Step* steps;
  const Run* runs;
  const Piece* pieces;
  int32_t piece_count;
  const Piece* rest;                      // the weights that no optimizer changes: frozen ones, running statistics
  int32_t rest_count;
  const int64_t* feature_offsets;
  int32_t first_trained;                  // first op whose weights change
  bool has_penalty;
  int64_t weights;                        // how many there are
  // sizes of the arenas in floats
  int64_t thread_floats, group_floats, packed_floats, lanes_floats;
  int64_t norm_channels;                  // of all norms together
  bool walking_gradients;                 // some gradient is summed over chunks
};

// What a batch normalisation does to one channel: y = factor * (x - mean) * inverse + shift, and on the way back
// dx = factor * inverse * (dy - mean_gradient - (x - mean) * inverse * mean_product).
struct NormChannel {
  float mean, inverse, variance;
  float mean_gradient, mean_product;
};

// The memory a run works in, and what it works on. One for each engine; threads share it.
struct Work {
  float* threads[256];    // one arena a thread
  float* lanes[256];      // one a thread: weight gradients whose lanes are not yet summed
  float* groups;          // arenas of the groups, one after the other
  float* packed;
  float* chunk_gradients; // [chunk][weights]
  float* gradient;        // [weights]
  double* sums;           // [chunk][channel of a norm][2]: mean and squared deviations; backward, sums of dy and of dy times x normalised
  NormChannel* norms;     // [channel of a norm]
  double* losses;         // [group]
  int32_t* correct;       // [group]
  double* squares;        // [piece]: sums of the squared gradient
  float* weights;
  // the batch
  const uint8_t* images;
  const float* values;    // in place of the images, where the plan takes values
  const int32_t* labels;  // may be null: inference
  // The target of an image is mix of its label and 1 - mix of the other; both null where every image has one label.
  const int32_t* other_labels;  // [count], by the image's place in the batch
  const float* mix;             // [count]
  float smoothing;              // share of the target that is spread over all classes
  const float* class_weights;   // [classes] or null: what an image of each class counts
  const float* taught;          // [count][classes] or null: a teacher's probabilities at `temperature`, by the image's place in the batch
  float share, temperature;     // how much of the loss the teacher is
  const int64_t* indices; // of the images of this batch
  int32_t count;          // how many they are
  int32_t group_count;
  const Draw* draws;            // by position in the batch; null where images enter as they are
  uint8_t* scratch[256];        // one a thread, for augmentation
  uint64_t seed;
  uint64_t epoch;
  bool training;
  float* logits;          // [count][outputs] or null
  int64_t* ticks;         // of native/stopwatch.hpp, or null
};

struct Update {
  Optimizer optimizer;
  float learning_rate;    // of adam: times sqrt(1 - beta_2^t) / (1 - beta_1^t)
  float momentum, epsilon;
  bool nesterov;          // of sgd
  float decay;            // learning rate of the step times weight decay
  float shorten;          // what the gradient is multiplied by, so that its norm is at most what is allowed; 1: nothing
  float average_rate;     // (1 - average) / (1 - average^t)
  float beta_1, new_1;    // new_1 is 1 - beta_1, rounded once
  float beta_2, new_2;
  float rho, new_rho;
  float* first;           // moments
  float* second;
  float* average;         // moving average of all weights, or null
};

// The operators, compiled for one instruction set.
struct Kernels {
  const char* name;
  int32_t lanes;
  int32_t registers;
  const OperatorTraits* operators;      // by Kind
  const ActivationTraits* activations;  // by Act
  void (*pack)(const Plan&, Work&, int32_t op);
  // Run one segment for the groups of one chunk. Whether it goes forward, backward or there and back is in `direction`.
  void (*walk)(const Plan&, Work&, int32_t segment, int32_t chunk, int32_t thread, int32_t direction);
  int32_t (*meeting_tasks)(const Plan&, const Work&, int32_t op, int32_t direction);
  void (*meeting)(const Plan&, Work&, int32_t op, int32_t direction, int32_t task);
  // Completes statistics (forward) or their gradients (backward) of a task's channels of a norm, from the sums of the chunks.
  void (*complete_statistics)(const Plan&, Work&, int32_t op, int32_t direction, int32_t task);
  // Moves the running statistics of a norm towards those of the batch.
  void (*run_statistics)(const Plan&, Work&, int32_t op);
  void (*complete)(const Plan&, Work&, int32_t piece);
  void (*square)(const Plan&, Work&, int32_t piece);
  void (*update)(const Plan&, Work&, int32_t piece, const Update&);
  void (*follow)(const Plan&, Work&, int32_t rest, const Update&);
  void (*flush_denormals)();
  float (*multiply_adds)(int64_t rounds);  // rounds * registers * lanes of them, for measuring the peak
};

constexpr int32_t forward = 1, backward = 2, there_and_back = 3;

const Kernels* kernels_baseline();
const Kernels* kernels_avx2();
const Kernels* kernels_avx512();
const Kernels* kernels_emulated();

}  // namespace issun
