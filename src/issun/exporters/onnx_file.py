"""ONNX: standard operators only, input scaling inside the graph, any number of images at once."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from issun.arch import layers as arch
from issun.arch.net import Net, Op, activation_of
from issun.engine.weights import as_tensors
from issun.exporters.check import probabilities
from issun.exporters.facts import facts_of
from issun.exporters.formats import Written
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
    """Write a model as ONNX and return how onnxruntime runs it; see `issun.exporters.formats.Exporter`.

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
    for row in net.ops:
        own = {name.split(".")[1]: tensor for name, tensor in tensors.items() if name.split(".")[0] == str(row.shares)}
        values[row.index] = _row(graph, row, own, values)
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


def _row(graph: _Graph, row: Op, own: dict[str, NDArray[np.float32]], values: dict[int, str]) -> str:
    """Add what one row of a network does and return the name of what it gives."""
    layer, x, name = row.layer, values[row.source], f"{row.index}"
    stored = {role: graph.constant(f"{row.shares}.{role}", values) for role, values in own.items() if role in ("kernel", "bias")}
    match layer:
        case arch.Conv() | arch.DepthwiseConv():
            groups = row.input[2] if isinstance(layer, arch.DepthwiseConv) else 1
            sizes = _window(row, layer.kernel, layer.span, layer.stride, layer.padding)
            x = graph.add("Conv", x, *stored.values(), name=f"{name}.sums", dilations=layer.dilation, group=groups, **sizes)
        case arch.Dense() | arch.Classifier():
            flat = graph.add("Flatten", x, name=f"{name}.flat", axis=1) if len(row.input) == 3 else x
            x = graph.add("Gemm", flat, *stored.values(), name=f"{name}.sums", transB=1)
        case arch.Pool(kind="max"):
            x = graph.add("MaxPool", x, name=name, **_window(row, layer.window, layer.window, layer.stride, layer.padding))
        case arch.Pool():
            sizes = _window(row, layer.window, layer.window, layer.stride, layer.padding)
            x = graph.add("AveragePool", x, name=name, count_include_pad=0, **sizes)
        case arch.GlobalAveragePool():
            x = graph.add("Flatten", graph.add("GlobalAveragePool", x, name=f"{name}.means"), name=name, axis=1)
        case arch.Scale():
            factor, shift = (
                graph.constant(f"{row.shares}.{role}.{len(row.output)}", _per_channel(own[role], row)) for role in ("factor", "shift")
            )
            x = graph.add("Add", graph.add("Mul", x, factor, name=f"{name}.scaled"), shift, name=name)
        case arch.Add():
            x = graph.add("Add", x, values[-1 if row.other is None else row.other], name=name)
    return _activated(graph, row, own, x)


def _window(
    row: Op, kernel: tuple[int, int], span: tuple[int, int], stride: tuple[int, int], padding: Literal["valid", "same"]
) -> dict[str, Any]:
    """Return the attributes of a window; `same` is written as numbers, since runtimes read its name differently."""
    pads = [(0, 0), (0, 0)]
    if padding == "same":
        pads = [arch.same_padding(size, extent, step) for size, extent, step in zip(row.input[:2], span, stride, strict=True)]
    return {"kernel_shape": kernel, "strides": stride, "pads": [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]}


def _per_channel(values: NDArray[np.float32], row: Op) -> NDArray[np.float32]:
    return values.reshape(-1, *[1] * (len(row.output) - 1))


def _activated(graph: _Graph, row: Op, own: dict[str, NDArray[np.float32]], x: str) -> str:
    """Add the activation of a row, if it has one, and return the name of what it gives."""
    activation, name = activation_of(row.layer), f"{row.index}.active"
    match None if activation is None else activation.kind:
        case None | "linear":
            return x
        case "leaky":
            return graph.add("LeakyRelu", x, name=name, alpha=activation.slope if activation else 0.0)
        case "prelu":
            slopes = graph.constant(f"{row.shares}.slope.{len(row.output)}", _per_channel(own["slope"], row))
            return graph.add("PRelu", x, slopes, name=name)
        case "gelu":  # x/2 (1 + erf(x/√2)): an operator of its own came later than most runtimes
            root, one, half = (
                graph.constant(f"gelu.{which}", np.array(number, np.float32))
                for which, number in (("root", math.sqrt(0.5)), ("one", 1.0), ("half", 0.5))
            )
            error = graph.add("Erf", graph.add("Mul", x, root, name=f"{name}.x"), name=f"{name}.erf")
            doubled = graph.add("Mul", x, graph.add("Add", error, one, name=f"{name}.share"), name=f"{name}.doubled")
            return graph.add("Mul", doubled, half, name=name)
        case kind:
            return graph.add({"relu": "Relu", "hardswish": "HardSwish", "tanh": "Tanh"}[kind], x, name=name)
