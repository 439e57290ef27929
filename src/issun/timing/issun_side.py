"""issun's own side: the compiled core, as training uses it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.engine.native import NativeEngine
from issun.engine.protocol import State, scaling_for
from issun.extraction import Extractor
from issun.randomness import shuffled
from issun.timing.cases import Case, pixels
from issun.timing.sides import serve


class IssunCase:
    """A case on the compiled core; training includes the shuffling of the order.

    `images` and `labels` are those of `pixels` where they are there already; `epochs` are run at once (one warms up).
    """

    def __init__(
        self,
        case: Case,
        threads: int,
        images: NDArray[np.uint8] | None = None,
        labels: NDArray[np.int32] | None = None,
        epochs: int = 1,
    ) -> None:
        self._case = case
        self._net = case.net
        self._images, self._labels = pixels(case) if images is None or labels is None else (images, labels)
        self._order = np.arange(case.images)
        self._scaling, self._threads = scaling_for(case.recipe, self._images, self._order), threads
        self._engine = NativeEngine(self._net, case.recipe, self._scaling, threads)
        self._state = State.start(self._net, case.recipe, 0)
        for _ in range(epochs):
            self.epoch()

    def epoch(self) -> float:
        """Run one epoch, or one pass of inference, and return its seconds."""
        began = time.perf_counter()
        if self._case.work == "features":
            Extractor(self._net, self._state.weights, self._scaling, self._net.ops[-1].source).features(self._images, self._threads)
        elif self._case.work == "predict":
            self._engine.logits(self._state.weights, self._images, self._order)
        else:
            self._engine.train_epoch(self._state, self._images, self._labels, shuffled(self._order, 0, self._state.epoch), 0)
        return time.perf_counter() - began

    @property
    def about(self) -> dict[str, Any]:
        """Instruction set and memory."""
        return {"setup": self._engine.instruction_set, "memory": self._engine.memory}


if __name__ == "__main__":
    serve(IssunCase)
