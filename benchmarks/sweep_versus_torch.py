"""A whole sweep beside PyTorch: networks x epochs a second. `python benchmarks/sweep_versus_torch.py --json FILE`

24 networks of one family (`--family plain`, or `separable` with batch normalisation), each trained for some epochs over images of noise
(28x28, batch 128, Adam). issun trains one network a thread; PyTorch does the same in a pool of processes of one thread each, which
is the best way that we know to train many small networks with it: every process keeps the images in memory, takes batches by index, and
runs eagerly (`--compile`: with torch.compile, whose compiling is then not counted). They take turns, whole sweeps at a time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from issun.engine.native import threads_available
from issun.study.machine import machine
from issun.timing.cases import Case, pixels
from issun.timing.issun_side import IssunCase

#: A network with two numbers to fill in, and the four and six values that they have.
FAMILIES = {
    "plain": ("conv {a}, conv {a}, pool, conv {b}, conv {b}, pool, dense", range(1, 5), range(1, 7)),
    "separable": (
        "conv {a} same norm, pool, sepconv {b} same norm, pool, res (sepconv {b} same norm), gap, dense",
        range(2, 9, 2),
        range(4, 25, 4),
    ),
}

_made: dict[str, Any] = {}


def cases(family: str, images: int) -> list[Case]:
    """Return the 24 networks, largest first, as a sweep takes them."""
    network, firsts, seconds = FAMILIES[family]
    made = [Case(network.format(a=a, b=b), images=images) for a, b in product(firsts, seconds)]
    return sorted(made, key=lambda case: case.net.macs, reverse=True)


def issun_sweep(chosen: list[Case], epochs: int, threads: int) -> float:
    """Return the seconds of a sweep; making the networks is part of it, as it is in a sweep."""
    images, labels = pixels(chosen[0])

    def train(case: Case) -> None:
        IssunCase(case, 1, images, labels, epochs)

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(train, chosen))
    return time.perf_counter() - began


def torch_start(compiled: bool) -> None:
    """Prepare a process of the pool: import, one thread, the images."""
    import torch

    torch.set_num_threads(1)
    _made["compiled"] = compiled


def torch_train(values: dict[str, Any], epochs: int) -> None:
    """Train one network in a process of the pool."""
    from issun.timing.torch_side import Setup, Training

    training = Training(Case.from_dict(values), Setup(_made["compiled"]))
    for _ in range(epochs):
        training.epoch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES, default="plain")
    parser.add_argument("--threads", type=int, default=threads_available())
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    chosen = cases(arguments.family, arguments.images)
    work = len(chosen) * arguments.epochs
    ours: dict[int, list[float]] = {1: [], arguments.threads: []}
    theirs: list[float] = []
    context = multiprocessing.get_context("spawn")
    with context.Pool(arguments.threads, torch_start, (arguments.compile,)) as pool:
        pool.starmap(torch_train, [(case.as_dict(), 1) for case in (chosen if arguments.compile else chosen[:2])], chunksize=1)  # warms up
        for _ in range(arguments.rounds):
            for threads in ours:
                ours[threads].append(issun_sweep(chosen, arguments.epochs, threads))
            began = time.perf_counter()
            pool.starmap(torch_train, [(case.as_dict(), arguments.epochs) for case in chosen], chunksize=1)
            theirs.append(time.perf_counter() - began)
            print(f"issun {ours[arguments.threads][-1]:.2f} s, on one thread {ours[1][-1]:.2f} s; PyTorch {theirs[-1]:.2f} s", flush=True)
    ratios = np.array(theirs) / np.array(ours[arguments.threads])
    share = statistics.median(many / one for many, one in zip(ours[arguments.threads], ours[1], strict=True))
    print(
        f"{work} network-epochs of {arguments.images:,} images: issun {work / statistics.median(ours[arguments.threads]):.1f} a second, "
        f"PyTorch {work / statistics.median(theirs):.1f}: {np.median(ratios):.1f}x ({ratios.min():.1f} to {ratios.max():.1f})"
    )
    print(f"on {arguments.threads} threads issun takes {share:.2f} of its time on one")
    if arguments.json:
        about = machine() | {name: getattr(arguments, name) for name in ("threads", "images", "epochs", "family")}
        values = {"issun": ours[arguments.threads], "issun_one_thread": ours[1], "torch": theirs, "compiled": arguments.compile}
        arguments.json.write_text(json.dumps({"about": about, **values}, indent=1) + "\n")


if __name__ == "__main__":
    main()
