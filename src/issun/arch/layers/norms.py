"""Normalisation of each image by itself: `norm image`, `norm layer` and `norm group 4`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from issun.arch.layers.base import Layer, Shape, at_least_one, shape_text
from issun.errors import NetworkError

Over = Literal["image", "layer", "group"]
Pairs = Literal["channel", "one", "none"]

#: The words that follow `norm` where it normalises each image by itself.
OVER_WORDS: tuple[Over, ...] = get_args(Over)


@dataclass(frozen=True)
class Normalise(Layer):
    """The values of an image less their mean, divided by their deviation; then times a learned factor, plus a learned shift.

    Mean and variance (biased, plus 1e-5) are those of one image alone, so that training and inference compute the same and nothing else
    is kept. It stands alone as a layer, or as the `norm` of one.

    Attributes
    ----------
    over : {"image", "layer", "group"}
        Which values are normalised together: those of each channel (instance normalisation, Ulyanov et al. 2016), all of an image or
        vector (layer normalisation, Ba et al. 2016), or those of each of `groups` runs of channels (group normalisation, Wu & He 2018).
    groups : int
        Of "group": must divide the channels.
    pairs : {"channel", "one", "none"}
        Which values share a factor and a shift: those of each channel (feature of a vector), all; or there are none.
    """

    over: Over
    groups: int = 1
    pairs: Pairs = "channel"

    def check(self) -> None:
        at_least_one(self, groups=self.groups)

    def output_shape(self, shape: Shape) -> Shape:
        channels = shape[-1]
        if self.over != "layer" and len(shape) != 3:
            raise NetworkError(
                f"`{self}` needs an image, but its input is {shape_text(shape)} features: "
                f"use `norm layer`, or put it before `dense` and `gap`"
            )
        if self.over == "image" and shape[0] * shape[1] == 1:
            raise NetworkError(
                f"`{self}` is not valid: each channel of its {shape_text(shape)} input has one pixel, which less its mean is 0; "
                f"use `norm layer`, or pool less before it"
            )
        # In the polynomials of a family neither is a number.
        if self.over == "group" and isinstance(channels, int) and isinstance(self.groups, int) and channels % self.groups:
            raise NetworkError(f"`{self}` is not valid: {self.groups} groups do not divide the {channels} channels of its input")
        return shape

    def sets(self, shape: Shape) -> int:
        """Return into how many runs of channels an image is cut, each of which is normalised by itself."""
        return {"image": shape[-1], "layer": 1, "group": self.groups}[self.over]

    def pairs_for(self, channels: int) -> int:
        """Return how many factors there are, and as many shifts, for so many channels or features."""
        return {"channel": channels, "one": 1, "none": 0}[self.pairs]

    def parameters(self, shape: Shape) -> int:
        return 2 * self.pairs_for(shape[-1])

    def parameters_of_pass(self, shape: Shape) -> int:
        return self.parameters(shape)

    def __str__(self) -> str:
        text = f"norm group {self.groups}" if self.over == "group" else f"norm {self.over}"
        return text if self.pairs == "channel" else f"{text} {self.pairs}"
