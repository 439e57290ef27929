"""A network without batch normalisation that says the same: every `norm` folded into the layer before it (Jacob et al. 2018)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import Group, Layer
from issun.arch.net import Net
from issun.engine.reference.channels import NORM_EPSILON
from issun.engine.weights import tensors

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
    plain = without_norms(net)
    given = {tensor.name: weights[tensor.slice].reshape(tensor.shape).astype(np.float64) for tensor in tensors(net)}
    folded = np.zeros(plain.stored, weights.dtype)
    for tensor in tensors(plain):  # its rows are those of the network with norms
        value = given.get(tensor.name, np.zeros(0))
        if f"{tensor.row}.mean" in given and tensor.role in ("kernel", "bias"):
            factor, shift, mean, variance = (given[f"{tensor.row}.{role}"] for role in ("factor", "shift", "mean", "variance"))
            factor = factor / np.sqrt(variance + NORM_EPSILON)
            value = shift - mean * factor if tensor.role == "bias" else value * factor.reshape(-1, *[1] * (value.ndim - 1))
        folded[tensor.slice] = value.ravel()
    return plain, folded


def without_norms(net: Net) -> Net:
    """Return a network as `fold` leaves it, which needs no weights to be told."""
    return Net(net.input, net.classes, tuple(map(_without_norm, net.layers)))


def _without_norm(layer: Layer) -> Layer:
    """Return a layer, or a group of layers, without norms."""
    changed: dict[str, Any] = {}
    if isinstance(layer, Group):
        changed["layers"] = tuple(map(_without_norm, layer.layers))
    elif getattr(layer, "norm", False):
        changed["norm"] = False  # it has no `nobias`, so a bias takes its place
    return replace(layer, **changed)
