"""Ids, what identifies a recipe, bits of trained weights, public names and columns, as they were recorded; and the rules of this folder."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import issun
import observing
from behaviour_cases import NETWORKS
from behaviour_tools import ARCHITECTURE, GOLDEN, HERE, Worker, deprecated, differences, has_isa, read, renamed, renames, worker


def test_networks() -> None:
    assert len(NETWORKS) >= 40
    assert differences(read("networks.json"), observing.networks()) == []


def test_recipes() -> None:
    """Rates to ten digits: a cosine's last bit belongs to the machine."""
    assert differences(read("recipes.json"), observing.recipe_identities(), near=1e-9) == []


@pytest.mark.parametrize("isa", ["avx512", "avx2", "baseline"])
def test_bits(isa: str, tmp_path: Path) -> None:
    """The same seeds give the same weights under the same instruction set: ids of trials, hashes of weights and answers."""
    record = f"bits-{ARCHITECTURE}-{isa}.json"
    if not (GOLDEN / record).exists():
        pytest.skip(f"no bits are recorded for {isa} on {ARCHITECTURE}")
    if not has_isa(isa):
        pytest.skip(f"this machine has no {isa}")
    with worker(isa, tmp_path.resolve()) as at:
        found = observing.trained_bits(at)
    assert differences(read(record), found, isa) == []
    assert len(found["networks"]) >= 20


def test_threads_do_not_change_bits(tmp_path: Path, at: Worker) -> None:
    with_one, with_two = (
        at.python(f"answer = issun.train('digits', 'conv 5 norm, pool, dense', epochs=1, threads={count}).model.weights.tolist()")["answer"]
        for count in (1, 2)
    )
    assert with_one == with_two


def test_public_names() -> None:
    """Names may be added; none may go or change its parameters but as the table of renames says, and those that it calls deprecated."""
    recorded, found = renamed(read("public.json"), renames("python")), observing.public_names()
    lines = [line for line in differences(recorded, found) if not line.endswith(": is new")]
    assert [line for line in lines if not line.startswith(tuple(f".{place}" for place in deprecated()))] == []


@pytest.mark.parametrize("name", ["contents", "export_model"])
def test_a_deprecated_name_works_and_says_what_took_its_place(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"issun.{name} will be removed in the next version: use issun"):
        assert callable(getattr(issun, name))


def test_columns(at: Worker, answers: dict[str, Any]) -> None:
    assert answers
    names = renames("columns")
    recorded = renamed(read("columns.json"), renames("python"))
    recorded = {
        key: entry | {"columns": [names.get(f"{key}.{column}", names.get(column, column)) for column in entry["columns"]]}
        for key, entry in recorded.items()
    }
    assert differences(recorded, observing.columns(at.folder / "a.sqlite", at.folder / "study-better.sqlite")) == []


def test_a_rename_is_followed_and_nothing_else() -> None:
    recorded = {"validation_sd": 1.5, "rows": [{"validation_sd": 0.25, "n": 1}]}
    names = {"validation_sd": "val_accuracy_std"}
    after = {"val_accuracy_std": 1.5, "rows": [{"val_accuracy_std": 0.25, "n": 1}]}
    assert differences(renamed(recorded, names), after) == []
    assert differences(renamed(recorded, {}), after) == [
        ".validation_sd: is missing",
        ".val_accuracy_std: is new",
        ".rows[0].validation_sd: is missing",
        ".rows[0].val_accuracy_std: is new",
    ]
    assert differences(renamed(recorded, names), after | {"n": 1}) == [".n: is new"]


@pytest.mark.parametrize(
    ("old", "new"),
    [(1, 2), (1, 1.0), (1.0, 1.00001), (True, 1), ("a", "b"), ([1], [1, 2]), ([1, 2], [2, 1]), ({"a": 1}, {"b": 1}), (None, 0), ("5", 5)],
)
def test_a_difference_is_seen(old: Any, new: Any) -> None:
    assert differences({"x": [old]}, {"x": [new]})
    assert not differences({"x": [old]}, {"x": [old]})


def imported(source: str) -> set[str]:
    """Return every module and name that a source imports or names as ``issun.something``."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" if node.module == "issun" else str(node.module) for alias in node.names}
    return found | set(re.findall(r"\bissun\.[A-Za-z_]\w*", source))


def forbidden(source: str) -> set[str]:
    """Return what a source takes that is neither public in issun, nor another library, nor stands in this folder."""
    public = {"issun", "issun.__all__", *(f"issun.{name}" for name in issun.__all__)}
    beside = {path.stem for path in HERE.glob("*.py")}
    others = {"h5py", "numpy", "pytest", *sys.stdlib_module_names}
    return {name for name in imported(source) if name not in public and name.split(".")[0] not in beside | others}


def test_only_public_names_are_used() -> None:
    files = sorted(HERE.glob("*.py"))
    assert len(files) >= 8
    rule = {"issun." + "something"}  # the docstring of `imported` names it
    rule |= {f"issun.{name}" for name in deprecated()}
    assert {path.name: names for path in files if (names := forbidden(path.read_text(encoding="utf-8")) - rule)} == {}


def test_the_rule_can_fail() -> None:
    internal = "issun." + "model"
    lines = [f"import {internal}", f"from {internal} import Model", "from issun import model", "import small_study", f"{internal}.Model"]
    assert [line for line in lines if not forbidden(line)] == []
    assert forbidden("import issun\nfrom issun import Model, load\nimport json, numpy, behaviour_tools\nissun.Model") == set()


def test_golden_files_are_small_and_name_no_place() -> None:
    files = [path for path in GOLDEN.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 1_500_000
    assert max(path.stat().st_size for path in files) < 400_000
    for path in files:
        assert not re.search(rb"/(tmp|home|root|work|Users)/", path.read_bytes()), path
