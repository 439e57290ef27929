// Where every tensor lies: in the arena of a thread or of a group, with which border, and how far its rows and channels are apart.
#include <algorithm>
#include <stdexcept>

#include "engine.hpp"

namespace issun {
namespace {

View make_view(const Tensor& t, int left, int right, bool contiguous, bool one_channel, int lanes, int64_t& arena) {
  View view;
  view.row = int64_t(left + t.columns + right) * lanes;
  view.channel = t.rows * view.row;
  if (!contiguous) {
    // Whole cache lines, and an odd number of them: channels must not all fall into the same set of the cache.
    view.channel = (view.channel + 15) / 16 * 16;
    if (t.rows * t.columns > 1 && view.channel / 16 % 2 == 0) view.channel += 16;
  }
  view.offset = arena + int64_t(left) * lanes;
  arena += ((one_channel ? 1 : t.channels) * view.channel + 15) / 16 * 16;
  if (one_channel) view.channel = 0;
  return view;
}

// Columns of zeros that a layer needs beside the values that it reads.
void value_border(const Op& reader, int& left, int& right) {
  if (!reader.traits->windows) return;
  const int last = (reader.out_columns - 1) * reader.stride_columns + (reader.kernel_columns - 1) * reader.dilation_columns;
  left = std::max(left, reader.pad_left);
  right = std::max(right, last - reader.pad_left - (reader.in_columns - 1));
}

// Columns of zeros that a layer needs beside the gradient of what it made, to get that of what it read.
void gradient_border(const Op& maker, int& left, int& right) {
  const bool unit = maker.stride_rows == 1 && maker.stride_columns == 1;
  if (!maker.traits->windows || !(unit || maker.traits->any_stride_back)) return;
  const int stride = maker.stride_columns;
  for (int phase = 0; phase < std::min(stride, maker.kernel_columns); ++phase) {
    // Input column p reads output columns from (p + pad - tap * dilation) / stride, for the taps of its phase (depthwise.hpp).
    const int taps = (maker.kernel_columns - phase + stride - 1) / stride;
    const int first = (maker.pad_left - phase + stride - 1) / stride, start = first * stride + phase - maker.pad_left;
    if (start >= maker.in_columns) continue;
    const int last = first + (maker.in_columns - 1 - start) / stride;
    left = std::max(left, (taps - 1) * maker.dilation_columns - first);
    right = std::max(right, last - (maker.out_columns - 1));
  }
}

// Room in the arena of a thread that gradients use one after the other. They have the same rows and the same border, which nobody writes.
struct Room {
  int32_t rows, columns;
  int left, right;
  int32_t channels;  // most of them
  int last;          // the run after which it is free
  std::vector<int> tensors;
};

// Whether a gradient has places that nobody writes, which must be zero from the start.
bool has_gaps(const Tensor& t, int tensor, const std::vector<Op>& ops) {
  for (const Op& op : ops) {
    if (op.input != tensor || !op.traits->leaves_gaps) continue;
    const auto covered = [](int inputs, int outputs, int size, int stride, int before) {
      return stride <= size && (outputs - 1) * stride + size - before >= inputs;
    };
    if (!covered(t.rows, op.out_rows, op.kernel_rows, op.stride_rows, op.pad_top) ||
        !covered(t.columns, op.out_columns, op.kernel_columns, op.stride_columns, op.pad_left))
      return true;
  }
  return false;
}

// A gradient is written by those who read the tensor's values and read by the one that made them, neighbours on the way back. So the next
// but one can lie in its place, and what a group touches stays in a nearer cache.
void place_gradients(int lanes, Planned& planned) {
  auto& tensors = planned.tensors;
  const std::vector<Lifetime> lifetimes = lifetimes_of_gradients(planned);
  std::vector<int> order;
  for (int i = 0; i < int(tensors.size()); ++i)
    if (tensors[i].needs_gradient) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return lifetimes[a].first < lifetimes[b].first; });
  std::vector<Room> rooms;
  for (const int i : order) {
    Tensor& t = tensors[i];
    int left = 0, right = 0;
    if (i > 0 && planned.ops[i - 1].sends_gradient) gradient_border(planned.ops[i - 1], left, right);
    const bool contiguous = t.rows * t.columns == 1;
    if (t.gradient_per_group || t.one_gradient || contiguous || has_gaps(t, i, planned.ops)) {
      t.gradient = make_view(t, left, right, contiguous, t.one_gradient, lanes,
                             t.gradient_per_group ? planned.plan.group_floats : planned.plan.thread_floats);
      continue;
    }
    Room* free = nullptr;
    for (Room& room : rooms)
      if (room.last < lifetimes[i].first && room.rows == t.rows && room.columns == t.columns && room.left == left && room.right == right &&
          (!free || room.last > free->last))
        free = &room;
    if (!free) {
      rooms.push_back({t.rows, t.columns, left, right, 0, 0, {}});
      free = &rooms.back();
    }
    free->channels = std::max(free->channels, t.channels);
    free->last = lifetimes[i].last;
    free->tensors.push_back(i);
  }
  for (const Room& room : rooms) {
    Tensor widest = tensors[room.tensors.front()];
    widest.channels = room.channels;
    const View view = make_view(widest, room.left, room.right, false, false, lanes, planned.plan.thread_floats);
    for (const int i : room.tensors) tensors[i].gradient = view;
  }
}

}  // namespace

// What more than one segment touches is kept for every group, and so is everything where the walk does not turn round at once.
void place_tensors(int lanes, Planned& planned) {
  const auto& ops = planned.ops;
  auto& tensors = planned.tensors;
  const int count = int(ops.size()), last = int(planned.segments.size()) - 1;
  std::vector<int> segment_of(count);
  for (int s = 0; s <= last; ++s)
    for (int i = planned.segments[s].first; i < planned.segments[s].last; ++i) segment_of[i] = s;
  // The first and the last segment that touch each gradient: its producer reads it, the readers of its values write it, and the last
  // tensor's is written by the loss. The input gradient of a norm is the business of the segment before.
  std::vector<int> low(count + 1, last), high(count + 1, 0);
  const auto touch = [&](int tensor, int segment) {
    low[tensor] = std::min(low[tensor], segment);
    high[tensor] = std::max(high[tensor], segment);
  };
  touch(count, last);
  for (int i = 0; i < count; ++i) {
    const Op& op = ops[i];
    touch(op.output, segment_of[i]);
    const int back = segment_of[i] - (op.batch_statistics ? 1 : 0);
    if (op.batch_statistics) touch(op.output, back);
    touch(op.input, back);
    if (op.other >= 0) touch(op.other, back);
  }
  for (int i = 0; i <= count; ++i) {
    Tensor& t = tensors[i];
    t.gradient_per_group = last > 0 && low[i] < high[i];
  }
  find_narrow(planned);
  for (int i = 0; i <= count; ++i) {
    Tensor& t = tensors[i];
    int left = 0, right = 0;
    // Channels of a vector are features: consecutive for whoever reads or writes them.
    bool contiguous = t.rows * t.columns == 1;
    for (const Op& reader : ops) {
      if (reader.input != i) continue;
      value_border(reader, left, right);
      contiguous |= reader.traits->features;
    }
    if (contiguous && left + right > 0 && t.rows * t.columns > 1)
      throw std::runtime_error("an image that a dense layer reads cannot have a border for another layer");
    t.value = make_view(t, left, right, contiguous, t.one_value, lanes, t.value_per_group ? planned.plan.group_floats : planned.plan.thread_floats);
  }
  place_gradients(lanes, planned);
  // What normalisations of each image keep from the values to the gradients.
  for (int i = 0; i < count; ++i) {
    Op& op = planned.ops[i];
    if (op.sets == 0) continue;
    const auto place = [lanes](int64_t& arena, int64_t registers) {
      const int64_t offset = arena;
      arena += (registers * lanes + 15) / 16 * 16;
      return offset;
    };
    op.statistics_per_group = segment_of[i] < last;
    op.statistics = place(op.statistics_per_group ? planned.plan.group_floats : planned.plan.thread_floats, 2 * int64_t(op.sets));
    if (tensors[op.output].needs_gradient) op.gradient_sums = place(planned.plan.thread_floats, 2 * int64_t(op.in_channels));
  }
  // An odd number of cache lines: what meetings read of many groups at once must not fall into the same set of the cache.
  int64_t& group_floats = planned.plan.group_floats;
  if (group_floats && group_floats / 16 % 2 == 0) group_floats += 16;
  for (Op& op : planned.ops) {
    const Tensor& t = tensors[op.input];
    if (!op.traits->features || !t.needs_gradient) continue;
    op.feature_offsets = int64_t(planned.feature_offsets.size());
    for (int c = 0; c < t.channels; ++c)
      for (int r = 0; r < t.rows; ++r)
        for (int p = 0; p < t.columns; ++p)
          planned.feature_offsets.push_back(c * t.gradient.channel + r * t.gradient.row + int64_t(p) * lanes);
  }
}

}  // namespace issun
