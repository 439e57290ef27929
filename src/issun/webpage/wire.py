"""How does a network travel to a browser? Its rows as plain records, its weights as base64; `page/network.js` runs what is made here.

A record says all that its operator needs, so that no rule of the notation (what `same` pads, where a tensor lies) stands in JavaScript
a second time. Weights are those of the folded model, float32, little-endian, in the order of `Net.tensors`.
"""

from __future__ import annotations

import base64
from typing import Any

from issun.arch.layers import (
    LINEAR,
    Activate,
    Add,
    Classifier,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    GlobalAveragePool,
    Layer,
    Pool,
    Scale,
    Shape,
    same_padding,
    spanned,
)
from issun.arch.net import Op, activation_of
from issun.model import Model

#: Each kind of row, and what the page calls it.
_OPERATORS: tuple[tuple[type[Layer], str], ...] = (
    (Conv, "conv"),
    (DepthwiseConv, "dwconv"),
    (Dense, "dense"),
    (Classifier, "dense"),
    (GlobalAveragePool, "gap"),
    (Dropout, "drop"),
    (Activate, "activate"),
    (Add, "add"),
    (Scale, "scale"),
)


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
        ``rows``: see `row_record`; ``data``: all weights, base64 of float32, little-endian.
    """
    model = model.folded()
    places: dict[int, dict[str, int]] = {}
    for tensor in model.net.tensors:
        places.setdefault(tensor.op, {})[tensor.role] = tensor.offset
    return {
        "input": list(model.net.input),
        "classes": model.net.classes,
        "scaling": {"factor": list(model.scaling.factor), "offset": list(model.scaling.offset)},
        "rows": [row_record(row, places.get(row.shares, {})) for row in model.net.ops],
        "data": encoded(model.weights.astype("<f4").tobytes()),
    }


def encoded(content: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(content).decode("ascii")


def row_record(row: Op, places: dict[str, int]) -> dict[str, Any]:
    """Return one row of a network for the page.

    Returns
    -------
    dict
        - ``op``: ``conv, dwconv, dense, max, average, gap, drop, activate, add`` or ``scale``
        - ``source``, for ``add`` also ``other``: the rows whose outputs it reads, -1 is the image
        - ``input``, ``output``: [channels, rows, columns]; the features of a vector are channels of one pixel
        - ``window``, ``stride``, ``dilation``, ``pad``: [rows, columns], of whatever has a window; ``pad`` is what is added above and to
          the left
        - ``kernel``, ``bias``, ``factor``, ``shift``, ``slope``: where in the weights a tensor begins, for those that the row has
        - ``activation``: what follows, ``relu`` and so on; ``negative``: the slope of ``leaky``
    """
    layer = row.layer
    activation = activation_of(layer) or LINEAR
    record: dict[str, Any] = {
        "op": _operator(layer),
        "source": row.source,
        "input": _as_image(row.input),
        "output": _as_image(row.output),
        **places,
    }
    if row.other is not None:
        record["other"] = row.other
    if isinstance(layer, Conv | DepthwiseConv):
        record |= _window(row.input, layer.kernel, layer.stride, layer.dilation, layer.padding)
    elif isinstance(layer, Pool):
        record |= _window(row.input, layer.window, layer.stride, (1, 1), layer.padding)
    if activation != LINEAR:
        record["activation"] = activation.kind
        if activation.kind == "leaky":
            record["negative"] = activation.slope
    return record


def _operator(layer: Layer) -> str:
    if isinstance(layer, Pool):
        return layer.kind
    return next(name for kind, name in _OPERATORS if isinstance(layer, kind))


def _as_image(shape: Shape) -> list[int]:
    return [shape[0], 1, 1] if len(shape) == 1 else [shape[2], shape[0], shape[1]]


def _window(shape: Shape, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], padding: str) -> dict[str, Any]:
    spans = spanned(window, dilation)
    pad = [same_padding(size, span, step)[0] if padding == "same" else 0 for size, span, step in zip(shape[:2], spans, stride, strict=True)]
    return {"window": list(window), "stride": list(stride), "dilation": list(dilation), "pad": pad}
