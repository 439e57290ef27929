"""How many copies does `issun data` find, and how many images that are none does it name?

`python benchmarks/near_duplicates.py --data-dir FOLDER [ARCHIVE…]` prints the table that stands in docs/data.md.
Data sets are MNIST, CIFAR-10 (`FOLDER/mnist.npz`, `FOLDER/cifar10.npz`) and archives of one's own with `x` and `y`,
also in grey. First, what is flagged in each as it is. Then copies of images drawn by chance are put beside the data set, and the share of
them is counted that is found as a near copy (or an equal image) of its original. The table is printed as Markdown.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from issun.datasets import load
from issun.datasets.near_copies import near_pairs

_RESAMPLINGS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def scaled(picture: Image.Image, resampling: Image.Resampling, factor: float = 0.8) -> Image.Image:
    """Return the picture scaled by a factor, and back."""
    width, height = picture.size
    return picture.resize((round(factor * width), round(factor * height)), resampling).resize((width, height), resampling)


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    """Return the picture saved as JPEG and read again."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{f"0.8, {how.name.lower()}": lambda picture, how=how: scaled(picture, how) for how in _RESAMPLINGS},
    "JPEG 60": lambda picture: compressed(picture, 60),
    "JPEG 30": lambda picture: compressed(picture, 30),
    "0.8 and JPEG 60": lambda picture: compressed(scaled(picture, Image.Resampling.BICUBIC), 60),
}


def data_sets(folder: Path | None, archives: list[Path]) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.int32]]]:
    """Yield the name, all images and their labels."""
    for data in [*(() if folder is None else ("mnist", "cifar10")), *archives]:
        held = load(data, folder)
        images, labels = np.concatenate([held.images, held.test_images]), np.concatenate([held.labels, held.test_labels])
        name = data if isinstance(data, str) else data.stem
        yield name, images, labels
        if not isinstance(data, str) and images.shape[3] == 3:
            yield f"{name}, grey", np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])[..., None], labels


def found(
    images: NDArray[np.uint8], labels: NDArray[np.int32], chosen: NDArray[np.int64], change: Callable[[Image.Image], Image.Image]
) -> float:
    """Return the share of changed copies of the chosen images that are found."""
    copies = np.stack([np.asarray(change(Image.fromarray(images[index].squeeze()))).reshape(images.shape[1:]) for index in chosen])
    pairs = near_pairs([images, copies], np.concatenate([labels, labels[chosen]]))
    both = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    return float(np.mean([(index, len(images) + place) in both for place, index in enumerate(chosen.tolist())]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="with mnist.npz and cifar10.npz")
    parser.add_argument("archive", type=Path, nargs="*", help="an .npz with x and y")
    parser.add_argument("--copies", type=int, default=500, help="how many images are copied")
    parser.add_argument("--among", type=int, default=10_000, help="how many images they are looked for among")
    arguments = parser.parse_args()
    print(f"| data | images | flagged | processor s | {' | '.join(CHANGES)} |")
    print(f"|---|---:|---:|---:|{'---:|' * len(CHANGES)}")
    for name, images, labels in data_sets(arguments.data_dir, arguments.archive):
        began, pairs = time.process_time(), near_pairs([images], labels)
        seconds = time.process_time() - began
        flagged = len({*pairs.first.tolist(), *pairs.second.tolist()})
        some = np.random.default_rng(0).permutation(len(images))[: arguments.among]
        chosen = np.arange(min(arguments.copies, len(some)))
        shares = (f"{100 * found(images[some], labels[some], chosen, change):.1f} %" for change in CHANGES.values())
        print(
            f"| {name} | {len(images):,} | {flagged:,} ({100 * flagged / len(images):.3f} %) | {seconds:.1f} | {' | '.join(shares)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
