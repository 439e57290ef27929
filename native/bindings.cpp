// The Python face of the core. Types are checked here, values in src/issun/engine/native.py.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "engine.hpp"

namespace nb = nanobind;
using namespace issun;

namespace {

using Pixels = nb::ndarray<const uint8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Values = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Labels = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Indices = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Rates = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Constant = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Draws = nb::ndarray<const int32_t, nb::shape<-1, sizeof(Draw) / 4>, nb::c_contig, nb::device::cpu>;

template <typename T>
T get(const nb::dict& d, const char* key, T otherwise) {
  return d.contains(key) ? nb::cast<T>(d[key]) : otherwise;
}

Layer to_layer(const nb::dict& d) {
  Layer layer{};
  layer.kind = Kind(nb::cast<int>(d["kind"]));
  layer.input = nb::cast<int>(d["input"]);
  layer.other = get(d, "other", -1);
  layer.row = nb::cast<int>(d["row"]);
  layer.in_channels = nb::cast<int>(d["in_channels"]);
  layer.in_rows = nb::cast<int>(d["in_rows"]);
  layer.in_columns = nb::cast<int>(d["in_columns"]);
  layer.out_channels = nb::cast<int>(d["out_channels"]);
  layer.out_rows = nb::cast<int>(d["out_rows"]);
  layer.out_columns = nb::cast<int>(d["out_columns"]);
  layer.kernel_rows = get(d, "kernel_rows", 1);
  layer.kernel_columns = get(d, "kernel_columns", 1);
  layer.stride_rows = get(d, "stride_rows", 1);
  layer.stride_columns = get(d, "stride_columns", 1);
  layer.pad_top = get(d, "pad_top", 0);
  layer.pad_left = get(d, "pad_left", 0);
  layer.act = Act(get(d, "act", 0));
  layer.slope = get(d, "slope", 0.0f);
  layer.trained = get(d, "trained", false);
  layer.kernel = get(d, "kernel", int64_t(-1));
  layer.kernel_size = get(d, "kernel_size", int64_t(0));
  layer.bias = get(d, "bias", int64_t(-1));
  layer.bias_size = get(d, "bias_size", int64_t(0));
  layer.mean = get(d, "mean", int64_t(-1));
  layer.variance = get(d, "variance", int64_t(-1));
  layer.rate = get(d, "rate", 0.0);
  layer.threshold = get(d, "threshold", uint32_t(0));
  layer.l1 = get(d, "l1", 0.0f);
  layer.l2 = get(d, "l2", 0.0f);
  layer.dilation_rows = get(d, "dilation_rows", 1);
  layer.dilation_columns = get(d, "dilation_columns", 1);
  layer.spatial = get(d, "spatial", false);
  return layer;
}

OptimizerSettings to_settings(const nb::dict& d) {
  OptimizerSettings s{};
  s.kind = Optimizer(nb::cast<int>(d["kind"]));
  s.momentum = nb::cast<double>(d["momentum"]);
  s.beta_1 = nb::cast<double>(d["beta_1"]);
  s.beta_2 = nb::cast<double>(d["beta_2"]);
  s.rho = nb::cast<double>(d["rho"]);
  s.epsilon = nb::cast<double>(d["epsilon"]);
  s.nesterov = nb::cast<bool>(d["nesterov"]);
  s.weight_decay = nb::cast<double>(d["weight_decay"]);
  s.clip_norm = nb::cast<double>(d["clip_norm"]);
  s.average = nb::cast<double>(d["average"]);
  return s;
}

Augment to_augment(const nb::dict& d) {
  Augment augment{};
  augment.moves = get(d, "moves", false);
  augment.bilinear = get(d, "bilinear", false);
  augment.mixes = get(d, "mixes", false);
  augment.fill = get(d, "fill", 0);
  return augment;
}

// Images are uint8 (N, height, width, channels); values that were computed before are float32 (N, numbers of one image).
Images to_images(const nb::object& images, const int32_t* labels, const std::optional<Draws>& draws = {},
                 const std::optional<Constant>& mix = {}) {
  Images given{nullptr, nullptr, labels, draws ? reinterpret_cast<const Draw*>(draws->data()) : nullptr, mix ? mix->data() : nullptr};
  Pixels pixels;
  Values values;
  if (nb::try_cast(images, pixels, false))
    given.pixels = pixels.data();
  else if (nb::try_cast(images, values, false))
    given.values = values.data();
  else
    throw nb::type_error("images must be uint8 of four dimensions, or values float32 of two, and lie one after the other");
  return given;
}

// Asked every 50 ms while the core works: a signal (Ctrl-C) raises once the core has stopped, a set flag stops it.
std::function<bool()> make_idle(const nb::object& cancel) {
  return [&cancel] {
    nb::gil_scoped_acquire acquired;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    return !cancel.is_none() && nb::cast<bool>(cancel.attr("is_set")());
  };
}

Moments to_moments(const Matrix& moments, const std::optional<Vector>& average) {
  const auto row = [&](size_t index) { return index < moments.shape(0) ? moments.data() + index * moments.shape(1) : nullptr; };
  return {row(0), row(1), average ? average->data() : nullptr};
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "The compiled core of issun; use issun.engine.native.";
  m.def("available_sets", &available_sets, "Names of the instruction sets that this machine can run, widest first.");
  m.def(
      "measure_peak",
      [](int threads, double seconds) {
        nb::gil_scoped_release released;
        return measure_peak(threads, seconds);
      },
      nb::arg("threads"), nb::arg("seconds"), "Multiply-adds a second that so many threads reach together.");

  nb::class_<Engine>(m, "Engine")
      .def(
          "__init__",
          [](Engine* self, const nb::list& layers, int height, int width, int channels, int classes, const std::vector<float>& factor,
             const std::vector<float>& offset, int64_t weights, int batch, float smoothing,
             const std::vector<float>& class_weights, int threads, const nb::dict& augment,
             bool takes_values, int64_t macs_before, bool channels_last) {
            Network network;
            for (nb::handle layer : layers) {
              const auto record = nb::cast<nb::dict>(layer);
              network.layers.push_back(to_layer(record));
              if (nb::cast<size_t>(record["output"]) != network.layers.size()) throw nb::value_error("layer i makes tensor i + 1");
            }
            network.height = height;
            network.width = width;
            network.channels = channels;
            network.classes = classes;
            network.factor = factor;
            network.offset = offset;
            network.weights = weights;
            network.batch = batch;
            network.augment = to_augment(augment);
            network.takes_values = takes_values;
            network.macs_before = macs_before;
            network.channels_last = channels_last;
            new (self) Engine(network, {smoothing, class_weights}, threads);
          },
          nb::kw_only(), nb::arg("layers"), nb::arg("height"), nb::arg("width"), nb::arg("channels"), nb::arg("classes"), nb::arg("factor"),
          nb::arg("offset"), nb::arg("weights"), nb::arg("batch"),
          nb::arg("smoothing"), nb::arg("class_weights"), nb::arg("threads"), nb::arg("augment"),
          nb::arg("takes_values"), nb::arg("macs_before"), nb::arg("channels_last") = false)
      .def_prop_ro("instruction_set", [](const Engine& e) { return std::string(e.kernels().name); })
      .def_prop_ro("lanes", [](const Engine& e) { return e.kernels().lanes; })
      .def_prop_ro("segments", [](const Engine& e) { return e.plan().segment_count; })
      .def_prop_ro("memory", &Engine::memory, "Bytes of all that a run works in.")
      .def("ticks", &Engine::ticks, nb::arg("count"), "What was counted since the last call; then count on, or stop.")
      .def(
          "train",
          [](Engine& e, const nb::object& images, const Labels& labels, const Indices& indices, const Rates& rates, Vector weights,
             Matrix moments, std::optional<Vector> average, int64_t step, const nb::dict& settings, uint64_t seed, uint64_t epoch,
             const nb::object& cancel, const std::optional<Draws>& draws, const std::optional<Constant>& mix) {
            const OptimizerSettings s = to_settings(settings);
            const auto idle = make_idle(cancel);
            const Images given = to_images(images, labels.data(), draws, mix);
            EpochResult result;
            {
              nb::gil_scoped_release released;
              result = e.train(given, indices.data(), int64_t(indices.shape(0)), rates.data(), weights.data(),
                               to_moments(moments, average), step, s, seed, epoch, idle);
            }
            return nb::make_tuple(result.loss, result.correct, result.steps, result.finite, result.cancelled);
          },
          nb::arg("images"), nb::arg("labels"), nb::arg("indices"), nb::arg("rates"), nb::arg("weights").noconvert(),
          nb::arg("moments").noconvert(), nb::arg("average").noconvert().none(), nb::arg("step"), nb::arg("settings"), nb::arg("seed"),
          nb::arg("epoch"), nb::arg("cancel").none(), nb::arg("draws").none(), nb::arg("mix").none())
      .def(
          "logits",
          [](Engine& e, const nb::object& images, const Indices& indices, const Constant& weights, Matrix out, const nb::object& cancel) {
            const auto idle = make_idle(cancel);
            const Images given = to_images(images, nullptr);
            nb::gil_scoped_release released;
            return e.logits(given, indices.data(), int64_t(indices.shape(0)), weights.data(), out.data(), idle);
          },
          nb::arg("images"), nb::arg("indices"), nb::arg("weights"), nb::arg("out").noconvert(), nb::arg("cancel").none())
      .def(
          "gradients",
          [](Engine& e, const nb::object& images, const Labels& labels, const Indices& indices, const Constant& weights, uint64_t seed,
             uint64_t epoch, Vector out, const std::optional<Draws>& draws, const std::optional<Constant>& mix) {
            const Images given = to_images(images, labels.data(), draws, mix);
            nb::gil_scoped_release released;
            return e.gradients(given, indices.data(), int32_t(indices.shape(0)), weights.data(), seed, epoch,
                               out.data());
          },
          nb::arg("images"), nb::arg("labels"), nb::arg("indices"), nb::arg("weights"), nb::arg("seed"), nb::arg("epoch"),
          nb::arg("out").noconvert(), nb::arg("draws").none(), nb::arg("mix").none())
      .def(
          "step",
          [](Engine& e, const Constant& gradient, Vector weights, Matrix moments, std::optional<Vector> average, int64_t step, double rate,
             const nb::dict& settings) {
            const OptimizerSettings s = to_settings(settings);
            nb::gil_scoped_release released;
            e.step(gradient.data(), weights.data(), to_moments(moments, average), step, rate, s);
          },
          nb::arg("gradient"), nb::arg("weights").noconvert(), nb::arg("moments").noconvert(), nb::arg("average").noconvert().none(),
          nb::arg("step"), nb::arg("rate"), nb::arg("settings"));
}
