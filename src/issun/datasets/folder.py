"""Reading of a folder of images, whatever is in it, as a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from issun.datasets.common_size import check_size
from issun.datasets.dataset import Dataset
from issun.datasets.gather import gathered
from issun.datasets.tree import Tree


def load_folder(
    path: Path,
    name: str,
    *,
    size: tuple[int, int] | None = None,
    gray: bool | None = None,
    strict: bool = False,
    groups: str | None = None,
    range: float | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Read a folder that has a subfolder of images for each class, or such folders for training and test in it.

    Files are told by their content: PNG, JPEG, BMP, GIF, WebP, TIFF, PPM and PGM. Images are turned upright, transparent parts become
    white, more than 8 bits are scaled to 8, animations give their first frame. Where sizes differ, the middle of each image, in the
    shape that is wanted, is resized (bilinear, with antialiasing). Classes are in the natural order of their names.

    Parameters
    ----------
    path : Path
        Subfolders of a class's folder belong to the class. Parts that are there (``train``, ``val``, ``test`` and other usual names) are
        used as what they are called: a validation part is what is chosen on, never the test part. Where there is no test part, a fixed
        stratified fifth of the training images becomes one.
    name : str
        What the data set is called.
    size : (int, int), optional
        Height and width; default: as the images are, where all are of one size of at most 64x64, else a square of their middle
        (median) shorter side, at most 32x32.
    gray : bool, optional
        True for one channel, False for RGB; default: grey where all files are, those with equal red, green and blue
        throughout among them.
    strict : bool
        Refuse a folder with images that cannot be read, instead of leaving them out.
    groups : str, optional
        A regular expression that is searched in each file's path below the folder of its class; what its first group finds (all that it
        finds, where it has no groups) names the group that the image belongs to, in whatever class. Images of one group are never on
        both sides of a split that issun makes; one without a match is a group of its own. Parts that are there are not changed.
    range : float, optional
        The number that is white in files of more than 8 bits (4095 for 12 bits). By default whole numbers up to 255 in the whole data set
        stay as they are; of larger ones, 65535 is white in files of 16 bits without a sign, and others are refused, as are
        floating-point numbers.
    on_progress : callable, optional
        Called from time to time with what is done (``reading`` or ``decoding``), how many files are done, and of how many.

    Returns
    -------
    Dataset
        With `files`, `test_files`, `skipped`, `sizes`, `modes`, and with groups where they are asked for. Decoded images are kept in the
        folder that ISSUN_CACHE names, or the platform's cache, until a file or an option changes.

    Raises
    ------
    DataError
        Where the folder, or a class in it, holds no images that can be read, or the groups cannot be told or kept together.
    """
    check_size(size)
    return gathered(Tree(path), path, name, size=size, gray=gray, strict=strict, groups=groups, range=range, on_progress=on_progress)
