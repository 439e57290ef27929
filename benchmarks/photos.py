"""How long do hundreds of photographs of 12 megapixels take, when they are read for the first time and afterwards?

`python benchmarks/photos.py --folder FOLDER` writes 400 JPEG files of 4000x3000 pixels into FOLDER, drawn by chance (soft shapes, edges and
noise, quality 90, half of them upright by EXIF), as two classes, unless they are there. Then it reads them in fresh processes, with a cache
of its own: for the first time, again, after one file has changed, and with every JPEG decoded at its full size. It prints seconds of the
wall clock, and how far the pixels of the first and the last way are apart. Other programs make it slower: run it on a machine that does
nothing else, or measure again. `--json FILE` writes what it measured, with processor, versions and date.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features

import issun
from issun.study.machine import machine

HEIGHT, WIDTH, CLASSES, QUALITY = 3000, 4000, ("left", "right"), 90

#: Pictures that all photographs are made from, each moved and as bright as chance has it: to draw one takes longer than to save it.
SCENES = 8

#: What a fresh process runs: it reads the folder, and says how long that took, and how long since its start.
READ = """
import sys, time
begun = time.time()
import numpy as np
import issun
imported = time.time()
data = issun.load(sys.argv[1], size=(48, 64), whole=sys.argv[2] == "whole")
print(time.time() - imported, time.time() - begun, len(data.images) + len(data.test_images))
order = np.argsort(np.array([*data.files, *data.test_files]))
np.save(sys.argv[3], np.concatenate([data.images, data.test_images])[order])
"""


def scene(random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture of soft shapes, edges and noise, shape (HEIGHT, WIDTH, 3)."""
    total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for cells, strength in ((4, 90), (24, 50), (160, 25)):
        small = random.integers(0, 256, (cells * 3 // 4, cells, 3), dtype=np.uint8)
        kind = Image.Resampling.NEAREST if cells == 24 else Image.Resampling.BICUBIC
        total += (np.asarray(Image.fromarray(small).resize((WIDTH, HEIGHT), kind), np.float32) / 255 - 0.5) * strength
    noise = random.normal(0, 6, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return np.clip(128 + total + noise, 0, 255).astype(np.uint8)


def draw(folder: Path, photos: int) -> None:
    """Write the photographs that are not there."""
    random = np.random.default_rng(0)
    scenes: list[NDArray[np.uint8]] = []
    for number in range(photos):
        path = folder / CLASSES[number % len(CLASSES)] / f"IMG_{number:04}.jpg"
        if path.exists():
            continue
        if not scenes:
            scenes = [scene(random) for _ in range(SCENES)]
        path.parent.mkdir(parents=True, exist_ok=True)
        moved = np.roll(scenes[number % SCENES], random.integers(0, (HEIGHT, WIDTH)), axis=(0, 1))
        exif = Image.Exif()
        exif[0x0112] = 6 if number // 2 % 2 else 1
        Image.fromarray(moved).save(path, quality=QUALITY, exif=exif)


def read(folder: Path, cache: Path, how: str, images: Path) -> dict[str, float]:
    """Read the folder in a fresh process."""
    environment = {**os.environ, "ISSUN_IMAGE_CACHE": str(cache)}
    command = [sys.executable, "-c", READ, str(folder), how, str(images)]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
    return {"reading": round(float(said[0]), 2), "with imports": round(float(said[1]), 2), "photos": int(said[2])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the photographs are or will be")
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--whole", action=argparse.BooleanOptionalAction, default=True, help="also decode all at their full size")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    draw(given.folder, given.photos)
    files = sorted(given.folder.rglob("*.jpg"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: dict[str, object] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "photos": len(files),
        "megabytes": round(sum(file.stat().st_size for file in files) / 1e6),
        "size": f"{HEIGHT}x{WIDTH}",
        "cores": cores,
        "load average before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "processor": machine()["processor"],
        "python": platform.python_version(),
        "pillow": PIL.__version__,
        "libjpeg-turbo": features.version_feature("libjpeg_turbo"),
        "issun": issun.__version__,
    }
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        cache = here / "cache"
        found["first time, s"] = read(given.folder, cache, "reduced", here / "reduced.npy")
        found["again, s"] = read(given.folder, cache, "reduced", here / "again.npy")
        os.utime(files[0])
        found["one file changed, s"] = read(given.folder, cache, "reduced", here / "changed.npy")
        if given.whole:
            shutil.rmtree(cache)
            found["at full size, s"] = read(given.folder, cache, "whole", here / "whole.npy")
            apart = np.abs(np.load(here / "reduced.npy").astype(int) - np.load(here / "whole.npy"))
            found["grey levels apart"] = {"mean": round(float(apart.mean()), 3), "largest": int(apart.max())}
    found["load average after"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    text = json.dumps(found, indent=1)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
