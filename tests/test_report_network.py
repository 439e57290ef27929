"""The networks of a page, run by `network.js` in Node, against the models that they were made of: every operator, any network."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from export_cases import steady
from graph_cases import NETS
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine.protocol import Scaling
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.weights import initialised
from issun.errors import ModelError
from issun.exporters.page import wire
from issun.model import Model
from issun.pages.one_file import ASSETS
from issun.recipe import Recipe
from operator_cases import OPERATORS as CASES
from strategies import OPERATORS, nets

Run = Callable[[Any, NDArray[np.uint8]], Any]

#: Both round to float32, each in its own order.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Return a function that runs a network in Node and returns what it says of each image."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not here: install it (Debian: apt install nodejs)")
    script = Path(__file__).with_name("run_network.js")
    with subprocess.Popen(
        [node, str(script), str(ASSETS / "network.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        source, answers = process.stdin, process.stdout

        def ask(network: Any, images: NDArray[np.uint8]) -> Any:
            source.write(json.dumps({"network": network, "images": images.reshape(len(images), -1).tolist()}) + "\n")
            source.flush()
            return json.loads(answers.readline())

        yield ask
        source.close()


def trained(net: Net, seed: int) -> Model:
    """Return a model with numbers as a training leaves them: statistics far from their start, biases and slopes of any sign."""
    weights, generator = initialised(net, "he", seed), np.random.default_rng(seed)
    for tensor in net.tensors:
        if tensor.role in ("factor", "variance"):
            weights[tensor.slice] = generator.uniform(0.5, 1.5, tensor.size)
        elif tensor.role != "kernel":
            weights[tensor.slice] = generator.normal(0, 0.3, tensor.size)
    channels = net.input[2]
    scaling = Scaling(tuple(1 / (100.0 + 50 * c) for c in range(channels)), tuple(-0.7 - 0.1 * c for c in range(channels)))
    return Model(net, weights, scaling, tuple(str(number) for number in range(net.classes)))


def images_for_check(model: Model, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (3, *model.net.input), dtype=np.uint8)


def check(run: Run, model: Model, seed: int = 0) -> None:
    images = images_for_check(model, seed)
    try:
        expected = model.predict_proba(images)
    except ModelError:  # weights so large that the core overflows
        return
    said = run(wire(model), images)
    assert "error" not in said
    np.testing.assert_allclose([answer["probabilities"] for answer in said], expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_every_operator_gives_the_probabilities_of_the_model(run: Run, name: str) -> None:
    check(run, trained(CASES[name], 1))


@pytest.mark.parametrize("name", NETS)
def test_every_graph_gives_the_probabilities_of_the_model(run: Run, name: str) -> None:
    check(run, trained(NETS[name], 2))


@settings(max_examples=150)
@given(nets(operators=OPERATORS, trainable=False), st.integers(0, 1000))
def test_any_network_gives_the_probabilities_of_the_model(run: Run, net: Net, seed: int) -> None:
    model = trained(net, seed)
    assume(steady(model, images_for_check(model, seed)))
    check(run, model, seed)


@pytest.mark.parametrize("name", ["norms in residuals", "norm and tied", "norms in tied in tied, in residuals", "pools in residuals"])
def test_what_leaves_each_row_is_what_the_reference_says(run: Run, name: str) -> None:
    model = trained(NETS[name], 3).folded()
    images = np.random.default_rng(3).integers(0, 256, (2, *model.net.input), dtype=np.uint8)
    _, seen = ReferenceEngine(model.net, Recipe(), model.scaling).forward(model.weights, images, np.arange(2), None)
    for number, answer in enumerate(run(wire(model), images)):
        assert len(answer["activations"]) == len(model.net.ops)
        for row, made in zip(seen, answer["activations"], strict=True):
            np.testing.assert_allclose(made, row.out[number].ravel(), rtol=1e-4, atol=1e-4)


def test_a_large_image_and_raw_pixels(run: Run) -> None:
    net = parse_network("conv 2 stride 4, pool 4, gelu, dense", (96, 64, 3), 5)
    model = Model(net, initialised(net, "glorot", 0), Scaling((1.0,) * 3, (0.0,) * 3), tuple("abcde"))
    check(run, model)


def test_an_image_of_another_size_is_refused(run: Run) -> None:
    model = trained(parse_network("dense", (2, 2, 1), 3), 0)
    assert run(wire(model), np.zeros((1, 3, 3, 1), np.uint8)) == {"error": "an image has 4 values, not 9"}


def test_a_network_that_the_page_does_not_know_is_refused(run: Run) -> None:
    network = wire(trained(parse_network("dense", (2, 2, 1), 3), 0))
    network["rows"][0]["op"] = "attention"
    assert run(network, np.zeros((1, 2, 2, 1), np.uint8)) == {"error": 'this page does not support the operator "attention"'}
