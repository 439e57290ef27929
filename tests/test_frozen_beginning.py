"""What a frozen beginning makes of the images is computed once: the same weights, to the bit, as computing it anew in every epoch."""

from __future__ import annotations

import numpy as np
import pytest

from issun.arch.notation import parse_network
from issun.engine import NativeEngine, Scaling, State
from issun.engine.native import cut_after
from issun.recipe import Recipe

CASES = (
    "frozen (conv 4 2x2 same, pool, conv 8 2x2 same, pool), dense",
    "frozen (conv 4 norm), relu, avgpool, conv 3, pool, dense 40, drop 0.2, dense",
    "frozen (conv 6, res (conv 6 same)), pool, dense 300, dense",
    "frozen (dwconv, conv 5 1x1, gap), dense 7, dense",
    "frozen (conv 3 same, dense 20), dense",
    "frozen (conv 4 norm image, norm layer one, pool), conv 3 same norm group 3, dense",
    "frozen (conv 4 norm image), res (conv 3 same norm layer), dense",
)


def trained(text: str, threads: int, recipe: Recipe) -> tuple[State, list[float], np.ndarray]:
    net = parse_network(text, (12, 10, 2), 5)
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (101, 12, 10, 2), dtype=np.uint8)
    labels = random.integers(0, 5, 101, dtype=np.int32)
    engine = NativeEngine(net, recipe, Scaling((1 / 255,) * 2, (0.0,) * 2), threads)
    state = State.start(net, recipe, 7)
    order = random.permutation(101)[:90]
    losses = [engine.train_epoch(state, images, labels, order, 7).loss for _ in range(3)]
    return state, losses, engine.logits(state.weights, images, np.arange(101))


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bits_as_anew_in_every_epoch(text: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(batch_size=32, epochs=3)
    assert cut_after(parse_network(text, (12, 10, 2), 5)) > 0
    once, losses, logits = trained(text, threads, recipe)
    monkeypatch.setattr("issun.engine.native.LARGEST_BEGINNING", 0)
    anew, losses_anew, logits_anew = trained(text, threads, recipe)
    assert once.weights.tobytes() == anew.weights.tobytes()
    assert losses == losses_anew
    assert logits.tobytes() == logits_anew.tobytes()


def test_where_the_beginning_ends() -> None:
    def cut(text: str) -> int:
        return cut_after(parse_network(text, (12, 10, 2), 5))

    assert cut("frozen (conv 4, pool), dense") == 2
    assert cut("frozen (conv 4), pool, relu, dense") == 3  # what follows has nothing to train either
    assert cut("pool, dense") == 0  # no multiply-adds to be saved
    assert cut("frozen (conv 4, drop 0.5, conv 4), dense") == 1  # draws are new in every epoch
    assert cut("frozen (conv 4 l2 0.1), dense") == 0  # its penalty is part of the loss
    assert cut("conv 4, frozen (conv 4), dense") == 0
    assert cut("frozen (conv 4 same), res (conv 4 same), dense") == 1  # both ways read the same tensor
    assert cut("res (frozen (conv 2 same), conv 2 same), dense") == 0  # the image itself is still needed


def test_other_images_and_other_weights_are_not_mistaken() -> None:
    """The held values belong to one array of images and one draw of the frozen weights."""
    net = parse_network(CASES[0], (12, 10, 2), 5)
    recipe = Recipe(batch_size=32, epochs=3)
    random = np.random.default_rng(4)
    images, others = (random.integers(0, 256, (64, 12, 10, 2), dtype=np.uint8) for _ in range(2))
    labels = random.integers(0, 5, 64, dtype=np.int32)
    engine = NativeEngine(net, recipe, Scaling((1 / 255,) * 2, (0.0,) * 2))
    first, second = State.start(net, recipe, 1), State.start(net, recipe, 2)
    order = np.arange(64)
    engine.train_epoch(first, images, labels, order, 1)
    for weights, asked in ((first.weights, others), (second.weights, images), (second.weights, others)):
        fresh = NativeEngine(net, recipe, Scaling((1 / 255,) * 2, (0.0,) * 2))
        assert engine.logits(weights, asked, order).tobytes() == fresh.logits(weights, asked, order).tobytes()
    engine.train_epoch(second, images, labels, order, 1)
    assert not np.array_equal(first.weights, second.weights)


def test_augmented_images_are_not_held() -> None:
    net = parse_network(CASES[0], (12, 10, 2), 5)
    recipe = Recipe(batch_size=32, epochs=3, augment="shift 2")
    plain = NativeEngine(net, recipe.model_copy(update={"augment": None}), Scaling((1 / 255,) * 2, (0.0,) * 2))
    augmented = NativeEngine(net, recipe, Scaling((1 / 255,) * 2, (0.0,) * 2))
    images, labels = np.zeros((8, 12, 10, 2), np.uint8), np.zeros(8, np.int32)
    before = [engine.memory for engine in (plain, augmented)]
    for engine in (plain, augmented):
        engine.train_epoch(State.start(net, recipe, 1), images, labels, np.arange(8), 1)
    assert plain.memory > before[0]  # two more cores, and the values
    assert augmented.memory == before[1]
