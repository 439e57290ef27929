"""`Net.ops` as a graph: sources, sums and shared weights of every operator, its counts by hand, and what must exist together."""

from __future__ import annotations

import pytest
from hypothesis import given

from issun.arch.layers import (
    LINEAR,
    Activate,
    Activation,
    Classifier,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Frozen,
    Layer,
    Pool,
    Residual,
    Scale,
    SeparableConv,
    Tied,
)
from issun.arch.net import Net
from issun.arch.notation import parse, parse_network
from issun.arch.ops import IMAGE, Kind, Op
from issun.errors import NetworkError
from strategies import OPERATORS, nets

SHAPE = (6, 5, 2)
OUT = Classifier(10)


def rows(text: str) -> tuple[Op, ...]:
    """Return the rows of a network before its classifier."""
    return parse_network(f"{text}, dense", SHAPE, 10).ops[:-1]


def wires(text: str) -> list[tuple[str, int, int | None, int]]:
    """Return layer, source, other and shares of each row."""
    return [(row.text, row.source, row.other, row.shares) for row in rows(text)]


@pytest.mark.parametrize(
    ("text", "output", "parameters", "stored", "macs"),
    [
        ("conv 4 3x1", (4, 5, 4), 3 * 2 * 4 + 4, 28, 4 * 5 * 4 * 3 * 2),
        ("conv 4 dilation 2", (2, 1, 4), 9 * 2 * 4 + 4, 76, 2 * 4 * 9 * 2),
        ("conv 4 dilation 5x4 same", (6, 5, 4), 76, 76, 30 * 4 * 9 * 2),
        ("conv 4 norm", (4, 3, 4), 76, 72 + 16, 12 * 4 * 9 * 2),
        ("conv 4 prelu", (4, 3, 4), 80, 80, 12 * 4 * 9 * 2),
        ("dwconv", (4, 3, 2), 9 * 2 + 2, 20, 12 * 2 * 9),
        ("dwconv 3 2x2 stride 2 norm prelu", (3, 2, 6), 24 + 6 + 6, 24 + 4 * 6 + 6, 6 * 6 * 4),
        ("dense 7 norm", (7,), 60 * 7 + 7, 60 * 7 + 28, 420),
        ("scale", SHAPE, 4, 4, 0),
        ("prelu", SHAPE, 2, 2, 0),
        ("rational", SHAPE, 4, 4, 0),
        ("conv 4 rational norm", (4, 3, 4), 80, 72 + 16 + 4, 12 * 4 * 9 * 2),
        ("gelu", SHAPE, 0, 0, 0),
        ("drop 0.5 spatial", SHAPE, 0, 0, 0),
    ],
)
def test_one_layer_by_hand(text: str, output: tuple[int, ...], parameters: int, stored: int, macs: int) -> None:
    (row,) = rows(text)
    assert (row.output, row.parameters, row.trainable_params, row.stored, row.macs) == (output, parameters, parameters, stored, macs)
    assert (row.source, row.other, row.shares) == (IMAGE, None, 0)
    (row,) = rows(f"frozen ({text})")
    assert (row.parameters, row.trainable_params, row.stored) == (parameters, 0, stored)


def test_a_separable_convolution_is_two_rows_that_share_its_settings() -> None:
    first, second = rows("sepconv 8 5x3 stride 2x1 same gelu norm he l1 0.5 l2 0.25")
    assert first.text == str(DepthwiseConv(1, (5, 3), (2, 1), "same", (1, 1), LINEAR, False, False, "he", 0.5, 0.25))
    assert second.text == str(Conv(8, (1, 1), activation=Activation("gelu"), initializer="he", l1=0.5, l2=0.25, norm=True))
    assert (first.output, second.output, second.source) == ((3, 5, 2), (3, 5, 8), 0)
    assert (first.parameters, second.parameters) == (15 * 2, 2 * 8 + 8)


def test_a_residual_adds_what_enters_to_what_its_layers_give() -> None:
    assert wires("conv 3, res (conv 3 same, dwconv same)") == [
        ("conv 3", IMAGE, None, 0),
        ("conv 3 same", 0, None, 1),
        ("dwconv same", 1, None, 2),
        ("add", 2, 0, 3),
    ]
    assert wires("res (relu)") == [("relu", IMAGE, None, 0), ("add", 0, IMAGE, 1)]
    assert wires("gap, res (dense 2)")[1:] == [("dense 2", 0, None, 1), ("add", 1, 0, 2)]


def test_where_channels_differ_the_shortcut_is_a_convolution() -> None:
    found = rows("res (conv 8 same)")
    assert wires("res (conv 8 same)") == [
        ("conv 8 same", IMAGE, None, 0),
        ("conv 8 1x1 linear nobias", IMAGE, None, 1),
        ("add", 0, 1, 2),
    ]
    assert [row.parameters for row in found] == [152, 16, 0]
    assert [row.macs for row in found] == [30 * 144, 30 * 16, 0]
    assert (found[-1].kind, found[-1].input, found[-1].output) == (Kind.ADD, (6, 5, 8), (6, 5, 8))


def test_residuals_stand_in_residuals() -> None:
    assert wires("relu, res (res (tanh), gelu)") == [
        ("relu", IMAGE, None, 0),
        ("tanh", 0, None, 1),
        ("add", 1, 0, 2),
        ("gelu", 2, None, 3),
        ("add", 3, 0, 4),
    ]


def test_tied_passes_use_the_weights_of_the_first() -> None:
    found = rows("tied 3 (conv 2 same, scale)")
    assert wires("tied 3 (conv 2 same, scale)") == [
        ("conv 2 same", IMAGE, None, 0),
        ("scale", 0, None, 1),
        ("conv 2 same", 1, None, 0),
        ("scale", 2, None, 1),
        ("conv 2 same", 3, None, 0),
        ("scale", 4, None, 1),
    ]
    assert [row.parameters for row in found] == [38, 4, 0, 0, 0, 0]
    assert [row.stored for row in found] == [38, 4, 0, 0, 0, 0]
    assert [row.macs for row in found] == [30 * 36, 0] * 3


def test_groups_stand_in_tied_groups() -> None:
    assert [row.shares for row in rows("relu, tied 2 (tied 2 (scale), res (conv 3 same, conv 2 same))")] == [
        *(0, 1, 1, 3, 4, 5),
        *(1, 1, 3, 4, 5),
    ]
    # A shortcut is part of every pass.
    assert [row.shares for row in rows("tied 2 (res (conv 3 same), conv 2 same)")] == [0, 1, 2, 3] * 2
    assert [row.trainable_params for row in rows("tied 2 (frozen (scale), scale)")] == [0, 4, 0, 0]
    assert [row.frozen for row in rows("frozen (tied 2 (res (scale)))")] == [True] * 4


def test_each_pass_has_a_norm_of_its_own() -> None:
    found = rows("conv 3, tied 2 (conv 3 same norm prelu, tied 2 (sepconv 3 same norm linear)), gap")
    assert [row.text for row in found[1:6]] == ["conv 3 same prelu norm", *["dwconv same linear nobias", "conv 3 1x1 linear norm"] * 2]
    assert [row.shares for row in found] == [0, *[1, 2, 3, 2, 3] * 2, 11]
    assert [row.parameters for row in found] == [57, *(81 + 6 + 3, 27, 9 + 6, 0, 6), *(6, 0, 6, 0, 6), 0]
    assert [row.stored for row in found] == [57, *(81 + 12 + 3, 27, 9 + 12, 0, 12), *(12, 0, 12, 0, 12), 0]
    assert len({tensor for row in found if row.norm for tensor in row.own if tensor.role in ("factor", "mean")}) == 12
    assert {row["kernel"].op for row in found if row.norm} == {1, 3}
    assert {row["slope"].op for row in found if "slope" in row} == {1}
    assert [row.trainable_params for row in rows("frozen (tied 2 (conv 2 same norm))")] == [0, 0]


def test_one_pass_counts_as_each_of_many_does() -> None:
    for times in (1, 2, 5):
        net = Net(SHAPE, 10, (Tied(times, (Conv(2, padding="same", norm=True),)), OUT))
        assert net.parameters == 36 + times * 4 + net.ops[-1].parameters
        assert net.layers[0].parameters(SHAPE) == 36 + times * 4
        assert net.layers[0].parameters_of_pass(SHAPE) == times * 4
    nested = Tied(2, (Residual((Tied(3, (Conv(2, padding="same", norm=True),)),)), Conv(2, padding="same")))
    assert nested.parameters(SHAPE) == 36 + 6 * 4 + 38


def test_scale_each_is_a_pass_s_own() -> None:
    found = rows("tied 3 (scale each, scale)")
    assert [row.shares for row in found] == [0, 1, 2, 1, 4, 1]
    assert [row.parameters for row in found] == [4, 4, 4, 0, 4, 0]


def test_what_folding_makes_of_norms_is_within_the_bound_on_layers() -> None:
    with pytest.raises(NetworkError, match="more than 10,000 layers"):
        Net(SHAPE, 10, (Tied(4000, (Conv(2, padding="same", norm=True),)), OUT))
    with pytest.raises(NetworkError, match="more than 10,000 layers"):
        parse("tied 4000 (conv 2 same norm), dense").bind({}, SHAPE, 10)


@given(nets(trainable=False, operators=OPERATORS))
def test_every_row_reads_what_was_there_before(net: Net) -> None:
    for index, row in enumerate(net.ops):
        assert row.index == index
        assert IMAGE <= row.source < index
        assert row.input == (net.input if row.source == IMAGE else net.ops[row.source].output)
        assert (row.other is not None) == (row.kind in (Kind.ADD, Kind.CONCAT, Kind.GATE))
        if row.other is not None:
            assert IMAGE <= row.other < index
            beside = net.input if row.other == IMAGE else net.ops[row.other].output
            assert row.beside == beside
            if row.kind is Kind.ADD:
                assert row.output == row.input == beside
            elif row.kind is Kind.GATE:
                assert row.output == row.input
                assert beside in (row.input, row.input[-1:], (1, 1, row.input[-1]))
            else:
                assert row.output == (*row.input[:-1], row.input[-1] + beside[-1])
                assert row.input[:-1] == beside[:-1]
        first = net.ops[row.shares]
        assert first.shares == first.index <= index
        if first is not row:
            assert (first.text, first.input, first.output, first.frozen) == (row.text, row.input, row.output, row.frozen)
            assert (first.kind, first.window) == (row.kind, row.window)
            assert [(tensor.role, tensor.shape) for tensor in first.weights] == [(tensor.role, tensor.shape) for tensor in row.weights]
            own = 0 if not row.norm else row.output[-1]  # nothing, or a norm
            assert (row.parameters, row.stored) == (2 * own, 4 * own)
            assert [tensor.role for tensor in row.own] == (["factor", "shift", "mean", "variance"] if own else [])
    read = {row.source for row in net.ops} | {row.other for row in net.ops}
    assert {row.index for row in net.ops[:-1]} <= read
    for row in net.ops:  # of the four numbers of a norm inference needs one, in `tied` two
        assert row.stored - row.parameters == ((2 if row.tied else 3) * row.output[-1] if row.norm else 0)
    assert net.parameters == net.without_norms().parameters == net.without_norms().stored


def test_what_a_residual_still_reads_stays_in_memory() -> None:
    def live(text: str) -> list[int]:
        net = parse_network(text, (4, 4, 1), 2)
        sizes = [sum(shape[0] if len(shape) == 1 else shape[0] * shape[1] * shape[2] for shape in step) for step in net.live()]
        assert net.peak_memory() == 4 * max(sizes)
        return sizes

    image = 16
    # The entry of the residual (2 channels) waits for the sum, which is written where its last layer's output was.
    assert live("conv 2 same, res (conv 3 same, conv 2 same), dense") == [
        *(image + 32, 32 + 48, 32 + 48 + 32, 32 + 32),
        32 + 2,
    ]
    # With a shortcut the entry waits until the shortcut has read it.
    assert live("res (conv 2 same), dense") == [image + 32, image + 32 + 32, 32 + 32, 32 + 2]
    # In place, but not where the input is still to be read.
    assert live("relu, dense") == [image, image + 2]
    assert live("res (relu, scale), dense") == [image + image, image + image, image + image, image + 2]
    assert live("tied 3 (drop 0.1 spatial), pool, dense") == [image, image, image, image + 4, 4 + 2]


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ((Conv(4, norm=True, bias=False), OUT), "layer 1: `conv 4 norm nobias` is not valid: `norm` replaces the bias"),
        ((Dense(4, norm=True, bias=False), OUT), "`nobias` cannot be combined with it"),
        ((SeparableConv(4, norm=True, bias=False), OUT), "`sepconv 4 norm nobias` is not valid"),
        ((Conv(4, stride=(2, 2), dilation=(2, 2)), OUT), "`stride` and `dilation` cannot be combined"),
        ((DepthwiseConv(stride=(2, 1), dilation=(1, 2)), OUT), "`dwconv stride 2x1 dilation 1x2` is not valid: `stride` and `dilation`"),
        ((Conv(4, dilation=(0, 1)), OUT), "its dilation must be at least 1"),
        ((DepthwiseConv(0), OUT), "its multiplier must be at least 1"),
        ((SeparableConv(0), OUT), "layer 1: `sepconv 0` is not valid: its filters must be at least 1"),
        ((Tied(0, (Scale(),)), OUT), "its times must be at least 1"),
        ((Conv(4, dilation=(3, 3)), OUT), "`conv 4 dilation 3` is not valid: its dilated 7x7 window is larger than its 6x5 input"),
        ((Pool(), SeparableConv(4, (4, 4)), OUT), "layer 2: `sepconv 4 4x4` is not valid: its 4x4 window is larger than its 3x2 input"),
        ((Dense(4), DepthwiseConv(), OUT), "layer 2: `dwconv` needs an image, but its input is 4 features"),
        ((Dense(4), Dropout(0.2, True), OUT), "layer 2: `drop 0.2 spatial` needs an image, but its input is 4 features"),
        ((Residual((Conv(4),)), OUT), "its input is 6x5x2 and its layers return 4x3x4; a sum needs the same height and width"),
        ((Residual((Pool(),)), OUT), "`res (pool)` is not valid"),
        ((Residual((Dense(60),)), OUT), "`res (dense 60)` is not valid: its input is 6x5x2 and its layers return 60"),
        (
            (Dense(4), Residual((Dense(5),)), OUT),
            "its input has 4 features and its layers return 5; a sum needs equal shapes, so end the group with",
        ),
        ((Tied(3, (Conv(4, padding="same"),)), OUT), "`tied 3 (conv 4 same)` is not valid: its input is 6x5x2 and its output 6x5x4"),
        ((Tied(1, (Dense(4),)), OUT), "the next pass uses the same weights, so both shapes must be equal"),
        ((Residual((OUT,)),), "layer 1: `res (dense)` is not valid"),
        ((Residual((Activate(Activation("relu")),)),), "ends with `res (relu)` and has no classifier: end it with `dense`"),
        ((Tied(10_000, (Scale(), Scale())), OUT), "more than 10,000 layers when its groups are expanded"),
    ],
)
def test_what_cannot_be_says_which_layer_and_why(layers: tuple[Layer, ...], says: str) -> None:
    with pytest.raises(NetworkError) as caught:
        Net(SHAPE, 10, layers)
    assert says in str(caught.value)


@pytest.mark.parametrize("kind", [Residual, Frozen])
def test_no_group_is_empty(kind: type[Residual | Frozen]) -> None:
    with pytest.raises(NetworkError, match="at least one layer"):
        kind(())
    with pytest.raises(NetworkError, match=r"`tied 2 \(\)` is not valid"):
        Tied(2, ())


@pytest.mark.parametrize("text", ["tied n (scale), dense", "n * (sepconv 2 same), dense", "tied 5 (n * (res (relu))), dense"])
def test_groups_have_bounds_before_they_are_written_out(text: str) -> None:
    with pytest.raises(NetworkError, match="more than 10,000 layers"):
        parse(text).bind({"n": 1_000_000}, SHAPE, 10)


def test_the_activation_of_each_layer_is_known() -> None:
    made = rows("dwconv tanh, sepconv 2 1x1 gelu, hardswish, scale, res (dwconv 1x1 prelu)")
    found = [op.activation if op.activates else None for op in made]
    assert found == [Activation("tanh"), LINEAR, Activation("gelu"), Activation("hardswish"), None, Activation("prelu"), None]
