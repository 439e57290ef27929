"""What a file in another format says of the model that it came from."""

from __future__ import annotations

from issun.arch.layers import shape_text
from issun.model import Model

#: Those of `Provenance.as_dict` that are told, and what they are called there.
_TOLD = {
    "data": "data",
    "accuracy": "validation accuracy",
    "validation": "validation",
    "seed": "seed",
    "trained_as": "trained_as",
    "mark": "mark",
    "issun": "issun",
}


def facts_of(model: Model) -> dict[str, str]:
    """Return the model's network, input and parameters, and of its making what it knows: data with its fingerprint, accuracy, seed."""
    facts = {"network": str(model.net), "input": shape_text(model.net.input), "parameters": str(model.net.parameters)}
    known = model.provenance.as_dict()
    return facts | {name: known[key] for name, key in _TOLD.items() if key in known}
