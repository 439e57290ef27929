// Decides, before anything runs, what is computed in which order, and how every operator is cut into register blocks.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "engine.hpp"

namespace issun {
namespace {

Cut cut(int total, int most) {
  const int blocks = (total + most - 1) / most;
  return {blocks, total / blocks, total % blocks};
}

// Estimated cycles of one step of a register block of a x b sums: two multiply-adds a cycle; a multiply-add takes four cycles before
// its sum can be used again, and a little more goes by before the next one starts; loads hide behind the arithmetic but for a part.
double block_cycles(int a, int b) { return std::max(a * b / 2.0, 4.8) + 0.15 * (a + b); }

double cut_cycles(const Cut& a, const Cut& b) {
  double total = 0;
  const int as[2] = {a.base, a.base + 1}, bs[2] = {b.base, b.base + 1};
  const int na[2] = {a.blocks - a.wide, a.wide}, nb[2] = {b.blocks - b.wide, b.wide};
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j)
      if (na[i] && nb[j]) total += double(na[i]) * nb[j] * block_cycles(as[i], bs[j]);
  return total;
}

// How many positions a register block of so many channels has at most.
int most_positions(int channels) { return channels == 1 ? 16 : 8; }

// The best way to cut channels x others into blocks that fit the registers; `most` is how many others a block of so many channels may have.
template <typename Most>
void choose_blocks(int channels, int others, int registers, Most most, Cut& channel_cut, Cut& other_cut) {
  double best = std::numeric_limits<double>::infinity();
  for (int a = 1; a <= std::min(4, channels); ++a)
    for (int b = 1; b <= std::min({most(a), registers / a, others}); ++b) {
      const Cut ca = cut(channels, a), cb = cut(others, b);
      const double cycles = cut_cycles(ca, cb);
      if (cycles < best - 1e-9) {
        best = cycles;
        channel_cut = ca;
        other_cut = cb;
      }
    }
}

// The best way to cut others where the channels are cut already.
Cut cut_beside(const Cut& channels, int others, int registers) {
  const int widest = channels.base + (channels.wide > 0 ? 1 : 0);
  const int most = std::min({most_positions(widest), registers / widest, others});
  Cut best = cut(others, most);
  for (int b = 1; b < most; ++b)
    if (const Cut c = cut(others, b); cut_cycles(channels, c) < cut_cycles(channels, best) - 1e-9) best = c;
  return best;
}

// A dense layer runs group by group where it is small beside the convolutions around it, so that a group can go through the whole
// network while it is in the cache; else it meets all groups, and its weights are loaded once for several of them.
bool is_meeting(const Op& op, int64_t conv_macs) {
  if (!op.traits->meets || op.kernel_size <= 512) return false;
  return op.kernel_size > 16384 || op.kernel_size * 16 > conv_macs;
}

// A 1x1 convolution at stride 1 between buffers without borders takes a whole channel as one row of positions.
void flatten(Op& op, const Tensor& in, const Tensor& out, int lanes, int registers) {
  if (op.kernel_rows != 1 || op.kernel_columns != 1 || op.stride_rows != 1 || op.stride_columns != 1) return;
  const int64_t row = int64_t(in.columns) * lanes;
  op.flat_forward = in.value.row == row && out.value.row == row;
  op.flat_backward = op.packed_backward >= 0 && in.value.row == row && in.gradient.row == row && out.gradient.row == row;
  // The channels stay cut as they are: passes of tied weights share what is packed by it.
  const int positions = in.rows * in.columns;
  if (op.flat_forward) op.forward_columns = cut_beside(op.forward_channels, positions, registers);
  if (op.flat_backward) op.backward_columns = cut_beside(op.backward_channels, positions, registers);
}

// Whether the gradient of the weights takes whole 3x3 windows: 18 sums, nine values and two gradients need 32 registers.
bool has_window_tile(const Op& op, const Kernels& kernels) {
  return kernels.registers >= 24 && op.kernel_rows == 3 && op.kernel_columns == 3 && op.stride_rows == 1 && op.stride_columns == 1 &&
         op.dilation_rows == 1 && op.dilation_columns == 1;
}

// Tensor 0 is the image; every layer makes the next one.
void make_tensors(const Network& network, const Kernels& kernels, Planned& planned) {
  const auto& operators = network.operators;
  planned.tensors.assign(operators.size() + 1, Tensor{});
  Tensor& image = planned.tensors[0];
  image.channels = network.channels;
  image.rows = network.height;
  image.columns = network.width;
  for (size_t i = 0; i < operators.size(); ++i) {
    const Operator& layer = operators[i];
    Tensor& t = planned.tensors[i + 1];
    t.channels = layer.out_channels;
    t.rows = layer.out_rows;
    t.columns = layer.out_columns;
    t.act = kernels.activations[int(layer.act)].told_by_value ? layer.act : Act::linear;
    t.slope = layer.slope;
    t.needs_gradient = layer.trained || planned.tensors[layer.input].needs_gradient ||
                       (layer.other >= 0 && planned.tensors[layer.other].needs_gradient);
  }
}

void make_op(const Network& network, const Kernels& kernels, int64_t conv_macs, int i, Planned& planned) {
  const auto& operators = network.operators;
  Plan& plan = planned.plan;
  Op& op = planned.ops[i];
  op = Op{};
  static_cast<Operator&>(op) = operators[i];
  op.traits = &kernels.operators[int(op.kind)];
  op.by_channel = op.traits->by_channel || op.sets == op.in_channels;
  op.cheap = op.traits->cheap && !kernels.activations[int(op.act)].dear;
  op.output = i + 1;
  op.packed_backward = -1;
  op.sends_gradient = planned.tensors[op.input].needs_gradient || (op.other >= 0 && planned.tensors[op.other].needs_gradient);
  op.shares = i;
  bool tied = false;
  for (int j = 0; j < int(operators.size()) && op.kernel >= 0; ++j) {
    if (j == i || operators[j].kernel != op.kernel) continue;
    tied = true;
    op.shares = std::min(op.shares, j);
  }
  if (op.traits->statistics) {
    op.batch_statistics = op.trained;
    op.norm = plan.norm_channels;
    plan.norm_channels += op.kernel_size;
    plan.walking_gradients |= op.trained;
    return;
  }
  op.meeting = !tied && is_meeting(op, conv_macs);
  if (op.traits->blocks) {
    const int in = op.in_channels / op.parts, out = op.out_channels / op.parts;
    choose_blocks(out, op.out_columns, kernels.registers, most_positions, op.forward_channels, op.forward_columns);
    choose_blocks(in, op.in_columns, kernels.registers, most_positions, op.backward_channels, op.backward_columns);
    choose_blocks(out, in * op.kernel_columns, kernels.registers, [](int) { return most_taps; }, op.gradient_channels, op.gradient_taps);
    if (has_window_tile(op, kernels)) op.gradient_windows = 2;
    // So many rows that the gradient of a block's channels, which one sweep reads again for the next taps, stays in the nearest cache.
    const int64_t row_bytes = int64_t(op.out_columns) * kernels.lanes * 4 * (op.gradient_windows ? 2 : op.gradient_channels.base);
    op.gradient_rows = int32_t(std::max<int64_t>(1, std::min<int64_t>(op.out_rows, 24576 / row_bytes)));
  }
  const bool unit = op.traits->blocks && op.stride_rows == 1 && op.stride_columns == 1;
  if (op.shares == i) {
    if (op.trained && !op.meeting) {
      op.lanes_kernel = plan.lanes_floats;
      op.lanes_bias = op.lanes_kernel + op.kernel_size * kernels.lanes;
      plan.lanes_floats += (op.kernel_size + op.bias_size) * kernels.lanes;
      plan.walking_gradients = true;
    }
    if (op.traits->blocks) {
      op.packed = plan.packed_floats;
      plan.packed_floats += op.kernel_size;
    }
  } else {
    const Op& owner = planned.ops[op.shares];
    op.lanes_kernel = owner.lanes_kernel;
    op.lanes_bias = owner.lanes_bias;
    op.packed = owner.packed;
    op.packed_backward = owner.packed_backward;
  }
  if (unit && op.sends_gradient && op.packed_backward < 0) {
    op.packed_backward = plan.packed_floats;
    planned.ops[op.shares].packed_backward = op.packed_backward;  // which packs it for all passes
    plan.packed_floats += op.kernel_size;
  }
}

// Every meeting stands alone, a norm that needs the whole batch opens a segment, and the last segment walks, since it holds the loss.
void make_segments(Planned& planned) {
  auto& segments = planned.segments;
  const int count = int(planned.ops.size());
  int start = 0;
  for (int i = 0; i < count; ++i) {
    const Op& op = planned.ops[i];
    if (op.batch_statistics) {
      segments.push_back({start, i, false, i, 0, 0, 0, 0});  // empty after a meeting: it measures what that made
      start = i;
    } else if (op.meeting) {
      if (start < i || i == 0) segments.push_back({start, i, false, -1, 0, 0, 0, 0});  // the first one lets the images in
      segments.push_back({i, i + 1, true, -1, 0, 0, 0, 0});
      start = i + 1;
    }
  }
  if (start < count || segments.empty() || segments.back().meeting) segments.push_back({start, count, false, -1, 0, 0, 0, 0});
}

// Which operators add up gradients for a chunk: of tied weights the first pass in every segment that has one.
void make_order_of_sums(Planned& planned) {
  std::vector<int> reduced(planned.ops.size(), -1);  // by the owner of weights: the segment that has passes of them, as met on the way back
  for (int s = int(planned.segments.size()) - 1; s >= 0; --s)
    for (int i = planned.segments[s].first; i < planned.segments[s].last; ++i) {
      Op& op = planned.ops[i];
      int& segment = reduced[op.shares];
      op.reduces = op.trained && !op.meeting && segment != s;
      if (!op.reduces) continue;
      op.reduce_adds = segment >= 0;
      segment = s;
    }
}

// Who is the first on the way back to write the gradient of a tensor, and who adds to it.
void make_order_of_gradients(Planned& planned) {
  std::vector<int> writers(planned.tensors.size(), 0);
  for (auto op = planned.ops.rbegin(); op != planned.ops.rend(); ++op) {
    op->adds = writers[op->input]++ > 0;
    if (op->other >= 0) op->other_adds = writers[op->other]++ > 0;
  }
  for (Op& op : planned.ops) op.several = writers[op.input] > 1;
}

// The gaps that the pieces leave in the flat weights.
void find_rest(Planned& planned, int64_t weights, int64_t piece_size) {
  std::vector<Piece> pieces = planned.pieces;
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.first < b.first; });
  pieces.push_back({weights, 0, 0, 0, false, false});
  int64_t from = 0;
  for (const Piece& piece : pieces) {
    for (; from < piece.first; from += piece_size)
      planned.rest.push_back({from, std::min(piece_size, piece.first - from), 0, 0, false, false});
    from = piece.first + piece.size;
  }
}

void make_pieces(const Network& network, Planned& planned) {
  constexpr int64_t piece_size = 8192;
  for (size_t i = 0; i < network.operators.size(); ++i) {
    const Operator& layer = network.operators[i];
    const Op& op = planned.ops[i];
    if (op.shares != int(i)) continue;
    const bool decays = op.traits->decays;
    if (layer.l1 != 0 || layer.l2 != 0) {
      planned.plan.has_penalty = true;
      planned.penalties.push_back({layer.kernel, layer.kernel_size, layer.l1, layer.l2, false, decays});
    }
    if (!layer.trained) continue;
    for (int64_t from = 0; from < layer.kernel_size; from += piece_size)
      planned.pieces.push_back(
          {layer.kernel + from, std::min(piece_size, layer.kernel_size - from), layer.l1, layer.l2, op.meeting, decays});
    if (layer.bias >= 0) planned.pieces.push_back({layer.bias, layer.bias_size, 0, 0, op.meeting, false});
  }
  find_rest(planned, network.weights, piece_size);
}

// Memory for what is done to images as they enter. Where they are sampled between pixels a copy has one pixel of border before and behind
// and two rows below, and room for the last word to be read; one row needs places, two weights and the words around each pixel.
Augment plan_augment(Augment augment, const Plan& plan, const Tensor& image) {
  const auto whole_lines = [](int64_t bytes) { return (bytes + 63) / 64 * 64; };
  if (augment.bilinear) augment.image = whole_lines(int64_t(plan.height + 3) * (plan.width + 2) * plan.channels + 8);
  else if (augment.moves || augment.recolours) augment.image = whole_lines(int64_t(plan.height) * plan.width * plan.channels);
  augment.coloured = augment.image * plan.lanes;
  const bool between = augment.recolours && (augment.moves || augment.bilinear);
  augment.rows = augment.coloured + (between ? whole_lines(int64_t(plan.height) * plan.width * plan.channels) : 0);
  augment.other = augment.rows + (augment.bilinear ? whole_lines(int64_t(plan.width) * plan.lanes * 4 * (plan.channels == 1 ? 4 : 7)) : 0);
  augment.bytes = augment.other + (augment.mixes ? whole_lines(image.channels * image.value.channel * 4) : 0);
  return augment;
}

// Adds the spline of every row or column of an image to `splines`: a uniform cubic B-spline, whose points lie one cell apart. All is
// computed in whole numbers: a place is `at` of `steps` parts of a cell.
void add_splines(std::vector<Spline>& splines, int size) {
  const int64_t steps = size > 1 ? size - 1 : 1;
  for (int64_t place = 0; place < size; ++place) {
    const int64_t first = std::min<int64_t>(bend_cells * place / steps, bend_cells - 1), at = bend_cells * place - first * steps;
    const int64_t left = steps - at, whole = 6 * steps * steps * steps;
    const auto rounded = [whole](int64_t weight) { return int32_t((2048 * weight + whole) / (2 * whole)); };
    const int32_t before = rounded(left * left * left), behind = rounded(at * at * at);
    const int32_t near = rounded(3 * at * at * at - 6 * at * at * steps + 4 * steps * steps * steps);
    splines.push_back({int32_t(first), {before, near, 1024 - before - near - behind, behind}});
  }
}

}  // namespace

std::unique_ptr<Planned> make_plan(const Network& network, const Kernels& kernels) {
  auto planned = std::make_unique<Planned>();
  Plan& plan = planned->plan;
  plan = Plan{};
  plan.lanes = kernels.lanes;
  plan.classes = network.classes;
  plan.batch = network.batch;
  plan.groups = (network.batch + kernels.lanes - 1) / kernels.lanes;
  plan.height = network.height;
  plan.width = network.width;
  plan.channels = network.channels;
  plan.takes_values = network.takes_values;
  plan.channels_last = network.channels_last;
  for (int c = 0; !plan.takes_values && c < network.channels; ++c) {
    plan.factor[c] = network.factor[c];
    plan.offset[c] = network.offset[c];
  }
  plan.weights = network.weights;
  const auto& operators = network.operators;
  const int count = int(operators.size());

  int64_t conv_macs = network.macs_before;
  for (const Operator& layer : operators)
    if (kernels.operators[int(layer.kind)].windows) conv_macs += layer.kernel_size * layer.out_rows * layer.out_columns;
  plan.first_trained = count;
  for (int i = count - 1; i >= 0; --i)
    if (operators[i].trained) plan.first_trained = i;

  make_tensors(network, kernels, *planned);
  const Tensor& end = planned->tensors.back();
  plan.outputs = int64_t(end.channels) * end.rows * end.columns;
  planned->ops.resize(count);
  for (int i = 0; i < count; ++i) make_op(network, kernels, conv_macs, i, *planned);
  make_segments(*planned);
  make_order_of_sums(*planned);
  make_order_of_gradients(*planned);
  make_runs(*planned);
  place_tensors(kernels.lanes, *planned);
  plan.augment = plan_augment(network.augment, plan, planned->tensors[0]);
  for (Op& op : planned->ops)
    if (op.traits->blocks) flatten(op, planned->tensors[op.input], planned->tensors[op.output], kernels.lanes, kernels.registers);
  make_pieces(network, *planned);

  if (plan.augment.bend) {
    add_splines(planned->splines, plan.height);
    add_splines(planned->splines, plan.width);
    plan.row_splines = planned->splines.data();
    plan.column_splines = planned->splines.data() + plan.height;
  }
  plan.tensors = planned->tensors.data();
  plan.tensor_count = count + 1;
  plan.ops = planned->ops.data();
  plan.op_count = count;
  plan.segments = planned->segments.data();
  plan.segment_count = int32_t(planned->segments.size());
  plan.steps = planned->steps.data();
  plan.runs = planned->runs.data();
  plan.pieces = planned->pieces.data();
  plan.piece_count = int32_t(planned->pieces.size());
  plan.rest = planned->rest.data();
  plan.rest_count = int32_t(planned->rest.size());
  plan.feature_offsets = planned->feature_offsets.data();
  return planned;
}

}  // namespace issun
