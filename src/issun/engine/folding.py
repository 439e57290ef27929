"""A network without batch normalisation that says the same: every `norm` folded into the layer before it (Jacob et al. 2018).

In `tied` it becomes a `scale each`.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import LINEAR
from issun.arch.net import Net
from issun.engine.reference.channels import NORM_EPSILON

Number = TypeVar("Number", np.float32, np.float64)


def fold(net: Net, weights: NDArray[Number]) -> tuple[Net, NDArray[Number]]:
    """Return the network and weights that inference needs: the same function of an image, without any `norm`.

    A kernel is multiplied by factor / sqrt(variance + 1e-5) of its output channel, and the bias is what is left of the shift. The passes
    of `tied` share a kernel, so that both stay beside it there, as the factor and the shift of a `scale each`. Computed in float64,
    rounded once. Penalties stay written in the network, but mean something else for folded kernels.

    Parameters
    ----------
    net : Net
    weights : ndarray of float32 or float64, shape (net.stored,)

    Returns
    -------
    net : Net
        Where there is no `norm`, the same.
    weights : ndarray, shape (net.parameters,)
        A new array of the type of the one given.
    """
    plain = net.without_norms()
    folded = np.zeros(plain.stored, weights.dtype)
    made = iter(plain.ops)  # in the order of those that they come from
    for op in net.ops:
        own = {tensor.role: weights[tensor.slice].reshape(tensor.shape).astype(np.float64) for tensor in op.own}
        parts = [next(made)]
        if op.norm:
            own["factor"] = factor = own["factor"] / np.sqrt(own["variance"] + NORM_EPSILON)
            own["bias"] = own["shift"] = own["shift"] - own["mean"] * factor
            if op.tied:  # a `scale each` comes out of it, and an activation
                parts += [next(made) for _ in range(1 if op.activation == LINEAR else 2)]
            else:
                own["kernel"] = own["kernel"] * factor.reshape(-1, *[1] * (own["kernel"].ndim - 1))
        for part in parts:
            for tensor in part.own:
                folded[tensor.slice] = own[tensor.role].ravel()
    return plain, folded
