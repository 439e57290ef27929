"""The first family: the networks that a sweep trains where none is named, and how it trains them.

It is for a few hundred photos. `benchmarks/first_family.py` compares it with other families, and docs/photos.md says what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The name of the knob.
KNOB = "n"

#: The least side of images that it takes for photos.
_PHOTO_SIDE = 16

#: Convolutions and pools follow each other until at most so many rows or columns are left; then comes the last convolution.
_LEFT = 8

#: Where images are few there are more epochs than usual (at most 60): so many passes over single images, and not more epochs than the last.
_PASSES, _USUAL_EPOCHS, _MOST_EPOCHS = 40_000, 60, 480


@dataclass(frozen=True)
class FirstFamily:
    """A family, the values of its knob, and how it is trained.

    Attributes
    ----------
    family, values : str
        The networks, and the values of the knob `n`, as on the command line: ``"n=2..16*2"``.
    settings : mapping of str to Any
        The settings of the recipe that are not the default ones: ``{"augment": "crop 4"}``.
    """

    family: str
    values: str
    settings: Mapping[str, Any]


def first_family(input: tuple[int, int, int], images: int) -> FirstFamily:
    """Return the first family for images.

    Parameters
    ----------
    input : (int, int, int)
        Height, width and channels of an image.
    images : int
        Number of images for training, those for validation among them.

    Returns
    -------
    FirstFamily
        All of its networks can be for images of this size.
    """
    side = min(input[:2])
    if side < 4:
        return FirstFamily("dense n, dense", "n=4..64*2", {})
    if side < 8:
        return FirstFamily("conv n, pool, dense", "n=1..16*2", {})
    if side < _PHOTO_SIDE:
        return FirstFamily("conv n, pool, conv 2n, dense", "n=1..16*2", {})
    left = (side - 2) // 2
    layers = ["conv n norm, pool"]
    while left > _LEFT:
        layers.append("conv 2n norm, pool")
        left = (left - 2) // 2
    layers.append("conv 2n norm, gap, dense")
    settings: dict[str, Any] = {"augment": f"crop {side // 8}, brightness 0.2, contrast 0.2"}
    if (epochs := min(_MOST_EPOCHS, -(-_PASSES // images))) > _USUAL_EPOCHS:
        settings["epochs"] = epochs
    return FirstFamily(", ".join(layers), "n=2..16*2", settings)
