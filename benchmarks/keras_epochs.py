"""How long Keras takes for an epoch of the studies' networks.

    python benchmarks/keras_epochs.py
    python studies/page.py

Of each family the smallest, a middle and the largest network are timed, as the originals ran theirs: `model.fit` on arrays of floats, with
the batch size of the study, on as many threads as there are cores. Images are noise, since how long arithmetic takes does not depend on
what is in them; one epoch to warm up, the median of two. Images that are changed while training, and the pass over the validation images
after each epoch, are left out, which favours Keras. Where a recipe has AdamW, Keras is timed with Adam.

Needs Keras and TensorFlow beside issun (`benchmarks/requirements-peers.txt`) and a machine that does nothing else. Writes
`benchmarks/results/keras.json`; a further run goes on where one was stopped, and says of each family where it was measured, if not where
the first one was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

try:
    import keras
    import tensorflow as tf
except ImportError as error:
    sys.exit(f"{Path(__file__).name} needs Keras and TensorFlow ({error}): pip install -r benchmarks/requirements-peers.txt")

from issun.arch.net import Net
from issun.engine import threads_available
from issun.recipe import Recipe
from issun.study.file import read_study_file
from issun.study.machine import machine
from issun.timing.cases import Case, pixels
from issun.timing.keras_side import KerasTraining, Setup

BENCHMARKS = Path(__file__).resolve().parent
STUDIES = BENCHMARKS.parent / "studies"

#: Height, width and channels, and the number of images to train on, of the data that the studies name.
SHAPES = {"mnist": ((28, 28, 1), 60_000), "cifar10": ((32, 32, 3), 50_000)}
#: Steps of a timed epoch: between these, and as many as fit into about this many multiply-accumulates.
FEWEST, MOST, MACS = 25, 200, 2.5e10


@dataclass(frozen=True)
class Timed:
    """A network of a family that is to be timed."""

    study: str
    part: str
    label: str
    net: Net
    recipe: Recipe


def wanted(folder: Path) -> Iterator[Timed]:
    """Yield up to three networks of each family of each study file in a folder."""
    for path in sorted(folder.glob("*.toml")):
        file = read_study_file(path)
        shape, images = SHAPES[file.data]
        for part in file.parts.values():
            for family in part.families:
                settings = dict(family.settings)
                if settings["optimizer"] == "adamw":
                    settings |= {"optimizer": "adam", "weight_decay": 0.0}
                recipe = Recipe.for_images(images, **settings)
                nets = sorted((net for _, net in family.bound.networks(shape, 10)[0]), key=lambda net: net.macs)
                for place in sorted({0, len(nets) // 2, len(nets) - 1}):
                    yield Timed(path.stem, part.name, family.label or str(family.bound.family), nets[place], recipe)


def seconds_of(net: Net, recipe: Recipe, images: int) -> float:
    """Return the seconds of one epoch of `images` images in Keras."""
    pictures, labels = pixels(Case(str(net), net.input, images=images))
    training = KerasTraining(net, recipe, pictures.astype(np.float32) / np.float32(255), labels, Setup())
    training.train(1)
    seconds = training.train(2)
    keras.utils.clear_session()
    return seconds


def main() -> None:
    """Time what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=BENCHMARKS / "results" / "keras.json")
    arguments = parser.parse_args()
    threads = threads_available()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    about = machine()
    versions = f"Keras {keras.__version__} on TensorFlow {tf.__version__}"
    words = f"{about['processor']}, {threads} threads, {versions}, {time.strftime('%Y-%m-%d')}"
    found: dict[str, Any] = {"about": words, "epochs": []}
    if arguments.output.exists():
        found = json.loads(arguments.output.read_text())
    # What was measured elsewhere, or with other versions, serves its own family, but no other.
    here = [entry for entry in found["epochs"] if entry.get("about", found["about"]) == words]
    known = {(entry["network"], entry["batch_size"], entry["optimizer"]): entry for entry in here}
    families = {(entry["study"], entry["part"], entry["label"], entry["network"]) for entry in found["epochs"]}
    for one in wanted(STUDIES):
        if (one.study, one.part, one.label, str(one.net)) in families:
            continue
        key = (str(one.net), one.recipe.batch_size, one.recipe.optimizer)
        if key not in known:
            steps = min(max(int(MACS / one.net.macs / one.recipe.batch_size), FEWEST), MOST)
            images = steps * one.recipe.batch_size
            known[key] = {"images": images, "seconds": seconds_of(one.net, one.recipe, images)}
            print(f"{1e6 * known[key]['seconds'] / images:9.2f} µs an image  {one.study} {one.part}, {one.label}: {one.net}", flush=True)
        names = {"study": one.study, "part": one.part, "label": one.label, "network": str(one.net), "macs": one.net.macs}
        settings = {"batch_size": one.recipe.batch_size, "optimizer": one.recipe.optimizer}
        elsewhere = {"about": words} if words != found["about"] else {}
        found["epochs"].append({**names, **settings, "images": known[key]["images"], "seconds": known[key]["seconds"], **elsewhere})
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
