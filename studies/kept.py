"""What `collect.py` kept of the studies, read for the page that shows it. Needs nothing but Python."""

from __future__ import annotations

import csv
import itertools
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NUMBERS = ("parameters", "trained", "macs", "seeds", "epochs", "diverged", "chance", "best_seed")
_FRACTIONS = ("validation", "validation_sd", "lower", "test", "test_sd", "train", "seconds")


@dataclass(frozen=True)
class Result:
    """What is kept of one part of a study."""

    name: str
    part: str
    facts: dict[str, Any]
    networks: list[dict[str, Any]]
    heads: list[dict[str, Any]] = field(default_factory=list)

    @property
    def target(self) -> float | None:
        """The accuracy to reach."""
        target: float | None = self.facts["protocol"]["target"]
        return target

    @property
    def head_seconds(self) -> float:
        """How long the heads took, all draws together; a softmax is part of its network's training."""
        return sum(float(row["seconds"]) * int(row["draws"]) for row in self.heads if row["head"] != "softmax")

    def of(self, label: str) -> list[dict[str, Any]]:
        """Return the networks of a family that did not fail."""
        return [row for row in self.networks if row["label"] == label and row["diverged"] < row["seeds"]]


def read_results(folder: Path) -> dict[tuple[str, str], Result]:
    """Return every result in a folder, by study and part."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        facts = json.loads(path.read_text())
        if not isinstance(facts, dict) or "protocol" not in facts:
            continue
        with (folder / f"{path.stem}-networks.csv").open(newline="") as lines:
            networks = [_typed(row) for row in csv.DictReader(lines)]
        study, part = Path(facts["protocol"]["file"]).stem, facts["protocol"]["part"]
        heads = []
        if (place := folder / f"{path.stem}-heads.csv").exists():
            with place.open(newline="") as lines:
                heads = list(csv.DictReader(lines))
        found[study, part] = Result(path.stem, part, facts, networks, heads)
    return found


def _typed(row: dict[str, str]) -> dict[str, Any]:
    numbers = {name: int(row[name]) for name in _NUMBERS if name in row}  # results that are older say nothing of chance
    fractions = {name: float(row[name]) if row[name] else math.nan for name in _FRACTIONS}
    return {**row, **numbers, **fractions, "frontier": row["frontier"] == "True", "knobs": json.loads(row["knobs"])}


def measured(result: Result, what: str, label: str) -> float | None:
    """Return a figure of a family (see `words/originals.toml`); None where no network reaches the target, or there is none."""
    if what == "head":
        tests = [float(row["test"]) for row in result.heads if row["head"] == label]
        return tests[0] if tests else None
    rows = result.of(label)
    if what == "smallest":
        enough = [row["parameters"] for row in rows if result.target is not None and row["validation"] >= result.target - 1e-9]
        return min(enough, default=None)
    best = max(rows, key=lambda row: row["validation"], default=None)  # chosen on validation, whatever is shown
    return None if best is None else float(best[what])


def measured_elsewhere(result: Result, measurements: list[dict[str, Any]]) -> str:
    """Return where a part's networks were timed in Keras, if not where most were; else nothing."""
    study = Path(result.facts["protocol"]["file"]).stem
    places = {entry.get("about", "") for entry in measurements if (entry["study"], entry["part"]) == (study, result.part)}
    return ", ".join(sorted(places - {""}))


def keras_seconds(result: Result, measurements: list[dict[str, Any]]) -> float | None:
    """Return about how long Keras takes for the same epochs: seconds for one image, interpolated on MACs between the measured networks of
    the same family.

    Beyond the measured networks the time of the nearest one is taken. None where a family was not measured.
    """
    study = Path(result.facts["protocol"]["file"]).stem
    total = 0.0
    for row in result.networks:
        family = (study, result.part, row["label"])
        known = sorted(
            (entry["macs"], entry["seconds"] / entry["images"])
            for entry in measurements
            if (entry["study"], entry["part"], entry["label"]) == family
        )
        if not known:
            return None
        images = result.facts["images"] - result.facts["splits"][row["split"]]["images"]
        total += row["epochs"] * images * _between(row["macs"], known)
    return total


def _between(macs: float, known: list[tuple[float, float]]) -> float:
    """Return the time at `macs` on the straight lines between the known ones; at the ends it stays what it is."""
    if macs <= known[0][0]:
        return known[0][1]
    for (low, first), (high, second) in itertools.pairwise(known):
        if macs <= high:
            return first + (second - first) * (macs - low) / max(high - low, 1)
    return known[-1][1]
