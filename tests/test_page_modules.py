"""The page's scripts are modules: each imports what it uses, exports what others use, and none imports itself through others."""

from __future__ import annotations

import json
import posixpath
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from issun.pages.one_file import ASSETS, linked

#: What a module may use without importing it: D3, which the page holds before its modules, and what every browser offers.
GLOBALS = {
    *("d3", "document", "Node", "location", "navigator", "localStorage", "scrollX", "scrollY"),
    *("ResizeObserver", "createImageBitmap", "getComputedStyle", "matchMedia"),
    *("addEventListener", "removeEventListener", "setTimeout", "clearTimeout", "fetch", "atob"),
}

#: The modules that do something when they are imported, and import all others: of the report, and of the classifier.
ENTRIES = ("start.js", "classifier/start.js")

MODULES = sorted(path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*.js") if "vendor" not in path.parts)


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    """Return what a parser finds in each module."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not here: install it (Debian: apt install nodejs)")
    script = Path(__file__).with_name("page_modules.js")
    done = subprocess.run(
        [node, "--expose-internals", str(script), str(ASSETS), *MODULES], stdout=subprocess.PIPE, check=True, text=True, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _imported(module: str, read: dict[str, Any]) -> set[tuple[str, str]]:
    folder = posixpath.dirname(module)
    return {
        (posixpath.normpath(posixpath.join(folder, source)), name) for source, names in read[module]["imports"].items() for name in names
    }


def test_every_module_is_reached_from_an_entry() -> None:
    assert sorted({module for entry in ENTRIES for module in linked(ASSETS, entry)}) == MODULES


def test_the_folder_holds_nothing_else() -> None:
    others = {path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*") if path.is_file()} - set(MODULES)
    assert others == {
        *("page.html", "style.css", "common/base.css", "classifier.html", "classifier/classifier.css", "package.json"),
        *("vendor/d3.min.js", "vendor/d3-LICENSE.txt"),
    }


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_what_it_uses(read: dict[str, Any], module: str) -> None:
    assert set(read[module]["free"]) <= GLOBALS
    assert read[module]["unused"] == [], "what is imported or made is used"
    assert read[module]["shadowed"] == [], "nothing within has the name of an import"


def test_whatever_is_exported_is_imported_somewhere(read: dict[str, Any]) -> None:
    exported = {(module, name) for module in MODULES for name in read[module]["exports"]}
    assert exported == set().union(*(_imported(module, read) for module in MODULES))


def test_modules_are_linked_as_a_parser_reads_them(read: dict[str, Any]) -> None:
    for module, script in [item for entry in ENTRIES for item in linked(ASSETS, entry).items()]:
        assert f"return {{ {', '.join(read[module]['exports'])} }};" in script
        for source, _ in _imported(module, read):
            assert f'}} = issun["{source}"];' in script


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_holds(module: str) -> None:
    text = (ASSETS / module).read_text("utf-8")
    assert text.startswith(("// ", "/* "))
    assert not text.splitlines()[0].endswith("?")


def test_node_imports_the_same_modules() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not here: install it (Debian: apt install nodejs)")
    addresses = [(ASSETS / module).as_uri() for module in MODULES if module not in ENTRIES]
    script = f"Promise.all({json.dumps(addresses)}.map((address) => import(address))).then((all) => console.log(all.length))"
    done = subprocess.run([node, "-e", script], capture_output=True, check=False, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == (str(len(addresses)), "")
