"""Keras's words for activations, initialisers, penalties and numbers, in issun's."""

from __future__ import annotations

from typing import Any

import numpy as np

from issun.arch.layers import LINEAR, Activation, ActivationKind, Initializer

#: No size of a layer is larger; more is a damaged or hostile file.
LARGEST = 2**31

#: Slope of Keras's `leaky_relu` where it is named as an activation.
_LEAKY_ACTIVATION = 0.2

#: What Keras calls each activation that it has as a word; `leaky`, `prelu`, `elu` and `rational` are written as layers of their own.
WORDS: dict[ActivationKind, str] = {
    "linear": "linear",
    "relu": "relu",
    "gelu": "gelu",
    "tanh": "tanh",
    "hardswish": "hard_swish",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "silu": "silu",
}

_ACTIVATIONS = {
    **{word: Activation(kind) for kind, word in WORDS.items()},
    "hard_silu": Activation("hardswish"),
    "swish": Activation("silu"),
    "elu": Activation("elu"),
    "leaky_relu": Activation("leaky", _LEAKY_ACTIVATION),
}


class Unsupported(Exception):
    """The notation has no word for something; the message continues a sentence about a layer."""


def whole(config: dict[str, Any], key: str) -> int:
    """Return a size, at least 1."""
    value = config.get(key)
    if type(value) is not int or not 1 <= value < LARGEST:
        raise Unsupported(f"its `{key}` must be a whole number from 1, not {value!r:.60}")
    return value


def pair(value: Any, key: str) -> tuple[int, int]:
    """Return a window, stride or dilation: one number, or two."""
    both = [value, value] if type(value) is int else value
    if not isinstance(both, list | tuple) or len(both) != 2 or not all(type(size) is int and 1 <= size < LARGEST for size in both):
        raise Unsupported(f"its `{key}` must be one or two whole numbers from 1, not {value!r:.60}")
    return both[0], both[1]


def number(value: Any, key: str) -> float:
    """Return a number as it was typed: Keras stores some in float32, which turns 0.01 into 0.009999999776482582."""
    if isinstance(value, dict):  # an array, as older versions store a slope
        value = value.get("value", value.get("config"))
    if type(value) not in (int, float) or not abs(value) < 1e30:
        raise Unsupported(f"its `{key}` must be a number, not {value!r:.60}")
    single = np.float32(value)
    return float(str(single)) if float(single) == value else float(value)


def name_of(value: Any) -> tuple[str, dict[str, Any]]:
    """Return the class of something that Keras writes as a name, or as an object with `class_name` and `config`, and its settings."""
    if isinstance(value, dict):
        kind, config = value.get("class_name"), value.get("config")
        if kind == "function" and isinstance(config, str):
            return config, {}
        return str(kind), config if isinstance(config, dict) else {}
    return str(value), {}


def activation(value: Any) -> Activation | None:
    """Return an activation; None stands for softmax, which only the end of a network may have."""
    if value is None:
        return LINEAR
    name, _ = name_of(value)
    if name == "softmax":
        return None
    if name not in _ACTIVATIONS:
        raise Unsupported(f"its activation `{name:.60}` is not supported; use one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def relu(config: dict[str, Any]) -> Activation:
    """Return the activation of a ReLU layer."""
    if config.get("max_value") == 6 and not config.get("threshold") and not config.get("negative_slope"):
        return Activation("relu6")
    if config.get("max_value") is not None or config.get("threshold"):
        raise Unsupported("its `max_value` or `threshold` is not supported; use relu or relu6")
    slope = number(config.get("negative_slope") or 0.0, "negative_slope")
    return Activation("leaky", slope) if slope else Activation("relu")


def initializer(value: Any) -> tuple[Initializer | None, str]:
    """Return how a kernel is drawn (None: as the recipe says, which by default is Glorot's way), or a remark where there is no word."""
    if value is None:
        return None, ""
    name, config = name_of(value)
    simple = name.replace("_", "").lower()
    if simple in ("glorotuniform", "xavieruniform"):
        return None, ""
    if simple in ("henormal", "orthogonal", "orthogonalinitializer"):
        return "he" if simple == "henormal" else "orthogonal", ""
    if simple == "variancescaling":
        way = (config.get("scale"), config.get("mode"), config.get("distribution"))
        if way == (1.0, "fan_avg", "uniform"):
            return None, ""
        if way in ((2.0, "fan_in", "normal"), (2.0, "fan_in", "truncated_normal")):
            return "he", ""
    return None, f"the initializer {name:.60} is not supported: the recipe's initializer is used"


def penalties(value: Any) -> tuple[float, float]:
    """Return l1 and l2 of a regulariser."""
    if value is None:
        return 0.0, 0.0
    name, config = name_of(value)
    if name.lower() not in ("l1", "l2", "l1l2"):
        raise Unsupported(f"its regularizer `{name:.60}` is not supported; use l1 or l2")
    return tuple(number(config.get(key) or 0.0, key) for key in ("l1", "l2"))  # type: ignore[return-value]
