"""Equal and nearly equal training images stand in one part of a search, and whatever reads its study finds the images again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import issun
from cli_runner import Issun
from folder_of import draw
from issun.datasets import copies
from issun.datasets.copies import LIMITS, Copies, kept_together, linked, pairs_of, split_as_searched, with_links
from issun.datasets.dataset import Dataset, Split
from issun.errors import StudyError
from issun.events import Remark
from issun.nas.parts import divisible
from issun.study import Study

Images = NDArray[np.uint8]

#: A search of seconds.
QUICK: dict[str, Any] = {"trials": 6, "epochs": 4, "max_macs": 20_000, "max_params": 400, "finalists": 1}


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    return Issun(tmp_path, monkeypatch, capsys)


def scenes(count: int, seed: int = 0) -> Images:
    """Return pictures of soft spots, none like another."""
    small = np.random.default_rng(seed).integers(0, 256, (count, 5, 5), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BICUBIC)) for image in small])[..., None]


def planted(count: int, copied: int = 40) -> tuple[Dataset, list[tuple[int, int]]]:
    """Return images of two classes, of which the first `copied` have a copy: every second one a darker one, the others an equal one. And
    the pairs."""
    images, labels = scenes(count), np.arange(count, dtype=np.int32) % 2
    again = images[:copied].copy()
    again[::2] = (again[::2] * 0.8).astype(np.uint8)
    order = np.random.default_rng(1).permutation(count + copied)
    place = np.argsort(order)
    both, named = np.concatenate([images, again])[order], np.concatenate([labels, labels[:copied]])[order]
    dataset = Dataset("planted", both, named, scenes(20, 5), np.arange(20, dtype=np.int32) % 2, ("a", "b"))
    return dataset, [tuple(sorted((int(place[one]), int(place[count + one])))) for one in range(copied)]  # type: ignore[misc]


def searched(dataset: Any, path: Path, **options: Any) -> tuple[Study, list[str]]:
    """Search, and return the study and what was told."""
    told: list[str] = []
    study = issun.search(
        dataset, study=path, on_progress=lambda event: told.append(event.text) if isinstance(event, Remark) else None, **QUICK | options
    )
    return study, told


def parts(path: Path, images: int) -> list[set[int]]:
    """Return all parts of a search, as its study stores them: what confirms, what judges (each fold), and what is only trained on."""
    with closing(sqlite3.connect(path)) as connection:
        stored = {name: set(np.frombuffer(held, "<i8").tolist()) for name, held in connection.execute("SELECT id, indices FROM splits")}
    pooled = [name for name in stored if " folds " in name]
    found = [held for name, held in stored.items() if name not in pooled]
    return [*found, set(range(images)) - set().union(*found)] if not pooled else found


@pytest.mark.parametrize(("count", "folds"), [(200, 5), (1_000, 1)])
def test_no_copy_is_on_the_other_side_of_any_two_parts(tmp_path: Path, count: int, folds: int) -> None:
    dataset, pairs = planted(count)
    study, told = searched(dataset, tmp_path / "one.sqlite")
    found = parts(study.path, len(dataset.images))
    assert len(found) == (folds + 1 if folds > 1 else 3)
    assert sum(map(len, found)) == len(dataset.images)
    for pair in pairs:
        assert sum(bool(part & set(pair)) for part in found) == 1
    assert "80 equal or nearly equal images are kept together" in told
    assert study.searched is not None
    assert study.searched.as_dict()["copies"] == {"images": 80, "apart": 0}


@pytest.mark.parametrize("count", [200, 1_000])
def test_the_name_of_a_split_and_the_images_give_it_back(tmp_path: Path, count: int) -> None:
    """A model's file has the name alone."""
    dataset, _ = planted(count)
    study, _ = searched(dataset, tmp_path / "one.sqlite")
    with closing(sqlite3.connect(study.path)) as connection:
        stored = {name: np.frombuffer(held, "<i8") for name, held in connection.execute("SELECT id, indices FROM splits")}
    assert len(stored) == (7 if count < 1_000 else 2)
    for name, held in stored.items():
        split = split_as_searched(dataset, Split.named(name))
        train, validation = dataset.parts(split)
        assert split.id == name
        assert np.array_equal(train if split.pooled else validation, held)
        if split.aside and not split.fold:
            confirm = stored[next(other for other in stored if "aside" not in other)]
            assert not set(confirm) & {*train, *validation}


def test_a_search_goes_on_with_its_own_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, _ = planted(200)
    study, _ = searched(dataset, tmp_path / "one.sqlite")
    facts = study.facts.search
    assert facts is not None
    monkeypatch.setattr(copies, "near_pairs", lambda *_: pytest.fail("looked for copies again"))
    more, told = searched(dataset, tmp_path / "one.sqlite", trials=8)
    assert more.facts.search is not None
    assert more.facts.search.settings == facts.settings
    assert len(more.facts.search.proposals) == 8
    assert "80 equal or nearly equal images are kept together" in told
    with pytest.raises(StudyError, match=r"another search .*judge"):
        searched(replace(dataset, groups=tuple(f"{number // 3}" for number in range(240))), tmp_path / "one.sqlite")


def test_an_old_search_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, pairs = planted(200)
    with monkeypatch.context() as before:
        before.setattr("issun.api.search._copies", lambda *_: None)
        old, told = searched(dataset, tmp_path / "one.sqlite")
    assert not any("kept together" in text for text in told)
    found = parts(old.path, len(dataset.images))
    assert any(sum(bool(part & set(pair)) for part in found) == 2 for pair in pairs)  # what the cut is for
    with closing(sqlite3.connect(old.path)) as connection, connection:
        settings = json.loads(connection.execute("SELECT value FROM meta WHERE key = 'search'").fetchone()[0])
        del settings["copies"]  # as an older issun stored it
        connection.execute("UPDATE meta SET value = ? WHERE key = 'search'", (json.dumps(settings),))
    again, _ = searched(dataset, old.path, trials=8)
    assert parts(old.path, len(dataset.images)) == found
    assert again.searched is not None
    assert again.searched.as_dict()["copies"] is None


def test_groups_that_are_given_and_copies_are_kept_together_at_once(tmp_path: Path) -> None:
    dataset, pairs = planted(200)
    groups = tuple(f"{number // 3}" for number in range(len(dataset.images)))
    study, _ = searched(replace(dataset, groups=groups), tmp_path / "one.sqlite")
    found = parts(study.path, len(dataset.images))
    for together in (*map(set, pairs), *({first, first + 1, first + 2} for first in range(0, 240, 3))):
        assert sum(bool(part & together) for part in found) == 1


def test_a_chain_of_copies_leaves_classesdivisible(tmp_path: Path) -> None:
    """A film: each frame is like the next, and all frames of the class would be one group."""
    first, second = scenes(2, 7).astype(float)
    film = np.stack([(1 - share) * first + share * second for share in np.linspace(0, 1, 120)]).astype(np.uint8)
    dataset = Dataset(
        *("film", np.concatenate([film, scenes(120)]), np.repeat(np.array([0, 1], np.int32), 120), scenes(4, 5), np.array([0, 0, 1, 1])),
        classes=("film", "scenes"),
    )
    pairs = pairs_of(dataset)
    whole = linked(dataset, pairs, 1.0)
    assert whole == Copies(whole.links, 0)
    assert whole.images == 120
    assert not divisible(with_links(dataset, whole.links))
    found = kept_together(dataset, divisible)
    assert found.apart > 0
    groups = with_links(dataset, found.links).groups
    assert max(groups.count(name) for name in set(groups) - {""}) in [int(limit * 120) for limit in LIMITS[1:]]
    study, told = searched(dataset, tmp_path / "one.sqlite")
    assert any("in different parts" in text and "--groups" in text for text in told)
    assert study.searched is not None
    assert study.searched.as_dict()["copies"]["apart"] == found.apart


def test_where_nothing_is_alike_the_cut_is_what_it_was(tmp_path: Path) -> None:
    study, told = searched("digits", tmp_path / "one.sqlite")
    assert study.facts.search is not None
    assert study.facts.search.settings.judge == "0.15 seed 0 aside 0.15"
    assert "no two training images are nearly equal" in told


def test_among_very_many_images_equal_ones_alone_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_IMAGES", 200)
    monkeypatch.setattr("issun.nas.parts.MOST_IMAGES", 200)
    dataset, pairs = planted(200)
    equal = [pair for pair in pairs if np.array_equal(*dataset.images[list(pair)])]
    assert set(pairs_of(dataset)) == set(equal)
    _, told = searched(dataset, tmp_path / "one.sqlite")
    assert "40 equal images are kept together; nearly equal ones are looked for among up to 200 images" in told


def test_the_validation_part_that_data_brings_stays_as_it_is() -> None:
    dataset, _ = planted(200)
    given = replace(dataset, given_validation=60)
    assert {place for pair in pairs_of(given) for place in pair} <= set(range(180))


@pytest.mark.parametrize(
    "copies", [[], {"links": [[1]], "apart": 0}, {"links": [[1, -1]], "apart": 0}, {"links": [[0, 10**6]], "apart": 0}]
)
def test_damaged_copies_are_told(tmp_path: Path, copies: Any) -> None:
    dataset, _ = planted(200)
    study, _ = searched(dataset, tmp_path / "one.sqlite")
    with closing(sqlite3.connect(study.path)) as connection, connection:
        settings = json.loads(connection.execute("SELECT value FROM meta WHERE key = 'search'").fetchone()[0])
        connection.execute("UPDATE meta SET value = ? WHERE key = 'search'", (json.dumps(settings | {"copies": copies}),))
    with pytest.raises(StudyError, match=r"copies|images from 0 to 239"):
        Study(study.path)


def test_commands_read_the_images_of_such_a_study_again(command: Issun) -> None:
    """On a folder: its models, heads, pictures and pages come from the images that the study set aside."""
    dataset, _ = planted(200)
    for number, (image, label) in enumerate(zip(dataset.images, dataset.labels, strict=True)):
        draw(command.folder / "pictures" / "ab"[label] / f"{number:03}.png", image[..., 0])
    quick = ("--trials", "40", "--epochs", "4", "--max-macs", "20000", "--max-params", "400")
    search = ("search", "pictures", *quick, "--study", "one.sqlite")
    assert "are kept together" in command.run(*search).err
    assert command.run(*search).code == 0
    command.succeeds("show", "one.sqlite")
    command.succeeds("report", "one.sqlite")
    command.succeeds("plot", "one.sqlite", "gallery")
    command.succeeds("features", "pictures", "--study", "one.sqlite", "--head", "ridge")
    command.succeeds("export", "one.sqlite", "--to", "onnx", "--output", "model.onnx")
    # The file of a model knows its split by name: the images that it was validated on are found again, and no others.
    study = Study(command.folder / "one.sqlite")
    assert study.network().confirms
    study.model().save(command.folder / "model.safetensors")
    command.succeeds("export", "model.safetensors", "--to", "c", "--data", "pictures", "--output", "model.h")
    command.succeeds("predict", "model.safetensors", "pictures/a")
    saved = command.run("features", "pictures", "model.safetensors", "--head", "ridge")
    assert saved.code == 0, saved.err
    assert "heads are evaluated on the validation images of model.safetensors" in saved.err
