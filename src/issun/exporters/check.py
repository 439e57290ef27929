"""What every format shares: the check that an exported file answers as the model does, and what the file says of that model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import shape_text
from issun.arch.ops import Kind
from issun.errors import ExportError, MismatchError
from issun.model import Model

#: Those of `Provenance.as_dict` that are told, and what they are called there.
_TOLD = {
    "data": "data",
    "accuracy": "validation accuracy",
    "validation": "validation",
    "seed": "seed",
    "resize": "resize",
    "trained_as": "trained_as",
    "mark": "mark",
    "issun": "issun",
}


def facts_of(model: Model) -> dict[str, str]:
    """Return the model's network, input and parameters, and of its making what it knows: data with its fingerprint, accuracy, seed."""
    facts = {"network": str(model.net), "input": shape_text(model.net.input), "parameters": str(model.net.parameters)}
    known = model.provenance.as_dict()
    return facts | {name: known[key] for name, key in _TOLD.items() if key in known}


#: Something that answers: images, uint8 (N, height, width, channels), become probabilities, float32 (N, classes).
Answers = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

#: How far a probability of a floating-point format may be from the model's.
TOLERANCE = 1e-4

#: Two classes whose probabilities differ by less are as good as equal: rounding may choose either.
NEAR_TIE = 1e-3

#: How many images are answered at once.
_AT_ONCE = 500

#: How many images are drawn where none are given.
_DRAWN = 500


@dataclass(frozen=True)
class Agreement:
    """How well what was written agrees with the model.

    Attributes
    ----------
    images : int
        How many both answered.
    difference : float
        The largest difference of any probability.
    near_ties : int
        Images that got another label because their two most probable classes are as good as equal. All others got the same.
    before, after : float or None
        The share of the images that the model, and what was written, label correctly; None where no labels were given.
    drawn : bool
        Whether the images were random noise, since none were given.
    """

    images: int
    difference: float
    near_ties: int
    before: float | None = None
    after: float | None = None
    drawn: bool = False


def agrees(
    model: Model,
    answers: Answers,
    images: NDArray[np.uint8] | None = None,
    labels: NDArray[np.integer] | None = None,
    *,
    expected: Answers | None = None,
    tolerance: float = TOLERANCE,
    name: str = "what was written",
) -> Agreement:
    """Compare what was written with what it must answer, image by image.

    Parameters
    ----------
    model : Model
    answers : callable
        Runs what was written.
    images : ndarray of uint8, shape (N, height, width, channels), optional
        By default random noise.
    labels : ndarray of int, shape (N,), optional
        Class indices, for the accuracies.
    expected : callable, optional
        What it must answer; by default the model's probabilities. A format that computes otherwise on purpose (whole numbers) gives the
        definition of what it computes; `Agreement.before` is the model's accuracy all the same.
    tolerance : float
        How far a probability may be from what is expected; 0 asks for equality.
    name : str
        What was written, for messages.

    Raises
    ------
    ExportError
        Where images and labels do not fit each other, or there are none.
    ModelError
        Where the images do not fit the model.
    MismatchError
        Where a probability is off by more than the tolerance, or an image whose two most probable classes differ by at least `NEAR_TIE`
        gets another label.
    """
    drawn = images is None
    given = noise(model) if images is None else np.asarray(images)
    if not len(given):
        raise ExportError("`images` is empty: give images to check with, or leave it out to check with random ones")
    if labels is not None and (drawn or len(labels) != len(given)):
        raise ExportError(f"`labels` must have one label for each of the {0 if drawn else len(given)} images, not {len(labels)}")
    largest, near_ties, right, right_before = 0.0, 0, 0, 0
    for start in range(0, len(given), _AT_ONCE):
        batch = given[start : start + _AT_ONCE]
        own = model.predict_proba(batch)
        batch = np.ascontiguousarray(batch).reshape(-1, *model.net.input)  # also of images without an axis for their one channel
        wanted = own if expected is None else expected(batch)
        found = np.asarray(answers(batch))
        if found.shape != wanted.shape:
            raise MismatchError(f"{name} returns an array of shape {found.shape}, not {wanted.shape}; the file was not saved")
        off = np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max(axis=1)
        at = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))
        if not off[at] <= tolerance:  # also where it is no number
            raise MismatchError(
                f"{name} differs from the model: a probability of image {start + at} is {off[at]:.2g} off, where at most {tolerance:g} is "
                f"allowed; it was not saved"
            )
        other = found.argmax(axis=1) != wanted.argmax(axis=1)
        top = np.sort(wanted, axis=1)
        tied = top[:, -1] - top[:, -2] < NEAR_TIE
        if (other & ~tied).any():
            at = int(np.argmax(other & ~tied))
            raise MismatchError(f"{name} predicts another label than the model for image {start + at}; it was not saved")
        largest = max(largest, float(off[at]))
        near_ties += int(other.sum())
        if labels is not None:
            true = labels[start : start + _AT_ONCE]
            right += int((found.argmax(axis=1) == true).sum())
            right_before += int((own.argmax(axis=1) == true).sum())
    count = len(given)
    if labels is None:
        return Agreement(count, largest, near_ties, drawn=drawn)
    return Agreement(count, largest, near_ties, right_before / count, right / count)


def noise(model: Model, count: int = _DRAWN) -> NDArray[np.uint8]:
    """Return random images for a model, always the same; the first two are black and white.

    For a model that normalises each image they are as random as the others: the values of an image of one colour may all be equal, and
    their deviation is then nothing but rounding, which every program does in its own way.
    """
    images = np.random.default_rng(0).integers(0, 256, (count, *model.net.input), np.uint8)
    if not any(op.kind is Kind.NORMALISE for op in model.net.ops):
        images[0], images[1] = 0, 255
    return images


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax of logits (N, classes), for formats that were asked for logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)
