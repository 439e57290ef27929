"""What an augmentation is: its settings, its text, what is refused, and its place in a recipe."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from issun.augmentation import EDGES, Augmentation
from issun.errors import NotationError, RecipeError
from issun.recipe import Recipe
from issun.study.plan import recipe_text

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "shift": st.integers(0, 1024),
        "flip": st.booleans(),
        "rotate": st.floats(0, 180),
        "zoom": st.floats(0, 0.75),
        "shear": st.floats(0, 60),
        "crop": st.one_of(st.integers(0, 1024), st.floats(0.05, 0.99)),
        "cutout": st.integers(0, 1024),
        "mixup": st.one_of(st.just(0), st.floats(0.01, 100)),
        "brightness": st.floats(0, 1),
        "contrast": st.floats(0, 1),
        "saturation": st.floats(0, 1),
        "gray": st.floats(0, 1),
        "elastic": st.floats(0, 16),
    },
)


@given(SETTINGS, st.integers(0, 255), st.sampled_from(EDGES))
def test_text_reads_back_as_the_same_augmentation(settings: dict[str, float], fill: int, edge: str) -> None:
    assume(any(settings.values()))
    leaves = any(settings.get(name) for name in ("shift", "rotate", "zoom", "shear", "elastic"))
    edge = edge if leaves else "fill"
    filled = (leaves and edge == "fill") or settings.get("cutout")
    augmentation = Augmentation(**settings, edge=edge, fill=fill if filled else 0)  # type: ignore[arg-type]
    assert Augmentation.parse(str(augmentation)) == augmentation
    assert Recipe(augment=augmentation) == Recipe(augment=str(augmentation))


def test_order_and_spaces_do_not_matter_and_the_text_has_one_order() -> None:
    text = "edge   mirror, cutout 8,mixup .2 ,  fill 9, rotate 10.0, gray 1, crop 3, shear 5, zoom 0.10, contrast .3"
    text += ", flip, elastic 4.0, shift 02"
    right = "shift 2, flip, rotate 10, zoom 0.1, shear 5, elastic 4, crop 3, contrast 0.3, gray 1, cutout 8, mixup 0.2, edge mirror, fill 9"
    assert str(Augmentation.parse(text)) == right


def test_a_crop_below_one_is_a_share_of_the_area() -> None:
    assert str(Augmentation.parse("crop 0.50, flip")) == "flip, crop 0.5"
    assert Augmentation.parse("crop 0.5") == Augmentation(crop=0.5)
    Augmentation(crop=0.5).check((1, 1, 1))
    assert str(Augmentation(crop=2.0)) == "crop 2"


def test_the_edge_that_is_filled_is_not_said() -> None:
    assert str(Augmentation.parse("shift 2, edge fill")) == "shift 2"
    assert Augmentation.parse("edge fill, shift 2") == Augmentation(shift=2)


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("shft 2", 0, "did you mean `shift`"),
        ("flip, scale 0.1", 6, "did you mean `zoom`"),
        ("flip, wobble", 6, "choose from shift, flip, rotate"),
        ("shift", 5, "`shift` needs a number (pixels), but the text ends"),
        ("shift, flip", 5, "but `,` was found"),
        ("shift -2", 6, "without a sign"),
        ("shift 2.5", 6, "whole number"),
        ("shift 0", 6, "from 1 to 1024"),
        ("shift 2000", 6, "from 1 to 1024"),
        ("rotate 10deg", 7, "`10deg` was found"),
        ("rotate 0", 7, "above 0 and at most 180"),
        ("rotate 181", 7, "at most 180"),
        ("zoom 10%", 7, "fractions are written as numbers"),
        ("zoom 0.8", 5, "at most 0.75"),
        ("mixup 0.001", 6, "from 0.01 to 100"),
        ("flip 2", 5, "`,` or the end is expected after `flip`"),
        ("flip, ", 5, "a word is expected"),
        ("flip, flip", 6, "is given twice"),
        ("flip; shift 2", 4, "separated by `,`"),
        ("shift=2", 5, "after a space"),
        ("rotate 0." + "1" * 40, 7, "at most 30 characters"),
        ("shift 1, edge", 13, "`edge` needs fill, repeat or mirror, but the text ends"),
        ("shift 1, edge reflect", 14, "`reflect` was found; did you mean `mirror`?"),
        ("shift 1, edge nearest", 14, "did you mean `repeat`?"),
        ("shift 1, edge miror", 14, "did you mean `mirror`?"),
        ("shift 1, edge 0", 14, "`0` was found"),
        ("shift 1, fill_mode reflect", 9, "did you mean `edge`?"),
        ("crop 0.01", 5, "a whole number (pixels), or a share of the area from 0.05 to below 1"),
        ("crop 1.5", 5, "a whole number (pixels), or a share of the area from 0.05 to below 1"),
        ("crop 1.0", 5, "a whole number (pixels), or a share of the area from 0.05 to below 1"),
        ("crop 0", 5, "from 1 to 1024"),
        ("brightness 2", 11, "above 0 and at most 1 (how far the factor is from 1)"),
        ("grayscale 0.1", 0, "did you mean `gray`?"),
        ("elastic 17", 8, "above 0 and at most 16 (pixels)"),
        ("distortion 1", 0, "did you mean `elastic`?"),
        ("gray", 4, "`gray` needs a number (a probability)"),
        ("(flip)", 0, "`(` is not an augmentation"),
    ],
)
def test_errors_point_at_the_place(text: str, position: int, problem: str) -> None:
    with pytest.raises(NotationError) as caught:
        Augmentation.parse(text)
    assert problem in caught.value.problem
    assert caught.value.position == position


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        augmentation = Augmentation.parse(text)
    except (NotationError, RecipeError):
        return
    assert Augmentation.parse(str(augmentation)) == augmentation


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "changes nothing"),
        ({"fill": 3, "flip": True}, "`fill` \\(=3\\) has no effect"),
        ({"shift": -1}, "`shift` \\(=-1\\) must be 0 or a whole number from 1 to 1024"),
        ({"shift": 1.5}, "whole number"),
        ({"shift": True}, "whole number"),
        ({"crop": math.inf}, "whole number"),
        ({"rotate": math.nan}, "a number from 0 to 180"),
        ({"rotate": "ten"}, "`rotate` \\(='ten'\\)"),
        ({"flip": 1}, "True or False"),
        ({"shift": 1, "edge": "wrap"}, "`edge` \\(='wrap'\\) must be fill, repeat or mirror"),
        ({"shift": 1, "edge": None}, "`edge` \\(=None\\) must be fill, repeat or mirror"),
        ({"flip": True, "edge": "mirror"}, "`edge` \\(=mirror\\) has no effect: it requires shift, rotate, zoom, shear or elastic"),
        ({"edge": "mirror"}, "changes nothing"),
        ({"shift": 1, "edge": "repeat", "fill": 9}, "`fill` \\(=9\\) has no effect: it requires cutout, since the edge is `repeat`"),
        ({"crop": 0.04}, "0 or a whole number from 1 to 1024 \\(pixels\\), or a share of the area from 0.05 to below 1"),
        ({"crop": 2.5}, "or a share of the area from 0.05 to below 1"),
        ({"crop": 0.5, "edge": "mirror"}, "`edge` \\(=mirror\\) has no effect"),
        ({"crop": 0.5, "fill": 3}, "`fill` \\(=3\\) has no effect"),
        ({"contrast": 1.5}, "`contrast` \\(=1.5\\) must be a number from 0 to 1"),
        ({"shift": 1, "fill": 256}, "0 or|from 0 to 255"),
    ],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(RecipeError, match=problem):
        Augmentation(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["shift", "crop", "cutout"])
def test_what_is_as_large_as_the_image_is_refused(name: str) -> None:
    Augmentation(**{name: 4}).check((5, 9, 1))  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=rf"`{name}` \(=5\) must be smaller than the images \(9x5\): use at most 4"):
        Augmentation(**{name: 5}).check((9, 5, 3))  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="leave it out"):
        Augmentation(**{name: 1}).check((1, 1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["saturation 0.3", "gray 0.3"])
def test_colours_of_images_without_colours_are_refused(text: str) -> None:
    Augmentation.parse(text).check((5, 9, 3))
    with pytest.raises(RecipeError, match=r"\(=0.3\) requires images with red, green and blue, and these have 1 channel: leave it out"):
        Augmentation.parse(text).check((5, 9, 1))
    with pytest.raises(RecipeError, match="these have 4 channels"):
        Augmentation.parse(text).check((5, 9, 4))
    Augmentation.parse("brightness 1, contrast 1").check((5, 9, 1))


def test_places_of_turned_images_fit_their_32_bits() -> None:
    Augmentation(rotate=1).check((1024, 1024, 3))
    Augmentation(flip=True).check((4000, 30, 3))
    with pytest.raises(RecipeError, match="too large to rotate, zoom, shear, bend or enlarge: at most 1024"):
        Augmentation(rotate=1).check((30, 1025, 3))


def test_a_recipe_without_augmentation_has_the_text_that_it_always_had() -> None:
    assert "augment" not in json.loads(recipe_text(Recipe()))
    assert "augment" not in Recipe().identity()
    assert Recipe(augment="flip").identity()["augment"] == "flip"


def test_a_recipe_keeps_its_augmentation_as_text() -> None:
    recipe = Recipe(augment="flip,  shift 2")
    assert recipe.augment == Augmentation(shift=2, flip=True)
    assert json.loads(recipe_text(recipe))["augment"] == "shift 2, flip"
    assert Recipe(**recipe.model_dump()) == recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert recipe_text(recipe) != recipe_text(Recipe(augment="shift 3, flip"))


@pytest.mark.parametrize("value", [3, {"shift": 2}, True])
def test_a_recipe_takes_no_other_augmentation(value: object) -> None:
    with pytest.raises(RecipeError, match=r"`augment` .* must be an Augmentation or its text"):
        Recipe(augment=value)
