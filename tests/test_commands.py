"""The library is the product: each command has a function of its name and options, and prints with ``--json`` what that returns."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer

import issun.cli
from cli_runner import Issun, write_small_digits
from issun.cli import app
from issun.datasets.named import ReadingOptions
from issun.recipe import Recipe, RecipeOptions

#: Commands about a study: they become functions when `Study` answers queries. To be emptied.
LATER = {"sweep", "run", "show", "plot", "report", "watch"}

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
NOW = sorted(set(COMMANDS) - LATER)

#: Options whose names are words of Python, by what functions call them.
CALLED = {("train", "set"): "recipe", ("features", "set"): "settings", ("ablate", "set"): "settings"}

#: How a command prints or draws is no option of the function: that returns, and writes files only where it is told to which place.
COMMANDS_OWN = {"json", "help", ("ablate", "plot")}
WRITTEN_WHERE_TOLD = {("train", "output"), ("project", "output")}

#: What only a program can give.
FUNCTIONS_OWN = {"on_progress", "on_epoch", ("data", "near"), ("predict", "labels")}


@pytest.fixture(scope="module", autouse=True)
def every_module_is_imported() -> None:
    """A package or module with the name of a function would replace it now."""
    for found in pkgutil.walk_packages(issun.__path__, "issun."):
        try:
            importlib.import_module(found.name)
        except ImportError as error:  # a peer that is not installed
            if (error.name or "").startswith("issun"):
                raise


def options_of(command: str) -> dict[str, Any]:
    """Return the options and arguments of a command with their defaults, by the names that its function has for them."""
    found = {}
    for parameter in COMMANDS[command].params:
        long = [text for text in parameter.opts if text.startswith("--")]
        name = long[0].removeprefix("--").replace("-", "_") if long else parameter.name
        if name not in COMMANDS_OWN and (command, name) not in COMMANDS_OWN:
            found[CALLED.get((command, name), name)] = parameter.default
    return found


def parameters_of(command: str) -> dict[str, Any]:
    """Return the parameters of a function with their defaults, those of its ``**options`` one by one."""
    reading = inspect.signature(issun.load).parameters
    found: dict[str, Any] = {}
    function = getattr(issun, command)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            [taken] = get_args(get_type_hints(function)[name])
            found |= {one: reading[one].default if one in reading else None for one in get_type_hints(taken)}
        elif name not in FUNCTIONS_OWN and (command, name) not in FUNCTIONS_OWN:
            found[name] = None if parameter.default is parameter.empty else parameter.default
    return found


def same(default: Any) -> Any:
    """Return a default so that those of a command and of a function can be compared."""
    return str(default) if isinstance(default, Path) else None if default in ([], ()) else default


def test_no_command_is_forgotten() -> None:
    assert set(COMMANDS) > LATER
    assert set(CASES) == set(NOW)
    for name in NOW:
        assert name in issun.__all__


@pytest.mark.parametrize("command", NOW)
def test_a_function_has_the_options_of_its_command(command: str) -> None:
    function = getattr(issun, command)
    assert inspect.isfunction(function)
    assert function.__name__ == command
    options, parameters = options_of(command), parameters_of(command)
    assert set(options) == set(parameters)
    for name, default in options.items():
        if (command, name) in WRITTEN_WHERE_TOLD:
            assert parameters[name] is None
        else:
            assert same(default) == same(parameters[name]), name
    for name in options:
        assert name in (function.__doc__ or ""), f"{name} is not explained"


def test_options_that_are_handed_on_are_those_of_their_function() -> None:
    load = set(inspect.signature(issun.load).parameters) - {"data", "on_progress"}
    assert set(ReadingOptions.__annotations__) == load
    assert set(RecipeOptions.__annotations__) < set(Recipe.model_fields)


@pytest.mark.parametrize("name", [*NOW, "options", "output", "progress"])
def test_the_command_line_is_thin(name: str) -> None:
    source = Path(issun.cli.__file__).parent / f"{name}.py"
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, node.name


NETWORK = "conv 2, pool, dense"
LEARN = ("--epochs", "2", "--batch-size", "8", "--learning-rate", "0.02", "--threads", "1")
LEARNT: dict[str, Any] = {"epochs": 2, "batch_size": 8, "learning_rate": 0.02, "threads": 1}

#: For each command the same on its line and in Python.
CASES: dict[str, tuple[tuple[str, ...], Callable[[], Any]]] = {
    "size": (
        ("conv n, pool, dense", "n=1,2", "--input", "8x8x3", "--classes", "4"),
        lambda: issun.size(["conv n, pool, dense", "n=1,2"], input=(8, 8, 3), classes=4),
    ),
    "train": (
        ("small.npz", NETWORK, *LEARN, "--seed", "3", "--output", "new.safetensors", "--set", "momentum=0.5", "--size", "7"),
        lambda: issun.train("small.npz", NETWORK, seed=3, output="new.safetensors", recipe={"momentum": 0.5}, size=(7, 7), **LEARNT),
    ),
    "data": (("small.npz", "--sheet", "sheet.png", "--size", "6x5"), lambda: issun.data("small.npz", sheet="sheet.png", size=(6, 5))),
    "predict": (
        ("model.safetensors", "small.npz", "--top", "2", "--invert"),
        lambda: issun.predict("model.safetensors", ["small.npz"], top=2, invert=True),
    ),
    "export": (
        ("model.safetensors", "--to", "c", "--int8", "--force"),
        lambda: issun.export("model.safetensors", to="c", int8=True, force=True),
    ),
    "features": (
        ("small.npz", NETWORK, "--head", "ridge,logistic", "--set", "logistic.C=1,10", "--seeds", "2", "-o", "head.safetensors"),
        lambda: issun.features(
            "small.npz", NETWORK, head=["ridge", "logistic"], settings={"logistic": {"C": [1, 10]}}, seeds=2, output="head.safetensors"
        ),
    ),
    "ablate": (
        ("small.npz", NETWORK, "--draws", "2", "--weights", "random", "--epochs", "1", "--threads", "1"),
        lambda: issun.ablate("small.npz", NETWORK, seeds=2, weights=["random"], epochs=1, threads=1, output="ablation.png"),
    ),
    "project": (
        ("small.npz", NETWORK, "--method", "pca", "--count", "50", "--part", "test"),
        lambda: issun.project("small.npz", NETWORK, method="pca", count=50, part="test", output="projection.png"),
    ),
    "bench": (
        ("conv 1, dense", "--images", "64", "--rounds", "1", "--no-peers", "--threads", "1"),
        lambda: issun.bench(["conv 1, dense"], images=64, rounds=1, peers=False, threads=1),
    ),
}

#: Measured anew each time, or of this process.
TIMES = {"seconds", "multiply_adds_a_second", "share_of_peak"}


def steady(value: Any) -> Any:
    """Return plain values without times."""
    if isinstance(value, dict):
        return {name: steady(entry) for name, entry in value.items() if name not in TIMES}
    return [steady(entry) for entry in value] if isinstance(value, list) else value


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    write_small_digits(tmp_path / "small.npz")
    return Issun(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("command", NOW)
def test_a_command_prints_what_its_function_returns(command: str, runner: Issun) -> None:
    arguments, call = CASES[command]
    if command in ("predict", "export"):
        issun.train("small.npz", NETWORK, output="model.safetensors", **LEARNT)
    printed = runner.answers(command, *arguments)
    files = {path.name: path.read_bytes() for path in runner.folder.iterdir()}
    returned = call().as_dict()
    assert steady(printed) == steady(returned)
    assert {path.name: path.read_bytes() for path in runner.folder.iterdir()}.keys() == files.keys()
    for name, content in files.items():
        if not name.endswith(".png"):
            assert (runner.folder / name).read_bytes() == content, name


def test_functions_tell_what_commands_print(runner: Issun) -> None:
    told: list[Any] = []
    trained = issun.train("small.npz", NETWORK, on_progress=told.append, **LEARNT)
    moments = [event for event in told if type(event).__name__ == "TrainingProgress"]
    assert [len(moment.history) for moment in moments] == [0, 1, 2]
    assert moments[-1].history == trained.outcome.history
    assert trained.saved is None
    assert not list(runner.folder.glob("*.safetensors"))


def test_an_option_that_there_is_not_is_named(runner: Issun) -> None:
    with pytest.raises(TypeError, match="no option `lerning_rate`"):
        issun.train("small.npz", NETWORK, lerning_rate=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(("old", "new"), [("contents", "issun.data"), ("export_model", "issun.export")])
def test_old_names_work_once_more(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"use {new}"):
        assert callable(getattr(issun, old))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert old not in dir(issun)
