"""What does a model say to images, which images does it take, and how does it count its mistakes?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine import make_engine
from issun.engine.protocol import Scaling
from issun.engine.weights import initialised
from issun.errors import ModelError
from issun.model import Model
from issun.recipe import Recipe
from strategies import nets

IMAGES = np.random.default_rng(3).integers(0, 256, (37, 6, 5, 1), dtype=np.uint8)
COLOURED = np.random.default_rng(4).integers(0, 256, (7, 6, 5, 3), dtype=np.uint8)


def model(channels: int = 1, text: str = "conv 3, pool, dense", seed: int = 0, **changes: Any) -> Model:
    net = parse_network(text, (6, 5, channels), 3)
    given = {
        "net": net,
        "weights": initialised(net, "he", seed),
        "scaling": Scaling((1 / 50,) * channels, (-1.0,) * channels),
        "classes": ("ant", "bee", "cat"),
    }
    return Model(**(given | changes))


@settings(max_examples=30)
@given(nets(), st.integers(0, 100))
def test_probabilities_are_the_softmax_of_the_reference(net: Net, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (5, *net.input), dtype=np.uint8)
    scaling = Scaling((1 / 255,) * net.input[2], (-0.5,) * net.input[2])
    some = Model(net, initialised(net, "glorot", seed), scaling, tuple(str(number) for number in range(net.classes)))
    logits = make_engine(net, Recipe(), scaling, name="reference").logits(some.weights, images, np.arange(5)).astype(np.float64)
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    probabilities = some.predict_proba(images)
    assert probabilities.shape == (5, net.classes)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert np.array_equal(some.predict(images), some.logits(images).argmax(axis=1))


def test_every_form_of_the_same_images() -> None:
    some = model()
    expected = some.logits(IMAGES)
    assert expected.dtype == np.float32
    assert np.array_equal(some.logits(IMAGES[..., 0]), expected)
    assert np.array_equal(some.logits(np.asfortranarray(IMAGES)), expected)
    assert np.array_equal(some.logits(np.repeat(IMAGES, 2, axis=0)[::2]), expected)
    for one in (IMAGES[4], IMAGES[4, ..., 0]):
        assert np.array_equal(some.logits(one), expected[4:5])
    assert some.predict(IMAGES[:0]).shape == (0,)
    assert some.predict_proba(IMAGES[:0]).shape == (0, 3)
    assert model(3).predict(COLOURED[2]).shape == (1,)


def test_threads_change_nothing() -> None:
    assert np.array_equal(model().logits(IMAGES, threads=1), model().logits(IMAGES, threads=2))


@pytest.mark.parametrize(
    ("channels", "images", "message"),
    [
        (1, IMAGES / 255, r"must be uint8 \(0 to 255\), shape \(N, 6, 5, 1\), not float64; for values from 0 to 1 use"),
        (1, IMAGES.astype(np.int64), r"not int64"),
        (1, "photo.png", r"must be uint8"),
        (1, COLOURED, r"must have the shape \(N, 6, 5, 1\), not \(7, 6, 5, 3\)"),
        (1, IMAGES[:, :5], r"not \(37, 5, 5, 1\)"),
        (1, IMAGES.reshape(37, 30), r"not \(37, 30\)"),
        (1, np.uint8(7), r"not \(\)"),
        (3, COLOURED[..., 0], r"must have the shape \(N, 6, 5, 3\), not \(7, 6, 5\)"),
        (3, COLOURED[0, ..., 0], r"not \(6, 5\)"),
        (3, COLOURED.transpose(0, 3, 1, 2), r"not \(7, 3, 6, 5\)"),
    ],
)
def test_images_that_do_not_fit(channels: int, images: Any, message: str) -> None:
    for ask in (model(channels).logits, model(channels).predict, model(channels).predict_proba):
        with pytest.raises(ModelError, match=message):
            ask(images)


@given(st.lists(st.integers(0, 2), min_size=37, max_size=37))
def test_the_confusion_adds_up(labels: list[int]) -> None:
    some, truth = model(), np.array(labels)
    evaluation = some.evaluate(IMAGES, truth)
    predicted = some.predict(IMAGES)
    assert evaluation.images == evaluation.confusion.sum() == 37
    assert np.array_equal(evaluation.confusion.sum(axis=1), np.bincount(truth, minlength=3))
    assert np.array_equal(evaluation.confusion.sum(axis=0), np.bincount(predicted, minlength=3))
    assert evaluation.accuracy == pytest.approx(np.trace(evaluation.confusion) / 37)
    assert evaluation.confusion[0, 1] == ((truth == 0) & (predicted == 1)).sum()
    expected = -np.log(some.predict_proba(IMAGES).astype(np.float64)[np.arange(37), truth]).mean()
    assert evaluation.loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES, np.zeros(36, int), r"of shape \(37,\), one for each image, at least one; not int64 of shape \(36,\)"),
        (IMAGES, np.zeros(37), r"not float64"),
        (IMAGES, np.zeros((37, 1), int), r"not int64 of shape \(37, 1\)"),
        (IMAGES, np.full(37, 3), r"must lie between 0 and 2, not between 3 and 3"),
        (IMAGES, np.full(37, -1), r"not between -1 and -1"),
        (IMAGES[:0], np.zeros(0, int), r"at least one"),
    ],
)
def test_labels_that_do_not_fit(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        model().evaluate(images, labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"weights": np.zeros(5, np.float32)},
            r"`weights` must be float32 of shape \(\d+,\) for `conv 3, pool, dense`, not float32 of shape \(5,\)",
        ),
        ({"weights": np.zeros(51)}, r"not float64"),
        ({"weights": np.full(51, np.nan, np.float32)}, r"not finite: the training diverged"),
        ({"weights": np.full(51, np.inf, np.float32)}, r"not finite"),
        ({"classes": ("ant", "bee")}, r"`classes` must be 3 different names"),
        ({"classes": ("ant", "bee", "bee")}, r"`classes` must be 3 different names"),
        ({"scaling": Scaling((1.0,) * 3, (0.0,) * 3)}, r"for each of the 1 channels"),
    ],
)
def test_parts_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    assert model().net.parameters == 51
    with pytest.raises(ModelError, match=message):
        model(**changes)


def test_weights_that_are_finite_and_yet_too_large() -> None:
    some = model(weights=np.full(51, 3e38, np.float32))
    with pytest.raises(ModelError, match="outputs are not finite"):
        some.predict(IMAGES)
