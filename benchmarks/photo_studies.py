"""What do 100, 400, 1,000 or all photos of a set tell? `python benchmarks/photo_studies.py train --data ARCHIVE.npz --output FOLDER`

From a set of photos some are drawn, as if a user had no others. The first family is swept on them as `issun sweep` does it by default, at
24 and 48 pixels, grey and in colour, in one study; and once more into a second study on a single validation part instead of folds. The
photos that were not drawn choose nothing: at the end they tell how good the models that are handed over really are.

Everything is kept in the folder, so that a stopped run goes on. `python benchmarks/photo_studies.py table --data … --output …` prints
tables from the studies, and writes them as JSON after `--json FILE`.

`python benchmarks/photo_studies.py folder --data … --output photos --counts 400` writes the photos of a draw as a folder of PNG files: the
one that README's second screen sweeps.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import issun
from issun.datasets.inputs import Inputs
from issun.datasets.wanted import input_text
from issun.errors import SelectionError
from issun.study import Entry, Study
from issun.study.frontier import most_accurate, smallest
from issun.study.machine import machine

#: How many photos a user has.
COUNTS = (100, 400, 1000, 2062)

SIZES, COLORS = [24, 48], "gray,rgb"

#: Of the draw of the photos; fixed before anything was trained.
SEED = 0


def drawn(archive: Path, count: int, folder: Path) -> tuple[Path, NDArray[np.uint8], NDArray[np.int64]]:
    """Return an archive with so many photos of a larger one, and the others with their labels."""
    with np.load(archive) as stored:
        photos, labels = stored["x"], stored["y"]
    order = np.random.default_rng(SEED).permutation(len(labels))
    chosen, others = np.sort(order[:count]), np.sort(order[count:])
    path = folder / f"{archive.stem}-{len(chosen)}.npz"
    if not path.exists():
        np.savez(path, x=photos[chosen], y=labels[chosen])
    return path, photos[others], labels[others]


def write_folder(arguments: argparse.Namespace) -> None:
    """Write the photos of a draw as PNG files, in a folder for each class."""
    with np.load(arguments.data) as stored:
        photos, labels = stored["x"], stored["y"]
    (count,) = arguments.counts
    for number in np.sort(np.random.default_rng(SEED).permutation(len(labels))[:count]):
        folder = arguments.output / str(labels[number])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photos[number]).save(folder / f"{number:04d}.png")


def study_path(folder: Path, archive: Path, count: int, folds: int | None) -> Path:
    """Return where a study is kept."""
    return folder / f"{archive.stem}-{count}{'' if folds is None else '-one-part'}.sqlite"


def train(arguments: argparse.Namespace) -> None:
    """Train all studies; what is there already is not trained again."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    for count in arguments.counts:
        path, _, _ = drawn(arguments.data, count, arguments.output)
        for folds in (None, 1):
            study = study_path(arguments.output, arguments.data, count, folds)
            found = issun.sweep(
                path, size=SIZES, color=COLORS, study=study, folds=folds, threads=arguments.threads, epochs=arguments.epochs
            )
            print(f"{study.name}: {chosen(found.entries)}", flush=True)
            if folds is None and found.entries[0].folds == 1:  # so many photos are not dealt into folds
                break


def chosen(entries: Sequence[Entry]) -> Entry:
    """Return the smallest network within 0.01 of the best, as `issun sweep` answers; where none beats guessing, the most accurate one."""
    try:
        return smallest(entries)
    except SelectionError:
        return most_accurate(entries)


class LeftOut:
    """The photos that were not drawn, in the sizes and colours of the networks."""

    def __init__(self, photos: NDArray[np.uint8], labels: NDArray[np.int64], folder: Path) -> None:
        self._labels = labels
        self._inputs: Inputs | None = None
        if len(labels):
            path = folder / "left-out.npz"
            np.savez(path, x=photos, y=labels)
            self._inputs = Inputs.of(
                [issun.load(path, size=size, color=color, test="none") for size in SIZES for color in COLORS.split(",")]
            )

    def accuracy(self, study: Study, entry: Entry) -> float | None:
        """Return the accuracy there of the model that is handed over; None where no photo was left out."""
        if self._inputs is None:
            return None
        found = study.model(entry).predict(self._inputs.at(entry.input).images)
        return float((found == self._inputs.at(entry.input).labels).mean())


def described(study: Study, entry: Entry, left_out: LeftOut) -> dict[str, Any]:
    """Return what is said of a network."""
    test, _ = study.test(entry)
    return {
        "input": input_text(entry.input),
        "network": entry.network,
        "parameters": entry.parameters,
        "macs": entry.macs,
        "val_accuracy_mean": entry.val_accuracy_mean,
        "val_accuracy_std": entry.val_accuracy_std,
        "val_accuracy_lower95": entry.val_accuracy_lower95,
        "validation_images": entry.validation_images,
        "folds": entry.folds,
        "test_accuracy_mean": test,
        "left_out_accuracy": left_out.accuracy(study, entry),
    }


def rows_of(arguments: argparse.Namespace, count: int) -> dict[str, Any]:
    """Return what the studies of so many photos say."""
    _, photos, labels = drawn(arguments.data, count, arguments.output)
    left_out = LeftOut(photos, labels, arguments.output)
    folded = Study(study_path(arguments.output, arguments.data, count, None))
    studies = {"folds": folded}
    if folded.entries[0].folds > 1:
        studies["one part"] = Study(study_path(arguments.output, arguments.data, count, 1))
    by_input: dict[tuple[int, ...], list[Entry]] = {}
    for entry in folded.entries:
        by_input.setdefault(entry.input, []).append(entry)
    return {
        "photos": count,
        "left_out": len(labels),
        "inputs": [described(folded, chosen(entries), left_out) for entries in by_input.values()],
        "chosen": {way: described(study, chosen(study.entries), left_out) for way, study in studies.items()},
        "studies": {study.path.name: study.facts.data.fingerprint for study in studies.values()},
    }


def percent(value: float | None) -> str:
    """Return a fraction in percent."""
    return "–" if value is None or np.isnan(value) else f"{100 * value:.1f}"


def cells(row: dict[str, Any]) -> str:
    """Return a row of a table in Markdown, without what stands before and behind it."""
    spread = "" if np.isnan(row["val_accuracy_std"]) else f" ± {100 * row['val_accuracy_std']:.1f}"
    figures = (f"{percent(row['val_accuracy_mean'])}{spread}", percent(row["val_accuracy_lower95"]))
    measured = (percent(row["test_accuracy_mean"]), percent(row["left_out_accuracy"]))
    return " | ".join((row["input"], f"{row['parameters']:,}", f"{row['macs']:,}", *figures, *measured))


def table(arguments: argparse.Namespace) -> None:
    """Print the tables."""
    found = [rows_of(arguments, count) for count in arguments.counts]
    head = "input | parameters | MACs | validation | its lower bound | test | left out"
    print(f"| photos | {head} |\n|---:|---|---:|---:|---:|---:|---:|---:|")
    for rows in found:
        for row in rows["inputs"]:
            print(f"| {rows['photos']:,} | {cells(row)} |")
    print(f"\n| photos | chosen on | {head} |\n|---:|---|---|---:|---:|---:|---:|---:|---:|")
    for rows in found:
        for row in rows["chosen"].values():
            images = f"{row['validation_images']:,} images" + (f" in {row['folds']} folds" if row["folds"] > 1 else "")
            print(f"| {rows['photos']:,} | {images} | {cells(row)} |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "data": arguments.data.stem, "rows": found}, indent=1) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "table", "folder"))
    parser.add_argument("--data", type=Path, required=True, help="an archive with x (N, height, width, 3) and y")
    parser.add_argument("--output", type=Path, required=True, help="folder of the studies")
    parser.add_argument("--counts", type=lambda text: tuple(map(int, text.split(","))), default=COUNTS)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--epochs", type=int, help="to see that it works")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    {"train": train, "table": table, "folder": write_folder}[arguments.what](arguments)


if __name__ == "__main__":
    main()
