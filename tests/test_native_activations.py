"""How exact are the compiled core's activations and their derivatives, value by value over their range?

The core is given its operators directly: a dense layer without input whose biases are the points, the activation, and a mean over a
single pixel; so what it calls logits are the activation's values, and the gradient by the biases holds its derivative.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, ndtr

from issun._native import Act, Engine, Kind, LossSettings, Network, Operator
from issun.build import available_sets

#: Those that are operators of their own, or computed with more than a comparison.
KINDS = ("tanh", "gelu", "hardswish", "relu6", "sigmoid", "silu", "elu")

#: How many units in the last place the values of some may be off.
UNITS = (("sigmoid", 2), ("silu", 3), ("elu", 1))


def points() -> NDArray[np.float32]:
    """Return numbers of all sizes and both signs, and many in the range where activations bend."""
    sizes = np.geomspace(1e-30, 100, 1500)
    return np.concatenate([sizes, -sizes, np.linspace(-14, 14, 5001), [0.0, 0.625, -0.625, 3.0, -3.0]]).astype(np.float32)


def core(kind: str, count: int) -> tuple[Any, NDArray[np.float32]]:
    """Return an engine of `count` points, and the part of its weights before them."""
    vector = {"in_rows": 1, "in_columns": 1, "out_rows": 1, "out_columns": 1, "out_channels": count}
    weights = {"kernel": 0, "kernel_size": count, "bias": count, "bias_size": count, "trained": True}
    operators = [
        Operator(row=0, kind=Kind.dense, input=0, in_channels=1, **weights, **vector),
        Operator(row=1, kind=Kind.activate, input=1, in_channels=count, act=Act[kind], slope=1.0, **vector),
        Operator(row=2, kind=Kind.global_average_pool, input=2, in_channels=count, **vector),
    ]
    shape = {"height": 1, "width": 1, "channels": 1, "classes": count, "factor": [1.0], "offset": [0.0]}
    network = Network(operators=operators, **shape, weights=2 * count, batch=1)
    return Engine(network, LossSettings(), 1), np.zeros(count, np.float32)


def values(kind: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    engine, before = core(kind, len(x))
    out = np.empty((1, len(x)), np.float32)
    assert engine.logits(np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, np.int64), np.concatenate([before, x]), out, None)
    return out[0]


def derivatives(kind: str, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the derivatives, from the gradient of the loss by points of which the last is the label and is left out."""
    engine, before = core(kind, len(x) + 1)
    points = np.append(x, np.float32(0))
    gradient = np.zeros(2 * len(points), np.float32)
    label = np.full(1, len(x), np.int32)
    engine.gradients(
        np.zeros((1, 1, 1, 1), np.uint8), label, np.zeros(1, np.int64), np.concatenate([before, points]), 0, 0, gradient, None, None
    )
    shares = np.exp(log_softmax(exact(kind, points.astype(np.float64))))
    return gradient[len(points) : -1] / shares[:-1]


def exact(kind: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    made = {"tanh": lambda: np.tanh(x), "gelu": lambda: x * ndtr(x), "hardswish": lambda: x * np.clip(x + 3, 0, 6) / 6}
    made |= {"sigmoid": lambda: expit(x), "silu": lambda: x * expit(x), "elu": lambda: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))}
    return np.asarray({**made, "relu6": lambda: np.clip(x, 0, 6)}[kind]())


def exact_derivative(kind: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    if kind == "tanh":
        return np.asarray(1 - np.tanh(x) ** 2)
    if kind == "gelu":
        return np.asarray(ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))
    if kind == "sigmoid":
        return np.asarray(expit(x) * expit(-x))
    if kind == "silu":
        return np.asarray(expit(x) * (1 + x * expit(-x)))
    if kind == "elu":
        return np.where(x > 0, 1.0, np.exp(np.minimum(x, 0)))
    if kind == "relu6":
        return np.where((x > 0) & (x <= 6), 1.0, 0.0)
    return np.where(x > 3, 1.0, np.where(x > -3, (2 * x + 3) / 6, 0.0))


def test_tanh_to_two_units_in_the_last_place() -> None:
    x = points()
    right = exact("tanh", x.astype(np.float64))
    assert (np.abs(values("tanh", x) - right) <= 2 * np.spacing(np.abs(right).astype(np.float32))).all()


def test_gelu_to_float32() -> None:
    """To 5e-7 of the value; where it is far below 1, on the left, to 1e-5 of it, since the exponent's rounding grows with its size."""
    x = points()
    right = exact("gelu", x.astype(np.float64))
    error = np.abs(values("gelu", x) - right)
    near = x > -2
    assert (error[near] <= 5e-7 * np.abs(right[near]) + 2e-36).all()
    assert (error[~near] <= 1e-5 * np.abs(right[~near]) + 2e-36).all()


def test_hardswish_to_float32() -> None:
    x = points()
    right = exact("hardswish", x.astype(np.float64))
    assert (np.abs(values("hardswish", x) - right) <= 3e-7 * np.maximum(np.abs(right), np.abs(x))).all()


@pytest.mark.parametrize(("kind", "units"), UNITS)
def test_sigmoid_silu_and_elu_to_units_in_the_last_place(kind: str, units: int) -> None:
    """Also where they vanish: far left, and elu near zero. Below -87 the exponential is that of -87."""
    x = points()
    right = exact(kind, x.astype(np.float64))
    error = np.abs(values(kind, x) - right) / np.spacing(np.abs(right).astype(np.float32))
    assert error[x >= -87].max() <= units
    assert np.abs(values(kind, x) - right)[x < -87].max() <= 2e-36


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives(kind: str) -> None:
    x = np.linspace(-7, 7, 2001).astype(np.float32)
    x = x[np.abs(np.abs(x) - 3) > 1e-3] if kind == "hardswish" else x
    np.testing.assert_allclose(derivatives(kind, x), exact_derivative(kind, x.astype(np.float64)), rtol=0, atol=5e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_not_a_number_stays_one(kind: str) -> None:
    found = values(kind, np.array([np.nan, 1.0, -np.nan, np.nan], np.float32))
    assert list(np.isnan(found)) == [True, False, True, True]


@pytest.mark.parametrize("name", ["baseline", "emulated", "avx512"])
def test_every_instruction_set(name: str) -> None:
    """The same tests again where multiply-adds are not fused, or registers are wider."""
    if name not in available_sets():
        pytest.skip(f"this machine has no {name}")
    program = (
        "import test_native_activations as t; t.test_tanh_to_two_units_in_the_last_place(); t.test_gelu_to_float32()\n"
        "t.test_hardswish_to_float32(); [t.test_derivatives(kind) for kind in t.KINDS]\n"
        "[t.test_sigmoid_silu_and_elu_to_units_in_the_last_place(*given) for given in t.UNITS]; print('all right')"
    )
    path = os.pathsep.join([str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"ISSUN_ISA": name, "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "all right"), run.stderr
