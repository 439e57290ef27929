"""Folders of images, drawn by the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def pixels(seed: int, *shape: int) -> np.ndarray:
    """Return noise, the same for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def draw(path: Path, image: np.ndarray, **options: object) -> Path:
    """Write one picture; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path


def draw_classes(root: Path, classes: dict[str, int], shape: tuple[int, ...] = (6, 5, 3), seed: int = 0) -> dict[str, np.ndarray]:
    """Write so many PNG files into a folder for each class; return the pixels by relative path."""
    drawn = {}
    for name, count in classes.items():
        for index in range(count):
            seed += 1
            drawn[f"{name}/{index}.png"] = pixels(seed, *shape)
            draw(root / name / f"{index}.png", drawn[f"{name}/{index}.png"])
    return drawn
