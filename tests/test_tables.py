"""Every back end is a table from kinds of operations, and of activations, to what it makes of them: none lacks an entry."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from issun.arch import layers as arch
from issun.arch.layers import ACTIVATION_KINDS, Layer
from issun.arch.ops import Kind

SOURCE = Path(__file__).resolve().parent.parent / "src" / "issun"
KINDS = {kind.value for kind in Kind}

#: Modules outside `arch` that make or change networks, or tell which choices are in them: these are layers. All others get operations.
NETWORK_MAKERS = {
    "extraction/as_model.py",
    "nas/changes.py",
    "nas/pruning.py",
    "nas/starts.py",
    "exporters/keras/from_keras.py",
    "study/remedies.py",
}

#: Kinds that are gone when a network has become steps of C.
NO_STEPS = {"drop", "scale", "gain"}

#: And those that int8 lacks: it refuses a network that has one.
NOT_INT8 = {*NO_STEPS, "normalise"}

#: The tables of kinds, and those that they need not have.
OPERATIONS = [
    ("issun.engine.lowering", "OPERATORS", set()),
    ("issun.engine.reference.graph", "FORWARD", set()),
    ("issun.engine.reference.graph", "BACKWARD", set()),
    ("issun.exporters.page", "PARTICULARS", set()),
    ("issun.exporters.onnx_file", "OPERATORS", set()),
    ("issun.exporters.keras.network", "LAYERS", set()),
    ("issun.exporters.torch.source", "MADE", set()),
    ("issun.exporters.torch.source", "COMPUTED", set()),
    ("issun.exporters.c.steps", "STEPS", set()),
    ("issun.exporters.c.operators", "BODIES", NO_STEPS),
    ("issun.exporters.quantize", "QUANTISED", NOT_INT8),
    ("issun.exporters.integer", "RUN", NOT_INT8),
]
#: Those of activations. Keras writes some of them as layers of their own.
ACTIVATIONS = [
    ("issun.engine.reference.channels", "FUNCTIONS", set()),
    ("issun.exporters.onnx_file", "ACTIVATIONS", set()),
    ("issun.exporters.keras.words", "WORDS", {"leaky", "prelu", "elu", "rational"}),
    ("issun.exporters.torch.source", "ACTIVATIONS", set()),
    ("issun.exporters.c.float32", "ACTIVATIONS", set()),
]


def table(module: str, name: str) -> Any:
    if module.endswith("onnx_file"):
        pytest.importorskip("onnxruntime", reason="ONNX is not installed here")
    if module.endswith("keras.network"):  # Keras and one of its backends, which the module beside it chooses
        pytest.importorskip("issun.exporters.keras.file", reason="Keras is not installed here", exc_type=ImportError)
    return getattr(import_module(module), name)


@pytest.mark.parametrize(("module", "name", "without"), OPERATIONS, ids=lambda given: given if isinstance(given, str) else "")
def test_every_table_has_every_kind_of_operation(module: str, name: str, without: set[str]) -> None:
    assert {kind.value for kind in table(module, name)} == KINDS - without


@pytest.mark.parametrize(("module", "name", "without"), ACTIVATIONS, ids=lambda given: given if isinstance(given, str) else "")
def test_every_table_has_every_activation(module: str, name: str, without: set[str]) -> None:
    assert set(table(module, name)) == set(ACTIVATION_KINDS) - without


def test_the_core_has_every_activation() -> None:
    from issun import _native

    assert {act.name for act in _native.Act} == set(ACTIVATION_KINDS)


def test_the_page_has_every_kind_and_every_activation() -> None:
    """`linear` is not written for it."""
    code = next(text for path in (SOURCE / "pages" / "parts").glob("*.js") if "const OPERATORS" in (text := path.read_text("utf-8")))
    assert _keys(code, "OPERATORS", r"^ {2}(\w+)\(row") == KINDS
    assert _keys(code, "ACTIVATIONS", r"^ {2}(\w+): ") == set(ACTIVATION_KINDS) - {"linear"}


def _keys(code: str, name: str, pattern: str) -> Collection[str]:
    """Return the names of an object of the page's code."""
    body = code[code.index(f"const {name} = {{") :]
    return set(re.findall(pattern, body[: re.search(r"^ *};", body, re.M).end()], re.M))  # type: ignore[union-attr]


def test_no_back_end_imports_a_layer() -> None:
    layers = {name for name in vars(arch) if isinstance(vars(arch)[name], type) and issubclass(vars(arch)[name], Layer)}
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if not path.is_relative_to(SOURCE / "arch")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (
            (node.module == "issun.arch" and any(alias.name in layers | {"layers"} for alias in node.names))
            or (str(node.module).startswith("issun.arch.layers") and any(alias.name in layers for alias in node.names))
        )
    }
    assert found == NETWORK_MAKERS


def test_what_same_pads_is_worked_out_in_one_place() -> None:
    calls = re.compile(r"(?<!def )same_padding\(")
    callers = [str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if calls.search(path.read_text("utf-8"))]
    assert callers == ["arch/ops.py"]
