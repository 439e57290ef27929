"""Which size and colours do images get that differ from each other?"""

from __future__ import annotations

import numpy as np

from issun.data.decode import Probe
from issun.data.remarks import images_text
from issun.errors import DataError

#: Images that are all of one size and at most this wide and high stay as they are; others become squares of `SIDE` at most.
KEPT_SIDE, SIDE = 64, 32


def check_size(size: tuple[int, int] | None) -> None:
    """Refuse a size that images cannot be resized to."""
    if size is not None and not all(1 <= side <= 4096 for side in size):
        raise DataError(f"`size` (={size[0]}x{size[1]}) must be height x width, each from 1 to 4096")


def common_shape(probes: list[Probe], size: tuple[int, int] | None, gray: bool | None) -> tuple[tuple[int, int, int], list[str]]:
    """Return height, width and channels that all images get, and what that means for them."""
    sizes = {(probe.height, probe.width) for probe in probes}
    notes = []
    if size is None:
        first = next(iter(sizes))
        if len(sizes) == 1 and max(first) <= KEPT_SIDE:
            size = first
        else:
            side = max(1, min(SIDE, int(np.median([min(probe[:2]) for probe in probes]))))
            size = (side, side)
    if sizes != {size}:
        shapes = [f"{height}x{width}" for height, width in (min(sizes, key=np.prod), max(sizes, key=np.prod))]
        found = f"The images are {shapes[0]}" if len(sizes) == 1 else f"The images have {len(sizes):,} sizes, {shapes[0]} to {shapes[1]}"
        cropped = any(height * size[1] != width * size[0] for height, width in sizes)
        how = "the middle of each was resized" if cropped else "each was resized"
        notes.append(f"{found}; {how} to {size[0]}x{size[1]} (--size changes that).")
    grey_files = sum(probe.grey for probe in probes)
    channels = 1 if gray or (gray is None and grey_files == len(probes)) else 3
    if channels == 3 and grey_files:
        notes.append(f"{grey_files:,} of {images_text(len(probes))} are grey; all became RGB.")
    if channels == 1 and grey_files < len(probes):
        notes.append(f"{len(probes) - grey_files:,} of {images_text(len(probes))} have colours; all became grey.")
    return (*size, channels), notes
