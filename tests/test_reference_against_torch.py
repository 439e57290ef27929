"""Is the reference engine right? Loss and gradients against PyTorch's automatic differentiation, in float64, and optimiser steps
against `torch.optim` where the formulas can be made the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import decided, gradient_errors, images_for, unit, weights_for
from issun.arch.layers import Activation, Classifier, Conv, Dense, Dropout, GlobalAveragePool, Pool, Shape, same_padding
from issun.arch.net import Net, activation_of
from issun.engine.protocol import State
from issun.engine.randomness import dropped
from issun.engine.reference import ReferenceEngine
from issun.engine.weights import tensors
from issun.recipe import Recipe
from strategies import nets

torch = pytest.importorskip("torch", reason="PyTorch is not installed here; it is the oracle of this file")

TOLERANCE = 1e-9


def padded(x, shape: Shape, window, stride, padding: str, value: float = 0.0):
    """Pad images as TensorFlow does for `same`; PyTorch's own `same` puts the odd one elsewhere."""
    if padding == "valid":
        return x
    top, bottom = same_padding(shape[0], window[0], stride[0])
    left, right = same_padding(shape[1], window[1], stride[1])
    return torch.nn.functional.pad(x, (left, right, top, bottom), value=value)


def activated(x, activation: Activation | None):
    if activation is None or activation.kind == "linear":
        return x
    return torch.relu(x) if activation.kind == "relu" else torch.nn.functional.leaky_relu(x, activation.slope)


def torch_loss(net: Net, weights: dict, x, labels, indices, seed: int, epoch: int):
    """Return the loss of one batch as PyTorch computes it; only the dropped elements come from issun."""
    functional = torch.nn.functional
    for row in net.rows:
        layer = row.layer
        kernel, bias = weights.get(f"{row.index}.kernel"), weights.get(f"{row.index}.bias")
        if isinstance(layer, Conv):
            x = functional.conv2d(padded(x, row.input, layer.kernel, layer.stride, layer.padding), kernel, bias, layer.stride)
        elif isinstance(layer, Dense | Classifier):
            x = functional.linear(x.flatten(1), kernel, bias)
        elif isinstance(layer, Pool) and layer.kind == "max":
            x = functional.max_pool2d(
                padded(x, row.input, layer.window, layer.stride, layer.padding, -torch.inf), layer.window, layer.stride
            )
        elif isinstance(layer, Pool):
            inside = padded(torch.ones_like(x), row.input, layer.window, layer.stride, layer.padding)
            x = functional.avg_pool2d(padded(x, row.input, layer.window, layer.stride, layer.padding), layer.window, layer.stride)
            x = x / functional.avg_pool2d(inside, layer.window, layer.stride)
        elif isinstance(layer, GlobalAveragePool):
            x = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        elif isinstance(layer, Dropout):
            zero = dropped(seed, epoch, row.index, indices, x[0].numel(), layer.rate).reshape(x.shape)
            x = x * torch.from_numpy(~zero) / (1 - layer.rate)
        x = activated(x, activation_of(layer))
    loss = functional.cross_entropy(x, torch.from_numpy(labels.astype(np.int64)))
    for tensor in tensors(net):
        loss = loss + tensor.l1 * weights[tensor.name].abs().sum() + tensor.l2 * weights[tensor.name].square().sum()
    return loss


@hypothesis_settings(max_examples=150)
@given(net=nets(), count=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_loss_and_gradients_are_those_of_pytorch(net: Net, count: int, seed: int) -> None:
    engine = ReferenceEngine(net, Recipe(), unit(net))
    images, labels = images_for(net, 4 * count, seed)
    weights = weights_for(net, Recipe(), seed)
    indices = decided(engine, weights, images, count, seed, 3)
    loss, gradient = engine.gradients(weights, images, labels, indices, seed, 3)

    trained = {t.name: t.trained for t in tensors(net)}
    flat = torch.from_numpy(weights.astype(np.float64))
    given = {t.name: flat[t.slice].reshape(t.shape).clone().requires_grad_(trained[t.name]) for t in tensors(net)}
    x = torch.from_numpy(images[indices].astype(np.float64).transpose(0, 3, 1, 2) / 255)
    oracle = torch_loss(net, given, x, labels[indices], indices, seed, 3)
    right = np.zeros(net.parameters)
    if oracle.requires_grad:
        oracle.backward()
        for tensor in tensors(net):
            if tensor.trained and given[tensor.name].grad is not None:
                right[tensor.slice] = given[tensor.name].grad.numpy().ravel()

    assert gradient.dtype == np.float64
    assert loss == pytest.approx(float(oracle.detach()), rel=TOLERANCE)
    assert max(gradient_errors(net, gradient, right, floor=1e-6).values(), default=0) < TOLERANCE


def torch_optimizer(recipe: Recipe, parameter):
    if recipe.optimizer == "sgd":
        return torch.optim.SGD([parameter], lr=recipe.learning_rate, momentum=recipe.momentum)
    if recipe.optimizer == "adam":
        return torch.optim.Adam([parameter], lr=recipe.learning_rate, betas=(recipe.beta_1, recipe.beta_2))
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop([parameter], lr=recipe.learning_rate, alpha=recipe.rho, eps=recipe.epsilon)
    return torch.optim.Adadelta([parameter], lr=recipe.learning_rate, rho=recipe.rho, eps=recipe.epsilon)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(optimizer="sgd", momentum=0.9, learning_rate=0.05),
        Recipe(optimizer="sgd", momentum=0.0, learning_rate=0.05),
        Recipe(optimizer="adam", learning_rate=0.01, epsilon=1e-3),
        # PyTorch adds the epsilon of RMSprop after the square root, issun before: the two agree where it is too small to matter.
        Recipe(optimizer="rmsprop", learning_rate=0.01, epsilon=1e-30),
        Recipe(optimizer="adadelta", epsilon=1e-4),
    ],
    ids=lambda recipe: f"{recipe.optimizer}-{recipe.momentum}",
)
def test_steps_are_those_of_torch_optim(recipe: Recipe) -> None:
    net = Net((2, 2, 1), 3, (Dense(5), Classifier(3)))
    engine = ReferenceEngine(net, recipe, unit(net))
    state = State.start(net, recipe, 4)
    parameter = torch.from_numpy(state.weights.astype(np.float64)).requires_grad_()
    optimizer = torch_optimizer(recipe, parameter)
    generator = np.random.default_rng(0)
    for step in range(1, 8):
        gradient = generator.normal(size=net.parameters)
        engine.step(state, gradient, recipe.learning_rate)
        if recipe.optimizer == "adam":
            # PyTorch divides sqrt(v) by the bias correction before it adds epsilon, issun (as Keras) after.
            optimizer.param_groups[0]["eps"] = recipe.epsilon / np.sqrt(1 - recipe.beta_2**step)
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        # Relative 1e-6: issun rounds its state to float32 after each step, PyTorch keeps float64 here.
        np.testing.assert_allclose(state.weights, parameter.detach().numpy(), rtol=1e-6, atol=1e-7)
        assert state.step == step
