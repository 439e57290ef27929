"""What dropout, penalties, augmentation, stopping early or more epochs did, where a study holds a network with them and without."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.recipe import Recipe
from issun.study.entry import Entry, EntryKey, TrialResult
from issun.study.remedies import Remedy, remedies, used_against_overfitting
from issun.study.study import Study
from small_study import run_small, small_plan

PLAIN = "conv 4, pool, dense 8, dense"
DROPPED = "conv 4, drop 0.2, pool, dense 8, drop 0.2, dense"


def study(*rows: tuple[str, dict[str, Any], list[float], float], images: int = 5000, alike: bool = False) -> Any:
    """Return what `remedies` reads of a study; rows are network, changes of the recipe, accuracies of the seeds, training accuracy.

    Where networks are `alike`, what one gets right every better one gets right too.
    """
    recipes = [Recipe(**{"epochs": 15, **changes}) for _, changes, _, _ in rows]
    entries = []
    for number, (network, _, accuracies, train) in enumerate(rows):
        trials = tuple(
            TrialResult(f"{number} {seed}", seed, "done", accuracy <= 0.12, 0.5, accuracy, 15, 15, 0.5, train, 1.0, "now")
            for seed, accuracy in enumerate(accuracies)
        )
        key = EntryKey(network, str(number), "s")
        entries.append(Entry(key, network, network, network, {}, *[100] * 5, images, 0.1, trials))
    hard = np.random.default_rng(0).permutation(images)  # the last of these images are the hardest, if all find the same ones hard

    def predictions(entry: Entry, seed: int) -> pd.DataFrame:
        order = hard if alike else np.random.default_rng([int(entry.recipe_id), seed]).permutation(images)
        predicted = np.ones(images, int)
        predicted[order[: round(rows[int(entry.recipe_id)][2][seed] * images)]] = 0
        return pd.DataFrame({"label": 0, "predicted": predicted})

    def net(entry: Entry) -> Net:
        return parse_network(entry.network, (8, 8, 1), 10)

    return SimpleNamespace(entries=entries, recipe=lambda recipe_id: recipes[int(recipe_id)], predictions=predictions, net=net)


def only(found: list[Remedy]) -> Remedy:
    (remedy,) = found
    return remedy


def test_dropout_that_helped() -> None:
    remedy = only(remedies(study((PLAIN, {}, [0.55, 0.56], 0.89), (DROPPED, {}, [0.62, 0.63], 0.70))))
    assert (remedy.name, remedy.setting, remedy.network, remedy.verdict) == ("dropout", "drop 0.2", DROPPED, "helped")
    assert remedy.gap_before == pytest.approx(0.335)
    assert str(remedy) == ("dropout (drop 0.2): validation 0.555 → 0.625, gap 0.335 → 0.075: it helped, and overfits less")


def test_seeds_that_failed_are_named_beside_the_mean() -> None:
    remedy = only(remedies(study((PLAIN, {}, [0.55, 0.10, 0.57], 0.7), (DROPPED, {}, [0.6, 0.6, 0.6], 0.7))))
    assert "validation 0.407 (2 of 3 seeds; 1 never left chance) → 0.600, gap" in str(remedy)


def test_a_remedy_that_hurt_and_one_that_nobody_can_tell() -> None:
    hurt = only(remedies(study((PLAIN, {}, [0.60], 0.61), (DROPPED, {}, [0.50], 0.51))))
    assert hurt.verdict == "hurt"
    assert str(hurt).endswith("it hurt")
    same = only(remedies(study((PLAIN, {}, [0.60], 0.62), (DROPPED, {}, [0.61], 0.62), images=500)))
    assert same.verdict == "no difference"
    assert "so few images and seeds" in str(same)
    spread = only(remedies(study((PLAIN, {}, [0.50, 0.70], 0.7), (DROPPED, {}, [0.60, 0.72], 0.7), images=5000)))
    assert spread.verdict == "no difference"


def test_images_that_both_answered_are_pairs() -> None:
    rows = ((PLAIN, {}, [0.9937], 1.0), (PLAIN, {"augment": "shift 2"}, [0.9959], 0.997))
    # A fifth of a point is clear where both miss the same images, and drowns where each misses its own.
    pairs, strangers = only(remedies(study(*rows, images=6000, alike=True))), only(remedies(study(*rows, images=6000)))
    assert (pairs.verdict, strangers.verdict) == ("helped", "no difference")
    assert pairs.error < strangers.error


def test_penalties_one_by_one_and_together_are_compared_with_the_plain_network() -> None:
    names = {
        "l1": "conv 4, pool, dense 8 l1 0.01, dense",
        "l2": "conv 4, pool, dense 8 l2 0.01, dense",
        "l1 and l2": "conv 4, pool, dense 8 l1 0.01 l2 0.01, dense",
    }
    found = remedies(study((PLAIN, {}, [0.5], 0.9), *((text, {}, [0.6], 0.7) for text in names.values())))
    assert {remedy.name: remedy.network for remedy in found} == names
    assert {remedy.before for remedy in found} == {0.5}
    without_plain = remedies(study((names["l1"], {}, [0.55], 0.7), (names["l1 and l2"], {}, [0.6], 0.7)))
    assert [(remedy.name, remedy.before) for remedy in without_plain] == [("l2", 0.55)]


def test_early_stopping_and_more_epochs_are_told_from_the_recipe() -> None:
    early = only(remedies(study((PLAIN, {}, [0.55], 0.9), (PLAIN, {"patience": 5, "restore_best_weights": True}, [0.6], 0.65))))
    assert (early.name, early.setting) == ("early stopping", "patience 5")
    network = "conv 4, pool, dense 8 l1 0.01 l2 0.01, dense"
    longer = only(remedies(study((network, {}, [0.490], 0.504), (network, {"epochs": 100}, [0.650], 0.672))))
    assert (longer.name, longer.setting, longer.verdict) == ("more epochs", "15 → 100 epochs", "helped")


def test_networks_that_differ_in_anything_else_are_not_compared() -> None:
    assert not remedies(study((PLAIN, {}, [0.5], 0.9), ("conv 5, pool, dense 8, drop 0.2, dense", {}, [0.6], 0.7)))
    assert not remedies(study((PLAIN, {}, [0.5], 0.9), (DROPPED, {"learning_rate": 0.1}, [0.6], 0.7)))
    assert not remedies(study((PLAIN, {}, [0.5], 0.9), (DROPPED, {"epochs": 50}, [0.6], 0.7)))
    assert not remedies(study(("conv 4, drop 0.1, pool, dense", {}, [0.5], 0.9), ("conv 4, drop 0.2, pool, dense", {}, [0.6], 0.7)))


def test_dropout_inside_groups_counts_and_frozen_layers_are_not_thawed() -> None:
    pair = ("res (conv 1 same), dense", {}, [0.5], 0.9), ("res (conv 1 same, drop 0.3), drop 0.1, dense", {}, [0.6], 0.7)
    assert only(remedies(study(*pair))).setting == "drop 0.3, drop 0.1"
    assert not remedies(study(("conv 4, dense", {}, [0.5], 0.9), ("frozen (conv 4), drop 0.1, dense", {}, [0.6], 0.7)))


def test_what_is_used_is_told_by_network_and_recipe() -> None:
    net = parse_network("conv 4 l2 0.01, drop 0.2 spatial, dense 8 l1 0.1 l2 0.001, dense", (8, 8, 1), 10)
    assert used_against_overfitting(net, Recipe(augment="shift 2", restore_best_weights=True)) == {
        "dropout": "drop 0.2 spatial",
        "l1": "l1 0.1",
        "l2": "l2 0.01, 0.001",
        "augmentation": "shift 2",
        "early stopping": "best epoch restored",
    }
    assert used_against_overfitting(parse_network("dense", (8, 8, 1), 10), Recipe()) == {}


def test_a_stored_study_is_compared(tmp_path: Any) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 4, dense", "dense 4, drop 0.5, dense", "dense 4 l2 0.1, dense"))
    found = Study(tmp_path / "a.sqlite").remedies()
    assert sorted(remedy.name for remedy in found) == ["dropout", "l2"]
