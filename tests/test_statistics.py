"""Lower bounds: do they stay below the mean, tighten with more evidence, and agree with the definitions that they come from?"""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from issun.study.statistics import lower_bound, mean_and_deviation, seed_margin, wilson_lower

fractions = st.floats(0, 1)
counts = st.integers(1, 100_000)


@given(fractions, counts)
def test_wilson_solves_its_equation(fraction: float, count: int) -> None:
    """The bound p is the proportion from which the observed one is z standard errors (of p) away."""
    bound = wilson_lower(fraction, count)
    assert 0 <= bound <= fraction
    z = stats.norm.ppf(0.95)
    assert fraction - bound == pytest.approx(z * math.sqrt(bound * (1 - bound) / count), abs=1e-6)


@given(st.integers(1, 400), st.data())
def test_wilson_is_near_the_exact_binomial_bound(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    # Clopper and Pearson's exact bound is never above Wilson's by more than the step of one image.
    exact = stats.beta.ppf(0.05, hits, count - hits + 1) if hits else 0.0
    assert exact <= wilson_lower(hits / count, count) + 1e-9
    assert wilson_lower(hits / count, count) - exact < 1.5 / count + 0.02


@given(st.floats(0.01, 0.99), st.integers(1, 50_000))
def test_more_images_tighten(fraction: float, count: int) -> None:
    assert wilson_lower(fraction, 2 * count) > wilson_lower(fraction, count)


@given(st.lists(fractions, min_size=1, max_size=10), counts)
def test_the_bound_lies_between_zero_and_the_mean_and_both_parts_count(accuracies: list[float], images: int) -> None:
    mean, deviation = mean_and_deviation(accuracies)
    bound = lower_bound(accuracies, images)
    assert 0 <= bound <= mean + 1e-12
    assert bound <= wilson_lower(min(1.0, mean), images) + 1e-12
    if len(accuracies) > 1:
        assert bound <= max(0.0, mean - seed_margin(deviation, len(accuracies))) + 1e-12


@given(st.lists(fractions, min_size=2, max_size=8), counts, st.randoms())
def test_the_order_of_seeds_does_not_matter(accuracies: list[float], images: int, random: object) -> None:
    mixed = list(accuracies)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert lower_bound(mixed, images) == lower_bound(accuracies, images)


@given(st.floats(0.2, 0.8), st.floats(0.001, 0.1), counts)
def test_a_wider_spread_lowers_the_bound(mean: float, spread: float, images: int) -> None:
    near = lower_bound([mean - spread, mean, mean + spread], images)
    far = lower_bound([mean - 2 * spread, mean, mean + 2 * spread], images)
    assume(near > 0)
    assert far < near


def test_one_seed_is_wilson_alone() -> None:
    assert lower_bound([0.97], 6000) == wilson_lower(0.97, 6000)


def test_worked_example() -> None:
    # Three seeds, 0.96, 0.97, 0.98 on 1,000 images: mean 0.97, deviation 0.01; t(0.95, 2) = 2.919986.
    seeds = 2.919986 * 0.01 / math.sqrt(3)
    images = 0.97 - wilson_lower(0.97, 1000)
    assert images == pytest.approx(0.97 - 0.9597, abs=2e-4)
    assert lower_bound([0.96, 0.97, 0.98], 1000) == pytest.approx(0.97 - math.hypot(images, seeds), abs=1e-7)


def test_one_value_has_no_deviation() -> None:
    mean, deviation = mean_and_deviation([0.5])
    assert mean == 0.5
    assert math.isnan(deviation)


@given(st.lists(fractions, min_size=1, max_size=8), counts, st.integers(2, 10))
def test_in_folds_the_images_alone_make_the_bound(accuracies: list[float], images: int, folds: int) -> None:
    assert lower_bound(accuracies, images, folds) == pytest.approx(wilson_lower(mean_and_deviation(accuracies)[0], images), abs=1e-12)
