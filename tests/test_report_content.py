"""What a report says of studies: the same as the studies do, in JSON's own types, and no test figure where nothing was chosen."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from issun.arch.net import Net
from issun.datasets.dataset import Dataset
from issun.errors import DataError
from issun.study import Study
from issun.training import Outcome
from issun.webpage import content
from issun.webpage.details import Album, Budget, LeftOut
from issun.webpage.networks import choosable
from small_study import digits, pretend, run_small, small_plan

GRID = ("conv a, pool, dense d, dense", "a=1,2", "d=2,4,8")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    run_small(tmp_path / "a.sqlite", small_plan(epochs=6))
    return Study(tmp_path / "a.sqlite")


def told(study: Study, **wishes: Any) -> dict[str, Any]:
    """Return what a report says of one study, as it comes out of JSON."""
    made = content([study], **{"data": digits(), **wishes})
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    (found,) = made["studies"]
    assert isinstance(found, dict)
    return found


def test_networks_are_those_of_the_study(study: Study) -> None:
    found, networks = told(study), study.networks
    assert [record["network"] for record in found["networks"]] == networks["network"].tolist()
    assert [record["frontier"] for record in found["networks"]] == networks["frontier"].tolist()
    for record, (_, row) in zip(found["networks"], networks.iterrows(), strict=True):
        assert record["validation"]["mean"] == pytest.approx(row["val_accuracy_mean"], abs=1e-6)
        assert record["validation"]["low"] == pytest.approx(row["val_accuracy_lower95"], abs=1e-6)
        assert record["validation"]["low"] <= record["validation"]["mean"] <= record["validation"]["high"] <= 1
        assert [trial["seed"] for trial in record["trials"]] == [0, 1]
        assert record["detail"] is not None
    assert len({record["id"] for record in found["networks"]}) == len(networks)


def test_the_page_of_a_network_is_what_the_study_says_of_its_best_seed(study: Study) -> None:
    found = told(study)
    record = found["networks"][0]
    detail, row = found["details"][record["detail"]], study.networks.iloc[0]
    assert detail["curves"]["val_accuracy"] == pytest.approx(study.history(row)["val_accuracy"].tolist(), abs=1e-4)
    assert sum(map(sum, detail["confusion"])) == row["validation_images"]
    assert [line["images"] for line in detail["per_class"]] == study.class_report(row)["support"].tolist()
    assert f"{detail['diagnosis']} Next: {detail['remedy']}" == str(study.diagnosis(row))
    assert sum(layer["parameters"] for layer in detail["layers"]) == record["parameters"]
    weights = np.frombuffer(base64.b64decode(detail["weights"]["data"]), "<f4")
    assert np.array_equal(weights, study.model(row).weights)


def test_mistakes_are_wrong_surest_first_and_their_images_are_carried(study: Study) -> None:
    found, dataset = told(study), digits()
    images = found["images"]
    pixels = np.frombuffer(base64.b64decode(images["data"]), np.uint8).reshape(len(images["index"]), 8, 8, 1)
    assert np.array_equal(pixels, dataset.images[images["index"]])
    assert images["labels"] == dataset.labels[images["index"]].tolist()
    assert images["samples"] >= 10
    for record in found["networks"]:
        detail, row = found["details"][record["detail"]], study.network(record["network"])
        said = study.predictions(row).set_index("index")
        shown = detail["mistakes"]
        assert shown
        assert [m["probability"] for m in shown] == sorted((m["probability"] for m in shown), reverse=True)
        for mistake in shown:
            line = said.loc[images["index"][mistake["image"]]]
            assert (mistake["true"], mistake["predicted"]) == (line["label"], line["predicted"])
            assert mistake["true"] != mistake["predicted"]


def test_test_figures_stand_beside_what_can_be_chosen_and_nowhere_else(study: Study) -> None:
    chosen = choosable(study.entries)
    for record, entry in zip(told(study)["networks"], study.entries, strict=True):
        assert (record["test"] is not None) == (entry.key in chosen)
        if record["test"]:
            assert record["test"]["mean"] == pytest.approx(study.test(entry)[0], abs=1e-6)
    assert {entry.key for entry in study.entries if entry.frontier} <= chosen


def test_no_choice_of_the_page_reads_a_test_figure(study: Study) -> None:
    before = told(study)
    with closing(sqlite3.connect(study.path)) as connection, connection:
        connection.execute("UPDATE test_results SET accuracy = 1 - accuracy, loss = 9")
    after = told(study)
    for found in (before, after):
        for record in found["networks"]:
            record["test"] = record["test"] is None
    assert before == after


def test_the_same_study_gives_the_same_content(study: Study) -> None:
    assert told(study) == told(Study(study.path))


def test_nothing_of_where_the_data_lay_is_in_it(tmp_path: Path) -> None:
    where = tmp_path / "private place" / "owls"
    dataset = replace(digits(), name=str(where), source=str(where))
    run_small(tmp_path / "a.sqlite", small_plan("dense", epochs=2, dataset=dataset), dataset=dataset)
    text = json.dumps(content([Study(tmp_path / "a.sqlite")], data=dataset))
    assert "private place" not in text
    assert '"data": "owls"' in text


def test_without_images_the_rest_is_there_and_it_is_said(study: Study) -> None:
    found = told(study, data=None, data_dir=study.path.parent)
    (said,) = found["left_out"]
    assert said.startswith("mistakes, samples and projections: the images of digits were not found; give their location with --data")
    assert found["images"] is None
    for detail in found["details"]:
        assert detail["mistakes"] is None
        assert detail["confusion"]
        assert detail["filters"] or detail["layers"][0]["text"] != "conv 1"


def test_other_images_are_refused(study: Study) -> None:
    with pytest.raises(DataError, match=r"is not the data of a\.sqlite"):
        content([study], data=digits(200))


def test_a_grid_has_its_table(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan(*GRID, epochs=2))
    found = told(Study(tmp_path / "a.sqlite"))
    table = found["heatmap"]
    assert (table["x"], table["y"], table["columns"], table["rows"]) == ("a", "d", [1, 2], [2, 4, 8])
    by_id = {record["id"]: record for record in found["networks"]}
    for row, line in zip(table["rows"], table["networks"], strict=True):
        for column, network in zip(table["columns"], line, strict=True):
            assert by_id[network]["knobs"] == {"a": column, "d": row}


def test_all_diverged(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense", learning_rate=1e7))
    found = told(Study(tmp_path / "a.sqlite"))
    assert found["message"].startswith("all 1 networks diverged with every seed")
    assert found["default_target"] is None
    (detail,) = found["details"]
    assert detail["kind"] == "diverged"
    assert detail["weights"] is detail["confusion"] is None
    assert detail["curves"]["train_loss"][0] is None


def test_a_study_that_is_being_written_shows_what_has_ended(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan(epochs=2))
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as connection, connection:
        connection.execute("UPDATE trials SET status = 'running', finished = NULL WHERE seed = 1")
    found = told(Study(tmp_path / "a.sqlite"))
    assert found["running"]
    assert {record["validation"]["n"] for record in found["networks"]} == {1}
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as connection, connection:
        connection.execute("UPDATE trials SET status = 'running', finished = NULL")
    found = told(Study(tmp_path / "a.sqlite"))
    assert found["message"].startswith("the study has no finished trial to choose from")
    assert found["networks"] == found["details"] == []


def odd(names: tuple[str, ...], shape: tuple[int, int, int]) -> Dataset:
    """Return data with such classes and images."""
    count = 6 * len(names)
    generator = np.random.default_rng(0)
    labels = (np.arange(count) % len(names)).astype(np.int32)
    pixels = [generator.integers(0, 256, (number, *shape), dtype=np.uint8) for number in (count, len(names))]
    return Dataset("odd", pixels[0], labels, pixels[1], labels[: len(names)], names)


def few(net: Net, *arguments: Any, **options: Any) -> Outcome:
    """Train as `pretend` does, which knows ten classes, for any number of them."""
    outcome = pretend(net, *arguments, **options)
    return replace(outcome, validation_predictions=outcome.validation_predictions % net.classes)


@pytest.mark.parametrize("shape", [(1, 1, 1), (512, 512, 3), (2, 300, 1)])
def test_images_of_any_size(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    dataset = odd(("owl", "<script>alert(1)</script>"), shape)
    run_small(tmp_path / "a.sqlite", small_plan("pool 1 stride 64 same, dense", epochs=2, dataset=dataset), dataset=dataset, train=few)
    found = told(Study(tmp_path / "a.sqlite"), data=dataset)
    images = found["images"]
    assert max(images["height"], images["width"]) <= 64
    assert len(base64.b64decode(images["data"])) == len(images["index"]) * images["height"] * images["width"] * shape[2]
    assert images["reduced"] == {1: 1, 300: 5, 512: 8}[shape[1]]
    assert bool(found["left_out"]) == (images["reduced"] > 1)


def test_reduced_images_are_means_of_their_blocks() -> None:
    dataset = odd(("owl", "hawk"), (130, 128, 3))
    album = Album(dataset, 10**6)
    assert album.reduced == 3
    assert [album.add(5), album.add(2), album.add(5)] == [0, 1, 0]
    record = album.record(1)
    pixels = np.frombuffer(base64.b64decode(record["data"]), np.uint8).reshape(2, 43, 42, 3)
    assert pixels[0, 2, 1].tolist() == dataset.images[5, 6:9, 3:6].mean(axis=(0, 1)).round().tolist()


def test_a_hundred_classes(tmp_path: Path) -> None:
    dataset = odd(tuple(f"class {number}" for number in range(100)), (4, 4, 1))
    run_small(tmp_path / "a.sqlite", small_plan("dense n, dense", "n=1,2,3,4", epochs=2, dataset=dataset), dataset=dataset, train=few)
    found = told(Study(tmp_path / "a.sqlite"), data=dataset)
    assert len(json.dumps(found)) < 1_000_000
    assert found["images"]["samples"] <= 30
    assert all(len(detail["per_class"]) == 100 for detail in found["details"])


def test_what_was_left_out_is_said_in_words() -> None:
    said = LeftOut(pages=2, weights=1, large=3, images="why", reduced=4).sentences()
    assert [line.split(":")[0] for line in said[:1]] == ["mistakes, samples and projections"]
    assert said[1:] == [
        "images at full size: they are reduced by 4, so networks cannot run on them in the page",
        "the weights of 3 networks with more than 100,000 parameters, which cannot run in the page",
        "the weights of 1 network on the frontier, which are too many for one page",
        "the pages of 2 networks, since the study is large; networks on the frontier come first",
    ]


def test_a_large_study_keeps_its_frontier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stepwise(net: Net, *arguments: Any, **options: Any) -> Outcome:
        return replace(pretend(net, *arguments, **options), val_accuracy=0.5 if net.parameters < 200 else 0.6)

    run_small(tmp_path / "a.sqlite", small_plan("dense n, dense", "n=1..8", epochs=2), train=stepwise)
    monkeypatch.setattr(Budget, "part", classmethod(lambda cls, studies: Budget(weights=150, text=0)))
    study = Study(tmp_path / "a.sqlite")
    found = told(study)
    shown = [record["detail"] is not None for record in found["networks"]]
    assert shown == study.networks["frontier"].tolist()
    with_weights = [detail for detail in found["details"] if detail["weights"]]
    assert len(with_weights) < len(found["details"])
    assert any("too many for one page" in line for line in found["left_out"])
    assert any("since the study is large" in line for line in found["left_out"])
