"""Windows on an image: how many positions they take, and how the edge is padded."""

from __future__ import annotations

from typing import Literal

from issun.arch.layers.base import Layer, Shape, image_shape, shape_text
from issun.errors import NetworkError

Padding = Literal["valid", "same"]
Pair = tuple[int, int]


def window_positions(size: int, window: int, stride: int, padding: Padding) -> int:
    """Return how many positions a window takes along one axis (0 where it does not fit).

    `same` pads as TensorFlow does: ceil(size / stride) positions. `window` is what a dilated window spans.
    """
    if padding == "same":
        return -(-size // stride)
    return max(0, (size - window) // stride + 1)


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after one axis for `same`, as TensorFlow splits it (the odd one goes after)."""
    total = max(0, (window_positions(size, window, stride, "same") - 1) * stride + window - size)
    return total // 2, total - total // 2


def spanned(kernel: Pair, dilation: Pair) -> Pair:
    """Return the rows and columns of the image that a dilated window spans."""
    return (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1


def positions(layer: Layer, shape: Shape, span: Pair, stride: Pair, padding: Padding, advice: str) -> Pair:
    """Return the height and width that a window over an image leaves; raise `NetworkError` with `advice` where it does not fit."""
    height, width, _ = image_shape(layer, shape)
    rows = window_positions(height, span[0], stride[0], padding)
    columns = window_positions(width, span[1], stride[1], padding)
    if 0 in (rows, columns):
        dilated = "dilated " if getattr(layer, "dilation", (1, 1)) != (1, 1) else ""
        raise NetworkError(
            f"`{layer}` is not valid: its {dilated}{window_text(span)} window is larger than its {shape_text(shape[:2])} input; {advice}"
        )
    return rows, columns


def window_text(window: Pair) -> str:
    """Return a window as the notation writes it."""
    return f"{window[0]}x{window[1]}"


def pair_text(word: str, pair: Pair) -> str:
    """Return an option of one or two numbers: ``stride 2``, ``dilation 2x1``."""
    return f"{word} {pair[0]}" if pair[0] == pair[1] else f"{word} {window_text(pair)}"
