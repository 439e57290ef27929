"""Shrinking a given network: it with fewer channels, as where a search starts and as one more kind of change.

Whatever is cut from the given network begins with its weights, however it came about: see `issun.cutting`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from issun.arch.layers import Classifier
from issun.arch.net import Net
from issun.arch.space import ANYTHING, Space
from issun.cutting import is_cut
from issun.errors import NetworkError, SelectionError
from issun.nas.changes import WITH_WIDTH, Neighbours, Place, neighbour, replaced, sites, width_of, with_width

#: The shares of a network's channels with which a search that shrinks it begins.
SHARES = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12)

#: The share of the changes of a cut network that cut it further; by which factors; the share of these that cut all layers, and not one; and
#: how often draws are made until one gives another network.
_CUTTING, _FACTORS, _EVERYWHERE, _TRIES = 0.4, (0.5, 0.7, 0.85, 0.95), 0.25, 20


def narrower(net: Net, share: float, places: Sequence[Place] | None = None) -> Net:
    """Return a network with a share of its channels, at least one, in the layers at some places; default: in all that can have fewer.

    Raises
    ------
    NetworkError
        Where that is no network.
    """
    layers = net.layers
    for place, layer in sites(layers):
        if place in (_places(net) if places is None else places):
            layers = replaced(layers, place, [with_width(layer, max(1, int(width_of(layer) * share)))])
    return replace(net, layers=layers)


def _places(net: Net) -> list[Place]:
    """Return where a network's layers stand that can have fewer channels: those that make some, but not those of the classes."""
    found = [place for place, layer in sites(net.layers) if isinstance(layer, WITH_WIDTH)]
    return found if isinstance(net.layers[-1], Classifier) else found[:-1]


def cuts(net: Net, space: Space = ANYTHING) -> tuple[Net, ...]:
    """Return a network, and what has the `SHARES` of its channels, largest first: what a space allows of these.

    Raises
    ------
    SelectionError
        Where it allows none.
    """
    found = [net]
    for share in SHARES:
        with contextlib.suppress(NetworkError):  # groups that do not divide so many channels
            other = narrower(net, share)
            if other not in found and is_cut(other, net):
                found.append(other)
    kept = tuple(one for one in found if not space.refusal(one))
    if not kept:
        raise SelectionError(f"--start (={net}) is outside of the space: {space.refusal(net)}; allow this, or give another start")
    return kept


def shrinking(of: Net, neighbour: Neighbours = neighbour) -> Neighbours:
    """Return what changes networks in a search that shrinks one: a part of the changes of networks that are cut from it cuts them further,
    all others are those of `neighbour`."""

    def change(net: Net, random: np.random.Generator, allowed: Callable[[Net], bool]) -> tuple[Net, str]:
        places = _places(net)
        if places and is_cut(net, of) and random.random() < _CUTTING:
            for _ in range(_TRIES):
                everywhere, share = random.random() < _EVERYWHERE, _FACTORS[int(random.integers(len(_FACTORS)))]
                some = places if everywhere else [places[int(random.integers(len(places)))]]
                with contextlib.suppress(NetworkError):
                    other = narrower(net, share, some)
                    if other != net and is_cut(other, of) and allowed(other):
                        return other, "fewer channels everywhere" if everywhere else "fewer channels"
        return neighbour(net, random, allowed)

    return change
