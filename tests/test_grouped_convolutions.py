"""Grouped convolutions: what counts, which channels meet, how they are drawn, and that one bit is one bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine_cases import digits, images_for, unit, weights_for
from issun.arch.layers import Activation, Conv
from issun.arch.net import Net
from issun.arch.notation import parse, parse_network
from issun.engine.native import NativeEngine
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.weights import as_tensors, initialised
from issun.errors import NetworkError
from issun.extraction import make_extractor
from issun.recipe import Recipe


@pytest.mark.parametrize(
    ("text", "parameters", "macs", "shape"),
    [
        ("conv 8 groups 2", 8 * 3 * 9 + 8, 16 * 8 * 3 * 9, (8, 3, 3, 3)),
        ("conv 8 1x1 groups 2 nobias", 8 * 3, 36 * 8 * 3, (8, 3, 1, 1)),
        ("conv 9 groups 3 same prelu norm", 9 * 2 * 9 + 9 + 9, 36 * 9 * 2 * 9, (9, 2, 3, 3)),
        ("conv 4 2x3 stride 2 groups 2 norm layer one", 4 * 3 * 6 + 2, 6 * 4 * 3 * 6, (4, 3, 2, 3)),
        ("conv 12 groups 6", 12 * 9 + 12, 16 * 12 * 9, (12, 1, 3, 3)),
    ],
)
def test_a_filter_has_weights_for_the_channels_of_its_group(text: str, parameters: int, macs: int, shape: tuple[int, ...]) -> None:
    net = parse_network(f"{text}, dense", (6, 6, 6), 3)
    (layer, _), op = net.layers, net.ops[0]
    assert layer.parameters(net.input) == parameters
    assert layer.macs(net.input) == op.macs == macs
    assert sum(op.parameters for op in net.ops[:-1]) == parameters
    assert op["kernel"].shape == shape
    assert op.groups == 6 // shape[1]


def test_groups_of_one_channel_are_a_depthwise_convolution() -> None:
    grouped, depthwise = (parse_network(text, (6, 6, 4), 3) for text in ("conv 8 groups 4, dense", "dwconv 2, dense"))
    assert [op.kind for op in grouped.ops] == [op.kind for op in depthwise.ops]
    weights, images = weights_for(depthwise, Recipe(), 0), images_for(depthwise, 9, 0)[0]
    for engine in (ReferenceEngine, NativeEngine):
        found, right = (engine(net, Recipe(), unit(net)).logits(weights, images, np.arange(9)) for net in (grouped, depthwise))
        assert np.array_equal(found, right)
    assert [op.kind.value for op in parse_network("conv 8 groups 1, dense", (6, 6, 1), 3).ops] == ["conv", "dense"]


@pytest.mark.parametrize(
    ("text", "values", "says"),
    [
        (
            "conv 6, conv 8 groups 4, dense",
            {},
            "layer 2: `conv 8 groups 4` is not valid: 4 groups do not divide the 6 channels of its input",
        ),
        (
            "conv 8, conv n groups 4, dense",
            {"n": 6},
            "`conv 6 groups 4` is not valid: 4 groups do not divide its 6 filters",
        ),
        ("conv 8, conv 8 groups g, dense", {"g": 3}, "layer 2: `conv 8 groups 3` is not valid: 3 groups do not divide the 8 channels"),
        ("conv 4 groups 4, dense", {}, "4 groups do not divide the 1 channels of its input"),
    ],
)
def test_groups_divide_channels_and_filters(text: str, values: dict[str, int], says: str) -> None:
    with pytest.raises(NetworkError) as error:
        parse(text).bind(values, (9, 9, 1), 3)
    assert says in str(error.value)


def test_at_least_one_group() -> None:
    with pytest.raises(NetworkError, match="its groups must be at least 1"):
        Net((6, 6, 2), 2, (Conv(4, groups=0), *parse_network("dense", (6, 6, 2), 2).layers))


def test_a_group_does_not_see_the_channels_of_another() -> None:
    net = parse_network("conv 6 linear nobias groups 2, gap", (5, 5, 4), 6)
    weights = initialised(net, "glorot", 3)
    images = images_for(net, 4, 1)[0]
    blind = images.copy()
    blind[..., 2:] = 0
    for engine in (ReferenceEngine(net, Recipe(), unit(net)), NativeEngine(net, Recipe(), unit(net))):
        both, half = (engine.logits(weights, some, np.arange(4)) for some in (images, blind))
        assert np.array_equal(both[:, :3], half[:, :3])
        assert both[:, :3].any()
        assert not half[:, 3:].any()


def test_each_group_is_drawn_for_itself() -> None:
    """What meets are the channels and the filters of a group."""
    net = parse_network("conv 120 groups 30, dense", (8, 8, 60), 2)
    glorot, he, orthogonal = (as_tensors(net, initialised(net, kind, 5))["0.kernel"] for kind in ("glorot", "he", "orthogonal"))
    assert glorot.shape == (120, 2, 3, 3)
    assert np.abs(glorot).max() == pytest.approx(math.sqrt(6 / (18 + 36)), rel=0.01)
    assert he.var() == pytest.approx(2 / 18, rel=0.1)
    for block in orthogonal.astype(np.float64).reshape(30, 4, 18):
        np.testing.assert_allclose(block @ block.T, np.eye(4), atol=1e-6)


@pytest.mark.parametrize("kind", ["patches", "kmeans", "pca"])
def test_filters_from_patches_see_their_group(kind: Any) -> None:
    images, _ = digits()
    net = parse_network("conv 6 2x2, conv 8 groups 2, gap, dense", (8, 8, 1), 10)
    made = make_extractor(net, kind, images, unit(net), seed=3)
    features = made.features(images)
    assert np.isfinite(features).all()
    assert (features.std(axis=0) > 0).all()


def test_the_record_prints_as_it_is_written() -> None:
    assert str(Conv(8, (1, 3), padding="same", groups=4, activation=Activation("tanh"))) == "conv 8 1x3 same groups 4 tanh"
