"""Where a teacher comes from: a model, a saved model, or the seeds of a network of a study."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from issun.errors import ModelError
from issun.model import Model
from issun.paths import kind_of
from issun.recipe import Recipe
from issun.study.frontier import best
from issun.study.schema import is_study
from issun.study.study import Study
from issun.teacher import Teacher

_Settings = TypeVar("_Settings", bound=Mapping[str, Any])


def teacher_of(given: Teacher | Model | Study | str | os.PathLike[str]) -> Teacher:
    """Return a teacher.

    Parameters
    ----------
    given : Teacher, Model, Study, str or PathLike
        A model or its file; or a study or its file, whose network with the best validation accuracy teaches, or with the network's text
        after a colon that one: ``"study.sqlite:conv 8, pool, dense"``. Of a study's network all seeds teach together that did not fail.

    Raises
    ------
    ModelError
        Where the file is missing or no model, or all seeds of the network failed.
    StudyError, SelectionError
        Where the study cannot be read, or has no such network.
    """
    if isinstance(given, Teacher):
        return given
    if isinstance(given, Model):
        return Teacher([given])
    if isinstance(given, Study):
        return _of_study(given)
    path, colon, network = Path(given), "", ""
    if kind_of(path, ModelError) is None:
        text = str(given)
        # What stands before a colon may have one itself, and so may a network that names its input.
        for place, sign in enumerate(text):
            if place and sign == ":" and kind_of(Path(text[:place]), ModelError) is not None:
                path, colon, network = Path(text[:place]), ":", text[place + 1 :]
                break
    if kind_of(path, ModelError) is None:
        raise ModelError(f"`teacher` (={given}) does not exist: give a saved model (.safetensors), or a study (.sqlite)")
    if is_study(path):
        return _of_study(Study(path), network.strip())
    if colon:
        raise ModelError(f"`teacher` (={given}): {path} is a model, which has one network: leave `:{network}` out")
    return Teacher([Model.load(path)], path.name)


def _of_study(study: Study, network: str = "") -> Teacher:
    entry = study.network(network) if network else best(study.entries)
    well = [trial for trial in entry.trials if not trial.diverged and not trial.chance]
    if not well:
        raise ModelError(
            f"`teacher`: all seeds of `{entry.title}` in {study.path.name} diverged or never left chance: name another network"
        )
    return Teacher([study.model(entry, trial.seed) for trial in well], study.path.name)


def with_teacher(
    recipe: Recipe | Mapping[str, Any] | None, settings: _Settings, known: dict[str, Teacher] | None = None
) -> tuple[_Settings, Teacher | None]:
    """Return settings that name the teacher by its fingerprint, as a recipe does, and the teacher that they or `recipe` name.

    Parameters
    ----------
    recipe : Recipe or mapping, optional
        What the settings come on top of, as for `Recipe.wanted`.
    settings : mapping
    known : dict, optional
        Teachers by what they were given as, so that each is read once.

    Raises
    ------
    ModelError, StudyError, SelectionError
        As of `teacher_of`.
    """
    given = settings.get("teacher")
    if given is None and not isinstance(recipe, Recipe):
        given = (recipe or {}).get("teacher")
    if given is None:
        return settings, None
    found = {} if known is None else known
    key = str(given) if isinstance(given, str | os.PathLike) else str(id(given))
    teacher = found[key] = found.get(key) or teacher_of(given)
    return {**settings, "teacher": teacher.facts.fingerprint}, teacher  # type: ignore[return-value]
