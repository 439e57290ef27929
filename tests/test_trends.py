"""The small statistics that a diagnosis rests on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.study.diagnosis import Curves
from issun.study.statistics import noise, reached_since, smoothed, trend

VALUES = st.lists(st.floats(-5, 5), min_size=1, max_size=40)


@given(VALUES, st.integers(0, 6))
def test_smoothing_keeps_length_and_range_and_straight_lines(values: list[float], half: int) -> None:
    curve = np.array(values)
    found = smoothed(curve, half)
    assert found.shape == curve.shape
    assert found.min() >= curve.min() - 1e-9
    assert found.max() <= curve.max() + 1e-9
    line = values[0] + 0.3 * np.arange(len(curve))
    assert smoothed(line, half) == pytest.approx(line)


def test_smoothing_is_the_mean_of_the_neighbours() -> None:
    assert smoothed(np.array([1.0, 2.0, 6.0, 4.0, 0.0]), 1).tolist() == [1, 3, 4, pytest.approx(10 / 3), 0]


@pytest.mark.parametrize("deviation", [0.001, 0.02])
def test_noise_is_that_around_the_course(deviation: float) -> None:
    course = 0.9 - 0.5 * np.exp(-np.arange(2000) / 200)
    assert noise(course) < 1e-4
    found = noise(course + deviation * np.random.default_rng(0).standard_normal(2000))
    assert found == pytest.approx(deviation, rel=0.1)


def test_a_single_jump_is_no_noise_and_few_epochs_tell_nothing() -> None:
    assert noise(np.where(np.arange(40) < 20, 0.1, 0.9)) < 1e-12
    assert noise(np.array([0.1, 0.9, 0.1])) == 0


def test_a_trend_is_the_least_squares_line_with_its_standard_error() -> None:
    generator = np.random.default_rng(0)
    values = 0.5 + 0.01 * np.arange(9) + 0.002 * generator.standard_normal(9)
    slope = np.polyfit(np.arange(9), values, 1)[0]
    assert trend(values, 0.002).rise == pytest.approx(8 * slope)
    rises = [trend(0.1 * generator.standard_normal(9), 0.1).rise for _ in range(4000)]
    assert trend(values, 0.1).error == pytest.approx(np.std(rises), rel=0.05)


def test_a_trend_rises_beyond_what_counts_and_beyond_noise() -> None:
    values = np.array([0.50, 0.52, 0.54])
    assert trend(values, 0.0).rises(0.039)
    assert not trend(values, 0.0).rises(0.041)
    assert not trend(values, 0.02).rises(0.001)


def test_a_level_is_reached_after_the_last_value_below() -> None:
    curve = np.array([0.1, 0.5, 0.2, 0.48, 0.9, 0.5])
    assert reached_since(curve, 0.5, 0.05) == 3
    assert reached_since(curve, 0.0, 0.05) == 0
    assert reached_since(curve, 0.9, 0.05) == 6


@pytest.mark.parametrize("count", [5, 12, 50, 400])
def test_what_a_history_says_of_its_levels(count: int) -> None:
    train, validation = np.linspace(0.1, 0.9, count), np.linspace(0.1, 0.6, count)
    curves = Curves(1 - train, train, 1 - validation, validation, 100)
    assert 1 <= curves.half <= 4
    assert 2 <= curves.last <= min(10, count)
    assert curves.level(train) == pytest.approx(train[-curves.last :].mean())
    assert curves.gap == pytest.approx(curves.level(train) - curves.level(validation))
    share = curves.level(validation)
    assert curves.error == pytest.approx((share * (1 - share) / 100) ** 0.5)
    assert Curves(1 - train, train, 1 - validation, validation, None).error == 0
