"""What `issun.sweep` does where no family is named: the first family with its settings, as far as no others are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from issun.arch.knobs import KnobValues
from issun.datasets.dataset import Dataset
from issun.datasets.inputs import Inputs
from issun.datasets.wanted import input_text
from issun.errors import KnobError
from issun.first_family import KNOB, first_family
from issun.numbers import listing
from issun.recipe import Recipe, RecipeOptions, named_settings
from issun.study.plan import Plan, joined


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


def first_plan(
    arguments: Sequence[str],
    inputs: Inputs,
    recipe: Recipe | Mapping[str, Any] | None,
    settings: RecipeOptions,
    planned: Callable[[Sequence[str], Inputs, RecipeOptions], Plan],
) -> Plan:
    """Return the plan of a sweep of the first family: at each input that for its size, trained with its own settings.

    Parameters
    ----------
    arguments, recipe, settings
        As of `with_first_family`.
    inputs : Inputs
    planned : callable
        Makes the plan of one input from its arguments and settings.
    """
    plans = []
    for dataset in inputs:
        wanted, own = with_first_family(arguments, dataset, recipe, settings)
        plans.append(planned(wanted, Inputs.of(dataset), own))
    return joined(plans)


def first_family_text(plan: Plan) -> str:
    """Return in one line which family was taken, how it is trained, and how to change that."""
    ways: dict[str, list[str]] = {}
    for data in plan.inputs:
        trials = [trial for trial in plan.trials if trial.net.input == data.input]
        values = ",".join(str(value) for value in dict.fromkeys(trial.knobs[KNOB] for trial in trials))
        augment = trials[0].recipe.augment
        changed = f"augmentation {augment}" if augment else "no augmentation"
        ways.setdefault(f"{trials[0].family}, {KNOB}={values}; {changed}", []).append(input_text(data.input))
    told = "; ".join(f"at {listing(inputs)} {way}" if plan.several_inputs else way for way, inputs in ways.items())
    without = " (--augment none trains without)" if any(trial.recipe.augment for trial in plan.trials) else ""
    return f"No family was named, so the first family is trained: {told}{without}. Name a family to train another."
