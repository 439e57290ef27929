"""Listed image files, from a folder or a table, become a data set: probe, decide on size and colours, decode, keep.

A folder of images is decoded once. The cache is one uncompressed ``.npz`` archive for a folder and its options, named by what would change
it. It is written beside its place and moved there, and its checksums are read: half an archive, or a damaged one, is as good as none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import PIL
from numpy.typing import NDArray

from issun.datasets.common_size import colour_notes, common_size
from issun.datasets.dataset import USUAL_TEST, Dataset, numbers_of
from issun.datasets.decode import Probe, decoded, limits, probed
from issun.datasets.download import cache_folder
from issun.datasets.file_notes import absent_notes, images_text, leak_notes, skipped_notes
from issun.datasets.groups import by_class, compiled, group_names, with_groups
from issun.datasets.skipped import PictureError, Reason, Skipped
from issun.datasets.test_part import Test, part_note, set_aside, share_wanted
from issun.datasets.tree import Found, natural, readable
from issun.datasets.white_level import FLOATS, SIXTEEN, WHOLE, Deep, checked_range, depth_note, figure, own_white
from issun.errors import DataError
from issun.paths import whole_file

#: How many archives are kept for one folder (other sizes, earlier contents): the newest.
KEPT = 3


def archive_path(folder: Path, contents: object) -> Path:
    """Return where the archive for a folder is or will be; `contents` (names, sizes, times, options) decides its name."""
    home = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    key = hashlib.sha256(repr(contents).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return cache_folder() / "folders" / f"{home}-{key}.npz"


_ARRAYS = ("images", "labels", "test_images", "test_labels")
_FACTS = ("classes", "notes", "files", "test_files", "skipped", "sizes", "modes", "given_validation", "given_test", "test_share", "range")


def read_dataset(path: Path, name: str, source: str) -> Dataset | None:
    """Return the data set of an archive, or None where there is none that can be used."""
    held = _read_kept(path)
    if held is None:
        return None
    arrays, facts = held
    try:
        return Dataset(
            name,
            images=arrays["images"],
            labels=arrays["labels"],
            test_images=arrays["test_images"],
            test_labels=arrays["test_labels"],
            classes=tuple(facts["classes"]),
            source=source,
            notes=tuple(facts["notes"]),
            files=tuple(facts["files"]),
            test_files=tuple(facts["test_files"]),
            skipped=tuple(Skipped(path, Reason[why], *others) for path, why, *others in facts["skipped"]),
            sizes=tuple((str(size), int(count)) for size, count in facts["sizes"]),
            modes=tuple((str(mode), int(count)) for mode, count in facts["modes"]),
            given_validation=int(facts["given_validation"]),
            given_test=bool(facts["given_test"]),
            test_share=facts.get("test_share"),
            range=facts["range"],
        )
    except (KeyError, TypeError, ValueError, DataError):
        return None


def write_dataset(path: Path, dataset: Dataset) -> str | None:
    """Keep a data set in an archive; return why it could not be kept, else None."""
    arrays = {key: getattr(dataset, key) for key in _ARRAYS}
    facts = {key: getattr(dataset, key) for key in _FACTS}
    facts["skipped"] = [(entry.path, entry.why.name, *entry[2:]) for entry in dataset.skipped]
    return _write(path, arrays, facts)


def _read_kept(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Return the arrays and the facts of an archive, or None where there is none that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {}
            for entry in archive.namelist():
                if entry.endswith(".npy"):
                    with archive.open(entry) as stream:
                        arrays[entry.removesuffix(".npy")] = np.lib.format.read_array(stream, allow_pickle=False)
                        if stream.read(1):  # reading to the end checks the checksum
                            return None
            facts = json.loads(archive.read("facts.json"))
        os.utime(path)
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None
    return (arrays, facts) if isinstance(facts, dict) else None


def _write(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> str | None:
    """Write an archive whole or not at all; return why it could not be written, else None."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, synced=False) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo("facts.json"), json.dumps(facts))  # without the time: equal data sets give equal bytes
    except OSError as error:
        return error.strerror or str(error)
    _forget_old(path)
    return None


def _forget_old(path: Path) -> None:
    """Remove all but the newest archives of the same folder."""
    with contextlib.suppress(OSError):
        home = path.name.split("-")[0]
        archives = sorted(path.parent.glob(f"{home}-*.npz"), key=lambda archive: archive.stat().st_mtime_ns)
        for archive in archives[:-KEPT]:
            archive.unlink()


#: Part of the cache's key: raise it when the same files would give other arrays.
VERSION = 4

#: What names of pictures end in: such a file should be readable.
PICTURE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}


class Listing(Protocol):
    """Which files are images of which class and part: a `Tree` or a `Table`.

    Attributes
    ----------
    root : Path
        What the files' paths are below.
    found : list of Found
        In the order of part and class.
    folders : dict of str to list of str
        All classes, and the paths of their folders.
    spelt : dict of str to str
        What each part is called.
    skipped : list of Skipped
    broken : Counter of str
        How many files of each class should be images but cannot be read.
    depth : int
        How many folders at the beginning of a file's path are those of part and class.
    notes : list of str
        What is to be said of the names of classes.
    nothing, alone, remedy : str
        How the user is told that there are no images, that there is one class, that a class has no image.
    """

    root: Path
    found: list[Found]
    folders: dict[str, list[str]]
    spelt: dict[str, str]
    skipped: list[Skipped]
    broken: Counter[str]
    depth: int
    notes: list[str]
    nothing: str
    alone: str
    remedy: str


class _Part(NamedTuple):
    """Decoded images, and which of them have no colour; the last `validation` of them are for validation."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    files: list[str]
    validation: int = 0
    grey: NDArray[np.bool_] = np.zeros(0, np.bool_)
    seemed: int = 0


def gathered(
    listing: Listing,
    path: Path,
    name: str,
    *,
    size: tuple[int, int] | None,
    gray: bool | None,
    strict: bool,
    groups: str | None,
    range: float | None,
    test: Test | None,
    on_progress: Callable[[str, int, int], None] | None,
) -> Dataset:
    """Return the data set of listed files, decoded now or before; `path` is what lists them, the rest as of `load_folder`.

    Raises
    ------
    DataError
    """
    range = checked_range(range)
    pattern = None if groups is None else compiled(groups)
    # Groups are told by class: what was kept before they were has another key.
    told = groups and (groups, "by class")
    given = any(file.part == "test" for file in listing.found)
    share = share_wanted(test, given, readable(str(path)))
    contents: tuple[object, ...] = (VERSION, PIL.__version__, size, gray, told, range)
    contents += (listing.folders, listing.found, listing.skipped, listing.spelt)
    contents += () if given or share == USUAL_TEST else (share,)
    archive = archive_path(path, contents)
    dataset = read_dataset(archive, name, readable(str(path.absolute())))
    if dataset is None:
        dataset = _read(listing, path, name, size, gray, pattern, range, share, on_progress or (lambda what, done, total: None))
        if problem := write_dataset(archive, dataset):
            advice = f"The decoded images could not be cached in {archive.parent} ({problem}); the next run will decode them again."
            dataset = _with_notes(dataset, advice)
    unreadable = [entry for entry in dataset.skipped if entry.unreadable]
    if strict and unreadable:
        shown = "".join(f"\n  {entry.path} {entry.reason}" for entry in unreadable[:10])
        more = f"\n  … and {len(unreadable) - 10:,} more" if len(unreadable) > 10 else ""
        raise DataError(f"{name}: {images_text(len(unreadable))} cannot be read; repair or remove them, or leave out --strict{shown}{more}")
    return dataset if pattern is None else with_groups(dataset, pattern, listing.depth)


def _with_notes(dataset: Dataset, *notes: str) -> Dataset:
    return dataclasses.replace(dataset, notes=(*dataset.notes, *notes))


def _read(
    listing: Listing,
    path: Path,
    name: str,
    size: tuple[int, int] | None,
    gray: bool | None,
    pattern: re.Pattern[str] | None,
    range: float | None,
    share: float,
    on_progress: Callable[[str, int, int], None],
) -> Dataset:
    where = readable(str(path))
    skipped, broken = list(listing.skipped), Counter(listing.broken)
    files, probes = [], []
    for file, found in zip(listing.found, probed(listing.root, listing.found, on_progress), strict=True):
        if isinstance(found, Probe):
            files.append(file)
            probes.append(found)
        else:
            unreadable = found.picture or os.path.splitext(file.path)[1].lower() in PICTURE_ENDINGS  # noqa: PTH122
            skipped.append(found.skipped(readable(file.path), unreadable))
            broken[file.folder] += unreadable
    files, probes, white, deep_notes = _white(listing, path, files, probes, range, skipped, broken, on_progress)
    classes = _classes(listing, files, where, skipped, broken)
    names = tuple(classes.values())
    _check_early(files, classes, where, broken, share, pattern, listing.depth)
    (height, width), shape_notes = common_size([probe[:2] for probe in probes], size)
    channels = 1 if gray or (gray is None and all(probe.grey for probe in probes)) else 3
    seems_grey = {file: probe.grey for file, probe in zip(files, probes, strict=True)}

    def decoded_part(*parts: str) -> _Part:
        members = [file for part in parts for file in files if file.part == part]
        return _decoded(listing.root, members, (height, width, channels), white, seems_grey, classes, skipped, broken, on_progress)

    train, test = decoded_part("train", "validation"), decoded_part("test")
    grey = np.concatenate([train.grey, test.grey])
    if gray is None and channels == 3 and grey.all():
        channels = 1
        train, test = (part._replace(images=np.ascontiguousarray(part.images[..., :1])) for part in (train, test))
    shape_notes += colour_notes(int(np.count_nonzero(grey)), len(grey), channels, train.seemed + test.seemed) + deep_notes
    _check_classes(train.labels[: len(train.labels) - train.validation], classes, where, broken)
    notes = list(listing.notes)
    if given_test := len(test.labels) > 0:
        notes += absent_notes(test.labels, names, "test")
    else:
        if "test" in listing.spelt:
            notes.append(f"{_spelt(listing, 'test')} has no readable image of any class and is not used as the test part.")
        train, test = _set_aside(train, names, where, share, pattern, listing.depth)
        notes.append(part_note(len(test.labels), share, " of the training images" if train.validation else ""))
    if train.validation:
        what = _spelt(listing, "validation")
        notes.append(f"{what} is used as the validation part ({images_text(train.validation)}); no training images are set aside.")
        notes += absent_notes(train.labels[-train.validation :], names, "validation")
    elif "validation" in listing.spelt:
        what = _spelt(listing, "validation")
        notes.append(f"{what} has no readable image of any class; some training images are set aside for validation.")
    notes += shape_notes + skipped_notes(skipped)
    dataset = Dataset(
        name,
        train.images,
        train.labels,
        test.images,
        test.labels,
        names,
        readable(str(path.absolute())),
        tuple(notes),
        files=tuple(train.files),
        test_files=tuple(test.files),
        skipped=tuple(skipped),
        sizes=_most(Counter(f"{probe.height}x{probe.width}" for probe in probes)),
        modes=_most(Counter(probe.mode for probe in probes)),
        given_validation=train.validation,
        given_test=given_test,
        test_share=None if given_test else share,
        range=white,
    )
    return _with_notes(dataset, *leak_notes(dataset))


def _white(
    listing: Listing,
    path: Path,
    files: list[Found],
    probes: list[Probe],
    range: float | None,
    skipped: list[Skipped],
    broken: Counter[str],
    on_progress: Callable[[str, int, int], None],
) -> tuple[list[Found], list[Probe], float | None, list[str]]:
    """Return the files that can be used, their probes, the number that is white in deep ones (None where there are none), and notes."""
    where = readable(str(path))
    deep = [file for file, probe in zip(files, probes, strict=True) if probe.deep and (range is not None or probe.deep != FLOATS)]
    found = dict(zip(deep, limits(listing.root, deep, on_progress), strict=True)) if deep else {}
    highest: dict[Deep, tuple[float, Found]] = {}
    kept = []
    for file, probe in zip(files, probes, strict=True):
        problem = found.get(file)
        if probe.deep == FLOATS and range is None:
            try:
                own_white(FLOATS, 0)
            except ValueError as error:
                problem = PictureError(Reason.DAMAGED, str(error))
        if isinstance(problem, PictureError):
            skipped.append(problem.skipped(readable(file.path)))
            broken[file.folder] += 1
            continue
        kept.append((file, probe))
        if probe.deep and problem:
            highest[probe.deep] = max(highest.get(probe.deep, (-1, file)), (problem[1], file))
    files, probes = [file for file, _ in kept], [probe for _, probe in kept]
    if not highest:
        return files, probes, None, [] if range is None else ["No file has more than 8 bits: --range has no effect."]
    high, file = max(highest.values())
    if range is not None:
        if high > range:
            raise DataError(
                f"{where}: {readable(file.path)} has values up to {figure(high)}, more than --range {range}: give a larger range"
            )
        return files, probes, range, []
    deepest = SIXTEEN if high <= 255 or WHOLE not in highest else WHOLE
    try:
        white = own_white(deepest, high)
    except ValueError as error:
        raise DataError(f"{where}: {readable(file.path)} cannot be used: {error}") from None
    note = depth_note(high)
    return files, probes, white, [note] if note else []


def _spelt(listing: Listing, part: str) -> str:
    """Return what the user calls a part, to begin a sentence."""
    return f"The part {readable(listing.spelt[part])}"


def _classes(listing: Listing, files: list[Found], where: str, skipped: list[Skipped], broken: Counter[str]) -> dict[str, str]:
    """Return the folder of each class with the class's name, in natural order; folders of no images are skipped."""
    folders = sorted({file.folder for file in files}, key=natural)
    if not folders:
        reasons = "".join(f"\n  {entry.path} {entry.reason}" for entry in skipped[:5])
        raise DataError(f"{where} {listing.nothing}{reasons}")
    for folder in sorted(listing.folders.keys() - set(folders), key=natural):
        if broken[folder]:
            raise DataError(f"{where}: the class {readable(folder)!r} has no readable image; {listing.remedy}")
        skipped += [Skipped(readable(place), Reason.EMPTY, False) for place in listing.folders[folder]]
    if len(folders) == 1:
        raise DataError(f"{where} has one class, {readable(folders[0])!r}; a classifier needs at least two {listing.alone}")
    return {folder: readable(folder) for folder in folders}


def _decoded(
    root: Path,
    files: list[Found],
    shape: tuple[int, int, int],
    white: float | None,
    seems_grey: dict[Found, bool],
    classes: dict[str, str],
    skipped: list[Skipped],
    broken: Counter[str],
    on_progress: Callable[[str, int, int], None],
) -> _Part:
    number = {folder: place for place, folder in enumerate(classes)}
    images, grey, problems = decoded(root, files, shape, white, on_progress)
    kept = np.ones(len(files), np.bool_)
    for index, problem in problems.items():
        skipped.append(problem.skipped(readable(files[index].path)))
        broken[files[index].folder] += 1
        kept[index] = False
    left = [file for file, keep in zip(files, kept, strict=True) if keep]
    labels = np.array([number[file.folder] for file in left], np.int32)
    validation = sum(file.part == "validation" for file in left)
    grey = grey[kept]
    seemed = sum(is_grey and not seems_grey[file] for file, is_grey in zip(left, grey, strict=True))
    return _Part(_compacted(images, kept), labels, [readable(file.path) for file in left], validation, grey, seemed)


def _check_early(
    files: list[Found],
    classes: dict[str, str],
    where: str,
    broken: Counter[str],
    share: float,
    pattern: re.Pattern[str] | None,
    depth: int,
) -> None:
    """Refuse what cannot become a data set before all images are decoded, which may take long."""
    number = {folder: place for place, folder in enumerate(classes)}
    training = [file for file in files if file.part == "train"]
    labels = np.array([number[file.folder] for file in training], np.int32)
    _check_classes(labels, classes, where, broken)
    if not any(file.part == "test" for file in files):
        _aside(labels, [readable(file.path) for file in training], tuple(classes.values()), where, share, pattern, depth)


def _check_classes(labels: NDArray[np.int32], classes: dict[str, str], where: str, broken: Counter[str]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if not counts.all():
        folder, missing = list(classes.items())[int(np.argmin(counts))]
        of_it = f" ({broken[folder]:,} of its files cannot be read)" if broken[folder] else ""
        raise DataError(f"{where}: the class {missing!r} has no readable training image{of_it}; add some, or leave the class out")


def _aside(
    labels: NDArray[np.int32],
    files: list[str],
    names: tuple[str, ...],
    where: str,
    share: float,
    pattern: re.Pattern[str] | None,
    depth: int,
) -> NDArray[np.int64]:
    """Return which of the training images become the test part where there is none."""
    try:
        groups = None if pattern is None else by_class(group_names(files, pattern, depth), labels, names, pattern)
        return set_aside(share, labels, names, None if groups is None else numbers_of(groups))
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _set_aside(
    whole: _Part, names: tuple[str, ...], where: str, share: float, pattern: re.Pattern[str] | None, depth: int
) -> tuple[_Part, _Part]:
    """Return the training part and a stratified share of it as test part; the images that stay are moved together, not copied.

    Images that are for validation stay for that.
    """
    training = len(whole.labels) - whole.validation
    chosen = _aside(whole.labels[:training], whole.files[:training], names, where, share, pattern, depth)
    aside = np.zeros(len(whole.labels), np.bool_)
    aside[chosen] = True
    test = _Part(whole.images[aside], whole.labels[aside], [whole.files[index] for index in chosen])
    files = [file for file, gone in zip(whole.files, aside, strict=True) if not gone]
    return _Part(_compacted(whole.images, ~aside), whole.labels[~aside], files, whole.validation), test


def _compacted(images: NDArray[np.uint8], kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Move the images that are kept to the front, in place."""
    if not kept.all():
        for place, index in enumerate(np.flatnonzero(kept)):
            if place != index:
                images[place] = images[index]
    return images[: np.count_nonzero(kept)]


def _most(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], natural(item[0]))))
