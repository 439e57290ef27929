"""What a sweep is made of: its plan, its file, and what an earlier one left there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from issun.arch.notation import bind_arguments
from issun.datasets.dataset import Dataset
from issun.datasets.inputs import Inputs
from issun.datasets.usual_split import split_for
from issun.datasets.wanted import input_text
from issun.errors import RecipeError
from issun.recipe import CHANGED_DEFAULTS, Recipe, RecipeOptions
from issun.study.plan import Plan, plan
from issun.study.query import Query
from issun.study.study import Study
from issun.teacher import Teacher


def make_plan(
    arguments: Sequence[str],
    data: Dataset | Inputs,
    *,
    seeds: int | Sequence[int] = 3,
    recipe: Recipe | Mapping[str, Any] | None = None,
    validation: float | None = None,
    folds: int | None = None,
    zip: bool = False,
    taught_by: Teacher | None = None,
    query: Query | None = None,
    **settings: Unpack[RecipeOptions],
) -> Plan:
    """Return the plan of a sweep, where families and values stand in `arguments` as on the command line; the rest as in `issun.sweep`.

    Settings name the teacher, `taught_by`, by its fingerprint: see `issun.study.teachers.with_teacher`. Networks beyond the budgets of
    `query` are left out.
    """
    if folds is None and taught_by is not None:
        folds = 1  # its teacher has seen all folds but one, if any
    inputs = Inputs.of(data)
    dataset = inputs.first  # whatever is decided here rests on labels and groups, which all inputs share
    split = split_for(dataset, validation, folds)
    full = Recipe.wanted(recipe, len(dataset.parts(split.first)[0]), **settings)
    if isinstance(seeds, int):
        if not 1 <= seeds <= 10_000:
            raise RecipeError(f"`seeds` (={seeds}) must be a number of seeds, from 1 to 10,000, or a list of seeds")
        seeds = range(seeds)
    return plan(bind_arguments(list(arguments), zipped=zip), inputs, full, split, seeds, taught_by, query)


def trained_before(study: Study, plan: Plan, given: Collection[str]) -> str:
    """Return a sentence where a study holds trials of these networks that an older default recipe trained; mostly nothing.

    Parameters
    ----------
    study : Study
    plan : Plan
        What is to be trained.
    given : collection of str
        The settings of the recipe that were asked for: what differs in them was meant.
    """
    today = plan.recipe.model_dump()
    older = {}
    for key in study.facts.recipes:
        theirs = study.recipe(key).model_dump()
        other = {name: theirs[name] for name in today if theirs[name] != today[name]}
        if other and set(other) <= set(CHANGED_DEFAULTS) - set(given):
            older[key] = other
    if not older:
        return ""
    planned = {net.id for net in plan.networks}
    same = [entry for entry in study.entries if entry.network_id in planned and entry.split == plan.split.id]
    for key, other in older.items():
        count = sum(entry.seeds for entry in same if entry.recipe_id == key)
        if count:
            options = " ".join(f"--{name} {value}" for name, value in other.items())
            now = ", ".join(f"{name} {today[name]}" for name in other)
            return (
                f"{study.path.name} holds {count:,} trial{'' if count == 1 else 's'} of these networks, trained with an older default: add "
                f"{options} to resume them. Otherwise the networks are trained again with {now} and compared separately."
            )
    return ""


def added(inputs: Inputs, study: Study | None) -> tuple[str, ...]:
    """Return a sentence on the inputs that a study gets; mostly none."""
    if study is None:
        return ()
    new = [input_text(dataset.input) for dataset in inputs if study.facts.data_at(dataset.input) is None]
    if not new or all(study.facts.data_at(dataset.input) is None for dataset in inputs.all):  # these it would not take
        return ()
    known = ", ".join(input_text(data.input) for data in study.facts.inputs)
    return (f"{study.path.name}, begun with {known}, gets {'another input' if len(new) == 1 else 'other inputs'}: {', '.join(new)}",)


def begun(path: Path) -> Study | None:
    """Return the study that a run goes on with; None where there is none yet.

    Raises
    ------
    StudyError
        When there is a file and it is no study, or damaged.
    """
    return Study(path) if path.is_file() and path.stat().st_size else None


def folds_begun(study: Study | None, folds: int | None, validation: float | None) -> int | None:
    """Return the number of folds that is asked for, or where nothing is, that which a study was begun with; None for the usual one."""
    if folds is not None or validation is not None or study is None:
        return folds
    return max((max(1, split.folds) for split in study.facts.splits.values()), default=None)


def default_path(name: str) -> Path:
    """Return the study's file where none is named: the data's name with ``.sqlite``, in the working folder."""
    stem = Path(name).stem if re.search(r"[/\\.]", name) else name
    return Path(f"{stem or 'study'}.sqlite")
