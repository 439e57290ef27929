"""Does a .keras file answer as the model does when Keras loads it with safe mode on?"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings

import issun
from export_cases import CASES, WILD_NAMES, model_of, steady
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.arch.ops import Kind
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import dropout_masks
from issun.engine.weights import as_tensors
from issun.errors import ExportError
from issun.exporters import export_model
from issun.exporters.check import noise
from issun.model import Model
from issun.provenance import Provenance
from issun.recipe import Recipe
from strategies import OPERATORS, nets

if not any(importlib.util.find_spec(name) for name in ("tensorflow", "torch", "jax")):
    pytest.skip("Keras has no backend here", allow_module_level=True)
if importlib.util.find_spec("tensorflow") is None:
    os.environ.setdefault("KERAS_BACKEND", "torch" if importlib.util.find_spec("torch") else "jax")
# Keras makes NumPy arrays of PyTorch tensors in a way that NumPy is about to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
keras = pytest.importorskip("keras", reason="Keras is not installed here")


@pytest.mark.parametrize("name", CASES)
def test_every_operator(tmp_path: Path, name: str) -> None:
    model = model_of(CASES[name])
    found = export_model(model, tmp_path / "net", "keras", noise(model, 30))
    assert [path.name for path in found.files] == ["net.keras"]
    assert found.agreement.difference < 1e-5


def without_onednn() -> AbstractContextManager[None]:
    """Keep PyTorch from the library with which version 2.13 computes convolutions of tiny images with stride 1x2 wrongly on processors with
    AVX-512: 2.3 off beside float64, for a 3x3 image, a 2x2 kernel and a batch of 20."""
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch

    found: AbstractContextManager[None] = torch.backends.mkldnn.flags(enabled=False)
    return found


@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning")  # PyTorch warns of graphics cards wherever its flags are set
@settings(max_examples=40)
@given(nets(operators=OPERATORS))
def test_random_networks(tmp_path_factory: pytest.TempPathFactory, net: Net) -> None:
    model = model_of(net)
    assume(steady(model, noise(model, 20)))
    with without_onednn():
        export_model(model, tmp_path_factory.mktemp("keras") / "net", "keras", noise(model, 20))


def test_it_takes_any_number_of_images(tmp_path: Path) -> None:
    model = model_of(CASES["norm of a conv"])
    path = export_model(model, tmp_path / "net.keras", "keras").files[0]
    back = keras.models.load_model(path, safe_mode=True)
    assert back.input_shape == (None, *model.net.input)
    for count in (1, 7):
        images = noise(model, 8)[:count]
        np.testing.assert_allclose(back.predict(images, verbose=0), model.predict_proba(images), atol=1e-5)


def test_logits(tmp_path: Path) -> None:
    model = model_of(CASES["dense"])
    path = export_model(model, tmp_path / "net", "keras", logits=True).files[0]
    found = keras.models.load_model(path).predict(noise(model, 9), verbose=0)
    np.testing.assert_allclose(found, model.logits(noise(model, 9)), rtol=1e-4, atol=1e-5)


def test_what_the_file_says_of_itself(tmp_path: Path) -> None:
    net = parse_network("conv 3 norm, pool, dense", (6, 5, 1), len(WILD_NAMES))
    plain = model_of(net)
    model = Model(net, plain.weights, plain.scaling, WILD_NAMES, Provenance.read({"validation accuracy": "0.93"}))
    first, second = (export_model(model, tmp_path / name, "keras").files[0] for name in ("a", "b"))
    with zipfile.ZipFile(first) as archive:
        said = json.loads(archive.read("metadata.json"))["issun"]
    assert tuple(said["classes"]) == WILD_NAMES
    assert (said["network"], said["accuracy"]) == ("conv 3, pool, dense", "0.93")
    assert first.read_bytes() == second.read_bytes()


def test_other_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Keras writes places in memory, which differ from one process to another."""
    model = model_of(parse_network("conv 4 norm, tied 2 (conv 4 same), pool, dense", (8, 8, 1), 3))
    model.save(tmp_path / "model.safetensors")
    here = export_model(Model.load(tmp_path / "model.safetensors"), tmp_path / "here", "keras").files[0]
    script = (
        "import sys; from issun.exporters import export_model; from issun.model import Model\n"
        "export_model(Model.load(sys.argv[1]), sys.argv[2], 'keras')"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "model.safetensors", tmp_path / "there"], check=True, capture_output=True)
    assert (tmp_path / "there.keras").read_bytes() == here.read_bytes()


def test_each_pass_of_tied_has_a_norm_of_its_own() -> None:
    from issun.exporters.keras.network import applied, set_weights

    text = "conv 4, tied 2 (conv 4 same norm prelu, tied 2 (sepconv 4 same norm)), tied 3 (dwconv same norm), dense"
    model = model_of(parse_network(text, (8, 8, 1), 3))
    image = keras.Input(model.net.input)
    network = keras.Model(image, applied(model.net, image))
    set_weights(network, model.net, as_tensors(model.net, model.weights))
    count = Counter(type(layer).__name__ for layer in network.layers)
    assert (count["Conv2D"], count["DepthwiseConv2D"], count["BatchNormalization"]) == (3, 2, 9)
    images = noise(model, 30)
    scaled = (images * np.array(model.scaling.factor) + np.array(model.scaling.offset)).astype(np.float32)
    engine, indices = ReferenceEngine(model.net, Recipe(), model.scaling), np.arange(30)
    for training, masks in ((False, None), (True, dropout_masks(model.net, indices, 0, 0))):
        found = keras.ops.convert_to_numpy(network(scaled, training=training))
        right, _ = engine.forward(model.weights, images, indices, masks)
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-3)


CHAINS = [operator for operator in OPERATORS if operator not in ("res", "tied", "concat", "gate", "scale", "rational")]


@settings(max_examples=20)
@given(nets(operators=CHAINS))
def test_a_sequential_of_a_network_is_read_as_that_network(net: Net) -> None:
    from issun.exporters.keras.network import layers_of

    strides = [op.window.stride for op in net.ops if op.kind is Kind.DEPTHWISE]
    assume(all(down == right for down, right in strides))  # Keras has one stride for both, and others are written with several layers
    chain = keras.Sequential([keras.Input(net.input), *(layer for row in net.ops for layer in layers_of(row, "glorot"))])
    if any(isinstance(layer, keras.layers.ZeroPadding2D) for layer in chain.layers):  # what Keras has no layer for was written with several
        with pytest.raises(ExportError, match="ZeroPadding2D"):
            issun.from_keras(chain)
        return
    if any(op.one_pair for op in net.ops):
        with pytest.raises(ExportError, match="Reshape"):
            issun.from_keras(chain)
        return
    back = issun.from_keras(chain)
    assert (back.input, back.classes) == (net.input, net.classes)
    assert (back.parameters, back.macs) == (net.parameters, net.macs)
    assert issun.from_keras(chain.to_json()) == back
