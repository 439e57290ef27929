"""Branches that are joined: what counts, which sizes fit, what lives at once, published blocks, and that one bit is one bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rich.text import Text

from engine_cases import images_for, unit, weights_for
from issun.arch.cost import table
from issun.arch.layers import Branch, Concat, Conv, Dense, Pool
from issun.arch.net import Net
from issun.arch.notation import parse, parse_network
from issun.arch.ops import Kind
from issun.engine.lowering import lowered
from issun.engine.native import NativeEngine
from issun.engine.reference.engine import ReferenceEngine
from issun.errors import NetworkError
from issun.exporters.c.steps import plan, steps
from issun.plots.sizes import layers_table
from issun.recipe import Recipe

#: The first inception module of GoogLeNet (Szegedy et al. 2015, table 1) on its 28x28x192 input: 159K parameters there, biases not counted.
INCEPTION = (
    "concat (conv 64 1x1 | conv 96 1x1, conv 128 same | conv 16 1x1, conv 32 5x5 same | pool 3 stride 1 same, conv 32 1x1), gap, dense"
)


def test_an_inception_module_has_the_parameters_that_its_source_tells() -> None:
    net = parse_network(INCEPTION, (28, 28, 192), 10)
    module = net.layers[0]
    assert module.output_shape(net.input) == (28, 28, 256)
    kernels = 64 * 192 + 96 * 192 + 9 * 128 * 96 + 16 * 192 + 25 * 32 * 16 + 32 * 192
    assert round(kernels / 1024) == 160
    assert module.parameters(net.input) == kernels + 64 + 96 + 128 + 16 + 32 + 32
    assert module.macs(net.input) == 28 * 28 * kernels
    assert [op.kind for op in net.ops[:-2]].count(Kind.CONCAT) == 3


def test_a_dense_block_grows_by_its_rate() -> None:
    """As in DenseNet (Huang et al. 2017): every layer reads what all before it gave."""
    net = parse_network("conv 16 same, 3 * (concat (| conv 12 same)), gap, dense", (8, 8, 1), 10)
    assert [op.input[2] for op in net.ops if op.kind is Kind.CONV] == [1, 16, 28, 40]
    assert net.ops[-2].input == (8, 8, 52)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "conv 4 same, concat (conv 2 | conv 3 same |), dense",
            "`concat (conv 2 | conv 3 same |)` is not valid: `conv 2` returns 7x7x2, `conv 3 same` returns 9x9x3, the empty branch 9x9x4",
        ),
        ("concat (gap | conv 2), dense", "`gap` returns 1, `conv 2` returns 7x7x2"),
        ("conv 4, tied 2 (concat (| relu)), dense", "its input is 7x7x4 and its output 7x7x8"),
        ("concat (gap | dense 3)", "the network ends with `concat (gap | dense 3)` and has no classifier"),
        ("concat (conv 3 | conv 4 | conv 2 11x11), dense", "its 11x11 window is larger than its 9x9 input"),
    ],
)
def test_what_cannot_be_joined(text: str, says: str) -> None:
    with pytest.raises(NetworkError) as error:
        parse_network(text, (9, 9, 1), 4)
    assert says in str(error.value)


def test_one_branch_is_no_concat() -> None:
    with pytest.raises(NetworkError, match="`concat` joins at least two branches"):
        Concat((Branch((Conv(4),)),))


def test_what_lives_at_once() -> None:
    """Every branch that is done, until all are there; the last sum of sizes is what goes in and what comes out."""
    net = parse_network("conv 4 same, concat (conv 2 same | conv 3 same | conv 1 1x1), gap, dense", (5, 5, 1), 3)
    live = [sum(math.prod(shape) for shape in shapes) // 25 for shapes in net.live()[:-2]]
    # the image, conv 4; it and what each branch gives; two joints; gap
    assert live[:6] == [1 + 4, 4 + 2, 4 + 2 + 3, 4 + 2 + 3 + 1, 2 + 3 + 1 + 5, 5 + 1 + 6]
    assert net.peak_memory(1) == 25 * 12
    assert net.peak_memory(1) <= plan(steps(net)).size <= 25 * 15  # places of different sizes leave gaps


def test_the_table_says_what_is_joined() -> None:
    net = parse_network("conv 4 same, concat (conv 2 same | conv 3 same |), gap, dense", (5, 5, 1), 3)
    assert [(row.number, row.source, row.other) for row in table(net) if row.layer == "concat"] == [(4, 2, 3), (5, 4, 1)]
    assert list(layers_table(net).columns[1].cells)[2] == Text("conv 3 same  (reads 1)")
    assert list(layers_table(net).columns[1].cells)[3:5] == [Text("concat 2 and 3"), Text("concat 4 and 1")]


def test_a_dense_layer_and_a_padded_convolution_may_read_one_image() -> None:
    net = parse_network("conv 3 same, concat (dense 4 | conv 2 3x3 same, gap | dense 5), dense", (6, 5, 2), 3)
    operators = lowered(net.ops)
    assert len(operators) == len(net.ops) + 2
    images, labels = images_for(net, 9, 0)
    weights = weights_for(net, Recipe(), 0)
    reference, native = (engine(net, Recipe(batch_size=9), unit(net)) for engine in (ReferenceEngine, NativeEngine))
    loss, gradient = reference.gradients(weights, images, labels, np.arange(9), 0, 0)
    found_loss, found = native.gradients(weights, images, labels, np.arange(9), 0, 0)
    assert found_loss == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(found, gradient, rtol=1e-3, atol=1e-6)


def test_the_joint_lies_in_the_order_of_the_branches() -> None:
    net = Net((4, 4, 2), 4, (Concat((Branch((Pool((1, 1), (1, 1)),)), Branch(()))), *parse_network("gap", (4, 4, 4), 4).layers))
    images = images_for(net, 5, 0)[0]
    means = images.mean(axis=(1, 2)) / 255
    for engine in (ReferenceEngine(net, Recipe(), unit(net)), NativeEngine(net, Recipe(), unit(net))):
        found = engine.logits(np.zeros(0, np.float32), images, np.arange(5))
        np.testing.assert_allclose(found, np.concatenate([means, means], axis=1), rtol=1e-5)


def test_repeats_and_knobs_stand_in_branches() -> None:
    family = parse("concat (k * (conv n same) | frozen (conv 2 same)), dense 3, dense")
    assert family.knobs == ("k", "n")
    net = family.bind({"k": 2, "n": 3}, (5, 5, 1), 2)
    branches = net.layers[0].layers  # type: ignore[attr-defined]
    assert branches[0] == Branch((Conv(3, padding="same"),) * 2)
    assert net.layers[1:] == (Dense(3), net.layers[-1])
    assert net.parameters - net.trainable_params == 20
