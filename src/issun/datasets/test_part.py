"""The test part: what the data brings, or the share of the images that is set aside as one, or none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import USUAL_TEST
from issun.datasets.split import Split
from issun.errors import DataError

#: The same images become the test part each time.
_SEED = 20

#: How the test part is asked for: a share of the images, ``"none"``, or ``"given"`` for that of the data alone.
Test = float | str


def share_wanted(test: Test | None, given: bool, where: str) -> float:
    """Return the share of the images that becomes the test part; 0 where the data brings it, or where there is to be none.

    Parameters
    ----------
    test : float or str, optional
        Default: "given" where the data brings a test part, else `USUAL_TEST`.
    given : bool
        Whether the data brings one.
    where : str
        The data, for messages.

    Raises
    ------
    DataError
        Where `test` is not such, there is nothing given, or what is given would be left out.
    """
    wanted = checked_test(test)
    if given:
        if isinstance(wanted, float):
            raise DataError(
                f"{where}: `test` (={test}) does not apply, since the data brings its own test part, which is used: leave it out, or move "
                f"these images to the others"
            )
        return 0.0
    if wanted == "given":
        raise DataError(f"{where}: `test` (=given) needs a test part, but the data brings none: add a folder `test`, or give a share (0.2)")
    return USUAL_TEST if wanted is None else float(wanted)


def set_aside(
    share: float, labels: NDArray[np.int32], classes: tuple[str, ...], groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the indices of the images that become the test part, ascending: a share of each class, groups undivided.

    Raises
    ------
    DataError
        Where a class has too few images, or groups.
    """
    if share == 0:
        return np.zeros(0, np.int64)
    return Split(share, seed=_SEED).indices(labels, classes, groups)[1]


def part_note(images: int, share: float = USUAL_TEST, of: str = "") -> str:
    """Return the sentence that says how a test part of so many images was made, `of` which images (mostly nothing)."""
    if not images:
        return "There is no test part, and none was set aside: no accuracy is that of images which chose nothing."
    what = "fifth" if share == USUAL_TEST else f"{share:g}"
    return f"There is no test part: a fixed stratified {what}{of} ({images:,} image{'' if images == 1 else 's'}) was set aside as one."


def checked_test(test: Test | None) -> Test | None:
    """Return what is asked for: a share as a number, or "given"; None where nothing is.

    Raises
    ------
    DataError
        Where it is neither.
    """
    if test is None or test == "given":
        return test
    if test == "none":
        return 0.0
    try:
        share = float(test)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise DataError(f"`test` (={test}) must be a share of the images, from 0 to below 1, or `none`, or `given`")
    return share
