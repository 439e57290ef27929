"""What `issun.sweep` does where no family is named: the first family with its settings, as far as no others are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from issun.arch.knobs import KnobValues
from issun.datasets.dataset import Dataset
from issun.errors import KnobError
from issun.first_family import KNOB, first_family
from issun.recipe import Recipe, RecipeOptions, named_settings
from issun.study.plan import Plan


def with_first_family(
    arguments: Sequence[str], dataset: Dataset, recipe: Recipe | Mapping[str, Any] | None, settings: RecipeOptions
) -> tuple[list[str], RecipeOptions]:
    """Return the arguments of a sweep with the first family in them, and settings of the recipe with its own.

    Parameters
    ----------
    arguments : sequence of str
        Values of its knob in place of its own, or nothing.
    dataset : Dataset
    recipe : Recipe or mapping, optional
        A whole recipe is kept as it is; of a mapping the settings that are given, also as None.
    settings : RecipeOptions
        Those that are given; None stands for one that is not.

    Raises
    ------
    KnobError
        Where the values are not those of its knob.
    """
    first = first_family(dataset.input, len(dataset.images))
    for argument in arguments:
        name = KnobValues.parse(argument).name
        if name != KNOB:
            raise KnobError(
                f"`{argument[:60]}` matches no knob: no family is given, and the first family, `{first.family}`, has the knob `{KNOB}` "
                f"alone: give values of `{KNOB}` ({first.values}), or a family",
                argument,
            )
    own = {} if isinstance(recipe, Recipe) else dict(first.settings)
    given = set() if isinstance(recipe, Recipe) else set(named_settings(recipe or {}))
    given |= {name for name, value in settings.items() if value is not None}
    own = {name: value for name, value in own.items() if name not in given}
    return [first.family, *(arguments or [first.values])], cast(RecipeOptions, {**settings, **own})


def first_family_text(plan: Plan) -> str:
    """Return in one line which family was taken, how it is trained, and how to change that."""
    family = plan.trials[0].family
    values = ",".join(str(value) for value in dict.fromkeys(trial.knobs[KNOB] for trial in plan.trials))
    augment = plan.recipe.augment
    changed = f"augmentation {augment} (--augment none trains without)" if augment else "no augmentation"
    return f"No family was named, so the first family is trained: {family}, {KNOB}={values}; {changed}. Name a family to train another."
