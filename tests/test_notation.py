"""The notation: what a text means, and that writing and reading give the same network again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.arch.knobs import KnobValues
from issun.arch.layers import (
    LINEAR,
    Activate,
    Activation,
    Branch,
    Classifier,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Frozen,
    Gate,
    GlobalAveragePool,
    Layer,
    Normalise,
    Pool,
    Residual,
    Scale,
    SeparableConv,
    Tied,
    number_text,
)
from issun.arch.net import Net
from issun.arch.notation import parse, parse_network
from issun.errors import KnobError, NetworkError, NotationError
from strategies import OPERATORS, nets

IMAGE = (28, 28, 1)
WORDS = [
    "conv",
    "pool",
    "dense",
    "drop",
    "frozen",
    "dwconv",
    "sepconv",
    "scale",
    "each",
    "res",
    "tied",
    "concat",
    "|",
    "gate",
    "norm",
    "dilation",
    "groups",
    "prelu",
    "spatial",
    "gap",
    "8",
    "n",
    "2n",
    "0.6d",
    "5x5",
    "stride",
    "same",
    "relu",
    "leaky",
    "0.2",
    "nobias",
    "l1",
    "3",
    "*",
    "(",
    ")",
    ",",
    "x",
]


def layer(text: str) -> Layer:
    """Return the first layer of a network that begins with `text`."""
    return parse_network(f"{text}, dense", IMAGE, 10).layers[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conv 8", Conv(8)),
        ("conv 8 5x5 same", Conv(8, (5, 5), padding="same")),
        ("conv 8 same 5x3 stride 2x1", Conv(8, (5, 3), (2, 1), "same")),
        ("conv 8 stride 2 valid linear nobias", Conv(8, stride=(2, 2), activation=LINEAR, bias=False)),
        ("conv 8 leaky 0.2 he", Conv(8, activation=Activation("leaky", 0.2), initializer="he")),
        ("conv 8 leaky same", Conv(8, activation=Activation("leaky"), padding="same")),
        ("conv 8 l2 1e-4 l1 .01 orthogonal", Conv(8, initializer="orthogonal", l1=0.01, l2=0.0001)),
        ("pool", Pool()),
        ("pool 3", Pool((3, 3), (3, 3))),
        ("pool 3x2", Pool((3, 2), (3, 2))),
        ("pool 3x3 stride 2", Pool((3, 3), (2, 2))),
        ("pool stride 1 same", Pool((2, 2), (1, 1), "same")),
        ("pool same 3x3", Pool((3, 3), (3, 3), "same")),
        ("avgpool 2 stride 2", Pool(kind="average")),
        ("gap", GlobalAveragePool()),
        ("dense 64 linear glorot", Dense(64, LINEAR, initializer="glorot")),
        ("drop 0.2", Dropout(0.2)),
        ("leaky 0.3", Activate(Activation("leaky", 0.3))),
        ("relu", Activate(Activation("relu"))),
        ("frozen (conv 4, pool)", Frozen((Conv(4), Pool()))),
        ("conv 8 3x1", Conv(8, (3, 1))),
        ("conv 8 dilation 2", Conv(8, dilation=(2, 2))),
        ("conv 8 same dilation 3x1 stride 1", Conv(8, padding="same", dilation=(3, 1))),
        ("conv 8 stride 2 dilation 1", Conv(8, stride=(2, 2))),
        ("conv 8 groups 1", Conv(8)),
        ("conv 8 norm", Conv(8, norm=True)),
        ("conv 8 gelu norm he", Conv(8, activation=Activation("gelu"), norm=True, initializer="he")),
        ("dwconv", DepthwiseConv()),
        ("dwconv 2", DepthwiseConv(2)),
        ("dwconv 5x5 stride 2 same", DepthwiseConv(1, (5, 5), (2, 2), "same")),
        ("dwconv 2 1x3 linear nobias", DepthwiseConv(2, (1, 3), activation=LINEAR, bias=False)),
        ("sepconv 16", SeparableConv(16)),
        ("sepconv 16 5x5 dilation 2 norm tanh", SeparableConv(16, (5, 5), dilation=(2, 2), norm=True, activation=Activation("tanh"))),
        ("conv 8 norm image one he", Conv(8, norm=Normalise("image", pairs="one"), initializer="he")),
        ("dwconv 4 norm group 2 none tanh", DepthwiseConv(4, norm=Normalise("group", 2, "none"), activation=Activation("tanh"))),
        ("dense 8 linear norm layer", Dense(8, LINEAR, norm=Normalise("layer"))),
        ("norm image", Normalise("image")),
        ("norm layer one", Normalise("layer", pairs="one")),
        ("norm group 1 none", Normalise("group", 1, "none")),
        ("dense 8 norm prelu", Dense(8, Activation("prelu"), norm=True)),
        ("scale", Scale()),
        ("scale each", Scale(each=True)),
        ("tied 2 (conv 1 same norm, scale each)", Tied(2, (Conv(1, padding="same", norm=True), Scale(each=True)))),
        ("drop 0.2 spatial", Dropout(0.2, True)),
        ("prelu", Activate(Activation("prelu"))),
        ("hardswish", Activate(Activation("hardswish"))),
        ("relu6", Activate(Activation("relu6"))),
        ("sigmoid", Activate(Activation("sigmoid"))),
        ("dwconv 2 rational norm", DepthwiseConv(2, activation=Activation("rational"), norm=True)),
        ("elu", Activate(Activation("elu", 1.0))),
        ("conv 8 elu 0.5 nobias", Conv(8, activation=Activation("elu", 0.5), bias=False)),
        ("dense 8 silu", Dense(8, Activation("silu"))),
        ("res (conv 8 same, drop 0)", Residual((Conv(8, padding="same"), Dropout(0)))),
        ("residual scaled(conv 8 same)", Residual((Conv(8, padding="same"),), scaled=True)),
        (
            "concat (conv 4 same|pool 3x3 stride 1 same,relu)",
            Concat((Branch((Conv(4, padding="same"),)), Branch((Pool((3, 3), (1, 1), "same"), Activate(Activation("relu")))))),
        ),
        (
            "concat (| conv 4 same | 2 * (conv 1 same))",
            Concat((Branch(()), Branch((Conv(4, padding="same"),)), Branch((Conv(1, padding="same"),) * 2))),
        ),
        ("gate (gap, dense 4, dense 1 linear)", Gate((GlobalAveragePool(), Dense(4), Dense(1, LINEAR)))),
        ("concatenate (relu |)", Concat((Branch((Activate(Activation("relu")),)), Branch(())))),
        ("tied 3 (relu, 2 * (conv 1 same))", Tied(3, (Activate(Activation("relu")), *[Conv(1, padding="same")] * 2))),
    ],
)
def test_each_layer_and_option_means_what_it_says(text: str, expected: Layer) -> None:
    assert layer(text) == expected


def test_dense_without_a_number_is_the_classifier() -> None:
    net = parse_network("dense nobias l2 0.5", IMAGE, 7)
    assert net.layers == (Classifier(7, bias=False, l2=0.5),)


def test_repeats_are_written_out_inside_frozen_groups_too() -> None:
    net = parse_network("frozen (2 * (conv 4 same, 2 * (relu))), dense", IMAGE, 10)
    group = (Conv(4, padding="same"), Activate(Activation("relu")), Activate(Activation("relu")))
    assert net.layers == (Frozen(group * 2), Classifier(10))


def test_a_classifier_is_added_where_none_is() -> None:
    for text in ("conv n, pool", "conv n, gap", "conv n, dense 6"):
        completed = parse(text).completed()
        assert completed == parse(f"{text}, dense")
        assert completed.text == f"{text}, dense"
    for text in ("conv n, dense", "dense nobias"):
        assert parse(text).completed() == parse(text)
    assert parse_network("conv 8, pool", IMAGE, 7, complete=True) == parse_network("conv 8, pool, dense", IMAGE, 7)
    with pytest.raises(NetworkError, match="no classifier"):
        parse_network("conv 8, pool", IMAGE, 7)


def test_spaces_and_line_ends_do_not_matter() -> None:
    assert parse("conv   n,pool ,\n\tdense") == parse("conv n, pool, dense")


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("conv n 3x3 stride 1 valid relu , dense", "conv n, dense"),
        ("conv n same 5x5 nobias leaky 0.01, dense", "conv n 5x5 same leaky nobias, dense"),
        ("conv 1.0n, conv 0.60n, conv 12.5n, dense", "conv n, conv 0.6n, conv 12.5n, dense"),
        ("2n*(pool k stride k),3 * ( dense 08 ),dense", "2n * (pool k), 3 * (dense 8), dense"),
        ("frozen(n * (conv 4 stride s)), pool 2x2 stride 2, dense", "frozen (n * (conv 4 stride s)), pool, dense"),
        ("conv n swish, elu 1.0, conv n elu .50, dense", "conv n silu, elu, conv n elu 0.5, dense"),
        ("residual  scaled( 2*(conv n same)), dense", "res scaled (2 * (conv n same)), dense"),
        (
            "conv 6n relu groups 3 nobias 5x5, conv 6n groups n norm group 2, dense",
            "conv 6n 5x5 groups 3 nobias, conv 6n groups n norm group 2, dense",
        ),
        ("dwconv 1 3x3, dwconv n norm tanh, dense", "dwconv, dwconv n tanh norm, dense"),
        ("gate(conv 1 1x1 linear, k*(conv 1 1x1)), dense", "gate (conv 1 1x1 linear, k * (conv 1 1x1)), dense"),
        ("concat(|conv n same||2n*(relu)), dense", "concat (| conv n same | | 2n * (relu)), dense"),
        ("concat (tied k(scale)| ) , dense", "concat (tied k (scale) |), dense"),
        ("res(sepconv 2n dilation d same), tied k(scale), dense", "res (sepconv 2n dilation d same), tied k (scale), dense"),
    ],
)
def test_a_family_is_written_in_one_canonical_form(typed: str, canonical: str) -> None:
    family = parse(typed)
    assert str(family) == canonical
    assert parse(canonical) == family
    assert family.text == typed


@given(nets(trainable=False, operators=OPERATORS))
def test_a_network_is_read_back_from_its_own_text(net: Net) -> None:
    again = parse_network(str(net), net.input, net.classes)
    assert again == net
    assert again.id == net.id
    assert str(parse(str(net))) == str(net)


@given(st.floats(0, 1e6))
def test_numbers_are_written_without_exponent_and_read_back_exactly(value: float) -> None:
    text = number_text(value)
    assert "e" not in text
    assert float(text) == value


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=15).map(" ".join)))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        family = parse(text)
    except NotationError as error:
        refused: NotationError | None = error
    else:
        refused = None
        assert parse(str(family)) == family
    if refused is not None:
        assert 0 <= refused.position <= len(text)
        assert refused.text == text


GROUPS = [
    "concat (conv n same | m * (dwconv same) |)",
    "res (sepconv m same, n * (dwconv same norm))",
    "tied n (dwconv same dilation m, scale)",
    "frozen (res (tied m (tanh)))",
]


@given(st.lists(st.sampled_from(["conv n", "conv 2m 2x2", "pool", "pool n", "dense 0.5n", "drop 0.1", "2 * (relu, conv m same)", *GROUPS])))
def test_a_family_is_read_back_from_its_own_text(layers: list[str]) -> None:
    family = parse(", ".join([*layers, "dense"]))
    assert parse(str(family)) == family
    values = {"n": 3, "m": 2}
    try:
        net = family.bind({name: values[name] for name in family.knobs}, (9, 8, 2), 5)
    except NetworkError:
        return
    assert parse_network(str(net), (9, 8, 2), 5) == net


def test_sizes_are_computed_in_exact_decimals_and_rounded_down() -> None:
    # In binary floating point 0.29 * 100 is 28.999999999999996.
    assert parse("dense 0.29d, dense 0.6d, dense").bind({"d": 100}, IMAGE, 10).layers[:2] == (Dense(29), Dense(60))
    assert parse("dense 0.6d, dense").bind({"d": 256}, IMAGE, 10).layers[0] == Dense(153)


def test_knobs_stand_for_filters_units_windows_strides_and_repeats() -> None:
    family = parse("conv f stride s, pool p, r * (conv 2f same), dense u, dense")
    assert family.knobs == ("f", "s", "p", "r", "u")
    net = family.bind({"f": 3, "s": 2, "p": 3, "r": 2, "u": 9}, IMAGE, 10)
    assert str(net) == "conv 3 stride 2, pool 3, conv 6 same, conv 6 same, dense 9, dense"


def test_one_network_has_no_knobs() -> None:
    with pytest.raises(KnobError, match=r"knob `n`.*write a number in place of `n`"):
        parse_network("conv n, dense", IMAGE, 10)


def test_words_of_other_libraries_are_read_and_never_written() -> None:
    """One network has one text, and one id, however it is written."""
    net = parse_network("conv 8 same batchnorm, residual (conv 8 same), dropout 0.2 spatial, gap, dropout 0.5, dense", (8, 8, 1), 10)
    assert str(net) == "conv 8 same norm, res (conv 8 same), drop 0.2 spatial, gap, drop 0.5, dense"
    assert net.id == parse_network(str(net), (8, 8, 1), 10).id


@pytest.mark.parametrize("word", ["dropout", "batchnorm", "residual"])
def test_a_word_of_another_library_is_underlined_as_it_is_written(word: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(f"dense {word} {word}, dense" if word == "batchnorm" else f"dense 8 {word}, dense")
    assert str(caught.value).splitlines()[-1].strip() == "^" * len(word)
    with pytest.raises(KnobError, match=f"`{word}` is a word of the notation"):
        KnobValues.parse(f"{word}=1,2")
