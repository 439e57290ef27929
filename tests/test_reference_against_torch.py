"""Is the reference engine right? Loss and gradients against PyTorch's automatic differentiation, in float64, and optimizer steps
against `torch.optim` where the formulas can be made the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import decided, gradient_errors, images_for, unit, weights_for
from issun.arch.layers import Classifier, Dense
from issun.arch.net import Net
from issun.engine.protocol import State
from issun.engine.reference.engine import ReferenceEngine
from issun.recipe import Recipe
from operator_cases import OPERATORS
from strategies import OPERATORS as WORDS
from strategies import nets
from torch_network import functional, torch, torch_logits

#: Relative to a tensor's gradient, or to `FLOOR` of the whole gradient where that is more: what is before a `norm` has gradients in which
#: all but rounding cancels.
TOLERANCE, FLOOR = 1e-9, 1e-4


def as_torch(net: Net, weights: np.ndarray) -> dict:
    """Return the tensors by name in float64; those that are trained collect gradients."""
    flat = torch.from_numpy(weights.astype(np.float64))
    return {t.name: flat[t.slice].reshape(t.shape).clone().requires_grad_(t.trained) for t in net.tensors}


def scaled(images: np.ndarray):
    """Return images as PyTorch takes them."""
    return torch.from_numpy(images.astype(np.float64).transpose(0, 3, 1, 2) / 255)


def compare(net: Net, count: int, seed: int) -> int:
    """Hold loss, gradients, running statistics and logits against PyTorch's; return how many images were compared."""
    recipe = Recipe(batch_size=count, epochs=4, optimizer="sgd", learning_rate=0.1)
    engine = ReferenceEngine(net, recipe, unit(net))
    images, labels = images_for(net, 4 * count, seed)
    weights = weights_for(net, recipe, seed)
    indices = decided(engine, weights, images, count, seed, 3)
    if not len(indices):
        return 0
    loss, gradient = engine.gradients(weights, images, labels, indices, seed, 3)

    given = as_torch(net, weights)
    logits = torch_logits(net, given, scaled(images[indices]), (indices, seed, 3))
    oracle = functional.cross_entropy(logits, torch.from_numpy(labels[indices].astype(np.int64)))
    for tensor in net.tensors:
        oracle = oracle + tensor.l1 * given[tensor.name].abs().sum() + tensor.l2 * given[tensor.name].square().sum()
    right = np.zeros(net.stored)
    if oracle.requires_grad:
        oracle.backward()
        for tensor in net.tensors:
            if tensor.trained and given[tensor.name].grad is not None:
                right[tensor.slice] = given[tensor.name].grad.numpy().ravel()
    assert gradient.dtype == np.float64
    assert loss == pytest.approx(float(oracle.detach()), rel=TOLERANCE)
    assert max(gradient_errors(net, gradient, right, floor=FLOOR).values(), default=0) < TOLERANCE

    state = State(weights.copy(), State.start(net, recipe, 0).moments, epoch=3)
    engine.train_epoch(state, images, labels, indices, seed)
    for tensor in net.tensors:
        if tensor.role in ("mean", "variance"):
            size = float(np.abs(weights[tensor.slice]).max())
            kept = given[tensor.name].detach().numpy()
            np.testing.assert_allclose(state.weights[tensor.slice], kept, rtol=1e-6, atol=1e-6 * size, err_msg=tensor.name)

    found, _ = engine.forward(weights, images, indices, None)
    answer = torch_logits(net, as_torch(net, weights), scaled(images[indices]), None).detach().numpy()
    np.testing.assert_allclose(found, answer, rtol=0, atol=1e-11 * float(np.abs(answer).max()))
    return len(indices)


@hypothesis_settings(max_examples=120)
@given(net=nets(operators=WORDS), count=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_random_networks(net: Net, count: int, seed: int) -> None:
    assume(compare(net, count, seed))


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator(name: str, count: int) -> None:
    assert compare(OPERATORS[name], count, seed=1) == count


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
