"""A linear support vector machine for dense features: one class against the rest, squared hinge, by L-BFGS.

liblinear, behind scikit-learn's `LinearSVC`, copies dense features into lists of pairs (four times their memory) and uses one thread. The
squared hinge is smooth, so that two matrix products for each step do the same work.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b

from issun.extraction.linear_weights import LinearWeights


class SquaredHinge:
    """Minimise ½ Σ w² + C Σ max(0, 1 − y (w·x + b))² for each class, with y = 1 for its images and −1 for the others.

    The offset b is not penalised (in liblinear it is).

    Parameters
    ----------
    C : float
        Weight of the images against the penalty, above 0.
    max_iter : int
        The most steps.

    Attributes
    ----------
    coef_, intercept_ : ndarray of float32, shape (classes, features) and (classes,)
    classes_ : ndarray of int
    n_iter_ : int
    """

    def __init__(self, C: float = 0.01, max_iter: int = 1000) -> None:
        self.C, self.max_iter = C, max_iter

    def fit(self, features: NDArray[np.float32], labels: NDArray[np.int32]) -> SquaredHinge:
        """Learn from features, float32 of shape (images, features), and their class indices."""
        self.classes_ = np.unique(labels)
        sides = np.where(labels[:, None] == self.classes_, np.float32(1), np.float32(-1))
        size, count = features.shape[1], len(self.classes_)

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights, offsets = flat[: size * count].reshape(size, count), flat[size * count :]
            short = 1 - sides * (features @ weights.astype(np.float32) + offsets.astype(np.float32))
            np.maximum(short, 0, out=short)
            value = 0.5 * float(np.vdot(weights, weights)) + self.C * float(np.sum(short * short, dtype=np.float64))
            pull = sides * short
            gradient = weights - 2 * self.C * (features.T @ pull)
            return value, np.concatenate([gradient.ravel(), -2 * self.C * pull.sum(axis=0, dtype=np.float64)])

        # The loss is a sum in float32: below about 1e-7 of it nothing can be told apart, and 1e-6 changes no class.
        factor = 1e-6 / np.finfo(np.float64).eps
        start = np.zeros((size + 1) * count)
        found, _, about = fmin_l_bfgs_b(loss, start, factr=factor, pgtol=0, m=20, maxiter=self.max_iter, maxfun=2 * self.max_iter)
        self.coef_ = found[: size * count].reshape(size, count).T.astype(np.float32)
        self.intercept_ = found[size * count :].astype(np.float32)
        # 1: too many steps; 2: no step makes it smaller, which is as far as float32 goes.
        self.n_iter_ = self.max_iter if about["warnflag"] == 1 else int(about["nit"])
        return self

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class index of each row."""
        found = LinearWeights(self.coef_.T, self.intercept_).predict(features)
        return np.asarray(self.classes_[found], np.int64)
