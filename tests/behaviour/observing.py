"""What is looked at: each function returns something that is recorded once and compared ever after."""

from __future__ import annotations

import http.client
import inspect
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import issun
from behaviour_cases import (
    BATTERY,
    COMMANDS,
    GOLDEN_MODELS,
    NETWORKS,
    ONLY_KEYS,
    READ,
    RECIPE_SETTINGS,
    RECIPES,
    STUDY_FILE,
    TRAINED,
    WRONG_COMMANDS,
    WRONG_PYTHON,
)
from behaviour_tools import Worker, digest, kind, normalised, renamed, renames, rows_of, weights_of, write_pictures


def furnish(folder: Path) -> None:
    """Write what commands read: pictures, a study file."""
    write_pictures(folder / "pictures")
    (folder / "study.toml").write_text(STUDY_FILE)


#: The commands whose files the wrong input needs.
FOR_ERRORS = ("sweep", "sweep-zip", "train", "train-all", "train-pictures", "export-c")


def run_commands(worker: Worker, names: Iterable[str] = COMMANDS) -> dict[str, Any]:
    """Run `COMMANDS` in their order and return what each printed with ``--json``, or in place of it an error as text."""
    found = {}
    for name in names:
        argv = COMMANDS[name]
        done = worker.run(*argv, "--json")
        if done["code"]:
            found[name] = f"exit {done['code']}: {done['err'].strip()}"
            continue
        answer = _parsed(done["out"])
        if argv[0] == "report":
            answer["bytes"] = kind(answer["bytes"])  # of the page, whose text and dates change
        found[name] = kind(answer) if name in ONLY_KEYS else normalised(answer, worker.folder)
    return found


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return f"no JSON: {text}"


def break_files(folder: Path) -> None:
    """Write files that are not what a command expects; needs what the commands `FOR_ERRORS` leave."""
    (folder / "empty").mkdir()
    (folder / "odd.txt").write_text("This is text.\n")
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    (folder / "broken.csv").write_text("file,label\nnowhere.png,a\n")
    (folder / "broken.toml").write_text('title = "no end\n')
    (folder / "unknown.toml").write_text(STUDY_FILE.replace("watch =", "wathc ="))
    whole = (folder / "a.sqlite").read_bytes()
    (folder / "cut.sqlite").write_bytes(whole[: len(whole) // 2])
    shutil.copy(folder / "a.sqlite", folder / "damaged.sqlite")
    with closing(sqlite3.connect(folder / "damaged.sqlite")) as connection, connection:
        connection.execute("UPDATE networks SET parameters = 'many' WHERE network = 'dense'")


def errors(worker: Worker) -> dict[str, Any]:
    """Return exit code and first line of each wrong input."""
    found = {}
    for name, argv in WRONG_COMMANDS.items():
        done = worker.run(*argv)
        found[f"issun: {name}"] = {"exit": done["code"], "first_line": _problem(done["err"], worker.folder)}
    for name, source in WRONG_PYTHON.items():
        done = worker.python(source)
        line = _problem(done.get("message", "no error"), worker.folder)
        found[f"python: {name}"] = {"error": done.get("error"), "of_issun": done.get("of_issun"), "first_line": line}
    return found


def _problem(text: str, folder: Path) -> str:
    """Return the first line that tells the problem, where the command line prints its usage before it."""
    lines = [line.rstrip() for line in text.replace(str(folder), "<folder>").splitlines() if line.strip()]
    boxed = [line.strip("│ ") for line in lines if line.startswith("│")]
    told = [line for line in lines if line.startswith("issun: ")]
    return (told or boxed or lines or ["nothing"])[0].strip()


def first_line(worker: Worker, name: str) -> dict[str, Any]:
    """Return exit code and first line of what people read; figures that are measured are left out."""
    done = worker.run(*READ[name])
    lines = [line.strip() for line in (done["out"] or done["err"]).splitlines() if line.strip()]
    return {
        "exit": done["code"],
        "first_line": re.sub(r"[\d.]+ kB", "<size>", lines[0].replace(str(worker.folder), "<folder>")) if lines else "",
    }


def shown(worker: Worker, study: str, network: str) -> dict[str, Any]:
    """Return what `issun show` says of a golden study and of one of its networks, or the exit code where nothing has ended in it."""
    wishes = {"all": ["show", study, "--all"], "network": ["show", study, "--network", network]}
    found = {}
    for what, argv in wishes.items():
        done = worker.run(*argv, "--json")
        found[what] = {"exit": done["code"], "said": normalised(_parsed(done["out"]), worker.folder) if done["out"] else None}
    return found


def watched(folder: Path, study: str) -> dict[str, Any]:
    """Return what `issun watch` says and serves, and how it ends by Ctrl-C."""
    command = [sys.executable, "-m", "issun", "watch", study, "--port", "0"]
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            while not (place := re.search(r"http://(?:127\.0\.0\.1|localhost):(\d+)", said)):
                line = process.stdout.readline()
                assert line, said
                said += line
            bodies = {path: _fetched(int(place[1]), path) for path in ("/", "/content.json", "/nothing")}
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    page, content, nothing = bodies.values()
    return {
        "said": said.strip().splitlines()[-1].replace(place[1], "<port>").replace(str(folder), "<folder>"),
        "page": [page[0], page[1][:15].decode().lower()],
        "content": [content[0], kind(json.loads(content[1]))],
        "nothing": nothing[0],
        "exit": process.returncode,
    }


def _fetched(port: int, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def networks() -> dict[str, Any]:
    """Return id, text and sizes of `NETWORKS`."""
    found = {}
    for text, shape, classes in NETWORKS:
        net = issun.parse_network(text, shape, classes)
        sizes = {"parameters": net.parameters, "trained": net.trainable_params, "macs": net.macs, "stored": net.stored}
        sizes |= {"bytes": net.bytes(), "peak_memory": net.peak_memory()}
        found[f"{text} | {shape} {classes}"] = {"id": net.id, "text": str(net), **sizes}
    return found


def today(settings: dict[str, Any]) -> dict[str, Any]:
    """Return recorded settings of a recipe by the names, and with the values, that they have today."""
    found: dict[str, Any] = renamed(settings, renames("json"))
    return found


def recipe_identities() -> list[Any]:
    """Return what identifies each of `RECIPE_SETTINGS`, with the rates of its first epoch of 5 steps."""
    found = []
    for settings in RECIPE_SETTINGS:
        recipe = issun.Recipe(**today(settings))
        rates = [float(f"{rate:.10g}") for rate in recipe.learning_rates(1, 5 * recipe.batch_size)]
        found.append({"settings": settings, "identity": json.loads(json.dumps(recipe.identity())), "rates": rates})
    usual = [issun.Recipe.for_images(images).identity() for images in (300, 6000, 60000)]
    return [*found, {"for_images": usual}]


def trained_bits(worker: Worker) -> dict[str, Any]:
    """Train `TRAINED` and `RECIPES` and return hashes of their weights by network and recipe."""
    base = ["--seeds", "1", "--threads", "1", "--epochs", "2", "--no-plot"]
    worker.answers("sweep", "digits", *TRAINED, *base, "--seeds", "1,4", "--study", "nets.sqlite")
    found: dict[str, Any] = {"networks": _hashes(worker.folder / "nets.sqlite"), "recipes": {}}
    for name, settings in RECIPES.items():
        worker.answers("sweep", "digits", BATTERY, *base, *settings, "--study", f"{name}.sqlite")
        found["recipes"][name] = _hashes(worker.folder / f"{name}.sqlite")
    return found


def _hashes(study: Path) -> dict[str, Any]:
    """Return network, recipe, split, seed, weights and validation answers of each trial, by its id."""
    weights = weights_of(study)
    query = "SELECT t.id, n.network, t.recipe_id, t.split_id, t.seed, p.classes FROM trials t JOIN networks n ON n.id = t.network_id"
    query += " JOIN predictions p ON p.trial_id = t.id ORDER BY t.id"
    return {row[0]: [*row[1:5], weights[row[0]], digest(bytes(row[5]))] for row in rows_of(study, query)}


def model_answers(path: Path, images: Any) -> dict[str, Any]:
    """Return what a saved model is and answers for the first bundled digits, or other images of 8x8."""
    model = issun.Model.load(path)
    logits = [[float(f"{value:.6g}") for value in row] for row in model.logits(images[:6], threads=1)]
    about = {key: value for key, value in model.about.items() if key != "issun"}
    return {"network": str(model.net), "id": model.net.id, "classes": list(model.classes), "about": about, "logits": logits}


def images_for(name: str, folder: Path) -> Any:
    """Return the images that a golden model was trained on."""
    assert name in GOLDEN_MODELS
    return issun.load(str(folder / "pictures") if name == "pictures" else "digits").images


def columns(study: Path, with_heads: Path) -> dict[str, Any]:
    """Return columns, index names and entries of what `issun.Study` gives."""
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        opened = issun.Study(study)
        network = "conv 2, pool, dense"
        frames = {
            "frame": opened.frame,
            "trials": opened.trials(),
            "trials(test)": opened.trials(test=True),
            "networks": opened.networks,
            "frontier": opened.frontier(),
            "history": opened.history(network),
            "class_report": opened.class_report(network),
            "confused": opened.confused(network),
            "predictions": opened.predictions(network),
            "remedies": opened.remedies(),
            "test": opened.test(network),
            "diagnosis": opened.diagnosis(network),
            "with_test": opened.with_test(opened.networks),
            "heads": issun.Study(with_heads).heads,
            "head_results": issun.Study(with_heads).head_results(),
            "head_results(test)": issun.Study(with_heads).head_results(test=True),
        }
        for name, frame in frames.items():
            found[name] = {"type": type(frame).__name__, "columns": [str(column) for column in getattr(frame, "columns", [])]}
        for name, row in {"smallest": opened.smallest(), "best": opened.best(), "network": opened.network(network)}.items():
            found[name] = {"type": "Series", "columns": [column for column in opened.networks if row[column] is not None]}
        found["about"] = {"type": "dict", "columns": list(opened.about)}
    return found


def public_names() -> dict[str, Any]:
    """Return every public name, its parameters and their defaults, and the public members of classes."""
    found: dict[str, Any] = {}
    for name in sorted(issun.__all__):
        value = getattr(issun, name)
        entry: dict[str, Any] = {"kind": "class" if inspect.isclass(value) else "function" if callable(value) else "value"}
        if callable(value):
            entry["parameters"] = _parameters(value)
        if inspect.isclass(value):
            entry["bases"] = [base.__name__ for base in value.__mro__[1:] if base.__module__.split(".")[0] in ("issun", "builtins")]
            own = {member for base in value.__mro__ if base.__module__.split(".")[0] == "issun" for member in vars(base)}
            own |= set(getattr(value, "__dataclass_fields__", ())) | set(getattr(value, "__pydantic_fields__", ()))
            entry["members"] = {member: _member(value, member) for member in sorted(own) if not member.startswith(("_", "model_"))}
        found[name] = entry
    return found


def _member(owner: Any, name: str) -> Any:
    value = inspect.getattr_static(owner, name, None)
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return _parameters(value) if inspect.isfunction(value) else "attribute"


def _parameters(value: Any) -> Any:
    """Return names of parameters with their defaults as text; nothing where a class takes what its base takes."""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return None
    found = {}
    for name, parameter in signature.parameters.items():
        default = parameter.default
        text = "required" if default is inspect.Parameter.empty else repr(default)
        star = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        found[star + name] = ("keyword " if parameter.kind is inspect.Parameter.KEYWORD_ONLY else "") + text
    return found
