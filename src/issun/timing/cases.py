"""`Case`: one thing to time, as every side takes it; and the cases that `issun bench` times when it is not told which."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.recipe import Recipe

Work = Literal["train", "predict", "features"]

#: Adam with one rate throughout, so that every side does the same.
SETTINGS = {"optimizer": "adam", "learning_rate": 0.001, "schedule": "constant"}


@dataclass(frozen=True)
class Case:
    """A network with the size of its images and batches.

    Parameters
    ----------
    network : str
        Without knobs.
    input : tuple of int
        ``(height, width, channels)`` of one image.
    batch, images : int
        Images of one step, and of one epoch.
    work : {"train", "predict", "features"}
        What is timed: one epoch of training, the logits of all images, or what enters the classifier.
    """

    network: str
    input: tuple[int, int, int] = (28, 28, 1)
    batch: int = 128
    images: int = 12_800
    classes: int = 10
    work: Work = "train"
    settings: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))

    @property
    def net(self) -> Net:
        """The network itself."""
        return parse_network(self.network, self.input, self.classes)

    @property
    def recipe(self) -> Recipe:
        """What it is trained by; more epochs than anyone times."""
        return Recipe(**self.settings, batch_size=self.batch, epochs=100_000)

    def as_dict(self) -> dict[str, Any]:
        """Return what `Case(**...)` takes, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Case:
        """Return the case that `as_dict` wrote, also after JSON made a list of a tuple."""
        height, width, channels = values["input"]
        return cls(**(values | {"input": (height, width, channels)}))


def pixels(case: Case) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return images of noise and random labels: how long arithmetic takes does not depend on what is in them.

    Returns
    -------
    ndarray of uint8, shape (images, height, width, channels)
    ndarray of int32, shape (images,)
    """
    random = np.random.default_rng(0)
    return (
        random.integers(0, 256, (case.images, *case.input), dtype=np.uint8),
        random.integers(0, case.classes, case.images, dtype=np.int32),
    )


def multiply_adds(net: Net, work: Work) -> int:
    """Return the multiply-adds that one image needs: the arithmetic floor.

    Training needs, for each layer, its values (MACs), the gradient of its weights where they change (MACs), and the gradient of its
    input where something before it is trained (MACs).
    """
    total = 0
    below = False  # whether something before this operation is trained
    for op in net.ops:
        total += op.macs
        if work == "train":
            total += op.macs * bool(op.trainable_params) + op.macs * below
        below = below or bool(op.trainable_params)
    return total


_SHRINK = "conv {0}, conv {0}, pool, conv {1}, conv {1}, pool, dense"
_SMALL = (
    "conv 8 same norm, res (dwconv same norm linear, conv 8 1x1 norm), pool, sepconv 16 same norm, "
    "res (sepconv 16 same norm, sepconv 16 same norm linear), pool, sepconv 32 same norm, gap, dense"
)

STANDARD = (
    *(Case(_SHRINK.format(n, 2 * n), images=12_800 if n < 16 else 6_400) for n in (1, 2, 4, 8, 16, 32)),
    *(Case(f"conv {n}, conv {2 * n}, pool, dense {4 * n}, dense", images=12_800 if n < 32 else 6_400) for n in (2, 8, 32)),
    *(Case(f"dense {n}, dense {n}, dense", images=60_000) for n in (32, 512)),
    Case("conv 10, pool, dense 256, drop 0.4, dense", (32, 32, 3), batch=256, images=12_800),
    Case(_SMALL),
)
