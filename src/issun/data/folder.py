"""How does a folder of images, whatever is in it, become a data set?"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray

from issun.data.cache import archive_path, read_dataset, write_dataset
from issun.data.dataset import Dataset, Skipped
from issun.data.decode import Probe
from issun.data.duplicates import duplicates
from issun.data.files import TEST_PART, test_note
from issun.data.threads import decoded, probed
from issun.data.tree import Found, Tree, natural, readable
from issun.errors import DataError

#: Images that are all of one size and at most this wide and high stay as they are; others become squares of `SIDE` at most.
KEPT_SIDE, SIDE = 64, 32

#: Part of the cache's key: raise it when the same files would give other arrays.
VERSION = 1

_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}


class _Part(NamedTuple):
    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    files: list[str]


def load_folder(
    path: Path,
    name: str,
    *,
    size: tuple[int, int] | None = None,
    gray: bool | None = None,
    strict: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Read a folder that has a subfolder of images for each class, or such folders for training and test in it.

    Files are told by their content: PNG, JPEG, BMP, GIF, WebP, TIFF, PPM and PGM. Images are turned upright, transparent parts become
    white, 16 bits are scaled to 8, animations give their first frame. Where sizes differ, the middle of each image, in the shape that is
    wanted, is resized (bilinear, with antialiasing). Classes are in the natural order of their names.

    Parameters
    ----------
    path : Path
        Subfolders of a class's folder belong to the class. An existing test part is kept. A validation part joins the training images,
        or is the test part where there is no other; where there is neither, a fixed stratified fifth of the images becomes the test part.
    name : str
        What the data set is called.
    size : (int, int), optional
        Height and width; default: as the images are, where all are of one size of at most 64x64, else a square of their middle
        (median) shorter side, at most 32x32.
    gray : bool, optional
        True for one channel, False for RGB; default: grey where all files are.
    strict : bool
        Refuse a folder with images that cannot be read, instead of leaving them out.
    on_progress : callable, optional
        Called from time to time with what is done (``reading`` or ``decoding``), how many files are done, and of how many.

    Returns
    -------
    Dataset
        With `files`, `test_files`, `skipped`, `sizes` and `modes`. Decoded images are kept in the folder that ISSUN_CACHE names, or the
        platform's cache, until a file or an option changes.

    Raises
    ------
    DataError
        Where the folder, or a class in it, holds no images that can be read.
    """
    if size is not None and not all(1 <= side <= 4096 for side in size):
        raise DataError(f"`size` (={size[0]}x{size[1]}) must be height x width, each from 1 to 4096")
    tree = Tree(path)
    contents = (VERSION, PIL.__version__, size, gray, tree.folders, tree.found, tree.skipped, tree.spelt)
    archive = archive_path(path, contents)
    dataset = read_dataset(archive, name, readable(str(path.absolute())))
    if dataset is None:
        dataset = _read(tree, path, name, size, gray, on_progress or (lambda what, done, total: None))
        if problem := write_dataset(archive, dataset):
            advice = f"The decoded images could not be kept in {archive.parent} ({problem}), so the next run decodes them again."
            dataset = _with_notes(dataset, advice)
    unreadable = [entry for entry in dataset.skipped if entry.unreadable]
    if strict and unreadable:
        shown = "".join(f"\n  {entry.path} {entry.reason}" for entry in unreadable[:10])
        more = f"\n  … and {len(unreadable) - 10:,} more" if len(unreadable) > 10 else ""
        raise DataError(f"{name}: {_images(len(unreadable))} cannot be read; mend or remove, or leave out --strict{shown}{more}")
    return dataset


def _with_notes(dataset: Dataset, *notes: str) -> Dataset:
    return dataclasses.replace(dataset, notes=(*dataset.notes, *notes))


def _read(
    tree: Tree,
    path: Path,
    name: str,
    size: tuple[int, int] | None,
    gray: bool | None,
    on_progress: Callable[[str, int, int], None],
) -> Dataset:
    where = readable(str(path))
    skipped, notes = list(tree.skipped), []
    files, probes = [], []
    for file, found in zip(tree.found, probed(path, tree.found, on_progress), strict=True):
        if isinstance(found, Probe):
            files.append(file)
            probes.append(found)
        else:
            unreadable = found.picture or os.path.splitext(file.path)[1].lower() in _ENDINGS  # noqa: PTH122
            skipped.append(Skipped(readable(file.path), str(found), unreadable))
    classes = _classes(tree, files, where, skipped)
    parts, part_notes = _parts(files, tree)
    shape, shape_notes = _shape(probes, size, gray)
    notes += part_notes
    decode_all = {part: _decoded(path, members, shape, classes, skipped, on_progress) for part, members in parts.items()}
    train = decode_all["train"]
    _check_classes(train, classes, tree, where, skipped)
    names = tuple(classes.values())
    if "test" in decode_all and len(decode_all["test"].labels):
        test = decode_all["test"]
        absent = len(names) - len(np.unique(test.labels))
        if absent:
            notes.append(f"{absent:,} of the {len(names):,} classes have no test image.")
    else:
        train, test = _set_aside(train, names, where)
        notes.append(test_note(len(test.labels)))
    notes += shape_notes + _skipped_notes(skipped)
    dataset = Dataset(
        name,
        *train[:2],
        *test[:2],
        names,
        readable(str(path.absolute())),
        tuple(notes),
        files=tuple(train.files),
        test_files=tuple(test.files),
        skipped=tuple(skipped),
        sizes=_most(Counter(f"{probe.height}x{probe.width}" for probe in probes)),
        modes=_most(Counter(probe.mode for probe in probes)),
    )
    return _with_notes(dataset, *_leaks(dataset))


def _classes(tree: Tree, files: list[Found], where: str, skipped: list[Skipped]) -> dict[str, str]:
    """Return the folder of each class with the class's name, in natural order; folders of no images are skipped."""
    folders = sorted({file.folder for file in files}, key=natural)
    if not folders:
        advice = "make a folder for each class in it, with PNG or JPEG images"
        reasons = "".join(f"\n  {entry.path} {entry.reason}" for entry in skipped[:5])
        raise DataError(f"{where} holds no image in a class folder that can be read; {advice}{reasons}")
    for folder in sorted(tree.folders.keys() - set(folders), key=natural):
        if _broken(tree, folder, skipped):
            raise DataError(f"{where}: the class {readable(folder)!r} has no image that can be read; add images, or remove its folder")
        skipped += [Skipped(readable(place), "holds no images and is no class", False) for place in tree.folders[folder]]
    if len(folders) == 1:
        raise DataError(
            f"{where} holds one class, {readable(folders[0])!r}; a classifier needs at least two folders with images in them "
            f"(name the folder that holds the folders of the classes)"
        )
    return {folder: readable(folder) for folder in folders}


def _parts(files: list[Found], tree: Tree) -> tuple[dict[str, list[Found]], list[str]]:
    """Return the files of the training and the test part, and what was decided on the way."""
    parts: dict[str, list[Found]] = {part: [file for file in files if file.part == part] for part in ("train", "validation", "test")}
    notes = []
    validation = parts.pop("validation")
    if "test" in tree.spelt and not parts["test"]:
        notes.append(f"The folder {tree.spelt['test']} has no images in class folders and is not used.")
    if validation and parts["test"]:
        parts["train"] += validation
        notes.append(f"The {len(validation):,} images of {tree.spelt['validation']} joined the training images; issun chooses its own.")
    elif validation:
        parts["test"] = validation
        notes.append(f"There is no test part: the {len(validation):,} images of {tree.spelt['validation']} are used as one.")
    return parts, notes


def _shape(probes: list[Probe], size: tuple[int, int] | None, gray: bool | None) -> tuple[tuple[int, int, int], list[str]]:
    """Return height, width and channels, and what that means for the images."""
    sizes = {(probe.height, probe.width) for probe in probes}
    notes = []
    if size is None:
        first = next(iter(sizes))
        if len(sizes) == 1 and max(first) <= KEPT_SIDE:
            size = first
        else:
            side = max(1, min(SIDE, int(np.median([min(probe[:2]) for probe in probes]))))
            size = (side, side)
    if sizes != {size}:
        shapes = [f"{height}x{width}" for height, width in (min(sizes, key=np.prod), max(sizes, key=np.prod))]
        found = f"The images are {shapes[0]}" if len(sizes) == 1 else f"The images have {len(sizes):,} sizes, {shapes[0]} to {shapes[1]}"
        cropped = any(height * size[1] != width * size[0] for height, width in sizes)
        how = "the middle of each was resized" if cropped else "each was resized"
        notes.append(f"{found}; {how} to {size[0]}x{size[1]} (--size changes that).")
    grey_files = sum(probe.grey for probe in probes)
    channels = 1 if gray or (gray is None and grey_files == len(probes)) else 3
    if channels == 3 and grey_files:
        notes.append(f"{grey_files:,} of {_images(len(probes))} are grey; all became RGB.")
    if channels == 1 and grey_files < len(probes):
        notes.append(f"{len(probes) - grey_files:,} of {_images(len(probes))} have colours; all became grey.")
    return (*size, channels), notes


def _decoded(
    path: Path,
    files: list[Found],
    shape: tuple[int, int, int],
    classes: dict[str, str],
    skipped: list[Skipped],
    on_progress: Callable[[str, int, int], None],
) -> _Part:
    number = {folder: place for place, folder in enumerate(classes)}
    images, problems = decoded(path, files, shape, on_progress)
    kept = np.ones(len(files), np.bool_)
    for index, problem in problems.items():
        skipped.append(Skipped(readable(files[index].path), problem, True))
        kept[index] = False
    labels = np.array([number[file.folder] for file in files], np.int32)[kept]
    return _Part(_compacted(images, kept), labels, [readable(file.path) for file, keep in zip(files, kept, strict=True) if keep])


def _broken(tree: Tree, folder: str, skipped: list[Skipped]) -> int:
    """Return how many images of a class cannot be read."""
    places = tuple(f"{readable(place)}/" for place in tree.folders[folder])
    return sum(entry.unreadable and f"{entry.path}/".startswith(places) for entry in skipped)


def _check_classes(train: _Part, classes: dict[str, str], tree: Tree, where: str, skipped: list[Skipped]) -> None:
    counts = np.bincount(train.labels, minlength=len(classes))
    if not counts.all():
        folder, missing = list(classes.items())[int(np.argmin(counts))]
        broken = _broken(tree, folder, skipped)
        of_it = f" ({broken:,} of its files cannot be read)" if broken else ""
        raise DataError(f"{where}: no training image of the class {missing!r} can be read{of_it}; add some, or leave the class out")


def _set_aside(whole: _Part, names: tuple[str, ...], where: str) -> tuple[_Part, _Part]:
    """Return the training part and a stratified fifth as test part; the images that stay are moved together, not copied."""
    try:
        _, chosen = TEST_PART.indices(whole.labels, names)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    aside = np.zeros(len(whole.labels), np.bool_)
    aside[chosen] = True
    test = _Part(whole.images[aside], whole.labels[aside], [whole.files[index] for index in chosen])
    files = [file for file, gone in zip(whole.files, aside, strict=True) if not gone]
    return _Part(_compacted(whole.images, ~aside), whole.labels[~aside], files), test


def _compacted(images: NDArray[np.uint8], kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Move the images that are kept to the front, in place."""
    if not kept.all():
        for place, index in enumerate(np.flatnonzero(kept)):
            if place != index:
                images[place] = images[index]
    return images[: np.count_nonzero(kept)]


def _skipped_notes(skipped: list[Skipped]) -> list[str]:
    unreadable = sum(entry.unreadable for entry in skipped)
    notes = [f"{_images(unreadable)} could not be read, left out (issun data names what)."] if unreadable else []
    if other := len(skipped) - unreadable:
        notes.append(f"{other:,} {'entry' if other == 1 else 'entries'} of the folder that hold no image, left out.")
    return notes


def _leaks(dataset: Dataset) -> list[str]:
    found = duplicates(dataset)
    notes = []
    if found.leaked:
        notes.append(
            f"Equal to a training image, pixel by pixel: {found.leaked:,} of the {_images(len(dataset.test_labels))} of the test part."
        )
    if found.contradictory:
        notes.append(f"In more than one class, pixel by pixel: {_images(found.contradictory)}.")
    return notes


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _most(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], natural(item[0]))))
