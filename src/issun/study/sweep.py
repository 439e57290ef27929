"""What a sweep is made of: its plan, its file, and what an earlier one left there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from issun.arch.notation import bind_arguments
from issun.datasets.dataset import Dataset
from issun.datasets.groups import ACROSS, DAY
from issun.datasets.usual_split import split_for
from issun.errors import IssunError, RecipeError
from issun.recipe import CHANGED_DEFAULTS, Recipe, RecipeOptions
from issun.study.plan import Plan, plan
from issun.study.study import Study
from issun.teacher import Teacher


def make_plan(
    arguments: Sequence[str],
    dataset: Dataset,
    *,
    seeds: int | Sequence[int] = 3,
    recipe: Recipe | Mapping[str, Any] | None = None,
    validation: float | None = None,
    folds: int | None = None,
    zip: bool = False,
    taught_by: Teacher | None = None,
    **settings: Unpack[RecipeOptions],
) -> Plan:
    """Return the plan of a sweep, where families and values stand in `arguments` as on the command line; the rest as in `issun.sweep`.

    Settings name the teacher, `taught_by`, by its fingerprint: see `issun.study.teachers.with_teacher`.
    """
    if folds is None and taught_by is not None:
        folds = 1  # its teacher has seen all folds but one, if any
    split = split_for(dataset, validation, folds)
    first = split.each[0] if split.pooled else split
    full = Recipe.wanted(recipe, len(dataset.parts(first)[0]), **settings)
    if isinstance(seeds, int):
        if not 1 <= seeds <= 10_000:
            raise RecipeError(f"`seeds` (={seeds}) must be a number of seeds, from 1 to 10,000, or a list of seeds")
        seeds = range(seeds)
    return plan(bind_arguments(list(arguments), zipped=zip), dataset, full, split, seeds, taught_by)


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


def default_path(dataset: Dataset) -> Path:
    """Return the study's file where none is named: the data's name with ``.sqlite``, in the working folder."""
    stem = Path(dataset.name).stem if re.search(r"[/\\.]", dataset.name) else dataset.name
    return Path(f"{stem or 'study'}.sqlite")


def begun_whole(study: Study, dataset: Dataset) -> bool:
    """Whether a study was begun when every JPEG was decoded at its full size, where some of this data set were not (see `load`)."""
    return dataset.fitting.reduced and not study.facts.data.reduced


def as_begun(dataset: Dataset, study: Study, groups: str | None, load: Callable[[str | None, bool], Dataset]) -> Dataset:
    """Return the data as a study was begun with it: with JPEGs that were decoded whole, where that was before large ones were not; with the
    groups of then, where that was before equal names in several classes counted as several.

    Parameters
    ----------
    dataset : Dataset
        As it is read now.
    study : Study
    groups : str or None
        The pattern that tells the groups.
    load : callable
        Reads the data with another pattern, and with every JPEG decoded whole or not.

    Returns
    -------
    Dataset
        With a note, where it is read otherwise than `groups` says now.
    """
    facts = study.facts
    whole = begun_whole(study, dataset)
    if whole:
        note = f"{study.path.name} was started when every JPEG was decoded at its full size, and these are, too."
        dataset = load(groups, True)
        dataset = replace(dataset, notes=(*dataset.notes, note))
    if groups is None or groups == DAY or groups.endswith(ACROSS):
        return dataset
    names = [name for name, split in facts.splits.items() if not split.fold]
    if facts.data.fingerprint == dataset.fingerprint and (not names or any(name.endswith(dataset.grouping) for name in names)):
        return dataset
    try:
        before = load(groups + ACROSS, whole)
    except IssunError:  # these groups cannot be told: then the study was not begun with them
        return dataset
    if before.fingerprint != facts.data.fingerprint or not any(name.endswith(f"groups {before.grouping}") for name in names):
        return dataset
    note = f"{study.path.name} was started with groups across classes, which are kept: --groups now means {groups + ACROSS}."
    return replace(before, notes=(*before.notes, note))
