"""What the tests of behaviour share: running commands under a chosen instruction set, leaving out what changes, comparing with a record."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"

#: Under what a record of bits stands: the same instruction set of another family of processors is another one.
ARCHITECTURE = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())

#: Keys whose values differ from run to run or from machine to machine; that they are there, and of which type, is compared all the same.
CHANGING = frozenset(
    {
        "command", "created", "ended", "finished", "largest_difference", "machine", "peak", "processor", "seconds", "started", "threads",
        "trial_seconds", "total_seconds", "versions",
    }
)  # fmt: skip


class Worker:
    """`issun` in a process of its own, under one instruction set; see `worker.py`."""

    def __init__(self, isa: str, folder: Path) -> None:
        self.folder = folder
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ISSUN_")}
        environment |= {"ISSUN_ISA": isa, "COLUMNS": "80", "NO_COLOR": "1", "MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8"}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        self._log = (folder / "worker.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py")],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, encoding="utf-8", cwd=folder,
        )  # fmt: skip

    def _ask(self, **wish: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"folder": str(self.folder), **wish}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, (self.folder / "worker.log").read_text()
        found: dict[str, Any] = json.loads(line)
        return found

    def run(self, *argv: str) -> dict[str, Any]:
        """Return ``out, err, code`` of a command."""
        return self._ask(argv=list(argv))

    def succeeds(self, *argv: str) -> str:
        """Return stdout of a command that must end with 0."""
        done = self.run(*argv)
        assert done["code"] == 0, f"{argv}\n{done['out']}\n{done['err']}"
        return str(done["out"])

    def answers(self, *argv: str) -> Any:
        """Return the object that a command prints with ``--json``."""
        return json.loads(self.succeeds(*argv, "--json"))

    def python(self, source: str) -> dict[str, Any]:
        """Return what `worker.run_python` does."""
        return self._ask(python=source)

    def close(self) -> None:
        """End the process; all that it was asked has been answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()


@contextmanager
def worker(isa: str, folder: Path) -> Iterator[Worker]:
    """Yield a `Worker` whose process ends with the block."""
    found = Worker(isa, folder)
    try:
        yield found
    finally:
        found.close()


def has_isa(isa: str) -> bool:
    """Return whether this machine runs an instruction set: the core refuses to load with one that it lacks."""
    code = "import issun, numpy; issun.train(issun.load('digits'), 'dense', epochs=1, threads=1)"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"ISSUN_ISA": isa}, capture_output=True, text=True)
    assert done.returncode == 0 or "ISSUN_ISA" in done.stderr, done.stderr
    return done.returncode == 0


def write_pictures(folder: Path) -> None:
    """Write a folder of small grey pictures: three classes of twelve, of six patients. PGM: the same bytes with any library."""
    rng = np.random.default_rng(5)
    rows, columns = np.indices((8, 8))
    for name, pattern in {"bars": rows % 4 < 2, "checks": (rows + columns) % 4 < 2, "stripes": columns % 4 < 2}.items():
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.where(pattern, 200, 40) + rng.integers(-30, 30, (8, 8))
            (folder / name / f"p{number % 6}_{number}.pgm").write_bytes(b"P5\n8 8\n255\n" + pixels.astype(np.uint8).tobytes())


def digest(content: bytes) -> str:
    """Return the hash that records hold."""
    return hashlib.sha256(content).hexdigest()[:32]


def rows_of(study: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds in a study; names of tables and columns of a file are kept for ever."""
    with closing(sqlite3.connect(study)) as connection:
        return connection.execute(query).fetchall()


def weights_of(study: Path) -> dict[str, str]:
    """Return the hash of the weights of each finished trial, by the trial's id."""
    return {trial: digest(bytes(blob)) for trial, blob in rows_of(study, "SELECT trial_id, weights FROM weights ORDER BY trial_id")}


def kind(value: Any) -> Any:
    """Return the shape of a value in place of the value."""
    if isinstance(value, dict):
        return {key: kind(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [kind(value[0])] if value else []
    if value is None or isinstance(value, bool):
        return f"<{value}>"
    return "<number>" if isinstance(value, int | float) else f"<{type(value).__name__}>"


def normalised(value: Any, folder: Path) -> Any:
    """Return a value without what changes: `CHANGING` keys, what a C compiler made of a file, and the folder in which it ran."""
    if isinstance(value, dict):
        kept = {key: entry for key, entry in value.items() if not key.startswith("compiled for")}
        return {key: "<changes>" if key in CHANGING else normalised(entry, folder) for key, entry in kept.items()}
    if isinstance(value, list | tuple):
        return [normalised(entry, folder) for entry in value]
    return value.replace(str(folder), "<folder>") if isinstance(value, str) else value


def renamed(value: Any, names: dict[str, str], place: str = "") -> Any:
    """Return a recorded value with the keys that the table of renames gives it today, at any depth.

    An entry of the table is a key, wherever it stands, or the keys down to it with dots between: ``Model.parameters.about``. What holds
    the figures of a part of the data, ``{"test": {"loss": …}}``, keeps that part's name. Where a setting changed its kind, the table's
    ``values`` give today's value.
    """
    if isinstance(value, dict):
        found = {}
        for key, entry in value.items():
            at = f"{place}.{key}" if place else str(key)
            if key in ("validation", "test") and isinstance(entry, dict):
                found[key] = renamed(entry, names, at)
                continue
            name = names.get(at, names.get(key, key))
            changed = renames("values").get(key, {}) if name != key and isinstance(entry, str) else {}
            found[name] = changed.get(entry, entry) if changed else renamed(entry, names, at)
        return found
    return [renamed(entry, names, place) for entry in value] if isinstance(value, list) else value


def renames(which: str) -> dict[str, Any]:
    """Return the table of renames for ``json``, ``columns`` or ``python``: old name to new name; or ``values``: new values by old name."""
    found: dict[str, Any] = json.loads((HERE / "renames.json").read_text())[which]
    return found


def deprecated() -> list[str]:
    """Return the names that still work but are no part of the interface any more, and may lose parameters that they hand on; and the
    defaults that were changed to those of the command."""
    found: list[str] = json.loads((HERE / "renames.json").read_text())["deprecated"]
    return found


@cache
def added() -> frozenset[str]:
    """Return the keys and columns that have come since the record: that they are new is no difference."""
    return frozenset(json.loads((HERE / "renames.json").read_text())["added"])


def differences(recorded: Any, found: Any, place: str = "", near: float = 1e-6) -> list[str]:
    """Return where two values differ, one line each. `near`: how far numbers with a fraction may lie apart (absolutely, or as a share)."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        lines = [f"{place}.{key}: is missing" for key in recorded if key not in found]
        lines += [f"{place}.{key}: is new" for key in found if key not in recorded and key not in added()]
        shared = [key for key in recorded if key in found]
        return lines + [line for key in shared for line in differences(recorded[key], found[key], f"{place}.{key}", near)]
    if isinstance(recorded, list) and isinstance(found, list):
        if all(isinstance(entry, str) for entry in recorded):
            found = [entry for entry in found if entry in recorded or entry not in added()]
        if len(recorded) != len(found):
            return [f"{place}: {len(recorded)} entries became {len(found)}"]
        pairs = enumerate(zip(recorded, found, strict=True))
        return [line for number, (old, new) in pairs for line in differences(old, new, f"{place}[{number}]", near)]
    if isinstance(recorded, float) and isinstance(found, float) and math.isclose(recorded, found, rel_tol=near, abs_tol=near):
        return []
    same = recorded == found and type(recorded) is type(found)
    return [] if same else [f"{place}: {recorded!r} became {found!r}"]


def read(name: str) -> Any:
    """Return a golden file's content."""
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def write(name: str, value: Any) -> None:
    """Write a golden file."""
    (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
    (GOLDEN / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
