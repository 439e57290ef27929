"""Do the compiled core's newer operators compute what the reference computes? Depthwise and dilated convolutions, scale, every
activation, spatial dropout; over random networks, the usual sizes, threads and instruction sets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import images_for, unit, weights_for
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
    GlobalAveragePool,
    Layer,
    Normalise,
    Pool,
    Scale,
    SeparableConv,
    Shape,
)
from issun.arch.net import Net
from issun.build import available_sets
from issun.engine.native import NativeEngine
from issun.engine.protocol import State
from issun.recipe import Recipe
from operator_cases import KINDS, OPERATORS
from strategies import NORMALISATIONS, PADDINGS, PENALTIES, fitting, pairs
from test_native_against_reference import disagreements, floor_of

ACTIVATIONS = st.builds(Activation, st.sampled_from(KINDS), st.sampled_from([0.01, 0.3]))
STEPS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"stride": st.sampled_from([(2, 2), (2, 2), (1, 2), (3, 1), (4, 3)])}),
    st.fixed_dictionaries({"dilation": st.sampled_from([(2, 2), (2, 1), (1, 3)])}),
)
WINDOWS = st.one_of(st.sampled_from([(3, 3), (5, 5)]), pairs(5))


def image_layers() -> st.SearchStrategy[Layer]:
    """Layers of the newer kinds that take an image and leave one."""
    options = {"activation": ACTIVATIONS, "bias": st.booleans(), "l2": PENALTIES}
    depthwise = st.builds(
        lambda multiplier, kernel, padding, steps, others: DepthwiseConv(multiplier, kernel, padding=padding, **steps, **others),
        st.integers(1, 3),
        WINDOWS,
        PADDINGS,
        STEPS,
        st.fixed_dictionaries(options),
    )
    others = st.builds(
        lambda kind, filters, kernel, padding, steps, others: kind(filters, kernel, padding=padding, **steps, **others),
        st.sampled_from([Conv, SeparableConv]),
        st.integers(1, 6),
        st.one_of(st.just((1, 1)), WINDOWS),
        PADDINGS,
        STEPS,
        st.fixed_dictionaries(options),
    )
    rest = st.one_of(
        st.just(Scale()),
        NORMALISATIONS,
        st.builds(Activate, ACTIVATIONS),
        st.builds(Dropout, st.sampled_from([0.2, 0.5]), st.booleans()),
        st.builds(Pool, pairs(2), padding=PADDINGS),
    )
    layers = st.one_of(depthwise, depthwise, others, rest)
    return st.one_of(layers, layers, layers, st.lists(layers, min_size=1, max_size=2).map(lambda group: Frozen(tuple(group))))


@st.composite
def nets(draw: st.DrawFn) -> Net:
    """Draw a network of the newer operators: sides from 1 to 14, up to five layers, a small head."""
    shape: Shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14), st.integers(1, 3)))
    layers, _ = fitting(draw(st.lists(image_layers(), min_size=1, max_size=4)), shape)
    vectors = draw(st.lists(st.one_of(st.just(Scale()), st.builds(Dense, st.integers(1, 40), ACTIVATIONS)), max_size=2))
    pooled = draw(st.sampled_from([(), (GlobalAveragePool(),)]))
    return Net(shape, 5, (*layers, *pooled, *vectors, Classifier(5)))


@hypothesis_settings(max_examples=250)
@given(net=nets(), count=st.sampled_from([1, 8, 17]), seed=st.integers(0, 2**64 - 1), threads=st.sampled_from([1, 1, 3]))
def test_random_networks(net: Net, count: int, seed: int, threads: int) -> None:
    assert disagreements(net, count, seed, threads, floor=floor_of(net)) == {}


CHAINS = {
    name: net for name, net in OPERATORS.items() if all(row.other is None and row.shares == row.index and not row.norm for row in net.ops)
}


@pytest.mark.parametrize("name", CHAINS)
def test_each_operator(name: str) -> None:
    assert disagreements(CHAINS[name], 17, seed=2, threads=2) == {}


def test_there_are_chains_of_every_operator() -> None:
    words = {row.text.split()[0] for net in CHAINS.values() for row in net.ops}
    assert {"conv", "dwconv", "scale", "norm", "drop", "pool", "avgpool", "gap", "dense", "prelu", "gelu", "hardswish", "tanh"} <= words
    assert any(row.spatial for net in CHAINS.values() for row in net.ops)


def around(layer: Layer) -> tuple[Layer, ...]:
    """Return a network in which a layer stands between others that read and write with borders of their own."""
    return (Conv(5, (3, 3)), layer, Conv(6, (1, 1), activation=Activation("gelu")), layer, GlobalAveragePool(), Classifier(5))


TANH, PRELU = Activation("tanh"), Activation("prelu")
USUAL: dict[str, tuple[Layer, ...]] = {
    **{
        f"dwconv {kernel} stride {stride} {padding}": around(DepthwiseConv(1, (kernel, kernel), (stride, stride), padding, activation=TANH))
        for kernel in (2, 3, 4, 5)
        for stride in (1, 2, 3)
        for padding in ("valid", "same")
        if not (kernel > 3 and stride > 1 and padding == "valid")
    },
    "dwconv multiplied": around(DepthwiseConv(2, (3, 3), (1, 1), "same", activation=PRELU)),
    "dwconv multiplied, strided": around(DepthwiseConv(3, (3, 3), (2, 2), "same", activation=PRELU)),
    "dwconv dilated": around(DepthwiseConv(2, (3, 3), padding="same", dilation=(2, 2), activation=Activation("hardswish"))),
    "dwconv stride beyond the window": around(DepthwiseConv(1, (2, 1), (3, 4), "same", activation=LINEAR)),
    "conv dilated": around(Conv(4, (3, 3), padding="same", dilation=(3, 2), activation=TANH)),
    "conv dilated, valid": (Conv(4, (3, 3), dilation=(2, 2)), Conv(5, (2, 3), dilation=(3, 1)), Classifier(5)),
    "windows wider than the image": (Pool(), Pool(), DepthwiseConv(2, (5, 5), padding="same", dilation=(3, 2)), Classifier(5)),
    "1x1 between pools": (Conv(7, (1, 1)), Pool(), Conv(9, (1, 1), activation=TANH), Conv(3, (1, 1)), Pool(), Classifier(5)),
    "dense with tanh, all groups at once": (Dense(70, TANH), Scale(), Dense(40, Activation("gelu")), Classifier(5)),
    "norm image, channel by channel": around(DepthwiseConv(1, (3, 3), padding="same", activation=TANH, norm=Normalise("image"))),
    "norm image one, channel by channel": (
        Conv(4),
        Normalise("image", pairs="one"),
        DepthwiseConv(activation=PRELU),
        Normalise("image"),
        Classifier(5),
    ),
    "norm layer": around(DepthwiseConv(2, (3, 3), (2, 2), "same", activation=Activation("leaky"), norm=Normalise("layer"))),
    "norm group": around(DepthwiseConv(2, (3, 3), padding="same", norm=Normalise("group", 2, "one"))),
    "norm layer of features, all groups at once": (
        Dense(70, TANH, norm=Normalise("layer")),
        Normalise("layer", pairs="one"),
        Dense(33),
        Classifier(5),
    ),
    "norm of the image": (Normalise("image"), Normalise("layer", pairs="none"), Conv(4, activation=TANH), Classifier(5)),
    "frozen": (Frozen((DepthwiseConv(2, activation=PRELU), Scale())), DepthwiseConv(activation=PRELU), Classifier(5)),
    "spatial dropout twice": (Conv(9), Dropout(0.5, spatial=True), DepthwiseConv(), Dropout(0.3, spatial=True), Classifier(5)),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_sizes(name: str) -> None:
    for count in (8, 20):
        assert disagreements(Net((17, 15, 3), 5, USUAL[name]), count, seed=1, threads=2) == {}


def trained(layers: tuple[Layer, ...], threads: int) -> State:
    net = Net((11, 12, 2), 4, layers)
    recipe = Recipe(batch_size=50, epochs=2)
    images, labels = images_for(net, 120, 1)
    engine = NativeEngine(net, recipe, unit(net), threads)
    state = State.start(net, recipe, 11)
    for epoch in range(2):
        engine.train_epoch(state, images, labels, np.random.default_rng(epoch).permutation(120), 11)
    return state


def test_the_same_bits_for_any_number_of_threads() -> None:
    layers = (
        SeparableConv(6, padding="same", activation=PRELU),
        Scale(),
        DepthwiseConv(2, (5, 5), (2, 2), activation=Activation("gelu")),
        Dropout(0.3, spatial=True),
        Conv(5, (2, 2), dilation=(2, 1), activation=TANH),
        Dense(40, Activation("hardswish")),
        Classifier(4),
    )
    one = trained(layers, 1)
    assert np.isfinite(one.weights).all()
    for threads in (2, 3, 8):
        other = trained(layers, threads)
        assert np.array_equal(one.weights, other.weights)
        assert np.array_equal(one.moments, other.moments)


def test_nothing_of_an_earlier_batch_stays() -> None:
    net = Net((11, 12, 2), 5, USUAL["dwconv 3 stride 2 same"])
    recipe = Recipe(batch_size=32)
    images, labels = images_for(net, 40, 1)
    weights = weights_for(net, recipe, 0)
    used = NativeEngine(net, recipe, unit(net), threads=2)
    for count in (32, 1, 17):
        used.gradients(weights + 1, images, labels, np.arange(32), 9, 9)
        used.logits(weights - 1, images, np.arange(40))
        loss, gradient = used.gradients(weights, images, labels, np.arange(count), 3, 1)
        fresh_loss, fresh = NativeEngine(net, recipe, unit(net)).gradients(weights, images, labels, np.arange(count), 3, 1)
        assert loss == fresh_loss
        assert np.array_equal(gradient, fresh)


@pytest.mark.parametrize("name", ["avx512", "avx2", "baseline", "emulated"])
def test_every_instruction_set(name: str) -> None:
    if name not in available_sets():
        pytest.skip(f"this machine has no {name}")
    program = (
        "import json; from test_native_operators import CHAINS, USUAL, NativeEngine, Net, Recipe, disagreements, unit\n"
        "cases = CHAINS | {name: Net((17, 15, 3), 5, layers) for name, layers in USUAL.items()}\n"
        "print(json.dumps({'set': NativeEngine(cases['gap'], Recipe(), unit(cases['gap'])).instruction_set, 'count': len(cases),\n"
        "                  'wrong': {n: wrong for n, net in cases.items() if (wrong := disagreements(net, 9, 1))}}))"
    )
    path = os.pathsep.join([str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"ISSUN_ISA": name, "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"set": name, "count": len(CHAINS) + len(USUAL), "wrong": {}}
