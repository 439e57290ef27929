"""Plans: which trials come out of families, what makes two trials the same one, and how long they take."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.api.sweep import sweep
from issun.arch.notation import BoundFamily, bind_arguments, parse
from issun.datasets.dataset import Split
from issun.errors import DataError, KnobError, NetworkError, RecipeError
from issun.recipe import Recipe
from issun.study.forecast import estimate
from issun.study.plan import Trial, plan
from issun.study.progress import makespan
from small_study import digits, small_plan


def test_every_network_with_every_seed() -> None:
    trials = small_plan("dense n, dense", "n=1,2,3", seeds=(0, 7)).trials
    assert [(str(trial.net), trial.knobs, trial.seed) for trial in trials] == [
        (f"dense {n}, dense", {"n": n}, seed) for n in (1, 2, 3) for seed in (0, 7)
    ]
    assert {trial.family for trial in trials} == {"dense n, dense"}


def test_a_network_of_two_families_is_trained_once_and_listed_under_the_first() -> None:
    trials = small_plan("dense n, dense", "n=2", "dense m, dense", "m=2,3", seeds=(0,)).trials
    assert [(trial.family, str(trial.net)) for trial in trials] == [
        ("dense n, dense", "dense 2, dense"),
        ("dense m, dense", "dense 3, dense"),
    ]


def test_ids_depend_on_all_that_decides_the_result_and_on_nothing_else() -> None:
    trial = small_plan("dense 2, dense", seeds=(0,)).trials[0]
    changes: list[dict[str, Any]] = [
        {"net": small_plan("dense 3, dense").trials[0].net},
        {"recipe": Recipe(epochs=5, batch_size=32)},
        {"recipe": Recipe(epochs=4, batch_size=32, learning_rate=0.001)},
        {"split": Split(0.25)},
        {"split": Split(0.2, 1)},
        {"seed": 1},
        {"fingerprint": "0" * 16},
    ]
    others = [dataclasses.replace(trial, **change) for change in changes]
    assert len({trial.id, *(other.id for other in others)}) == len(changes) + 1
    assert dataclasses.replace(trial, family="dense n, dense", knobs={"n": 2}).id == trial.id


def test_what_cannot_be_is_listed_and_skipped() -> None:
    found = small_plan("conv 2, pool, conv n, pool, pool, dense", "n=1,2", "dense", seeds=(0,))
    assert [str(trial.net) for trial in found.trials] == ["dense"]
    assert [item.knobs for item in found.infeasible] == [{"n": 1}, {"n": 2}]
    assert all("window does not fit" in item.reason for item in found.infeasible)


def test_nothing_that_can_be_is_an_error_with_the_reasons() -> None:
    with pytest.raises(NetworkError, match=r"no such network can be(.|\n)*window does not fit"):
        small_plan("pool, pool, pool, pool, dense")
    with pytest.raises(NetworkError, match=r"nothing to train"):
        small_plan("frozen (dense)")


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,), (2**63,)])
def test_seeds_that_cannot_be(seeds: tuple[int, ...]) -> None:
    with pytest.raises(RecipeError, match=r"different whole numbers"):
        small_plan(seeds=seeds)


def test_a_class_with_one_image_cannot_be_split() -> None:
    data = digits()
    labels = data.labels.copy()
    labels[labels == 3] = 4
    labels[0] = 3
    with pytest.raises(DataError):
        small_plan(dataset=dataclasses.replace(data, labels=labels))


def test_more_work_for_larger_networks_and_more_epochs() -> None:
    def work(network: str, epochs: int) -> int:
        trial: Trial = small_plan(network, epochs=epochs).trials[0]
        return trial.work

    assert work("conv 4, dense", 2) > work("conv 2, dense", 2)
    assert work("conv 2, dense", 4) == 2 * work("conv 2, dense", 2)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_the_makespan_lies_within_its_bounds(work: list[float], threads: int) -> None:
    span = makespan(work, threads)
    least = sum(work) / threads
    assert least - 1e-9 <= span <= 4 / 3 * 2 * max(max(work), least)
    assert makespan(work, 1) == pytest.approx(sum(work))


def test_the_makespan_waits_for_what_has_begun() -> None:
    assert makespan([1.0], 1, begun=[10.0]) == 11.0
    assert makespan([5.0, 1.0], 2, begun=[3.0]) == 4.5  # 1.0 is taken at 3.0; at 4.0 both threads are at what is left of 5.0


def test_at_the_end_free_threads_help_with_what_is_left() -> None:
    assert makespan([], 2, begun=[1.0, 2.0, 0.0]) == 1.5
    assert makespan([6.0], 3) == 2.0
    assert makespan([6.0, 3.0], 3) == 3.0 + 3.0 / 3


def test_an_estimate_grows_with_the_plan() -> None:
    short = estimate(small_plan("conv 2, pool, dense", epochs=2, seeds=(0,)), digits(), 1)
    long = estimate(small_plan("conv 2, pool, dense", epochs=2000, seeds=(0, 1)), digits(), 1)
    assert 0 < short < long


class Listed(BoundFamily):
    """A family whose networks may be counted, not listed."""

    def networks(self, input: Any, classes: int) -> Any:
        raise AssertionError("the networks were listed before they were counted")


@pytest.mark.parametrize(
    ("families", "values", "seeds", "says"),
    [
        (
            1,
            {"n": 300, "m": 300},
            range(10_000),
            r"90,000 networks with 10,000 seeds each are 900,000,000 trials, .* at most 1,000,000: give",
        ),
        (1, {"n": 2, "m": 1}, range(10**9), r"2 networks with 1,000,000,000 seeds each"),
        (1, {"n": 1, "m": 1}, range(0, 10**20, 2), r"1 network with 50,000,000,000,000,000,000 seeds each"),
        (30, {"n": 300, "m": 300}, range(1), r"2,700,000 networks with 1 seeds each"),
    ],
)
def test_too_many_trials_are_counted_and_refused(families: int, values: dict[str, int], seeds: range, says: str) -> None:
    lists = tuple((name, tuple(range(1, count + 1))) for name, count in values.items())
    asked = [Listed(parse("conv n, conv m, dense"), lists) for _ in range(families)]
    with pytest.raises(KnobError, match=says):
        plan(asked, digits(), Recipe(), Split(), seeds)


def test_too_many_layers_are_counted_and_refused() -> None:
    family = Listed(parse("n * (conv 2 same), dense"), (("n", tuple(range(1, 10_001))),))
    with pytest.raises(
        KnobError, match=r"10,000 networks of the families have more than 1,000,000 layers in all: give fewer .* or repeat less"
    ):
        plan([family], digits(), Recipe(), Split(), [0])
    with pytest.raises(NetworkError, match=r"more than 10,000 layers"):  # no network at all, and none is written out
        plan(bind_arguments(["k * (10000 * (10000 * (conv 2 same))), dense", "k=1..2000"]), digits(), Recipe(), Split(), [0])


def test_more_values_than_a_knob_may_have_are_not_written_out() -> None:
    with pytest.raises(KnobError, match=r"more than 100,000 values|from 1 to 1,000,000"):
        sweep(digits(), "dense n, dense", values={"n": range(1, 10**12)})
