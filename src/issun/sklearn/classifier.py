"""`ConvNetClassifier`: a small network as a scikit-learn classifier."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.datasets.appearance import Appearance
from issun.engine import State, class_weights_for, fit, handed_over, make_engine, scaling_for
from issun.errors import EstimatorError
from issun.model import Model
from issun.provenance import KeptEpoch, Provenance
from issun.recipe import Recipe
from issun.sklearn.images import TakesImages, errors_of


class ConvNetClassifier(ClassifierMixin, TakesImages):  # type: ignore[misc]
    """A convolutional network, trained by the compiled core.

    Parameters
    ----------
    network : str
        In issun's notation, ending with its classifier, ``dense``.
    knobs : mapping of str to int, optional
        Values of the knobs where `network` is a family, such as ``{"n": 8}``.
    recipe : Recipe or mapping, optional
        How to train, or settings in place of the defaults, `Recipe.for_images` of the number of images.
    epochs, batch_size, learning_rate : optional
        Override the recipe's settings; parameters here so that a grid search can set them.
    class_weight : "balanced" or mapping of class to float, optional
        Weight of each class, in place of the recipe's `class_weight`; a class that is not in the mapping has weight 1.
    validation_fraction : float
        Fraction of the images set aside, by class, to validate on after every epoch; required by a recipe with `patience` or
        ``restore_best_weights=True``. By default none, since in cross-validation the folds serve this purpose.
    image_shape : tuple of int, optional
        As of `ConvFeatures`.
    warm_start : bool
        Whether `fit` starts from the weights of the previous call, where network and classes are the same.
    random_state : int, RandomState or None
    threads : int, optional
        By default one for each core; the result does not depend on it, bit for bit.

    Attributes
    ----------
    classes_ : ndarray
        Class labels of any type.
    model_ : Model
        The trained network; ``model_.save`` writes it to a file of numbers without code, which is safer than a pickle.
    loss_curve_ : list of float
        Training loss of each epoch.
    image_shape_, range_
        As of `ConvFeatures`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from issun import ConvNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = ConvNetClassifier("conv 8, pool, conv 16, dense", epochs=12, random_state=0).fit(X[:1400], y[:1400])
    >>> bool(classifier.score(X[1400:], y[1400:]) > 0.9)
    True
    """

    classes_: NDArray[Any]
    model_: Model

    def __init__(
        self,
        network: str = "conv 8 same, pool same, conv 16 same, pool same, dense",
        *,
        knobs: Mapping[str, int] | None = None,
        recipe: Recipe | Mapping[str, Any] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        class_weight: Any = None,
        validation_fraction: float = 0.0,
        image_shape: tuple[int, ...] | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        threads: int | None = None,
    ) -> None:
        self.network = network
        self.knobs = knobs
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.warm_start = warm_start
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: ArrayLike, y: ArrayLike) -> ConvNetClassifier:
        """Train the network.

        Parameters
        ----------
        X : array-like, shape (N, height, width), (N, height, width, channels) or (N, values)
            Images.
        y : array-like, shape (N,)
            Labels of any type, of at least two classes.

        Raises
        ------
        EstimatorError
            Where parameters, images or labels cannot be used, or training diverged; it is also a ValueError.
        """
        model: Model | None = getattr(self, "model_", None) if self.warm_start else None
        known = None if model is None else self.classes_
        rows, targets = self._rows(X, reset=True, y=_needed(y, self))
        self.classes_, labels = np.unique(targets, return_inverse=True)
        if len(self.classes_) < 2:
            raise EstimatorError(f"{type(self).__name__} needs at least two classes, but y has only one class: {self.classes_[0]}")
        with errors_of(self):
            net = self._fitted_net(self.network, self.knobs, len(self.classes_))
            start = None if model is None else self._weights_of(model, known, net)
            self._train(net, self._images(rows), labels.astype(np.int32), start)
        return self

    def _weights_of(self, model: Model, classes: Any, net: Net) -> NDArray[np.float32]:
        """Return the weights that a warm start begins with."""
        if model.net != net or not np.array_equal(classes, self.classes_):
            known, now = (
                f"`{net}` for images of {shape_text(net.input)} and the classes {names.tolist()}"
                for net, names in ((model.net, classes), (net, self.classes_))
            )
            raise EstimatorError(f"`warm_start` continues with {known}, but was given {now}: start with a clone")
        return model.weights

    def _chosen_recipe(self, images: int) -> Recipe:
        own = {name: getattr(self, name) for name in ("epochs", "batch_size", "learning_rate")}
        own |= {"class_weight": self._class_weights()}
        own = {name: value for name, value in own.items() if value is not None}
        if isinstance(self.recipe, Recipe):
            return Recipe(**self.recipe.model_dump() | own)
        if not isinstance(self.recipe, Mapping | None):
            raise EstimatorError(f"`recipe` (={self.recipe!r}) must be a Recipe, or a dict of its settings, such as {{'optimizer': 'sgd'}}")
        return Recipe.for_images(images, **{**(self.recipe or {}), **own})

    def _class_weights(self) -> Any:
        """Return `class_weight` as a recipe has it, which says what it may be."""
        if not isinstance(self.class_weight, Mapping):
            return self.class_weight
        classes = self.classes_.tolist()
        if unknown := [name for name in self.class_weight if name not in classes]:
            raise EstimatorError(f"`class_weight` has {unknown[:5]}, which are not in y: its classes are {classes}")
        return tuple(self.class_weight.get(name, 1.0) for name in classes)

    def _train(self, net: Net, images: NDArray[np.uint8], labels: NDArray[np.int32], start: NDArray[np.float32] | None) -> None:
        seed = self._seed()
        train, aside = self._split(labels, seed)
        recipe = self._chosen_recipe(len(train))
        if not len(aside) and (recipe.patience is not None or recipe.restore_best_weights):
            raise EstimatorError(
                "`patience` and `restore_best_weights` of the recipe need validation images: give `validation_fraction`, such as 0.1"
            )
        if net.trainable_params == 0:
            raise EstimatorError(f"`{net}` has nothing to train: use ConvFeatures for an untrained network")
        weights = class_weights_for(recipe, labels, train, len(self.classes_))
        scaling = scaling_for(recipe, images, train)
        engine = make_engine(net, recipe, scaling, self._threads(), class_weights=weights)
        state = State.start(net, recipe, seed)
        if start is not None:
            state.weights[:] = start
            if state.average is not None:
                state.average[:] = start
        self.loss_curve_: list[float] = []
        watched = aside if len(aside) else None
        fit(engine, net, recipe, images, labels, train, watched, seed, state, lambda line, _: self.loss_curve_.append(line.train_loss))
        if not np.isfinite(self.loss_curve_[-1]):
            raise EstimatorError(f"training diverged in epoch {state.epoch}: use a smaller `learning_rate` (now {recipe.learning_rate:g})")
        kept, epoch = handed_over(recipe, state)
        provenance = Provenance(made_by=type(self).__name__, seed=seed, epoch=KeptEpoch(epoch, state.epoch), recipe=recipe.stored_json())
        names = [str(name) for name in self.classes_]
        if len(set(names)) < len(names):
            names = [repr(name) for name in self.classes_.tolist()]
        self.model_ = Model(net, kept, scaling, tuple(names), provenance, Appearance.of(images[train]))

    def _split(self, labels: NDArray[np.int32], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        everything = np.arange(len(labels))
        share: Any = self.validation_fraction
        if not isinstance(share, int | float | np.number) or not 0 <= share < 1:
            raise EstimatorError(f"`validation_fraction` (={share!r}) must be a number of at least 0 and below 1")
        if not share:
            return everything, everything[:0]
        try:
            train, aside = train_test_split(everything, test_size=float(share), stratify=labels, random_state=seed)
        except ValueError as error:  # fewer images than classes
            raise EstimatorError(f"`validation_fraction` (={share!r}) does not fit these images: {error}") from None
        return np.sort(train), np.sort(aside)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each class, in the order of `classes_`, float32 of shape (N, classes)."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        with errors_of(self):
            return self.model_.predict_proba(self._images(rows), self._threads())

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each image, shape (N,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `model_` to a safetensors file: numbers and text, no code, readable by later versions; see `Model.save`.

        The saved network takes uint8 images; `range_` describes how other values were converted.
        """
        check_is_fitted(self)
        self.model_.save(path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _needed(y: Any, estimator: object) -> Any:
    if y is None:
        raise EstimatorError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    return y
