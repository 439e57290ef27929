"""The weights of a network as one flat float32 array, laid out as `Net.tensors` says: what they start as, and their penalty."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from issun.arch.layers import PRELU_SLOPE, RATIONAL_START, Initializer
from issun.arch.net import Net
from issun.arch.ops import Role
from issun.datasets.memory import memory_limit
from issun.errors import NetworkError
from issun.randomness import INITIALISE, draws64, stream

#: What the numbers of each role start as; kernels are drawn.
START: dict[Role, float | tuple[float, ...]] = {
    "bias": 0.0,
    "factor": 1.0,
    "shift": 0.0,
    "mean": 0.0,
    "variance": 1.0,
    "slope": PRELU_SLOPE,
    "coefficients": RATIONAL_START,
    "gain": 0.0,
}

#: Standard deviation of a standard normal that is cut off at two (as TensorFlow's truncated normal).
TRUNCATED_DEVIATION = 0.87962566103423978


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
            f"memory ({1e-9 * memory:,.1f} GB); use fewer filters or units, or more pooling"
        )
    flat = np.zeros(net.stored, np.float32)
    for tensor in net.tensors:
        if tensor.kernel:
            key = stream(seed, INITIALISE, tensor.op)
            flat[tensor.slice] = _drawn(tensor.shape, tensor.initializer or default, key, net.ops[tensor.op].groups).ravel()
        else:
            flat[tensor.slice] = START[tensor.role]
    return flat


def penalty(net: Net, weights: NDArray[np.floating]) -> float:
    """Return the sum of l1 Σ|w| + l2 Σw² over the kernels that ask for it, frozen ones included, tied ones once."""
    total = 0.0
    for tensor in net.tensors:
        if tensor.l1 or tensor.l2:
            kernel = weights[tensor.slice].astype(np.float64)
            total += tensor.l1 * float(np.abs(kernel).sum()) + tensor.l2 * float((kernel * kernel).sum())
    return total


def as_tensors(net: Net, weights: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return the tensors by name, as views of the flat array."""
    return {tensor.name: weights[tensor.slice].reshape(tensor.shape) for tensor in net.tensors}
