"""One study of several sizes and colours: trained together, resumed, compared, chosen from; old studies get further inputs."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import browser
import issun as package
from cli_runner import QUICK, Issun, write_small_digits
from folder_of import draw, pixels
from issun.datasets import load
from issun.datasets.inputs import Inputs
from issun.errors import DataError, IssunError, ModelError, SelectionError, StudyError, StudyFileError
from issun.events import Event, Remark
from issun.study import Study
from issun.study.forecast import Forecast
from issun.study.images import study_images
from issun.study.parts import prepare
from issun.study.plan import joined, plan
from issun.study.schema import SCHEMA_VERSION
from issun.study.study import opened
from issun.study.teachers import teacher_of
from issun.webpage import content

FAMILY = ["conv n, pool, dense", "n=1,2"]
OPTIONS: dict[str, Any] = {"seeds": 1, "epochs": 1, "folds": 1, "threads": 1, "batch_size": 8}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_small_digits(tmp_path / "small.npz")
    return tmp_path


@pytest.fixture
def issun(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(folder, monkeypatch, capsys)


def swept(study: str = "a.sqlite", data: Any = "small.npz", **options: Any) -> Study:
    return package.sweep(data, FAMILY, study=study, **OPTIONS | options)


def ids(study: Study | str) -> set[str]:
    return set(opened(study).trials_dataframe()["trial_id"])


def inputs_of(study: Study) -> list[tuple[int, int, int]]:
    return [facts.input for facts in study.facts.inputs]


def missing(**options: Any) -> int:
    found = package.sweep("small.npz", FAMILY, study="a.sqlite", dry_run=True, **OPTIONS | options)
    assert isinstance(found, Forecast)
    return found.missing


def test_one_study_holds_what_several_would(folder: Path) -> None:
    study = swept(size="6,8", color=["gray", "rgb"])
    shapes = [(6, 6, 1), (6, 6, 3), (8, 8, 1), (8, 8, 3)]
    assert inputs_of(study) == shapes
    assert {entry.input for entry in study.entries} == set(shapes)
    apart = set()
    for number, (side, _, channels) in enumerate(shapes):
        apart |= ids(swept(f"{number}.sqlite", size=side, gray=channels == 1))
    assert ids(study) == apart
    assert missing(size=[6, 8], color="rgb,gray") == 0
    for (side, _, channels), facts in zip(shapes, study.facts.inputs, strict=True):
        assert facts.fingerprint == load("small.npz", size=side, gray=channels == 1).fingerprint
        assert missing(size=side, gray=channels == 1) == 0
    # One frontier over all inputs, and one split for all of them.
    assert len({entry.split for entry in study.entries}) == 1
    best: float = -1
    for entry in study.entries:
        if entry.ended_well:
            assert entry.frontier == (entry.val_accuracy_mean > best + 1e-9)
            best = max(best, entry.val_accuracy_mean)


def test_a_study_of_one_input_gets_others(folder: Path) -> None:
    before = swept(size=6)
    known = ids(before)
    said: list[Event] = []
    both = swept(size=[6, 7], on_progress=said.append)
    assert inputs_of(both) == [(6, 6, 1), (7, 7, 1)]
    assert known < ids(both)
    assert len(ids(both)) == 4
    assert "a.sqlite, begun with 6x6 gray, gets another input: 7x7 gray" in [event.text for event in said if isinstance(event, Remark)]
    # What the sweep asks for alone; the study proves by an input that it knows that these are its images.
    third = swept(size="5x8", color="rgb")
    assert inputs_of(third) == [(6, 6, 1), (7, 7, 1), (5, 8, 3)]
    assert third.findings.answer.by_input.keys() == {"6x6 gray", "7x7 gray", "5x8 rgb"}
    # The same size in another colour.
    assert inputs_of(swept(size=7, gray=False))[-1] == (7, 7, 3)


def test_other_images_are_no_input_of_a_study(folder: Path) -> None:
    swept(size=6)
    before = ids("a.sqlite")
    write_small_digits(folder / "other.npz", 190)
    with pytest.raises(StudyError, match=r"was made with other data \(small.npz, fingerprint [0-9a-f]+; now other.npz"):
        swept(data="other.npz", size=7)
    with pytest.raises(StudyError, match="its images are 6x6 grey, these are 8x8 grey: add --size 6x6, or give another path"):
        swept()  # nothing is added that was not asked for
    said: list[Event] = []
    with pytest.raises(StudyError, match=r"these are 8x8 grey: add --size 6x6 \(it has 7x7 gray, too\), or give another path"):
        swept(swept("b.sqlite", size="6,7").path.name, on_progress=said.append)
    assert not any("gets another input" in event.text for event in said if isinstance(event, Remark))
    with pytest.raises(StudyError, match="its images are 6x6 grey, these are 7x7 grey"):
        swept(data=load("small.npz", size=7))  # images that are loaded prove nothing
    assert ids("a.sqlite") == before
    assert inputs_of(Study("a.sqlite")) == [(6, 6, 1)]


def test_loaded_images_are_inputs_beside_one_that_is_known(folder: Path) -> None:
    sets = [load("small.npz", size=side) for side in (6, 7)]
    swept(size=6)
    study = swept(data=sets)
    assert inputs_of(study) == [(6, 6, 1), (7, 7, 1)]
    assert missing(size="6,7") == 0
    with pytest.raises(DataError, match="`size` applies only when data is loaded"):
        swept(data=sets, size=5)


def test_enlarged_images_of_a_study_stay_allowed(folder: Path) -> None:
    with pytest.raises(DataError, match="larger than most images"):
        swept(size=12)
    swept(size=12, enlarge=True)
    assert missing(size=12) == 0
    with pytest.raises(DataError, match=r"`size` \(=13x13\) is larger than most images"):
        swept(size="12,13")
    assert study_images(Study("a.sqlite")).input == (12, 12, 1)


def test_a_network_is_found_by_its_input(folder: Path) -> None:
    study = swept(size="6,8")
    text = "conv 2, pool, dense"
    for name, shape in (("6x6 gray", (6, 6, 1)), ("8x8x1", (8, 8, 1)), ("8x8 grey", (8, 8, 1))):
        entry = study.network(f"{name}: {text}")
        assert entry.input == study.net(entry).input == study.model(entry).net.input == shape
        assert entry.title == f"{shape[0]}x{shape[1]} gray: {text}"
        assert (
            study.network(entry)
            == study.network(entry.network_id)
            == study.network(study.net(entry))
            == study.network(entry.title)
            == entry
        )
        facts = study.data_of(entry)
        provenance = study.model(entry).provenance
        assert provenance.data is not None
        assert (facts.input, provenance.data.fingerprint) == (shape, facts.fingerprint)
        images = study_images(study, facts=facts)
        assert images.input == shape
        said = study.predictions(entry)
        assert np.array_equal(study.model(entry).predict(images.images[said["index"]]), said["predicted"])
    both = [entry for entry in study.entries if entry.network == text]
    assert study.network(text).val_accuracy_mean == max(entry.val_accuracy_mean for entry in both)
    with pytest.raises(SelectionError, match="no network of the input '9x9 rgb'; its inputs are 6x6 gray, 8x8 gray"):
        study.network(f"9x9 rgb: {text}")
    with pytest.raises(SelectionError, match="no finished network `6x6 gray: conv 9, dense`"):
        study.network("6x6 gray: conv 9, dense")
    assert study.networks["input"].tolist() == [entry.input for entry in study.entries]
    assert set(study.trials_dataframe()["input"]) == {(6, 6, 1), (8, 8, 1)}


def test_a_study_of_one_input_says_nothing_of_it(folder: Path) -> None:
    study = swept(size=6)
    assert {entry.place for entry in study.entries} == {""}
    assert all(entry.title == entry.network for entry in study.entries)
    assert study.answer().by_input == {}
    assert study.answer().as_dict()["inputs"] == [[6, 6, 1]]


def test_what_is_impossible_at_one_size_is_said_with_it(folder: Path) -> None:
    said: list[Event] = []
    study = package.sweep("small.npz", "conv 2, pool, conv 2, dense", size="4,8", study="a.sqlite", on_progress=said.append, **OPTIONS)
    [line] = [event.text for event in said if isinstance(event, Remark) and event.text.startswith("left out")]
    assert line.startswith("left out at 4x4 gray: ")
    assert {entry.input for entry in study.entries} == {(8, 8, 1)}
    with pytest.raises(IssunError, match=r'"conv 2, pool, pool, conv 2, dense"  ?at 4x4 gray: '):
        package.sweep("small.npz", "conv 2, pool, pool, conv 2, dense", size="4,6", study="b.sqlite", **OPTIONS)
    with pytest.raises(IssunError, match="shift"):
        package.sweep("small.npz", "dense", size="2,8", augment="shift 5", study="b.sqlite", **OPTIONS)


def test_folds_are_the_same_at_every_input(folder: Path) -> None:
    study = swept(size="6,8", folds=3)
    splits = {entry.input: study.split(entry) for entry in study.entries}
    assert len(set(splits.values())) == 1
    assert {entry.folds for entry in study.entries} == {3}
    assert missing(size="6,8", folds=None) == 0


def test_plans_are_joined_over_inputs_of_the_same_images(folder: Path) -> None:
    def made(*sides: int, seed: int = 0, changed: bool = False) -> Any:
        from issun.arch.notation import bind_arguments
        from issun.datasets.dataset import Split
        from issun.recipe import Recipe

        sets = [load("small.npz", size=side) for side in sides]
        if changed:
            sets = [replace(one, images=255 - one.images) for one in sets]
        return plan(bind_arguments(["dense 2, dense"]), Inputs.of(sets), Recipe(epochs=1), Split(seed=seed), (0,))

    assert len(joined([made(6, 8), made(6, 8)]).trials) == 2
    both = joined([made(6), made(8, 7)])
    assert [data.input for data in both.inputs] == [(6, 6, 1), (8, 8, 1), (7, 7, 1)]
    assert [trial.net.input for trial in both.trials] == [(6, 6, 1), (8, 8, 1), (7, 7, 1)]
    for other in (made(6, changed=True), made(8, seed=1)):  # other images at one input; another split
        with pytest.raises(StudyError, match="cannot be joined"):
            joined([made(6), other])


def test_a_teacher_knows_one_input(folder: Path) -> None:
    package.train("small.npz", "conv 4, pool, dense", size=8, output="t.safetensors", epochs=1, threads=1, folds=1)
    with pytest.raises(ModelError, match="6x6"):
        swept(size="8,6", teacher="t.safetensors")
    assert not Path("a.sqlite").exists()
    swept(size=8, teacher="t.safetensors")
    taught = swept("b.sqlite", size="6,8", epochs=6, batch_size=4, learning_rate=0.02)
    assert teacher_of("b.sqlite:6x6 gray: conv 2, pool, dense").models[0].net == taught.net("6x6x1: conv 2, pool, dense")


def as_version_7(path: Path) -> None:
    """Make a study what an issun before several inputs would have left."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE networks DROP COLUMN input")
        for table in ("proposals", "finalists", "conflicts", "failures"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 7")
        connection.commit()


def test_a_study_of_version_7_gets_inputs(folder: Path) -> None:
    known = ids(swept(size=6))
    as_version_7(Path("a.sqlite"))
    assert ids("a.sqlite") == known
    assert missing(size=6) == 0
    assert len(ids(swept(size="6,8"))) == 4
    with closing(sqlite3.connect("a.sqlite")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        assert set(connection.execute("SELECT input, COUNT(*) FROM networks GROUP BY input")) == {(None, 2), ("8x8x1", 2)}


def other_classes(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | {"classes": ["a", "b"]}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda db: db.execute("UPDATE networks SET input = '7x7x1' WHERE input IS NOT NULL"), "be one of the study's inputs"),
        (lambda db: db.execute("UPDATE networks SET input = 3 WHERE input IS NOT NULL"), "be"),
        (lambda db: db.execute("UPDATE networks SET input = NULL"), "be the network that its id was computed from"),
        (lambda db: db.execute("UPDATE meta SET value = '{}' WHERE key = 'inputs'"), "be a list"),
        (lambda db: db.execute("UPDATE meta SET value = '[1]' WHERE key = 'inputs'"), "it has no list of classes"),
        (lambda db: db.execute("DELETE FROM meta WHERE key = 'inputs'"), "be one of the study's inputs"),
        (lambda db: changed(db, lambda facts: facts | {"input": [6, 6, 1]}), "have each input once"),
        (lambda db: changed(db, other_classes), "have the classes and the numbers of images of the first input"),
    ],
)
def test_damaged_inputs_are_told(folder: Path, damage: Callable[[sqlite3.Connection], object], message: str) -> None:
    swept(size="6,8")
    with closing(sqlite3.connect("a.sqlite")) as connection:
        damage(connection)
        connection.commit()
    with pytest.raises(StudyError, match=message):
        Study("a.sqlite")


def changed(connection: sqlite3.Connection, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    [(text,)] = connection.execute("SELECT value FROM meta WHERE key = 'inputs'").fetchall()
    connection.execute("UPDATE meta SET value = ? WHERE key = 'inputs'", (json.dumps([change(facts) for facts in json.loads(text)]),))


FILE = """\
title = "Which size?"
question = "How large must the images be?"
data = "small.npz"
size = [6, "8x8"]
color = ["gray"]
[part]
seeds = 1
recipe = { epochs = 2, batch_size = 8, learning_rate = 0.02 }
draw = ["frontier", "projection", "gallery", "heads"]
[[part.families]]
network = "conv n, pool, dense"
knobs = ["n=1,2"]
label = "plain"
[[part.heads]]
head = "ridge"
[[part.heads]]
head = "ridge"
network = "conv 3, pool"
"""


def test_a_study_file_names_inputs(issun: Issun) -> None:
    Path("f.toml").write_text(FILE)
    done = issun.run("run", "f.toml", "--threads", "1")
    assert done.code == 0, done.err
    assert "could not be" not in done.err
    study = Study("f-part.sqlite")
    assert inputs_of(study) == [(6, 6, 1), (8, 8, 1)]
    # Heads of the best network, at its input, and of the untrained one at both.
    assert set(study.heads["label"]) == {"plain", "6x6 gray: random", "8x8 gray: random"}
    best = max(study.entries, key=lambda entry: entry.val_accuracy_mean)
    assert study.heads.set_index("label")["trial_id"]["plain"] in {trial.trial_id for trial in best.trials}
    assert "0 new" not in done.err
    again = issun.answers("run", "f.toml", "--dry-run", "--size", "6,8")
    assert again["parts"]["part"]["missing"] == 0
    assert again["parts"]["part"]["inputs"] == [[6, 6, 1], [8, 8, 1]]
    more = issun.answers("run", "f.toml", "--dry-run", "--size", "7", "--rgb")
    assert (more["parts"]["part"]["missing"], more["parts"]["part"]["inputs"]) == (2, [[7, 7, 3]])
    summary = package.study.summary.summarize(study).as_dict()
    assert summary["inputs"] == [[6, 6, 1], [8, 8, 1]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("size = [6, 8.5]", r"f.toml, line 4, `size(\[1\])?`"),
        ('size = "big"', r"f.toml, line 4, `size`: `size` \(=big\) must be height x width"),
        ("size = []", r"f.toml, line 4, `size`: `size` \(=\[\]\) must be a size"),
        ('size = 8\ncolor = "green"', r"f.toml, line 5, `color`: `color` \(=green\) must be gray or rgb"),
    ],
)
def test_wrong_inputs_of_a_study_file(folder: Path, line: str, message: str) -> None:
    Path("f.toml").write_text(FILE.replace('size = [6, "8x8"]\ncolor = ["gray"]', line))
    with pytest.raises(StudyFileError, match=message):
        package.run("f.toml")


def test_a_part_is_prepared_at_every_input(folder: Path) -> None:
    from issun.study.file import read_study_file

    Path("f.toml").write_text(FILE.replace('draw = ["frontier", "projection", "gallery", "heads"]', 'watch = "test"\nas_published = true'))
    sets = Inputs.of([load("small.npz", size=side) for side in (6, 8)])
    part = prepare(read_study_file("f.toml"), "part", sets, quick=True)
    assert [dataset.input for dataset in part.inputs] == [(6, 6, 1), (8, 8, 1)]
    assert all(dataset.given_validation == len(dataset.test_images) for dataset in part.inputs)
    assert {trial.fingerprint for trial in part.plan.trials} == {dataset.fingerprint for dataset in part.inputs}


def test_the_commands_state_the_input(issun: Issun) -> None:
    options = ("--seeds", "1", "--epochs", "2", "--folds", "1", "--threads", "1", *QUICK)
    done = issun.run("sweep", "small.npz", *FAMILY, "--size", "6,8", "--color", "gray", *options)
    assert done.code == 0, done.err
    assert "4 networks at 2 inputs (6x6 gray, 8x8 gray) × 1 seed = 4 trials" in done.err
    assert "done: 8x8 gray: conv 2, pool, dense  seed 0" in done.err
    assert re.search(r"\nA  [68]x[68] gray  n=[12] ", done.out)
    assert "Smallest at each input with " in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert Path("small.png").stat().st_size > 1000
    shown = issun.succeeds("show", "small.sqlite", "--network", "6x6x1: conv 2, pool, dense")
    assert shown.startswith("6x6 gray: conv 2, pool, dense\n")
    assert "of 2 ways of training it (6x6 gray). The others:\n  8x8 gray: validation" in shown
    told = issun.answers("show", "small.sqlite", "--network", "6x6x1: conv 2, pool, dense")
    assert told["input"] == [6, 6, 1]
    found = issun.answers("show", "small.sqlite")
    assert found["inputs"] == [[6, 6, 1], [8, 8, 1]]
    assert {tuple(entry["input"]) for entry in found["networks"]} == {(6, 6, 1), (8, 8, 1)}
    assert set(found["smallest_by_input"]) == {"6x6 gray", "8x8 gray"}
    forecast = issun.succeeds("sweep", "small.npz", *FAMILY, "--size", "6,7,8", *options, "--dry-run")
    assert re.search(r"\n7x7 gray +2 ", forecast)
    assert "4 of them are already in small.sqlite" in forecast


def test_other_commands_on_a_study_of_several_inputs(issun: Issun) -> None:
    swept("a.sqlite", size="6,8", epochs=4, batch_size=4, learning_rate=0.02)
    for name, side in (("6x6 gray: conv 2, pool, dense", 6), ("8x8 gray: conv 2, pool, dense", 8)):
        issun.succeeds("export", "a.sqlite", "--network", name, "--to", "page", "-o", f"{side}.html", "--force")
        assert f'"input":[{side},{side},1]' in Path(f"{side}.html").read_text()
        issun.succeeds("plot", "a.sqlite", "gallery", "--network", name, "-o", f"{side}.png")
        issun.succeeds("project", "small.npz", "--study", "a.sqlite", "--size", str(side), "--method", "pca", "-o", f"p{side}.png")
        issun.succeeds("features", "small.npz", name.partition(": ")[2], "--study", "a.sqlite", "--size", str(side), "--head", "ridge")
        message = issun.fails("features", "small.npz", name, "--study", "a.sqlite", "--size", str(14 - side), "--head", "ridge")
        assert f"`{name}` takes other images than these ({14 - side}x{14 - side} gray)" in message
    for arguments in (
        ("train", "small.npz", "dense"),
        ("data", "small.npz"),
        ("ablate", "small.npz", "conv 2, dense"),
        ("features", "small.npz", "conv 2, pool", "--head", "ridge"),
        ("project", "small.npz", "--study", "a.sqlite"),
    ):
        assert "`size` (=6x6,8x8) must be one size here" in issun.fails(*arguments, "--size", "6,8")
        assert "`color` (=gray,rgb) must be one color here" in issun.fails(*arguments, "--color", "gray,rgb")


def test_the_page_has_the_images_of_each_input(folder: Path) -> None:
    study = swept(size="6,8", epochs=2)
    [record] = content([study])["studies"]
    assert [(one["name"], one["input"], one["images"] is None) for one in record["inputs"]] == [
        ("6x6 gray", [6, 6, 1], True),
        ("8x8 gray", [8, 8, 1], False),
    ]
    assert (record["images"]["height"], record["inputs"][1]["images"]["height"]) == (6, 8)
    for network, entry in zip(record["networks"], study.entries, strict=True):
        assert record["inputs"][network["input"]]["input"] == list(entry.input)
        assert network["at"] == entry.place
        detail = record["details"][network["detail"]]
        album = record["inputs"][network["input"]]["images"] or record["images"]
        for mistake in detail["mistakes"]:
            assert album["labels"][mistake["image"]] == mistake["true"]
    given = content([study], data=load("small.npz", size=8))["studies"][0]
    assert given["images"] is None
    assert given["inputs"][1]["images"] is not None
    assert any("the images at 6x6 gray were not given, only those at 8x8 gray" in text for text in given["left_out"])


def test_the_page_tries_each_network_on_images_of_its_input(chromium: Any, folder: Path) -> None:
    study = swept(size="6,8", epochs=4, batch_size=4, learning_rate=0.02)
    path = package.report(study, output="a.html").path.absolute()
    entries = [entry for entry in study.entries if entry.frontier]
    with browser.opened(chromium, path) as page:
        for entry in entries:
            page.locator(f'#networks button[title="{entry.title}"]').click()
            assert page.locator("#network h2").inner_text() == entry.title
            tried = page.evaluate(
                """() => {
                  const network = issun["study/state.js"].state.chosen;
                  const { image } = issun["tryit/current.js"].runCurrent(network);
                  return [image.height, image.width, image.channels];
                }"""
            )
            assert tuple(tried) == entry.input
        legend = page.locator("#legend").inner_text()
        for place in {entry.place for entry in study.entries}:
            assert f"{place}: conv n, pool, dense" in legend


def test_photographs_of_several_sizes_go_on(folder: Path) -> None:
    for number in range(24):
        draw(folder / "pets" / "ab"[number % 2] / f"v{number // 2 % 6}_{number}.jpg", pixels(number, 90, 120, 3))
    study = swept(data="pets", size="8,16", groups="^(v[0-9])_")
    assert [facts.reduced for facts in study.facts.inputs] == [True, True]
    forecast = package.sweep("pets", FAMILY, study="a.sqlite", dry_run=True, size="16,8,40", groups="^(v[0-9])_", **OPTIONS)
    assert isinstance(forecast, Forecast)
    assert (forecast.missing, len(forecast.plan.trials)) == (2, 6)
    assert [data.reduced for data in forecast.plan.inputs] == [True, True, False]
    # A study of an older issun, which decoded everything whole, keeps that for the inputs that it knows.
    whole = load("pets", size=16, whole=True, groups="^(v[0-9])_")
    old = swept("old.sqlite", data=whole)
    said: list[Event] = []
    both = swept("old.sqlite", data="pets", size="16,8", groups="^(v[0-9])_", on_progress=said.append)
    assert ids(old) < ids(both)
    assert [facts.reduced for facts in both.facts.inputs] == [False, True]
    assert any("was started when every JPEG was decoded at its full size" in event.text for event in said if isinstance(event, Remark))
