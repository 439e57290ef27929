"""Rows of numbers as images: their shape, and their conversion to the uint8 that the engine takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isqrt, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.arch.notation import Family, parse
from issun.engine import threads_available
from issun.errors import Cancelled, EstimatorError, IssunError, NetworkError

#: Rows that become uint8 at a time.
_ROWS = 4096


@contextmanager
def errors_of(estimator: object) -> Iterator[None]:
    """Errors that issun raises within become `EstimatorError`, which is also a ValueError, as scikit-learn expects."""
    try:
        yield
    except (EstimatorError, Cancelled):
        raise
    except IssunError as error:
        raise EstimatorError(f"{type(estimator).__name__}: {error}") from error


class TakesImages(BaseEstimator):  # type: ignore[misc]
    """What both estimators do with their input. A subclass has the parameters `image_shape`, `random_state` and `threads`."""

    image_shape: tuple[int, ...] | None
    random_state: Any
    threads: int | None
    image_shape_: tuple[int, ...]
    n_features_in_: int

    def _rows(self, X: Any, *, reset: bool, y: Any = None) -> Any:
        """Return X, validated, as rows of numbers (with y where it is given), and note the shape of images when `reset`."""
        given = X.shape[1:] if isinstance(X, np.ndarray) and X.ndim in (3, 4) else None
        if given is not None:
            X = X.reshape(len(X), prod(given))
        with_labels = {} if y is None else {"y": y}
        try:
            checked = validate_data(self, X, reset=reset, dtype="numeric", **with_labels)
            if y is not None:
                check_classification_targets(checked[1])
        except ValueError as error:  # in scikit-learn's words, which its users know; its contract wants its TypeErrors as they are
            raise EstimatorError(str(error)) from error
        rows = checked if y is None else checked[0]
        if reset:
            self._given_shape = None if given is None else (*given, 1)[:3]
            self.range_ = fitted_range(rows)
        elif given is not None and (*given, 1)[:3] != self.image_shape_:
            raise EstimatorError(
                f"X has images of {shape_text(given)}, but this {type(self).__name__} was fitted to images of "
                f"{shape_text(self.image_shape_)}"
            )
        return checked

    def _images(self, rows: NDArray[Any]) -> NDArray[np.uint8]:
        """Return validated rows as uint8 images (N, height, width, channels)."""
        images = np.empty((len(rows), *self.image_shape_), np.uint8)
        flat = images.reshape(len(rows), -1)
        for start in range(0, len(rows), _ROWS):
            flat[start : start + _ROWS] = as_pixels(rows[start : start + _ROWS], self.range_)
        return images

    def _fitted_net(self, network: str, knobs: Mapping[str, int] | None, classes: int, complete: bool = False) -> Net:
        """Return the network for the images of `fit`, and note their shape in `image_shape_`.

        `complete` adds a classifier where the text has none.
        """
        if not isinstance(network, str):
            raise EstimatorError(f"`network` (={network!r}) must be a string in issun's notation, such as 'conv 8, pool, dense'")
        family = parse(network).completed() if complete else parse(network)
        features = self.n_features_in_
        shape = self._wanted_shape(features)
        shapes = [shape] if shape else squarest_first(features)
        self.image_shape_, net = _first_that_fits(family, dict(knobs or {}), shapes, classes)
        return net

    def _wanted_shape(self, features: int) -> tuple[int, int, int] | None:
        """Return the shape that the parameter asks for, or that of the images that were given."""
        if self.image_shape is None:
            return self._given_shape
        shape = tuple(self.image_shape) if isinstance(self.image_shape, Sequence | np.ndarray) else ()
        if len(shape) not in (2, 3) or not all(isinstance(size, int | np.integer) and size > 0 for size in shape):
            raise EstimatorError(f"`image_shape` (={self.image_shape!r}) must be (height, width) or (height, width, channels)")
        height, width, channels = (int(size) for size in (*shape, 1)[:3])
        if height * width * channels != features:
            raise EstimatorError(
                f"`image_shape` (={self.image_shape!r}) has {height * width * channels} values, but rows have {features}: give the shape "
                f"of your images, or leave it out for the nearest to square"
            )
        if self._given_shape is not None and self._given_shape != (height, width, channels):
            raise EstimatorError(f"`image_shape` (={self.image_shape!r}) is not the shape of the images, {shape_text(self._given_shape)}")
        return height, width, channels

    def _seed(self) -> int:
        try:
            return int(check_random_state(self.random_state).randint(2**31 - 1))
        except ValueError as error:
            raise EstimatorError(f"`random_state`: {error}") from None

    def _threads(self) -> int:
        if self.threads is None:
            return threads_available()
        if not isinstance(self.threads, int | np.integer) or isinstance(self.threads, bool) or self.threads < 1:
            raise EstimatorError(f"`threads` (={self.threads!r}) must be a whole number of at least 1, or None for one for each core")
        return int(self.threads)


def squarest_first(features: int) -> list[tuple[int, int, int]]:
    """Return all shapes of one channel with so many pixels, none higher than wide, the squarest first and one row last."""
    return [(height, features // height, 1) for height in range(isqrt(features), 0, -1) if features % height == 0]


def _first_that_fits(
    family: Family, knobs: Mapping[str, int], shapes: list[tuple[int, int, int]], classes: int
) -> tuple[tuple[int, int, int], Net]:
    first: NetworkError | None = None
    for shape in shapes:
        try:
            return shape, family.bind(knobs, shape, classes)
        except NetworkError as error:
            first = first or error
    assert first is not None
    tried = "" if len(shapes) == 1 else f" (or any other shape of {prod(shapes[0])} values)"
    raise EstimatorError(f"`{family}` cannot take images of {shape_text(shapes[0])}{tried}: {first}")


def fitted_range(rows: NDArray[Any]) -> tuple[float, float]:
    """Return which values become 0 and 255.

    uint8, and whole numbers from 0 to 255 that are not all 0 or 1, stay what they are; values from 0 to 1 become 255 times themselves;
    anything else goes from its least to its largest value.
    """
    if rows.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(rows.min()), float(rows.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255 and bool((rows == np.rint(rows)).all()):
        return 0.0, 255.0
    return low, high if high > low else low + 1.0


def as_pixels(rows: NDArray[Any], range: tuple[float, float]) -> NDArray[np.uint8]:
    """Return values as uint8: the two ends of the range become 0 and 255, what is outside too, and what is between is rounded."""
    low, high = range
    if rows.dtype == np.uint8 and range == (0.0, 255.0):
        return rows
    scaled = (rows.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(scaled).clip(0, 255).astype(np.uint8)
