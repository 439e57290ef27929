"""What is judged on validation images is judged on those that were set aside when its network was trained, as the study stores them.

Never on a split that is made anew from its name: loaded without their groups, the same images would be split otherwise.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import issun.webpage.details as details_of
from cli_runner import Issun, write_small_digits
from issun.api.sources import of_model, of_study
from issun.datasets import load
from issun.datasets.dataset import Dataset, Split, StoredSplit
from issun.datasets.split import validation_mark
from issun.errors import DataError, StudyError
from issun.model import Model
from issun.provenance import Provenance
from issun.study import Study
from issun.webpage import content
from small_study import digits, run_small, small_plan

NETWORK = "conv 2, pool, dense"
QUICK = ("--folds", "1", "--epochs", "2", "--seeds", "1", "--threads", "1", "--no-plot", "--study", "s.sqlite")


@pytest.fixture
def issun_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


def draw_writers(root: Path, own_test: bool) -> None:
    """Write 300 digits as pictures of thirty writers, each of whom wrote several; with a test part of their own or not."""
    pixels, labels = load_digits(return_X_y=True)
    for number in range(400 if own_test else 300):
        part = ("test" if number >= 300 else "train") if own_test else "."
        folder = root / part / str(labels[number])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels[number].reshape(8, 8) * 15).astype(np.uint8)).save(folder / f"writer{number % 30:02}_{number}.png")


def judged(issun: Issun, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> set[int]:
    """Return the indices that `issun features` judges heads on."""
    seen: list[np.ndarray] = []
    real = Dataset.parts

    def parts(self: Dataset, split: Split) -> tuple[np.ndarray, np.ndarray]:
        found = real(self, split)
        seen.append(found[1])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "parts", parts)
        issun.succeeds("features", *arguments, "--threads", "1")
    [held] = {tuple(indices.tolist()) for indices in seen}
    return set(held)


@pytest.mark.parametrize("own_test", [True, False])
def test_features_of_a_study_with_groups(issun_: Issun, monkeypatch: pytest.MonkeyPatch, own_test: bool) -> None:
    draw_writers(issun_.folder / "writers", own_test)
    grouped = ("--groups", "writer[0-9]+")
    issun_.succeeds("sweep", "writers", NETWORK, *QUICK, *grouped)
    study = Study(issun_.folder / "s.sqlite")
    stored = set(study.predictions(NETWORK)["index"].tolist())
    assert judged(issun_, monkeypatch, "writers", NETWORK, "--study", "s.sqlite", *grouped) == stored
    if own_test:
        # The test part does not depend on the groups: the images are the same without them, and their split would be another one.
        assert judged(issun_, monkeypatch, "writers", NETWORK, "--study", "s.sqlite") == stored
        plain = issun_.folder / "plain.sqlite"
        issun_.succeeds("sweep", "writers", NETWORK, *QUICK[:-1], plain)
        assert set(Study(plain).predictions(NETWORK)["index"].tolist()) != stored
        issun_.succeeds("project", "writers", NETWORK, "--study", "s.sqlite", "--method", "pca", "-o", "p.png")
        assert set(pd.read_csv(issun_.folder / "p.csv")["index"]) == stored


def test_the_stored_images_count_where_the_name_would_give_others(issun_: Issun, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small_digits(issun_.folder / "few.npz")
    issun_.succeeds("sweep", "few.npz", NETWORK, *QUICK)
    stored = _other_split(issun_.folder / "s.sqlite")
    assert judged(issun_, monkeypatch, "few.npz", NETWORK, "--study", "s.sqlite") == stored
    for part, wanted in (("validation", stored), ("train", set(range(200)) - stored)):
        issun_.succeeds("project", "few.npz", NETWORK, "--study", "s.sqlite", "--method", "pca", "--part", part, "-o", "p.png")
        assert set(pd.read_csv(issun_.folder / "p.csv")["index"]) == wanted


def _other_split(path: Path) -> set[int]:
    """Give a study as many other validation images under the same name, and return them."""
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT images FROM splits").fetchone()
        other = np.arange(count) * 4
        connection.execute("UPDATE splits SET indices = ?", (other.astype("<i8").tobytes(),))
        connection.commit()
    return set(other.tolist())


def test_a_split_of_data_that_brings_its_validation_part(tmp_path: Path) -> None:
    data = dataclasses.replace(digits(), given_validation=40)
    run_small(tmp_path / "s.sqlite", small_plan("dense", epochs=1, dataset=data), dataset=data)
    split = Study(tmp_path / "s.sqlite").split("dense")
    assert (split.id, split.how) == ("given", "given")
    assert data.parts(split)[1].tolist() == list(range(200, 240))


def test_no_trial_is_added_under_a_split_that_holds_other_images(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    run_small(path, small_plan("dense", epochs=1))
    _other_split(path)
    with pytest.raises(StudyError, match="has other validation images than the current split of this name"):
        run_small(path, small_plan("dense", "pool, dense", epochs=1))


def test_a_page_shows_each_network_the_images_that_it_was_not_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.sqlite"
    plan = small_plan("dense", epochs=1)
    run_small(path, plan)
    larger = small_plan("conv 1, pool, dense", epochs=1)
    split = Split(0.4, 5)
    train, validation = digits().parts(split)
    trials = tuple(dataclasses.replace(trial, split=split) for trial in larger.trials)
    run_small(path, dataclasses.replace(larger, split=split, trials=trials, train=train, validation=validation))
    shown: dict[str, np.ndarray] = {}

    def projection(model: Model, images: np.ndarray, labels: np.ndarray) -> None:
        shown[str(model.net)] = images

    monkeypatch.setattr(details_of, "projection", projection)
    [study] = content([Study(path)], data=digits())["studies"]
    for text, indices in (("dense", plan.validation), ("conv 1, pool, dense", validation)):
        assert (shown[text] == digits().images[indices]).all()
    samples = study["images"]["index"][: study["images"]["samples"]]
    assert samples
    assert set(samples) <= set(plan.validation.tolist()) & set(validation.tolist())


def test_heads_on_a_saved_model_are_judged_on_what_it_was_validated_on(issun_: Issun, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small_digits(issun_.folder / "few.npz")
    issun_.succeeds("train", "few.npz", NETWORK, "--epochs", "1", "--validation", "0.3", "-o", "m.safetensors", "--threads", "1")
    done = issun_.run("features", "few.npz", "m.safetensors", "--threads", "1")
    assert "heads are evaluated on the validation images of m.safetensors: 0.3 of the training images" in " ".join(done.err.split())
    assert len(judged(issun_, monkeypatch, "few.npz", "m.safetensors")) == 60
    # Other images: none of them was trained on, and the split is the usual one.
    write_small_digits(issun_.folder / "more.npz", 240)
    assert len(judged(issun_, monkeypatch, "more.npz", "m.safetensors")) == 24


def test_a_model_of_a_study_tells_its_validation_images(issun_: Issun) -> None:
    write_small_digits(issun_.folder / "few.npz")
    issun_.succeeds("sweep", "few.npz", NETWORK, *QUICK)
    Study("s.sqlite").model(NETWORK).save("honest.safetensors")
    stored = _other_split(issun_.folder / "s.sqlite")
    model = Study("s.sqlite").model(NETWORK)
    assert model.about["validation images"] == validation_mark(np.array(sorted(stored)))
    model.save("m.safetensors")
    honest = Model.load("honest.safetensors")
    assert len(of_model(honest, "few.npz", None, None).images) == 20
    with pytest.raises(DataError, match=r"selects different validation images .* use the study that it comes from instead"):
        of_model(Model.load("m.safetensors"), "few.npz", None, None)
    assert "selects different validation images" in issun_.fails("features", "few.npz", "m.safetensors")
    # With the study at hand nothing is rebuilt; a model that says nothing is believed.
    part = of_study(Study("s.sqlite"), NETWORK, None, "few.npz", None)
    assert (part.images == load("few.npz").images[sorted(stored)]).all()
    silent = {name: fact for name, fact in model.about.items() if name != "validation images"}
    assert len(of_model(dataclasses.replace(model, provenance=Provenance.read(silent)), "few.npz", None, None).images) == 20


@pytest.mark.parametrize("indices", [(), (5, 3), (3, 3), (-1, 3), (3, 240), tuple(range(240))])
def test_indices_that_cannot_be_a_split(indices: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"the stored split '0.1 seed 0' of .* does not match 240 images"):
        digits().parts(StoredSplit(0.1, 0, name="0.1 seed 0", validation=indices))
