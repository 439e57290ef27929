"""How a search may train its networks: ways of training, each with the full recipe and that of a first look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from issun.cutting import Original
from issun.datasets.inputs import Inputs
from issun.errors import RecipeError
from issun.first_family import first_family
from issun.nas.searching import Way
from issun.recipe import OF_TEACHER, Recipe, RecipeOptions, named_settings

#: The short recipe has this share of the epochs. Where there are many images it looks at so many alone for each `USUAL_EPOCHS` of the full
#: recipe, in batches of at most so many: small batches make more of few images. A full recipe of fewer epochs has no short one. Networks
#: are ordered by it nearly as by another training of the full recipe (rank correlations in docs/search.md).
SHORT_SHARE, SHORT_IMAGES, SHORT_BATCH, USUAL_EPOCHS, FEWEST_EPOCHS = 0.25, 14_000, 32, 12, 4


#: Small networks learn more in the same time from small batches and a higher rate than from the default recipe; large ones need not
#: (docs/search.md has the figures): batches of this share of the usual ones, and the rate.
SMALL_SHARE, SMALLEST_BATCH, HIGH_RATE = 0.25, 16, 0.01


def ways_of(
    inputs: Inputs,
    images: int,
    recipe: Recipe | Mapping[str, Any] | None,
    settings: RecipeOptions,
    original: Original | None = None,
) -> tuple[Way, ...]:
    """Return the ways of training that a search tries, the one that it begins with first; where it shrinks a network, also with this as the
    teacher."""
    of_teacher: dict[str, Any] = {}
    if original is not None and settings.get("teacher") is None:  # they are about the start as teacher
        of_teacher = {name: value for name in OF_TEACHER if (value := settings.get(name)) is not None}
    single: dict[str, Any] = {name: value for name, value in settings.items() if name not in of_teacher}
    usual = Recipe.wanted(recipe, images, **single)
    if original is not None:
        usual = Recipe(**usual.model_dump() | {"cut_from": original.fingerprint})
    if usual.patience is not None or usual.restore_best_weights:
        raise RecipeError(
            "a search does not stop early: `patience` and `restore_best_weights` would choose the epoch by the images that confirm; leave "
            "them out",
            "patience",
        )
    given = {key for key, value in settings.items() if value is not None} | set(
        Recipe.model_fields if isinstance(recipe, Recipe) else named_settings(recipe or {})
    )
    full = {"usual": usual}
    if not given & {"batch_size", "learning_rate", "optimizer"}:
        full = {"small batches": small_batches(usual), **full}
    smallest = min((dataset.input for dataset in inputs), key=lambda shape: min(shape[:2]))
    photos = {key: value for key, value in first_family(smallest, images).settings.items() if key not in given}
    if photos:
        full["the first family's recipe"] = Recipe(**usual.model_dump() | photos)
    if original is not None and usual.teacher is None:
        full["taught by the start"] = Recipe(**usual.model_dump() | {"teacher": original.fingerprint} | of_teacher)
    if "epochs" not in given:
        longer = [name for name in full if name != "usual" or "small batches" not in full]
        full |= {f"{name}, twice the epochs".removeprefix("usual, "): twice(full[name]) for name in longer}
    ways: list[Way] = []
    for name, one in full.items():
        way = Way(name, short_recipe(one, images), one, second_recipe(one, images))
        known = [recipe for other in ways for recipe in other.recipes]
        if not any(recipe in known for recipe in way.recipes):  # a recipe tells which way it belongs to
            ways.append(way)
    return tuple(ways)


def small_batches(recipe: Recipe) -> Recipe:
    """Return a recipe with small batches and a high rate."""
    batch = min(recipe.batch_size, max(SMALLEST_BATCH, round(SMALL_SHARE * recipe.batch_size)))
    return Recipe(**recipe.model_dump() | {"batch_size": batch, "learning_rate": HIGH_RATE})


def twice(recipe: Recipe) -> Recipe:
    """Return a recipe with twice the epochs."""
    return Recipe(**recipe.model_dump() | {"epochs": 2 * recipe.epochs})


def short_recipe(recipe: Recipe, images: int) -> Recipe:
    """Return the recipe of a first look at a network, where so many images are trained on."""
    if recipe.epochs < FEWEST_EPOCHS:
        return recipe
    if images <= SHORT_IMAGES:
        return Recipe(**recipe.model_dump() | {"epochs": math.ceil(SHORT_SHARE * recipe.epochs)})
    batch = min(recipe.batch_size, SHORT_BATCH)
    short = {"epochs": max(1, recipe.epochs // USUAL_EPOCHS), "batch_size": batch, "steps_per_epoch": SHORT_IMAGES // batch}
    return Recipe(**recipe.model_dump() | short)


def second_recipe(recipe: Recipe, images: int) -> Recipe | None:
    """Return the recipe of a second look at a network: a quarter of the epochs, where a first look sees a quarter of their images at most.
    None elsewhere."""
    second = Recipe(**recipe.model_dump() | {"epochs": math.ceil(SHORT_SHARE * recipe.epochs)})
    return second if short_recipe(recipe, images).seen(images) <= SHORT_SHARE * second.seen(images) else None
