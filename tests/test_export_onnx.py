"""Does an ONNX file answer as the model does, whatever the network is made of, and does it say what it is?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings

from export_cases import CASES, WILD_NAMES, model_of, steady
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.errors import ModelError
from issun.exporters import export_model
from issun.exporters.check import noise
from issun.model import Model
from issun.provenance import Provenance
from strategies import OPERATORS, nets

onnx = pytest.importorskip("onnx", reason="onnx is not installed here")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here")


@pytest.mark.parametrize("name", CASES)
def test_every_operator(tmp_path: Path, name: str) -> None:
    model = model_of(CASES[name])
    found = export_model(model, tmp_path / "net.onnx", "onnx", noise(model, 30))
    assert found.agreement.images == 30
    assert found.agreement.difference < 1e-5


@settings(max_examples=60)
@given(nets(operators=OPERATORS))
def test_random_networks(tmp_path_factory: pytest.TempPathFactory, net: Net) -> None:
    model = model_of(net)
    assume(steady(model, noise(model, 20)))
    export_model(model, tmp_path_factory.mktemp("onnx") / "net", "onnx", noise(model, 20))


def session(path: Path) -> runtime.InferenceSession:
    return runtime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_images_enter_as_they_are_and_any_number_at_once(tmp_path: Path) -> None:
    model = model_of(CASES["norm of a conv"])
    path = export_model(model, tmp_path / "net").files[0]
    for count in (1, 7):
        images = noise(model, 8)[:count]
        assert images.dtype == np.uint8
        (found,) = session(path).run(["probabilities"], {"images": images})
        np.testing.assert_allclose(found, model.predict_proba(images), atol=1e-5)


def test_logits(tmp_path: Path) -> None:
    model = model_of(CASES["dense"])
    path = export_model(model, tmp_path / "net", logits=True).files[0]
    (found,) = session(path).run(["logits"], {"images": noise(model, 9)})
    np.testing.assert_allclose(found, model.logits(noise(model, 9)), rtol=1e-4, atol=1e-5)


def test_what_the_file_says_of_itself(tmp_path: Path) -> None:
    net = parse_network("conv 3 norm, pool, dense", (6, 5, 1), len(WILD_NAMES))
    about = {"data": "digits (0123456789abcdef)", "validation accuracy": "0.9312", "seed": "3", "recipe": "{}"}
    plain = model_of(net)
    path = export_model(Model(net, plain.weights, plain.scaling, WILD_NAMES, Provenance.read(about)), tmp_path / "net").files[0]
    said = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert tuple(json.loads(said.pop("classes"))) == WILD_NAMES
    assert said == {
        "network": "conv 3, pool, dense",
        "trained_as": "conv 3 norm, pool, dense",
        "input": "6x5x1",
        "parameters": str(net.parameters),
        "data": "digits (0123456789abcdef)",
        "accuracy": "0.9312",
        "seed": "3",
    }
    assert session(path).get_modelmeta().custom_metadata_map["network"] == "conv 3, pool, dense"


def test_only_standard_operators_and_no_normalisation(tmp_path: Path) -> None:
    activations = ("gelu alone", "hardswish alone", "prelu alone", "silu alone", "rational alone")
    for name in ("norm of a conv", *activations, "res scaled", "scale of channels", "dwconv, multiplied"):
        made = onnx.load(export_model(model_of(CASES[name]), tmp_path / f"{name}.onnx").files[0])
        assert {entry.domain for entry in made.opset_import} == {""}
        assert {node.domain for node in made.graph.node} == {""}
        assert "BatchNormalization" not in {node.op_type for node in made.graph.node}


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = model_of(CASES["res in res"])
    first, second = (export_model(model, tmp_path / name).files[0].read_bytes() for name in ("a.onnx", "b.onnx"))
    assert first == second


def test_weights_of_tied_layers_are_stored_once(tmp_path: Path) -> None:
    net = parse_network("tied 5 (conv 2 3x3 same), dense", (6, 5, 2), 3)
    made = onnx.load(export_model(model_of(net), tmp_path / "net").files[0])
    assert sum(int(np.prod(weights.dims)) for weights in made.graph.initializer) == net.parameters + 4


def test_outputs_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    plain = model_of(parse_network("conv 4, dense 5, dense", (6, 5, 2), 3))
    with pytest.raises(ModelError, match="not finite"):
        export_model(Model(plain.net, plain.weights * np.float32(1e30), plain.scaling, plain.classes), tmp_path / "net")
    assert list(tmp_path.iterdir()) == []
