"""ONNX: standard operators only, input scaling inside the graph, any number of images at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from issun.arch.layers import ActivationKind
from issun.arch.net import Net
from issun.arch.ops import Kind, Op, Role
from issun.engine.reference.channels import NORM_EPSILON
from issun.engine.weights import as_tensors
from issun.exporters.check import facts_of, probabilities
from issun.exporters.writing import Written
from issun.model import Model

#: Versions of the operators and of the file that all runtimes since 2021 read.
OPSET, IR_VERSION = 14, 7


class _Graph:
    """Nodes and initialisers as they are added; values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._names: set[str] = set()

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Add a node and return the name of what it gives."""
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=f"{name}.{operator}", **attributes))
        return name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add weights, once however often they are asked for, and return their name."""
        if name not in self._names:
            self._names.add(name)
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def lacking(net: Net) -> list[str]:
    """Return the layers that cannot be written: none."""
    return []


def write(model: Model, target: Path, logits: bool = False) -> Written:
    """Write a model as ONNX and return how onnxruntime runs it; see `issun.exporters.writing.Exporter`.

    The graph takes ``images``, uint8 (N, height, width, channels), and gives ``probabilities``, float32 (N, classes), or ``logits``.
    """
    made = onnx_model(model, logits)
    onnx.checker.check_model(made, full_check=True)
    target.write_bytes(made.SerializeToString(deterministic=True))
    session = onnxruntime.InferenceSession(target.read_bytes(), providers=["CPUExecutionProvider"])

    def answers(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = session.run(None, {"images": images})[0]
        return probabilities(found) if logits else found

    return Written((target,), answers)


def onnx_model(model: Model, logits: bool = False) -> Any:
    """Return a model without `norm` as an ``onnx.ModelProto``."""
    graph, net = _Graph(), model.net
    tensors = as_tensors(net, model.weights)
    factor = graph.constant("scaling.factor", np.array(model.scaling.factor, np.float32))
    offset = graph.constant("scaling.offset", np.array(model.scaling.offset, np.float32))
    value = graph.add("Cast", "images", name="pixels", to=TensorProto.FLOAT)
    value = graph.add("Add", graph.add("Mul", value, factor, name="scaled"), offset, name="shifted")
    values = {-1: graph.add("Transpose", value, name="input", perm=[0, 3, 1, 2])}
    for op in net.ops:
        values[op.index] = _added(Adding(graph, op, {tensor.role: tensors[tensor.name] for tensor in op.weights}, values))
    last = values[len(net.ops) - 1]
    result = graph.add("Identity", last, name="logits") if logits else graph.add("Softmax", last, name="probabilities", axis=1)
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "issun",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *net.input])],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["N", net.classes])],
            graph.initializers,
        ),
        producer_name="issun",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(made, {"classes": json.dumps(model.classes), **facts_of(model)})
    return made


class Adding(NamedTuple):
    """One operation as it is added: the graph, the operation, its tensors, and the names of the values that there are by index."""

    graph: _Graph
    op: Op
    own: dict[Role, NDArray[np.float32]]
    values: dict[int, str]

    @property
    def x(self) -> str:
        """The name of what enters."""
        return self.values[self.op.source]

    def node(self, operator: str, *inputs: str, part: str = "", **attributes: Any) -> str:
        """Add a node that is named after the operation, or a part of it, and return the name of what it gives."""
        return self.graph.add(operator, *inputs, name=f"{self.op.index}{part}", **attributes)

    def weights(self, *roles: Role) -> list[str]:
        """Add the tensors of these roles that there are and return their names."""
        return [self.graph.constant(f"{self.op.shares}.{role}", self.own[role]) for role in roles if role in self.own]

    def per_channel(self, role: Role) -> str:
        """Add a tensor of one number a channel in a shape that fits the output, and return its name."""
        rank = len(self.op.output)
        return self.graph.constant(f"{self.op.shares}.{role}.{rank}", self.own[role].reshape(-1, *[1] * (rank - 1)))


def _added(adding: Adding) -> str:
    """Add what an operation does and return the name of what it gives."""
    x = OPERATORS[adding.op.kind](adding)
    return ACTIVATIONS[adding.op.activation.kind](adding, x)


def _conv(adding: Adding) -> str:
    op = adding.op
    inputs = (adding.x, *adding.weights("kernel", "bias"))
    return adding.node("Conv", *inputs, part=".sums", dilations=op.window.dilation, group=op.groups, **_window(op))


def _dense(adding: Adding) -> str:
    flat = adding.node("Flatten", adding.x, part=".flat", axis=1) if len(adding.op.input) == 3 else adding.x
    return adding.node("Gemm", flat, *adding.weights("kernel", "bias"), part=".sums", transB=1)


def _gap(adding: Adding) -> str:
    return adding.node("Flatten", adding.node("GlobalAveragePool", adding.x, part=".means"), axis=1)


def _add(adding: Adding) -> str:
    other = adding.op.other
    assert other is not None
    return adding.node("Add", adding.x, adding.values[other])


def _concat(adding: Adding) -> str:
    other = adding.op.other
    assert other is not None
    return adding.node("Concat", adding.x, adding.values[other], axis=1)


def _gate(adding: Adding) -> str:
    op, other = adding.op, adding.op.other
    assert other is not None
    opened = adding.node("Sigmoid", adding.values[other], part=".opened")
    if op.spreads and op.beside == op.output[-1:]:
        shape = adding.graph.constant(f"shape.{op.output[-1]}x1x1", np.array([0, op.output[-1], 1, 1], np.int64))
        opened = adding.node("Reshape", opened, shape, part=".spread")
    return adding.node("Mul", adding.x, opened)


def _scale(adding: Adding) -> str:
    factor, shift = adding.per_channel("factor"), adding.per_channel("shift")
    return adding.node("Add", adding.node("Mul", adding.x, factor, part=".scaled"), shift)


def _normalise(adding: Adding) -> str:
    """Add a normalisation of each image: runs of channels become the channels of an InstanceNormalization. Newer operators do the same."""
    op, sets = adding.op, adding.op.sets

    def shape(*sizes: int) -> str:
        return adding.graph.constant(f"shape.{'x'.join(map(str, sizes))}", np.array([0, *sizes], np.int64))

    ones = adding.graph.constant(f"ones.{sets}", np.ones(sets, np.float32))
    zeros = adding.graph.constant(f"zeros.{sets}", np.zeros(sets, np.float32))
    apart = adding.node("Reshape", adding.x, shape(sets, -1), part=".sets")
    y = adding.node("InstanceNormalization", apart, ones, zeros, part=".normalised", epsilon=NORM_EPSILON)
    y = adding.node("Reshape", y, shape(op.output[-1], *op.output[:-1]), part=".together" if "factor" in op else "")
    if "factor" not in op:
        return y
    factor, shift = adding.per_channel("factor"), adding.per_channel("shift")
    return adding.node("Add", adding.node("Mul", y, factor, part=".scaled"), shift)


def _window(op: Op) -> dict[str, Any]:
    """Return the attributes of a window; `same` is written as numbers, since runtimes read its name differently."""
    (top, bottom), (left, right) = op.window.padding
    return {"kernel_shape": op.window.size, "strides": op.window.stride, "pads": [top, left, bottom, right]}


#: The nodes of each kind.
OPERATORS: dict[Kind, Callable[[Adding], str]] = {
    Kind.CONV: _conv,
    Kind.DEPTHWISE: _conv,
    Kind.DENSE: _dense,
    Kind.MAX: lambda adding: adding.node("MaxPool", adding.x, **_window(adding.op)),
    Kind.AVERAGE: lambda adding: adding.node("AveragePool", adding.x, count_include_pad=0, **_window(adding.op)),
    Kind.GAP: _gap,
    Kind.DROP: lambda adding: adding.x,
    Kind.ACTIVATE: lambda adding: adding.x,
    Kind.ADD: _add,
    Kind.CONCAT: _concat,
    Kind.GATE: _gate,
    Kind.SCALE: _scale,
    Kind.NORMALISE: _normalise,
    Kind.GAIN: lambda adding: adding.node("Mul", adding.x, *adding.weights("gain")),
}


def _gelu(adding: Adding, x: str) -> str:
    """Add x/2 (1 + erf(x/√2)): an operator of its own came later than most runtimes."""
    root, one, half = (
        adding.graph.constant(f"gelu.{which}", np.array(number, np.float32))
        for which, number in (("root", math.sqrt(0.5)), ("one", 1.0), ("half", 0.5))
    )
    error = adding.node("Erf", adding.node("Mul", x, root, part=".active.x"), part=".active.erf")
    doubled = adding.node("Mul", x, adding.node("Add", error, one, part=".active.share"), part=".active.doubled")
    return adding.node("Mul", doubled, half, part=".active")


def _relu6(adding: Adding, x: str) -> str:
    ends = (adding.graph.constant(f"relu6.{which}", np.array(number, np.float32)) for which, number in (("low", 0.0), ("high", 6.0)))
    return adding.node("Clip", x, *ends, part=".active")


def _silu(adding: Adding, x: str) -> str:
    return adding.node("Mul", x, adding.node("Sigmoid", x, part=".active.share"), part=".active")


def _rational(adding: Adding, x: str) -> str:
    """Add x (a + s (b + s c)) with s = softsign(d x)."""
    a, b, c, d = (
        adding.graph.constant(f"{adding.op.shares}.coefficients.{which}", number)
        for which, number in zip("abcd", adding.own["coefficients"], strict=True)
    )
    s = adding.node("Softsign", adding.node("Mul", x, d, part=".active.scaled"), part=".active.s")
    gate = adding.node("Add", adding.node("Mul", s, c, part=".active.cs"), b, part=".active.tilt")
    gate = adding.node("Add", adding.node("Mul", gate, s, part=".active.rest"), a, part=".active.gate")
    return adding.node("Mul", x, gate, part=".active")


#: The nodes of each activation, for the name of what enters it.
ACTIVATIONS: dict[ActivationKind, Callable[[Adding, str], str]] = {
    "linear": lambda adding, x: x,
    "relu": lambda adding, x: adding.node("Relu", x, part=".active"),
    "leaky": lambda adding, x: adding.node("LeakyRelu", x, part=".active", alpha=adding.op.activation.slope),
    "prelu": lambda adding, x: adding.node("PRelu", x, adding.per_channel("slope"), part=".active"),
    "gelu": _gelu,
    "hardswish": lambda adding, x: adding.node("HardSwish", x, part=".active"),
    "tanh": lambda adding, x: adding.node("Tanh", x, part=".active"),
    "relu6": _relu6,
    "sigmoid": lambda adding, x: adding.node("Sigmoid", x, part=".active"),
    "silu": _silu,
    "elu": lambda adding, x: adding.node("Elu", x, part=".active", alpha=adding.op.activation.slope),
    "rational": _rational,
}
