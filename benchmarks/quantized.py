"""What does int8 cost, and what does fine-tuning bring back? `python benchmarks/quantized.py --data-dir FOLDER [--json FILE]`

Two networks of the studies are trained on MNIST, each from five seeds. Then, for every seed: test accuracy in float32, in int8 (ranges
measured on the training part), and in int8 after fine-tuning on some of the training images. Fine-tuning is done whether or not int8 loses
anything, and keeps the epoch that is best in int8 on validation, the one before the first included; the test images choose nothing.
Differences are between the same weights, so they are known better than the accuracies. Flash and RAM are those of compiled objects,
optimised for size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from issun import Dataset, finetune, load, train
from issun.exporters.c.compile import footprints
from issun.exporters.c.source import float_source, int8_source
from issun.exporters.finetuning import int8_accuracy
from issun.exporters.quantize import quantised
from issun.exporters.ranges import measured
from issun.study.machine import machine

#: Networks with the epochs of their training, and how many images they are fine-tuned on, which takes time in the NumPy engine.
NETWORKS = {
    "conv 2, conv 2, pool, conv 4, conv 4, pool, dense": (20, 20_000),
    "conv 32, pool, conv 64, pool, conv 64, dense 64, dense": (6, 5_000),
}


def measure(dataset: Dataset, network: str, epochs: int, seed: int, images: int, tuning: int) -> dict[str, Any]:
    """Return the accuracies of one seed, and the bytes of its files compiled."""
    trained = train(dataset, network, epochs=epochs, seed=seed)
    model = trained.model
    learn, check = dataset.parts(trained.outcome.split)
    began = time.perf_counter()
    some = np.random.default_rng(seed).permutation(learn)[:images]
    validation = dataset.images[check], dataset.labels[check]
    tuned = finetune(model, dataset.images[some], dataset.labels[some], *validation, epochs=tuning, tolerated=-1.0, seed=seed)
    seconds = time.perf_counter() - began
    ranges = measured(model, dataset.images[learn])
    test = dataset.test_images, dataset.test_labels
    found: dict[str, Any] = {
        "network": network,
        "parameters": model.net.parameters,
        "seed": seed,
        "float32": model.evaluate(*test).accuracy,
        "int8": int8_accuracy(model, ranges, *test),
        "int8 fine-tuned": int8_accuracy(tuned.model, measured(tuned.model, dataset.images[some]), *test),
        "float32 fine-tuned": tuned.model.evaluate(*test).accuracy,
        "validation": {"float32": tuned.float_accuracy, "int8": tuned.before, "int8 fine-tuned": tuned.after, "epoch": tuned.epoch},
        "seconds of fine-tuning": seconds,
    }
    for source in (float_source(model, Path("net")), int8_source(quantised(model, ranges), Path("net"))):
        found[f"bytes {source.number}"] = {"constants": source.constants, "memory": source.memory} | {
            footprint.target: asdict(footprint) for footprint in footprints(source)
        }
    return found


def spread(values: list[float]) -> str:
    """Return mean and standard deviation in points."""
    deviation = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.2f}{deviation}"


def report(rows: list[dict[str, Any]]) -> None:
    """Print what one network came to."""
    first = rows[0]
    print(f"\n{first['network']}: {first['parameters']:,} parameters, {len(rows)} seeds; test accuracy in per cent, mean ± deviation")
    for name in ("float32", "int8", "int8 fine-tuned", "float32 fine-tuned"):
        change = spread([row[name] - row["float32"] for row in rows])
        print(f"  {name:<20}{spread([row[name] for row in rows]):<16}{'' if name == 'float32' else f'{change} from float32'}")
    for number in ("float32", "int8"):
        sizes = first[f"bytes {number}"]
        print(f"  {number:<8} constants {sizes['constants']:,}, memory {sizes['memory']:,} bytes")
        for target, footprint in sizes.items():
            if isinstance(footprint, dict):
                print(f"           {target:<11} flash {footprint['flash']:>8,}, RAM {footprint['ram']:>8,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="networks that begin with the text")
    parser.add_argument("--epochs", type=int, help="of training, in place of those of each network")
    parser.add_argument("--tuning-images", type=int, help="in place of those of each network")
    parser.add_argument("--tuning-epochs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every figure to this file too")
    options = parser.parse_args()
    dataset, rows = load("mnist", options.data_dir), []
    for network, (epochs, images) in NETWORKS.items():
        if not network.startswith(options.only):
            continue
        own = []
        for seed in range(options.seeds):
            own.append(measure(dataset, network, options.epochs or epochs, seed, options.tuning_images or images, options.tuning_epochs))
            print({key: own[-1][key] for key in ("seed", "float32", "int8", "int8 fine-tuned", "seconds of fine-tuning")}, flush=True)
        report(own)
        rows += own
    if options.json:
        settings = {name: value for name, value in vars(options).items() if name not in ("data_dir", "json")}
        options.json.write_text(json.dumps({"machine": machine(), "options": settings, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
