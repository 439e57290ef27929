"""Families with knobs as the space of a search: networks are neighbours where one knob has another value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from issun.arch.layers import Shape
from issun.arch.net import Net
from issun.arch.notation import BoundFamily
from issun.arch.space import ANYTHING, Space
from issun.errors import NetworkError, SelectionError
from issun.study.query import Query, within

#: How often each kind of step is tried: to the next value of a knob, by up to `_FAR` values, to any; and how often in all.
_NEXT, _NEAR, _FAR, _TRIES = 0.5, 0.3, 4, 100

#: With how many networks of each family a search begins, evenly spread over its sizes.
_STARTS = 5

#: The number of a family, an input, and the place of each knob's value among its values.
_Place = tuple[int, Shape, tuple[int, ...]]


class Families:
    """The networks of families, at each input.

    Parameters
    ----------
    families : sequence of BoundFamily
    inputs : iterable of Shape
    classes : int
    space : Space
        Networks that are not in it are left out.

    Raises
    ------
    NetworkError
        Where no combination of values gives a network that can be trained.
    SelectionError
        Where none of these is in the space.
    """

    def __init__(self, families: Sequence[BoundFamily], inputs: Iterable[Shape], classes: int, space: Space = ANYTHING) -> None:
        self._families = tuple(families)
        refused = ""
        self._nets: dict[_Place, Net] = {}
        self._places: dict[str, _Place] = {}
        for number, family in enumerate(self._families):
            lists = [values for _, values in family.values]
            for shape in inputs:
                for knobs, net in family.networks(shape, classes)[0]:
                    place = (
                        number,
                        shape,
                        tuple(values.index(knobs[name]) for (name, _), values in zip(family.values, lists, strict=True)),
                    )
                    if not net.trainable_params:
                        continue
                    if problem := space.refusal(net):
                        refused = refused or f"of `{net}`: {problem}"
                        continue
                    self._nets[place] = net
                    self._places.setdefault(net.id, place)
        if not self._nets and refused:
            raise SelectionError(f"none of the networks of these families is in the space ({refused}); change the families, or the space")
        if not self._nets:
            raise NetworkError("none of the networks of these families is valid: use other knob values, or change the families")

    def starts(self, query: Query) -> tuple[Net, ...]:
        """Return the networks with which a search begins: of each family and input some within the budgets, evenly spread over the sizes;
        where none is, the smallest."""
        groups: dict[tuple[int, Shape], list[Net]] = {}
        for (number, shape, _), net in self._nets.items():
            groups.setdefault((number, shape), []).append(net)
        found: list[Net] = []
        for nets in groups.values():
            ordered = sorted(nets, key=lambda net: (net.parameters, net.id))
            usable = [net for net in ordered if within(query, net)] or ordered[:1]
            places = dict.fromkeys(np.linspace(0, len(usable) - 1, _STARTS).round().astype(int).tolist())
            found += [usable[place] for place in places]
        return tuple(dict.fromkeys(found))

    def neighbour(self, net: Net, random: np.random.Generator, allowed: Callable[[Net], bool]) -> tuple[Net, str]:
        """Return another network of the families, and what was changed; arguments and errors as of `issun.nas.changes.neighbour`."""
        number, shape, now = self._places[net.id]
        values = self._families[number].values
        for _ in range(_TRIES if values else 0):
            knob = int(random.integers(len(values)))
            name, numbers = values[knob]
            place = self._step(now[knob], len(numbers), random)
            other = self._nets.get((number, shape, (*now[:knob], place, *now[knob + 1 :])))
            if other is not None and other != net and allowed(other):
                return other, f"{name} from {numbers[now[knob]]} to {numbers[place]}"
        left = [other for other in self._nets.values() if other != net and allowed(other)]
        if not left:
            raise NetworkError(f"`{net}` has no neighbour within the budgets that was not tried yet")
        return left[int(random.integers(len(left)))], "another one of the families"

    @staticmethod
    def _step(place: int, count: int, random: np.random.Generator) -> int:
        kind, sign = random.random(), 1 if random.random() < 0.5 else -1
        if kind > _NEXT + _NEAR:
            return int(random.integers(count))
        far = 1 if kind < _NEXT else int(random.integers(2, _FAR + 1))
        return min(count - 1, max(0, place + sign * far))
