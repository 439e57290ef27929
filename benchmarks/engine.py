"""How fast does the core train, in GFLOP/s? One line a network: `python benchmarks/engine.py [--threads 1] [--data digits]`.

Counts 6 x MACs an image (2 for each multiply-accumulate; forward, gradient of the input, gradient of the weights), which is a little
more than is done: the first layer has no gradient of its input. Training alone, without shuffling; the median of the rounds with the
range beside it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from issun.arch.notation import parse_network
from issun.data import load
from issun.engine import NativeEngine, State, scaling_for
from issun.recipe import Recipe

NETWORKS = (
    *(f"conv {n}, conv {n}, pool, conv {2 * n}, conv {2 * n}, pool, dense" for n in (1, 2, 8, 32)),
    *(f"conv {n}, conv {2 * n}, pool, dense {4 * n}, dense" for n in (2, 8, 32)),
    *(f"dense {n}, dense {n}, dense" for n in (32, 512)),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--data-dir")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="about how long one round takes")
    options = parser.parse_args()
    dataset = load(options.data, options.data_dir)
    recipe = Recipe(epochs=1000, schedule="constant", learning_rate=0.0001)
    everything = np.arange(len(dataset.images))
    scaling = scaling_for(recipe, dataset.images, everything)
    print(f"{options.threads} threads, {options.rounds} rounds")
    for text in options.networks:
        net = parse_network(text, dataset.input, len(dataset.classes))
        engine = NativeEngine(net, recipe, scaling, options.threads)
        state = State.start(net, recipe, 0)

        def epoch(images: int, engine: NativeEngine = engine, state: State = state) -> float:
            began = time.perf_counter()
            engine.train_epoch(state, dataset.images, dataset.labels, everything[:images], 0)
            return time.perf_counter() - began

        probe = min(len(everything), 4 * recipe.batch_size)
        epoch(probe)
        images = int(np.clip(options.seconds / epoch(probe) * probe, probe, len(everything)))
        rates = sorted(6e-9 * net.macs * images / epoch(images) for _ in range(options.rounds))
        print(f"{statistics.median(rates):7.1f} GFLOP/s ({rates[0]:.1f} to {rates[-1]:.1f})  {engine.instruction_set}  {net}", flush=True)


if __name__ == "__main__":
    main()
