"""The float32 side of generated C: how values are read, summed, activated and stored, and which tables there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from issun.arch.layers import ActivationKind
from issun.arch.ops import IMAGE, Kind
from issun.engine.protocol import Scaling
from issun.engine.reference.channels import NORM_EPSILON
from issun.exporters.c.operators import Dialect
from issun.exporters.c.steps import Arrays, Step
from issun.exporters.c.text import number, table

#: Small functions that activations need, and those that need <math.h>.
HELPERS = {
    "relu": "static float relu(float x)\n{\n    return x > 0.0f ? x : 0.0f;\n}",
    "leaky": "static float leaky(float x, float slope)\n{\n    return x > 0.0f ? x : slope * x;\n}",
    "gelu": "static float gelu(float x)\n{\n    return 0.5f * x * (1.0f + erff(x * 0.707106781f));\n}",
    "hardswish": (
        "static float hardswish(float x)\n{\n    const float gate = x + 3.0f;\n"
        "    return x * (gate < 0.0f ? 0.0f : gate > 6.0f ? 6.0f : gate) / 6.0f;\n}"
    ),
    "relu6": "static float relu6(float x)\n{\n    return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x;\n}",
    "sigmoid": "static float sigmoid(float x)\n{\n    return 1.0f / (1.0f + expf(-x));\n}",
    "silu": "static float silu(float x)\n{\n    return x / (1.0f + expf(-x));\n}",
    "rational": (
        "static float rational(float x, const float *curve)\n{\n    const float d = curve[3] * x;\n"
        "    const float s = d / (1.0f + (d < 0.0f ? -d : d));\n    return x * (curve[0] + s * (curve[1] + s * curve[2]));\n}"
    ),
    "elu": "static float elu(float x, float slope)\n{\n    return x > 0.0f ? x : slope * expm1f(x);\n}",
}
WITH_MATH = ("gelu", "tanh", "sigmoid", "silu", "elu")

#: The loops of a normalisation. Sums are taken row by row, so that long ones lose no digits, and the mean as distances from the first
#: value, so that the deviation of equal values is zero and no rounding.
_NORMALISE = """\
for (int32_t set = 0; set < SETS; set++) {
    const int32_t first = set * SIZE;
    const float pivot = FIRST;
    float sum = 0.0f;
    for (int32_t row = 0; row < ROWS; row++) {
        float part = 0.0f;
        for (int32_t i = row * COLUMNS; i < (row + 1) * COLUMNS; i++) {
            for (int32_t k = first; k < first + SIZE; k++) {
                part += VALUE - pivot;
            }
        }
        sum += part;
    }
    const float mean = pivot + sum / COUNT;
    float squares = 0.0f;
    for (int32_t row = 0; row < ROWS; row++) {
        float part = 0.0f;
        for (int32_t i = row * COLUMNS; i < (row + 1) * COLUMNS; i++) {
            for (int32_t k = first; k < first + SIZE; k++) {
                const float away = VALUE - mean;
                part += away * away;
            }
        }
        squares += part;
    }
    const float inverse = 1.0f / sqrtf(squares / COUNT + EPSILON);
    for (int32_t i = 0; i < AREA; i++) {
        for (int32_t k = first; k < first + SIZE; k++) {
            STORED
        }
    }
}"""

#: What each activation makes of a value.
ACTIVATIONS: dict[ActivationKind, str] = {
    "linear": "{x}",
    "relu": "relu({x})",
    "leaky": "leaky({x}, {number})",
    "prelu": "leaky({x}, slope[{filter}])",
    "gelu": "gelu({x})",
    "hardswish": "hardswish({x})",
    "tanh": "tanhf({x})",
    "relu6": "relu6({x})",
    "sigmoid": "sigmoid({x})",
    "silu": "silu({x})",
    "elu": "elu({x}, {number})",
    "rational": "rational({x}, curve)",
}


@dataclass(frozen=True)
class FloatDialect(Dialect):
    """Float32, with the image's scaling applied where a step reads the image."""

    scaling: Scaling
    value: str = "float"
    total: str = "float"
    zero: str = "0.0f"
    lowest: str = "-3.402823466e+38f"
    block: int = 8

    def input(self, step: Step) -> str:
        return "uint8_t" if step.source == IMAGE else "float"

    def output(self, step: Step) -> str:
        return "float"

    def parameters(self, step: Step) -> list[str]:
        other = [] if step.other is None else [f"const {'uint8_t' if step.other == IMAGE else 'float'} *other"]
        weights = ["const float *weights"] if step.kernel_size else []
        curve = _curve(step)
        own = [f"const float *{name}" for name, has in (("bias", step.biased), (curve, step.slope_operation is not None)) if has]
        return [f"const {self.input(step)} *x", *other, *weights, *own, "float *y"]

    def load(self, step: Step, text: str, channel: str, name: str = "x") -> str:
        if (step.source if name == "x" else step.other) != IMAGE:
            return text
        factors, offsets = set(self.scaling.factor), set(self.scaling.offset)
        if len(factors) > 1 or len(offsets) > 1:
            return f"((float){text} * image_factor[{channel}] + image_offset[{channel}])"
        factor, offset = number(factors.pop()), offsets.pop()
        return f"((float){text} * {factor} + {number(offset)})" if offset else f"((float){text} * {factor})"

    def begin(self, step: Step, filter: str) -> str:
        return f"bias[{filter}]" if step.biased else "0.0f"

    def store(self, step: Step, place: str, total: str, filter: str) -> str:
        return f"{place} = {self._activated(step, total, filter)};"

    def _activated(self, step: Step, value: str, filter: str) -> str:
        activation = step.activation
        return ACTIVATIONS[activation.kind].format(x=value, number=number(activation.slope), filter=filter)

    def mean(self, step: Step, place: str, total: str, count: str) -> str:
        return f"{place} = {total} / (float){count};"

    def largest(self, step: Step, place: str, value: str) -> str:
        return f"{place} = {value};"

    def normalise(self, step: Step) -> str:
        height, width, channels = step.input
        at, size = f"i * {channels} + k", channels // step.sets
        pair = "0" if step.pairs == 1 else "k"
        value = self.load(step, f"x[{at}]", "k")
        total = f"({value} - mean) * inverse" + (f" * weights[{pair}] + bias[{pair}]" if step.pairs else "")
        filled = {
            "SETS": str(step.sets),
            "SIZE": str(size),
            "ROWS": str(height),
            "COLUMNS": str(width),
            "AREA": str(height * width),
            "COUNT": number(float(height * width * size)),
            "EPSILON": number(NORM_EPSILON),
            "STORED": f"y[{at}] = {self._activated(step, total, 'k')};",
            "FIRST": self.load(step, "x[first]", "first"),
            "VALUE": value,
        }
        text = _NORMALISE
        for word, meant in filled.items():
            text = text.replace(word, meant)
        return text

    def activate(self, step: Step) -> str:
        return f"y[i] = {self._activated(step, self.load(step, 'x[i]', f'i % {step.input[2]}'), '')};"

    def copied(self, step: Step, text: str, channel: str, name: str = "x") -> str:
        return self.load(step, text, channel, name)

    def opened(self, step: Step, text: str, channel: str) -> str:
        return f"const float opened = sigmoid({self.load(step, text, channel, 'other')});"

    def gated(self, step: Step, text: str, channel: str) -> str:
        return f"{self.load(step, text, channel)} * opened"

    def add(self, step: Step) -> str:
        channel = f"i % {step.input[2]}"
        value = f"{self.load(step, 'x[i]', channel)} + {self.load(step, 'other[i]', channel, 'other')}"
        return f"y[i] = {self._activated(step, value, '')};"


def needs_math(steps: Sequence[Step]) -> bool:
    """Return whether one of the steps calls a function of <math.h>."""
    return any(step.activation.kind in WITH_MATH or step.kind in (Kind.NORMALISE, Kind.GATE) for step in steps)


def helpers(steps: Sequence[Step]) -> list[str]:
    """Return the small functions that the steps' activations need."""
    kinds: set[str] = {"leaky" if step.activation.sloped else step.activation.kind for step in steps}
    kinds |= {"sigmoid" for step in steps if step.kind is Kind.GATE}
    return [text for name, text in HELPERS.items() if name in kinds]


def _curve(step: Step) -> str:
    """Return what is called that which an activation learns: a slope for each filter, or the numbers of one curve for all."""
    return "slope" if step.activation.sloped else "curve"


def tables(steps: Sequence[Step], weights: Sequence[Arrays], scaling: Scaling) -> dict[str, str]:
    """Return the constant arrays by name: those that several steps share once."""
    found: dict[str, str] = {}
    if len(set(scaling.factor)) > 1 or len(set(scaling.offset)) > 1:
        found["image_factor"] = table("float", "image_factor", np.array(scaling.factor, np.float32))
        found["image_offset"] = table("float", "image_offset", np.array(scaling.offset, np.float32))
    for step, own in zip(steps, weights, strict=True):
        names = table_names(step)
        for role, values in (("weights", own.kernel), ("bias", own.bias), (_curve(step), own.slope)):
            if values is not None:
                found[names[role]] = table("float", names[role], values)
    return found


def table_names(step: Step) -> dict[str, str]:
    """Return what the constant arrays of a step are called: after the layers that own them, counted as `issun size` does."""
    names: dict[str, str] = {}
    if step.weights_operation is not None:
        names |= {role: f"{role}_{step.weights_operation + 1}" for role in ("weights", "bias")}
    if step.slope_operation is not None:
        names[_curve(step)] = f"{_curve(step)}_{step.slope_operation + 1}"
    return names


def arguments(step: Step) -> list[str]:
    """Return the constant arrays that a step's function is called with."""
    names = table_names(step)
    wanted = [("weights", step.kernel_size > 0), ("bias", step.biased), (_curve(step), step.slope_operation is not None)]
    return [names[role] for role, has in wanted if has]


def table_bytes(steps: Sequence[Step]) -> int:
    """Return the bytes of all constant arrays, but for a scaling of the image that differs between channels."""
    found: dict[str, int] = {}
    for step in steps:
        sizes = {"weights": step.kernel_size, "curve": step.activation.parameters(step.output[2])}
        sizes |= {"bias": step.pairs} if step.kind is Kind.NORMALISE else {}
        found |= {name: 4 * sizes.get(name.split("_")[0], step.output[2]) for name in arguments(step)}
    return sum(found.values())
