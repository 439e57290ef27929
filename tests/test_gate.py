"""Gates: what counts, which shapes fit, what they do to an image, int8, and that one bit is one bit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from engine_cases import images_for, unit, weights_for
from issun.arch.layers import Gate
from issun.arch.notation import parse_network
from issun.arch.ops import Kind
from issun.engine.native import NativeEngine
from issun.engine.protocol import State
from issun.engine.reference.channels import gated, gated_backward
from issun.engine.reference.engine import ReferenceEngine
from issun.errors import NetworkError
from issun.exporters.c.steps import plan, steps
from issun.recipe import Recipe


def test_squeeze_and_excitation_counts_as_its_source_says() -> None:
    """2 C² / r weights for each block (Hu, Shen & Sun 2018, section 3.3), and biases here."""
    net = parse_network("conv 64, gate (gap, dense 4, dense 64 linear), gap, dense", (9, 9, 1), 10)
    assert isinstance(net.layers[1], Gate)
    assert net.layers[1].parameters((7, 7, 64)) == 2 * 64 * 64 // 16 + 4 + 64
    assert net.layers[1].macs((7, 7, 64)) == 2 * 64 * 64 // 16
    assert [op.kind.value for op in net.ops] == ["conv", "gap", "dense", "dense", "gate", "gap", "dense"]
    assert (net.ops[4].source, net.ops[4].other, net.ops[4].beside, net.ops[4].spreads) == (0, 3, (64,), True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "conv 4, gate (conv 3 same), dense",
            "layer 3: `gate (conv 3 same)` is not valid: its input is 7x7x4 and its layers return 7x7x3; a gate needs the shape of its",
        ),
        ("conv 4, gate (conv 4), dense", "its input is 7x7x4 and its layers return 5x5x4"),
        (
            "conv 4, gate (gap, dense 3), dense",
            "its input is 7x7x4 and its layers return 3; a gate needs the shape of its input, or one number",
        ),
        ("conv 4, gate (conv 3 7x7), dense", "its layers return 1x1x3"),
        (
            "dense 4, gate (dense 3), dense",
            "its input is 4 and its layers return 3; a gate needs as many features as its input has: end the",
        ),
        ("conv 4, gate (gap, dense 4)", "the network ends with `gate (gap, dense 4)` and has no classifier"),
    ],
)
def test_what_can_be_no_gate(text: str, says: str) -> None:
    with pytest.raises(NetworkError) as error:
        parse_network(text, (9, 9, 1), 4)
    assert says in str(error.value)


def test_shapes_that_open_a_gate() -> None:
    for inner, shape in (("conv 4 same", (7, 7, 4)), ("gap, dense 4", (4,)), ("conv 4 7x7", (1, 1, 4)), ("dense 4", (4,))):
        op = parse_network(f"conv 4, gate ({inner}), dense", (9, 9, 1), 3).ops[-2]
        assert (op.kind, op.input, op.output, op.beside) == (Kind.GATE, (7, 7, 4), (7, 7, 4), shape)
        assert op.spreads == (shape != (7, 7, 4))


def test_a_gate_is_the_sigmoid() -> None:
    net = parse_network("gate (dense 2 linear), gap", (3, 3, 2), 2)
    images = images_for(net, 6, 0)[0]
    weights = np.zeros(net.stored, np.float32)
    biases = net.ops[0]["bias"].slice
    for numbers in ([0, 0], [-2, 3], [-40, 40], [-200, 200]):
        weights[biases] = numbers
        right = images.mean(axis=(1, 2)) / 255 * expit(np.array(numbers, float))
        for engine in (ReferenceEngine(net, Recipe(), unit(net)), NativeEngine(net, Recipe(), unit(net))):
            np.testing.assert_allclose(engine.logits(weights, images, np.arange(6)), right, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3), (2, 3, 1, 1)])
def test_gradients_are_differences(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    x, gate = generator.normal(size=(2, 3, 4, 5) if shape != (2, 3) else (2, 3, 2, 2)), generator.normal(size=shape)
    by_output = generator.normal(size=x.shape)
    by_x, by_gate = gated_backward(by_output, x, gate)
    assert (by_x.shape, by_gate.shape) == (x.shape, gate.shape)
    for values, gradient in ((x, by_x), (gate, by_gate)):
        for place in np.ndindex(values.shape):
            kept, values[place] = values[place], values[place] + 1e-6
            above = (gated(x, gate) * by_output).sum()
            values[place] = kept - 1e-6
            below = (gated(x, gate) * by_output).sum()
            values[place] = kept
            assert (above - below) / 2e-6 == pytest.approx(gradient[place], rel=1e-6, abs=1e-8)


def test_large_images_lose_no_digits() -> None:
    net = parse_network("conv 3 1x1 linear, gate (gap, dense 3 linear), gap, dense", (128, 128, 1), 3)
    images, labels = images_for(net, 20, 0)
    weights = weights_for(net, Recipe(), 0)
    reference, native = (engine(net, Recipe(batch_size=20), unit(net)) for engine in (ReferenceEngine, NativeEngine))
    _, right = reference.gradients(weights, images, labels, np.arange(20), 0, 0)
    _, found = native.gradients(weights, images, labels, np.arange(20), 0, 0)
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-6 * np.abs(right).max())


def test_a_gate_works_in_place_where_nobody_else_reads_its_input() -> None:
    net = parse_network("conv 4, gate (gap, dense 4 linear), dense", (7, 7, 1), 3)
    image, values = 49, 100
    sizes = [sum(int(np.prod(shape)) for shape in live) for live in net.live()]
    assert sizes == [image + values, values + 4, values + 4 + 4, 4 + values, values + 3]
    # One number a channel has no room for the whole image.
    memory = plan(steps(net))
    assert memory.offsets[3] == memory.offsets[0] != memory.offsets[2]


def test_the_same_bits_when_each_epoch_has_an_engine_of_its_own() -> None:
    """Groups, branches and gates together, as after a training that was resumed."""
    net = parse_network(
        "conv 8 norm, concat (| conv 8 groups 2 same norm | gate (gap, dense 8 linear)), tied 2(gate (conv 24 1x1 groups 3 linear)), pool, "
        "concat (dense 70 | conv 4 same, gap), drop 0.2, dense",
        (12, 12, 2),
        5,
    )
    images, labels = images_for(net, 90, 0)
    recipe = Recipe(batch_size=20)
    found = set()
    for fresh in (False, True):
        state = State.start(net, recipe, 1)
        engine = NativeEngine(net, recipe, unit(net))
        for _ in range(3):
            engine = NativeEngine(net, recipe, unit(net), threads=2) if fresh else engine
            engine.train_epoch(state, images, labels, np.arange(90), 1)
        found.add((state.weights.tobytes(), state.moments.tobytes()))
    assert len(found) == 1
