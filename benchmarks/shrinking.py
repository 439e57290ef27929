"""What do inherited weights and a teacher bring? `python benchmarks/shrinking.py --data NAME --json FILE`

A network is trained on the images that a search trains on. Networks with fewer channels are then trained in four ways: from drawn weights
or from those of the large network, cut (`issun.cutting`); from the labels alone or with the large network as teacher. Both with the recipe
of a search's first look and with the full one. Accuracies are those on the images that judge in a search, mean and standard deviation over
seeds; a difference is taken seed by seed against drawn weights and labels alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import issun
from issun.arch.notation import parse_network
from issun.cutting import Original
from issun.datasets.split import Split
from issun.datasets.usual_split import CONFIRMATION, JUDGE
from issun.nas.pruning import narrower
from issun.nas.ways import short_recipe
from issun.recipe import Recipe
from issun.study.machine import machine
from issun.teacher import Teacher
from issun.training import train_network

#: The large network of each data set, and the shares of its channels that the small ones have.
LARGE = {"digits": "conv 8 same, pool, conv 12 same, pool, conv 16 same, gap, dense"}
USUAL = "conv 12 same, pool, conv 18 same, pool, conv 24 same, gap, dense"
SHARES = (0.5, 0.35, 0.25)


def main() -> None:
    """Read the command line, train, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--images", type=int, help="the first so many training images alone")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    dataset = issun.load(arguments.data, data_dir=arguments.data_dir)
    if arguments.images:
        dataset = replace(dataset, images=dataset.images[: arguments.images], labels=dataset.labels[: arguments.images], files=())
    split, classes = Split(JUDGE, aside=CONFIRMATION), len(dataset.classes)
    images = len(dataset.parts(split)[0])
    full = Recipe.for_images(images)
    large = parse_network(LARGE.get(arguments.data, USUAL), dataset.input, classes)
    model = train_network(large, full, dataset, split, 1000, test=False)
    original, teacher = Original(model.model(dataset)), Teacher([model.model(dataset)])
    print(f"{large}: {large.parameters:,} parameters, {100 * model.val_accuracy:.2f} %\n")
    rows: list[dict[str, Any]] = []
    print("| network | parameters | recipe | drawn | inherited | drawn, taught | inherited, taught |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for share in SHARES:
        net = narrower(large, share)
        for name, recipe in {"first look": short_recipe(full, images), "full": full}.items():
            found: dict[str, list[float]] = {}
            for taught in (False, True):
                for inherits in (False, True):
                    named: dict[str, Any] = {"teacher": teacher.facts.fingerprint} if taught else {}
                    named |= {"cut_from": original.fingerprint} if inherits else {}
                    how: dict[str, Any] = {"teacher": teacher if taught else None, "original": original if inherits else None}
                    own = Recipe(**recipe.model_dump() | named)
                    way = f"{'inherited' if inherits else 'drawn'}{', taught' if taught else ''}"
                    outcomes = [train_network(net, own, dataset, split, seed, test=False, **how) for seed in range(arguments.seeds)]
                    found[way] = [outcome.val_accuracy for outcome in outcomes]
            rows.append({"network": str(net), "parameters": net.parameters, "recipe": name, "accuracies": found})
            cells = [f"{100 * fmean(values):.2f} ± {100 * stdev(values):.2f}" for values in found.values()]
            print(f"| `{net}` | {net.parameters:,} | {name} | {' | '.join(cells)} |", flush=True)
    usual = [row["accuracies"]["drawn"] for row in rows]
    for way in rows[0]["accuracies"]:
        if way != "drawn":
            pairs = [(row["recipe"], fmean(row["accuracies"][way]) - fmean(drawn)) for row, drawn in zip(rows, usual, strict=True)]
            means = {name: 100 * fmean(value for recipe, value in pairs if recipe == name) for name in ("first look", "full")}
            print(f"{way}: " + ", ".join(f"{name} {value:+.2f} points" for name, value in means.items()))
    about = {
        "machine": machine(),
        "data": {**dataset.about, "source": Path(dataset.source).name},
        "images": images,
        "seeds": arguments.seeds,
    }
    kept = {**about, "large": str(large), "large_accuracy": model.val_accuracy, "rows": rows}
    arguments.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
