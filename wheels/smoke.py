"""Does the wheel work? Checks of an installed issun that need no source: `make wheel-smoke`, once for each wheel in dist that fits here.

The wheel is installed into a fresh environment outside the source. `wheels/machines.py` runs the same checks on bare systems.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from make_wheels import ROOT, Wheel, find_python, release

DIST = ROOT / "dist"

#: `make demo`, whose seeds and sizes the caller gives.
DEMO = ("digits", "conv n, pool, dense", "conv n same, pool, conv 2n same, pool, dense", "dense n, dense")
#: From a wheel, this looks at the wheel.
INSTRUCTION_SETS = ROOT / "tests" / "test_instruction_sets.py"


@dataclass(frozen=True)
class System:
    """Where a wheel is installed.

    Attributes
    ----------
    name : str
        What it is called in what is printed.
    python : tuple of str
        What starts its Python.
    folder : Path
        An empty folder of its own, as this program sees it.
    inside : str
        The same folder as the system sees it.
    """

    name: str
    python: tuple[str, ...]
    folder: Path
    inside: str

    def run(self, *arguments: str) -> str:
        """Run its Python, and return what it printed; end this program where that fails."""
        done = subprocess.run([*self.python, *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{self.name}: {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def issun(self, *arguments: str) -> str:
        """Run a command of issun."""
        return self.run("-m", "issun", *arguments)


def require(holds: bool, system: System, problem: str) -> None:
    """End this program where a check does not hold."""
    if not holds:
        sys.exit(f"{system.name}: {problem}")


def sweep(system: System, seeds: int, widths: str) -> dict[str, float]:
    """Run the demo's sweep in the system's folder; return the mean validation accuracy of each network."""
    printed = system.issun("sweep", *DEMO, widths, "--seeds", str(seeds), "--study", f"{system.inside}/digits.sqlite", "--json")
    return {row["network"]: row["val_accuracy_mean"] for row in json.loads(printed)["networks"]}


def check(system: System, seeds: int, widths: str) -> dict[str, float]:
    """Check an installed issun; return what its sweep found."""
    where = system.run("-c", "import issun; print(issun.__file__)").strip()
    require("/site-packages/" in where, system, f"{where} is no installed package")
    version = system.issun("--version").strip()
    require("(the widest of this processor)" in version, system, f"not the widest instruction set: {version}")
    print(f"{system.name}: {version}", flush=True)
    shutil.copy(INSTRUCTION_SETS, system.folder)
    told = system.run("-m", "pytest", "-q", "-p", "no:cacheprovider", f"{system.inside}/{INSTRUCTION_SETS.name}")
    print(f"{system.name}: {INSTRUCTION_SETS.name}: {told.strip().splitlines()[-1]}", flush=True)
    found = sweep(system, seeds, widths)
    best = max(found, key=lambda network: found[network])
    print(f"{system.name}: swept {len(found)} networks on digits, the best reaches {found[best]:.2%} on validation: {best}", flush=True)
    require(found[best] > 0.95, system, "no network learnt the digits")
    system.issun("report", f"{system.inside}/digits.sqlite")
    page = (system.folder / "digits.html").read_text("utf-8")
    require(best in page, system, f"the report does not name {best}")
    print(f"{system.name}: report of {len(page) / 1e3:.0f} kB", flush=True)
    return found


def file_of(wheel: Wheel) -> Path | None:
    """Return the wheel's file in dist."""
    return next(iter(DIST.glob(f"issun-*-{wheel.tag}-{wheel.platform}.whl")), None)


def environment_of(what: Path, python: str, folder: Path, *packages: str) -> str:
    """Make an environment in `folder` with a wheel or an sdist and other packages; return its Python."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    inside = str(folder / "bin" / "python")
    subprocess.run([inside, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", what, *packages], check=True)
    return inside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sdist", action="store_true", help="build and check the sdist too, in isolation, with this machine's compiler")
    options = parser.parse_args()
    checks = [(file_of(wheel), find_python(wheel.versions)) for wheel in release((platform.machine(),))]
    if options.sdist:
        checks += [(file, sys.executable) for file in DIST.glob("issun-*.tar.gz")]
    there = [(file, python) for file, python in checks if file and python]
    if not there:
        sys.exit(f"{DIST} has no wheel for this machine and the Pythons on it: run make wheel first")
    for file, python in there:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            own = environment_of(file, python, folder / "venv", "pytest")
            (folder / "work").mkdir()
            name = re.sub(r"^issun-[^-]*-|\.tar\.gz$", "", file.name)
            check(System(name, (own,), folder / "work", str(folder / "work")), options.seeds, "n=1..32*2")
    print(f"{len(there)} of {len(there)} files in dist work")


if __name__ == "__main__":
    main()
