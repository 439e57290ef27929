"""Choosing: is the frontier what it claims, is the smallest the smallest, the best the best, and do the errors name the nearest?"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.errors import SelectionError
from issun.study.frontier import best, default_target, frontier, networks_frame, smallest


def trial(network: str, seed: int, accuracy: float, *, parameters: int = 100, diverged: bool = False, **more: Any) -> dict[str, Any]:
    """Return one row as `Study.frame` has it."""
    sizes = {"parameters": parameters, "trained": parameters, "macs": 10 * parameters, "bytes": 4 * parameters, "peak_memory": 64}
    row = {"network_id": network, "family": network, "network": network, "knobs": {}, **sizes, "recipe_id": "r", "split": "s"}
    row |= {"seed": seed, "diverged": diverged, "validation_accuracy": accuracy, "validation_images": 1000, "seconds": 1.0}
    return row | more


def networks(*trials: dict[str, Any]) -> pd.DataFrame:
    return networks_frame(pd.DataFrame(trials))


# Few different values, so that ties come up.
many = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 6), st.integers(1, 3), st.booleans()),
    min_size=1,
    max_size=12,
).map(
    lambda rows: networks(
        *(
            trial(f"net {index}", 0, accuracy / 6, parameters=parameters, macs=macs, diverged=diverged and index % 3 == 0)
            for index, (parameters, accuracy, macs, diverged) in enumerate(rows)
        )
    )
)


@given(many)
def test_the_frontier_is_what_nothing_beats(frame: pd.DataFrame) -> None:
    chosen = frontier(frame)
    usable = frame[frame["diverged"] < frame["seeds"]]
    for _, row in usable.iterrows():
        beaten = any(
            other["parameters"] <= row["parameters"]
            and other["validation"] >= row["validation"]
            and (other["parameters"], -other["validation"]) != (row["parameters"], -row["validation"])
            for _, other in usable.iterrows()
        )
        twins = usable[(usable["parameters"] == row["parameters"]) & (usable["validation"] == row["validation"])]
        shown = chosen["network"].isin(twins["network"]).sum()
        assert shown == (0 if beaten else 1)
    assert not chosen["network"].isin(frame[frame["diverged"] == frame["seeds"]]["network"]).any()
    assert chosen["parameters"].is_monotonic_increasing
    assert chosen["validation"].is_monotonic_increasing
    assert sorted(frame[frame["frontier"]]["network"]) == sorted(chosen["network"])


@given(many, st.randoms())
def test_the_order_of_rows_does_not_matter(frame: pd.DataFrame, random: Any) -> None:
    order = list(range(len(frame)))
    random.shuffle(order)
    assert frontier(frame.iloc[order])["network"].tolist() == frontier(frame)["network"].tolist()


@given(many, st.integers(1, 6), st.booleans())
def test_the_smallest_is_the_smallest_that_meets_the_target(frame: pd.DataFrame, sixths: int, lower: bool) -> None:
    column = "lower" if lower else "validation"
    meeting = frame[(frame["diverged"] < frame["seeds"]) & (frame[column] >= sixths / 6 - 1e-9)]
    if meeting.empty:
        with pytest.raises(SelectionError):
            smallest(frame, sixths / 6, lower=lower)
    else:
        chosen = smallest(frame, sixths / 6, lower=lower)
        assert chosen[column] >= sixths / 6 - 1e-9
        assert chosen["parameters"] == meeting["parameters"].min()


@given(many, st.integers(1, 6), st.integers(1, 3))
def test_the_best_keeps_every_budget(frame: pd.DataFrame, parameters: int, macs: int) -> None:
    fitting = frame[(frame["diverged"] < frame["seeds"]) & (frame["parameters"] <= parameters) & (frame["macs"] <= macs)]
    if fitting.empty:
        with pytest.raises(SelectionError):
            best(frame, max_params=parameters, max_macs=macs)
    else:
        chosen = best(frame, max_params=parameters, max_macs=macs)
        assert chosen["network"] in set(fitting["network"])
        assert chosen["validation"] == fitting["validation"].max()


def test_a_network_is_the_mean_over_its_seeds() -> None:
    row = networks(trial("a", 0, 0.90), trial("a", 1, 0.94), trial("a", 2, 0.92)).iloc[0]
    assert row["validation"] == pytest.approx(0.92)
    assert row["validation_sd"] == pytest.approx(0.02)
    assert (row["seeds"], row["best_seed"], row["diverged"]) == (3, 1, 0)
    assert row["lower"] < 0.92


def test_one_seed_has_no_deviation() -> None:
    assert math.isnan(networks(trial("a", 0, 0.9)).iloc[0]["validation_sd"])


def test_the_best_seed_is_the_first_of_equals() -> None:
    assert networks(trial("a", 5, 0.9), trial("a", 3, 0.9), trial("a", 4, 0.8)).iloc[0]["best_seed"] == 3


def test_a_diverged_seed_counts_as_the_failure_that_it_is() -> None:
    row = networks(trial("a", 0, 0.95, diverged=True), trial("a", 1, 0.85)).iloc[0]
    assert row["validation"] == pytest.approx(0.90)
    assert row["diverged"] == 1
    assert row["best_seed"] == 1  # the other has no weights to hand over


def test_recipes_and_splits_are_not_mixed() -> None:
    frame = networks(trial("a", 0, 0.9), trial("a", 0, 0.8, recipe_id="other"), trial("a", 0, 0.7, split="other"))
    assert sorted(frame["validation"]) == [0.7, 0.8, 0.9]
    assert len(frontier(frame)) == 1


def test_the_default_target_is_a_hundredth_below_the_best() -> None:
    frame = networks(trial("a", 0, 0.962, parameters=10), trial("b", 0, 0.97, parameters=20), trial("c", 0, 0.95, parameters=5))
    assert default_target(frame) == pytest.approx(0.96)
    assert smallest(frame)["network"] == "a"


def test_a_mean_that_rounds_below_the_target_still_meets_it() -> None:
    frame = networks(*(trial("a", seed, accuracy) for seed, accuracy in enumerate([0.971, 0.969, 0.97])))
    assert smallest(frame, 0.97)["network"] == "a"


def test_no_network_meets_the_target() -> None:
    frame = networks(trial("small", 0, 0.7, parameters=10), trial("large", 0, 0.9, parameters=20_000))
    with pytest.raises(SelectionError, match=r"at least 97.00 % .*nearest is `large` with 90.00 % \(20,000 parameters\)"):
        smallest(frame, 0.97)
    with pytest.raises(SelectionError, match=r"lower 95 % bound"):
        smallest(frame, 0.9, lower=True)


def test_no_network_fits_the_budget() -> None:
    frame = networks(trial("small", 0, 0.7, parameters=10), trial("large", 0, 0.9, parameters=20_000))
    with pytest.raises(SelectionError, match=r"at most 5 parameters; the nearest is `small` with 10 parameters"):
        best(frame, max_params=5)
    with pytest.raises(SelectionError, match=r"at most 9 bytes of weights and at most 1 bytes of working memory"):
        best(frame, max_bytes=9, max_memory=1)


def test_a_percentage_is_no_fraction() -> None:
    with pytest.raises(SelectionError, match=r"0.97"):
        smallest(networks(trial("a", 0, 0.9)), 97)


def test_nothing_to_choose_from() -> None:
    with pytest.raises(SelectionError, match=r"no finished trial"):
        smallest(networks_frame(pd.DataFrame(columns=list(trial("a", 0, 0.5)))))
    with pytest.raises(SelectionError, match=r"diverged with every seed"):
        best(networks(trial("a", 0, 0.1, diverged=True)))


def test_where_nothing_is_learnt_something_is_still_good_enough() -> None:
    frame = networks(trial("a", 0, 0.0), trial("b", 0, 0.004, parameters=200))
    assert default_target(frame) > 0
    assert smallest(frame)["network"] == "b"
