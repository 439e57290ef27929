"""`Net`: its own errors, and its counts against numbers computed by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.arch.layers import Classifier, Conv, Dense, Dropout, Frozen, GlobalAveragePool, Layer, Pool, same_padding, window_positions
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.errors import NetworkError
from strategies import OPERATORS, nets

OUT = Classifier(10)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ((), "at least one layer"),
        ((Conv(4),), "has no classifier: end it with `dense`"),
        ((OUT, Dropout(0.5)), "layer 1: `dense` without a number is the classifier and must be the last layer"),
        ((OUT, Conv(3), OUT), "layer 1: `dense` without a number is the classifier and must be the last layer"),
        ((Dense(8), Conv(3), OUT), "layer 2: `conv 3` needs an image, but its input is 8 features"),
        ((GlobalAveragePool(), Pool(), OUT), "layer 2: `pool` needs an image, but its input is 1 features"),
        ((Frozen((Dense(8),)), GlobalAveragePool()), "layer 2: `gap` needs an image"),
        ((Pool(), Conv(4), OUT), "layer 2: `conv 4` is not valid: its 3x3 window is larger than its 2x2 input"),
        ((Conv(4, (1, 5)), OUT), "layer 1: `conv 4 1x5` is not valid: its 1x5 window is larger than its 4x4 input"),
        ((Pool(), Pool((3, 3), (3, 3)), OUT), "layer 2: `pool 3` is not valid: its 3x3 window is larger than its 2x2 input"),
        ((Conv(9), GlobalAveragePool()), "ends with `gap` over 9 channels, but there are 10 classes"),
        ((Classifier(7),), "has 7 outputs, but there are 10 classes"),
        ((Conv(0), OUT), "layer 1: `conv 0` is not valid: its filters must be at least 1"),
        ((Conv(4, (0, 3)), OUT), "its window must be at least 1"),
        ((Conv(4, stride=(1, 0)), OUT), "its stride must be at least 1"),
        ((Pool((2, 2), (0, 2)), OUT), "its stride must be at least 1"),
        ((Frozen((Dense(0),)), OUT), "layer 1: `dense 0` is not valid: its units must be at least 1"),
        ((Dropout(1.0), OUT), "the rate (=1.0) of `drop` must be at least 0 and below 1"),
        ((Dense(3, l1=-0.1), OUT), "`l1` (=-0.1) of a layer must be a finite number, at least 0"),
        ((Dense(3, l2=math.nan), OUT), "`l2` (=nan)"),
    ],
)
def test_a_network_that_cannot_be_says_which_layer_and_why(layers: tuple[Layer, ...], says: str) -> None:
    with pytest.raises(NetworkError) as caught:
        Net((4, 4, 1), 10, layers)
    assert says in str(caught.value)


def test_a_frozen_group_is_never_empty() -> None:
    with pytest.raises(NetworkError, match="at least one layer"):
        Frozen(())


@pytest.mark.parametrize("shape", [(0, 4, 1), (4, 4, 0), (4, 4), (4, 4, 1, 1)])
def test_the_input_is_an_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(NetworkError, match="height x width x channels"):
        Net(shape, 10, (OUT,))


def test_there_are_at_least_two_classes() -> None:
    with pytest.raises(NetworkError, match=r"number of classes \(=1\) must be at least 2"):
        Net((4, 4, 1), 1, (Classifier(1),))


def test_gap_over_as_many_channels_as_classes_is_a_classifier() -> None:
    assert Net((4, 4, 1), 10, (Conv(10), GlobalAveragePool())).ops[-1].output == (10,)
    assert parse_network("gap", (5, 5, 3), 3).parameters == 0


def test_shapes_parameters_and_macs_by_hand() -> None:
    net = parse_network("frozen (conv 5 3x2 stride 2x1 nobias), avgpool 2 stride 1, conv 4 same, gap, dense 6, dense", (9, 8, 3), 7)
    rows = net.ops
    assert [row.output for row in rows] == [(4, 7, 5), (3, 6, 5), (3, 6, 4), (4,), (6,), (7,)]
    assert [row.parameters for row in rows] == [3 * 2 * 3 * 5, 0, 3 * 3 * 5 * 4 + 4, 0, 4 * 6 + 6, 6 * 7 + 7]
    assert [row.macs for row in rows] == [4 * 7 * 5 * 3 * 2 * 3, 0, 3 * 6 * 4 * 3 * 3 * 5, 0, 24, 42]
    assert [row.frozen for row in rows] == [True, False, False, False, False, False]
    assert net.parameters == 90 + 184 + 30 + 49
    assert net.trainable_params == net.parameters - 90
    assert net.macs == 2520 + 3240 + 24 + 42
    assert (net.bytes(), net.bytes(1)) == (4 * net.parameters, net.parameters)


def test_peak_memory_is_the_largest_input_with_its_output() -> None:
    net = parse_network("conv 8, relu, pool, drop 0.5, dense 4, dense", (10, 10, 1), 3)
    # conv: 100 + 512; relu in place: 512; pool: 512 + 128; dropout in place: 128; dense: 128 + 4
    assert net.peak_memory() == 4 * (512 + 128)
    assert net.peak_memory(1) == 512 + 128
    assert parse_network("relu, pool 4, dense", (8, 8, 1), 3).peak_memory(1) == 64 + 4


@given(nets(trainable=False, operators=OPERATORS))
def test_the_groups_of_a_network_count_what_their_layers_count(net: Net) -> None:
    shape = net.input
    parameters = macs = 0
    for layer in net.layers:
        parameters += layer.parameters(shape)
        macs += layer.macs(shape)
        shape = layer.output_shape(shape)
    assert (parameters, macs, shape) == (net.parameters, net.macs, (net.classes,))
    assert 0 <= net.trainable_params <= net.parameters


@given(nets(operators=OPERATORS))
def test_an_id_belongs_to_one_network(net: Net) -> None:
    assert Net(net.input, net.classes, tuple(net.layers)).id == net.id
    assert len(net.id) == 16
    thawed = Net(net.input, net.classes, (Dropout(0.125), *net.layers))
    assert thawed.id != net.id
    taller = (net.input[0] + 1, *net.input[1:])
    assert replace(net, input=taller).id != net.id


@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 6))
def test_same_padding_makes_room_for_every_position(size: int, window: int, stride: int) -> None:
    before, after = same_padding(size, window, stride)
    assert 0 <= after - before <= 1
    starts = [position * stride - before for position in range(window_positions(size, window, stride, "same"))]
    # Every window meets the image, and the last one ends where the padding ends or before.
    assert all(start < size and start + window > 0 for start in starts)
    assert starts[-1] + window <= size + after
