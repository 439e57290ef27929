// Decides, before anything runs, where every number lies and how every operator is cut into register blocks.
#include <algorithm>
#include <cmath>
#include <limits>

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

// The best way to cut channels x others into blocks that fit the registers.
void choose_blocks(int channels, int others, int registers, Cut& channel_cut, Cut& other_cut) {
  double best = std::numeric_limits<double>::infinity();
  for (int a = 1; a <= std::min(4, channels); ++a)
    for (int b = 1; b <= std::min({8, registers / a, others}); ++b) {
      const Cut ca = cut(channels, a), cb = cut(others, b);
      const double cycles = cut_cycles(ca, cb);
      if (cycles < best - 1e-9) {
        best = cycles;
        channel_cut = ca;
        other_cut = cb;
      }
    }
}

View make_view(const Tensor& t, int left, int right, bool contiguous, int lanes, int64_t& arena) {
  View view;
  view.row = int64_t(left + t.columns + right) * lanes;
  view.channel = t.rows * view.row;
  if (!contiguous) {
    // Whole cache lines, and an odd number of them: channels must not all fall into the same set of the cache.
    view.channel = (view.channel + 15) / 16 * 16;
    if (t.rows * t.columns > 1 && view.channel / 16 % 2 == 0) view.channel += 16;
  }
  view.offset = arena + int64_t(left) * lanes;
  arena += (t.channels * view.channel + 15) / 16 * 16;
  return view;
}

// A dense layer runs group by group where it is small beside the convolutions around it, so that a group can go through the whole
// network while it is in the cache; else it meets all groups, and its weights are loaded once for several of them.
bool is_meeting(const Layer& layer, int64_t conv_macs) {
  if (layer.kind != Kind::dense || layer.kernel_size <= 512) return false;
  return layer.kernel_size > 16384 || layer.kernel_size * 16 > conv_macs;
}

}  // namespace

std::unique_ptr<Planned> make_plan(const Network& network, const Kernels& kernels) {
  auto planned = std::make_unique<Planned>();
  Plan& plan = planned->plan;
  plan = Plan{};
  const int lanes = kernels.lanes, registers = kernels.registers;
  plan.lanes = lanes;
  plan.classes = network.classes;
  plan.batch = network.batch;
  plan.groups = (network.batch + lanes - 1) / lanes;
  plan.height = network.height;
  plan.width = network.width;
  plan.channels = network.channels;
  for (int c = 0; c < network.channels; ++c) {
    plan.factor[c] = network.factor[c];
    plan.offset[c] = network.offset[c];
  }
  plan.weights = network.weights;
  const auto& layers = network.layers;
  const int count = int(layers.size());

  int64_t conv_macs = 0;
  for (const Layer& layer : layers)
    if (layer.kind == Kind::conv) conv_macs += layer.kernel_size * layer.out_rows * layer.out_columns;
  plan.first_trained = count;
  for (int i = count - 1; i >= 0; --i)
    if (layers[i].trained) plan.first_trained = i;

  planned->tensors.resize(count + 1);
  auto& tensors = planned->tensors;
  for (int i = 0; i <= count; ++i) {
    Tensor& t = tensors[i];
    t = Tensor{};
    const Layer& near = layers[std::min(i, count - 1)];
    t.channels = i < count ? near.in_channels : near.out_channels;
    t.rows = i < count ? near.in_rows : near.out_rows;
    t.columns = i < count ? near.in_columns : near.out_columns;
    t.act = i > 0 ? layers[i - 1].act : Act::linear;
    t.slope = i > 0 ? layers[i - 1].slope : 0;
    t.needs_gradient = i > plan.first_trained;
  }

  planned->ops.resize(count);
  int64_t lane_floats = 0, packed = 0;
  for (int i = 0; i < count; ++i) {
    const Layer& layer = layers[i];
    Op& op = planned->ops[i];
    op = Op{};
    op.kind = layer.kind;
    op.row = layer.row;
    op.input = i;
    op.output = i + 1;
    op.kernel_rows = layer.kernel_rows;
    op.kernel_columns = layer.kernel_columns;
    op.stride_rows = layer.stride_rows;
    op.stride_columns = layer.stride_columns;
    op.pad_top = layer.pad_top;
    op.pad_left = layer.pad_left;
    op.act = layer.act;
    op.slope = layer.slope;
    op.trained = layer.trained;
    op.meeting = is_meeting(layer, conv_macs);
    op.kernel = layer.kernel;
    op.kernel_size = layer.kernel_size;
    op.bias = layer.bias;
    op.bias_size = layer.bias_size;
    op.rate = float(layer.rate);
    op.threshold = layer.threshold;
    op.packed_backward = -1;
    if (op.trained && !op.meeting) {
      op.lanes_kernel = lane_floats;
      op.lanes_bias = lane_floats + op.kernel_size * lanes;
      lane_floats += (op.kernel_size + op.bias_size) * lanes;
    }
    if (op.kind == Kind::conv) {
      choose_blocks(layer.out_channels, layer.out_columns, registers, op.forward_channels, op.forward_columns);
      choose_blocks(layer.in_channels, layer.in_columns, registers, op.backward_channels, op.backward_columns);
      choose_blocks(layer.out_channels, layer.in_channels * layer.kernel_columns, registers, op.gradient_channels, op.gradient_taps);
      // So many rows that what one sweep reads again for the next taps stays in half of a 32 kB cache.
      const int64_t row_bytes = int64_t(layer.out_columns) * lanes * 4 * (op.gradient_channels.base + 2);
      op.gradient_rows = int32_t(std::max<int64_t>(1, std::min<int64_t>(layer.out_rows, 16384 / row_bytes)));
      op.packed = packed;
      packed += layer.kernel_size;
      if (tensors[i].needs_gradient && layer.stride_rows == 1 && layer.stride_columns == 1) {
        op.packed_backward = packed;
        packed += layer.kernel_size;
      }
    }
  }

  // Segments: every meeting stands alone; the last segment is no meeting, since it holds the loss.
  int start = 0;
  for (int i = 0; i < count; ++i)
    if (planned->ops[i].meeting) {
      if (start < i || i == 0) planned->segments.push_back({start, i, false});  // the first one lets the images in
      planned->segments.push_back({i, i + 1, true});
      start = i + 1;
    }
  if (start < count || planned->segments.empty() || planned->segments.back().meeting) planned->segments.push_back({start, count, false});

  // What more than one segment touches is kept for every group, and so is everything where the walk does not turn round at once.
  const bool single = planned->segments.size() == 1;
  std::vector<char> at_meeting(count + 1, 0);
  for (const Op& op : planned->ops)
    if (op.meeting) at_meeting[op.input] = at_meeting[op.output] = 1;
  const int last_start = planned->segments.back().first;
  int64_t thread_floats = 0, group_floats = 0;
  for (int i = 0; i <= count; ++i) {
    Tensor& t = tensors[i];
    t.value_per_group = !single && (i <= last_start || at_meeting[i]);
    t.gradient_per_group = !single && at_meeting[i];
    int left = 0, right = 0;
    const bool feeds_dense = i < count && layers[i].kind == Kind::dense;
    if (i < count && layers[i].kind == Kind::conv) {
      const Layer& next = layers[i];
      left = next.pad_left;
      right = std::max(0, (next.out_columns - 1) * next.stride_columns + next.kernel_columns - next.pad_left - t.columns);
    }
    // Channels of a vector are features: consecutive for whoever reads or writes them.
    t.value = make_view(t, left, right, feeds_dense || t.rows * t.columns == 1, lanes, t.value_per_group ? group_floats : thread_floats);
    if (!t.needs_gradient) continue;
    left = right = 0;
    if (i > 0 && layers[i - 1].kind == Kind::conv && planned->ops[i - 1].packed_backward >= 0) {
      const Layer& made = layers[i - 1];
      left = made.kernel_columns - 1 - made.pad_left;
      right = std::max(0, made.in_columns - made.out_columns + made.pad_left);
    }
    t.gradient = make_view(t, left, right, t.rows * t.columns == 1, lanes, t.gradient_per_group ? group_floats : thread_floats);
  }

  for (int i = 0; i < count; ++i) {
    if (layers[i].kind != Kind::dense || !tensors[i].needs_gradient) continue;
    const Tensor& t = tensors[i];
    planned->ops[i].feature_offsets = int64_t(planned->feature_offsets.size());
    for (int c = 0; c < t.channels; ++c)
      for (int r = 0; r < t.rows; ++r)
        for (int p = 0; p < t.columns; ++p)
          planned->feature_offsets.push_back(c * t.gradient.channel + r * t.gradient.row + int64_t(p) * lanes);
  }

  constexpr int64_t piece_size = 8192;
  for (int i = 0; i < count; ++i) {
    const Layer& layer = layers[i];
    if (layer.l1 != 0 || layer.l2 != 0) {
      plan.has_penalty = true;
      planned->penalties.push_back({layer.kernel, layer.kernel_size, layer.l1, layer.l2, false});
    }
    if (!layer.trained) continue;
    for (int64_t from = 0; from < layer.kernel_size; from += piece_size)
      planned->pieces.push_back(
          {layer.kernel + from, std::min(piece_size, layer.kernel_size - from), layer.l1, layer.l2, planned->ops[i].meeting});
    if (layer.bias >= 0) planned->pieces.push_back({layer.bias, layer.bias_size, 0, 0, planned->ops[i].meeting});
  }

  plan.thread_floats = thread_floats;
  plan.group_floats = group_floats;
  plan.packed_floats = packed;
  plan.lanes_floats = lane_floats;
  plan.tensors = tensors.data();
  plan.tensor_count = count + 1;
  plan.ops = planned->ops.data();
  plan.op_count = count;
  plan.segments = planned->segments.data();
  plan.segment_count = int32_t(planned->segments.size());
  plan.pieces = planned->pieces.data();
  plan.piece_count = int32_t(planned->pieces.size());
  plan.feature_offsets = planned->feature_offsets.data();
  return planned;
}

}  // namespace issun
