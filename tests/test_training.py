"""Does training one network give the same outcome every time, go on where it was stopped, and survive a rate that diverges?"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from issun.api.train import train
from issun.arch.notation import parse_network
from issun.datasets.dataset import Dataset, Split
from issun.datasets.named import load
from issun.engine import EngineName, Epoch, State, make_engine
from issun.engine.fitting import loss_and_accuracy
from issun.engine.weights import penalty
from issun.errors import Cancelled, DataError, ModelError, NetworkError, NotationError, RecipeError
from issun.recipe import Recipe
from issun.training import Outcome, train_network

ENGINES: list[EngineName] = ["reference", "native"]
TEXT = "conv 2, pool, drop 0.2, dense 5 l2 0.01, dense"


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Return the bundled digits, few enough of them for the reference."""
    whole = load("digits")
    return dataclasses.replace(
        whole, images=whole.images[:240], labels=whole.labels[:240], test_images=whole.test_images[:80], test_labels=whole.test_labels[:80]
    )


def trained(dataset: Dataset, text: str = TEXT, engine: EngineName = "native", **keywords: Any) -> Outcome:
    recipe = keywords.pop("recipe", None) or Recipe(epochs=3, batch_size=32, scaling="standard")
    return train_network(parse_network(text, dataset.input, len(dataset.classes)), recipe, dataset, engine=engine, **keywords)


def facts(outcome: Outcome) -> dict[str, Any]:
    """Return everything of an outcome that must be the same to the bit when it comes again."""
    return {
        "history": [dataclasses.replace(line, seconds=0.0) for line in outcome.history],
        "weights": outcome.state.weights.tobytes(),
        "moments": outcome.state.moments.tobytes(),
        "position": (outcome.state.step, outcome.state.epoch),
        "scaling": outcome.scaling,
        "validation": (outcome.val_loss, outcome.val_accuracy, outcome.validation_predictions.tobytes()),
        "test": (outcome.test_loss, outcome.test_accuracy),
        "diverged": outcome.diverged,
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_the_outcome_says_what_happened(digits: Dataset, engine: EngineName) -> None:
    seen: list[tuple[int, int]] = []
    outcome = trained(digits, engine=engine, on_epoch=lambda line, state: seen.append((line.epoch, state.epoch)))
    assert seen == [(1, 1), (2, 2), (3, 3)]
    assert [line.epoch for line in outcome.history] == [1, 2, 3]
    assert outcome.history[-1].train_loss < outcome.history[0].train_loss
    assert outcome.seconds == sum(line.seconds for line in outcome.history) > 0
    assert not outcome.diverged
    last = outcome.history[-1]
    assert (outcome.val_loss, outcome.val_accuracy) == (last.val_loss, last.val_accuracy)
    train_part, validation = Split().indices(digits.labels, digits.classes)
    assert outcome.state.step == 3 * -(-len(train_part) // 32)
    assert outcome.validation_predictions.dtype == np.uint16
    assert (outcome.validation_predictions == digits.labels[validation]).mean() == outcome.val_accuracy


def test_the_test_figures_are_those_of_the_final_weights(digits: Dataset) -> None:
    outcome = trained(digits)
    engine = make_engine(outcome.net, outcome.recipe, outcome.scaling)
    logits = engine.logits(outcome.state.weights, digits.test_images, np.arange(len(digits.test_images)))
    loss, accuracy = loss_and_accuracy(logits, digits.test_labels)
    assert outcome.test_accuracy == accuracy
    assert outcome.test_loss == loss + penalty(outcome.net, outcome.state.weights)
    assert penalty(outcome.net, outcome.state.weights) > 0


def test_the_test_part_changes_nothing_but_its_own_figures(digits: Dataset) -> None:
    scrambled = dataclasses.replace(digits, test_images=digits.test_images[::-1] // 2, test_labels=np.roll(digits.test_labels, 3))
    plain, other = facts(trained(digits)), facts(trained(scrambled))
    assert plain.pop("test") != other.pop("test")
    assert plain == other


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adadelta"])
def test_going_on_gives_the_identical_outcome(digits: Dataset, engine: EngineName, optimizer: Any) -> None:
    recipe = Recipe(epochs=2, batch_size=50, optimizer=optimizer)
    kept: list[tuple[Epoch, State]] = []
    whole = trained(digits, engine=engine, recipe=recipe, seed=5, on_epoch=lambda line, state: kept.append((line, state.copy())))
    for done in (1, 2):
        state = kept[done - 1][1]
        before = state.weights.tobytes()
        again = trained(
            digits,
            engine=engine,
            recipe=recipe,
            seed=5,
            state=state,
            history=tuple(line for line, _ in kept[:done]),
        )
        assert facts(again) == facts(whole)
        assert state.weights.tobytes() == before  # what was given is not changed


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_an_epoch_of_some_steps_is_on_other_images_each_time(digits: Dataset, engine: EngineName) -> None:
    net = parse_network("dense", digits.input, 10)
    recipe = Recipe(epochs=3, batch_size=16, steps_per_epoch=2, schedule="constant", optimizer="sgd")
    short = train_network(net, recipe, digits, engine=engine)
    assert short.state.step == 6
    longer = train_network(net, recipe.model_copy(update={"epochs": 4}), digits, engine=engine)
    assert [(line.train_loss, line.val_loss) for line in longer.history[:3]] == [(line.train_loss, line.val_loss) for line in short.history]
    assert len({line.train_loss for line in longer.history}) == 4
    many = train_network(net, recipe.model_copy(update={"steps_per_epoch": 10**6}), digits, engine=engine)
    usual = train_network(net, recipe.model_copy(update={"steps_per_epoch": None}), digits, engine=engine)
    assert np.array_equal(many.weights, usual.weights)


def test_the_number_of_threads_changes_nothing(digits: Dataset) -> None:
    outcomes = [facts(trained(digits, "conv 3, pool, dense", threads=threads)) for threads in (1, 2, 3)]
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_seed_and_split_change_the_outcome(digits: Dataset) -> None:
    weights = {
        trained(digits, **changes).state.weights.tobytes()
        for changes in ({}, {"seed": 1}, {"split": Split(0.1, seed=1)}, {"split": Split(0.2)})
    }
    assert len(weights) == 4


@pytest.mark.parametrize("rate", [1e20, 1e38])
def test_a_rate_that_diverges_is_kept_and_marked(digits: Dataset, rate: float) -> None:
    outcome = trained(digits, recipe=Recipe(epochs=5, optimizer="sgd", learning_rate=rate))
    assert outcome.diverged
    assert 1 <= len(outcome.history) < 5
    assert not np.isfinite(outcome.val_loss)
    assert 0 <= outcome.val_accuracy <= 1
    with pytest.raises(ModelError, match=r"diverged in epoch 1, .* smaller `learning_rate` \(now 1e\+"):
        outcome.model(digits)
    again = trained(digits, recipe=outcome.recipe, state=outcome.state, history=outcome.history)
    assert again.diverged
    assert len(again.history) == len(outcome.history)  # nothing more is trained


class Flag:
    """A request to stop that comes after it was asked for so many times."""

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def is_set(self) -> bool:
        self.patience -= 1
        return self.patience < 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_request_to_stop_is_answered(digits: Dataset, engine: EngineName) -> None:
    done: list[int] = []
    with pytest.raises(Cancelled):
        trained(digits, engine=engine, cancel=Flag(0), on_epoch=lambda line, _: done.append(line.epoch))
    assert done == []
    stop = Flag(1_000_000)
    with pytest.raises(Cancelled):
        trained(digits, engine=engine, cancel=stop, on_epoch=lambda _line, _state: setattr(stop, "patience", 0))


@pytest.mark.parametrize(
    ("input", "classes", "text", "message"),
    [
        ((9, 8, 1), 10, "dense", r"the network takes 9x8x1 images, but those of digits are 8x8x1"),
        ((8, 8, 3), 10, "dense", r"the network takes 8x8x3 images"),
        ((8, 8, 1), 9, "dense", r"the network has 9 classes, but digits has 10"),
        ((8, 8, 1), 10, "frozen (dense)", r"`frozen \(dense\)` has nothing to train: move a layer"),
        ((8, 8, 1), 10, "frozen (conv 10), gap", r"has nothing to train"),
    ],
)
def test_a_network_that_does_not_fit(digits: Dataset, input: tuple[int, int, int], classes: int, text: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        train_network(parse_network(text, input, classes), Recipe(), digits)


def test_a_class_with_too_few_images(digits: Dataset) -> None:
    first = np.flatnonzero(digits.labels == 3)[0]
    keep = (digits.labels != 3) | (np.arange(len(digits.labels)) == first)
    few = dataclasses.replace(digits, images=digits.images[keep], labels=digits.labels[keep])
    with pytest.raises(DataError, match="'3' has 1 image apart from its test images"):
        trained(few)


def test_a_state_that_does_not_belong(digits: Dataset) -> None:
    outcome = trained(digits)
    with pytest.raises(ModelError, match=r"needs a history of 3 lines"):
        trained(digits, state=outcome.state, history=outcome.history[:2])
    with pytest.raises(ModelError, match=r"needs a history of 0 lines"):
        trained(digits, history=outcome.history)
    with pytest.raises(ModelError, match=r"a recipe of at least as many epochs"):
        trained(digits, state=outcome.state, history=outcome.history, recipe=Recipe(epochs=2))
    with pytest.raises(ModelError, match=r"does not match `dense` trained with adam"):
        trained(digits, "dense", state=outcome.state, history=outcome.history)
    with pytest.raises(ModelError, match=r"trained with sgd, which needs"):
        trained(digits, state=outcome.state, history=outcome.history, recipe=Recipe(epochs=3, optimizer="sgd"))


def test_the_model_knows_where_it_comes_from(digits: Dataset) -> None:
    outcome = trained(digits, seed=3)
    about = outcome.model(digits).about
    assert about["data"] == f"digits ({digits.fingerprint})"
    assert about["seed"] == "3"
    assert Recipe.of_stored(json.loads(about["recipe"])) == outcome.recipe
    assert float(about["validation accuracy"]) == pytest.approx(outcome.val_accuracy, abs=1e-4)


def test_train_needs_nothing_but_a_name_and_a_text() -> None:
    lines: list[int] = []
    result = train("digits", "conv 8, pool, dense 16, dense", epochs=8, on_epoch=lambda line, state: lines.append(line.epoch))
    assert lines == list(range(1, 9))
    evaluation = result.model.evaluate(result.dataset.test_images, result.dataset.test_labels)
    assert evaluation.accuracy == result.outcome.test_accuracy > 0.8
    assert result.outcome.recipe == Recipe.for_images(1290, epochs=8)
    assert result.model is result.model


def test_train_takes_settings_a_recipe_a_net_and_a_path(digits: Dataset, tmp_path: Path) -> None:
    net = parse_network("dense", (8, 8, 1), 10)
    some = train(digits, net, recipe={"optimizer": "sgd", "batch_size": 50}, epochs=1, validation=0.3).outcome
    assert (some.recipe.optimizer, some.recipe.batch_size, some.recipe.epochs) == ("sgd", 50, 1)
    assert len(some.validation_predictions) == len(Split(0.3).indices(digits.labels, digits.classes)[1])
    whole = Recipe(optimizer="rmsprop", epochs=9)
    assert train(digits, net, recipe=whole, epochs=1).outcome.recipe == Recipe(optimizer="rmsprop", epochs=1)
    assert train(digits, net, recipe=Recipe(epochs=2)).outcome.recipe.epochs == 2
    np.savez(tmp_path / "own.npz", x=digits.images, y=digits.labels)
    assert train(tmp_path / "own.npz", "dense", epochs=1).dataset.input == (8, 8, 1)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"data": "digit"}, DataError, "did you mean digits"),
        ({"network": "cnov 4, dense"}, NotationError, "conv"),
        ({"network": "conv 4, pool, conv 4, pool, dense"}, NetworkError, "layer 4"),
        ({"epochs": 0}, RecipeError, r"`epochs` \(=0\)"),
        ({"recipe": {"rate": 1}}, RecipeError, "`rate` is not a setting"),
        ({"validation": 1.5}, DataError, r"`fraction` \(=1.5\)"),
        ({"seed": -1}, RecipeError, r"`seed` \(=-1\)"),
        ({"seed": 2**63}, RecipeError, "from 0 to 2"),
    ],
)
def test_train_names_what_is_wrong(keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        train(**{"data": "digits", "network": "dense", **keywords})


def test_train_says_that_it_diverged(digits: Dataset) -> None:
    result = train(digits, "dense 8, dense", recipe={"learning_rate": 1e38, "optimizer": "sgd"}, epochs=2)
    assert result.outcome.diverged
    with pytest.raises(ModelError, match="training diverged"):
        _ = result.model
