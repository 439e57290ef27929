"""Listed image files, from a folder or a table, become a data set: probe, decide on size and colours, decode, keep."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import PIL
from numpy.typing import NDArray

from issun.datasets.common_size import colour_notes, common_size, enlarged_notes
from issun.datasets.dataset import Dataset, numbers_of
from issun.datasets.decode import Probe
from issun.datasets.decode_listed import Pixels, decoded, limits, probed
from issun.datasets.file_notes import absent_notes, images_text, leak_notes, skipped_lines, skipped_notes
from issun.datasets.groups import Grouping, compiled, with_groups
from issun.datasets.kept_images import Earlier, FileRecord, FileState, KeptImage, Manner, archive_path, read_dataset, write_dataset
from issun.datasets.picture_formats import PICTURE_ENDINGS, picture_formats
from issun.datasets.resizing import Fitting, Resize, checked_resize
from issun.datasets.skipped import PictureError, Reason, Skipped
from issun.datasets.test_part import Test, part_note, set_aside, share_wanted
from issun.datasets.tree import Found, natural, readable
from issun.datasets.wanted import Wanted
from issun.datasets.white_level import FLOATS, SIXTEEN, WHOLE, Deep, checked_range, depth_note, figure, own_white
from issun.errors import DataError

#: Part of the cache's key: raise it when the same files would give other arrays.
VERSION = 5


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
    files: list[Found]
    validation: int = 0
    grey: NDArray[np.bool_] = np.zeros(0, np.bool_)
    seemed: int = 0


class _Wishes(NamedTuple):
    """How files are to be read, as of `load_folder`."""

    size: tuple[int, int] | None
    gray: bool | None
    groups: str | None
    range: float | None
    resize: Resize
    whole: bool
    share: float  # of the images that becomes the test part


class _Seen(NamedTuple):
    """What is known of listed files before any is decoded: those that can be used, their probes, what is white, and notes on that."""

    files: list[Found]
    probes: dict[Found, Probe]
    white: float | None
    measured: Mapping[Found, tuple[float, float] | PictureError]
    notes: list[str]


class _Goal(NamedTuple):
    """An input that files are to be decoded for: which it is, what is said of its size, how files become its images, those that are known,
    where they will be kept, and where those of all goals will be."""

    wishes: _Wishes
    notes: list[str]
    manner: Manner
    known: Mapping[FileState, KeptImage]
    archive: Path | None
    together: tuple[Path, ...]


def gathered(
    listing: Listing,
    path: Path,
    name: str,
    wanted: Sequence[Wanted],
    *,
    strict: bool,
    groups: str | None,
    range: float | None,
    test: Test | None,
    resize: str | None,
    on_progress: Callable[[str, int, int], None] | None,
) -> list[Dataset]:
    """Return the data set of listed files in each size and colour that is wanted, decoded now or before.

    A file is decoded once for all that are not known from before (a JPEG once for each reduction that they need).

    Parameters
    ----------
    listing : Listing
    path : Path
        What lists the files.
    name, wanted, strict, groups, range, test, resize, on_progress
        As of `load_folder`.

    Raises
    ------
    DataError
    """
    given = any(file.part == "test" for file in listing.found)
    share = share_wanted(test, given, readable(str(path)))
    white, how = checked_range(range), checked_resize(resize)
    pattern = None if groups is None else compiled(groups)
    found: list[Dataset | None] = []
    missing: list[tuple[Wanted, _Wishes, Path | None]] = []
    days: Mapping[str, str] = {}
    for one in wanted:
        wishes = _Wishes(one.size, one.gray, groups, white, how, one.whole, share)
        # Groups are told by class: what was kept before they were has another key.
        contents = (_version(), wishes, groups and "by class", listing.folders, listing.found, listing.skipped, listing.spelt)
        archive = archive_path(path, contents)
        kept = None if archive is None else read_dataset(archive, name, readable(str(path.absolute())))
        if kept is None:
            missing.append((one, wishes, archive))
        else:
            sizes = Counter(record.probe[:2] for record in kept[1])
            enlarged_notes(sizes, kept[0].input[:2], how, one.enlarge or one.size is None, readable(str(path)))
            days = {readable(record.path): record.probe.day for record in kept[1]}
        found.append(None if kept is None else kept[0])
    if missing:
        read, days = _read(listing, path, name, missing, on_progress or (lambda what, done, total: None))
        made = iter(read)
        found = [next(made) if dataset is None else dataset for dataset in found]
    datasets = [dataset for dataset in found if dataset is not None]
    unreadable = [entry for entry in datasets[0].skipped if entry.unreadable]
    if strict and unreadable:
        shown = skipped_lines(unreadable, 10)
        raise DataError(f"{name}: {images_text(len(unreadable))} cannot be read; repair or remove them, or leave out --strict{shown}")
    if groups is None:
        return datasets
    return [with_groups(dataset, Grouping(groups, pattern, listing.depth, days)) for dataset in datasets]


def _version() -> str:
    """Return what of this installation decides the pixels of a file."""
    return f"{VERSION} {PIL.__version__} {' '.join(picture_formats())}"


def _with_notes(dataset: Dataset, *notes: str) -> Dataset:
    return dataclasses.replace(dataset, notes=(*dataset.notes, *notes))


def _read(
    listing: Listing,
    path: Path,
    name: str,
    asked: Sequence[tuple[Wanted, _Wishes, Path | None]],
    on_progress: Callable[[str, int, int], None],
) -> tuple[list[Dataset], Mapping[str, str]]:
    """Return the data set in each way that is asked for, which is kept in its archive, and the day on which each file was taken."""
    where = readable(str(path))
    earlier = Earlier(path, _version())
    skipped, broken = list(listing.skipped), Counter(listing.broken)
    first = asked[0][1]
    seen = _looked_at(listing, path, first.range, earlier, skipped, broken, on_progress)
    files, probes = seen.files, list(seen.probes.values())
    days = {readable(file.path): probe.day for file, probe in seen.probes.items()}
    pattern = None if first.groups is None else compiled(first.groups)
    grouping = None if first.groups is None else Grouping(first.groups, pattern, listing.depth, days)
    classes = _classes(listing, files, where, skipped, broken)
    _check_early(files, classes, where, broken, first.share, grouping)
    sizes = Counter(probe[:2] for probe in probes)
    together = tuple(archive for _, _, archive in asked if archive is not None)
    goals = []
    for one, wishes, archive in asked:
        (height, width), notes = common_size([probe[:2] for probe in probes], wishes.size, wishes.resize)
        notes += enlarged_notes(sizes, (height, width), wishes.resize, one.enlarge or one.size is None, where)
        gray = wishes.gray
        channels = 1 if gray or (gray is None and all(probe.grey for probe in probes)) else 3
        manner = Manner(_version(), (height, width, channels), seen.white, wishes.resize, wishes.whole)
        goals.append(_Goal(wishes, notes, manner, earlier.images(manner), archive, together))
    members = {
        part: [file for kind in kinds for file in files if file.part == kind]
        for part, kinds in (("train", ("train", "validation")), ("test", ("test",)))
    }
    ways = [(goal.manner, goal.known) for goal in goals]
    pixels = {part: decoded(listing.root, some, ways, on_progress) for part, some in members.items()}
    datasets = []
    for place, goal in enumerate(goals):
        own_skipped, own_broken = list(skipped), Counter(broken)
        records: dict[Found, FileRecord] = {}
        train, test = (
            _part(pixels[part][place], members[part], seen, records, classes, own_skipped, own_broken) for part in ("train", "test")
        )
        datasets.append(_made(listing, path, name, goal, seen, train, test, records, classes, grouping, own_skipped, own_broken))
    return datasets, days


def _looked_at(
    listing: Listing,
    path: Path,
    range: float | None,
    earlier: Earlier,
    skipped: list[Skipped],
    broken: Counter[str],
    on_progress: Callable[[str, int, int], None],
) -> _Seen:
    """Return what the heads of the files say, and the depths of those of more than 8 bits."""
    files, probes = [], []
    for file, found in zip(listing.found, _probed(listing, earlier, on_progress), strict=True):
        if isinstance(found, Probe):
            files.append(file)
            probes.append(found)
        else:
            unreadable = found.picture or os.path.splitext(file.path)[1].lower() in PICTURE_ENDINGS  # noqa: PTH122
            skipped.append(found.skipped(readable(file.path), unreadable))
            broken[file.folder] += unreadable
    files, probes, white, measured, notes = _white(listing, path, files, probes, range, earlier, skipped, broken, on_progress)
    return _Seen(files, dict(zip(files, probes, strict=True)), white, measured, notes)


def _made(
    listing: Listing,
    path: Path,
    name: str,
    goal: _Goal,
    seen: _Seen,
    train: _Part,
    test: _Part,
    records: Mapping[Found, FileRecord],
    classes: dict[str, str],
    grouping: Grouping | None,
    skipped: list[Skipped],
    broken: Counter[str],
) -> Dataset:
    """Return the data set of decoded parts, with a test part and all notes."""
    where, names, wishes = readable(str(path)), tuple(classes.values()), goal.wishes
    channels = goal.manner.shape[2]
    grey = np.concatenate([train.grey, test.grey])
    if wishes.gray is None and channels == 3 and grey.all():
        channels = 1
        train, test = (part._replace(images=np.ascontiguousarray(part.images[..., :1])) for part in (train, test))
    shape_notes = goal.notes + colour_notes(int(np.count_nonzero(grey)), len(grey), channels, train.seemed + test.seemed) + seen.notes
    _check_classes(train.labels[: len(train.labels) - train.validation], classes, where, broken)
    notes = list(listing.notes)
    if given_test := len(test.labels) > 0:
        notes += absent_notes(test.labels, names, "test")
    else:
        if "test" in listing.spelt:
            notes.append(f"{_spelt(listing, 'test')} has no readable image of any class and is not used as the test part.")
        train, test = _set_aside(train, names, where, wishes.share, grouping)
        notes.append(part_note(len(test.labels), wishes.share, " of the training images" if train.validation else ""))
    if train.validation:
        what = _spelt(listing, "validation")
        notes.append(f"{what} is used as the validation part ({images_text(train.validation)}); no training images are set aside.")
        notes += absent_notes(train.labels[-train.validation :], names, "validation")
    elif "validation" in listing.spelt:
        what = _spelt(listing, "validation")
        notes.append(f"{what} has no readable image of any class; some training images are set aside for validation.")
    notes += shape_notes + skipped_notes(skipped)
    probes = seen.probes.values()
    dataset = Dataset(
        name,
        train.images,
        train.labels,
        test.images,
        test.labels,
        names,
        readable(str(path.absolute())),
        tuple(notes),
        files=tuple(readable(file.path) for file in train.files),
        test_files=tuple(readable(file.path) for file in test.files),
        skipped=tuple(skipped),
        sizes=_most(Counter(f"{probe.height}x{probe.width}" for probe in probes)),
        modes=_most(Counter(probe.mode for probe in probes)),
        given_validation=train.validation,
        given_test=given_test,
        test_share=None if given_test else wishes.share,
        range=seen.white,
        fitting=Fitting(wishes.resize, any(record.reduced for record in records.values())),
        cache="" if goal.archive is None else str(goal.archive.parent),
    )
    dataset = _with_notes(dataset, *leak_notes(dataset))
    if goal.archive is None:
        return dataset
    kept = [records[file] for file in (*train.files, *test.files)]
    if problem := write_dataset(goal.archive, dataset, kept, goal.manner, goal.together):
        advice = f"The decoded images could not be cached in {goal.archive.parent} ({problem}); the next run will decode them again."
        dataset = dataclasses.replace(_with_notes(dataset, advice), cache="")
    return dataset


def _probed(listing: Listing, earlier: Earlier, on_progress: Callable[[str, int, int], None]) -> list[Probe | PictureError]:
    """Return what the head of each listed file says, or why it is no picture; only of those that are not known is it read."""
    known = [earlier.record(file) for file in listing.found]
    unknown = [file for file, record in zip(listing.found, known, strict=True) if record is None]
    read = iter(probed(listing.root, unknown, on_progress))
    return [next(read) if record is None else record.probe for record in known]


def _white(
    listing: Listing,
    path: Path,
    files: list[Found],
    probes: list[Probe],
    range: float | None,
    earlier: Earlier,
    skipped: list[Skipped],
    broken: Counter[str],
    on_progress: Callable[[str, int, int], None],
) -> tuple[list[Found], list[Probe], float | None, Mapping[Found, tuple[float, float] | PictureError], list[str]]:
    """Return the files that can be used, their probes, the number that is white in deep ones (None where there are none), the lowest and
    highest number of each of these, and notes."""
    where = readable(str(path))
    deep = [file for file, probe in zip(files, probes, strict=True) if probe.deep and (range is not None or probe.deep != FLOATS)]
    found: dict[Found, tuple[float, float] | PictureError] = {}
    for file in deep:
        if (record := earlier.record(file)) is not None and record.limits is not None:
            found[file] = record.limits
    if unknown := [file for file in deep if file not in found]:
        found |= zip(unknown, limits(listing.root, unknown, on_progress), strict=True)
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
        return files, probes, None, found, [] if range is None else ["No file has more than 8 bits: --range has no effect."]
    high, file = max(highest.values())
    if range is not None:
        if high > range:
            raise DataError(
                f"{where}: {readable(file.path)} has values up to {figure(high)}, more than --range {range}: give a larger range"
            )
        return files, probes, range, found, []
    deepest = SIXTEEN if high <= 255 or WHOLE not in highest else WHOLE
    try:
        white = own_white(deepest, high)
    except ValueError as error:
        raise DataError(f"{where}: {readable(file.path)} cannot be used: {error}") from None
    note = depth_note(high)
    return files, probes, white, found, [note] if note else []


def _spelt(listing: Listing, part: str) -> str:
    """Return what the user calls a part, to begin a sentence."""
    return f"The part {readable(listing.spelt[part])}"


def _classes(listing: Listing, files: list[Found], where: str, skipped: list[Skipped], broken: Counter[str]) -> dict[str, str]:
    """Return the folder of each class with the class's name, in natural order; folders of no images are skipped."""
    folders = sorted({file.folder for file in files}, key=natural)
    if not folders:
        raise DataError(f"{where} {listing.nothing}{skipped_lines(skipped, 5)}")
    for folder in sorted(listing.folders.keys() - set(folders), key=natural):
        if broken[folder]:
            unread = skipped_lines([entry for entry in skipped if entry.why is Reason.UNREAD_FORMAT], 0)
            raise DataError(f"{where}: the class {readable(folder)!r} has no readable image; {listing.remedy}{unread}")
        skipped += [Skipped(readable(place), Reason.EMPTY, False) for place in listing.folders[folder]]
    if len(folders) == 1:
        raise DataError(f"{where} has one class, {readable(folders[0])!r}; a classifier needs at least two {listing.alone}")
    return {folder: readable(folder) for folder in folders}


def _part(
    pixels: Pixels,
    files: list[Found],
    seen: _Seen,
    records: dict[Found, FileRecord],
    classes: dict[str, str],
    skipped: list[Skipped],
    broken: Counter[str],
) -> _Part:
    """Return decoded files as a part, without those that could not be decoded; note these, and what is known of the others."""
    number = {folder: place for place, folder in enumerate(classes)}
    kept = np.ones(len(files), np.bool_)
    for index, problem in pixels.problems.items():
        skipped.append(problem.skipped(readable(files[index].path)))
        broken[files[index].folder] += 1
        kept[index] = False
    left = [file for file, keep in zip(files, kept, strict=True) if keep]
    labels = np.array([number[file.folder] for file in left], np.int32)
    validation = sum(file.part == "validation" for file in left)
    grey, reduced = pixels.grey[kept], pixels.reduced[kept]
    for file, is_grey, is_reduced in zip(left, grey.tolist(), reduced.tolist(), strict=True):
        low_high = seen.measured.get(file)
        known = low_high if isinstance(low_high, tuple) else None
        records[file] = FileRecord(file.path, file.size, file.time, seen.probes[file], known, is_grey, is_reduced)
    seemed = sum(is_grey and not seen.probes[file].grey for file, is_grey in zip(left, grey, strict=True))
    return _Part(_compacted(pixels.images, kept), labels, left, validation, grey, seemed)


def _check_early(
    files: list[Found], classes: dict[str, str], where: str, broken: Counter[str], share: float, grouping: Grouping | None
) -> None:
    """Refuse what cannot become a data set before all images are decoded, which may take long."""
    number = {folder: place for place, folder in enumerate(classes)}
    training = [file for file in files if file.part == "train"]
    labels = np.array([number[file.folder] for file in training], np.int32)
    _check_classes(labels, classes, where, broken)
    if not any(file.part == "test" for file in files):
        _aside(labels, training, tuple(classes.values()), where, share, grouping)


def _check_classes(labels: NDArray[np.int32], classes: dict[str, str], where: str, broken: Counter[str]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if not counts.all():
        folder, missing = list(classes.items())[int(np.argmin(counts))]
        of_it = f" ({broken[folder]:,} of its files cannot be read)" if broken[folder] else ""
        raise DataError(f"{where}: the class {missing!r} has no readable training image{of_it}; add some, or leave the class out")


def _aside(
    labels: NDArray[np.int32], files: list[Found], names: tuple[str, ...], where: str, share: float, grouping: Grouping | None
) -> NDArray[np.int64]:
    """Return which of the training images become the test part where there is none."""
    try:
        groups = None if grouping is None else grouping.names([readable(file.path) for file in files], labels, names)
        return set_aside(share, labels, names, None if groups is None else numbers_of(groups))
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _set_aside(whole: _Part, names: tuple[str, ...], where: str, share: float, grouping: Grouping | None) -> tuple[_Part, _Part]:
    """Return the training part and a stratified share of it as test part; the images that stay are moved together, not copied.

    Images that are for validation stay for that.
    """
    training = len(whole.labels) - whole.validation
    chosen = _aside(whole.labels[:training], whole.files[:training], names, where, share, grouping)
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
