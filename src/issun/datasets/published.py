"""Data as published experiments used it: watched on the test part. Such figures were chosen on test images, and must say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from issun.datasets.class_names import other_forms
from issun.datasets.dataset import Dataset, Split
from issun.datasets.tree import natural
from issun.errors import DataError

#: What such a data set says of itself.
NOTE = "as published: the test images are the validation images too, and all training images are trained on"


def watched_on_test(dataset: Dataset) -> Dataset:
    """Return the data with its test part as the validation part, so that all training images are trained on.

    It has a fingerprint of its own, so that no study mixes it with the honest one. The test part stays the test part. A validation part
    that the data brings is left out.

    Parameters
    ----------
    dataset : Dataset
    """
    kept = len(dataset.images) - dataset.given_validation
    names = {
        part: (*getattr(dataset, part)[:kept], *getattr(dataset, f"test_{part}"))
        if getattr(dataset, part) and getattr(dataset, f"test_{part}")
        else ()
        for part in ("files", "groups")
    }
    return replace(
        dataset,
        images=np.concatenate([dataset.images[:kept], dataset.test_images]),
        labels=np.concatenate([dataset.labels[:kept], dataset.test_labels]),
        given_validation=len(dataset.test_images),
        notes=(*dataset.notes, NOTE),
        files=names["files"],
        groups=names["groups"],
        test_groups=dataset.test_groups if names["groups"] else (),
    )


def matching(dataset: Dataset, fingerprint: str) -> Dataset:
    """Return the data that a study is about: the data set as it is, or as `watched_on_test` makes it; its class names in the study's form.

    Raises
    ------
    DataError
        Where neither has that fingerprint.
    """
    for form in (dataset, *other_forms(dataset, natural)):
        if form.fingerprint == fingerprint:
            return form
        published = watched_on_test(form)
        if published.fingerprint == fingerprint:
            return published
    published = watched_on_test(dataset)
    raise DataError(
        f"{dataset.name} has the fingerprint {dataset.fingerprint} ({published.fingerprint} as published), and {fingerprint} is "
        f"needed: these are other images"
    )


def smaller(dataset: Dataset, train: int, test: int) -> Dataset:
    """Return about so many of the training images and of the test images, by class, always the same; parts that are smaller stay whole.

    For trying something out: it has a fingerprint of its own. Of a validation part that the data brings, as many stay as of the test part.
    """

    def some(labels: np.ndarray[tuple[int], np.dtype[np.int32]], most: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if len(labels) <= most:
            return np.arange(len(labels))
        # Labels of test and validation parts may lack a class; those that there are get numbers without gaps.
        present, numbers = np.unique(labels, return_inverse=True)
        if np.bincount(numbers).min() < 2:
            return np.linspace(0, len(labels) - 1, most).round().astype(np.int64)
        return Split(most / len(labels)).indices(numbers.astype(np.int32), tuple(map(str, present)))[1]

    kept = len(dataset.images) - dataset.given_validation
    validation = kept + some(dataset.labels[kept:], test) if dataset.given_validation else np.empty(0, np.int64)
    chosen = np.concatenate([some(dataset.labels[:kept], train), validation])
    tested = some(dataset.test_labels, test)

    def named(names: tuple[str, ...], places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[str, ...]:
        return tuple(names[place] for place in places) if names else ()

    return replace(
        dataset,
        images=dataset.images[chosen],
        labels=dataset.labels[chosen],
        test_images=dataset.test_images[tested],
        test_labels=dataset.test_labels[tested],
        files=named(dataset.files, chosen),
        test_files=named(dataset.test_files, tested),
        groups=named(dataset.groups, chosen),
        test_groups=named(dataset.test_groups, tested),
        given_validation=len(validation),
        notes=(*dataset.notes, f"only {len(chosen) - len(validation):,} of the training and {len(tested):,} of the test images"),
    )
