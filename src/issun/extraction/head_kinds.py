"""`HEADS`, the classifiers that can stand behind features: each with its default settings and a grid to search.

The work is scikit-learn's, but for the two that are quicker here (`issun.extraction.ridge`, `issun.extraction.trainers`), and for the
kernel machine where scikit-learn-intelex is installed (the extra `intelex`).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from issun.arch.tokens import nearest
from issun.errors import HeadError


@dataclass(frozen=True)
class Head:
    """A kind of classifier.

    Attributes
    ----------
    name : str
    words : str
        What it is, for tables of help.
    settings : mapping of str
        What it is trained with where nothing is said; ``standardise`` says whether each feature is scaled to mean 0 and deviation 1.
    grid : mapping of str to tuple
        Values that a search tries.
    search_images : int or None
        The most images that a search learns from, since the time grows faster than their number; None: all.
    linear : bool
        Whether its answer is a score for each class that is linear in the features, so that it can become a network's classifier.
    single : bool
        Whether its training keeps one thread busy only, so that a search trains several at once.
    """

    name: str
    words: str
    settings: Mapping[str, Any]
    grid: Mapping[str, tuple[Any, ...]]
    search_images: int | None
    linear: bool
    single: bool
    module: str = ""
    estimator: str = ""

    def check(self, settings: Mapping[str, Any]) -> None:
        """Raise `HeadError` where a setting is none of this head's, or has a value that it cannot have."""
        for name, value in settings.items():
            if name not in self.settings:
                raise HeadError(
                    f"the head {self.name} has no setting `{name}`{nearest(name, tuple(self.settings)) or ';'} its settings are "
                    f"{', '.join(self.settings)}",
                    name,
                )
            none = value is None and self.settings[name] is None
            problem = "" if none else _RULES[name](value)
            if problem:
                raise HeadError(f"`{name}` (={value!r}) of the head {self.name} must be {problem}", name)


def head_named(name: str) -> Head:
    """Return the head with a name or one of its other names.

    Raises
    ------
    HeadError
        Names those that there are.
    """
    found = HEADS.get(OTHER_NAMES.get(name, name))
    if found is None:
        raise HeadError(f"there is no head {name!r}{nearest(name, (*HEADS, *OTHER_NAMES)) or ';'} the heads are {', '.join(HEADS)}")
    return found


def estimator_class(head: Head) -> type[Any]:
    """Return the class of scikit-learn behind a head; of the kernel machine that of scikit-learn-intelex, where it is installed.

    For the other heads that package gains little here, and some of its classes are not used to be called from a thread.
    """
    if head.name == "svm" and is_accelerated():
        from sklearnex.svm import SVC

        return SVC  # type: ignore[no-any-return]
    return getattr(importlib.import_module(f"sklearn.{head.module}"), head.estimator)  # type: ignore[no-any-return]


def is_accelerated() -> bool:
    """Whether scikit-learn-intelex (the extra `intelex`) is installed."""
    return importlib.util.find_spec("sklearnex") is not None


def _number_above_0(value: Any) -> str:
    return "" if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf else "a number above 0"


def _whole(value: Any) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else "a whole number of at least 1"


def _truth(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _one_of(*words: str) -> Callable[[Any], str]:
    return lambda value: "" if value in words else f"one of {', '.join(words)}"


def gamma_factor(value: Any) -> float | None:
    """Return the f of ``"f scale"`` (1 for ``"scale"``); None for anything else."""
    if not isinstance(value, str) or not value.endswith("scale"):
        return None
    try:
        return float(value.removesuffix("scale").strip() or 1)
    except ValueError:
        return None


def _gamma(value: Any) -> str:
    if value == "auto" or (gamma_factor(value) or 0) > 0 or not _number_above_0(value):
        return ""
    return '"scale" (1 / (features x their variance)), "3 scale" (so many times that), "auto" (1 / features) or a number above 0'


def _features(value: Any) -> str:
    if value in ("sqrt", "log2"):
        return ""
    return "" if not _number_above_0(value) and value <= 1 else '"sqrt", "log2" or a share of the features, above 0 and at most 1'


_RULES: dict[str, Callable[[Any], str]] = {
    "standardise": _truth,
    "strength": _number_above_0,
    "C": _number_above_0,
    "max_iter": _whole,
    "gamma": _gamma,
    "n_estimators": _whole,
    "max_features": _features,
    "min_samples_leaf": _whole,
    "max_depth": _whole,
    "n_neighbors": _whole,
    "weights": _one_of("uniform", "distance"),
}

#: Names that people know too.
OTHER_NAMES = {"knn": "neighbours", "rbf-svm": "svm", "random-forest": "forest", "logistic-regression": "logistic", "svc": "svm"}

HEADS: dict[str, Head] = {
    head.name: head
    for head in (
        Head(
            "ridge",
            "ridge regression on the classes, in closed form; its strength is always chosen on validation",
            {"standardise": True, "strength": 1e-3},
            {},
            None,
            True,
            False,
        ),
        Head(
            "logistic",
            "logistic regression (softmax) with an l2 penalty",
            {"standardise": True, "C": 0.1, "max_iter": 1000},
            {"C": (0.001, 0.01, 0.1, 1.0)},
            20_000,
            True,
            False,
            "linear_model",
            "LogisticRegression",
        ),
        Head(
            "linear-svm",
            "linear support vector machine, one class against the rest, squared hinge",
            {"standardise": True, "C": 0.01, "max_iter": 1000},
            {"C": (0.0001, 0.001, 0.01, 0.1)},
            20_000,
            True,
            False,
        ),
        Head(
            "svm",
            "support vector machine with the radial basis function kernel",
            {"standardise": True, "C": 1.0, "gamma": "scale", "max_iter": None},
            {"C": (1.0, 3.0, 10.0), "gamma": ("0.1 scale", "0.3 scale", "scale", "3 scale")},
            5_000,
            False,
            True,
            "svm",
            "SVC",
        ),
        Head(
            "forest",
            "random forest",
            {"standardise": False, "n_estimators": 300, "max_features": "sqrt", "min_samples_leaf": 1, "max_depth": None},
            {"max_features": ("sqrt", 0.1), "min_samples_leaf": (1, 3)},
            10_000,
            False,
            False,
            "ensemble",
            "RandomForestClassifier",
        ),
        Head(
            "neighbours",
            "k nearest neighbours",
            {"standardise": True, "n_neighbors": 5, "weights": "distance"},
            {"standardise": (True, False), "n_neighbors": (1, 3, 5, 10, 20)},
            20_000,
            False,
            False,
            "neighbors",
            "KNeighborsClassifier",
        ),
    )
}
