"""issun: how small can the network be, and why?

The names below are the public interface. Each is loaded when it is first used, so that `import issun` stays quick: pandas, matplotlib
and the compiled core come in only where they are needed.
"""

import warnings
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: Where each public name is defined. `__init__.pyi` says the same to type checkers and editors.
_DEFINED_IN = {
    "sweep": "issun.api.sweep",
    "search": "issun.api.search",
    "run": "issun.api.run",
    "show": "issun.api.show",
    "merge": "issun.api.merge",
    "report": "issun.api.report",
    "watch": "issun.api.report",
    "Study": "issun.study.study",
    "Query": "issun.study.query",
    "plot": "issun.plots.pictures",
    "train": "issun.api.train",
    "size": "issun.api.size",
    "data": "issun.api.data",
    "features": "issun.api.features",
    "ablate": "issun.api.ablate",
    "project": "issun.api.project",
    "export": "issun.api.export",
    "bench": "issun.timing.bench",
    "predict": "issun.predicting.prediction",
    "finetune": "issun.exporters.finetuning",
    "Model": "issun.model",
    "load": "issun.datasets.named",
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
    "from_keras": "issun.exporters.keras.from_keras",
    "IssunError": "issun.errors",
}

#: Names of the version before, which work once more with a warning: where they are defined now, and what takes their place.
_OLD_NAMES = {
    "contents": ("issun.api.data", "data", "issun.data"),
    "export_model": ("issun.exporters.writing", "export_model", "issun.export, which loads the images of its check by itself"),
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
    "ablate",
    "augmented",
    "bench",
    "data",
    "export",
    "features",
    "finetune",
    "from_keras",
    "load",
    "merge",
    "parse",
    "parse_network",
    "plot",
    "predict",
    "project",
    "report",
    "run",
    "search",
    "show",
    "size",
    "sweep",
    "train",
    "watch",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it (PEP 562)."""
    if name in _OLD_NAMES:
        module, function, instead = _OLD_NAMES[name]
        warnings.warn(f"issun.{name} will be removed in the next version: use {instead}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(module), function)
    if name not in _DEFINED_IN:
        raise AttributeError(f"module 'issun' has no attribute {name!r}")
    value = getattr(import_module(_DEFINED_IN[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
