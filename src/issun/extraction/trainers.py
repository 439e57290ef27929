"""Features and settings become a fitted head. One trainer keeps what several settings on the same images have in common.

The linear support vector machine is issun's own: one class against the rest, squared hinge, by L-BFGS. liblinear, behind scikit-learn's
`LinearSVC`, copies dense features into lists of pairs (four times their memory) and uses one thread. The squared hinge is smooth, so that
two matrix products for each step do the same work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b

from issun.errors import HeadError
from issun.extraction.head_kinds import Head, estimator_class, gamma_factor
from issun.extraction.ridge import DualRidgeProblem, LinearWeights, RidgeProblem, Sums


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


#: Images that a head answers for at once: their distances to all support vectors or neighbours must fit into memory.
_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Fitted:
    """A head that has learnt.

    Attributes
    ----------
    model : object
        With a method ``predict`` from features to class indices.
    scaler : tuple of ndarray, or None
        Mean and deviation of each feature, where they are standardised before the model sees them.
    parameters : int
        Numbers that an answer needs: see `count`.
    problem : str
        Why it is not what it should be (training did not converge), or nothing.
    """

    model: Any
    scaler: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    parameters: int
    problem: str

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class index of each row of features, shape (images,)."""
        found = [
            np.asarray(self.model.predict(_scaled(features[start : start + _ROWS], self.scaler)), np.int64)
            for start in range(0, len(features), _ROWS)
        ]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def linear(self) -> LinearWeights | None:
        """Return the head as weights of the features as they come, with a score for each class that it has seen; None where it is none."""
        if isinstance(self.model, LinearWeights):
            return self.model
        if not _is_linear(self.model):
            return None
        weights, offsets = np.asarray(self.model.coef_, np.float64).T, np.asarray(self.model.intercept_, np.float64)
        if weights.shape[1] == 1:  # of two classes, what speaks for the second
            weights, offsets = weights * [-0.5, 0.5], offsets * [-0.5, 0.5]
        if self.scaler is not None:
            mean, deviation = self.scaler
            weights = weights / deviation[:, None]
            offsets = offsets - mean @ weights
        return LinearWeights(weights.astype(np.float32), offsets.astype(np.float32))


class Trainer(Protocol):
    """Training images and their labels, ready for a head of any settings."""

    def fit(self, settings: Mapping[str, Any]) -> Fitted:
        """Return the head with these settings; all of them are given."""
        ...

    def extended(self, features: NDArray[np.float32], labels: NDArray[np.int32]) -> Trainer:
        """Return a trainer that has these images as well."""
        ...


def make_trainer(head: Head, features: NDArray[np.float32], labels: NDArray[np.int32], seed: int, threads: int) -> Trainer:
    """Return a trainer for a head.

    Parameters
    ----------
    head : Head
    features : ndarray of float32, shape (images, features)
    labels : ndarray of int32, shape (images,)
        At least two different ones.
    seed : int
        Of the heads that draw numbers.
    threads : int
        How many each training may use.
    """
    if head.name == "ridge":
        return _ridge_trainer(features, labels, int(labels.max()) + 1)
    return _EstimatorTrainer(head, features, labels, seed, threads)


def _ridge_trainer(features: NDArray[np.float32], labels: NDArray[np.int32], classes: int) -> Trainer:
    """Return the trainer that has fewer equations to solve: one for each image, or one for each feature."""
    if len(features) < features.shape[1]:
        return _DualRidgeTrainer(features, labels, classes)
    return _RidgeTrainer(Sums.of(features, labels, classes))


class _DualRidgeTrainer:
    """Fewer images than features; what was decomposed for one strength serves the next."""

    def __init__(self, features: NDArray[np.float32], labels: NDArray[np.int32], classes: int) -> None:
        self._features, self._labels, self._classes = features, labels, classes
        self._problems: dict[bool, DualRidgeProblem] = {}

    def fit(self, settings: Mapping[str, Any]) -> Fitted:
        standardise = bool(settings["standardise"])
        if standardise not in self._problems:
            self._problems = {standardise: DualRidgeProblem(self._features, self._labels, self._classes, standardise)}
        weights = self._problems[standardise].solve(float(settings["strength"]))
        return Fitted(weights, None, count(weights), "")

    def extended(self, features: NDArray[np.float32], labels: NDArray[np.int32]) -> Trainer:
        self._problems = {}
        _refuse_new_classes(labels, self._classes)
        both = np.concatenate([self._features, features]), np.concatenate([self._labels, labels])
        return _ridge_trainer(*both, self._classes)


def _refuse_new_classes(labels: NDArray[np.int32], classes: int) -> None:
    if labels.max() >= classes:
        raise HeadError(f"the class {labels.max()} has no training images; add some")


class _RidgeTrainer:
    """Sums over the images; what was decomposed for one strength serves the next."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self._problems: dict[bool, RidgeProblem] = {}

    def fit(self, settings: Mapping[str, Any]) -> Fitted:
        standardise = bool(settings["standardise"])
        if standardise not in self._problems:
            self._problems = {standardise: RidgeProblem(self._sums, standardise)}
        weights = self._problems[standardise].solve(float(settings["strength"]))
        return Fitted(weights, None, count(weights), "")

    def extended(self, features: NDArray[np.float32], labels: NDArray[np.int32]) -> Trainer:
        self._problems = {}  # as large as the sums themselves
        classes = len(self._sums.counts)
        _refuse_new_classes(labels, classes)
        return _RidgeTrainer(self._sums + Sums.of(features, labels, classes, self._sums.shift))


class _EstimatorTrainer:
    """An estimator of scikit-learn, on standardised features where asked for."""

    def __init__(self, head: Head, features: NDArray[np.float32], labels: NDArray[np.int32], seed: int, threads: int) -> None:
        self._head, self._features, self._labels, self._seed, self._threads = head, features, labels, seed, threads

    def fit(self, settings: Mapping[str, Any]) -> Fitted:
        scaler = _scaler(self._features) if settings["standardise"] else None
        scaled = _scaled(self._features, scaler)
        estimator = _estimator(self._head, settings, scaled, self._seed, self._threads)
        estimator.fit(scaled, self._labels)
        problem = "" if (steps := _steps(estimator)) is None else f"did not converge in {steps:,} steps"
        return Fitted(estimator, scaler, count(estimator) + (0 if scaler is None or _is_linear(estimator) else 2 * len(scaler[0])), problem)

    def extended(self, features: NDArray[np.float32], labels: NDArray[np.int32]) -> Trainer:
        both = np.concatenate([self._features, features]), np.concatenate([self._labels, labels])
        return _EstimatorTrainer(self._head, *both, self._seed, self._threads)


def _estimator(head: Head, settings: Mapping[str, Any], features: NDArray[np.float32], seed: int, threads: int) -> Any:
    """Return the head's estimator, not fitted."""
    given = {name: value for name, value in settings.items() if name != "standardise"}
    factor = gamma_factor(given.get("gamma"))
    if factor is not None:
        variance = float(features.var(dtype=np.float64))
        given["gamma"] = factor / (features.shape[1] * variance) if variance > 0 else factor
    if head.name == "forest":
        given |= {"random_state": seed, "n_jobs": threads}
    elif head.name == "neighbours":
        if given["n_neighbors"] > len(features):
            raise HeadError(f"`n_neighbors` (={given['n_neighbors']}) must be at most the number of training images ({len(features)})")
        given |= {"algorithm": "brute", "n_jobs": threads}
    elif head.name == "svm":
        given |= {"cache_size": 500, "max_iter": given["max_iter"] or -1}
    return SquaredHinge(**given) if head.name == "linear-svm" else estimator_class(head)(**given)


def _scaler(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and deviation of each feature; of constant ones the deviation is 1, so that they become 0."""
    mean = features.mean(axis=0, dtype=np.float64)
    squares = np.zeros(features.shape[1])
    for start in range(0, len(features), _ROWS):
        squares += ((features[start : start + _ROWS] - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / len(features))
    constant = deviation <= 1e-6 * np.abs(mean)
    return mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32)


def _scaled(features: NDArray[np.float32], scaler: tuple[NDArray[np.float32], NDArray[np.float32]] | None) -> NDArray[np.float32]:
    if scaler is None:
        return features
    scaled = features - scaler[0]
    scaled /= scaler[1]
    return scaled


def _is_linear(model: Any) -> bool:
    return isinstance(model, LinearWeights) or (hasattr(model, "coef_") and not hasattr(model, "support_vectors_"))


def _steps(estimator: Any) -> int | None:
    """Return after how many steps training was stopped before it converged; None where it was not."""
    limit = getattr(estimator, "max_iter", None)
    if limit is None:
        return None
    if hasattr(estimator, "fit_status_"):
        return int(limit) if np.any(estimator.fit_status_) else None
    taken = np.max(getattr(estimator, "n_iter_", 0))
    return int(limit) if taken >= limit else None


def count(model: Any) -> int:
    """Return how many numbers an answer of a fitted model needs.

    - linear models: coefficients and intercepts (a standardisation folds into them);
    - support vector machine: support vectors x features, their coefficients, intercepts;
    - forest: four numbers for each split (feature, threshold, two places), one for each class in each leaf;
    - neighbours: every training image's features and its label.

    Other heads than linear ones need two numbers more for each feature that is standardised; `Fitted.parameters` has them too.
    """
    if isinstance(model, LinearWeights):
        return model.weights.size + model.offsets.size
    if hasattr(model, "support_vectors_"):
        return int(model.support_vectors_.size + np.asarray(model.dual_coef_).size + np.asarray(model.intercept_).size)
    if hasattr(model, "coef_"):
        return int(np.asarray(model.coef_).size + np.asarray(model.intercept_).size)
    if hasattr(model, "estimators_"):
        leaves = sum(tree.tree_.n_leaves for tree in model.estimators_)
        splits = sum(tree.tree_.node_count for tree in model.estimators_) - leaves
        return int(4 * splits + len(model.classes_) * leaves)
    return int(model.n_samples_fit_) * (int(model.n_features_in_) + 1)
