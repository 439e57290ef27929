"""The weights of a network as one flat float32 array: where each tensor lies in it, and what it starts as.

Kernels of convolutions have the shape (filters, channels, rows, columns), those of depthwise ones (channels · multiplier, 1, rows,
columns), those of dense layers (units, features) with features in the order channel, row, column: the layout of PyTorch. `export/`
turns them into that of others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from issun.arch.layers import PRELU_SLOPE, Classifier, Conv, Dense, DepthwiseConv, Initializer, Scale
from issun.arch.net import Net, Row, activation_of
from issun.datasets.memory import memory_limit
from issun.engine.randomness import INITIALISE, draws64, stream
from issun.errors import NetworkError

#: What a tensor does in its layer. `factor`, `shift`, `mean` and `variance` are those of a `norm`; `scale` has the first two;
#: `slope` is that of `prelu`.
Role = Literal["kernel", "bias", "factor", "shift", "mean", "variance", "slope"]

WithKernel = Conv | DepthwiseConv | Dense | Classifier

#: Roles that training measures instead of learning them.
STATISTICS: tuple[Role, ...] = ("mean", "variance")

#: What the numbers of each role start as; kernels are drawn.
START: dict[Role, float] = {"bias": 0.0, "factor": 1.0, "shift": 0.0, "mean": 0.0, "variance": 1.0, "slope": PRELU_SLOPE}

#: Standard deviation of a standard normal that is cut off at two (as TensorFlow's truncated normal).
TRUNCATED_DEVIATION = 0.87962566103423978


@dataclass(frozen=True)
class Tensor:
    """One named tensor in the flat array of weights.

    `name` is its row and role (``0.kernel``), `row` the index of its layer in `Net.rows`; where several rows share tensors, that of
    the first. `trained` says whether the optimiser changes it; `l1` and `l2` are its penalties (0 for all but kernels).
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    row: int
    trained: bool
    role: Role
    l1: float = 0.0
    l2: float = 0.0

    @property
    def kernel(self) -> bool:
        """Whether it is a kernel: drawn at random, and the only role with penalties."""
        return self.role == "kernel"

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def slice(self) -> slice:
        """Its place in the flat array."""
        return slice(self.offset, self.offset + self.size)


def tensors(net: Net) -> tuple[Tensor, ...]:
    """Return the tensors of a network in the order in which they lie in the flat array: layer by layer, in each as `Role` lists them.

    The later passes of a `tied` group have none of their own. All sizes together are `net.stored`.
    """
    found: list[Tensor] = []
    offset = 0
    for row in net.rows:
        if row.shares != row.index:
            continue
        for role, shape in _shapes(row):
            trained = not row.frozen and role not in STATISTICS
            penalties = (row.layer.l1, row.layer.l2) if role == "kernel" and isinstance(row.layer, WithKernel) else (0.0, 0.0)
            found.append(Tensor(f"{row.index}.{role}", shape, offset, row.index, trained, role, *penalties))
            offset += found[-1].size
    return tuple(found)


def _shapes(row: Row) -> Iterator[tuple[Role, tuple[int, ...]]]:
    """Yield role and shape of each tensor of a layer."""
    layer, channels = row.layer, row.output[-1:]
    match layer:
        case Conv():
            yield "kernel", (*channels, row.input[2], *layer.kernel)
        case DepthwiseConv():
            yield "kernel", (*channels, 1, *layer.kernel)
        case Dense() | Classifier():
            yield "kernel", (*channels, math.prod(row.input))
        case Scale():
            yield "factor", channels
            yield "shift", channels
    if isinstance(layer, Conv | DepthwiseConv | Dense) and layer.norm:
        yield "factor", channels
        yield "shift", channels
        yield "mean", channels
        yield "variance", channels
    elif isinstance(layer, WithKernel) and layer.bias:
        yield "bias", channels
    activation = activation_of(layer)
    if activation is not None and activation.kind == "prelu":
        yield "slope", channels


def _uniform(key: int, count: int) -> NDArray[np.float64]:
    """Return `count` draws from the open interval (0, 1)."""
    return ((draws64(key, np.arange(count)) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _drawn(shape: tuple[int, ...], kind: Initializer, key: int, blocks: int = 1) -> NDArray[np.float64]:
    """Return a kernel as `kind` draws it: Glorot uniform (Glorot & Bengio 2010), He truncated normal (He et al. 2015; as Keras), or
    orthogonal rows (Saxe, McClelland & Ganguli 2014).

    `blocks` of its outputs, one after the other, have inputs of their own (the channels of a depthwise convolution). Each is drawn as
    a kernel for itself; fans count what really meets, where Keras counts all channels.
    """
    count, receptive = math.prod(shape), math.prod(shape[2:])
    fan_in, fan_out = shape[1] * receptive, shape[0] // blocks * receptive
    uniform = _uniform(key, count)
    if kind == "glorot":
        return ((2 * uniform - 1) * math.sqrt(6 / (fan_in + fan_out))).reshape(shape)
    if kind == "he":
        low = 0.022750131948179195  # the normal distribution function at -2
        normal = ndtri(low + uniform * (1 - 2 * low))
        return np.asarray(normal * (math.sqrt(2 / fan_in) / TRUNCATED_DEVIATION)).reshape(shape)
    rows, columns = shape[0] // blocks, count // shape[0]
    normal = ndtri(uniform).reshape(blocks, max(rows, columns), min(rows, columns))
    q, r = np.linalg.qr(normal)
    q = q * np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)[:, None]
    return np.asarray(q.transpose(0, 2, 1) if rows < columns else q).reshape(shape)


def initialised(net: Net, default: Initializer, seed: int) -> NDArray[np.float32]:
    """Return the weights that `seed` draws, shape (net.stored,), float32; what is no kernel starts as `START` says.

    Raises
    ------
    NetworkError
        When they alone take more than three quarters of the memory.
    """
    memory = memory_limit()
    if 4 * net.stored > memory * 3 // 4:
        raise NetworkError(
            f"`{net}` has {net.stored:,} weights, which take {4e-9 * net.stored:,.1f} GB: more than three quarters of this machine's "
            f"memory ({1e-9 * memory:,.1f} GB); take fewer filters or units, or pool more"
        )
    flat = np.zeros(net.stored, np.float32)
    for tensor in tensors(net):
        if tensor.kernel:
            row = net.rows[tensor.row]
            kind = (row.layer.initializer if isinstance(row.layer, WithKernel) else None) or default
            blocks = row.input[2] if isinstance(row.layer, DepthwiseConv) else 1
            flat[tensor.slice] = _drawn(tensor.shape, kind, stream(seed, INITIALISE, tensor.row), blocks).ravel()
        else:
            flat[tensor.slice] = START[tensor.role]
    return flat


def penalty(net: Net, weights: NDArray[np.floating]) -> float:
    """Return the sum of l1 Σ|w| + l2 Σw² over the kernels that ask for it, frozen ones included, tied ones once."""
    total = 0.0
    for tensor in tensors(net):
        if tensor.l1 or tensor.l2:
            kernel = weights[tensor.slice].astype(np.float64)
            total += tensor.l1 * float(np.abs(kernel).sum()) + tensor.l2 * float((kernel * kernel).sum())
    return total


def as_tensors(net: Net, weights: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return the tensors by name, as views of the flat array."""
    return {tensor.name: weights[tensor.slice].reshape(tensor.shape) for tensor in tensors(net)}
