"""Normalisation of each image by itself: what counts, which values go together, what it does to an image, and that one bit is one bit."""

from __future__ import annotations

import numpy as np
import pytest

from engine_cases import images_for, unit, weights_for
from issun.arch import cost
from issun.arch.layers import Normalise, Shape
from issun.arch.net import Net
from issun.arch.notation import parse, parse_network
from issun.arch.ops import Kind
from issun.engine.native import NativeEngine
from issun.engine.protocol import State
from issun.engine.reference.channels import each_normalised
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import dropout_masks
from issun.errors import NetworkError
from issun.recipe import Recipe

MNIST = (28, 28, 1)

#: Small published networks; the windows and paddings that a source leaves open are those that give its count.
PUBLISHED = {
    697: (
        "conv 6 same leaky 0.2, pool, sepconv 5 same leaky 0.2, pool, sepconv 9 same leaky 0.2, sepconv 10 same leaky 0.2, pool, "
        "sepconv 8 leaky 0.2, gap, dense"
    ),
    1936: (
        "conv 8, norm layer one, pool, sepconv 26, norm layer one, tied 3 (sepconv 26 same, norm layer one), gap, "
        "dense 16, norm layer one, dense"
    ),
}


@pytest.mark.parametrize("parameters", PUBLISHED)
def test_published_networks_have_the_parameters_that_their_sources_tell(parameters: int) -> None:
    net = parse_network(PUBLISHED[parameters], MNIST, 10)
    assert net.parameters == net.trainable_params == net.stored == parameters
    assert parse_network(str(net), MNIST, 10) == net


def test_a_pair_for_each_channel_would_make_as_many_as_the_source_says() -> None:
    assert parse_network(PUBLISHED[1936].replace(" one", ""), MNIST, 10).parameters == 2180


@pytest.mark.parametrize(
    ("text", "kinds", "parameters"),
    [
        ("conv 8 norm image, dense", ["conv", "normalise", "activate", "dense"], 72 + 16),
        ("conv 8 norm layer one linear, dense", ["conv", "normalise", "dense"], 72 + 2),
        ("conv 8 norm group 4 none, dense", ["conv", "normalise", "activate", "dense"], 72),
        ("sepconv 8 norm layer, dense", ["dwconv", "conv", "normalise", "activate", "dense"], 9 + 8 + 16),
        ("dwconv 4 norm group 2, dense", ["dwconv", "normalise", "activate", "dense"], 36 + 8),
        ("conv 8 norm, dense", ["conv", "dense"], 72 + 8),
    ],
)
def test_a_norm_of_a_layer_is_an_operation_of_its_own(text: str, kinds: list[str], parameters: int) -> None:
    net = parse_network(text, (9, 9, 1), 3)
    assert [op.kind.value for op in net.ops] == kinds
    assert sum(op.parameters for op in net.ops[:-1]) == parameters
    assert sum(layer.parameters(shape) for layer, shape in zip(net.layers, [(9, 9, 1), net.ops[-2].output], strict=True)) == net.parameters


def test_each_pass_of_tied_has_a_pair_of_its_own() -> None:
    net = parse_network("conv 4, tied 2 (tied 3 (conv 4 same prelu norm image), norm layer one), dense", (9, 9, 1), 3)
    norms = [op for op in net.ops if op.kind is Kind.NORMALISE]
    assert [op.sets for op in norms] == 2 * [4, 4, 4, 1]
    assert len({tensor.offset for op in norms for tensor in op.own}) == 16
    assert len({op.shares for op in net.ops if op.kind is Kind.CONV}) == 2
    assert net.parameters == 40 + (144 + 4) + 2 * 3 * 8 + 2 * 2 + net.ops[-1].parameters
    tied = net.layers[1]
    assert tied.parameters((7, 7, 4)) == (144 + 4) + 2 * 3 * 8 + 2 * 2


def test_a_frozen_pair_counts_and_is_not_trained() -> None:
    net = parse_network("conv 4, frozen (norm image, conv 2 norm layer), dense", (9, 9, 1), 3)
    assert net.parameters - net.trainable_params == 8 + 72 + 4


@pytest.mark.parametrize(
    ("text", "values", "says"),
    [
        ("conv n, norm group 4, dense", {"n": 6}, "`norm group 4` is not valid: 4 groups do not divide the 6 channels of its input"),
        ("conv 6 norm group g, dense", {"g": 4}, "`norm group 4` is not valid: 4 groups do not divide the 6 channels"),
        ("dense 6, norm image, dense", {}, "`norm image` needs an image, but its input is 6 features: use `norm layer`"),
        ("gap, norm group 2, dense", {}, "`norm group 2` needs an image, but its input is 1 features"),
        ("conv 4 9x9, norm image, dense", {}, "each channel of its 1x1x4 input has one pixel, which less its mean is 0"),
        ("conv 4 9x9 norm image, dense", {}, "each channel of its 1x1x4 input has one pixel, which less its mean is 0"),
    ],
)
def test_what_cannot_be_normalised(text: str, values: dict[str, int], says: str) -> None:
    with pytest.raises(NetworkError) as error:
        parse(text).bind(values, (9, 9, 1), 3)
    assert "layer 2: " in str(error.value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("family", "counted"),
    [
        ("conv n norm group 4, dense", "158n + 3"),
        ("conv n norm group g, tied k (conv n same norm layer), dense", "2kn + 9n² + 158n + 3"),
        ("conv 4n norm image one, dense n norm layer, dense", "196n² + 41n + 5"),
    ],
)
def test_families_have_polynomials(family: str, counted: str) -> None:
    """Which groups divide the channels does not change how a network that can be is counted."""
    made = parse(family)
    found = cost.polynomial(made, (9, 9, 1), 3)
    assert isinstance(found, cost.Polynomial)
    values = dict.fromkeys(made.knobs, 4)
    net = made.bind(values, (9, 9, 1), 3)
    assert found.at(values) == net.parameters
    macs = cost.macs_polynomial(made, (9, 9, 1), 3)
    assert isinstance(macs, cost.Polynomial)
    assert macs.at(values) == net.macs
    assert str(found) == counted


def test_values_are_normalised_with_their_own_set_alone() -> None:
    x = np.random.default_rng(0).normal(2, 3, (2, 6, 4, 5))
    for shape, sets, axes in (((2, 6, 1, 20), 6, (2, 3)), ((2, 3, 2, 20), 3, (2, 3)), ((2, 1, 6, 20), 1, (2, 3))):
        values = x.reshape(shape)
        right = (values - values.mean(axis=axes, keepdims=True)) / np.sqrt(values.var(axis=axes, keepdims=True) + 1e-5)
        np.testing.assert_allclose(each_normalised(x, sets), right.reshape(x.shape), rtol=1e-12, atol=1e-14)


def engines(net: Net, batch: int = 32) -> list[ReferenceEngine | NativeEngine]:
    recipe = Recipe(batch_size=batch)
    return [ReferenceEngine(net, recipe, unit(net)), NativeEngine(net, recipe, unit(net))]


@pytest.mark.parametrize("norm", ["norm image", "norm layer one", "norm group 2 none"])
@pytest.mark.parametrize("image", [(9, 8, 1), (5, 5, 2), (20, 20, 1)])
def test_contrast_and_brightness_do_not_matter(norm: str, image: Shape) -> None:
    """Behind a linear convolution without bias a norm takes both out, but for what is added to the variance."""
    net = parse_network(f"conv 4 linear nobias, {norm}, pool, dense", image, 5)
    images = np.random.default_rng(0).integers(0, 100, (6, *image)).astype(np.uint8)
    changed = (2 * images + 40).astype(np.uint8) if "image" in norm else 2 * images
    weights = weights_for(net, Recipe(), 0)
    weights[net.ops[0]["kernel"].slice] *= 100  # so that 1e-5 is little beside the variance
    for engine in engines(net):
        before, after = (engine.logits(weights, some, np.arange(6)) for some in (images, changed))
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3 * np.abs(before).max())


@pytest.mark.parametrize("norm", ["norm image", "norm layer", "norm group 2"])
def test_an_image_of_one_colour_leaves_the_shifts(norm: str) -> None:
    net = parse_network(f"conv 4 linear nobias, {norm}, gap, dense", (9, 8, 1), 5)
    weights = weights_for(net, Recipe(), 0)
    kernel = net.ops[0]["kernel"]
    if norm != "norm image":  # equal channels, or they differ from each other
        weights[kernel.slice] = np.tile(weights[kernel.slice][:9], 4)
    shifts, head = weights[net.ops[1]["shift"].slice], net.ops[-1]
    right = weights[head["kernel"].slice].reshape(5, 4) @ shifts + weights[head["bias"].slice]
    images = np.array([np.full((9, 8, 1), colour) for colour in (0, 1, 77, 255)], np.uint8)
    for engine in engines(net):
        np.testing.assert_allclose(engine.logits(weights, images, np.arange(4)), np.tile(right, (4, 1)), atol=1e-6)


@pytest.mark.parametrize("norm", ["norm image", "norm layer", "norm group 2"])
def test_large_bright_images_lose_no_digits(norm: str) -> None:
    """A mean far from zero, over a hundred thousand values."""
    net = parse_network(f"conv 16 same linear nobias, {norm}, relu, gap, dense", (96, 96, 3), 5)
    images = np.random.default_rng(0).integers(200, 256, (3, 96, 96, 3)).astype(np.uint8)
    right, found = (engine.logits(weights_for(net, Recipe(), 0), images, np.arange(3)) for engine in engines(net))
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5 * np.abs(right).max())


def test_training_and_inference_compute_the_same_for_each_image() -> None:
    net = parse_network("conv 4 norm image, norm group 2, tied 2 (conv 4 same norm layer one), dense 6 norm layer, dense", (9, 8, 2), 5)
    images, _ = images_for(net, 20, 3)
    weights = weights_for(net, Recipe(), 3)
    engine = ReferenceEngine(net, Recipe(), unit(net))
    training, _ = engine.forward(weights, images, np.arange(20), dropout_masks(net, np.arange(20), 0, 0))
    for made in engines(net):
        together = made.logits(weights, images, np.arange(20))
        alone = np.concatenate([made.logits(weights, images, np.array([image])) for image in range(20)])
        assert np.array_equal(together, alone)
        np.testing.assert_allclose(together, training, rtol=1e-4, atol=1e-5)


def test_nothing_runs_along_while_training() -> None:
    net = parse_network("frozen (conv 4 norm image), norm layer one, frozen (norm group 2), dense", (9, 8, 1), 5)
    images, labels = images_for(net, 20, 3)
    recipe = Recipe(batch_size=7)
    for engine in engines(net, 7):
        state = State.start(net, recipe, 1)
        before = state.weights.copy()
        engine.train_epoch(state, images, labels, np.arange(20), 1)
        for tensor in net.tensors:
            assert np.array_equal(state.weights[tensor.slice], before[tensor.slice]) != tensor.trained, tensor.name


def test_the_record_prints_as_it_is_written() -> None:
    for text in ("norm image", "norm layer none", "norm group 4", "norm group 4 one"):
        assert str(parse(f"{text}, dense").items[0]) == text
    assert str(Normalise("group", 2, "none")) == "norm group 2 none"
