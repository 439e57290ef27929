"""The images of a study, read so that it goes on: as it was begun with them, and in the sizes and colours that it is to get."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace

from issun.datasets.dataset import Dataset
from issun.datasets.groups import ACROSS, DAY
from issun.datasets.inputs import Inputs
from issun.datasets.named import ReadingOptions, loaded_each, wanted_of
from issun.datasets.wanted import Wanted
from issun.errors import IssunError
from issun.events import OnProgress
from issun.study.study import Study


def read_inputs(
    data: str | os.PathLike[str], studies: Sequence[Study], on_progress: OnProgress, reading: ReadingOptions, *, adding: bool = True
) -> Inputs:
    """Return images in the sizes and colours that are asked for, as studies were begun with them.

    An input that a study does not know is added to it only where its size or colour is asked for. Then an input that the study does know is
    read beside it, if none of the others is one: its fingerprint tells whether these are the study's images.

    Parameters
    ----------
    data : str or PathLike
    studies : sequence of Study
        Those that go on with these images; none where all are new.
    on_progress : callable
    reading : ReadingOptions
        As of `issun.load`; lists of sizes and colours.
    adding : bool
        Whether inputs may be added.

    Raises
    ------
    DataError
        As of `issun.load`.
    """
    wanted, others = wanted_of(reading)
    if others.get("test") is None:
        others["test"] = next((study.facts.data.test for study in studies if study.facts.data.test is not None), None)
    sizes = {one.size for one in wanted}
    known = set().union(*map(_sizes, studies))
    asked = adding and any(one.size is not None or one.gray is not None for one in wanted)
    # What a study was begun with goes on, larger than the images or not. Where all sizes are new to a study, one that it knows is read at
    # the same time, so that files are decoded once.
    ways = [one._replace(enlarge=one.enlarge or one.size in known) for one in wanted]
    if asked and None not in sizes:
        ways += dict.fromkeys(_smallest(study) for study in studies if not _sizes(study) & sizes)
    groups = others.get("groups")
    found = loaded_each(data, ways, on_progress, others)
    for study in studies:
        if asked and not any(study.facts.data_at(dataset.input) for dataset in found):  # the same size in another colour
            ways.append(_smallest(study))
            found += loaded_each(data, ways[-1:], on_progress, others)
    notes = []
    whole = {place: study for study in studies for place, dataset in enumerate(found) if _begun_whole(study, dataset)}
    for place, study in whole.items():
        ways[place] = ways[place]._replace(whole=True)
        found[place] = loaded_each(data, [ways[place]], on_progress, others)[0]
        notes.append(f"{study.path.name} was started when every JPEG was decoded at its full size, and these are, too.")
    for study in studies:
        if _across(study, found, groups):
            before = _read_across(data, ways, on_progress, others, study)
            if before is not None:
                found = before
                pattern = f"{groups}{ACROSS}"
                notes.append(f"{study.path.name} was started with groups across classes, which are kept: --groups now means {pattern}.")
                break
    if notes:
        found[0] = replace(found[0], notes=(*found[0].notes, *dict.fromkeys(notes)))
    return Inputs(tuple(found[: len(wanted)]), tuple(found[len(wanted) :]))


def _sizes(study: Study) -> set[tuple[int, int] | None]:
    return {facts.input[:2] for facts in study.facts.inputs}


def _smallest(study: Study) -> Wanted:
    """Return the input of a study that is read fastest."""
    height, width, channels = min((facts.input for facts in study.facts.inputs), key=math.prod)
    return Wanted((height, width), {1: True, 3: False}.get(channels), enlarge=True)


def _begun_whole(study: Study, dataset: Dataset) -> bool:
    """Whether a study was begun when every JPEG was decoded at its full size, where some of this data set were not (see `issun.load`)."""
    facts = study.facts.data_at(dataset.input)
    return facts is not None and dataset.fitting.reduced and not facts.reduced


def _across(study: Study, found: Sequence[Dataset], groups: str | None) -> bool:
    """Whether a study may have been begun when equal names of groups in several classes were one group."""
    if groups is None or groups == DAY or groups.endswith(ACROSS) or study.facts.search is not None:
        return False  # no search was begun so
    names = _splits(study)
    return not any(_is_known(study, dataset) and (not names or any(name.endswith(dataset.grouping) for name in names)) for dataset in found)


def _read_across(
    data: str | os.PathLike[str], ways: Sequence[Wanted], on_progress: OnProgress, others: ReadingOptions, study: Study
) -> list[Dataset] | None:
    """Return the data with groups across classes; None where the study was not begun with such."""
    try:
        before = loaded_each(data, ways, on_progress, {**others, "groups": f"{others.get('groups')}{ACROSS}"})
    except IssunError:  # these groups cannot be told
        return None
    ending = f"groups {before[0].grouping}"
    begun = any(_is_known(study, dataset) for dataset in before) and any(name.endswith(ending) for name in _splits(study))
    return before if begun else None


def _is_known(study: Study, dataset: Dataset) -> bool:
    facts = study.facts.data_at(dataset.input)
    return facts is not None and facts.fingerprint == dataset.fingerprint


def _splits(study: Study) -> list[str]:
    return [name for name, split in study.facts.splits.items() if not split.fold]
