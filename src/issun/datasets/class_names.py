"""Class names that differ only in how Unicode writes them are one class.

``ü`` is one sign, or ``u`` and a sign that puts dots on it: keyboards and Linux write the first (NFC), macOS and its archives often the
second (NFD). Both look alike, and people mean one class. A name keeps the form that its data has, since fingerprints and stored studies
know it in that form; only where both stand in one data set, the composed form stands for both.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from issun.datasets.dataset import Dataset


def composed(name: str) -> str:
    """Return a name in the form that compares: composed (NFC)."""
    return unicodedata.normalize("NFC", name)


def one_form(names: Iterable[str]) -> dict[str, str]:
    """Return the class of each name: the name itself, or the composed form of names that are one but written differently."""
    forms: dict[str, set[str]] = {}
    for name in names:
        forms.setdefault(composed(name), set()).add(name)
    return {name: name if len(found) == 1 else whole for whole, found in forms.items() for name in found}


def merged_note(forms: dict[str, str], readable: Callable[[str], str] = str) -> list[str]:
    """Say which of the classes that `one_form` found are written in several forms."""
    counts = Counter(forms.values())
    merged = sorted(name for name, count in counts.items() if count > 1)
    if not merged:
        return []
    shown = ", ".join(readable(name) for name in merged[:5]) + (", …" if len(merged) > 5 else "")
    return [f"Class names written in two forms of Unicode (NFC and NFD) and merged into one class each: {shown}."]


def same_names(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists of class names are the same, in whatever form each is written."""
    return len(one) == len(other) and all(composed(first) == composed(second) for first, second in zip(one, other, strict=True))


def other_forms(dataset: Dataset, order: Callable[[str], object]) -> Iterator[Dataset]:
    """Yield a data set with its class names in other forms, as the same images have them that came by another way.

    Parameters
    ----------
    dataset : Dataset
    order : callable
        The sorting key of class names: in another form they may come in another order, and have other numbers.
    """
    if all(name.isascii() for name in dataset.classes):
        return
    seen = {dataset.classes}
    for form in ("NFC", "NFD"):
        names = [unicodedata.normalize(form, name) for name in dataset.classes]
        for places in (range(len(names)), sorted(range(len(names)), key=lambda place: order(names[place])), np.argsort(names).tolist()):  # type: ignore[arg-type, return-value]
            classes = tuple(names[place] for place in places)
            if classes in seen or len(set(classes)) < len(classes):
                continue
            seen.add(classes)
            number = np.empty(len(names), np.int32)
            number[list(places)] = np.arange(len(names))
            yield dataclasses.replace(dataset, classes=classes, labels=number[dataset.labels], test_labels=number[dataset.test_labels])
