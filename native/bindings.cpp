// The Python face of the core. Types are checked here, values in src/issun/engine/native.py.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "engine.hpp"

namespace nb = nanobind;
using namespace issun;

namespace {

using Pixels = nb::ndarray<const uint8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Labels = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Indices = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Rates = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Constant = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <typename T>
T get(const nb::dict& d, const char* key, T otherwise) {
  return d.contains(key) ? nb::cast<T>(d[key]) : otherwise;
}

Layer to_layer(const nb::dict& d) {
  Layer layer{};
  layer.kind = Kind(nb::cast<int>(d["kind"]));
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
  layer.rate = get(d, "rate", 0.0);
  layer.threshold = get(d, "threshold", uint32_t(0));
  layer.l1 = get(d, "l1", 0.0f);
  layer.l2 = get(d, "l2", 0.0f);
  return layer;
}

OptimizerSettings to_settings(const nb::dict& d) {
  return {Optimizer(nb::cast<int>(d["kind"])), nb::cast<double>(d["momentum"]), nb::cast<double>(d["beta_1"]),
          nb::cast<double>(d["beta_2"]),       nb::cast<double>(d["rho"]),      nb::cast<double>(d["epsilon"])};
}

// Asked every 50 ms while the core works: a signal (Ctrl-C) raises once the core has stopped, a set flag stops it.
std::function<bool()> make_idle(const nb::object& cancel) {
  return [&cancel] {
    nb::gil_scoped_acquire acquired;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    return !cancel.is_none() && nb::cast<bool>(cancel.attr("is_set")());
  };
}

float* row(Matrix& moments, size_t index) {
  return index < moments.shape(0) ? moments.data() + index * moments.shape(1) : nullptr;
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "The compiled core of issun; use issun.engine.native.";
  m.def("available_sets", &available_sets, "Names of the instruction sets that this machine can run, widest first.");

  nb::class_<Engine>(m, "Engine")
      .def(
          "__init__",
          [](Engine* self, const nb::list& layers, int height, int width, int channels, int classes, const std::vector<float>& factor,
             const std::vector<float>& offset, int64_t weights, int batch, int threads) {
            Network network;
            for (nb::handle layer : layers) network.layers.push_back(to_layer(nb::cast<nb::dict>(layer)));
            network.height = height;
            network.width = width;
            network.channels = channels;
            network.classes = classes;
            network.factor = factor;
            network.offset = offset;
            network.weights = weights;
            network.batch = batch;
            new (self) Engine(network, threads);
          },
          nb::kw_only(), nb::arg("layers"), nb::arg("height"), nb::arg("width"), nb::arg("channels"), nb::arg("classes"), nb::arg("factor"),
          nb::arg("offset"), nb::arg("weights"), nb::arg("batch"), nb::arg("threads"))
      .def_prop_ro("instruction_set", [](const Engine& e) { return std::string(e.kernels().name); })
      .def_prop_ro("lanes", [](const Engine& e) { return e.kernels().lanes; })
      .def_prop_ro("segments", [](const Engine& e) { return e.plan().segment_count; })
      .def_prop_ro("memory", &Engine::memory, "Bytes of the planned arenas.")
      .def(
          "train",
          [](Engine& e, const Pixels& images, const Labels& labels, const Indices& indices, const Rates& rates, Vector weights,
             Matrix moments, int64_t step, const nb::dict& settings, uint64_t seed, uint64_t epoch, const nb::object& cancel) {
            const OptimizerSettings s = to_settings(settings);
            const auto idle = make_idle(cancel);
            EpochResult result;
            {
              nb::gil_scoped_release released;
              result = e.train({images.data(), labels.data()}, indices.data(), int64_t(indices.shape(0)), rates.data(), weights.data(),
                               row(moments, 0), row(moments, 1), step, s, seed, epoch, idle);
            }
            return nb::make_tuple(result.loss, result.correct, result.steps, result.finite, result.cancelled);
          },
          nb::arg("images"), nb::arg("labels"), nb::arg("indices"), nb::arg("rates"), nb::arg("weights").noconvert(),
          nb::arg("moments").noconvert(), nb::arg("step"), nb::arg("settings"), nb::arg("seed"), nb::arg("epoch"),
          nb::arg("cancel").none())
      .def(
          "logits",
          [](Engine& e, const Pixels& images, const Indices& indices, const Constant& weights, Matrix out, const nb::object& cancel) {
            const auto idle = make_idle(cancel);
            nb::gil_scoped_release released;
            return e.logits({images.data(), nullptr}, indices.data(), int64_t(indices.shape(0)), weights.data(), out.data(), idle);
          },
          nb::arg("images"), nb::arg("indices"), nb::arg("weights"), nb::arg("out").noconvert(), nb::arg("cancel").none())
      .def(
          "gradients",
          [](Engine& e, const Pixels& images, const Labels& labels, const Indices& indices, const Constant& weights, uint64_t seed,
             uint64_t epoch, Vector out) {
            nb::gil_scoped_release released;
            return e.gradients({images.data(), labels.data()}, indices.data(), int32_t(indices.shape(0)), weights.data(), seed, epoch,
                               out.data());
          },
          nb::arg("images"), nb::arg("labels"), nb::arg("indices"), nb::arg("weights"), nb::arg("seed"), nb::arg("epoch"),
          nb::arg("out").noconvert())
      .def(
          "step",
          [](Engine& e, const Constant& gradient, Vector weights, Matrix moments, int64_t step, double rate, const nb::dict& settings) {
            const OptimizerSettings s = to_settings(settings);
            nb::gil_scoped_release released;
            e.step(gradient.data(), weights.data(), row(moments, 0), row(moments, 1), step, rate, s);
          },
          nb::arg("gradient"), nb::arg("weights").noconvert(), nb::arg("moments").noconvert(), nb::arg("step"), nb::arg("rate"),
          nb::arg("settings"));
}
