"""The heads of a study: those that a part asks for are trained on features of its trials, kept beside them, and read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from issun.arch.notation import parse_network
from issun.errors import IssunError, StudyFileError
from issun.extraction.comparing import Source, parts_of, row_of, trained, untrained
from issun.extraction.making import Weights
from issun.extraction.search import HeadProgress
from issun.extraction.training import HeadWish, train_head
from issun.extraction.which_layer import operation_index
from issun.study.entry import Entry, with_trials
from issun.study.frontier import most_accurate
from issun.study.head_entries import HeadEntry
from issun.study.parts import PreparedPart
from issun.study.plan import DataFacts
from issun.study.store import Store
from issun.study.study import Study

#: Changes when the same head would come out otherwise; part of every head's id.
_VERSION = 1

_KEPT = (
    *("layer", "draw", "head", "features", "parameters"),
    *("images", "tried", "search_images", "seconds", "problem"),
)


@dataclass(frozen=True)
class _Job:
    """One draw of features and the heads that are to be trained on them, by their ids."""

    source: Source
    label: str
    network: str
    trial_id: str | None
    wishes: dict[str, HeadWish]


def check_heads(prepared: PreparedPart) -> None:
    """Raise `StudyFileError` where the images allow no such network, or it has no such layer."""
    for entry in prepared.part.heads:
        nets = [trial.net for trial in prepared.plan.trials if prepared.labels.get(_key(trial), trial.family) == entry.family]
        try:
            if entry.network:
                nets = [parse_network(entry.network, prepared.dataset.input, len(prepared.dataset.classes), complete=True)]
            for net in nets:
                operation_index(net, entry.layer, entry.pre_activation)
        except IssunError as error:
            raise StudyFileError(f"{entry.place}: {error}") from None


def _key(trial: Any) -> tuple[str, str]:
    from issun.study.store import recipe_id

    return trial.net.id, recipe_id(trial)


def run_heads(
    prepared: PreparedPart,
    path: str | Path,
    *,
    threads: int | None = None,
    report: Callable[[str, HeadProgress], None] | None = None,
) -> int:
    """Train the heads that a part asks for and its study does not hold yet; return how many those were.

    Parameters
    ----------
    prepared : PreparedPart
        Its trials have been run.
    path : str or Path
        The study.
    threads : int, optional
    report : callable, optional
        Called with whose features, and a `HeadProgress`, whenever there is something to tell.

    Raises
    ------
    HeadError, StudyFileError, StudyError
        Where features say nothing, a family has no network that was trained to the end, or the study cannot be written.
    """
    if not prepared.part.heads:
        return 0
    new = 0
    with Store(path, DataFacts.of(prepared.dataset)) as store:
        done = store.finished_heads()
        for job in _jobs(prepared, Study(path)):
            missing = {key: wish for key, wish in job.wishes.items() if key not in done}
            if not missing:
                continue
            about = f"{job.label}, seed {job.source.draw}"

            def tell(progress: HeadProgress, about: str = about) -> None:
                if report is not None:
                    report(about, progress)

            tell(HeadProgress("features", 0, 0, None, "extracting features"))
            extractor = job.source.make()
            parts = parts_of(extractor, prepared.dataset, prepared.plan.split, threads, tell)
            for key, wish in missing.items():
                result = train_head(wish, parts, seed=job.source.draw, threads=threads, report=tell)
                row = row_of(job.source, extractor, result)
                values = {name: row[name] for name in _KEPT} | {"settings": json.dumps(row["settings"])}
                values |= {"id": key, "label": job.label, "network": job.network, "trial_id": job.trial_id}
                values |= {
                    "trained": row["trainable_params"],
                    "validation_accuracy": row["val_accuracy"],
                    "classes": result.validation_predictions,
                }
                store.finish_head(values, (result.test, result.test_predictions))
                store.check_place()
                done.add(key)
                new += 1
    return new


def _jobs(prepared: PreparedPart, study: Study) -> Iterator[_Job]:
    """Yield the draws of features that the part asks for, with all heads on each."""
    split, dataset = prepared.plan.split, prepared.dataset
    for entry in prepared.part.heads:
        if entry.network:
            net = parse_network(entry.network, dataset.input, len(dataset.classes), complete=True)
            kinds = cast(list[Weights], list(entry.weights))
            draws = entry.seeds or (0,)
            found = untrained(
                net, kinds, dataset, split, draws=draws, layer=entry.layer, pre_activation=entry.pre_activation, scaling=entry.scaling
            )
            for source in found:
                whose = [str(net), source.label, entry.scaling, split.id]
                yield _Job(source, source.label, str(net), None, _wishes(entry, whose, source.draw))
            continue
        best, trials = _best(prepared, study, entry)
        for seed, trial_id in trials:
            source = trained(study.model(best, seed), seed, layer=entry.layer, pre_activation=entry.pre_activation, label=entry.family)
            yield _Job(source, entry.family, best.network, trial_id, _wishes(entry, [trial_id], seed))


def _wishes(entry: HeadEntry, whose: list[str], draw: int) -> dict[str, HeadWish]:
    """Return the entry's heads by ids that name all that decides what comes out."""
    found = {}
    for wish in entry.wishes:
        asked = [
            _VERSION,
            *whose,
            entry.layer,
            entry.pre_activation,
            draw,
            wish.title,
            wish.head.name,
            wish.search,
            wish.search_images,
            wish.refit,
        ]
        text = json.dumps([*asked, sorted(wish.settings.items())])
        found[hashlib.sha256(text.encode()).hexdigest()[:16]] = wish
    return found


def _best(prepared: PreparedPart, study: Study, entry: HeadEntry) -> tuple[Entry, list[tuple[int, str]]]:
    """Return the family's best network on validation, and seed and id of its trials."""
    asked = {trial.id for trial in prepared.plan.trials}
    wanted = {
        trial.trial_id
        for found in study.entries
        for trial in found.trials
        if trial.trial_id in asked and not trial.diverged and (entry.seeds is None or trial.seed in entry.seeds)
    }
    own = [found for found in with_trials(study.entries, wanted) if found.label == entry.family]
    if not own:
        raise StudyFileError(f"{entry.place}: no training of the family {entry.family!r} with these seeds ended well: no features to take")
    best = most_accurate(sorted(own, key=lambda found: found.key))
    whole = next(found for found in study.entries if found.key == best.key)
    return whole, [(trial.seed, trial.trial_id) for trial in best.trials]
