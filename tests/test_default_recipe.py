"""The default recipe for given images: it must not depend on how bright they are, and what is stored must keep its meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import issun
from cli_runner import Issun
from issun import ConvFeatures
from issun.arch.notation import parse_network
from issun.datasets.dataset import Split
from issun.extraction.comparing import input_scaling
from issun.recipe import USUAL_SCALING, USUAL_WARMUP, Recipe
from issun.training import train_network

SEEDS = 10


def test_a_recipe_for_images_scales_them_by_their_own_mean_and_deviation() -> None:
    recipe = Recipe.for_images(1_000)
    assert (recipe.scaling, recipe.warmup, recipe.initializer) == ("standard", USUAL_WARMUP, "glorot")
    assert USUAL_SCALING == "standard"
    assert Recipe.for_images(1_000, scaling="unit").scaling == "unit"
    assert Recipe.for_images(1_000, scaling=None).scaling == "standard"


def test_a_stored_recipe_keeps_its_meaning() -> None:
    """A recipe of an older study names its scaling; one without it is that of the class, which has not changed."""
    assert Recipe().scaling == "unit"
    old = Recipe.for_images(1_000, scaling="unit").identity()
    assert old["scaling"] == "unit"
    assert Recipe(**old).identity() == old


def test_features_of_untrained_networks_are_scaled_alike_everywhere() -> None:
    digits = issun.load("digits")
    split = Split()
    assert ConvFeatures().scaling == USUAL_SCALING
    assert input_scaling(digits, split) == input_scaling(digits, split, "standard")


@pytest.mark.parametrize("network", ["conv 2 same, pool, conv 4 same, gap, dense", "conv 2, pool, dense"])
def test_no_seed_stays_at_chance_on_bright_images(network: str) -> None:
    """Digits mapped to 160…255: with values divided by 255, several of these seeds never leave chance."""
    digits = issun.load("digits")
    bright = [np.rint(160 + images * (95 / 255)).astype(np.uint8) for images in (digits.images, digits.test_images)]
    data = replace(digits, name="bright digits", images=bright[0], test_images=bright[1])
    net = parse_network(network, data.input, len(data.classes))
    train, _ = data.parts(Split())
    recipe = Recipe.for_images(len(train), epochs=12)
    reached = [train_network(net, recipe, data, seed=seed).history[-1].train_accuracy for seed in range(SEEDS)]
    assert min(reached) > 0.2  # guessing gives 0.1


def test_a_study_of_an_older_default_says_how_to_go_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    sweep = ("sweep", "digits", "conv 1, pool, dense", "--epochs", "1", "--seeds", "2", "--no-plot", "--study", "old.sqlite")
    issun.succeeds(*sweep, "--scaling", "unit")
    told = " ".join(issun.run(*sweep).err.split())
    assert "old.sqlite holds 2 trials of these networks, trained with an older default: add --scaling unit to resume them" in told
    for asked in ("standard", "unit"):  # what is asked for is meant
        assert "older default" not in issun.run(*sweep, "--scaling", asked).err
