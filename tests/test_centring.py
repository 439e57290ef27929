"""Content is found wherever it lies, however large, dark or bright it is, and put where training images have it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from issun.datasets.appearance import Style, boxes, fitted_content, grounds

BY_BOX = Style(dark=False, extent=20.0, by_mass=False)


def page(
    height: int = 90, width: int = 120, top: int = 10, left: int = 60, size: int = 30, ground: int = 230, ink: int = 20
) -> NDArray[np.uint8]:
    """Return an L, twice as high as wide, somewhere on a page."""
    image = np.full((height, width), ground, np.uint8)
    image[top : top + size, left : left + size // 5] = ink
    image[top + size - size // 5 : top + size, left : left + size // 2] = ink
    return image


def fitted(image: NDArray[np.uint8], style: Style = BY_BOX, height: int = 28, width: int = 28) -> NDArray[np.uint8]:
    found = fitted_content(image, style, height, width)
    assert found is not None
    assert (found.shape, found.dtype) == ((height, width), np.uint8)
    return found


def box(image: NDArray[np.uint8], dark: bool = False) -> list[int]:
    found, some = boxes(((255 - image if dark else image) > 127)[None])
    assert some[0]
    return [int(value) for value in found[0]]


def test_its_box_has_the_wanted_size_and_lies_in_the_middle() -> None:
    assert box(fitted(page())) == [4, 23, 9, 18]
    assert box(fitted(page(), BY_BOX, 40, 30)) == [10, 29, 10, 19]


@pytest.mark.parametrize(
    "other",
    [
        {"top": 50, "left": 5},
        {"height": 200, "width": 90},
        {"ground": 25, "ink": 235},
        {"ground": 200, "ink": 140},
    ],
)
def test_place_and_light_make_no_difference(other: dict[str, int]) -> None:
    difference = fitted(page()).astype(int) - fitted(page(**other))
    assert np.abs(difference).mean() < 1


def test_size_makes_little_difference() -> None:
    large = fitted(page(900, 1200, 100, 600, 300)).astype(int)
    assert np.abs(large - fitted(page())).mean() < 3
    assert box(large.astype(np.uint8)) == [4, 23, 9, 18]


def test_it_is_as_dark_as_the_training_images() -> None:
    dark = fitted(page(), Style(dark=True, extent=20.0, by_mass=False))
    assert grounds(dark[None])[0] == 255
    assert np.array_equal(255 - dark, fitted(page()))


def test_its_centre_of_mass_comes_into_the_middle() -> None:
    image = fitted(page(), Style(dark=False, extent=14.0, by_mass=True)).astype(float)
    assert (image.sum(axis=1) * np.arange(28)).sum() / image.sum() == pytest.approx(13.5, abs=0.1)
    assert (image.sum(axis=0) * np.arange(28)).sum() / image.sum() == pytest.approx(13.5, abs=0.1)
    assert box(image.astype(np.uint8)) != box(fitted(page(), Style(dark=False, extent=14.0, by_mass=False)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (7, 2), (400, 300)])
def test_nothing_stands_out_of_a_plain_page(shape: tuple[int, int]) -> None:
    assert fitted_content(np.full(shape, 99, np.uint8), BY_BOX, 28, 28) is None
    faint = np.random.default_rng(0).integers(100, 130, shape, dtype=np.uint8)
    assert fitted_content(faint, BY_BOX, 28, 28) is None


@pytest.mark.parametrize("shape", [(2, 2), (1, 300), (300, 1), (5, 999)])
@pytest.mark.parametrize("extent", [1.0, 8.0, 40.0])
def test_any_picture_gives_an_image(shape: tuple[int, int], extent: float) -> None:
    image = np.zeros(shape, np.uint8)
    image[shape[0] // 2, shape[1] // 2] = 255
    image[0, 0] = 255
    for by_mass in (False, True):
        found = fitted_content(image, Style(False, extent, by_mass), 8, 9)
        assert found is None or found.shape == (8, 9)


def test_a_photographed_digit_is_the_digit() -> None:
    style, alike = Style(dark=False, extent=8.0, by_mass=False), []
    for digit in load_digits().images[:20]:
        image = np.rint(digit * 255 / 16).astype(np.uint8)
        scan = np.full((150, 200), 240, np.uint8)
        scan[20:84, 90:154] = 240 - np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC)) // 2
        same, other = fitted(scan, style, 8, 8).astype(float).ravel(), image.astype(float).ravel()
        alike.append(np.corrcoef(same, other)[0, 1])
    assert np.mean(alike) > 0.85
    assert min(alike) > 0.65
