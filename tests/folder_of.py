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


def draw_photos(root: Path, count: int = 20, days: int = 10) -> None:
    """Write photos of owls and hawks as a phone does: large, turned by EXIF, with a date. Colours differ by class."""
    for name, colour in {"owl": (170, 110, 60), "hawk": (60, 110, 170)}.items():
        for number in range(count):
            exif = Image.Exif()
            exif[0x0112] = 1 + number % 8
            exif[0x0132] = f"2026:05:{1 + number % days:02} 12:00:00"
            photo = (pixels(number, 15, 20, 3) / 4 + np.array(colour) - 32).astype(np.uint8)
            draw(root / name / f"IMG_{number:04}.jpg", photo.repeat(8, 0).repeat(8, 1), quality=90, exif=exif)
