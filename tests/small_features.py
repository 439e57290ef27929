"""Features for tests of heads: a few bundled digits as numbers, and a network's small features."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from issun.extraction.parts import Parts
from small_study import digits


@cache
def parts(train: int = 160) -> Parts:
    """Return pixels of digits, from 0 to 1, as features: `train` to learn from, 80 to choose on, 60 to test on."""
    data = digits(240)
    pixels = data.images.reshape(len(data.images), -1).astype(np.float32) / 255
    tests = data.test_images.reshape(len(data.test_images), -1).astype(np.float32) / 255
    return Parts(pixels[:train], data.labels[:train], pixels[160:], data.labels[160:], tests, data.test_labels)


def with_scrambled_tests() -> Parts:
    """Return the same with test labels that say nothing."""
    return replace(parts(), test_labels=np.random.default_rng(0).permutation(parts().test_labels))
