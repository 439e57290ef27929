"""`LinearWeights`: the answer of every linear head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
