"""Files that an earlier issun wrote: they open, give the recorded answers, and go on."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

import issun
import make_golden
import observing
from behaviour_cases import EXPORTS, GOLDEN_KILLED, GOLDEN_MODELS, GOLDEN_RUN, GOLDEN_STUDIES, made_by
from behaviour_tools import ARCHITECTURE, GOLDEN, Worker, differences, read, renamed, renames, rows_of, weights_of

STUDIES = ["recipes", "groups", "study-replica", "study-last", "study-better", "killed"]
ONE_ARCHITECTURE = pytest.mark.skipif(ARCHITECTURE != "x86_64", reason=f"recorded on x86_64; this is {ARCHITECTURE}")


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copy(GOLDEN / "studies" / name, folder / name))


def trials(study: Path) -> list[Any]:
    """Return what is written when a trial ends: a trial that is made again has another time."""
    columns = "id, network_id, recipe_id, split_id, seed, status, validation_loss, validation_accuracy, seconds, finished, kept"
    return [*rows_of(study, f"SELECT {columns} FROM trials ORDER BY id"), weights_of(study)]


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_shown(name: str, fresh: Worker) -> None:
    study = copied(f"{name}.sqlite", fresh.folder)
    found = observing.shown(fresh, study.name, make_golden.first_network(study))
    assert differences(renamed(read(f"studies/{name}.json"), renames("json")), found, name) == []


@pytest.mark.parametrize("name", GOLDEN_STUDIES)
def test_the_same_commands_make_no_trial(name: str, fresh: Worker) -> None:
    study = copied(name, fresh.folder)
    before = trials(study)
    for argv in GOLDEN_STUDIES[name]:
        fresh.answers(*made_by(argv, name))
    assert trials(study) == before
    assert len(before) > 2


def test_a_study_file_makes_no_trial_and_no_head(fresh: Worker) -> None:
    parts = [copied(f"study-{part}.sqlite", fresh.folder) for part in ("replica", "last", "better")]
    before = [trials(part) for part in parts]
    heads = "SELECT * FROM heads ORDER BY id"
    heads_before = rows_of(parts[2], heads)
    fresh.answers(*GOLDEN_RUN)
    assert [trials(part) for part in parts] == before
    assert rows_of(parts[2], heads) == heads_before
    assert len(heads_before) >= 4


@ONE_ARCHITECTURE
def test_a_killed_trial_goes_on_from_its_checkpoint(fresh: Worker) -> None:
    study = copied("killed.sqlite", fresh.folder)
    (epoch,) = rows_of(study, "SELECT epoch FROM checkpoints")[0]
    old = rows_of(study, f"SELECT * FROM epochs WHERE epoch <= {epoch} ORDER BY epoch")
    assert rows_of(study, "SELECT status FROM trials") == [("running",)]
    fresh.answers(*GOLDEN_KILLED)
    assert weights_of(study) == read("killed.json")
    assert rows_of(study, f"SELECT * FROM epochs WHERE epoch <= {epoch} ORDER BY epoch") == old  # their times too: not trained again
    assert rows_of(study, "SELECT status FROM trials") == [("done",)]
    assert rows_of(study, "SELECT COUNT(*) FROM checkpoints") == [(0,)]


@pytest.mark.parametrize("name", GOLDEN_MODELS)
def test_a_model_answers(name: str, fresh: Worker) -> None:
    found = observing.model_answers(GOLDEN / "models" / f"{name}.safetensors", observing.images_for(name, fresh.folder))
    assert differences(read(f"models/{name}.json"), found, name, near=1e-5) == []


@pytest.mark.parametrize("name", GOLDEN_MODELS)
def test_a_model_is_written_as_it_was_read(name: str, tmp_path: Path) -> None:
    issun.Model.load(GOLDEN / "models" / f"{name}.safetensors").save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (GOLDEN / "models" / f"{name}.safetensors").read_bytes()


@ONE_ARCHITECTURE
@pytest.mark.parametrize("name", [name for name in GOLDEN_MODELS if name != "head"])
def test_a_model_is_trained_as_it_was(name: str, fresh: Worker) -> None:
    """The same bytes: weights, scaling, appearance and what is told of its training."""
    fresh.answers(*GOLDEN_MODELS[name], "-o", "again.safetensors", "--threads", "1")
    assert (fresh.folder / "again.safetensors").read_bytes() == (GOLDEN / "models" / f"{name}.safetensors").read_bytes()


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("name", GOLDEN_MODELS)
def test_an_export_is_the_same_files(name: str, kind: str, fresh: Worker) -> None:
    for package in {"onnx": ["onnx", "onnxruntime"], "keras": ["keras", "torch"], "torch": ["torch"]}.get(kind, []):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed here")
    if kind == "int8" and ARCHITECTURE != "x86_64":
        pytest.skip("its ranges are measured by the engine: recorded on x86_64")
    found = make_golden.exported(fresh, GOLDEN / "models" / f"{name}.safetensors", EXPORTS[kind])
    recorded = read(f"exports/{name}-{kind}.json")
    if kind == "keras" and (other := [key for key in recorded if key.startswith("config") and key not in found]):
        recorded = {key: value for key, value in recorded.items() if key not in other}  # another Keras writes another configuration
        found = {key: value for key, value in found.items() if not key.startswith("config")}
    assert differences(recorded, found, f"{name} {kind}") == []
