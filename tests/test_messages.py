"""Facts travel as objects: no code takes the message of an error apart."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "issun"
FILES = sorted(SOURCE.rglob("*.py"))

#: The one place that shortens what other libraries say.
SHORTENS = "errors.py"


def is_message(node: ast.AST, errors: set[str]) -> bool:
    """Whether an expression is the text, or the arguments, of an exception that was caught."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "repr") and len(node.args) == 1:
        return isinstance(node.args[0], ast.Name) and node.args[0].id in errors
    if isinstance(node, ast.Attribute) and node.attr in ("reason", "args", "problem", "summary"):
        return node.attr == "reason" or (isinstance(node.value, ast.Name) and node.value.id in errors)
    return False


def taken_apart(tree: ast.AST) -> list[int]:
    """Return the lines on which a message is searched, cut or compared."""
    errors = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name} | {"error", "problem"}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_message(node.value, errors):
            found.append(node.lineno)  # str(error).startswith, .splitlines, .split, …
        elif isinstance(node, ast.Subscript) and is_message(node.value, errors):
            found.append(node.lineno)
        elif isinstance(node, ast.Compare) and any(is_message(part, errors) for part in (node.left, *node.comparators)):
            found.append(node.lineno)  # "…" in str(error)
        elif (
            isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and any(is_message(part, errors) for part in node.args)
        ):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_message_is_taken_apart(path: Path) -> None:
    lines = [] if path.name == SHORTENS else taken_apart(ast.parse(path.read_text()))
    assert not lines, f"{path.relative_to(SOURCE)}, lines {lines}: give the error an attribute instead"


@pytest.mark.parametrize(
    "line",
    [
        'if "timed out" in str(error): pass',
        "name = str(error).splitlines()[0]",
        'match = re.match("`(.*)`", str(error))',
        "if str(error) == str(other): pass",
        'sum(entry.reason.startswith("is") for entry in skipped)',
        "first = error.args[0]",
    ],
)
def test_the_test_sees_it(line: str) -> None:
    assert taken_apart(ast.parse(line))


def test_a_message_may_be_handed_on() -> None:
    assert not taken_apart(ast.parse('raise DataError(f"{path}: {error}", str(error)) from None'))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_what_it_holds(path: Path) -> None:
    """Its docstring opens with a statement; only the package opens with the question that issun answers."""
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[:1]
    assert first, f"{path.relative_to(SOURCE)} has no docstring"
    assert "?" not in first[0] or path == SOURCE / "__init__.py"
