"""Filters from the images themselves, without labels: whitened patches, their k-means centroids, or principal components.

What a filter does to a patch is linear, so that all of it becomes the kernel and the bias of an ordinary convolution: the patch's mean
is removed, the patch is whitened, and compared with a prototype. The rule for the bias, a threshold below which the ReLU is zero, is the
soft threshold of Coates & Ng, "The importance of encoding versus training with sparse coding and vector quantization" (2011).

- ``patches``, ``kmeans``: Coates, Lee & Ng, "An analysis of single-layer networks in unsupervised feature learning" (2011); the k-means is
  the spherical one of Coates & Ng, "Learning feature representations with k-means" (2012). Their patches are also divided by their
  deviation, which no convolution can do.
- ``pca``: Chan et al., "PCANet: a simple deep learning baseline for image classification?" (2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issun.errors import RecipeError

Floats = NDArray[np.float32]

#: Products of patches and filters that are in memory together.
_TOGETHER = 1 << 27

#: Steps of k-means; spherical k-means on whitened patches has settled by then.
KMEANS_STEPS = 10


@dataclass(frozen=True)
class Patches:
    """How filters are taken from patches.

    Parameters
    ----------
    count : int
        How many patches are drawn for each convolution, at most.
    images : int
        From how many images they are drawn, at most.
    whitening : float
        What is added to every variance before it is divided by, as a share of their mean: small sharpens fine detail (and noise).
    threshold : float
        What a response must exceed for a ReLU to pass it, in standard deviations of the responses of the filter. Layers with another
        activation, or without bias, have none.
    centred : bool
        Whether the mean of each patch is removed.
    two_sided : bool
        Whether every second filter is the negative of another, so that a ReLU of both keeps a prototype's contrary too.

    Raises
    ------
    RecipeError
        Where a number is outside its range.
    """

    count: int = 100_000
    images: int = 10_000
    whitening: float = 0.1
    threshold: float = 0.5
    centred: bool = True
    two_sided: bool = False

    def __post_init__(self) -> None:
        for name in ("count", "images"):
            if getattr(self, name) < 1:
                raise RecipeError(f"`{name}` (={getattr(self, name)}) of patches must be at least 1")
        if not 0 < self.whitening < np.inf:
            raise RecipeError(f"`whitening` (={self.whitening:g}) must be a finite number above 0")
        if not np.isfinite(self.threshold):
            raise RecipeError(f"`threshold` (={self.threshold:g}) must be a finite number")


@dataclass(frozen=True, eq=False)
class Filters:
    """Filters of one convolution: kernel (filters, length of a patch), and mean and deviation (filters,) of what it makes of patches."""

    kernel: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def learned(patches: Floats, filters: int, kind: str, settings: Patches, random: np.random.Generator) -> Filters:
    """Return filters from patches, scaled so that their responses have deviation 1.

    Parameters
    ----------
    patches : ndarray of float32, shape (count, length)
    filters : int
    kind : {"patches", "kmeans", "pca"}
    settings : Patches
    random : numpy.random.Generator
    """
    length = patches.shape[1]
    centred = settings.centred and length > 1
    values = patches - patches.mean(axis=1, keepdims=True) if centred else patches
    # What is the same all over says nothing: blank background would be most of what is drawn of digits.
    energy = np.square(values - values.mean(axis=0)).sum(axis=1) if not centred else np.square(values).sum(axis=1)
    values = values[energy > 1e-6 * energy.max()] if energy.max() > 0 else values
    mean = values.mean(axis=0, dtype=np.float64)
    values = (values - mean).astype(np.float32)
    variances, axes = np.linalg.eigh((values.T @ values).astype(np.float64) / len(values))
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    prototypes = -(-filters // 2) if settings.two_sided else filters
    if variances[0] <= 0:  # every patch is the same: any direction is as good as another
        kernel = random.standard_normal((prototypes, length))
    elif kind == "pca":
        kernel = _components(axes, int((variances > 1e-9 * variances[0]).sum()), prototypes, random)
    else:
        whitener = (axes / np.sqrt(variances + settings.whitening * variances.mean())) @ axes.T
        white = values @ whitener.astype(np.float32)
        chosen = white[random.permutation(len(white))[np.arange(prototypes) % len(white)]]
        if kind == "kmeans":
            chosen = _centroids(white, chosen, random)
        kernel = _unit(chosen) @ whitener
    if centred:
        kernel = kernel - kernel.mean(axis=1, keepdims=True)
    if settings.two_sided:
        kernel = np.stack([kernel, -kernel], axis=1).reshape(-1, length)[:filters]
    deviation = _deviations(values[:20_000], kernel.T.astype(np.float32))
    kernel /= np.where(deviation > 0, deviation, 1)[:, None]
    return Filters(kernel, kernel @ mean, (deviation > 0).astype(np.float64))


def _deviations(values: Floats, columns: Floats) -> NDArray[np.float64]:
    """Return the deviation of each column of ``values @ columns``, of not too many at a time."""
    step = max(1, _TOGETHER // len(values))
    parts = [(values @ columns[:, start : start + step]).std(axis=0, dtype=np.float64) for start in range(0, columns.shape[1], step)]
    return np.concatenate(parts)


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return rows of length 1."""
    norms = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1))


def _components(axes: NDArray[np.float64], rank: int, filters: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return principal components, largest variance first; then their negatives; then random rotations of them all."""
    basis = axes[:, : max(1, rank)].T
    blocks = [basis, -basis]
    while sum(map(len, blocks)) < filters:
        rotation, _ = np.linalg.qr(random.standard_normal((len(basis), len(basis))))
        blocks.append(rotation @ basis)
    return np.concatenate(blocks)[:filters]


def _centroids(white: Floats, start: Floats, random: np.random.Generator) -> Floats:
    """Return the centroids of spherical k-means: each patch counts for the one with which its product is largest, in proportion to it."""
    centroids = _unit(start).astype(np.float32)
    step = max(1, min(10_000, _TOGETHER // len(centroids)))
    for _ in range(KMEANS_STEPS):
        sums = np.zeros_like(centroids)
        members = np.zeros(len(centroids), np.int64)
        for first in range(0, len(white), step):
            part = white[first : first + step]
            products = part @ centroids.T
            nearest = products.argmax(axis=1)
            weights = np.zeros_like(products)
            rows = np.arange(len(part))
            weights[rows, nearest] = products[rows, nearest]
            sums += weights.T @ part
            members += np.bincount(nearest, minlength=len(centroids))
        empty = np.flatnonzero(members == 0)
        sums[empty] = white[random.integers(0, len(white), len(empty))]
        centroids = _unit(sums).astype(np.float32)
    return centroids
