"""The images that a model is checked on before it is handed over: the whole validation part of the data that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from issun.datasets.class_names import same_names
from issun.datasets.dataset import Dataset, Split
from issun.datasets.named import NAMES, load_as
from issun.datasets.published import matching
from issun.datasets.split import validation_mark
from issun.errors import DataError, ExportError, IssunError
from issun.model import Model
from issun.paths import kind_of
from issun.study import Study
from issun.study.images import study_images


@dataclass(frozen=True, eq=False)
class ValidationPart:
    """Images to check with, and how they are called.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, height, width, channels)
    labels : ndarray of int32, shape (N,)
    train, train_labels : ndarray of uint8, shape (M, height, width, channels), and of int32, shape (M,)
        The training part: what a format may measure, such as the ranges of values, or train with.
    name : str
        ``validation images of mnist``.
    remarks : tuple of str
        What is good to know: that these are other images than the model was trained on.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    train: NDArray[np.uint8]
    train_labels: NDArray[np.int32]
    name: str
    remarks: tuple[str, ...] = ()


def is_study(path: Path) -> bool:
    """Return whether a file is a study rather than a model; what is neither is called a model, and refused as such."""
    if kind_of(path, IssunError) != "file":
        return path.suffix == ".sqlite"
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return path.suffix == ".sqlite"


def of_study(study: Study, network: str | None, seed: int | None, data: str | None, data_dir: Path | None) -> ValidationPart:
    """Return the images that chose a network of a study.

    Raises
    ------
    DataError
        Where they are not found.
    """
    dataset = study_images(study, data, data_dir)
    indices = study.predictions(network, seed)["index"].to_numpy()
    return _part(dataset, indices)


def of_model(model: Model, data: str | None, data_dir: Path | None, groups: str | None) -> ValidationPart:
    """Return the validation part of the data that a saved model says it was trained on, or of other data.

    Raises
    ------
    DataError
        Where it is not found, or without `data` is not what the model was trained on.
    ExportError
        Where its classes are not those of the model.
    """
    known = model.provenance.data
    if data is None and known is None:
        raise DataError("the model does not record its training data")
    place = data if data is not None else known.name if known else ""
    if data is None and not (place in NAMES or _is_there(place)):  # a model's file may say anything
        raise DataError(f"the model's data, {place!r:.200}, does not exist")
    height, width, channels = model.net.input  # images come in the size and kind that the model knows
    dataset = load_as(place, data_dir, (height, width, channels), model.provenance.range, groups=groups)
    remarks = []
    try:
        dataset = matching(dataset, known.fingerprint if known else dataset.fingerprint)
    except DataError:
        if data is None:
            raise
        remarks.append(f"{dataset.name} is not the data that the model was trained on ({known}); the check uses these images instead")
    if not same_names(dataset.classes, model.classes):
        raise ExportError(f"the classes of {dataset.name} do not match the model's classes: {', '.join(model.classes[:10])}")
    split = (None if remarks else _split_of(model, dataset)) or Split()
    _, indices = dataset.parts(split)
    return _part(dataset, indices, tuple(remarks))


def trained_with(model: Model, dataset: Dataset) -> tuple[Dataset, Split | None] | None:
    """Return the data as a saved model was trained on it, and the split (None where the model does not say); None for other data.

    Raises
    ------
    DataError
        Where the model's split does not choose the images, of this data, that the model was validated on.
    """
    known = model.provenance.data
    if known is None:
        return None
    try:
        dataset = matching(dataset, known.fingerprint)
    except DataError:
        return None
    return dataset, _split_of(model, dataset)


def _split_of(model: Model, dataset: Dataset) -> Split | None:
    """Return a model's split of the data that it was trained on; None where the model does not say."""
    provenance = model.provenance
    if not provenance.split:
        return None
    split = Split.named(provenance.split)
    found, stored = validation_mark(dataset.parts(split)[1]), provenance.validation_images
    if stored and found != stored:
        raise DataError(
            f"the split {split.id!r} of {dataset.name} selects different validation images ({found}) from those that the model was "
            f"validated on ({stored:.60}): it would be evaluated on its training images; use the study that it comes from instead"
        )
    return split


def _is_there(place: str) -> bool:
    try:
        return kind_of(place, DataError) in ("file", "folder")
    except DataError:
        return False


def _part(dataset: Dataset, indices: NDArray[np.int64], remarks: tuple[str, ...] = ()) -> ValidationPart:
    others = np.ones(len(dataset.images), np.bool_)
    others[indices] = False
    name = f"validation images of {dataset.name}"
    images, labels = dataset.images, dataset.labels
    return ValidationPart(images[indices], labels[indices], images[others], labels[others], name, remarks)
