"""The place of each tensor in working memory, planned beforehand, so that generated C needs one array and no heap.

A tensor lives from the step that makes it to the last that reads it. Two that live at the same time must not overlap. Finding the
smallest memory is hard in general (it is dynamic storage allocation); placing the largest first, each at the lowest place that is free
while it lives, comes close (Pisarchyk & Lee 2020, "greedy by size"), and so does placing them as they come; the better of both is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from issun.exporters.c.steps import Step


@dataclass
class _Place:
    """What one or several tensors occupy, one after the other: `size` values from step `first` to step `last`."""

    size: int
    first: int
    last: int
    offset: int = 0


@dataclass(frozen=True)
class Memory:
    """`size` values in all, and at which of them the tensor of each row begins."""

    size: int
    offsets: dict[int, int]


def plan(steps: Sequence[Step], extra: dict[int, int] | None = None, outside: frozenset[int] = frozenset()) -> Memory:
    """Return where the tensors of the steps lie.

    Parameters
    ----------
    steps : sequence of Step
    extra : dict of int to int, optional
        Sizes of tensors that are there before the first step, by the number that steps read them by. The image (-1) lies in the
        caller's memory where it is not named here.
    outside : frozenset of int
        Tensors that lie elsewhere.
    """
    extra = extra or {}
    reads = [[read for read in (step.source, step.other) if read is not None] for step in steps]
    last = {read: number for number, both in enumerate(reads) for read in both}
    last[steps[-1].operation] = len(steps)  # the answer is read after the last step
    places = {tensor: _Place(size, -1, last.get(tensor, -1)) for tensor, size in extra.items()}
    for number, step in enumerate(steps):
        if step.operation in outside:
            continue
        ends = last.get(step.operation, number)
        free = [read for read in reads[number] if read in places and last[read] == number]
        if step.elementwise and free:  # what is read for the last time becomes the output
            place = places[free[0]]
            place.last = ends
            places[step.operation] = place
        else:
            places[step.operation] = _Place(step.size, number, ends)
    unique = list({id(place): place for place in places.values()}.values())
    orders = [sorted(unique, key=lambda place: (-place.size, place.first)), sorted(unique, key=lambda place: place.first)]
    best = min(orders, key=_arranged)
    size = _arranged(best)
    return Memory(size, {tensor: place.offset for tensor, place in places.items()})


def _arranged(order: Sequence[_Place]) -> int:
    """Give every place the lowest offset that is free while it lives, in this order, and return how much they take together."""
    alive: dict[int, list[_Place]] = {}  # by step: to look through all places for each would take minutes for thousands of layers
    for place in order:
        steps = range(place.first, place.last + 1)
        beside = {id(other): other for step in steps for other in alive.get(step, ())}
        offset = 0
        for other in sorted(beside.values(), key=lambda other: other.offset):
            if other.offset < offset + place.size:
                offset = max(offset, other.offset + other.size)
        place.offset = offset
        for step in steps:
            alive.setdefault(step, []).append(place)
    return max((place.offset + place.size for place in order), default=0)
