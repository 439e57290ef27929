"""An extractor gives what the reference computes on the way to its logits, for any layer, pre_activation or after its activation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine_cases import images_for, unit, weights_for
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine import ReferenceEngine
from issun.errors import DataError, ModelError, NetworkError
from issun.extraction import Extractor, operation_index, trained_extractor
from issun.extraction import extractor as extractor_module
from issun.model import Model
from issun.recipe import Recipe
from strategies import nets


def as_rows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values (N, channels, rows, columns) or (N, features) in the order row, column, channel."""
    return (values.transpose(0, 2, 3, 1) if values.ndim == 4 else values).reshape(len(values), -1)


def assert_close(found: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    scale = max(float(np.abs(expected).max()), 1e-3)
    assert np.abs(found - expected).max() <= 2e-5 * scale


@hypothesis_settings(max_examples=30, deadline=None)
@given(net=nets(), count=st.sampled_from([1, 5, 17, 40]), seed=st.integers(0, 2**32 - 1), threads=st.sampled_from([1, 3]))
def test_every_layer_is_that_of_the_reference(net: Net, count: int, seed: int, threads: int) -> None:
    images, _ = images_for(net, count, seed)
    weights = weights_for(net, Recipe(), seed)
    _, seen = ReferenceEngine(net, Recipe(), unit(net)).forward(weights, images, np.arange(count), None)
    for row in net.ops:
        after = Extractor(net, weights, unit(net), row.index)
        assert (after.size, after.shape[2]) == (np.prod(row.output), row.output[-1])
        assert_close(after.features(images, threads), as_rows(seen[row.index].out))
        if row.activates:
            before = Extractor(net, weights, unit(net), row.index, pre_activation=True)
            assert_close(before.features(images, threads), as_rows(seen[row.index].z))
    image = Extractor(net, weights, unit(net), -1)
    assert_close(image.features(images), images.reshape(count, -1) / 255)


TEXT = "conv 5, pool, res (conv 5 same), relu, conv 16 2x2 same, pool, dense 20, drop 0.2, dense"


def made(text: str = TEXT, layer: int | str | None = None, pre_activation: bool = False) -> Extractor:
    net = parse_network(text, (12, 11, 1), 4)
    return Extractor(net, weights_for(net, Recipe(), 3), unit(net), operation_index(net, layer, pre_activation), pre_activation, "trained")


def test_parts_of_many_images_are_those_of_all_and_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = made(layer="conv 16")
    images, _ = images_for(extractor.net, 2500, 1)
    whole = extractor.features(images, 1)
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(extractor_module, "STEP_BYTES", 1)
    assert extractor.features(images, 2, lambda done, all: seen.append((done, all))).tobytes() == whole.tobytes()
    assert seen == [(1024, 2500), (2048, 2500), (2500, 2500)]
    parts = list(extractor.batches(images, 700))
    assert [part for part, _ in parts] == [slice(0, 700), slice(700, 1400), slice(1400, 2100), slice(2100, 2500)]
    assert np.concatenate([values for _, values in parts]).tobytes() == whole.tobytes()
    assert extractor.features(images[:0]).shape == (0, extractor.size)


def test_the_memory_of_the_core_does_not_grow_with_the_images() -> None:
    from issun.extraction.extractor import OperationValues

    extractor = made()
    values = OperationValues(extractor.net, extractor.operation, False, extractor.scaling)
    assert values.memory < 20_000_000


def test_layers_are_found_by_number_and_by_word() -> None:
    net = made().net
    assert [net.ops[operation_index(net, word)].text for word in (None, "conv 16", "conv 5", "pool", " dense  20 ", "dense", "9")] == [
        *("drop 0.2", "conv 16 2x2 same", "conv 5 same", "pool", "dense 20", "dense 20", "drop 0.2"),
    ]
    assert operation_index(net, "pool") == 6  # the last one
    assert operation_index(net, 0) == -1
    assert operation_index(parse_network("pool, dense", (8, 8, 1), 3), "dense") == 1  # there is no other


@pytest.mark.parametrize("layer", ["conv 7", "con", "", "dense 2", 11, -1])
def test_a_layer_that_is_not_there_lists_those_that_are(layer: int | str) -> None:
    with pytest.raises(NetworkError, match=r"1 `conv 5`, 2 `pool`, 3 `conv 5 same`"):
        made(layer=layer)


@pytest.mark.parametrize("layer", ["pool", 0, 10])
def test_before_needs_an_activation(layer: int | str) -> None:
    with pytest.raises(NetworkError, match="has no activation: leave out `pre_activation`"):
        made(layer=layer, pre_activation=True)


def test_parameters_are_those_that_the_features_need() -> None:
    assert made("conv 4 2x2 same, pool, conv 8 2x2 same, pool, dense").parameters == 20 + 136
    assert made("pool, dense").parameters == 0
    assert made("conv 4 norm, dense").parameters == 40  # folded: one bias a channel
    assert made("conv 4 prelu, dense", "conv 4").parameters == 44
    assert made("conv 4 rational, dense", "conv 4").parameters == 44
    assert made("conv 4 rational, dense", "conv 4", pre_activation=True).parameters == 40
    assert made("conv 4 prelu, dense", "conv 4", pre_activation=True).parameters == 40
    assert made("frozen (conv 4), conv 2, dense").trainable_params == 74
    drawn = made("conv 4, dense")
    assert Extractor(drawn.net, drawn.weights, drawn.scaling, 0, source="random").trainable_params == 0


def test_a_trained_model_gives_its_layers() -> None:
    net = made().net
    model = Model(net, weights_for(net, Recipe(), 1), unit(net), ("a", "b", "c", "d"))
    images, _ = images_for(net, 9, 1)
    assert trained_extractor(model, "10").features(images).tobytes() == model.logits(images).tobytes()
    assert trained_extractor(model, "dense 20", pre_activation=True).features(images).min() < 0


def test_wrong_input() -> None:
    extractor = made()
    with pytest.raises(ModelError, match=r"shape \(N, 12, 11, 1\), not float64"):
        extractor.features(np.zeros((3, 12, 11)))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"not \(3, 11, 12\)"):
        extractor.features(np.zeros((3, 11, 12), np.uint8))
    with pytest.raises(ModelError, match="`weights` must be float32"):
        Extractor(extractor.net, extractor.weights[1:], extractor.scaling, 0)


def test_more_features_than_memory_are_refused_with_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor_module, "memory_limit", lambda: 1_000_000_000)
    extractor = made(layer="conv 16")
    images = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (1_000_000, 12, 11, 1), (0, 0, 0, 0))
    monkeypatch.setattr(extractor_module, "as_batch", lambda images, shape: images)
    with pytest.raises(DataError, match=r"320 features of 1,000,000 images take 1\.3 GB, .*memory \(1\.0 GB\): use fewer"):
        extractor.features(images)
