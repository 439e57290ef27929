"""A network for a browser: its operations as plain records, its weights as base64. The report's page runs what is made here.

A record says all that its operator needs, so that no rule of the notation (what `same` pads, where a tensor lies) stands in JavaScript
a second time. Weights are those of the folded model, float32, little-endian, in the order of `Net.tensors`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from issun.arch.layers import LINEAR, SLOPES, Shape
from issun.arch.ops import Kind, Op, image_of
from issun.engine.reference.channels import NORM_EPSILON
from issun.model import Model


def wire(model: Model) -> dict[str, Any]:
    """Return a model as the page runs it.

    Parameters
    ----------
    model : Model
        It is folded here.

    Returns
    -------
    dict
        ``input``: [height, width, channels] of an image; ``classes``: how many; ``scaling``: ``factor`` and ``offset`` of each channel;
        ``rows``: see `record`, one for each operation; ``data``: all weights, base64 of float32, little-endian.
    """
    model = model.folded()
    return {
        "input": list(model.net.input),
        "classes": model.net.classes,
        "scaling": {"factor": list(model.scaling.factor), "offset": list(model.scaling.offset)},
        "rows": [record(op) for op in model.net.ops],
        "data": encoded(model.weights.astype("<f4").tobytes()),
    }


def encoded(content: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(content).decode("ascii")


def record(op: Op) -> dict[str, Any]:
    """Return one operation of a network for the page.

    Returns
    -------
    dict
        - ``op``: ``conv, dwconv, dense, max, average, gap, drop, activate, add, concat, gate, scale, normalise`` or ``gain``
        - ``source``, for ``add``, ``concat`` and ``gate`` also ``other``: the rows whose outputs it reads, -1 is the image
        - ``input``, ``output``: [channels, rows, columns]; the features of a vector are channels of one pixel
        - ``window``, ``stride``, ``dilation``, ``pad``: [rows, columns], of whatever has a window; ``pad`` is what is added above and to
          the left; ``groups``, of ``conv``: in how many runs its channels lie, each with filters of its own
        - ``kernel``, ``bias``, ``factor``, ``shift``, ``slope``, ``coefficients``, ``gain``: where in the weights a tensor begins, for
          those that the row has
        - ``sets``, of ``normalise``: how many runs of channels are normalised by themselves; ``pairs``: how many factors, and
          shifts, it has; ``epsilon``: what is added to a variance
        - ``activation``: what follows, ``relu`` and so on; ``negative``: the slope of ``leaky`` and ``elu``
    """
    found: dict[str, Any] = {
        "op": op.kind.value,
        "source": op.source,
        "input": _channels_first(op.input),
        "output": _channels_first(op.output),
        **{tensor.role: tensor.offset for tensor in op.weights},
        **PARTICULARS[op.kind](op),
    }
    if op.activation != LINEAR:
        found["activation"] = op.activation.kind
        if op.activation.kind in SLOPES:
            found["negative"] = op.activation.slope
    return found


def _channels_first(shape: Shape) -> list[int]:
    height, width, channels = image_of(shape)
    return [channels, height, width]


def _window(op: Op) -> dict[str, Any]:
    window = op.window
    return {"window": list(window.size), "stride": list(window.stride), "dilation": list(window.dilation), "pad": list(window.before)}


def _nothing(op: Op) -> dict[str, Any]:
    return {}


#: What the record of each kind says besides.
PARTICULARS: dict[Kind, Callable[[Op], dict[str, Any]]] = {
    Kind.CONV: lambda op: {**_window(op), "groups": op.groups},
    Kind.DEPTHWISE: _window,
    Kind.DENSE: _nothing,
    Kind.MAX: _window,
    Kind.AVERAGE: _window,
    Kind.GAP: _nothing,
    Kind.DROP: _nothing,
    Kind.ACTIVATE: _nothing,
    Kind.ADD: lambda op: {"other": op.other},
    Kind.CONCAT: lambda op: {"other": op.other},
    Kind.GATE: lambda op: {"other": op.other},
    Kind.SCALE: _nothing,
    Kind.NORMALISE: lambda op: {"sets": op.sets, "pairs": op["factor"].size if "factor" in op else 0, "epsilon": NORM_EPSILON},
    Kind.GAIN: _nothing,
}
