"""The learning rate of every step: the schedules against those of PyTorch, and what all of them promise."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.recipe import Recipe


def all_rates(recipe: Recipe, images: int) -> np.ndarray:
    return np.concatenate([recipe.learning_rates(epoch, images) for epoch in range(recipe.epochs)])


def torch_rates(make: Any, steps: int, every: int = 1) -> list[float]:
    """Return the rates that a scheduler of PyTorch gives; it is advanced after every `every` steps."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed here; it is the oracle of this test")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch, about its own schedulers used one after the other
        scheduler, found = make(torch.optim.lr_scheduler, optimizer), []
        for step in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step + 1 < steps and (step + 1) % every == 0:
                scheduler.step()
    return found


def close(recipe: dict[str, Any], expected: list[float]) -> None:
    """Compare with a recipe of 4 epochs of 5 steps; PyTorch's recursions round at each step."""
    found = all_rates(Recipe(learning_rate=0.25, epochs=4, batch_size=3, **recipe), 13)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


def test_cosine() -> None:
    close({"schedule": "cosine"}, torch_rates(lambda s, o: s.CosineAnnealingLR(o, 20), 20))


def test_linear() -> None:
    close({"schedule": "linear"}, torch_rates(lambda s, o: s.LinearLR(o, 1.0, 0.0, 20), 20))


@pytest.mark.parametrize("rising", [0.05, 0.3, 0.5, 0.9])
def test_one_cycle(rising: float) -> None:
    if rising == 0.05:  # the peak is the first step, which PyTorch divides by
        assert all_rates(Recipe(schedule="one-cycle", learning_rate=0.25, epochs=4, batch_size=3, warmup=rising), 13)[0] == 0.25
        return
    one_cycle = torch_rates(lambda s, o: s.OneCycleLR(o, 0.25, total_steps=20, pct_start=rising, cycle_momentum=False), 20)
    close({"schedule": "one-cycle", "warmup": rising}, one_cycle)


def test_the_usual_one_cycle_rises_in_the_first_three_tenths() -> None:
    one_cycle = torch_rates(lambda s, o: s.OneCycleLR(o, 0.25, total_steps=20, cycle_momentum=False), 20)
    close({"schedule": "one-cycle"}, one_cycle)


def test_steps_at_fractions() -> None:
    expected = torch_rates(lambda s, o: s.MultiStepLR(o, [6, 14], 0.5), 20)
    close({"schedule": "step", "reduce_at": (0.3, 0.7), "reduce_factor": 0.5}, expected)


def test_steps_after_every_so_many_epochs() -> None:
    close({"schedule": "step", "reduce_every": 2}, torch_rates(lambda s, o: s.StepLR(o, 2, 0.1), 20, every=5))


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_warm_up_goes_straight_up_and_the_rest_follows(schedule: str) -> None:
    def make(s: Any, o: Any) -> Any:
        rest = {"cosine": lambda: s.CosineAnnealingLR(o, 16), "linear": lambda: s.LinearLR(o, 1.0, 0.0, 16)}
        after = rest.get(schedule, lambda: s.ConstantLR(o, 1.0))()
        return s.SequentialLR(o, [s.LinearLR(o, 1 / 5, 1.0, 4), after], [4])

    close({"schedule": schedule, "warmup": 0.2}, torch_rates(make, 20))


def test_a_fall_within_the_warm_up_counts() -> None:
    rates = all_rates(
        Recipe(schedule="step", learning_rate=1.0, epochs=1, batch_size=1, warmup=0.4, reduce_at=(0.2,), reduce_factor=0.5), 10
    )
    np.testing.assert_allclose(rates, [0.2, 0.4, 0.3, 0.4, *[0.5] * 6])


@given(
    st.sampled_from(["constant", "cosine", "linear", "step", "one-cycle"]),
    st.floats(0, 0.99),
    st.integers(1, 400),
    st.integers(1, 50),
    st.integers(1, 12),
)
def test_every_rate_is_above_zero_and_none_above_that_of_the_recipe(
    schedule: str, warmup: float, images: int, batch: int, epochs: int
) -> None:
    recipe = Recipe(schedule=schedule, warmup=warmup, batch_size=batch, epochs=epochs, learning_rate=0.25)
    rates = all_rates(recipe, images)
    assert rates.dtype == np.float64
    assert len(rates) == epochs * recipe.steps(images)
    assert (rates > 0).all()
    assert (rates <= 0.25 * (1 + 1e-12)).all()
    assert rates.max() >= 0.2 or len(rates) < 20 or schedule == "step"
