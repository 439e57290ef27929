"""How uint8 images become the input of a network: what each scaling measures, and on which images."""

from __future__ import annotations

import numpy as np
import pytest

from issun.engine.protocol import Scaling, scaling_for
from issun.recipe import Recipe


def test_standard_scaling_measures_the_training_images_per_channel() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 5, 4, 3)).astype(np.uint8)
    images[..., 1] //= 4
    train = np.arange(20)
    scaling = scaling_for(Recipe(scaling="standard"), images, train)
    scaled = images[train] * np.array(scaling.factor) + np.array(scaling.offset)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(scaled.std(axis=(0, 1, 2)), 1, rtol=1e-9)
    images[20:] = 0
    assert scaling_for(Recipe(scaling="standard"), images, train[::-1].copy()) == scaling, "neither order nor other images matter"


def test_a_channel_without_any_contrast_scales_to_finite_numbers() -> None:
    images = np.full((4, 2, 2, 1), 7, np.uint8)
    scaling = scaling_for(Recipe(scaling="standard"), images, np.arange(4))
    assert 7 * scaling.factor[0] + scaling.offset[0] == pytest.approx(0, abs=1e-6)


def test_a_channel_that_is_nearly_constant_is_not_stretched() -> None:
    images = np.full((100, 4, 4, 2), 7, np.uint8)
    images[0, 0, 0, 0] = 8
    images[::2, ..., 1] = 9
    scaling = scaling_for(Recipe(scaling="standard"), images, np.arange(100))
    assert scaling.factor == (1.0, 1.0), "deviations of 0.025 and 1"
    assert abs(255 * scaling.factor[0] + scaling.offset[0]) < 255


@pytest.mark.parametrize(("kind", "factor"), [("unit", 1 / 255), ("raw", 1.0)])
def test_unit_and_raw_scaling(kind: str, factor: float) -> None:
    images = np.zeros((1, 2, 2, 3), np.uint8)
    assert scaling_for(Recipe(scaling=kind), images, np.arange(1)) == Scaling((factor,) * 3, (0.0,) * 3)
