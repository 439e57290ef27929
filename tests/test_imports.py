"""Rooms are stacked: a file imports from lower rooms, or from its own; never from a higher one."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from small_study import run_small, small_plan

SOURCE = Path(__file__).resolve().parent.parent / "src" / "issun"

#: Low to high. A room is a module or a package directly under `issun`.
ROOMS = (
    *(
        "errors",
        "old_names",
        "paths",
        "markup",
        "numbers",
        "randomness",
        "plain",
        "signature",
        "streams",
        "events",
        "first_family",
        "arch",
        "datasets",
        "schedules",
        "augmentation",
        "recipe",
        "_native",
        "build",
        "engine",
        "provenance",
        "model_file",
        "model",
        "teacher",
        "cutting",
        "training",
        "pooling",
        "extraction",
        "sklearn",
        "study",
        "nas",
        "predicting",
        "pages",
        "exporters",
        "timing",
        "plots",
        "webpage",
        "cluster",
        "api",
        "cli",
        "old_options",
        "__main__",
    ),
)

FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def room_of(module: str) -> str:
    return module.split(".")[1]


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES} | {"issun._native"}


def imported(path: Path) -> list[str]:
    """Return every module of issun that a file imports, wherever in the file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [submodule if (submodule := f"{node.module}.{alias.name}") in MODULES else str(node.module) for alias in node.names]
    return [module for module in found if module.startswith("issun.") and module != "issun.__version__"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path: Path) -> None:
    own = ROOMS.index(room_of(module_of(path)))
    above = [module for module in imported(path) if ROOMS.index(room_of(module)) > own]
    assert not above, f"{path.name} imports from rooms above its own: {above}"


def test_no_room_is_entered_twice_within_a_package() -> None:
    """Inside a room, too, no two files import each other."""
    graph = {module_of(path): {module for module in imported(path) if room_of(module) == room_of(module_of(path))} for path in FILES}
    done: set[str] = set()

    def walk(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"these import each other: {' -> '.join((*above, module))}"
        if module not in done:
            for other in graph.get(module, ()):
                walk(other, (*above, module))
            done.add(module)

    for module in graph:
        walk(module, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_import_is_for_type_checkers_alone(path: Path) -> None:
    assert "TYPE_CHECKING" not in path.read_text()


def test_importing_issun_loads_nothing_heavy() -> None:
    heavy = ["pandas", "matplotlib", "sklearn", "scipy", "numpy", "pydantic", "issun._native"]
    code = f"import sys, issun, issun.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_a_study_draws_nothing(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 1, dense"))
    code = (
        f"import sys, issun; study = issun.Study({str(tmp_path / 'a.sqlite')!r}); study.smallest(); study.networks; study._repr_html_(); "
        "study.answer().as_dict(); study.model(); print([name for name in sys.modules if name.startswith('matplotlib')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist_and_the_stub_names_the_same() -> None:
    import issun

    stub = ast.parse((SOURCE / "__init__.pyi").read_text())
    typed = {alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == issun._DEFINED_IN
    assert set(issun.__all__) == {*typed, "__version__"}
    for name in issun.__all__:
        assert getattr(issun, name) is not None
    assert set(issun.__all__) <= set(dir(issun))
    with pytest.raises(AttributeError, match="no attribute 'swep'"):
        issun.swep  # noqa: B018
