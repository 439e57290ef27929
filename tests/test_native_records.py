"""The records that Python fills for the compiled core, and the stub that tells type checkers of them."""

from __future__ import annotations

import ast
from enum import Enum
from pathlib import Path

import pytest

from issun import _native
from issun.arch.layers import ACTIVATION_KINDS

STUB = Path(__file__).resolve().parent.parent / "src" / "issun" / "_native.pyi"
RECORDS = ("Operator", "Augment", "Network", "LossSettings", "OptimizerSettings")
CLASSES = {node.name: node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("name", ["Kind", "Act", "Optimizer", "Edge"])
def test_the_stub_has_the_members_of_each_enum(name: str) -> None:
    said = {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in CLASSES[name].body if isinstance(node, ast.Assign)}
    members: type[Enum] = getattr(_native, name)
    assert {member.name: member.value for member in members} == said


@pytest.mark.parametrize("name", RECORDS)
def test_the_stub_has_the_fields_of_each_record(name: str) -> None:
    record = getattr(_native, name)()
    fields = [field for field in dir(record) if not field.startswith("_")]
    said = [ast.unparse(node.target) for node in CLASSES[name].body if isinstance(node, ast.AnnAssign)]
    (constructor,) = [node for node in CLASSES[name].body if isinstance(node, ast.FunctionDef)]
    assert sorted(said) == sorted(argument.arg for argument in constructor.args.kwonlyargs) == fields


@pytest.mark.parametrize("name", RECORDS)
def test_the_stub_has_the_defaults_of_each_record(name: str) -> None:
    record = getattr(_native, name)()
    (constructor,) = [node for node in CLASSES[name].body if isinstance(node, ast.FunctionDef)]
    for argument, default in zip(constructor.args.kwonlyargs, constructor.args.kw_defaults, strict=True):
        if isinstance(default, ast.Attribute):
            assert ast.unparse(default) == str(getattr(record, argument.arg))
        elif default is not None and ast.unparse(default) != "...":
            value = getattr(record, argument.arg)
            assert (tuple(value) if isinstance(value, list) else value) == ast.literal_eval(default)


def test_activations_have_the_names_of_the_notation() -> None:
    assert {member.name for member in _native.Act} == set(ACTIVATION_KINDS)


def test_a_field_that_does_not_exist_and_a_wrong_type_are_refused() -> None:
    with pytest.raises(TypeError, match="Augment was given a field that it does not have"):
        _native.Augment(shift=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Operator: `kind` has the wrong type"):
        _native.Operator(kind="conv")  # type: ignore[arg-type, call-arg]
