"""Warnings about images that are unlike those that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.datasets.appearance import FIGURES, Appearance, Span, inverted_figures

#: A share of unlike images up to this is what chance gives, and is not spoken of.
_BY_CHANCE = 0.01

#: How each figure stands in a sentence.
_FIGURE_WORDS = {
    "brightness": "mean",
    "polarity": "brighter than the edge by",
    "extent": "side filled",
    "offset": "off the centre by",
}


@dataclass(frozen=True)
class Doubt:
    """Images that are unlike those that the model was trained on.

    Attributes
    ----------
    unlike, images : int
        How many are, of how many.
    example : str
        The first of them.
    figure : str
        In what they differ: one of ``brightness``, ``polarity``, ``extent``, ``offset``.
    value : float
        That figure of the images that differ in it (their median), as `issun.datasets.appearance.Appearance` has it.
    training : Span
        The same of the training images.
    remedy : str
        ``invert``, ``no invert`` or ``fit``, where that would make them like the training images; else empty.
    """

    unlike: int
    images: int
    example: str
    figure: str
    value: float
    training: Span
    remedy: str

    @property
    def by_chance(self) -> bool:
        """Whether they are so few that chance explains them: the bounds leave out some images of any set."""
        return self.unlike <= _BY_CHANCE * self.images

    def __str__(self) -> str:
        who = f"{self.example} is" if self.unlike == 1 else f"{self.unlike:,} of {self.images:,} images are"
        advice = {
            "invert": "try --invert (in Python `invert=True`)",
            "no invert": "try it without --invert (in Python `invert=False`)",
            "fit": "try --fit (in Python `fit=True`)",
            "": "the answer may well be wrong",
        }[self.remedy]
        low, median, high = (_figure_text(self.figure, value) for value in (self.training.low, self.training.median, self.training.high))
        what = f"{_FIGURE_WORDS[self.figure]} {_figure_text(self.figure, self.value)}, in training {median}, from {low} to {high}"
        return f"{who} unlike the training images ({what}): {advice}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "images": self.unlike,
            "by_chance": self.by_chance,
            "example": self.example,
            "figure": self.figure,
            "value": self.value,
            "training": {"low": self.training.low, "median": self.training.median, "high": self.training.high},
            "remedy": self.remedy or None,
            "text": str(self),
        }


def doubt_of(appearance: Appearance, names: Sequence[str], found: NDArray[np.float64], changes: Sequence[str]) -> Doubt:
    """Return what is to be said of images of which at least one is unlike those of training.

    Parameters
    ----------
    appearance : Appearance
        Of the training images.
    names : sequence of str
        Of the images.
    found : ndarray of float64, shape (N, 4)
        Their figures.
    changes : sequence of str
        What was done to them: ``invert``, ``fit``.
    """
    outside = appearance.outside(found)
    unlike = outside.any(axis=1)
    light, place = outside[:, :2].any(axis=1), outside[:, 2:].any(axis=1)
    cured = light & ~appearance.outside(inverted_figures(found))[:, :2].any(axis=1)
    half = unlike.sum() / 2
    remedy = ""
    if cured.sum() > half and "fit" not in changes:
        remedy = "no invert" if "invert" in changes else "invert"
    elif (light | place).sum() > half and place.sum() and appearance.style is not None and "fit" not in changes:
        remedy = "fit"
    # What is said is what the remedy is about, and of that what most of them differ in.
    counts = outside.sum(axis=0)
    if remedy:
        counts[slice(2, 4) if "invert" in remedy else slice(0, 2)] = 0
    which = int(counts.argmax())
    value = float(np.median(found[outside[:, which], which]))
    figure = FIGURES[which]
    return Doubt(int(unlike.sum()), len(names), names[int(unlike.argmax())], figure, value, appearance.span(figure), remedy)


def _figure_text(figure: str, value: float) -> str:
    return f"{value:.0f}" if figure in ("brightness", "polarity") else f"{100 * value:.0f} %"
