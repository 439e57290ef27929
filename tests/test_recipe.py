"""Recipes: defaults, what is refused and how it is said, and the learning rate of every step."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.errors import IssunError, RecipeError
from issun.recipe import FIRST_SETTINGS, LEARNING_RATES, Recipe


def test_the_default_recipe() -> None:
    recipe = Recipe()
    assert recipe.model_dump() == {
        "scaling": "unit",
        "initializer": "glorot",
        "optimizer": "adam",
        "learning_rate": 0.005,
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 12,
        "steps_per_epoch": None,
        "momentum": 0.9,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "rho": 0.9,
        "epsilon": 1e-7,
        "nesterov": False,
        "weight_decay": 0.0,
        "clip_norm": None,
        "warmup": 0.0,
        "reduce_at": (0.5, 0.75),
        "reduce_every": None,
        "reduce_factor": 0.1,
        "label_smoothing": 0.0,
        "class_weight": None,
        "ema_decay": 0.0,
        "patience": None,
        "restore_best_weights": False,
        "augment": None,
        "teacher": None,
        "temperature": None,
        "share": None,
        "views": None,
        "cut_from": None,
    }


@pytest.mark.parametrize(("optimizer", "rate"), LEARNING_RATES.items())
def test_each_optimizer_has_its_own_rate(optimizer: str, rate: float) -> None:
    assert Recipe(optimizer=optimizer).learning_rate == rate
    assert Recipe(optimizer=optimizer, learning_rate=0.5).learning_rate == 0.5


def test_adadelta_has_its_own_rho() -> None:
    assert Recipe(optimizer="adadelta").rho == 0.95
    assert Recipe(optimizer="rmsprop").rho == 0.9
    assert Recipe(optimizer="adadelta", rho=0.5).rho == 0.5


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("learning_rate", 0, "greater than 0"),
        ("learning_rate", -0.1, "greater than 0"),
        ("learning_rate", math.inf, "finite"),
        ("learning_rate", math.nan, "finite|greater"),
        ("learning_rate", "fast", "valid number"),
        ("batch_size", 0, "greater than or equal to 1"),
        ("batch_size", 65537, "less than or equal to 65536"),
        ("batch_size", 1.5, "valid integer|fractional"),
        ("epochs", 0, "greater than or equal to 1"),
        ("momentum", 1.0, "less than 1"),
        ("beta_1", 1.0, "less than 1"),
        ("beta_2", -0.1, "greater than or equal to 0"),
        ("rho", 1.0, "less than 1"),
        ("epsilon", 0.0, "greater than 0"),
        ("optimizer", "lion", "'sgd', 'adam', 'rmsprop', 'adadelta' or 'adamw'"),
        ("schedule", "zigzag", "'constant', 'cosine', 'linear', 'step' or 'one-cycle'"),
        ("weight_decay", -0.1, "greater than or equal to 0"),
        ("clip_norm", 0, "greater than 0"),
        ("warmup", 1.0, "less than 1"),
        ("reduce_every", 0, "greater than or equal to 1"),
        ("reduce_factor", 1.5, "less than or equal to 1"),
        ("reduce_at", (0.75, 0.5), "ascending order"),
        ("label_smoothing", 1.0, "less than 1"),
        ("class_weight", "even", "`balanced` or one number"),
        ("class_weight", (1.0, -1.0), "`balanced` or one number"),
        ("class_weight", (0.0, 0.0), "at least one must be above 0"),
        ("ema_decay", 1.0, "less than 1"),
        ("patience", 0, "greater than or equal to 1"),
        ("restore_best_weights", "first", "valid boolean"),
        ("nesterov", True, "requires sgd with a momentum above 0, not adam"),
        ("scaling", "half", "'unit', 'raw' or 'standard'"),
        ("initializer", "zeros", "'glorot', 'he' or 'orthogonal'"),
    ],
)
def test_a_setting_out_of_range_names_itself_its_value_and_the_rule(setting: str, value: object, rule: str) -> None:
    with pytest.raises(RecipeError, match=rule) as caught:
        Recipe(**{setting: value})
    assert str(caught.value).startswith(f"`{setting}` (={value!r}): ")
    assert isinstance(caught.value, IssunError)
    assert "\n" not in str(caught.value)


def test_an_unknown_setting_is_named_beside_those_that_exist() -> None:
    with pytest.raises(RecipeError, match=r"`dropout` is not a setting of a recipe; the settings are .*learning_rate.*epsilon"):
        Recipe(dropout=0.5)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().epochs = 3


def test_a_recipe_survives_the_way_through_json() -> None:
    recipe = Recipe(optimizer="adadelta", learning_rate=0.1 + 0.2, epochs=7)
    assert Recipe(**Recipe.model_validate_json(recipe.model_dump_json()).model_dump()) == recipe


@given(st.integers(1, 10_000), st.integers(1, 500), st.integers(1, 20))
def test_the_cosine_falls_from_the_rate_to_nearly_zero(images: int, batch: int, epochs: int) -> None:
    recipe = Recipe(batch_size=batch, epochs=epochs, learning_rate=0.25)
    rates = np.concatenate([recipe.learning_rates(epoch, images) for epoch in range(epochs)])
    steps = epochs * math.ceil(images / batch)
    assert rates.dtype == np.float64
    assert len(rates) == steps == epochs * recipe.steps(images)
    expected = [0.25 * (1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9, atol=1e-12)
    assert rates[0] == 0.25
    assert (np.diff(rates) < 0).all()
    assert rates[-1] > 0


def test_defaults_that_depend_on_other_settings() -> None:
    assert (Recipe(optimizer="adamw").weight_decay, Recipe(optimizer="adamw", weight_decay=0).weight_decay) == (0.01, 0)
    assert (Recipe(schedule="one-cycle").warmup, Recipe(schedule="one-cycle", warmup=0.1).warmup) == (0.3, 0.1)
    with pytest.raises(RecipeError, match="momentum above 0"):
        Recipe(optimizer="sgd", momentum=0, nesterov=True)


def test_what_identifies_a_recipe_leaves_out_later_settings_that_have_their_defaults() -> None:
    for recipe in (Recipe(), Recipe(optimizer="adamw"), Recipe(schedule="one-cycle", epochs=3)):
        assert tuple(recipe.identity()) == FIRST_SETTINGS
    changed = Recipe(optimizer="adamw", weight_decay=0, reduce_at=(0.5,), class_weight=(1, 2), restore_best_weights=True, patience=3)
    later = {"weight_decay": 0.0, "drop_at": [0.5], "class_weights": [1.0, 2.0], "patience": 3, "keep": "best"}  # as they are stored
    assert {name: value for name, value in changed.identity().items() if name not in FIRST_SETTINGS} == later
    for recipe in (changed, Recipe(optimizer="adamw"), Recipe(schedule="one-cycle", warmup=0)):
        assert Recipe.of_stored(json.loads(json.dumps(recipe.identity()))) == recipe
        assert Recipe.of_stored(json.loads(recipe.stored_json())) == recipe


def test_a_constant_rate_is_constant() -> None:
    assert Recipe(schedule="constant", learning_rate=0.5, batch_size=4).learning_rates(3, 9).tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("images", "batch", "epochs"), [(1, 32, 60), (1500, 32, 40), (4_999, 32, 13), (5_000, 64, 12), (20_000, 128, 12), (60_000, 128, 12)]
)
def test_small_sets_get_small_batches_and_more_epochs(images: int, batch: int, epochs: int) -> None:
    recipe = Recipe.for_images(images)
    assert (recipe.batch_size, recipe.epochs) == (batch, epochs)


@pytest.mark.parametrize(
    ("settings", "warmup"),
    [({}, 0.1), ({"schedule": None}, 0.1), ({"warmup": 0.0}, 0.0), ({"schedule": "cosine"}, 0.0), ({"schedule": "one-cycle"}, 0.3)],
)
def test_the_usual_schedule_begins_with_a_warm_up(settings: dict[str, object], warmup: float) -> None:
    assert Recipe.for_images(1500, **settings).warmup == warmup


def test_given_settings_win_and_none_means_not_given() -> None:
    recipe = Recipe.for_images(1500, epochs=5, batch_size=None, optimizer="sgd")
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (5, 32, 0.01)
    with pytest.raises(RecipeError, match="`epochs`"):
        Recipe.for_images(1500, epochs=0)


def test_an_epoch_may_end_after_some_steps() -> None:
    recipe = Recipe(batch_size=32, epochs=3, steps_per_epoch=5)
    assert (recipe.steps(1_000), recipe.steps(100)) == (5, 4)
    assert (recipe.seen(1_000), recipe.seen(100)) == (480, 300)
    assert len(recipe.learning_rates(2, 1_000)) == 5
    assert Recipe.of_stored(recipe.identity()) == recipe
    assert "steps_per_epoch" not in Recipe().stored_json()
    assert "steps_per_epoch" in recipe.stored_json()
    with pytest.raises(RecipeError, match="`steps_per_epoch`"):
        Recipe(steps_per_epoch=0)
