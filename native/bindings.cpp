// The Python face of the core. Types are checked here, values in src/issun/engine.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <type_traits>

#include "engine.hpp"
#include "fields.hpp"

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
using Taught = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Draws = nb::ndarray<const int32_t, nb::shape<-1, sizeof(Draw) / 4>, nb::c_contig, nb::device::cpu>;

// A record of the core as a class of Python: its fields by name, all given to the constructor as keywords. What is left out has the value
// that it has in C++.
template <typename T>
void bind_record(nb::module_& m, const char* name, const char* doc) {
  nb::class_<T> bound(m, name, doc);
  bound.def("__init__", [name](T* self, const nb::kwargs& given) {
    new (self) T{};
    size_t taken = 0;
    each_field(self, [&](const char* field, auto place) {
      using Value = std::decay_t<decltype(self->*place)>;
      if (!given.contains(field)) return;
      ++taken;
      if (!nb::try_cast<Value>(given[field], self->*place))
        throw nb::type_error((std::string(name) + ": `" + field + "` has the wrong type").c_str());
    });
    if (taken != given.size()) throw nb::type_error((std::string(name) + " was given a field that it does not have").c_str());
  });
  each_field(static_cast<T*>(nullptr), [&](const char* field, auto place) { bound.def_rw(field, place); });
}

// Images are uint8 (N, height, width, channels); values that were computed before are float32 (N, numbers of one image).
Images to_images(const nb::object& images, const int32_t* labels, const std::optional<Draws>& draws = {},
                 const std::optional<Constant>& mix = {}, const std::optional<Taught>& taught = {}) {
  Images given{nullptr, nullptr, labels, draws ? reinterpret_cast<const Draw*>(draws->data()) : nullptr, mix ? mix->data() : nullptr,
               taught ? taught->data() : nullptr};
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
  m.def("available_sets", &available_sets, "Names of the instruction sets that this build can run on this machine, widest first.");
  m.def("processor_sets", &processor_sets, "Names of the instruction sets that this processor has, widest first.");
#if defined(__clang__)
  m.attr("compiler") = "Clang " __clang_version__;
#else
  m.attr("compiler") = "GCC " __VERSION__;
#endif
  m.def(
      "measure_peak",
      [](int threads, double seconds, const std::string& instruction_set) {
        nb::gil_scoped_release released;
        return measure_peak(threads, seconds, instruction_set);
      },
      nb::arg("threads"), nb::arg("seconds"), nb::arg("instruction_set"), "Multiply-adds a second that so many threads reach together.");

#define ISSUN_VALUE(name) .value(#name, Of::name)
  {
    using Of = Kind;
    nb::enum_<Kind>(m, "Kind", "What an operator does.") ISSUN_OPERATORS(ISSUN_VALUE);
  }
  {
    using Of = Act;
    nb::enum_<Act>(m, "Act", "Activations, with the names of the notation.") ISSUN_ACTIVATIONS(ISSUN_VALUE);
  }
  nb::enum_<Edge>(m, "Edge", "What lies beyond the edge of an image.")
      .value("fill", Edge::fill)
      .value("repeat", Edge::repeat)
      .value("mirror", Edge::mirror);
  {
    using Of = Optimizer;
    nb::enum_<Optimizer>(m, "Optimizer", "Optimizers; adamw is adam with weight decay.") ISSUN_OPTIMIZERS(ISSUN_VALUE);
  }
#undef ISSUN_VALUE
  bind_record<Operator>(m, "Operator", "One operator; see native/plan.hpp.");
  bind_record<Augment>(m, "Augment", "What is done to images as they enter.");
  bind_record<Network>(m, "Network", "What an engine is made for; see native/engine.hpp.");
  bind_record<LossSettings>(m, "LossSettings", "What the loss is besides the cross-entropy with the label.");
  bind_record<OptimizerSettings>(m, "OptimizerSettings", "How weights are changed.");
  nb::class_<EpochResult>(m, "EpochResult", "What an epoch saw.")
      .def_ro("loss", &EpochResult::loss, "Summed over images, penalties included.")
      .def_ro("correct", &EpochResult::correct, "How many images were classified correctly.")
      .def_ro("steps", &EpochResult::steps)
      .def_ro("finite", &EpochResult::finite, "Whether the loss was; an epoch ends where it is not.")
      .def_ro("cancelled", &EpochResult::cancelled);

  nb::class_<Engine>(m, "Engine")
      .def(nb::init<const Network&, const LossSettings&, int, const std::string&>(), nb::arg("network"), nb::arg("loss"), nb::arg("threads"),
           nb::arg("instruction_set") = "")
      .def_prop_ro("instruction_set", [](const Engine& e) { return std::string(e.kernels().name); })
      .def_prop_ro("lanes", [](const Engine& e) { return e.kernels().lanes; })
      .def_prop_ro("segments", [](const Engine& e) { return e.plan().segment_count; })
      .def_prop_ro("memory", &Engine::memory, "Bytes of all that a run works in.")
      .def("ticks", &Engine::ticks, nb::arg("count"), "What was counted since the last call; then count on, or stop.")
      .def(
          "train",
          [](Engine& e, const nb::object& images, const Labels& labels, const Indices& indices, const Rates& rates, Vector weights,
             Matrix moments, std::optional<Vector> average, int64_t step, const OptimizerSettings& settings, uint64_t seed, uint64_t epoch,
             const nb::object& cancel, const std::optional<Draws>& draws, const std::optional<Constant>& mix,
             const std::optional<Taught>& taught) {
            const auto idle = make_idle(cancel);
            const Images given = to_images(images, labels.data(), draws, mix, taught);
            EpochResult result;
            {
              nb::gil_scoped_release released;
              result = e.train(given, indices.data(), int64_t(indices.shape(0)), rates.data(), weights.data(),
                               to_moments(moments, average), step, settings, seed, epoch, idle);
            }
            return result;
          },
          nb::arg("images"), nb::arg("labels"), nb::arg("indices"), nb::arg("rates"), nb::arg("weights").noconvert(),
          nb::arg("moments").noconvert(), nb::arg("average").noconvert().none(), nb::arg("step"), nb::arg("settings"), nb::arg("seed"),
          nb::arg("epoch"), nb::arg("cancel").none(), nb::arg("draws").none(), nb::arg("mix").none(), nb::arg("taught") = nb::none())
      .def(
          "logits",
          [](Engine& e, const nb::object& images, const Indices& indices, const Constant& weights, Matrix out, const nb::object& cancel,
             const std::optional<Draws>& draws, const std::optional<Constant>& mix) {
            const auto idle = make_idle(cancel);
            const Images given = to_images(images, nullptr, draws, mix);
            nb::gil_scoped_release released;
            return e.logits(given, indices.data(), int64_t(indices.shape(0)), weights.data(), out.data(), idle);
          },
          nb::arg("images"), nb::arg("indices"), nb::arg("weights"), nb::arg("out").noconvert(), nb::arg("cancel").none(),
          nb::arg("draws") = nb::none(), nb::arg("mix") = nb::none())
      .def(
          "gradients",
          [](Engine& e, const nb::object& images, const Labels& labels, const Indices& indices, const Constant& weights, uint64_t seed,
             uint64_t epoch, Vector out, const std::optional<Draws>& draws, const std::optional<Constant>& mix,
             const std::optional<Taught>& taught) {
            const Images given = to_images(images, labels.data(), draws, mix, taught);
            nb::gil_scoped_release released;
            return e.gradients(given, indices.data(), int32_t(indices.shape(0)), weights.data(), seed, epoch,
                               out.data());
          },
          nb::arg("images"), nb::arg("labels"), nb::arg("indices"), nb::arg("weights"), nb::arg("seed"), nb::arg("epoch"),
          nb::arg("out").noconvert(), nb::arg("draws").none(), nb::arg("mix").none(), nb::arg("taught") = nb::none())
      .def(
          "step",
          [](Engine& e, const Constant& gradient, Vector weights, Matrix moments, std::optional<Vector> average, int64_t step, double rate,
             const OptimizerSettings& settings) {
            nb::gil_scoped_release released;
            e.step(gradient.data(), weights.data(), to_moments(moments, average), step, rate, settings);
          },
          nb::arg("gradient"), nb::arg("weights").noconvert(), nb::arg("moments").noconvert(), nb::arg("average").noconvert().none(),
          nb::arg("step"), nb::arg("rate"), nb::arg("settings"));
}
