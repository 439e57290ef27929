"""A sweep without a family: the first family, with its settings as far as no others are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import issun as package
from cli_runner import Issun
from folder_of import draw_classes
from issun.arch.notation import bind_arguments
from issun.augmentation import Augmentation
from issun.errors import KnobError
from issun.events import Event, Remark
from issun.first_family import first_family
from issun.recipe import Recipe

#: Of 24x24 pixels.
FAMILY = "conv n norm, pool, conv 2n norm, pool, conv 2n norm, gap, dense"
AUGMENT = "crop 3, brightness 0.2, contrast 0.2"


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    draw_classes(tmp_path / "photos", {"owl": 15, "hawk": 15}, (24, 24, 3))
    return Issun(tmp_path, monkeypatch, capsys)


def planned(**options: Any) -> Any:
    return package.sweep("photos", dry_run=True, **options)


@given(
    height=st.integers(1, 4096),
    width=st.integers(1, 4096),
    channels=st.sampled_from((1, 3)),
    classes=st.integers(2, 50),
    images=st.integers(2, 10**6),
)
def test_it_can_be_for_every_image(height: int, width: int, channels: int, classes: int, images: int) -> None:
    first = first_family((height, width, channels), images)
    (bound,) = bind_arguments([first.family, first.values])
    feasible, impossible = bound.networks((height, width, channels), classes)
    assert not impossible
    assert len(feasible) >= 4
    recipe = Recipe.for_images(images, **first.settings)
    if recipe.augment is not None:
        recipe.augment.check((height, width, channels))
        assert not recipe.augment.flip
    assert 12 <= recipe.epochs <= 480
    # Never fewer epochs than without it, and where there are more, about 40,000 passes over single images at most.
    assert recipe.epochs >= Recipe.for_images(images).epochs
    assert recipe.epochs <= 60 or recipe.epochs * images <= 40_000 + images


@pytest.mark.parametrize(
    ("side", "convolutions"),
    [(3, 0), (7, 1), (15, 2), (16, 2), (19, 2), (20, 3), (32, 3), (41, 3), (42, 4), (48, 4), (85, 4), (86, 5), (96, 5)],
)
def test_larger_images_get_more_convolutions(side: int, convolutions: int) -> None:
    assert first_family((side, side + 9, 3), 400).family.count("conv") == convolutions


@pytest.mark.parametrize(("images", "epochs"), [(20, 480), (83, 480), (100, 400), (320, 125), (666, 61), (667, None), (1000, None)])
def test_fewer_images_get_more_epochs(images: int, epochs: int | None) -> None:
    assert first_family((32, 32, 3), images).settings.get("epochs") == epochs


def test_a_sweep_without_a_family(issun: Issun) -> None:
    told: list[Event] = []
    study = package.sweep("photos", seeds=1, epochs=1, folds=1, on_progress=told.append)
    assert [entry.network for entry in study.entries] == [
        f"conv {n} norm, pool, conv {2 * n} norm, pool, conv {2 * n} norm, gap, dense" for n in (2, 4, 8, 16)
    ]
    (recipe,) = {study.recipe(key) for key in study.facts.recipes}
    assert str(recipe.augment) == AUGMENT
    remarks = [event.text for event in told if isinstance(event, Remark) and "first family" in event.text]
    (remark,) = remarks
    assert remark == (
        f"No family was named, so the first family is trained: {FAMILY}, n=2,4,8,16; augmentation {AUGMENT} (--augment none trains "
        f"without). Name a family to train another."
    )
    again = package.sweep("photos", seeds=1, epochs=1, folds=1, dry_run=True)
    assert again.missing == 0


def test_each_of_several_sizes_gets_its_own(issun: Issun) -> None:
    told: list[Event] = []
    options: dict[str, Any] = {"size": "16,24", "seeds": 1, "epochs": 1, "folds": 1}
    study = package.sweep("photos", ["n=2"], study="sizes.sqlite", on_progress=told.append, **options)
    at = {entry.input: entry for entry in study.entries}
    assert [at[shape].network.count("conv") for shape in ((16, 16, 3), (24, 24, 3))] == [2, 3]
    augmented = {shape: str(study.recipe(entry.recipe_id).augment) for shape, entry in at.items()}
    assert augmented == {(16, 16, 3): AUGMENT.replace("3", "2", 1), (24, 24, 3): AUGMENT}
    assert {entry.input for entry in study.findings.answer.entries} == set(at)  # both are answered for, whatever their recipes
    (remark,) = [event.text for event in told if isinstance(event, Remark) and "first family" in event.text]
    assert remark.count("n=2") == 2
    assert "at 16x16 rgb conv" in remark
    again = package.sweep("photos", ["n=2"], study="sizes.sqlite", dry_run=True, **options)
    assert again.missing == 0


def test_the_command_does_as_the_function(issun: Issun) -> None:
    printed = issun.answers("sweep", "photos", "--dry-run")
    returned = planned().as_dict()
    assert printed | {"seconds": 0} == returned | {"seconds": 0}
    assert printed["recipe"]["augment"] == AUGMENT
    assert printed["recipe"]["epochs"] == 480
    few = issun.answers("sweep", "photos", "n=1,3", "--dry-run", "--folds", "1")
    assert [network["knobs"] for network in few["families"][0]["networks"]] == [{"n": 1}, {"n": 3}]
    assert few["families"][0]["family"] == FAMILY
    assert planned(families="n=1,3").families == planned(values={"n": [1, 3]}).families


def test_settings_that_are_given_win(issun: Issun) -> None:
    def augment(**options: Any) -> str:
        return str(planned(**options).plan.recipe.augment)

    assert augment() == AUGMENT
    assert augment(augment="flip") == augment(recipe={"augment": "flip"}) == "flip"
    assert augment(augment="none") == augment(recipe={"augment": "none"}) == augment(recipe={"augment": None}) == "None"
    assert augment(recipe={"epochs": 3}) == AUGMENT
    assert augment(recipe=Recipe(epochs=3)) == "None"
    assert augment(augment=Augmentation(shift=2)) == "shift 2"
    assert planned(epochs=7).plan.recipe.epochs == planned(recipe={"epochs": 7}).plan.recipe.epochs == 7
    assert planned(recipe=Recipe(epochs=3)).plan.recipe == Recipe(epochs=3)
    assert issun.answers("sweep", "photos", "--augment", "none", "--dry-run")["recipe"]["augment"] is None
    assert issun.answers("sweep", "photos", "--set", "augment=null", "--dry-run")["recipe"]["augment"] is None


def test_a_family_that_is_named_is_trained_as_ever(issun: Issun) -> None:
    plan = planned(families=["conv n, gap, dense", "n=1,2"]).plan
    assert plan.recipe == Recipe.for_images(len(plan.train))
    assert "first family" not in issun.fails("sweep", "photos", "conv n, gap, dense", "m=1", "--dry-run")


def test_values_of_another_knob_are_refused(issun: Issun) -> None:
    message = issun.fails("sweep", "photos", "m=1,2")
    for part in ("`m=1,2` matches no knob", FAMILY, "has the knob `n` alone", "or a family"):
        assert part in message
    with pytest.raises(KnobError, match="the first family"):
        planned(families=["n=1", "width=2"])
    assert "every family before it has values" in issun.fails("sweep", "photos", "n=1", "n=2")
    assert not list(issun.folder.glob("*.sqlite"))


def test_no_augmentation_has_a_word() -> None:
    assert Recipe(augment="none") == Recipe()
    assert Recipe(augment=" none ").identity() == Recipe().identity()
    assert Recipe.wanted(Recipe(augment="flip"), 100, augment="none").augment is None


def test_digits_are_no_photos() -> None:
    plan = package.sweep("digits", dry_run=True).plan
    assert plan.recipe.augment is None
    assert {trial.family for trial in plan.trials} == {"conv n, pool, conv 2n, dense"}
