"""issun: how small can the network be, and why?

The names below are the public interface. Each is loaded when it is first used, so that `import issun` stays quick: pandas, matplotlib
and the compiled core come in only where they are needed.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: Where each public name is defined. `__init__.pyi` says the same to type checkers and editors.
_DEFINED_IN = {
    "sweep": "issun.study.sweep",
    "Study": "issun.study.study",
    "Query": "issun.study.query",
    "plot": "issun.plots.pictures",
    "train": "issun.training",
    "predict": "issun.predicting",
    "finetune": "issun.exporters.finetuning",
    "Model": "issun.model",
    "load": "issun.datasets.named",
    "contents": "issun.datasets.contents",
    "Dataset": "issun.datasets.dataset",
    "Split": "issun.datasets.dataset",
    "ConvFeatures": "issun.sklearn",
    "ConvNetClassifier": "issun.sklearn",
    "Recipe": "issun.recipe",
    "Augmentation": "issun.augmentation",
    "augmented": "issun.engine.reference.augment",
    "Net": "issun.arch.net",
    "parse": "issun.arch.notation",
    "parse_network": "issun.arch.notation",
    "export_model": "issun.exporters.writing",
    "from_keras": "issun.exporters.keras.from_keras",
    "IssunError": "issun.errors",
}

__all__ = [
    "Augmentation",
    "ConvFeatures",
    "ConvNetClassifier",
    "Dataset",
    "IssunError",
    "Model",
    "Net",
    "Query",
    "Recipe",
    "Split",
    "Study",
    "__version__",
    "augmented",
    "contents",
    "export_model",
    "finetune",
    "from_keras",
    "load",
    "parse",
    "parse_network",
    "plot",
    "predict",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it (PEP 562)."""
    if name not in _DEFINED_IN:
        raise AttributeError(f"module 'issun' has no attribute {name!r}")
    value = getattr(import_module(_DEFINED_IN[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
