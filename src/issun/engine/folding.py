"""A network without batch normalisation that says the same: every `norm` folded into the layer before it (Jacob et al. 2018)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.engine.reference.channels import NORM_EPSILON

Number = TypeVar("Number", np.float32, np.float64)


def fold(net: Net, weights: NDArray[Number]) -> tuple[Net, NDArray[Number]]:
    """Return the network and weights that inference needs: the same function of an image, without any `norm`.

    A kernel is multiplied by factor / sqrt(variance + 1e-5) of its output channel, and the bias is what is left of the shift. Computed in
    float64, rounded once. Penalties stay written in the network, but mean something else for folded kernels.

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
    given = {tensor.name: weights[tensor.slice].reshape(tensor.shape).astype(np.float64) for tensor in net.tensors}
    folded = np.zeros(plain.stored, weights.dtype)
    for tensor in plain.tensors:  # its operations have the places of those with norms
        value = given.get(tensor.name, np.zeros(0))
        if f"{tensor.op}.mean" in given and tensor.role in ("kernel", "bias"):
            factor, shift, mean, variance = (given[f"{tensor.op}.{role}"] for role in ("factor", "shift", "mean", "variance"))
            factor = factor / np.sqrt(variance + NORM_EPSILON)
            value = shift - mean * factor if tensor.role == "bias" else value * factor.reshape(-1, *[1] * (value.ndim - 1))
        folded[tensor.slice] = value.ravel()
    return plain, folded
