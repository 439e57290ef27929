"""`issun.size`: how large networks are, layer by layer, and how a family grows with its knobs; nothing is trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.arch.cost import macs_polynomial, polynomial
from issun.arch.layers import Shape, shape_text
from issun.arch.net import Net
from issun.arch.notation import BoundFamily, bind_arguments, check_amount, parse
from issun.errors import NetworkError
from issun.exporters.c.source import int8_size
from issun.exporters.keras.from_keras import read_keras
from issun.plain import plain

#: How many networks are told of, and how many layers these may have together: more is no table that anybody reads.
LARGEST_TABLE, LARGEST_TABLE_LAYERS = 10_000, 200_000


@dataclass(frozen=True)
class FamilySizes:
    """The networks of one family.

    Attributes
    ----------
    family : str
        Its text, as issun writes it.
    knobs : tuple of str
        Empty for a single network.
    formulas : mapping of str to str
        ``parameters`` and ``macs`` as polynomials in the knobs; empty for a single network.
    networks : tuple of (dict of str to int, Net)
        Each network with the values of its knobs.
    impossible : tuple of (dict of str to int, str)
        Values that give no network, and why.
    """

    family: str
    knobs: tuple[str, ...]
    formulas: Mapping[str, str]
    networks: tuple[tuple[Mapping[str, int], Net], ...]
    impossible: tuple[tuple[Mapping[str, int], str], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the sizes of all networks as plain values."""
        return {
            "family": self.family,
            "formulas": dict(self.formulas),
            "networks": [sizes_of(net, knobs) for knobs, net in self.networks],
            "impossible": [{"knobs": dict(knobs), "reason": reason} for knobs, reason in self.impossible],
        }


@dataclass(frozen=True)
class Sizes:
    """What `size` found.

    Attributes
    ----------
    input : (int, int, int)
        Height, width and channels of an image.
    classes : int
    families : tuple of FamilySizes
    file : Path or None
        Of Keras, that the network was read from.
    remarks : tuple of str
        What is to be known of that.
    """

    input: Shape
    classes: int
    families: tuple[FamilySizes, ...]
    file: Path | None = None
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values.

        `reads` and `shares` of a layer are places in `layers`, from 0: whose output it reads (-1: the image), whose weights it uses.
        """
        families = [family.as_dict() for family in self.families]
        values: dict[str, Any] = plain({"input": self.input, "classes": self.classes, "families": families})
        return values


def size(
    families: str | os.PathLike[str] | Sequence[str],
    *,
    input: tuple[int, int, int] | None = None,
    classes: int = 10,
    zip: bool = False,
) -> Sizes:
    """Return parameters, multiply-accumulates, bytes and working memory of networks.

    Parameters
    ----------
    families : str, PathLike or sequence of str
        Networks, or families with values of their knobs after them, as on the command line: ``["conv n, pool, dense", "n=1,2,4"]``. A
        single family needs no values: its polynomials do not depend on them. Or the file of a Keras model: ``.keras``, ``.json``.
    input : (int, int, int), optional
        Height, width and channels of one image; default: (28, 28, 1), or as in the Keras file.
    classes : int
    zip : bool
        Pair the values of several knobs instead of combining them.

    Raises
    ------
    NotationError, KnobError, NetworkError
        Where a text cannot be read, has no valid network, or has too many for a table.
    ExportError
        Where a Keras model cannot be read.

    Examples
    --------
    >>> size("conv n, pool, dense").families[0].formulas["parameters"]
    '1700n + 10'
    """
    texts = [os.fspath(families)] if isinstance(families, str | os.PathLike) else list(families)
    shape: Shape = input or (28, 28, 1)
    file, remarks = None, list[str]()
    if len(texts) == 1 and Path(texts[0]).suffix in (".keras", ".json"):
        file = Path(texts[0])
        net, remarks = read_keras(file, input)
        texts, shape, classes = [str(net)], net.input, net.classes
    if any("=" in text for text in texts):
        bound = bind_arguments(texts, zip)
    else:
        parsed = [parse(text) for text in texts]
        bound = [BoundFamily(family, tuple((knob, ()) for knob in family.knobs)) for family in parsed]
    check_amount(bound, LARGEST_TABLE, LARGEST_TABLE_LAYERS)
    return Sizes(shape, classes, tuple(_sizes(family, shape, classes) for family in bound), file, tuple(remarks))


def _sizes(bound: BoundFamily, shape: Shape, classes: int) -> FamilySizes:
    family = bound.family
    feasible, impossible = bound.networks(shape, classes)
    if not family.knobs and impossible:
        raise NetworkError(str(impossible[0][1]))
    counts = {"parameters": polynomial, "macs": macs_polynomial} if family.knobs else {}
    return FamilySizes(
        str(family),
        tuple(family.knobs),
        {name: str(count(family, shape, classes)) for name, count in counts.items()},
        tuple(feasible),
        tuple((knobs, str(reason)) for knobs, reason in impossible),
    )


def sizes_of(net: Net, knobs: Mapping[str, int]) -> dict[str, Any]:
    """Return the sizes of one network of a family, in all and layer by layer."""
    int8 = int8_size(net)
    return {
        "network": str(net),
        "knobs": dict(knobs),
        "parameters": net.parameters,
        "trainable_params": net.trainable_params,
        "macs": net.macs,
        "bytes": net.bytes(),
        "peak_memory": net.peak_memory(),
        "int8": None if int8 is None else dict(zip(("constants", "memory"), int8, strict=True)),
        "layers": [
            {
                "layer": op.text,
                "output": shape_text(op.output),
                "parameters": op.parameters,
                "trainable_params": op.trainable_params,
                "macs": op.macs,
                "frozen": op.frozen,
                "reads": [index for index in (op.source, op.other) if index is not None],
                "shares": op.shares,
            }
            for op in net.ops
        ],
    }
