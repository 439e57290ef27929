"""Write golden files that are not there yet: python tests/behaviour/make_golden.py

Golden files are never rewritten, only added to: they were written by the issun of their day, and every later one must open them and give
the same answers. What is there is left as it is, whatever today's code would write.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import observing
from behaviour_cases import COMMANDS, EXPORTS, GOLDEN_KILLED, GOLDEN_MODELS, GOLDEN_RUN, GOLDEN_STUDIES, READ, made_by
from behaviour_tools import ARCHITECTURE, GOLDEN, Worker, digest, has_isa, read, rows_of, weights_of, worker, write


def add(name: str, make: Callable[[], Any]) -> None:
    """Write a golden JSON file where there is none."""
    if not (GOLDEN / name).exists():
        write(name, make())
        print("added", name)


def add_studies(at: Worker) -> None:
    """Write the golden studies where there are none."""
    for name, commands in GOLDEN_STUDIES.items():
        if not (GOLDEN / "studies" / name).exists():
            for argv in commands:
                at.answers(*made_by(argv, name))
            keep(at.folder / name)
    if not (GOLDEN / "studies" / "study-better.sqlite").exists():
        at.answers(*GOLDEN_RUN)
        for part in ("replica", "last", "better"):
            keep(at.folder / f"study-{part}.sqlite")
    if not (GOLDEN / "studies" / "killed.sqlite").exists():
        keep(killed(at.folder))
        at.answers(*GOLDEN_KILLED[:-1], "undisturbed.sqlite")
        write("killed.json", weights_of(at.folder / "undisturbed.sqlite"))


def killed(folder: Path) -> Path:
    """Return a study whose only trial was killed in the middle, with a checkpoint in it."""
    path = folder / "killed.sqlite"
    environment = os.environ | {"ISSUN_ISA": "baseline"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-m", "issun", *GOLDEN_KILLED], cwd=folder, env=environment, **quiet)
    while not (path.exists() and path.with_name(path.name + "-wal").exists()):
        time.sleep(0.02)
    time.sleep(1)
    process.send_signal(signal.SIGSTOP)  # a checkpoint is kept every ten seconds, and this is a short training
    time.sleep(9.5)
    process.send_signal(signal.SIGCONT)
    while process.poll() is None:
        try:
            if path.exists() and rows_of(path, "SELECT epoch FROM checkpoints WHERE epoch >= 3"):
                process.send_signal(signal.SIGKILL)
                break
        except sqlite3.Error:
            pass  # not yet written
        time.sleep(0.02)
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    return path


def keep(path: Path) -> None:
    """Copy a study into the golden files, its log folded in, without the place where it was made."""
    target = GOLDEN / "studies" / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for table, column in (("meta", "value"), ("runs", "command")):
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, '/made')", (str(path.parent),))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(path, target)
    print("added", target.name)


def add_shown(at: Worker) -> None:
    """Write what is shown of the golden studies."""
    for path in sorted((GOLDEN / "studies").glob("*.sqlite")):
        shutil.copy(path, at.folder / path.name)
        add(f"studies/{path.stem}.json", lambda path=path: observing.shown(at, path.name, first_network(path)))


def first_network(study: Path) -> str:
    """Return the network of a golden study that is asked for by itself."""
    return str(rows_of(study, "SELECT network FROM networks ORDER BY id LIMIT 1")[0][0])


def add_models(at: Worker) -> None:
    """Write the golden models, what they answer, and what their exports are."""
    for name, argv in GOLDEN_MODELS.items():
        if not (GOLDEN / "models" / f"{name}.safetensors").exists():
            (GOLDEN / "models").mkdir(parents=True, exist_ok=True)
            at.answers(*argv, "-o", f"{name}.safetensors", "--threads", "1")
            shutil.copy(at.folder / f"{name}.safetensors", GOLDEN / "models")
            print("added", name)
        path = GOLDEN / "models" / f"{name}.safetensors"
        add(f"models/{name}.json", lambda path=path, name=name: observing.model_answers(path, observing.images_for(name, at.folder)))
        for kind, options in EXPORTS.items():
            add(f"exports/{name}-{kind}.json", lambda path=path, options=options: exported(at, path, options))


def exported(at: Worker, model: Path, options: list[str]) -> dict[str, str]:
    """Return the hash of each file that an export writes; of a Keras file those of what is in it."""
    shutil.rmtree(at.folder / "out", ignore_errors=True)
    (at.folder / "out").mkdir()
    found = at.answers("export", str(model), *options, "-o", "out/m", "--data", "pictures" if model.stem == "pictures" else "digits")
    files = [at.folder / name for name in found["files"]]
    if files[0].suffix == ".keras":
        return keras_content(files[0])
    return {file.name: digest(file.read_bytes()) for file in files}


def keras_content(path: Path) -> dict[str, str]:
    """Return hashes of a Keras file's weights and facts, and of its configuration, whose text belongs to the version of Keras."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        metadata, config = json.loads(archive.read("metadata.json")), archive.read("config.json")
        arrays = {}
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            weights.visititems(
                lambda name, entry: arrays.update({name: digest(entry[()].tobytes())}) if isinstance(entry, h5py.Dataset) else None
            )
    version = metadata.pop("keras_version")
    metadata.pop("date_saved", None)
    config = re.sub(rb', "shared_object_id": [0-9]+', b"", config)  # an address in memory
    return {"metadata": digest(json.dumps(metadata, sort_keys=True).encode()), f"config of Keras {version}": digest(config), **arrays}


def lacking() -> bool:
    """Return whether something is missing for which all commands must run."""
    names = [*(f"json/{name}.json" for name in COMMANDS), "columns.json", "watch.json", "errors.json", "first_lines.json"]
    return any(not (GOLDEN / name).exists() for name in names)


def add_answers(at: Worker) -> None:
    """Write what commands print, and the first lines of messages."""
    observing.furnish(at.folder)
    answers = observing.run_commands(at)
    for command, answer in answers.items():
        if isinstance(answer, str):
            print("FAILED", command, answer[:300])
        else:
            add(f"json/{command}.json", lambda answer=answer: answer)
    add("columns.json", lambda: observing.columns(at.folder / "a.sqlite", at.folder / "study-better.sqlite"))
    add("watch.json", lambda: observing.watched(at.folder, "a.sqlite"))
    observing.break_files(at.folder)
    add("errors.json", lambda: observing.errors(at))
    add("first_lines.json", lambda: {name: observing.first_line(at, name) for name in READ})


def main() -> None:
    """Write what is missing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "a").mkdir()
        with worker("baseline", folder / "a") as at:
            observing.furnish(at.folder)
            add_studies(at)
            add_shown(at)
            add_models(at)
        if lacking():
            (folder / "b").mkdir()
            with worker("baseline", folder / "b") as at:
                add_answers(at)
        add("networks.json", observing.networks)
        add("recipes.json", observing.recipe_identities)
        add("public.json", observing.public_names)
        for isa in ("avx512", "avx2", "baseline"):
            if not (GOLDEN / f"bits-{ARCHITECTURE}-{isa}.json").exists() and has_isa(isa):
                (folder / isa).mkdir()
                with worker(isa, folder / isa) as at:
                    add(f"bits-{ARCHITECTURE}-{isa}.json", lambda at=at: observing.trained_bits(at))
    sizes = {path: path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()}
    print(f"{sum(sizes.values()):,} bytes, the largest {max(sizes.values()):,}; {len(read('errors.json'))} errors")


if __name__ == "__main__":
    main()
