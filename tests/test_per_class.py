"""Counts of who is taken for whom, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as oracle
from sklearn.metrics import precision_recall_fscore_support

from issun.study.per_class import class_report, confused_pairs, confusion_matrix

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(PAIRS)
def test_counts_and_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    matrix = confusion_matrix(labels, predicted, 4)
    assert np.array_equal(matrix, oracle(labels, predicted, labels=range(4)))
    report = class_report(matrix, list("abcd"))
    expected = precision_recall_fscore_support(labels, predicted, labels=range(4), zero_division=np.nan)
    for column, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        found = report[column].to_numpy(float)
        measured = ~np.isnan(found)
        assert found[measured] == pytest.approx(np.asarray(values, float)[measured])
    assert np.isnan(report["recall"]).equals(report["support"] == 0)
    assert np.isnan(report["precision"]).equals(report["given"] == 0)


def test_the_most_confused_pairs_come_first_with_both_directions() -> None:
    matrix = np.array([[50, 1, 0], [7, 40, 2], [3, 0, 60]])
    pairs = confused_pairs(matrix, ["cat", "dog", "car"])
    assert pairs[["first", "second", "together", "first_as_second", "second_as_first"]].to_numpy().tolist() == [
        ["dog", "cat", 8, 7, 1],
        ["car", "cat", 3, 3, 0],
        ["dog", "car", 2, 2, 0],
    ]
    assert pairs["share"].sum() == pytest.approx(1)
    assert len(confused_pairs(matrix, ["cat", "dog", "car"], most=1)) == 1


def test_a_network_without_mistakes_confuses_nothing() -> None:
    assert confused_pairs(np.diag([3, 4]), ["a", "b"]).empty
