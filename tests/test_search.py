"""A search: four parts, budgets before training, the same bits whatever the threads, confirmation that has no say in what is found."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import issun
from cli_runner import Issun
from issun.datasets.inputs import Inputs
from issun.datasets.split import Split
from issun.errors import Cancelled, IssunError, RecipeError, SelectionError, StudyError
from issun.events import Remark
from issun.nas import confirming, searching
from issun.nas.confirming import CONFIRMATION_SEEDS
from issun.nas.searching import Way
from issun.nas.starts import starts
from issun.nas.ways import second_recipe, short_recipe, twice, ways_of
from issun.recipe import Recipe
from issun.study import Query, Study
from issun.study.importance import importances
from issun.study.query import within
from issun.training import Outcome, train_network
from issun.webpage import content

#: Small enough for seconds: full recipe of four epochs, short one of one.
QUICK: dict[str, Any] = {"epochs": 4, "trials": 40, "target": 0.7, "max_macs": 20_000}


def proposals(path: Path) -> list[tuple[Any, ...]]:
    """Return all that a study says of proposals, and what was judged of each."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT p.*, t.status, t.validation_accuracy FROM proposals p LEFT JOIN trials t ON t.network_id = p.network_id AND "
            "t.recipe_id = p.recipe_id AND t.seed = p.seed ORDER BY number"
        ).fetchall()


def finalists(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM finalists ORDER BY opening, place").fetchall()


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> issun.Study:
    return issun.search("digits", study=tmp_path_factory.mktemp("search") / "one.sqlite", threads=2, **QUICK)


def test_the_four_parts_share_no_image() -> None:
    digits = issun.load("digits")
    train, judge = digits.parts(Split(0.15, aside=0.15))
    whole, confirmation = digits.parts(Split(0.15))
    assert set(whole) == {*train, *judge}
    assert len({*train, *judge, *confirmation}) == len(train) + len(judge) + len(confirmation) == len(digits.images)


def test_the_answer_is_the_last_finalist_that_passed(found: issun.Study) -> None:
    searched = found.searched
    assert searched is not None
    assert searched.winner is not None
    assert found.facts.search is not None
    assert len(found.facts.search.proposals) == 40
    assert found.facts.runs[-1].command == "issun.search('digits', target=0.7, max_macs=20000, trials=40, seed=0)"
    sizes = [one.judged.parameters for one in searched.finalists]
    assert sizes == sorted(sizes, reverse=True)
    for one in searched.passed:
        assert one.confirmed is not None
        assert one.confirmed.val_accuracy_mean >= 0.7
        assert [trial.seed for trial in one.confirmed.trials] == list(CONFIRMATION_SEEDS)
    tried = [one for one in searched.finalists if one.confirmed is not None]
    assert len(tried) in (len(searched.passed), len(searched.passed) + 1)  # it stops at the first failure
    assert searched.winner == searched.passed[-1]


def test_the_first_confirmation_seed_is_handed_over_and_measured_once(found: issun.Study) -> None:
    assert found.searched is not None
    assert found.searched.winner is not None
    confirmed = found.searched.winner.confirmed
    assert confirmed is not None
    assert confirmed.best_seed == CONFIRMATION_SEEDS[0]
    assert found.network() == confirmed
    tests = found.test_results()
    assert list(tests) == [confirmed.trials[0].trial_id]
    digits = issun.load("digits")
    assert tests[confirmed.trials[0].trial_id][1] == (found.model().predict(digits.test_images) == digits.test_labels).mean()


def test_what_was_chosen_by_the_judging_images_is_not_chosen_by_them_again(found: issun.Study) -> None:
    assert found.searched is not None
    for entry in found.entries:
        assert entry.independent == entry.confirms
    assert found.smallest(0.5).confirms
    split = found.split(next(entry for entry in found.entries if not entry.confirms))
    train, judge = issun.load("digits").parts(split)
    assert not {*train, *judge} & set(issun.load("digits").parts(Split(0.15))[1])


def test_an_answer_says_that_smaller_finalists_are_not_confirmed_yet(tmp_path: Path) -> None:
    wanted = QUICK | {"target": 0.4, "trials": 100}
    first = issun.search("digits", study=tmp_path / "one.sqlite", **wanted, finalists=1)
    assert first.searched is not None
    left = first.searched.untried
    assert left == first.searched.finalists[1:]
    assert left
    assert f"not confirmed yet: {len(left)} smaller finalist" in " ".join(str(line) for line in first.findings.lines())
    again = issun.search("digits", study=tmp_path / "one.sqlite", **wanted)
    assert again.searched is not None
    assert not again.searched.untried


def test_a_target_has_precedence_over_the_frontier(tmp_path: Path) -> None:
    both = issun.search("digits", study=tmp_path / "both.sqlite", **QUICK | {"trials": 10, "pareto": True, "target": 0.2})
    assert both.facts.search is not None
    assert not both.facts.search.settings.pareto


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bits_for_any_number_of_threads(found: issun.Study, tmp_path: Path, threads: int) -> None:
    again = issun.search("digits", study=tmp_path / "again.sqlite", threads=threads, **QUICK)
    assert proposals(again.path) == proposals(found.path)
    assert finalists(again.path) == finalists(found.path)
    assert again.findings.as_dict()["finalists"] == found.findings.as_dict()["finalists"]


def test_a_stopped_search_goes_on_to_the_same_end(found: issun.Study, command: Issun, tmp_path: Path) -> None:
    path = tmp_path / "stopped.sqlite"

    def stop(event: object) -> None:
        if isinstance(event, searching.SearchProgress) and event.trainings >= 32:
            raise KeyboardInterrupt

    with pytest.raises(Cancelled, match="--confirm"):
        issun.search("digits", study=path, on_progress=stop, **QUICK)
    shown = command.succeeds("show", path)
    assert "Nothing is confirmed yet" in " ".join(shown.split()) or "which is not enough" in " ".join(shown.split())
    assert "The frontier so far" in shown
    assert "Remedies" not in shown
    assert 32 <= len(proposals(path)) < 40
    issun.search("digits", study=path, **QUICK)
    assert proposals(path) == proposals(found.path)
    assert finalists(path) == finalists(found.path)


def test_a_killed_search_loses_no_training(found: issun.Study, tmp_path: Path) -> None:
    path = tmp_path / "killed.sqlite"
    options = ["--epochs", "4", "--trials", "40", "--target", "0.7", "--max-macs", "20000", "--study", str(path)]
    command = [sys.executable, "-m", "issun", "search", "digits", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if path.exists() and path.stat().st_size and sum(row[-2] == "done" for row in _tolerantly(path)) >= 10:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    issun.search("digits", study=path, **QUICK)
    assert proposals(path) == proposals(found.path)


def _tolerantly(path: Path) -> list[tuple[Any, ...]]:
    try:
        return proposals(path)
    except sqlite3.Error:  # it is just being made
        return []


def scrambled(after: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Return what trains a network, with figures on the images of confirmation that have nothing to do with it."""

    def train(net: Any, *given: Any, **named: Any) -> Outcome:
        outcome = after(net, *given, **named)
        accuracy = float(np.random.default_rng(int(net.id, 16) % 2**32).random())
        return replace(outcome, val_accuracy=accuracy, val_loss=1.0)

    return train


def test_no_choice_of_the_search_depends_on_confirmation_or_test(
    found: issun.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(confirming.confirm.__kwdefaults__, "train", scrambled(train_network))
    digits = issun.load("digits")
    other = replace(digits, test_labels=(digits.test_labels + 1) % 10)
    path = tmp_path / "scrambled.sqlite"
    again = issun.search(other, study=path, **QUICK)
    assert [row[1:] for row in proposals(path)] == [row[1:] for row in proposals(found.path)]
    assert finalists(path) == finalists(found.path)
    assert again.searched is not None
    assert found.searched is not None
    first, second = (study.searched.finalists[0].confirmed for study in (again, found) if study.searched is not None)
    assert first is not None
    assert second is not None
    assert first.val_accuracy_mean != second.val_accuracy_mean


def test_no_network_over_a_budget_reaches_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Any] = []
    lock = threading.Lock()

    def counting(net: Any, *given: Any, **named: Any) -> Outcome:
        with lock:
            trained.append(net)
        return train_network(net, *given, **named)

    monkeypatch.setitem(searching.search.__kwdefaults__, "train", counting)
    query = Query(max_params=300, max_macs=6_000, max_memory=2_000)
    issun.search("digits", study=tmp_path / "small.sqlite", trials=40, epochs=2, max_params=300, max_macs=6_000, max_memory=2_000)
    assert len(trained) == 40
    assert all(within(query, net) for net in trained)


def test_budgets_alone_give_one_finalist_and_nothing_the_frontier(tmp_path: Path) -> None:
    best = issun.search("digits", study=tmp_path / "best.sqlite", trials=40, epochs=4, max_params=500, max_macs=20_000)
    assert best.searched is not None
    assert len(best.searched.finalists) == 1
    assert best.searched.winner is not None
    frontier = issun.search("digits", study=tmp_path / "all.sqlite", trials=150, epochs=4, max_macs=20_000, pareto=True)
    assert frontier.searched is not None
    assert len(frontier.searched.finalists) > 1
    assert all(one.confirmed is not None for one in frontier.searched.finalists)
    assert frontier.searched.winner is None
    assert not frontier.test_results()


def test_a_target_that_nothing_reaches_opens_no_confirmation(command: Issun) -> None:
    done = command.run("search", "digits", "--trials", "30", "--epochs", "2", "--target", "99.9%", "--max-params", "200")
    assert done.code == 0, done.err
    assert "none" in done.out
    assert "which is not enough" in " ".join(done.out.split())
    study = Study(command.folder / "digits-search.sqlite")
    assert study.facts.search is not None
    assert not study.facts.search.openings
    assert not any(entry.confirms for entry in study.entries)


def test_a_search_that_goes_on_after_confirmation_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "more.sqlite"
    issun.search("digits", study=path, **QUICK)
    assert len({row[0] for row in finalists(path)}) == 1
    more = issun.search("digits", study=path, **QUICK | {"trials": 41})
    assert more.searched is not None
    assert more.searched.again
    assert "no longer independent" in " ".join(str(line) for line in more.findings.lines())


def test_wrong_input(tmp_path: Path, found: issun.Study) -> None:
    def search(**options: Any) -> None:
        issun.search("digits", **{"study": tmp_path / "wrong.sqlite", "trials": 3, "epochs": 1} | options)

    with pytest.raises(StudyError, match=r"another search \(target 0.7 there, none now; .*give another path"):
        search(study=found.path)
    with pytest.raises(StudyError, match="holds a search"):
        issun.sweep("digits", ["dense"], study=found.path, epochs=1)
    with pytest.raises(IssunError, match="--sure is about a target"):
        search(sure=True)
    with pytest.raises(SelectionError, match="none of the 7 networks"):
        search(max_params=9)
    with pytest.raises(IssunError, match="too short"):
        search(trials=None, time=0.00001)
    with pytest.raises(IssunError, match="--time"):
        search(time="soon")
    with pytest.raises(IssunError, match="--trials"):
        search(trials=0)
    with pytest.raises(IssunError, match="window is larger"):
        search(start="conv 4 30x30, dense")
    with pytest.raises(SelectionError, match="takes 9x9x1 images"):
        search(start=issun.parse_network("conv 4, dense", (9, 9, 1), 10))
    with pytest.raises(RecipeError, match="patience"):
        search(patience=2)
    with pytest.raises(IssunError, match=r"--teacher .*217 of the 217 that judge.*--allow-dependent"):
        search(teacher=found.path)
    issun.sweep("digits", ["conv 2, dense"], study=tmp_path / "sweep.sqlite", seeds=1, epochs=1, plot=False)
    with pytest.raises(StudyError, match="holds no search"):
        search(study=tmp_path / "sweep.sqlite")
    assert not (tmp_path / "wrong.sqlite").exists()


def test_commands_work_on_a_search(found: issun.Study, command: Issun) -> None:
    shown = command.run("show", str(found.path))
    assert shown.code == 0, shown.err
    assert "Where it comes from" in shown.out
    assert max(map(len, shown.out.splitlines()[:12])) <= 80
    said = json.loads(command.run("show", str(found.path), "--json").out)
    assert said["search"]["winner"]["network"] == found.network().network
    one = command.run("show", str(found.path), "--network", found.network().network)
    assert one.code == 0, one.err
    assert "(judges)" in one.out
    assert "the first of 5" in one.out
    for name, *others in (("export", "--to", "onnx"), ("report",), ("plot", "frontier"), ("plot", "curves"), ("plot", "confusion")):
        ended = command.run(name, str(found.path), *others)
        assert ended.code == 0, ended.err


def test_the_page_and_the_picture_show_where_the_answer_comes_from(found: issun.Study, tmp_path: Path) -> None:
    [study] = content([found])["studies"]
    said = study["search"]
    assert said["trainings"] == 40
    answer = next(one for one in said["finalists"] if one["answer"])
    assert answer["id"] in {network["id"] for network in study["networks"]}
    assert said["descent"][0]["change"] == "start"
    assert said["descent"][-1]["network"] == answer["network"]
    assert [one["proposals"] for one in said["growth"]] == [5, 10, 20, 40]
    fronts = [dict(map(tuple, one["frontier"])) for one in said["growth"]]
    assert fronts[-1]
    for front in fronts:
        assert list(front.values()) == sorted(front.values())
    assert study["about"]["dependent"] == ""
    assert {network["family"] for network in study["networks"]} == {"search"}
    issun.plot(found, "search", tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000
    sweep = issun.sweep("digits", ["conv 2, dense"], study=tmp_path / "sweep.sqlite", seeds=1, epochs=1, plot=False)
    with pytest.raises(SelectionError, match="holds no search"):
        issun.plot(sweep, "search")


def test_importance_finds_what_carried_accuracy(found: issun.Study, command: Issun) -> None:
    importance = issun.show(found, importance=True).importance
    assert importance is not None
    assert importance.networks == len([entry for entry in found.entries if entry.ended_well])
    # Where the epochs alone decide, they are found.
    decided = [
        replace(entry, trials=tuple(replace(one, val_accuracy=0.5 + 0.1 * one.epochs) for one in entry.trials)) for entry in found.entries
    ]
    clear = importances(found, decided)
    assert clear.choices[0].name == "epochs"
    assert clear.choices[0].mean > 10 * max(abs(one.mean) for one in clear.choices[1:])
    assert clear.explained > 0.5
    printed = command.run("show", str(found.path), "--importance")
    assert printed.code == 0, printed.err
    assert "What carried accuracy" in printed.out
    said = json.loads(command.run("show", str(found.path), "--importance", "--json").out)
    assert said["importance"]["networks"] == importance.networks
    few = issun.sweep("digits", ["conv 2, dense"], study=command.folder / "few.sqlite", seeds=1, epochs=1, plot=False)
    with pytest.raises(SelectionError, match="needs at least 30"):
        issun.show(few, importance=True)
    with pytest.raises(IssunError, match="--importance"):
        issun.show([few, found], importance=True)


def test_dry_run_knows_what_the_study_has_used(found: issun.Study) -> None:
    assert found.facts.search is not None
    asked: dict[str, Any] = {**QUICK, "trials": None, "finalists": None, "study": found.path}
    used = issun.search("digits", dry_run=True, time=100.0, **asked)
    fresh = issun.search("digits", dry_run=True, time=100.0, **asked | {"study": found.path.with_name("none.sqlite")})
    assert used.spent == found.facts.search.seconds
    assert used.spent > 0
    assert fresh.spent == 0
    assert used.trials is not None
    assert used.trials >= 0
    none_left = issun.search("digits", dry_run=True, time=found.facts.search.seconds, **asked)
    assert none_left.trials == 0


def test_dry_run_says_how_many_networks_the_time_allows(command: Issun) -> None:
    done = command.run("search", "digits", "--target", "95%", "--time", "2m", "--dry-run")
    assert done.code == 0, done.err
    assert "trainings" in done.out
    assert "conv 4 same" in done.out
    assert not list(command.folder.iterdir())


def test_few_images_are_judged_in_folds(tmp_path: Path) -> None:
    digits = issun.load("digits")
    few = replace(
        digits,
        images=digits.images[:300],
        labels=digits.labels[:300],
        test_images=digits.test_images[:50],
        test_labels=digits.test_labels[:50],
        files=(),
        test_files=(),
    )
    quick: dict[str, Any] = {"epochs": 15, "trials": 40, "target": 0.4, "max_macs": 20_000}
    study = issun.search(few, study=tmp_path / "few.sqlite", **quick)
    assert study.searched is not None
    winner = study.searched.winner
    assert winner is not None
    confirmed = winner.confirmed
    assert confirmed is not None
    assert (winner.judged.folds, winner.judged.validation_images) == (5, 254)
    assert (confirmed.folds, confirmed.validation_images) == (1, 46)
    aside = set(few.parts(Split(0.15))[1])
    assert not aside & set(study.predictions(winner.judged)["index"])
    assert set(study.predictions(confirmed)["index"]) == aside

    def stop(event: object) -> None:
        if isinstance(event, searching.SearchProgress) and event.trainings >= 9:
            raise KeyboardInterrupt

    path = tmp_path / "stopped.sqlite"
    with pytest.raises(Cancelled):
        issun.search(few, study=path, on_progress=stop, **quick)
    again = issun.search(few, study=path, threads=1, **quick)
    assert [row[:-2] for row in proposals(path)] == [row[:-2] for row in proposals(study.path)]
    assert again.findings.as_dict()["finalists"] == study.findings.as_dict()["finalists"]


def test_sizes_are_part_of_the_space(tmp_path: Path) -> None:
    path = tmp_path / "sizes.sqlite"
    study = issun.search("digits", size=[6, 8], study=path, epochs=4, trials=100, target=0.6, max_macs=20_000)
    with closing(sqlite3.connect(path)) as connection:
        changes = [row[0] for row in connection.execute("SELECT change FROM proposals")]
    assert any(change.startswith("images: ") for change in changes)
    assert study.searched is not None
    assert {entry.input for entry in study.entries} == {(6, 6, 1), (8, 8, 1)}
    winner = study.searched.winner
    assert winner is not None
    assert winner.confirmed is not None
    assert winner.confirmed.title.startswith(("6x6 gray: ", "8x8 gray: "))
    assert study.test_results()
    again = issun.search(
        "digits", size=[6, 8], study=tmp_path / "again.sqlite", epochs=4, trials=100, target=0.6, max_macs=20_000, threads=1
    )
    assert proposals(again.path) == proposals(path)


def test_a_search_may_keep_to_families(tmp_path: Path) -> None:
    families = ["conv n, pool, conv m, gap, dense", "n=1..12", "m=2,4,8,12"]
    study = issun.search("digits", families, study=tmp_path / "family.sqlite", epochs=4, trials=60, target=0.3, max_macs=20_000)
    members = {f"conv {n}, pool, conv {m}, gap, dense" for n in range(1, 13) for m in (2, 4, 8, 12)}
    assert {entry.network for entry in study.entries} <= members
    assert study.facts.search is not None
    assert any(one.change.startswith("n from ") for one in study.facts.search.proposals)
    # All of a small family is tried, and then the search ends by itself.
    told: list[str] = []
    small = issun.search(
        *("digits", ["conv n, pool, dense", "n=1,2,3"]),
        study=tmp_path / "small.sqlite",
        epochs=1,
        trials=500,
        max_macs=20_000,
        on_progress=lambda event: told.append(event.text) if isinstance(event, Remark) else None,
    )
    assert len({entry.network for entry in small.entries}) == 3
    assert all(entry.seeds == 3 for entry in small.entries if not entry.confirms)
    assert any("was tried" in text for text in told)
    assert small.searched is not None
    assert small.searched.finalists
    with pytest.raises(IssunError, match="--start and families"):
        issun.search("digits", families, start="dense", study=tmp_path / "wrong.sqlite", trials=3)
    with pytest.raises(SelectionError, match="keeps within the budgets"):
        issun.search("digits", families, max_params=2, study=tmp_path / "wrong.sqlite", trials=3)


def test_each_recipe_belongs_to_one_way() -> None:
    for shape, images in (((8, 8, 1), 1_000), ((32, 32, 3), 100), ((24, 24, 1), 340), ((28, 28, 1), 42_000)):
        few = issun.Dataset(
            "few",
            *(np.zeros((2, *shape), np.uint8), np.array([0, 1]), np.zeros((1, *shape), np.uint8), np.array([0])),
            classes=("a", "b"),
        )
        for settings in ({}, {"augment": "flip"}, {"epochs": 1}, {"augment": "none"}):
            ways = ways_of(Inputs.of(few), images, None, settings)
            recipes = [one for way in ways for one in {way.short, way.full}]
            assert len(set(recipes)) == len(recipes)
            assert [way.name for way in ways][:2] == ["small batches", "usual"]


def test_a_refit_learns_from_all_images_and_says_that_nothing_measures_it(tmp_path: Path) -> None:
    path = tmp_path / "refit.sqlite"
    study = issun.search("digits", study=path, refit=True, **QUICK)
    saved = study.findings.refit
    assert saved == tmp_path / "refit-refit.safetensors"
    model = issun.Model.load(saved)
    assert study.searched is not None
    assert study.searched.winner is not None
    assert str(model.net) == study.searched.winner.judged.network or model.provenance.trained_as == study.searched.winner.judged.network
    assert model.provenance.validation.startswith("none")
    assert model.provenance.val_accuracy is None
    assert model.weights.tobytes() != study.model().folded().weights.tobytes()
    assert len(study.test_results()) == 1
    unreached = issun.search("digits", study=tmp_path / "none.sqlite", refit=True, trials=4, epochs=1, target=1.0, max_macs=20_000)
    assert unreached.findings.refit is None


def test_a_search_goes_on_as_it_began_whatever_todays_searches_begin_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.sqlite"
    begun = issun.search("digits", study=path, **QUICK | {"trials": 20, "finalists": 1})
    assert begun.facts.search is not None
    todays = sys.modules["issun.nas.starts"]
    monkeypatch.setattr(todays, "starts", lambda shape, classes, widths=(): starts(shape, classes, (5, 6)))
    monkeypatch.setattr(sys.modules["issun.nas.ways"], "SHORT_SHARE", 0.5)
    again = issun.search("digits", study=path, **QUICK | {"trials": 24, "finalists": 1})
    assert again.facts.search is not None
    assert again.facts.search.settings == begun.facts.search.settings
    assert again.facts.search.proposals[:20] == begun.facts.search.proposals
    assert len({entry.recipe_id for entry in again.entries}) == len({entry.recipe_id for entry in begun.entries})


def test_a_search_that_began_with_other_recipes_goes_on_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, api, few = tmp_path / "one.sqlite", sys.modules["issun.api.search"], QUICK | {"trials": 20, "finalists": 1}

    def without(*arguments: Any) -> tuple[Way, ...]:
        usual = next(way for way in ways_of(*arguments) if way.name == "usual")
        longer = twice(usual.full)
        return usual, Way("twice the epochs", short_recipe(longer, 1_000), longer)

    with monkeypatch.context() as before:
        before.setattr(api, "ways_of", without)
        begun = issun.search("digits", study=path, **few)
    again = issun.search("digits", study=path, **few | {"trials": 24})
    assert begun.facts.search is not None
    assert again.facts.search is not None
    assert again.facts.search.settings == begun.facts.search.settings
    assert {entry.recipe_id for entry in again.entries} <= {recipe for way in begun.facts.search.settings.ways for recipe in way.recipes}
    with pytest.raises(StudyError, match="other recipes"):
        issun.search("digits", study=path, **few | {"trials": 28, "epochs": few["epochs"] + 1})


@pytest.mark.parametrize(("images", "looks"), [(1_000, [15, 60]), (42_000, [1, 3, 12]), (20_000, [1, 3, 12])])
def test_recipes_far_apart_have_one_between(images: int, looks: list[int]) -> None:
    default = Recipe.for_images(images)
    recipes = [short_recipe(default, images), second_recipe(default, images), default]
    assert [one.epochs for one in recipes if one is not None] == looks
