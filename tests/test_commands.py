"""The library is the product: each command has a function of its name and options, and prints with ``--json`` what that returns."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import threading
import urllib.request
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

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
NAMES = sorted(COMMANDS)

#: Options whose names are words of Python, by what functions call them.
CALLED = {
    ("train", "set"): "recipe",
    ("sweep", "set"): "recipe",
    ("search", "set"): "recipe",
    ("features", "set"): "settings",
    ("ablate", "set"): "settings",
}

#: How a command prints or draws is no option of the function: that returns, and writes files only where it is told to which place.
COMMANDS_OWN = {"json", "help", "all", "open", ("ablate", "plot")}
WRITTEN_WHERE_TOLD = {("train", "output"): None, ("project", "output"): None, ("sweep", "plot"): False, ("run", "plot"): False}

#: What only a program can give, or leave out.
FUNCTIONS_OWN = {
    "on_progress",
    "on_epoch",
    "command",
    ("data", "near"),
    ("predict", "labels"),
    ("sweep", "values"),
    ("plot", "title"),
    "client",
}
USUAL = {("plot", "kind"): "frontier"}

#: What is no result: a figure, and a server. How the commands are held to these is told by tests of their own.
NO_RESULT = {"plot", "watch"}


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
    if isinstance(default, str) and default.isdigit():  # as it is typed
        return int(default)
    return str(default) if isinstance(default, Path) else None if default in ([], ()) else default


def test_no_command_is_forgotten() -> None:
    assert set(CASES) == set(COMMANDS) - NO_RESULT
    for name in NAMES:
        assert name in issun.__all__


@pytest.mark.parametrize("command", NAMES)
def test_a_function_has_the_options_of_its_command(command: str) -> None:
    function = getattr(issun, command)
    assert inspect.isfunction(function)
    assert function.__name__ == command
    options, parameters = options_of(command), parameters_of(command)
    assert set(options) == set(parameters)
    for name, default in options.items():
        if (command, name) in WRITTEN_WHERE_TOLD | USUAL:
            assert parameters[name] == (WRITTEN_WHERE_TOLD | USUAL)[command, name]
        else:
            assert same(default) == same(parameters[name]), name
    for name in options:
        assert name in (function.__doc__ or ""), f"{name} is not explained"


def test_options_that_are_handed_on_are_those_of_their_function() -> None:
    load = set(inspect.signature(issun.load).parameters) - {"data", "on_progress", "whole"}  # the last is for what was begun before
    assert set(ReadingOptions.__annotations__) == load
    assert set(RecipeOptions.__annotations__) < set(Recipe.model_fields)


CLI = Path(issun.cli.__file__).parent


@pytest.mark.parametrize("source", sorted(CLI.glob("*.py")), ids=lambda source: source.stem)
def test_no_function_of_the_command_line_is_long(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, node.name


def test_the_command_line_is_thin() -> None:
    assert {source.stem for source in CLI.rglob("*.py")} == {*NAMES, "__init__", "options", "output", "progress"}
    assert sum(len(source.read_text().splitlines()) for source in CLI.rglob("*.py")) <= 100 * len(NAMES)


NETWORK = "conv 2, pool, dense"
LEARN = ("--epochs", "2", "--batch-size", "8", "--learning-rate", "0.02", "--threads", "1")
LEARNT: dict[str, Any] = {"epochs": 2, "batch_size": 8, "learning_rate": 0.02, "threads": 1}

FILE = """\
title = "Small"
question = "How small?"
data = "small.npz"
[part]
seeds = 1
recipe = { epochs = 2, batch_size = 8, learning_rate = 0.02 }
draw = ["frontier", "curves"]
[[part.families]]
network = "conv n, pool, dense"
knobs = ["n=1,2"]
label = "plain"
[[part.heads]]
head = "ridge"
"""


def swept() -> issun.Study:
    """Return the study that commands about one are tried on."""
    return issun.sweep("small.npz", [NETWORK, "dense"], study="study.sqlite", seeds=2, **LEARNT)


#: For each command the same on its line and in Python.
CASES: dict[str, tuple[tuple[str, ...], Callable[[], Any]]] = {
    "search": (
        ("small.npz", *LEARN, "--trials", "12", "--target", "30%", "--max-params", "1k"),
        lambda: issun.search("small.npz", trials=12, target=0.3, max_params=1000, **LEARNT),
    ),
    "sweep": (
        ("small.npz", "conv n, pool, dense", "n=1,2", *LEARN, "--seeds", "2", "--target", "50%", "--max-params", "1k", "--zip"),
        lambda: issun.sweep(
            "small.npz", ["conv n, pool, dense", "n=1,2"], seeds=2, target=0.5, max_params=1000, zip=True, plot=True, **LEARNT
        ),
    ),
    "run": (
        ("small.toml", "--max-macs", "5k", "--threads", "1", "--output", "here"),
        lambda: issun.run("small.toml", max_macs=5000, threads=1, output="here", plot=True),
    ),
    "show": (
        ("study.sqlite", "--target", "0.3", "--max-bytes", "4Ki", "--plot"),
        lambda: issun.show("study.sqlite", target=0.3, max_bytes=4096, plot=True),
    ),
    "merge": (("study.sqlite", "-o", "merged.sqlite"), lambda: issun.merge(["study.sqlite"], output="merged.sqlite")),
    "report": (
        ("study.sqlite", "--title", "How small?", "--max-memory", "9k"),
        lambda: issun.report("study.sqlite", title="How small?", max_memory=9000),
    ),
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


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    write_small_digits(tmp_path / "small.npz")
    (tmp_path / "small.toml").write_text(FILE)
    return Issun(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("command", sorted(CASES))
def test_a_command_prints_what_its_function_returns(command: str, runner: Issun) -> None:
    arguments, call = CASES[command]
    if command in ("predict", "export"):
        issun.train("small.npz", NETWORK, output="model.safetensors", **LEARNT)
    if command in ("show", "report", "merge"):
        swept()
    if command == "merge":
        issun.merge(["study.sqlite"], output="merged.sqlite")  # of which both then find that it is known
    printed = runner.answers(command, *arguments)
    files = contents(runner.folder)
    returned = call().as_dict()
    assert steady(printed) == steady(returned)
    again = contents(runner.folder)
    assert again.keys() == files.keys()
    for name, content in files.items():
        if not name.endswith((".png", ".svg", ".sqlite")):  # a study keeps when it was asked
            assert again[name] == content, name


@pytest.mark.parametrize("how", [(), ("--seed", "1")])
def test_show_tells_of_one_network(how: tuple[str, ...], runner: Issun) -> None:
    study = swept()
    found = issun.show(study, network=NETWORK, seed=1 if how else None)
    assert runner.answers("show", "study.sqlite", "--network", NETWORK, *how) == json.loads(json.dumps(found.as_dict()))


def test_several_studies_are_compared_by_function_and_command(runner: Issun) -> None:
    swept()
    issun.sweep("small.npz", ["dense 3, dense"], study="other.sqlite", seeds=2, **LEARNT)
    both = ("study.sqlite", "other.sqlite")
    asked = ("--target", "0.3", "--max-bytes", "4Ki")
    printed = runner.answers("show", *both, *asked, "--plot")
    assert steady(printed) == steady(issun.show(both, target=0.3, max_bytes=4096, plot=True).as_dict())
    printed = runner.answers("report", *both, "--title", "Two")
    assert printed == issun.report(both, title="Two").as_dict()
    runner.answers("plot", *both, "frontier", "--memory", "-o", "command.svg")
    issun.plot(both, "frontier", "function.svg", memory=True)
    assert (runner.folder / "command.svg").read_bytes() == (runner.folder / "function.svg").read_bytes()


def test_a_dry_run_returns_what_it_prints(runner: Issun) -> None:
    printed = runner.answers("sweep", "small.npz", "conv n, dense", "n=1,2", *LEARN, "--dry-run")
    assert steady(printed) == steady(issun.sweep("small.npz", ["conv n, dense", "n=1,2"], dry_run=True, **LEARNT).as_dict())
    printed = runner.answers("run", "small.toml", "--quick", "--dry-run")
    assert steady(printed) == steady(issun.run("small.toml", quick=True, dry_run=True).as_dict())
    assert not list(runner.folder.glob("*.sqlite"))


def test_a_sweep_returns_a_study(runner: Issun) -> None:
    study = swept()
    assert isinstance(study, issun.Study)
    assert study.as_dict() == issun.show(study).as_dict()
    assert not list(runner.folder.glob("*.png"))


def test_a_sweep_is_zipped_once_more(runner: Issun) -> None:
    with pytest.warns(DeprecationWarning, match="use `zip`"):
        found = issun.sweep("small.npz", ["conv a, conv b, dense", "a=1,2", "b=3,4"], zipped=True, dry_run=True)  # type: ignore[call-overload]
    assert len(found.plan.networks) == 2


def test_plot_returns_the_figure_that_its_command_saves(runner: Issun) -> None:
    swept()
    options = ("--macs", "--target", "50%", "-o", "command.svg")
    assert runner.answers("plot", "study.sqlite", "frontier", *options) == {
        "study": "study.sqlite",
        "kind": "frontier",
        "picture": "command.svg",
    }
    figure = issun.plot("study.sqlite", "frontier", "function.svg", macs=True, target=0.5)
    assert figure.axes
    assert (runner.folder / "command.svg").read_bytes() == (runner.folder / "function.svg").read_bytes()


def test_watch_returns_the_server_that_its_command_runs(runner: Issun) -> None:
    swept()
    with issun.watch("study.sqlite", port=0, title="How small?") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"{server.url}content.json") as answer:
            assert json.load(answer)["title"] == "How small?"
        server.shutdown()


def test_a_run_tells_of_each_part(runner: Issun) -> None:
    told: list[Any] = []
    ran = issun.run("small.toml", threads=1, on_progress=told.append)
    names = [type(event).__name__ for event in told]
    assert names.index("PartBegun") < names.index("Progress") < names.index("SourceProgress") < names.index("PartEnded")
    assert told[-1].findings is ran.parts["part"]


def test_functions_tell_what_commands_print(runner: Issun) -> None:
    told: list[Any] = []
    trained = issun.train("small.npz", NETWORK, folds=1, on_progress=told.append, **LEARNT)
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
