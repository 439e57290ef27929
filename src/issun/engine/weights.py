"""The weights of a network as one flat float32 array: where each tensor lies in it, and what it starts as.

Kernels of convolutions have the shape (filters, channels, rows, columns), those of dense layers (units, features) with features in
the order channel, row, column: the layout of PyTorch. `export/` turns them into that of others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from issun.arch.layers import Classifier, Conv, Dense, Initializer
from issun.arch.net import Net
from issun.engine.randomness import INITIALISE, draws64, stream

#: Standard deviation of a standard normal that is cut off at two (as TensorFlow's truncated normal).
TRUNCATED_DEVIATION = 0.87962566103423978


@dataclass(frozen=True)
class Tensor:
    """One named tensor in the flat array of weights.

    `row` is the index of its layer in `Net.rows`; `l1` and `l2` are its penalties (0 for biases).
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    row: int
    trained: bool
    kernel: bool
    l1: float = 0.0
    l2: float = 0.0

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def slice(self) -> slice:
        """Its place in the flat array."""
        return slice(self.offset, self.offset + self.size)


def tensors(net: Net) -> tuple[Tensor, ...]:
    """Return the tensors of a network in the order in which they lie in the flat array (kernel, then bias, layer by layer)."""
    found: list[Tensor] = []
    offset = 0
    for row in net.rows:
        layer = row.layer
        if isinstance(layer, Conv):
            shape: tuple[int, ...] = (layer.filters, row.input[2], *layer.kernel)
        elif isinstance(layer, Dense | Classifier):
            shape = (row.output[0], math.prod(row.input))
        else:
            continue
        kernel = Tensor(f"{row.index}.kernel", shape, offset, row.index, not row.frozen, True, layer.l1, layer.l2)
        found.append(kernel)
        offset += kernel.size
        if layer.bias:
            bias = Tensor(f"{row.index}.bias", shape[:1], offset, row.index, not row.frozen, False)
            found.append(bias)
            offset += bias.size
    return tuple(found)


def _uniform(key: int, count: int) -> NDArray[np.float64]:
    """Return `count` draws from the open interval (0, 1)."""
    return ((draws64(key, np.arange(count)) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _drawn(shape: tuple[int, ...], kind: Initializer, key: int) -> NDArray[np.float64]:
    """Return a kernel as `kind` draws it: Glorot uniform (Glorot & Bengio 2010), He truncated normal (He et al. 2015; as Keras), or
    orthogonal rows (Saxe, McClelland & Ganguli 2014)."""
    count, receptive = math.prod(shape), math.prod(shape[2:])
    fan_in, fan_out = shape[1] * receptive, shape[0] * receptive
    uniform = _uniform(key, count)
    if kind == "glorot":
        return ((2 * uniform - 1) * math.sqrt(6 / (fan_in + fan_out))).reshape(shape)
    if kind == "he":
        low = 0.022750131948179195  # the normal distribution function at -2
        normal = ndtri(low + uniform * (1 - 2 * low))
        return np.asarray(normal * (math.sqrt(2 / fan_in) / TRUNCATED_DEVIATION)).reshape(shape)
    rows, columns = shape[0], count // shape[0]
    normal = ndtri(uniform).reshape(max(rows, columns), min(rows, columns))
    q, r = np.linalg.qr(normal)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return np.asarray(q.T if rows < columns else q).reshape(shape)


def initialised(net: Net, default: Initializer, seed: int) -> NDArray[np.float32]:
    """Return the weights that `seed` draws, shape (parameters,), float32; biases are zero."""
    flat = np.zeros(net.parameters, np.float32)
    for tensor in tensors(net):
        if tensor.kernel:
            layer = net.rows[tensor.row].layer
            kind = getattr(layer, "initializer", None) or default
            flat[tensor.slice] = _drawn(tensor.shape, kind, stream(seed, INITIALISE, tensor.row)).ravel()
    return flat


def penalty(net: Net, weights: NDArray[np.floating]) -> float:
    """Return the sum of l1 Σ|w| + l2 Σw² over the kernels that ask for it, frozen ones included."""
    total = 0.0
    for tensor in tensors(net):
        if tensor.l1 or tensor.l2:
            kernel = weights[tensor.slice].astype(np.float64)
            total += tensor.l1 * float(np.abs(kernel).sum()) + tensor.l2 * float((kernel * kernel).sum())
    return total


def as_tensors(net: Net, weights: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return the tensors by name, as views of the flat array."""
    return {tensor.name: weights[tensor.slice].reshape(tensor.shape) for tensor in tensors(net)}
