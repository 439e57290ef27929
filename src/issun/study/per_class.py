"""Precision, recall and confusion of classes, from true and predicted labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Return how many images of each true class (row) were given each class (column), shape (classes, classes).

    Parameters
    ----------
    labels, predicted : array_like of int, shape (N,)
        From 0 to ``classes - 1``.
    classes : int
    """
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.asarray(labels), np.asarray(predicted)), 1)
    return matrix


def confused_pairs(matrix: NDArray[np.int64], names: Sequence[str], most: int = 10) -> pd.DataFrame:
    """Return the pairs of classes that are taken for each other most often, most first.

    Returns
    -------
    DataFrame
        At most `most` rows. ``first, second``: the names; the first is the one more often taken for the other. ``together``: how many
        images in both directions; ``first_as_second``, ``second_as_first``: in each; ``share``: of all mistakes, a fraction.
    """
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    both = np.triu(mistakes + mistakes.T)
    rows = []
    for flat in np.argsort(-both, axis=None, kind="stable")[:most]:
        one, other = divmod(int(flat), len(names))
        if not both[one, other]:
            break
        if mistakes[other, one] > mistakes[one, other]:
            one, other = other, one
        counts = int(mistakes[one, other]), int(mistakes[other, one])
        rows.append((names[one], names[other], sum(counts), *counts, sum(counts) / mistakes.sum()))
    return pd.DataFrame(rows, columns=["first", "second", "together", "first_as_second", "second_as_first", "share"])


def class_report(matrix: NDArray[np.int64], names: Sequence[str]) -> pd.DataFrame:
    """Return how well each class is recognised, one row a class in label order.

    Returns
    -------
    DataFrame
        ``name``; ``precision``: of the images given this class, the part that has it (NaN where none was); ``recall``: of the images that
        have it, the part that was given it (NaN where none has); ``f1``: their harmonic mean, 2 hits / (support + given), NaN where both
        are 0; ``support``: how many images have it; ``given``: how many were given it.
    """
    hits, support, given = np.diag(matrix).astype(float), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):  # 0 / 0 is what nobody measured
        figures = {"precision": hits / given, "recall": hits / support, "f1": 2 * hits / (support + given)}
    return pd.DataFrame({"name": list(names), **figures, "support": support, "given": given})
