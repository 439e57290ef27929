"""Sweeps: every trial is trained and stored once, progress tells the truth, and one failure does not take the others along."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from issun.api.sweep import sweep
from issun.arch.net import Net
from issun.errors import KnobError, NetworkError, RecipeError, SelectionError
from issun.plots.pictures import plot
from issun.recipe import Recipe
from issun.study.plan import DataFacts
from issun.study.progress import Progress
from issun.study.query import Query
from issun.study.store import Store
from issun.study.study import Study
from issun.study.sweep import default_path, make_plan
from issun.study.workers import run
from issun.training import Outcome, train_network
from small_study import digits, pretend, rows_of, run_small, small_plan


def test_a_sweep_trains_and_finds_the_frontier(tmp_path: Path) -> None:
    families = ["conv n, pool, dense", "n=1,2", "dense"]
    recipe: dict[str, Any] = {"learning_rate": 0.02, "batch_size": 16}
    study = sweep(digits(), families, epochs=8, seeds=2, folds=1, study=tmp_path / "a.sqlite", recipe=recipe)
    networks = study.networks
    assert sorted(networks["network"]) == ["conv 1, pool, dense", "conv 2, pool, dense", "dense"]
    assert (networks["seeds"] == 2).all()
    assert networks["val_accuracy_mean"].max() > 0.5  # chance is 0.1
    assert study.frontier()["parameters"].is_monotonic_increasing
    assert len(study.history("dense", 1)) == 8
    assert "sweep" in study.about["command"]
    # What was stored is what training gives, and what the model says is what was stored.
    plan = make_plan(["dense"], digits(), epochs=8, seeds=2, folds=1, recipe=recipe)
    entry = study.network("dense")
    outcome = train_network(plan.trials[0].net, plan.recipe, digits(), plan.split, entry.best_seed, threads=1)
    model = study.model("dense")
    assert model.weights.tobytes() == outcome.state.weights.tobytes()
    assert model.about["seed"] == str(entry.best_seed)
    predicted = model.predict(digits().images[plan.validation])
    assert predicted.tolist() == study.predictions("dense")["predicted"].tolist()
    assert (predicted == digits().labels[plan.validation]).mean() == study.trials_dataframe().query("network == 'dense'")[
        "val_accuracy"
    ].max()
    assert model.evaluate(digits().test_images, digits().test_labels).accuracy == pytest.approx(outcome.test_accuracy)


def test_values_may_be_given_by_name(tmp_path: Path) -> None:
    study = sweep(digits(), "dense n, dense", values={"n": [1, 2]}, epochs=1, seeds=1, study=tmp_path / "a.sqlite")
    assert study.networks["knobs"].tolist() == [{"n": 1}, {"n": 2}]
    with pytest.raises(KnobError):
        sweep(digits(), "dense n, dense", epochs=1, study=tmp_path / "b.sqlite")
    assert not (tmp_path / "b.sqlite").exists()


def test_the_study_stands_beside_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = sweep(digits(), "dense", epochs=1, seeds=[4])
    assert study.path == (tmp_path / "digits.sqlite").resolve()
    assert study.trials_dataframe()["seed"].tolist() == [4]
    assert default_path("/some/folder/fruit.npz") == Path("fruit.sqlite")
    assert default_path("fashion-mnist") == Path("fashion-mnist.sqlite")


def test_the_default_recipe_fits_the_number_of_images() -> None:
    assert make_plan(["dense"], digits()).recipe == Recipe.for_images(len(make_plan(["dense"], digits()).train))
    assert make_plan(["dense"], digits(), epochs=3).recipe.epochs == 3
    assert make_plan(["dense"], digits(), recipe=Recipe(optimizer="sgd"), epochs=3).recipe == Recipe(optimizer="sgd", epochs=3)
    with pytest.raises(RecipeError, match="seeds"):
        make_plan(["dense"], digits(), seeds=0)
    with pytest.raises(RecipeError, match="not a setting"):
        make_plan(["dense"], digits(), recipe={"epoch": 3})


def counting() -> tuple[Counter[str], Any]:
    """Return a training that counts how often each network's is begun (the last one goes on with more threads)."""
    trained: Counter[str] = Counter()

    def train(net: Any, *arguments: Any, **options: Any) -> Any:
        trained[str(net)] += not options["history"]
        return pretend(net, *arguments, **options)

    return trained, train


def test_run_again_it_does_only_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    trained, train = counting()
    run_small(path, small_plan("dense n, dense", "n=1,2"), train=train)
    assert trained == {"dense 1, dense": 2, "dense 2, dense": 2}
    before = rows_of(path, times=True)
    trained.clear()
    run_small(path, small_plan("dense n, dense", "n=1,2"), train=train)
    assert not trained
    after = rows_of(path, times=True)
    assert {name: rows for name, rows in after.items() if name != "runs"} == {name: rows for name, rows in before.items() if name != "runs"}
    run_small(path, small_plan("dense n, dense", "n=1,2,3", seeds=(0, 1, 2)), train=train)
    assert trained == {"dense 1, dense": 1, "dense 2, dense": 1, "dense 3, dense": 3}
    run_small(tmp_path / "at once.sqlite", small_plan("dense n, dense", "n=1,2,3", seeds=(0, 1, 2)))
    assert rows_of(path) == rows_of(tmp_path / "at once.sqlite")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(tmp_path: Path, threads: int) -> None:
    run_small(tmp_path / "a.sqlite", small_plan(), threads=threads)
    run_small(tmp_path / "b.sqlite", small_plan(), threads=3)
    assert rows_of(tmp_path / "a.sqlite") == rows_of(tmp_path / "b.sqlite")


def test_the_longest_goes_first(tmp_path: Path) -> None:
    order: list[int] = []

    def train(net: Any, *arguments: Any, **options: Any) -> Any:
        order.append(net.macs)
        return pretend(net, *arguments, **options)

    run_small(tmp_path / "a.sqlite", small_plan(), train=train, threads=1)
    assert order == sorted(order, reverse=True)
    assert len(set(order)) > 2


@pytest.mark.parametrize(("threads", "networks", "each"), [(4, 2, 2), (4, 1, 4), (3, 2, 1), (2, 2, 1)])
def test_few_networks_get_several_threads_each(tmp_path: Path, threads: int, networks: int, each: int) -> None:
    given: list[int] = []
    meeting = threading.Barrier(networks, timeout=60)  # none ends before all have begun

    def train(*arguments: Any, **options: Any) -> Any:
        given.append(options["threads"])
        if not options["history"]:  # the last one may go on with the threads of the others
            meeting.wait()
        return pretend(*arguments, **options)

    run_small(tmp_path / "a.sqlite", small_plan("dense n, dense", f"n=1..{networks}", seeds=(0,)), train=train, threads=threads)
    assert given[:networks] == [each] * networks


def test_the_last_network_takes_the_threads_of_those_that_have_ended(tmp_path: Path) -> None:
    """Between two epochs; its weights are those that one thread makes."""
    given: dict[str, list[int]] = {}
    short_ended = threading.Event()

    def train(net: Net, *arguments: Any, on_epoch: Any, **options: Any) -> Any:
        given.setdefault(str(net), []).append(options["threads"])

        def slowly(line: Any, state: Any) -> None:
            if str(net) == "dense 9, dense":
                assert short_ended.wait(60)
            on_epoch(line, state)

        outcome = train_network(net, *arguments, on_epoch=slowly, **options)
        if str(net) == "dense 1, dense":
            threading.Timer(0.2, short_ended.set).start()  # when its thread has said so
        return outcome

    plan = small_plan("dense n, dense", "n=1,9", seeds=(0,), epochs=4)
    run_small(tmp_path / "a.sqlite", plan, train=train, threads=2)
    assert given == {"dense 1, dense": [1], "dense 9, dense": [1, 2]}
    run_small(tmp_path / "b.sqlite", plan, train=train_network, threads=1)
    several, alone = (Study(tmp_path / name) for name in ("a.sqlite", "b.sqlite"))
    assert np.array_equal(several.weights("dense 9, dense")[0], alone.weights("dense 9, dense")[0])
    assert list(several.history("dense 9, dense")["train_loss"]) == list(alone.history("dense 9, dense")["train_loss"])


def test_progress_tells_the_truth(tmp_path: Path) -> None:
    seen: list[Progress] = []
    threads: set[int] = set()

    def look(progress: Progress) -> None:
        threads.add(threading.get_ident())
        seen.append(progress)

    path = tmp_path / "a.sqlite"
    run_small(path, small_plan("dense 1, dense"))
    run_small(path, small_plan(), on_progress=look)
    assert threads == {threading.get_ident()}
    assert (seen[0].total, seen[0].done, seen[0].skipped) == (10, 0, 2)
    assert (seen[-1].done, seen[-1].skipped, seen[-1].running, seen[-1].seconds_left) == (8, 2, (), 0.0)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert [progress.elapsed for progress in seen] == sorted(progress.elapsed for progress in seen)
    events = [progress.event for progress in seen if progress.event]
    assert len(events) == 8
    assert any(event.startswith("done: conv 2, pool, dense  seed 0  validation ") for event in events)
    frame = Study(path).trials_dataframe()
    top = frame.loc[frame["val_accuracy"].idxmax()]
    assert seen[-1].best == (top["network"], top["parameters"], top["val_accuracy"])
    assert seen[0].best is not None
    assert seen[0].best[0] == "dense 1, dense"


def test_progress_shows_what_runs(tmp_path: Path) -> None:
    """The first epoch ends, then training waits until somebody has seen it running."""
    looked = threading.Event()

    def train(*arguments: Any, **options: Any) -> Any:
        keep = options.pop("on_epoch")

        def on_epoch(line: Any, state: Any) -> None:
            keep(line, state)
            assert looked.wait(60)

        return pretend(*arguments, on_epoch=on_epoch, **options)

    def look(progress: Progress) -> None:
        if progress.running and progress.running[0].epoch == 1:
            assert progress.running[0].network == "dense 1, dense"
            assert progress.running[0].epochs == 4
            assert progress.running[0].val_accuracy is not None
            assert progress.seconds_left is not None
            assert progress.seconds_left > 0
            looked.set()

    run_small(tmp_path / "a.sqlite", small_plan("dense 1, dense", seeds=(0,)), train=train, on_progress=look)
    assert looked.is_set()


def test_a_trial_that_diverges_is_kept_and_marked_and_the_sweep_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    seen: list[str] = []
    wild = small_plan("dense 1, dense", learning_rate=1e9)
    run_small(path, wild, on_progress=lambda progress: seen.append(progress.event or ""))
    run_small(path, small_plan("dense 1, dense"))
    study = Study(path)
    assert study.trials_dataframe()["status"].value_counts().to_dict() == {"diverged": 2, "done": 2}
    assert study.trials_dataframe().query("diverged")["val_loss"].isna().all()
    assert study.trials_dataframe().query("diverged")["epochs"].tolist() == [1, 1]
    assert sum(event.startswith("diverged: dense 1, dense") for event in seen) == 2
    assert study.frontier()["diverged"].tolist() == [0]
    trained, train = counting()
    run_small(path, wild, train=train)  # they have ended, however badly
    assert not trained


def test_real_training_that_diverges(tmp_path: Path) -> None:
    settings = {"optimizer": "sgd", "learning_rate": 1e38, "scaling": "raw"}
    study = sweep(digits(), ["dense 4, dense"], epochs=3, seeds=2, recipe=settings, study=tmp_path / "a.sqlite")
    assert (study.trials_dataframe()["status"] == "diverged").all()
    with pytest.raises(SelectionError, match="diverged with every seed: lower the learning rate"):
        study.smallest()


@pytest.mark.parametrize("error", [ValueError("a bug"), MemoryError(), NetworkError("cannot be")])
def test_one_failure_does_not_take_the_others_along(tmp_path: Path, error: Exception) -> None:
    def train(net: Any, recipe: Any, dataset: Any, split: Any, seed: int, **options: Any) -> Any:
        if str(net) == "dense 2, dense" and seed == 0:
            raise error
        return pretend(net, recipe, dataset, split, seed, **options)

    seen: list[str] = []
    with pytest.raises(type(error)) as raised:
        run_small(tmp_path / "a.sqlite", small_plan(), train=train, on_progress=lambda progress: seen.append(progress.event or ""))
    assert "while training `dense 2, dense` with seed 0" in raised.value.__notes__
    assert sum(event.startswith("failed: dense 2, dense  seed 0") for event in seen) == 1
    assert len(Study(tmp_path / "a.sqlite").trials_dataframe()) == 9
    run_small(tmp_path / "a.sqlite", small_plan())
    run_small(tmp_path / "b.sqlite", small_plan())
    assert rows_of(tmp_path / "a.sqlite") == rows_of(tmp_path / "b.sqlite")


def test_an_error_of_who_shows_progress_loses_nothing(tmp_path: Path) -> None:
    def show(progress: Progress) -> None:
        if progress.done == 3:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_small(tmp_path / "a.sqlite", small_plan(), on_progress=show)
    assert len(Study(tmp_path / "a.sqlite").trials_dataframe()) >= 3
    assert [file.name for file in tmp_path.iterdir()] == ["a.sqlite"]


def test_asking_for_what_the_study_does_not_hold(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense"))
    study = Study(tmp_path / "a.sqlite")
    with pytest.raises(SelectionError, match="no finished network `dense 3, dense`"):
        study.model("dense 3, dense")
    with pytest.raises(SelectionError, match=r"`seed` \(=7\) was not trained .* its seeds are 0, 1"):
        study.model("dense 2, dense", seed=7)


def test_a_study_can_be_drawn(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan())
    study = Study(tmp_path / "a.sqlite")
    plot(study, output=tmp_path / "a.png", target=0.5)
    plot(study, output=tmp_path / "a.svg")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert "dense 3, dense" in study._repr_html_()


def test_workers_train_at_the_same_time(tmp_path: Path) -> None:
    """Both trials wait for each other: one after the other they would never end."""
    meeting = threading.Barrier(2, timeout=60)

    def train(*arguments: Any, **options: Any) -> Any:
        if not options["history"]:  # the last one may go on with the thread of the other
            meeting.wait()
        return pretend(*arguments, **options)

    run_small(tmp_path / "a.sqlite", small_plan("dense 1, dense"), train=train)
    assert len(Study(tmp_path / "a.sqlite").trials_dataframe()) == 2


def test_a_run_that_has_nothing_to_do_says_so(tmp_path: Path) -> None:
    plan = small_plan("dense 1, dense")
    run_small(tmp_path / "a.sqlite", plan)
    with Store(tmp_path / "a.sqlite", DataFacts.of(digits())) as store:
        last = run(plan, digits(), store, train=pretend)
    assert (last.total, last.done, last.skipped, last.seconds_left) == (2, 0, 2, 0.0)
    assert np.isfinite(last.elapsed)


def test_networks_beyond_a_budget_are_not_trained(tmp_path: Path) -> None:
    trained: list[int] = []

    def counting(net: Net, *given: Any, **named: Any) -> Outcome:
        trained.append(net.parameters)
        return train_network(net, *given, **named)

    made = make_plan(
        ["conv n, pool, dense", "n=1,2,4"], digits(), seeds=1, folds=1, epochs=1, query=Query(max_params=400, max_memory=10**6)
    )
    assert [reason.reason for reason in made.infeasible] == ["`conv 4, pool, dense` has 410 parameters (at most 400)"]
    with Store(tmp_path / "a.sqlite", made.data) as store:
        run(made, digits(), store, threads=2, train=counting)
    assert sorted(trained) == sorted(net.parameters for net in made.networks)
    assert max(trained) <= 400
    with pytest.raises(NetworkError, match="within the budgets"):
        make_plan(["conv n, pool, dense", "n=1,2,4"], digits(), seeds=1, query=Query(max_macs=3))
