"""The first family: the networks that a sweep trains where none is named, and how it trains them.

It is for a few hundred photos. `benchmarks/first_family.py` compares it with other families, and docs/photos.md says what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The name of the knob.
KNOB = "n"


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


def first_family(input: tuple[int, int, int]) -> FirstFamily:
    """Return the first family for images.

    Parameters
    ----------
    input : (int, int, int)
        Height, width and channels of an image.

    Returns
    -------
    FirstFamily
        Its networks can be for images of every size.
    """
    side = min(input[:2])
    if side < 4:
        return FirstFamily("dense n, dense", "n=4..64*2", {})
    if side < 8:
        return FirstFamily("conv n, pool, dense", "n=1..16*2", {})
    if side < 16:
        return FirstFamily("conv n, pool, conv 2n, dense", "n=1..16*2", {})
    layers, factor = ["conv n norm, pool"], 2
    side = (side - 2) // 2
    while side >= 9:
        layers.append(f"conv {factor}n norm, pool")
        side = (side - 2) // 2
    layers.append(f"conv {factor}n norm, gap, dense")
    return FirstFamily(", ".join(layers), "n=2..16*2", {"augment": "crop 4, brightness 0.2, contrast 0.2"})
