"""Where a search begins: a few plain networks that follow from image size and number of classes alone."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from statistics import median

from issun.arch.layers import Activation, Classifier, Conv, GlobalAveragePool, Layer, Pool, SeparableConv, Shape
from issun.arch.net import Net
from issun.arch.space import Space
from issun.errors import NetworkError

#: Channels of the first layer.
WIDTHS = (4, 8, 16)

#: About how many rows and columns are left where the last stage begins.
_LAST_SIDE = 6


def stages_for(input: Shape) -> int:
    """Return how often images of a shape are halved: until about `_LAST_SIDE` rows or columns are left; at least once."""
    return max(1, round(math.log2(min(input[:2]) / _LAST_SIDE)))


def starts(input: Shape, classes: int, widths: tuple[int, ...] = WIDTHS) -> tuple[Net, ...]:
    """Return the networks with which a search begins, in the order in which they are tried.

    Parameters
    ----------
    input : tuple of int
        ``(height, width, channels)`` of one image.
    classes : int
    widths : tuple of int
        Channels of the first layer; those of later ones grow with it.

    Returns
    -------
    tuple of Net
        Plain and separable convolutions, with and without batch normalisation, of each width; last the classifier alone. Those that
        do not fit into the images are left out, and the half that takes the most multiply-accumulates: a search learns more of several
        that are trained quickly.
    """
    found = tuple(dict.fromkeys(_starts(input, classes, widths)))
    middle = median(net.macs for net in found)
    return tuple(net for net in found if net.macs <= middle)


def starts_within(space: Space, input: Shape, classes: int, widths: tuple[int, ...] = WIDTHS) -> tuple[Net, ...]:
    """Return what `starts` returns, or what in a space is nearest to that; networks that cannot be in it are left out, and where none is
    left it is the classifier alone."""
    found: list[Net] = []
    for net in starts(input, classes, widths):
        with contextlib.suppress(NetworkError):
            like = space.adapted(net)
            if like.trainable_params and not space.refusal(like):
                found.append(like)
    return tuple(dict.fromkeys(found)) or (Net(input, classes, (Classifier(classes),)),)


def _starts(input: Shape, classes: int, widths: tuple[int, ...]) -> Iterator[Net]:
    for width in widths:
        for norm in (False, True):
            for separable in (False, True):
                layers: list[Layer] = []
                for stage in range(stages_for(input) + 1):
                    channels = math.ceil(width * (1 + stage / 2))
                    if stage and separable:
                        layers.append(SeparableConv(channels, padding="same", norm=norm, activation=Activation("relu")))
                    else:
                        layers.append(Conv(channels, padding="same", norm=norm))
                    layers.append(Pool())
                layers[-1] = GlobalAveragePool()
                try:
                    yield Net(input, classes, (*layers, Classifier(classes)))
                except NetworkError:  # images too small for a window
                    continue
    yield Net(input, classes, (Classifier(classes),))
