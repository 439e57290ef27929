"""Training on for int8: it mends what rounding spoils, and leaves alone what it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from issun.api.train import train
from issun.datasets.named import load
from issun.errors import ExportError, RecipeError
from issun.exporters.finetuning import finetune, int8_accuracy, rounded_weights
from issun.exporters.ranges import best_range, measured
from issun.model import Model

TRAIN, CHECK = slice(0, 1100), slice(1100, None)


@pytest.fixture(scope="module")
def trained() -> Model:
    return train(load("digits"), "conv 4, conv 6, pool, dense", epochs=12, threads=1).model


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the digits as they are loaded."""
    dataset = load("digits")
    return dataset.images, dataset.labels


def lopsided(model: Model) -> Model:
    """Return the same function with channels of very different size: one number range for all of them is too coarse for most."""
    weights = model.weights.copy()
    named = {tensor.name: weights[tensor.slice].reshape(tensor.shape) for tensor in model.net.tensors}
    factor = np.array([200, 1, 1, 1], np.float32)
    named["0.kernel"] *= factor[:, None, None, None]
    named["0.bias"] *= factor
    named["1.kernel"] /= factor[None, :, None, None]
    return replace(model, weights=weights)


def test_it_mends_what_rounding_spoils(trained: Model) -> None:
    images, labels = digits()
    model = lopsided(trained)
    told: list[int] = []
    done = finetune(
        model, images[TRAIN], labels[TRAIN], images[CHECK], labels[CHECK], epochs=3, on_epoch=lambda epoch, _: told.append(epoch)
    )
    assert done.float_accuracy == model.evaluate(images[CHECK], labels[CHECK]).accuracy
    assert done.before < done.float_accuracy - 0.01
    assert done.after > done.before + 0.01
    assert told == [1, 2, 3]
    assert done.epoch in told
    assert int8_accuracy(done.model, measured(done.model, images[TRAIN]), images[CHECK], labels[CHECK]) == done.after
    assert done.model.appearance == trained.appearance
    assert done.model.about["finetuned"].startswith(f"for int8, {done.epoch} of 3 epochs")


def test_a_model_that_does_not_say_what_its_images_look_like_learns_it(trained: Model) -> None:
    images, labels = digits()
    old = replace(lopsided(trained), appearance=None)
    done = finetune(old, images[TRAIN], labels[TRAIN], images[CHECK], labels[CHECK], epochs=1)
    assert done.epoch == 1
    assert done.model.appearance is not None
    assert done.model.appearance.images == 1100


def test_what_loses_nothing_is_left_alone(trained: Model) -> None:
    images, labels = digits()
    done = finetune(trained, images[TRAIN], labels[TRAIN], images[CHECK], labels[CHECK], tolerated=0.02)
    assert done.model.weights is trained.weights
    assert (done.epoch, done.after) == (0, done.before)


def test_the_same_call_gives_the_same_weights(trained: Model) -> None:
    images, labels = digits()
    parts = (images[:200], labels[:200], images[CHECK], labels[CHECK])
    first, second = (finetune(lopsided(trained), *parts, epochs=1, tolerated=-1.0) for _ in range(2))
    assert np.array_equal(first.model.weights, second.model.weights)


def test_frozen_layers_stay() -> None:
    images, labels = digits()
    model = train(load("digits"), "frozen (conv 4), pool, dense", epochs=2, threads=1).model
    done = finetune(model, images[TRAIN], labels[TRAIN], images[CHECK], labels[CHECK], epochs=2, tolerated=-1.0, learning_rate=0.01)
    assert done.epoch
    frozen = next(tensor for tensor in model.net.tensors if tensor.name == "0.kernel")
    assert np.array_equal(done.model.weights[frozen.slice], model.weights[frozen.slice])
    assert not np.array_equal(done.model.weights, model.weights)


def test_rounded_weights_are_multiples_of_a_scale(trained: Model) -> None:
    rounded = rounded_weights(trained.net, trained.weights)
    for tensor in trained.net.tensors:
        before, after = (values[tensor.slice].reshape(tensor.shape[0], -1) for values in (trained.weights, rounded))
        if not tensor.kernel:
            assert np.array_equal(before, after)
            continue
        scale = np.abs(before).max(axis=1, keepdims=True) / 127
        assert np.abs(after - before).max() <= scale.max() / 2 + 1e-7
        np.testing.assert_allclose(after / scale, np.rint(after / scale), atol=1e-3)


def test_wrong_input(trained: Model) -> None:
    images, labels = digits()
    with pytest.raises(ExportError, match=r"`labels` must have one entry for each of the 10 images, at least one, not 5"):
        finetune(trained, images[:10], labels[:5], images[:10], labels[:10])
    with pytest.raises(ExportError, match=r"`validation_labels` must have one entry for each of the 0 images, at least one, not 0"):
        finetune(trained, images[:10], labels[:10], images[:0], labels[:0])
    with pytest.raises(RecipeError, match="epochs"):
        finetune(trained, images[:10], labels[:10], images[:10], labels[:10], epochs=0)


def test_a_range_leaves_out_what_is_rare() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 100_000), [40.0]).astype(np.float32)
    low, high = best_range(values)
    assert high < 40
    assert low <= 0
    assert best_range(np.zeros(5, np.float32)) == (0.0, 0.0)
    assert best_range(np.linspace(0, 1, 1000, dtype=np.float32)) == (0.0, 1.0)
