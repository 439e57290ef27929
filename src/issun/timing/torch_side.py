"""PyTorch's side: a network as the module that its exporter writes, trained as a careful user would, in its fastest form."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from issun.arch.net import Net
from issun.exporters.torch.source import module_source
from issun.timing.cases import Case, pixels
from issun.timing.sides import serve


def torch_model(net: Net) -> nn.Module:
    """Return a network as a module of float32 images (N, channels, height, width), giving logits; untrained."""
    made: dict[str, Any] = {}
    exec(compile(module_source(net), f"<{net}>", "exec"), made)
    return type("Scaled", (made["Network"],), {"forward": made["Network"].compute})()


@dataclass(frozen=True)
class Setup:
    """One way to run a model: compiled or not, and how images lie in memory."""

    compiled: bool = False
    channels_last: bool = False

    def __str__(self) -> str:
        return f"{'torch.compile' if self.compiled else 'eager'}{', channels_last' if self.channels_last else ''}"


class Training:
    """A case under one setup. Images and labels are tensors in memory; a batch is taken by its indices."""

    def __init__(self, case: Case, setup: Setup) -> None:
        self._case = case
        torch.manual_seed(0)
        model = torch_model(case.net)
        images, labels = pixels(case)
        self._images = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).contiguous()
        self._labels = torch.from_numpy(labels).long()
        if setup.channels_last:
            model = model.to(memory_format=torch.channels_last)
            self._images = self._images.contiguous(memory_format=torch.channels_last)
        recipe = case.recipe
        trained = [weights for weights in model.parameters() if weights.requires_grad]
        if recipe.optimizer != "adam":
            raise NotImplementedError("the comparison with PyTorch trains with adam")
        if case.work == "features":
            raise NotImplementedError("features are compared with Keras")
        self._optimizer = torch.optim.Adam(
            trained, recipe.learning_rate, (recipe.beta_1, recipe.beta_2), recipe.epsilon, fused=True if trained else None
        )
        self._model: Any = torch.compile(model) if setup.compiled else model

    def epoch(self) -> float:
        """Run one epoch, or one pass of inference, and return its seconds."""
        case = self._case
        began = time.perf_counter()
        if case.work == "predict":
            self._model.eval()
            with torch.inference_mode():
                for start in range(0, case.images, case.batch):
                    self._model(self._images[start : start + case.batch])
            return time.perf_counter() - began
        self._model.train()
        order = torch.randperm(case.images)
        for start in range(0, case.images - case.images % case.batch, case.batch):
            chosen = order[start : start + case.batch]
            self._optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(self._model(self._images[chosen]), self._labels[chosen]).backward()
            self._optimizer.step()
        return time.perf_counter() - began


class TorchCase:
    """The case under the setup that was fastest when each was tried: one choice after the other."""

    def __init__(self, case: Case, threads: int) -> None:
        torch.set_num_threads(threads)
        self._tried: dict[Setup, float] = {}
        layout = self._best(case, Setup(), Setup(channels_last=True))
        self._setup = self._best(case, layout, Setup(True, layout.channels_last))
        self._training = Training(case, self._setup)
        self._training.epoch()

    def _best(self, case: Case, *candidates: Setup) -> Setup:
        for setup in candidates:
            if setup not in self._tried:
                try:
                    training = Training(case, setup)
                    training.epoch()
                    self._tried[setup] = statistics.median(training.epoch() for _ in range(2))
                except Exception:
                    if not setup.compiled:  # a machine without what torch.compile needs can still run the rest
                        raise
                    self._tried[setup] = float("inf")
        return min(candidates, key=lambda setup: self._tried[setup])

    def epoch(self) -> float:
        """Run one epoch and return its seconds."""
        return self._training.epoch()

    @property
    def about(self) -> dict[str, Any]:
        """The setup, and the seconds of all that were tried."""
        return {
            "setup": str(self._setup),
            "tried": {str(setup): seconds for setup, seconds in self._tried.items() if seconds < float("inf")},
            "version": torch.__version__,
        }


if __name__ == "__main__":
    serve(TorchCase)
