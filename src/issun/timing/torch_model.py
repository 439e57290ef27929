"""A network as a PyTorch module that takes scaled images, as its exporter writes it; for comparisons of speed and of results."""

from __future__ import annotations

from typing import Any

from torch import nn

from issun.arch.net import Net
from issun.exporters.torch.source import module_source


def torch_model(net: Net) -> nn.Module:
    """Return a network as a module of float32 images (N, channels, height, width), giving logits; untrained."""
    made: dict[str, Any] = {}
    exec(compile(module_source(net), f"<{net}>", "exec"), made)
    return type("Scaled", (made["Network"],), {"forward": made["Network"].compute})()
