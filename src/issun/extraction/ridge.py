"""Ridge regression in closed form, for many features and many images: the images are read once, in blocks, whatever is tried afterwards.

Least squares on indicators of the classes with the penalty α · n · v · Σ w², where n counts the images and v is the mean variance of the
features, so that one α means the same for any data. The answer is the class whose indicator is largest.

All that it needs of the images are sums: their number, the features' means, products of features with each other and with the classes.
One eigendecomposition of the products then gives the weights for every α (Hastie, Tibshirani & Friedman 2009, section 3.4.1). Beyond some
thousand features a Cholesky factorisation for each α is cheaper than that.

With fewer images than features the same weights come from products of images with each other, which are fewer (`DualRidgeProblem`; the
dual form of Saunders, Gammerman & Vovk 1998, "Ridge regression learning algorithm in dual variables").

`LinearWeights` is the answer of every linear head, however it was fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg


@dataclass(frozen=True, eq=False)
class LinearWeights:
    """A linear classifier: the class of a row x is the largest of ``x @ weights + offsets``.

    `weights` is float32 (features, classes), `offsets` float32 (classes,).
    """

    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a score for each class, shape (images, classes)."""
        return np.asarray(features @ self.weights + self.offsets, np.float32)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class index of each row."""
        return np.asarray(self.scores(features).argmax(axis=1), np.int64)


#: Strengths of the penalty that are tried where none is given.
STRENGTHS = tuple(float(f"{10**power:.3g}") for power in np.arange(-7.0, 1.1, 0.5))

#: With more equations than this each strength is solved by itself: a factorisation costs d³/3, an eigendecomposition about 9 d³.
MOST_EIGEN = 3000

#: Bytes of a block of images as float64.
_BLOCK = 64 * 1024**2


@dataclass(frozen=True, eq=False)
class Sums:
    """What ridge regression needs of images: sums over them, in float64, of features after `shift` was subtracted.

    `total` (features,), `products` (features, features), `by_class` (features, classes), `counts` (classes,).
    """

    shift: NDArray[np.float64]
    total: NDArray[np.float64]
    products: NDArray[np.float64]
    by_class: NDArray[np.float64]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float32], labels: NDArray[np.int32], classes: int, shift: NDArray[np.float64] | None = None) -> Sums:
        """Return the sums over images.

        Parameters
        ----------
        features : ndarray of float32, shape (images, features)
        labels : ndarray of int32, shape (images,)
        classes : int
        shift : ndarray of float64, shape (features,), optional
            By default the means of the first block: values near zero lose fewer digits in the products.
        """
        size = features.shape[1]
        rows = max(64, _BLOCK // (8 * size))
        shift = features[:rows].mean(axis=0, dtype=np.float64) if shift is None else shift
        sums = cls(shift, np.zeros(size), np.zeros((size, size)), np.zeros((size, classes)), np.zeros(classes))
        for start in range(0, len(features), rows):
            block = features[start : start + rows].astype(np.float64)
            block -= shift
            wanted = np.eye(classes)[labels[start : start + rows]]
            np.add(sums.products, block.T @ block, out=sums.products)
            np.add(sums.by_class, block.T @ wanted, out=sums.by_class)
            np.add(sums.total, block.sum(axis=0), out=sums.total)
            np.add(sums.counts, wanted.sum(axis=0), out=sums.counts)
        return sums

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over the images of both, which must have the same shift."""
        assert np.array_equal(self.shift, other.shift), "sums around different shifts"
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("total", "products", "by_class", "counts"))
        return Sums(self.shift, *(first + second for first, second in pairs))


class RidgeProblem:
    """Ridge regression on given sums, ready to be solved for any strength.

    Parameters
    ----------
    sums : Sums
    standardise : bool
        Whether each feature is divided by its standard deviation first; constant ones are left out either way.
    """

    def __init__(self, sums: Sums, standardise: bool = True) -> None:
        images = sums.counts.sum()
        mean = sums.total / images
        covariance = sums.products / images
        covariance -= np.outer(mean, mean)
        variances = np.diag(covariance).copy()
        # A constant feature has a variance of rounding errors; it must not be divided by them.
        self._kept = variances > 1e-10 * np.maximum(variances.max(), np.diag(sums.products) / images)
        self._mean = mean + sums.shift
        self._scale = np.where(self._kept, np.sqrt(np.maximum(variances, 0)), 1.0) if standardise else np.ones(len(mean))
        shares = sums.counts / images
        wanted = sums.by_class / images - np.outer(mean, shares)
        wanted[~self._kept] = 0
        covariance[~self._kept] = 0
        covariance[:, ~self._kept] = 0
        covariance /= self._scale
        covariance /= self._scale[:, None]
        self._shares = shares
        self._equations = _Equations(covariance, wanted / self._scale[:, None])
        self._unit = float(np.trace(covariance)) / max(1, int(self._kept.sum()))

    def solve(self, strength: float) -> LinearWeights:
        """Return the weights for a strength α above 0."""
        weights = self._equations.solve(strength * self._unit) / self._scale[:, None]
        return LinearWeights(weights.astype(np.float32), (self._shares - self._mean @ weights).astype(np.float32))


class DualRidgeProblem:
    """The same as `RidgeProblem` for fewer images than features: it solves for a number of each image, not of each feature.

    Parameters
    ----------
    features : ndarray of float32, shape (images, features)
    labels : ndarray of int32, shape (images,)
    classes : int
    standardise : bool
        Whether each feature is divided by its standard deviation first; constant ones are left out either way.
    """

    def __init__(self, features: NDArray[np.float32], labels: NDArray[np.int32], classes: int, standardise: bool = True) -> None:
        images = len(features)
        self._mean = features.mean(axis=0, dtype=np.float64)
        rows = features - self._mean
        variances = np.einsum("ij,ij->j", rows, rows) / images
        # As in RidgeProblem: a constant feature must not be divided by its rounding errors.
        kept = variances > 1e-10 * variances.max()
        rows[:, ~kept] = 0
        self._scale = np.where(kept, np.sqrt(variances), 1.0) if standardise else np.ones(len(variances))
        rows /= self._scale
        wanted = np.eye(classes)[labels]
        self._shares = wanted.mean(axis=0)
        self._rows = rows
        products = rows @ rows.T / images
        self._equations = _Equations(products, (wanted - self._shares) / images)
        self._unit = float(np.trace(products)) / max(1, int(kept.sum()))

    def solve(self, strength: float) -> LinearWeights:
        """Return the weights for a strength α above 0."""
        weights = self._rows.T @ self._equations.solve(strength * self._unit) / self._scale[:, None]
        return LinearWeights(weights.astype(np.float32), (self._shares - self._mean @ weights).astype(np.float32))


class _Equations:
    """(matrix + penalty · identity) · x = wanted, for any penalty above 0; the matrix is symmetric and has no eigenvalue below 0."""

    def __init__(self, matrix: NDArray[np.float64], wanted: NDArray[np.float64]) -> None:
        self._matrix, self._wanted = matrix, wanted

    @cached_property
    def _eigen(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        values, vectors = linalg.eigh(self._matrix, driver="evd", check_finite=False)
        return np.maximum(values, 0), vectors, vectors.T @ self._wanted

    def solve(self, penalty: float) -> NDArray[np.float64]:
        if len(self._matrix) <= MOST_EIGEN:
            values, vectors, turned = self._eigen
            return np.asarray(vectors @ (turned / (values + penalty)[:, None]), np.float64)
        matrix = self._matrix.copy()
        matrix[np.diag_indices_from(matrix)] += penalty
        factor = linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
        return np.asarray(linalg.cho_solve(factor, self._wanted, check_finite=False), np.float64)
