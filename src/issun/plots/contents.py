"""What a data set holds, as it stands in a terminal."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from issun.arch.layers import shape_text
from issun.datasets.dataset import Split
from issun.datasets.duplicates import MOST_IMAGES
from issun.datasets.file_notes import split_notes
from issun.datasets.skipped import Reason
from issun.datasets.summary import Contents
from issun.plots.tables import plain_table

#: How many lines of a list people are shown; programs get all.
CLASSES_SHOWN, LINES_SHOWN, SIZES_SHOWN = 60, 10, 5

_SIDES = ("train", "validation", "fold", "test")


def contents_text(contents: Contents) -> Iterator[RenderableType]:
    """Yield what a data set holds, line by line and table by table; the command to go on with is left out."""
    facts = contents.as_dict()
    classes = facts["classes"]
    yield f"{facts['data']}: {shape_text(facts['input'])} images of {len(classes)} classes, from {facts['source']}"
    yield ""
    parts = [part for part in ("train", "validation", "test") if part != "validation" or part in facts["given_parts"]]
    table = plain_table("class", *parts, left=["class"])
    for entry in classes[:CLASSES_SHOWN]:
        table.add_row(Text(entry["class"]), *(f"{entry[part]:,}" for part in parts))
    if len(classes) > CLASSES_SHOWN:
        table.add_row(f"… {len(classes) - CLASSES_SHOWN:,} more", style="dim")
    table.add_section()
    table.add_row("all", *(f"{sum(entry[part] for entry in classes):,}" for part in parts), style="bold")
    yield table
    if facts["imbalance"] >= 1.5:
        yield f"The largest class has {facts['imbalance']:.1f} times as many training images as the smallest."
    yield f"mean {_numbers(facts['mean'])}, standard deviation {_numbers(facts['deviation'])} (training images, 0 to 255)"
    for what in ("size", "mode"):
        if entries := facts[f"{what}s"]:
            more = f", {len(entries) - SIZES_SHOWN:,} others" if len(entries) > SIZES_SHOWN else ""
            counted = (f"{entry[what]} ({entry['files']:,})" for entry in entries[:SIZES_SHOWN])
            yield f"{what}s of the files: {', '.join(counted)}{more}"
    if facts["cache"]:
        yield f"decoded images are kept in {facts['cache']}"
    yield from (*facts["notes"], *([] if contents.folds > 1 else split_notes(contents.dataset, Split())))
    if contents.folds > 1:
        yield f"A sweep validates on all {len(contents.dataset.images):,} images for training, in {contents.folds} folds."
    # Formats that are not read here are in the notes, in one line.
    yield from _skipped([entry.as_dict() for entry in contents.dataset.skipped if entry.why is not Reason.UNREAD_FORMAT])
    yield from _duplicates(facts["duplicates"])
    yield from _near(facts["near_copies"], sum(entry[part] for entry in classes for part in ("train", "validation", "test")))
    if found := facts["tracks"]:
        yield ""
        yield Text("File names suggest groups of related images (frames of one video, photographs of one object)", style="bold")
        yield (
            f"  --groups {shlex.quote(found['pattern'])} keeps them together: {found['groups']:,} groups, the largest of "
            f"{found['largest']:,} images, at least {found['fewest']:,} groups in each class."
        )
    first = contents.first_sweep
    changed = f", augmentation {first.augment}" if first.augment else ""
    yield ""
    yield f"The first family for {shape_text(first.input)} images, which a sweep trains if no family is named:"
    yield f"  {first.family}, {first.values}{changed}"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.1f}" for value in values)


def _skipped(skipped: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    for title, unreadable in (("Could not be read", True), ("Left out", False)):
        entries = [entry for entry in skipped if entry["unreadable"] == unreadable]
        yield from _list(f"{title}: {len(entries):,}", [f"{entry['path']} {entry['reason']}" for entry in entries])


def _duplicates(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    titles = {
        "across_parts": "Duplicate images in more than one part (accuracies will be too high)",
        "across_split": "Duplicate images that the split for validation separates",
        "across_classes": "Duplicate images in several classes (some labels are wrong)",
        "within_classes": "Duplicate images in one class and part",
    }
    kinds = {kind: found[kind] for kind in titles if found[kind]}
    if not kinds:
        yield "No duplicate images."
    for kind, groups in kinds.items():
        counted = f"{len(groups):,} {'image' if len(groups) == 1 else 'images'}"
        yield from _list(f"{titles[kind]}: {counted}", [_group_text(group) for group in groups])


def _near(found: Mapping[str, Any] | None, images: int) -> Iterator[RenderableType]:
    if found is None:
        if images > MOST_IMAGES:
            yield f"Near-duplicate images are searched for only among up to {MOST_IMAGES:,} images."
        return
    pairs = found["pairs"]
    if not pairs:
        yield "No near-duplicate images."
        return
    torn = [pair for pair in pairs if len({image["side"] for image in pair["images"]}) > 1]
    apart = [pair for pair in pairs if pair not in torn and not pair["group"]]
    together = len(pairs) - len(torn) - len(apart)
    yield ""
    yield Text(f"Near-duplicate images (scaled, compressed or taken a moment later): {_pairs(len(pairs))}", style="bold")
    yield f"  {found['images']:,} of {images:,} images have a near-duplicate" + (f"; {_pairs(together)} in one group" if together else "")
    if torn:
        sides = Counter("/".join(sorted((_side(image) for image in pair["images"]), key=_SIDES.index)) for pair in torn)
        counted = ", ".join(f"{sides_of} {count:,}" for sides_of, count in sides.items())
        yield from _list(f"In two parts (accuracies will be too high): {counted}", [_pair_text(pair) for pair in torn])
    yield from _list(f"In one part: {_pairs(len(apart))}", [_pair_text(pair) for pair in apart])


def _side(image: Mapping[str, Any]) -> str:
    """Return in which part an image would stand; all folds are one kind of part."""
    return str(image["side"]).split(" ", 1)[0]


def _pairs(count: int) -> str:
    return f"{count:,} pair{'' if count == 1 else 's'}"


def _pair_text(pair: Mapping[str, Any]) -> str:
    """Return the names of both images; where they would stand in two parts, with these."""
    torn = len({image["side"] for image in pair["images"]}) > 1
    names = []
    for image in pair["images"]:
        name = image.get("file") or f"{image['part']} {image['index']} ({image['class']})"
        names.append(f"{name} [{image['side']}]" if torn and ("file" in image or image["side"] != image["part"]) else name)
    return " ~ ".join(names)


def _group_text(group: Sequence[Mapping[str, Any]]) -> str:
    names = [entry.get("file") or f"{entry['part']} {entry['index']} ({entry['class']})" for entry in group]
    return " = ".join(names[:5]) + (f" = … {len(names) - 5:,} more" if len(names) > 5 else "")


def _list(title: str, lines: Sequence[str]) -> Iterator[RenderableType]:
    if not lines:
        return
    yield ""
    yield Text(title, style="bold")
    for line in lines[:LINES_SHOWN]:
        yield f"  {line}"
    if len(lines) > LINES_SHOWN:
        yield Text(f"  … {len(lines) - LINES_SHOWN:,} more (--json has all)", style="dim")
