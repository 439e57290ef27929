"""How often does `issun predict` warn of images without reason, and how often of inverted ones? The table that stands in docs/predict.md.

`python benchmarks/predict_doubt.py --data-dir FOLDER ARCHIVE.npz`: the folder has MNIST and CIFAR-10 (see `issun.load`), the
archive any photographs. Nothing is trained: what is said of an image follows from the training images alone. *Test images* are those of the
test part; *few images* is the mean over 20 draws of 100 training images, judged by all others: what a small folder would see.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import issun
from issun.datasets.appearance import Appearance, figures, inverted_figures
from issun.datasets.dataset import Dataset

_FEW, _DRAWS = 100, 20


def grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return colour images with one channel, their luminance as in ITU-R 601."""
    return np.rint(images @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]


def measured(name: str, train: NDArray[np.uint8], test: NDArray[np.uint8], appearance: Appearance) -> dict[str, object]:
    """Return the shares of images that would be warned of, in per cent."""
    found, all_found = figures(test), figures(train)
    shares = []
    for draw in range(_DRAWS):
        order = np.random.default_rng(draw).permutation(len(train))
        few, others = np.sort(order[:_FEW]), order[_FEW:]
        shares.append(Appearance.of(train[few]).outside(all_found[others]).any(axis=1).mean())
    return {
        "images": name,
        "training": len(train),
        "test": len(test),
        "test images": 100 * float(appearance.outside(found).any(axis=1).mean()),
        "few images": 100 * float(np.mean(shares)),
        "few images, worst draw": 100 * float(np.max(shares)),
        "inverted": 100 * float(appearance.outside(inverted_figures(found)).any(axis=1).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="with MNIST and CIFAR-10; they are downloaded where they are not there")
    parser.add_argument("photos", type=Path, nargs="*", help=".npz archives of RGB images")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cifar = issun.load("cifar10", arguments.data_dir)
    few = cifar.images[:1000].astype(np.float32)
    sets: dict[str, Dataset | NDArray[np.uint8]] = {
        "digits": issun.load("digits"),
        "MNIST": issun.load("mnist", arguments.data_dir),
        "CIFAR-10": cifar,
        # What a person's own photographs may be: few of them, brightened, darkened, of low contrast.
        "CIFAR-10, 1,000 as they are": cifar.images[:1000],
        "CIFAR-10, 1,000 brightened": (160 + few * 95 / 255).astype(np.uint8),
        "CIFAR-10, 1,000 darkened": (few / 4).astype(np.uint8),
        "CIFAR-10, 1,000 of low contrast": (100 + few / 5).astype(np.uint8),
    }
    for path in arguments.photos:
        sets[f"{path.stem}, colour"] = issun.load(path)
    rows = []
    for name, data in sets.items():
        if isinstance(data, Dataset):
            rows.append(measured(name, data.images, data.test_images, data.appearance))
            if name.endswith("colour"):
                train, test = grey(data.images), grey(data.test_images)
                rows.append(measured(name.replace("colour", "grey"), train, test, Appearance.of(train)))
        else:
            rows.append(measured(name, data[:800], data[800:], Appearance.of(data[:800])))
    print("| images | training | test | test images warned of | by 100 training images (worst of 20 draws) | inverted test images |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        first = f"| {row['images']} | {row['training']:,} | {row['test']:,} | {row['test images']:.2f} % "
        print(first + f"| {row['few images']:.2f} % ({row['few images, worst draw']:.2f} %) | {row['inverted']:.1f} % |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"issun": issun.__version__, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
