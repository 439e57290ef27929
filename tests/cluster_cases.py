"""A Dask cluster of processes of its own, for tests; and trainings that misbehave, which its workers import from here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from issun.training import Outcome
from small_study import pretend

#: Which network, and from which seed, kills its worker (`poisonous`) or fails (`failing`).
BAD = ("dense 2, dense", 1)


@dataclass
class Processes:
    """A scheduler and workers, each a process of its own."""

    folder: Path
    workers: int = 2
    threads: int = 1
    options: tuple[str, ...] = ()
    secured: tuple[str, ...] = ()
    scheduler: subprocess.Popen[bytes] | None = None
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "scheduler.json"

    @property
    def address(self) -> str:
        return str(json.loads(self.file.read_text())["address"])

    def start(self, port: int = 0) -> None:
        self.file.unlink(missing_ok=True)
        where = ("--host", "127.0.0.1", "--port", str(port), "--scheduler-file", str(self.file))
        self.scheduler = self._process("distributed.cli.dask_scheduler", *where, *self.secured)
        wait_until(self.file.exists)
        for _ in range(self.workers):
            self.add()
        wait_until(lambda: self.count() == self.workers)

    def add(self) -> None:
        options = ("--nthreads", str(self.threads), "--scheduler-file", str(self.file), "--local-directory", str(self.folder / "workers"))
        self.others.append(self._process("distributed.cli.dask_worker", *options, *self.options))

    def count(self) -> int:
        """Return how many workers there are."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=20) as client:
            return len(client.scheduler_info()["workers"])

    def pids(self) -> list[int]:
        """Return the processes in which trials are trained: the nannies' children."""
        import psutil

        found = []
        for process in self.others:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [
                    child.pid for child in psutil.Process(process.pid).children() if "resource_tracker" not in "".join(child.cmdline())
                ]
        return found

    def stop(self) -> None:
        for process in [*self.others, *([] if self.scheduler is None else [self.scheduler])]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.others.clear()

    def _process(self, module: str, *options: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        log = (self.folder / f"{module.rpartition('.')[2]}-{time.monotonic_ns()}.log").open("wb")
        command = [sys.executable, "-m", module, "--no-dashboard", *options]
        with log:
            return subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)


@contextmanager
def processes(
    folder: Path, workers: int = 2, threads: int = 1, options: tuple[str, ...] = (), secured: tuple[str, ...] = ()
) -> Iterator[Processes]:
    """Start a cluster and stop it at the end, whatever happened to it."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Processes(folder, workers, threads, options, secured)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def wait_until(met: Any, seconds: float = 60) -> None:
    """Wait until a condition is met."""
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.05)


def poisonous(*arguments: Any, **options: Any) -> Outcome:
    """Train, but end the whole process at one trial."""
    if (str(arguments[0]), arguments[4]) == BAD:
        os._exit(1)
    return pretend(*arguments, **options)


def all_poisonous(*arguments: Any, **options: Any) -> Outcome:
    """End the whole process."""
    os._exit(1)


def failing(*arguments: Any, **options: Any) -> Outcome:
    """Train, but fail at one trial."""
    if (str(arguments[0]), arguments[4]) == BAD:
        raise ZeroDivisionError("a mistake")
    return pretend(*arguments, **options)


class Hostile(Exception):
    """An error that writes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        super().__init__(path)

    def __reduce__(self) -> Any:
        return written, (str(self.args[0]),)


def written(path: str) -> Hostile:
    """Write a file, named by the process: what runs when a `Hostile` is unpickled."""
    Path(f"{path}-{os.getpid()}").write_text("unpickled")
    return Hostile(path)


def attack(path: str) -> None:
    """Do what a worker could that is not to be trusted."""
    raise Hostile(path)


def hostile_result(path: str) -> Any:
    """Return what runs code where it is unpickled."""
    return Hostile(path)


def forget_runs() -> None:
    """Do on a worker as if its process had begun anew."""
    from issun.cluster import worker

    worker._runs.clear()


def slow(*arguments: Any, on_epoch: Any, **options: Any) -> Outcome:
    """Train with a pause after each epoch."""

    def keep(line: Any, state: Any) -> None:
        on_epoch(line, state)
        time.sleep(0.1)

    return pretend(*arguments, on_epoch=keep, **options)
