// An activation that stands alone: one written so, and those whose derivative cannot be told from their value, which need what
// entered them on the way back. Elsewhere activations are part of the operator before them (epilogue.hpp).
#pragma once
#include "operator.hpp"

namespace {

// Calls f(channel, input's values, output's values, input's gradient, output's gradient) for every row of every channel; gradients are
// null on the way forward.
template <typename F>
INLINE void each_row(const Tensor& in, const Tensor& out, const Place& place, bool back, F f) {
  for (int c = place.first, end = place.until(in.channels); c < end; ++c)
    for (int r = 0; r < in.rows; ++r)
      f(c, place.value(in, c, r), place.value(out, c, r),
        back ? place.gradient(in, c, r) : nullptr,
        back ? place.gradient(out, c, r) : nullptr);
}

// y = f(x), for every value of every channel.
template <typename F>
INLINE void each_value(const Plan& plan, const Op& op, const Place& place, F f) {
  const Tensor& in = plan.tensors[op.input];
  const int64_t end_of_row = int64_t(in.columns) * L;
  each_row(in, plan.tensors[op.output], place, false, [&](int c, const float* x, float* y, float*, const float*) {
    for (int64_t p = 0; p < end_of_row; p += L) store(y + p, f(c, load(x + p)));
  });
}

// dx = f(dy, x), times the derivative of the activation that x comes out of.
template <typename F>
INLINE void each_gradient(const Plan& plan, const Op& op, const Place& place, F f) {
  const Tensor& in = plan.tensors[op.input];
  const int64_t end_of_row = int64_t(in.columns) * L;
  with_gradient(op.adds, in.act, in.slope, [&](auto put) {
    each_row(in, plan.tensors[op.output], place, true, [&](int c, const float* x, const float*, float* dx, const float* dy) {
      for (int64_t p = 0; p < end_of_row; p += L) {
        const vf value = load(x + p);
        put(dx + p, f(c, load(dy + p), value), value);
      }
    });
  });
}

// x relu6(x + 3) / 6 (Howard et al. 2019).
INLINE vf hardswish(vf x) {
  vf gate = relu(x + 3.0f);
  gate = gate > 6.0f ? splat(6.0f) : gate;
  return x * (gate * (1.0f / 6.0f));
}

// At its kinks that from below, as for the other activations.
INLINE vf hardswish_derivative(vf x) {
  const vf inside = x * (1.0f / 3.0f) + 0.5f;
  return choose(x > 3.0f, splat(1.0f), where(~(x <= -3.0f), inside));
}

// x Phi(x) (Hendrycks & Gimpel 2016), not the approximation by a hyperbolic tangent.
INLINE vf gelu(vf x) { return x * normal_distribution(x).below; }

INLINE vf gelu_derivative(vf x) {
  const Normal n = normal_distribution(x);
  return n.below + x * n.density;
}

void tanh_values(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_value(plan, op, place, [](int, vf x) { return hyperbolic_tangent(x); });
}

void gelu_values(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_value(plan, op, place, [](int, vf x) { return gelu(x); });
}

void gelu_gradient(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_gradient(plan, op, place, [](int, vf g, vf x) { return g * gelu_derivative(x); });
}

void hardswish_values(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_value(plan, op, place, [](int, vf x) { return hardswish(x); });
}

void hardswish_gradient(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_gradient(plan, op, place, [](int, vf g, vf x) { return g * hardswish_derivative(x); });
}

void relu6_values(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_value(plan, op, place, [](int, vf x) { return choose(x > 6.0f, splat(6.0f), relu(x)); });
}

void relu6_gradient(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_gradient(plan, op, place, [](int, vf g, vf x) { return where(~(x > 6.0f), where(x > 0.0f, g)); });
}

void sigmoid_values(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_value(plan, op, place, [](int, vf x) { return sigmoid(x); });
}

void sigmoid_gradient(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_gradient(plan, op, place, [](int, vf g, vf x) { return g * (sigmoid(x) * sigmoid(-x)); });
}

// x sigmoid(x) (Hendrycks & Gimpel 2016; Ramachandran, Zoph & Le 2017).
void silu_values(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_value(plan, op, place, [](int, vf x) { return x * sigmoid(x); });
}

void silu_gradient(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_gradient(plan, op, place, [](int, vf g, vf x) {
    const vf share = sigmoid(x);
    return g * (share * (1.0f + x * (1.0f - share)));
  });
}

// x, but slope (e^x - 1) where it is negative (Clevert, Unterthiner & Hochreiter 2016).
void elu_values(const Plan& plan, const Work&, const Op& op, const Place& place) {
  const float slope = op.slope;
  each_value(plan, op, place, [slope](int, vf x) { return choose(x > 0.0f, x, exponential_less_one(x > 0.0f ? zero() : x) * slope); });
}

void elu_gradient(const Plan& plan, const Work&, const Op& op, const Place& place) {
  const float slope = op.slope;
  each_gradient(plan, op, place, [slope](int, vf g, vf x) { return choose(x > 0.0f, g, g * (exponential(x > 0.0f ? zero() : x) * slope)); });
}

// The short ones, as they are elsewhere a part of the operator before them.
void values_at_once(const Plan& plan, const Work&, const Op& op, const Place& place) {
  with_activation(op.act, op.slope, [&](auto activation) { each_value(plan, op, place, [activation](int, vf x) { return activation(x); }); });
}

// Where the derivative is known from the value, whoever wrote the gradient has multiplied by it.
void gradient_as_it_is(const Plan& plan, const Work&, const Op& op, const Place& place) {
  each_gradient(plan, op, place, [](int, vf g, vf) { return g; });
}

void prelu_values(const Plan& plan, const Work& work, const Op& op, const Place& place) {
  const float* slopes = work.weights + op.kernel;
  each_value(plan, op, place, [slopes](int c, vf x) { return leaky(x, slopes[c]); });
}

void prelu_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place) {
  const float* slopes = work.weights + op.kernel;
  each_gradient(plan, op, place, [slopes](int c, vf g, vf x) { return choose(x > 0.0f, g, g * slopes[c]); });
}

// x (a + b s + c s^2) with s = d x / (1 + |d x|): a quotient of polynomials in x and |x| whose denominator is nowhere below 1. `numbers`
// are a, b, c, d.
struct Rational {
  vf share;  // s
  vf bend;   // ds / d(d x)
  vf gate;   // what x is multiplied by
  vf tilt;   // its derivative by s
};

INLINE Rational rational(const float* numbers, vf x) {
  const vf scaled = x * numbers[3];
  const vf inverse = 1.0f / (1.0f + magnitude(scaled));
  const vf s = scaled * inverse;
  return {s, inverse * inverse, (s * numbers[2] + numbers[1]) * s + numbers[0], s * (2.0f * numbers[2]) + numbers[1]};
}

void rational_values(const Plan& plan, const Work& work, const Op& op, const Place& place) {
  const float* numbers = work.weights + op.kernel;
  each_value(plan, op, place, [numbers](int, vf x) { return x * rational(numbers, x).gate; });
}

void rational_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place) {
  const float* numbers = work.weights + op.kernel;
  each_gradient(plan, op, place, [numbers](int, vf g, vf x) {
    const Rational r = rational(numbers, x);
    return g * (r.gate + x * numbers[3] * r.bend * r.tilt);
  });
}

// ---- the gradients of what is learned: of each row, added to those with lanes ------------------------------------------------------

// Slope [channel][lane].
void prelu_weights(const Plan& plan, const Work&, const Op& op, const Place& place, float* lanes) {
  const Tensor& in = plan.tensors[op.input];
  each_row(in, plan.tensors[op.output], place, true, [&](int c, const float* x, const float*, float*, const float* dy) {
    float* slope = lanes + op.lanes_kernel + c * L;
    vf total = load(slope);
    for (int p = 0; p < in.columns; ++p) {
      const vf value = load(x + int64_t(p) * L);
      total += where(value < 0.0f, load(dy + int64_t(p) * L) * value);
    }
    store(slope, total);
  });
}

// The four numbers, [number][lane].
void rational_weights(const Plan& plan, const Work& work, const Op& op, const Place& place, float* lanes) {
  const Tensor& in = plan.tensors[op.input];
  const float* numbers = work.weights + op.kernel;
  each_row(in, plan.tensors[op.output], place, true, [&](int, const float* x, const float*, float*, const float* dy) {
    vf sums[4] = {zero(), zero(), zero(), zero()};
    for (int p = 0; p < in.columns; ++p) {
      const vf value = load(x + int64_t(p) * L);
      const Rational r = rational(numbers, value);
      const vf first = load(dy + int64_t(p) * L) * value, second = first * r.share;
      sums[0] += first;
      sums[1] += second;
      sums[2] += second * r.share;
      sums[3] += first * value * r.bend * r.tilt;
    }
    for (int i = 0; i < 4; ++i) {
      float* total = lanes + op.lanes_kernel + i * L;
      store(total, load(total) + sums[i]);
    }
  });
}

// ---- the table ------------------------------------------------------------------------------------------------------------------

// Told by its value, dear (plan.hpp), and the kernels; the last where something is learned.
struct ActivationType : ActivationTraits {
  void (*values)(const Plan&, const Work&, const Op&, const Place&);
  void (*gradient)(const Plan&, const Work&, const Op&, const Place&);
  void (*weights)(const Plan&, const Work&, const Op&, const Place&, float* lanes) = nullptr;
};

constexpr ActivationType linear_activation{{true, false}, values_at_once, gradient_as_it_is};
constexpr ActivationType relu_activation{{true, false}, values_at_once, gradient_as_it_is};
constexpr ActivationType leaky_activation{{true, false}, values_at_once, gradient_as_it_is};
constexpr ActivationType tanh_activation{{true, true}, tanh_values, gradient_as_it_is};
constexpr ActivationType gelu_activation{{false, true}, gelu_values, gelu_gradient};
constexpr ActivationType hardswish_activation{{false, false}, hardswish_values, hardswish_gradient};
constexpr ActivationType prelu_activation{{false, false}, prelu_values, prelu_gradient, prelu_weights};
constexpr ActivationType relu6_activation{{false, false}, relu6_values, relu6_gradient};
constexpr ActivationType sigmoid_activation{{false, true}, sigmoid_values, sigmoid_gradient};
constexpr ActivationType silu_activation{{false, true}, silu_values, silu_gradient};
constexpr ActivationType elu_activation{{false, true}, elu_values, elu_gradient};
constexpr ActivationType rational_activation{{false, false}, rational_values, rational_gradient, rational_weights};

#define ISSUN_ACTIVATION(name) name##_activation,
constexpr ActivationType activations[] = {ISSUN_ACTIVATIONS(ISSUN_ACTIVATION)};
constexpr ActivationTraits activation_traits[] = {ISSUN_ACTIVATIONS(ISSUN_ACTIVATION)};
#undef ISSUN_ACTIVATION

// ---- the operator ---------------------------------------------------------------------------------------------------------------

void activate_forward(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  activations[int(op.act)].values(plan, work, op, place);
}

void activate_backward(const Plan& plan, const Work& work, const Op& op, const Place& place, int) {
  activations[int(op.act)].gradient(plan, work, op, place);
}

void activate_weight_gradient(const Plan& plan, const Work& work, const Op& op, const Place& place, float* lanes) {
  activations[int(op.act)].weights(plan, work, op, place, lanes);
}

constexpr OperatorType activate_operator = [] {
  OperatorType type{};
  type.cheap = true;
  type.by_channel = true;
  type.values = activate_forward;
  type.input_gradient = activate_backward;
  type.weight_gradient = activate_weight_gradient;
  type.reduce = flat_reduce;
  return type;
}();

}  // namespace
