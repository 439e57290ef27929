"""Batch normalisation in `tied`: each pass has a norm of its own (Coiffier, Hacène & Gripon 2021, "ThriftyNets"), all share a kernel."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from c_cases import needs_compiler
from engine_cases import images_for, unit, weights_for
from export_cases import model_of
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine.native import NativeEngine
from issun.engine.protocol import State
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import dropout_masks
from issun.engine.weights import as_tensors, initialised
from issun.exporters import export_model
from issun.exporters.torch.source import module_source
from issun.extraction.making import make_extractor
from issun.model import Model
from issun.recipe import Recipe
from issun.training import Outcome, train_network
from small_study import digits

TEXT = "conv 6 2x2, tied 2 (conv 6 same prelu norm, tied 2 (sepconv 6 same tanh norm)), pool, dense 8, tied 3 (dense 8 norm), dense"


def net(text: str = TEXT) -> Net:
    return parse_network(text, (8, 8, 1), 10)


def written_out(tied: str, apart: str) -> tuple[Net, Net, dict[str, str]]:
    """Return a network with passes, the same with each pass as layers of its own, and which tensor of the first each of the second is."""
    first, second = net(tied), net(apart)
    assert len(first.ops) == len(second.ops)
    stands = {}
    for op, other in zip(first.ops, second.ops, strict=True):
        stands |= {own.name: tensor.name for own, tensor in zip(other.weights, op.weights, strict=True)}
    return first, second, stands


def test_passes_are_layers_with_equal_kernels_and_norms_of_their_own() -> None:
    tied, apart, stands = written_out("conv 4, tied 3 (conv 4 same norm tanh), dense", "conv 4, 3 * (conv 4 same norm tanh), dense")
    weights = weights_for(tied, Recipe(), 3)
    given = as_tensors(tied, weights)
    others = np.concatenate([given[stands[tensor.name]].ravel() for tensor in apart.tensors])
    images, labels = images_for(tied, 12, 0)
    for make in (ReferenceEngine, NativeEngine):
        loss, found = make(tied, Recipe(), unit(tied)).gradients(weights, images, labels, np.arange(12), 0, 0)
        right_loss, right = make(apart, Recipe(), unit(apart)).gradients(others, images, labels, np.arange(12), 0, 0)
        assert loss == pytest.approx(right_loss, rel=1e-6)
        for tensor in tied.tensors:
            sum_of = sum(right[other.slice] for other in apart.tensors if stands[other.name] == tensor.name)
            np.testing.assert_allclose(found[tensor.slice], sum_of, rtol=2e-4, atol=1e-6, err_msg=tensor.name)


def test_the_statistics_of_each_pass_follow_its_own_values() -> None:
    made = net("conv 4, tied 2 (conv 4 same norm, frozen (conv 4 same norm)), dense")
    images, labels = images_for(made, 48, 0)
    recipe = Recipe(batch_size=16)
    states = []
    for make in (ReferenceEngine, NativeEngine):
        state = State.start(made, recipe, 0)
        start = state.weights.copy()
        make(made, recipe, unit(made)).train_epoch(state, images, labels, np.arange(48), 0)
        states.append(as_tensors(made, state.weights))
        for tensor in made.tensors:
            moved = not np.array_equal(state.weights[tensor.slice], start[tensor.slice])
            assert moved == (not made.ops[tensor.op].frozen), tensor.name
    right, found = states
    for role in ("mean", "variance"):
        assert np.abs(right[f"1.{role}"] - right[f"3.{role}"]).max() > 1e-3
        for pass_ in (1, 3):
            np.testing.assert_allclose(found[f"{pass_}.{role}"], right[f"{pass_}.{role}"], rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def trained() -> Outcome:
    recipe = Recipe(epochs=40, batch_size=50, learning_rate=0.01, ema_decay=0.9, scaling="standard")
    return train_network(net(), recipe, digits(), seed=1)


def test_a_trained_one_is_saved_with_all_that_counts_and_answers_the_same(trained: Outcome, tmp_path: Path) -> None:
    data = digits()
    model = trained.model(data)
    assert trained.val_accuracy > 0.8
    assert model.evaluate(data.test_images, data.test_labels).accuracy == pytest.approx(trained.test_accuracy)
    model.save(tmp_path / "a.safetensors")
    back = Model.load(tmp_path / "a.safetensors")
    assert back.weights.size == net().parameters == back.net.parameters == back.net.stored
    assert str(back.net).count("scale each") == 3
    assert back.provenance.trained_as == TEXT
    np.testing.assert_allclose(back.logits(data.images[:200]), model.logits(data.images[:200]), rtol=1e-3, atol=1e-3)


@needs_compiler
@pytest.mark.parametrize(("to", "options"), [("onnx", {}), ("torch", {}), ("c", {}), ("c", {"int8": True})])
def test_a_trained_one_is_exported(trained: Outcome, tmp_path: Path, to: str, options: dict[str, Any]) -> None:
    pytest.importorskip({"onnx": "onnx", "torch": "torch"}.get(to, "numpy"))
    data = digits()
    calibration = {"calibration": data.images[:300]} if options else {}
    found = export_model(trained.model(data), tmp_path / "net", to, data.images, data.labels, **options, **calibration)
    assert found.agreement.difference < 1e-5  # of int8, from its own reference in whole numbers
    assert found.agreement.before is not None
    assert found.agreement.after == pytest.approx(found.agreement.before, abs=0.02)


def both(model: Model, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the reference's logits in inference and in training, where the statistics are those of the images."""
    engine = ReferenceEngine(model.net, Recipe(), model.scaling)
    indices = np.arange(len(images))
    inference, _ = engine.forward(model.weights, images, indices, None)
    training, _ = engine.forward(model.weights, images, indices, dropout_masks(model.net, indices, 0, 0))
    return inference, training


def test_the_module_of_pytorch_has_a_norm_for_each_pass(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from issun.exporters.torch.file import state_of

    model = model_of(net())
    source = tmp_path / "net.py"
    source.write_text(module_source(model.net), "utf-8")
    network = runpy.run_path(str(source))["Network"]()
    network.load_state_dict(state_of(model), strict=False)  # it counts batches, too
    assert sum(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules()) == 2 + 4
    assert sum(isinstance(part, torch.nn.Conv2d) for part in network.modules()) == 1 + 1 + 2
    images, _ = images_for(model.net, 30, 0)
    inference, training = both(model, images)
    for is_training, right in ((False, inference), (True, training)):
        with torch.no_grad():
            found = network.train(is_training).logits(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-3)


def test_filters_from_patches_are_centred_in_every_pass() -> None:
    made, data = net("conv 4 2x2 same, tied 2 (conv 4 same norm), dense"), digits()
    extractor = make_extractor(made, "kmeans", data.images[:50], unit(made), layer=3)
    own = as_tensors(made, extractor.weights)
    assert own["1.mean"].any()
    assert np.array_equal(own["1.mean"], own["2.mean"])
    assert np.array_equal(own["1.shift"], own["2.shift"])
    assert not np.array_equal(own["1.kernel"], as_tensors(made, initialised(made, "glorot", 0))["1.kernel"])
