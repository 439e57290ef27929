"""Sizes and colours as people write them; images that would become larger; the same images in several sizes, decoded once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from folder_of import draw, draw_classes, pixels
from issun.datasets import decode, load
from issun.datasets.inputs import Inputs
from issun.datasets.named import load_each
from issun.datasets.wanted import Wanted, input_text, one_input, read_input, wanted_inputs
from issun.errors import DataError
from small_study import digits

SIZES = st.tuples(st.integers(1, 4096), st.integers(1, 4096))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ISSUN_IMAGE_CACHE", raising=False)


def text_of(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@given(st.lists(SIZES, min_size=1, max_size=4, unique=True), st.lists(st.sampled_from(["gray", "rgb"]), min_size=1, unique=True))
def test_every_spelling_of_sizes_and_colours_is_the_same(sizes: list[tuple[int, int]], colors: list[str]) -> None:
    found = wanted_inputs(sizes, colors)
    assert found == wanted_inputs(",".join(map(text_of, sizes)), ",".join(colors))
    assert found == wanted_inputs([text_of(size) for size in sizes], tuple(colors))
    assert {one.size for one in found} == set(sizes)
    assert len(found) == len(sizes) * len(colors)
    if len(colors) == 1:
        assert found == wanted_inputs(sizes, gray=colors == ["gray"])


@given(st.tuples(st.integers(1, 99999), st.integers(1, 99999), st.integers(1, 9)))
def test_an_input_is_read_as_it_is_written(shape: tuple[int, int, int]) -> None:
    assert read_input(input_text(shape)) == read_input("x".join(map(str, shape))) == shape


def test_one_number_is_a_square_and_a_pair_is_one_size() -> None:
    assert one_input(24).size == one_input("24").size == one_input("24x24").size == one_input((24, 24)).size == (24, 24)
    assert one_input("24x48").size == one_input((24, 48)).size == (24, 48)
    assert [one.size for one in wanted_inputs([24, 48])] == [(24, 24), (48, 48)]
    assert wanted_inputs() == [Wanted()]
    assert wanted_inputs("24,24x24") == [Wanted((24, 24))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "big"}, r"`size` \(=big\) must be height x width, each at least 1: write 32x32"),
        ({"size": "24,"}, r"`size` \(=24,\) must be height x width"),
        ({"size": 0}, r"`size` \(=0x0\) must be height x width, each from 1 to 4096"),
        ({"size": (1, 5000)}, r"`size` \(=1x5000\) must be height x width, each from 1 to 4096"),
        ({"size": []}, r"`size` \(=\[\]\) must be a size"),
        ({"size": [None, 3]}, r"`size` \(=\[None, 3\]\) must be a size"),
        ({"color": "green"}, r"`color` \(=green\) must be gray or rgb, or both: gray,rgb"),
        ({"color": []}, r"`color` \(=\) must be gray or rgb"),
        ({"color": "rgb", "gray": True}, r"`color` \(=rgb\) and `gray` \(=True, --gray\) contradict each other"),
        ({"color": "gray,rgb", "gray": False}, r"`color` \(=gray,rgb\) and `gray` \(=False, --rgb\) contradict each other"),
    ],
)
def test_what_is_no_size_or_colour(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        wanted_inputs(**options)


def test_most_functions_take_one_size_and_colour() -> None:
    with pytest.raises(DataError, match=r"`size` \(=6x6,8x8\) must be one size here: only `sweep` and `run` take several"):
        load("digits", size="6,8")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"`color` \(=gray,rgb\) must be one color here"):
        load("digits", color="gray,rgb")
    assert load("digits", color="rgb", size=6).fingerprint == load("digits", gray=False, size=(6, 6)).fingerprint


def small_and_large(root: Path, small: int, large: int) -> Path:
    """Draw so many images of 10x20 and of 40x60 pixels, in two classes."""
    for number in range(small + large):
        draw(root / "ab"[number % 2] / f"{number}.png", pixels(number, *((10, 20) if number < small else (40, 60)), 3))
    return root


def test_a_size_larger_than_most_images_must_be_asked_for(tmp_path: Path) -> None:
    root = small_and_large(tmp_path / "d", 7, 5)
    message = r"`size` \(=16x16\) is larger than most images of .*: 7 of 12 images would be enlarged"
    for _ in range(2):  # what is cached says it too
        with pytest.raises(DataError, match=message) as error:
            load(root, size=16)
        assert "the smallest is 10x20, the median 10x20" in str(error.value)
        assert "--enlarge (in Python `enlarge=True`)" in str(error.value)
        dataset = load(root, size=16, enlarge=True)
        assert dataset.input == (16, 16, 3)
        assert "7 of 12 images are smaller than 16x16 and enlarged to it." in dataset.notes


def test_a_few_smaller_images_are_told(tmp_path: Path) -> None:
    dataset = load(small_and_large(tmp_path / "d", 2, 10), size=16)
    assert "2 of 12 images are smaller than 16x16 and enlarged to it." in dataset.notes
    assert not any("enlarged" in note for note in load(tmp_path / "d", size=10).notes)


@pytest.mark.parametrize(
    ("resize", "size", "count"), [("crop", (10, 21), 2), ("pad", (11, 20), 0), ("pad", (11, 21), 2), ("stretch", (9, 21), 2)]
)
def test_what_counts_as_enlarged_depends_on_how_images_are_fitted(tmp_path: Path, resize: str, size: tuple[int, int], count: int) -> None:
    dataset = load(small_and_large(tmp_path / "d", 2, 10), size=size, resize=resize)
    assert sum("enlarged" in note for note in dataset.notes) == (count > 0)


def test_arrays_are_not_enlarged_either() -> None:
    with pytest.raises(DataError, match=r"`size` \(=9x8\) is larger than most images of digits: 1,797 of 1,797 .* \(they are 8x8\)"):
        load("digits", size="9x8")
    assert load("digits", size="9x8", enlarge=True).input == (9, 8, 1)


def decoding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each time that the pixels of a file are decoded from now on."""
    found: list[str] = []

    def noted(picture: Image.Image, upright: Any = decode._upright) -> Image.Image:
        found.append(Path(picture.filename).name)  # type: ignore[attr-defined]
        return upright(picture)

    monkeypatch.setattr(decode, "_upright", noted)
    return found


def photos(root: Path, count: int = 8) -> Path:
    """Draw JPEG files of 240x320 pixels, smooth enough to be photographs, and a PNG with transparent parts."""
    for number in range(count):
        rough = Image.fromarray(pixels(number, 12, 16, 3)).resize((320, 240), Image.Resampling.BICUBIC)
        (root / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        rough.save(root / "ab"[number % 2] / f"{number}.jpg", quality=90)
    draw(root / "a" / "clear.png", pixels(99, 100, 90, 4))
    return root


def test_files_are_decoded_once_for_all_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos(tmp_path / "d")
    monkeypatch.setenv("ISSUN_IMAGE_CACHE", "off")
    # A JPEG is decoded at a quarter for the first three, at a half for the fourth, and whole for the last two.
    wanted = [
        *(Wanted((16, 16)), Wanted((16, 16), gray=True), Wanted((24, 24)), Wanted((50, 50))),
        Wanted((80, 80)),
        Wanted((24, 20), whole=True),
    ]
    alone = [load_each(root, None, [one])[0] for one in wanted]
    decoded = decoding(monkeypatch)
    together = load_each(root, None, wanted)
    assert sorted(decoded) == sorted([f"{number}.jpg" for number in range(8)] * 3 + ["clear.png"])
    for one, other in zip(alone, together, strict=True):
        assert one.fingerprint == other.fingerprint
        assert (one.fitting, one.notes, one.files, one.input) == (other.fitting, other.notes, other.files, other.input)
    decoded.clear()
    load_each(root, None, wanted[:3])
    assert len(decoded) == 9


def test_all_sizes_of_one_command_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos(tmp_path / "d")
    wanted = [Wanted((side, side)) for side in range(8, 14)]
    decoded = decoding(monkeypatch)
    first = load_each(root, None, wanted)
    assert len(decoded) == 9
    decoded.clear()
    again = load_each(root, None, wanted)
    assert decoded == []
    assert [one.fingerprint for one in again] == [one.fingerprint for one in first]
    load_each(root, None, [*wanted, Wanted((20, 20))])
    assert len(decoded) == 9  # for what is new alone


def test_inputs_are_the_same_labelled_images() -> None:
    data = digits()
    small = dataclasses.replace(
        data, images=np.ascontiguousarray(data.images[:, :6, :6]), test_images=np.ascontiguousarray(data.test_images[:, :6, :6])
    )
    inputs = Inputs.of([data, small])
    assert inputs.several
    assert [inputs.at(one.input) for one in inputs] == [data, small]
    with pytest.raises(DataError, match="digits is not loaded at 5x5 gray"):
        inputs.at((5, 5, 1))
    with pytest.raises(DataError, match="have the input 8x8 gray 2 times"):
        Inputs.of([data, data])
    with pytest.raises(DataError, match="must be at least one data set"):
        Inputs.of([])
    labels = small.labels.copy()
    labels[:2] = labels[1::-1]
    for other, reason in (
        (dataclasses.replace(small, labels=labels), "the labels of their training images differ"),
        (dataclasses.replace(small, images=small.images[1:], labels=small.labels[1:]), "they have 240 and 239 training images"),
        (dataclasses.replace(small, classes=tuple("abcdefghij")), "their classes differ"),
        (dataclasses.replace(small, given_validation=20), "their validation parts have 0 and 20 images"),
        (dataclasses.replace(small, groups=("g", "g", *[""] * 238)), "their groups differ"),
    ):
        with pytest.raises(DataError, match=f"digits at 6x6 gray is not digits at 8x8 gray in another size or colour: {reason}; one"):
            Inputs.of([data, other])


def test_files_that_share_a_name_only_are_no_inputs(tmp_path: Path) -> None:
    draw_classes(tmp_path / "one", {"a": 8, "b": 8}, (9, 9, 3))
    draw_classes(tmp_path / "two", {"a": 8, "b": 9}, (9, 9, 3))
    one, two = load(tmp_path / "one", size=6), load(tmp_path / "two", size=5)
    with pytest.raises(DataError, match=r"is not .* in another size or colour: they have"):
        Inputs.of([one, two])
