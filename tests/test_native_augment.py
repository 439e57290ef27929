"""Does the compiled core train on the images that the reference sees, whatever lanes, threads and order?

What entered the lanes is read from a gradient. With all weights zero each of K classes has probability 1/K, and where N images have N
different labels of K = N + 1 classes, the gradient of the classifier's kernel tells each image apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine_cases import digits, gradient_errors, images_for, unit, weights_for
from issun.arch.layers import Classifier
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.augmentation import EDGES, Augmentation
from issun.build import available_sets
from issun.engine.augmenting import draw
from issun.engine.native import NativeEngine
from issun.engine.protocol import Scaling, State
from issun.engine.reference.augment import seen
from issun.engine.reference.engine import ReferenceEngine
from issun.errors import RecipeError
from issun.recipe import Recipe

#: Of a value from 0 to 255: 1e-5 of the range. What is read from a gradient is a difference of float32 sums; twice that is allowed for.
PIXEL = 255 * 1e-5


def entered_and_right(
    shape: tuple[int, int, int], augmentation: Augmentation, count: int, seed: int, epoch: int, threads: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what entered the lanes of the core, and what should have: both (count, height, width, channels), values from 0 to 255."""
    classes = count + 1
    net = Net(shape, classes, (Classifier(classes),))
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count + 5, *shape)).astype(np.uint8)
    indices = generator.permutation(count + 5)[:count].astype(np.int64)
    labels = np.zeros(count + 5, np.int32)
    labels[indices] = np.arange(count)
    recipe = Recipe(augment=augmentation, batch_size=256)
    engine = NativeEngine(net, recipe, Scaling((1.0,) * shape[2], (0.0,) * shape[2]), threads)
    _, gradient = engine.gradients(np.zeros(net.parameters, np.float32), images, labels, indices, seed, epoch)
    kernel = gradient[: classes * int(np.prod(shape))].reshape(classes, -1).astype(np.float64)
    # Of class c: (sum of images / K - sum over images i of target i, c times image i) / N; the last class is nobody's.
    drawn = draw(augmentation, shape, seed, epoch, indices)
    own = np.eye(count)
    targets = own if drawn.mix is None else drawn.mix[:, None] * own + (1 - drawn.mix[:, None]) * np.roll(own, -1, axis=0)
    found = np.linalg.solve(targets.T.astype(np.float64), count * (kernel[-1] - kernel[:-1]))
    return found.reshape(count, shape[2], *shape[:2]).transpose(0, 2, 3, 1), seen(images[indices], augmentation, drawn)


@st.composite
def cases(draw: st.DrawFn, bilinear: bool) -> tuple[tuple[int, int, int], Augmentation]:
    """Return the shape of an image and an augmentation that it allows."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 22), st.sampled_from([1, 1, 2, 3, 3, 4])))
    most = min(shape[:2]) - 1
    settings = {name: draw(st.one_of(st.just(0), st.integers(0, most))) for name in ("shift", "crop", "cutout")}
    turned = {"rotate": 180.0, "zoom": 0.75, "shear": 60.0, "elastic": 16.0}
    angles = {name: draw(st.one_of(st.just(0.0), st.floats(0.01, most))) for name, most in turned.items()} if bilinear else {}
    if bilinear and draw(st.booleans()):
        settings["crop"] = draw(st.floats(0.05, 0.99))
    flip = draw(st.booleans()) or not any([*settings.values(), *angles.values()])
    edge = draw(st.sampled_from(EDGES)) if settings["shift"] or any(angles.values()) else "fill"
    filled = settings["cutout"] or (edge == "fill" and (settings["shift"] or any(angles.values())))
    fill = draw(st.integers(0, 255)) if filled else 0
    names = ("brightness", "contrast", *(("saturation", "gray") if shape[2] == 3 else ()))
    colours = {name: draw(st.floats(0.01, 1)) for name in draw(st.sampled_from([(), (), names[:1], names[1:2], names]))}
    return shape, Augmentation(**settings, **angles, **colours, flip=flip, edge=edge, fill=fill)  # type: ignore[arg-type]


def test_moves_that_leave_nothing_of_the_straight_run() -> None:
    """Shift and crop together may move an image out of its frame but for what the crop mirrors."""
    for shape in ((9, 4, 4), (4, 9, 1), (2, 2, 3)):
        for text in (f"shift {min(shape[:2]) - 1}, flip, crop {min(shape[:2]) - 1}", f"shift {min(shape[:2]) - 1}, crop 1, fill 5"):
            found, right = entered_and_right(shape, Augmentation.parse(text), 60, 6, 1)
            assert (np.rint(found) == right).all()


COUNTS = st.sampled_from([1, 2, 5, 8, 16, 17, 35])


@hypothesis_settings(max_examples=150, deadline=None)
@given(cases(bilinear=False), COUNTS, st.integers(0, 2**64 - 1))
def test_whole_pixels_enter_exactly(case: tuple[tuple[int, int, int], Augmentation], count: int, seed: int) -> None:
    found, right = entered_and_right(*case, count, seed, 3)
    assert (right == np.rint(right)).all()
    assert np.abs(found - right).max() < 0.01
    assert (np.rint(found) == right).all()


@hypothesis_settings(max_examples=150, deadline=None)
@given(cases(bilinear=True), COUNTS, st.integers(0, 2**64 - 1))
def test_sampled_pixels_enter_within_float32(case: tuple[tuple[int, int, int], Augmentation], count: int, seed: int) -> None:
    found, right = entered_and_right(*case, count, seed, 3)
    assert np.abs(found - right).max() < 2 * PIXEL


@pytest.mark.parametrize("text", ["mixup 1", "flip, shift 2, mixup 5", "rotate 30, crop 2, cutout 3, fill 9, mixup 100"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 7, 3)])
@pytest.mark.parametrize("count", [1, 4, 21])
def test_mixed_images_enter_within_float32(text: str, shape: tuple[int, int, int], count: int) -> None:
    found, right = entered_and_right(shape, Augmentation.parse(text), count, 2, 1)
    assert np.abs(found - right).max() < 500 * PIXEL / 10  # the system that is solved for the images makes rounding larger


@pytest.mark.parametrize("edge", EDGES)
def test_larger_images_enter_within_float32(edge: str) -> None:
    augmentation = Augmentation.parse(f"rotate 30, zoom 0.2, shear 10, elastic 8, shift 9, flip, crop 8, cutout 30, edge {edge}")
    found, right = entered_and_right((96, 130, 3), augmentation, 3, 1, 0)
    assert np.abs(found - right).max() < 2 * PIXEL


def test_mirror_images_of_mirror_images_enter_within_float32() -> None:
    """As far from the image as an augmentation may go."""
    augmentation = Augmentation.parse("rotate 180, zoom 0.75, shear 60, elastic 16, shift 1, edge mirror")
    for shape in ((2, 2, 1), (2, 90, 1), (1, 30, 3)):
        given = augmentation if min(shape[:2]) > 1 else replace(augmentation, shift=0)
        found, right = entered_and_right(shape, given, 60, 3, 0)
        assert np.abs(found - right).max() < 2 * PIXEL


@pytest.mark.parametrize("mixup", ["", ", mixup 0.7"])
@pytest.mark.parametrize("text", ["shift 2, flip", "rotate 20, zoom 0.1, cutout 3"])
@pytest.mark.parametrize("network", ["conv 3 linear, avgpool, dense", "dense 9 linear, drop 0.3, dense"])
def test_loss_and_gradients_agree(network: str, text: str, mixup: str) -> None:
    net = parse_network(network, (8, 7, 2), 5)
    images, labels = images_for(net, 60, 1)
    recipe, indices = Recipe(augment=text + mixup), np.random.default_rng(0).permutation(60)[:37].astype(np.int64)
    weights = weights_for(net, recipe, 1)
    right_loss, right = ReferenceEngine(net, recipe, unit(net)).gradients(weights, images, labels, indices, 8, 2)
    loss, found = NativeEngine(net, recipe, unit(net), 2).gradients(weights, images, labels, indices, 8, 2)
    plain, _ = NativeEngine(net, Recipe(), unit(net), 2).gradients(weights, images, labels, indices, 8, 2)
    assert loss == pytest.approx(right_loss, rel=1e-5)
    assert {name: error for name, error in gradient_errors(net, found, right, 1e-3).items() if error > 1e-4} == {}
    assert abs(loss - plain) > 1e-4 * plain  # something was done


def trained(recipe: Recipe, threads: int, epochs: int = 2) -> tuple[bytes, list[tuple[float, float]]]:
    images, labels = digits()
    net = parse_network("conv 3, pool, dense 20, dense", (8, 8, 1), 10)
    engine, state = NativeEngine(net, recipe, unit(net), threads), State.start(net, recipe, 0)
    lines = [tuple(engine.train_epoch(state, images, labels, np.arange(301), 4)) for _ in range(epochs)]
    return state.weights.tobytes(), lines


@pytest.mark.parametrize(
    "text",
    [
        "shift 2, flip, crop 1, cutout 3",
        "rotate 10, zoom 0.2, shift 1",
        "shift 1, mixup 0.4, contrast 0.4",
        "rotate 9, mixup 1, edge mirror, brightness 0.3",
        "crop 0.5, flip",
        "elastic 2, mixup 0.5",
    ],
)
def test_bits_do_not_depend_on_threads(text: str) -> None:
    recipe = Recipe(augment=text, batch_size=50)
    alone = trained(recipe, 1)
    assert all(trained(recipe, threads) == alone for threads in (2, 3, 8))
    assert alone != trained(Recipe(batch_size=50), 1)


@pytest.mark.parametrize("text", ["shift 2, cutout 3", "rotate 10, mixup 0.4", "elastic 2, contrast 0.3, crop 0.5"])
def test_an_epoch_sees_what_the_reference_sees(text: str) -> None:
    """Batches, a last one that is not full, the second epoch: loss, accuracy and weights after both."""
    images, labels = digits()
    net = parse_network("avgpool, dense", (8, 8, 1), 10)
    recipe = Recipe(augment=text, batch_size=48, optimizer="sgd", learning_rate=0.05)
    states, sums = [], []
    for engine in (NativeEngine(net, recipe, unit(net), 2), ReferenceEngine(net, recipe, unit(net))):
        state = State.start(net, recipe, 0)
        sums.append([tuple(engine.train_epoch(state, images, labels, np.arange(100, 301), 4)) for _ in range(2)])
        states.append(state.weights)
    assert np.array(sums[0]) == pytest.approx(np.array(sums[1]), rel=1e-5)
    assert np.abs(states[0] - states[1]).max() < 1e-5


@pytest.mark.parametrize("name", [NativeEngine, ReferenceEngine])
def test_inference_sees_images_as_they_are(name: type[NativeEngine] | type[ReferenceEngine]) -> None:
    images, _ = digits()
    net = parse_network("conv 2, pool, dense", (8, 8, 1), 10)
    weights = weights_for(net, Recipe(), 0)
    changed = name(net, Recipe(augment="shift 3, rotate 90, mixup 1"), unit(net)).logits(weights, images, np.arange(50))
    assert (changed == name(net, Recipe(), unit(net)).logits(weights, images, np.arange(50))).all()


@pytest.mark.parametrize("name", [NativeEngine, ReferenceEngine])
def test_images_that_are_too_small_are_refused(name: type[NativeEngine] | type[ReferenceEngine]) -> None:
    net = parse_network("dense", (8, 4, 1), 10)
    with pytest.raises(RecipeError, match=r"`shift` \(=4\) must be smaller than the images \(8x4"):
        name(net, Recipe(augment="shift 4"), unit(net))


def test_only_what_is_asked_for_takes_memory() -> None:
    net = parse_network("conv 2, pool, dense", (10, 12, 3), 10)
    plain, moved, turned, mixed = (
        NativeEngine(net, Recipe(augment=text), unit(net), 2).memory for text in (None, "flip", "rotate 3", "rotate 3, mixup 1")
    )
    assert plain < moved < turned < mixed
    coloured, both = (NativeEngine(net, Recipe(augment=text), unit(net), 2).memory for text in ("gray 1", "gray 1, flip"))
    assert plain < coloured == moved < both


SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from test_native_augment import PIXEL, entered_and_right
from issun.augmentation import Augmentation
wrong = []
for text in (
    "shift 2, flip, crop 3, cutout 2, fill 7",
    "shift 3, flip, crop 1, edge mirror",
    "rotate 40, zoom 0.3, shear 20, flip, shift 1, crop 2, cutout 3, fill 200",
    "rotate 40, zoom 0.7, shear 20, flip, shift 1, edge mirror",
    "rotate 90, zoom 0.5, crop 2, edge repeat, brightness 0.5, contrast 0.5",
    "crop 0.1, flip, rotate 10, shift 2, contrast 0.5",
    "elastic 3, crop 2, fill 50",
    "brightness 1, contrast 1",
    "contrast 1, saturation 1, gray 0.3",
):
    for shape in ((8, 8, 1), (5, 7, 3), (6, 21, 2), (9, 4, 4)):
        for count in (1, 9, 33) if shape[2] == 3 or "gray" not in text else ():
            found, right = entered_and_right(shape, Augmentation.parse(text), count, 6, 1, 2)
            if np.abs(found - right).max() > 2 * PIXEL:
                wrong.append([text, shape, count])
print(json.dumps(wrong))
"""


@pytest.mark.parametrize("instructions", available_sets())
def test_every_instruction_set_sees_the_same_images(instructions: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)],
        env=os.environ | {"ISSUN_ISA": instructions},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []
