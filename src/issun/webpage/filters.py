"""What a network looks for first: the kernels of the layer that reads the image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from issun.arch.ops import WITH_KERNEL
from issun.exporters.page import encoded
from issun.model import Model

#: Filters shown, and the bytes that they may take together.
MOST_FILTERS, MOST_BYTES = 64, 40_000


def filters(model: Model) -> dict[str, Any] | None:
    """Return the kernels of the first layer with weights, as pictures; None where no image reaches it, or they are too large.

    Parameters
    ----------
    model : Model
        It is folded here.

    Returns
    -------
    dict or None
        ``row``: index of the layer; ``text``: its text; ``count``: how many filters it has; ``shape``: [filters shown, channels, rows,
        columns] (a dense layer's unit is a picture of what it weighs); ``scale`` and ``data``: base64 of int8, a weight is one of them
        times the scale.
    """
    model = model.folded()
    op = next((op for op in model.net.ops if op.kind in WITH_KERNEL), None)
    if op is None or len(op.input) != 3:
        return None
    tensor = op["kernel"]
    kernel = model.weights[tensor.slice].reshape(tensor.shape)
    if kernel.ndim == 2:
        height, width, channels = op.input
        kernel = kernel.reshape(-1, channels, height, width)
    shown = kernel[: min(MOST_FILTERS, MOST_BYTES // max(1, math.prod(kernel.shape[1:])))]
    if not len(shown) or shown[0].size == 1:
        return None
    scale = float(np.abs(shown).max()) / 127 or 1.0
    return {
        "row": op.index,
        "text": op.text,
        "count": len(kernel),
        "shape": list(shown.shape),
        "scale": float(f"{scale:.4g}"),
        "data": encoded((shown / scale).round().astype(np.int8).tobytes()),
    }
