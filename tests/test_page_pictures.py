"""What the classifier's page makes of pictures, run in Node, against what `issun predict` makes of them: the same bytes and doubts."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from issun.datasets.appearance import Appearance, Style, figures, fitted_content
from issun.datasets.decode import PICTURE_MODES, pixels_of
from issun.datasets.resizing import RESIZES, Resize, resized
from issun.pages.one_file import ASSETS
from issun.predicting.unlike_images import doubt_of

Call = Callable[..., Any]


#: Older Pillows always resize across first, newer ones the tall direction: by which levels the page may then differ.
_TALL = Image.fromarray(np.array([[95, 130], [194, 217]], np.uint8)).resize((4, 1), Image.Resampling.BILINEAR, box=(0, 0.75, 2, 1.25))
LEVELS = 0 if _TALL.getpixel((2, 0)) == 167 else 1


def _bytes(values: NDArray[np.uint8]) -> dict[str, str]:
    return {"bytes": base64.b64encode(values.tobytes()).decode()}


def _picture(values: NDArray[np.uint8]) -> dict[str, Any]:
    height, width, channels = values.shape
    return {"data": _bytes(values), "height": height, "width": width, "channels": channels}


def same(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> bool:
    return found.shape == expected.shape and bool((np.abs(found.astype(int) - expected.astype(int)) <= LEVELS).all())


def _values(found: dict[str, str], *shape: int) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(found["bytes"]), np.uint8).reshape(shape)


@pytest.fixture(scope="module")
def call() -> Iterator[Call]:
    """Return a function that calls one of the page's in Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not here: install it (Debian: apt install nodejs)")
    script = Path(__file__).with_name("run_picture.js")
    with subprocess.Popen([node, str(script), str(ASSETS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        source, answers = process.stdin, process.stdout

        def ask(module: str, name: str, *arguments: Any) -> Any:
            source.write(json.dumps({"module": f"classifier/{module}", "name": name, "arguments": arguments}) + "\n")
            source.flush()
            return json.loads(answers.readline())

        yield ask
        source.close()


def drawn(seed: int, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Return a picture: noise, smooth shades, or something that stands out of plain ground."""
    generator = np.random.default_rng(seed)
    if seed % 3 == 0:
        return generator.integers(0, 256, (height, width, channels), np.uint8)
    if seed % 3 == 1:
        small = Image.fromarray(generator.integers(0, 256, (4, 5, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        return pixels_of(small.convert(PICTURE_MODES[channels]))
    picture = np.full((height, width, channels), generator.integers(0, 256), np.uint8)
    top, left = generator.integers(0, height), generator.integers(0, width)
    picture[top : top + height // 2 + 1, left : left + width // 3 + 1] = generator.integers(0, 256)
    return picture


SIDES = st.integers(1, 90)


@settings(max_examples=250, deadline=None)
@given(
    st.integers(0, 999), SIDES, SIDES, st.integers(1, 48), st.integers(1, 48), st.sampled_from([1, 3]), st.booleans(),
    st.sampled_from(RESIZES),
)  # fmt: skip
def test_pictures_are_resized_to_the_same_bytes(
    call: Call, seed: int, high: int, wide: int, height: int, width: int, channels: int, invert: bool, resize: Resize
) -> None:
    values = drawn(seed, high, wide, channels)
    expected = pixels_of(resized(Image.fromarray(values.squeeze(2) if channels == 1 else values), height, width, resize))
    found = call("picture.js", "inputOf", _picture(values), [height, width, channels], {"invert": invert, "resize": resize})
    assert same(_values(found["pixels"], height, width, channels), 255 - expected if invert else expected)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize(("high", "wide"), [(3024, 4032), (1, 5000), (4001, 3)])
def test_large_and_thin_pictures_too(call: Call, high: int, wide: int, resize: Resize) -> None:
    values = drawn(1, high, wide, 3)
    found = call("picture.js", "inputOf", _picture(values), [32, 24, 3], {"resize": resize})
    assert same(_values(found["pixels"], 32, 24, 3), pixels_of(resized(Image.fromarray(values), 32, 24, resize)))


def test_grey_is_the_grey_of_pillow(call: Call) -> None:
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 5, dtype=np.uint8)] * 3, indexing="ij"), axis=-1).reshape(1, -1, 3)
    opaque = np.concatenate([every, np.full((1, every.shape[1], 1), 255, np.uint8)], axis=2)
    expected = pixels_of(Image.fromarray(every).convert("L"))
    assert np.array_equal(_values(call("picture.js", "coloured", _bytes(opaque), 1), *expected.shape), expected)
    assert np.array_equal(_values(call("picture.js", "coloured", _bytes(opaque), 3), *every.shape), every)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 999), st.integers(1, 400), st.integers(1, 400), st.integers(4, 40), st.integers(4, 40),
    st.booleans(), st.booleans(), st.floats(0.2, 1.0),
)  # fmt: skip
def test_content_is_fitted_to_the_same_bytes(
    call: Call, seed: int, high: int, wide: int, height: int, width: int, dark: bool, by_mass: bool, share: float
) -> None:
    style = Style(dark, max(1.0, share * max(height, width)), by_mass)
    values = drawn(seed, high, wide, 1)
    expected = fitted_content(values[..., 0], style, height, width)
    told = {"dark": style.dark, "extent": style.extent, "by_mass": style.by_mass}
    found = call("content.js", "fittedContent", _picture(values), told, height, width)
    assert (found is None) == (expected is None)
    if expected is not None:
        assert same(_values(found, height, width), expected)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 999), st.integers(2, 40), st.integers(2, 40), st.sampled_from([1, 3]))
def test_figures_are_those_of_predict(call: Call, seed: int, height: int, width: int, channels: int) -> None:
    values = drawn(seed, height, width, channels)
    image = {"pixels": _bytes(values), "height": height, "width": width, "channels": channels}
    assert call("figures.js", "figuresOf", image) == pytest.approx(figures(values[None])[0].tolist(), abs=1e-4)


@pytest.mark.parametrize("changes", [(), ("invert",), ("fit",), ("invert", "fit")], ids=" ".join)
def test_doubts_are_those_of_predict(call: Call, changes: tuple[str, ...]) -> None:
    """Of each kind of training images, with each remedy: what is said, and what is advised."""
    remedies = set()
    for kind in range(4):
        known = np.zeros((60, 12, 12, 1), np.uint8)
        for number, image in enumerate(known):
            side = 3 + number % 3
            image[6 - side + kind : 6 + side, 6 - side : 6 + side] = 180 + number
        known = 255 - known if kind % 2 else known
        appearance = Appearance.of(known)
        for seed in range(60):
            values = drawn(seed, 12, 12, 1) if seed % 4 else (255 - known[seed] if seed % 8 else np.roll(known[seed], 5, axis=(0, 1)))
            found = figures(values[None])
            image = {"pixels": _bytes(values), "height": 12, "width": 12, "channels": 1}
            asked = {"invert": "invert" in changes, "fit": "fit" in changes}
            said = call("unlike.js", "doubtOf", appearance.as_dict(), image, asked)
            if not appearance.outside(found).any():
                assert said is None
                continue
            doubt = doubt_of(appearance, ["image"], found, changes)
            assert (said["figure"], said["remedy"]) == (doubt.figure, doubt.remedy)
            told = said["words"].replace("\u00a0", " ")
            assert f"image is unlike the training images ({told}): " in str(doubt)
            remedies.add(doubt.remedy)
    assert remedies >= ({""} if "fit" in changes else {"", "no invert" if "invert" in changes else "invert"})
    assert call("unlike.js", "doubtOf", None, {}, {}) is None
