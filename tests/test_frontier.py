"""Choosing: is the frontier what it claims, is the smallest the smallest, the best the best, and do the errors name the nearest?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.errors import SelectionError
from issun.study.entry import Entry, EntryKey, TrialResult, networks_frame, with_trials
from issun.study.frontier import best, default_target, frontier, marked, smallest


def entry(network: str, *accuracies: float, parameters: int = 100, diverged: Sequence[bool] = (), **more: Any) -> Entry:
    """Return a network that was trained with seeds 0, 1, …"""
    trials = [
        TrialResult(f"{network} {seed}", seed, "diverged" if failed else "done", False, 0.5, accuracy, 4, 4, 0.5, accuracy, 1.0, "now")
        for seed, (accuracy, failed) in enumerate(zip(accuracies, diverged or [False] * len(accuracies), strict=True))
    ]
    sizes = {"parameters": parameters, "trainable_params": parameters, "macs": 10 * parameters, "bytes": 4 * parameters, "peak_memory": 64}
    whole = {"key": EntryKey(network, "r", "s"), "family": network, "label": network, "network": network, "knobs": {}, **sizes}
    return Entry(**{**whole, "validation_images": 1000, "guessing": math.nan, "trials": tuple(trials), **more})


def networks(*entries: Entry) -> tuple[Entry, ...]:
    return marked(entries)


# Few different values, so that ties come up.
many = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 6), st.integers(1, 3), st.booleans()),
    min_size=1,
    max_size=12,
).map(
    lambda rows: networks(
        *(
            entry(f"net {index}", accuracy / 6, parameters=parameters, macs=macs, diverged=[diverged and index % 3 == 0])
            for index, (parameters, accuracy, macs, diverged) in enumerate(rows)
        )
    )
)


@given(many)
def test_the_frontier_is_what_nothing_beats(entries: tuple[Entry, ...]) -> None:
    chosen = frontier(entries)
    usable = [one for one in entries if one.ended_well]
    for one in usable:
        size = one.parameters, -one.val_accuracy_mean
        sizes = [(other.parameters, -other.val_accuracy_mean) for other in usable]
        beaten = any(other[0] <= size[0] and other[1] <= size[1] and other != size for other in sizes)
        twins = [other for other, same in zip(usable, sizes, strict=True) if same == size]
        assert sum(twin in chosen for twin in twins) == (0 if beaten else 1)
    assert all(one.ended_well for one in chosen)
    assert [one.parameters for one in chosen] == sorted(one.parameters for one in chosen)
    assert [one.val_accuracy_mean for one in chosen] == sorted(one.val_accuracy_mean for one in chosen)
    assert [one for one in entries if one.frontier] == chosen


@given(many, st.randoms())
def test_the_order_of_entries_does_not_matter(entries: tuple[Entry, ...], random: Any) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert frontier(shuffled) == frontier(entries)
    assert marked(shuffled) == entries


@given(many, st.integers(1, 6), st.booleans())
def test_the_smallest_is_the_smallest_that_meets_the_target(entries: tuple[Entry, ...], sixths: int, lower: bool) -> None:
    measure = "val_accuracy_lower95" if lower else "val_accuracy_mean"
    meeting = [one for one in entries if one.ended_well and getattr(one, measure) >= sixths / 6 - 1e-9]
    if not meeting:
        with pytest.raises(SelectionError):
            smallest(entries, sixths / 6, lower=lower)
    else:
        chosen = smallest(entries, sixths / 6, lower=lower)
        assert getattr(chosen, measure) >= sixths / 6 - 1e-9
        assert chosen.parameters == min(one.parameters for one in meeting)


@given(many, st.integers(1, 6), st.integers(1, 3))
def test_the_best_keeps_every_budget(entries: tuple[Entry, ...], parameters: int, macs: int) -> None:
    fitting = [one for one in entries if one.ended_well and one.parameters <= parameters and one.macs <= macs]
    budgets = {"max_params": parameters, "max_macs": macs}
    if not fitting:
        with pytest.raises(SelectionError):
            best(entries, budgets)
    else:
        chosen = best(entries, budgets)
        assert chosen in fitting
        assert chosen.val_accuracy_mean == max(one.val_accuracy_mean for one in fitting)


@given(many, st.sampled_from(["macs", "bytes", "seconds"]))
def test_by_another_size_it_is_another_frontier(entries: tuple[Entry, ...], size: str) -> None:
    chosen = frontier(entries, size)
    sizes = [getattr(one, size) for one in chosen]
    assert sizes == sorted(sizes)
    for one in entries:
        if one.ended_well and one not in chosen:
            assert any(getattr(other, size) <= getattr(one, size) and other.val_accuracy_mean >= one.val_accuracy_mean for other in chosen)


def test_a_network_is_the_mean_over_its_seeds() -> None:
    one = entry("a", 0.90, 0.94, 0.92)
    assert one.val_accuracy_mean == pytest.approx(0.92)
    assert one.val_accuracy_std == pytest.approx(0.02)
    assert (one.seeds, one.best_seed, one.diverged) == (3, 1, 0)
    assert one.val_accuracy_lower95 < 0.92


def test_a_network_says_what_it_is() -> None:
    assert str(entry("dense", 0.9, 0.8)) == "dense: 100 parameters, validation 85.00 ± 7.07 %"
    failed = entry("dense", 0.9, 0.1, diverged=[False, True])
    assert str(failed).endswith("validation 50.00 ± 56.57 % (1 of 2 seeds; 1 diverged)")


def test_one_seed_has_no_deviation() -> None:
    assert math.isnan(entry("a", 0.9).val_accuracy_std)


def test_the_best_seed_is_the_first_of_equals() -> None:
    assert entry("a", 0.8, 0.9, 0.9).best_seed == 1


def test_a_diverged_seed_counts_as_the_failure_that_it_is() -> None:
    one = entry("a", 0.95, 0.85, diverged=[True, False])
    assert one.val_accuracy_mean == pytest.approx(0.90)
    assert one.diverged == 1
    assert one.best_seed == 1  # the other has no weights to hand over


def test_with_fewer_trials_it_is_another_mean() -> None:
    one, other = entry("a", 0.9, 0.8, 0.1), entry("b", 0.5)
    (kept,) = with_trials([one, other], {"a 0", "a 1"})
    assert (kept.key, kept.val_accuracy_mean) == (one.key, pytest.approx(0.85))
    assert kept != one
    assert hash(kept) == hash(one)
    assert with_trials([one, other], {"a 0", "a 1", "a 2", "b 0"}) == [one, other]


def test_what_was_a_row_is_still_asked_by_its_columns_for_a_version() -> None:
    one = entry("a", 0.9, 0.8, guessing=0.1)
    row = networks_frame([one]).iloc[0]
    for name in row.index:
        with pytest.warns(DeprecationWarning, match=rf'entry\["{name}"\] is now entry\.'):
            assert one[name] == row[name]
    with pytest.raises(KeyError):
        one["test"]


def test_recipes_and_splits_are_not_mixed() -> None:
    one = entry("a", 0.9)
    others = [replace(entry("a", accuracy), key=key) for accuracy, key in ((0.8, EntryKey("a", "o", "s")), (0.7, EntryKey("a", "r", "o")))]
    assert [found.val_accuracy_mean for found in networks(one, *others)] == [0.9, 0.8, 0.7]
    assert frontier([one, *others]) == [one]


def test_the_default_target_is_a_hundredth_below_the_best() -> None:
    entries = networks(entry("a", 0.962, parameters=10), entry("b", 0.97, parameters=20), entry("c", 0.95, parameters=5))
    assert default_target(entries) == pytest.approx(0.96)
    assert smallest(entries).network == "a"


def test_a_mean_that_rounds_below_the_target_still_meets_it() -> None:
    entries = networks(entry("a", 0.971, 0.969, 0.97))
    assert smallest(entries, 0.97).network == "a"


def test_no_network_meets_the_target() -> None:
    entries = networks(entry("small", 0.7, parameters=10), entry("large", 0.9, parameters=20_000))
    with pytest.raises(SelectionError, match=r"at least 97.00 % .*nearest is `large` with 90.00 % \(20,000 parameters\)"):
        smallest(entries, 0.97)
    with pytest.raises(SelectionError, match=r"lower 95 % bound"):
        smallest(entries, 0.9, lower=True)


def test_no_network_fits_the_budget() -> None:
    entries = networks(entry("small", 0.7, parameters=10), entry("large", 0.9, parameters=20_000))
    with pytest.raises(SelectionError, match=r"at most 5 parameters; the nearest is `small` with 10 parameters"):
        best(entries, {"max_params": 5})
    with pytest.raises(SelectionError, match=r"at most 9 bytes of weights and at most 1 bytes of working memory"):
        best(entries, {"max_bytes": 9, "max_memory": 1})


def test_a_percentage_is_no_fraction() -> None:
    with pytest.raises(SelectionError, match=r"0.97"):
        smallest(networks(entry("a", 0.9)), 97)


def test_nothing_to_choose_from() -> None:
    with pytest.raises(SelectionError, match=r"no finished trial"):
        smallest([])
    with pytest.raises(SelectionError, match=r"diverged with every seed"):
        best(networks(entry("a", 0.1, diverged=[True])))


def test_where_nothing_is_learnt_something_is_still_good_enough() -> None:
    entries = networks(entry("a", 0.0), entry("b", 0.004, parameters=200))
    assert default_target(entries) > 0
    assert smallest(entries).network == "b"
