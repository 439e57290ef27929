"""Do small networks learn more from small batches and a high rate? `python benchmarks/small_batches.py --data NAME --json FILE`

A search begins with these (`issun.nas.ways`), and not with the default recipe. Random networks, those of `first_looks.py`, are trained by
the default, with batches and rates between the two, and by some of them with half and twice the epochs. What counts is by what their error
is multiplied on the images that judge in a search: geometric means over the smaller and the larger half of the networks.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

import issun
from first_looks import networks
from issun.datasets.split import Split
from issun.datasets.usual_split import CONFIRMATION, JUDGE
from issun.nas.ways import small_batches
from issun.recipe import Recipe
from issun.study.machine import machine
from issun.training import train_network


def main() -> None:
    """Read the command line, train, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--gray", action="store_true")
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    dataset = issun.load(arguments.data, data_dir=arguments.data_dir, gray=True if arguments.gray else None)
    split = Split(JUDGE, aside=CONFIRMATION)
    images = len(dataset.parts(split)[0])
    nets = sorted(networks(dataset, arguments.networks), key=lambda net: net.parameters)
    default = Recipe.for_images(images)
    small = small_batches(default)
    usual_rate, high = default.learning_rate, small.learning_rate
    recipes = [
        default,
        default.model_copy(update={"learning_rate": high}),
        small.model_copy(update={"learning_rate": usual_rate}),
        small,
        small.model_copy(update={"epochs": max(1, small.epochs // 2)}),
        default.model_copy(update={"epochs": 2 * default.epochs}),
        small.model_copy(update={"epochs": 2 * small.epochs}),
    ]
    rows, errors = [], []
    print("| batch | rate | epochs | seconds | error of the smaller half | of the larger half |")
    print("|---:|---:|---:|---:|---:|---:|")
    for recipe in recipes:
        began = time.process_time()
        found = [
            [train_network(net, recipe, dataset, split, seed, threads=1, test=False).val_accuracy for seed in range(arguments.seeds)]
            for net in nets
        ]
        seconds = (time.process_time() - began) / len(nets) / arguments.seeds
        errors.append(np.log(np.maximum(1 - np.array(found).mean(axis=1), 1e-4)))
        ratios = [float(np.exp(half.mean())) for half in np.array_split(errors[-1] - errors[0], 2)]
        row = {"batch": recipe.batch_size, "rate": recipe.learning_rate, "epochs": recipe.epochs, "seconds": round(seconds, 3)}
        rows.append(row | {"accuracies": found, "ratios": ratios})
        figures = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {recipe.batch_size} | {recipe.learning_rate} | {recipe.epochs} | {seconds:.2f} | {figures} |", flush=True)
    data = {"data": Path(arguments.data).stem, "fingerprint": dataset.fingerprint}  # without paths of this machine
    about = {"machine": machine(), "data": data, "images": images, "seeds": arguments.seeds, "networks": list(map(str, nets))}
    arguments.json.write_text(json.dumps({**about, "parameters": [net.parameters for net in nets], "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
