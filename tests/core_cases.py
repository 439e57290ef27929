"""Networks and recipes that reach everything in the compiled core, written for `native/check.cpp`: the sanitizers run over them.

What is written is what `NativeEngine` hands to the core, taken from it on the way: no network is described twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from engine_cases import unit, weights_for
from graph_cases import ALL, NETS
from issun import _native
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine.augmenting import draw
from issun.engine.native import NativeEngine
from issun.recipe import Recipe
from operator_cases import OPERATORS

#: Recipes, which the networks take in turns. Every batch size leaves a last batch that is not full.
RECIPES: tuple[dict[str, Any], ...] = (
    {"batch_size": 16},
    {
        "batch_size": 7,
        "optimizer": "sgd",
        "momentum": 0.9,
        "nesterov": True,
        "clip_norm": 0.1,
        "augment": "shift 1, flip, cutout 2, edge repeat",
    },
    {"batch_size": 3, "optimizer": "rmsprop", "label_smoothing": 0.1, "ema_decay": 0.9},
    {"batch_size": 20, "optimizer": "adadelta", "augment": "rotate 30, zoom 0.2, shear 10, shift 1, fill 9, mixup 0.4", "clip_norm": 0.5},
    {"batch_size": 50, "optimizer": "adamw", "weight_decay": 0.01, "ema_decay": 0.99, "augment": "crop 2, mixup 1"},
    {"batch_size": 16, "teacher": "0" * 16, "temperature": 3, "share": 0.7, "augment": "shift 1, mixup 0.5"},
)

#: Networks for what the others do not reach, with the shape of an image, the classes and what the recipe has of its own.
OTHERS: dict[str, tuple[str, tuple[int, int, int], int, dict[str, Any]]] = {
    "textbook": ("conv 3, conv 5, pool, conv 6 same, pool, dense 40, drop 0.3, dense", (15, 13, 3), 10, {}),
    "more classes than lanes": (
        "conv 2, dense",
        (5, 5, 1),
        37,
        {"class_weight": tuple(float(i % 3) for i in range(37)), "teacher": "0" * 16},
    ),
    "two classes, one pixel": ("dense 3, dense", (1, 1, 1), 2, {"label_smoothing": 0.2}),
    "one row": ("conv 3 1x4 same, pool 1x2, dense", (1, 19, 4), 3, {"augment": "flip", "teacher": "0" * 16}),
    "one column": ("conv 3 4x1, avgpool 2x1, dense", (17, 1, 2), 3, {"augment": "flip, mixup 1, brightness 0.2, contrast 1"}),
    "colours alone": ("conv 3, pool, dense", (7, 6, 3), 4, {"augment": "brightness 1, contrast 1, saturation 1, gray 0.2"}),
    "wide": (
        "conv 18 norm, conv 17 stride 2 same prelu, dense 70 gelu, dense",
        (9, 11, 1),
        19,
        {"augment": "rotate 40, elastic 16, crop 0.3, edge repeat"},
    ),
    "meetings alone": ("dense 130 l1 0.01, dense 75 norm, dense", (9, 9, 1), 11, {"clip_norm": 0.01, "ema_decay": 0.9}),
    "frozen beginning": ("frozen (conv 4 2x2 same, pool, conv 8 2x2 same, pool), dense", (12, 12, 1), 10, {}),
    "frozen beginning, norms after": ("frozen (conv 4 norm, pool), conv 5 norm, drop 0.2 spatial, gap, dense", (11, 10, 3), 5, {}),
    "each image, several segments": (
        "conv 3 norm image, norm group 3, conv 4 norm, tied 2 (sepconv 4 same norm layer one, norm group 2), dense 70 norm layer, dense",
        (10, 9, 3),
        10,
        {"augment": "shift 1", "clip_norm": 0.1},
    ),
    "passes in several segments": (
        "tied 2 (conv 3 3x2 same norm), tied 3 (sepconv 3 same norm prelu, scale, dwconv same), dense 70, tied 2 (dense 70 norm), dense",
        (9, 8, 3),
        10,
        {"clip_norm": 0.1, "ema_decay": 0.9},
    ),
    "learned gains": (
        "conv 4 norm, res scaled (conv 4 same norm elu), rational, tied 2 (res scaled (dwconv same silu, res scaled (scale))), gap, dense",
        (9, 9, 3),
        10,
        {"ema_decay": 0.9, "clip_norm": 0.1},
    ),
    "concat, several segments": (
        "conv 6 norm, concat (| conv 5 same norm | dwconv 3x1 same), pool, concat (dense 70 | conv 4 same, gap | gap, dense 5), dense",
        (10, 9, 3),
        10,
        {"augment": "shift 1"},
    ),
    "gate, several segments": (
        "conv 6 same norm, gate (gap, dense 70, dense 6 linear), conv 6 same norm, gate (dwconv same), tied 2 (gate (norm layer)), dense",
        (10, 9, 3),
        10,
        {},
    ),
    "groups, a network of several segments": (
        "conv 18 groups 3 norm, tied 2 (conv 18 5x3 same groups 2), conv 40 stride 2 same groups 2 norm, conv 12 1x1 groups 4, gap, dense",
        (10, 9, 3),
        10,
        {"clip_norm": 0.1},
    ),
    "separable": (
        "conv 4 norm, res (sepconv 6 same norm hardswish, sepconv 4 same norm linear), relu, tied 2 (dwconv 5x5 same, scale), gap, dense",
        (10, 9, 3),
        10,
        {"augment": "rotate 20, elastic 3, flip, crop 2, cutout 3, mixup 0.3, contrast 0.5, saturation 1, edge mirror"},
    ),
}

#: Of these the short form is made, which runs with every test run.
SHORT = (
    *("textbook", "more classes than lanes", "one row", "frozen beginning, norms after", "meetings alone", "separable"),
    *("each image, several segments", "passes in several segments", "learned gains", "colours alone"),
    *("groups, a network of several segments", "concat, several segments", "gate, several segments"),
)

#: More than the largest batch, and not a whole number of any.
COUNT = 53


@dataclass(frozen=True)
class CoreCase:
    """A network as the core gets it, with the settings of its loss and those that go with every epoch."""

    name: str
    net: Net
    recipe: Recipe
    network: _native.Network
    loss: _native.LossSettings
    settings: _native.OptimizerSettings


def cases(short: bool = False) -> Iterator[CoreCase]:
    """Yield every case, or those of the short form; a network with a frozen beginning gives three cores."""
    recipes = cycle(RECIPES)
    nets = [(name, parse_network(text, shape, classes), own) for name, (text, shape, classes, own) in OTHERS.items()]
    nets += [(name, net, {}) for name, net in ({**NETS, **OPERATORS, "all": ALL}).items()]
    for (name, net, own), recipe in zip(nets, recipes):  # noqa: B905  # recipes never end
        # An augmentation would keep a frozen beginning from being computed once.
        given = {key: value for key, value in recipe.items() if key != "augment" or not name.startswith("frozen beginning")}
        if not short or name in SHORT:
            yield from cores(name, net, Recipe(**{**given, **own}))


def cores(name: str, net: Net, recipe: Recipe) -> list[CoreCase]:
    """Return every core that an engine for a network makes."""
    made: list[tuple[_native.Network, _native.LossSettings]] = []

    def record(network: _native.Network, loss: _native.LossSettings, threads: int, instruction_set: str) -> SimpleNamespace:
        made.append((network, loss))
        return SimpleNamespace(memory=0)

    with mock.patch.object(_native, "Engine", record):
        engine = NativeEngine(net, recipe, unit(net))
        if engine._make_beginning:
            engine._make_beginning()
        settings = engine._settings
    parts = ("", ", its beginning", ", the rest of it")
    return [CoreCase(name + part, net, recipe, *core, settings) for part, core in zip(parts, made, strict=False)]


def write_cases(path: Path, chosen: Iterator[CoreCase]) -> int:
    """Write cases as `native/check.cpp` reads them; return how many there are."""
    blocks = ["\n".join(_lines(case)) for case in chosen]
    path.write_text("\n".join(blocks) + "\n")
    return len(blocks)


def fields(record: object) -> dict[str, Any]:
    """Return the fields of a record of the core by name."""
    return {name: getattr(record, name) for name in dir(record) if not name.startswith("_")}


def _lines(case: CoreCase) -> Iterator[str]:
    network = case.network
    numbers = {"factor": network.factor, "offset": network.offset, "class_weights": case.loss.class_weights}
    numbers["start"] = weights_for(case.net, case.recipe, 1)
    if network.augment.recolours or network.augment.moves or network.augment.bilinear or network.augment.mixes:
        assert case.recipe.augment is not None
        drawn = draw(case.recipe.augment, case.net.input, 5, 0, np.arange(COUNT))
        numbers["draws"] = drawn.places.ravel()
        if drawn.mix is not None:
            numbers["mix"] = drawn.mix
    if case.recipe.teacher is not None:
        numbers["taught"] = np.random.default_rng(1).dirichlet(np.ones(case.net.classes), COUNT).ravel()
    yield f"case {case.name}"
    settings = [fields(record) for record in (network, network.augment, case.loss, case.settings)]
    yield _record("settings", {"count": COUNT} | {name: value for record in settings for name, value in record.items()})
    yield from (_record("operator", fields(operator)) for operator in network.operators)
    yield from (f"numbers {name} {' '.join(repr(float(value)) for value in values)}" for name, values in numbers.items())


def _record(word: str, record: dict[str, Any]) -> str:
    """Return a line of what in a record is a number or stands for one."""
    numbers = {key: value.value if isinstance(value, Enum) else value for key, value in record.items()}
    return " ".join([word, *(f"{key} {float(value)!r}" for key, value in numbers.items() if isinstance(value, int | float))])
