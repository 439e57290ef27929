"""Write what studies found as small files that can be kept with the project: `python studies/collect.py STUDY.sqlite…`

    issun run studies/shrink.toml --output studies-made
    python studies/collect.py studies-made/*.sqlite

For each study made by `issun run` there are, in `studies/results`:

- `NAME.json`: data, recipes, splits, machine, versions, time, the networks that were chosen, with their test figures, what the learning
  curves of each family's best say, and how many of all networks say what, how the accuracy goes with each knob, what remedies did, each
  family's number of parameters as a polynomial, where the parameters of its smallest sufficient network sit, and the classes that the
  best network confuses;
- `NAME-networks.csv`: every network, its figures averaged over seeds;
- `NAME-histories.csv`: each epoch of the best and of the smallest sufficient network of each family, best seed on validation;
- `NAME-heads.csv`: heads on features, where the study has some, averaged over seeds, beside the networks' own softmax;
- `NAME-KIND.png`: pictures that the study asks for and that cannot be drawn from the tables, where `issun run` drew them beside it.

`studies/page.py` makes `docs/studies.md` of them.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from issun import IssunError, Study
from issun.arch import polynomial, table
from issun.arch.notation import parse
from issun.errors import SelectionError
from issun.extraction.comparing import summary
from issun.study import Answer, Entry
from issun.study.answer import Choice
from issun.study.entry import EntryKey
from issun.study.head_tables import gains, heads_frame

RESULTS = Path(__file__).resolve().parent / "results"

#: Pictures that need more than the tables that are kept: predictions, images.
PICTURES = ("scatter", "heatmap", "confusion", "gallery", "heads", "projection")

#: What is kept of each network.
COLUMNS = (
    *("label", "network", "knobs", "parameters", "trained", "macs", "seeds", "validation", "validation_sd", "lower", "test", "test_sd"),
    *("train", "epochs", "seconds", "diverged", "chance", "best_seed", "frontier", "recipe_id", "split"),
)


def networks_of(study: Study) -> pd.DataFrame:
    """Return every network of a study, one row each, with `test`, `test_sd`, `train` (mean train accuracy of the
    epoch that was kept) and `epochs` (all that were trained, over all seeds)."""
    if not study.entries:
        raise SelectionError(f"{study.path.name} holds no finished trial yet")
    train = [float(np.mean([trial.train_accuracy for trial in entry.trials])) for entry in study.entries]
    epochs = [sum(trial.epochs for trial in entry.trials) for entry in study.entries]
    return study.with_test(study.networks).assign(train=train, epochs=epochs)


def chosen_of(study: Study, frame: pd.DataFrame) -> dict[str, dict[str, Choice]]:
    """Return the networks that the study's target and budgets choose, on validation alone: of each family by its label, of all under ""."""
    query = study.query
    found = {}
    for label in ("", *dict.fromkeys(frame["label"])):
        entries = [entry for entry in study.entries if label in ("", entry.label)]
        # A family's own target, where the file names none, is 0.01 below the best of the family.
        found[label] = {choice.key: choice for choice in Answer(study, query, entries).choices}
    return found


def said_of(choices: dict[str, Choice], rows: dict[EntryKey, pd.Series[Any]]) -> dict[str, Any]:
    """Return what is kept of choices: the columns of each network, or why there is none."""
    return {
        key: {"none": choice.problem} if choice.entry is None else plain({column: rows[choice.entry.key][column] for column in COLUMNS})
        for key, choice in choices.items()
    }


def plain(value: Any) -> Any:
    """Return a value as JSON has it, numbers with six digits that count."""
    if isinstance(value, dict):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def histories_of(study: Study, chosen: dict[str, dict[str, Choice]]) -> pd.DataFrame:
    """Return each epoch of the networks that were chosen of the families."""
    wanted = {choice.entry: label for label, choices in chosen.items() if label for choice in choices.values() if choice.entry}
    histories = [
        study.history(entry).assign(label=label, network=entry.network, recipe_id=entry.recipe_id, seed=entry.best_seed)
        for entry, label in wanted.items()
    ]
    return pd.concat(histories, ignore_index=True) if histories else study.history(study.entries[-1]).head(0)  # where nothing is chosen


def diagnoses_of(study: Study, chosen: dict[str, dict[str, Choice]]) -> dict[str, dict[str, str]]:
    """Return what the learning curves of the best network of each family say, and what to try next."""
    found = {}
    for label, choices in chosen.items():
        best = choices["best"].entry
        if label and best is not None:
            diagnosis = study.diagnosis(best)
            found[label] = {"kind": diagnosis.kind, "sentence": diagnosis.sentence, "advice": diagnosis.advice}
    return found


def kinds_of(study: Study) -> list[str]:
    """Return what kind of diagnosis the learning curves of each network (best seed) get: not only those of the best."""
    return [study.diagnosis(entry).kind if entry.ended_well else "diverged" for entry in study.entries]


def correlations_of(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return, for each family with several knobs, the rank correlation (Spearman's) of each with the validation accuracy."""
    found: dict[str, dict[str, float]] = {}
    for label, rows in frame.groupby("label", sort=False):
        knobs = pd.DataFrame(rows["knobs"].tolist(), index=rows.index)
        if knobs.shape[1] > 1 and (knobs.nunique() > 1).all():
            found[str(label)] = knobs.corrwith(rows["validation"], method="spearman").to_dict()
    return found


def families_of(study: Study, chosen: dict[str, dict[str, Choice]]) -> dict[str, dict[str, Any]]:
    """Return of each family its text, its number of parameters as a polynomial, and the layers of its smallest sufficient network (where
    none is sufficient, of its best one)."""
    shape, classes, found = study.about["input"], len(study.classes), {}
    texts = {entry.label: entry.family for entry in reversed(study.entries)}
    for label, choices in chosen.items():
        if label:
            entry = choices["smallest"].entry or choices["best"].entry
            layers = [] if entry is None else table(study.net(entry))
            found[label] = {
                "text": texts[label],
                "polynomial": str(polynomial(parse(texts[label]), shape, classes)),
                "network": None if entry is None else entry.network,
                "layers": [[row.layer, row.parameters, row.parameter_share] for row in layers if row.parameters],
            }
    return found


def confusions_of(study: Study, best: Entry | None) -> dict[str, Any] | None:
    """Return what the best network (best seed) takes for what on validation, and its figures for each class."""
    if best is None:
        return None
    pairs, classes = study.confused(best, most=5), study.class_report(best)
    return {
        "label": best.label,
        "seed": best.best_seed,
        "pairs": pairs[["first", "second", "together", "first_as_second", "second_as_first"]].to_numpy().tolist(),
        "classes": classes[["name", "precision", "recall", "f1", "support"]].to_numpy().tolist(),
    }


def facts_of(study: Study, frame: pd.DataFrame) -> dict[str, Any]:
    """Return data, protocol, recipes, machine, versions and time; no places on this machine."""
    about = study.about
    runs = [run for run in about["runs"] if run["ended"]]
    spans = [(datetime.fromisoformat(run["ended"]) - datetime.fromisoformat(run["started"])).total_seconds() for run in runs]
    kept = ("data", "fingerprint", "input", "images", "test_images", "notes", "protocol", "recipes", "splits", "trials")
    return {
        **{name: about[name] for name in kept},
        "mark": study.mark,
        "machine": about["machine"],
        "versions": about["versions"],
        "threads": about["threads"],
        "finished": max((run["ended"] for run in runs), default=None),
        "wall_seconds": sum(spans) if len(runs) == len(about["runs"]) else None,  # a run that was killed has no end
        "training_seconds": float((frame["seconds"] * frame["seeds"]).sum()),
        "epochs": int(frame["epochs"].sum()),
        "numbers": len(frame),
    }


def collect(path: Path, folder: Path) -> list[Path]:
    """Write the files of one study into a folder and return their places."""
    study = Study(path)
    protocol = study.about["protocol"]
    if protocol is None:
        raise SelectionError(f"{path.name} was not made by `issun run`: it does not say which question it answers")
    if protocol["quick"]:
        raise SelectionError(f"{path.name} was made with --quick: its figures say nothing")
    frame = networks_of(study)
    chosen = chosen_of(study, frame)
    rows = {entry.key: row for entry, (_, row) in zip(study.entries, frame.iterrows(), strict=True)}
    families = {label: said_of(choices, rows) for label, choices in chosen.items() if label}
    folder.mkdir(parents=True, exist_ok=True)
    places = [folder / f"{path.stem}{ending}" for ending in (".json", "-networks.csv", "-histories.csv")]
    drawn = [kind for kind in PICTURES if kind in protocol["draw"] and path.with_name(f"{path.stem}-{kind}.png").exists()]
    for kind in drawn:
        places.append(folder / f"{path.stem}-{kind}.png")
        shutil.copyfile(path.with_name(places[-1].name), places[-1])
    heads = heads_frame(study)
    if not heads.empty:
        places.append(folder / f"{path.stem}-heads.csv")
        means = summary(heads)
        means.assign(settings=means["settings"].map(json.dumps)).to_csv(places[-1], index=False, float_format="%.6g")
    told = list(gains(heads)) if not heads.empty else []
    said = {"diagnoses": diagnoses_of(study, chosen), "remedies": [str(remedy) for remedy in study.remedies()]}
    kinds = kinds_of(study)
    learned = frame[[kind not in ("chance", "diverged") for kind in kinds]]  # among the others the order is that of noise
    said |= {"kinds": dict(Counter(kinds).most_common()), "correlations": correlations_of(learned)}
    said |= {"families": families_of(study, chosen)}
    said |= {"confusions": confusions_of(study, chosen[""]["best"].entry) if "confusion" in protocol["draw"] else None}
    facts = plain(
        facts_of(study, frame) | said | {"chosen": {**said_of(chosen[""], rows), "families": families}, "pictures": drawn, "heads": told}
    )
    places[0].write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    frame.assign(knobs=frame["knobs"].map(json.dumps))[list(COLUMNS)].to_csv(places[1], index=False, float_format="%.6g")
    histories_of(study, chosen).to_csv(places[2], index=False, float_format="%.5g")
    return places


def main() -> int:
    """Collect the studies that the command line names; those that cannot be are told, and the others written all the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="+", type=Path, metavar="STUDY")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the folder; default: studies/results")
    arguments = parser.parse_args()
    failed = 0
    for path in arguments.studies:
        try:
            print(*(place.name for place in collect(path, arguments.output)))
        except IssunError as error:
            print(f"collect.py: left out: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
