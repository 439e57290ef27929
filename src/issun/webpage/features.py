"""How does a network see the images? What reaches its classifier, in the plane; the page colours it by class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.engine.reference.engine import ReferenceEngine
from issun.model import Model
from issun.recipe import Recipe
from issun.webpage.rounding import rounded

#: Images in the plane, how many of them are computed at once, and the longest vectors that are compared.
MOST_IMAGES, BATCH, MOST_FEATURES = 300, 25, 20_000


def projection(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int32]) -> dict[str, Any] | None:
    """Return where images lie by the first two principal components of the features that reach the last layer.

    A picture, no proof: classes that overlap here may lie apart in other directions.

    Parameters
    ----------
    model : Model
    images : ndarray of uint8, shape (N, height, width, channels)
        Each is one point, so at most `MOST_IMAGES` should come in.
    labels : ndarray of int, shape (N,)

    Returns
    -------
    dict or None
        ``method``; ``layer``: what the features enter; ``features``: how many; ``share``: of the variance, that of each axis; ``x, y,
        label``: of each image. None where there are fewer than two features that differ, or too many.
    """
    net = model.net
    if len(images) < 3 or not 2 <= int(np.prod(net.ops[-1].input)) <= MOST_FEATURES:
        return None
    engine = ReferenceEngine(net, Recipe(), model.scaling)
    parts = [
        engine.forward(model.weights, images, np.arange(start, min(start + BATCH, len(images))), None)[1][-1].x
        for start in range(0, len(images), BATCH)
    ]
    features = np.concatenate([part.reshape(len(part), -1) for part in parts])
    features = features - features.mean(axis=0)
    if not np.isfinite(features).all():
        return None
    left, values, _ = np.linalg.svd(features, full_matrices=False)
    if values[1] <= 1e-9 * values[0] or values[0] == 0:
        return None
    plane = left[:, :2] * values[:2]
    # The sign of a component is arbitrary: the point that is farthest out lies on its positive side.
    plane *= np.where(plane[np.abs(plane).argmax(axis=0), [0, 1]] < 0, -1, 1)
    plane /= np.abs(plane).max()
    share = values**2 / (values**2).sum()
    return {
        "method": "PCA",
        "layer": net.ops[-1].text,
        "features": features.shape[1],
        "share": [rounded(part, 3) for part in share[:2]],
        "x": [rounded(value, 3) for value in plane[:, 0]],
        "y": [rounded(value, 3) for value in plane[:, 1]],
        "label": [int(label) for label in labels],
    }
