"""How well does a short training order networks? `python benchmarks/first_looks.py --data NAME --json FILE`

A search looks at most networks only for a few epochs. Random networks (some changes away from the starts of a search) are trained for
parts of the epochs of the full recipe, for all of them, and for all of them from another seed. What counts are rank correlations with the
accuracy after the full recipe: of all networks, and of the better half alone, in which a search has to tell one from the other. Beside them
stands that of two seeds of the full recipe, which no short training can be expected to exceed; the first look that a search takes; and as
many images in batches as large as those of the full recipe.

All figures are on the images that judge in a search; nothing is chosen here.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import issun
from issun.arch.net import Net
from issun.datasets.dataset import Dataset
from issun.datasets.split import Split
from issun.datasets.usual_split import CONFIRMATION, JUDGE
from issun.errors import NetworkError
from issun.nas.changes import neighbour
from issun.nas.starts import starts
from issun.nas.ways import short_recipe
from issun.recipe import Recipe
from issun.study.machine import machine
from issun.training import train_network

#: The most changes between a start and a network; the most multiply-accumulates for each pixel, and parameters.
CHANGES, MACS, PARAMETERS = 7, 400, 3_000


def networks(dataset: Dataset, count: int) -> list[Net]:
    """Return random networks."""
    random, first = np.random.default_rng(0), starts(dataset.input, len(dataset.classes))
    height, width, _ = dataset.input

    def small(net: Net) -> bool:
        return net.macs < MACS * height * width and net.parameters < PARAMETERS

    found: list[Net] = []
    while len(found) < count:
        net = first[int(random.integers(len(first) - 1))]
        for _ in range(int(random.integers(1, CHANGES + 1))):
            try:
                net, _ = neighbour(net, random, small)
            except NetworkError:
                break
        if small(net):
            found.append(net)
    return found


def main() -> None:
    """Read the command line, train, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--gray", action="store_true")
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--shares", type=lambda text: [float(part) for part in text.split(",")], default=[1 / 12, 1 / 6, 1 / 4, 1 / 2])
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    dataset = issun.load(arguments.data, data_dir=arguments.data_dir, gray=True if arguments.gray else None)
    split = Split(JUDGE, aside=CONFIRMATION)
    images = len(dataset.parts(split)[0])
    full, nets = Recipe.for_images(images), networks(dataset, arguments.networks)

    def accuracies(recipe: Recipe, seed: int) -> tuple[np.ndarray, float]:
        began = time.process_time()
        found = [train_network(net, recipe, dataset, split, seed, threads=1, test=False).val_accuracy for net in nets]
        return np.array(found), (time.process_time() - began) / len(nets)

    look = short_recipe(full, images)
    other = look.model_copy(update={"batch_size": full.batch_size, "steps_per_epoch": -(-look.seen(images) // full.batch_size)})
    shares = [full.model_copy(update={"epochs": max(1, math.ceil(share * full.epochs))}) for share in arguments.shares]
    looks = {f"{one.epochs} of {full.epochs} epochs": (one, 0) for one in shares}
    looks |= {f"{full.epochs} epochs, another seed": (full, 1)}
    if look.steps_per_epoch:
        looks |= {"first look": (look, 0), f"the same, batches of {full.batch_size}": (other, 0)}
    reference, _ = accuracies(full, 0)
    better = np.argsort(-reference)[: len(nets) // 2]
    kept = []
    print("| training | batch | images seen | seconds | rank correlation | of the better half | error, times that of the full recipe |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, (recipe, seed) in looks.items():
        values, seconds = accuracies(recipe, seed)
        ratios = np.log(np.maximum(1 - values[better], 1e-4) / np.maximum(1 - reference[better], 1e-4))
        row = {
            "training": name,
            "batch": recipe.batch_size,
            "images": recipe.seen(images),
            "seconds": round(seconds, 3),
            "all": float(spearmanr(values, reference)[0]),
            "better": float(spearmanr(values[better], reference[better])[0]),
            "ratio": float(np.exp(ratios.mean())),
        }
        kept.append(row)
        figures = f"{seconds:.2f} | {row['all']:.3f} | {row['better']:.3f} | {row['ratio']:.2f}"
        print(f"| {name} | {row['batch']} | {row['images']:,} | {figures} |", flush=True)
    about = {
        "machine": machine(),
        "data": {**dataset.about, "source": Path(dataset.source).name},
        "images": images,
        "networks": list(map(str, nets)),
    }
    arguments.json.write_text(json.dumps({**about, "rows": kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()
