"""`issun.predict`: what a model says of pictures, how often it is right, and whether they are such as it was trained on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets import cifar
from issun.datasets.appearance import Style, figures, fitted_content
from issun.datasets.dataset import Dataset
from issun.datasets.idx import is_idx_folder
from issun.datasets.named import NAMES, load_as
from issun.datasets.picture_formats import PICTURE_ENDINGS
from issun.datasets.pictures import MADE_WHITE, NOTHING_TO_FIT, Changes, inverted, read_images
from issun.datasets.resizing import Fitting, Resize
from issun.datasets.skipped import PictureError, Reason
from issun.datasets.test_part import part_note
from issun.datasets.tree import PARTS
from issun.datasets.white_level import checked_range
from issun.errors import DataError, ModelError
from issun.model import Model, as_batch
from issun.plain import plain
from issun.predicting.asked_images import Asked, Listed, is_folder, listed, named, spelled
from issun.predicting.unlike_images import Doubt, doubt_of

#: Images that are read and answered at a time.
_BATCH = 512

#: Notes on single images are given one by one up to this many.
_NOTES = 5

#: What was done to pictures of another shape.
_DONE: Mapping[Resize, str] = {"crop": "cropped to their middle", "pad": "with black bars", "stretch": "stretched"}

_Images = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | NDArray[np.uint8] | Dataset


class Problem(NamedTuple):
    """A file that cannot be read, and why; the reason continues a sentence that begins with the file. `why` and `detail` are the reason as
    facts, where a picture's file was read."""

    image: str
    reason: str
    why: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model said of images.

    Attributes
    ----------
    model : Model
    source : Path or None
        The model's file, where it was read from one.
    images : tuple of str
        Their files; the numbers of images without files, from 0.
    ranked : ndarray of int64, shape (N, `top`)
        The most probable classes of each image, the first of equals first.
    probabilities : ndarray of float32, shape (N, `top`)
        Theirs.
    labels : ndarray of int64, shape (N,), or None
        The true classes, -1 for one that the model does not know; None where no classes are given.
    figures : ndarray of float64, shape (N, 4)
        What each image looks like, as the network got it; see `issun.datasets.appearance`.
    problems : tuple of Problem
        Files that could not be read.
    unknown : dict of str to int
        Classes that the model does not know, and how many images they have.
    changes : tuple of str
        What was done to all images: ``invert``, ``fit``.
    notes : tuple of str
        One sentence each, for the user.
    """

    model: Model
    source: Path | None
    images: tuple[str, ...]
    ranked: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    figures: NDArray[np.float64]
    problems: tuple[Problem, ...]
    unknown: dict[str, int]
    changes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The most probable class of each image."""
        return tuple(self.model.classes[index] for index in self.ranked[:, 0])

    @cached_property
    def unlike(self) -> NDArray[np.bool_]:
        """Which images are unlike those that the model was trained on, shape (N,); none where it does not say what those look like."""
        appearance = self.model.appearance
        return np.zeros(len(self.images), np.bool_) if appearance is None else np.asarray(appearance.outside(self.figures).any(axis=1))

    @cached_property
    def doubt(self) -> Doubt | None:
        """What is to be said of the images that are `unlike`; None where none is."""
        if self.model.appearance is None or not self.unlike.any():
            return None
        return doubt_of(self.model.appearance, self.images, self.figures, self.changes)

    @cached_property
    def confusion(self) -> NDArray[np.int64] | None:
        """Images by true class (row) and predicted class (column), those of unknown classes left out; None without labels."""
        if self.labels is None:
            return None
        known, count = self.labels >= 0, len(self.model.classes)
        return np.bincount(self.labels[known] * count + self.ranked[known, 0], minlength=count * count).reshape(count, count)

    @property
    def accuracy(self) -> float | None:
        """The share of images whose most probable class is theirs; None without labels, or where no class is known."""
        matrix = self.confusion
        return None if matrix is None or not matrix.sum() else float(np.trace(matrix) / matrix.sum())

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the accuracy (Wilson's), from the number of images; None without an accuracy."""
        from issun.study.statistics import wilson_lower  # here, because the study brings pandas and matplotlib with it

        if self.confusion is None or self.accuracy is None:
            return None
        count = int(self.confusion.sum())
        return wilson_lower(self.accuracy, count, 0.975), 1 - wilson_lower(1 - self.accuracy, count, 0.975)

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes of the model without an image; empty without labels."""
        matrix = self.confusion
        return (
            () if matrix is None else tuple(name for name, count in zip(self.model.classes, matrix.sum(axis=1), strict=True) if not count)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        from issun.study.per_class import class_report

        names = self.model.classes
        answers = []
        for place, image in enumerate(self.images):
            ranked = zip(self.ranked[place], self.probabilities[place], strict=True)
            answer: dict[str, Any] = {
                "image": image,
                "classes": [{"class": names[index], "probability": float(value)} for index, value in ranked],
                "unlike": bool(self.unlike[place]),
            }
            if self.labels is not None:
                answer["label"] = names[self.labels[place]] if self.labels[place] >= 0 else None
            answers.append(answer)
        found: dict[str, Any] = {
            "model": None if self.source is None else str(self.source),
            "network": str(self.model.net),
            "changes": list(self.changes),
            "notes": list(self.notes),
            "doubt": None if self.doubt is None else self.doubt.as_dict(),
            "appearance": None if self.model.appearance is None else self.model.appearance.as_dict(),
        }
        if self.confusion is not None:
            report = class_report(self.confusion, names)
            found |= {
                "accuracy": self.accuracy,
                "interval": None if self.interval is None else list(self.interval),
                "labelled": int(self.confusion.sum()),
                "unknown_classes": self.unknown,
                "absent_classes": list(self.absent),
                "class_names": list(names),
                "per_class": report.astype(object).where(report.notna(), None).to_dict("records"),
                "confusion": self.confusion.tolist(),
            }
        problems = [{"image": image, "problem": f"{image} {reason}"} for image, reason, *_ in self.problems]
        values: dict[str, Any] = plain({**found, "images": answers, "problems": problems})
        return values


class _Batch(NamedTuple):
    """Images as the network takes them; their names, and their true classes where those are known."""

    names: list[str]
    pixels: NDArray[np.uint8]
    labels: list[str | None]


def predict(
    model: Model | str | os.PathLike[str],
    images: _Images,
    *,
    invert: bool = False,
    fit: bool = False,
    top: int | None = None,
    range: float | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    labels: Sequence[str] | None = None,
    threads: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Prediction:
    """Classify images with a model, check whether they resemble its training images, and report accuracy where their classes are known.

    Parameters
    ----------
    model : Model, str or PathLike
        A model or its file.
    images : str, PathLike, sequence of them, ndarray or Dataset
        Image files; a folder of images; a folder with a subfolder for each class; a ``.csv`` of files and labels; an ``.npz`` archive, a
        folder of IDX files or a named data set; or uint8 images of shape (N, height, width, channels). Pictures are read in batches. Of
        what has parts, it is the test part that is asked about; an archive without one is asked about as a whole, unless the model was
        trained on it: then about the part that was set aside.
    invert : bool
        Invert brightness.
    fit : bool
        Find the foreground of each image, and centre and scale it as in the training images. Its brightness then matches theirs, so
        `invert` has no effect. For models of grey images on a plain background.
    top : int, optional
        Number of classes to return for each image, at least 1; default: 3, and 1 for folders.
    range : float, optional
        The white level of images of more than 8 bits; by default that of the model's training images.
    data_dir : str or PathLike, optional
        Folder to search first for named data sets.
    labels : sequence of str, optional
        The true class of each image, where `images` is an array.
    threads : int, optional
        How many to use; by default one for each core.
    on_progress : callable, optional
        Called with the number of images done and their total.

    Returns
    -------
    Prediction
        Files that cannot be read are in its `problems`.

    Raises
    ------
    ModelError
        Where the model cannot be read or used, the images do not fit it, or it does not support `fit`.
    DataError
        Where a folder, a table or an archive cannot be read.

    Examples
    --------
    >>> said = predict("model.safetensors", "scans", invert=True)  # doctest: +SKIP
    >>> said.classes, said.doubt  # doctest: +SKIP
    """
    source = None if isinstance(model, Model) else Path(model)
    loaded = model if isinstance(model, Model) else Model.load(model)
    if isinstance(images, list | tuple) and len(images) == 1:
        images = images[0]
    top = _usual_top(images) if top is None else top
    if top < 1:
        raise ModelError(f"`top` (={top}) must be the number of classes to return for each image, at least 1")
    range = checked_range(range)
    white = loaded.provenance.range if range is None else range
    style = _style(loaded) if fit else None
    height, width, channels = loaded.net.input
    shape = (height, width, channels)
    notes: list[str] = []
    problems: list[Problem] = []
    remarks: list[tuple[str, Changes]] = []  # image and what had to be done to it
    progress = on_progress or (lambda done, total: None)
    if labels is not None and not isinstance(images, np.ndarray):
        raise DataError("`labels` applies only to an array of images; folders, tables and data sets have their own labels")
    arrays = _arrays(images, loaded, labels, white, data_dir, notes)
    if arrays is not None:
        labelled, batches = arrays.labelled, _of_arrays(arrays, shape, invert, style, remarks)
    else:
        found = _listed(images, loaded, notes)
        problems += [Problem(*problem) for problem in found.problems]
        labelled = found.labelled
        batches = _of_files(found.pictures, shape, white, invert, style, loaded.provenance.fitting, problems, remarks, notes, progress)
    numbers, unknown = named(loaded.classes), Counter[str]()
    kept = min(top, len(loaded.classes))
    names: list[str] = []
    ranked, probabilities, true, looks = [np.zeros((0, kept), np.int64)], [np.zeros((0, kept), np.float32)], [], [np.zeros((0, 4))]
    for batch in batches:
        names += batch.names
        said = loaded.predict_proba(batch.pixels, threads)
        order = np.argsort(-said, axis=1, kind="stable")[:, :kept]
        ranked.append(order)
        probabilities.append(np.take_along_axis(said, order, axis=1))
        looks.append(figures(batch.pixels))
        for label in batch.labels:
            number = -1 if label is None else numbers.get(spelled(label), -1)
            true.append(number)
            if label is not None and number < 0:
                unknown[label] += 1
    notes += _summary(remarks, shape)
    return Prediction(
        model=loaded,
        source=source,
        images=tuple(names),
        ranked=np.concatenate(ranked),
        probabilities=np.concatenate(probabilities),
        labels=np.array(true, np.int64) if labelled else None,
        figures=np.concatenate(looks),
        problems=tuple(problems),
        unknown=dict(unknown),
        changes=("invert",) * invert + ("fit",) * fit,
        notes=tuple(notes),
    )


def _usual_top(images: _Images) -> int:
    """Return how many classes of an image are kept where that is not said: of folders, which hold many images, one."""
    if isinstance(images, np.ndarray | Dataset):
        return 3
    several = [images] if isinstance(images, str | os.PathLike) else images
    return 1 if any(is_folder(Path(one)) for one in several) else 3


def _style(model: Model) -> Style:
    """Return how the content of the training images lies; errors where the model does not say, or it does not lie so."""
    if model.appearance is None:
        raise ModelError(
            "`fit` (--fit) needs statistics of the training images, which this model of an older issun does not hold; "
            "train it again, or leave `fit` out"
        )
    if model.appearance.style is None:
        kind = "grey images without a plain background" if model.net.input[2] == 1 else "colour images"
        raise ModelError(
            f"`fit` (--fit) requires a model of grey images on a plain background, but this one has {kind}: leave it out and crop "
            f"images like the training images"
        )
    return model.appearance.style


class _Arrays(NamedTuple):
    """Images in memory, in one or more parts, and their classes, none where they are not `labelled`."""

    parts: list[NDArray[np.uint8]]
    labels: list[str | None]
    labelled: bool


def _arrays(
    images: _Images,
    model: Model,
    labels: Sequence[str] | None,
    white: float | None,
    data_dir: str | os.PathLike[str] | None,
    notes: list[str],
) -> _Arrays | None:
    """Return images that are in memory, or in a file that is read whole; None where they are pictures' files."""
    if isinstance(images, np.ndarray):
        batch = as_batch(images, model.net.input)
        if labels is not None and len(labels) != len(batch):
            raise DataError(f"`labels` has {len(labels):,} names for {len(batch):,} images; each image needs one")
        return _Arrays([batch], [None] * len(batch) if labels is None else list(map(str, labels)), labels is not None)
    if isinstance(images, str | os.PathLike):
        path = Path(images)
        named_data = str(images) in NAMES and not os.path.exists(path)  # noqa: PTH110 - false, too, for what may not be looked at
        if not named_data and path.suffix.lower() != ".npz" and not (is_folder(path) and (is_idx_folder(path) or cifar.is_cifar(path))):
            return None
        height, width, channels = model.net.input
        images = load_as(images, data_dir, (height, width, channels), white, model.provenance.fitting)
        notes += [note for note in images.notes if note != part_note(len(images.test_images), images.test_share or 0)]
    if not isinstance(images, Dataset):
        return None
    for part in (images.images, images.test_images):
        if len(part):
            as_batch(part[:1], model.net.input)  # refuses another shape
    parts, numbers = [images.test_images], images.test_labels
    if images.given_test:
        notes.append(f"{images.name}: using its test part.")
    elif len(images.test_images) and model.provenance.data is not None and images.fingerprint == model.provenance.data.fingerprint:
        notes.append(f"{images.name}: the model was trained on it; using the part that was set aside for testing.")
    else:
        parts, numbers = [images.images, images.test_images], np.concatenate([images.labels, images.test_labels])
    return _Arrays(parts, [images.classes[number] for number in numbers], True)


def _of_arrays(
    arrays: _Arrays, shape: tuple[int, int, int], invert: bool, style: Style | None, remarks: list[tuple[str, Changes]]
) -> Iterator[_Batch]:
    place = 0
    for part in arrays.parts:
        for start in range(0, len(part), _BATCH):
            pixels = part[start : start + _BATCH]
            names = [str(place + index) for index in range(len(pixels))]
            changed = inverted(pixels) if invert else pixels
            if style is not None:
                changed = changed.copy()
                for index, image in enumerate(pixels):
                    content = fitted_content(image[..., 0], style, shape[0], shape[1])
                    if content is None:
                        remarks.append((names[index], Changes(bare=True)))
                    else:
                        changed[index] = content[..., None]
            yield _Batch(names, changed, arrays.labels[place : place + len(pixels)])
            place += len(pixels)


def _listed(images: _Images, model: Model, notes: list[str]) -> Listed:
    """Return all pictures of one or several paths."""
    several = [images] if isinstance(images, str | os.PathLike) else list(images)  # type: ignore[arg-type]
    found = Listed()
    data = model.provenance.data
    trained_on = str(Path(data.name)) if data is not None else ""
    for item in several:
        one = listed(Path(os.fspath(item)), model.classes)
        found.pictures += one.pictures
        found.problems += one.problems
        found.labelled |= one.labelled
        notes += one.notes
        if one.labelled and one.part in ("", "train") and trained_on and _is_or_trains(os.fspath(item), trained_on):
            notes.append(
                f"{trained_on} is what the model was trained on: it knows most of these images, and what it says of them tells nothing of "
                f"its accuracy on others."
            )
    return found


def _is_or_trains(item: str, trained_on: str) -> bool:
    """Whether a path is that of the data that a model was trained on, as it was written then, or of the training part in it."""
    path = Path(item)
    return str(path) == trained_on or (str(path.parent) == trained_on and path.name.casefold() in PARTS["train"])


def _of_files(
    pictures: Sequence[Asked],
    shape: tuple[int, int, int],
    white: float | None,
    invert: bool,
    style: Style | None,
    fitting: Fitting,
    problems: list[Problem],
    remarks: list[tuple[str, Changes]],
    notes: list[str],
    progress: Callable[[int, int], None],
) -> Iterator[_Batch]:
    """Yield the pictures that can be read; what cannot goes to `problems`, what is no picture in a folder of them to `notes`."""
    no_pictures: list[str] = []
    for start in range(0, len(pictures), _BATCH):
        asked = pictures[start : start + _BATCH]
        batch = _Batch([], np.zeros((0, *shape), np.uint8), [])
        pixels = []
        read = read_images([one.path for one in asked], shape, white, invert=invert, style=style, fitting=fitting)
        for picture, result in zip(asked, read, strict=True):
            if isinstance(result, PictureError):
                if result.picture or picture.alone or os.path.splitext(picture.path)[1].lower() in PICTURE_ENDINGS:  # noqa: PTH122
                    problems.append(Problem(picture.name, str(result), result.why, result.detail))
                else:
                    no_pictures.append(picture.name)
                continue
            image, changes = result
            if any(changes):
                remarks.append((picture.name, changes))
            batch.names.append(picture.name)
            batch.labels.append(picture.label)
            pixels.append(image)
        progress(start + len(asked), len(pictures))
        if pixels:
            yield batch._replace(pixels=np.stack(pixels))
    if no_pictures:
        others = f" and {len(no_pictures) - 1:,} more files are not images" if len(no_pictures) > 1 else " is not an image"
        notes.append(f"{no_pictures[0]}{others}; skipped.")


def _summary(remarks: list[tuple[str, Changes]], shape: tuple[int, int, int]) -> list[str]:
    """Return what had to be done to single images: one by one, or by kind where they are many."""
    if len(remarks) <= _NOTES:
        return [f"{name}: {note}" for name, note in remarks]
    kinds = Counter(changes for _, changes in remarks)
    if len(kinds) <= _NOTES:
        return [f"{count:,} {'image' if count == 1 else 'images'}: {changes}" for changes, count in kinds.most_common()]
    done = [changes for _, changes in remarks]
    resized, reshaped = sum(changes.resized is not None for changes in done), sum(changes.reshaped for changes in done)
    how = next((_DONE[changes.how] for changes in done if changes.reshaped and changes.how), _DONE["crop"])
    found = [f"{resized:,} images of several sizes were resized to {shape[0]}x{shape[1]}, {reshaped:,} of them {how}."]
    for words, count in (
        (MADE_WHITE, sum(changes.transparent for changes in done)),
        (NOTHING_TO_FIT, sum(changes.bare for changes in done)),
    ):
        if count:
            found.append(f"{count:,} {'image' if count == 1 else 'images'}: {words}")
    return found
