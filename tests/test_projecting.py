"""Principal components: what they are, and which sign they have."""

from __future__ import annotations

import numpy as np
import pytest

from issun.arch.notation import parse_network
from issun.engine.protocol import Scaling
from issun.engine.weights import initialised
from issun.extraction.projecting import principal_components, project
from issun.model import Model
from issun.webpage.networks import projection


def features(images: int, size: int) -> np.ndarray:
    return (np.random.default_rng(3).normal(size=(images, size)) * np.geomspace(5, 0.5, size)).astype(np.float32)


@pytest.mark.parametrize("shape", [(50, 2), (60, 12), (8, 40)])
def test_components_are_those_of_the_covariance(shape: tuple[int, int]) -> None:
    given = features(*shape)
    found = principal_components(given, 2)
    centred = given.astype(np.float64) - given.mean(axis=0, dtype=np.float64)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    # The sign: the feature that weighs most in a component has a positive weight.
    axes = axes[:2] * np.sign(axes[[0, 1], np.abs(axes[:2]).argmax(axis=1)])[:, None]
    np.testing.assert_allclose(found.values, centred @ axes.T, atol=1e-4)
    np.testing.assert_allclose(found.share, (singular**2 / (singular**2).sum())[:2], atol=1e-5)
    np.testing.assert_array_equal(project(given, "pca"), found.values)


def test_no_more_components_than_images_and_features() -> None:
    assert principal_components(features(3, 40), 50).values.shape == (3, 3)
    assert principal_components(features(9, 1), 2).values.shape == (9, 1)


def test_a_page_shows_the_plane_that_project_draws() -> None:
    """The features that reach the one layer of `dense` are the scaled pixels."""
    net = parse_network("dense", (4, 4, 1), 3)
    model = Model(net, initialised(net, "he", 0), Scaling((1 / 255,), (0.0,)), ("a", "b", "c"))
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1), np.uint8)
    shown = projection(model, images, np.arange(40, dtype=np.int32) % 3)
    assert shown is not None
    drawn = project(images.reshape(40, 16).astype(np.float32) / 255, "pca")
    np.testing.assert_allclose(np.column_stack([shown["x"], shown["y"]]), drawn / np.abs(drawn).max(), atol=1e-3)
    assert projection(model, np.zeros_like(images), np.zeros(40, np.int32)) is None, "all images are the same"
