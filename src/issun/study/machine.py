"""The machine that made a result: processor, instruction set, compiler and versions; nothing that names a person or a computer."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from issun.build import build
from issun.engine.protocol import NUMERICS_VERSION

_PACKAGES = ("issun", "numpy", "scikit-learn")


def machine() -> dict[str, Any]:
    """Return what computes here.

    Returns
    -------
    dict
        ``processor`` (str), ``cores`` (int), ``system`` (str); ``instruction_set`` (str), in use, ``instruction_sets`` (list of str, widest
        first), which the processor has, ``compiler`` (str), which compiled the core; ``versions`` (dict of str).

    Raises
    ------
    IssunError
        Where `ISSUN_ISA` names no instruction set that this build can run here.
    """
    core = build()
    versions = {name: _version(name) for name in _PACKAGES}
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "instruction_set": core.instruction_set,
        "instruction_sets": list(core.processor),
        "compiler": core.compiler,
        "versions": versions | {"python": platform.python_version(), "numerics": str(NUMERICS_VERSION)},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree
        return "source"


def _processor() -> str:
    """Return the processor's name; Linux keeps it in a file, elsewhere Python knows."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
