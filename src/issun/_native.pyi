"""The compiled core, as `native/bindings.cpp` makes it; use `issun.engine.native`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.engine.protocol import CancelFlag

def available_sets() -> list[str]: ...
def measure_peak(threads: int, seconds: float) -> float: ...

class Engine:
    def __init__(
        self,
        *,
        layers: Sequence[Mapping[str, Any]],
        height: int,
        width: int,
        channels: int,
        classes: int,
        factor: Sequence[float],
        offset: Sequence[float],
        weights: int,
        batch: int,
        smoothing: float,
        class_weights: Sequence[float],
        threads: int,
        augment: Mapping[str, int],
        takes_values: bool,
        macs_before: int,
        channels_last: bool = False,
    ) -> None: ...
    @property
    def instruction_set(self) -> str: ...
    @property
    def lanes(self) -> int: ...
    @property
    def segments(self) -> int: ...
    @property
    def memory(self) -> int: ...
    def ticks(self, count: bool) -> list[int]: ...
    def train(
        self,
        images: NDArray[np.uint8] | NDArray[np.float32],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        rates: NDArray[np.float64],
        weights: NDArray[np.float32],
        moments: NDArray[np.float32],
        average: NDArray[np.float32] | None,
        step: int,
        settings: Mapping[str, float],
        seed: int,
        epoch: int,
        cancel: CancelFlag | None,
        draws: NDArray[np.int32] | None,
        mix: NDArray[np.float32] | None,
    ) -> tuple[float, int, int, bool, bool]: ...
    def logits(
        self,
        images: NDArray[np.uint8] | NDArray[np.float32],
        indices: NDArray[np.int64],
        weights: NDArray[np.float32],
        out: NDArray[np.float32],
        cancel: CancelFlag | None,
    ) -> bool: ...
    def gradients(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        weights: NDArray[np.float32],
        seed: int,
        epoch: int,
        out: NDArray[np.float32],
        draws: NDArray[np.int32] | None,
        mix: NDArray[np.float32] | None,
    ) -> float: ...
    def step(
        self,
        gradient: NDArray[np.float32],
        weights: NDArray[np.float32],
        moments: NDArray[np.float32],
        average: NDArray[np.float32] | None,
        step: int,
        rate: float,
        settings: Mapping[str, float],
    ) -> None: ...
