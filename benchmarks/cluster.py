"""What does Dask cost? `python benchmarks/cluster.py pace`, `overhead` or `faults`

A scheduler and two workers of one thread are started on this machine, as processes of their own.

- `pace`: the same trials by `--threads 2` and on the two workers, in alternating rounds: seconds and their ratio.
- `overhead`: many trials of a tiny network: processor time of the client's process for each trial, without training, and how its memory
  grows; beside it a run without Dask that pretends to train.
- `faults`: workers and the scheduler are killed at random, a worker is stopped, and one trial ends its process each time. The study must be
  that of an undisturbed run, but for that trial.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import issun
from issun.arch.notation import bind_arguments
from issun.cluster.connection import workers_on
from issun.datasets.dataset import Dataset, Split
from issun.errors import StudyError
from issun.events import ignored
from issun.recipe import Recipe
from issun.study import Study
from issun.study.machine import machine
from issun.study.plan import DataFacts, Plan, plan
from issun.study.store import Store
from issun.study.workers import run
from issun.training import Outcome, train_network

#: The trial that ends the process that trains it.
POISON = ("conv 2, pool, dense", 1)


@dataclass
class Cluster:
    """A scheduler and workers of one thread, each a process of its own."""

    folder: Path
    workers: int = 2
    port: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def start(self) -> None:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self.processes["scheduler"] = self._begin(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--scheduler-file", str(file)
        )
        while not file.exists():
            time.sleep(0.05)
        for number in range(self.workers):
            where = ("--scheduler-file", str(file), "--local-directory", str(self.folder))
            self.processes[f"worker {number}"] = self._begin("worker", "--nthreads", "1", *where)
        while len(self.training()) < self.workers:
            time.sleep(0.1)
        time.sleep(2)

    def training(self) -> list[int]:
        """Return the processes in which trials are trained."""
        found = []
        for name, process in list(self.processes.items()):
            if name != "scheduler":
                with contextlib.suppress(psutil.NoSuchProcess):
                    children = psutil.Process(process.pid).children()
                    found += [child.pid for child in children if "resource_tracker" not in "".join(child.cmdline())]
        return found

    def kill(self, name: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait()

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def _begin(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard", *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=environment, cwd=self.folder, start_new_session=True, **quiet)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Start one, and stop it at the end."""
    with tempfile.TemporaryDirectory() as folder:
        found = Cluster(Path(folder))
        try:
            found.start()
            yield found
        finally:
            found.stop()


@cache
def digits() -> Dataset:
    """Return the bundled digits."""
    return issun.load("digits")


def trials(family: str, values: str, epochs: int, seeds: int) -> Plan:
    """Return the trials of a family on the digits."""
    recipe = Recipe(epochs=epochs, batch_size=32)
    return plan(bind_arguments([family, values]), digits(), recipe, Split(0.1), range(seeds))


def study(path: Path, asked: Plan, address: str | None, train: Callable[..., Outcome] = train_network, on_progress: Any = ignored) -> None:
    """Run a plan into a study, on two threads or on a cluster."""
    with workers_on(address, None, on_progress) as workers, Store(path, DataFacts.of(digits())) as store:
        run(asked, digits(), store, threads=2, workers=workers, train=train, on_progress=on_progress)


def pace(rounds: int) -> dict[str, Any]:
    """Return the seconds of two threads and of two workers, and the ratios of each round."""
    asked = trials("conv n, conv n, pool, dense", "n=12,14,16,18,20", epochs=240, seeds=4)
    found: dict[str, list[float]] = {"threads": [], "workers": []}
    with cluster() as there, tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            ways = [("threads", None), ("workers", there.address)]
            for name, address in ways if number % 2 == 0 else ways[::-1]:
                began = time.perf_counter()
                study(Path(folder) / f"{name}-{number}.sqlite", asked, address)
                found[name].append(time.perf_counter() - began)
        each = Study(Path(folder) / "threads-0.sqlite").trials_dataframe()["seconds"]
    ratios = [there / here for here, there in zip(found["threads"], found["workers"], strict=True)]
    print(f"{len(asked.trials)} trials of {each.median():.2f} s (median): two workers take {statistics.median(ratios):.3f} times as long")
    print(f"  rounds {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    return {"trials": len(asked.trials), "seconds_each": float(each.median()), "seconds": found, "ratios": ratios}


def nothing(*arguments: Any, **options: Any) -> Outcome:
    """Return at once what was trained before."""
    net, recipe, dataset, split, seed = arguments[:5]
    right = _trained(str(net), dataset, split, recipe)
    return Outcome(**{**vars(right), "net": net, "recipe": recipe, "split": split, "seed": seed})


@cache
def _trained(network: str, dataset: Dataset, split: Split, recipe: Recipe) -> Outcome:
    return train_network(issun.parse_network(network, dataset.input, len(dataset.classes)), recipe, dataset, split, threads=1)


def overhead(count: int) -> dict[str, Any]:
    """Return processor time for each trial in the client's process, and its memory after 2,000 trials and at the end."""
    asked = trials("dense n, dense", "n=1", epochs=1, seeds=count)
    found: dict[str, Any] = {"trials": count}
    memory: dict[int, float] = {}

    def remember(event: Any) -> None:
        done = getattr(event, "done", 0)
        if done in (2_000, count):
            memory[done] = psutil.Process().memory_info().rss / 1e6

    with cluster() as there, tempfile.TemporaryDirectory() as folder:
        for name, address, train in (("pretended here", None, nothing), ("workers", there.address, train_network)):
            memory.clear()
            began, cpu = time.perf_counter(), time.process_time()
            study(Path(folder) / f"{name}.sqlite", asked, address, train, remember)
            used = {"milliseconds": 1000 * (time.process_time() - cpu) / count, "seconds": time.perf_counter() - began}
            grown = memory[count] - memory.get(2_000, memory[count])
            found[name] = used | {"grown": grown}
            told = f"{used['milliseconds']:.2f} ms of processor time a trial, {used['seconds']:.0f} s"
            print(f"{name}: {told}, {grown:+.1f} MB since 2,000 trials")
    return found


def poisonous(*arguments: Any, **options: Any) -> Outcome:
    """Train, but end the whole process at one trial."""
    if (str(arguments[0]), arguments[4]) == POISON:
        os._exit(1)
    return train_network(*arguments, **options)


def faults(kills: int, schedulers: int) -> dict[str, Any]:
    """Kill, stop and poison, and return what came of it."""
    asked = trials("conv n, pool, dense", "n=2..9", epochs=60, seeds=10)
    right = {trial.id for trial in asked.trials if (str(trial.net), trial.seed) != POISON}
    choice, done = random.Random(0), {"workers killed": 0, "schedulers killed": 0, "workers stopped": 0, "runs": 0}
    over = threading.Event()
    train = import_module("cluster").poisonous  # workers find no function of a program that was started as a script
    with cluster() as there, tempfile.TemporaryDirectory() as folder:
        path, whole = Path(folder) / "a.sqlite", Path(folder) / "whole.sqlite"
        study(whole, asked, None)

        def disturb() -> None:
            while not over.wait(choice.uniform(0.5, 3)):
                pids = there.training()
                if pids and done["workers killed"] < kills:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(
                            choice.choice(pids), signal.SIGKILL if done["workers killed"] or done["workers stopped"] else signal.SIGSTOP
                        )
                        done["workers killed" if done["workers stopped"] else "workers stopped"] += 1

        disturbing = threading.Thread(target=disturb)
        disturbing.start()

        def kill_scheduler(event: Any, after: int) -> None:
            if getattr(event, "done", 0) >= after and "scheduler" in there.processes and done["schedulers killed"] < schedulers:
                done["schedulers killed"] += 1
                there.kill("scheduler")

        while True:
            done["runs"] += 1
            try:
                study(path, asked, there.address, train, partial(kill_scheduler, after=choice.randint(3, 12)))
                break
            except StudyError:
                if "scheduler" in there.processes:
                    raise
                there.stop()
                there.start()
        over.set()
        disturbing.join()
        frames = [Study(one).trials_dataframe().set_index("trial_id").drop(columns=["seconds", "finished"]) for one in (path, whole)]
        same = bool(frames[0].loc[sorted(right)].equals(frames[1].loc[sorted(right)]))
        weights = all(np.array_equal(*(_weights(one, key) for one in (path, whole))) for key in sorted(right))
        failures = [(one.network, one.seed, one.reason) for one in Study(path).facts.failures]
    print(f"{done}; the rest equals the undisturbed study: {same and weights}; given up: {failures}")
    return {**done, "equal": same and weights, "failures": failures}


def _weights(path: Path, trial: str) -> Any:
    import sqlite3

    with contextlib.closing(sqlite3.connect(path)) as connection:
        return np.frombuffer(connection.execute("SELECT weights FROM weights WHERE trial_id = ?", (trial,)).fetchone()[0], "<f4")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("pace", "overhead", "faults"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--schedulers", type=int, default=3)
    parser.add_argument("--json", type=Path, help="add what was measured to this file")
    arguments = parser.parse_args()
    if arguments.what == "pace":
        found = pace(arguments.rounds)
    elif arguments.what == "overhead":
        found = overhead(arguments.trials)
    else:
        found = faults(arguments.kills, arguments.schedulers)
    if arguments.json:
        kept = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        arguments.json.write_text(json.dumps({**kept, "machine": machine(), arguments.what: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
