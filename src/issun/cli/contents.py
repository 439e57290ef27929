"""What `issun data` says: the facts of a data set, for programs and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from issun.arch.layers import shape_text
from issun.cli.output import results
from issun.data.dataset import Dataset
from issun.data.duplicates import Copy, duplicates
from issun.data.groups import group_facts
from issun.show.tables import plain_table

#: How many lines of a list people are shown; programs get all.
CLASSES_SHOWN, LINES_SHOWN, SIZES_SHOWN = 60, 10, 5

#: Images whose means are computed at a time.
_BLOCK = 4096


def contents(dataset: Dataset) -> dict[str, Any]:
    """Return what a data set holds, as plain values.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    dict
        ``data, source, input, fingerprint, classes`` (with ``train``, ``validation`` and ``test`` counts; validation is 0 where issun
        sets it aside from the training images), ``given_parts`` (those that the data brings), ``groups`` (None, or how many, how many
        images are in none, the largest), ``imbalance`` (training images of the largest class over those of the smallest), ``mean`` and
        ``deviation`` of the training images by channel (0 to 255), ``sizes`` and ``modes`` of the files, ``skipped``, ``duplicates``
        (groups of equal images, by kind), ``notes``.
    """
    kept = len(dataset.images) - dataset.given_validation
    train, validation = (np.bincount(labels, minlength=len(dataset.classes)) for labels in np.split(dataset.labels, [kept]))
    test = np.bincount(dataset.test_labels, minlength=len(dataset.classes))
    found = duplicates(dataset)
    mean, deviation = _moments(dataset.images[:kept])
    kinds = {"within_classes": found.within_classes, "across_classes": found.across_classes, "across_parts": found.across_parts}
    return {
        "data": dataset.name,
        "source": dataset.source,
        "input": dataset.input,
        "fingerprint": dataset.fingerprint,
        "classes": [
            {"class": name, "train": train[index], "validation": validation[index], "test": test[index]}
            for index, name in enumerate(dataset.classes)
        ],
        "given_parts": ["train", *(["validation"] if dataset.given_validation else []), *(["test"] if dataset.given_test else [])],
        "groups": group_facts(dataset),
        "imbalance": float(train.max() / train.min()),
        "mean": mean,
        "deviation": deviation,
        "sizes": [{"size": size, "files": count} for size, count in dataset.sizes],
        "modes": [{"mode": mode, "files": count} for mode, count in dataset.modes],
        "skipped": [entry._asdict() for entry in dataset.skipped],
        "duplicates": {
            "leaked_test_images": found.leaked,
            "leaked_validation_images": found.leaked_validation,
            **{kind: [[_copy(copy, dataset.classes) for copy in group] for group in groups] for kind, groups in kinds.items()},
        },
        "notes": dataset.notes,
    }


def _copy(copy: Copy, classes: Sequence[str]) -> dict[str, Any]:
    named = {"file": copy.file} if copy.file else {}
    return {"part": copy.part, "index": copy.place, "class": classes[copy.label], **named}


def _moments(images: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, exactly, from how often each value occurs."""
    counts = np.zeros((images.shape[3], 256), np.int64)
    for start in range(0, len(images), _BLOCK):
        for channel in range(images.shape[3]):
            counts[channel] += np.bincount(images[start : start + _BLOCK, ..., channel].reshape(-1), minlength=256)
    values, number = np.arange(256), counts.sum(1)
    mean = counts @ values / number
    deviation = np.sqrt(np.maximum(counts @ values**2 / number - mean**2, 0))
    return mean.tolist(), deviation.tolist()


def print_contents(facts: Mapping[str, Any]) -> None:
    """Print what `contents` returns for people."""
    console = results()
    classes = facts["classes"]
    console.print(f"{facts['data']}: {shape_text(facts['input'])} images of {len(classes)} classes, from {facts['source']}")
    console.print()
    parts = [part for part in ("train", "validation", "test") if part != "validation" or part in facts["given_parts"]]
    table = plain_table("class", *parts, left=["class"])
    for entry in classes[:CLASSES_SHOWN]:
        table.add_row(Text(entry["class"]), *(f"{entry[part]:,}" for part in parts))
    if len(classes) > CLASSES_SHOWN:
        table.add_row(f"… {len(classes) - CLASSES_SHOWN:,} more", style="dim")
    table.add_section()
    table.add_row("all", *(f"{sum(entry[part] for entry in classes):,}" for part in parts), style="bold")
    console.print(table)
    if facts["imbalance"] >= 1.5:
        console.print(f"The largest class has {facts['imbalance']:.1f} times as many training images as the smallest.")
    console.print(f"mean {_numbers(facts['mean'])}, deviation {_numbers(facts['deviation'])} (training images, 0 to 255)")
    for what in ("size", "mode"):
        if entries := facts[f"{what}s"]:
            more = f", {len(entries) - SIZES_SHOWN:,} others" if len(entries) > SIZES_SHOWN else ""
            counted = (f"{entry[what]} ({entry['files']:,})" for entry in entries[:SIZES_SHOWN])
            console.print(f"{what}s of the files: {', '.join(counted)}{more}")
    for note in facts["notes"]:
        console.print(note)
    _print_skipped(console, facts["skipped"])
    _print_duplicates(console, facts["duplicates"])


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.1f}" for value in values)


def _print_skipped(console: Console, skipped: Sequence[Mapping[str, Any]]) -> None:
    for title, unreadable in (("Could not be read", True), ("Left out", False)):
        entries = [entry for entry in skipped if entry["unreadable"] == unreadable]
        _print_list(console, f"{title}: {len(entries):,}", [f"{entry['path']} {entry['reason']}" for entry in entries])


def _print_duplicates(console: Console, found: Mapping[str, Any]) -> None:
    titles = {
        "across_parts": "In more than one part (figures are too good)",
        "across_classes": "In several classes (a label is wrong)",
        "within_classes": "More than once in a class and part",
    }
    kinds = {kind: found[kind] for kind in titles if found[kind]}
    if not kinds:
        console.print("No two images are equal.")
    for kind, groups in kinds.items():
        counted = f"{len(groups):,} {'image' if len(groups) == 1 else 'images'}"
        _print_list(console, f"{titles[kind]}: {counted}", [_group_text(group) for group in groups])


def _group_text(group: Sequence[Mapping[str, Any]]) -> str:
    names = [entry.get("file") or f"{entry['part']} {entry['index']} ({entry['class']})" for entry in group]
    return " = ".join(names[:5]) + (f" = … {len(names) - 5:,} more" if len(names) > 5 else "")


def _print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print()
    console.print(title, style="bold")
    for line in lines[:LINES_SHOWN]:
        console.print(f"  {line}")
    if len(lines) > LINES_SHOWN:
        console.print(f"  … {len(lines) - LINES_SHOWN:,} more (--json has all)", style="dim")
