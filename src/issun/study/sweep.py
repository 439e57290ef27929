"""The main job in Python: `sweep` trains families of networks on images and returns the study."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from issun.arch.knobs import LARGEST_COUNT
from issun.arch.notation import bind_arguments
from issun.datasets.dataset import Dataset, Split
from issun.datasets.groups import ACROSS
from issun.datasets.named import loaded
from issun.errors import IssunError, RecipeError
from issun.recipe import CHANGED_DEFAULTS, Recipe
from issun.study.plan import DataFacts, Plan, plan
from issun.study.progress import Progress
from issun.study.run import run
from issun.study.store import Store
from issun.study.study import Study


def sweep(
    data: str | Path | Dataset,
    families: str | Iterable[str],
    *,
    values: Mapping[str, Sequence[int]] | None = None,
    epochs: int | None = None,
    seeds: int | Sequence[int] = 3,
    study: str | Path | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    validation: float = 0.1,
    threads: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    data_dir: str | Path | None = None,
    size: tuple[int, int] | None = None,
    gray: bool | None = None,
    strict: bool = False,
    groups: str | None = None,
    range: float | None = None,
    zipped: bool = False,
) -> Study:
    """Train every network of the families with every seed, and return the study that holds the results.

    What the study already holds is not trained again: the same call goes on where it was stopped, a wider one adds to it.

    Parameters
    ----------
    data : str, Path or Dataset
        A name (``digits``, ``mnist``), a path, or images already loaded.
    families : str or iterable of str
        Networks with knobs in them, and the values of the knobs after them, as on the command line:
        ``["conv n, pool, dense", "n=1,2,4"]``.
    values : mapping of str to sequence of int, optional
        Values for knobs that have none yet: ``{"n": [1, 2, 4]}``.
    epochs : int, optional
        Passes over the training images; default: that of the recipe.
    seeds : int or sequence of int
        How many seeds (counted from 0), or which.
    study : str or Path, optional
        The file; default: the data's name with ``.sqlite`` in the working folder.
    recipe : Recipe or mapping, optional
        How to train; a mapping changes single settings of the default for as many images.
    validation : float
        Share of the training images that is set aside to choose on; a validation part that the data brings is used as it is.
    threads : int, optional
        Networks trained at once; default: all cores.
    on_progress : callable, optional
        Called with a `Progress` a few times a second.
    data_dir : str or Path, optional
        Where to look for named data.
    size, gray, strict, groups, range : optional
        How images are read, see `issun.load`; not for images that are loaded already.
    zipped : bool
        Pair the values of several knobs instead of combining them.

    Returns
    -------
    Study

    Raises
    ------
    NotationError, KnobError, NetworkError
        When a family cannot be read, has no values, or gives no network at all.
    RecipeError, DataError
        When a setting or the images cannot be used.
    StudyError
        When the study cannot be written.
    Cancelled
        When it was stopped; what had been trained is kept.
    """
    dataset = loaded(data, data_dir=data_dir, size=size, gray=gray, strict=strict, groups=groups, range=range)
    path = default_path(dataset) if study is None else Path(study)
    if not isinstance(data, Dataset):
        dataset = as_begun(
            *(dataset, path, groups),
            lambda pattern: loaded(data, data_dir=data_dir, size=size, gray=gray, strict=strict, groups=pattern, range=range),
        )
    arguments = [families] if isinstance(families, str) else list(families)
    # One value more than a knob may have is refused like a thousand times as many, which would be written out here.
    few = {name: itertools.islice(numbers, LARGEST_COUNT + 1) for name, numbers in (values or {}).items()}
    arguments += [f"{name}={','.join(str(value) for value in numbers)}" for name, numbers in few.items()]
    trials = make_plan(arguments, dataset, epochs=epochs, seeds=seeds, recipe=recipe, validation=validation, zipped=zipped)
    with Store(path, DataFacts.of(dataset)) as store:
        run(trials, dataset, store, threads=threads, on_progress=on_progress, command=f"issun.sweep({dataset.name!r}, {arguments})")
    return Study(path)


def make_plan(
    arguments: Sequence[str],
    dataset: Dataset,
    *,
    epochs: int | None = None,
    seeds: int | Sequence[int] = 3,
    recipe: Recipe | Mapping[str, Any] | None = None,
    validation: float = 0.1,
    zipped: bool = False,
) -> Plan:
    """Return the plan of a sweep, where families and values stand in `arguments` as on the command line; the rest as in `sweep`."""
    split = Split(validation)
    if isinstance(recipe, Recipe):
        full = recipe if epochs is None else Recipe(**{**recipe.model_dump(), "epochs": epochs})
    else:
        train, _ = dataset.parts(split)
        full = Recipe.for_images(len(train), **{**(recipe or {}), **({} if epochs is None else {"epochs": epochs})})
    if isinstance(seeds, int):
        if not 1 <= seeds <= 10_000:
            raise RecipeError(f"`seeds` (={seeds}) must be how many seeds to train with, from 1 to 10,000, or a list of them")
        seeds = range(seeds)
    return plan(bind_arguments(list(arguments), zipped=zipped), dataset, full, split, seeds)


def trained_before(path: Path, plan: Plan, given: Collection[str]) -> str:
    """Return a sentence where a study holds trials of these networks that an older default recipe trained; mostly nothing.

    Parameters
    ----------
    path : Path
        The study, which need not be there yet.
    plan : Plan
        What is to be trained.
    given : collection of str
        The settings of the recipe that were asked for: what differs in them was meant.

    Raises
    ------
    StudyError
        When there is a file and it is no study, or damaged.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return ""
    study = Study(path)
    today = plan.recipe.model_dump()
    older = {}
    for key in study.about["recipes"]:
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
                f"{path.name} holds {count:,} trial{'' if count == 1 else 's'} of these networks that an older default trained: add "
                f"{options} to go on with them. Without it the networks are trained anew, with {now}, and compared apart."
            )
    return ""


def default_path(dataset: Dataset) -> Path:
    """Return the study's file where none is named: the data's name with ``.sqlite``, in the working folder."""
    stem = Path(dataset.name).stem if re.search(r"[/\\.]", dataset.name) else dataset.name
    return Path(f"{stem or 'study'}.sqlite")


def as_begun(dataset: Dataset, path: Path, groups: str | None, load: Callable[[str], Dataset]) -> Dataset:
    """Return the data with the groups that a study was begun with, where that was before equal names in several classes counted as several.

    Parameters
    ----------
    dataset : Dataset
        As it is read now.
    path : Path
        Of the study, which need not be there.
    groups : str or None
        The pattern that tells the groups.
    load : callable
        Reads the data with another pattern.

    Returns
    -------
    Dataset
        With a note, where it is read otherwise than `groups` says now.
    """
    if groups is None or groups.endswith(ACROSS) or not path.is_file():
        return dataset
    try:
        about = Study(path).about
        names = list(about["splits"])
        if about["fingerprint"] == dataset.fingerprint and (not names or any(name.endswith(dataset.grouping) for name in names)):
            return dataset
        before = load(groups + ACROSS)
    except IssunError:  # what is wrong with the study is told where it is opened to be written
        return dataset
    if before.fingerprint != about["fingerprint"] or not any(name.endswith(f"groups {before.grouping}") for name in names):
        return dataset
    note = f"{path.name} was begun with groups across classes, and goes on with them: --groups now means {groups + ACROSS}."
    return replace(before, notes=(*before.notes, note))
