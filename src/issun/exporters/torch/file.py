"""PyTorch: a state that loads with ``weights_only=True``, and beside it a module's source that people can read."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.arch.ops import Kind
from issun.engine.weights import as_tensors
from issun.exporters.check import facts_of, probabilities
from issun.exporters.torch.source import module_source, tensor_names
from issun.exporters.writing import Written
from issun.model import Model


def lacking(net: Net) -> list[str]:
    """Return the layers that cannot be written: none."""
    return []


def write(model: Model, target: Path, logits: bool = False) -> Written:
    """Write a model's state and its module's source, and return how both together are run; see `issun.exporters.writing.Exporter`."""
    source = target.with_suffix(".py")
    source.write_text(module_source(model.net, model.classes, facts_of(model), target.name, logits=logits), "utf-8")
    torch.save(state_of(model), target)
    network: Any = runpy.run_path(str(source))["Network"]()
    network.load_state_dict(torch.load(target, weights_only=True))
    network.eval()

    def answers(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
        return probabilities(found) if logits else found

    return Written((target, source), answers)


def state_of(model: Model) -> dict[str, torch.Tensor]:
    """Return a model's tensors by their names in the module of `module_source`."""
    names, tensors = tensor_names(model.net), as_tensors(model.net, model.weights)
    state = {names[name]: torch.from_numpy(tensor.copy()) for name, tensor in tensors.items()}
    for op in model.net.ops:
        if op.kind is Kind.SCALE and op.image:
            for tensor in op.own:
                state[names[tensor.name]] = state[names[tensor.name]].reshape(-1, 1, 1)
    for name, values in (("factor", model.scaling.factor), ("offset", model.scaling.offset)):
        state[name] = torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)
    return state
